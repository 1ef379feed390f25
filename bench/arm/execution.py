"""Runs octile_run_linear under qemu with the plugin trace_blocks, and counts what its record holds."""

import array
import collections
import dataclasses
import pathlib
import struct
import subprocess
import sys
import tempfile

from program import Program, class_of


@dataclasses.dataclass(frozen=True)
class Shape:
    m: int
    k: int
    n: int

    @staticmethod
    def parse(text: str) -> "Shape":
        extents = text.split("x")
        if len(extents) != 3 or not all(e.isdecimal() and int(e) > 0 for e in extents):
            raise ValueError(f"shape \"{text}\": expected MxKxN, each at least 1")
        return Shape(*map(int, extents))

    @property
    def macs(self) -> int:
        return self.m * self.k * self.n

    def __str__(self) -> str:
        return f"{self.m}x{self.k}x{self.n}"


@dataclasses.dataclass(frozen=True)
class Trace:
    blocks: list[tuple[int, int]]  # address and number of instructions
    steps: array.array  # indices of blocks, in the order of execution

    def addresses(self, block: int) -> range:
        address, instructions = self.blocks[block]
        return range(address, address + 4 * instructions, 4)


def read_trace(data: bytes) -> Trace:
    blocks, steps = struct.unpack_from("<QQ", data)
    at = 16 + 16 * blocks
    if len(data) != at + 4 * steps or steps == 0:
        raise ValueError(f"trace of {len(data)} bytes: expected {blocks} blocks and {steps} steps, at least one")
    order = array.array("I", data[at:])
    if sys.byteorder == "big":
        order.byteswap()
    return Trace(list(struct.iter_unpack("<QQ", data[16:at])), order)


class Emulator:
    def __init__(self, qemu: str, cpu: str, plugin: pathlib.Path, binary: pathlib.Path):
        self._command = [qemu, "-cpu", cpu]
        self._plugin = plugin
        self._binary = binary

    def _run(self, options: list[str], arguments: list[str]) -> str:
        result = subprocess.run([*self._command, *options, str(self._binary), *arguments], capture_output=True, text=True)
        if result.returncode:
            raise RuntimeError(f"{' '.join(result.args)}: exit code {result.returncode}: {result.stderr.strip()}")
        return result.stdout

    def list(self, what: str) -> str:
        return self._run([], [f"--{what}"])

    def trace(self, program: Program, level: str, shape: Shape) -> Trace:
        with tempfile.TemporaryDirectory() as folder:
            out = pathlib.Path(folder) / "trace"
            begin, end = (program.symbols[f"octile_measured_{mark}"] for mark in ("begin", "end"))
            self._run(["-E", f"OCTILE_ISA={level}", "-plugin", f"{self._plugin},begin={begin:x},end={end:x},out={out}"],
                      [str(shape.m), str(shape.k), str(shape.n)])
            return read_trace(out.read_bytes())


def count(program: Program, trace: Trace) -> collections.Counter:
    """Executed instructions by (phase, class)."""
    counts = collections.Counter()
    for block, times in collections.Counter(trace.steps).items():
        for address in trace.addresses(block):
            counts[program.phase_at(address), class_of(program.instructions[address])] += times
    return counts
