"""The parts of bench/arm on text and traces of a few instructions."""

import array
import pathlib
import struct
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench/arm"))

import ceilings  # noqa: E402
import tables  # noqa: E402
from execution import Shape, Trace, count, read_trace  # noqa: E402
from mca import assembly  # noqa: E402
from modelled_trace import ModelledTrace, segments  # noqa: E402
from program import Instruction, Program, class_of, parse_kernels, products_of  # noqa: E402


def instruction(text: str) -> Instruction:
    mnemonic, _, operands = text.partition(" ")
    return Instruction(mnemonic, operands)


def listing(functions: dict[str, list[str]], start: int = 0x1000) -> str:
    """As llvm-objdump prints it. "@n" stands for the address of the function's n-th instruction."""
    lines, address = [], start
    for name, body in functions.items():
        base = address
        lines += ["", f"{address:016x} <{name}>:"]
        for text in body:
            mnemonic, _, operands = text.partition(" ")
            if "@" in operands:
                before, _, index = operands.partition("@")
                operands = f"{before}0x{base + 4 * int(index):x} <{name}+0x{4 * int(index):x}>"
            lines.append(f"  {address:x}:      \t{mnemonic}\t{operands}")
            address += 4
    return "\n".join(lines)


# Two nested loops; the inner one reduces, with a spill. Then a loop that multiplies and stores.
GEMM = ["mov x0, #4", "smmla v0.4s, v1.16b, v2.16b", "str q3, [sp, #16]", "subs x1, x1, #1", "b.ne @1",
        "sdot v0.4s, v1.16b, v2.4b[0]", "str q0, [x2], #16", "cbnz x3, @5", "subs x0, x0, #1", "b.ne @1", "ret"]
KERNELS = "gemm_a_i8mm i8mm 8x12x8\nquantize_rows_a_i8mm i8mm 8x0x8\ngemm_a_i8mm_wide i8mm 8x24x8\n"


class ClassTest(unittest.TestCase):
    def test_every_class(self):
        for text, expected in {
            "sdot v0.4s, v1.16b, v2.4b[3]": "int dot", "smmla z0.s, z1.b, z2.b": "int dot", "usdot v0.4s, v1.16b, v2.16b": "int dot",
            "smull v0.8h, v1.8b, v2.8b": "vector int", "abs v0.16b, v1.16b": "vector int", "sqxtn v0.4h, v1.4s": "vector int",
            "fmul v0.4s, v1.4s, v2.s[0]": "vector float", "scvtf v0.4s, v0.4s": "vector float", "fcvtns v0.4s, v1.4s": "vector float",
            "fmul s0, s1, s2": "vector float", "fmla v0.8h, v1.8h, v2.h[0]": "fp16", "fcvtn v0.4h, v1.4s": "fp16",
            "ldp q0, q1, [x1]": "vector load", "ld1r { v0.4s }, [x0]": "vector load", "ld1b { z0.b }, p0/z, [x0]": "vector load",
            "stp d8, d9, [sp]": "vector store", "st1 { v0.d }[1], [x0]": "vector store",
            "zip2 v0.2d, v1.2d, v2.2d": "move", "mov v0.16b, v1.16b": "move", "movi v0.2d, #0": "move", "umov w0, v1.h[0]": "move",
            "mov x0, x1": "scalar int", "smull x0, w1, w2": "scalar int", "madd x0, x1, x2, x3": "scalar int",
            "ldr x0, [sp, #8]": "scalar memory", "stp x29, x30, [sp]": "scalar memory", "prfm pldl1keep, [x0]": "scalar memory",
            "b.ne 0x1000": "branch", "cbz w0, 0x1000": "branch", "ret ": "branch", "bl 0x1000": "branch",
        }.items():
            self.assertEqual(class_of(instruction(text)), expected, text)

    def test_products(self):
        for text, bits, expected in (
            ("sdot v0.4s, v1.16b, v2.4b[0]", 256, ("sdot", 16)), ("smmla v0.4s, v1.16b, v2.16b", 256, ("smmla", 32)),
            ("smmla z0.s, z1.b, z2.b", 256, ("smmla", 64)), ("sdot z0.s, z1.b, z2.b", 256, ("sdot", 32)),
            ("fmla v0.8h, v1.8h, v2.h[0]", 128, ("fmla .8h", 8)), ("fmla v0.4s, v1.4s, v2.s[0]", 128, ("fmla .4s", 4)),
            ("smull2 v0.8h, v1.16b, v2.16b", 128, ("smull", 8)), ("smull x0, w1, w2", 128, ("", 0)), ("fmul v0.4s, v1.4s, v2.4s", 128, ("", 0)),
        ):
            self.assertEqual(products_of(instruction(text), bits), expected, text)


class ProgramTest(unittest.TestCase):
    def setUp(self):
        self.program = Program(listing({
            "octile_gemm_a_i8mm.par_for.y": GEMM, "octile_gemm_a_i8mm_wide_par_for_y": ["ret"], "octile_gemm_ab_i8mm": ["ret"],
            "octile_quantize_rows_a_i8mm_argv": ["ret"], "main": ["b.ne @0"]}), parse_kernels(KERNELS))

    def test_a_reduction_loop_is_innermost_multiplies_and_stores_only_spills(self):
        self.assertEqual(self.program.reduction_loops(0x1000), [(0x1004, 0x1010)])

    def test_phases(self):
        self.assertEqual([self.program.phase_at(0x1000 + 4 * i) for i in range(15)],
                         ["epilogue"] + 4 * ["GEMM"] + 6 * ["epilogue"] + ["epilogue", "other", "quantize+pack", "other"])

    def test_a_function_belongs_to_the_kernel_with_the_longest_name(self):
        owners = [kernel and kernel.name for kernel in map(self.program.kernel_at, (0x1000, 0x102c, 0x1030, 0x1034))]
        self.assertEqual(owners, ["gemm_a_i8mm", "gemm_a_i8mm_wide", None, "quantize_rows_a_i8mm"])

    def test_a_kernel_of_no_phase(self):
        with self.assertRaisesRegex(ValueError, "kernel softmax_a_i8mm: \"softmax\" is in no phase"):
            parse_kernels("softmax_a_i8mm i8mm 1x1x1")

    def test_counts(self):
        trace = Trace([(0x1000, 5), (0x1004, 4), (0x1014, 3)], array.array("I", [0, 1, 1, 2]))
        counts = count(self.program, trace)
        self.assertEqual(counts["GEMM", "int dot"], 3)
        self.assertEqual(counts["GEMM", "branch"], 3)
        self.assertEqual(counts["epilogue", "vector store"], 1)
        self.assertEqual(sum(counts.values()), 5 + 2 * 4 + 3)


class TraceTest(unittest.TestCase):
    def test_read(self):
        trace = read_trace(struct.pack("<QQ4Q3I", 2, 3, 0x1000, 3, 0x2000, 1, 0, 1, 0))
        self.assertEqual(list(trace.steps), [0, 1, 0])
        self.assertEqual(list(trace.addresses(0)), [0x1000, 0x1004, 0x1008])

    def test_damaged_or_empty(self):
        for data in (struct.pack("<QQ2Q1I", 1, 2, 0x1000, 3, 0), struct.pack("<QQ", 0, 0)):
            with self.assertRaisesRegex(ValueError, "expected .* steps"):
                read_trace(data)

    def test_shape(self):
        self.assertEqual(Shape.parse("2x3x5").macs, 30)
        for text in ("2x3", "2x3x0", "2x3xn", "-2x3x5"):
            with self.assertRaisesRegex(ValueError, "expected MxKxN"):
                Shape.parse(text)

    def test_the_cost_of_segments_adds_up(self):
        """With a core that takes a cycle for each instruction the sum is their number, however the trace is cut."""
        class OneEach:
            @staticmethod
            def straight(sequences):
                return [len(sequence) for sequence in sequences]

        program = Program(listing({"octile_gemm_a_i8mm": GEMM, "main": ["ret"]}), parse_kernels(KERNELS))
        blocks = [(0x1000, 5), (0x1004, 4), (0x1014, 3), (0x1020, 2), (0x102c, 1)]
        tile = [1] * 600 + [2, 3]
        steps = array.array("I", [4, 4, 0] + tile * 7 + [1] * 10 + tile * 2 + [4])
        trace = Trace(blocks, steps)
        cut = segments(program, trace)
        self.assertEqual([block for segment in cut for block in segment], list(steps))
        self.assertGreater(len(cut), 8)
        self.assertEqual(ModelledTrace(program, trace).cycles(OneEach()), sum(blocks[block][1] for block in steps))


class AssemblyTest(unittest.TestCase):
    def test_write_back_is_an_instruction_of_its_own(self):
        for text, expected in {
            "ldr q0, [x1], #0x10": ["ldr q0, [x1]", "add x1, x1, #0x10"], "stp q0, q1, [x1, #-0x20]!": ["sub x1, x1, #0x20", "stp q0, q1, [x1]"],
            "ld1 { v0.4s }, [x1], x2": ["ld1 { v0.4s }, [x1]", "add x1, x1, x2"], "ldr x0, [sp, #0x8]": ["ldr x0, [sp, #0x8]"],
            "ldr q0, [x1, x2]": ["ldr q0, [x1, x2]"], "b.ne 0x1000": ["b.ne target"], "adrp x0, 0x1000": ["adrp x0, target"], "ret ": ["ret"],
        }.items():
            self.assertEqual(assembly(instruction(text)), expected, text)


class CeilingsTest(unittest.TestCase):
    MEASURED = [{"level": "i8mm", "shape": "1x2x3", "total": 50.0}]

    def test_exceeded(self):
        self.assertEqual(ceilings.exceeded(self.MEASURED, {"i8mm": {"1x2x3": 50.0}}), [])
        self.assertIn("expected at most 49.99", ceilings.exceeded(self.MEASURED, {"i8mm": {"1x2x3": 49.99}})[0])
        self.assertIn("no ceiling", ceilings.exceeded(self.MEASURED, {"dotprod": {"1x2x3": 60.0}})[0])

    def test_they_only_sink(self):
        self.assertEqual(ceilings.lowered(self.MEASURED, {}), {"i8mm": {"1x2x3": 50.5}})
        self.assertEqual(ceilings.lowered(self.MEASURED, {"i8mm": {"1x2x3": 50.1}}), {"i8mm": {"1x2x3": 50.1}})
        self.assertEqual(ceilings.lowered(self.MEASURED, {"i8mm": {"1x2x3": 60.0}, "neon": {}}), {"i8mm": {"1x2x3": 50.5}, "neon": {}})


class TablesTest(unittest.TestCase):
    FIGURES = {"shapes": ["1x2x3"], "targets": {"i8mm": {"instructions_per_1000_macs": [40]}}, "peers": {"i8mm": {"linears": {
        "a": {"matmul": [45], "quantize_share": [0.1]}, "b": {"matmul": [48], "quantize_share": [None]}}}}}

    def test_the_best_peer_is_that_of_the_whole_linear(self):
        self.assertEqual(tables.best_peer(self.FIGURES, "i8mm", "1x2x3"), (48, "b"))
        self.assertEqual(tables.best_peer(self.FIGURES, "neon", "1x2x3"), (None, "-"))
        self.assertEqual(tables.target_instructions(self.FIGURES, "i8mm", "9x9x9"), None)


if __name__ == "__main__":
    unittest.main()
