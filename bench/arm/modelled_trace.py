"""llvm-mca over everything a linear executed.

A trace of millions of instructions repeats itself tile by tile and row by row. It is cut into segments, and a segment costs what it adds
to the cycles of the instructions before it; equal segments after equal segments are modelled once:

    cycles = sum over segments of C(tail of the one before, then the segment) - C(tail of the one before)

The tail is longer than any core's reorder window, so that the overlap of one tile's epilogue with the next tile's loop counts as it would
in one run of llvm-mca over the whole trace.
"""

import collections

from execution import Trace
from mca import Model
from program import Instruction, Program

# Instructions. Segments are as short as this allows, so that they repeat; the reorder windows modelled reach to 320.
_LEAST_SEGMENT = 1500
_TAIL = 640


def _anchors(program: Program, trace: Trace) -> set[int]:
    """Blocks that begin a segment: for every function of a kernel the block executed most often at a mean distance of at least
    _LEAST_SEGMENT."""
    times = collections.Counter(trace.steps)
    functions = collections.defaultdict(list)
    for block in times:
        if program.kernel_at(trace.blocks[block][0]):
            functions[program.function_start(trace.blocks[block][0])].append(block)
    anchors = set()
    for blocks in functions.values():
        executed = sum(times[block] * trace.blocks[block][1] for block in blocks)
        candidates = [block for block in blocks if executed >= _LEAST_SEGMENT * times[block]]
        if candidates:
            anchors.add(max(candidates, key=lambda block: (times[block], -trace.blocks[block][0])))
    return anchors


def segments(program: Program, trace: Trace) -> list[tuple[int, ...]]:
    anchors, cut, current = _anchors(program, trace), [], []
    for block in trace.steps:
        if block in anchors and current:
            cut.append(tuple(current))
            current = []
        current.append(block)
    cut.append(tuple(current))
    return cut


class ModelledTrace:
    """Made once per trace, asked once per core."""

    def __init__(self, program: Program, trace: Trace):
        self._program, self._trace = program, trace
        tail: tuple[int, ...] = ()
        self._pairs = collections.Counter()
        for segment in segments(program, trace):
            self._pairs[tail, segment] += 1
            tail = self._tail(tail + segment)

    def _tail(self, blocks: tuple[int, ...]) -> tuple[int, ...]:
        length, first = 0, len(blocks)
        while first > 0 and length < _TAIL:
            first -= 1
            length += self._trace.blocks[blocks[first]][1]
        return blocks[first:]

    def _instructions(self, blocks: tuple[int, ...]) -> list[Instruction]:
        return [self._program.instructions[address] for block in blocks for address in self._trace.addresses(block)]

    def cycles(self, model: Model) -> int:
        sequences = list({blocks: None for tail, segment in self._pairs for blocks in (tail, tail + segment) if blocks})
        cost = dict(zip(sequences, model.straight([self._instructions(blocks) for blocks in sequences]), strict=True))
        return sum(times * (cost[tail + segment] - cost.get(tail, 0)) for (tail, segment), times in self._pairs.items())
