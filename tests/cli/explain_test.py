#!/usr/bin/env python3
"""Tests of `octile plan --explain`: what it says is what the plan does."""

import re

from model_files import layer_list
from octile_test import SETTINGS, OctileTest, main


class Explain(OctileTest):
    def explain(self, file, layer: str, *arguments) -> str:
        return self.succeed("plan", file, "--explain", layer, *arguments)

    def precision(self, file, layer: str, m: int, *arguments) -> str:
        plan = self.json("plan", file, "--tokens", str(m), *arguments)
        return next(row["precision"] for row in plan["layers"] if row["name"] == layer).upper()

    def test_ratio(self):
        file = SETTINGS.models / "minilm-l6.csv"
        text = self.explain(file, "pooler")
        self.assertIn("FP16 by policy ratio, RATIO_LT_MIN", text)
        needed = int(re.search(r"N of at least (\d+)", text)[1])
        for n, expected in [(needed - 1, "FP16"), (needed, "INT8")]:
            other = self.write("other.csv", layer_list([f"pooler,1,384,{n}"]))
            self.assertEqual(self.precision(other, "pooler", 1), expected)

    def test_the_numbers_are_the_plans(self):
        file, arguments = SETTINGS.models / "minilm-l6.csv", ["--core", "neoverse-n1", "--policy", "cost"]
        text = self.explain(file, "ffn.up", *arguments)
        layer = next(row for row in self.json("plan", file, *arguments)["layers"] if row["name"] == "ffn.up")
        self.assertIn(layer["fused"], text)
        self.assertIn(f"{layer['precision'].upper()} by policy cost, {layer['reason']}", text)
        self.assertIn(f"{layer['cost']['fp16_us'] / layer['cost']['int8_us']:.2f} times as fast", text)
        self.assertIn("attention.norm", text)  # which quantizes for it

    def test_the_flip_is_where_it_is_said_to_be(self):
        flips = 0
        for core in ("cortex-a53", "cortex-a72", "cortex-a76", "neoverse-n1"):
            for k, n in [(16, 16), (32, 48), (64, 16), (128, 24)]:
                file = self.write("net.csv", layer_list([f"fc,4,{k},{n}"]))
                arguments = ["--core", core, "--policy", "cost"]
                text = self.explain(file, "fc", *arguments)
                ranges = re.findall(r"M = (\d+)(?: to \d+| and more)? +(INT8|FP16)", text)
                for m, precision in ranges:
                    flips += 1
                    with self.subTest(core=core, k=k, n=n, m=m):
                        self.assertEqual(self.precision(file, "fc", int(m), *arguments), precision)
                        if m != "1":
                            self.assertNotEqual(self.precision(file, "fc", int(m) - 1, *arguments), precision)
                self.assertEqual(text.count("<- M here"), 1 if ranges and "No M:" not in text else 0, text)
        self.assertGreater(flips, 8)

    def test_what_it_replaces(self):
        rows = ["fc,8,64,256,linear,none", "act,8,256,256,activation,gelu"]
        file = self.write("mlp.csv", layer_list(rows, "name,m,k,n,op,act"))
        for name in ("fc", "act"):
            self.assertIn("It replaces fc, act.", self.explain(file, name))
        self.assertIn("a --force pattern", self.explain(file, "fc", "--force", "fc=int8"))
        self.assertIn("the --skip pattern", self.explain(file, "fc", "--skip", "fc"))

    def test_all_policies(self):
        text = self.explain(SETTINGS.models / "vit-b16.csv", "head", "--policy", "all", "--core", "oryon")
        self.assertIn("by policy ratio", text)
        self.assertIn("by policy cost", text)


if __name__ == "__main__":
    main()
