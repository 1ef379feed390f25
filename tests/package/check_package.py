#!/usr/bin/env python3
"""Tests of the installed tree, each as a consumer would come to it. CTest runs them in the order of CMakeLists.txt beside this file.

Every test works in a folder of its own below --work, which it empties first; the tree under test is --work/prefix.
"""

import argparse
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

EXAMPLE = "examples/linear"
EXAMPLE_PRINTS = "y[0, 0] = 769, expected 769"
C_EXAMPLE = "examples/c"
STRICT_C = ["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror"]
STRICT = ["-std=c++20", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror"]


def fail(message: str) -> None:
    sys.exit(f"check_package: {message}")


def run(command: list, **options) -> str:
    command = [str(word) for word in command]
    print("+", " ".join(command), flush=True)
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    if result.returncode != 0:
        fail(f"exit code {result.returncode}\n{result.stdout}")
    return result.stdout


def empty(folder: pathlib.Path) -> pathlib.Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


class Package:
    def __init__(self, arguments):
        self.__dict__.update(vars(arguments))
        self.prefix = self.work / "prefix"
        self.libraries = self.prefix / self.libdir

    def run_example(self, program: pathlib.Path) -> None:
        output = run([*self.emulator, program])
        print(output)
        if EXAMPLE_PRINTS not in output:
            fail(f"expected {program.name} to print \"{EXAMPLE_PRINTS}\"")

    def configure(self, source: pathlib.Path, build: pathlib.Path, *options: str) -> str:
        toolchain = [f"-DCMAKE_TOOLCHAIN_FILE={self.toolchain}"] if self.toolchain else []
        return run([self.cmake, "-S", source, "-B", build, "-G", self.generator, f"-DCMAKE_CXX_COMPILER={self.cxx}", "-DCMAKE_BUILD_TYPE=Release",
                    *toolchain, *options])

    def build_with_cmake(self, source: pathlib.Path, build: pathlib.Path, *options: str) -> None:
        self.configure(source, build, *options)
        run([self.cmake, "--build", build])

    def test_install(self) -> None:
        """Installs, and moves what was installed: the other tests find a tree that is not where it was meant to be."""
        staged = empty(self.work / "install") / "staged"
        run([self.cmake, "--install", self.build, "--prefix", staged])
        shutil.rmtree(self.prefix, ignore_errors=True)
        staged.rename(self.prefix)
        public, installed = ({path.relative_to(folder) for path in folder.rglob("*")}
                             for folder in (self.source / "include/octile", self.prefix / "include/octile"))
        if installed != public:
            fail(f"include/octile and the installed headers differ: {sorted(map(str, installed ^ public))}")
        files = [path for path in self.prefix.rglob("*") if path.is_file()]
        for path in files:
            for folder in (self.source, self.build):
                if os.fsencode(f"{folder}/") in path.read_bytes():
                    fail(f"{path.relative_to(self.prefix)} holds the path {folder}")
        print("\n".join(sorted(str(path.relative_to(self.prefix)) for path in files)))

    def test_command(self) -> None:
        print(run([*self.emulator, self.prefix / "bin/octile", "info"]))

    def test_man_pages(self) -> None:
        """A page for each command, which names every option, and which a reader of man pages has nothing to say about."""
        octile = [*self.emulator, self.prefix / "bin/octile"]
        pages = {path.stem: path for path in (self.prefix / "share/man/man1").iterdir()}
        expected = set()

        def visit(*words: str) -> None:
            help_text = run([*octile, *words, "--help"])
            name = "-".join(("octile", *words))
            expected.add(name)
            if name not in pages:
                fail(f"expected a page {name}.1, found {sorted(pages)}")
            shown = re.sub(r".\x08", "", run(["mandoc", "-T", "utf8", "-O", "width=200", pages[name]]))
            options, _, commands = help_text.partition("\nSubcommands:\n")
            for option in re.findall(r"(?:^  |,)(--?[a-z0-9][a-z0-9-]*)", options, re.MULTILINE):
                if not re.search(rf"(?<![\w-]){option}(?![\w-])", shown):
                    fail(f"{name}.1 does not have {option}:\n{shown}")
            for command in re.findall(r"^  (\S+)", commands, re.MULTILINE):
                if f"{name}-{command}(1)" not in re.sub(r"‐?\s+", "", shown):
                    fail(f"{name}.1 does not name {name}-{command}(1):\n{shown}")
                visit(*words, command)

        visit()
        if set(pages) != expected:
            fail(f"expected the pages {sorted(expected)}, found {sorted(pages)}")
        complaints = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", *sorted(pages.values())], stdout=subprocess.PIPE, text=True).stdout
        if complaints:
            fail(complaints)
        print(f"{len(pages)} pages")

    def test_completion(self) -> None:
        """Shells complete commands, those below them, options, and what --help lists as an option's choices."""
        for words, wanted in [
            ([""], {"info", "plan", "core", "quantize", "inspect", "run", "tune", "db"}),
            (["p"], {"plan"}),
            (["db", "sh"], {"show"}),
            (["--v"], {"--version"}),
            (["plan", "--fo"], {"--force", "--format"}),
            (["plan", "--format", ""], {"table", "json", "csv", "md", "html"}),
            (["plan", "--format=", "j"], {"json"}),
            (["plan", "--strict", "--fo"], {"--force", "--format"}),
            (["plan", "list.csv", "-o", "nothing-of-this-na"], set()),  # files, which are the shells' own
            (["plan", "nothing-of-this-na"], set()),
            (["db", "best", "db.jsonl", "--ma"], {"--margin"}),
        ]:
            for shell, found in (("bash", self.complete_in_bash(words)), ("zsh", self.complete_in_zsh(words))):
                if found != wanted:
                    fail(f"{shell}: octile {' '.join(words)}: expected {sorted(wanted)}, found {sorted(found)}")

    def complete_in_bash(self, words: list[str]) -> set[str]:
        words = [part for word in words for part in ([word[:-1], "="] if word.endswith("=") else [word])]  # as bash does
        program = 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _octile; printf "%s\\n" "${COMPREPLY[@]}"'
        script = self.prefix / "share/bash-completion/completions/octile"
        return set(run(["bash", "-uc", program, "bash", script, "octile", *words]).split())

    def complete_in_zsh(self, words: list[str]) -> set[str]:
        line = " ".join(["octile", *words]).replace("= ", "=")
        output = run(["zsh", "-f", self.source / "tests/package/complete.zsh", self.prefix / "share/zsh/site-functions", line], timeout=60)
        if "<end>" not in output:
            fail(f"zsh did not complete {line}:\n{output}")
        return set(re.findall(r"<([^<>\s]+)>", output)) - {"end"}

    def test_symbols(self) -> None:
        """No global symbol that another library, another Halide library above all, could have as well."""
        defined = set()
        for line in run([self.nm, "--extern-only", "--demangle", self.libraries / "liboctile.a"]).splitlines():
            if match := re.match(r"[0-9a-f ]{16} (\w) (.*)", line):
                kind, name = match.groups()
                if re.match(r"_?halide_", name):
                    fail(f"{name} would be taken from, or given to, another Halide library")
                if kind != "U":
                    defined.add((kind, name))
        # Templates and inline functions of headers are weak, and the same in every library that has them.
        shared = re.compile(r".*\b(std|__gnu_cxx|nlohmann::json_abi_v\w+)::|DW\.ref\.")
        foreign = sorted(name for kind, name in defined if not re.match(r".*\boctile(::|_)", name) and not (kind in "WVu" and shared.match(name)))
        if foreign:
            fail(f"{len(foreign)} global symbols without our prefix, e.g.\n" + "\n".join(foreign[:20]))
        print(f"{len(defined)} global symbols")

    def test_shared_object(self) -> None:
        """A shared object that holds the whole archive exports nothing of it, needs no text relocations and no executable stack."""
        library = empty(self.work / "shared_object") / "libholds.so"
        run([self.cxx, "-shared", "-o", library, "-Wl,--whole-archive", self.libraries / "liboctile.a", "-Wl,--no-whole-archive", "-lpthread",
             "-Wl,-z,defs,-z,text,--warn-execstack,--fatal-warnings"])
        exported = [line for line in run([self.nm, "-D", "--defined-only", "--demangle", library]).splitlines()
                    if re.search(r"octile|halide|fmt::|nlohmann", line.split(maxsplit=2)[2])]
        if exported:
            fail(f"{len(exported)} of the archive's symbols are exported, e.g.\n" + "\n".join(exported[:20]))
        unique = [line for line in run([self.nm, "--demangle", self.libraries / "liboctile.a"]).splitlines() if re.match(r"[0-9a-f]{16} u ", line)]
        if unique:
            fail("symbols that keep a shared object from being unloaded:\n" + "\n".join(unique))

    def test_static(self) -> None:
        """A program without any shared library, and without a warning of the linker."""
        program = empty(self.work / "static") / "linear"
        run([self.cxx, *STRICT, "-static", "-Wl,--fatal-warnings", self.source / EXAMPLE / "linear.cpp", *self.pkg_config_flags(self.libraries, "--static"),
             "-o", program])
        self.run_example(program)

    def test_other_architecture(self) -> None:
        """find_package() refuses a library of another architecture than the consumer's, and says so."""
        work = empty(self.work / "other_architecture")
        (work / "CMakeLists.txt").write_text("cmake_minimum_required(VERSION 3.25)\nproject(other LANGUAGES CXX)\nset(CMAKE_SYSTEM_PROCESSOR ${PROCESSOR})\n"
                                             "find_package(octile 0.1 CONFIG QUIET)\nmessage(\"found ${octile_FOUND}: ${octile_CONSIDERED_VERSIONS}\")\n")
        built, alias = ("aarch64", "arm64") if "aarch64" in self.toolchain else ("x86_64", "AMD64")
        for processor, expected in ((built, "found 1: 0.1.0\n"), (alias, "found 1: 0.1.0\n"), ("riscv64", f"found 0: 0.1.0 (for {built}, not riscv64)\n")):
            output = self.configure(work, work / processor, f"-DCMAKE_PREFIX_PATH={self.prefix}", f"-DPROCESSOR={processor}")
            if expected not in output:
                fail(f"expected \"{expected}\", found\n{output}")

    def test_headers(self) -> None:
        """Every public header compiles by itself, with a strict consumer's warnings."""
        include = self.prefix / "include"
        # -include, because in a main file #pragma once is a warning.
        for header in sorted((include / "octile").rglob("*.h")):
            run([self.cxx, *STRICT, f"-I{include}", "-include", header, "-fsyntax-only", "-x", "c++", os.devnull])
        for header in [*sorted((include / "octile/c").glob("*.h")), include / "octile/octile.h"]:
            run([self.cc, *STRICT_C, f"-I{include}", "-include", header, "-fsyntax-only", "-x", "c", os.devnull])

    def test_find_package(self) -> None:
        work = empty(self.work / "find_package")
        shutil.copytree(self.source / EXAMPLE, work / "source")
        self.build_with_cmake(work / "source", work / "build", f"-DCMAKE_PREFIX_PATH={self.prefix}", f"-DCMAKE_CXX_FLAGS={' '.join(STRICT[1:])}")
        self.run_example(work / "build/linear")

    def test_examples(self) -> None:
        """The programs that teach, short and strict: the example of README is find_package's."""
        work = empty(self.work / "examples")
        for name in ("plan", "packed"):
            source = self.source / "examples" / name
            for file in source.glob("*.cpp"):
                lines = len(file.read_text().splitlines())
                if lines >= 60:
                    fail(f"{file.name}: {lines} lines; expected fewer than 60")
            shutil.copytree(source, work / name / "source")
            self.build_with_cmake(work / name / "source", work / name / "build", f"-DCMAKE_PREFIX_PATH={self.prefix}", f"-DCMAKE_CXX_FLAGS={' '.join(STRICT[1:])}")
        output = run([*self.emulator, work / "plan/build/plan"])
        for line in ("FusedLinearAct(768→3072, act=gelu)", "FORCED", "linears: "):
            if line not in output:
                fail(f"expected the example to print \"{line}\", found\n{output}")
        run([sys.executable, self.source / "tools/make_decoder.py", "--shape", "tiny-llama", work / "net"])
        run([*self.emulator, self.prefix / "bin/octile", "quantize", work / "net", "-o", work / "net.octile", "--force", ".=int8"])
        output = run([*self.emulator, work / "packed/build/packed", work / "net.octile", "1", "2", "3"])
        if not re.search(r"^lm_head: \d+ values, -?\d\S* -?\d\S* \.\.\.$", output, re.MULTILINE):
            fail(f"expected logits, found\n{output}")

    def test_c(self) -> None:
        """The programs in C: with CMake, and by a C compiler alone, with and without shared libraries."""
        work = empty(self.work / "c")
        source = self.source / C_EXAMPLE
        for file in source.glob("*.c"):
            lines = len(file.read_text().splitlines())
            if lines >= 60:
                fail(f"{file.name}: {lines} lines; expected fewer than 60")
        shutil.copytree(source, work / "source")
        self.build_with_cmake(work / "source", work / "build", f"-DCMAKE_PREFIX_PATH={self.prefix}", f"-DCMAKE_C_COMPILER={self.cc}",
                              f"-DCMAKE_C_FLAGS={' '.join(STRICT_C[1:])}")
        self.run_example(work / "build/c_linear")
        flags = self.pkg_config_flags(self.libraries, "--static")
        run([self.cc, *STRICT_C, source / "linear.c", *flags, "-o", work / "linear"])
        self.run_example(work / "linear")
        run([self.cc, *STRICT_C, "-static", "-Wl,--fatal-warnings", source / "linear.c", *flags, "-o", work / "linear_static"])
        self.run_example(work / "linear_static")
        # The page that begins with a program.
        page = (self.source / "docs/c_api.md").read_text()
        (work / "main.c").write_text(re.search(r"^    #include .*?^    \}$", page, re.MULTILINE | re.DOTALL)[0])
        run([self.cc, *STRICT_C, work / "main.c", *flags, "-o", work / "main"])
        run([*self.emulator, work / "main"])
        run([sys.executable, self.source / "tools/make_decoder.py", "--shape", "tiny-llama", work / "net"])
        run([*self.emulator, self.prefix / "bin/octile", "quantize", work / "net", "-o", work / "net.octile", "--force", ".=int8"])
        output = run([*self.emulator, work / "build/c_packed", work / "net.octile", "1", "2", "3"])
        if not re.fullmatch(r"lm_head: 128 values, the largest at \d+\n", output):
            fail(f"expected the largest of 128 logits, found\n{output}")

    def pkg_config_flags(self, libraries: pathlib.Path, *options: str) -> list[str]:
        environment = os.environ | {"PKG_CONFIG_LIBDIR": str(libraries / "pkgconfig")}
        return run(["pkg-config", "--cflags", "--libs", *options, "octile"], env=environment).split()

    def test_pkg_config(self) -> None:
        work = empty(self.work / "pkg_config")
        run([self.cxx, *STRICT, self.source / EXAMPLE / "linear.cpp", *self.pkg_config_flags(self.libraries, "--static"), "-o", work / "linear"])
        self.run_example(work / "linear")

    def test_shared(self) -> None:
        """liboctile.so: what it exports, its SONAME, and a program that uses it, in both ways."""
        work = empty(self.work / "shared")
        self.build_with_cmake(self.source, work / "build", "-DBUILD_SHARED_LIBS=ON", "-DOCTILE_DEVELOPER_MODE=OFF", "-DOCTILE_CLI=OFF",
                              f"-DPython3_EXECUTABLE={sys.executable}")
        run([self.cmake, "--install", work / "build", "--prefix", work / "prefix"])
        libraries = work / "prefix" / self.libdir
        names = sorted(path.name for path in libraries.iterdir() if path.is_file())
        if names != ["liboctile.so", "liboctile.so.0.1", "liboctile.so.0.1.0"]:
            fail(f"expected liboctile.so with its versions, found {names}")
        header = run(["readelf", "--dynamic", "--wide", libraries / "liboctile.so"])
        if "Library soname: [liboctile.so.0.1]" not in header or "TEXTREL" in header:
            fail(f"expected SONAME liboctile.so.0.1 and no text relocations, found\n{header}")
        exported = [line.split(maxsplit=2)[2] for line in
                    run([self.nm, "-D", "--defined-only", "--demangle", "--with-symbol-versions", libraries / "liboctile.so"]).splitlines()]
        c_names = {name.split("@")[0] for name in exported if re.fullmatch(r"octile_\w+@@OCTILE_0\.1", name)}
        declared = {name for header in (self.source / "include/octile/c").glob("*.h")
                    for name in re.findall(r"^OCTILE_C_API [^;(]*?\b(octile_\w+)\(", header.read_text(), re.MULTILINE)}
        if c_names != declared or not declared:
            fail(f"the C functions that are exported and those that are declared differ: {sorted(c_names ^ declared)}")
        foreign = [name for name in exported if name.split("@")[0] not in declared and
                   (not re.fullmatch(r"octile::.*@@OCTILE_0\.1|OCTILE_0\.1(@@OCTILE_0\.1)?", name) or "::State" in name)]
        if foreign:
            fail(f"{len(foreign)} exported symbols that are not the public interface's, e.g.\n" + "\n".join(foreign[:20]))
        if not any(name.startswith("octile::Linear::run(") for name in exported):
            fail("octile::Linear::run is not exported")
        shutil.copytree(self.source / EXAMPLE, work / "source")
        self.build_with_cmake(work / "source", work / "consumer", f"-DCMAKE_PREFIX_PATH={work / 'prefix'}", f"-DCMAKE_CXX_FLAGS={' '.join(STRICT[1:])}")
        self.run_example(work / "consumer/linear")
        for compiler, example in (([self.cxx, *STRICT], f"{EXAMPLE}/linear.cpp"), ([self.cc, *STRICT_C], f"{C_EXAMPLE}/linear.c")):
            run([*compiler, self.source / example, *self.pkg_config_flags(libraries), f"-Wl,-rpath,{libraries}", "-o", work / "linear"])
            self.run_example(work / "linear")

    def test_add_subdirectory(self) -> None:
        """The other way to use Octile: its sources inside a consumer's build."""
        build = empty(self.work / "add_subdirectory")
        self.build_with_cmake(self.source / "tests/package/add_subdirectory", build, f"-DOCTILE_SOURCE_DIR={self.source}",
                              f"-DPython3_EXECUTABLE={sys.executable}", "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON")
        if "-Werror" in (build / "compile_commands.json").read_text():
            fail("a consumer's build treats our warnings as errors")
        self.run_example(build / "consumer")


def main() -> None:
    tests = {name.removeprefix("test_"): method for name, method in vars(Package).items() if name.startswith("test_")}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("--source", "--build", "--work"):
        parser.add_argument(name, type=pathlib.Path, required=True)
    for name in ("--libdir", "--cmake", "--generator", "--cc", "--cxx", "--nm"):
        parser.add_argument(name, required=True)
    parser.add_argument("--toolchain", default="", help="CMake toolchain file of a cross build")
    parser.add_argument("--emulator", type=shlex.split, default=[], help="command that runs a program of the target")
    parser.add_argument("test", choices=tests)
    arguments = parser.parse_args()
    tests[arguments.test](Package(arguments))


if __name__ == "__main__":
    main()
