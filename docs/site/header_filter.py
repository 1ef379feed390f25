#!/usr/bin/env python3
# SPDX-FileCopyrightText: Copyright 2026 Octile contributors
# SPDX-License-Identifier: Apache-2.0

"""Doxygen's INPUT_FILTER: prints a public header with its plain comments as Doxygen's, so that they stay plain in the header.

usage: header_filter.py HEADER

- A comment of whole lines describes what follows it; the first of a file, the file.
- A comment behind code describes that code, and so do the lines below that go on in its column.
- What is indented by three behind an empty line of a comment is shown as it is: formulas, code.
- The namespace, which is the same everywhere, is left out, and of `typedef struct x {...} x` the second x, which would be another entry.
- What is private, the last part of a class, is left out.
"""

import pathlib
import re
import sys

COMMENT = re.compile(r"^(\s*)//(?: (.*)|)$")
BEHIND_CODE = re.compile(r"""^(?P<code>(?:[^"/]|"(?:[^"\\]|\\.)*"|/(?![/*]))*\S)(?P<gap>\s+)// (?P<text>.*)$""")
LEFT_OUT = re.compile(r"\[\[[^\]]*\]\]\s*|^namespace OCTILE_API octile \{|^\}  // namespace octile|^typedef (?=struct \w+ \{)|(?<=^\}) octile_\w+(?=;)")


def escaped(text: str) -> str:
    """Text, not markup: what begins a command, an element or a link of Doxygen's is itself."""
    return "".join(piece if piece.startswith("`") else re.sub(r"[<>@#\\&%*_]", r"\\\g<0>", piece).replace(r"\*", "&#42;").replace(r"\_", "_")
                   for piece in re.split(r"(`[^`]*`)", text))


class Block:
    """The lines of one comment, one by one."""

    def __init__(self):
        self.after_blank = True
        self.verbatim = False

    def line(self, text: str) -> str:
        shown = text.startswith("  ") and not text.startswith("   -") and (self.after_blank or self.verbatim)
        self.after_blank, self.verbatim = not text, shown
        return f"     {text}" if shown else f" {escaped(text)}".rstrip()


def converted(lines: list[str], name: str) -> list[str]:
    result, block, column, private = [f"/// \\file {name}"], Block(), None, False
    for line in lines:
        private = (private or line.strip() == "private:") and line != "};"
        if private:
            continue
        line = LEFT_OUT.sub("", line)
        if match := COMMENT.match(line):
            indent, text = match[1], match[2] or ""
            if text.startswith("SPDX-"):
                continue
            goes_on = column is not None and len(indent) == column
            result.append(f"{indent}///{'<' if goes_on else ''}{block.line(text)}")
            continue
        block, column = Block(), None
        if match := BEHIND_CODE.match(line):
            column = match.end("gap")
            block.after_blank = False
            result.append(f"{match['code']}{match['gap']}///<{block.line(match['text'])}")
        else:
            result.append(line)
    return result


def main() -> None:
    path = pathlib.Path(sys.argv[1])
    print("\n".join(converted(path.read_text().splitlines(), path.as_posix().rpartition("/include/")[2])))


if __name__ == "__main__":
    main()
