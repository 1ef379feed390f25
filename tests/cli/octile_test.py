"""What the tests of the octile command share: how it is started, and what is always true of its answers."""

import argparse
import contextlib
import dataclasses
import json
import os
import pathlib
import pty
import re
import resource
import shlex
import subprocess
import sys
import tempfile
import unittest

SETTINGS = argparse.Namespace()  # the command line, from main() on
ESCAPE = "\x1b"


@dataclasses.dataclass
class Answer:
    code: int  # negative: ended by that signal
    out: str
    err: str


def command(*arguments, program: pathlib.Path | None = None) -> list:
    return [*SETTINGS.emulator, str(program or SETTINGS.octile), *map(str, arguments)]


def environment(**variables) -> dict:
    """A terminal's, without what would change an answer."""
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "OCTILE_ISA")}
    return kept | {"TERM": "xterm", **variables}


def memory_limit(size: int):
    """For preexec_fn."""
    return lambda: resource.setrlimit(resource.RLIMIT_AS, (size, size))


class OctileTest(unittest.TestCase):
    """Commands run in an empty folder of each test's own, so that messages name files as a test does."""

    maxDiff = None

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def write(self, name: str, content: str | bytes) -> str:
        (self.folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
        return name

    def octile(self, *arguments, program=None, env: dict | None = None, **options) -> Answer:
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
        done = subprocess.run(command(*arguments, program=program), cwd=self.folder, env=environment(**(env or {})), **options)
        return Answer(done.returncode, (done.stdout or b"").decode(), (done.stderr or b"").decode())

    def succeed(self, *arguments, **options) -> str:
        """Data on stdout, not a word on stderr, and nothing that only a terminal understands."""
        answer = self.octile(*arguments, **options)
        self.assertEqual((answer.code, answer.err), (0, ""), arguments)
        self.assertNotIn(ESCAPE, answer.out)
        return answer.out

    def json(self, *arguments, **options):
        return json.loads(self.succeed(*arguments, "--format", "json", **options))

    def fail_with(self, code: int, words: list, *arguments, **options) -> None:
        """One line that holds the words, nothing on stdout."""
        answer = self.octile(*arguments, **options)
        self.assertEqual(answer.code, code, answer)
        self.assertEqual(answer.out, "")
        self.assertRegex(answer.err, r"\Aoctile: [^\n]+\n\Z")
        self.assertNotRegex(answer.err[:-1], "[\x00-\x1f\x7f]")
        self.assertLess(len(answer.err), 1000)
        for word in words:
            self.assertIn(word, answer.err)

    def at_terminal(self, *arguments, env: dict | None = None, stream: str = "stdout") -> tuple:
        """Exit code and what a terminal received through `stream`; the other stream is not one."""
        terminal, end = pty.openpty()
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, stream: end}
        process = subprocess.Popen(command(*arguments), cwd=self.folder, env=environment(**(env or {})), **streams)
        os.close(end)
        received = b""
        with contextlib.suppress(OSError):  # EIO: the command has closed the terminal
            while block := os.read(terminal, 65536):
                received += block
        os.close(terminal)
        return process.wait(), received.decode()


def plain(text: str) -> str:
    """What a terminal received, as it would be in a file."""
    return re.sub(r"\x1b\[[0-9]*m", "", text).replace("\r\n", "\n")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--octile", type=pathlib.Path, required=True)
    parser.add_argument("--faulty", type=pathlib.Path, required=True, help="the same with a wrong kernel (faulty_linear.cpp)")
    parser.add_argument("--emulator", type=shlex.split, default=[], help="command that runs a program of the target")
    parser.add_argument("--models", type=pathlib.Path, required=True, help="folder of layer lists")
    parser.add_argument("--build", choices=["optimized", "debug", "sanitized"], default="optimized")
    parser.add_argument("--tune-folder", type=pathlib.Path, help="where octile tune builds, for the tests in which it does; kept between runs")
    _, rest = parser.parse_known_args(namespace=SETTINGS)
    unittest.main(module="__main__", argv=[sys.argv[0], *rest])
