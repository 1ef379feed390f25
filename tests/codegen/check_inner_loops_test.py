"""The check itself: it passes what is right and finds every kind of defect in assembly that was doctored to have it."""

import os
import re
import unittest

import check_inner_loops

# By hand, what clang writes for the 8x12 tile of dotprod and for the 12x32 tile of avx512vnni.
_SDOT = "".join(f"\tsdot\tv{8 + 3 * row + column}.4s, v{2 + column}.16b, v{row // 4}.4b[{row % 4}]\n"
                for row in range(8) for column in range(3))
DOTPROD = f"""\t.text
kernel:                                 // @kernel
// %bb.0:
\tstr\tq8, [sp, #16]                   // 16-byte Spill
\tzip1\tv8.4s, v8.4s, v9.4s
.LBB0_1:                                // =>This Loop Header: Depth=1
\tmovi\tv8.2d, #0000000000000000
.LBB0_2:                                //   Parent Loop BB0_1 Depth=1
\tldp\tq0, q1, [x1], #32
\tldp\tq2, q3, [x2]
\tldr\tq4, [x2, #32]
\tadd\tx2, x2, #48
\tsubs\tx0, x0, #1
{_SDOT}\tb.ne\t.LBB0_2
// %bb.3:
\tscvtf\tv8.4s, v8.4s
\tstr\tq8, [x3], #16
\tsubs\tx4, x4, #1
\tb.ne\t.LBB0_1
\tldr\tq8, [sp, #16]                   // 16-byte Reload
\tret
"""

_VNNI = "".join(f"\tvpbroadcastd\t{4 * row}(%rsi), %zmm31\n"
                f"\tvpdpbusd\t%zmm1, %zmm31, %zmm{2 + row}\n\tvpdpbusd\t%zmm2, %zmm31, %zmm{14 + row}\n"
                for row in range(12))
VNNI = f"""\t.text
kernel:                                 # @kernel
# %bb.0:
\tvmovups\t%zmm2, 64(%rsp)              # 64-byte Spill
.LBB0_1:                                # =>This Inner Loop Header: Depth=1
\tvmovdqu64\t(%rdi,%rbp), %zmm1
\tvmovdqu64\t64(%rdi,%rbp), %zmm2
{_VNNI}\taddq\t$128, %rbp
\tcmpq\t%rax, %rbp
\tjne\t.LBB0_1
\tretq
"""

DOTPROD_NAME, VNNI_NAME = "gemm_s8_f32_none_8x12x4_dotprod", "gemm_s8_f16_gelu_12x32x4_avx512vnni"


def check(name: str, assembly: str) -> list[str]:
    return check_inner_loops.check_kernel(name, assembly, None)


def in_loop(assembly: str, line: str) -> str:
    """`assembly` with a line more in its innermost loop."""
    return re.sub(r"(\n\t(?:subs\tx0|addq))", rf"\n\t{line}\1", assembly, count=1)


class RightAssembly(unittest.TestCase):
    def test_the_textbook_loops_pass(self):
        self.assertEqual(check(DOTPROD_NAME, DOTPROD), [])
        self.assertEqual(check(VNNI_NAME, VNNI), [])

    def test_two_steps_in_one_loop_pass(self):
        body = re.search(r"(\tldp\tq0, q1.*?)(\tadd\tx2.*?subs\tx0, x0, #1\n)(.*?)\tb.ne\t.LBB0_2", DOTPROD, re.DOTALL)
        twice = DOTPROD.replace(body.group(0), (body.group(1) + body.group(3)) * 2 + body.group(2) + "\tb.ne\t.LBB0_2")
        self.assertEqual(twice.count("sdot"), 48)
        self.assertEqual(check(DOTPROD_NAME, twice), [])

    def test_scalar_work_in_the_loop_passes(self):
        self.assertEqual(check(DOTPROD_NAME, in_loop(DOTPROD, "add\tx9, x9, #4")), [])
        self.assertEqual(check(VNNI_NAME, in_loop(VNNI, "leaq\t4(%rbp), %rcx")), [])


class DoctoredAssembly(unittest.TestCase):
    def assert_finding(self, name: str, assembly: str, words: str) -> None:
        findings = check(name, assembly)
        self.assertEqual(len(findings), 1, findings)
        self.assertIn(name, findings[0])
        self.assertIn(words, findings[0])

    def test_one_product_less(self):
        self.assert_finding(DOTPROD_NAME, DOTPROD.replace("\tsdot\tv8.4s, v2.16b, v0.4b[0]\n", ""), "23 sdot by element")
        self.assert_finding(VNNI_NAME, VNNI.replace("\tvpdpbusd\t%zmm1, %zmm31, %zmm2\n", ""), "23 vpdpbusd zmm")

    def test_a_product_of_another_form(self):
        self.assert_finding(DOTPROD_NAME, DOTPROD.replace("v2.16b, v0.4b[0]", "v2.16b, v0.16b"), "1 sdot, 23 sdot by element")
        self.assert_finding(VNNI_NAME, VNNI.replace("%zmm1, %zmm31, %zmm2\n", "%ymm1, %ymm31, %ymm2\n"), "1 vpdpbusd ymm, 23 vpdpbusd zmm")

    def test_a_spill(self):
        for line in ("str\tq8, [sp, #16]", "ldr\tq8, [sp, #16]", "ldr\tx9, [sp, #16]", "ldp\tq8, q9, [sp]"):
            self.assert_finding(DOTPROD_NAME, in_loop(DOTPROD, line), "1 spill")
        for line in ("vmovups\t%zmm2, 64(%rsp)", "vmovups\t64(%rsp), %zmm2", "movq\t8(%rsp), %rcx", "vpdpbusd\t(%rsp), %zmm31, %zmm2"):
            self.assert_finding(VNNI_NAME, in_loop(VNNI, line), "1 spill")

    def test_a_spill_at_the_frame_pointer(self):
        framed = VNNI.replace("# %bb.0:\n", "# %bb.0:\n\tmovq\t%rsp, %rbp\n").replace("(%rdi,%rbp)", "(%rdi,%rcx)")
        self.assertEqual(check(VNNI_NAME, framed), [])
        self.assert_finding(VNNI_NAME, in_loop(framed, "vmovups\t%zmm2, -64(%rbp)"), "1 spill")

    def test_a_store_a_shuffle_and_a_move(self):
        for line, fact in (("str\tq8, [x5]", "1 store"), ("zip1\tv8.4s, v8.4s, v9.4s", "1 zip1"), ("uzp2\tv8.4s, v8.4s, v9.4s", "1 uzp2"),
                           ("ext\tv8.16b, v8.16b, v8.16b, #8", "1 ext"), ("dup\tv8.4s, v9.s[0]", "1 dup"),
                           ("mov\tv8.16b, v9.16b", "1 mov"), ("mov\tv8.s[1], w5", "1 mov"), ("trn1\tv8.4s, v8.4s, v9.4s", "1 trn1")):
            self.assert_finding(DOTPROD_NAME, in_loop(DOTPROD, line), fact)
        for line, fact in (("vmovups\t%zmm2, (%rdi)", "1 store"), ("vpermd\t%zmm1, %zmm2, %zmm3", "1 vpermd zmm"),
                           ("vmovdqa64\t%zmm1, %zmm2", "1 move zmm"), ("vmovd\t%ecx, %xmm3", "1 vmovd xmm")):
            self.assert_finding(VNNI_NAME, in_loop(VNNI, line), fact)

    def test_one_load_more(self):
        self.assert_finding(DOTPROD_NAME, in_loop(DOTPROD, "ldr\tq5, [x2, #64]"), "6 load q")
        self.assert_finding(DOTPROD_NAME, in_loop(DOTPROD, "ld1r\t{ v5.4s }, [x2]"), "1 load element")
        self.assert_finding(VNNI_NAME, in_loop(VNNI, "vmovdqu64\t128(%rdi), %zmm3"), "3 load zmm")

    def test_no_loop_at_all(self):
        self.assert_finding(DOTPROD_NAME, DOTPROD.replace("b.ne\t.LBB0_2", "b.ne\t.LBB0_9"), "no innermost loop")
        self.assert_finding(DOTPROD_NAME, "\tret\n", "no innermost loop")

    def test_every_copy_of_the_loop_is_looked_at(self):
        second = in_loop(DOTPROD, "str\tq8, [sp]").replace(".LBB0_", ".LBB1_")
        self.assert_finding(DOTPROD_NAME, DOTPROD + second, "loop .LBB1_2")

    def test_a_tile_or_level_that_nobody_declared(self):
        self.assert_finding("gemm_s8_f32_none_9x12x4_dotprod", DOTPROD, "no inner loop is declared")
        self.assertIn("unknown", check("gemm_s8_f32_none_8x12x4_sve2", DOTPROD)[0])

    def test_a_fused_multiply_add_in_a_strict_kernel(self):
        for instruction in ("fmla\tv8.4s, v9.4s, v10.4s", "fmls\tv8.4s, v9.4s, v10.s[0]", "fmadd\ts0, s1, s2, s3",
                            "fnmsub\ts0, s1, s2, s3"):
            doctored = DOTPROD.replace("\tret\n", f"\t{instruction}\n\tret\n")
            self.assert_finding(DOTPROD_NAME, doctored, "a fused multiply-add")
            self.assert_finding("quantize_rows_f32_8x4_dotprod", f"\t{instruction}\n", "a fused multiply-add")
            self.assertEqual(check("pack_rows_f32_8_fp16", f"\t{instruction}\n"), [])
        for instruction in ("vfmadd231ps\t%zmm1, %zmm2, %zmm3", "vfnmadd132ss\t%xmm1, %xmm2, %xmm3", "vfmsub213ps\t%ymm1, %ymm2, %ymm3"):
            self.assert_finding(VNNI_NAME, VNNI.replace("\tretq\n", f"\t{instruction}\n\tretq\n"), "a fused multiply-add")

    def test_an_estimate_in_a_strict_kernel(self):
        for instruction in ("frecpe\tv8.4s, v9.4s", "frsqrte\ts0, s1", "frecps\tv8.4s, v9.4s, v1.4s"):
            self.assert_finding("quantize_rows_f32_8x4_dotprod", f"\t{instruction}\n", "an estimate")
        for instruction in ("vrcpps\t%ymm1, %ymm2", "vrcp14ps\t%zmm1, %zmm2", "vrsqrt14ps\t%zmm1, %zmm2"):
            self.assert_finding("quantize_rows_f32_12x4_avx512vnni", f"\t{instruction}\n", "an estimate")


class Table(unittest.TestCase):
    def test_names_are_read_from_the_generated_table(self):
        self.assertEqual(check_inner_loops.kernel_names('// g\nOCTILE_KERNEL(octile_a_argv, {.name = "a_1_neon", .tile_m = 8})\n'
                                                        'OCTILE_KERNEL(octile_b_argv, {.name = "b_2_fp16"})\n'), ["a_1_neon", "b_2_fp16"])


@unittest.skipUnless(os.environ.get("OCTILE_ASSEMBLER"), "the build names no assembler")
class Levels(unittest.TestCase):
    """One instruction too many for each level, and the one that makes it a level."""

    AARCH64 = {
        "neon": (["smull\tv0.8h, v1.8b, v2.8b", "fcvtl\tv0.4s, v1.4h", "fmla\tv0.4s, v1.4s, v2.s[0]"],
                 ["sdot\tv0.4s, v1.16b, v2.16b", "smmla\tv0.4s, v1.16b, v2.16b", "fmla\tv0.8h, v1.8h, v2.8h",
                  "fadd\tv0.8h, v1.8h, v2.8h", "casal\tw0, w1, [x2]"]),
        "fp16": (["fmla\tv0.8h, v1.8h, v2.h[0]"], ["sdot\tv0.4s, v1.16b, v2.16b", "fmlal\tv0.4s, v1.4h, v2.4h"]),
        "dotprod": (["sdot\tv0.4s, v1.16b, v2.4b[0]"],
                    ["smmla\tv0.4s, v1.16b, v2.16b", "fadd\tv0.8h, v1.8h, v2.8h", "casal\tw0, w1, [x2]"]),
        "i8mm": (["smmla\tv0.4s, v1.16b, v2.16b"],
                 ["fmul\tv0.8h, v1.8h, v2.8h", "bfdot\tv0.4s, v1.8h, v2.8h", "sqrdmlah\tv0.4s, v1.4s, v2.4s"]),
    }
    X86 = {
        "avx2": (["vpmaddwd\t%ymm0, %ymm1, %ymm2", "vcvtph2ps\t%xmm0, %ymm1", "vfmadd231ps\t%ymm0, %ymm1, %ymm2"],
                 ["vpdpbusd\t%zmm0, %zmm1, %zmm2", "vpaddd\t%zmm0, %zmm1, %zmm2", "vpaddd\t%ymm16, %ymm1, %ymm2",
                  "shlxq\t%rax, %rcx, %rdx"]),
        "avx512vnni": (["vpdpbusd\t%zmm0, %zmm1, %zmm2", "vpaddd\t%ymm16, %ymm1, %ymm2"],
                       ["vaddph\t%zmm0, %zmm1, %zmm2", "vdpbf16ps\t%zmm0, %zmm1, %zmm2", "vpermb\t%zmm0, %zmm1, %zmm2"]),
    }

    def test_what_is_within_and_what_is_not(self):
        assembler = os.environ["OCTILE_ASSEMBLER"]
        for isa, (within, beyond) in (self.AARCH64 if "aarch64" in os.environ["OCTILE_PROCESSOR"] else self.X86).items():
            level = check_inner_loops.LEVELS[isa]
            for instruction in within:
                self.assertEqual(check_inner_loops.check_level("k", f"\t{instruction}\n\t.addrsig\n", level, assembler), [])
            for instruction in beyond:
                findings = check_inner_loops.check_level("k", f"\tnop\n\t{instruction}\n", level, assembler)
                self.assertEqual(len(findings), 1, (isa, instruction))
                self.assertIn(instruction, findings[0])


if __name__ == "__main__":
    unittest.main()
