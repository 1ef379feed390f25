"""The layers of a model as torch.export sees them: exact shapes, and what reads what."""

from __future__ import annotations

from typing import Any, Mapping, Sequence, Union

import torch
from torch import nn

from . import _activations

Example = Union[torch.Tensor, Sequence[Any], Mapping[str, Any]]

# Operations that leave rows as they are, if they leave the last dimension and the type.
_PASS = {"to", "view", "reshape", "_unsafe_view", "unsqueeze", "squeeze", "flatten", "unflatten", "contiguous", "clone", "alias", "detach", "dropout"}


def _same_rows(before: torch.Tensor, after: torch.Tensor) -> bool:
    return before.shape[-1:] == after.shape[-1:] and before.dtype == after.dtype


def arguments_of(example: Example) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """What the model is called with: one tensor, a sequence of positional arguments, or a mapping of keywords."""
    if isinstance(example, torch.Tensor):
        return (example,), {}
    if isinstance(example, Mapping):
        return (), dict(example)
    return tuple(example), {}


class _Rows:
    """Layer lists as they are written: rows in execution order, each with the names of those it reads."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.inputs_of_network: list[dict[str, Any]] = []  # values that depend on no layer; they come first
        self._names: dict[str, int] = {}

    def name(self, wanted: str) -> str:
        self._names[wanted] = self._names.get(wanted, 0) + 1
        return wanted if self._names[wanted] == 1 else f"{wanted}#{self._names[wanted]}"

    def add(self, wanted: str, row: dict[str, Any]) -> str:
        name = self.name(wanted)
        (self.rows if row["inputs"] else self.inputs_of_network).append({"name": name, **row})
        return name


class _Reader:
    def __init__(self, model: nn.Module, program: Any) -> None:
        self.modules = dict(model.named_modules())
        self.parameters = program.graph_signature.inputs_to_parameters
        self.list = _Rows()
        self.rows: dict[Any, str] = {}  # node -> the row that yields it
        self.depends: dict[Any, set[str]] = {}  # other nodes -> the rows they are made of
        self.spans: dict[str, str | None] = {}  # module -> its activation
        self.span_rows: dict[tuple[str, Any], str] = {}
        self.order: dict[str, int] = {}

    def path(self, node: Any) -> str:
        """The innermost module that computes it."""
        stack = node.meta.get("nn_module_stack") or {}
        return list(stack.values())[-1][0] if stack else ""

    def activation_module(self, path: str) -> str | None:
        if path not in self.spans:
            module = self.modules.get(path)
            self.spans[path] = None if module is None or path == "" or next(module.children(), None) is not None else _activations.of_module(module)
        return self.spans[path]

    def row_of(self, node: Any) -> str:
        """The row that yields a node's value, made for it if nothing else is."""
        if node not in self.rows:
            shape = node.meta["val"].shape
            features = int(shape[-1]) if len(shape) else 1
            inputs = sorted(self.depends.get(node, set()), key=lambda name: self.order[name])
            self.note(node, self.list.add(node.name, {"op": "other", "m": max(1, node.meta["val"].numel() // max(1, features)), "k": max(1, features),
                                                      "n": max(1, features), "inputs": inputs}))
        return self.rows[node]

    def note(self, node: Any, name: str) -> None:
        self.rows[node] = name
        self.order.setdefault(name, len(self.order))

    def read(self, node: Any) -> None:
        value = node.meta.get("val")
        tensors = [argument for argument in node.all_input_nodes if isinstance(argument.meta.get("val"), torch.Tensor)]
        operation = getattr(node.target, "_opname", None) or getattr(node.target, "__name__", "")
        operation = operation.split(".")[0]
        path = self.path(node)
        if isinstance(value, torch.Tensor) and value.dim() > 0 and value.is_floating_point():
            if operation == "linear" and node.args[1].name in self.parameters:
                return self.linear(node, path)
            if operation == "layer_norm" and len(node.args[1]) == 1:
                return self.layer_norm(node, path)
            if (name := self.activation_module(path)) is not None:
                return self.span(node, tensors, path, name)
            if (name := _activations.of_operation(operation, node.args, node.kwargs)) is not None:
                return self.activation(node, tensors[0], f"{path}.{node.name}" if path else node.name, name)
            if operation in _PASS and tensors and tensors[0] in self.rows and _same_rows(tensors[0].meta["val"], value):
                self.rows[node] = self.rows[tensors[0]]
                return None
            if operation in ("add", "add_") and len(tensors) == 2 and all(one.meta["val"].shape == value.shape for one in tensors) and not node.kwargs:
                features = int(value.shape[-1])
                inputs = [self.row_of(one) for one in tensors]
                self.note(node, self.list.add(node.name, {"op": "add", "m": value.numel() // features, "k": features, "n": features, "inputs": inputs}))
                return None
        self.depends[node] = set().union(*({self.rows[one]} if one in self.rows else self.depends.get(one, set()) for one in tensors)) if tensors else set()
        return None

    def linear(self, node: Any, path: str) -> None:
        x, weight = node.args[0], node.args[1]
        n, k = weight.meta["val"].shape
        name = path if isinstance(self.modules.get(path), nn.Linear) else self.parameters[weight.name].removesuffix(".weight")
        row = {"op": "linear", "m": x.meta["val"].numel() // int(k), "k": int(k), "n": int(n), "bias": len(node.args) > 2 and node.args[2] is not None,
               "inputs": [self.row_of(x)]}
        self.note(node, self.list.add(name, row))

    def layer_norm(self, node: Any, path: str) -> None:
        x, (features,) = node.args[0], node.args[1]
        eps = node.args[4] if len(node.args) > 4 else 1e-5
        name = path if isinstance(self.modules.get(path), nn.LayerNorm) else node.name
        row = {"op": "layernorm", "m": x.meta["val"].numel() // features, "k": features, "n": features, "eps": eps, "inputs": [self.row_of(x)]}
        if not eps > 0:
            del row["eps"]
        self.note(node, self.list.add(name, row))

    def activation(self, node: Any, x: Any, wanted: str, name: str) -> None:
        features = int(node.meta["val"].shape[-1])
        row = {"op": "activation", "act": name, "m": node.meta["val"].numel() // features, "k": features, "n": features, "inputs": [self.row_of(x)]}
        self.note(node, self.list.add(wanted, row))

    def span(self, node: Any, tensors: list[Any], path: str, name: str) -> None:
        """An activation of several operations is one row: what the module reads from outside is its input."""
        outside = [one for one in tensors if self.path(one) != path]
        key = next((self.span_rows[path, one] for one in tensors if (path, one) in self.span_rows), None)
        if key is None:
            self.activation(node, outside[0], path, name)
            key = self.rows[node]
        self.rows[node] = key
        self.span_rows[path, node] = key
        for one in outside:
            self.span_rows.setdefault((path, one), key)

    def layers(self, program: Any) -> list[dict[str, Any]]:
        for node in program.graph.nodes:
            if node.op == "call_function":
                self.read(node)
            elif node.op == "output":
                # What the network yields is read by somebody, so that it is not fused away.
                for one in node.all_input_nodes:
                    if one in self.rows:
                        value = one.meta["val"]
                        features = int(value.shape[-1])
                        self.list.add("output", {"op": "other", "m": value.numel() // features, "k": features, "n": features, "inputs": [self.rows[one]]})
                    elif self.depends.get(one):
                        self.row_of(one)
        return self.list.inputs_of_network + self.list.rows


def export_layers(model: nn.Module, example: Example) -> list[dict[str, Any]]:
    """The model's layers for octile.plan(): rows with their exact inputs, in execution order.

    example: what the model is called with, a tensor, a sequence of arguments or a mapping of keywords. torch.export traces the model; what it says of a
    model that it cannot trace is not caught. Linears, layer norms and activations are named as their modules; one that is called again has #2 behind its
    name. What is none of these and is read by one is a row of op "other".
    """
    arguments, keywords = arguments_of(example)
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        with torch.no_grad():
            program = torch.export.export(model, arguments, keywords, strict=False)
    finally:
        for module in training:
            module.training = True
    return _Reader(model, program).layers(program)
