#!/usr/bin/env python3
# SPDX-FileCopyrightText: Copyright 2026 Octile contributors
# SPDX-License-Identifier: Apache-2.0

"""Compares the binary interface of liboctile.so with the stored one, abi/, by abigail-tools.

Two comparisons, neither of which needs a library with debugging information:
- symbols: what liboctile.so exports, of C and C++, with its versions and its SONAME
- types: what octile/octile.h says of every function, struct and constant, as a C compiler lays them out

Any difference is an error until it is stored, by --update: what is new, because from then on programs rely on it; everything else,
because whether programs survive it, as they do a field behind the last one of a struct with a size, is for people to say.

C++ classes are compared by the names of their members, which hold the types of arguments; their layout is not, and before
1.0 a minor version may change it.
"""

import argparse
import pathlib
import re
import subprocess
import sys
import tempfile

DECLARATION = re.compile(r"OCTILE_C_API ([^;(]*?)\b(octile_\w+)\(([^;]*)\);")
CONSTANT = re.compile(r"\b(OCTILE_\w+) = \d+")
VOID = re.compile(r"void\s*")


def shim(headers: pathlib.Path) -> str:
    """C that defines every function, and a variable for every constant: what the headers say, as debugging information."""
    text = "".join(re.sub(r"//.*", "", header.read_text()) for header in sorted(headers.rglob("c/*.h")))
    functions, constants = DECLARATION.findall(text), CONSTANT.findall(text)
    if not functions or not constants:
        sys.exit(f"check_abi: expected the declarations of the C interface below {headers}, found none")
    lines = ["#include <octile/octile.h>"]
    # As the size of a variable: enumerators that only change places are no difference to abidiff.
    lines += [f"char value_of_{name}[1 + {name}];" for name in constants]
    for result, name, arguments in functions:
        body = "{}" if VOID.fullmatch(result) else "{ return 0; }"
        lines.append(f"{result}{name}({arguments}) {body}")
    return "\n".join(lines) + "\n"


def describe(library: pathlib.Path, output: pathlib.Path) -> pathlib.Path:
    """`library` as abidw writes it, but for what is the machine's: architecture, C library, compiler and folders."""
    subprocess.run(["abidw", "--no-corpus-path", "--no-comp-dir-path", "--no-show-locs", "--out-file", output, library], check=True)
    text = re.sub(r"  <elf-needed>.*?</elf-needed>\n", "", output.read_text(), flags=re.DOTALL)
    output.write_text(re.sub(r" (architecture|path|producer)='[^']*'", "", text))
    return output


def describe_types(arguments: argparse.Namespace, folder: pathlib.Path) -> pathlib.Path:
    (folder / "shim.c").write_text(shim(arguments.headers))
    subprocess.run([arguments.cc, "-std=c11", "-g", "-fPIC", "-shared", f"-I{arguments.headers}", "-o", folder / "types.so", folder / "shim.c"], check=True)
    return describe(folder / "types.so", folder / "types.abi")


def differences(stored: pathlib.Path, found: pathlib.Path, *options: str) -> str:
    """What abidiff says of them; "" if they are the same."""
    result = subprocess.run(["abidiff", "--harmless", *options, stored, found], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return result.stdout if result.returncode != 0 else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--library", type=pathlib.Path, required=True, help="liboctile.so")
    parser.add_argument("--headers", type=pathlib.Path, required=True, help="the folder that holds octile/octile.h")
    parser.add_argument("--cc", default="cc")
    parser.add_argument("--stored", type=pathlib.Path, required=True, help="the folder of the stored interface")
    parser.add_argument("--update", action="store_true", help="store the interface as it is now")
    parser.add_argument("--store", default=f"{' '.join(sys.argv)} --update", help="the command that does so, for messages")
    arguments = parser.parse_args()
    changed = added = False
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for found in (describe(arguments.library, folder / "symbols.abi"), describe_types(arguments, folder)):
            stored = arguments.stored / found.name
            if arguments.update:
                arguments.stored.mkdir(parents=True, exist_ok=True)
                stored.write_text(found.read_text())
                continue
            lost = differences(stored, found, "--no-added-syms")
            if report := lost or differences(stored, found):
                changed, added = changed or bool(lost), True
                print(f"{found.stem} differ from {stored}:\n{report}")
    if changed:
        sys.exit(f"check_abi: the interface has changed. If programs that were built before still run, store it: {arguments.store}")
    if added:
        sys.exit(f"check_abi: the interface has grown. Store what is new: {arguments.store}")


if __name__ == "__main__":
    main()
