"""Finds a checkpoint's tensors in the module that was made of it, by what is in them: names change when transformers loads a file."""

import pathlib
import re

import torch

from plan_check.compare import Part
from plan_check.truth import Truth


def _key(matrix: torch.Tensor):
    """Of a matrix of weights: its sizes and first row."""
    if matrix.dim() != 2 or matrix.numel() == 0 or not matrix.is_floating_point():
        return None
    row = matrix[0].float()
    return (tuple(matrix.shape), hash(row.numpy().tobytes())) if bool(row.any()) else None


def find_tensors(model: torch.nn.Module, truth: Truth, files: list[pathlib.Path]) -> tuple[dict[str, Part], dict[str, str]]:
    """By the names of tensors in the files, without `.weight`: the linears whose weights they are or are parts of, and the norms."""
    from safetensors import safe_open

    parameters = dict(model.named_parameters(remove_duplicate=False))
    linears, alike = _linears(parameters, truth), {}
    for name in truth.norms:
        if (weight := parameters.get(f"{name}.weight")) is not None and weight.dim() == 1:
            alike.setdefault(_key(weight.detach().unsqueeze(0)), []).append(name)
    norms = {key: names[0] for key, names in alike.items() if len(names) == 1}  # not those that are all ones
    parts, aliases = {}, {}
    for file in files:
        with safe_open(file, framework="pt") as tensors:
            for name in tensors.keys():
                tensor, own = tensors.get_tensor(name), re.sub(r"[._]weight$", "", name)
                if tensor.dim() == 1 and (key := _key(tensor.unsqueeze(0))) in norms:
                    aliases[own] = norms[key]
                elif (key := _key(tensor.flatten(1) if tensor.dim() > 3 else tensor)) in linears:
                    parts[own] = linears[key]
                elif joined := _joined(tensor, linears):
                    parts[own] = joined
    return parts, aliases


def _joined(tensor: torch.Tensor, linears: dict) -> Part | None:
    """Of a matrix whose rows are those of several linears, one behind the other: all of them."""
    for pieces in (2, 3):
        if tensor.dim() == 2 and tensor.shape[0] % pieces == 0:
            found = [linears.get(_key(piece)) for piece in tensor.chunk(pieces)]
            if all(part and not part.piece for part in found) and len({part.linear for part in found}) == pieces:
                return Part(found[0].linear, tensor.shape[0], [part.linear for part in found[1:]])
    return None


def _linears(parameters: dict, truth: Truth) -> dict:
    wanted = {}
    for linear in truth.linears:
        parameter = parameters.get(linear.weight)
        if parameter is None:
            continue
        parameter = parameter.detach().flatten(1) if linear.kind == "conv" else parameter.detach()
        stack = parameter if linear.kind == "experts" else parameter.unsqueeze(0)
        for matrix in stack:
            if matrix.dim() != 2:
                continue
            for form in (matrix, matrix.T):
                for pieces in (1, 2, 3):
                    if form.shape[0] % pieces:
                        continue
                    for i, piece in enumerate(form.chunk(pieces)):
                        if key := _key(piece):
                            n = linear.n if pieces == 1 else piece.shape[0]
                            wanted.setdefault(key, Part(linear.name, n, piece=f"{i}/{pieces}" if pieces > 1 else ""))
    return wanted
