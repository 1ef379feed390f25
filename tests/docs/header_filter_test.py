#!/usr/bin/env python3
# SPDX-FileCopyrightText: Copyright 2026 Octile contributors
# SPDX-License-Identifier: Apache-2.0

"""Tests of docs/site/header_filter.py."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "docs/site"))

import header_filter  # noqa: E402


class HeaderFilter(unittest.TestCase):
    def check(self, header: str, expected: str) -> None:
        self.assertEqual("\n".join(header_filter.converted(header.splitlines(), "octile/x.h")), "/// \\file octile/x.h\n" + expected)

    def test_a_comment_before_describes_what_follows(self):
        self.check("// One.\n// Two.\nint f();", "/// One.\n/// Two.\nint f();")

    def test_a_comment_behind_describes_what_is_before_and_goes_on_in_its_column(self):
        self.check("int a;  // one,\n        // two\n// b's\nint b;", "int a;  ///< one,\n        ///< two\n/// b's\nint b;")

    def test_what_is_no_comment_stays(self):
        self.check('#define URL "https://host"\nint half = 1 / 2;', '#define URL "https://host"\nint half = 1 / 2;')

    def test_formulas_are_shown_as_they_are_and_items_of_lists_go_on(self):
        self.check("// Runs.\n//\n//   y[m] = x[m] * 2\n//\n// - kOne: first\n//   and more",
                   "/// Runs.\n///\n///       y[m] = x[m] * 2\n///\n/// - kOne: first\n///   and more")

    def test_text_is_no_markup(self):
        self.check("// m * k of <name>, 5 %, `a < b`", "/// m &#42; k of \\<name\\>, 5 \\%, `a < b`")

    def test_licences_namespaces_attributes_and_private_parts_are_left_out(self):
        self.check("// SPDX-License-Identifier: X\nnamespace OCTILE_API octile {\nclass [[nodiscard]] C {\n  public:\n    int f();\n\n  private:\n    int x_;\n};\n"
                   "}  // namespace octile", "\nclass C {\n  public:\n    int f();\n\n};\n")

    def test_a_struct_of_c_is_one_entry(self):
        self.check("typedef struct octile_x {\n    int a;\n} octile_x;\ntypedef struct octile_y octile_y;",
                   "struct octile_x {\n    int a;\n};\ntypedef struct octile_y octile_y;")


if __name__ == "__main__":
    unittest.main()
