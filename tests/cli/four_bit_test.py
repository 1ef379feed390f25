#!/usr/bin/env python3
"""Checkpoints that came in four bits, as every command meets them: the network of the weights that they stand for."""

import json

import numpy as np
from four_bit_files import Levels, awq, floats, gptq, pack_quantized
from model_files import safetensors
from octile_test import OctileTest, main
from packed_files import PackedFile

HIDDEN, FFN, HEADS, VOCABULARY, BLOCKS = 256, 384, 4, 48, 2
CONFIG = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": HIDDEN, "intermediate_size": FFN, "num_hidden_layers": BLOCKS,
          "num_attention_heads": HEADS, "num_key_value_heads": HEADS, "vocab_size": VOCABULARY, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
          "max_position_embeddings": 256}
LINEARS = [(f"self_attn.{name}_proj", HIDDEN, HIDDEN) for name in "qkvo"] + [
    ("mlp.gate_proj", FFN, HIDDEN), ("mlp.up_proj", FFN, HIDDEN), ("mlp.down_proj", HIDDEN, FFN)]
NORMS = ["input_layernorm", "post_attention_layernorm"]

GPTQ = {"quant_method": "gptq", "bits": 4, "group_size": 32, "checkpoint_format": "gptq"}
AWQ = {"quant_method": "awq", "bits": 4, "group_size": 64, "version": "gemm"}


def compressed(symmetric: bool) -> dict:
    return {"quant_method": "compressed-tensors", "format": "pack-quantized", "ignore": ["lm_head"],
            "config_groups": {"group_0": {"targets": ["Linear"], "weights": {"num_bits": 4, "symmetric": symmetric}, "input_activations": None}}}


# name: how its linears are stored, its configuration, the form that reports name, k of a scale
FORMS = {
    "gptq": (lambda w: gptq_of(w, 32, False), GPTQ, "GPTQ of 4 bits, groups of 32 in an order of their own"),
    "gptq_v2": (lambda w: gptq_of(w, 128, False, True), GPTQ | {"checkpoint_format": "gptq_v2"}, "GPTQ of 4 bits, groups of 128 in an order of their own"),
    "awq": (lambda w: (lambda levels: (awq(levels), levels.weights()))(Levels(w, 64, False)), AWQ, "AWQ of 4 bits, groups of 64"),
    "symmetric": (lambda w: packed_of(w, 128, True), compressed(True), "pack-quantized of 4 bits, groups of 128"),
    "zeros": (lambda w: packed_of(w, 32, False), compressed(False), "pack-quantized of 4 bits, groups of 32"),
    "channels": (lambda w: packed_of(w, w.shape[1], True), compressed(True), "pack-quantized of 4 bits, by channel"),
}


def gptq_of(weights: np.ndarray, group: int, symmetric: bool, v2: bool = False) -> tuple:
    k = weights.shape[1]
    levels = Levels(weights, group, symmetric, np.arange(k) * 7 % k // group)
    return gptq(levels, v2), levels.weights()


def packed_of(weights: np.ndarray, group: int, symmetric: bool) -> tuple:
    levels = Levels(weights, group, symmetric)
    return pack_quantized(levels, symmetric), levels.weights()


def network(store) -> tuple:
    """The checkpoint's tensors in this form, and in floats."""
    random = np.random.default_rng(16)
    packed = {"model.embed_tokens.weight": floats(random.normal(size=(VOCABULARY, HIDDEN)), "F32"), "model.norm.weight": floats(np.ones(HIDDEN), "F32"),
              "lm_head.weight": floats(random.normal(size=(VOCABULARY, HIDDEN), scale=0.1), "F32")}
    for block in range(BLOCKS):
        for name in NORMS:
            packed[f"model.layers.{block}.{name}.weight"] = floats(1 + random.normal(size=HIDDEN) / 16, "F32")
    plain = dict(packed)
    for block in range(BLOCKS):
        for name, n, k in LINEARS:
            parts, weights = store(random.normal(size=(n, k), scale=0.05))
            module = f"model.layers.{block}.{name}"
            packed |= {module + ending: part for ending, part in parts.items()}
            plain[f"{module}.weight"] = floats(weights, "F32")
    return packed, plain


def weights_of(tensor: tuple) -> np.ndarray:
    return np.frombuffer(tensor[2], "<f4").reshape(tensor[1])


class FourBit(OctileTest):
    def write_both(self, form: str) -> dict:
        """Folders `packed` and `plain`; the tensors of the second."""
        store, quantization, _ = FORMS[form]
        packed, plain = network(store)
        for name, tensors, config in (("packed", packed, CONFIG | {"quantization_config": quantization}), ("plain", plain, CONFIG)):
            (self.folder / name).mkdir(exist_ok=True)
            self.write(f"{name}/config.json", json.dumps(config))
            self.write(f"{name}/model.safetensors", safetensors(tensors))
        return plain

    def noted(self, *arguments) -> dict:
        answer = self.octile(*arguments, "--format", "json")
        self.assertEqual(answer.code, 0, answer.err)
        self.assertRegex(answer.err, r"\A(octile: note: [^\n]+\n)*\Z")
        return json.loads(answer.out)

    def test_the_plan_is_that_of_the_network(self):
        for form, (_, _, text) in FORMS.items():
            with self.subTest(form):
                self.write_both(form)
                answer = self.octile("plan", "packed", "--tokens", "7", "--format", "json")
                plan, plain = json.loads(answer.out), self.json("plan", "plain", "--tokens", "7", "--force", "proj=int8")
                self.assertEqual([(layer["name"], layer["m"], layer["k"], layer["n"]) for layer in plan["layers"]],
                                 [(layer["name"], layer["m"], layer["k"], layer["n"]) for layer in plain["layers"]])
                for layer, other in zip(plan["layers"], plain["layers"]):
                    if "proj" in layer["name"]:
                        self.assertEqual((layer["precision"], layer["reason"]), ("int8", "PREQUANTIZED"))
                        self.assertEqual({key: layer.get(key) for key in ("panel", "panel_from", "gate", "bias")},
                                         {key: other.get(key) for key in ("panel", "panel_from", "gate", "bias")})
                self.assertIn(f"octile: note: packed/model.safetensors: linears come quantized (14 of {text}), and are packed from", answer.err)
                self.assertIn("were made for inputs in floats", answer.err)
                self.assertEqual(plan["parameters"], plain["parameters"])
                self.assertEqual([left["tensor"] for left in plan["left_out"]], [left["tensor"] for left in plain["left_out"]])

    def test_the_packed_file_is_that_of_the_network(self):
        for form, (_, _, text) in FORMS.items():
            with self.subTest(form):
                plain = self.write_both(form)
                report = self.noted("quantize", "packed", "-o", "a.octile", "--force", "lm_head=int8", "--isa", "all")
                self.noted("quantize", "plain", "-o", "b.octile", "--force", ".=int8", "--isa", "all")
                a, b = PackedFile(self.folder / "a.octile"), PackedFile(self.folder / "b.octile")
                self.assertEqual(set(a.linears), set(b.linears))
                self.assertEqual(a.directory["graph"].replace("packed", "plain"), b.directory["graph"])
                self.assertEqual(set(a.tensors), set(b.tensors))
                errors = {entry["name"]: entry for entry in report["requantized"]}
                self.assertEqual(len(errors), BLOCKS * len(LINEARS))
                for name in a.linears:
                    mine, other = a.linears[name], b.linears[name]
                    self.assertEqual({key: mine[key] for key in ("precision", "k", "n", "gated", "activation")},
                                     {key: other[key] for key in ("precision", "k", "n", "gated", "activation")})
                    if form == "channels" and name in errors:
                        # The levels of the file, which are no more than 4 bits.
                        self.assertIsNone(errors[name]["sqnr_db"])
                        for matrix, scales in zip(a.rows(name, mine["panels"][0]), a.channels(name, "column_scale", "f")):
                            self.assertLessEqual(np.abs(matrix).max(), 8)
                            worth = np.asarray(matrix, np.float32) * np.asarray(scales, np.float32)[:, None]
                            names = [name, name.replace("up_proj", "gate_proj")]
                            self.assertTrue(any(np.array_equal(worth, weights_of(plain[f"{which}.weight"])) for which in names), name)
                        continue
                    for first, second in zip(mine["panels"], other["panels"]):
                        self.assertEqual(a.section(first["section"]), b.section(second["section"]), name)
                    for key in ("bias", "column_scale", "column_sum"):
                        self.assertEqual(a.section(mine[key]), b.section(other[key]), name)
                for name, error in errors.items():
                    self.assertEqual((error["stored"], error["precision"]), (text, "int8"))
                    if form == "channels":
                        continue
                    weights = weights_of(plain[f"{name}.weight"])
                    scale = (np.abs(weights).max(1, keepdims=True) / np.float32(127)).astype(np.float32)
                    kept = (scale * np.rint(weights / scale)).astype(float)
                    expected = 10 * np.log10((weights.astype(float) ** 2).sum() / ((kept - weights) ** 2).sum())
                    self.assertAlmostEqual(error["sqnr_db"], expected, delta=1e-3)
                self.succeed("run", "a.octile", "--tokens", "3", "--verify")
                self.assertIn("INT8", self.octile("inspect", "a.octile").out.upper())

    def test_run_and_the_other_precisions(self):
        for form in ("gptq", "awq", "channels"):
            self.write_both(form)
            for force in ("int8", "int4", "fp16"):
                with self.subTest(f"{form}, {force}"):
                    run = self.noted("run", "packed", "--tokens", "3", "--verify", "--force", f"proj={force}")
                    forced = [layer for layer in run["layers"] if "proj" in layer["name"]]
                    self.assertTrue(forced and all(layer["precision"] == force for layer in forced))
                    report = self.noted("quantize", "packed", "-o", "net.octile", "--force", f"proj={force}")
                    self.assertEqual({entry["precision"] for entry in report["requantized"]}, {force})
                    self.succeed("run", "net.octile", "--tokens", "3", "--verify")

    def test_a_static_input_is_taken(self):
        packed, _ = network(FORMS["symmetric"][0])
        name = "model.layers.0.mlp.down_proj"
        packed[f"{name}.input_scale"] = floats(np.asarray([0.03]), "F32")
        self.write("net.safetensors", safetensors(packed))
        self.noted("quantize", "net.safetensors", "-o", "net.octile")
        entry = PackedFile(self.folder / "net.octile").linears[name]
        self.assertEqual((entry["input_scaling"], np.float32(entry["input_scale"])), ("static", np.float32(0.03)))
        for file in ("net.safetensors", "net.octile"):
            self.assertEqual(self.octile("run", file, "--tokens", "3", "--verify").code, 0)

    def test_what_is_wrong_is_one_line(self):
        packed, _ = network(FORMS["gptq"][0])
        module = "model.layers.1.mlp.up_proj"
        for ending, tensor, words in [
            (".qzeros", None, [f'expected "{module}.qzeros" beside it']),
            (".g_idx", ("I32", [HIDDEN], np.full(HIDDEN, 99, "<i4").tobytes()), ["element 0", "found 99"]),
            (".scales", floats(np.full((HIDDEN // 32, FFN), np.nan)), ["finite scales", "nan"]),
            (".scales", floats(np.ones((HIDDEN // 32, FFN // 2))), [f"[{HIDDEN // 32}, {FFN}]"]),
        ]:
            with self.subTest(words=words):
                tensors = {name: content for name, content in packed.items() if name != module + ending}
                if tensor:
                    tensors[module + ending] = tensor
                self.write("net.safetensors", safetensors(tensors))
                for arguments in (["plan", "net.safetensors", "--tokens", "2"], ["run", "net.safetensors", "--tokens", "2"],
                                  ["quantize", "net.safetensors", "-o", "out.octile"]):
                    self.fail_with(1, ["net.safetensors: tensor ", module, *words], *arguments)
                    self.assertEqual(self.octile(*arguments, "--skip", "1.mlp.up_proj").code, 0)


if __name__ == "__main__":
    main()
