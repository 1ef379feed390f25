"""Writes the files that describe a network, right ones and, because every byte is at hand, wrong ones."""

import json
import math
import random
import struct


def layer_list(rows: list, header: str = "name,m,k,n") -> str:
    return "\n".join([header, *rows]) + "\n"


def normal(count: int, seed: str, deviation: float = 1.0) -> list:
    generator = random.Random(seed)
    return [generator.gauss(0, deviation) for _ in range(count)]


def encode(dtype: str, values: list) -> bytes:
    """The values as a tensor of that dtype holds them."""
    if dtype == "BF16":  # the upper half of an F32
        return b"".join(struct.pack("<f", value)[2:] for value in values)
    return struct.pack(f"<{len(values)}{ {'F32': 'f', 'F16': 'e', 'I32': 'i'}[dtype] }", *values)


def tensor(dtype: str, shape: list, values: list) -> tuple:
    return dtype, shape, encode(dtype, values)


def normal_tensor(dtype: str, shape: list, seed: str, deviation: float = 1.0) -> tuple:
    return tensor(dtype, shape, normal(math.prod(shape), seed, deviation))


def with_header(header, data: bytes, length: int | None = None) -> bytes:
    """A safetensors file with any header and any claim of its length."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def safetensors(tensors: dict) -> bytes:
    """name -> tensor(): a file as it should be."""
    header, data = {}, b""
    for name, (dtype, shape, content) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    return with_header(header, data)
