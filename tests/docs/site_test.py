#!/usr/bin/env python3
# SPDX-FileCopyrightText: Copyright 2026 Octile contributors
# SPDX-License-Identifier: Apache-2.0

"""Builds the documentation site with every warning an error, and looks at what came out.

usage: site_test.py --docs FOLDER --octile PROGRAM --work FOLDER
"""

import argparse
import html.parser
import pathlib
import re
import shutil
import subprocess
import sys

# Headers that the reference has to show, each by something that it declares.
REFERENCE = {"reference/cpp.html": ("Linear", "Session", "make_plan", "set_parallel_for"), "reference/c.html": ("octile_linear_pack", "octile_session_run")}


class Loaded(html.parser.HTMLParser):
    """What a browser fetches to show a page; links to follow are none of it."""

    def __init__(self):
        super().__init__()
        self.addresses = []

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        if tag in ("script", "img", "iframe", "source"):
            self.addresses.append(values.get("src") or "")
        elif tag == "link" and values.get("rel") not in ("index", "search", "next", "prev", "author", "copyright"):
            self.addresses.append(values.get("href") or "")


def build(arguments: argparse.Namespace, site: pathlib.Path) -> list[str]:
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-E", "-d", arguments.work / "doctrees",
               "-D", f"octile_command={arguments.octile}", arguments.docs, site]
    done = subprocess.run([*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return [done.stdout] if done.returncode != 0 or done.stdout else []


def from_elsewhere(site: pathlib.Path) -> list[str]:
    """The site is read without a network."""
    found = []
    for page in site.rglob("*.html"):
        loaded = Loaded()
        loaded.feed(page.read_text())
        found += [f"{page.name} loads {address}" for address in loaded.addresses if re.match(r"(https?:)?//", address)]
    for sheet in site.rglob("*.css"):
        found += [f"{sheet.name} loads {address}" for address in re.findall(r"url\([\"']?((?:https?:)?//[^)\"']*)", sheet.read_text())]
    return found


def left_out(arguments: argparse.Namespace, site: pathlib.Path) -> list[str]:
    headers = {path.relative_to(arguments.docs.parent / "include").as_posix() for path in (arguments.docs.parent / "include").rglob("*.h")}
    text = "".join((site / page).read_text() for page in REFERENCE)
    # What has macros for the other headers alone.
    missing = [f"{header} is not in the reference" for header in sorted(headers - {"octile/export.h"}) if f">{header}<" not in text]
    for page, names in REFERENCE.items():
        missing += [f"{page} does not have {name}" for name in names if f">{name}<" not in (site / page).read_text()]
    commands = re.findall(r"^  (\w+) +\S", subprocess.run([str(arguments.octile), "--help"], stdout=subprocess.PIPE, text=True, check=True)
                          .stdout.partition("Subcommands:\n")[2], re.MULTILINE)
    manual = (site / "reference/command.html").read_text()
    missing += [f"the command's manual does not have {command}" for command in commands if f'id="octile-{command}"' not in manual]
    return missing if commands else ["octile --help lists no commands"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("--docs", "--octile", "--work"):
        parser.add_argument(name, type=lambda text: pathlib.Path(text).resolve(), required=True)
    arguments = parser.parse_args()
    shutil.rmtree(arguments.work, ignore_errors=True)
    site = arguments.work / "site"
    failures = build(arguments, site)
    sys.exit("\n".join(failures or from_elsewhere(site) + left_out(arguments, site)) or 0)


if __name__ == "__main__":
    main()
