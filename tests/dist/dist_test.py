#!/usr/bin/env python3
"""What `make dist` writes, as somebody would build it who has no Halide: two runs write the same bytes; unpacked into a folder of its own, with the
system's tools alone, it builds and passes its tests, natively and for aarch64 under qemu, and is installed and used; static programs
on musl run, in threads of small stacks (zig of .venv is the compiler).

usage: dist_test.py --work FOLDER [--dist FILE] [--part reproducible|native|cross|musl]...

Takes about as long as `make test`, which is why it is `make test-dist`. --dist: an archive that is there already.
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PARTS = ("reproducible", "native", "cross", "musl")
# As on a machine that never saw this tree; the compiler cache, if there is one, stays.
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "CMAKE_BUILD_PARALLEL_LEVEL": str(os.cpu_count()), "CTEST_PARALLEL_LEVEL": str(os.cpu_count()),
               **{name: value for name, value in os.environ.items() if name.startswith("CCACHE_") or name.endswith("_COMPILER_LAUNCHER")}}
CONSUMER = """\
#include <octile/linear.h>
#include <cstdio>
int main() {
    const float weights[4] = {1, 0, 0, 2};
    const octile::MatrixView view{weights, octile::DataType::kF32, 2, 2, 2};
    const auto linear = octile::Linear::pack(view, {}, {}, octile::supported_isas());
    std::puts(linear.ok() ? "packed" : linear.status().message().c_str());
    return linear.ok() ? 0 : 1;
}
"""


def fail(message: str) -> None:
    sys.exit(f"dist_test: {message}")


def run(command: list, folder: pathlib.Path, environment: dict[str, str] = ENVIRONMENT) -> str:
    print("$", " ".join(map(str, command)), flush=True)
    done = subprocess.run([*map(str, command)], cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", check=False)
    if done.returncode != 0:
        fail(f"exit code {done.returncode}:\n{done.stdout[-8000:]}")
    return done.stdout


def expect(text: str, output: str) -> None:
    if text not in output:
        fail(f'expected "{text}", found:\n{output[-4000:]}')


def make_dist(folder: pathlib.Path) -> pathlib.Path:
    print(run([sys.executable, ROOT / "scripts/dist", "--output", folder], ROOT, dict(os.environ)).splitlines()[-1])
    (archive,) = folder.glob("octile-*.tar.xz")
    return archive


def unpack(archive: pathlib.Path, folder: pathlib.Path) -> pathlib.Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    run(["tar", "xf", archive], folder)
    (source,) = folder.iterdir()
    return source


def summary(output: str) -> str:
    return "\n".join(line for line in output.splitlines() if "tests passed" in line or "Disabled" in line)


def test_native(source: pathlib.Path) -> None:
    output = run(["make", "test"], source)
    expect("-- Kernels: prebuilt, of kernels/", output)
    expect("100% tests passed", output)
    print(summary(output))
    expect("schedule", run(["make", "demo"], source))
    prefix = source.parent / "prefix"
    run(["cmake", "--install", "build/host", "--prefix", prefix], source)
    program = source.parent / "consumer.cpp"
    program.write_text(CONSUMER)
    (library,) = prefix.rglob("liboctile.a")
    run(["g++", "-std=c++20", f"-I{prefix / 'include'}", program, library, "-o", program.with_suffix(""), "-pthread"], source.parent)
    expect("packed", run([program.with_suffix("")], source.parent))


def test_cross(source: pathlib.Path) -> None:
    build = source / "build/aarch64"
    output = run(["cmake", "-B", build, "--toolchain", source / "cmake/toolchains/linux-aarch64.cmake", "-DCMAKE_BUILD_TYPE=Release", "-DOCTILE_WERROR=OFF"],
                 source)
    expect("-- Kernels: prebuilt, of kernels/aarch64", output)
    run(["cmake", "--build", build], source)
    output = run(["ctest", "--test-dir", build, "--output-on-failure", "-LE", "^style$"], source)
    expect("100% tests passed", output)
    print(summary(output))


def test_musl(source: pathlib.Path) -> None:
    (zig,) = (ROOT / ".venv").glob("lib/python3*/site-packages/ziglang/zig")
    environment = ENVIRONMENT | {"HOME": str(source.parent)}  # zig's cache
    for architecture, emulator in (("x86_64", []), ("aarch64", ["qemu-aarch64", "-cpu", "max,pauth-impdef=on"])):
        build, program = source / f"build/musl-{architecture}", source.parent / f"small_stacks-{architecture}"
        run(["cmake", "-B", build, "--toolchain", source / "cmake/toolchains/linux-musl.cmake", f"-DOCTILE_ZIG={zig}",
             f"-DOCTILE_MUSL_ARCHITECTURE={architecture}", "-DCMAKE_BUILD_TYPE=Release", "-DOCTILE_DEVELOPER_MODE=OFF"], source, environment)
        run(["cmake", "--build", build, "--target", "octile"], source, environment)
        run([zig, "c++", "-target", f"{architecture}-linux-musl", "-std=c++20", "-O2", "-static", f"-I{source / 'include'}",
             source / "tests/dist/small_stacks.cpp", build / "liboctile.a", "-o", program], source, environment)
        expect("passed", run([*emulator, program], source))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--dist", type=pathlib.Path)
    parser.add_argument("--part", action="append", choices=PARTS)
    arguments = parser.parse_args()
    parts, work = arguments.part or PARTS, arguments.work.resolve()
    archive = arguments.dist.resolve() if arguments.dist else make_dist(work / "first")
    if "reproducible" in parts and archive.read_bytes() != make_dist(work / "second").read_bytes():
        fail(f"expected the same bytes of two runs, found others in {work / 'second'}")
    if "native" in parts:
        test_native(unpack(archive, work / "native"))
    if "cross" in parts:
        test_cross(unpack(archive, work / "cross"))
    if "musl" in parts:
        test_musl(unpack(archive, work / "musl"))
    print(f"dist_test: passed: {', '.join(parts)}")


if __name__ == "__main__":
    main()
