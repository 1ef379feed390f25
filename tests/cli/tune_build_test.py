#!/usr/bin/env python3
"""Tests of `octile tune` with the program that it builds, on this machine: through a command, and over ssh on the loopback interface."""

import json
import re
import unittest

import loopback_sshd
from octile_test import Answer, main
from tune_build import TuneBuildTest

# A board whose connection drops while the first job runs, which stands still until the answer is asked for again. `drop/answer` is what it then says.
DROPS_ONCE = r"""
case $SSH_ORIGINAL_COMMAND in
*"octile_measure --keep"*) ;;
*) eval "$SSH_ORIGINAL_COMMAND"; exit ;;
esac
if mkdir drop 2> /dev/null; then
    exec 2> drop/log  # not to be ended by a word to a connection that is no more
    cat > drop/job
    eval "$SSH_ORIGINAL_COMMAND" < drop/job &
    tries=0
    until ls .cache/octile-measure/*/*.lock > /dev/null 2>&1 || [ $((tries += 1)) -gt 3000 ]; do sleep 0.01; done
    kill -STOP $!
    kill -KILL $PPID
    until [ -e drop/again ]; do sleep 0.02; done
    kill -CONT $!
    wait $!
    touch drop/ended
    exit
fi
touch drop/again
until [ -e drop/ended ]; do sleep 0.02; done
[ -e drop/answer ] || cp "$(ls .cache/octile-measure/*/*.g0.r0.l0)" drop/answer
eval "$SSH_ORIGINAL_COMMAND"
"""


class MeasuringTest(TuneBuildTest):
    def test_through_a_command(self):
        for file in self.LAYERS:
            answer = self.tune("--runner", "env {}", files=(file,))
            self.assertEqual(answer.code, 0, answer.err)
            self.assertIn("geometric mean", answer.out)
            self.check_measured()
            records = self.records()
            again = self.tune("--runner", "env {}", "--resume", files=(file,))
            self.assertEqual((again.code, again.out), (0, answer.out), again.err)
            self.assertEqual(self.records(), records)  # nothing was left to measure
        self.assertEqual({record["key"]["m"] for record in self.records()}, {1, 17})

    def test_what_is_not_measured_is_not_built(self):
        # A round of all schedules takes more samples than are allowed.
        program = self.build_folder() / "tuner/measure/octile_measure"
        before = program.stat().st_mtime_ns if program.exists() else None
        answer = self.tune("--runner", "env {}", "--trials", "1")
        self.assertEqual(answer.code, 0, answer.err)
        self.assertIn("the budget is used up", answer.err)
        self.assertNotIn("building", answer.err)
        self.assertFalse((self.folder / "t.jsonl").exists())
        self.assertEqual(program.stat().st_mtime_ns if program.exists() else None, before)


@unittest.skipUnless(loopback_sshd.PROGRAM, loopback_sshd.MISSING)
class BoardTest(TuneBuildTest):
    def board(self, *script) -> loopback_sshd.LoopbackSshd:
        sshd = loopback_sshd.LoopbackSshd(self.folder, *script)
        sshd.start()
        self.addCleanup(sshd.stop)
        return sshd

    def test_a_connection_that_drops_in_the_middle_of_a_job(self):
        board = self.board(DROPS_ONCE)
        answer = self.tune("--runner", board.runner, "--trials", "120", "--sample-ms", "20", env=board.environment)
        self.assertEqual(answer.code, 0, answer.err)
        self.assertNotIn("once more", answer.err)  # the runner itself saw to it
        self.assertIn("geometric mean", answer.out)
        self.check_measured()
        # What went on without a connection is what was recorded. A second measurement would have other samples.
        first = [json.loads(line) for line in (board.home / "drop/answer").read_text().splitlines()]
        session, job = first[0]["job"].split("/")
        samples = [[round(ns, 1) for ns in line["ns"]] for line in first[1:-1]]
        recorded = [record["ns"] for record in self.records() if (record["session"], record["job"]) == (session, job)]
        self.assertEqual(len(recorded), len(samples))
        for one, other in zip(recorded, samples):
            for a, b in zip(one, other, strict=True):
                self.assertAlmostEqual(a, b, delta=0.11)  # a record has tenths of ns, and ties round either way
        # One answer is kept for every job that was recorded.
        kept = [path for folder in board.measuring_folders() for path in folder.iterdir() if path.with_name(path.name + ".lock").exists()]
        self.assertEqual(len(kept), len({record["job"] for record in self.records()}))

    def test_the_program_is_copied_once(self):
        board = self.board()
        copies = []
        for _ in range(2):
            answer = self.tune("--runner", board.runner, files=("row.csv",), env=board.environment)  # one stage, one program
            self.assertEqual(answer.code, 0, answer.err)
            self.check_measured()
            copies.append({folder.name: (folder / "octile_measure").stat().st_ino for folder in board.measuring_folders()})
        self.assertEqual(len(copies[0]), 1)
        self.assertEqual(*copies)
        # As long as they keep their names, answers to one search are no answers to another one.
        self.assertEqual(len({record["session"] for record in self.records()}), 2)


class ScreeningTest(TuneBuildTest):
    def kernel_of_one_candidate(self) -> str:
        """A kernel of the last build that one candidate has, and not the default."""
        table = (self.build_folder() / "kernels/include/candidates.inc").read_text()
        users = {}
        for number, kernel in re.findall(r"^OCTILE_CANDIDATE_KERNEL\((\d+), octile_(?!missing_kernel)(\w+)_argv,", table, re.MULTILINE):
            users.setdefault(kernel, set()).add(int(number))
        return next(kernel for kernel, numbers in users.items() if len(numbers) == 1 and 0 not in numbers)

    def test_what_is_not_built_or_spills_is_named(self):
        self.search()
        kernel = self.kernel_of_one_candidate()
        built = {suffix: self.build_folder() / f"kernels/{kernel}{suffix}" for suffix in (".o", ".s")}
        for path in built.values():
            self.addCleanup(path.unlink, missing_ok=True)  # the next build makes it again
        with self.subTest("its object cannot be written"):
            built[".o"].unlink()
            built[".o"].symlink_to(self.folder / "nowhere/kernel.o")
            self.check_is_out(f"is out: {kernel}: ")
        with self.subTest("its code spills"):
            built[".o"].unlink()
            self.search()
            code = built[".s"].read_text()
            built[".s"].write_text(re.sub(r"^(\s+vpmaddwd\s.*\n)", r"\1\tvmovups\t64(%rsp), %ymm0\n", code, flags=re.MULTILINE))
            self.check_is_out(f"is out: {kernel}: ", "spills in the loop over K")

    def search(self) -> Answer:
        """Of one stage, which begins at the default: the same candidates each time."""
        answer = self.tune("--runner", "env {}", files=("row.csv",))
        self.assertEqual(answer.code, 0, answer.err)
        return answer

    def check_is_out(self, *words) -> None:
        """A search goes on without the candidate that the words are about, and records nothing of it."""
        before = {record["label"] for record in self.records()}
        (self.folder / "t.jsonl").unlink()
        answer = self.search()
        line, = (line for line in answer.err.splitlines() if words[0] in line)
        for word in words:
            self.assertIn(word, line)
        label = re.search(r"^row: (.*) is out", line).group(1)
        self.assertIn(label, before)
        self.assertNotIn(label, {record["label"] for record in self.records()})


if __name__ == "__main__":
    main()
