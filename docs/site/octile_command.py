# SPDX-FileCopyrightText: Copyright 2026 Octile contributors
# SPDX-License-Identifier: Apache-2.0

"""Sphinx extension: the directive octile-command, a section for the octile command and for each one below it, of what --help says."""

import pathlib
import re
import shutil
import sys

from docutils import nodes
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "cli"))

from command_help import Command, read_command  # noqa: E402


def paragraph(text: str) -> nodes.paragraph:
    """With what stands between backticks as code."""
    pieces = re.split(r"`([^`]*)`", text)
    return nodes.paragraph("", "", *(nodes.literal(text=piece) if at % 2 else nodes.Text(piece) for at, piece in enumerate(pieces)))


def definition(names: str, value: str, text: str) -> nodes.definition_list_item:
    term = nodes.term("", "", nodes.literal(text=names))
    if value:
        term += [nodes.Text(" "), nodes.emphasis(text=value)]
    return nodes.definition_list_item("", term, nodes.definition("", paragraph(text)))


def arguments(title: str, items: list[nodes.definition_list_item]) -> list[nodes.Node]:
    return [nodes.rubric(text=title), nodes.definition_list("", *items, classes=["octile-options"])] if items else []


class CommandManual(SphinxDirective):
    def run(self) -> list[nodes.Node]:
        program = shutil.which(self.config.octile_command) if self.config.octile_command else None
        if program is None:
            raise ExtensionError(f"octile_command: expected the octile command that was built, found {self.config.octile_command!r}")
        self.env.note_dependency(program)
        return [self.section(command) for command in read_command([program]).walk()]

    def section(self, command: Command) -> nodes.section:
        name = " ".join(("octile", *command.words))
        section = nodes.section("", nodes.title("", "", nodes.literal(text=name)), ids=[command.name], names=[name])
        self.state.document.note_explicit_target(section)
        section += paragraph(f"{command.summary.rstrip('.')}.")
        section += self.usage(name, command)
        section += arguments("Arguments", [definition(argument.names[0], argument.takes, argument.summary) for argument in command.positionals])
        section += arguments("Options", [definition(", ".join(option.names), option.takes, option.summary) for option in command.options])
        section += arguments("Commands", [self.below(name, below) for below in command.commands])
        return section

    @staticmethod
    def usage(name: str, command: Command) -> nodes.literal_block:
        words = [name, *(["[OPTIONS]"] if command.options else []), *(argument.names[0] for argument in command.positionals),
                 *(["COMMAND"] if command.commands else [])]
        return nodes.literal_block(text=" ".join(words), language="none")

    @staticmethod
    def below(name: str, command: Command) -> nodes.definition_list_item:
        item = definition(f"{name} {command.words[-1]}", "", command.summary)
        literal = item[0][0]
        item[0].replace(literal, nodes.reference("", "", literal.deepcopy(), refid=command.name))
        return item


def setup(app) -> dict:
    app.add_config_value("octile_command", "", "env", [str])
    app.add_directive("octile-command", CommandManual)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
