"""Every header from outside that becomes part of the archive, the command or an example is named in THIRD_PARTY_NOTICES.md, and none besides."""

import pathlib
import re
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import check_layers  # noqa: E402

LINKED = [folder for folder in check_layers.LAYERS if not folder.startswith(("tests/", "generators"))]
INCLUDE = re.compile(r'^\s*#\s*include\s*(?:<([^>]+)>|"(Halide[^"]+)")', re.MULTILINE)
# The operating system's and the compiler's: a header of C++ has no ending, and those of C are these.
SYSTEM = re.compile(r"(sys|linux|asm)/.*|[a-z_0-9]+|"
                    r"(arm_neon|cpuid|dirent|dlfcn|elf|errno|fcntl|fenv|grp|immintrin|limits|link|math|poll|pthread|pwd|sched|semaphore|signal|spawn|stddef|stdint|stdio|stdlib|"
                    r"string|termios|time|unistd|xmmintrin)\.h")


def included() -> dict[str, str]:
    """Header from outside -> a file that includes it."""
    found = {}
    for folder in LINKED:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix not in (".h", ".cpp", ".c") or "build" in path.parts:
                continue
            for header in ("".join(match) for match in INCLUDE.findall(path.read_text())):
                if not header.startswith("octile/") and not SYSTEM.fullmatch(header):
                    found.setdefault(header, path.relative_to(ROOT).as_posix())
    return found


def noticed() -> list[str]:
    """The headers and folders of headers of the table."""
    table = (ROOT / "THIRD_PARTY_NOTICES.md").read_text().split("## ", 1)[0]
    return re.findall(r"^\| [^|]+ \| [^|]+ \| `([^`]+)` \|", table, re.MULTILINE)


def covers(entry: str, header: str) -> bool:
    return header.startswith(entry) if entry.endswith("/") else header == entry


class Notices(unittest.TestCase):
    def test_every_header_from_outside_is_noticed(self):
        self.assertGreater(len(included()), 5)
        for header, file in included().items():
            with self.subTest(header):
                self.assertTrue(any(covers(entry, header) for entry in noticed()), f"{file} includes <{header}>, which THIRD_PARTY_NOTICES.md does not name")

    def test_every_notice_is_of_something_included(self):
        # Protocol Buffers' come by way of ONNX's generated code, robin-map's by way of nanobind.
        for entry in set(noticed()) - {"google/protobuf/", "tsl/"}:
            with self.subTest(entry):
                self.assertTrue(any(covers(entry, header) for header in included()), f"nothing includes {entry}")

    def test_every_entry_has_its_text(self):
        text = (ROOT / "THIRD_PARTY_NOTICES.md").read_text()
        for name in re.findall(r"^\| ([^|]+) \| [^|]+ \| `", text, re.MULTILINE):
            with self.subTest(name):
                self.assertRegex(text, rf"(?m)^## {re.escape(name)}\n\nCopyright ")

    def test_the_licence_is_the_one_that_is_named(self):
        self.assertIn("Apache License\n                           Version 2.0, January 2004", (ROOT / "LICENSE").read_text())


if __name__ == "__main__":
    unittest.main()
