#!/usr/bin/env python3
"""GGUF files as every command meets them: the network that a checkpoint of the same weights is."""

import json
import struct

from gguf_files import F16, IQ2_XXS, floats, gguf, q8_0
from model_files import normal, safetensors, tensor
from octile_test import OctileTest, main
from packed_files import PackedFile, quantized

HIDDEN, FFN, HEADS, KEY_HEADS, VOCABULARY, BLOCKS = 64, 96, 4, 2, 48, 2
WIDTH = HIDDEN // HEADS
CONFIG = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": HIDDEN, "intermediate_size": FFN, "num_hidden_layers": BLOCKS,
          "num_attention_heads": HEADS, "num_key_value_heads": KEY_HEADS, "vocab_size": VOCABULARY, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
          "max_position_embeddings": 256}
KEYS = {"general.architecture": "llama", "general.name": "tiny", "llama.embedding_length": HIDDEN, "llama.feed_forward_length": FFN,
        "llama.block_count": BLOCKS, "llama.attention.head_count": HEADS, "llama.attention.head_count_kv": KEY_HEADS,
        "llama.attention.layer_norm_rms_epsilon": 1e-5, "llama.rope.freq_base": 10000.0, "llama.context_length": 256,
        "llama.rope.dimension_count": WIDTH, "tokenizer.ggml.tokens": ["a", "b"]}
# In the file, and in the checkpoint: below the number of a block.
LINEARS = [("attn_q", "self_attn.q_proj", HIDDEN, HIDDEN), ("attn_k", "self_attn.k_proj", WIDTH * KEY_HEADS, HIDDEN),
           ("attn_v", "self_attn.v_proj", WIDTH * KEY_HEADS, HIDDEN), ("attn_output", "self_attn.o_proj", HIDDEN, HIDDEN),
           ("ffn_gate", "mlp.gate_proj", FFN, HIDDEN), ("ffn_up", "mlp.up_proj", FFN, HIDDEN), ("ffn_down", "mlp.down_proj", HIDDEN, FFN)]
NORMS = [("attn_norm", "input_layernorm"), ("ffn_norm", "post_attention_layernorm")]


def paired(values: list, rows: int, heads: int) -> list:
    """Rows of a head 0, half, 1, half + 1, ... as the file has queries and keys."""
    columns, width = len(values) // rows, rows // heads
    order = [head * width + part * (width // 2) + i for head in range(heads) for i in range(width // 2) for part in (0, 1)]
    return [number for row in order for number in values[row * columns:(row + 1) * columns]]


def network(encode=None) -> tuple:
    """The checkpoint's tensors and the file's; `encode` makes a tensor of a matrix, and says what it stands for."""
    checkpoint, file = {}, {}

    def add(name: str, own: str, shape: list, heads: int = 0):
        values = [1 + number / 16 for number in normal(shape[0], own)] if len(shape) == 1 else normal(shape[0] * shape[1], own, 0.1)
        if len(shape) == 1 or not encode:
            values = list(struct.unpack(f"<{len(values)}f", struct.pack(f"<{len(values)}f", *values)))
            stored = floats(shape, paired(values, shape[0], heads) if heads else values)
        else:
            stored, values = encode(shape, values)
            if heads:
                stored, _ = encode(shape, paired(values, shape[0], heads))
        checkpoint[name] = tensor("F32", shape, values)
        file[own] = stored

    add("model.embed_tokens.weight", "token_embd.weight", [VOCABULARY, HIDDEN])
    add("model.norm.weight", "output_norm.weight", [HIDDEN])
    for block in range(BLOCKS):
        for own, name in NORMS:
            add(f"model.layers.{block}.{name}.weight", f"blk.{block}.{own}.weight", [HIDDEN])
        for own, name, n, k in LINEARS:
            heads = {"attn_q": HEADS, "attn_k": KEY_HEADS}.get(own, 0)
            add(f"model.layers.{block}.{name}.weight", f"blk.{block}.{own}.weight", [n, k], heads)
    add("lm_head.weight", "output.weight", [VOCABULARY, HIDDEN])
    return checkpoint, file


class Gguf(OctileTest):
    def write_both(self, encode=None, keys: dict = {}) -> tuple:
        checkpoint, file = network(encode)
        (self.folder / "net").mkdir(exist_ok=True)
        self.write("net/config.json", json.dumps(CONFIG))
        self.write("net/model.safetensors", safetensors(checkpoint))
        self.write("net.gguf", gguf(KEYS | keys, file))
        return checkpoint, file

    def noted(self, *arguments) -> dict:
        """As JSON, with notes on stderr."""
        answer = self.octile(*arguments, "--format", "json")
        self.assertEqual(answer.code, 0, answer.err)
        self.assertRegex(answer.err, r"\A(octile: note: [^\n]+\n)+\Z")
        return json.loads(answer.out)

    def test_floats_make_the_plan_and_the_packed_file_of_the_checkpoint(self):
        self.write_both()
        plans = [self.json("plan", name, "--tokens", "7") for name in ("net", "net.gguf")]
        for plan in plans:
            plan.pop("model")
        self.assertEqual(*plans)
        for name, output in (("net", "a.octile"), ("net.gguf", "b.octile")):
            self.succeed("quantize", name, "-o", output, "--isa", "all")
        a, b = PackedFile(self.folder / "a.octile"), PackedFile(self.folder / "b.octile")
        graphs = [json.loads(packed.directory["graph"]) for packed in (a, b)]
        for graph in graphs:
            graph.pop("name")
        self.assertEqual(*graphs)
        self.assertEqual(set(a.linears), set(b.linears))
        self.assertEqual(set(a.tensors), set(b.tensors))
        for name in a.linears:
            for first, second in zip(a.linears[name]["panels"], b.linears[name]["panels"]):
                self.assertEqual(a.section(first["section"]), b.section(second["section"]), name)
            self.assertEqual(a.section(a.linears[name]["bias"]), b.section(b.linears[name]["bias"]))
        for name in a.tensors:
            self.assertEqual(a.section(a.tensors[name]["section"]), b.section(b.tensors[name]["section"]), name)

    def test_blocks_are_packed_from_their_values(self):
        checkpoint, _ = self.write_both(q8_0)
        report = self.noted("quantize", "net.gguf", "-o", "net.octile", "--force", ".=int8", "--force", "o_proj=fp16")
        packed = PackedFile(self.folder / "net.octile")
        name = "model.layers.1.self_attn.q_proj"
        content = checkpoint[f"{name}.weight"][2]
        levels, scales, _ = quantized(list(struct.unpack(f"<{len(content) // 4}f", content)), HIDDEN)
        self.assertEqual(packed.rows(name, packed.linears[name]["panels"][0]), [levels])
        self.assertEqual(packed.channels(name, "column_scale", "f"), [scales])
        # Of each linear its type, and what its packing left of the file's own weights.
        errors = {entry["name"]: entry for entry in report["requantized"]}
        self.assertEqual(len(errors), BLOCKS * len(LINEARS) + 1)
        values = struct.unpack(f"<{len(content) // 4}f", content)
        signal = sum(value * value for value in values)
        noise = sum((scales[row] * levels[row][k] - values[row * HIDDEN + k]) ** 2 for row in range(HIDDEN) for k in range(HIDDEN))
        self.assertEqual((errors[name]["stored"], errors[name]["precision"]), ("Q8_0", "int8"))
        self.assertAlmostEqual(10 ** (errors[name]["sqnr_db"] / 10), signal / noise, delta=1e-4 * signal / noise)
        # f16 has 11 bits for a product of f16 and 8: SQNR of rounding to a half of 2^-11 at most.
        self.assertGreater(errors["model.layers.1.self_attn.o_proj"]["sqnr_db"], 66)
        # The table becomes f16: no value is further off than 2^-11 of the largest of its row.
        entry = packed.tensors["model.embed_tokens.weight"]
        self.assertEqual((entry["dtype"], entry["shape"]), ("F16", [VOCABULARY, HIDDEN]))
        table = struct.unpack(f"<{VOCABULARY * HIDDEN}e", packed.section(entry["section"]))
        wanted = struct.unpack(f"<{VOCABULARY * HIDDEN}f", checkpoint["model.embed_tokens.weight"][2])
        for row in range(0, len(table), HIDDEN):
            largest = max(map(abs, wanted[row:row + HIDDEN]))
            for is_, was in zip(table[row:row + HIDDEN], wanted[row:row + HIDDEN]):
                self.assertLessEqual(abs(is_ - was), largest * 2 ** -11)
        text = self.octile("quantize", "net.gguf", "-o", "net.octile")
        self.assertRegex(text.out, r"weights that came quantized +as +packed +SQNR\n")
        self.assertRegex(text.out, r"model\.layers\.0\.mlp\.up_proj +Q8_0 +\w+ +\d+\.\d dB\n")
        self.assertRegex(text.err, r"octile: note: net\.gguf: linears come quantized \(15 of Q8_0\)")
        self.succeed("run", "net.octile", "--tokens", "3", "--verify")
        self.noted("run", "net.gguf", "--tokens", "3", "--verify")

    def test_a_table_that_f16_cannot_hold_stays_f32(self):
        for scale, dtype in ((1e-5, "F32"), (1e-3, "F16"), (4e4, "F32")):
            with self.subTest(scale):
                values = [scale * (1 + i % 3) for i in range(64)]
                (kind, shape, content), back = q8_0([2, 32], values)
                self.write("net.gguf", gguf({"general.architecture": "qwen2"}, {"token_embd.weight": (kind, shape, content),
                                                                              "output.weight": floats([2, 32], normal(64, "head"))}))
                self.noted("quantize", "net.gguf", "-o", "net.octile", "--force", ".=int8")
                packed = PackedFile(self.folder / "net.octile")
                entry = packed.tensors["model.embed_tokens.weight"]
                self.assertEqual(entry["dtype"], dtype)
                if dtype == "F32":
                    self.assertEqual(packed.section(entry["section"]), struct.pack("<64f", *back))

    def test_inspect(self):
        self.write_both(q8_0, {"llama.odd": 3})
        answer = self.octile("inspect", "net.gguf")
        self.assertEqual(answer.code, 0)
        self.assertEqual(answer.err, "octile: note: net.gguf: llama.odd: no key that Octile knows\n")
        for pattern in (r"net\.gguf: GGUF version 3, architecture llama\n", r"llama\.rope\.freq_base +f32 +10000\.0\n", r"tokenizer\.ggml\.tokens +array +2 x string\n",
                        r"blk\.0\.attn_q\.weight +Q8_0 +\[64, 64\] +4\.4 kB +model\.layers\.0\.self_attn\.q_proj\.weight +rows out of their pairs, heads of 16\n",
                        r"\n21 tensors, .*: 5 of F32 \(1\.3 kB\), 16 of Q8_0 \(71\.8 kB\)\n"):
            self.assertRegex(answer.out, pattern)
        document = json.loads(self.octile("inspect", "net.gguf", "--json").out)
        self.assertEqual((document["version"], document["architecture"], document["known"], document["keys"]["llama.odd"]), (3, "llama", True, 3))
        self.assertEqual(document["keys"]["llama.attention.layer_norm_rms_epsilon"], 1e-5)
        self.assertEqual([entry["read_as"] for entry in document["tensors"]][:2], ["model.embed_tokens.weight", "model.norm.weight"])
        self.fail_with(1, ["net.gguf", "magic"], "inspect", self.write("net.gguf", "nothing"))

    def test_a_key_that_nobody_knows(self):
        self.write_both(keys={"llama.expert_count": 4})
        answer = self.octile("plan", "net.gguf", "--tokens", "2")
        self.assertEqual(answer.code, 0)
        self.assertRegex(answer.err, r"net\.gguf: llama\.expert_count: no key that Octile knows of \"llama\".*--ignore-key llama\.expert_count")
        answer = self.octile("quantize", "net.gguf", "-o", "net.octile")
        self.assertIn("the file will hold layers and no network", answer.err)
        self.succeed("quantize", "net.gguf", "-o", "net.octile", "--ignore-key", "llama.expert_count")
        self.assertIn("graph", PackedFile(self.folder / "net.octile").directory)

    def test_a_folder_and_another_name(self):
        self.write_both()
        (self.folder / "only").mkdir()
        content = (self.folder / "net.gguf").read_bytes()
        self.write("only/net.gguf", content)
        self.assertEqual(self.json("plan", "only", "--tokens", "2")["model"], "net")
        self.write("net.bin", content)
        self.succeed("plan", "net.bin", "--tokens", "2")
        self.succeed("plan", "net.bin", "--tokens", "2", "--from", "gguf")
        self.write("only/other.gguf", content)
        self.fail_with(1, ["only: ", "net.gguf, other.gguf"], "plan", "only", "--tokens", "2")
        self.fail_with(1, ["net.bin: expected safetensors, found GGUF (--from gguf)"], "plan", "net.bin", "--tokens", "2", "--from", "safetensors")
        self.fail_with(2, ["net.gguf", "--tokens"], "plan", "net.gguf")

    def test_what_is_not_read_is_left_out(self):
        keys = {"general.architecture": "qwen2"}
        tensors = {f"blk.0.{name}.weight": floats([8, 256], normal(2048, name, 0.1)) for name in ("attn_q", "attn_k", "attn_v")}
        tensors["blk.0.ffn_up.weight"] = (IQ2_XXS, [8, 256], bytes(8 * 66))
        tensors["blk.0.attn_norm.weight"] = (F16, [256], bytes(512))
        self.write("net.gguf", gguf(keys, tensors))
        plan = json.loads(self.octile("plan", "net.gguf", "--tokens", "2", "--format", "json").out)
        self.assertEqual([(left["tensor"], left["reason"], left["text"], left["parameters"]) for left in plan["left_out"]],
                         [("model.layers.0.mlp.up_proj.weight", "4-bit", "IQ2_XXS, which is not read", 2048)])
        self.octile("quantize", "net.gguf", "-o", "net.octile")
        self.assertEqual(set(PackedFile(self.folder / "net.octile").tensors), {"model.layers.0.input_layernorm.weight"})


if __name__ == "__main__":
    main()
