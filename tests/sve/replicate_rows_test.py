"""finish_ir.py, scalable tiles: the loads of their rows replicate 16 bytes, and what is not such a load is an error."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "generators"))

import finish_ir  # noqa: E402

LEVEL = {"halide": "arm-64-linux-sve2", "triple": "aarch64-linux-gnu", "cpu": "generic", "tune": "neoverse-v1", "features": "+neon,+i8mm,+sve"}

I32, I8 = "<vscale x 4 x i32>", "<vscale x 16 x i8>"
UDOT = "llvm.aarch64.sve.udot.nxv4i32"
ROWS = f"  %rows = load {I8}, ptr %at, align 1, !tbaa !9\n"
COLUMNS = f"  %columns = load {I8}, ptr %to, align 1, !tbaa !8\n"


def product(number: int, rows: str, columns: str) -> str:
    return f"  %{number} = tail call {I32} @{UDOT}({I32} %a{number}, {I8} {rows}, {I8} {columns})\n"


def finish(body: str) -> finish_ir.Finished:
    text = f'target triple = "aarch64"\ndefine void @kernel(ptr %at, ptr %to) {{\n{body}  ret void\n}}\ndeclare {I32} @{UDOT}({I32}, {I8}, {I8})\n'
    return finish_ir.finish(text, LEVEL, expect_mmla=True)


class ReplicateRows(unittest.TestCase):
    def test_rows_are_replicated_and_columns_are_not(self):
        finished = finish(ROWS + COLUMNS + product(1, "%rows", "%columns") + product(2, "%rows", "%columns"))
        self.assertEqual(finished.mmla_calls, 2)
        self.assertIn(f"  %rows = call {I8} @llvm.aarch64.sve.ld1rq.nxv16i8(<vscale x 16 x i1> splat (i1 true), ptr %at)\n", finished.text)
        self.assertIn(COLUMNS, finished.text)
        self.assertEqual(finished.text.count("@llvm.aarch64.sve.smmla.nxv4i32("), 3)
        self.assertNotIn("udot", finished.text)

    def test_rows_that_are_also_columns_are_an_error(self):
        with self.assertRaisesRegex(finish_ir.FinishError, "%rows, the rows of a scalable smmla"):
            finish(ROWS + COLUMNS + product(1, "%rows", "%columns") + product(2, "%rows", "%rows"))

    def test_rows_that_are_not_loaded_are_an_error(self):
        with self.assertRaisesRegex(finish_ir.FinishError, "%rows, the rows of a scalable smmla"):
            finish(f"  %rows = bitcast <vscale x 4 x i32> %x to {I8}\n" + COLUMNS + product(1, "%rows", "%columns"))


if __name__ == "__main__":
    unittest.main()
