"""bench/arm on the real program: what is counted is what the shape says, and cutting a trace changes its cycles by nearly nothing."""

import os
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench/arm"))

from bench_arm import DEFAULT_CPU  # noqa: E402
from execution import Emulator, Shape, count  # noqa: E402
from mca import Model  # noqa: E402
from measure import vector_bits  # noqa: E402
from modelled_trace import ModelledTrace, segments  # noqa: E402
from program import Program, disassemble, parse_kernels, products_of  # noqa: E402


class MeasurementTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        programs = pathlib.Path(os.environ["OCTILE_ARM_PROGRAMS"])
        cls.emulator = Emulator("qemu-aarch64", DEFAULT_CPU, programs / "libtrace_blocks.so", programs / "octile_run_linear")
        cls.levels = cls.emulator.list("levels").split()
        cls.program = Program(disassemble(programs / "octile_run_linear", "llvm-objdump-19"), parse_kernels(cls.emulator.list("kernels")))

    def test_every_product_is_counted_once(self):
        shape = Shape(48, 384, 384)  # that the tiles divide
        for level in ("dotprod", "i8mm"):
            trace = self.emulator.trace(self.program, level, shape)
            products = 0
            for block in trace.steps:
                for address in trace.addresses(block):
                    kind, macs = products_of(self.program.instructions[address], vector_bits(DEFAULT_CPU))
                    products += macs if kind in ("sdot", "smmla") else 0
            self.assertEqual(products, shape.macs, level)

    def test_every_phase_occurs_and_a_second_run_counts_the_same(self):
        shape = Shape(8, 64, 48)
        for level in self.levels:
            first, second = (count(self.program, self.emulator.trace(self.program, level, shape)) for _ in range(2))
            self.assertEqual(first, second, level)
            self.assertLessEqual({"quantize+pack", "GEMM", "epilogue", "other"}, {phase for phase, _ in first}, level)

    def test_a_cut_trace_takes_the_cycles_of_the_whole(self):
        trace = self.emulator.trace(self.program, "dotprod", Shape(16, 384, 96))
        self.assertGreater(len(segments(self.program, trace)), 10)
        modelled = ModelledTrace(self.program, trace)
        for core in ("neoverse-n1", "neoverse-v2"):
            model = Model("llvm-mca-19", core)
            whole = model.straight([[self.program.instructions[address] for block in trace.steps for address in trace.addresses(block)]])[0]
            self.assertAlmostEqual(modelled.cycles(model) / whole, 1, delta=0.005, msg=core)


if __name__ == "__main__":
    unittest.main()
