#!/usr/bin/env python3
"""Builds what the library takes from Halide: the generator program, the kernel objects and the Halide runtime.

A kernel goes through three steps: the generator writes LLVM IR for an ISA level, `finish_ir` turns it into what the level is
(instruction selection that Halide has no pattern for, target attributes, symbol prefix), and clang makes the object and its assembly.

Every result is cached by content: the key hashes the generators' sources, this program, the parameters, the level and the versions
of Halide and clang, so a second build tree, and a second checkout, take seconds. The cache is $OCTILE_KERNEL_CACHE, by default
$XDG_CACHE_HOME/octile or ~/.cache/octile, and may be deleted at any time.
"""

import argparse
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import finish_ir

SOURCE_DIR = pathlib.Path(__file__).resolve().parent


def fail(message: str) -> None:
    sys.exit(f"build_kernel: {message}")


def run(command: list[str]) -> str:
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode != 0:
        fail(f"exit code {result.returncode} of: {' '.join(command)}\n{result.stdout}{result.stderr}")
    return result.stdout + result.stderr


def halide_root() -> pathlib.Path:
    spec = importlib.util.find_spec("halide")
    if spec is None or not spec.submodule_search_locations:
        fail("the Python package 'halide' is missing: install requirements.txt")
    return pathlib.Path(spec.submodule_search_locations[0])


def tool_versions() -> list[str]:
    return [f"{name}=={importlib.metadata.version(name)}" for name in ("halide", "ziglang")]


def cache_dir() -> pathlib.Path:
    base = os.environ.get("OCTILE_KERNEL_CACHE")
    if base:
        return pathlib.Path(base)
    return pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "octile"


GENERATOR_SUFFIX = "_generator.cpp"


def read_sources(suffixes: tuple[str, ...]) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(SOURCE_DIR.iterdir()) if path.suffix in suffixes}


def digest_of(sources: dict[str, bytes], *parts: str) -> str:
    digest = hashlib.sha256()
    for name, text in sources.items():
        digest.update(name.encode() + b"\0" + text + b"\0")
    for part in parts:
        digest.update(part.encode() + b"\0")
    return digest.hexdigest()[:32]


def family_digests(sources: dict[str, bytes]) -> dict[str, str]:
    """For each family, the digest of what its generator is made of: its own file and those that all families share."""
    families = [name.removesuffix(GENERATOR_SUFFIX) for name in sources if name.endswith(GENERATOR_SUFFIX)]
    return {family: digest_of({name: text for name, text in sources.items()
                               if not name.endswith(GENERATOR_SUFFIX) or name == family + GENERATOR_SUFFIX})
            for family in families}


def content_key(*parts: str) -> str:
    """Key over this program, the levels, the tools' versions, and the parts. What variants.py makes of a schedule is among the parts, and
    level_layouts.py makes no kernels."""
    sources = {name: text for name, text in read_sources((".py", ".json")).items() if name not in ("variants.py", "level_layouts.py")}
    return digest_of(sources, *tool_versions(), *parts)


def through_cache(key: str, outputs: dict[str, pathlib.Path], build) -> None:
    """Copies the cached files of `key` to `outputs` (file name in the cache -> destination); builds them if they are not there.

    build(directory) must leave every file name of `outputs` in the directory. A directory enters the cache by one rename, so two
    builds at once, or one that is killed, never leave half an entry.
    """
    entry = cache_dir() / key
    if not all((entry / name).exists() for name in outputs):
        entry.parent.mkdir(parents=True, exist_ok=True)
        work = pathlib.Path(tempfile.mkdtemp(prefix="building-", dir=entry.parent))
        try:
            build(work)
            shutil.rmtree(entry, ignore_errors=True)
            try:
                work.rename(entry)
            except OSError:
                if not entry.exists():
                    raise
        finally:
            shutil.rmtree(work, ignore_errors=True)
    for name, destination in outputs.items():
        destination.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(entry / name, destination)
        os.utime(destination)


def build_generator(arguments) -> None:
    """Beside the program goes a file with the digests of the sources it was compiled from: a kernel's key must not be made from sources
    that have been edited since."""
    halide = halide_root()
    sources = read_sources((".cpp", ".h"))

    def build(work: pathlib.Path) -> None:
        for name, text in sources.items():
            (work / name).write_bytes(text)
        run([arguments.cxx, "-std=c++20", "-O1", "-fno-rtti", "-Wall", "-Wextra", "-Werror", *sorted(map(str, work.glob("*.cpp"))),
             "-isystem", str(halide / "include"), str(halide / "lib64/libHalide_GenGen.a"), f"-L{halide / 'lib64'}", "-lHalide",
             f"-Wl,-rpath,{halide / 'lib64'}", "-o", str(work / "generators")])
        (work / "generators.json").write_text(json.dumps(family_digests(sources)))
        for name in sources:
            (work / name).unlink()

    # The program finds libHalide where it was linked, so the key holds the place.
    through_cache(content_key("generator", arguments.cxx, str(halide), digest_of(sources)),
                  {"generators": arguments.output, "generators.json": digests_file(arguments.output)}, build)


def digests_file(generator: pathlib.Path) -> pathlib.Path:
    return generator.with_suffix(".json")


def clang(level: dict, *options: str) -> None:
    # The version of clang that comes with ziglang: any clang >= 21 reads this IR, none of Debian 12's does.
    run([sys.executable, "-m", "ziglang", "cc", "-target", level["triple"], "-O3", "-ffp-contract=off", "-fPIC", "-g0",
         "-Wno-override-module", "-Wno-unused-command-line-argument", *options])


# Hoisted out of the loop over tiles, the constants of an activation take registers from the accumulators of the reduction loop inside it,
# which then spill; loaded again for every tile they cost next to nothing. A loop that streams, like quantize's, needs its hoisted.
# Accumulators in scalable vectors are stored behind the reduction loop and loaded by the epilogue; to see that they may stay in registers LLVM has to
# look back further than it does by itself.
CLANG_OPTIONS = {"gemm_s8": ["-mllvm", "-disable-machine-licm", "-mllvm", "-memdep-block-scan-limit=1000"],
                 "gemm_f16": ["-mllvm", "-disable-machine-licm"]}
CLANG_OPTIONS["gemm_s8_pairs"] = CLANG_OPTIONS["gemm_s8"]


# Kernels are called block by block with buffers that the runtime derives from checked shapes: Halide's checks of them would be most of
# the code, and at M = 1 a noticeable part of the time.
COMMON_FEATURES = ["no_runtime", "no_asserts", "no_bounds_query"]


# LLVM narrows vectors in loops by table look-ups of four registers, unless size matters: 65 against 52 cycles per 128 elements on
# Neoverse N2 (llvm-mca).
FUNCTION_ATTRIBUTES = {"quantize": "optsize"}


# Funcs whose sums of products are fused multiply-adds: docs/quantization.md says which.
FUSED_SUMS = {"attention": ["product", "mixed"]}


def build_kernel(arguments) -> None:
    level = json.loads((SOURCE_DIR / "isa_levels.json").read_text())[arguments.isa]
    generator_arguments = [*arguments.params, "target=" + "-".join([level["halide"], *COMMON_FEATURES, *arguments.halide_feature])]

    def build(work: pathlib.Path) -> None:
        run([str(arguments.generator), "-g", arguments.family, "-f", arguments.name, "-o", str(work), "-e", "llvm_assembly", *generator_arguments])
        finished = work / "finished.ll"
        try:
            report = finish_ir.finish((work / f"{arguments.name}.ll").read_text(), level, arguments.mmla, arguments.unroll,
                                      FUNCTION_ATTRIBUTES.get(arguments.family, ""), FUSED_SUMS.get(arguments.family))
            finished.write_text(finish_ir.for_platform(report.text, level))
        except finish_ir.FinishError as error:
            fail(f"{arguments.name}: {error}")
        options = CLANG_OPTIONS.get(arguments.family, [])
        clang(level, *options, "-c", str(finished), "-o", str(work / "kernel.o"))
        clang(level, *options, "-S", str(finished), "-o", str(work / "kernel.s"))
        assembly = finish_ir.portable_assembly((work / "kernel.s").read_text())
        (work / "kernel.s").write_text(assembly)
        try:
            finish_ir.check_assembly(assembly, report)
        except finish_ir.FinishError as error:
            fail(f"{arguments.name}: {error}")
        (work / f"{arguments.name}.ll").unlink()
        finished.unlink()

    sources = json.loads(digests_file(arguments.generator).read_text())[arguments.family]
    key = content_key("kernel", sources, arguments.name, arguments.family, arguments.isa, str(arguments.mmla), str(arguments.unroll), *generator_arguments)
    through_cache(key, {"kernel.o": arguments.output, "kernel.s": arguments.output.with_suffix(".s")}, build)


def build_runtime(arguments) -> None:
    def build(work: pathlib.Path) -> None:
        run([str(arguments.generator), "-r", "halide_runtime", "-o", str(work), "-e", "object", f"target={arguments.target}"])
        defined = run([arguments.nm, "--defined-only", "--extern-only", str(work / "halide_runtime.o")]).splitlines()
        renames = work / "renames"
        renames.write_text("".join(f"{name} {finish_ir.SYMBOL_PREFIX}{name}\n" for name in sorted({line.split()[-1] for line in defined})))
        run([arguments.objcopy, f"--redefine-syms={renames}", str(work / "halide_runtime.o"), str(work / "runtime.o")])

    through_cache(content_key("runtime", arguments.target), {"runtime.o": arguments.output}, build)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)

    generator = commands.add_parser("generator", help="compile the generator program for the build host")
    generator.add_argument("--cxx", default="g++")
    generator.set_defaults(run=build_generator)

    kernel = commands.add_parser("kernel", help="one kernel object")
    kernel.add_argument("--generator", type=pathlib.Path, required=True)
    kernel.add_argument("--family", required=True)
    kernel.add_argument("--name", required=True)
    kernel.add_argument("--isa", required=True)
    kernel.add_argument("--halide-feature", action="append", default=[])
    kernel.add_argument("--mmla", action="store_true", help="fail unless every tile became smmla")
    kernel.add_argument("--unroll", type=int, default=1, help="steps of the reduction loop that LLVM puts into one")
    kernel.add_argument("params", nargs="*")
    kernel.set_defaults(run=build_kernel)

    runtime = commands.add_parser("runtime", help="Halide's run-time library, its symbols prefixed")
    runtime.add_argument("--generator", type=pathlib.Path, required=True)
    runtime.add_argument("--target", required=True)
    runtime.add_argument("--nm", default="nm")
    runtime.add_argument("--objcopy", default="objcopy")
    runtime.set_defaults(run=build_runtime)

    for command in (generator, kernel, runtime):
        command.add_argument("--output", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
