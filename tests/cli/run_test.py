#!/usr/bin/env python3
"""Tests of `octile run`: real kernels on small layers."""

import itertools
import json
import math
import re

from model_files import encode, layer_list, normal, normal_tensor, safetensors, tensor
from octile_test import ESCAPE, SETTINGS, OctileTest, main, memory_limit

# No extent is a multiple of a tile's, and together they meet every activation and both ways for a bias.
LIST = layer_list(["scalar,1,1,1,none,0", "gemv,1,67,33,relu,1", "few,5,130,19,gelu,1", "tall,37,31,70,silu,0", "deep,3,1030,17,none,1"],
                  "name,m,k,n,act,bias")


class RunTest(OctileTest):
    def check(self, report: dict, precision: str | None = None) -> None:
        """What must be true of every report."""
        self.assertTrue(report["layers"])
        for layer in report["layers"]:
            with self.subTest(layer=layer["name"], precision=layer["precision"]):
                self.assertIs(layer["verified"], True)
                self.assertEqual(layer["precision"], precision or layer["precision"])
                self.assertTrue(layer["kernel"].startswith({"int8": "gemm_s8", "fp16": "gemm_f16"}[layer["precision"]]), layer["kernel"])
                self.assertEqual(layer["checked_rows"], min(layer["m"], 16))
                self.assertGreater(layer["us"], 0)
                operations = 2 * layer["m"] * layer["k"] * layer["n"]
                self.assertTrue(math.isclose(layer["gops"], operations / layer["us"] * 1e-3, rel_tol=1e-9))
        total = report["total"]
        self.assertTrue(math.isclose(total["us"], sum(layer["count"] * layer["us"] for layer in report["layers"]), rel_tol=1e-9))
        self.assertGreater(total["source_bytes"], 0)
        self.assertGreater(total["packed_bytes"], 0)

    def check_error(self, report: dict) -> None:
        """Rounding normal values to 8 bits costs about 40 dB, to f16 about 70, K many of them or few."""
        for layer in report["layers"]:
            with self.subTest(layer=layer["name"], precision=layer["precision"]):
                if layer["precision"] == "fp16":
                    self.assertGreater(layer["sqnr_db"], 50)
                elif layer["k"] > 1:  # at K = 1 every value is its row's largest, and exact
                    self.assertGreater(layer["sqnr_db"], 25)
                    self.assertLess(layer["sqnr_db"], 60)


class LayerLists(RunTest):
    def test_every_activation_and_precision(self):
        file = self.write("net.csv", LIST)
        for precision in ("int8", "fp16"):
            report = self.json("run", file, "--force", f".={precision}")
            self.check(report, precision)
            self.check_error(report)
            self.assertEqual((report["model"], report["real_weights"]), ("net", False))

    def test_the_plan_is_followed(self):
        file = self.write("net.csv", layer_list(["norm,4,520,520,layernorm", "up,4,520,520,linear", "small,4,64,64,linear"], "name,m,k,n,op"))
        report = self.json("run", file)
        self.check(report)
        self.assertEqual([(layer["name"], layer["precision"], layer["reason"]) for layer in report["layers"]],
                         [("up", "int8", "RATIO_GE_MIN"), ("small", "fp16", "RATIO_LT_MIN")])
        report = self.json("run", file, "--skip", "up", "--tokens", "3")
        self.assertEqual([(layer["m"], layer["precision"], layer["reason"]) for layer in report["layers"]],
                         [(3, "fp16", "SKIPPED"), (3, "fp16", "RATIO_LT_MIN")])

    def test_a_layer_counts_as_often_as_the_network_holds_it(self):
        once, often = (self.json("run", self.write("net.csv", layer_list([f"fc,4,32,32,{count}"], "name,m,k,n,count"))) for count in (1, 6))
        self.check(often)
        for size in ("source_bytes", "packed_bytes"):
            self.assertEqual(often["total"][size], 6 * once["total"][size])

    def test_results_do_not_depend_on_threads_or_level(self):
        file = self.write("net.csv", LIST)
        levels = [level["name"] for level in json.loads(self.succeed("info", "--json"))["levels"] if level["usable"]]
        errors = set()
        for level, threads in itertools.product(levels, ("1", "2")):
            with self.subTest(level=level, threads=threads):
                report = self.json("run", file, "--force", ".=int8", "--threads", threads, env={"OCTILE_ISA": level})
                self.check(report)
                self.assertEqual(report["threads"], int(threads))
                errors.add(tuple(layer["sqnr_db"] for layer in report["layers"]))
        self.assertEqual(len(errors), 1)  # INT8: the same bits

    def test_threads_and_fp16(self):
        file = self.write("net.csv", LIST)
        reports = [self.json("run", file, "--threads", threads) for threads in (1, 2, 7)]
        for report in reports:
            self.check(report)
            self.assertEqual([layer["sqnr_db"] for layer in report["layers"]], [layer["sqnr_db"] for layer in reports[0]["layers"]])

    def test_table(self):
        lines = self.succeed("run", self.write("net.csv", LIST), "--threads", "1").splitlines()
        self.assertEqual(lines[0], "net: random weights and activations, 1 thread")
        self.assertEqual(lines[1].split(), ["layer", "M", "K", "N", "count", "precision", "reason", "kernel", "time", "GOPS", "SQNR", "check"])
        for line in lines[2:7]:
            self.assertRegex(line, r"  ok$")
        self.assertEqual(lines[-1], "checked in double precision: up to 16 rows of each layer, 5 of 5 layers within the bound of their arithmetic")

    def test_verify_checks_every_row(self):
        report = self.json("run", self.write("net.csv", LIST), "--verify")
        self.assertEqual([layer["checked_rows"] for layer in report["layers"]], [layer["m"] for layer in report["layers"]])

    def test_several_files(self):
        a, b = self.write("a.csv", layer_list(["fc,2,3,4"])), self.write("b.csv", layer_list(["fc,5,6,7"]))
        self.assertEqual([report["model"] for report in self.json("run", a, b)], ["a", "b"])

    def test_memory_that_no_machine_has(self):
        file = self.write("net.csv", layer_list(["small,1,8,8", f"large,{2**31 - 1},{2**17},{2**31 - 1}"]))
        self.fail_with(1, ["net.csv: large: ", "GB of memory; this machine has "], "run", file)
        self.fail_with(1, ["net.csv: large: ", "GB of memory; this machine has "], "run", file, "--tokens", "1")

    def test_memory_that_is_not_granted(self):
        if SETTINGS.emulator or SETTINGS.build == "sanitized":
            self.skipTest("an emulator and a sanitizer reserve more address space than any limit that would do")
        file = self.write("net.csv", layer_list(["small,1,8,8", "large,1,131072,1024"]))
        self.fail_with(1, ["net.csv: large: ", "memory"], "run", file, preexec_fn=memory_limit(200 << 20))


class Weights(RunTest):
    # [N, K] of a linear with bias and one without.
    SHAPES = {"fc1": [40, 67], "fc2": [33, 130]}

    def checkpoint(self, dtype: str, **replaced) -> bytes:
        tensors = {}
        for name, (n, k) in self.SHAPES.items():
            tensors[f"{name}.weight"] = normal_tensor(dtype, [n, k], name, k**-0.5)
        tensors["fc1.bias"] = normal_tensor(dtype, [40], "bias", 0.1)
        return safetensors(tensors | {name.replace("__", "."): content for name, content in replaced.items()})

    def test_every_type(self):
        for dtype, precision in itertools.product(("F32", "F16", "BF16"), ("int8", "fp16")):
            with self.subTest(dtype=dtype):
                file = self.write("net.safetensors", self.checkpoint(dtype))
                report = self.json("run", file, "--tokens", "5", "--force", f".={precision}")
                self.check(report, precision)
                self.check_error(report)
                self.assertEqual(report["real_weights"], True)
                self.assertEqual([[layer["n"], layer["k"]] for layer in report["layers"]], list(self.SHAPES.values()))

    def test_weights_are_used_whatever_the_file_is_called(self):
        content = self.checkpoint("F32")
        reports = [self.json("run", self.write(name, content), "--tokens", "5") for name in ("net.safetensors", "net.SAFETENSORS", "net", "net.bin")]
        for report in reports:
            self.assertEqual(report["real_weights"], True)
            self.assertEqual([layer["sqnr_db"] for layer in report["layers"]], [layer["sqnr_db"] for layer in reports[0]["layers"]])

    def test_the_error_is_that_of_the_weights(self):
        # Integers of which each channel's largest is 127 are what INT8 holds exactly: only the activations' rounding is left.
        weights = normal(40 * 67, "weights", 30)
        exact = [127 if i % 67 == 0 else max(-127, min(round(value), 127)) for i, value in enumerate(weights)]
        errors = []
        for values in (weights, exact):
            file = self.write("net.safetensors", safetensors({"fc.weight": tensor("F32", [40, 67], values)}))
            errors.append(self.json("run", file, "--tokens", "5", "--force", ".=int8")["layers"][0]["sqnr_db"])
        self.assertGreater(errors[1], errors[0] + 2)

    def test_extreme_weights(self):
        for value in (0.0, 1e-30, 3e38):
            with self.subTest(value=value):
                weights = tensor("F32", [3, 20], [value if i % 2 else -value for i in range(60)])
                report = self.json("run", self.write("net.safetensors", safetensors({"fc.weight": weights})), "--tokens", "2", "--force", ".=int8")
                self.assertIs(report["layers"][0]["verified"], True)

    def test_what_is_no_number_is_refused(self):
        for dtype, precision, value in itertools.product(("F32", "F16", "BF16"), ("int8", "fp16"), (math.nan, math.inf, -math.inf)):
            with self.subTest(dtype=dtype, precision=precision, value=value):
                n, k = self.SHAPES["fc2"]
                weights = normal(n * k, "fc2")
                weights[20 * k + 7] = value
                file = self.write("net.safetensors", self.checkpoint(dtype, fc2__weight=(dtype, [n, k], encode(dtype, weights))))
                self.fail_with(1, ["net.safetensors: fc2: ", "output channel 20 ", "NaN"], "run", file, "--tokens", "3", "--force", f".={precision}")
        bias = normal(40, "bias")
        bias[39] = math.inf
        file = self.write("net.safetensors", self.checkpoint("F32", fc1__bias=tensor("F32", [40], bias)))
        self.fail_with(1, ["net.safetensors: fc1: ", "bias: output channel 39 "], "run", file, "--tokens", "3")

    def test_weights_beyond_f16_are_refused_in_fp16_only(self):
        file = self.write("net.safetensors", safetensors({"fc.weight": tensor("F32", [3, 20], [1.0] * 59 + [65536.0])}))
        self.fail_with(1, ["net.safetensors: fc: ", "output channel 2 ", "65504"], "run", file, "--tokens", "2")
        self.check(self.json("run", file, "--tokens", "2", "--force", ".=int8"))


class Failures(RunTest):
    """The octile command linked with a Linear::run() that gets one element wrong: faulty_linear.cpp."""

    def setUp(self):
        super().setUp()
        self.list = self.write("net.csv", layer_list(["good,1,20,30", "int8,40,20,30", "fp16,40,20,30"]))
        self.arguments = ["run", self.list, "--force", "int8=int8"]

    def run_faulty(self, row: int, *arguments):
        return self.octile(*self.arguments, *arguments, program=SETTINGS.faulty, env={"FAULTY_ROW": str(row)})

    def test_wrong_result(self):
        answer = self.run_faulty(39, "--format", "json")
        self.assertEqual(answer.code, 4)
        lines = answer.err.splitlines()
        self.assertEqual(len(lines), 2, answer.err)
        for line, layer, kernel in zip(lines, ("int8", "fp16"), ("gemm_s8", "gemm_f16")):
            self.assertRegex(line, rf"^octile: net\.csv: {layer}: {kernel}\w+: row 39, column 29: \S+; expected \S+ within \S+$")
        self.assertEqual([layer["verified"] for layer in json.loads(answer.out)["layers"]], [True, False, False])

    def test_wrong_result_in_the_table(self):
        answer = self.run_faulty(39)
        self.assertEqual(answer.code, 4)
        self.assertEqual(re.findall(r"\b(ok|FAILED)$", answer.out, re.MULTILINE), ["ok", "FAILED", "FAILED"])
        self.assertIn("1 of 3 layers within the bound", answer.out)

    def test_only_verify_looks_at_every_row(self):
        # Of 40 rows 16 are looked at, the first and the last among them, and not the second.
        self.assertEqual(self.run_faulty(1).code, 0)
        self.assertEqual(self.run_faulty(1, "--verify").code, 4)

    def test_without_the_fault(self):
        self.assertEqual(self.run_faulty(-1).code, 0)


class Progress(RunTest):
    def setUp(self):
        super().setUp()
        # More than half a second of work, before which nothing is said, in several layers.
        layers = 6 if SETTINGS.emulator else 60
        self.list = self.write("net.csv", layer_list([f"layer{i},64,512,512" for i in range(layers)]))

    def test_is_shown_on_a_terminal_and_wiped_off(self):
        code, text = self.at_terminal("run", self.list, stream="stderr")
        self.assertEqual(code, 0)
        self.assertRegex(text, r"running +\d+ %  layer\d+  \d+ s left")
        self.assertTrue(text.endswith(f"\r{ESCAPE}[K"))
        self.assertNotIn("\n", text)

    def test_is_for_terminals(self):
        self.succeed("run", self.list)


if __name__ == "__main__":
    main()
