#!/usr/bin/env python3
"""Checks what the compiler made of every kernel of a build.

- The innermost loops of every GEMM hold exactly the vector instructions that inner_loop() derives from its tile and level, for one step
  of K or several: not only that the right opcode occurs, but that nothing else does: no spill, no shuffle, no second load.
- No kernel holds an instruction that its level does not have. The assembler is asked, with nothing but the level switched on.
- Kernels whose bits are normative hold no fused multiply-add and no reciprocal estimate (docs/quantization.md).
- No kernel for Arm holds x18, which belongs to the platform (generators/finish_ir.py).

Exit code 1 and one line per finding.
"""

import argparse
import collections
import dataclasses
import pathlib
import re
import shlex
import subprocess
import sys
from collections.abc import Callable

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))
from assembly import Aarch64, X86, inner_loops, parse  # noqa: E402


@dataclasses.dataclass(frozen=True)
class Level:
    architecture: type[Aarch64] | type[X86]
    march: str  # for the GNU assembler; what run-time detection (runtime/cpu_features.cpp) has asked the CPU for, and no more


# endbr64, which a CPU without IBT takes for a nop.
_X86_AVX2 = "generic64+sse4.2+popcnt+avx+avx2+f16c+fma+ibt"
LEVELS = {
    "avx2": Level(X86, _X86_AVX2),
    "avxvnni": Level(X86, _X86_AVX2 + "+avx_vnni"),
    "avx512vnni": Level(X86, _X86_AVX2 + "+avx512f+avx512cd+avx512bw+avx512dq+avx512vl+avx512_vnni"),
    "neon": Level(Aarch64, "armv8-a"),
    "fp16": Level(Aarch64, "armv8-a+fp16"),
    # The assembler has these two only from 8.2 on, whose other extensions go off again.
    "dotprod": Level(Aarch64, "armv8.2-a+dotprod+nocrc+nolse+nordma"),
    "i8mm": Level(Aarch64, "armv8.2-a+dotprod+i8mm+nocrc+nolse+nordma"),
    "sve256": Level(Aarch64, "armv8.2-a+dotprod+i8mm+sve+nocrc+nolse+nordma"),
}


# Those whose bits docs/quantization.md fixes.
STRICT_FAMILIES = {"gemm_s8", "gemm_s8_pairs", "quantize", "epilogue", "norm", "heads", "embedding", "pool", "normalize"}


@dataclasses.dataclass(frozen=True)
class InnerLoop:
    """The loop over K. A loop is one if it holds `having` and not `without`, which other loops of the kernel do: those over rows, when
    the compiler knows that K is so short that it needs no loop, and those of epilogues that multiply with the same opcode."""

    having: frozenset[str]
    without: frozenset[str]
    facts: dict[str, int]  # every vector instruction of one step of K, and how often

    def seen(self, facts: collections.Counter) -> collections.Counter:
        """`facts` as this loop tells them apart: where it names no form by element, whether an element is first repeated is all one."""
        if any("by element" in fact for fact in self.facts):
            return facts
        merged = collections.Counter()
        for fact, count in facts.items():
            merged[fact.removesuffix(" by element")] += count
        return merged

    def is_one(self, facts: collections.Counter) -> bool:
        return all(facts[fact] for fact in self.having) and not any(facts[fact] for fact in self.without)

    def is_met(self, facts: collections.Counter) -> bool:
        fact, count = next(iter(self.facts.items()))
        steps = facts[fact] // count
        return steps > 0 and facts == collections.Counter({fact: steps * count for fact, count in self.facts.items()})


@dataclasses.dataclass(frozen=True)
class Tile:
    """What the build was told of a GEMM (generators/variants.py)."""

    m: int
    n: int
    panel_m: int
    panel_n: int
    k_block: int
    chains: int  # independent accumulators per output: K steps that one step of the loop takes
    wide: bool = False  # gemm_s8_pairs: products are widened one by one

    @classmethod
    def of(cls, params: dict[str, str]) -> "Tile":
        panel_n = int(params["panel_n"])
        return cls(int(params["tile_m"]), panel_n * int(params["panels"]), int(params["panel_m"]), panel_n, int(params.get("k_block", 1)),
                   int(params.get("k_split", 1)), params.get("wide") == "true")


def _int8(facts: dict[str, int]) -> InnerLoop:
    return InnerLoop(frozenset({next(iter(facts))}), frozenset({"scvtf", "vcvtdq2ps ymm", "vcvtdq2ps zmm"}), facts)


def _f16(facts: dict[str, int], conversion: str = "") -> InnerLoop:
    return InnerLoop(frozenset({next(iter(facts)), conversion or next(iter(facts))}), frozenset(), facts)


def _loads(q: int, d: int = 0, element: int = 0) -> collections.Counter:
    return collections.Counter({"load q": q, "load d": d, "load element": element})


def _dotprod(t: Tile) -> InnerLoop:
    """Weights: a register of 4 columns. Activations: a word of 4 k for each row, by element of what one load fetched; a single row beside
    whole registers of four is repeated by its load instead."""
    if t.panel_m == 1:  # the words of the chains lie side by side
        rows, repeated = _loads(t.chains // 4, t.chains % 4 // 2), 0
    else:
        rest = t.m % 4
        repeated = t.chains if rest == 1 else 0
        rows = _loads(t.chains * (t.m // 4 + (rest == 3)), t.chains * (rest == 2), repeated)
    columns = t.n // 4
    facts = {"sdot by element": t.m * columns * t.chains - repeated * columns, "sdot": repeated * columns}
    return _int8(_nonzero(facts) | _nonzero(rows + _loads(columns * t.chains)))


def _i8mm(t: Tile) -> InnerLoop:
    """A register holds 8 k of two rows or two columns."""
    rows, columns = (t.m + 1) // 2, t.n // 2
    return _int8({"smmla": rows * columns * t.chains, "load q": (rows + columns) * t.chains})


def _sve256(t: Tile) -> InnerLoop:
    """The same with four columns in a register, and two rows repeated in both its halves."""
    rows, columns = (t.m + 1) // 2, t.n // 4
    return _int8({"smmla": rows * columns * t.chains, "load q repeated": rows * t.chains, "load z": columns * t.chains})


def _pairs(t: Tile) -> InnerLoop:
    """A register holds one output. Sixteen products are two instructions, and one that widens their sum; or, where levels may be -128, each
    of the two its own. Every operand is a register of 16 k."""
    outputs, half = t.m * t.n, 2 if t.wide else 1
    facts = {"smull": outputs * half, "smlal": 0 if t.wide else outputs, "sadalp": outputs * half, "load q": t.m + t.n}
    return _int8(_nonzero(facts))


def _vnni(register: str, lanes: int) -> Callable[[Tile], InnerLoop]:
    """A word of 4 k for each row is repeated by its load. Weights that are used once are an operand in memory."""
    # The compiler's doing: of six rows of 24 bytes, two words come by way of general registers; of three, two come at once.
    odd = {3: {f"vpbroadcastd {register}": 2, "vmovq xmm": 1, "vpermd ymm": 1}, 6: {"vmovd xmm": 2}} if lanes == 8 else {}

    def loop(t: Tile) -> InnerLoop:
        columns = t.n // lanes
        return _int8(_nonzero({f"vpdpbusd {register}": t.m * columns * t.chains, f"vpbroadcastd {register}": t.m * t.chains,
                               f"load {register}": columns * t.chains if t.m > 1 else 0}) | odd.get(t.m, {}))
    return loop


def _avx2(t: Tile) -> InnerLoop:
    """Products of int16 pairs, added up by a second instruction; weights are widened by their load."""
    columns = t.n // 8 * t.chains
    facts = {"vpmaddwd ymm": t.m * columns, "vpaddd ymm": t.m * columns, "vpbroadcastd ymm": t.m * t.chains, "vpmovsxbw ymm": columns}
    # The compiler's doing: words come by way of general registers, or two at once, of which vpermd repeats one.
    odd = {3: {"vmovq xmm": 1, "vmovd xmm": 1, "vpermd ymm": 1, "vpbroadcastd ymm": 2}, 6: {"vmovd xmm": 2}}
    return _int8(facts | odd.get(t.m, {}))


def _f32_x86(register: str, lanes: int) -> Callable[[Tile], InnerLoop]:
    def loop(t: Tile) -> InnerLoop:
        columns, conversion = t.n // lanes * t.chains, f"vcvtph2ps {register}"
        return _f16({f"vfmaddps {register}": t.m * columns, f"vbroadcastss {register}": t.m * t.chains, conversion: columns}, conversion)
    return loop


def _f32_neon(t: Tile) -> InnerLoop:
    columns = t.n // 4 * t.chains
    return _f16({"fmla .4s": t.m * columns, "fcvtl": columns, "load d": columns, "load element": t.m * t.chains}, "fcvtl")


def _fp16(t: Tile) -> InnerLoop:
    """Rows by element, from as few loads as their number is a sum of powers of two; those of all chains of a single row are read together."""
    columns = t.n // 8 * t.chains
    if t.panel_m == 1:
        rows = _loads(t.chains // 8, t.chains % 8 // 4, t.chains % 4)
    else:
        rows = _loads(*(t.chains * count for count in (t.m // 8, t.m % 8 // 4, t.m % 4 // 2 + t.m % 2)))
    return _f16({"fmla .8h by element": t.m * columns} | _nonzero(rows + _loads(columns)))


def _nonzero(facts: dict[str, int]) -> dict[str, int]:
    return {fact: count for fact, count in facts.items() if count}


# Family and level -> the loop over K of a tile.
INNER_LOOPS: dict[tuple[str, str], Callable[[Tile], InnerLoop]] = {
    ("gemm_s8", "avx512vnni"): _vnni("zmm", 16),
    ("gemm_s8", "avxvnni"): _vnni("ymm", 8),
    ("gemm_s8", "avx2"): _avx2,
    ("gemm_s8", "i8mm"): _i8mm,
    ("gemm_s8", "sve256"): _sve256,
    ("gemm_s8", "dotprod"): _dotprod,
    ("gemm_s8_pairs", "neon"): _pairs,
    ("gemm_f16", "avx512vnni"): _f32_x86("zmm", 16),
    ("gemm_f16", "avx2"): _f32_x86("ymm", 8),
    ("gemm_f16", "fp16"): _fp16,
    ("gemm_f16", "neon"): _f32_neon,
}


@dataclasses.dataclass(frozen=True)
class Kernel:
    name: str
    family: str
    isa: str
    params: dict[str, str]
    same_as: str | None = None  # the kernel whose code this row names too


def kernels_of_build(variants: str) -> list[Kernel]:
    """The octile_add_kernel() lines of the file that generators/variants.py writes."""
    kernels = []
    for call in re.findall(r"^octile_add_kernel\((.*?)\)$", variants, re.MULTILINE | re.DOTALL):
        name, _, family, _, isa, *rest = shlex.split(call)  # arguments may be quoted
        params = rest[rest.index("PARAMS") + 1:] if "PARAMS" in rest else []
        same_as = rest[rest.index("SAME_AS") + 1] if "SAME_AS" in rest else None
        kernels.append(Kernel(name, family, isa, dict(param.split("=", 1) for param in params), same_as))
    return kernels


def kernel_names(table: str) -> list[str]:
    return re.findall(r'\.name = "(\w+)"', table)


def check_gemm(name: str, assembly: str, level: Level, expectation: InnerLoop) -> list[str]:
    architecture, findings, found = level.architecture(assembly), [], 0
    for loop in inner_loops(assembly):
        facts = expectation.seen(sum((architecture.facts(i) for i in loop.instructions), collections.Counter()))
        if not expectation.is_one(facts):
            continue
        found += 1
        if not expectation.is_met(facts):
            findings.append(f"{name}: loop {loop.label} at line {loop.instructions[0].line} holds {describe(facts)}; "
                            f"expected {describe(expectation.facts)}")
    if found == 0:
        findings.append(f"{name}: no innermost loop with {' and '.join(sorted(expectation.having))}")
    return findings


def describe(facts: dict[str, int]) -> str:
    return ", ".join(f"{count} {fact}" for fact, count in sorted(facts.items()))


def check_strict(name: str, assembly: str, level: Level) -> list[str]:
    architecture = level.architecture
    for instruction in parse(assembly)[0]:
        for what, pattern in (("a fused multiply-add", architecture.fused_multiply_add), ("an estimate", architecture.estimate)):
            if pattern.match(instruction.mnemonic):
                return [f"{name}: {what} at line {instruction.line}: {instruction}"]
    return []


def check_platform(name: str, assembly: str, level: Level) -> list[str]:
    if level.architecture is not Aarch64:
        return []
    for instruction in parse(assembly)[0]:
        if re.search(r"\b[xw]18\b", instruction.operands):
            return [f"{name}: the platform's register at line {instruction.line}: {instruction}"]
    return []


def check_level(name: str, assembly: str, level: Level, assembler: str) -> list[str]:
    result = subprocess.run([assembler, f"-march={level.march}", "-o", "/dev/null", "-"], input=assembly, capture_output=True, text=True)
    errors = [line for line in result.stderr.splitlines() if "Error" in line]
    if result.returncode == 0 and not errors:
        return []
    lines = assembly.splitlines()
    first = errors[0] if errors else result.stderr.strip() or f"exit code {result.returncode}"
    if at := re.match(r"[^:]*:(\d+):", first):
        first += f" [{lines[int(at.group(1)) - 1].strip()}]"
    return [f"{name}: not within {level.march}: {first}"]


def check_kernel(kernel: Kernel, assembly: str, assembler: str | None) -> list[str]:
    """Findings about one kernel; without an assembler, all but those about its level."""
    if kernel.isa not in LEVELS:
        return [f"{kernel.name}: level {kernel.isa} is unknown here"]
    level, findings = LEVELS[kernel.isa], []
    if kernel.family.startswith("gemm_"):
        if inner_loop := INNER_LOOPS.get((kernel.family, kernel.isa)):
            findings += check_gemm(kernel.name, assembly, level, inner_loop(Tile.of(kernel.params)))
        else:
            findings.append(f"{kernel.name}: no inner loop is declared for {kernel.family} on {kernel.isa}")
    if kernel.family in STRICT_FAMILIES:
        findings += check_strict(kernel.name, assembly, level)
    findings += check_platform(kernel.name, assembly, level)
    if assembler:
        findings += check_level(kernel.name, assembly, level, assembler)
    return findings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kernels", type=pathlib.Path, required=True, help="folder with include/kernels.inc, variants.cmake and one .s per kernel")
    parser.add_argument("--assembler", required=True, help="GNU assembler of the target")
    arguments = parser.parse_args()
    names = kernel_names((arguments.kernels / "include/kernels.inc").read_text())
    kernels = kernels_of_build((arguments.kernels / "variants.cmake").read_text())
    if not names:
        sys.exit(f"{arguments.kernels}: no kernels in the table")
    findings = []
    if sorted(names) != sorted(kernel.name for kernel in kernels):
        findings.append("the kernel table and variants.cmake hold different kernels")
    for kernel in kernels:
        if kernel.same_as:
            continue
        findings += check_kernel(kernel, (arguments.kernels / f"{kernel.name}.s").read_text(), arguments.assembler)
    for finding in findings:
        print(finding)
    print(f"{len(names)} kernels, {len(findings)} findings", file=sys.stderr)
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main()
