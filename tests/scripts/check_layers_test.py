#!/usr/bin/env python3
"""Tests of scripts/check_layers.py on small trees."""

import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "scripts"))
import check_layers  # noqa: E402


def offences(file: str, line: str) -> list[str]:
    """What is wrong with `line` in `file`, in a tree that also holds planner/plan.h and runtime/run.h."""
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder).resolve()
        for path, text in {"planner/plan.h": "", "runtime/run.h": "", file: f"// first line\n{line}\n"}.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
        return list(check_layers.offences(root))


class CheckLayersTest(unittest.TestCase):
    def test_takes_what_follows_the_direction(self):
        for file, line in [
            ("runtime/a.cpp", '#include "planner/plan.h"'),
            ("runtime/a.cpp", '#include "run.h"'),
            ("planner/a.cpp", '#include "octile/plan.h"'),
            ("planner/a.cpp", "#include <fmt/format.h>"),
            ("generators/a.cpp", '#include "Halide.h"'),
            ("tests/runtime/a_test.cpp", '#include "runtime/run.h"'),
            ("tests/reference/a_test.cpp", "#include <catch2/catch.hpp>"),
            ("include/octile/a.h", "#include <vector>"),
            ("planner/a.cpp", '// #include "runtime/run.h"'),
        ]:
            with self.subTest(file=file, line=line):
                self.assertEqual(offences(file, line), [])

    def test_refuses_what_does_not(self):
        for file, line, reason in [
            ("planner/a.cpp", '#include "runtime/run.h"', "planner may include from planner, octile, base"),
            ("planner/a.cpp", '#include "../runtime/run.h"', "planner may include from planner, octile, base"),
            ("planner/a.cpp", '  #  include <runtime/run.h>', "planner may include from planner, octile, base"),
            ("generators/a.cpp", '#include "planner/plan.h"', "generators may include from generators"),
            ("tests/a.cpp", "#include <Halide.h>", "only generators may include Halide.h"),
            ("cli/a.cpp", '#include "HalideRuntime.h"', "only runtime may include HalideRuntime.h"),
            ("tests/reference/a.h", '#include "planner/plan.h"', "tests/reference may include from tests/reference, octile"),
            ("tests/reference/a.h", "#include <catch2/catch.hpp>", "tests/reference includes nothing from outside but the standard library"),
            ("include/octile/a.h", "#include <fmt/format.h>", "include/octile includes nothing from outside but the standard library"),
        ]:
            with self.subTest(file=file, line=line):
                found = offences(file, line)
                self.assertEqual(len(found), 1)
                self.assertTrue(found[0].startswith(f"{file}:2: "), found[0])
                self.assertTrue(found[0].endswith(reason), found[0])


if __name__ == "__main__":
    unittest.main()
