"""finish_ir.py: carriers are counted on both sides, and what is not understood is an error."""

import json
import pathlib
import re
import sys
import unittest

GENERATORS = pathlib.Path(__file__).resolve().parents[2] / "generators"
sys.path.insert(0, str(GENERATORS))

import finish_ir  # noqa: E402

LEVEL = {"halide": "arm-64-linux", "triple": "aarch64-linux-gnu", "cpu": "generic", "tune": "neoverse-v1", "features": "+neon,+i8mm"}

UDOT, SMMLA = "llvm.aarch64.neon.udot.v4i32.v16i8", "llvm.aarch64.neon.smmla.v4i32.v16i8"
DECLARATION = f"declare <4 x i32> @{UDOT}(<4 x i32>, <16 x i8>, <16 x i8>)\n"
ATTRIBUTES = 'attributes #0 = { nounwind "target-cpu"="cortex-a72" "target-features"="+neon,+dotprod,+sve2" "tune-cpu"="cortex-a72" }\n'


def ir(calls: int) -> str:
    body = "".join(f"  %{i} = tail call <4 x i32> @{UDOT}(<4 x i32> %a, <16 x i8> %b, <16 x i8> %c) #5\n" for i in range(calls))
    return f'target triple = "aarch64--linux-gnu"\ndefine void @kernel() #0 {{\n{body}  ret void\n}}\n{DECLARATION}{ATTRIBUTES}'


def assembly(smmla: int, more: str = "") -> str:
    return "".join("\tsmmla\tv0.4s, v1.16b, v2.16b\n" for _ in range(smmla)) + more


class Carriers(unittest.TestCase):
    def test_every_carrier_is_renamed_and_counted(self):
        finished = finish_ir.finish(ir(24), LEVEL, expect_mmla=True)
        self.assertEqual(finished.mmla_calls, 24)
        self.assertEqual(finished.text.count(f"call <4 x i32> @{SMMLA}("), 24)
        self.assertIn(f"declare <4 x i32> @{SMMLA}(", finished.text)
        self.assertNotIn("udot", finished.text)

    def test_a_kernel_without_tiles_has_none(self):
        finished = finish_ir.finish(ir(0).replace(DECLARATION, ""), LEVEL, expect_mmla=False)
        self.assertEqual(finished.mmla_calls, 0)
        self.assertNotIn("smmla", finished.text)

    def test_carriers_that_should_be_there_and_are_not(self):
        with self.assertRaisesRegex(finish_ir.FinishError, "expected smmla tiles"):
            finish_ir.finish(ir(0), LEVEL, expect_mmla=True)

    def test_carriers_that_should_not_be_there_and_are(self):
        with self.assertRaisesRegex(finish_ir.FinishError, "3 udot carriers"):
            finish_ir.finish(ir(3), LEVEL, expect_mmla=False)

    def test_a_form_without_an_smmla_is_an_error(self):
        for name in ("llvm.aarch64.neon.udot.v2i32.v8i8", "llvm.aarch64.sve.udot.nxv2i64", "llvm.aarch64.sve.udot.lane.nxv2i64"):
            text = ir(2) + f"declare <2 x i32> @{name}()\n"
            with self.assertRaisesRegex(finish_ir.FinishError, f"{name} is left over"):
                finish_ir.finish(text, LEVEL, expect_mmla=True)


class CheckAssembly(unittest.TestCase):
    def check(self, in_ir: int, text: str) -> None:
        finish_ir.check_assembly(text, finish_ir.Finished("", in_ir))

    def test_as_many_as_the_ir_or_a_multiple_when_unrolled(self):
        self.check(24, assembly(24))
        self.check(24, assembly(72))

    def test_another_number(self):
        for count in (0, 1, 23, 25, 47):
            with self.subTest(count), self.assertRaisesRegex(finish_ir.FinishError, f"24 smmla in the IR, {count} in the assembly"):
                self.check(24, assembly(count))

    def test_any_other_integer_product_is_a_tile_left_unmatched(self):
        for other in ("udot\tv0.4s, v1.16b, v2.16b", "sdot\tv0.4s, v1.16b, v2.16b", "ummla\tv0.4s, v1.16b, v2.16b",
                      "usmmla\tv0.4s, v1.16b, v2.16b", "smull\tv0.8h, v1.8b, v2.8b", "smlal2\tv0.8h, v1.16b, v2.16b",
                      "umull\tv0.8h, v1.8b, v2.8b"):
            with self.subTest(other), self.assertRaisesRegex(finish_ir.FinishError, "left unmatched"):
                self.check(24, assembly(24, f"\t{other}\n"))

    def test_products_of_addresses_are_none(self):
        self.check(24, assembly(24, "\tsmull\tx0, w1, w2\n\tsmull\tv0.2d, v1.2s, v2.2s\n\tmadd\tx0, x1, x2, x3\n"))

    def test_a_kernel_without_tiles_may_multiply_as_it_likes(self):
        self.check(0, "\tsdot\tv0.4s, v1.16b, v2.16b\n")


class Attributes(unittest.TestCase):
    def test_the_level_replaces_what_halide_set(self):
        text = finish_ir.finish(ir(1), LEVEL, expect_mmla=True).text
        self.assertIn('"target-cpu"="generic"', text)
        self.assertIn('"target-features"="+neon,+i8mm"', text)
        self.assertIn('"tune-cpu"="neoverse-v1"', text)
        self.assertIn('target triple = "aarch64-linux-gnu"', text)
        for old in ("cortex-a72", "sve2", "aarch64--linux-gnu"):
            self.assertNotIn(old, text)

    def test_every_attribute_group(self):
        text = finish_ir.finish(ir(1) + ATTRIBUTES.replace("#0", "#1"), LEVEL, expect_mmla=True).text
        self.assertEqual(text.count('"target-features"="+neon,+i8mm"'), 2)

    def test_every_level_of_the_build_names_what_a_finished_kernel_needs(self):
        levels = json.loads((GENERATORS / "isa_levels.json").read_text())
        for name, level in levels.items():
            if name != "_":
                self.assertEqual(set(level), {"halide", "triple", "cpu", "tune", "features"}, name)


class Symbols(unittest.TestCase):
    def test_references_to_halide_get_the_prefix(self):
        text = ("$halide_shared = comdat any\n@halide_global = external global i8\ndeclare i32 @halide_do_par_for(ptr, ptr)\n"
                "  %1 = call i32 @halide_do_par_for(ptr null, ptr @kernel_par_for)\n")
        finished = finish_ir.finish(text, LEVEL, expect_mmla=False).text
        self.assertEqual(finished.count("@octile_halide_do_par_for("), 2)
        self.assertIn("@octile_halide_global", finished)
        self.assertIn("$octile_halide_shared", finished)
        self.assertIn("@kernel_par_for", finished)
        self.assertNotRegex(finished, r"[@$]halide_")

    def test_a_symbol_that_has_the_prefix_keeps_it(self):
        once = finish_ir.finish("declare i32 @halide_malloc()\n", LEVEL, expect_mmla=False).text
        self.assertEqual(finish_ir.finish(once, LEVEL, expect_mmla=False).text, once)


class Prefetches(unittest.TestCase):
    def test_weights_are_fetched_into_the_second_level(self):
        call = "  tail call void @llvm.prefetch.p0(ptr nonnull %next, i32 0, i32 {locality}, i32 1)\n"
        text = finish_ir.finish(call.format(locality=0), LEVEL, expect_mmla=False).text
        self.assertEqual(text, call.format(locality=2))

    def test_prefetches_of_stores_and_of_other_localities_stay(self):
        for call in ("  call void @llvm.prefetch.p0(ptr %p, i32 1, i32 0, i32 1)\n", "  call void @llvm.prefetch.p0(ptr %p, i32 0, i32 3, i32 1)\n"):
            self.assertEqual(finish_ir.finish(call, LEVEL, expect_mmla=False).text, call)


class FusedSums(unittest.TestCase):
    KIND = "<4 x float>"
    LOOP = ('"3_for_acc.s1.r$x":\n  %p = fmul <4 x float> %x, %w\n  %s = fadd <4 x float> %old, %p\n'
            '  br i1 %c, label %"3_for_acc.s1.r$x", label %end\nend:\n  %q = fmul <4 x float> %s, %y\n  ret void\n')

    def finish(self, body: str) -> str:
        return finish_ir.finish(f"define void @kernel() #0 {{\n{body}}}\n{ATTRIBUTES}", LEVEL, expect_mmla=False, fused=["acc"]).text

    def test_a_product_becomes_part_of_its_sum(self):
        for sum_ in ("%old, %p", "%p, %old"):
            text = self.finish(self.LOOP.replace("%old, %p", sum_))
            self.assertIn("  %s = call <4 x float> @llvm.fma.v4f32(<4 x float> %x, <4 x float> %w, <4 x float> %old)\n", text)
            self.assertEqual(text.count("declare <4 x float> @llvm.fma.v4f32("), 1)
            self.assertNotIn("%p = ", text)

    def test_other_blocks_stay_as_they_are(self):
        self.assertIn("  %q = fmul <4 x float> %s, %y\n", self.finish(self.LOOP))

    def test_nothing_may_be_left_over(self):
        for before, after, reason in (("%old, %p", "%old, %z", "%s is a sum without a product"),
                                      ("fadd <4 x float> %old, %p", "call <4 x float> @f(<4 x float> %p)", "%p: products without a sum"),
                                      ("%s, %y", "%p, %y", "%p, a product in acc, is read by more than its sum"),
                                      ("fmul <4 x float> %x", "fmul contract <4 x float> %x", "neither product nor sum"),
                                      ("_for_acc", "_for_other", "no sum of products in the loop of acc")):
            with self.assertRaisesRegex(finish_ir.FinishError, re.escape(reason)):
                self.finish(self.LOOP.replace(before, after))


class Unrolling(unittest.TestCase):
    LOOP = ('"2_for_acc.s1.r4$y":\n  %i = add i64 %i0, 1\n  br i1 %done, label %after, label %"2_for_acc.s1.r4$y", !prof !7\n'
            '"3_for_y.s0.m":\n  br i1 %x, label %"3_for_y.s0.m", label %after\n')

    def test_the_reduction_loop_alone_is_marked(self):
        text = finish_ir.finish(self.LOOP, LEVEL, expect_mmla=False, unroll=4).text
        marked = [line for line in text.splitlines() if "!llvm.loop !" in line and "br i1" in line]
        self.assertEqual(len(marked), 1)
        self.assertIn('label %"2_for_acc.s1.r4$y"', marked[0])
        self.assertIn('!"llvm.loop.unroll.count", i32 4', text)

    def test_every_copy_gets_a_mark_of_its_own(self):
        text = finish_ir.finish(self.LOOP + self.LOOP.replace("r4$y", "r4$y.us"), LEVEL, expect_mmla=False, unroll=2).text
        self.assertEqual(len({line.split("!llvm.loop ")[1] for line in text.splitlines() if "br i1" in line and "!llvm.loop" in line}), 2)

    def test_a_loop_that_prefetches_is_marked_where_it_ends(self):
        loop = ('"2_for_acc.s1.r4$y":\n  br label %"3_for_prefetch.0"\n'
                '"3_for_prefetch.0":\n  br i1 %last, label %"2_produce_cells", label %"3_for_prefetch.0"\n'
                '"2_produce_cells":\n  br i1 %done, label %after, label %"2_for_acc.s1.r4$y"\n')
        text = finish_ir.finish(loop, LEVEL, expect_mmla=False, unroll=2).text
        self.assertEqual([line.split(",")[0] for line in text.splitlines() if line.startswith("  ") and "!llvm.loop !" in line], ["  br i1 %done"])

    def test_one_step_is_left_as_it_is(self):
        self.assertEqual(finish_ir.finish(self.LOOP, LEVEL, expect_mmla=False, unroll=1).text, self.LOOP)

    def test_no_loop_to_unroll(self):
        with self.assertRaisesRegex(finish_ir.FinishError, "no reduction loop"):
            finish_ir.finish(self.LOOP.replace("for_acc", "for_other"), LEVEL, expect_mmla=False, unroll=4)


class ForPlatform(unittest.TestCase):
    MODULE = ir(0) + '!llvm.module.flags = !{!0}\n!0 = !{i32 1, !"wchar_size", i32 4}\n'

    def test_arm_objects_keep_off_x18_and_are_protected(self):
        text = finish_ir.for_platform(self.MODULE, LEVEL)
        self.assertIn(",+reserve-x18\"", text)
        for attribute in ("uwtable(sync)", '"branch-target-enforcement"', '"sign-return-address"="non-leaf"'):
            self.assertIn(f" {attribute}", text)
        self.assertIn("!llvm.module.flags = !{!0, !910000, !910001}", text)
        self.assertIn('!910000 = !{i32 8, !"branch-target-enforcement", i32 1}', text)
        self.assertIn('!910001 = !{i32 8, !"sign-return-address", i32 1}', text)

    def test_x86_objects_are_ready_for_indirect_branch_tracking(self):
        text = finish_ir.for_platform(self.MODULE, {**LEVEL, "triple": "x86_64-linux-gnu"})
        self.assertIn('!910000 = !{i32 8, !"cf-protection-branch", i32 1}', text)
        self.assertNotIn("x18", text)

    def test_a_module_without_flags_is_not_what_halide_writes(self):
        with self.assertRaisesRegex(finish_ir.FinishError, "a module without flags"):
            finish_ir.for_platform(ir(0), LEVEL)


class PortableAssembly(unittest.TestCase):
    def test_what_only_clang_reads_is_left_out(self):
        kept = "\t.text\n\tret\n"
        for line in ("\t.addrsig\n", "\t.addrsig_sym kernel\n", "\t.aeabi_subsection\ta, optional, uleb128\n", "\t.aeabi_attribute\t0, 1\t// BTI\n"):
            self.assertEqual(finish_ir.portable_assembly(line + kept + line), kept)


if __name__ == "__main__":
    unittest.main()
