#!/usr/bin/env python3
"""Messages that name an option: all of them are collected from the sources, and each that recommends one is tried, without the option and with it."""

import ast
import json
import pathlib
import re
import unittest

from model_files import layer_list, normal_tensor, safetensors, tensor
from octile_test import OctileTest, main

ROOT = pathlib.Path(__file__).parents[2]
READERS = ["families", "inputs", "packed", "quantize", "session", "planner", "calibration", "tuner", "cli"]

# Parts of messages that recommend an option -> the test that tries it, of this file or of the one that is named.
TRIED = {
    "(--skip leaves it out)": "test_skip",
    "(--skip leaves the layer out)": "test_skip",
    "--transposed says so": "test_transposed",
    "--force .=fp16 does not": "test_force_makes_floats_of_int8_weights",
    "(--force {}=int8)": "test_force_of_weights_beyond_f16",
    "(--ignore-key {": "test_ignore_key",
    "(--dim NAME=N says otherwise)": "test_dim",
    "is open{}{}: expected --tokens N": "test_tokens",
    "expected --tokens N: ": "test_tokens",
    "--tokens N says how many rows there are": "test_tokens",
    "A --min-ratio": "test_explanations_flip_decisions",
    "  --force fp16.": "test_explanations_flip_decisions",
    "Another --force, or none": "test_explanations_flip_decisions",
    "No --skip that matches it": "test_explanations_flip_decisions",
    "--core gives times": "test_core",
    "plan with <code>--core</code>": "test_core",
    "--db: expected --core NAME beside it": "tune_test.py test_planner_reads_the_same_database",
    "or say --accept-stale": "tune_test.py test_other_kernels_are_refused_loudly",
    "found GGUF (--from gguf)": "gguf_test.py test_a_folder_and_another_name",
    "--resume goes on": "tune_test.py test_ctrl_c_prints_the_best_so_far",
}
# Those that say what an option is, or did, and recommend none.
FACTS = [
    "{}: --strict: layer", "{}: --strict: tensor", "assumed: {} {} --tokens", "assumed: the rows of {} are --tokens", "m: --tokens, for its shape is unknown",
    "--tokens has no effect", "left by --force", "a --force pattern matches it", "the --skip pattern matches it",
    ": expected --dim with ONNX only", ": expected --skip with weights only", ": expected --transposed with weights only",
    "as `octile plan --format json` writes it", "(see {} --help)", "beside --calibration, found a path", "--policy accuracy", "--batch=",
    "INT4 by --force: what that costs", "--isa: expected a level, or --core NAME", "--bundle: expected one --family",
]
# What runs the command in tests.
COMMANDS = {"octile", "succeed", "json", "tune", "start", "fail_with"}
LITERAL = re.compile(r'"((?:[^"\\]|\\.)*)"')
# What --help prints of options, usage lines, and scripts that are written out.
DESCRIBED = ["With --", "PATH: as --", "than --core has count", "time on --core", "measured on --core", "of --core", "plan --core FILE.json",
             "no --dim says", "wins over --force", "Stored plan (--format json)", "usage: ", "octile_measure", "sh(#!/bin/sh", "results.jsonl"]


def messages() -> dict[str, str]:
    """Texts of the sources in which an option is named, and where each is."""
    found = {}
    for folder in READERS:
        for source in (ROOT / folder).rglob("*.cpp"):
            text = re.sub(r'"\s*\n\s*"', "", re.sub(r"//[^\n]*", "", source.read_text()))
            for match in LITERAL.finditer(text):
                words = match[1]
                if re.search(r"(add_option|add_flag)\(\s*$", text[:match.start()]) or re.fullmatch(r"(-\w,)?--[a-z-]+", words):
                    continue
                # "--option: expected ..." is about that option.
                if any(not words.startswith(f"{option}: ") for option in re.findall(r"(?<![\w-])--[a-z][a-z-]+", words)):
                    found[words] = str(source.relative_to(ROOT))
    return {words: where for words, where in found.items() if not any(part in words for part in DESCRIBED)}


def weights(**more) -> bytes:
    return safetensors({"embed_tokens.weight": normal_tensor("F32", [50, 8], "table"), "fc.weight": normal_tensor("F32", [8, 8], "fc"),
                        "lm_head.weight": normal_tensor("F32", [50, 8], "head")} | more)


def field(number: int, value) -> bytes:
    """Of a protocol buffer: an integer, or what has a length."""
    def varint(n: int) -> bytes:
        return bytes([n]) if n < 128 else bytes([n & 127 | 128]) + varint(n >> 7)
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    content = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(content)) + content


def onnx_of_one_product(first: str, second: str) -> bytes:
    """x [first, second, 4] times w [4, 8]."""
    def value(name: str, *extents) -> bytes:
        shape = b"".join(field(1, field(2, one) if isinstance(one, str) else field(1, one)) for one in extents)
        return field(1, name) + field(2, field(1, field(1, 1) + field(2, shape)))
    node = field(1, "x") + field(1, "w") + field(2, "y") + field(3, "product") + field(4, "MatMul")
    tensor_w = field(1, 4) + field(1, 8) + field(2, 1) + field(8, "w") + field(9, bytes(4 * 8 * 4))
    graph = field(1, node) + field(2, "g") + field(5, tensor_w) + field(11, value("x", first, second, 4)) + field(12, value("y", first, second, 8))
    return field(1, 8) + field(7, graph) + field(8, field(1, "") + field(2, 17))


BERT = {"model_type": "bert", "architectures": ["BertModel"], "vocab_size": 50, "hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 1,
        "num_attention_heads": 2, "max_position_embeddings": 16, "type_vocab_size": 2, "hidden_act": "gelu", "layer_norm_eps": 1e-12}

MIXTRAL = {"model_type": "mixtral", "architectures": ["MixtralForCausalLM"], "vocab_size": 50, "hidden_size": 16, "intermediate_size": 24,
           "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1, "num_local_experts": 4, "num_experts_per_tok": 2}


class Advice(OctileTest):
    def test_every_message_that_names_an_option_is_tried(self):
        here = {name for name in dir(self) if name.startswith("test_")}
        said = messages()
        self.assertGreater(len(said), 30)
        for words, where in said.items():
            with self.subTest(where=where, words=words):
                part = next((one for one in [*TRIED, *FACTS] if one in words), None)
                self.assertIsNotNone(part, "a message that names an option, which nothing here tries")
                test = TRIED.get(part)
                if test and " " in test:
                    self.check_tried_elsewhere(*test.split(" "), re.search(r"--[a-z-]+", part)[0])
                elif test:
                    self.assertIn(test, here)
        for part in [*TRIED, *FACTS]:
            self.assertTrue(any(part in words for words in said), f"no message has {part!r}")

    def check_tried_elsewhere(self, file: str, test: str, option: str):
        """The test hands the option to a command."""
        tree = ast.parse((ROOT / "tests" / "cli" / file).read_text())
        body = next((node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == test), None)
        self.assertIsNotNone(body, f"{file} has no {test}")
        handed = [word.value for call in ast.walk(body) if isinstance(call, ast.Call) and getattr(call.func, "attr", "") in COMMANDS
                  for word in ast.walk(call) if isinstance(word, ast.Constant)]
        self.assertIn(option, handed)

    def commands(self, file: str) -> list:
        return [["plan", file, "--tokens", "2"], ["run", file, "--tokens", "2"], ["quantize", file, "-o", "x.octile"]]

    def helps(self, file: str, option: str, *arguments) -> None:
        for command in self.commands(file):
            self.fail_with(1, [option], *command)
            answer = self.octile(*command, *arguments)
            self.assertEqual((answer.code, answer.err), (0, ""))

    def test_skip(self):
        self.helps(self.write("odd.safetensors", weights(**{"odd.weight": ("I64", [2, 2], bytes(32))})), "--skip", "--skip", "odd")
        self.helps(self.write("bias.safetensors", weights(**{"odd.weight": normal_tensor("F32", [2, 2], "o"), "odd.bias": ("I32", [2], bytes(8))})),
                   "--skip", "--skip", "odd")
        scaled = safetensors({"fc.weight": normal_tensor("F32", [8, 8], "fc"), "a._weight_qdata": ("I8", [2, 4], bytes(8)),
                              "a._weight_scale": tensor("F32", [2], [1, 1]), "a._weight_act_pre_scale": tensor("F32", [4], [1, 1, 1, 1])})
        self.helps(self.write("pre.safetensors", scaled), "--skip", "--skip", "^a$")

    def test_transposed(self):
        lying = safetensors({"c.weight": normal_tensor("F32", [4, 12], "c"), "c.bias": normal_tensor("F32", [12], "b")})
        self.helps(self.write("conv.safetensors", lying), "--transposed", "--transposed", "c")

    def test_force_makes_floats_of_int8_weights(self):
        config = {"quantization_config": {"config_groups": {"g": {"targets": ["Linear"], "weights": {"num_bits": 8}, "input_activations": None}}}}
        self.write("config.json", json.dumps(config))
        self.write("net.safetensors", safetensors({"fc.weight": ("I8", [3, 4], bytes(range(12))), "fc.weight_scale": tensor("F32", [3, 1], [1, 1, 1])}))
        self.assertIn("--force .=fp16", self.octile("plan", "net.safetensors", "--tokens", "2").err)
        self.assertIn("1 linear: 0 INT8, 1 FP16", self.octile("plan", "net.safetensors", "--tokens", "2", "--force", ".=fp16").out)

    def test_force_of_weights_beyond_f16(self):
        self.write("net.safetensors", safetensors({"fc.weight": tensor("F32", [2, 4], [70000, 1, 1, 1, 1, 1, 1, 1])}))
        command = ["quantize", "net.safetensors", "-o", "x.octile", "--force", "fc=fp16"]
        self.fail_with(1, ["(--force fc=int8)"], *command)
        self.succeed(*command[:-2], "--force", "fc=int8")

    def test_ignore_key(self):
        self.write("config.json", json.dumps(BERT | {"warp": 3}))
        self.assertIn("(--ignore-key warp)", self.octile("plan", "config.json", "--tokens", "2").err)
        self.succeed("plan", "config.json", "--tokens", "2", "--ignore-key", "warp")
        file = self.write("model.safetensors", weights())
        self.assertIn("(--ignore-key warp)", self.octile("quantize", file, "-o", "x.octile").err)
        self.assertNotIn("warp", self.octile("quantize", file, "-o", "x.octile", "--ignore-key", "warp").err)

    def test_strict_refuses_what_is_assumed(self):
        names = {}
        for name, shape in {"attention.self.query": [8, 8], "attention.self.key": [8, 8], "attention.self.value": [8, 8],
                            "attention.output.dense": [8, 8], "intermediate.dense": [16, 8], "output.dense": [8, 16]}.items():
            names[f"encoder.layer.0.{name}.weight"] = normal_tensor("F32", shape, name)
        for name in ["attention.output.LayerNorm", "output.LayerNorm"]:
            names[f"encoder.layer.0.{name}.weight"] = normal_tensor("F32", [8], name)
        self.write("net.safetensors", safetensors(names))
        self.assertIn("bert by its names", self.succeed("plan", "net.safetensors", "--tokens", "2"))
        self.fail_with(1, ["net.safetensors: --strict: layer", "assumed: bert by its names"], "plan", "net.safetensors", "--tokens", "2", "--strict")
        # A linear is one by its shape, and a table by its name, unless a network says so.
        linear = ["plan", self.write("linear.safetensors", safetensors({"fc.weight": normal_tensor("F32", [8, 8], "fc")})), "--tokens", "2"]
        self.assertIn("assumed: a linear by its shape", self.succeed(*linear))
        self.fail_with(1, ['linear.safetensors: --strict: layer "', "assumed: a linear by its shape"], *linear, "--strict")
        table = ["plan", self.write("table.safetensors", weights(**{"embed_tokens.weight": normal_tensor("F32", [9, 4], "t")})), "--tokens", "2"]
        self.fail_with(1, ['table.safetensors: --strict: tensor "embed_tokens.weight": assumed: a table'], *table, "--strict")
        self.assertEqual(json.loads(self.succeed(*table, "--format", "json"))["left_out"][0]["assumed"], True)
        self.write("config.json", json.dumps(MIXTRAL))
        said = ["plan", "config.json", "--tokens", "8"]
        self.assertIn("assumed: M: 2 of 4 experts", self.succeed(*said))
        self.fail_with(1, ["config.json: --strict: layer", "assumed: M: 2 of 4 experts"], *said, "--strict")
        self.write("config.json", json.dumps(BERT))
        self.succeed(*said, "--strict")

    def onnx(self, *extents) -> str:
        file = self.write("net.onnx", onnx_of_one_product(*extents))
        if "this build reads no ONNX" in self.octile("plan", file, "--tokens", "2").err:
            self.skipTest("built without ONNX")
        return file

    def rows(self, *arguments) -> list:
        return [layer["m"] for layer in json.loads(self.octile("plan", *arguments, "--format", "json").out)["layers"]]

    def test_dim(self):
        file = self.onnx("batch", "length")
        self.assertIn("(--dim NAME=N says otherwise)", self.octile("plan", file, "--tokens", "5").err)
        self.assertEqual(self.rows(file, "--tokens", "5"), [5])
        self.assertEqual(self.rows(file, "--tokens", "5", "--dim", "batch=3"), [15])
        self.assertEqual(self.rows(file, "--dim", "batch=3", "--dim", "length=7"), [21])
        self.assertNotIn("otherwise", self.octile("plan", file, "--tokens", "5", "--dim", "batch=3").err)

    def test_tokens(self):
        self.write("net.safetensors", weights())
        self.write("config.json", json.dumps(BERT))
        for file in ["net.safetensors", "config.json", self.onnx("batch", "length")]:
            self.fail_with(2, ["expected --tokens N"], "plan", file)
            self.assertEqual(self.octile("plan", file, "--tokens", "2").code, 0)

    def decision(self, *arguments) -> tuple:
        layer = json.loads(self.octile("plan", "list.csv", "--format", "json", *arguments).out)["layers"][0]
        return layer["precision"], layer["reason"]

    def test_explanations_flip_decisions(self):
        self.write("list.csv", layer_list(["fc,8,512,2048"]))
        explain = lambda *arguments: self.succeed("plan", "list.csv", "--explain", "fc", *arguments)
        above = re.search(r"A --min-ratio above ([0-9.]+)", explain())[1].rstrip(".")
        self.assertEqual(self.decision()[0], "int8")
        self.assertEqual(self.decision("--min-ratio", str(float(above) + 1))[0], "fp16")
        most = re.search(r"A --min-ratio of at most ([0-9.]+)", explain("--min-ratio", "1000"))[1].rstrip(".")
        self.assertEqual(self.decision("--min-ratio", most)[0], "int8")
        int8 = safetensors({"fc.weight": ("I8", [3, 4], bytes(range(12))), "fc.weight_scale": tensor("F32", [3, 1], [1, 1, 1])})
        stored = ["plan", self.write("net.safetensors", int8), "--tokens", "2"]
        self.assertIn("--force fp16", self.succeed(*stored, "--explain", "fc"))
        self.assertIn("1 linear: 0 INT8, 1 FP16", self.succeed(*stored, "--force", "fc=fp16"))
        self.assertEqual(self.decision("--force", "fc=fp16")[0], "fp16")
        self.assertIn("Another --force, or none", explain("--force", "fc=fp16"))
        self.assertIn("No --skip that matches it", explain("--skip", "fc"))
        self.assertEqual(self.decision("--skip", "fc")[0], "fp16")

    def test_core(self):
        self.write("list.csv", layer_list(["fc,8,512,2048"]))
        page = lambda *arguments: self.octile("plan", "list.csv", "--format", "html", *arguments).out
        self.assertIn("plan with <code>--core</code>", page())
        self.assertNotIn("plan with <code>--core</code>", page("--core", "neoverse-n1"))


if __name__ == "__main__":
    main()
