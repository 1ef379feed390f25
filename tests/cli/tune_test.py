#!/usr/bin/env python3
"""Tests of `octile tune` and `octile db`, with runners that measure nothing (fake_runner.py) and no build."""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

from octile_test import SETTINGS, OctileTest, command, environment, main

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]


def kernel_digest() -> str:
    sys.path.insert(0, str(ROOT / "tuner"))
    import kernel_versions

    return re.search(r'\("gemm_s8", "(\w+)"\)', kernel_versions.versions()).group(1)


DIGEST = kernel_digest()


def read_records(database: pathlib.Path) -> list:
    return [json.loads(line) for line in database.read_text().splitlines()[1:]]


class TuneTest(OctileTest):
    def setUp(self):
        super().setUp()
        self.write("list.csv", "name,m,k,n\nup,128,384,1536\nhead,1,384,384\n")

    def arguments(self, mode: str, *more) -> list:
        runner = f"{sys.executable} -B {HERE / 'fake_runner.py'} {mode} {DIGEST} {self.folder} # {{}}"
        usual = {"--isa": "i8mm", "--core": "neoverse-n2", "--source": ROOT, "--build-dir": self.folder / "build", "--db": "t.jsonl", "--runner": runner}
        options = [part for name, value in usual.items() if name not in more for part in (name, value)]
        return ["tune", "list.csv", "--no-build", *options, *more]

    def tune(self, mode: str, *more, **options):
        return self.octile(*self.arguments(mode, *more), **options)

    def records(self, file: str = "t.jsonl") -> list:
        return read_records(self.folder / file)

    def start(self, mode: str, *more) -> subprocess.Popen:
        return subprocess.Popen(command(*self.arguments(mode, *more)), cwd=self.folder, env=environment(), stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def wait_for_records(self, count: int) -> None:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            if (self.folder / "t.jsonl").exists() and len((self.folder / "t.jsonl").read_text().splitlines()) > count:
                return
            time.sleep(0.02)
        self.fail("no records")


class SearchTest(TuneTest):
    def test_finds_the_fastest_and_says_so(self):
        answer = self.tune("ok")
        self.assertEqual(answer.code, 0, answer.err)
        self.assertIn("geometric mean", answer.out)
        self.assertRegex(answer.out, r"instead of 8x12 u4 [^\n]*\+\d+\.\d %, sure to >99\.9 %")
        best = json.loads(self.succeed("db", "best", "t.jsonl", "--format", "json"))
        self.assertEqual(len(best), 1)
        self.assertFalse(best[0]["default"])
        self.assertGreater(best[0]["speedup"], 1.2)
        self.assertEqual([layer["class"] for layer in best[0]["layers"]], ["large", "row"])
        self.assertEqual(self.succeed("db", "validate", "t.jsonl"), "")
        for record in self.records():
            self.assertEqual(record["kernels"], DIGEST)
            self.assertTrue(record["verified"])

    def test_export_is_a_schedule_that_the_build_reads(self):
        self.tune("ok")
        answer = self.octile("db", "export", "t.jsonl", "-o", "neoverse-n2.json")
        self.assertEqual(answer.code, 0, answer.err)
        self.assertIn("-DOCTILE_CORES=neoverse-n2", answer.err)
        schedule = json.loads((self.folder / "neoverse-n2.json").read_text())
        self.assertEqual(list(schedule["levels"]), ["i8mm"])
        subprocess.run([sys.executable, "-B", ROOT / "generators/variants.py", "--schedule", ROOT / "schedules/default.json", "--schedule",
                        self.folder / "neoverse-n2.json", "--output", self.folder / "variants.cmake", "--tiles", self.folder / "tiles.inc", "--base",
                        "neon", "neon", "i8mm"], check=True)
        tile = schedule["levels"]["i8mm"]["int8"]
        self.assertIn(f"gemm_s8_{tile['panel_m']}x{tile['panel_n']}x8", (self.folder / "variants.cmake").read_text())

    def test_trials_and_seed(self):
        answer = self.tune("ok", "--trials", "500")
        self.assertEqual(answer.code, 0)
        self.assertIn("the budget is used up", answer.err)
        samples = sum(len(record["ns"]) for record in self.records())
        self.assertLessEqual(samples, 500)
        order = [(record["job"], record["label"]) for record in self.records()]
        (self.folder / "t.jsonl").unlink()
        self.tune("ok", "--trials", "500")
        self.assertEqual([(record["job"], record["label"]) for record in self.records()], order)
        (self.folder / "t.jsonl").unlink()
        self.tune("ok", "--trials", "500", "--seed", "2")
        self.assertNotEqual([(record["job"], record["label"]) for record in self.records()], order)

    def test_dry_run_and_estimate_measure_nothing(self):
        for more in (["--dry-run"], ["--rigor", "estimate"]):
            text = self.succeed(*self.arguments("fails", *more))
            self.assertIn("panels: ", text)
            self.assertRegex(text, r"\d+ left out: registers")
            self.assertFalse((self.folder / "t.jsonl").exists())

    def test_shards_share_the_schedules(self):
        seen = []
        for index in range(2):
            self.tune("ok", "--rigor", "exhaustive", "--shard", f"{index}/2", "--db", f"s{index}.jsonl")
            records = self.records(f"s{index}.jsonl")
            seen.append({record["label"] for record in records if record["job"].startswith("panels.g0.r0") and not record["default"]})
        self.assertFalse(seen[0] & seen[1])
        self.assertGreater(min(map(len, seen)), 20)
        merged = self.succeed("db", "merge", "s0.jsonl", "s1.jsonl")
        self.assertEqual(merged, self.succeed("db", "merge", "s1.jsonl", "s0.jsonl", "s0.jsonl"))
        self.write("m.jsonl", merged)
        self.assertEqual(self.succeed("db", "merge", "m.jsonl"), merged)
        self.assertIn("instead of", self.succeed("db", "best", "m.jsonl"))
        self.assertIn("->", self.succeed("db", "diff", "s0.jsonl", "s1.jsonl"))
        self.assertEqual(self.succeed("db", "diff", "s0.jsonl", "s0.jsonl"), "")

    def test_planner_reads_the_same_database(self):
        self.tune("ok")
        plan = self.json("plan", "list.csv", "--policy", "cost", "--core", "neoverse-n2", "--db", "t.jsonl")
        sources = {layer["name"]: layer["cost_source"] for layer in plan["layers"]}
        self.assertEqual(set(sources.values()), {"mixed"})
        self.fail_with(2, ["--db", "--core"], "plan", "list.csv", "--db", "t.jsonl")

    def test_progress(self):
        plain = self.tune("ok")
        self.assertNotIn("\x1b", plain.err)
        self.assertRegex(plain.err, r"panels: \d+ schedules, \d+ at first, on 1 layers\n")
        code, seen = self.at_terminal(*self.arguments("ok", "--db", "u.jsonl"), stream="stderr")
        self.assertEqual(code, 0)
        self.assertRegex(seen, r"\r\x1b\[Kpanels: \d+ schedules, \d+ % of round 1\.1; best .* left at most")
        events = [json.loads(line) for line in self.octile(*self.arguments("ok", "--db", "v.jsonl", "--json")).out.splitlines()]
        kinds = [event["event"] for event in events]
        self.assertEqual((kinds[0], kinds[-1]), ("stage", "result"))
        self.assertTrue(all(event["done"] <= event["total"] for event in events if event["event"] == "progress"))


class InterruptionTest(TuneTest):
    def test_kill_then_resume(self):
        whole = self.tune("ok", "--db", "whole.jsonl")
        process = self.start("slow")
        self.wait_for_records(60)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        before = self.records()
        with (self.folder / "t.jsonl").open("a") as file:
            file.write(json.dumps(before[0])[:100])
        answer = self.tune("ok", "--resume")
        self.assertEqual(answer.code, 0, answer.err)
        self.assertIn("the last line is not complete and was left out", answer.err)
        after = self.records()
        self.assertEqual(after[:len(before)], before)
        self.assertEqual(len({record["session"] for record in after}), 1)
        # No job that was whole was measured again.
        jobs = [(record["job"], record["label"]) for record in after]
        self.assertEqual(sorted(set(jobs)), sorted({(record["job"], record["label"]) for record in self.records("whole.jsonl")}))
        self.assertLessEqual(len(jobs) - len(set(jobs)), 24)
        speeds = [json.loads(self.succeed("db", "best", file, "--format", "json"))[0]["label"] for file in ("t.jsonl", "whole.jsonl")]
        self.assertEqual(*speeds, whole.out)

    def test_ctrl_c_prints_the_best_so_far(self):
        for sent in (signal.SIGINT, signal.SIGTERM):
            process = self.start("slow")
            self.wait_for_records(80)
            process.send_signal(sent)
            out, err = process.communicate(timeout=20)
            self.assertEqual(process.returncode, 130, err)
            self.assertIn("geometric mean", out)
            self.assertIn("--resume goes on", err)
            self.assertEqual(self.succeed("db", "validate", "t.jsonl"), "")
            kept = len(self.records())
            self.assertEqual(self.tune("ok", "--resume").code, 0)
            self.assertGreater(len(self.records()), kept)
            (self.folder / "t.jsonl").unlink()

    def test_nothing_to_resume(self):
        answer = self.tune("ok", "--resume")
        self.assertEqual(answer.code, 0)
        self.assertIn("no search with these settings to resume", answer.err)

    def test_two_at_once(self):
        processes = [self.start("ok", "--seed", seed) for seed in ("1", "2")]
        for process in processes:
            _, err = process.communicate(timeout=120)
            self.assertEqual(process.returncode, 0, err)
        self.assertEqual(self.succeed("db", "validate", "t.jsonl"), "")
        self.assertEqual(len({record["session"] for record in self.records()}), 2)


class RunnerTest(TuneTest):
    def test_that_fails(self):
        self.fail_in("fails", "the board is on fire")

    def fail_in(self, mode: str, word: str, *more, code: int = 1) -> None:
        with self.subTest(mode=mode):
            answer = self.tune(mode, *more)
            self.assertEqual(answer.code, code, answer.err)
            self.assertEqual(answer.out, "")
            self.assertIn(word, answer.err.splitlines()[-1])
            self.assertFalse((self.folder / "t.jsonl").exists())

    def test_that_hiccups(self):
        answer = self.tune("fails-once", "--trials", "300")
        self.assertEqual(answer.code, 0, answer.err)
        self.assertIn("a hiccup; once more", answer.err)

    def test_that_hangs(self):
        self.fail_in("hangs", "took too long", "--job-timeout", "0.5")

    def test_that_returns_garbage(self):
        self.fail_in("garbage", "line 1: expected a JSON object")
        self.fail_in("half", "lines, found 1")
        self.fail_in("other-job", "job: expected")
        self.fail_in("other-candidate", "candidate: expected")

    def test_that_lies(self):
        self.fail_in("unverified", "ns: expected no samples of what was not verified")
        self.fail_in("negative", "ns: expected numbers > 0")
        self.fail_in("few-samples", "samples, found")
        self.fail_in("emulated-times", "expected no time of an emulator")
        self.fail_in("other-kernels", "are not those this octile was built with")

    def test_emulator_verifies_and_supplies_no_time(self):
        self.fail_in("emulated", "compute what they should, but this is an emulator")

    def test_wrong_results_rule_schedules_out(self):
        answer = self.tune("wrong-result")
        self.assertEqual(answer.code, 0, answer.err)
        self.assertIn("is out: wrong result", answer.err)
        self.assertTrue(any(record["error"] and not record["ns"] for record in self.records()))
        best = json.loads(self.succeed("db", "best", "t.jsonl", "--format", "json"))[0]
        wrong = {record["label"] for record in self.records() if record["error"]}
        self.assertNotIn(best["label"], wrong)

    def test_one_that_crashes_is_singled_out(self):
        answer = self.tune("crashes-on-one")
        self.assertEqual(answer.code, 0, answer.err)
        self.assertIn("is out: the runner's command ended with exit code 139", answer.err)
        self.assertTrue(any(not record["error"] for record in self.records()))


class DatabaseTest(TuneTest):
    def test_other_kernels_are_refused_loudly(self):
        self.tune("ok", "--trials", "300")
        text = (self.folder / "t.jsonl").read_text()
        self.write("t.jsonl", text.replace(DIGEST, "0" * 16))
        self.assertEqual(self.tune("ok").code, 2)
        for arguments in (["db", "best", "t.jsonl"], ["db", "export", "t.jsonl", "-o", "s.json"], ["db", "merge", "t.jsonl"],
                          ["plan", "list.csv", "--policy", "cost", "--core", "neoverse-n2", "--db", "t.jsonl"],
                          [*self.arguments("ok"), "--trials", "300"]):
            answer = self.octile(*arguments)
            self.assertNotEqual(answer.code, 0, arguments)
            self.assertIn("records of other kernels (gemm_s8 0000000000000000", answer.err)
            self.assertIn("--accept-stale", answer.err)
            answer = self.octile(*arguments, "--accept-stale")
            self.assertEqual(answer.code, 0, f"{arguments}: {answer.err}")
        self.assertIn("records of other kernels", self.octile("db", "validate", "t.jsonl").out)

    def test_corruption_is_named(self):
        self.write("bad.jsonl", '{"octile_tuning":1}\n{"key":3}\n')
        self.fail_with(1, ["bad.jsonl:2: "], "db", "show", "bad.jsonl")
        answer = self.octile("db", "validate", "bad.jsonl")
        self.assertEqual((answer.code, answer.err), (1, ""))
        self.assertIn("bad.jsonl:2: ", answer.out)
        self.fail_with(1, ["none.jsonl", "No such file"], "db", "best", "none.jsonl")
        self.fail_with(1, ["list.csv:1: "], *self.arguments("ok", "--db", "list.csv"))

    def test_wrong_usage(self):
        for words, more in [
            (["--budget", "\"soon\""], ["--budget", "soon"]),
            (["--shard", "\"2/2\""], ["--shard", "2/2"]),
            (["--isa", "\"mmx\""], ["--isa", "mmx"]),
            (["--threads"], ["--threads", "0"]),
            (["--source"], ["--source", "/"]),
            (["--sample-ms"], ["--sample-ms", "-1"]),
            (["--runner: expected", "\"board\""], ["--runner", "board"]),
        ]:
            with self.subTest(more=more):
                self.fail_with(2, words, *self.arguments("ok", *more))
        self.fail_with(2, ["FILE"], "tune")
        self.fail_with(2, ["--isa"], "tune", "list.csv", "--runner", "ssh:board", "--source", ROOT)


if __name__ == "__main__":
    main()
