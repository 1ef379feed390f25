"""octile.plan(): the options of the command `octile plan`, as keywords."""

from __future__ import annotations

import json
import os
import re
import warnings
from typing import Any, Iterable, Mapping, Sequence, Union

from . import _octile
from ._errors import ArgumentError, Error, PlanWarning

Source = Union[str, "os.PathLike[str]", Sequence[Mapping[str, Any]], Mapping[str, Any]]

# Options of the command, where their keywords are called otherwise.
_KEYWORDS = {"from": "format", "db": "database", "dim": "dims", "ignore-key": "ignore_keys"}


def _keyword(match: re.Match[str]) -> str:
    option = match.group(1)
    return _KEYWORDS.get(option, option.replace("-", "_"))


def _in_keywords(message: str, source: object) -> str:
    """A message of the command with its options as keywords, "--min-ratio: ..." as "min_ratio: ...", but for what the source is called."""
    path = os.fsdecode(source) if isinstance(source, (str, bytes, os.PathLike)) else "source"
    parts = (re.sub(r"(?<![\w/.-])--([a-z]+(?:-[a-z]+)*)", _keyword, part) for part in message.split(path))
    return path.join(parts)


def _set(arguments: object, name: str, value: object) -> None:
    if value is None:
        return
    try:
        setattr(arguments, name, value)
    except (TypeError, OverflowError):
        found = getattr(arguments, name)
        kind = "a number" if isinstance(found, (int, float)) and not isinstance(found, bool) else "another type"
        raise TypeError(f"{name}: expected {kind}, found {value!r}") from None


def _forces(force: Mapping[str, str] | Iterable[str]) -> list[str]:
    return [f"{pattern}={precision}" for pattern, precision in force.items()] if isinstance(force, Mapping) else list(force)


def _plain(value: object) -> object:
    """Numbers of numpy, for JSON."""
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"source: expected text, numbers, booleans and lists in a layer, found {value!r}")


def _layer_list(source: Sequence[Mapping[str, Any]] | Mapping[str, Any], tokens: int | None) -> str:
    document = dict(source) if isinstance(source, Mapping) else {"model": "model", "layers": list(source)}
    layers = document.get("layers")
    if tokens is not None and isinstance(layers, list):
        document["layers"] = [{**layer, "m": tokens} if isinstance(layer, Mapping) else layer for layer in layers]
    return json.dumps(document, default=_plain)


def from_json(json: str) -> _octile.Plan:
    """Plan.from_json(), which cannot be pickled."""
    return _octile.Plan.from_json(json)


def plan(
    source: Source,
    *,
    policy: str = "ratio",
    core: str | os.PathLike[str] | None = None,
    tokens: int | None = None,
    force: Mapping[str, str] | Iterable[str] = (),
    skip: str | None = None,
    min_ratio: float | None = None,
    noise: float | None = None,
    threads: int | None = None,
    format: str | None = None,
    dims: Mapping[str, int] | None = None,
    transposed: str | None = None,
    strict: bool = False,
    ignore_keys: Iterable[str] = (),
    database: str | os.PathLike[str] | None = None,
    accept_stale: bool = False,
    calibration: str | os.PathLike[str] | None = None,
    min_sqnr: float | None = None,
    max_error: float | None = None,
    smooth_quant: str | float | None = None,
    calibration_rows: int | None = None,
) -> _octile.Plan:
    """INT8 or FP16 for every layer of a network, why, and what is fused with what.

    source: the path of a file or folder that `octile plan` reads; or a layer list: dicts with name, m, k, n and, where it
    matters, count, op, act, bias, inputs, eps, output_scale; or {"model": name, "layers": [...]}.

    The keywords are the options of `octile plan`; None stands for its default. policy: ratio, cost (with core) or
    accuracy (of weights). tokens: M of every layer. force: {pattern: precision}, the last match wins. skip: a pattern of
    what stays FP16. format: csv, json, safetensors, onnx, ...; found out unless given. dims: extents that an ONNX graph
    leaves open, by name. What the command notes is a PlanWarning, and in Plan.notes.

    ArgumentError, ParseError and FileError say what was expected and found, with file, line or field.
    """
    arguments, accuracy = _octile._PlanArguments(), _octile._AccuracyArguments()
    options = {"policy": policy, "core": None if core is None else os.fspath(core), "tokens": tokens, "forces": _forces(force), "skip": skip,
               "min_ratio": min_ratio, "noise": noise, "threads": threads, "format": format, "dims": None if dims is None else dict(dims),
               "transposed": transposed, "strict": strict, "ignore_keys": list(ignore_keys),
               "database": None if database is None else os.fspath(database), "accept_stale": accept_stale}
    for name, value in options.items():
        _set(arguments, name, value)
    if format is not None and format not in _octile._INPUT_FORMATS:
        raise ArgumentError(f"format: expected {', '.join(_octile._INPUT_FORMATS)}, found {format!r}")
    if min_sqnr is not None and max_error is not None:
        raise ArgumentError("max_error: expected one budget, found min_sqnr too")
    measured = {"calibration": None if calibration is None else os.fspath(calibration), "min_sqnr": min_sqnr, "max_error": max_error,
                "smooth_quant": str(smooth_quant) if isinstance(smooth_quant, (int, float)) else smooth_quant, "calibration_rows": calibration_rows}
    for name, value in measured.items():
        _set(accuracy, name, value)
    try:
        if isinstance(source, (str, bytes, os.PathLike)):
            made = _octile._plan_file(os.fsencode(source), arguments, accuracy)
        elif isinstance(source, (Sequence, Mapping)):
            made = _octile._plan_layers(_layer_list(source, tokens), "source", arguments)
        else:
            raise TypeError(f"source: expected a path or a list of layers (dicts), found {type(source).__name__}")
    except Error as error:
        error.args = (_in_keywords(str(error), source),)
        raise
    for note in made.notes:
        warnings.warn(_in_keywords(note, source), PlanWarning, stacklevel=2)
    return made
