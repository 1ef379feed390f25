"""Activations by what they compute, in double."""

import math


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x > -700 else 0.0


# The names are those of octile/types.h; what has a star has none there and is never fused into a linear.
ACTIVATIONS = {
    "relu": lambda x: max(x, 0.0),
    "relu6": lambda x: min(max(x, 0.0), 6.0),
    "hardswish": lambda x: x * min(max(x + 3, 0.0), 6.0) / 6,
    "gelu": lambda x: 0.5 * x * (1 + math.erf(x / math.sqrt(2))),
    "gelu_tanh": lambda x: 0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "quick_gelu": lambda x: x * _sigmoid(1.702 * x),
    "silu": lambda x: x * _sigmoid(x),
    "*tanh": math.tanh,
    "*sigmoid": _sigmoid,
    "*relu2": lambda x: max(x, 0.0) ** 2,
    "*softplus": lambda x: max(x, 0.0) + math.log1p(math.exp(-abs(x))),
    "*mish": lambda x: x * math.tanh(max(x, 0.0) + math.log1p(math.exp(-abs(x)))),
    "*elu": lambda x: x if x > 0 else math.expm1(x),
}
