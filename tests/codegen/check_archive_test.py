"""The check of the archive finds each defect in what the tools would say of an object that has it."""

import unittest

import check_archive

SECTIONS = """  [Nr] Name              Type            Address          Off    Size   ES Flg Lk Inf Al
  [ 0]                   NULL            0000000000000000 000000 000000 00      0   0  0
  [ 2] .text             PROGBITS        0000000000000000 000040 000123 00  AX  0   0 16
  [ 3] .note.GNU-stack   PROGBITS        0000000000000000 000163 000000 00      0   0  1
  [ 4] .eh_frame         PROGBITS        0000000000000000 000168 000058 00   A  0   0  8
"""


class Notes(unittest.TestCase):
    TEXT = "      Properties: AArch64 feature: BTI, PAC\n"

    def test_what_is_promised(self):
        self.assertEqual(check_archive.check_notes("a.o", self.TEXT, {"BTI", "PAC"}), [])
        self.assertEqual(check_archive.check_notes("a.o", "      Properties: x86 feature: IBT, SHSTK\n", {"IBT"}), [])

    def test_what_is_missing(self):
        self.assertEqual(check_archive.check_notes("a.o", self.TEXT.replace(", PAC", ""), {"BTI", "PAC"}), ["a.o: expected notes of BTI, PAC, found BTI"])
        self.assertEqual(check_archive.check_notes("a.o", "", {"IBT"}), ["a.o: expected notes of IBT, found none"])


class Sections(unittest.TestCase):
    def test_an_object_as_it_should_be(self):
        self.assertEqual(check_archive.check_sections("a.o", SECTIONS), [])

    def test_code_without_unwind_tables(self):
        for table in ("", SECTIONS.splitlines(True)[-1].replace("000058", "000000")):
            text = "".join(SECTIONS.splitlines(True)[:-1]) + table
            self.assertEqual(check_archive.check_sections("a.o", text), ["a.o: code without unwind tables"])

    def test_an_executable_stack(self):
        for text in (SECTIONS.replace("000163 000000 00     ", "000163 000000 00   X "), SECTIONS.replace(".note.GNU-stack", ".note.GNU-other")):
            self.assertEqual(check_archive.check_sections("a.o", text), ["a.o: asks for an executable stack"])


class Relocations(unittest.TestCase):
    TEXT = "Relocation section '.rela{}' at offset 0x1 contains 1 entry:\n000000000000  000000000101 {} 0000000000000000 x + 0\n"

    def test_addresses_where_the_loader_may_write(self):
        for section in (".data.rel.ro._ZTV1A", ".init_array", ".eh_frame"):
            self.assertEqual(check_archive.check_relocations("a.o", self.TEXT.format(section, "R_X86_64_64")), [])
        self.assertEqual(check_archive.check_relocations("a.o", self.TEXT.format(".text", "R_X86_64_PLT32")), [])

    def test_addresses_where_it_may_not(self):
        for section, kind in ((".text", "R_X86_64_32S"), (".rodata", "R_AARCH64_ABS64"), (".text.f", "R_X86_64_64")):
            self.assertEqual(check_archive.check_relocations("a.o", self.TEXT.format(section, kind)), [f"a.o: an absolute address ({kind}) in {section}"])


class Code(unittest.TestCase):
    def test_the_register_of_the_platform(self):
        for instruction in ("mov\tx18, x0", "ldr\tw0, [x18, #8]", "add\tw18, w18, #0x1"):
            self.assertEqual(len(check_archive.check_code("a.o", f"0000 <f>:\n   4:\taa0003f2 \t{instruction}\n")), 1)
        self.assertEqual(check_archive.check_code("a.o", "0018 <x18>:\n   4:\taa0003f2 \tmov\tx8, x0 // #18\n"), [])


if __name__ == "__main__":
    unittest.main()
