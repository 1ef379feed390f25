"""What a pickled Linear is made of again."""

from __future__ import annotations

from typing import Any

from . import _octile


def from_state(state: dict[str, Any]) -> _octile.Linear:
    """The linear of which this is state(), packed for this CPU; its results are the same."""
    how = dict(state)
    if "q4" in how:
        return _octile.Linear._from_int4(how.pop("q4"), how.pop("s4"), how.pop("c8"), how.pop("scale"), how.pop("bias"), **how)
    if "levels" in how:
        return _octile.Linear.from_levels(how.pop("levels"), how.pop("scale"), how.pop("bias"), **how)
    return _octile.Linear(how.pop("weight"), how.pop("bias"), **how)
