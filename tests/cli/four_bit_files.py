"""Matrices as GPTQ, AWQ and pack-quantized of compressed-tensors store them, and what they stand for, in numpy."""

import numpy as np

AWQ_ORDER = [0, 2, 4, 6, 1, 3, 5, 7]


def words(integers: np.ndarray, order=range(8)) -> tuple:
    """Integers of four bits, [rows, columns], as words of eight along the rows."""
    eights = integers.astype(np.uint32).reshape(integers.shape[0], -1, 8)
    packed = sum(eights[:, :, element] << np.uint32(4 * place) for place, element in enumerate(order)).astype("<u4")
    return "I32", list(packed.shape), packed.tobytes()


def words_down(integers: np.ndarray) -> tuple:
    """The same along the columns."""
    _, (columns, count), content = words(np.ascontiguousarray(integers.T))
    return "I32", [count, columns], np.frombuffer(content, "<u4").reshape(columns, count).T.tobytes()


def floats(values: np.ndarray, dtype: str = "F16") -> tuple:
    return dtype, list(values.shape), values.astype({"F16": "<f2", "F32": "<f4"}[dtype]).tobytes()


def integers(values) -> tuple:
    return "I32", [len(values)], np.asarray(values, "<i4").tobytes()


class Levels:
    """Weights [n, k] rounded to 16 levels for each group of k, with zeros or symmetric."""

    def __init__(self, weights: np.ndarray, group: int, symmetric: bool, order=None):
        n, k = weights.shape
        self.group_of = np.arange(k) // group if order is None else np.asarray(order)
        self.groups = k // group
        self.q, self.scales, self.zeros = np.zeros((n, k), int), np.zeros((n, self.groups), np.float16), np.zeros((n, self.groups), int)
        for g in range(self.groups):
            part = weights[:, self.group_of == g]
            low, high = np.minimum(part.min(1), 0), np.maximum(part.max(1), 0)
            if symmetric:
                low, high = -np.maximum(-low, high), np.maximum(-low, high)
            scale = ((high - low) / 15).astype(np.float16)
            zero = np.full(n, 8) if symmetric else np.clip(np.rint(-low / scale.astype(float)), 1, 15).astype(int)
            self.q[:, self.group_of == g] = np.clip(np.rint(part / scale[:, None].astype(float)) + zero[:, None], 0, 15).astype(int)
            self.scales[:, g], self.zeros[:, g] = scale, zero

    def weights(self) -> np.ndarray:
        difference = (self.q - self.zeros[:, self.group_of]).astype(np.float32)
        return difference * self.scales.astype(np.float32)[:, self.group_of]


def gptq(levels: Levels, v2: bool = False) -> dict:
    return {".qweight": words_down(levels.q.T), ".qzeros": words(levels.zeros.T - (0 if v2 else 1)), ".scales": floats(levels.scales.T),
            ".g_idx": integers(levels.group_of)}


def awq(levels: Levels) -> dict:
    return {".qweight": words(levels.q.T, AWQ_ORDER), ".qzeros": words(levels.zeros.T, AWQ_ORDER), ".scales": floats(levels.scales.T)}


def pack_quantized(levels: Levels, symmetric: bool) -> dict:
    parts = {".weight_packed": words(levels.q), ".weight_scale": floats(levels.scales),
             ".weight_shape": ("I64", [2], np.asarray(levels.q.shape, "<i8").tobytes())}
    return parts if symmetric else parts | {".weight_zero_point": words_down(levels.zeros)}
