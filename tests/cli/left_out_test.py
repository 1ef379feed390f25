#!/usr/bin/env python3
"""What is in no layer is said: at the end, in the first line where it is much, and in JSON one by one."""

import json
import unittest

from model_files import layer_list, normal_tensor, safetensors, tensor
from octile_test import OctileTest, main


def network(**more) -> bytes:
    """Two linears, a table, and whatever is added."""
    return safetensors({
        "embed_tokens.weight": normal_tensor("F32", [50, 8], "table"),
        "fc.weight": normal_tensor("F32", [8, 8], "fc"),
        "lm_head.weight": normal_tensor("F32", [50, 8], "head"),
    } | more)


EXPERTS = {"mlp.experts.up_proj": normal_tensor("F32", [4, 8, 8], "experts"), "x.w": normal_tensor("F32", [2, 2], "w")}
GPTQ = {  # of 2 bits
    "q.qweight": ("I32", [1, 16], bytes(64)), "q.qzeros": ("I32", [1, 1], bytes(4)),
    "q.scales": ("F16", [1, 16], bytes(32)), "q.g_idx": ("I32", [16], bytes(64)),
}


class LeftOut(OctileTest):
    def commands(self, file: str) -> list:
        return [["plan", file, "--tokens", "2"], ["run", file, "--tokens", "2"], ["quantize", file, "-o", "out.octile"]]

    def test_nothing_but_a_table(self):
        self.write("net.safetensors", network())
        for arguments in self.commands("net.safetensors"):
            text = self.succeed(*arguments)
            self.assertNotIn("warning", text)
            self.assertIn("tables that are looked up (assumed, by their names): 1 tensor, 1.6 kB, 46.3 % of the parameters, "
                          "the largest embed_tokens.weight", text)
            self.assertTrue(text.endswith("left out: nothing\n"), text)

    def test_experts(self):
        self.write("net.safetensors", network(**EXPERTS))
        for arguments in self.commands("net.safetensors"):
            text = self.succeed(*arguments)
            self.assertRegex(text.split("\n")[0], r"^warning: net: 23\.1 % of the parameters are left out \(experts 22\.8 %, name 0\.4 %\)")
            self.assertIn("left out: 2 tensors, 1.0 kB, 23.1 % of the parameters\n", text)
            self.assertRegex(text, r"experts +1 +1\.0 kB +22\.8 % +mlp\.experts\.up_proj")
            answer = self.octile(*arguments, "--format", "json")
            self.assertRegex(answer.err, r"\Aoctile: warning: net: 23\.1 % of the parameters[^\n]*\n\Z")
            document = json.loads(answer.out)
            self.assertEqual({(left["tensor"], left["reason"], left["parameters"], left["bytes"]) for left in document["left_out"]},
                             {("embed_tokens.weight", "table", 400, 1600), ("mlp.experts.up_proj", "experts", 256, 1024),
                              ("x.w", "name", 4, 16)})
            self.assertEqual(document["parameters"], 400 + 64 + 400 + 256 + 4)

    def test_every_format_of_a_plan(self):
        self.write("net.safetensors", network(**EXPERTS))
        markdown = self.succeed("plan", "net.safetensors", "--tokens", "2", "--format", "md")
        self.assertTrue(markdown.startswith("warning: net: 23.1 %"))
        self.assertRegex(markdown, r"\| experts +\|")
        html = self.octile("plan", "net.safetensors", "--tokens", "2", "--format", "html").out
        self.assertIn("What is left out", html)
        self.assertIn("<td>mlp.experts.up_proj</td>", html)
        self.octile("plan", "net.safetensors", "--tokens", "2", "--format", "json", "-o", "plan.json")
        plan = json.loads((self.folder / "plan.json").read_text())
        self.assertEqual(len(plan["left_out"]), 3)
        # It is read back, and compared.
        answer = self.octile("plan", "net.safetensors", "--tokens", "2", "--compare", "plan.json")
        self.assertEqual((answer.code, answer.err), (0, "octile: note: 0 differences from plan.json\n"))
        self.write("net.safetensors", network())
        answer = self.octile("plan", "net.safetensors", "--tokens", "2", "--compare", "plan.json")
        self.assertIn("left_out: 3 tensors of 660 parameters -> 1 tensors of 400 parameters", answer.err)

    def test_a_packed_file_remembers(self):
        self.write("net.safetensors", network(**EXPERTS))
        self.succeed("quantize", "net.safetensors", "-o", "out.octile")
        self.assertIn("mlp.experts.up_proj", self.succeed("plan", "out.octile"))

    def test_layer_lists_have_no_tensors(self):
        self.write("net.csv", layer_list(["fc,2,8,8"]))
        self.assertNotIn("left out", self.succeed("plan", "net.csv"))
        self.assertNotIn("left_out", self.json("plan", "net.csv"))

    def test_the_users_own_wish_is_no_warning(self):
        self.write("net.safetensors", network(**{"odd.weight": ("I64", [20, 20], bytes(3200))}))
        for arguments in self.commands("net.safetensors"):
            self.fail_with(1, ["odd.weight", "I64", "--skip"], *arguments)
            text = self.succeed(*arguments, "--skip", "odd")
            self.assertNotIn("warning", text)
            self.assertRegex(text, r"\nuser +1 +3\.2 kB")

    def test_part_of_a_network_in_a_form_that_is_not_read(self):
        self.write("net.safetensors", network(**GPTQ))
        text = self.succeed("plan", "net.safetensors", "--tokens", "2")
        self.assertRegex(text.split("\n")[0], r"^warning: net: 22\.9 % .*\(4-bit 22\.9 %\), the largest q\.qweight")
        self.assertIn("GPTQ of 2 bits, which is not read", text)

    def test_most_of_a_network_in_a_form_that_is_not_read(self):
        packed = {f"{i}.{name}": content for i in range(6) for name, content in GPTQ.items()}
        self.write("net.safetensors", network(**packed))
        for arguments in self.commands("net.safetensors"):
            self.fail_with(1, ["6 of 8 linears in the form GPTQ of 2 bits", "GPTQModel"], *arguments)
            self.assertIn("left out: 24 tensors", self.succeed(*arguments, "--skip", "[0-5].q"))

    def test_zeros_of_a_pruned_channel(self):
        tensors = {"fc.weight": ("I8", [3, 4], bytes([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])),
                   "fc.weight_scale": tensor("F32", [3, 1], [0.5, 0.0, 2.0]),
                   "fc.input_scale": tensor("F32", [1], [0.05])}
        self.write("net.safetensors", safetensors(tensors))
        self.succeed("run", "net.safetensors", "--tokens", "3", "--verify")
        self.succeed("quantize", "net.safetensors", "-o", "net.octile")
        self.succeed("run", "net.octile", "--tokens", "3", "--verify")

    def test_an_input_with_a_zero_point_runs_and_packs(self):
        tensors = {"fc.weight": ("I8", [3, 4], bytes(range(12))), "fc.weight_scale": tensor("F32", [3, 1], [0.5, 1.0, 2.0]),
                   "fc.input_scale": tensor("F32", [1], [0.05]), "fc.input_zero_point": ("I8", [1], b"\x07")}
        self.write("net.safetensors", safetensors(tensors))
        for arguments in self.commands("net.safetensors"):
            answer = self.octile(*arguments)
            self.assertEqual(answer.code, 0)
            self.assertRegex(answer.err, r"\Aoctile: note: net\.safetensors: 1 linears have one scale and zero point[^\n]*\n\Z")
        self.succeed("run", "out.octile", "--tokens", "3", "--verify")


class Files(OctileTest):
    """Files that are something else, and folders."""

    def test_files_that_are_something_else(self):
        for name, content, words in [
            ("a.safetensors", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12\n", ["git-lfs pointer", "git lfs pull"]),
            ("b.safetensors", b"<!DOCTYPE html><html>not found</html>", ["HTML page", "download"]),
            ("c.gguf", b"lmgg\x03\0\0\0" + bytes(64), ["GGML", "llama.cpp"]),
            ("d.bin", b"PK\x03\x04" + bytes(40) + b"archive/data.pkl", ["torch.save", "safetensors"]),
            ("e.pt", b"PK\x03\x04" + bytes(40) + b"m/code/__torch__.py m/data.pkl", ["TorchScript", "ONNX"]),
            ("f.bin", b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.", ["pickle", "safetensors"]),
            ("g.ort", b"\x20\0\0\0ORTM" + bytes(64), [".ort", "ONNX"]),
            ("h.npz", b"PK\x03\x04" + bytes(40) + b"weight.npy", ["NumPy", "safetensors"]),
            ("i.tar", bytes(257) + b"ustar\x0000", ["tar archive", "unpack"]),
            ("j.gz", b"\x1f\x8b\x08" + bytes(20), ["gzip", "unpack"]),
            ("k.csv", b"<html>", ["HTML page"]),
        ]:
            with self.subTest(name):
                self.write(name, content)
                for arguments in [["plan", name, "--tokens", "2"], ["run", name, "--tokens", "2"], ["quantize", name, "-o", "x.octile"]]:
                    self.fail_with(1, [f"{name}: found ", *words], *arguments)

    def test_a_length_like_another_format_is_a_length(self):
        # 35615 bytes of header: the file begins as gzip files do.
        header = json.dumps({"fc.weight": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}})
        self.write("net.safetensors", (0x8b1f).to_bytes(8, "little") + header.ljust(0x8b1f).encode() + bytes(16))
        self.succeed("plan", "net.safetensors", "--tokens", "2")

    def folder_with(self, **files) -> str:
        (self.folder / "net").mkdir(exist_ok=True)
        for old in (self.folder / "net").iterdir():
            old.unlink()
        for name, content in files.items():
            (self.folder / "net" / name).write_bytes(content)
        return "net"

    def test_folders(self):
        plan = lambda **files: ["plan", self.folder_with(**files), "--tokens", "2"]
        for name in ["model.safetensors", "diffusion_pytorch_model.safetensors", "any.safetensors"]:
            self.assertIn("fc", self.succeed(*plan(**{name: network()})))
        self.fail_with(1, ["model.safetensors.index.json", "config.json", "found none"], *plan(other=b"x"))
        self.fail_with(1, ["pytorch_model.bin is a checkpoint of torch.save"], *plan(**{"pytorch_model.bin": b"PK\x03\x04 x/data.pkl"}))
        self.fail_with(1, ["name one of a.safetensors, b.safetensors"], *plan(**{"a.safetensors": network(), "b.safetensors": network()}))
        config = json.dumps({"model_type": "bert", "hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
                             "hidden_act": "gelu", "layer_norm_eps": 1e-12, "vocab_size": 50, "max_position_embeddings": 16,
                             "type_vocab_size": 2}).encode()
        self.fail_with(1, ["expected weights", "pytorch_model.bin is a checkpoint of torch.save"], "quantize",
                       self.folder_with(**{"pytorch_model.bin": b"PK\x03\x04 x/data.pkl", "config.json": config}), "-o", "x.octile")
        shards = {f"model-0000{i}-of-00002.safetensors": network() for i in (1, 2)}
        self.fail_with(1, ["model.safetensors.index.json", "is missing"], *plan(**shards))
        self.fail_with(1, ["LoRA adapter", "merge"], *plan(**{"adapter_model.safetensors": network()}))
        answer = self.octile(*plan(**{"adapter_model.safetensors": network(), "model.safetensors": network()}))
        self.assertEqual(answer.code, 0)
        self.assertIn("adapter_model.safetensors is a LoRA adapter", answer.err)
        index = json.dumps({"weight_map": {"fc.weight": "model-00001-of-00002.safetensors"}}).encode()
        self.fail_with(1, ["model-00001-of-00002.safetensors", "model.safetensors beside it"],
                       *plan(**{"model.safetensors.index.json": index, "model.safetensors": network()}))


if __name__ == "__main__":
    main()
