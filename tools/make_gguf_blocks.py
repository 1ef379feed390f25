#!/usr/bin/env python3
"""Writes tests/inputs/gguf_blocks.gguf: blocks of every type that Octile reads, and what the gguf package makes of them.

usage: make_gguf_blocks.py FILE.gguf

Needs numpy and gguf (0.19.0 made the file that the tests have). For each type there is a tensor of its name, random blocks and extreme ones, and
an F32 tensor NAME.values of the same shape. The same versions give the same bytes.
"""

import sys

import gguf
import numpy as np

# Type -> where in a block its f16 scales and offsets lie.
HALVES = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "IQ4_NL": [0], "Q2_K": [80, 82], "Q3_K": [108], "Q4_K": [0, 2],
          "Q5_K": [0, 2], "Q6_K": [208], "IQ4_XS": [0]}
# Largest, smallest normal, subnormal, zero, negative, infinite, not a number.
EXTREME = [0x7BFF, 0xFBFF, 0x0400, 0x0001, 0x83FF, 0x0000, 0x8000, 0x7C00, 0x7E00]
BLOCKS = {32: 24, 256: 16}


def blocks_of(name: str, generator: np.random.Generator) -> np.ndarray:
    """[rows, bytes]: a block is a row."""
    kind = gguf.GGMLQuantizationType[name]
    values, size = gguf.GGML_QUANT_SIZES[kind]
    blocks = generator.integers(0, 256, (BLOCKS[values], size), dtype=np.uint8)
    blocks[0], blocks[1] = 0x00, 0xFF
    for row in range(2, len(blocks)):
        for field in HALVES[name]:
            # Scales as networks have them, but for the last rows.
            half = np.float16(generator.normal() * 0.01).view(np.uint16)
            place = len(blocks) - row
            if place <= len(EXTREME):
                half = np.uint16(EXTREME[place - 1])
            blocks[row, field:field + 2] = [half & 0xFF, half >> 8]
    return blocks


def main() -> int:
    if len(sys.argv) != 2:
        print(__doc__.split("\n\n")[1], file=sys.stderr)
        return 2
    generator = np.random.default_rng(17)
    writer = gguf.GGUFWriter(sys.argv[1], "blocks")
    for name in HALVES:
        kind = gguf.GGMLQuantizationType[name]
        blocks = blocks_of(name, generator)
        with np.errstate(all="ignore"):
            values = gguf.quants.dequantize(blocks, kind)
        writer.add_tensor(name, blocks, raw_dtype=kind)
        writer.add_tensor(f"{name}.values", values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
