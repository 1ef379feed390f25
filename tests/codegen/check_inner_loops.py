#!/usr/bin/env python3
"""Checks what the compiler made of every kernel of a build.

- The innermost loops of every GEMM hold exactly the vector instructions that INNER_LOOPS declares for its tile and level, for one step
  of K or several: not only that the right opcode occurs, but that nothing else does: no spill, no shuffle, no second load.
- No kernel holds an instruction that its level does not have. The assembler is asked, with nothing but the level switched on.
- Kernels whose bits are normative hold no fused multiply-add and no reciprocal estimate (docs/quantization.md).

Exit code 1 and one line per finding.
"""

import argparse
import collections
import dataclasses
import pathlib
import re
import subprocess
import sys

from assembly import Aarch64, X86, inner_loops, parse


@dataclasses.dataclass(frozen=True)
class Level:
    architecture: type[Aarch64] | type[X86]
    march: str  # for the GNU assembler; what run-time detection (runtime/cpu_features.cpp) has asked the CPU for, and no more


_X86_AVX2 = "generic64+sse4.2+popcnt+avx+avx2+f16c+fma"
LEVELS = {
    "avx2": Level(X86, _X86_AVX2),
    "avx512vnni": Level(X86, _X86_AVX2 + "+avx512f+avx512cd+avx512bw+avx512dq+avx512vl+avx512_vnni"),
    "neon": Level(Aarch64, "armv8-a"),
    "fp16": Level(Aarch64, "armv8-a+fp16"),
    # The assembler has these two only from 8.2 on, whose other extensions go off again.
    "dotprod": Level(Aarch64, "armv8.2-a+dotprod+nocrc+nolse+nordma"),
    "i8mm": Level(Aarch64, "armv8.2-a+dotprod+i8mm+nocrc+nolse+nordma"),
}


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


def _int8(product: str, facts: dict[str, int]) -> InnerLoop:
    return InnerLoop(frozenset({product}), frozenset({"scvtf", "vcvtdq2ps ymm", "vcvtdq2ps zmm"}), facts)


def _f16(product: str, conversion: str, facts: dict[str, int]) -> InnerLoop:
    return InnerLoop(frozenset({product, conversion}), frozenset(), facts)


# Family, tile and level, as a kernel's name has them -> the loop over K.
INNER_LOOPS = {
    "gemm_s8 12x32x4_avx512vnni": _int8("vpdpbusd zmm", {"vpdpbusd zmm": 24, "vpbroadcastd zmm": 12, "load zmm": 2}),
    "gemm_s8 1x32x4_avx512vnni": _int8("vpdpbusd zmm", {"vpdpbusd zmm": 8, "vpbroadcastd zmm": 4}),
    # Two of the six words that are broadcast come by way of general registers: the compiler's doing.
    "gemm_s8 6x16x2_avx2": _int8("vpmaddwd ymm", {"vpmaddwd ymm": 12, "vpaddd ymm": 12, "vpbroadcastd ymm": 6, "vpmovsxbw ymm": 2,
                                                  "vmovd xmm": 2}),
    "gemm_s8 1x16x2_avx2": _int8("vpmaddwd ymm", {"vpmaddwd ymm": 8, "vpaddd ymm": 8, "vpbroadcastd ymm": 4, "vpmovsxbw ymm": 8}),
    "gemm_s8 8x12x4_dotprod": _int8("sdot by element", {"sdot by element": 24, "load q": 5}),
    "gemm_s8 1x12x4_dotprod": _int8("sdot by element", {"sdot by element": 12, "load q": 13}),
    "gemm_s8 8x12x8_i8mm": _int8("smmla", {"smmla": 24, "load q": 10}),
    "gemm_s8 2x12x8_i8mm": _int8("smmla", {"smmla": 12, "load q": 14}),
    # Without a dot product, a register of 16 products is two smull, the second one's operands moved down by ext, and two sadalp.
    "gemm_s8 4x16x2_neon": _int8("smull", {"smull": 16, "sadalp": 16, "load q": 2, "load d": 1, "dup": 4, "ext": 2}),
    "gemm_s8 1x16x2_neon": _int8("smull", {"smull": 16, "sadalp": 16, "load q": 8, "load d": 1, "dup": 4, "ext": 8}),
    "gemm_f16 12x32_avx512vnni": _f16("vfmaddps zmm", "vcvtph2ps zmm", {"vfmaddps zmm": 24, "vbroadcastss zmm": 12, "vcvtph2ps zmm": 2}),
    "gemm_f16 1x32_avx512vnni": _f16("vfmaddps zmm", "vcvtph2ps zmm", {"vfmaddps zmm": 8, "vbroadcastss zmm": 4, "vcvtph2ps zmm": 8}),
    "gemm_f16 6x16_avx2": _f16("vfmaddps ymm", "vcvtph2ps ymm", {"vfmaddps ymm": 12, "vbroadcastss ymm": 6, "vcvtph2ps ymm": 2}),
    "gemm_f16 1x16_avx2": _f16("vfmaddps ymm", "vcvtph2ps ymm", {"vfmaddps ymm": 8, "vbroadcastss ymm": 4, "vcvtph2ps ymm": 8}),
    "gemm_f16 4x16_neon": _f16("fmla .4s", "fcvtl", {"fmla .4s": 16, "fcvtl": 4, "load d": 4, "load element": 4}),
    "gemm_f16 1x16_neon": _f16("fmla .4s", "fcvtl", {"fmla .4s": 16, "fcvtl": 16, "load d": 16, "load element": 4}),
    "gemm_f16 8x24_fp16": _f16("fmla .8h by element", "fmla .8h by element", {"fmla .8h by element": 24, "load q": 4}),
    "gemm_f16 1x24_fp16": _f16("fmla .8h", "fmla .8h", {"fmla .8h": 12, "load q": 12, "load d": 1}),
}


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


def check_level(name: str, assembly: str, level: Level, assembler: str) -> list[str]:
    # Clang's directives for its own linker are unknown to the GNU assembler.
    text = re.sub(r"^\s*\.addrsig.*$", "", assembly, flags=re.MULTILINE)
    result = subprocess.run([assembler, f"-march={level.march}", "-o", "/dev/null", "-"], input=text, capture_output=True, text=True)
    errors = [line for line in result.stderr.splitlines() if "Error" in line]
    if result.returncode == 0 and not errors:
        return []
    lines = assembly.splitlines()
    first = errors[0] if errors else result.stderr.strip() or f"exit code {result.returncode}"
    if at := re.match(r"[^:]*:(\d+):", first):
        first += f" [{lines[int(at.group(1)) - 1].strip()}]"
    return [f"{name}: not within {level.march}: {first}"]


def check_kernel(name: str, assembly: str, assembler: str | None) -> list[str]:
    """Findings about one kernel; without an assembler, all but those about its level."""
    isa = name.rsplit("_", 1)[1]
    if isa not in LEVELS:
        return [f"{name}: level {isa} is unknown here"]
    level, findings = LEVELS[isa], []
    if gemm := re.match(r"(gemm_\w+?)_(?:f32|f16)_[a-z]+_(\w+)$", name):
        key = f"{gemm.group(1)} {gemm.group(2)}"
        if key in INNER_LOOPS:
            findings += check_gemm(name, assembly, level, INNER_LOOPS[key])
        else:
            findings.append(f"{name}: no inner loop is declared for \"{key}\"")
    if re.match(r"(gemm_s8|quantize)_", name):
        findings += check_strict(name, assembly, level)
    if assembler:
        findings += check_level(name, assembly, level, assembler)
    return findings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kernels", type=pathlib.Path, required=True, help="folder with include/kernels.inc and one .s per kernel")
    parser.add_argument("--assembler", required=True, help="GNU assembler of the target")
    arguments = parser.parse_args()
    names = kernel_names((arguments.kernels / "include/kernels.inc").read_text())
    if not names:
        sys.exit(f"{arguments.kernels}: no kernels in the table")
    findings = []
    for name in names:
        findings += check_kernel(name, (arguments.kernels / f"{name}.s").read_text(), arguments.assembler)
    for finding in findings:
        print(finding)
    print(f"{len(names)} kernels, {len(findings)} findings", file=sys.stderr)
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main()
