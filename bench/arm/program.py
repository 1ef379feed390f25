"""An aarch64 program as its symbols and disassembly show it: instructions by class, functions by phase, reduction loops."""

import bisect
import dataclasses
import pathlib
import re
import subprocess

CLASSES = ("int dot", "vector int", "vector float", "fp16", "vector load", "vector store", "move", "scalar int", "scalar memory", "branch")
PHASES = ("quantize+pack", "GEMM", "epilogue", "other")

# First word of a kernel's name -> its phase. What of a GEMM lies outside its reduction loops counts as epilogue.
KERNEL_PHASES = {
    "quantize": "quantize+pack", "pack": "quantize+pack", "unpack": "quantize+pack", "norm": "quantize+pack", "layernorm": "quantize+pack", "rmsnorm": "quantize+pack",
    "gemm": "GEMM", "gemv": "GEMM",
    "epilogue": "epilogue", "dequantize": "epilogue", "activation": "epilogue", "add": "epilogue",
    # Never in a linear.
    "attention": "network", "split": "network", "rotary": "network", "embedding": "network", "mean": "network", "normalize": "network",
}


@dataclasses.dataclass(frozen=True)
class Instruction:
    mnemonic: str
    operands: str  # a branch's or literal's target as 0x..., without its symbol

    def target(self) -> int | None:
        at = re.search(r"(?:^|\s)0x([0-9a-f]+)$", self.operands)
        return int(at.group(1), 16) if at else None


_BRANCH = re.compile(r"b|b\.\w+|bc\.\w+|bl|blr|br|ret|cbn?z|tbn?z")
_VECTOR = re.compile(r"\b(?:[vz]\d+\.|[qdshbvz]\d+\b)")
_INT_DOT = re.compile(r"(?:s|u|us|su)(?:dot|mmla)")
_MOVE = re.compile(r"zip[12]|uzp[12]|trn[12]|ext|dup|ins|mov|umov|smov|movi|mvni|fmov|tb[lx]|rev\d*|sel|splice|movprfx|insr|last[ab]|index|cpy")
_FLOAT = re.compile(r"f\w+|scvtf|ucvtf|bf\w+")
_HALF = re.compile(r"\b(?:[vz]\d+\.(?:[48]?h)|h\d+)\b")


def class_of(instruction: Instruction) -> str:
    mnemonic, operands = instruction.mnemonic, instruction.operands
    if _BRANCH.fullmatch(mnemonic):
        return "branch"
    vector = bool(_VECTOR.search(operands))
    if mnemonic.startswith(("ld", "prf")):
        return "vector load" if vector else "scalar memory"
    if mnemonic.startswith("st"):
        return "vector store" if vector else "scalar memory"
    if not vector:
        return "scalar int"
    if _INT_DOT.fullmatch(mnemonic):
        return "int dot"
    if _MOVE.fullmatch(mnemonic):
        return "move"
    if _FLOAT.fullmatch(mnemonic):
        return "fp16" if _HALF.search(operands) else "vector float"
    return "vector int"


def products_of(instruction: Instruction, vector_bits: int) -> tuple[str, int]:
    """Kind of multiplication of a GEMM and how many one instruction does; ("", 0) if it is none. `vector_bits`: of a z register."""
    bits = vector_bits if instruction.operands.startswith("z") else 128
    if _INT_DOT.fullmatch(instruction.mnemonic) and not instruction.operands.startswith("za"):
        return ("sdot", bits // 8) if instruction.mnemonic.endswith("dot") else ("smmla", bits // 4)
    if instruction.mnemonic == "fmla" and (element := re.match(r"(?:v\d+\.(?:8h|4s)|z\d+\.[hs])\b", instruction.operands)):
        return ("fmla .8h", bits // 16) if element.group().endswith("h") else ("fmla .4s", bits // 32)
    if instruction.mnemonic in ("smull", "smull2", "smlal", "smlal2") and re.match(r"v\d+\.8h\b", instruction.operands):
        return "smull", 8
    return "", 0


@dataclasses.dataclass(frozen=True)
class Kernel:
    name: str
    isa: str
    tile: str  # "8x12x8": tile_m, tile_n, k_block
    phase: str


def parse_kernels(text: str) -> list[Kernel]:
    """Lines "name isa tile", as octile_run_linear --kernels prints them."""
    kernels = []
    for line in text.splitlines():
        name, isa, tile = line.split()
        family = name.split("_")[0]
        if family not in KERNEL_PHASES:
            raise ValueError(f"kernel {name}: \"{family}\" is in no phase; KERNEL_PHASES in {__file__} has to name it")
        kernels.append(Kernel(name, isa, tile, KERNEL_PHASES[family]))
    return kernels


_FUNCTION = re.compile(r"([0-9a-f]+) <([^>]+)>:$")


class _Instructions(dict):
    """Address -> instruction, of lines that are parsed when they are asked for: a program has a million, of which few are executed."""

    def __init__(self, lines: dict[int, str]):
        super().__init__()
        self.lines = lines

    def __missing__(self, address: int) -> Instruction:
        if address not in self.lines:
            raise RuntimeError(f"0x{address:x}: executed, and not in the program's disassembly")
        mnemonic, _, operands = self.lines[address].strip().partition("\t")
        self[address] = Instruction(mnemonic, re.sub(r"\s*(?://.*|<.*>)$", "", operands))
        return self[address]


class Program:
    def __init__(self, disassembly: str, kernels: list[Kernel]):
        """`disassembly`: what llvm-objdump -d --no-show-raw-insn prints."""
        self.symbols: dict[str, int] = {}
        self._starts: list[int] = []
        self._names: list[str] = []
        lines: dict[int, str] = {}
        for line in disassembly.splitlines():
            if match := _FUNCTION.match(line):
                self._starts.append(int(match.group(1), 16))
                self._names.append(match.group(2))
                self.symbols[match.group(2)] = self._starts[-1]
            elif self._starts and (text := line.partition(":"))[2]:
                lines[int(text[0], 16)] = text[2]
        self.instructions = _Instructions(lines)
        if not self._starts or self._starts != sorted(self._starts):
            raise ValueError("disassembly: expected functions in the order of their addresses")
        self._kernels = [self._kernel_of(name, {f"octile_{kernel.name}": kernel for kernel in kernels}) for name in self._names]
        self._loops: dict[int, list[tuple[int, int]]] = {}

    @staticmethod
    def _kernel_of(symbol: str, kernels: dict[str, Kernel]) -> Kernel | None:
        # Halide names the parts of a kernel <kernel>_argv, <kernel>_par_for_... or <kernel>.par_for....
        for end in (len(symbol), *(at.start() for at in reversed(list(re.finditer(r"[_.]", symbol))))):
            if symbol[:end] in kernels:
                return kernels[symbol[:end]]
        return None

    def _function_at(self, address: int) -> int:
        return bisect.bisect_right(self._starts, address) - 1

    def function_start(self, address: int) -> int:
        return self._starts[self._function_at(address)]

    def kernel_at(self, address: int) -> Kernel | None:
        return self._kernels[self._function_at(address)]

    def kernel_functions(self, kernel: Kernel) -> list[int]:
        return [start for start, owner in zip(self._starts, self._kernels) if owner == kernel]

    def reduction_loops(self, start: int) -> list[tuple[int, int]]:
        """First and last address of every loop of the function at `start` that holds no other, multiplies and accumulates, and
        stores nothing but spills: loops of epilogues store."""
        if start not in self._loops:
            index = self._function_at(start)
            end = self._starts[index + 1] if index + 1 < len(self._starts) else max(self.instructions.lines) + 4
            spans = []
            for address in range(start, end, 4):
                if address not in self.instructions.lines:
                    continue
                instruction = self.instructions[address]
                if not _BRANCH.fullmatch(instruction.mnemonic) or instruction.mnemonic in ("bl", "blr"):
                    continue
                target = instruction.target()
                if target is not None and start <= target <= address:
                    spans.append((target, address))
            self._loops[start] = [
                span for span in spans
                if not any(span[0] <= f and l <= span[1] and (f, l) != span for f, l in spans) and self._is_reduction(*span)]
        return self._loops[start]

    def loop(self, first: int, last: int) -> list[Instruction]:
        return [self.instructions[address] for address in range(first, last + 4, 4)]

    def _is_reduction(self, first: int, last: int) -> bool:
        body = self.loop(first, last)
        return any(products_of(i, 128)[1] for i in body) and not any(i.mnemonic.startswith("st") and "[sp" not in i.operands for i in body)

    def phase_at(self, address: int) -> str:
        kernel = self.kernel_at(address)
        if not kernel:
            return "other"
        if kernel.phase != "GEMM":
            return kernel.phase
        loops = self.reduction_loops(self.function_start(address))
        return "GEMM" if any(first <= address <= last for first, last in loops) else "epilogue"


def disassemble(binary: pathlib.Path, objdump: str) -> str:
    return subprocess.run([objdump, "-d", "--no-show-raw-insn", str(binary)], capture_output=True, text=True, check=True).stdout
