"""Turns the LLVM IR that Halide emitted into the IR of an ISA level. Text in, text out; no files, no processes.

Three rewrites:
- carriers: SelectMmla (select_mmla.h) hands smmla tiles to Halide's back end as udot, which has the same type signature and which no
  kernel of ours uses for itself. Here they get their name. Both sides are counted, because a carrier left over computes nonsense.
- attributes: every function gets the level's cpu and features, so that no instruction outside the level can be selected.
- symbols: references to Halide's runtime get a prefix, so that another Halide library can live in the same program.
"""

import dataclasses
import re

SYMBOL_PREFIX = "octile_"

CARRIERS = {
    "llvm.aarch64.neon.udot.v4i32.v16i8": "llvm.aarch64.neon.smmla.v4i32.v16i8",
}


class FinishError(Exception):
    pass


@dataclasses.dataclass
class Finished:
    text: str
    mmla_calls: int  # calls of an smmla intrinsic in the text


def finish(text: str, level: dict, expect_mmla: bool) -> Finished:
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

    text = re.sub(r'"target-cpu"="[^"]*"', f'"target-cpu"="{level["cpu"]}"', text)
    text = re.sub(r'"target-features"="[^"]*"', f'"target-features"="{level["features"]}"', text)
    text = re.sub(r'"tune-cpu"="[^"]*"', f'"tune-cpu"="{level["tune"]}"', text)
    text = re.sub(r'target triple = "[^"]*"', f'target triple = "{level["triple"]}"', text)
    text = re.sub(r"([@$])halide_", rf"\1{SYMBOL_PREFIX}halide_", text)
    return Finished(text, calls)


def check_assembly(assembly: str, finished: Finished) -> None:
    """Raises FinishError unless the assembly multiplies with exactly the smmla of the IR and no other integer product."""
    if finished.mmla_calls == 0:
        return
    smmla = len(re.findall(r"^\s*smmla\s", assembly, re.MULTILINE))
    if smmla != finished.mmla_calls:
        raise FinishError(f"{finished.mmla_calls} smmla in the IR, {smmla} in the assembly")
    # Products of bytes only: addresses are multiplied too, and by wider forms.
    other = re.search(r"^\s*(udot|sdot|ummla|usmmla)\s|^\s*([us]ml[al]l2?)\s+v\d+\.8h", assembly, re.MULTILINE)
    if other:
        raise FinishError(f"a tile was left unmatched: the assembly holds {other.group(0).strip()}")
