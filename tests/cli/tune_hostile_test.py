#!/usr/bin/env python3
"""What others send: records, bundles, answers and schedule files that are meant to run commands, write elsewhere, crash, or take for ever."""

import copy
import json
import os
import pathlib
import re
import subprocess
import sys
import time

from octile_test import main
from tune_test import DIGEST, ROOT, TuneTest

COMMAND = "16)\nexecute_process(COMMAND touch PWNED)\nmessage(STATUS x"
CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f]")
CMAKE = ROOT / ".venv/bin/cmake"


def digest(text: str) -> str:
    """octile::tuner::digest()."""
    value = 0xcbf29ce484222325
    for byte in text.encode():
        value = (value ^ byte) * 0x100000001b3 % 2**64
    return f"{value:016x}"


def name_of_entry(entry: dict) -> str:
    return digest(json.dumps(entry, sort_keys=True, separators=(",", ":")))[:10]


class HostileTest(TuneTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.lines = None

    def setUp(self):
        super().setUp()
        if self.lines is None:
            self.assertEqual(self.tune("ok", "--trials", "300").code, 0)
            type(self).lines = (self.folder / "t.jsonl").read_text().splitlines()
            (self.folder / "t.jsonl").unlink()

    def record(self) -> dict:
        return json.loads(next(line for line in self.lines[1:] if json.loads(line)["default"]))

    def database(self, *records: dict, name: str = "h.jsonl") -> str:
        return self.write(name, "\n".join([self.lines[0], *map(json.dumps, records)]) + "\n")

    def check_nothing_happened(self) -> None:
        names = {path.name for path in self.folder.rglob("*")}
        self.assertFalse({name for name in names if "PWNED" in name}, names)

    def refuse(self, file: str, words: list, *command) -> None:
        """One line that names the file, exit code 1, no control characters."""
        for arguments in command or (["db", "show", file], ["db", "best", file], ["db", "export", file], ["db", "merge", file]):
            self.fail_with(1, words, *arguments)
        answer = self.octile("db", "validate", file)
        self.assertEqual(answer.code, 1)
        self.assertNotRegex(answer.out, CONTROL)
        for word in words:
            self.assertIn(word, answer.out)
        self.check_nothing_happened()


class RecordTest(HostileTest):
    def changed(self, *path, value) -> dict:
        record = self.record()
        place = record
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value
        return record

    def test_params_are_no_commands(self):
        for path, field in ((("params", "cell"), "params.cell[1]"), (("params", "panel"), "params.panel"), (("params", "order"), "params.order")):
            with self.subTest(field=field):
                value = [2, COMMAND] if path[-1] == "cell" else COMMAND
                self.refuse(self.database(self.changed(*path, value=value)), ["h.jsonl:2: ", f"{field}: expected"])
        self.refuse(self.database(self.changed("params", 'a"b\n', value=1)), ["h.jsonl:2: ", "params: unknown field"])
        self.refuse(self.database(self.changed("params", "panel_m", value=1 << 40)), ["h.jsonl:2: ", "params.panel_m: expected an integer"])

    def test_names_are_no_paths(self):
        (self.folder / "schedules").mkdir()
        for core in ("../PWNED", "/tmp/PWNED", "a/PWNED", ".PWNED", "-PWNED", "PWNED;b", "PWNED$(id)", "PWNED " * 20, "default", "Default"):
            with self.subTest(core=core):
                record = self.changed("key", "core", value=f"model:{core}")
                file = self.database(record | {"source": "model", "verified": False})
                answer = self.octile("db", "export", file)
                self.assertEqual(answer.code, 2, answer)
                self.assertIn("--core: expected a name of letters, digits, '.', '_' and '-'", answer.err)
                self.fail_with(2, ["--core: expected a name"], "db", "export", self.database(self.record()), "--core", core)
                self.assertEqual(list((self.folder / "schedules").iterdir()), [])
                self.check_nothing_happened()
        file = self.database(self.record())
        self.assertEqual(self.octile("db", "export", file).code, 0)
        self.assertEqual([path.name for path in (self.folder / "schedules").iterdir()], ["neoverse-n2.json"])

    def test_words_have_no_control_characters(self):
        for path in (("label",), ("session",), ("job",), ("octile",), ("clang",), ("kernels",), ("time",), ("key", "core")):
            for bad in ("\x1b[2J", "\x9b2J", "a\nb", "\x7f"):
                with self.subTest(path=path, bad=bad):
                    self.refuse(self.database(self.changed(*path, value=bad)), ["h.jsonl:2: ", f"{'.'.join(path)}: expected UTF-8 without control"])
        self.refuse(self.database(self.changed("key", "kernel", value="\x1b[2J")), ["key.kernel: expected gemm_s8 or gemm_f16"])

    def test_depth_and_length(self):
        record = json.dumps(self.record())
        for opening, closing in (("[", "]"), ('{"a":', "}")):
            deep = opening * 200_000 + "1" + closing * 200_000
            self.refuse(self.write("h.jsonl", f"{self.lines[0]}\n" + record.replace('"params": {', f'"params": {{"x": {deep}, ', 1) + "\n"), ["levels"])
        self.refuse(self.write("h.jsonl", f"{self.lines[0]}\n{record[:-1]}{' ' * (5 << 20)}}}\n"), ["h.jsonl:2: expected a line of at most"])

    def test_devices_and_pipes(self):
        os.mkfifo(self.folder / "pipe")
        for path in ("/dev/zero", "pipe", "."):
            self.fail_with(1, ["expected a regular file"], "db", "show", path)
            self.fail_with(1, ["expected a regular file"], "db", "validate", path)
            self.fail_with(1, ["expected a regular file"], *self.arguments("ok", "--db", path))

    def test_export_is_checked_and_json(self):
        """An existing file is held to the same as a record, and what is written parses."""
        file = self.database(self.record())
        for text in ('{"levels":{"i8mm":{"int8":{"panel":"x"}}}}', '{"levels":{"../x":{}}}', '{"levels":{},"x\\"y":1}', "[" * 200_000):
            self.write("n.json", text)
            self.fail_in_file(1, ["n.json: "], "db", "export", file, "-o", "n.json")
            self.assertEqual((self.folder / "n.json").read_text(), text)
        self.write("n.json", '{"_":"\\"quoted\\"","chosen":{"a \\"b\\"":"c\\\\"},"levels":{}}')
        self.assertEqual(self.octile("db", "export", file, "-o", "n.json").code, 0)
        written = json.loads((self.folder / "n.json").read_text())
        self.assertEqual(written["_"], '"quoted"')
        self.assertEqual(written["chosen"]['a "b"'], "c\\")
        self.assertEqual(written["levels"]["i8mm"]["int8"], self.record()["params"])

    def fail_in_file(self, code: int, words: list, *arguments) -> None:
        """The table is printed before the file is read."""
        answer = self.octile(*arguments)
        self.assertEqual(answer.code, code, answer)
        for word in words:
            self.assertIn(word, answer.err)
        self.assertNotRegex(answer.err, CONTROL)


class BundleTest(HostileTest):
    def manifest(self, jobs: int = 1, rounds: int = 3, entry: dict | None = None) -> dict:
        entry = entry or self.record()["params"]
        name = name_of_entry(entry)
        return {"octile_bundle": 1, "session": "s", "kernel": "gemm_s8", "isa": "i8mm", "core": self.succeed("core", "neoverse-n2"), "default": name,
                "candidates": {name: {"label": "8x12", "entry": entry}},
                "jobs": [json.dumps({"job": f"s/panels.l{number}", "m": 17, "k": 96, "n": 64, "epilogue": "none", "threads": 1, "candidates": [name],
                                     "rounds": rounds, "sample_ms": 1, "cpu": -1}) for number in range(jobs)]}

    @staticmethod
    def answer(manifest: dict, number: int = 0, ns: list | None = None, **head) -> str:
        job = json.loads(manifest["jobs"][number])
        first = {"octile_measure": 1, "job": job["job"], "kernel": "gemm_s8", "kernels": DIGEST, "isa": "i8mm", "core": "arm:0x41:0xd49", "vector_bits": 128,
                 "octile": "0.1.0", "halide": "h", "clang": "c", "emulated": ""} | head
        lines = [first, {"candidate": job["candidates"][0], "verified": True, "error": "", "ns": ns or [1000.0] * job["rounds"]},
                 {"end": job["job"], "seconds": 1}]
        return "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)

    def take(self, manifest: dict, *answers: str):
        self.write("results.jsonl", json.dumps(manifest) + "\n" + "".join(answers))
        answer = self.octile("tune", "--import", "results.jsonl", "--db", "t.jsonl")
        self.assertNotRegex(answer.err, CONTROL)
        self.check_nothing_happened()
        return answer

    def test_a_good_one_is_taken(self):
        manifest = self.manifest()
        answer = self.take(manifest, self.answer(manifest))
        self.assertEqual(answer.code, 0, answer.err)
        self.assertEqual(self.succeed("db", "validate", "t.jsonl"), "")

    def test_manifests(self):
        params = self.record()["params"]
        for entry, field in ((params | {"cell": [2, COMMAND]}, "cell[1]"), (params | {"panel_m": 1e300}, "panel_m"), (params | {"panel": COMMAND}, "panel"),
                             (params | {"cell": [1, 4.92234e+19]}, "cell[1]")):
            manifest = self.manifest(entry=entry)
            name = manifest["default"]
            # The name of a number is that of its C++ printer.
            answer = self.take(manifest, self.answer(manifest))
            self.assertEqual(answer.code, 1, answer.err)
            self.assertRegex(answer.err, rf"results.jsonl:1: candidates.{name}.entry(\.{re.escape(field)}: expected|: expected the schedule of that name)")
            self.assertFalse((self.folder / "t.jsonl").exists())
        good = self.manifest()
        name = good["default"]
        job = json.loads(good["jobs"][0])
        for change, words in (({"session": "\x1b[2J"}, "session: expected UTF-8 without control"), ({"kernel": "gemm_u4"}, "kernel: expected gemm_s8 or gemm_f16"),
                              ({"candidates": {"../PWNED": good["candidates"][name]}}, 'candidates: expected a name of letters'),
                              ({"candidates": {name: good["candidates"][name] | {"label": "\x9b"}}}, f"candidates.{name}.label: expected UTF-8"),
                              ({"jobs": [json.dumps(job | {"job": "s/\x1b[2J"})]}, "jobs[0]: job: expected a name"),
                              ({"jobs": [json.dumps(job | {"job": "t/panels.l0"})]}, 'jobs[0].job: expected one of session "s"'),
                              ({"jobs": [json.dumps(job | {"rounds": 10**9})]}, "jobs[0]: rounds: expected an integer"),
                              ({"jobs": [json.dumps(job | {"m": 1e300})]}, "jobs[0]: m: expected an integer"),
                              ({"core": "{"}, "core: "), ({"core": good["core"].replace('"clock_ghz": 2.7', '"clock_ghz": 1e-400')}, "core: clock_ghz")):
            with self.subTest(words=words):
                answer = self.take(good | change)
                self.assertEqual(answer.code, 1, answer.err)
                self.assertIn(f"results.jsonl:1: {words}", answer.err)
        for deep in ("[" * 200_000, '{"a":' * 200_000 + "1" + "}" * 200_000):
            self.write("results.jsonl", deep + "\n")
            self.fail_with(1, ["results.jsonl:1: "], "tune", "--import", "results.jsonl", "--db", "t.jsonl")

    def test_answers(self):
        manifest = self.manifest()
        for change, words in (({"core": "\x1b[2J"}, "line 1.core: expected UTF-8"), ({"octile": "\x9b"}, "line 1.octile: expected UTF-8"),
                              ({"ns": [0.04] * 3}, "line 2.ns: expected nanoseconds from 0.1"), ({"ns": [1e300] * 3}, "line 2.ns: expected nanoseconds"),
                              ({"vector_bits": 1e30}, "line 1.vector_bits: expected an integer")):
            with self.subTest(words=words):
                answer = self.take(manifest, self.answer(manifest, **change))
                self.assertEqual(answer.code, 1, answer.err)
                self.assertIn(words, answer.err)
                self.assertFalse((self.folder / "t.jsonl").exists())
        # Whatever is taken can be read.
        answer = self.take(manifest, self.answer(manifest, ns=[0.1, 0.14, 0.11]))
        self.assertEqual(answer.code, 0, answer.err)
        self.assertEqual(self.succeed("db", "validate", "t.jsonl"), "")
        self.succeed("db", "show", "t.jsonl")

    def test_many_jobs(self):
        seconds = {}
        for jobs in (5_000, 20_000):
            manifest = self.manifest(jobs, rounds=24)
            answers = [self.answer(manifest, number) for number in range(jobs)]
            start = time.monotonic()
            answer = self.take(manifest, *answers)
            seconds[jobs] = time.monotonic() - start
            self.assertEqual(answer.code, 0, answer.err)
            self.assertIn(f"{jobs} records appended", answer.err)
            (self.folder / "t.jsonl").unlink()
        # Four times as many: quadratic would be sixteen times as long.
        self.assertLess(seconds[20_000], 10 * max(seconds[5_000], 0.1), seconds)


class OptionTest(TuneTest):
    def test_numbers(self):
        self.write("t.jsonl", '{"octile_tuning":1}\n')
        for command, options in ((self.arguments("ok"), [("--margin", "nan"), ("--margin", "-1"), ("--margin", "51"), ("--job-timeout", "nan"),
                                                         ("--job-timeout", "-1"), ("--job-timeout", "0"), ("--job-timeout", "inf"), ("--seed", "-1"),
                                                         ("--seed", "1e3"), ("--trials", "0"), ("--trials", "-5"), ("--cpu", "-2"), ("--cpu", "70000"),
                                                         ("--tokens", "0"), ("--tokens", "-3"), ("--threads", "0"), ("--threads", "1025"),
                                                         ("--sample-ms", "nan"), ("--sample-ms", "inf"), ("--budget", "nan"), ("--budget", "inf"),
                                                         ("--budget", "-1m"), ("--budget", "0"), ("--budget", "1e9h"), ("--shard", "-1/2"),
                                                         ("--shard", "0/0"), ("--shard", "99999999999/99999999999"), ("--shard", "1"), ("--shard", "0/2x")]),
                                 (["db", "export", "t.jsonl"], [("--threads", "0"), ("--threads", "-1"), ("--margin", "nan")]),
                                 (["db", "best", "t.jsonl"], [("--margin", "nan"), ("--margin", "inf")]),
                                 (["db", "diff", "t.jsonl", "t.jsonl"], [("--margin", "nan")])):
            for option, value in options:
                with self.subTest(option=option, value=value):
                    self.fail_with(2, [option], *command, f"{option}={value}")


class GeneratedTextTest(HostileTest):
    """A schedule's way into a configure: generators/variants.py, tuner/candidates.py, CMake."""

    def variants(self, schedule: dict) -> subprocess.CompletedProcess:
        self.write("evil.json", json.dumps(schedule))
        return subprocess.run([sys.executable, "-B", ROOT / "generators/variants.py", "--schedule", ROOT / "schedules/default.json", "--schedule", "evil.json",
                               "--output", "variants.cmake", "--tiles", "tiles.inc", "--base", "neon", "neon", "dotprod", "i8mm"],
                              cwd=self.folder, capture_output=True, text=True)

    def run_cmake(self, lines: str) -> str:
        """What CMake hands to octile_add_kernel(), one argument a line in <>."""
        self.write("run.cmake", 'function(octile_add_kernel)\n  math(EXPR last "${ARGC} - 1")\n  foreach(at RANGE ${last})\n    message("<${ARGV${at}}>")\n'
                                "  endforeach()\nendfunction()\ninclude(variants.cmake)\n")
        self.write("variants.cmake", lines)
        done = subprocess.run([CMAKE, "-P", "run.cmake"], cwd=self.folder, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.check_nothing_happened()
        return done.stderr

    def test_schedule_files_run_no_commands(self):
        params = self.record()["params"]
        for entry in (params | {"cell": [2, COMMAND]}, params | {"panel_n": COMMAND}, params | {"order": COMMAND}, params | {"panel": COMMAND},
                      params | {COMMAND: 1}, params | {"k_block": [COMMAND]}, params | {"tiles": params["tiles"] + [{"m": COMMAND}]},
                      params | {"row": {"unroll": COMMAND}}, params | {"row": {"k_split": 10**30}}, params | {"panel_m": True}, params | {"cell": [1, 4]}):
            with self.subTest(entry=entry):
                done = self.variants({"levels": {"i8mm": {"int8": entry}}})
                self.assertEqual(done.returncode, 1)
                self.assertRegex(done.stderr, r"\Avariants: evil\.json: levels\.i8mm\.int8[^\n]*: (expected|unknown field)[^\n]+\n\Z")
                self.assertFalse((self.folder / "variants.cmake").exists())
        for schedule in ({"levels": {COMMAND: {}}}, {"levels": {"i8mm": {COMMAND: {}}}}, {"levels": []}, [], {"levels": {"i8mm": 3}}, {"levels": {}, COMMAND: 1},
                         {"levels": {"i8mm": {"elementwise": {"lanes": COMMAND}}}}, {"levels": {"i8mm": {"epilogue": {"lanes": {"f32": COMMAND}}}}}):
            done = self.variants(schedule)
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stderr, r"\Avariants: evil\.json: [^\n]+\n\Z")
        for text in ("[" * 200_000, " " * (2 << 20), "\xff", "{"):
            self.write("evil.json", text)
            done = subprocess.run([sys.executable, "-B", ROOT / "generators/variants.py", "--schedule", self.folder / "evil.json", "--output", "v", "--tiles", "t",
                                   "--base", "neon", "neon"], cwd=self.folder, capture_output=True, text=True)
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stderr, r"\Avariants: [^\n]+evil\.json: [^\n]+\n\Z")
        self.check_nothing_happened()

    def test_the_same_schedules_are_refused_by_both_readers(self):
        """octile and variants.py read the same bounds."""
        good = self.record()["params"]
        changes = [(field, value) for field in ("panel_m", "panel_n", "k_block", "segments", "block_rows", "block_columns", "task_rows")
                   for value in (-1, 0, 1, 3, 17, 129, 1 << 21, 2.0, "8", None, True)]
        changes += [("row", value) for value in ({"panels": 9}, {"k_split": 4}, {"unroll": 0}, {"prefetch": 1025}, {"panels": 4, "unroll": 16}, {}, 3)]
        changes += [("tiles", value) for value in ([], good["tiles"][1:], good["tiles"] + good["tiles"][:1], 3)]
        changes += [("large", value) for value in ({}, {"order": "rows"}, {"tiles": good["tiles"][1:]}, {"panel_n": 12}, {"row": {"k_split": 8}})]
        changes += [("packed_by", "i8mm"), ("cell", [2]), ("cell", [2, 0]), ("order", "x")]
        accepted = 0
        for field, value in changes:
            entry = copy.deepcopy(good) | {field: value}
            with self.subTest(field=field, value=value):
                by_python = subprocess.run([sys.executable, "-B", "-c", "import sys, json; sys.path.insert(0, sys.argv[1]); import schedule_files as s\n"
                                            "try: s.check_entry('params', 'i8mm', 'int8', json.loads(sys.argv[2]))\nexcept s.ScheduleError: sys.exit(3)",
                                            ROOT / "schedules/format", json.dumps(entry)]).returncode
                by_octile = self.octile("db", "validate", self.database(self.record() | {"params": entry})).code
                self.assertIn((by_python, by_octile), ((0, 0), (3, 1)))
                accepted += by_python == 0
        self.assertGreater(accepted, 4)

    def test_every_argument_is_quoted(self):
        """Should a text ever come through: it is one argument, and none of it is run."""
        sys.path.insert(0, str(ROOT / "generators"))
        import variants

        evil = [') execute_process(COMMAND touch PWNED) message(', '"', '\\', '\\")', "${CMAKE_COMMAND}", "$ENV{PATH}", "$<1:x>", "]]", "# no comment", "a b", "[=[", "\\n"]
        writer = variants.Writer("i8mm")
        writer.add(evil[0], evil[1], {"block_rows": evil[2]}, dict(enumerate(evil)), unroll=2, same_as=evil[3])
        seen = self.run_cmake("\n".join(entry.text() for entry in writer.entries))
        for text in evil:
            self.assertIn(text, seen)
        self.assertIn(f"<{evil[0]}_i8mm>", seen)
        for number, text in enumerate(evil):
            self.assertIn(f"<{number}={text}>", seen)
        for text in ("a;b", "@x@", "a\nb", "\x1b", "\xe4"):
            with self.assertRaises(SystemExit) as caught:
                variants.argument(text)
            self.assertNotRegex(str(caught.exception), CONTROL)

    def test_what_the_tree_generates_is_what_cmake_reads(self):
        done = self.variants({"levels": {"i8mm": {"int8": self.record()["params"]}}})
        self.assertEqual(done.returncode, 0, done.stderr)
        seen = self.run_cmake((self.folder / "variants.cmake").read_text())
        self.assertIn("<gemm_s8_8x12x8_i8mm>", seen)
        self.assertIn("<family=KernelFamily::kGemmS8>", seen)

    def test_candidates(self):
        entry = self.record()["params"]
        good = {"isa": "i8mm", "kernel": "gemm_s8", "rows": [17], "candidates": [{"id": "a", "entry": entry}]}
        for change, expected in (({}, None), ({"isa": COMMAND}, "job.isa: expected one of"), ({"kernel": COMMAND}, "job.kernel: expected one of"),
                                 ({"rows": [COMMAND]}, "job.rows[0]: expected an integer"), ({"rows": []}, "job.rows: expected"),
                                 ({"candidates": [{"id": '")\n#error PWNED', "entry": entry}]}, "candidates[0].id: expected a name"),
                                 ({"candidates": [{"id": "a", "entry": entry | {"panel_n": COMMAND}}]}, "candidates[0].entry.panel_n: expected an integer"),
                                 ({"candidates": 3}, "job.candidates: expected an array"), ({"x": 1}, "job: unknown field")):
            with self.subTest(expected=expected):
                self.write("job.json", json.dumps(good | change))
                done = subprocess.run([sys.executable, "-B", ROOT / "tuner/candidates.py", "--candidates", "job.json", "--schedule", ROOT / "schedules/default.json",
                                       "--output", "variants.cmake", "--tiles", "tiles.inc", "--table", "table.inc", "neon", "dotprod", "i8mm"],
                                      cwd=self.folder, capture_output=True, text=True)
                self.assertEqual(done.returncode, 0 if expected is None else 1, done.stderr)
                if expected:
                    self.assertRegex(done.stderr, r"\Avariants: job\.json: [^\n]+\n\Z")
                    self.assertIn(expected, done.stderr)


class SourceTreeTest(TuneTest):
    """A tree that octile finds above the working folder, which it was not built in."""

    def setUp(self):
        super().setUp()
        self.tree = self.folder / "tree"
        for name, text in (("schedules/default.json", (ROOT / "schedules/default.json").read_text()), ("tuner/candidates.py", ""), ("CMakeLists.txt", ""),
                           (".venv/bin/cmake", f"#!/bin/sh\ntouch {self.folder}/PWNED\nexit 1\n"), ("work/list.csv", "name,m,k,n\nup,17,96,64\n")):
            path = self.tree / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        for path in (self.tree, *self.tree.rglob("*")):
            path.chmod(0o755)

    def tune_there(self, *more):
        return self.octile("tune", "list.csv", "--isa", "avx2", "--core", "neoverse-n2", *more, cwd=self.tree / "work")

    def octile(self, *arguments, cwd: pathlib.Path | None = None, **options):
        if cwd is None:
            return super().octile(*arguments, **options)
        folder, self.folder = self.folder, cwd
        try:
            return super().octile(*arguments, **options)
        finally:
            self.folder = folder

    def test_the_users_own_is_used(self):
        answer = self.tune_there()
        self.assertNotEqual(answer.code, 0)
        self.assertTrue((self.folder / "PWNED").exists(), answer.err)  # it is the user's cmake

    def test_others_are_not(self):
        def give(path: pathlib.Path) -> None:
            os.chown(path, 12345, -1, follow_symlinks=False)

        changes = [("may be written to by everybody", lambda path: path.chmod(0o777))]
        if os.geteuid() == 0:
            changes.append(("is of user 12345", give))
        for words, change in changes:
            for name in (".", "schedules/default.json", "tuner/candidates.py", ".venv/bin/cmake", "CMakeLists.txt", "schedules"):
                with self.subTest(words=words, name=name):
                    path = self.tree / name
                    before = path.stat()
                    change(path)
                    answer = self.tune_there("--dry-run")
                    self.assertEqual(answer.code, 2, answer)
                    self.assertIn("--source: found ", answer.err)
                    self.assertIn(words, answer.err)
                    self.assertEqual(self.tune_there().code, 2)
                    self.assertFalse((self.folder / "PWNED").exists())
                    # Who names it means it.
                    self.assertEqual(self.tune_there("--dry-run", "--source", self.tree).code, 0)
                    path.chmod(before.st_mode & 0o777)
                    if os.geteuid() == 0:
                        os.chown(path, before.st_uid, before.st_gid)


if __name__ == "__main__":
    main()
