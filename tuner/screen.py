#!/usr/bin/env python3
"""Says which candidates of a tuning job cannot be measured: their kernels were not built, or spill registers in the loop over K.

usage: screen.py --candidates FILE --table candidates.inc --kernels FOLDER --log FILE

The log is the build's; it says why a kernel failed. Prints a JSON object: candidate -> reason, of those that are out.
"""

import argparse
import json
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tools"))
from assembly import Aarch64, X86, inner_loops  # noqa: E402

# What the loop over K multiplies with; it stores nothing, as the loops of epilogues do.
PRODUCTS = re.compile(r"(sdot|smmla|smull|fmla|vpdpbusd|vpmaddwd|vfmadd)")


def spills(assembly: str, architecture: type) -> int:
    """Loads and stores of the stack in the loops over K."""
    machine, count = architecture(assembly), 0
    for loop in inner_loops(assembly):
        facts = [machine.facts(instruction) for instruction in loop.instructions]
        products = any(PRODUCTS.match(fact) for counts in facts for fact in counts)
        if products and not any(counts["store"] for counts in facts):
            count += sum(counts["spill"] for counts in facts)
    return count


def failures(log: str) -> dict[str, str]:
    """Kernel -> what build_kernel.py said of it."""
    return dict(re.findall(r"^build_kernel: octile_(\w+): (.+)$", log, re.MULTILINE))


def kernels_of_candidates(table: str) -> list[list[str]]:
    """Names of the kernels of each candidate, in order."""
    candidates: list[list[str]] = [[] for _ in re.findall(r"^OCTILE_CANDIDATE\(", table, re.MULTILINE)]
    for number, name in re.findall(r"^OCTILE_CANDIDATE_KERNEL\((\d+), octile_(?!missing_kernel)(\w+)_argv,", table, re.MULTILINE):
        candidates[int(number)].append(name)
    return candidates


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--candidates", type=pathlib.Path, required=True)
    parser.add_argument("--table", type=pathlib.Path, required=True)
    parser.add_argument("--kernels", type=pathlib.Path, required=True)
    parser.add_argument("--log", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    job = json.loads(arguments.candidates.read_text())
    architecture = X86 if job["isa"].startswith("avx") else Aarch64
    reasons, known, failed = {}, {}, failures(arguments.log.read_text(errors="replace"))

    def reason(kernel: str) -> str:
        assembly = arguments.kernels / f"{kernel}.s"
        if not assembly.exists() or not (arguments.kernels / f"{kernel}.o").exists():
            return f"{kernel}: {failed.get(kernel, 'not built')}"
        count = spills(assembly.read_text(), architecture)
        return f"{kernel}: {count} spills in the loop over K" if count else ""

    for candidate, kernels in zip(job["candidates"], kernels_of_candidates(arguments.table.read_text()), strict=True):
        for kernel in kernels:
            if kernel not in known:
                known[kernel] = reason(kernel)
            if known[kernel]:
                reasons.setdefault(candidate["id"], known[kernel])
    print(json.dumps(reasons))


if __name__ == "__main__":
    main()
