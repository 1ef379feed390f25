#!/usr/bin/env python3
"""Writes the panels of weights that every ISA level of every architecture reads, as rows of a C++ table: a packed file may be written for a
level that this build has no kernels for.

usage: level_layouts.py --output FILE --schedule default.json [--schedule CORE.json] [--core CORE.json]... [--optional-core CORE.json]...

A row is {Isa, Precision, {bytes of an element, k_block, panel_n}, columns that every tile of the level divides}, whatever set of schedules it is of.
"""

import argparse
import math
import pathlib

from variants import add_schedule_options, enumerator, read_sets, widest_tile

# Precision, the entry of a schedule that it reads, bytes of an element, panels that are stored as one.
FORMS = (("int8", "int8", 1, 1), ("fp16", "fp16", 2, 1), ("int4", "int8", 1, 2))


def rows(sets: list[dict]):
    for isa, entries in sets[0].items():
        for precision, form, element_bytes, together in FORMS:
            if entry := entries.get(form):
                layout = f"{{{element_bytes}, {entry.get('k_block', 1)}, {entry['panel_n']}}}"
                panels = math.lcm(max(widest_tile(levels[isa][form]) for levels in sets), together)
                yield f"{{{enumerator('Isa', isa)}, {enumerator('Precision', precision)}, {layout}, {entry['panel_n'] * panels}}},\n"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--output", type=pathlib.Path, required=True)
    add_schedule_options(parser)
    arguments = parser.parse_args()
    text = "".join(rows(list(read_sets(arguments).values())))
    if not arguments.output.exists() or arguments.output.read_text() != text:
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        arguments.output.write_text(text)


if __name__ == "__main__":
    main()
