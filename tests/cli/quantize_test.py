#!/usr/bin/env python3
"""Tests of `octile quantize`, `octile inspect`, and of packed files under `octile run` and `octile plan`."""

import itertools
import json
import math
import os
import resource
import signal
import struct
import subprocess
import time

from accuracy_test import BLOCK, HIDDEN
from accuracy_test import network as llama
from model_files import encode, normal, normal_tensor, safetensors, tensor
from octile_test import ESCAPE, SETTINGS, OctileTest, command, environment, main
from packed_files import PackedFile, quantized

LEVELS = ["avx2", "avxvnni", "avx512vnni", "neon", "fp16", "dotprod", "i8mm", "sve256"]
N, K = 53, 61


def decoded(dtype: str, content: bytes) -> list:
    if dtype == "BF16":
        return [struct.unpack("<f", b"\0\0" + content[at:at + 2])[0] for at in range(0, len(content), 2)]
    code, size = {"F32": ("f", 4), "F16": ("e", 2)}[dtype]
    return list(struct.unpack(f"<{len(content) // size}{code}", content))


def small(dtype: str = "F32") -> dict:
    """An embedding, two linears and what goes with them, and tensors that are none of it."""
    return {
        "embeddings.word_embeddings.weight": normal_tensor(dtype, [7, K], "words"),
        "embeddings.position_ids": ("I64", [1, 3], struct.pack("<3q", 0, 1, 2)),
        "a.weight": normal_tensor(dtype, [N, K], "a"),
        "a.bias": normal_tensor(dtype, [N], "a.bias"),
        "b.weight": normal_tensor(dtype, [K, N], "b"),
        "norm.weight": tensor("F32", [K], [1.0] * K),
    }


class PackedTest(OctileTest):
    def quantize(self, model: str, *arguments, output: str = "net.octile", **options) -> dict:
        return self.json("quantize", model, "-o", output, *arguments, **options)

    def packed(self, name: str = "net.octile") -> PackedFile:
        return PackedFile(self.folder / name)

    def files(self) -> set:
        return {path.name for path in self.folder.iterdir()}

    def verify(self, name: str = "net.octile", **options) -> dict:
        """Every checksum and every linear."""
        report = json.loads(self.succeed("inspect", name, "--json", **options))
        for entry in report["linears"] + report["tensors"]:
            self.assertIs(entry["verified"], True)
        return report


class Content(PackedTest):
    def test_numbers_are_those_of_the_checkpoint(self):
        for dtype in ("F32", "F16", "BF16"):
            with self.subTest(dtype=dtype):
                tensors = small(dtype)
                self.quantize(self.write("net.safetensors", safetensors(tensors)), "--force", "a=int8", "--force", "b=fp16", "--isa", "all")
                packed = self.packed()
                self.assertEqual(set(packed.linears), {"a", "b"})
                levels, scales, sums = quantized(decoded(dtype, tensors["a.weight"][2]), K)
                self.assertEqual(packed.channels("a", "column_scale", "f"), [scales])
                self.assertEqual(packed.channels("a", "column_sum", "i"), [sums])
                self.assertEqual(packed.channels("a", "bias", "f"), [tuple(decoded(dtype, tensors["a.bias"][2]))])
                self.assertEqual(packed.channels("b", "bias", "f"), [(0.0,) * K])
                halves = struct.unpack(f"<{N * K}e", encode("F16", decoded(dtype, tensors["b.weight"][2])))
                # Every level's panels hold the same: 5 layouts of INT8 for 7 levels, 3 of FP16 for 4.
                self.assertEqual([len(packed.linears[name]["panels"]) for name in "ab"], [6, 3])
                for panels in packed.linears["a"]["panels"]:
                    self.assertEqual(packed.rows("a", panels), [levels])
                for panels in packed.linears["b"]["panels"]:
                    self.assertEqual(packed.rows("b", panels), [[list(halves[at:at + N]) for at in range(0, N * K, N)]])
                self.assertEqual(set(packed.tensors), {"embeddings.word_embeddings.weight", "embeddings.position_ids", "norm.weight"})
                for name, entry in packed.tensors.items():
                    self.assertEqual((entry["dtype"], entry["shape"], packed.section(entry["section"])), tensors[name])
                self.verify()

    def test_panels_of_one_level_lie_side_by_side(self):
        self.quantize(self.write("net.safetensors", llama()), "--isa", "all")
        packed, ranges = self.packed(), {}
        for linear in packed.directory["linears"]:
            for panels in linear["panels"]:
                begin = panels["section"]["offset"]
                ranges.setdefault((linear["precision"], panels["k_block"], panels["panel_n"]), []).append((begin, begin + panels["section"]["bytes"]))
        for spans in ranges.values():
            for (_, end), (begin, _) in zip(spans, spans[1:]):
                self.assertLess(begin - end, 64)
                self.assertGreaterEqual(begin, end)

    def test_gated_pairs(self):
        tensors = llama()
        report = self.quantize(self.write("net.safetensors", tensors), "--force", ".=int8")
        self.assertEqual(report["gated_pairs"], 1)
        packed = self.packed()
        self.assertNotIn(f"{BLOCK}mlp.gate_proj", packed.linears)
        pair = packed.linears[f"{BLOCK}mlp.up_proj"]
        self.assertEqual((pair["gated"], pair["activation"]), (True, "silu"))
        gate, up = packed.rows(pair["name"], pair["panels"][0])
        for name, rows in (("gate_proj", gate), ("up_proj", up)):
            self.assertEqual(rows, quantized(decoded("F16", normal_tensor("F16", [128, HIDDEN], f"mlp.{name}", 0.1)[2]), HIDDEN)[0])
        self.assertIs(self.json("run", "net.octile", "--tokens", "5")["layers"][-1]["verified"], True)
        # Two precisions: two linears.
        self.assertEqual(self.quantize("net.safetensors", "--force", ".=int8", "--force", "gate=fp16")["gated_pairs"], 0)
        self.assertIn(f"{BLOCK}mlp.gate_proj", self.packed().linears)

    def test_int4(self):
        tensors = small()
        model = self.write("net.safetensors", safetensors(tensors))
        report = self.quantize(model, "--force", "a=int4", "--force", "b=int8", "--isa", "all")
        self.assertEqual((report["replaced"], report["replaced_by_int4"]), (1, 1))
        packed = self.packed()
        self.assertEqual([packed.linears[name]["precision"] for name in "ab"], ["int4", "int8"])
        weights = decoded("F32", tensors["a.weight"][2])
        (scales,), (sums,) = packed.channels("a", "column_scale", "f"), packed.channels("a", "column_sum", "i")
        found = [packed.int4_rows("a", panels) for panels in packed.linears["a"]["panels"]]
        self.assertEqual(len(found), 6)
        self.assertTrue(all(rows == found[0] for rows in found))
        (rows,), noise, signal = found[0], 0, 0
        for n, row in enumerate(rows):
            self.assertTrue(all(1 <= s4 <= 15 and c8 >= -127 and c8 + 8 * s4 <= 127 for s4, _, c8 in row))
            levels = [s4 * q4 + c8 for s4, q4, c8 in row]
            self.assertLessEqual(max(map(abs, levels)), 127)
            self.assertEqual(sums[n], sum(levels) + (-K % 16) * row[-1][2])  # q4 is 0 in the padding
            values = weights[n * K:(n + 1) * K]
            signal += sum(value * value for value in values)
            noise += sum((value - scales[n] * level) ** 2 for value, level in zip(values, levels))
        self.assertGreater(10 * math.log10(signal / noise), 21.5)  # Q4_0 has 21.3 of normal weights
        inspected = self.verify()
        self.assertEqual((inspected["format"], inspected["linears"][0]["precision"]), (2, "int4"))
        # In the file, of it and beside it: the same layer.
        from_file, from_weights = (self.json("run", name, *options)["layers"][0] for name, options in
                                   (("net.octile", ["--tokens", "5"]), (model, ["--tokens", "5", "--force", "a=int4", "--force", "b=int8"])))
        for layer in (from_file, from_weights):
            self.assertEqual((layer["precision"], layer["verified"]), ("int4", True))
        self.assertGreater(from_file["sqnr_db"], 35)  # of the rows alone
        self.assertTrue(18 < from_weights["sqnr_db"] < 27, from_weights["sqnr_db"])
        self.assertIn("2 linears: 1 INT8, 1 INT4, 0 FP16", self.succeed("plan", "net.octile"))
        # A file without the level: packed again, with a note.
        self.quantize(model, "--force", "a=int4", "--isa", "neon", output="neon.octile")
        answer = self.octile("run", "neon.octile", "--tokens", "5", "--format", "json")
        self.assertIn("no panels of INT4 for this CPU", answer.err)
        self.assertIs(json.loads(answer.out)["layers"][0]["verified"], True)

    def test_int4_in_plans(self):
        model = self.write("net.safetensors", safetensors(small()))
        self.fail_with(2, ["--force: expected REGEX=int8, REGEX=fp16 or REGEX=int4"], "plan", model, "--tokens", "4", "--force", "a=int2")
        options = ["--tokens", "4", "--force", "a=int4", "--core", "neoverse-n1"]
        layers = {layer["name"]: layer for layer in self.json("plan", model, *options)["layers"]}
        self.assertEqual((layers["a"]["precision"], layers["a"]["reason"], layers["a"]["quantize_input"]), ("int4", "FORCED", True))
        self.assertIn("int4", layers["a"]["cost"])
        self.assertNotIn("int4", layers["b"]["cost"])
        for words in ("INT4 by policy ratio, FORCED", "\n  INT4  "):
            self.assertIn(words, self.succeed("plan", model, *options, "--explain", "a"))
        self.assertIn("INT4 us", self.succeed("plan", model, *options))

    def test_weights_that_came_quantized_are_taken_as_they_are(self):
        levels = [max(-128, min(round(value * 40), 127)) for value in normal(N * K, "levels")]
        scales = [0.001 * (i + 1) for i in range(N)]
        tensors = {"fc.weight": ("I8", [N, K], struct.pack(f"<{N * K}b", *levels)), "fc.weight_scale": tensor("F32", [N, 1], scales),
                   "fc.weight_zero_point": ("I8", [N, 1], bytes(N))}
        report = self.quantize(self.write("net.safetensors", safetensors(tensors)), "--smooth-quant", "0.5")
        self.assertEqual((report["prequantized"], report["replaced"], report["smoothed"], report["tensors"]), (1, 1, 0, 0))
        packed = self.packed()
        self.assertEqual(packed.rows("fc", packed.linears["fc"]["panels"][0]), [[levels[at:at + K] for at in range(0, N * K, K)]])
        self.assertEqual(packed.channels("fc", "column_scale", "f"), [struct.unpack(f"<{N}f", tensors["fc.weight_scale"][2])])
        self.verify()

    def test_shards_and_folders(self):
        tensors = small()
        whole = self.write("whole.safetensors", safetensors(tensors))
        self.quantize(whole, output="whole.octile")
        (self.folder / "net").mkdir()
        shards = {"1.safetensors": ["b.weight", "a.bias", "norm.weight"], "2.safetensors": [name for name in tensors if name not in ("b.weight", "a.bias", "norm.weight")]}
        for shard, names in shards.items():
            self.write(f"net/{shard}", safetensors({name: tensors[name] for name in names}))
        index = {"weight_map": {name: shard for shard, names in shards.items() for name in names}}
        self.write("net/model.safetensors.index.json", json.dumps(index))
        for source in ("net", "net/model.safetensors.index.json"):
            self.quantize(source)
            found, expected = self.packed(), self.packed("whole.octile")
            self.assertEqual({name: found.section(section) for name, section in found.sections()},
                             {name: expected.section(section) for name, section in expected.sections()})

    def test_bytes_depend_on_nothing_but_model_and_options(self):
        self.write("net.safetensors", llama())
        usable = [level["name"] for level in json.loads(self.succeed("info", "--json"))["levels"] if level["usable"]]
        contents = set()
        for level, threads in itertools.product(usable, ("1", "3")):
            self.quantize("net.safetensors", "--force", "mlp=int8", "--isa", "all", "--threads", threads, env={"OCTILE_ISA": level})
            packed = self.packed()
            contents.add(packed.bytes[64:packed.directory_offset])
        self.assertEqual(len(contents), 1)


class Levels(PackedTest):
    def panels(self, *arguments, **options) -> dict:
        self.quantize(self.write("net.safetensors", safetensors(small())), "--force", "a=int8", "--force", "b=fp16", *arguments, **options)
        answer = self.octile("inspect", "net.octile", "--json")  # may say what it has to pack again
        self.assertEqual(answer.code, 0, answer.err)
        return {linear["name"]: [panels["levels"] for panels in linear["panels"]] for linear in json.loads(answer.out)["linears"]}

    def test_each(self):
        expected = {"avx2": ("avx2", "avx2 neon"), "avxvnni": ("avxvnni", "avx2 neon"), "avx512vnni": ("avx512vnni", "avx512vnni"), "neon": ("neon", "avx2 neon"),
                    "fp16": ("neon", "fp16"), "dotprod": ("dotprod", "fp16"), "i8mm": ("i8mm sve256", "fp16"), "sve256": ("i8mm sve256", "fp16")}
        for level in LEVELS:
            with self.subTest(level=level):
                int8, fp16 = expected[level]
                found = self.panels("--isa", level)
                self.assertEqual(found, {"a": [int8], "b": [fp16]})
                # Whatever the file is for, it runs here, and says if it has to pack again.
                answer = self.octile("run", "net.octile", "--tokens", "3", "--format", "json")
                self.assertEqual(answer.code, 0, answer.err)
                self.assertEqual([layer["verified"] for layer in json.loads(answer.out)["layers"]], [True, True])
                if answer.err:
                    self.assertRegex(answer.err, r"\A(octile: note: net\.octile: no panels of (INT8|FP16) for this CPU \([a-z0-9 ]+\): 1 linear packed again, \d+\.\d MB of memory\n){1,2}\Z")

    def test_several_and_all_and_host(self):
        both = self.panels("--isa", "dotprod,i8mm")
        self.assertEqual(both["a"], ["dotprod", "i8mm sve256"])
        self.assertEqual(both["b"], ["fp16"])
        self.assertEqual(self.panels("--isa", "dotprod", "--isa", "i8mm"), both)
        self.assertEqual(self.panels("--isa", "dotprod,i8mm,sve256"), both)
        self.assertEqual(self.panels("--isa", "host"), self.panels())
        everything = self.panels("--isa", "all")
        self.assertEqual((len(everything["a"]), len(everything["b"])), (6, 3))
        self.assertEqual(self.succeed("run", "net.octile", "--tokens", "3").count("  ok\n"), 2)  # without a note

    def test_host_is_what_octile_isa_allows(self):
        base = json.loads(self.succeed("info", "--json"))["levels"][0]["name"]
        self.assertIn(base, self.panels(env={"OCTILE_ISA": base})["a"][0].split())


class Plans(PackedTest):
    def test_counts(self):
        self.write("net.safetensors", llama())
        report = self.quantize("net.safetensors", "--min-ratio", "40", "--skip", "o_proj", "--force", "q_proj=fp16")
        counts = {key: report[key] for key in report if key in ("linears", "replaced") or key.startswith("left_") and key != "left_out"}
        self.assertEqual(counts, {"linears": 7, "replaced": 3, "left_for_alignment": 0, "left_for_bias": 0, "left_by_skip": 1, "left_by_ratio": 2, "left_by_cost": 0,
                                  "left_by_accuracy": 0, "left_by_force": 1, "left_no_kernel": 0})
        text = self.succeed("quantize", "net.safetensors", "-o", "net.octile")
        for line in ("left for alignment         0", "left for bias              0", "left by ratio              7", "sizes ", "linears ", "other tensors ", "MB/s"):
            self.assertIn(line, text)

    def test_the_stored_plan(self):
        self.write("net.safetensors", llama())
        arguments = ["--min-ratio", "40", "--skip", "o_proj", "--tokens", "17"]
        self.quantize("net.safetensors", *arguments)
        for form in ("json", "table", "md", "csv", "html"):
            stored, fresh = (self.succeed("plan", *rest, "--format", form) for rest in (["net.octile"], ["net.safetensors", *arguments]))
            self.assertEqual(stored, fresh)
        self.fail_with(2, ["net.octile: a packed file holds one plan"], "plan", "net.octile", "--explain", f"{BLOCK}mlp.up_proj")

    def test_accuracy_and_smoothquant(self):
        """The outlier channel of the first norm costs accuracy; what is multiplied away comes back in the weights."""
        self.write("net.safetensors", llama())
        errors = {}
        for smoothing in ("off", "auto"):
            arguments = ["net.safetensors", "--tokens", "32", "--policy", "accuracy", "--min-sqnr", "0", "--smooth-quant", smoothing]
            report = self.quantize(*arguments)
            self.assertEqual((report["replaced"], report["policy"]), (7, "accuracy"))
            self.assertEqual(report["smoothed"] > 0, smoothing == "auto")
            packed = self.packed()
            smoothed = {name for name, linear in packed.linears.items() if "input_multiplier" in linear}
            if smoothing == "auto":
                for name in "qkv":
                    self.assertIn(f"{BLOCK}self_attn.{name}_proj", smoothed)
                q, k = (packed.linears[f"{BLOCK}self_attn.{name}_proj"]["input_multiplier"] for name in "qk")
                self.assertEqual(q, k)  # one section
                values = struct.unpack(f"<{HIDDEN}f", packed.section(q))
                for value in values:
                    self.assertEqual(math.frexp(value)[0], 0.5)  # a power of two
            else:
                self.assertEqual(smoothed, set())
            for model in ("net.octile", *arguments[:1]):
                options = [] if model == "net.octile" else arguments[1:]
                report = self.json("run", model, *options)
                for layer in report["layers"]:
                    self.assertIs(layer["verified"], True)
            errors[smoothing] = {layer["name"]: layer["sqnr_db"] for layer in report["layers"]}
        self.assertNotEqual(errors["off"], errors["auto"])
        # By name, under any policy.
        self.assertGreater(self.quantize("net.safetensors", "--force", ".=int8", "--smooth-quant", "0.5")["smoothed"], 0)
        self.assertEqual(self.quantize("net.safetensors", "--force", ".=int8")["smoothed"], 0)

    def test_calibration_by_smooth_quant(self):
        from accuracy_test import npy
        self.write("net.safetensors", safetensors({"fc.weight": normal_tensor("F32", [64, HIDDEN], "fc")}))
        rows = normal(20 * HIDDEN, "x")
        for row in range(20):
            rows[row * HIDDEN + 9] = 300.0
        (self.folder / "data").mkdir()
        (self.folder / "data" / "fc.npy").write_bytes(npy((20, HIDDEN), rows))
        self.assertEqual(self.quantize("net.safetensors", "--force", ".=int8", "--smooth-quant", "data")["smoothed"], 1)
        packed = self.packed()
        values = struct.unpack(f"<{HIDDEN}f", packed.section(packed.linears["fc"]["input_multiplier"]))
        self.assertEqual(min(values), values[9])
        self.fail_with(2, ["--smooth-quant", "--calibration"], "quantize", "net.safetensors", "-o", "x", "--smooth-quant", "data", "--calibration", "data")


class Networks(PackedTest):
    CONFIG = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": HIDDEN, "intermediate_size": 128, "num_attention_heads": 4,
              "num_key_value_heads": 4, "num_hidden_layers": 1, "vocab_size": 33, "rms_norm_eps": 1e-5, "hidden_act": "silu", "max_position_embeddings": 64,
              "tie_word_embeddings": True}

    def folder_of(self, name: str, tensors: dict, config: dict) -> str:
        (self.folder / name).mkdir()
        self.write(f"{name}/model.safetensors", safetensors(tensors))
        self.write(f"{name}/config.json", json.dumps(config))
        return name

    def tensors(self) -> dict:
        """The block of `llama`, with what makes it a network: a head that is the table of tokens."""
        tensors = {"model.embed_tokens.weight": normal_tensor("BF16", [33, HIDDEN], "tokens"), "model.norm.weight": tensor("F32", [HIDDEN], [1.0] * HIDDEN)}
        for name in ("input_layernorm", "post_attention_layernorm"):
            tensors[f"{BLOCK}{name}.weight"] = tensor("F32", [HIDDEN], [1.0] * HIDDEN)
        for name, n, k in [("self_attn.q_proj", HIDDEN, HIDDEN), ("self_attn.k_proj", HIDDEN, HIDDEN), ("self_attn.v_proj", HIDDEN, HIDDEN),
                           ("self_attn.o_proj", HIDDEN, HIDDEN), ("mlp.gate_proj", 128, HIDDEN), ("mlp.up_proj", 128, HIDDEN), ("mlp.down_proj", HIDDEN, 128)]:
            tensors[f"{BLOCK}{name}.weight"] = normal_tensor("F16", [n, k], name, 0.1)
        return tensors

    def test_a_tied_head_is_a_linear_and_a_table(self):
        tensors = self.tensors()
        report = self.quantize(self.folder_of("net", tensors, self.CONFIG), "--force", ".=int8")
        self.assertEqual((report["replaced"], report["gated_pairs"]), (8, 1))
        packed = self.packed()
        self.assertIn("nodes", json.loads(packed.directory["graph"]))
        table = packed.tensors["model.embed_tokens.weight"]
        self.assertEqual(packed.section(table["section"]), tensors["model.embed_tokens.weight"][2])
        head = packed.linears["lm_head"]
        self.assertEqual(packed.rows("lm_head", head["panels"][0]), [quantized(decoded("BF16", tensors["model.embed_tokens.weight"][2]), HIDDEN)[0]])
        self.assertIn("with its graph", self.succeed("inspect", "net.octile"))
        for layer in self.json("run", "net.octile", "--tokens", "3")["layers"]:
            self.assertIs(layer["verified"], True)

    def test_what_the_network_needs_and_the_checkpoint_lacks(self):
        tensors = self.tensors()
        tensors["model.embed_tokens.weight"] = ("I64", [33, HIDDEN], bytes(8 * 33 * HIDDEN))
        self.fail_with(1, ["net: node \"lm_head\": expected a tensor \"model.embed_tokens.weight\" of F32, F16 or BF16 [33, 64], found I64"],
                       "quantize", self.folder_of("net", tensors, self.CONFIG), "-o", "x")

    def test_linears_that_the_network_has_not(self):
        adapter = {f"{BLOCK}adapter.{name}.weight": normal_tensor("F32", [16, HIDDEN], name) for name in ("down", "side")}
        answer = self.octile("quantize", self.folder_of("net", self.tensors() | adapter, self.CONFIG), "-o", "net.octile")
        self.assertEqual((answer.code, answer.err), (0, f'octile: note: net/config.json: the network that it describes has no "{BLOCK}adapter.down" and 1 other '
                                                        "linear of the checkpoint: packed, and not run with it\n"))
        self.assertIn("with its graph", self.succeed("inspect", "net.octile"))

    def test_heads_of_a_width_that_no_kernel_has(self):
        config = self.CONFIG | {"num_attention_heads": 8, "num_key_value_heads": 8, "head_dim": 8}
        answer = self.octile("quantize", self.folder_of("net", self.tensors(), config), "-o", "net.octile")
        self.assertEqual((answer.code, answer.err), (0, ""))
        self.assertIn("with its graph", self.succeed("inspect", "net.octile"))

    def test_a_block_that_runs_again_has_one_set_of_weights(self):
        config = {"model_type": "albert", "architectures": ["AlbertModel"], "hidden_size": HIDDEN, "embedding_size": 32, "intermediate_size": 96,
                  "num_hidden_layers": 3, "num_attention_heads": 4, "vocab_size": 20, "max_position_embeddings": 16}
        block = "encoder.albert_layer_groups.0.albert_layers.0."
        linears = {"encoder.embedding_hidden_mapping_in": (HIDDEN, 32), **{f"{block}attention.{name}": (HIDDEN, HIDDEN) for name in ("query", "key", "value", "dense")},
                   f"{block}ffn": (96, HIDDEN), f"{block}ffn_output": (HIDDEN, 96)}
        norms = {"embeddings.LayerNorm": 32, f"{block}attention.LayerNorm": HIDDEN, f"{block}full_layer_layer_norm": HIDDEN}
        tables = {"word": 20, "position": 16, "token_type": 2}
        tensors = {f"{name}.weight": normal_tensor("F32", list(shape), name, 0.1) for name, shape in linears.items()}
        tensors |= {f"{name}.bias": tensor("F32", [n], [0.0] * n) for name, (n, _) in linears.items()}
        tensors |= {f"{name}.{part}": tensor("F32", [n], [value] * n) for name, n in norms.items() for part, value in (("weight", 1.0), ("bias", 0.0))}
        tensors |= {f"embeddings.{name}_embeddings.weight": normal_tensor("F32", [rows, 32], name) for name, rows in tables.items()}
        # One precision, whatever a pattern says of single runs.
        report = self.quantize(self.folder_of("net", tensors, config), "--force", ".=int8", "--force", "repeat.2.*ffn$=fp16")
        self.assertEqual((report["linears"], report["replaced"]), (1 + 3 * 6, 1 + 3 * 6))
        packed = self.packed()
        self.assertEqual(sorted(packed.linears), sorted(linears))
        precisions = {layer["name"]: layer["precision"] for layer in packed.directory["plan"]["layers"] if layer["op"] == "linear"}
        self.assertEqual(len(precisions), 1 + 3 * 6)
        self.assertEqual(set(precisions.values()), {"int8"})
        self.assertEqual(packed.version, 3)
        self.assertIn("with its graph", self.succeed("inspect", "net.octile"))
        for layer in self.json("run", "net", "--tokens", "3")["layers"]:
            self.assertIs(layer["verified"], True)

    def test_flattened_weights_are_the_networks(self):
        """As torchao writes them: X._weight_qdata and X._weight_scale in place of X.weight."""
        tensors = self.tensors()
        for name in [name for name, (_, shape, _) in tensors.items() if len(shape) == 2 and name.startswith(BLOCK)]:
            _, (n, k), _ = tensors.pop(name)
            module = name.removesuffix(".weight")
            tensors |= {f"{module}._weight_qdata": ("I8", [n, k], bytes(n * k)), f"{module}._weight_scale": tensor("F32", [n, 1], [0.01] * n)}
        report = self.quantize(self.folder_of("net", tensors, self.CONFIG))
        self.assertEqual((report["linears"], report["prequantized"], report["gated_pairs"]), (8, 7, 1))
        self.assertEqual([left["tensor"] for left in report["left_out"]], ["model.embed_tokens.weight"])
        self.assertIn("with its graph", self.succeed("inspect", "net.octile"))

    def test_what_a_network_calls_no_linear_is_none(self):
        """A table of an unusual name: the family knows it, with config.json or by the names of the others."""
        block = "gpt_neox.layers.0."
        tensors = {"gpt_neox.embed_in.weight": normal_tensor("F32", [50, 64], "t"), "embed_out.weight": normal_tensor("F32", [50, 64], "o")}
        for name, n, k in [("attention.query_key_value", 192, 64), ("attention.dense", 64, 64), ("mlp.dense_h_to_4h", 96, 64), ("mlp.dense_4h_to_h", 64, 96)]:
            tensors |= {f"{block}{name}.weight": normal_tensor("F32", [n, k], name), f"{block}{name}.bias": tensor("F32", [n], [0.0] * n)}
        for name in (f"{block}input_layernorm", f"{block}post_attention_layernorm", "gpt_neox.final_layer_norm"):
            tensors |= {f"{name}.weight": tensor("F32", [64], [1.0] * 64), f"{name}.bias": tensor("F32", [64], [0.0] * 64)}
        config = {"model_type": "gpt_neox", "architectures": ["GPTNeoXForCausalLM"], "vocab_size": 50, "hidden_size": 64, "intermediate_size": 96,
                  "num_hidden_layers": 1, "num_attention_heads": 4, "max_position_embeddings": 64}
        for place, assumed in [(self.folder_of("net", tensors, config), False), (self.write("net.safetensors", safetensors(tensors)), True)]:
            answer = self.octile("quantize", place, "-o", "net.octile", "--format", "json")
            report = json.loads(answer.out)
            self.assertEqual(report["linears"], 5, answer.err)
            self.assertEqual([(left["tensor"], left["reason"], left.get("assumed", False)) for left in report["left_out"]],
                             [("gpt_neox.embed_in.weight", "table", assumed)])

    def test_what_is_assumed_is_said(self):
        self.write("net.safetensors", llama())
        self.assertIn("\nassumed: llama by its names; activation silu, the default\n", self.succeed("quantize", "net.safetensors", "-o", "net.octile"))
        self.assertEqual(self.json("quantize", "net.safetensors", "-o", "net.octile")["assumed"], ["llama by its names", "activation silu, the default"])
        self.assertEqual(self.quantize(self.folder_of("net", self.tensors(), self.CONFIG))["assumed"], [])

    def test_many_obstacles_are_counted(self):
        answer = self.octile("quantize", self.folder_of("net", self.tensors(), self.CONFIG | dict.fromkeys("abcde", 1)), "-o", "net.octile")
        self.assertRegex(answer.err, r"; and [0-9]+ more; the file will hold layers and no network\n\Z")

    def test_networks_that_no_graph_can_say(self):
        answer = self.octile("quantize", self.folder_of("net", self.tensors(), self.CONFIG | {"model_type": "unheard-of"}), "-o", "net.octile")
        self.assertEqual(answer.code, 0, answer.err)
        self.assertRegex(answer.err, r"\Aoctile: note: net/config\.json: model_type: [^\n]+; the file will hold layers and no network\n\Z")
        self.assertIn("no graph", self.succeed("inspect", "net.octile"))


class Inspect(PackedTest):
    def test_table(self):
        self.quantize(self.write("net.safetensors", llama()), "--force", ".=int8")
        text = self.succeed("inspect", "net.octile")
        for word in ("net: format 1, written by octile ", "policy ratio", f"{BLOCK}mlp.up_proj", "gated, silu", "FORCED", "F32   [64]", "7 linears: 7 INT8",
                     "sections verified", "opened in ", "resident memory grew by "):
            self.assertIn(word, text)
        self.assertRegex(text, r"checksums: (\d+) of \1 sections verified")

    def test_figures(self):
        report = self.quantize(self.write("net.safetensors", safetensors(small())))
        inspected = self.verify()
        self.assertEqual(inspected["file_bytes"], os.path.getsize(self.folder / "net.octile"))
        self.assertEqual(inspected["file_bytes"], report["file_bytes"])
        self.assertEqual(inspected["source_bytes"], report["source_bytes"])
        self.assertEqual(sum(linear["bytes"] for linear in inspected["linears"]), report["linear_bytes"])
        self.assertLessEqual(inspected["opening"]["used_bytes"], inspected["file_bytes"])
        self.assertEqual(inspected["opening"]["repacked_bytes"], 0)

    def test_opening_is_quick_and_copies_nothing(self):
        """As large as MiniLM: opened in 20 ms; what the process grows by is what it uses."""
        if SETTINGS.emulator or SETTINGS.build != "optimized":
            self.skipTest("neither an emulator nor a debug build says anything about time or memory")
        tensors = {f"layers.{i}.fc.weight": ("F32", [1536, 384], os.urandom(1) + bytes(4 * 1536 * 384 - 1)) for i in range(24)}
        tensors["embeddings.word_embeddings.weight"] = ("F32", [30522, 384], bytes(4 * 30522 * 384))
        self.quantize(self.write("net.safetensors", safetensors(tensors)), "--isa", "all")
        best = None
        for _ in range(8):
            opening = self.verify()["opening"]
            self.assertLess(opening["used_bytes"], 0.75 * os.path.getsize(self.folder / "net.octile"))
            self.assertLess(opening["resident_bytes"], 1.05 * opening["used_bytes"])
            self.assertGreater(opening["resident_bytes"], 0.9 * opening["used_bytes"])
            best = min(opening["ms"], best or math.inf)
        if best >= 20 and os.getloadavg()[0] > os.cpu_count():
            self.skipTest(f"{best:.1f} ms on a machine that has other work")
        self.assertLess(best, 20)


class Memory(PackedTest):
    def test_peak_is_near_the_largest_tensor(self):
        """25 shards of one tensor of 16 MB each: the whole is 25 times what may be held."""
        if SETTINGS.emulator or SETTINGS.build != "optimized":
            self.skipTest("an emulator and a sanitizer have memory of their own")
        self.write("small.safetensors", safetensors(small()))
        base = self.quantize("small.safetensors")["peak_memory_bytes"]
        n, k, shards = 2048, 2048, 25
        size, weight_map = 4 * n * k, {}
        for i in range(shards):
            name = f"layers.{i}.fc.weight"
            header = json.dumps({name: {"dtype": "F32", "shape": [n, k], "data_offsets": [0, size]}}).encode()
            path = self.folder / f"{i}.safetensors"
            path.write_bytes(struct.pack("<Q", len(header)) + header)
            os.truncate(path, 8 + len(header) + size)  # zeros, which take no room on the disk
            weight_map[name] = path.name
        self.write("model.safetensors.index.json", json.dumps({"weight_map": weight_map}))
        for arguments in ([], ["--isa", "all"], ["--force", ".=fp16"]):
            report = self.quantize("model.safetensors.index.json", *arguments)
            self.assertEqual(report["source_bytes"], shards * size)
            self.assertLess(report["peak_memory_bytes"] - base, 1.5 * size, arguments)
        self.verify()


class Time(PackedTest):
    def test_twice_the_linears_take_twice_the_time(self):
        """Of each command that takes a packed file or makes one. A quadratic part would show as four times."""
        if SETTINGS.emulator or SETTINGS.build != "optimized":
            self.skipTest("an emulator and a sanitizer have times of their own")

        def seconds(*arguments) -> float:
            """Of CPU, which other work on the machine does not change much."""
            before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
            self.succeed(*arguments)
            return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before

        commands = (["quantize", "net.safetensors", "-o", "net.octile"], ["inspect", "net.octile"], ["inspect", "net.octile", "--json"], ["plan", "net.octile"])
        times = {" ".join(command): {15000: [], 30000: []} for command in commands}
        # Turn by turn, the least of each: a core that is shared, or in another gear, for a while is so for both.
        for _ in range(3):
            for count in (15000, 30000):
                self.write("net.safetensors", safetensors({f"layers.{i}.fc.weight": ("F32", [4, 4], bytes(64)) for i in range(count)}))
                for command in commands:
                    times[" ".join(command)][count].append(seconds(*command))
        for name, runs in times.items():
            once, twice = (min(run) for run in runs.values())
            self.assertLess(twice, 3 * once, (name, once, twice))


class Failures(PackedTest):
    def setUp(self):
        super().setUp()
        self.write("net.safetensors", safetensors(small()))

    def test_usage(self):
        for arguments, words in [(["net.safetensors"], ["--output", "required"]), (["-o", "x"], ["MODEL", "required"]),
                                 (["net.safetensors", "-o", "x", "--isa", "sse"], ["--isa: expected host, all or some of avx2", '"sse"']),
                                 (["net.safetensors", "-o", "x", "--isa", "i8mm,"], ["--isa", '""']),
                                 (["net.safetensors", "-o", "x", "--policy", "all"], ["--policy: expected one policy"]),
                                 (["net.safetensors", "-o", "x", "--policy", "magic"], ["--policy: expected"]),
                                 (["net.safetensors", "-o", "x", "--skip", "("], ["--skip"]),
                                 (["net.safetensors", "-o", "net.safetensors"], ["-o: expected another file than the model"]),
                                 (["net.safetensors", "-o", "x", "--smooth-quant", "2"], ["--smooth-quant: expected"])]:
            with self.subTest(arguments=arguments):
                self.fail_with(2, words, "quantize", *arguments)
        self.assertEqual(self.files(), {"net.safetensors"})

    def test_inputs(self):
        self.write("net.csv", "name,m,k,n\nfc,1,2,3\n")
        self.fail_with(1, ["net.csv: expected weights (safetensors or GGUF)"], "quantize", "net.csv", "-o", "x")
        self.fail_with(1, ["none.safetensors: No such file"], "quantize", "none.safetensors", "-o", "x")
        self.fail_with(1, ["x.octile: ", "No such file"], "quantize", "net.safetensors", "-o", "no/x.octile")
        self.fail_with(1, [".: expected a regular file"], "quantize", "net.safetensors", "-o", ".")
        weights = normal(N * K, "a")
        weights[20 * K + 7] = math.nan
        self.write("bad.safetensors", safetensors(small() | {"a.weight": tensor("F32", [N, K], weights)}))
        self.write("x.octile", "old")
        for precision in ("int8", "fp16"):
            self.fail_with(1, ["bad.safetensors: a: ", "output channel 20 ", "NaN"], "quantize", "bad.safetensors", "-o", "x.octile", "--force", f".={precision}")
        bias = tensor("F32", [N], [0.0] * (N - 1) + [math.inf])
        self.write("bad.safetensors", safetensors(small() | {"a.bias": bias}))
        self.fail_with(1, ["bad.safetensors: a: bias: output channel 52 "], "quantize", "bad.safetensors", "-o", "x.octile")
        self.write("bad.safetensors", safetensors(small())[:-5])
        self.fail_with(1, ["bad.safetensors: ", "cut short"], "quantize", "bad.safetensors", "-o", "x.octile")
        self.assertEqual((self.folder / "x.octile").read_text(), "old")
        self.assertEqual(self.files(), {"net.safetensors", "net.csv", "bad.safetensors", "x.octile"})

    def test_a_full_disk(self):
        self.write("x.octile", "old")
        # Less than the whole file, and less than what lies before its directory.
        size = self.quantize("net.safetensors", output="y.octile")["file_bytes"]
        os.remove(self.folder / "y.octile")
        for limit in (0, 1000, size // 2, size - 1):
            with self.subTest(limit=limit):
                self.fail_with(1, ["x.octile: cannot ", "File too large"], "quantize", "net.safetensors", "-o", "x.octile",
                               preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
                self.assertEqual((self.folder / "x.octile").read_text(), "old")
                self.assertEqual(self.files(), {"net.safetensors", "x.octile"})

    def test_a_full_file_system(self):
        mount = self.folder / "disk"
        mount.mkdir()
        if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8k", "none", mount], stderr=subprocess.DEVNULL).returncode != 0:
            self.skipTest("no right to mount")
        try:
            self.fail_with(1, ["disk/x.octile: cannot reserve ", "bytes: No space left on device"], "quantize", "net.safetensors", "-o", "disk/x.octile")
            self.assertEqual(list(mount.iterdir()), [])
        finally:
            subprocess.run(["umount", mount], check=True)

    def test_the_end_of_the_process(self):
        self.write("large.safetensors", safetensors({"fc.weight": ("F32", [4096, 4096], bytes(4 << 24))}))
        self.quantize("net.safetensors", output="x.octile")
        old = self.packed("x.octile").bytes
        killed = 0
        for delay in (0, 0.001, 0.003, 0.01, 0.02):
            process = subprocess.Popen(command("quantize", "large.safetensors", "-o", "x.octile", "--isa", "all"), cwd=self.folder, env=environment(), stdout=subprocess.DEVNULL)
            while process.poll() is None and not any(name.endswith(".tmp") for name in self.files()):
                time.sleep(0.0005)
            time.sleep(delay)
            process.send_signal(signal.SIGKILL)
            process.wait()
            killed += process.returncode == -signal.SIGKILL
            if process.returncode == 0 or self.packed("x.octile").bytes != old:
                self.verify("x.octile")  # it was done, whole
                continue
            for name in [name for name in self.files() if name.endswith(".tmp")]:
                self.fail_with(1, [f"{name}: expected a packed file of Octile"], "inspect", name)
                os.remove(self.folder / name)
        self.assertGreater(killed, 0)
        self.verify("x.octile")

    def test_over_an_old_file(self):
        self.write("x.octile", "old")
        os.chmod(self.folder / "x.octile", 0o640)
        os.symlink("x.octile", self.folder / "link")
        self.quantize("net.safetensors", output="link")
        self.assertTrue((self.folder / "link").is_symlink())
        self.assertEqual(os.stat(self.folder / "x.octile").st_mode & 0o777, 0o640)
        self.verify("x.octile")


class Damage(PackedTest):
    def setUp(self):
        super().setUp()
        self.quantize(self.write("net.safetensors", safetensors(small())), "--force", "a=int8")
        self.content = self.packed().bytes

    def test_files_that_are_none(self):
        newer = self.content[:8] + struct.pack("<I", 4) + self.content[12:]
        for content, words in [(b"", ["expected a packed file of Octile"]), (b"hello", ["expected a packed file of Octile"]), (newer, ["expected format version 1 to 3, found 4: a newer Octile"]),
                               (self.content[:40], ["cut short"]), (self.content[:-1], ["cut short"]), (self.content + b"x", ["bytes, as its header says"])]:
            self.write("bad.octile", content)
            self.fail_with(1, ["bad.octile: ", *words], "inspect", "bad.octile")
            if content.startswith(b"\x89OCTILE\n"):
                self.fail_with(1, ["bad.octile: ", *words], "run", "bad.octile")
                self.fail_with(1, ["bad.octile: ", *words], "plan", "bad.octile")
        self.fail_with(1, ["none.octile: No such file"], "inspect", "none.octile")
        self.fail_with(1, ["net.safetensors: expected a packed file"], "inspect", "net.safetensors")

    def test_a_changed_section_is_named(self):
        for name, section in self.packed().sections():
            content = bytearray(self.content)
            content[section["offset"] + section["bytes"] // 2] ^= 4
            self.write("bad.octile", bytes(content))
            with self.subTest(name=name):
                self.fail_with(1, ["bad.octile: ", f"{name}: ", "expected checksum ", "the file is damaged"], "run", "bad.octile", "--tokens", "1")
                answer = self.octile("inspect", "bad.octile")
                self.assertEqual(answer.code, 4)
                self.assertRegex(answer.err, rf"\Aoctile: bad\.octile: {name}: [a-z_]+: the checksum is another one; the file is damaged\n\Z")
                self.assertRegex(answer.out, rf"{name} .*DAMAGED: [a-z_]+\n")
                self.assertIn("it cannot be opened", answer.out)
                damaged = {entry["name"] for kind in ("linears", "tensors") for entry in json.loads(self.octile("inspect", "bad.octile", "--json").out)[kind] if not entry["verified"]}
                self.assertEqual(damaged, {name})

    def test_a_wrong_result_is_found(self):
        answer = self.octile("run", "net.octile", "--tokens", "40", program=SETTINGS.faulty, env={"FAULTY_ROW": "39"})
        self.assertEqual(answer.code, 4)
        self.assertIn("net.octile: a: gemm_s8", answer.err)
        self.assertEqual(self.octile("run", "net.octile", "--tokens", "40", program=SETTINGS.faulty, env={"FAULTY_ROW": "-1"}).code, 0)


class Progress(PackedTest):
    def test_is_shown_on_a_terminal(self):
        rows = 6000 if SETTINGS.emulator else 24000  # more than two seconds
        path = self.folder / "net.safetensors"
        header = json.dumps({"fc.weight": {"dtype": "F32", "shape": [rows, 4096], "data_offsets": [0, 4 * rows * 4096]}}).encode()
        path.write_bytes(struct.pack("<Q", len(header)) + header)
        os.truncate(path, 8 + len(header) + 4 * rows * 4096)
        code, text = self.at_terminal("quantize", "net.safetensors", "-o", "net.octile", "--isa", "all", stream="stderr")
        self.assertEqual(code, 0)
        self.assertRegex(text, r"quantizing +\d+ %  fc.weight  \d+ s left")
        self.assertTrue(text.endswith(f"\r{ESCAPE}[K"))


if __name__ == "__main__":
    main()
