#!/usr/bin/env python3
# SPDX-FileCopyrightText: Copyright 2026 Octile contributors
# SPDX-License-Identifier: Apache-2.0

"""Writes what completes the octile command in bash (octile.bash) and in zsh (_octile), from what --help says.

usage: completions.py --output FOLDER -- OCTILE..., the last being the command and what runs it
"""

import argparse
import pathlib
import re

from command_help import Argument, Command, read_command

LICENCE = """\
# SPDX-FileCopyrightText: Copyright 2026 Octile contributors
# SPDX-License-Identifier: Apache-2.0
"""
FILE = re.compile(r"FILE|PATH|MODEL|\.\w+$")

BASH = """\
# Completes octile in bash. Made from octile --help by completions.py.
{licence}
_octile() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}} command=octile word words=
    # bash takes --format=json for three words.
    if [[ $current == = ]]; then
        current=
    elif [[ $previous == = ]]; then
        previous=${{COMP_WORDS[COMP_CWORD-2]}}
    fi
    for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        case "$command $word" in
            {commands})
                command+=" $word"
                ;;
        esac
    done
    COMPREPLY=()
    case "$command $previous" in
{values}
        {others}) ;;
        *)
            case "$command:$current" in
{words}
            esac
            ;;
    esac
    [[ -z $words ]] || mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}}

# Where there is nothing of ours to offer: files.
complete -o bashdefault -o default -F _octile octile
"""

ZSH = """\
#compdef octile
# Completes octile in zsh. Made from octile --help by completions.py.
{licence}
{functions}
_octile "$@"
"""
ZSH_GROUP = """\
{function}() {{
    local curcontext=$curcontext state line ret=1
    local -A opt_args
    _arguments -C -S \\
        {options} \\
        ': :{function}_commands' \\
        '*::: :->below' && ret=0
    if [[ $state == below ]]; then
        words=($line[1] "${{words[@]}}")
        ((CURRENT += 1))
        curcontext="${{curcontext%:*}}:${{0#_}}-$line[1]"
        case $line[1] in
            {names}) {function}_$line[1] && ret=0 ;;
        esac
    fi
    return ret
}}

{function}_commands() {{
    local -a commands=(
        {commands}
    )
    _describe -t commands '{label} command' commands
}}
"""
ZSH_COMMAND = """\
{function}() {{
    _arguments -S \\
        {arguments}
}}
"""


def lines_of(patterns: list[str]) -> str:
    """Of a case, one a line."""
    return " | \\\n            ".join(patterns)


def bash(octile: Command) -> str:
    commands, values, others, words = [], [], [], []
    for command in octile.walk():
        spelled = " ".join(("octile", *command.words))
        commands += [f'"{spelled} {below.words[-1]}"' for below in command.commands]
        for option in command.options:
            names = [f'"{spelled} {name}"' for name in option.names]
            if option.choices:
                values.append(f'        {" | ".join(names)}) words="{" ".join(option.choices)}" ;;')
            elif option.value:
                others += names
        words.append(f'                "{spelled}":-*) words="{" ".join(name for option in command.options for name in option.names)}" ;;')
        if command.commands:
            words.append(f'                "{spelled}":*) words="{" ".join(below.words[-1] for below in command.commands)}" ;;')
    return BASH.format(licence=LICENCE, commands=lines_of(commands), values="\n".join(values), others=lines_of(others), words="\n".join(words))


def quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def escaped(text: str, characters: str) -> str:
    return re.sub(rf"[\\{re.escape(characters)}]", r"\\\g<0>", text)


def zsh_value(argument: Argument, label: str) -> str:
    """":FILE:_files", as _arguments has it."""
    action = f"({' '.join(argument.choices)})" if argument.choices else "_files -/" if "FOLDER" in label else "_files" if FILE.search(label) else ""
    return f":{escaped(label, ':')}:{action}"


def zsh_option(option: Argument) -> str:
    text = escaped(option.summary, "[]:")
    others = "- *" if option.names[-1] in ("--help", "--version") else "" if option.repeats else " ".join(option.names) if len(option.names) > 1 else ""
    value = zsh_value(option, option.value) if option.value else ""
    repeats = "*" if option.repeats else ""
    specs = []
    for name in option.names:
        takes = "" if not option.value else "=" if name.startswith("--") else "+"
        specs.append(quoted(f"{f'({others})' if others else ''}{repeats}{name}{takes}[{text}]{value}"))
    return " \\\n        ".join(specs)


def zsh(octile: Command) -> str:
    functions = []
    for command in octile.walk():
        function = "_" + command.name.replace("-", "_")
        options = " \\\n        ".join(zsh_option(option) for option in command.options)
        if command.commands:
            functions.append(ZSH_GROUP.format(
                function=function, options=options, label=" ".join(("octile", *command.words)), names=" | ".join(below.words[-1] for below in command.commands),
                commands="\n        ".join(quoted(f"{below.words[-1]}:{escaped(below.summary, ':')}") for below in command.commands)))
            continue
        positionals = [quoted(f"{'*' if positional.repeats else ''}{zsh_value(positional, positional.names[0])}") for positional in command.positionals]
        functions.append(ZSH_COMMAND.format(function=function, arguments=" \\\n        ".join([options, *positionals])))
    return ZSH.format(licence=LICENCE, functions="\n".join(functions))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=pathlib.Path, required=True)
    parser.add_argument("octile", nargs="+")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    octile = read_command(arguments.octile)
    (arguments.output / "octile.bash").write_text(bash(octile))
    (arguments.output / "_octile").write_text(zsh(octile))


if __name__ == "__main__":
    main()
