"""Reads packed files by docs/packed_file.md, in Python, and knows nothing else of how they are written."""

import json
import pathlib
import struct


class PackedFile:
    def __init__(self, path: pathlib.Path):
        self.bytes = path.read_bytes()
        magic, version, header_bytes, file_bytes, offset, size, _, zero, _ = struct.unpack("<8sIIQQQQQQ", self.bytes[:64])
        assert (magic, header_bytes, file_bytes, zero) == (b"\x89OCTILE\n", 64, len(self.bytes), 0)
        assert offset + size == file_bytes and offset % 64 == 0
        self.directory_offset = offset
        self.directory = json.loads(self.bytes[offset:])
        self.linears = {linear["name"]: linear for linear in self.directory["linears"]}
        graph = json.loads(self.directory.get("graph", "{}"))
        self.version = version
        assert version == (3 if graph.get("octile_graph", 1) > 1 else 2 if any(linear["precision"] == "int4" for linear in self.linears.values()) else 1)
        self.tensors = {tensor["name"]: tensor for tensor in self.directory["tensors"]}

    def section(self, section: dict) -> bytes:
        assert section["offset"] % 64 == 0 and section["offset"] >= 64
        return self.bytes[section["offset"]:section["offset"] + section["bytes"]]

    def sections(self) -> list:
        """Of linears and tensors, each with the name it belongs to."""
        found = []
        for linear in self.directory["linears"]:
            parts = [panels[key] for panels in linear["panels"] for key in ("section", "steps") if key in panels]
            parts += [linear[key] for key in ("bias", "column_scale", "column_sum", "input_multiplier") if key in linear]
            found += [(linear["name"], part) for part in parts]
        return found + [(tensor["name"], tensor["section"]) for tensor in self.directory["tensors"]]

    def channels(self, name: str, key: str, code: str) -> list:
        """What belongs to the output channels of each matrix."""
        linear = self.linears[name]
        values = struct.unpack(f"<{linear[key]['bytes'] // 4}{code}", self.section(linear[key]))
        return [values[at:at + linear["n"]] for at in range(0, len(values), linear["channels"])]

    def rows(self, name: str, panels: dict) -> list:
        """The weights of each matrix, [n][k]: levels, or floats of f16."""
        linear = self.linears[name]
        code, size = ("b", 1) if linear["precision"] == "int8" else ("e", 2)
        content = self.section(panels["section"])
        values = struct.unpack(f"<{len(content) // size}{code}", content)
        k_block, panel_n, padded_k = panels["k_block"], panels["panel_n"], -(-linear["k"] // 16) * 16
        matrices = []
        for matrix in range(2 if linear["gated"] else 1):
            base = matrix * panels["padded_n"] * padded_k
            matrices.append([[values[base + (row // panel_n * padded_k + k // k_block * k_block) * panel_n + row % panel_n * k_block + k % k_block]
                              for k in range(linear["k"])] for row in range(linear["n"])])
        return matrices


    def int4_rows(self, name: str, panels: dict) -> list:
        """Of each matrix of an INT4 linear [n][k] of (s4, q4, c8)."""
        linear = self.linears[name]
        q4, steps = self.section(panels["section"]), self.section(panels["steps"])
        k_block, panel_n, groups, pairs = panels["k_block"], panels["panel_n"], -(-linear["k"] // 32), -(-linear["n"] // (2 * panels["panel_n"]))

        def element(matrix: int, row: int, k: int) -> tuple:
            pair, half, place = row // (2 * panel_n) + matrix * pairs, row // panel_n % 2, row % panel_n
            byte = q4[pair * panel_n * groups * 32 + k % k_block + k_block * (place + panel_n * (k // k_block))]
            step = (pair * groups + k // 32) * 3 * panel_n + place
            c8 = steps[step + (1 + half) * panel_n]
            return steps[step] >> 4 * half & 15, byte >> 4 * half & 15, c8 - 256 if c8 > 127 else c8

        return [[[element(matrix, row, k) for k in range(linear["k"])] for row in range(linear["n"])]
                for matrix in range(2 if linear["gated"] else 1)]


def quantized(weights: list, k: int) -> tuple:
    """Levels, scales and sums of rows of k weights, in f32 (docs/quantization.md)."""

    def f32(value: float) -> float:
        return struct.unpack("<f", struct.pack("<f", value))[0]

    rows, scales = [], []
    for at in range(0, len(weights), k):
        row = weights[at:at + k]
        scales.append(f32(max(f32(1e-8), *(abs(value) for value in row)) / 127))
        rows.append([max(-128, min(round(f32(value / scales[-1])), 127)) for value in row])
    return rows, tuple(scales), tuple(sum(row) for row in rows)
