"""What the tests of the Python package share. CTest sets PYTHONPATH to the package of the build tree, and names what else they need."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "capi"))  # numpy_network: docs/quantization.md in numpy


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@pytest.fixture(scope="session")
def command() -> str:
    """The octile command of the same build."""
    return os.environ["OCTILE_COMMAND"]


@pytest.fixture(scope="session")
def network_file() -> pathlib.Path:
    """A small decoder as octile quantize packs it, all INT8, with its checkpoint beside it (tests/capi/write_network.cpp)."""
    return pathlib.Path(os.environ["OCTILE_NETWORK"])


@pytest.fixture(scope="session")
def models() -> pathlib.Path:
    return pathlib.Path(os.environ["OCTILE_MODELS"])


def output_of(*arguments) -> str:
    return subprocess.run([*map(str, arguments)], check=True, capture_output=True, text=True).stdout
