#!/usr/bin/env python3
"""Tests of measuring off line: `octile tune --bundle`, the bundle's run.sh with the program in it, and `octile tune --import`."""

import json
import os
import pathlib
import re
import signal
import subprocess
import tarfile
import tempfile

from octile_test import Answer, command, environment, main
from tune_build import TuneBuildTest


class BundleTest(TuneBuildTest):
    """One bundle for all tests, measured once; each test works on a copy of its own."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.unpacked = pathlib.Path(folder.name)
        for name, text in cls.LAYERS.items():
            (cls.unpacked / name).write_text(text)
        made = subprocess.run(command(*cls.arguments("--shard", cls.shard(cls.unpacked), "--bundle", "out.tar", files=tuple(cls.LAYERS))),
                              cwd=cls.unpacked, env=environment(), capture_output=True, text=True)
        if made.returncode:
            raise AssertionError(made.stderr)
        cls.messages = made.stderr
        with tarfile.open(cls.unpacked / "out.tar") as tar:
            cls.names = sorted(tar.getnames())
        subprocess.run(["tar", "xf", "out.tar"], cwd=cls.unpacked, check=True)
        cls.jobs = [json.loads(line) for line in (cls.unpacked / "octile-bundle/jobs.jsonl").read_text().splitlines()]
        cls.first_run = subprocess.run(["sh", "octile-bundle/run.sh"], cwd=cls.unpacked, capture_output=True, text=True)
        cls.measured = (cls.unpacked / "octile-bundle/results.jsonl").read_text()

    def setUp(self):
        super().setUp()
        self.bundle = self.folder / "octile-bundle"
        subprocess.run(["tar", "xf", self.unpacked / "out.tar"], cwd=self.folder, check=True)
        self.results = self.bundle / "results.jsonl"
        self.results.write_text(self.measured)

    def run_bundle(self, **variables) -> None:
        done = subprocess.run(["sh", "octile-bundle/run.sh"], cwd=self.folder, capture_output=True, text=True, env=os.environ | variables)
        self.assertEqual(done.returncode, 0, done.stderr)

    def take(self, *more) -> Answer:
        return self.octile("tune", "--import", "octile-bundle/results.jsonl", "--db", "t.jsonl", *more)

    def check_taken(self, records: int, *words) -> None:
        """An import that says so, and leaves everything in the database that was measured."""
        answer = self.take()
        self.assertEqual((answer.code, answer.out), (0, ""), answer.err)
        self.assertIn(f"{records} records appended to t.jsonl", answer.err)
        for word in words:
            self.assertIn(word, answer.err)
        self.check_all_there()

    def check_all_there(self) -> None:
        self.check_measured()
        self.assertEqual(len(self.records()), self.size(self.jobs))
        self.assertEqual({f"{record['session']}/{record['job']}" for record in self.records()}, {job["job"] for job in self.jobs})

    def check_refused(self, *words) -> None:
        """Nothing of it enters the database."""
        before = (self.folder / "t.jsonl").read_bytes() if (self.folder / "t.jsonl").exists() else None
        answer = self.take()
        self.assertEqual((answer.code, answer.out), (1, ""), answer.err)
        self.assertRegex(answer.err, r"\Aoctile: [^\n]+\n\Z")
        for word in words:
            self.assertIn(word, answer.err)
        after = (self.folder / "t.jsonl").read_bytes() if (self.folder / "t.jsonl").exists() else None
        self.assertEqual(after, before)

    @staticmethod
    def size(jobs: list) -> int:
        """Records of these jobs."""
        return sum(len(job["candidates"]) for job in jobs)


class MeasuringTest(BundleTest):
    def test_what_is_in_it(self):
        self.assertEqual(self.names, ["octile-bundle"] + [f"octile-bundle/{name}" for name in ("jobs.jsonl", "manifest.json", "octile_measure", "run.sh")])
        self.assertEqual({job["m"] for job in self.jobs}, {1, 17})
        manifest = json.loads((self.bundle / "manifest.json").read_text())
        for job in self.jobs:
            self.assertEqual(job["candidates"][0], manifest["default"])
        self.assertEqual(self.first_run.returncode, 0, self.first_run.stderr)

    def test_import_twice(self):
        self.check_taken(self.size(self.jobs))
        before = (self.folder / "t.jsonl").read_bytes()
        self.check_taken(0)
        self.assertEqual((self.folder / "t.jsonl").read_bytes(), before)

    def test_killed_while_it_measures(self):
        # Long enough that it is not over when it is killed; if it were, nothing here would be wrong.
        for name in ("jobs.jsonl", "manifest.json"):
            path = self.bundle / name
            path.write_text(re.sub(r'(\\?"sample_ms\\?":)[0-9.]+', r"\g<1>10.0", path.read_text()))
        self.results.unlink()
        process = subprocess.Popen(["sh", "octile-bundle/run.sh"], cwd=self.folder, stderr=subprocess.PIPE, text=True)
        self.assertEqual(process.stderr.readline().strip(), self.jobs[0]["job"])
        process.send_signal(signal.SIGKILL)
        process.communicate()
        before = self.results.read_text()
        whole = before[:before.rindex('{"end":')]
        self.run_bundle()
        text = self.results.read_text()
        self.assertTrue(text.startswith(whole))
        self.assertEqual([json.loads(line)["end"] for line in text.splitlines() if line.startswith('{"end":')], [job["job"] for job in self.jobs])
        self.check_taken(self.size(self.jobs))

    def test_cut_off_anywhere(self):
        """What a machine that went down leaves of the last answer."""
        start = self.measured.rindex('{"octile_measure":')
        last = self.measured[start:]
        first_lines = self.measured[:self.measured.index("\n") + 1]
        cuts = [0, 1, last.index('"kernel"'), last.index("\n"), last.index("\n") + 1, last.index('"ns"') + 9, last.rindex('{"end":'), last.rindex(",") + 1,
                len(last) - 1]
        for cut in cuts:
            with self.subTest(cut=cut):
                (self.folder / "t.jsonl").unlink(missing_ok=True)
                self.results.write_text(self.measured[:start + cut])
                answer = self.take()
                self.assertEqual(answer.code, 0, answer.err)
                self.assertIn(f"octile: note: octile-bundle/results.jsonl: no whole answer to {self.jobs[-1]['job']}\n", answer.err)
                self.assertIn(f"{self.size(self.jobs[:-1])} records appended", answer.err)
                self.check_measured()
                self.run_bundle()
                text = self.results.read_text()
                self.assertTrue(text.startswith(self.measured[:start]))
                self.assertEqual(text.count('{"end":'), len(self.jobs))
                self.check_taken(self.size(self.jobs[-1:]))
        with self.subTest("in front of the first answer"):
            self.results.write_text(first_lines)
            (self.folder / "t.jsonl").unlink()
            answer = self.take()
            self.assertEqual(answer.code, 0, answer.err)
            self.assertEqual(answer.err.count("no whole answer to "), len(self.jobs))
            self.assertIn("0 records appended", answer.err)
            self.assertFalse((self.folder / "t.jsonl").exists())

    def test_an_import_that_was_killed(self):
        self.check_taken(self.size(self.jobs))
        lines = (self.folder / "t.jsonl").read_text().splitlines(keepends=True)
        self.write("t.jsonl", "".join(lines[:-1]) + lines[-1][:50])
        self.check_taken(1, "the last line is not complete and was left out")


class TamperedTest(BundleTest):
    def test_samples(self):
        """An answer that does not add up is named and left out, the others are taken; and run.sh measures it again."""
        job = self.jobs[1]
        start = self.measured.index(f'{{"octile_measure":1,"job":"{job["job"]}"')
        sample = re.compile(r'"ns":\[[0-9.]+')
        at = sample.search(self.measured, start)
        for text, expected in (('"ns":[-5.0', "line 2.ns: expected numbers > 0, found -5"),
                               ('"ns":[1.0,2.0', "samples, found"),
                               ('"ns":["1"', "line 2.ns: expected numbers > 0")):
            with self.subTest(text=text):
                (self.folder / "t.jsonl").unlink(missing_ok=True)
                self.results.write_text(self.measured[:at.start()] + text + self.measured[at.end():])
                answer = self.take()
                self.assertEqual((answer.code, answer.out), (1, ""), answer.err)
                note, end = answer.err.splitlines()
                self.assertIn(f"octile-bundle/results.jsonl: {job['job']}: ", note)
                self.assertIn(expected, note)
                left = self.size(self.jobs) - self.size([job])
                self.assertIn(f"octile-bundle/results.jsonl: 1 answer does not add up; {left} records appended to t.jsonl", end)
                self.check_measured()
                self.run_bundle()
                self.check_taken(self.size([job]))

    def test_other_kernels(self):
        digest = json.loads(self.measured.splitlines()[1])["kernels"]
        self.results.write_text(self.measured.replace(digest, "0123456789abcdef"))
        self.check_refused("octile-bundle/results.jsonl: ", "gemm_s8 0123456789abcdef", "are not those this octile was built with")

    def test_an_emulator(self):
        self.results.unlink()
        self.run_bundle(OCTILE_EMULATED="a test")
        self.check_refused("this is an emulator (OCTILE_EMULATED=a test), whose time is never recorded")

    def test_no_results_of_a_bundle(self):
        manifest, _, answers = self.measured.partition("\n")
        content = json.loads(manifest)
        candidate = next(name for name in content["candidates"] if name != content["default"])
        other = json.loads(manifest)
        other["candidates"][candidate]["entry"]["panel_m"] += 1
        missing = json.loads(manifest)
        del missing["candidates"][candidate]
        for text, words in (("", ["results.jsonl:1: "]),
                            (answers, ["results.jsonl:1: octile_bundle: "]),
                            (manifest[:len(manifest) // 2] + "\n", ["results.jsonl:1: "]),
                            (json.dumps(other) + "\n" + answers, ["results.jsonl:1: ", f"candidates.{candidate}.entry: expected the schedule of that name"]),
                            (json.dumps(missing) + "\n" + answers, ["results.jsonl:1: ", f'candidate "{candidate}" is not among the candidates']),
                            (json.dumps(content | {"candidates": 3}) + "\n" + answers, ["results.jsonl:1: ", "candidates: expected an object, found 3"]),
                            (json.dumps(content | {"isa": "mmx"}) + "\n" + answers, ["results.jsonl:1: ", "isa: expected"])):
            with self.subTest(words=words):
                self.results.write_text(text)
                self.check_refused(*words)
        self.results.unlink()
        self.check_refused("results.jsonl", "No such file")

    def test_another_level(self):
        self.results.write_text(self.measured.replace('"isa":"avx2","core":"x86', '"isa":"avxvnni","core":"x86'))
        self.check_refused("octile-bundle/results.jsonl: ", "expected gemm_s8 on avx2, found gemm_s8 on avxvnni")

    def test_a_database_of_other_kernels(self):
        self.check_taken(self.size(self.jobs))
        old = (self.folder / "t.jsonl").read_text()
        digest = self.records()[0]["kernels"]
        self.write("t.jsonl", old.replace(digest, "0123456789abcdef").replace("bundle-", "before-"))
        self.check_refused("t.jsonl: records of other kernels", "--accept-stale")
        answer = self.take("--accept-stale")
        self.assertEqual(answer.code, 0, answer.err)
        self.assertEqual(len(self.records()), 2 * self.size(self.jobs))


if __name__ == "__main__":
    main()
