#!/usr/bin/env python3
"""Checks that every object of an archive may be linked into any program of its architecture's systems.

- A note promises that indirect branches meet landing pads (IBT on x86-64, BTI on aarch64) and, on aarch64, that stored return addresses are
  signed (PAC): the linker drops a program's protection for one object without it.
- Every object with code has unwind tables, and no object asks for an executable stack.
- No instruction for aarch64 holds x18, which belongs to the platform.
- No section that is mapped for reading alone holds an absolute address: a shared object would need text relocations.

Exit code 1 and one line per finding.
"""

import argparse
import pathlib
import re
import subprocess
import sys

FEATURES = {"aarch64": {"BTI", "PAC"}, "x86_64": {"IBT"}}
ABSOLUTE = re.compile(r"R_AARCH64_ABS\d+|R_X86_64_(64|32S?)\b")


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, env={"LC_ALL": "C"}).stdout


def by_member(text: str, header: str) -> dict[str, str]:
    """What a tool says of each member of an archive, which it begins with a line that `header` matches."""
    parts = re.split(header, text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2]))


def check_notes(member: str, text: str, features: set[str]) -> list[str]:
    """`text` is what readelf --notes says."""
    found = {word for line in re.findall(r"feature: (.*)", text) for word in re.split(r",\s*", line.strip())}
    return [f"{member}: expected notes of {', '.join(sorted(features))}, found {', '.join(sorted(found)) or 'none'}"] if features - found else []


def check_sections(member: str, text: str) -> list[str]:
    """`text` is what readelf --section-headers --wide says."""
    sections = {name: (int(size, 16), flags)
                for name, size, flags in re.findall(r"\] (\S*) +\S+ +[0-9a-f]+ [0-9a-f]+ ([0-9a-f]+) [0-9a-f]+ +([WAXMSILOGTCEp]*) +\d", text)}
    findings = []
    if any("X" in flags and size for size, flags in sections.values()) and not sections.get(".eh_frame", (0,))[0]:
        findings.append(f"{member}: code without unwind tables")
    if ".note.GNU-stack" not in sections or "X" in sections[".note.GNU-stack"][1]:
        findings.append(f"{member}: asks for an executable stack")
    return findings


def check_relocations(member: str, text: str) -> list[str]:
    """`text` is what readelf --relocs --wide says. Sections named .data.rel.ro are written once, by the loader; debug sections are not mapped."""
    findings = []
    for section, body in by_member(text, r"^Relocation section '\.rela?([^']*)'.*$").items():
        if section.startswith((".data", ".init_array", ".fini_array", ".tdata", ".debug", ".eh_frame", ".note")):
            continue
        if absolute := ABSOLUTE.search(body):
            findings.append(f"{member}: an absolute address ({absolute.group(0)}) in {section}")
    return findings


def check_code(member: str, text: str) -> list[str]:
    """`text` is what objdump --disassemble says of code for aarch64."""
    held = re.search(r"^.*\t.*\b[xw]18\b.*$", text, re.MULTILINE)
    return [f"{member}: the platform's register in {held.group(0).strip()}"] if held else []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--archive", type=pathlib.Path, required=True)
    parser.add_argument("--processor", required=True, help="CMAKE_SYSTEM_PROCESSOR")
    parser.add_argument("--readelf", required=True)
    parser.add_argument("--objdump", required=True, help="of the target")
    arguments = parser.parse_args()
    archive = str(arguments.archive)
    members = run(arguments.objdump, "--archive-headers", archive)
    names = re.findall(r"^(\S+):\s+file format elf", members, re.MULTILINE)
    if not names:
        sys.exit(f"{archive}: no objects in it")

    header = r"^File: .*\((.*)\)$"
    notes, sections, relocations = (by_member(run(arguments.readelf, option, "--wide", archive), header)
                                    for option in ("--notes", "--section-headers", "--relocs"))
    code = {}
    if arguments.processor == "aarch64":
        code = by_member(run(arguments.objdump, "--disassemble", archive), r"^(\S+):\s+file format elf.*$")
    findings = []
    for name in names:
        findings += check_notes(name, notes[name], FEATURES[arguments.processor])
        findings += check_sections(name, sections[name])
        findings += check_relocations(name, relocations.get(name, ""))
        findings += check_code(name, code.get(name, ""))
    for finding in findings:
        print(finding)
    print(f"{len(names)} objects, {len(findings)} findings", file=sys.stderr)
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main()
