"""The package as a whole: what importing it takes, its types, its pins, and the process's settings."""

import os
import pathlib
import re
import subprocess
import sys

import octile
import pytest
from conftest import output_of

ROOT = pathlib.Path(__file__).resolve().parents[2]


def python(code: str, **environment: str) -> str:
    return output_of(sys.executable, "-B", "-c", code) if not environment else subprocess.run(
        [sys.executable, "-B", "-c", code], check=True, capture_output=True, text=True, env={**os.environ, **environment}).stdout


def test_the_version_is_the_projects(command):
    assert f"octile {octile.__version__}" in output_of(command, "--version")


def test_importing_takes_numpy_at_most():
    modules = python("import sys; before = set(sys.modules); import octile; print(*sorted({name.split('.')[0] for name in set(sys.modules) - before}))").split()
    assert "octile" in modules
    assert not [name for name in modules if name not in sys.stdlib_module_names and name not in ("octile", "numpy")]


def test_everything_that_is_public_is_there():
    for name in octile.__all__:
        assert getattr(octile, name) is not None
    assert not [name for name in vars(octile) if not name.startswith("_") and name not in octile.__all__]


def test_the_stubs_are_those_of_the_extension(tmp_path):
    """python -m nanobind.stubgen -m octile._octile -o python/octile/_octile.pyi, after a change of the extension."""
    stub = tmp_path / "_octile.pyi"
    subprocess.run([sys.executable, "-B", "-m", "nanobind.stubgen", "-q", "-m", "octile._octile", "-o", stub], check=True)
    assert stub.read_text() == (ROOT / "python/octile/_octile.pyi").read_text()


def test_the_pins_are_those_of_requirements():
    pins = dict(line.split("==") for line in (ROOT / "requirements.txt").read_text().splitlines() if "==" in line)
    required = re.search(r"^requires = \[(.*?)\]", (ROOT / "pyproject.toml").read_text(), re.MULTILINE | re.DOTALL).group(1)
    required = dict(re.findall(r'"([\w-]+)==([\w.]+)"', required))
    assert required and required == {name: pins[name] for name in required}


def test_threads():
    default = octile.threads()
    try:
        octile.set_threads(3)
        assert octile.threads() == 3
        octile.set_threads(0)
        assert octile.threads() == default
        for count in (-1, 10**6):
            with pytest.raises(ValueError, match="count: expected 0"):
                octile.set_threads(count)
    finally:
        octile.set_threads(0)
    assert python("import octile; print(octile.threads())", OCTILE_NUM_THREADS="5") == "5\n"
    wrong = "import octile\ntry: octile.threads()\nexcept ValueError as error: print(error)"
    assert "OCTILE_NUM_THREADS" in python(wrong, OCTILE_NUM_THREADS="many")


def test_levels_and_cores():
    levels = octile.isa_levels()
    assert levels and set(levels) <= {"avx2", "avxvnni", "avx512vnni", "neon", "fp16", "dotprod", "i8mm", "sve256"}
    assert python("import octile; print(*octile.isa_levels())", OCTILE_ISA=levels[0]).split() == [levels[0]]
    wrong = "import octile\ntry: octile.isa_levels()\nexcept octile.Error as error: print(error)"
    assert "mmx" in python(wrong, OCTILE_ISA="mmx")
    assert "neoverse-v2" in octile.cores()
    assert python("import octile; print(octile.core())", OCTILE_CORE="zen5") == "zen5\n"


def test_it_leaves_without_a_word():
    """No leak that nanobind tells of, and no crash behind main()."""
    code = "import octile, numpy as np; a = octile.Linear(np.ones((64, 64), np.float32)); a(np.ones((9, 64), np.float32)); b = octile.plan([{'name': 'a', 'm': 1, 'k': 1, 'n': 1}])"
    done = subprocess.run([sys.executable, "-B", "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
