#!/usr/bin/env python3
"""Arm, measured without Arm: instructions executed under qemu, and llvm-mca's cycles for them. docs/arm_measurement.md explains the figures.

Exit code 0; 1 if something fails or, with --check, a ceiling is exceeded; 2 for wrong usage.
"""

import argparse
import json
import pathlib
import shutil
import sys

import ceilings
import measure
import tables
from execution import Emulator, Shape
from program import Program, disassemble, parse_kernels

HERE = pathlib.Path(__file__).resolve().parent
CEILINGS = HERE / "ceilings.json"
PROGRAMS = ("octile_run_linear", "libtrace_blocks.so")
DEFAULT_CPU = "max,sve=off"


def shape_argument(text: str) -> Shape:
    try:
        return Shape.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--programs", type=pathlib.Path, required=True, help=f"folder with {' and '.join(PROGRAMS)}")
    parser.add_argument("--qemu", default="qemu-aarch64", help="qemu-user 7.2 or later, with plugins (Debian's static build has none)")
    parser.add_argument("--cpu", default=DEFAULT_CPU, help="qemu's CPU model; with SVE the vector length is what counts (default: %(default)s)")
    parser.add_argument("--objdump", default="llvm-objdump-19", help="(default: %(default)s)")
    parser.add_argument("--mca", default="llvm-mca-19", help="(default: %(default)s)")
    parser.add_argument("--level", action="append", help="instead of every INT8 level of the CPU; may be repeated")
    parser.add_argument("--shape", action="append", type=shape_argument, metavar="MxKxN", help="instead of those of figures.json; may be repeated")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write the measurements there too")
    parser.add_argument("--counts-only", action="store_true", help="nothing of llvm-mca")
    parser.add_argument("--check", action="store_true", help=f"counts only, and compare them with {CEILINGS.name}")
    parser.add_argument("--lower-ceilings", action="store_true", help=f"counts only, and lower {CEILINGS.name} to them and 1 %%")
    arguments = parser.parse_args()
    arguments.counts_only |= arguments.check or arguments.lower_ceilings
    for tool in (arguments.qemu, arguments.objdump, *([] if arguments.counts_only else [arguments.mca])):
        if not shutil.which(tool):
            parser.error(f"{tool}: not found; scripts/setup installs it")
    for file in PROGRAMS:
        if not (arguments.programs / file).is_file():
            parser.error(f"--programs {arguments.programs}: no {file} there; cmake --build --preset aarch64 --target bench-arm makes it")
    return arguments


def run(arguments: argparse.Namespace) -> int:
    figures = json.loads((HERE / "figures.json").read_text())
    binary, plugin = (arguments.programs / file for file in PROGRAMS)
    emulator = Emulator(arguments.qemu, arguments.cpu, plugin, binary)
    kernels = parse_kernels(emulator.list("kernels"))
    available = emulator.list("levels").split()
    levels = arguments.level or available
    if missing := [level for level in levels if level not in available]:
        raise ValueError(f"--level {missing[0]}: no INT8 kernels for it on qemu's CPU {arguments.cpu}; expected one of {' '.join(available)}")
    program = Program(disassemble(binary, arguments.objdump), kernels)
    shapes = arguments.shape or [Shape.parse(text) for text in figures["shapes"]]

    result = {"cpu": arguments.cpu, "instructions_per_1000_macs": measure.instructions(program, emulator, levels, shapes)}
    print(tables.instruction_tables(result["instructions_per_1000_macs"], figures))
    if not arguments.counts_only:
        cores = figures["cores"]
        result["loops"] = measure.loops(program, kernels, cores, arguments.mca, measure.vector_bits(arguments.cpu))
        print("\n" + tables.loop_table(result["loops"], cores))
        modelled = [shape for shape in shapes if str(shape) in figures["modelled_shapes"] or arguments.shape]
        result["linears"] = measure.linears(program, emulator, levels, modelled, result["loops"], arguments.mca)
        print("\n" + tables.linear_table(result["linears"], figures))
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n")

    if arguments.lower_ceilings:
        ceilings.write(CEILINGS, ceilings.lowered(result["instructions_per_1000_macs"], ceilings.read(CEILINGS)))
    if arguments.check:
        findings = ceilings.exceeded(result["instructions_per_1000_macs"], ceilings.read(CEILINGS))
        print("\n" + ("\n".join(findings) or "no ceiling exceeded"))
        return 1 if findings else 0
    return 0


def main() -> None:
    arguments = parse_arguments()
    try:
        sys.exit(run(arguments))
    except (OSError, RuntimeError, ValueError) as error:
        sys.exit(f"bench_arm: {error}")


if __name__ == "__main__":
    main()
