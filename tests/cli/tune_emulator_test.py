#!/usr/bin/env python3
"""Tests of `octile tune` with the aarch64 program under qemu-user: it verifies what it builds, and no time of an emulator is ever recorded."""

import json
import re
import shutil
import subprocess
import unittest

import loopback_sshd
from octile_test import Answer, main
from tune_build import TuneBuildTest

QEMU = shutil.which("qemu-aarch64") or shutil.which("qemu-aarch64-static")
COMPILER = shutil.which("aarch64-linux-gnu-g++")
# A board of another architecture, whose shell is this machine's.
RUNS_EMULATED = f"""
eval "$(printf %s "$SSH_ORIGINAL_COMMAND" | sed 's#exec ./octile_measure#exec {QEMU} -cpu neoverse-n1 ./octile_measure#')"
"""


@unittest.skipUnless(QEMU, "no qemu-aarch64 here (qemu-user)")
@unittest.skipUnless(COMPILER, "no cross compiler here (g++-aarch64-linux-gnu)")
class EmulatorTest(TuneBuildTest):
    ISA, CORE = "dotprod", "neoverse-n1"

    def check_refused(self, answer: Answer) -> None:
        self.assertEqual((answer.code, answer.out), (1, ""), answer.err)
        last = answer.err.splitlines()[-1]
        counts = re.fullmatch(r"octile: (\d+) of (\d+) schedules compute what they should, but this is an emulator \(.+\), whose time is never recorded", last)
        self.assertTrue(counts, last)
        self.assertEqual(counts[1], counts[2])
        self.assertGreater(int(counts[1]), 1)
        self.assertFalse((self.folder / "t.jsonl").exists())

    def test_through_a_command(self):
        for file in self.LAYERS:
            with self.subTest(file=file):
                self.check_refused(self.tune("--runner", f"{QEMU} {{}}", files=(file,)))

    @unittest.skipUnless(loopback_sshd.PROGRAM, loopback_sshd.MISSING)
    def test_over_ssh(self):
        board = loopback_sshd.LoopbackSshd(self.folder, RUNS_EMULATED)
        board.start()
        self.addCleanup(board.stop)
        self.check_refused(self.tune("--runner", board.runner, env=board.environment))
        folder, = board.measuring_folders()
        answer, = (path for path in folder.iterdir() if path.with_name(path.name + ".lock").exists())
        head, *candidates, _ = (json.loads(line) for line in answer.read_text().splitlines())
        self.assertEqual(head["isa"], "dotprod")
        self.assertTrue(head["emulated"])
        for candidate in candidates:
            self.assertEqual((candidate["verified"], candidate["error"], candidate["ns"]), (True, "", []))

    def test_off_line(self):
        made = self.octile(*self.arguments("--shard", self.shard(self.folder), "--bundle", "out.tar"))
        self.assertEqual(made.code, 0, made.err)
        subprocess.run(["tar", "xf", "out.tar"], cwd=self.folder, check=True)
        bundle = self.folder / "octile-bundle"
        (bundle / "results.jsonl").write_bytes((bundle / "manifest.json").read_bytes())
        subprocess.run([QEMU, "./octile_measure", "--jobs", "jobs.jsonl", "--results", "results.jsonl"], cwd=bundle, check=True, capture_output=True)
        answer = self.octile("tune", "--import", "octile-bundle/results.jsonl", "--db", "t.jsonl")
        self.assertEqual(answer.code, 1, answer.err)
        self.assertIn("but this is an emulator", answer.err)
        self.assertFalse((self.folder / "t.jsonl").exists())


if __name__ == "__main__":
    main()
