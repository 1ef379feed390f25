"""Which activation a module or an operation computes."""

from __future__ import annotations

from typing import Any, Callable

import torch
from torch import nn
from torch.nn import functional as F

# Octile's names (docs/quantization.md), and torch's functions.
FUNCTIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "relu": F.relu,
    "relu6": F.relu6,
    "hardswish": F.hardswish,
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "quick_gelu": lambda x: x * torch.sigmoid(1.702 * x),
    "silu": F.silu,
}

_OPERATIONS = {"relu": "relu", "relu_": "relu", "relu6": "relu6", "hardswish": "hardswish", "hardswish_": "hardswish", "silu": "silu", "silu_": "silu"}


def of_module(module: nn.Module) -> str | None:
    """By what it yields, for there are as many classes of GELU as libraries: a module without parameters that agrees with one of the functions."""
    if isinstance(module, nn.Identity) or any(True for _ in module.parameters()) or any(True for _ in module.buffers()) or module.training and isinstance(module, nn.Dropout):
        return None
    x = torch.linspace(-9, 9, 2161, dtype=torch.float64)
    try:
        with torch.no_grad():
            y = module(x.clone())
    except Exception:  # not a function of one tensor
        return None
    if not isinstance(y, torch.Tensor) or y.shape != x.shape:
        return None
    # The tanh and the erf form of GELU are 4.7e-4 apart.
    return next((name for name, function in FUNCTIONS.items() if torch.allclose(y.double(), function(x), rtol=0, atol=1e-6)), None)


def of_operation(name: str, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> str | None:
    """`name` is an operation's of aten, without overload."""
    if name in ("gelu", "gelu_"):
        return "gelu_tanh" if keywords.get("approximate") == "tanh" or "tanh" in arguments[1:] else "gelu"
    if name in ("hardtanh", "hardtanh_") and tuple(arguments[1:]) == (0.0, 6.0):
        return "relu6"
    return _OPERATIONS.get(name)
