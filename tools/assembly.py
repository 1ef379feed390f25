"""Reads the assembly that clang emits for a kernel: instructions, innermost loops, and what each does to the vector unit.

Both architectures are seen as the same few facts, so that the expectations of check_inner_loops.py read alike.
"""

import collections
import dataclasses
import re


@dataclasses.dataclass(frozen=True)
class Instruction:
    mnemonic: str
    operands: str
    line: int  # in the file, from 1

    def __str__(self) -> str:
        return f"{self.mnemonic} {self.operands}".strip()


@dataclasses.dataclass(frozen=True)
class Loop:
    label: str
    instructions: tuple[Instruction, ...]


_LABEL = re.compile(r"^([.\w$]+):")
_COMMENT = re.compile(r"\s+(//|#\s|# ?%).*$")
_ENCODING = re.compile(r"^\{(vex|evex)\}\s+")  # which of an x86 instruction's two
BRANCH = re.compile(r"^(b|b\.\w+|cbn?z|tbn?z|j\w+)$")


def parse(assembly: str) -> tuple[list[Instruction], dict[str, int]]:
    """Instructions in order, and for every label the index of the instruction that follows it."""
    instructions: list[Instruction] = []
    labels: dict[str, int] = {}
    for number, line in enumerate(assembly.splitlines(), 1):
        if label := _LABEL.match(line):
            labels[label.group(1)] = len(instructions)
            continue
        text = _ENCODING.sub("", _COMMENT.sub("", line).strip())
        if not text or text.startswith((".", "#", "//")):
            continue
        mnemonic, _, operands = text.partition("\t")
        if not operands:
            mnemonic, _, operands = text.partition(" ")
        instructions.append(Instruction(mnemonic, " ".join(operands.split()), number))
    return instructions, labels


def inner_loops(assembly: str) -> list[Loop]:
    """Stretches from a label to a branch back to it that hold no other such stretch."""
    instructions, labels = parse(assembly)
    spans = []
    for at, instruction in enumerate(instructions):
        target = instruction.operands.split(",")[-1].strip()
        if BRANCH.match(instruction.mnemonic) and labels.get(target, at + 1) <= at:
            spans.append((labels[target], at, target))
    return [Loop(label, tuple(instructions[first:last + 1])) for first, last, label in spans
            if not any(first <= f and l <= last and (f, l) != (first, last) for f, l, _ in spans)]


class Aarch64:
    """Facts are named `load q` (one 16-byte register; a pair counts two), `load z`, `load d`, `load element` (less, one element repeated, or
    one into a lane),
    `store`, `spill` (anything at the stack pointer), and else by mnemonic, with its arrangement where several exist."""

    fused_multiply_add = re.compile(r"^(fn?m(add|sub)|fml[as]|fmlal2?)$")
    estimate = re.compile(r"^fr(ecp|sqrt)[esx]$")
    _VECTOR = re.compile(r"\b([vz]\d+\b|[qdsh]\d+\b)")
    _FRAME = re.compile(r"\[(sp|x29)\b")

    def __init__(self, assembly: str):
        # The frame pointer is an ordinary register in a function that does not set it up.
        self._frame = self._FRAME if re.search(r"^\s*(mov\s+x29, sp|add\s+x29, sp\b)", assembly, re.MULTILINE) else re.compile(r"\[sp\b")

    def facts(self, instruction: Instruction) -> collections.Counter:
        mnemonic, operands = instruction.mnemonic, instruction.operands
        if self._frame.search(operands):
            return collections.Counter(spill=1)
        if not self._VECTOR.search(operands):
            return collections.Counter()
        if mnemonic.startswith("ld1rq"):
            return collections.Counter({"load q repeated": 1})
        if mnemonic.startswith(("ld1r", "ld2r", "ld3r", "ld4r")):
            return collections.Counter({"load element": 1})
        if mnemonic == "ld1" and re.search(r"\}\[\d+\]", operands):
            return collections.Counter({"load element": 1})
        if mnemonic.startswith("ld"):
            registers = re.findall(r"\b[qdshbz]\d+\b|v\d+\.\w+", operands.split("[")[0])
            widths = {"q": "load q", "z": "load z", "d": "load d", "v": "load q"}
            return collections.Counter(widths.get(register[0], "load element") for register in registers)
        if mnemonic.startswith("st"):
            return collections.Counter(store=1)
        if mnemonic == "fmla":
            by_element = " by element" if mnemonic == "fmla" and operands.endswith("]") and ".8h" in operands else ""
            return collections.Counter({f"fmla {re.search(r'[.](8h|4s|2d|4h|2s)', operands).group(0)}{by_element}": 1})
        if mnemonic in ("sdot", "udot"):
            return collections.Counter({f"{mnemonic} by element" if re.search(r"\.4b\[\d\]", operands) else mnemonic: 1})
        return collections.Counter({mnemonic.removesuffix("2") if mnemonic in ("smull2", "smlal2", "fcvtl2") else mnemonic: 1})


class X86:
    """Facts are named `load zmm`, `store`, `spill`, and else by mnemonic and widest register. Memory operands of other instructions
    are not counted: they cost no instruction."""

    fused_multiply_add = re.compile(r"^vfn?m(add|sub)")
    estimate = re.compile(r"^vr(cp|sqrt)")
    _MOVES = re.compile(r"^vmov(dq[au]\d*|[au]p[sd])$")

    def __init__(self, assembly: str):
        # The frame pointer is an ordinary register in a function that does not set it up.
        self._frame = re.compile(r"\(%r[sb]p\b" if re.search(r"^\s*movq\s+%rsp, %rbp", assembly, re.MULTILINE) else r"\(%rsp\b")

    def facts(self, instruction: Instruction) -> collections.Counter:
        mnemonic, operands = instruction.mnemonic, instruction.operands
        if self._frame.search(operands):
            return collections.Counter(spill=1)
        registers = set(re.findall(r"%([xyz]mm)\d", operands))
        if not registers:
            return collections.Counter()
        register = max(registers)
        if self._MOVES.match(mnemonic):
            if operands.startswith("%"):
                return collections.Counter(store=1) if operands.endswith(")") else collections.Counter({f"move {register}": 1})
            return collections.Counter({f"load {register}": 1})
        return collections.Counter({f"{re.sub(r'^vfmadd(132|213|231)', 'vfmadd', mnemonic)} {register}": 1})
