"""What `make bench-arm` measures, as plain data: the JSON output is this, the tables print it."""

import concurrent.futures
import os
import re

from execution import Emulator, Shape, count
from mca import Model, UnsupportedInstruction
from modelled_trace import ModelledTrace
from program import CLASSES, PHASES, Kernel, Program, products_of


def vector_bits(cpu: str) -> int:
    """Of a z register on qemu's CPU model `cpu`."""
    at = re.search(r"sve-max-vq=(\d+)", cpu)
    return 128 * int(at.group(1)) if at else 128


def _instructions(program: Program, emulator: Emulator, level: str, shape: Shape) -> dict:
    counts = count(program, emulator.trace(program, level, shape))
    scale = 1000 / shape.macs
    return {
        "level": level, "shape": str(shape), "total": sum(counts.values()) * scale,
        "phases": {phase: {kind: counts[phase, kind] * scale for kind in CLASSES if counts[phase, kind]} for phase in PHASES},
    }


def instructions(program: Program, emulator: Emulator, levels: list[str], shapes: list[Shape]) -> list[dict]:
    """Executed instructions per 1000 multiply-accumulates, padding not counted as such, by phase and class."""
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        runs = [pool.submit(_instructions, program, emulator, level, shape) for level in levels for shape in shapes]
        return [run.result() for run in runs]


def _main_loop(program: Program, kernel: Kernel, z_bits: int) -> dict | None:
    """The reduction loop that does most of a kernel's work; others do what its unrolling leaves over."""
    found = []
    for start in program.kernel_functions(kernel):
        for span in program.reduction_loops(start):
            body = program.loop(*span)
            kinds, macs = zip(*(products_of(instruction, z_bits) for instruction in body), strict=True)
            found.append({"kernel": kernel.name, "level": kernel.isa, "tile": kernel.tile, "kind": max(kinds), "macs": sum(macs),
                          "instructions": len(body), "body": body, "cores": {}})
    return max(found, key=lambda loop: (loop["macs"], -loop["instructions"]), default=None)


def _runs_on(core: dict, loop: dict, z_bits: int) -> bool:
    """Whether the core has the multiplication, and the vector length if the loop depends on one."""
    scalable = any(re.search(r"\bz\d", instruction.operands) for instruction in loop["body"])
    return loop["kind"] in core["peak_macs_per_cycle"] and (not scalable or core.get("sve_bits") == z_bits)


def loops(program: Program, kernels: list[Kernel], cores: dict, mca: str, z_bits: int) -> list[dict]:
    """The reduction loop of every GEMM: cycles per iteration, and the share of the core's peak and of what ports and dispatch allow."""
    found = [loop for kernel in kernels if kernel.phase == "GEMM" and (loop := _main_loop(program, kernel, z_bits))]

    def model(name: str) -> None:
        peaks = cores[name]["peak_macs_per_cycle"]
        measured = [loop for loop in found if _runs_on(cores[name], loop, z_bits)]
        for loop, (cycles, limit) in zip(measured, Model(mca, name).loops([loop["body"] for loop in measured]), strict=True):
            loop["cores"][name] = {"cycles": cycles, "limit_cycles": limit, "share_of_peak": loop["macs"] / cycles / peaks[loop["kind"]],
                                   "share_of_limit": limit / cycles}

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(model, cores))
    for loop in found:
        del loop["body"]
    return found


def linears(program: Program, emulator: Emulator, levels: list[str], shapes: list[Shape], modelled_loops: list[dict], mca: str) -> list[dict]:
    """Multiply-accumulates per modelled cycle of whole linears, on the cores that run the int8 loops of the level; None where a core
    lacks another of the instructions. `modelled_loops`: of loops()."""
    found, runs = [], {}
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for level in levels:
            own = [set(loop["cores"]) for loop in modelled_loops if loop["level"] == level and loop["kind"] in ("sdot", "smmla")]
            names = sorted(set.intersection(*own)) if own else []
            for shape in shapes if names else []:
                trace = ModelledTrace(program, emulator.trace(program, level, shape))
                runs[level, shape] = {name: pool.submit(trace.cycles, Model(mca, name)) for name in names}
        for (level, shape), cycles in runs.items():
            row = {"level": level, "shape": str(shape), "macs_per_cycle": {}}
            for name, run in cycles.items():
                try:
                    row["macs_per_cycle"][name] = shape.macs / run.result()
                except UnsupportedInstruction:
                    row["macs_per_cycle"][name] = None
            found.append(row)
    return found
