# SPDX-FileCopyrightText: Copyright 2026 Octile contributors
# SPDX-License-Identifier: Apache-2.0

"""Sphinx extension: links of docs/ to the rest of the tree, which a forge follows, lead to the site's page of it, or become its name.

A link to what is not in the tree is a warning.
"""

import os
import pathlib
import re

from sphinx.util import logging

ROOT = pathlib.Path(__file__).resolve().parents[2]
# File or folder of the tree -> the page that shows it.
PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "CHANGELOG.md": "project/changelog.md",
    "SECURITY.md": "project/security.md",
    **{f"examples/{name}": f"reference/examples.md#{name}" for name in ("c", "linear", "minilm", "packed", "plan")},
}
INCLUDE = re.compile(r"^```\{include\} (\S+)\n```\n", re.MULTILINE)
LINK = re.compile(r"\[([^][]*)\]\((?!https?:|mailto:)([^()#\s]+)(#[^()\s]*)?\)")
logger = logging.getLogger(__name__)


def resolve_links(app, docname: str, content: list[str]) -> None:
    docs = pathlib.Path(app.srcdir)
    page = (docs / docname).parent

    def resolved(text: str, folder: pathlib.Path) -> str:
        """`text`, whose links begin at `folder`, for this page."""

        def link(match: re.Match) -> str:
            name, path, anchor = match[1], match[2], match[3] or ""
            target = (folder / path).resolve()
            if not target.is_relative_to(ROOT) or not target.exists():
                logger.warning("a link to what is not in the tree: %s", path, location=docname)
                return name
            if not target.is_relative_to(docs):
                shown = PAGES.get(target.relative_to(ROOT).as_posix())
                if shown is None:
                    return name
                target = docs / shown
            return f"[{name}]({os.path.relpath(target, page)}{anchor})"

        return LINK.sub(link, text)

    def included(match: re.Match) -> str:
        file = (page / match[1]).resolve()
        app.env.note_included(file)
        return resolved(file.read_text(), file.parent)

    content[0] = INCLUDE.sub(included, resolved(content[0], page))


def setup(app) -> dict:
    app.connect("source-read", resolve_links)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
