#!/usr/bin/env python3
"""Tests of `octile tune --runner ssh:...` against an sshd of our own on the loopback interface. Without sshd they are skipped, and say so."""

import sys
import time
import unittest

import loopback_sshd
from octile_test import OctileTest, main
from tune_test import DIGEST, HERE, ROOT, read_records

# Stands in for octile_measure on the board: keeps answers as it does, and drops its first connection.
PROGRAM = f"""#!{sys.executable}
import json, os, pathlib, signal, subprocess, sys
assert sys.argv[1:] == ["--keep", "."], sys.argv
job = sys.stdin.readline()
kept = pathlib.Path(json.loads(job)["job"].replace("/", "_"))
first = not any(pathlib.Path(".").glob("*.g0.*"))
if not kept.exists():
    kept.write_text(subprocess.run([sys.executable, "{HERE / 'fake_runner.py'}", "ok", "{DIGEST}"], input=job, capture_output=True, text=True).stdout)
    pathlib.Path("runs").open("a").write(kept.name + "\\n")
if first:
    os.kill(os.getppid(), signal.SIGKILL)
    sys.exit(1)
print(kept.read_text(), end="")
"""


@unittest.skipUnless(loopback_sshd.PROGRAM, loopback_sshd.MISSING)
class SshTest(OctileTest):
    def setUp(self):
        super().setUp()
        self.sshd = loopback_sshd.LoopbackSshd(self.folder)
        self.sshd.start()
        self.addCleanup(self.sshd.stop)
        self.write("list.csv", "name,m,k,n\nup,128,384,1536\n")
        program = self.folder / "build/i8mm-gemm_s8/tuner/measure/octile_measure"
        program.parent.mkdir(parents=True)
        program.write_text(PROGRAM)

    def tune(self, runner: str, *more):
        return self.octile("tune", "list.csv", "--no-build", "--isa", "i8mm", "--core", "neoverse-n2", "--source", ROOT, "--build-dir",
                           self.folder / "build", "--db", "t.jsonl", "--trials", "400", "--runner", runner, *more,
                           env=self.sshd.environment)

    def test_a_board_needs_nothing_and_its_connection_may_drop(self):
        answer = self.tune(self.sshd.runner)
        self.assertEqual(answer.code, 0, answer.err)
        self.assertNotIn("once more", answer.err)  # the runner itself saw to it
        folder, = self.sshd.measuring_folders()
        runs = (folder / "runs").read_text().splitlines()
        self.assertEqual(len(runs), len(set(runs)))  # what was measured before the connection dropped was not measured again
        jobs = {record["job"] for record in read_records(self.folder / "t.jsonl")}
        self.assertEqual(len(jobs), len(runs))

    def test_no_board(self):
        started = time.monotonic()
        answer = self.tune("ssh:nobody@127.0.0.1:1", "--job-timeout", "1")
        self.assertEqual(answer.code, 1)
        self.assertIn("ssh ended with exit code 255", answer.err)
        self.assertLess(time.monotonic() - started, 120)


if __name__ == "__main__":
    main()
