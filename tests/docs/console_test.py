#!/usr/bin/env python3
# SPDX-FileCopyrightText: Copyright 2026 Octile contributors
# SPDX-License-Identifier: Apache-2.0

"""Types what the documentation's pages say is typed: their ```console blocks, in order, and compares what is printed.

usage: console_test.py --source FOLDER --build FOLDER --work FOLDER --octile PROGRAM PAGE...

A page is one shell, in an empty folder beside a clone called octile. "$ " begins a command, lines behind it are what it prints; "..." stands for
anything, as a whole line for any lines. A command whose block expects nothing prints nothing. A comment above a block says what else to do:

    <!-- not run: why -->    it is left alone
    <!-- not exact: why -->  its commands end with exit code 0, whatever they print
    <!-- x86-64 -->          it is run on that machine only
"""

import argparse
import dataclasses
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys

BLOCK = re.compile(r"^(?:<!-- (?P<note>.*?) -->\n)?```console\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
MARK = "\x1e"  # in no output: what separates one command's from the next one's
ARCHITECTURES = ("x86-64", "aarch64")


@dataclasses.dataclass
class Command:
    text: str  # as typed; of several lines where it has a here-document
    line: int
    expected: list[str]
    exact: bool


def commands_of(page: pathlib.Path) -> list[Command]:
    text = page.read_text()
    commands = []
    for block in BLOCK.finditer(text):
        note = block["note"] or ""
        if note.startswith("not run: ") or note in ARCHITECTURES and note != platform.machine().replace("_", "-"):
            continue
        if note and not note.startswith("not exact: ") and note not in ARCHITECTURES:
            sys.exit(f"{page}: the comment above a console block is \"{note}\"; console_test.py says which there are")
        line = text.count("\n", 0, block.start("text"))
        until = None  # what ends the here-document
        for line, content in enumerate(block["text"].splitlines(), line + 1):
            if until is not None:
                commands[-1].text += f"\n{content}"
                until = None if content == until else until
            elif content.startswith("$ "):
                commands.append(Command(content[2:], line, [], not note.startswith("not exact: ")))
                here = re.search(r"<<'(\w+)'", content)
                until = here and here[1]
            else:
                commands[-1].expected.append(content)
    return commands


def pattern(expected: list[str]) -> str:
    lines = ["(?:.*\n)*?" if line == "..." else ".*".join(map(re.escape, line.split("..."))) + "\n" for line in expected]
    return "".join(lines)


def run_page(page: pathlib.Path, folder: pathlib.Path, environment: dict[str, str]) -> list[str]:
    """A line, and what was printed, for each command that did not do what the page says."""
    commands = commands_of(page)
    if not commands:
        return [f"{page}: expected console blocks to run, found none"]
    script = "exec 2>&1\n" + "".join(f"{command.text}\nprintf '{MARK}%s{MARK}' $?\n" for command in commands)
    done = subprocess.run(["bash", "-c", script], cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=False)
    pieces = done.stdout.decode().split(MARK)
    failures = []
    for at, command in enumerate(commands):
        output, code = pieces[2 * at:2 * at + 2] if 2 * at + 1 < len(pieces) else ("", "none: the shell has ended")
        print(f"$ {command.text}\n{output}", end="")
        as_said = re.fullmatch(pattern(command.expected), output) if command.exact else code == "0"
        # An error that the page shows may have its exit code.
        if not as_said or code != "0" and not command.expected:
            failures.append(f"{page}:{command.line}: $ {command.text}: not what the page shows; exit code {code} and:\n{output}")
    return failures


def lay_out(arguments: argparse.Namespace) -> tuple[pathlib.Path, dict[str, str]]:
    """A home, and in a folder of its own a clone called octile: the source tree with this build as its build/host."""
    shutil.rmtree(arguments.work, ignore_errors=True)
    home, folder, programs = (arguments.work / name for name in ("home", "work", "bin"))
    for path in (home, programs, folder / "octile/build"):
        path.mkdir(parents=True)
    for entry in arguments.source.iterdir():
        if entry.name != "build":
            (folder / "octile" / entry.name).symlink_to(entry)
    (folder / "octile/build/host").symlink_to(arguments.build)
    (programs / "octile").symlink_to(arguments.octile)
    path = [str(programs), str(pathlib.Path(sys.executable).parent), os.environ["PATH"]]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OCTILE_")}
    return folder, {**environment, "HOME": str(home), "PATH": ":".join(path), "LC_ALL": "C.UTF-8"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("--source", "--build", "--work", "--octile"):
        parser.add_argument(name, type=lambda text: pathlib.Path(text).resolve(), required=True)
    parser.add_argument("pages", nargs="+", type=pathlib.Path)
    arguments = parser.parse_args()
    folder, environment = lay_out(arguments)
    failures = [failure for page in arguments.pages for failure in run_page(page, folder, environment)]
    sys.exit("\n".join(failures) if failures else 0)


if __name__ == "__main__":
    main()
