"""The generator program and the mmla selection pass in it, run as the build runs them."""

import json
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

GENERATORS = pathlib.Path(__file__).resolve().parents[2] / "generators"
PROGRAM = os.environ.get("OCTILE_GENERATORS")
LEVELS = json.loads((GENERATORS / "isa_levels.json").read_text())

TILE = {"tile_m": 8, "panel_m": 8, "panel_n": 12, "k_block": 8, "cell_m": 2, "cell_n": 2, "lhs_type": "int8"}


@unittest.skipUnless(PROGRAM, "run by CTest, which names the program")
class Generator(unittest.TestCase):
    def generate(self, family: str, isa: str, **params) -> tuple[subprocess.CompletedProcess, str]:
        with tempfile.TemporaryDirectory() as folder:
            command = [PROGRAM, "-g", family, "-f", "kernel", "-o", folder, "-e", "llvm_assembly",
                       *(f"{name}={value}" for name, value in params.items()), f"target={LEVELS[isa]['halide']}-no_runtime-strict_float"]
            result = subprocess.run(command, capture_output=True, text=True)
            output = pathlib.Path(folder) / "kernel.ll"
            return result, output.read_text() if output.exists() else ""

    def carriers(self, text: str) -> int:
        return len(re.findall(r"call [^@\n]*@llvm\.aarch64\.neon\.udot\.v4i32\.v16i8\(", text))

    def test_every_cell_of_a_tile_becomes_a_carrier_and_nothing_else_multiplies_bytes(self):
        for tile_m, panel_n, panels in ((8, 12, 1), (7, 12, 1), (1, 12, 2), (4, 8, 1)):
            result, text = self.generate("gemm_s8", "i8mm", **(TILE | {"tile_m": tile_m, "panel_n": panel_n, "panels": panels}))
            self.assertEqual(result.returncode, 0, result.stderr)
            cells = (tile_m + 1) // 2 * (panel_n * panels // 2)
            self.assertGreater(self.carriers(text), 0)
            self.assertEqual(self.carriers(text) % cells, 0)
            other = re.search(r"@llvm\.aarch64\.neon\.(sdot|[su]mull\.v8i16)[.\w]*|mul (nsw |nuw )*<\d+ x i16>", text)
            self.assertIsNone(other)

    def test_a_tile_that_is_not_made_of_cells_fails_the_build(self):
        result, text = self.generate("gemm_s8", "i8mm", **(TILE | {"k_block": 4}))
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("left unmatched", result.stdout + result.stderr)
        self.assertEqual(text, "")

    def test_without_cells_nothing_is_selected(self):
        result, text = self.generate("gemm_s8", "dotprod", **(TILE | {"k_block": 4, "cell_m": 1, "cell_n": 4}))
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(self.carriers(text), 0)
        self.assertIn("llvm.aarch64.neon.sdot", text)

    def test_a_family_or_parameter_that_is_not_there(self):
        for family, params in (("gemm_s9", TILE), ("gemm_s8", TILE | {"tile_q": 3}), ("gemm_s8", TILE | {"asymmetric": "perhaps"}),
                               ("epilogue", {"combine": "sum"}), ("quantize", {"scaling": "static2"})):
            result, text = self.generate(family, "i8mm", **params)
            self.assertNotEqual(result.returncode, 0)
            self.assertEqual(text, "")


if __name__ == "__main__":
    unittest.main()
