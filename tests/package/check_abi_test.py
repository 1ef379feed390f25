#!/usr/bin/env python3
# SPDX-FileCopyrightText: Copyright 2026 Octile contributors
# SPDX-License-Identifier: Apache-2.0

"""Tests of check_abi.py: what it lets pass, and what it has to find, in changed copies of the headers and of the stored interface."""

import argparse
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
HEADERS, STORED = HERE.parents[1] / "include", HERE / "abi"
options: argparse.Namespace


class CheckAbiTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def check(self, headers: pathlib.Path = HEADERS, stored: pathlib.Path = STORED, *more: str) -> subprocess.CompletedProcess:
        return subprocess.run([sys.executable, "-B", HERE / "check_abi.py", "--library", options.library, "--cc", options.cc, "--headers", headers,
                               "--stored", stored, *more], capture_output=True, text=True)

    def check_changed(self, header: str, before: str, after: str) -> subprocess.CompletedProcess:
        copy = self.folder / "include"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(HEADERS, copy)
        text = (copy / "octile/c" / header).read_text()
        self.assertEqual(text.count(before), 1, before)
        (copy / "octile/c" / header).write_text(text.replace(before, after))
        return self.check(headers=copy)

    def test_lets_pass_what_no_program_sees(self):
        result = self.check_changed("linear.h", "// [K], positive", "// Positive")
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "", ""))

    def test_asks_for_what_is_new_to_be_stored(self):
        for header, before, after, word in [
            ("types.h", "OCTILE_I8 = 3", "OCTILE_I8 = 3, OCTILE_U8 = 4", "OCTILE_U8"),
            ("linear.h", "OCTILE_C_API void octile_linear_free(", "OCTILE_C_API int octile_new(int x);\nOCTILE_C_API void octile_linear_free(", "octile_new"),
        ]:
            with self.subTest(after=after):
                result = self.check_changed(header, before, after)
                self.assertEqual(result.returncode, 1)
                self.assertIn(word, result.stdout)
                self.assertIn("has grown", result.stderr)
                self.assertEqual(len(result.stderr.splitlines()), 1)
                stored = self.folder / "abi"
                self.assertEqual(self.check(self.folder / "include", stored, "--update").returncode, 0)
                self.assertEqual(self.check(self.folder / "include", stored).returncode, 0)
                # What is stored is relied on.
                self.assertIn("has changed", self.check(HEADERS, stored).stderr)

    def test_finds_what_programs_would_trip_over(self):
        for header, before, after, word in [
            ("types.h", "OCTILE_F16 = 1, OCTILE_BF16 = 2", "OCTILE_F16 = 2, OCTILE_BF16 = 1", "OCTILE_BF16"),
            ("types.h", ", OCTILE_I8 = 3", "", "OCTILE_I8"),
            ("types.h", "OCTILE_ERROR_BYTES 1020", "OCTILE_ERROR_BYTES 1016", "octile_error"),
            ("linear.h", "OCTILE_C_API void octile_linear_free(octile_linear* linear);", "", "octile_linear_free"),
            ("linear.h", "int32_t gated;", "int32_t gated, more;", "octile_linear_info"),
            ("session.h", "size_t arena;", "size_t more, arena;", "octile_session_memory"),
            ("machine.h", "octile_set_threads(int32_t count)", "octile_set_threads(int64_t count)", "octile_set_threads"),
            ("session.h", "(*octile_observer)(void* context,", "(*octile_observer)(const char* context,", "octile_observer"),
        ]:
            with self.subTest(after=after):
                result = self.check_changed(header, before, after)
                self.assertEqual(result.returncode, 1)
                self.assertIn("types differ", result.stdout)
                self.assertIn(word, result.stdout)
                self.assertRegex(result.stderr, r"\Acheck_abi: the interface has changed.* --update\n\Z")

    def test_finds_a_symbol_that_is_gone(self):
        stored = self.folder / "abi"
        for symbol in ("_ZN6octile4goneEi", "octile_gone"):
            shutil.copytree(STORED, stored, dirs_exist_ok=True)
            file = stored / "symbols.abi"
            known = next(text for text in file.read_text().splitlines() if "'octile_linear_pack'" in text)
            file.write_text(file.read_text().replace(known, known + "\n" + known.replace("octile_linear_pack", symbol)))
            result = self.check(stored=stored)
            self.assertEqual(result.returncode, 1, symbol)
            self.assertIn("symbols differ", result.stdout)
            self.assertIn("gone", result.stdout)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--library", type=pathlib.Path, required=True)
    parser.add_argument("--cc", default="cc")
    options, others = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *others])
