"""Octile: linear layers of neural networks in INT8 and FP16 on Arm and x86-64 CPUs, and the planner that chooses between them.

    plan = octile.plan("model.safetensors", tokens=128)
    fc1 = octile.Linear(weight, bias, precision=plan.rows[0]["precision"])
    y = fc1(x)

Everything is computed as docs/quantization.md says, with the same INT8 bits on every CPU.
"""

from ._errors import ArgumentError, Error, FileError, NonFiniteError, ParseError, PlanWarning, UnsupportedError
from ._octile import (
    Linear,
    Model,
    Norm,
    Plan,
    Rows,
    Session,
    __version__,
    core,
    cores,
    isa_levels,
    set_threads,
    threads,
)
from ._plan import plan

__all__ = [
    "ArgumentError",
    "Error",
    "FileError",
    "Linear",
    "Model",
    "NonFiniteError",
    "Norm",
    "ParseError",
    "Plan",
    "PlanWarning",
    "Rows",
    "Session",
    "UnsupportedError",
    "__version__",
    "core",
    "cores",
    "isa_levels",
    "plan",
    "set_threads",
    "threads",
]
