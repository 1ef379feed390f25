#!/usr/bin/env python3
"""llvm-mca's cycles for the tiles of every candidate of a tuning job, on a core nobody has to have.

usage: model_kernels.py --core NAME --candidates FILE --table candidates.inc --kernels FOLDER

Prints a JSON object: candidate -> tiles, each {"rows", "single_row", "large", "cycles_per_mac", "tile_cycles"}: of the loop over K in the long run, and of
what a tile does beside it. The same program and the same treatment of instructions as `make bench-arm` (bench/arm/mca.py).
"""

import argparse
import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path += [str(ROOT / "tools"), str(ROOT / "bench/arm")]
import assembly  # noqa: E402
import mca  # noqa: E402
import program  # noqa: E402

ROW = re.compile(r"^OCTILE_CANDIDATE_KERNEL\((\d+), octile_(?!missing_kernel)(\w+)_argv, \{(.*)\}\)$", re.MULTILINE)


def instruction(line: assembly.Instruction) -> program.Instruction:
    return program.Instruction(line.mnemonic, line.operands)


def tile_loop(text: str, vector_bits: int) -> tuple[list[program.Instruction], list[program.Instruction], int]:
    """Of a kernel: the loop over K that multiplies most, what the smallest loop around it holds beside it, and the first's products."""
    instructions, labels = assembly.parse(text)
    spans = []
    for at, line in enumerate(instructions):
        target = line.operands.split(",")[-1].strip()
        if assembly.BRANCH.match(line.mnemonic) and labels.get(target, at + 1) <= at:
            spans.append((labels[target], at))
    best: tuple = (0, None)
    for first, last in spans:
        if any(first <= f and l <= last and (f, l) != (first, last) for f, l in spans):
            continue
        body = [instruction(line) for line in instructions[first:last + 1]]
        macs = sum(program.products_of(line, vector_bits)[1] for line in body)
        if not any(line.mnemonic.startswith("st") and "[sp" not in line.operands for line in body):
            best = max(best, (macs, (first, last)), key=lambda found: found[0])
    macs, span = best
    if not macs:
        raise ValueError("no loop over K")
    around = [(f, l) for f, l in spans if f <= span[0] and span[1] <= l and (f, l) != span]
    first, last = min(around, key=lambda outer: outer[1] - outer[0]) if around else (0, len(instructions) - 1)
    inside = [range(f, l + 1) for f, l in spans if first <= f and l <= last and (f, l) != (first, last)]
    beside = [instruction(line) for at, line in enumerate(instructions[first:last + 1], first) if not any(at in loop for loop in inside)]
    return [instruction(line) for line in instructions[span[0]:span[1] + 1]], beside, macs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--core", required=True)
    parser.add_argument("--candidates", type=pathlib.Path, required=True)
    parser.add_argument("--table", type=pathlib.Path, required=True)
    parser.add_argument("--kernels", type=pathlib.Path, required=True)
    parser.add_argument("--mca", default="llvm-mca-19")
    arguments = parser.parse_args()
    job = json.loads(arguments.candidates.read_text())
    vector_bits = 256 if job["isa"] == "sve256" else 128
    rows = ROW.findall(arguments.table.read_text())
    names = sorted({name for _, name, _ in rows})
    loops, besides, macs = zip(*(tile_loop((arguments.kernels / f"{name}.s").read_text(), vector_bits) for name in names), strict=True)
    model = mca.Model(arguments.mca, arguments.core)
    in_loop = dict(zip(names, (cycles for cycles, _ in model.loops(list(loops))), strict=True))
    beside = dict(zip(names, (cycles for cycles, _ in model.loops(list(besides))), strict=True))
    products = dict(zip(names, macs, strict=True))
    tiles: dict[str, list] = {candidate["id"]: [] for candidate in job["candidates"]}
    for number, name, fields in rows:
        fact = dict(re.findall(r"\.(\w+) = ([\w:\"]+)", fields))
        entry = job["candidates"][int(number)]["entry"]
        tiles[job["candidates"][int(number)]["id"]].append({
            "rows": int(fact["tile_m"]), "single_row": fact["panel_m"] != str(entry["panel_m"]) and fact["tile_m"] == "1",
            "large": fact.get("weights") == "WeightSize::kLarge", "cycles_per_mac": in_loop[name] / products[name], "tile_cycles": beside[name]})
    print(json.dumps(tiles))


if __name__ == "__main__":
    try:
        main()
    except (OSError, RuntimeError, ValueError) as error:
        sys.exit(f"model_kernels: {error}")
