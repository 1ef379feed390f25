#!/usr/bin/env python3
"""Tests of octile_measure as `octile tune` builds it: a few candidates, made by the library's own build, measured here or verified under qemu.

An emulator verifies and never supplies a time, whatever CPU it plays and whatever it hides.
"""

import argparse
import json
import os
import pathlib
import shlex
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SETTINGS = argparse.Namespace()
LEVELS = {"x86_64": ("avx2", "s16", 2, [1, 8], 6), "aarch64": ("dotprod", "s8", 4, [1, 4], 8)}


def entry(panel_m: int, panel_n: int, unroll: int) -> dict:
    _, panel, k_block, cell, _ = LEVELS[SETTINGS.processor]
    tiles = [{"m": m, "unroll": unroll} for m in range(panel_m, 0, -1)]
    return {"panel": panel, "k_block": k_block, "cell": cell, "panel_m": panel_m, "panel_n": panel_n, "tiles": tiles, "row": {"k_split": 4}}


def job(**changes) -> str:
    usual = {"job": "s/panels.g0.r0.l0", "m": 9, "k": 64, "n": 96, "epilogue": "gelu", "threads": 1, "candidates": ["base", "other"], "rounds": 3,
             "sample_ms": 0.1, "cpu": -1}
    return json.dumps(usual | changes)


class MeasureTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(SETTINGS.folder)
        cls.folder.mkdir(parents=True, exist_ok=True)
        level, *_, tallest = LEVELS[SETTINGS.processor]
        wide = 16 if SETTINGS.processor == "x86_64" else 12
        # The last one's sums take every register that there is, which leaves none for a product and shows in its code.
        candidates = [("base", entry(tallest, wide, 1)), ("other", entry(4, wide, 2)), ("spills", entry(8, 16, 1))]
        cls.build(candidates, level)
        table = cls.folder / "kernels/include/candidates.inc"
        screened = subprocess.run([sys.executable, "-B", ROOT / "tuner/screen.py", "--candidates", cls.folder / "candidates.json", "--table", table,
                                   "--kernels", cls.folder / "kernels", "--log", cls.folder / "build.log"], check=True, capture_output=True, text=True)
        cls.reasons = json.loads(screened.stdout)
        cls.program = cls.folder / "tuner/measure/octile_measure"

    @classmethod
    def build(cls, candidates: list, level: str) -> None:
        (cls.folder / "candidates.json").write_text(json.dumps(
            {"isa": level, "kernel": "gemm_s8", "rows": [9, 1], "candidates": [{"id": name, "entry": content} for name, content in candidates]}))
        toolchain = ["-DCMAKE_TOOLCHAIN_FILE=" + SETTINGS.toolchain] if SETTINGS.toolchain else []
        configure = [SETTINGS.cmake, "-S", ROOT, "-B", cls.folder, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release", "-DOCTILE_DEVELOPER_MODE=OFF",
                     "-DOCTILE_CLI=OFF", "-DOCTILE_INSTALL=OFF", f"-DPython3_EXECUTABLE={sys.executable}", f"-DCMAKE_MAKE_PROGRAM={SETTINGS.ninja}",
                     f"-DOCTILE_CANDIDATES={cls.folder / 'candidates.json'}", *toolchain]
        for command in (configure, [SETTINGS.cmake, "--build", cls.folder, "--target", "octile_measure"]):
            done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
            (cls.folder / "build.log").write_text(done.stdout + done.stderr)
            if done.returncode:
                raise RuntimeError(done.stdout[-3000:] + done.stderr[-3000:])

    def measure(self, text: str, *arguments, emulator=None, **variables):
        command = [*(SETTINGS.emulator if emulator is None else emulator), str(self.program), *map(str, arguments)]
        return subprocess.run(command, input=text + "\n", capture_output=True, text=True, env=os.environ | variables, timeout=120)

    def answer(self, text: str, *arguments, **options) -> list:
        done = self.measure(text, *arguments, **options)
        self.assertEqual(done.returncode, 0, done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def test_results_are_those_of_the_reference(self):
        for m in (9, 1):
            head, base, other, end = self.answer(job(m=m))
            self.assertEqual([base["verified"], other["verified"], base["error"]], [True, True, ""])
            self.assertEqual(head["isa"], LEVELS[SETTINGS.processor][0])
            self.assertEqual(end["end"], head["job"])
            expected = 0 if SETTINGS.emulator else 3
            self.assertEqual([len(base["ns"]), len(other["ns"])], [expected] * 2)
            self.assertEqual(bool(head["emulated"]), bool(SETTINGS.emulator), head)

    def test_a_height_that_was_not_built_is_an_error_and_no_crash(self):
        _, base, other, _ = self.answer(job(m=11))
        self.assertFalse(base["verified"])
        self.assertTrue(base["error"])
        self.assertEqual(base["ns"], [])

    def test_spills_are_seen(self):
        self.assertEqual(list(self.reasons), ["spills"])
        self.assertRegex(self.reasons["spills"], r"\d+ spills in the loop over K")

    def test_an_emulator_is_told_by_its_runner_too(self):
        head, base, *_ = self.answer(job(), OCTILE_EMULATED="yes")
        self.assertIn("OCTILE_EMULATED", head["emulated"])
        self.assertEqual((base["verified"], base["ns"]), (True, []))

    def test_every_cpu_that_qemu_plays_is_seen(self):
        if not SETTINGS.emulator:
            self.skipTest("no emulator here: those of other architectures have their own build of this test")
        for cpu in ("max", "max,pauth-impdef=on", "neoverse-n1", "cortex-a76", "a64fx"):
            with self.subTest(cpu=cpu):
                done = self.measure(job(), emulator=["qemu-aarch64", "-cpu", cpu])
                if done.returncode and "is not supported by this CPU" in done.stderr:
                    continue
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertTrue(json.loads(done.stdout.splitlines()[0])["emulated"])

    def test_wrong_jobs(self):
        for text, word in [("", "job"), ("{}", "job"), (job(m=0), "m: expected"), (job(candidates=["none"]), "is not in this program"),
                           (job(cpu=9999), "cpu: expected")]:
            done = self.measure(text)
            self.assertEqual(done.returncode, 1, done)
            self.assertEqual(done.stdout, "")
            self.assertIn(word, done.stderr)
        self.assertEqual(self.measure(job(), "--what").returncode, 2)

    def test_a_kept_answer_is_given_again(self):
        with tempfile.TemporaryDirectory() as folder:
            once = self.measure(job(), "--keep", folder).stdout
            self.assertEqual(self.measure(job(), "--keep", folder).stdout, once)
            kept = next(path for path in pathlib.Path(folder).iterdir() if path.suffix != ".lock")
            kept.write_text(once[:len(once) // 2])
            again = self.answer(job(), "--keep", folder)
            self.assertEqual(len(again), 4)

    def test_jobs_of_a_file_go_on_where_they_were(self):
        with tempfile.TemporaryDirectory() as folder:
            jobs, results = pathlib.Path(folder) / "jobs.jsonl", pathlib.Path(folder) / "results.jsonl"
            jobs.write_text("".join(job(job=f"s/{i}") + "\n" for i in range(3)))
            self.assertEqual(self.measure("", "--jobs", jobs, "--results", results).returncode, 0)
            text = results.read_text()
            self.assertEqual(text.count('{"end":'), 3)
            results.write_text(text[:text.rindex('{"octile_measure"')])
            self.assertEqual(self.measure("", "--jobs", jobs, "--results", results).returncode, 0)
            self.assertEqual(results.read_text().count('{"end":'), 3)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", required=True)
    parser.add_argument("--processor", required=True)
    parser.add_argument("--toolchain", default="")
    parser.add_argument("--emulator", type=shlex.split, default=[])
    parser.add_argument("--cmake", default=shutil.which("cmake"))
    parser.add_argument("--ninja", default=shutil.which("ninja"))
    _, rest = parser.parse_known_args(namespace=SETTINGS)
    unittest.main(argv=[sys.argv[0], *rest])


if __name__ == "__main__":
    main()
