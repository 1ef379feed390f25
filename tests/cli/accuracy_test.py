#!/usr/bin/env python3
"""Tests of `octile plan --policy accuracy`."""

import struct
import zipfile

from model_files import normal, normal_tensor, safetensors, tensor
from octile_test import SETTINGS, OctileTest, main

HIDDEN, OUTLIER = 64, 7
BLOCK = "model.layers.0."


def network() -> bytes:
    """A llama-like block whose first norm has an outlier channel."""
    gamma = [1.0] * HIDDEN
    tensors = {BLOCK + "post_attention_layernorm.weight": tensor("F32", [HIDDEN], gamma)}
    gamma = gamma[:OUTLIER] + [300.0] + gamma[OUTLIER + 1:]
    tensors[BLOCK + "input_layernorm.weight"] = tensor("F32", [HIDDEN], gamma)
    for name, n, k in [("self_attn.q_proj", HIDDEN, HIDDEN), ("self_attn.k_proj", HIDDEN, HIDDEN), ("self_attn.v_proj", HIDDEN, HIDDEN),
                       ("self_attn.o_proj", HIDDEN, HIDDEN), ("mlp.gate_proj", 128, HIDDEN), ("mlp.up_proj", 128, HIDDEN), ("mlp.down_proj", HIDDEN, 128)]:
        tensors[f"{BLOCK}{name}.weight"] = normal_tensor("F16", [n, k], name, 0.1)
    return safetensors(tensors)


def npy(shape: tuple, values: list) -> bytes:
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(header)) + header.encode() + struct.pack(f"<{len(values)}f", *values)


class Accuracy(OctileTest):
    def setUp(self):
        super().setUp()
        self.file = self.write("net.safetensors", network())

    def plan(self, *arguments) -> dict:
        return self.json("plan", self.file, "--tokens", "32", "--policy", "accuracy", *arguments)

    def linears(self, *arguments) -> dict:
        return {layer["name"].removeprefix(BLOCK): layer for layer in self.plan(*arguments)["layers"] if layer["op"] == "linear"}

    def test_table_names_outliers_and_shows_the_frontier(self):
        text = self.succeed("plan", self.file, "--tokens", "32", "--policy", "accuracy", "--min-sqnr", "35")
        for word in ("SQNR dB", "smoothed dB", "alpha", "cosine", "outlier channels", f"{OUTLIER} (", "<- chosen", "budget 35.0 dB", "64 synthetic rows"):
            self.assertIn(word, text)
        self.assertIn("| layer |", self.succeed("plan", self.file, "--tokens", "32", "--policy", "accuracy", "--format", "md"))

    def test_smoothquant(self):
        off, auto, fixed = (self.linears("--smooth-quant", how) for how in ("off", "auto", "0.5"))
        for name in ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"):
            self.assertGreater(auto[name]["error"]["sqnr_db"], off[name]["error"]["sqnr_db"] + 3)
            self.assertEqual(fixed[name]["error"]["smoothquant_alpha"], 0.5)
        self.assertEqual(auto["self_attn.o_proj"]["error"]["sqnr_db"], off["self_attn.o_proj"]["error"]["sqnr_db"])

    def test_a_larger_budget_never_saves_less(self):
        """INT8 linears weighed by M*K*N, which is what time saved is taken for without a core."""
        last = -1
        for budget in ("100", "40", "38", "36", "34", "32", "30", "20", "0"):
            layers = self.linears("--min-sqnr", budget)
            saved = sum(layer["k"] * layer["n"] for layer in layers.values() if layer["precision"] == "int8")
            self.assertGreaterEqual(saved, last)
            last = saved
            for layer in layers.values():
                self.assertEqual(layer["reason"], "WITHIN_BUDGET" if layer["precision"] == "int8" else "ACCURACY_BUDGET")
        self.assertEqual({layer["precision"] for layer in layers.values()}, {"int8"})
        self.assertEqual({layer["precision"] for layer in self.linears("--max-error", "0").values()}, {"fp16"})

    def test_frontier_with_a_core_and_round_trip(self):
        frontier = self.plan("--core", "neoverse-n1")["frontier"]
        self.assertGreater(len(frontier), 1)
        for before, after in zip(frontier, frontier[1:]):
            self.assertGreater(after["saved_us"], before["saved_us"])
            self.assertLess(after["sqnr_db"], before["sqnr_db"])
        arguments = ["plan", self.file, "--tokens", "32", "--policy", "accuracy", "--core", "neoverse-n1"]
        self.write("old.json", self.succeed(*arguments, "--format", "json"))
        self.assertEqual(self.octile(*arguments, "--compare", "old.json", "--fail-on-change").code, 0)

    def test_forces_go_before_the_budget(self):
        layers = self.linears("--min-sqnr", "20", "--force", "q_proj=int8", "--skip", "down")
        self.assertEqual((layers["self_attn.q_proj"]["precision"], layers["self_attn.q_proj"]["reason"]), ("int8", "FORCED"))
        answer = self.octile("plan", self.file, "--tokens", "32", "--policy", "accuracy", "--max-error", "0", "--force", "q_proj=int8")
        self.assertIn("beyond the budget", answer.err)
        answer = self.octile("plan", self.file, "--tokens", "32", "--policy", "accuracy", "--force", "q_proj=int4")
        self.assertIn("1 linear is INT4 by --force: what that costs in accuracy is not measured", answer.err)
        self.assertEqual(self.linears("--min-sqnr", "0", "--skip", "down")["mlp.down_proj"]["reason"], "SKIPPED")

    def test_all_policies_side_by_side(self):
        arguments = ["--tokens", "32", "--policy", "all", "--core", "neoverse-n1"]
        plans = self.json("plan", self.file, *arguments)
        self.assertEqual([plan["policy"] for plan in plans], ["ratio", "cost", "accuracy"])
        self.write("net.csv", "name,m,k,n\nfc,1,2,3\n")
        self.assertEqual([plan["policy"] for plan in self.json("plan", "net.csv", *arguments)], ["ratio", "cost"])

    def test_calibration(self):
        rows = normal(10 * HIDDEN, "x")
        for row in range(10):
            rows[row * HIDDEN + 20] = 500.0
        array = npy((2, 5, HIDDEN), rows)
        (self.folder / "data").mkdir()
        (self.folder / "data" / f"{BLOCK}self_attn.k_proj.npy").write_bytes(array)
        sources = ["data"]
        for name, method in [("stored.npz", zipfile.ZIP_STORED)] + [("deflated.npz", zipfile.ZIP_DEFLATED)] * (not SETTINGS.emulator):
            with zipfile.ZipFile(self.folder / name, "w", method) as archive:
                archive.writestr(f"{BLOCK}self_attn.k_proj.npy", array)
                archive.writestr("stranger.npy", array)
            sources.append(name)
        texts = []
        for source in sources:
            answer = self.octile("plan", self.file, "--tokens", "32", "--policy", "accuracy", "--calibration", source)
            self.assertEqual(answer.code, 0, answer.err)
            self.assertIn("3 linears on calibration data, 4 on synthetic rows", answer.out)
            self.assertIn("20 (", answer.out)
            self.assertEqual("stranger" in answer.err, source.endswith(".npz"))
            texts.append(answer.out)
        self.assertEqual(len(set(texts)), 1)

    def test_wrong(self):
        plan = ["plan", self.file, "--tokens", "32", "--policy", "accuracy"]
        for arguments, words in [(["--min-sqnr", "nan"], ["--min-sqnr: expected decibels"]), (["--max-error", "-1"], ["--max-error: expected a finite number >= 0"]),
                                 (["--max-error", "1", "--min-sqnr", "3"], ["--max-error", "--min-sqnr"]), (["--smooth-quant", "2"], ["--smooth-quant: expected auto"]),
                                 (["--smooth-quant", "on"], ["--smooth-quant: expected auto", '"on"']), (["--calibration-rows", "0"], ["--calibration-rows"])]:
            with self.subTest(arguments=arguments):
                self.fail_with(2, words, *plan, *arguments)
        self.write("net.csv", "name,m,k,n\nfc,1,2,3\n")
        self.fail_with(2, ["--policy accuracy: expected weights (safetensors or GGUF), found net.csv"], "plan", "net.csv", "--policy", "accuracy")
        self.fail_with(2, ["--policy: expected one policy to run"], "run", self.file, "--tokens", "32", "--policy", "all")
        (self.folder / "data").mkdir()
        self.fail_with(1, ["data: expected a folder of .npy files"], *plan, "--calibration", "data")
        self.fail_with(1, ["none.npz: No such file"], *plan, "--calibration", "none.npz")
        self.write("bad.npz", b"nonsense")
        self.fail_with(1, ["bad.npz: expected an .npz archive"], *plan, "--calibration", "bad.npz")
        for content, words in [(npy((10, 3), [0.0] * 30), ["shape: expected rows of 64 features, found 3"]), (b"x", ["expected a .npy array"]),
                               (npy((1, HIDDEN), [float("nan")] * HIDDEN), ["row 0: expected numbers"])]:
            self.write(f"data/{BLOCK}mlp.up_proj.npy", content)
            self.fail_with(1, words, *plan, "--calibration", "data")


if __name__ == "__main__":
    main()
