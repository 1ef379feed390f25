# SPDX-FileCopyrightText: Copyright 2026 Octile contributors
# SPDX-License-Identifier: Apache-2.0

"""Sphinx extension: runs Doxygen over the public headers, for Breathe."""

import pathlib
import shlex
import subprocess
import sys

from sphinx.errors import ExtensionError

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[1]


# Breathe's project -> its headers.
PROJECTS = {"cpp": "include/octile", "c": "include/octile/c include/octile/octile.h"}


def run_doxygen(app, config) -> None:
    for project, headers in PROJECTS.items():
        folder = pathlib.Path(app.doctreedir) / "doxygen" / project
        folder.mkdir(parents=True, exist_ok=True)
        header_filter = shlex.join([sys.executable, "-B", str(HERE / "header_filter.py")])
        options = [(HERE / "Doxyfile").read_text(), f"INPUT = {headers}", f'OUTPUT_DIRECTORY = "{folder}"', f'INPUT_FILTER = "{header_filter}"']
        try:
            done = subprocess.run(["doxygen", "-"], input="\n".join(options), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                  check=False)
        except FileNotFoundError as error:
            raise ExtensionError("no doxygen here: scripts/setup names the Debian packages") from error
        if done.returncode != 0:
            raise ExtensionError(f"doxygen, exit code {done.returncode}:\n{done.stdout}")
        config.breathe_projects[project] = str(folder / "xml")


def setup(app) -> dict:
    app.connect("config-inited", run_doxygen, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
