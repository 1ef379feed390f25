"""Modules in place of nn.Linear and nn.LayerNorm."""

from __future__ import annotations

import threading
import weakref
from typing import Any

import numpy as np
import torch
from torch import nn

import octile
from octile._linear import from_state


class SharedRows:
    """Rows that several linears read, quantized once: those of the last tensor that this thread has handed to one of them.

    A tensor is the same if it is the same object and nobody has written to it since. Inference mode keeps no count of
    writes, so that nothing is shared in it.
    """

    def __init__(self) -> None:
        self._last = threading.local()

    def __reduce__(self) -> tuple[type, tuple[()]]:
        return SharedRows, ()

    def remember(self, x: torch.Tensor, rows: octile.Rows) -> None:
        if not x.is_inference():
            self._last.value = (weakref.ref(x), x._version, rows)

    def find(self, x: torch.Tensor, linear: octile.Linear) -> octile.Rows | None:
        last = getattr(self._last, "value", None)
        if last is None or last[0]() is not x or x.is_inference() or x._version != last[1] or not linear.accepts(last[2]):
            return None
        return last[2]


class _NoGradient(torch.autograd.Function):
    """A result that was computed without autograd, told to it: a backward pass is refused, and not silently without a gradient."""

    @staticmethod
    def forward(ctx: Any, y: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return y.view_as(y)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        raise RuntimeError("octile.torch: there is no backward pass through a packed layer: train before you replace, or run under torch.no_grad()")


def _told_to_autograd(y: torch.Tensor, *inputs: torch.Tensor) -> torch.Tensor:
    if torch.is_grad_enabled():
        for x in inputs:
            if x.requires_grad:
                return _NoGradient.apply(y, x)
    return y


def _autocast_dtype() -> torch.dtype | None:
    return torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else None


class FusedLinear(nn.Module):
    """A packed linear of octile. It has no parameters: what state_dict() keeps of it are its levels and their scales."""

    def __init__(self, linear: octile.Linear, shared: SharedRows | None = None) -> None:
        super().__init__()
        self.linear = linear
        self.shared = shared
        self.train(False)

    @property
    def in_features(self) -> int:
        return self.linear.k

    @property
    def out_features(self) -> int:
        return self.linear.n

    @property
    def weight(self) -> torch.Tensor:
        """What it computes with, as float32 [out_features, in_features]: made anew each time, for those who ask for its type or device."""
        state = self.linear.state()
        if "q4" in state:
            group = np.arange(self.linear.k) // 32
            levels = state["s4"][:, group].astype(np.float32) * state["q4"] + state["c8"][:, group]
            return torch.from_numpy(levels * state["scale"][:, None])
        if "levels" in state:
            return torch.from_numpy(state["levels"].astype(np.float32) * state["scale"][:, None])
        return torch.from_numpy(state["weight"].astype(np.float32))

    @property
    def bias(self) -> torch.Tensor:
        return torch.from_numpy(self.linear.state()["bias"])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = None if self.shared is None else self.shared.find(x, self.linear)
        if rows is None:
            rows = x.detach()
            if self.shared is not None:
                rows = self.linear.pack_rows(rows)
                self.shared.remember(x, rows)
        return _told_to_autograd(self.linear(rows, dtype=_autocast_dtype()), x)

    def extra_repr(self) -> str:
        text = f"{self.in_features}→{self.out_features}"
        if self.linear.activation != "none":
            text += f", act={self.linear.activation}"
        return text if self.linear.precision == "int8" else f"{text}, {self.linear.precision}"

    def get_extra_state(self) -> dict[str, Any]:
        return {name: torch.from_numpy(value) if isinstance(value, np.ndarray) else value for name, value in self.linear.state().items()}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        linear = from_state({name: value.numpy() if isinstance(value, torch.Tensor) else value for name, value in state.items()})
        if linear.shape != self.linear.shape:
            raise RuntimeError(f"{type(self).__name__}: expected the shape {list(self.linear.shape)}, found {list(linear.shape)}")
        self.linear = linear

    def _apply(self, fn: Any, recurse: bool = True) -> FusedLinear:
        """to(), half() and the like: what is packed stays what it is, for x of any type; another device is refused."""
        where = fn(torch.empty(0)).device
        if where.type not in ("cpu", "meta"):
            raise RuntimeError(f"{type(self).__name__}: expected the CPU, found {where}: Octile runs on CPUs")
        return super()._apply(fn, recurse)


class FusedLinearAct(FusedLinear):
    """The same with an activation behind, computed before y is stored."""


class FusedLayerNorm(nn.Module):
    """nn.LayerNorm whose rows are quantized for the linears behind it in the same pass. Its affine is never quantized."""

    def __init__(self, norm: nn.LayerNorm, consumer: octile.Linear, shared: SharedRows) -> None:
        super().__init__()
        self.normalized_shape = norm.normalized_shape
        self.eps = norm.eps
        self.weight = norm.weight
        self.bias = norm.bias
        self.consumer = consumer
        self.shared = shared
        self._packed: tuple[Any, octile.Norm] | None = None

    def _norm(self) -> octile.Norm:
        """Of weight and bias as they are now: load_state_dict() and to() change them."""
        key = tuple((parameter.data_ptr(), parameter._version) for parameter in (self.weight, self.bias) if parameter is not None)
        if self._packed is None or self._packed[0] != key:
            self._packed = (key, octile.Norm(self.weight, self.bias, eps=self.eps))
        return self._packed[1]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y, rows = self._norm()(x.detach(), consumer=self.consumer)
        y = _told_to_autograd(y, x, self.weight)
        self.shared.remember(y, rows)
        return y

    def extra_repr(self) -> str:
        return f"{self.consumer.k}, eps={self.eps}"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_packed": None}
