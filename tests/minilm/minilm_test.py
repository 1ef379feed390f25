#!/usr/bin/env python3
"""all-MiniLM-L6-v2 as users run it: quantized by the command, embedded by the example, compared with numpy in f32.

On another architecture there is no tokenizer: its embeddings have to have the bits that this file's golden hash stands for.
"""

import argparse
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

import numpy as np

from reference import MiniLm, Tokenizer

HERE = pathlib.Path(__file__).parent
# Of the first lines of sentences.txt, every linear INT8: what must not depend on the level of the kernels. Change it only with a change
# of docs/quantization.md.
GOLDEN_LINES = 4
GOLDEN = "71d8af1b06d10c89294179464d8bb62cf7ff1c45a1ce42b81d990432d741dfe2"
INT8, FP16 = ["--force", ".*=int8"], ["--force", ".*=fp16"]

options: argparse.Namespace


def run(*command, **extra) -> str:
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True, **extra)
    if result.returncode != 0:
        raise AssertionError(f"{command}: exit code {result.returncode}: {result.stderr}")
    return result.stdout


def emulated(*command, isa: str = "", **extra) -> str:
    environment = os.environ | ({"OCTILE_ISA": isa} if isa else {})
    return run(*options.emulator.split(), *command, env=environment, **extra)


def lines_of(name: str) -> list[str]:
    return (HERE / name).read_text(encoding="utf-8").splitlines()


class MiniLmTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = tempfile.TemporaryDirectory()
        cls.work = pathlib.Path(cls.folder.name)
        cls.network = MiniLm(options.model)
        cls.tokenizer = Tokenizer(options.model / "vocab.txt")
        cls.files: dict[str, pathlib.Path] = {}
        cls.expected: dict[str, np.ndarray] = {}  # embeddings of a file's lines in numpy

    @classmethod
    def tearDownClass(cls) -> None:
        cls.folder.cleanup()

    def quantized(self, name: str, *arguments) -> pathlib.Path:
        if name not in self.files:
            path = self.work / f"{name}.octile"
            emulated(options.octile, "quantize", options.model / "model.safetensors", "-o", path, *arguments)
            self.files[name] = path
        return self.files[name]

    def levels(self) -> list[str]:
        """Those that this CPU runs INT8 on."""
        info = json.loads(emulated(options.octile, "info", "--json"))
        return [level["name"] for level in info["levels"] if level["usable"] and level["int8_kernels"] > 0]

    def test_bits_are_the_same_on_every_level(self) -> None:
        ids = "".join(" ".join(map(str, self.tokenizer.encode(line))) + "\n" for line in lines_of("sentences.txt")[:GOLDEN_LINES])
        model = self.quantized("int8", *INT8)
        levels = self.levels()
        self.assertGreaterEqual(len(levels), 1)
        for level in levels:
            text = emulated(options.embed_ids, model, isa=level, input=ids)
            embeddings = np.array([line.split() for line in text.splitlines()], np.float32)
            self.assertEqual(embeddings.shape, (GOLDEN_LINES, 384))
            self.assertEqual(hashlib.sha256(embeddings.tobytes()).hexdigest(), GOLDEN, level)

    @unittest.skipUnless("--minilm" in sys.argv, "no tokenizer in a cross build")
    def test_tokens(self) -> None:
        for name in ("tricky.txt", "sentences.txt"):
            lines = lines_of(name)
            ids = run(options.minilm, self.quantized("ratio"), options.model / "vocab.txt", "--ids", input="\n".join(lines) + "\n").splitlines()
            self.assertEqual(len(ids), len(lines))
            for line, found in zip(lines, ids):
                self.assertEqual([int(token) for token in found.split()], self.tokenizer.encode(line), line)

    def embed(self, model: pathlib.Path, lines: list[str]) -> np.ndarray:
        text = run(options.minilm, model, options.model / "vocab.txt", input="\n".join(lines) + "\n")
        return np.array([line.split() for line in text.splitlines()], np.float32)

    def cosines(self, model: pathlib.Path, name: str) -> np.ndarray:
        lines = lines_of(name)
        if name not in self.expected:
            self.expected[name] = np.array([self.network.embed(self.tokenizer.encode(line)) for line in lines])
        return (self.embed(model, lines) * self.expected[name]).sum(-1)

    @unittest.skipUnless("--minilm" in sys.argv, "no tokenizer in a cross build")
    def test_embeddings(self) -> None:
        """The worst of 64 sentences. Very short ones do worse in INT8 (docs/accuracy.md)."""
        for name, arguments, least in (("ratio", [], 0.998), ("int8", INT8, 0.995), ("fp16", FP16, 0.9999)):
            cosines = self.cosines(self.quantized(name, *arguments), "sentences.txt")
            print(f"{name}: cosine {cosines.min():.6f} at worst, {np.median(cosines):.6f} median", file=sys.stderr)
            self.assertEqual(len(cosines), 64)
            self.assertGreaterEqual(cosines.min(), least, name)

    @unittest.skipUnless("--minilm" in sys.argv, "no tokenizer in a cross build")
    def test_accuracy_policy(self) -> None:
        """Calibrated on other lines than those it is measured on."""
        rows: dict[str, list[np.ndarray]] = {}
        self.network.observe = lambda name, x: rows.setdefault(name, []).append(x)
        for line in lines_of("tricky.txt"):
            self.network.embed(self.tokenizer.encode(line))
        self.network.observe = lambda name, x: None
        np.savez(self.work / "rows.npz", **{name: np.concatenate(x) for name, x in rows.items()})
        model = self.quantized("accuracy", "--policy", "accuracy", "--calibration", self.work / "rows.npz", "--calibration-rows", 512,
                               "--smooth-quant", "auto", "--min-sqnr", 27)
        layers = json.loads(run(options.octile, "plan", model, "--format", "json"))["layers"]
        ffn = [layer for layer in layers if layer["op"] == "linear" and 1536 in (layer["k"], layer["n"])]
        self.assertEqual(len(ffn), 12)
        int8 = sum(layer["precision"] == "int8" for layer in ffn)
        cosines = self.cosines(model, "sentences.txt")
        print(f"accuracy: {int8} of 12 FFN linears INT8, cosine {cosines.min():.6f} at worst", file=sys.stderr)
        self.assertGreaterEqual(int8, 6)
        self.assertGreaterEqual(cosines.min(), 0.9995)

    @unittest.skipUnless("--minilm" in sys.argv, "no tokenizer in a cross build")
    def test_similarities_keep_their_order(self) -> None:
        """The model card's example: which sentence is most like the first."""
        lines = ["That is a happy person", "That is a happy dog", "That is a very happy person", "Today is a sunny day"]
        reference = np.array([self.network.embed(self.tokenizer.encode(line)) for line in lines])
        order = np.argsort(reference[1:] @ reference[0])
        for name, arguments in (("ratio", []), ("int8", INT8), ("fp16", FP16)):
            found = run(options.minilm, self.quantized(name, *arguments), options.model / "vocab.txt", "--similarity", input="\n".join(lines) + "\n")
            similarities = [float(line.split()[0]) for line in found.splitlines()]
            self.assertEqual(len(similarities), 3)
            self.assertEqual(list(np.argsort(similarities)), list(order), name)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for name in ("octile", "embed-ids", "minilm", "model"):
        parser.add_argument(f"--{name}", type=pathlib.Path)
    parser.add_argument("--emulator", default="")
    options = parser.parse_args()
    unittest.main(argv=sys.argv[:1], verbosity=2)
