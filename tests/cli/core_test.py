#!/usr/bin/env python3
"""Tests of `octile core`, and of plans for a core."""

import json
import os

from octile_test import SETTINGS, OctileTest, main

CORES = ["ampere1", "apple-m1", "apple-m3", "cortex-a510", "cortex-a53", "cortex-a710", "cortex-a72", "cortex-a720", "cortex-a76", "cortex-a78",
         "cortex-x1", "cortex-x2", "cortex-x4", "neoverse-n1", "neoverse-n2", "neoverse-v1", "neoverse-v2", "oryon"]


class CoreTest(OctileTest):
    def minilm(self, *arguments) -> dict:
        return self.json("plan", SETTINGS.models / "minilm-l6.csv", *arguments)

    def test_list(self):
        lines = self.succeed("core").splitlines()
        self.assertEqual([line.split()[0] for line in lines[1:]], CORES)

    def test_description_can_be_planned_with(self):
        for name in CORES:
            with self.subTest(core=name):
                text = self.succeed("core", name)
                self.assertEqual(json.loads(text)["core"], name)
                file = self.write("core.json", text)
                self.assertEqual(self.succeed("core", file), text)
                arguments = ("--policy", "cost", "--tokens", "16")
                self.assertEqual(self.minilm("--core", file, *arguments), self.minilm("--core", name, *arguments))

    def test_host(self):
        host = json.loads(self.succeed("core", "host"))
        self.assertEqual(host["core"], "host")
        self.assertEqual(host["cores"], len(os.sched_getaffinity(0)))
        plan = self.minilm("--core", self.write("host.json", json.dumps(host)), "--policy", "cost")
        self.assertEqual(plan["core"], "host")
        for layer in plan["layers"]:
            if layer["op"] == "linear":
                self.assertGreater(layer["cost"]["int8_us"], 0)

    def test_costs_do_not_change_what_the_ratio_decides(self):
        without, with_costs = self.minilm(), self.minilm("--core", "neoverse-v2")
        verdicts = [[(layer["name"], layer["precision"], layer["reason"]) for layer in plan["layers"]] for plan in (without, with_costs)]
        self.assertEqual(*verdicts)
        self.assertEqual({layer["cost_source"] for layer in with_costs["layers"] if layer["op"] == "linear"}, {"model"})
        for layer in with_costs["layers"]:
            for side, parts in [("int8", ["quantize_us", "gemm_us", "epilogue_us"]), ("fp16", ["pack_us", "gemm_us", "epilogue_us"])]:
                if side in layer["cost"]:
                    total = sum(layer["cost"][side][part] for part in parts) + layer["cost"][side]["conversion_us"]
                    self.assertAlmostEqual(layer["cost"][f"{side}_us"], total, places=2)

    def test_all_policies(self):
        file = SETTINGS.models / "mobilevit-s.csv"
        plans = self.json("plan", file, "--core", "neoverse-n2", "--policy", "all")
        self.assertEqual([plan["policy"] for plan in plans], ["ratio", "cost"])
        table = self.succeed("plan", file, "--core", "neoverse-n2", "--policy", "all")
        disagree = sum(first["count"] for first, second in zip(plans[0]["layers"], plans[1]["layers"], strict=True)
                       if first["precision"] != second["precision"])
        self.assertGreater(disagree, 0)
        self.assertTrue(table.endswith(f"the policies disagree on {disagree} of 55 linears\n"), table)
        self.assertEqual(table.count("RATIO_LT_MIN") + table.count("RATIO_GE_MIN"), 19)

    def test_threads(self):
        one, four = (self.minilm("--core", "neoverse-n1", "--threads", threads)["summary"]["plan_us"] for threads in ("1", "4"))
        self.assertGreater(one / four, 2.5)
        self.assertEqual(self.minilm("--core", "cortex-x1", "--threads", "8")["threads"], 1)

    def test_run_by_cost(self):
        document = self.json("run", SETTINGS.models / "minilm-l6.csv", "--tokens", "8", "--policy", "cost", "--core", "neoverse-n1")
        self.assertTrue(all(layer["verified"] for layer in document["layers"]))

    def test_wrong_cores(self):
        file = SETTINGS.models / "minilm-l6.csv"
        good = json.loads(self.succeed("core", "oryon"))
        wrong = self.write("wrong.json", json.dumps(good | {"clock_ghz": -1}))
        for code, words, arguments in [
            (2, ["--core", "neoverse-v2", "host", "found none"], ["--policy", "cost"]),
            (2, ["--core", "neoverse-v2", "host", "found none"], ["--policy", "all"]),
            (2, ["--core: expected", "oryon", "found \"pentium\""], ["--policy", "cost", "--core", "pentium"]),
            (1, ["none.json", "No such file"], ["--policy", "cost", "--core", "none.json"]),
            (1, ["wrong.json: clock_ghz: expected a number > 0, found -1"], ["--policy", "cost", "--core", wrong]),
            (2, ["--threads: expected 1 to 1024, found 0"], ["--core", "oryon", "--threads", "0"]),
            (2, ["--noise: expected a finite number >= 0, found -1"], ["--core", "oryon", "--noise", "-1"]),
            (2, ["--explain: expected one FILE, found 2"], [file, "--explain", "pooler"]),
            (2, ["--explain: expected the name of one layer", "\"poolr\""], ["--explain", "poolr"]),
        ]:
            with self.subTest(arguments=arguments):
                self.fail_with(code, words, "plan", file, *arguments)
        self.fail_with(2, ["--core: expected", "found \"pentium\""], "core", "pentium")
        self.fail_with(2, ["--policy: expected one policy"], "run", file, "--policy", "all", "--core", "oryon")


if __name__ == "__main__":
    main()
