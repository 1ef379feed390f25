#!/usr/bin/env python3
# SPDX-FileCopyrightText: Copyright 2026 Octile contributors
# SPDX-License-Identifier: Apache-2.0

"""Writes a man page for octile and for each of its commands, by help2man from what --help says: there is no second text to keep.

usage: man_pages.py --help2man PROGRAM --version X.Y.Z --output FOLDER -- OCTILE..., the last being the command and what runs it

Their date is SOURCE_DATE_EPOCH's, where that is set: the same command then makes the same bytes.
"""

import argparse
import datetime
import os
import pathlib
import re
import shlex
import subprocess
import tempfile
import time

from command_help import Command, read_command


def related(command: Command, above: Command | None) -> list[str]:
    """Pages of the command above and of those below; of the lowest, its neighbours."""
    others = command.commands or (above.commands if above else ())
    return [page.name for page in ((above, *others) if above else others) if page is not command]


def date() -> str:
    seconds = int(os.environ.get("SOURCE_DATE_EPOCH", time.time()))
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%d")


def page(help2man: str, version: str, octile: list[str], command: Command, others: list[str]) -> str:
    with tempfile.TemporaryDirectory() as folder:
        include = pathlib.Path(folder) / "include"
        include.write_text("[see also]\n" + ",\n".join(f".BR {other} (1)" for other in others) + "\n")
        made = subprocess.run([help2man, "--no-info", "--section=1", f"--version-string={version}", f"--name={command.summary}", f"--include={include}",
                               shlex.join([*octile, *command.words])], check=True, stdout=subprocess.PIPE, text=True).stdout
    # The title and the name are those of a page, and headings are man's.
    made = re.sub(r"^\.TH .*$", f'.TH {command.name.upper()} 1 {date()} "octile {version}" "Octile"', made, count=1, flags=re.MULTILINE)
    made = re.sub(r"^(\.SH NAME\n).*? \\- ", rf"\g<1>{command.name} \\- ", made, count=1, flags=re.MULTILINE)
    made = made.replace('.SS "Positionals:"', ".SH ARGUMENTS").replace('.SS "Subcommands:"', ".SH COMMANDS")
    made = re.sub(r"^(\.BR \S+ \(1\)),$", r"\1 ,", made, flags=re.MULTILINE)
    return re.sub(r"^(\\fB\\-\w\\fR),(\\-\\-[\w\\-]+)", r"\1, \\fB\2\\fR", made, flags=re.MULTILINE)


def write_pages(arguments: argparse.Namespace, command: Command, above: Command | None = None) -> None:
    made = page(arguments.help2man, arguments.version, arguments.octile, command, related(command, above))
    (arguments.output / f"{command.name}.1").write_text(made)
    for below in command.commands:
        write_pages(arguments, below, command)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("--help2man", "--version"):
        parser.add_argument(name, required=True)
    parser.add_argument("--output", type=pathlib.Path, required=True)
    parser.add_argument("octile", nargs="+")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    for old in arguments.output.glob("*.1"):
        old.unlink()
    write_pages(arguments, read_command(arguments.octile))


if __name__ == "__main__":
    main()
