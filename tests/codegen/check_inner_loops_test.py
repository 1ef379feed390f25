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



def kernel(name: str, family: str, **params) -> check_inner_loops.Kernel:
    return check_inner_loops.Kernel(name, family, name.rsplit("_", 1)[1], {field: str(value) for field, value in params.items()})


def gemm_s8(isa: str, m: int, n: int, panel_m: int = 0, panels: int = 1, k_split: int = 1) -> check_inner_loops.Kernel:
    return kernel(f"gemm_s8_{m}x{n}x4_{isa}", "gemm_s8", tile_m=m, panel_m=panel_m or m, panel_n=n // panels, panels=panels, k_block=4,
                  k_split=k_split)


DOTPROD_KERNEL, VNNI_KERNEL = gemm_s8("dotprod", 8, 12), gemm_s8("avx512vnni", 12, 32)
QUANTIZE_KERNEL, X86_QUANTIZE_KERNEL = kernel("quantize_rows_f32_8x4_dotprod", "quantize"), kernel("quantize_rows_f32_8x4_avx2", "quantize")


def check(of: check_inner_loops.Kernel, assembly: str) -> list[str]:
    return check_inner_loops.check_kernel(of, assembly, None)


def in_loop(assembly: str, line: str) -> str:
    """`assembly` with a line more in its innermost loop."""
    return re.sub(r"(\n\t(?:subs\tx0|addq))", rf"\n\t{line}\1", assembly, count=1)


class RightAssembly(unittest.TestCase):
    def test_the_textbook_loops_pass(self):
        self.assertEqual(check(DOTPROD_KERNEL, DOTPROD), [])
        self.assertEqual(check(VNNI_KERNEL, VNNI), [])

    def test_two_steps_in_one_loop_pass(self):
        body = re.search(r"(\tldp\tq0, q1.*?)(\tadd\tx2.*?subs\tx0, x0, #1\n)(.*?)\tb.ne\t.LBB0_2", DOTPROD, re.DOTALL)
        twice = DOTPROD.replace(body.group(0), (body.group(1) + body.group(3)) * 2 + body.group(2) + "\tb.ne\t.LBB0_2")
        self.assertEqual(twice.count("sdot"), 48)
        self.assertEqual(check(DOTPROD_KERNEL, twice), [])

    def test_scalar_work_in_the_loop_passes(self):
        self.assertEqual(check(DOTPROD_KERNEL, in_loop(DOTPROD, "add\tx9, x9, #4")), [])
        self.assertEqual(check(VNNI_KERNEL, in_loop(VNNI, "leaq\t4(%rbp), %rcx")), [])


class DoctoredAssembly(unittest.TestCase):
    def assert_finding(self, of: check_inner_loops.Kernel, assembly: str, words: str) -> None:
        findings = check(of, assembly)
        self.assertEqual(len(findings), 1, findings)
        self.assertIn(of.name, findings[0])
        self.assertIn(words, findings[0])

    def test_one_product_less(self):
        self.assert_finding(DOTPROD_KERNEL, DOTPROD.replace("\tsdot\tv8.4s, v2.16b, v0.4b[0]\n", ""), "23 sdot by element")
        self.assert_finding(VNNI_KERNEL, VNNI.replace("\tvpdpbusd\t%zmm1, %zmm31, %zmm2\n", ""), "23 vpdpbusd zmm")

    def test_a_product_of_another_form(self):
        self.assert_finding(DOTPROD_KERNEL, DOTPROD.replace("v2.16b, v0.4b[0]", "v2.16b, v0.16b"), "1 sdot, 23 sdot by element")
        self.assert_finding(VNNI_KERNEL, VNNI.replace("%zmm1, %zmm31, %zmm2\n", "%ymm1, %ymm31, %ymm2\n"), "1 vpdpbusd ymm, 23 vpdpbusd zmm")

    def test_a_spill(self):
        for line in ("str\tq8, [sp, #16]", "ldr\tq8, [sp, #16]", "ldr\tx9, [sp, #16]", "ldp\tq8, q9, [sp]"):
            self.assert_finding(DOTPROD_KERNEL, in_loop(DOTPROD, line), "1 spill")
        for line in ("vmovups\t%zmm2, 64(%rsp)", "vmovups\t64(%rsp), %zmm2", "movq\t8(%rsp), %rcx", "vpdpbusd\t(%rsp), %zmm31, %zmm2"):
            self.assert_finding(VNNI_KERNEL, in_loop(VNNI, line), "1 spill")

    def test_a_spill_at_the_frame_pointer(self):
        framed = VNNI.replace("# %bb.0:\n", "# %bb.0:\n\tmovq\t%rsp, %rbp\n").replace("(%rdi,%rbp)", "(%rdi,%rcx)")
        self.assertEqual(check(VNNI_KERNEL, framed), [])
        self.assert_finding(VNNI_KERNEL, in_loop(framed, "vmovups\t%zmm2, -64(%rbp)"), "1 spill")

    def test_a_store_a_shuffle_and_a_move(self):
        for line, fact in (("str\tq8, [x5]", "1 store"), ("zip1\tv8.4s, v8.4s, v9.4s", "1 zip1"), ("uzp2\tv8.4s, v8.4s, v9.4s", "1 uzp2"),
                           ("ext\tv8.16b, v8.16b, v8.16b, #8", "1 ext"), ("dup\tv8.4s, v9.s[0]", "1 dup"),
                           ("mov\tv8.16b, v9.16b", "1 mov"), ("mov\tv8.s[1], w5", "1 mov"), ("trn1\tv8.4s, v8.4s, v9.4s", "1 trn1")):
            self.assert_finding(DOTPROD_KERNEL, in_loop(DOTPROD, line), fact)
        for line, fact in (("vmovups\t%zmm2, (%rdi)", "1 store"), ("vpermd\t%zmm1, %zmm2, %zmm3", "1 vpermd zmm"),
                           ("vmovdqa64\t%zmm1, %zmm2", "1 move zmm"), ("vmovd\t%ecx, %xmm3", "1 vmovd xmm")):
            self.assert_finding(VNNI_KERNEL, in_loop(VNNI, line), fact)

    def test_one_load_more(self):
        self.assert_finding(DOTPROD_KERNEL, in_loop(DOTPROD, "ldr\tq5, [x2, #64]"), "6 load q")
        self.assert_finding(DOTPROD_KERNEL, in_loop(DOTPROD, "ld1r\t{ v5.4s }, [x2]"), "1 load element")
        self.assert_finding(VNNI_KERNEL, in_loop(VNNI, "vmovdqu64\t128(%rdi), %zmm3"), "3 load zmm")

    def test_no_loop_at_all(self):
        self.assert_finding(DOTPROD_KERNEL, DOTPROD.replace("b.ne\t.LBB0_2", "b.ne\t.LBB0_9"), "no innermost loop")
        self.assert_finding(DOTPROD_KERNEL, "\tret\n", "no innermost loop")

    def test_every_copy_of_the_loop_is_looked_at(self):
        second = in_loop(DOTPROD, "str\tq8, [sp]").replace(".LBB0_", ".LBB1_")
        self.assert_finding(DOTPROD_KERNEL, DOTPROD + second, "loop .LBB1_2")

    def test_another_tile_than_the_build_was_told(self):
        self.assert_finding(gemm_s8("dotprod", 7, 12, panel_m=8), DOTPROD, "expected 5 load q, 21 sdot by element")
        self.assert_finding(gemm_s8("dotprod", 8, 24, panels=2), DOTPROD, "expected 8 load q, 48 sdot by element")
        self.assert_finding(gemm_s8("avx512vnni", 6, 32, k_split=2), VNNI, "expected 4 load zmm, 12 vpbroadcastd zmm, 24 vpdpbusd zmm")

    def test_a_family_or_level_that_nobody_declared(self):
        self.assert_finding(gemm_s8("fp16", 8, 12), DOTPROD, "no inner loop is declared for gemm_s8 on fp16")
        self.assertIn("unknown", check(gemm_s8("neon9", 8, 12), DOTPROD)[0])

    def test_a_fused_multiply_add_in_a_strict_kernel(self):
        for instruction in ("fmla\tv8.4s, v9.4s, v10.4s", "fmls\tv8.4s, v9.4s, v10.s[0]", "fmadd\ts0, s1, s2, s3",
                            "fnmsub\ts0, s1, s2, s3"):
            doctored = DOTPROD.replace("\tret\n", f"\t{instruction}\n\tret\n")
            self.assert_finding(DOTPROD_KERNEL, doctored, "a fused multiply-add")
            self.assert_finding(QUANTIZE_KERNEL, f"\t{instruction}\n", "a fused multiply-add")
            self.assertEqual(check(kernel("pack_rows_f32_8_fp16", "pack_f16"), f"\t{instruction}\n"), [])
        for instruction in ("vfmadd231ps\t%zmm1, %zmm2, %zmm3", "vfnmadd132ss\t%xmm1, %xmm2, %xmm3", "vfmsub213ps\t%ymm1, %ymm2, %ymm3"):
            self.assert_finding(VNNI_KERNEL, VNNI.replace("\tretq\n", f"\t{instruction}\n\tretq\n"), "a fused multiply-add")

    def test_an_estimate_in_a_strict_kernel(self):
        for instruction in ("frecpe\tv8.4s, v9.4s", "frsqrte\ts0, s1", "frecps\tv8.4s, v9.4s, v1.4s"):
            self.assert_finding(QUANTIZE_KERNEL, f"\t{instruction}\n", "an estimate")
        for instruction in ("vrcpps\t%ymm1, %ymm2", "vrcp14ps\t%zmm1, %zmm2", "vrsqrt14ps\t%zmm1, %zmm2"):
            self.assert_finding(X86_QUANTIZE_KERNEL, f"\t{instruction}\n", "an estimate")


    def test_the_register_of_the_platform(self):
        for instruction in ("mov\tx18, x0", "ldr\tq0, [x18, #16]", "add\tw8, w18, #1"):
            self.assert_finding(QUANTIZE_KERNEL, f"\t{instruction}\n", "the platform's register")


class Tiles(unittest.TestCase):
    """Loops that were counted by hand, or once were measured to be the best there are."""

    def facts(self, family: str, isa: str, **params) -> dict[str, int]:
        defaults = {"panels": 1, "k_split": 1}
        return check_inner_loops.INNER_LOOPS[family, isa](check_inner_loops.Tile.of({**defaults, **params})).facts

    def test_dotprod(self):
        def facts(m: int, n: int, **params):
            return self.facts("gemm_s8", "dotprod", **{"tile_m": m, "panel_m": 8, "panel_n": n, "k_block": 4, **params})
        self.assertEqual(facts(8, 12), {"sdot by element": 24, "load q": 5})
        self.assertEqual(facts(6, 12), {"sdot by element": 18, "load q": 4, "load d": 1})
        self.assertEqual(facts(5, 12), {"sdot by element": 12, "sdot": 3, "load q": 4, "load element": 1})
        self.assertEqual(facts(3, 12, panels=2), {"sdot by element": 18, "load q": 7})
        self.assertEqual(facts(1, 12, panels=2, k_split=2), {"sdot": 12, "load q": 12, "load element": 2})
        self.assertEqual(facts(1, 12, panels=2, k_split=4, panel_m=1), {"sdot by element": 24, "load q": 25})

    def test_i8mm(self):
        def facts(m: int, n: int, panel_m: int):
            return self.facts("gemm_s8", "i8mm", tile_m=m, panel_m=panel_m, panel_n=n, k_block=8)
        self.assertEqual(facts(8, 12, 8), {"smmla": 24, "load q": 10})
        self.assertEqual(facts(7, 12, 8), {"smmla": 24, "load q": 10})
        self.assertEqual(facts(1, 24, 2), {"smmla": 12, "load q": 13})

    def test_pairs(self):
        def facts(m: int, panel_m: int, panels: int = 1, wide: bool = False):
            return self.facts("gemm_s8_pairs", "neon", tile_m=m, panel_m=panel_m, panel_n=4, panels=panels, k_block=16, wide=str(wide).lower())
        self.assertEqual(facts(4, 4), {"smull": 16, "smlal": 16, "sadalp": 16, "load q": 8})
        self.assertEqual(facts(4, 4, wide=True), {"smull": 32, "sadalp": 32, "load q": 8})
        self.assertEqual(facts(1, 1, panels=4), {"smull": 16, "smlal": 16, "sadalp": 16, "load q": 17})

    def test_fp16(self):
        def facts(m: int, panel_m: int = 8, k_split: int = 1):
            return self.facts("gemm_f16", "fp16", tile_m=m, panel_m=panel_m, panel_n=24, k_split=k_split)
        self.assertEqual(facts(8), {"fmla .8h by element": 24, "load q": 4})
        self.assertEqual(facts(7), {"fmla .8h by element": 21, "load q": 3, "load d": 1, "load element": 2})
        self.assertEqual(facts(1, 1, 4), {"fmla .8h by element": 12, "load q": 12, "load d": 1})

    def test_every_level_of_a_family_multiplies_all_elements_of_a_tile(self):
        """8 rows of 48 columns, in products of `width` elements of y times k."""
        for (family, isa), product, width in ((("gemm_s8", "avx512vnni"), "vpdpbusd zmm", 64), (("gemm_s8", "avxvnni"), "vpdpbusd ymm", 32),
                                              (("gemm_s8", "avx2"), "vpmaddwd ymm", 16), (("gemm_s8_pairs", "neon"), "sadalp", 16),
                                              (("gemm_s8", "i8mm"), "smmla", 32), (("gemm_s8", "dotprod"), "sdot by element", 16),
                                              (("gemm_f16", "avx512vnni"), "vfmaddps zmm", 16), (("gemm_f16", "avx2"), "vfmaddps ymm", 8),
                                              (("gemm_f16", "neon"), "fmla .4s", 4), (("gemm_f16", "fp16"), "fmla .8h by element", 8)):
            k_block = {"i8mm": 8, "avx2": 2, "neon": 16}.get(isa, 4) if family.startswith("gemm_s8") else 1
            with self.subTest(family=family, isa=isa):
                facts = self.facts(family, isa, tile_m=8, panel_m=8, panel_n=48, k_block=k_block)
                self.assertEqual(facts[product] * width, 8 * 48 * k_block)


class Table(unittest.TestCase):
    def test_parameters_are_read_from_the_generated_calls(self):
        text = ("# g\noctile_add_kernel(gemm_a_neon FAMILY gemm_s8 ISA neon\n    FEATURES strict_float\n    UNROLL 2\n    MMLA\n"
                "    ROW family=KernelFamily::kGemmS8 tile_m=4\n    PARAMS tile_m=4 panels=2)\n"
                "octile_add_kernel(b_fp16 FAMILY pack ISA fp16\n    ROW family=F)\n")
        self.assertEqual(check_inner_loops.kernels_of_build(text),
                         [check_inner_loops.Kernel("gemm_a_neon", "gemm_s8", "neon", {"tile_m": "4", "panels": "2"}),
                          check_inner_loops.Kernel("b_fp16", "pack", "fp16", {})])

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
        "avxvnni": (["{vex} vpdpbusd\t%ymm0, %ymm1, %ymm2"], ["vpdpbusd\t%zmm0, %zmm1, %zmm2", "vpaddd\t%ymm16, %ymm1, %ymm2"]),
        "avx512vnni": (["vpdpbusd\t%zmm0, %zmm1, %zmm2", "vpaddd\t%ymm16, %ymm1, %ymm2"],
                       ["vaddph\t%zmm0, %zmm1, %zmm2", "vdpbf16ps\t%zmm0, %zmm1, %zmm2", "vpermb\t%zmm0, %zmm1, %zmm2"]),
    }

    def test_what_is_within_and_what_is_not(self):
        assembler = os.environ["OCTILE_ASSEMBLER"]
        for isa, (within, beyond) in (self.AARCH64 if "aarch64" in os.environ["OCTILE_PROCESSOR"] else self.X86).items():
            level = check_inner_loops.LEVELS[isa]
            for instruction in within:
                self.assertEqual(check_inner_loops.check_level("k", f"\t{instruction}\n", level, assembler), [])
            for instruction in beyond:
                findings = check_inner_loops.check_level("k", f"\tnop\n\t{instruction}\n", level, assembler)
                self.assertEqual(len(findings), 1, (isa, instruction))
                self.assertIn(instruction, findings[0])


if __name__ == "__main__":
    unittest.main()
