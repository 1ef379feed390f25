"""all-MiniLM-L6-v2 in numpy, f32, and its tokenizer: the oracle of minilm_test.py. Shares nothing with the library."""

import json
import math
import pathlib
import unicodedata
from collections.abc import Callable

import numpy as np

_erf = np.vectorize(math.erf, otypes=[np.float64])


class Tokenizer:
    """BERT's, uncased: clean, split at spaces, CJK characters and punctuation, lower-case without accents, then the longest known pieces."""

    def __init__(self, vocabulary: pathlib.Path):
        self.ids = {piece: i for i, piece in enumerate(vocabulary.read_text(encoding="utf-8").split("\n")[:-1])}

    def encode(self, text: str, most: int = 256) -> list[int]:
        pieces = [piece for word in self.words(text) for piece in self.pieces(word)]
        return [self.ids["[CLS]"], *pieces[:most - 2], self.ids["[SEP]"]]

    def words(self, text: str) -> list[str]:
        spaced = []
        for char in text:
            category = unicodedata.category(char)
            if char in "\t\n\r" or category == "Zs":
                spaced.append(" ")
            elif char in "\0�" or category.startswith("C"):
                continue
            elif self.is_cjk(ord(char)):
                spaced.append(f" {char} ")
            else:
                spaced.append(char)
        plain = [char for char in unicodedata.normalize("NFD", "".join(spaced).lower()) if unicodedata.category(char) != "Mn"]
        return "".join(f" {char} " if self.is_punctuation(char) else char for char in plain).split()

    @staticmethod
    def is_cjk(code: int) -> bool:
        ranges = ((0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F), (0x2B740, 0x2B81F), (0x2B820, 0x2CEAF),
                  (0xF900, 0xFAFF), (0x2F800, 0x2FA1F))
        return any(low <= code <= high for low, high in ranges)

    @staticmethod
    def is_punctuation(char: str) -> bool:
        return (char.isascii() and char.isprintable() and not char.isalnum() and char != " ") or unicodedata.category(char).startswith("P")

    def pieces(self, word: str) -> list[int]:
        if len(word) > 100:
            return [self.ids["[UNK]"]]
        found, start = [], 0
        while start < len(word):
            for end in range(len(word), start, -1):
                piece = ("##" if start else "") + word[start:end]
                if piece in self.ids:
                    break
            else:
                return [self.ids["[UNK]"]]
            found.append(self.ids[piece])
            start = end
        return found


def read_safetensors(path: pathlib.Path) -> dict[str, np.ndarray]:
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header, body = json.loads(data[8:8 + length]), memoryview(data)[8 + length:]
    return {name: np.frombuffer(body[slice(*info["data_offsets"])], np.float32).reshape(info["shape"])
            for name, info in header.items() if name != "__metadata__" and info["dtype"] == "F32"}


class MiniLm:
    def __init__(self, folder: pathlib.Path):
        self.config = json.loads((folder / "config.json").read_text())
        self.tensors = read_safetensors(folder / "model.safetensors")
        # Called with the name and the input of every linear.
        self.observe: Callable[[str, np.ndarray], None] = lambda name, x: None

    def linear(self, name: str, x: np.ndarray) -> np.ndarray:
        self.observe(name, x)
        return x @ self.tensors[f"{name}.weight"].T + self.tensors[f"{name}.bias"]

    def layer_norm(self, name: str, x: np.ndarray) -> np.ndarray:
        centred = x - x.mean(-1, keepdims=True)
        scale = np.sqrt((centred * centred).mean(-1, keepdims=True) + np.float32(self.config["layer_norm_eps"]))
        return centred / scale * self.tensors[f"{name}.weight"] + self.tensors[f"{name}.bias"]

    def embed(self, ids: list[int]) -> np.ndarray:
        """[hidden], of length 1."""
        heads, hidden, t = self.config["num_attention_heads"], self.config["hidden_size"], self.tensors
        x = (t["embeddings.word_embeddings.weight"][ids] + t["embeddings.position_embeddings.weight"][:len(ids)] +
             t["embeddings.token_type_embeddings.weight"][0])
        x = self.layer_norm("embeddings.LayerNorm", x)
        for i in range(self.config["num_hidden_layers"]):
            layer = f"encoder.layer.{i}"
            q, k, v = (self.linear(f"{layer}.attention.self.{name}", x).reshape(len(ids), heads, -1).transpose(1, 0, 2)
                       for name in ("query", "key", "value"))
            scores = q @ k.transpose(0, 2, 1) / np.float32(math.sqrt(hidden / heads))
            weights = np.exp(scores - scores.max(-1, keepdims=True))
            context = (weights / weights.sum(-1, keepdims=True)) @ v
            attention = self.linear(f"{layer}.attention.output.dense", context.transpose(1, 0, 2).reshape(len(ids), hidden))
            x = self.layer_norm(f"{layer}.attention.output.LayerNorm", attention + x)
            up = self.linear(f"{layer}.intermediate.dense", x)
            up = (up * 0.5 * (1 + _erf(up / math.sqrt(2)))).astype(np.float32)
            x = self.layer_norm(f"{layer}.output.LayerNorm", self.linear(f"{layer}.output.dense", up) + x)
        mean = x.mean(0)
        return mean / np.linalg.norm(mean)
