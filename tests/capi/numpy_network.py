"""What the tests of the C API compare with, in numpy: docs/quantization.md's INT8 linear to the bit, and the decoder of write_network.cpp in f64."""

import json
import pathlib

import numpy as np

f32 = np.float32


def quantize_rows(x: np.ndarray, by_division: bool) -> tuple[np.ndarray, np.ndarray]:
    """Levels and scales, of weights by a division."""
    largest = np.maximum(np.abs(x).max(axis=1), f32(1e-8))
    scale = largest / f32(127)
    scaled = x / scale[:, None] if by_division else x * (f32(127) / largest)[:, None]
    return np.rint(scaled).astype(np.int64), scale


def linear_int8(x: np.ndarray, w: np.ndarray, bias: np.ndarray) -> np.ndarray:
    return linear_levels(x, *quantize_rows(w.astype(f32), True), bias)


def linear_levels(x: np.ndarray, levels: np.ndarray, scale: np.ndarray, bias: np.ndarray) -> np.ndarray:
    q, s = quantize_rows(x.astype(f32), False)
    return (q @ levels.T).astype(f32) * (s[:, None] * scale[None, :]) + bias


def read_safetensors(path: pathlib.Path) -> dict[str, np.ndarray]:
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    return {name: np.frombuffer(data[8 + length:][slice(*info["data_offsets"])], f32).reshape(info["shape"]).astype(np.float64)
            for name, info in json.loads(data[8:8 + length]).items()}


class Decoder:
    """Llama's blocks with norms of heads, by the names and numbers of tests/session/networks.h."""

    HEADS, KEY_HEADS, HEAD, BLOCKS, EPSILON = 4, 2, 16, 2, 1e-6

    def __init__(self, checkpoint: pathlib.Path):
        self.tensors = read_safetensors(checkpoint)

    def linear(self, name: str, x: np.ndarray) -> np.ndarray:
        return x @ self.tensors[f"{name}.weight"].T + self.tensors.get(f"{name}.bias", 0.0)

    def norm(self, name: str, x: np.ndarray) -> np.ndarray:
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + self.EPSILON) * self.tensors[f"{name}.weight"].reshape(-1)

    def rotate(self, x: np.ndarray) -> np.ndarray:
        """[tokens, heads, HEAD], by Llama 3's stretched frequencies: factor 32, low 1, high 4, of a context of 64."""
        half = self.HEAD // 2
        frequency = 500000.0 ** (-np.arange(half) * 2 / self.HEAD)
        turns = 64 * frequency / (2 * np.pi)  # in the original context
        smooth = np.clip((turns - 1) / (4 - 1), 0, 1)
        frequency = (1 - smooth) * frequency / 32 + smooth * frequency
        angle = np.arange(len(x))[:, None, None] * frequency
        a, b = x[..., :half], x[..., half:]
        return np.concatenate([a * np.cos(angle) - b * np.sin(angle), b * np.cos(angle) + a * np.sin(angle)], -1)

    def attention(self, q: np.ndarray, k: np.ndarray, v: np.ndarray) -> np.ndarray:
        shared = self.HEADS // self.KEY_HEADS
        q, k = self.rotate(q).transpose(1, 0, 2), self.rotate(k).repeat(shared, 1).transpose(1, 0, 2)
        scores = q @ k.transpose(0, 2, 1) / np.sqrt(self.HEAD) + np.triu(np.full((len(v), len(v)), -np.inf), 1)
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        return ((weights / weights.sum(-1, keepdims=True)) @ v.repeat(shared, 1).transpose(1, 0, 2)).transpose(1, 0, 2).reshape(len(v), -1)

    def logits(self, ids: list[int]) -> np.ndarray:
        x = self.tensors["tokens.weight"][ids]
        for block in range(self.BLOCKS):
            at = f"layers.{block}."
            y = self.norm(at + "input_norm", x)
            q, k, v = (self.linear(at + name, y).reshape(len(ids), -1, self.HEAD) for name in ("q_proj", "k_proj", "v_proj"))
            x = x + self.linear(at + "o_proj", self.attention(self.norm(at + "q_norm", q), self.norm(at + "k_norm", k), v))
            y = self.norm(at + "post_norm", x)
            gate = self.linear(at + "gate_proj", y)
            x = x + self.linear(at + "down_proj", gate / (1 + np.exp(-gate)) * self.linear(at + "up_proj", y))
        return self.norm("norm", x)[-1] @ self.tensors["tokens.weight"].T
