#!/usr/bin/env python3
"""Tests of generators/variants.py: what a schedule becomes."""

import json
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
VARIANTS, DEFAULT = ROOT / "generators/variants.py", ROOT / "schedules/default.json"


class Run:
    """variants.py on the default schedule with `entry` in place of avx512vnni's int8."""

    def __init__(self, entry: dict):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder)
            (path / "core.json").write_text(json.dumps({"levels": {"avx512vnni": {"int8": entry}}}))
            result = subprocess.run([sys.executable, VARIANTS, "--output", path / "out", "--tiles", path / "tiles", "--schedule", DEFAULT,
                                     "--schedule", path / "core.json", "--base", "avx2", "avx512vnni"], capture_output=True, text=True)
            self.error = result.stderr.strip()
            calls = re.findall(r'^octile_add_kernel\("(\w+)" (.*?)\)$', (path / "out").read_text() if result.returncode == 0 else "", re.M | re.S)
            self.kernels = dict(calls)
            self.tiles = (path / "tiles").read_text() if result.returncode == 0 else ""

    def field(self, name: str, field: str) -> str:
        return re.search(rf'\b{field}[= ]"?([^"\s]+)', self.kernels[name]).group(1)


def schedule(**changes) -> dict:
    entry = json.loads(DEFAULT.read_text())["levels"]["avx512vnni"]["int8"]
    entry.pop("large", None)
    return {**entry, **changes}


class VariantsTest(unittest.TestCase):
    def test_one_size_of_weights(self):
        run = Run(schedule(block_rows=96, task_rows=32, order="rows"))
        self.assertFalse([name for name in run.kernels if "_large" in name])
        for field, value in (("block_rows", "96"), ("task_rows", "32"), ("block_columns", "0"), ("order", "rows"), ("weights", "WeightSize::kAny")):
            self.assertEqual(run.field("gemm_s8_8x48x4_avx512vnni", field), value)

    def test_large_weights_share_the_code_that_does_not_differ(self):
        tiles = [{"m": m} for m in range(1, 8)] + [{"m": 8, "prefetch": 16}]
        run = Run(schedule(tiles=[{"m": m} for m in range(1, 9)], large={"tiles": tiles, "block_columns": 480}))
        self.assertEqual(run.field("gemm_s8_7x48x4_large_avx512vnni", "SAME_AS"), "gemm_s8_7x48x4_avx512vnni")
        self.assertEqual(run.field("gemm_s8_asymmetric_1x48x4_row_large_avx512vnni", "SAME_AS"), "gemm_s8_asymmetric_1x48x4_row_avx512vnni")
        self.assertNotIn("SAME_AS", run.kernels["gemm_s8_8x48x4_large_avx512vnni"])
        self.assertEqual(run.field("gemm_s8_8x48x4_large_avx512vnni", "prefetch"), "16")
        for name, columns in (("gemm_s8_8x48x4_large_avx512vnni", "480"), ("gemm_s8_8x48x4_avx512vnni", "0")):
            self.assertEqual(run.field(name, "block_columns"), columns)
        self.assertEqual(run.field("gemm_s8_8x48x4_large_avx512vnni", "weights"), "WeightSize::kLarge")

    def test_another_order_is_other_code(self):
        run = Run(schedule(order="columns", large={"order": "rows"}))
        self.assertNotIn("SAME_AS", run.kernels["gemm_s8_8x48x4_large_avx512vnni"])
        # But for tiles that are one of a kind, which have no order.
        self.assertEqual(run.field("gemm_s8_7x48x4_large_avx512vnni", "SAME_AS"), "gemm_s8_7x48x4_avx512vnni")

    def test_tiles_for_the_planner_are_those_of_every_level(self):
        run = Run(schedule())
        self.assertIn("{Isa::kAvx512vnni, Precision::kInt8, 8, 1, 48, 1, 1, 0},", run.tiles)
        self.assertIn("{Isa::kI8mm, Precision::kInt8, 8, 2, 12, 1, 1, 0},", run.tiles)

    def test_mistakes_are_named(self):
        for changes, message in (({"order": "diagonal"}, '.order: expected one of columns, rows, found "diagonal"'),
                                 ({"block_rows": -1}, ".block_rows: expected an integer from 0 to 1048576, found -1"),
                                 ({"large": {"panel_n": 16}}, '.large: unknown field "panel_n"'),
                                 ({"large": {"tiles": [{"m": 8}]}}, ".tiles: expected every height from 1 to panel_m, 8, once"),
                                 ({"row": {"unrol": 2}}, '.row: unknown field "unrol"')):
            run = Run(schedule(**changes))
            self.assertRegex(run.error, r"^variants: \S+/core\.json: levels\.avx512vnni\.int8\.")
            self.assertIn(message, run.error)


class SetsTest(unittest.TestCase):
    """Several schedules in one archive."""

    def run_with(self, cores: dict[str, dict], *options: str) -> tuple[subprocess.CompletedProcess, dict[str, str], list[str]]:
        """`cores`: option, space and name -> int8 entry of avx512vnni."""
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder)
            given = []
            for core, entry in cores.items():
                option, name = core.split()
                (path / f"{name}.json").write_text(json.dumps({"levels": {"avx512vnni": {"int8": entry}}}))
                given += [option, path / f"{name}.json"]
            done = subprocess.run([sys.executable, VARIANTS, "--output", path / "out", "--tiles", path / "tiles", "--names", path / "names",
                                   "--schedule", DEFAULT, *given, *options, "--base", "avx2", "avx512vnni"], capture_output=True, text=True)
            if done.returncode:
                return done, {}, []
            calls = re.findall(r'^octile_add_kernel\("(\w+)" (.*?)\)$', (path / "out").read_text(), re.M | re.S)
            self.assertEqual(len(calls), len(dict(calls)))
            return done, dict(calls), json.loads("[" + (path / "names").read_text().rstrip(",\n") + "]")

    def default_entry(self, **changes) -> dict:
        return {**json.loads(DEFAULT.read_text())["levels"]["avx512vnni"]["int8"], **changes}

    def test_what_is_the_default_is_there_once(self):
        _, alone, _ = self.run_with({})
        _, kernels, names = self.run_with({"--core a": self.default_entry(), "--core b-1.c": self.default_entry()})
        self.assertEqual(names, ["default", "a", "b-1.c"])
        self.assertEqual(kernels, alone)
        self.assertNotIn("schedules=", "".join(kernels.values()))

    def test_rows_say_which_sets_they_are_for(self):
        row = {"k_split": 4, "unroll": 2}
        _, kernels, _ = self.run_with({"--core a": self.default_entry(row=row), "--core b-1": self.default_entry(row=row, block_rows=32)})
        at = {name: re.search(r'"schedules=(\w+)"', text) for name, text in kernels.items() if "8x48x4_avx" in name or "1x48x4_row" in name}
        bits = {name: found and found.group(1) for name, found in at.items()}
        self.assertEqual(bits["gemm_s8_1x48x4_row_avx512vnni"], "0x1u")
        self.assertEqual(bits["gemm_s8_1x48x4_row_a_avx512vnni"], "0x2u")
        self.assertEqual(bits["gemm_s8_1x48x4_row_b_1_avx512vnni"], "0x4u")  # the blocking is in its row
        self.assertEqual(bits["gemm_s8_8x48x4_avx512vnni"], "0x3u")
        self.assertNotIn("SAME_AS", kernels["gemm_s8_1x48x4_row_a_avx512vnni"])
        self.assertIn('SAME_AS "gemm_s8_1x48x4_row_a_avx512vnni"', kernels["gemm_s8_1x48x4_row_b_1_avx512vnni"])
        self.assertIn('SAME_AS "gemm_s8_8x48x4_avx512vnni"', self.run_with({"--core a": self.default_entry(block_rows=32)})[1]["gemm_s8_8x48x4_a_avx512vnni"])

    def test_other_panels_are_an_archive_of_their_own(self):
        tiles = [{"m": m} for m in range(1, 7)]
        other = self.default_entry(panel_m=6, tiles=tiles, large={"order": "columns"})
        done, _, _ = self.run_with({"--core narrow": other})
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"^variants: \S+/narrow\.json: levels\.avx512vnni\.int8\.panel_m is 6; expected 8, as in the archive's first schedule")
        _, kernels, names = self.run_with({"--optional-core narrow": other, "--optional-core same": self.default_entry()})
        self.assertEqual(names, ["default", "same"])
        self.assertEqual(kernels, self.run_with({})[1])

    def test_files_for_other_architectures_are_no_sets(self):
        self.assertEqual(self.run_with({}, "--core", str(ROOT / "schedules/neoverse-n1.json"))[2], ["default"])

    def test_tiles_whose_widths_do_not_divide(self):
        done, _, _ = self.run_with({"--core a": self.default_entry(row={"panels": 2}), "--core b": self.default_entry(row={"panels": 3})})
        self.assertEqual(done.stderr.strip(),
                         "variants: a: levels.avx512vnni.int8: its widest tile spans 2 panels; expected a divisor of 3, another set's")


class CoreFilesTest(unittest.TestCase):
    LEVELS = {"avx2": ["avx2", "avxvnni", "avx512vnni"], "neon": ["neon", "fp16", "dotprod", "i8mm", "sve256"]}

    def run_with(self, base: str, *schedules: pathlib.Path) -> tuple[subprocess.CompletedProcess, str]:
        with tempfile.TemporaryDirectory() as folder:
            options = [part for path in schedules for part in ("--schedule", path)]
            done = subprocess.run([sys.executable, VARIANTS, "--output", pathlib.Path(folder) / "out", "--tiles", pathlib.Path(folder) / "tiles",
                                   *options, "--base", base, *self.LEVELS[base]], capture_output=True, text=True)
            return done, (pathlib.Path(folder) / "out").read_text() if done.returncode == 0 else ""

    def test_every_file_that_is_shipped(self):
        shipped = [path for path in sorted((ROOT / "schedules").glob("*.json")) if path != DEFAULT]
        self.assertTrue(shipped)
        for path in shipped:
            for base in self.LEVELS:
                with self.subTest(path=path.name, base=base):
                    done, _ = self.run_with(base, DEFAULT, path)
                    self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_level_whose_panels_the_core_changed_is_left_out(self):
        levels = json.loads(DEFAULT.read_text())["levels"]
        entry = {**levels["i8mm"]["int8"], "panel_m": 10}
        entry["tiles"] = [{"m": m} for m in range(10, 0, -1)]
        with tempfile.TemporaryDirectory() as folder:
            core, whole = pathlib.Path(folder) / "core.json", pathlib.Path(folder) / "whole.json"
            core.write_text(json.dumps({"levels": {"i8mm": {"int8": entry}}}))
            done, text = self.run_with("neon", DEFAULT, core)
            self.assertIn("without level sve256, as core.json changes the panels that it reads", done.stdout)
            self.assertNotIn("sve256", text)
            self.assertIn("gemm_s8_10x12x8_i8mm", text)
            # A fault of the defaults, or of the core's own sve256, is an error.
            whole.write_text(json.dumps({"levels": {**levels, "i8mm": {**levels["i8mm"], "int8": entry}}}))
            done, _ = self.run_with("neon", whole)
            self.assertEqual((done.returncode, "that of i8mm, which packs its panels" in done.stderr), (1, True), done.stderr)


if __name__ == "__main__":
    unittest.main()
