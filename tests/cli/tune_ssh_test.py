#!/usr/bin/env python3
"""Tests of `octile tune --runner ssh:...` against an sshd of our own on the loopback interface. Without sshd they are skipped, and say so."""

import getpass
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time
import unittest

from octile_test import OctileTest, main
from tune_test import DIGEST, HERE, ROOT

SSHD = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")

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


@unittest.skipUnless(SSHD, "no sshd here (openssh-server)")
class SshTest(OctileTest):
    def setUp(self):
        super().setUp()
        for key in ("host", "user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.folder / key], check=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.home = self.folder / "board"
        self.home.mkdir()
        if os.geteuid() == 0:
            pathlib.Path("/run/sshd").mkdir(exist_ok=True)  # sshd of root asks for it
        # The home folder of a board: whoever logs in lands there.
        self.write("sshd_config", f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {self.folder}/host\nAuthorizedKeysFile {self.folder}/user.pub\n"
                   f"StrictModes no\nUsePAM no\nPermitRootLogin yes\nPidFile none\nForceCommand cd {self.home} && eval \"$SSH_ORIGINAL_COMMAND\"\n")
        self.sshd = subprocess.Popen([SSHD, "-D", "-e", "-f", self.folder / "sshd_config"], stderr=subprocess.PIPE)
        self.addCleanup(self.stop)
        # The user's own settings have no part in this.
        self.write("ssh", f"#!/bin/sh\nexec {shutil.which('ssh')} -F none -i {self.folder}/user -o IdentitiesOnly=yes -o StrictHostKeyChecking=no "
                   f"-o UserKnownHostsFile=/dev/null -o LogLevel=ERROR \"$@\"\n")
        (self.folder / "ssh").chmod(0o755)
        self.write("list.csv", "name,m,k,n\nup,128,384,1536\n")
        program = self.folder / "build/i8mm-gemm_s8/tuner/measure/octile_measure"
        program.parent.mkdir(parents=True)
        program.write_text(PROGRAM)
        self.wait_for_sshd()

    def stop(self) -> None:
        self.sshd.kill()
        self.sshd.communicate()

    def wait_for_sshd(self) -> None:
        end = time.monotonic() + 20
        while time.monotonic() < end:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        self.fail("sshd does not start")

    def tune(self, host: str, *more):
        return self.octile("tune", "list.csv", "--no-build", "--isa", "i8mm", "--core", "neoverse-n2", "--source", ROOT, "--build-dir",
                           self.folder / "build", "--db", "t.jsonl", "--trials", "400", "--runner", f"ssh:{host}", *more,
                           env={"PATH": f"{self.folder}:{os.environ['PATH']}"})

    def test_a_board_needs_nothing_and_its_connection_may_drop(self):
        answer = self.tune(f"{getpass.getuser()}@127.0.0.1:{self.port}")
        self.assertEqual(answer.code, 0, answer.err)
        self.assertNotIn("once more", answer.err)  # the runner itself saw to it
        folders = list((self.home / ".cache/octile-measure").iterdir())
        self.assertEqual(len(folders), 1)
        runs = (folders[0] / "runs").read_text().splitlines()
        self.assertEqual(len(runs), len(set(runs)))  # what was measured before the connection dropped was not measured again
        jobs = {json.loads(line)["job"] for line in (self.folder / "t.jsonl").read_text().splitlines()[1:]}
        self.assertEqual(len(jobs), len(runs))

    def test_no_board(self):
        started = time.monotonic()
        answer = self.tune("nobody@127.0.0.1:1", "--job-timeout", "1")
        self.assertEqual(answer.code, 1)
        self.assertIn("ssh ended with exit code 255", answer.err)
        self.assertLess(time.monotonic() - started, 120)


if __name__ == "__main__":
    main()
