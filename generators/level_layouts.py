#!/usr/bin/env python3
"""Writes the panels of weights that every ISA level of every architecture reads, as rows of a C++ table: a packed file may be written for a
level that this build has no kernels for.

usage: level_layouts.py --output FILE --schedule default.json [--schedule CORE.json]

A row is {Isa, Precision, {bytes of an element, k_block, panel_n}, columns that every tile of the level divides}.
"""

import argparse
import json
import pathlib

from variants import enumerator, read_schedules

ELEMENT_BYTES = {"int8": 1, "fp16": 2}


def widest(entry: dict) -> int:
    """Adjacent panels of the widest tile. Other schedules for other shapes read the same panels."""
    panels = [tile.get("panels", 1) for tile in [*entry.get("tiles", []), entry.get("row", {})]]
    return max([*panels, *(widest(other) for other in entry.values() if isinstance(other, dict) and "tiles" in other)])


def rows(levels: dict):
    for isa, entries in levels.items():
        for precision, element_bytes in ELEMENT_BYTES.items():
            if entry := entries.get(precision):
                layout = f"{{{element_bytes}, {entry.get('k_block', 1)}, {entry['panel_n']}}}"
                yield f"{{{enumerator('Isa', isa)}, {enumerator('Precision', precision)}, {layout}, {entry['panel_n'] * widest(entry)}}},\n"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--output", type=pathlib.Path, required=True)
    parser.add_argument("--schedule", type=pathlib.Path, action="append", required=True)
    arguments = parser.parse_args()
    text = "".join(rows(read_schedules(arguments.schedule)))
    if not arguments.output.exists() or arguments.output.read_text() != text:
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        arguments.output.write_text(text)


if __name__ == "__main__":
    main()
