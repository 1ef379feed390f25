"""llvm-mca's cycles for straight code: instruction sequences, each for itself or repeated as a loop would."""

import json
import re
import subprocess

from program import Instruction

# llvm-mca parses labels only where they exist; where a branch of a trace leads is known from the trace.
_LABEL = "target"
_WRITE_BACK = re.compile(r"(?P<data>.*)\[(?P<base>x\d+|sp)(?:\], (?P<post>[#x]\w+)|, (?P<pre>#-?\w+)\]!)$")


def assembly(instruction: Instruction) -> list[str]:
    """The instruction for llvm-mca. A load or store that also writes its address back becomes two: as one, the model of N2 lets the
    next address wait for the loaded data."""
    mnemonic, operands = instruction.mnemonic, instruction.operands
    if instruction.target() is not None:
        operands = re.sub(r"0x[0-9a-f]+$", _LABEL, operands)
    if mnemonic.startswith(("ld", "st")) and (match := _WRITE_BACK.match(operands)):
        base, step = match["base"], match["post"] or match["pre"]
        change = f"sub {base}, {base}, #{step[2:]}" if step.startswith("#-") else f"add {base}, {base}, {step}"
        access = f"{mnemonic} {match['data']}[{base}]"
        return [access, change] if match["post"] else [change, access]
    return [f"{mnemonic} {operands}".strip()]


class UnsupportedInstruction(RuntimeError):
    """The core lacks an instruction."""


class Model:
    def __init__(self, mca: str, core: str):
        # A call costs what its instructions do, which are in the trace.
        self._command = [mca, "-mtriple=aarch64", f"-mcpu={core}", "-json", "-instruction-info=0", "-resource-pressure=0", "-call-latency=1"]
        self.core = core

    def _run(self, sequences: list[list[Instruction]], iterations: int) -> list[dict]:
        lines = [f"{_LABEL}:"]
        lengths = []
        for number, sequence in enumerate(sequences):
            body = [line for instruction in sequence for line in assembly(instruction)]
            lengths.append(len(body))
            lines += [f"# LLVM-MCA-BEGIN {number}", *body, f"# LLVM-MCA-END {number}"]
        result = subprocess.run([*self._command, f"-iterations={iterations}"], input="\n".join(lines) + "\n", capture_output=True, text=True)
        if result.returncode:
            errors = [line for line in result.stderr.splitlines() if "error" in line]
            kind = UnsupportedInstruction if any("requires:" in error for error in errors) else RuntimeError
            raise kind(f"llvm-mca for {self.core}: {(errors or ['exit code ' + str(result.returncode)])[0]}")
        regions = sorted(json.loads(result.stdout)["CodeRegions"], key=lambda region: int(region["Name"]))
        for region, length in zip(regions, lengths, strict=True):
            if region["SummaryView"]["Instructions"] != length * iterations:
                raise RuntimeError(f"llvm-mca for {self.core}: modelled {region['SummaryView']['Instructions']} of {length * iterations} instructions")
        return [region["SummaryView"] for region in regions]

    def straight(self, sequences: list[list[Instruction]]) -> list[int]:
        """Cycles of each, executed once from an idle core to the last retirement."""
        return [summary["TotalCycles"] for summary in self._run(sequences, 1)] if sequences else []

    def loops(self, bodies: list[list[Instruction]]) -> list[tuple[float, float]]:
        """Of each body, cycles per iteration in the long run, and the least that ports and dispatch allow."""
        if not bodies:
            return []
        few, many = 100, 300  # the first outlasts every queue
        summaries = [self._run(bodies, iterations) for iterations in (few, many)]
        return [((b["TotalCycles"] - a["TotalCycles"]) / (many - few), b["BlockRThroughput"]) for a, b in zip(*summaries, strict=True)]
