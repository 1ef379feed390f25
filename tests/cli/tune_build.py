"""What the tests share in which `octile tune` builds, and what it builds runs."""

import functools
import json
import pathlib
import re
import subprocess
import unittest

from octile_test import SETTINGS, Answer, OctileTest, command, environment
from tune_test import ROOT, read_records


class TuneBuildTest(OctileTest):
    """Builds are kept from run to run in a folder of SETTINGS.tune_folder for each level."""

    # The level of what is built, and a described core that ranks its schedules: the same ones everywhere. Any core does.
    ISA, CORE = "avx2", "neoverse-n2"
    LAYERS = {"list.csv": "name,m,k,n\nup,17,96,64\n", "row.csv": "name,m,k,n\nhead,1,96,64\n"}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if cls.ISA == "avx2" and not re.search(r"^flags\s.*\bavx2\b", pathlib.Path("/proc/cpuinfo").read_text(), re.MULTILINE):
            raise unittest.SkipTest("this CPU has no avx2, the level of which programs are built here")

    def setUp(self):
        super().setUp()
        for name, text in self.LAYERS.items():
            self.write(name, text)

    @classmethod
    def arguments(cls, *more, files: tuple = ("list.csv",)) -> list:
        # Time is not what ends a search here, however busy the machine.
        usual = {"--isa": cls.ISA, "--core": cls.CORE, "--source": ROOT, "--build-dir": SETTINGS.tune_folder, "--budget": "5h", "--sample-ms": "0.1"}
        options = [part for name, value in usual.items() if name not in more for part in (name, value)]
        return ["tune", *files, *options, *more]

    @classmethod
    @functools.cache
    def shard(cls, folder: pathlib.Path) -> str:
        """The part of the schedules that takes the least building, of those in which every stage has three beside the default: some spill. Digests
        choose what is in which part, so that it is another one whenever a schedule changes."""
        parts = {}
        for index in range(16):
            shard = f"{index}/16"
            plan = subprocess.run(command(*cls.arguments("--runner", "env {}", "--dry-run", "--shard", shard, files=tuple(cls.LAYERS))), cwd=folder,
                                  env=environment(), check=True, capture_output=True, text=True).stdout
            counts = [int(count) for count in re.findall(r"^\w+: (\d+) schedules on ", plan, re.MULTILINE)]
            if min(counts) > 3:
                parts[shard] = sum(counts)
        return min(parts, key=parts.get)

    def tune(self, *more, files: tuple = ("list.csv",), **options) -> Answer:
        """A search of few schedules, into t.jsonl."""
        return self.octile(*self.arguments("--shard", self.shard(self.folder), "--db", "t.jsonl", *more, files=files), **options)

    def records(self) -> list:
        return read_records(self.folder / "t.jsonl")

    def build_folder(self) -> pathlib.Path:
        return SETTINGS.tune_folder / f"{self.ISA}-gemm_s8"

    def check_measured(self) -> None:
        """The database is what a search of real measurements leaves behind."""
        self.assertEqual(self.succeed("db", "validate", "t.jsonl"), "")
        defaults = {}
        for record in self.records():
            self.assertEqual((record["source"], record["verified"], record["error"]), ("measured", True, ""), record)
            self.assertGreater(min(record["ns"]), 0)
            self.assertTrue(record["key"]["core"].startswith("x86:"), record["key"])
            job = record["session"], record["job"]
            defaults[job] = defaults.get(job, 0) + record["default"]
        self.assertEqual(set(defaults.values()), {1})  # of every job
        best, = json.loads(self.succeed("db", "best", "t.jsonl", "--format", "json"))
        measured = {(record["key"]["m"], record["key"]["k"], record["key"]["n"]) for record in self.records()}
        self.assertEqual({(layer["m"], layer["k"], layer["n"]) for layer in best["layers"]}, measured)
