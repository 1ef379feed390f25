# SPDX-FileCopyrightText: Copyright 2026 Octile contributors
# SPDX-License-Identifier: Apache-2.0

"""Sphinx's configuration of the documentation site: `make docs`."""

import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent / "site"))

project = "Octile"
author = "Octile contributors"
copyright = "2026 Octile contributors"  # noqa: A001, Sphinx's name
_cmake = (pathlib.Path(__file__).parents[1] / "CMakeLists.txt").read_text()
release = version = re.search(r"^project\(octile VERSION ([0-9.]+)", _cmake, re.MULTILINE)[1]

extensions = ["myst_parser", "breathe", "octile_links", "octile_command", "octile_headers"]
exclude_patterns = ["site"]
nitpicky = True
nitpick_ignore_regex = [
    # What is not ours, and what the headers do not show.
    (r"c(pp)?:identifier", r"std(::.*)?|u?int\d+_t|size_t|FILE|.*::State|State"),
    (r"cpp:identifier", r"octile|T"),
]

myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]
highlight_language = "none"
smartquotes = False  # of --option they make a dash
pygments_style = "tango"
pygments_dark_style = "github-dark"

breathe_projects = {}  # octile_headers.py
breathe_default_project = "cpp"
breathe_domain_by_file_pattern = {"*/octile/c/*.h": "c", "octile/c/*.h": "c"}
breathe_default_members = ("members",)
breathe_show_include = False

html_theme = "furo"
html_title = f"Octile {release}"
html_static_path = ["site/static"]
html_css_files = ["octile.css"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {
    "navigation_with_keys": True,
    "light_css_variables": {
        "font-stack": "system-ui, -apple-system, 'Segoe UI', 'Noto Sans', 'Helvetica Neue', Arial, sans-serif",
        "font-stack--monospace": "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace",
    },
}
