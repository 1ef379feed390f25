"""Turns the LLVM IR that Halide emitted into the IR of an ISA level. Text in, text out; no files, no processes.

Seven rewrites, by finish():
- carriers: SelectMmla (select_mmla.h) hands smmla tiles to Halide's back end as udot, which has the same type signature and which no
  kernel of ours uses for itself. Here they get their name. Both sides are counted, because a carrier left over computes nonsense.
- rows of scalable tiles: SelectMmla loads them as if the panel repeated them for every 128 bits of the vector; here those loads become the
  ones that do it (ld1rq), which Halide cannot say.
- attributes: every function gets the level's cpu and features, so that no instruction outside the level can be selected, and what the
  family asks for.
- prefetches: from the hint for lines used once to that for the second-level cache.
- unrolling: Halide emits the reduction loop as one step; unrolled by LLVM it shares its pointer arithmetic between steps, while unrolled by
  Halide's schedule it would keep the register tiles of all steps alive at once.
- fused sums: Halide has no operation for a multiply-add with one rounding, and a product and a sum that may become one need not. In the Funcs
  that are named, every product becomes part of the sum that reads it, and none may be left over.
- symbols: references to Halide's runtime get a prefix, so that another Halide library can live in the same program.

And one by for_platform(): what the architecture's systems ask of every object that they load.
"""

import dataclasses
import re

SYMBOL_PREFIX = "octile_"

CARRIERS = {
    "llvm.aarch64.neon.udot.v4i32.v16i8": "llvm.aarch64.neon.smmla.v4i32.v16i8",
    "llvm.aarch64.sve.udot.nxv4i32": "llvm.aarch64.sve.smmla.nxv4i32",
}


@dataclasses.dataclass(frozen=True)
class Platform:
    """What an object has to be, to be linked into any program of the architecture's systems."""

    features: str  # for every function, besides the level's
    attributes: str  # likewise
    flags: tuple[str, ...]  # of the module, each a name and a value, from which the linker's notes are made


# Unwind tables let profilers and crash reports see through a kernel; of each call, not each instruction, as none of ours is async.
# x18 belongs to the platform on Android, macOS, iOS and Windows (a shadow call stack is there). BTI and PAC (return addresses of functions that
# store them) on Arm, IBT on x86: the linker keeps a program's protection only if every object has it.
PLATFORMS = {
    "aarch64": Platform("+reserve-x18", 'uwtable(sync) "branch-target-enforcement" "sign-return-address"="non-leaf" "sign-return-address-key"="a_key"',
                        ("branch-target-enforcement", "sign-return-address")),
    "x86_64": Platform("", "uwtable(sync)", ("cf-protection-branch",)),
}


class FinishError(Exception):
    pass


@dataclasses.dataclass
class Finished:
    text: str
    mmla_calls: int  # calls of an smmla intrinsic in the text


def unroll_reduction(text: str, count: int) -> str:
    """Asks LLVM to unroll the innermost loop of the Func named `acc`, wherever the loop partitioning copied it."""
    marker = 900000  # above every metadata number that LLVM hands out for kernels of this size
    lines, metadata, headers = [], [], set()
    for line in text.split("\n"):
        block = re.match(r'("[^"]+"|[\w.$]+):', line)
        if block and "_for_acc.s1" in block.group(1):
            headers.add(block.group(1))
        # A conditional branch back to a loop's first block is its latch, in that block or, where it prefetches, behind an inner loop.
        if line.startswith("  br i1") and headers.intersection(re.findall(r'label %("[^"]+"|[\w.$]+)', line)):
            number = marker + 1 + len(metadata)
            metadata.append(f"!{number} = distinct !{{!{number}, !{marker}}}")
            line = re.sub(r", !prof !\d+", "", line) + f", !llvm.loop !{number}"
        lines.append(line)
    if not metadata:
        raise FinishError("no reduction loop to unroll")
    metadata.append(f'!{marker} = !{{!"llvm.loop.unroll.count", i32 {count}}}')
    return "\n".join(lines + metadata) + "\n"


def fuse_sums(text: str, funcs: list[str]) -> str:
    """Makes one operation, llvm.fma, of every product and the sum behind it, in the reduction loops of the Funcs of these names."""
    lines = text.split("\n")
    types, found = set(), dict.fromkeys(funcs, 0)
    func, products = None, {}  # of the block: name -> (line, type, factors)
    for number, line in enumerate(lines):
        if block := re.match(r'("[^"]+"|[\w.$]+):', line):
            func = next((name for name in funcs if re.search(rf"_for_{name}\.s1\b", block.group(1))), None)
            products = {}
        if func is None:
            continue
        if product := re.match(r"  (%[\w.$]+) = fmul (<\d+ x float>) ([^,]+), (\S+)$", line):
            products[product.group(1)] = (number, *product.groups()[1:])
        elif sum_ := re.match(r"  (%[\w.$]+) = fadd (<\d+ x float>) ([^,]+), (\S+)$", line):
            name, kind, a, b = sum_.groups()
            factor, addend = (b, a) if b in products else (a, b)
            if factor not in products:
                raise FinishError(f"{name} is a sum without a product, in {func}")
            at, _, x, y = products.pop(factor)
            if len(re.findall(rf"{re.escape(factor)}(?![\w.$])", text)) != 2:
                raise FinishError(f"{factor}, a product in {func}, is read by more than its sum")
            lines[at] = ""
            lines[number] = f"  {name} = call {kind} @llvm.fma.v{kind[1:].split()[0]}f32({kind} {x}, {kind} {y}, {kind} {addend})"
            types.add(kind)
            found[func] += 1
        elif re.search(r"= f(add|sub|mul) ", line):
            raise FinishError(f"an operation that is neither product nor sum of vectors, in {func}: {line.strip()}")
        elif re.match(r"  (br|ret) ", line) and products:
            raise FinishError(f"{', '.join(products)}: products without a sum, in {func}")
    if missing := [name for name, count in found.items() if count == 0]:
        raise FinishError(f"no sum of products in the loop of {', '.join(missing)}")
    declarations = [f"declare {kind} @llvm.fma.v{kind[1:].split()[0]}f32({kind}, {kind}, {kind})" for kind in sorted(types)]
    return "\n".join(lines + declarations) + "\n"


def for_platform(text: str, level: dict) -> str:
    """Attributes and features of every function, and the module's flags, as PLATFORMS says. Raises FinishError for a module without flags."""
    platform = PLATFORMS[level["triple"].split("-")[0]]
    text = re.sub(r"^(attributes #\d+ = \{)", rf"\1 {platform.attributes}", text, flags=re.MULTILINE)
    if platform.features:
        text = re.sub(r'"target-features"="([^"]+)"', rf'"target-features"="\1,{platform.features}"', text)
    listed = re.search(r"^!llvm\.module\.flags = !\{(.*)\}$", text, re.MULTILINE)
    if not listed:
        raise FinishError("a module without flags")
    first = 910000  # above every metadata number of Halide's and of unroll_reduction()
    numbers = range(first, first + len(platform.flags))
    text = text[:listed.end(1)] + "".join(f", !{number}" for number in numbers) + text[listed.end(1):]
    # Behaviour 8: of modules that are linked, the least counts.
    return text + "".join(f'!{number} = !{{i32 8, !"{flag}", i32 1}}\n' for number, flag in zip(numbers, platform.flags))


SCALABLE_SMMLA = "llvm.aarch64.sve.smmla.nxv4i32"
BYTES, EVERY_LANE = "<vscale x 16 x i8>", "<vscale x 16 x i1> splat (i1 true)"


def replicate_rows(text: str) -> str:
    """Makes the loads of the rows, the first of the two factors of every scalable smmla, replicate 16 bytes."""
    rows = sorted(set(re.findall(rf"@{re.escape(SCALABLE_SMMLA)}\(<vscale x 4 x i32> [^ ,]+, {re.escape(BYTES)} ([^ ,]+), ", text)))
    if not rows:
        return text
    for name in rows:
        uses = len(re.findall(rf"{re.escape(name)}(?![\w.$])", text)) - 1
        factors = len(re.findall(rf"@{re.escape(SCALABLE_SMMLA)}\(<vscale x 4 x i32> [^ ,]+, {re.escape(BYTES)} {re.escape(name)}, ", text))
        text, loads = re.subn(rf"^(  {re.escape(name)} = )load {re.escape(BYTES)}, (ptr [^ ,]+), [^\n]*$",
                              rf"\1call {BYTES} @llvm.aarch64.sve.ld1rq.nxv16i8({EVERY_LANE}, \2)", text, flags=re.MULTILINE)
        if loads != 1 or uses != factors:
            raise FinishError(f"{name}, the rows of a scalable smmla, is not a load of their own")
    return text + f"\ndeclare {BYTES} @llvm.aarch64.sve.ld1rq.nxv16i8(<vscale x 16 x i1>, ptr)\n"


def finish(text: str, level: dict, expect_mmla: bool, unroll: int = 1, attributes: str = "", fused: list[str] | None = None) -> Finished:
    """Raises FinishError if the carriers found are not what the kernel is said to have."""
    calls = 0
    for carrier, instruction in CARRIERS.items():
        calls += len(re.findall(rf"call [^@\n]*@{re.escape(carrier)}\(", text))
        text = text.replace(f"@{carrier}", f"@{instruction}")
    if expect_mmla and calls == 0:
        raise FinishError("expected smmla tiles, and the generator emitted none")
    if not expect_mmla and calls:
        raise FinishError(f"{calls} udot carriers in a kernel that has no smmla tile")
    leftover = re.search(r"@llvm\.aarch64\.(neon|sve)\.udot[.\w]*", text)
    if leftover:
        raise FinishError(f"{leftover.group(0)} is left over: no smmla form is known for it")

    text = replicate_rows(text)

    # Halide asks for lines that are used once (prefetchnta), which x86 keeps out of the second level: the next tile of rows would fetch
    # them from memory again.
    text = re.sub(r"(call void @llvm\.prefetch\.p0\(ptr [^,]+, i32 0, i32) 0,", r"\1 2,", text)

    text = re.sub(r'"target-cpu"="[^"]*"', f'"target-cpu"="{level["cpu"]}"', text)
    text = re.sub(r'"target-features"="[^"]*"', f'"target-features"="{level["features"]}"', text)
    text = re.sub(r'"tune-cpu"="[^"]*"', f'"tune-cpu"="{level["tune"]}"', text)
    if attributes:
        text = re.sub(r"^(attributes #\d+ = \{)", rf"\1 {attributes}", text, flags=re.MULTILINE)
    text = re.sub(r'target triple = "[^"]*"', f'target triple = "{level["triple"]}"', text)
    text = re.sub(r"([@$])halide_", rf"\1{SYMBOL_PREFIX}halide_", text)
    if fused:
        text = fuse_sums(text, fused)
    if unroll > 1:
        text = unroll_reduction(text, unroll)
    return Finished(text, calls)


def portable_assembly(text: str) -> str:
    """Clang's assembly without the directives that GNU's assembler does not know: hints for lld, and what .note.gnu.property says as well."""
    return re.sub(r"^\s*\.(addrsig(_sym)?|aeabi_subsection|aeabi_attribute)\b.*\n", "", text, flags=re.MULTILINE)


def check_assembly(assembly: str, finished: Finished) -> None:
    """Raises FinishError unless the assembly multiplies with exactly the smmla of the IR and no other integer product."""
    if finished.mmla_calls == 0:
        return
    # Unrolling copies every call the same number of times, and once more for a remainder.
    smmla = len(re.findall(r"^\s*smmla\s", assembly, re.MULTILINE))
    if smmla == 0 or smmla % finished.mmla_calls:
        raise FinishError(f"{finished.mmla_calls} smmla in the IR, {smmla} in the assembly")
    # Products of bytes only: addresses are multiplied too, and by wider forms.
    other = re.search(r"^\s*(udot|sdot|ummla|usmmla)\s|^\s*([us]m(?:ull|lal|lsl)2?)\s+v\d+\.8h", assembly, re.MULTILINE)
    if other:
        raise FinishError(f"a tile was left unmatched: the assembly holds {other.group(0).strip()}")
