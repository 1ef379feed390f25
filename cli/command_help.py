# SPDX-FileCopyrightText: Copyright 2026 Octile contributors
# SPDX-License-Identifier: Apache-2.0

"""The octile command as its --help describes it: the one description that man pages and completions are made from."""

import dataclasses
import re
import subprocess

# Column that what is said of an option begins at, in its own line or the next one (CLI11's default).
TEXT_COLUMN = 30
SECTION = re.compile(r"^(\w[\w ]*):\n((?:  .*\n)+)", re.MULTILINE)
CHOICES = re.compile(r":\{([^}]*)\}")
# Behind what an option takes: its default, choices and range, what it goes together with, and that it may come again.
VALUE_END = re.compile(r"[:=]|\s(?:Excludes|Needs):|\sREQUIRED|\s\.\.\.|\sx\s\d")
REPEATS = re.compile(r"\s\.\.\.|\sx\s\d")


@dataclasses.dataclass(frozen=True)
class Argument:
    """An option, or a positional, whose one name is what it takes."""

    names: tuple[str, ...]  # "-o", "--output"
    value: str  # "FILE"; "" if it takes none, "VALUE" if --help has only the choices
    takes: str  # the same as --help has it, with default, choices and range: "NAME=ratio"
    choices: tuple[str, ...]  # all values that there are; () if there are others
    repeats: bool
    summary: str


@dataclasses.dataclass(frozen=True)
class Command:
    words: tuple[str, ...]  # (), ("plan",), ("db", "show")
    summary: str
    options: tuple[Argument, ...]
    positionals: tuple[Argument, ...]
    commands: tuple["Command", ...]

    @property
    def name(self) -> str:
        """"octile-db-show"."""
        return "-".join(("octile", *self.words))

    def walk(self):
        """This command and all below it."""
        yield self
        for command in self.commands:
            yield from command.walk()


def _entries(section: str):
    """(head, text) of each entry of a section of --help."""
    lines = section.splitlines()
    for at, line in enumerate(lines):
        if line[2] == " ":
            continue
        below = [text.strip() for text in lines[at + 1:at + 2] if text.startswith(" " * TEXT_COLUMN)]
        yield (line.strip(), below[0]) if below else (line[:TEXT_COLUMN].strip(), line[TEXT_COLUMN:].strip())


def _argument(head: str, text: str) -> Argument:
    names, _, rest = head.partition(" ")
    choices = CHOICES.search(rest)
    value = VALUE_END.split(f" {rest}", maxsplit=1)[0].strip() or ("VALUE" if choices else "")
    return Argument(tuple(names.split(",")), value, rest.strip(), tuple(choices[1].split(",")) if choices else (), bool(REPEATS.search(head)), text)


def read_command(octile: list[str], words: tuple[str, ...] = ()) -> Command:
    """What `octile` (a program, and what runs it) says of itself and of every command below `words`."""
    text = subprocess.run([*octile, *words, "--help"], check=True, stdout=subprocess.PIPE, text=True).stdout
    sections = dict(SECTION.findall(text))
    unknown = sections.keys() - {"Options", "Positionals", "Subcommands"}
    if unknown or "Options" not in sections:
        raise ValueError(f"octile {' '.join(words)} --help: expected the sections Options, Positionals and Subcommands, found {list(sections)}")
    options, positionals = (tuple(_argument(*entry) for entry in _entries(sections.get(name, ""))) for name in ("Options", "Positionals"))
    return Command(words, text.splitlines()[0], options, positionals,
                   tuple(read_command(octile, (*words, name)) for name, _ in _entries(sections.get("Subcommands", ""))))
