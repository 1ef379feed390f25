"""Writes GGUF files, and blocks of Q8_0."""

import math
import struct

F32, F16, Q8_0, IQ2_XXS = 0, 1, 8, 16


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def value(content) -> bytes:
    """With its kind: u32, f32, bool, string, or an array of strings."""
    if isinstance(content, bool):
        return struct.pack("<IB", 7, content)
    if isinstance(content, int):
        return struct.pack("<II", 4, content)
    if isinstance(content, float):
        return struct.pack("<If", 6, content)
    if isinstance(content, str):
        return struct.pack("<I", 8) + text(content)
    return struct.pack("<IIQ", 9, 8, len(content)) + b"".join(map(text, content))


def gguf(keys: dict, tensors: dict) -> bytes:
    """name -> (type, shape as in safetensors, bytes)."""
    header = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(keys))
    header += b"".join(text(name) + value(content) for name, content in keys.items())
    data = b""
    for name, (kind, shape, content) in tensors.items():
        data = data.ljust(-(-len(data) // 32) * 32, b"\0")
        header += text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *reversed(shape), kind, len(data))
        data += content
    return header.ljust(-(-len(header) // 32) * 32, b"\0") + data


def floats(shape: list, values: list) -> tuple:
    return F32, shape, struct.pack(f"<{len(values)}f", *values)


def half(number: float) -> float:
    return struct.unpack("<e", struct.pack("<e", number))[0]


def q8_0(shape: list, values: list) -> tuple:
    """The tensor, and the values that it stands for."""
    content, back = b"", []
    for at in range(0, len(values), 32):
        block = values[at:at + 32]
        scale = half(max(map(abs, block)) / 127)
        levels = [max(-127, min(127, round(number / scale))) if scale else 0 for number in block]
        content += struct.pack("<e32b", scale, *levels)
        back += [scale * level for level in levels]
    assert math.prod(shape) == len(values)
    return (Q8_0, shape, content), back
