"""Finds a checkpoint's tensors in the module that was made of it, by what is in them: names change when transformers loads a file."""

import pathlib

import torch

from plan_check.compare import Part
from plan_check.truth import Truth


def _key(matrix: torch.Tensor):
    """Of a matrix of weights: its sizes and first row."""
    if matrix.dim() != 2 or matrix.numel() == 0 or not matrix.is_floating_point():
        return None
    row = matrix[0].float()
    return (tuple(matrix.shape), hash(row.numpy().tobytes())) if bool(row.any()) else None


def parts_of(model: torch.nn.Module, truth: Truth, files: list[pathlib.Path]) -> dict[str, Part]:
    """The plan's name of each tensor (without `.weight`) whose rows are all or part of a linear's weight."""
    from safetensors import safe_open

    wanted = {}
    parameters = dict(model.named_parameters(remove_duplicate=False))
    for linear in truth.linears:
        parameter = parameters.get(linear.weight)
        if parameter is None:
            continue
        stack = parameter.detach() if linear.kind == "experts" else parameter.detach().unsqueeze(0)
        for matrix in stack:
            if matrix.dim() != 2:
                continue
            for form in (matrix, matrix.T):
                for pieces in (1, 2, 3):
                    if form.shape[0] % pieces:
                        continue
                    for piece in form.chunk(pieces):
                        if key := _key(piece):
                            n = linear.n if pieces == 1 else piece.shape[0]
                            wanted.setdefault(key, Part(linear.name, n))
    found = {}
    for file in files:
        with safe_open(file, framework="pt") as tensors:
            for name in tensors.keys():
                key = _key(tensors.get_tensor(name))
                if key in wanted:
                    found[name.removesuffix(".weight")] = wanted[key]
    return found
