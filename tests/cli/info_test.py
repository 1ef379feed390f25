#!/usr/bin/env python3
"""Tests of `octile info`."""

import json
import os
import re

from octile_test import OctileTest, main


class InfoTest(OctileTest):
    def info(self, **options) -> dict:
        return json.loads(self.succeed("info", "--json", **options))

    def test_json_and_table_agree(self):
        info, lines = self.info(), self.succeed("info").splitlines()
        counts = ("int8_kernels", "fp16_kernels", "shared_kernels")
        kernels = sum(level[count] for level in info["levels"] for count in counts)
        self.assertRegex(lines[0], rf"^octile {re.escape(info['version'])}: {kernels} kernels, {info['threads']} threads? \({info['threads_from']}\)$")
        yes = {True: "yes", False: "no"}
        self.assertEqual([line.split() for line in lines[2:-2]],
                         [[level["name"], yes[level["supported"]], yes[level["usable"]], *(str(level[count]) for count in counts)]
                          for level in info["levels"]])
        self.assertEqual(lines[-2], f"INT8 layers run at level {info['int8_level']}, FP16 layers at level {info['fp16_level']}")
        self.assertEqual(lines[-1], f"core {info['core'] or 'unknown'} ({info['core_from']}: {info['core_identity']}), "
                                    f"schedule {info['schedule']} of: {' '.join(info['schedules'])}")
        self.assertEqual(self.succeed("--version"), f"octile {info['version']}\n")

    def test_octile_isa_limits_the_level(self):
        levels = self.info()["levels"]
        self.assertTrue(levels)
        supported = [level["name"] for level in levels if level["supported"]]
        for level in supported:
            with self.subTest(level=level):
                limited = self.info(env={"OCTILE_ISA": level})
                usable = [found["name"] for found in limited["levels"] if found["usable"]]
                self.assertEqual(usable, supported[: supported.index(level) + 1])
                self.assertEqual([found["supported"] for found in limited["levels"]], [found["supported"] for found in levels])
                self.assertIn(limited["int8_level"], usable)
                self.assertIn(limited["fp16_level"], usable)
        self.assertEqual(self.info(env={"OCTILE_ISA": ""}), self.info())

    def test_octile_core_chooses_the_schedule(self):
        schedules = self.info()["schedules"]
        self.assertEqual(schedules[0], "default")
        self.assertEqual(len(set(schedules)), len(schedules))
        for name in schedules:
            with self.subTest(name=name):
                found = self.info(env={"OCTILE_CORE": name})
                self.assertEqual((found["core"], found["core_from"], found["schedule"]), (name, "OCTILE_CORE", name))
                self.assertEqual(self.succeed("info", env={"OCTILE_CORE": name}).splitlines()[-1],
                                 f"core {name} (OCTILE_CORE), schedule {name} of: {' '.join(schedules)}")
        # A core without a schedule of its own runs its relative's, or the first.
        for core, relative in (("cortex-a77", "neoverse-n1"), ("zen4", "zen5"), ("apple-m1", "default")):
            self.assertEqual(self.info(env={"OCTILE_CORE": core})["schedule"], relative if relative in schedules else "default")
        self.assertEqual(self.info(env={"OCTILE_CORE": ""}), self.info())
        for wrong in ("zen", "ZEN5", " ", "\x1b[1m"):
            with self.subTest(wrong=wrong):
                self.fail_with(1, ["OCTILE_CORE", "unknown", "schedules of this build: default"], "info", env={"OCTILE_CORE": wrong})

    def test_threads_are_those_that_the_process_may_use(self):
        mask = os.sched_getaffinity(0)
        info = self.info(env={"OCTILE_NUM_THREADS": ""})
        self.assertLessEqual(info["threads"], len(mask))
        self.assertIn(info["threads_from"], ("CPU affinity", "cgroup CPU quota"))
        os.sched_setaffinity(0, {min(mask)})
        try:
            self.assertEqual(self.info(env={"OCTILE_NUM_THREADS": ""})["threads"], 1)
        finally:
            os.sched_setaffinity(0, mask)

    def test_octile_num_threads_says_otherwise(self):
        info = self.info(env={"OCTILE_NUM_THREADS": "3"})
        self.assertEqual((info["threads"], info["threads_from"]), (3, "OCTILE_NUM_THREADS"))
        for wrong in ("0", "two", "1025", "3 "):
            with self.subTest(wrong=wrong):
                self.fail_with(1, ["OCTILE_NUM_THREADS", "1 to 1024", wrong], "info", env={"OCTILE_NUM_THREADS": wrong})


if __name__ == "__main__":
    main()
