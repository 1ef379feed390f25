#!/usr/bin/env python3
"""Checks the direction of #include between the folders of the tree: docs/architecture.md draws it, LAYERS below is it.

usage: check_layers.py [ROOT]. Prints one line per offence; exit code 1 if there are any.
"""

import pathlib
import re
import sys

# Folder -> the folders that its files may include from, besides itself. "octile" is include/octile, the public interface.
# The innermost entry that holds a file counts; below a folder that is not listed, everything is allowed but Halide.
LAYERS = {
    "include/octile": ["octile"],
    "base": ["octile"],
    "planner": ["octile", "base"],
    "runtime": ["octile", "base", "planner"],
    "packed": ["octile", "base", "planner", "runtime"],
    "session": ["octile", "base", "planner", "runtime"],
    "families": ["octile", "base"],
    # The readers that are in the archive.
    "inputs/layer_lists": ["octile", "base"],
    "inputs": ["octile", "base", "families", "inputs/layer_lists"],
    "capi": ["octile", "base", "session", "inputs/layer_lists"],
    "calibration": ["octile", "base", "planner", "inputs"],
    "quantize": ["octile", "base", "planner", "runtime", "packed", "inputs", "families"],
    "tuner": ["octile", "base", "planner", "runtime", "inputs"],
    # A benchmark, which checks before it times.
    "tuner/measure": ["octile", "base", "planner", "runtime", "tuner", "bench"],
    "cli": ["octile", "base", "planner", "runtime", "packed", "inputs", "calibration", "quantize", "tuner"],
    "python": ["octile", "base", "planner", "runtime", "packed", "session", "inputs", "inputs/layer_lists", "calibration", "quantize", "cli"],
    "generators": [],
    "examples": ["octile"],
    # An oracle that shares code with its subject proves nothing.
    "tests/reference": ["octile"],
}

# A header -> the only folders that may include it.
RESERVED = {
    "Halide.h": ["generators"],
    "HalideRuntime.h": ["runtime"],
    "HalideBuffer.h": ["runtime"],
}

# Nothing but the standard library and the operating system from outside the tree: <vector> is, <fmt/format.h> is not.
STANDALONE = ["include/octile", "examples", "tests/reference"]
STANDARD = re.compile(r"[a-z_0-9]+(\.h)?|sys/\w+\.h")

SOURCES = ("*.h", "*.cpp", "*.c")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def home(path: str, folders) -> str | None:
    """The innermost of `folders` that holds `path`."""
    return max((folder for folder in folders if path.startswith(f"{folder}/")), key=len, default=None)


def find(root: pathlib.Path, file: str, target: str) -> str | None:
    """The file of the tree that `target` names in an #include of `file`, relative to the root; None if it is none of ours."""
    for folder in ((root / file).parent, root):
        path = (folder / target).resolve()
        if path.is_file() and path.is_relative_to(root):
            return path.relative_to(root).as_posix()
    return None


def offence(root: pathlib.Path, file: str, quote: str, target: str) -> str | None:
    """Why `file` may not include `target`; None if it may."""
    name = target.rsplit("/", 1)[-1]
    if name in RESERVED and home(file, RESERVED[name]) is None:
        return f"only {', '.join(RESERVED[name])} may include {name}"

    if target.startswith("octile/"):
        folder = "octile"
    elif path := find(root, file, target):
        folder = home(path, [*LAYERS, path.split("/")[0]])
    elif quote == '"' or STANDARD.fullmatch(target):
        return None  # generated, or the standard library's
    elif target == "catch2/catch.hpp" and file.endswith("_test.cpp"):
        return None
    else:
        standalone = home(file, STANDALONE)
        return f"{standalone} includes nothing from outside but the standard library" if standalone else None

    own = home(file, LAYERS)
    if own is None or folder in (own, *LAYERS[own]):
        return None
    return f"{own} may include from {', '.join([own, *LAYERS[own]])}"


def offences(root: pathlib.Path):
    for pattern in SOURCES:
        for path in sorted(root.rglob(pattern)):
            file = path.relative_to(root).as_posix()
            if file.startswith(("build/", ".")):
                continue
            for number, line in enumerate(path.read_text().splitlines(), 1):
                if match := INCLUDE.match(line):
                    reason = offence(root, file, *match.groups())
                    if reason:
                        yield f"{file}:{number}: {match.group(2)}: {reason}"


def main() -> None:
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent).resolve()
    found = list(offences(root))
    print("\n".join(found) or "no include against the direction")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
