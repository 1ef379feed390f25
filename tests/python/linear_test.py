"""octile.Linear against numpy: docs/quantization.md's INT8 to the bit (tests/capi/numpy_network.py), and what callers may hand in."""

import copy
import ctypes
import gc
import os
import pickle
import threading
import weakref

import numpy as np
import numpy_network
import octile
import pytest
from conftest import normal


def bfloat16_bits(x: np.ndarray) -> np.ndarray:
    """float32 rounded to nearest even, as its upper half."""
    bits = x.astype(np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


class ByDlpack:
    """An array that says nothing but DLPack, of bfloat16 where it is told so: a struct of the standard around numpy's memory."""

    class Tensor(ctypes.Structure):
        _fields_ = [("data", ctypes.c_void_p), ("device_type", ctypes.c_int32), ("device_id", ctypes.c_int32), ("ndim", ctypes.c_int32),
                    ("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16), ("shape", ctypes.c_void_p),
                    ("strides", ctypes.c_void_p), ("byte_offset", ctypes.c_uint64), ("context", ctypes.c_void_p), ("deleter", ctypes.c_void_p)]

    def __init__(self, array: np.ndarray, code: int = 2, device_type: int = 1):
        self.array = array
        self.shape = (ctypes.c_int64 * array.ndim)(*array.shape)
        self.strides = (ctypes.c_int64 * array.ndim)(*(stride // array.itemsize for stride in array.strides))
        self.tensor = self.Tensor(array.ctypes.data, device_type, 0, array.ndim, code, 8 * array.itemsize, 1, ctypes.addressof(self.shape),
                                  ctypes.addressof(self.strides), 0, None, None)

    def __dlpack__(self, **_):
        new = ctypes.pythonapi.PyCapsule_New
        new.restype, new.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
        return new(ctypes.addressof(self.tensor), b"dltensor", None)

    def __dlpack_device__(self):
        return (self.tensor.device_type, 0)


def test_int8_is_numpys_to_the_bit():
    for m, k, n in ((1, 5, 3), (4, 96, 40), (33, 200, 130)):
        x, w, bias = normal(1, m, k), normal(2, n, k), normal(3, n)
        for kind in (np.float32, np.float16):
            expected = numpy_network.linear_int8(x.astype(kind), w.astype(kind), bias)
            linear = octile.Linear(w.astype(kind), bias)
            y = linear(x.astype(kind), dtype="float32")
            assert y.dtype == np.float32
            np.testing.assert_array_equal(y, expected)
            assert linear(x.astype(kind)).dtype == kind
        np.testing.assert_array_equal(octile.Linear(w, activation="relu")(x), np.maximum(numpy_network.linear_int8(x, w, np.float32(0)), 0))
        np.testing.assert_array_equal(octile.Linear(w, bias, range=(-1, 2))(x), np.clip(numpy_network.linear_int8(x, w, bias), -1, 2))


def test_results_in_other_types():
    x, w = normal(1, 7, 64), normal(2, 20, 64)
    linear = octile.Linear(w)
    expected = numpy_network.linear_int8(x, w, np.float32(0))
    np.testing.assert_array_equal(linear(x, dtype=np.float16), expected.astype(np.float16))
    np.testing.assert_array_equal(linear(x, dtype=np.dtype("float16")), expected.astype(np.float16))
    levels = linear(x, dtype="int8", output_scale=0.25)
    np.testing.assert_array_equal(levels, np.clip(np.rint(expected * np.float32(4)), -127, 127).astype(np.int8))
    with pytest.raises(TypeError, match="dtype: expected float32, float16, bfloat16 or int8, found float64"):
        linear(x, dtype="float64")


def test_fp16_is_within_the_rounding_of_its_sums():
    x, w, bias = normal(1, 9, 300), normal(2, 70, 300), normal(3, 70)
    a, b = (v.astype(np.float16).astype(np.float64) for v in (x, w))
    # So many additions in f32, each within 2^-24 of what it adds up.
    bound = (300 + 2) * 2.0**-24 * (np.abs(a) @ np.abs(b).T + np.abs(bias))
    assert (np.abs(octile.Linear(w, bias, precision="fp16")(x) - (a @ b.T + bias)) <= bound).all()


def test_int4_is_int8_with_other_levels():
    w, x = normal(1, 64, 256), normal(2, 5, 256)
    linear = octile.Linear(w, precision="int4")
    exact = x.astype(np.float64) @ w.T
    noise = linear(x) - exact
    # 22.9 dB of normally distributed weights (docs/quantization.md), less than that of the levels of x.
    assert 10 * np.log10((exact**2).sum() / (noise**2).sum()) > 20
    assert linear.precision == "int4" and linear.nbytes < octile.Linear(w).nbytes


def test_any_number_of_leading_dimensions():
    x, w = normal(1, 2, 3, 4, 96), normal(2, 10, 96)
    linear = octile.Linear(w)
    expected = numpy_network.linear_int8(x.reshape(-1, 96), w, np.float32(0))
    np.testing.assert_array_equal(linear(x), expected.reshape(2, 3, 4, 10))
    np.testing.assert_array_equal(linear(x[0, 0, 0]), expected[0])
    assert linear(np.zeros((0, 96), np.float32)).shape == (0, 10)
    assert linear(np.zeros((3, 0, 96), np.float32)).shape == (3, 0, 10)


@pytest.mark.parametrize("view", [
    lambda a: a[:, 16:48],  # contiguous rows, a distance apart
    lambda a: a[::2, :32],
    lambda a: a[::-1, :32],  # backwards
    lambda a: a[:, :64:2],  # columns apart
    lambda a: np.asfortranarray(a[:, :32]),
    lambda a: np.broadcast_to(a[:1, :32], (6, 32)),
    lambda a: np.frombuffer(b"x" + a[:, :32].tobytes(), np.uint8)[1:].view(np.float32).reshape(6, 32),  # not aligned
    lambda a: a[:, None, :32],
    lambda a: np.moveaxis(np.stack([a[:, :32], a[:, 32:64]]), 0, 1),
])
def test_strides_of_every_kind(view):
    x, w = view(normal(1, 6, 64)), view(normal(2, 6, 64))
    w = np.ascontiguousarray(w).reshape(-1, 32)
    expected = numpy_network.linear_int8(np.ascontiguousarray(x).reshape(-1, 32), w, np.float32(0))
    np.testing.assert_array_equal(octile.Linear(w)(x).reshape(len(expected), -1), expected)
    if view(normal(2, 6, 64)).ndim == 2:
        np.testing.assert_array_equal(octile.Linear(view(normal(2, 6, 64)))(x).reshape(len(expected), -1), expected)


def test_contiguous_input_is_not_copied():
    """A copy of 64 MB would show: a call may take half of that."""
    resource = pytest.importorskip("resource")
    x, linear = np.ones((256, 65536), np.float32), octile.Linear(np.ones((1, 65536), np.float32))
    out = np.empty((256, 1), np.float32)
    linear(x[:1])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    linear(x, out=out)
    # Rows are quantized in INT8: a quarter of x's bytes.
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < x.nbytes // 2
    np.testing.assert_allclose(out, 65536, rtol=1e-6)


def test_out_and_residual():
    x, w, residual = normal(1, 6, 64), normal(2, 30, 64), normal(3, 6, 30)
    linear, expected = octile.Linear(w), numpy_network.linear_int8(x, w, np.float32(0))
    whole = np.full((6, 50), 7, np.float32)
    out = whole[:, 10:40]
    assert linear(x, out=out) is out
    np.testing.assert_array_equal(out, expected)
    assert (whole[:, :10] == 7).all() and (whole[:, 40:] == 7).all()
    np.testing.assert_array_equal(linear(x, residual=residual), expected + residual)
    half = np.empty((6, 30), np.float16)
    np.testing.assert_array_equal(linear(x, out=half), expected.astype(np.float16))


def test_out_beside_x_in_one_array():
    w, both = normal(2, 32, 64), normal(1, 6, 96)
    expected = numpy_network.linear_int8(both[:, :64], w, np.float32(0))
    octile.Linear(w)(both[:, :64], out=both[:, 64:])
    np.testing.assert_array_equal(both[:, 64:], expected)


@pytest.mark.parametrize(("out", "error", "text"), [
    (lambda: np.empty((6, 31), np.float32), ValueError, r"out: expected the shape \[6, 30\], found \[6, 31\]"),
    (lambda: np.empty((30, 6), np.float32).T, ValueError, "out: expected contiguous rows"),
    (lambda: np.empty((6, 30), np.float64), TypeError, "out: expected an array that can be written to of float32, .* found numpy.ndarray of float64"),
    (lambda: np.broadcast_to(np.float32(0), (6, 30)), TypeError, "out: expected an array that can be written to"),
    (lambda: [], TypeError, "found list"),
])
def test_out_that_cannot_be_written_to(out, error, text):
    with pytest.raises(error, match=text):
        octile.Linear(normal(2, 30, 64))(normal(1, 6, 64), out=out())


def test_out_is_not_x():
    x = normal(1, 6, 64)
    with pytest.raises(ValueError, match="out: expected memory of its own, found that of x"):
        octile.Linear(normal(2, 64, 64))(x, out=x)


def test_read_only_arrays():
    x, w = normal(1, 4, 32), normal(2, 8, 32)
    expected = numpy_network.linear_int8(x, w, np.float32(0))
    x.flags.writeable = w.flags.writeable = False
    np.testing.assert_array_equal(octile.Linear(w)(x), expected)


def test_the_buffer_protocol():
    x, w = normal(1, 4, 32), normal(2, 8, 32)
    expected = numpy_network.linear_int8(x, w, np.float32(0))
    np.testing.assert_array_equal(octile.Linear(memoryview(w))(memoryview(x)), expected)
    view = memoryview(x.tobytes()).cast("B").cast("f", [4, 32])
    np.testing.assert_array_equal(octile.Linear(w)(view), expected)


def test_dlpack_alone():
    x, w = normal(1, 4, 32), normal(2, 8, 32)
    expected = numpy_network.linear_int8(x, w, np.float32(0))
    np.testing.assert_array_equal(octile.Linear(ByDlpack(w))(ByDlpack(x)), expected)
    with pytest.raises(TypeError, match="x: expected memory of the CPU"):
        octile.Linear(w)(ByDlpack(x, device_type=2))


def test_bfloat16_by_dlpack():
    x, w = bfloat16_bits(normal(1, 4, 32)), bfloat16_bits(normal(2, 8, 32))
    wide = [(a.astype(np.uint32) << 16).view(np.float32) for a in (x, w)]
    y = octile.Linear(ByDlpack(w, 4))(ByDlpack(x, 4), dtype="float32")
    np.testing.assert_array_equal(y, numpy_network.linear_int8(*wide, np.float32(0)))


def test_bfloat16_of_ml_dtypes():
    bfloat16 = pytest.importorskip("ml_dtypes").bfloat16
    x, w = normal(1, 4, 32).astype(bfloat16), normal(2, 8, 32).astype(bfloat16)
    expected = numpy_network.linear_int8(x.astype(np.float32), w.astype(np.float32), np.float32(0))
    y = octile.Linear(w)(x)
    assert y.dtype == bfloat16
    np.testing.assert_array_equal(y.astype(np.float32), expected.astype(bfloat16).astype(np.float32))
    np.testing.assert_array_equal(octile.Linear(w)(x, dtype="float32"), expected)


@pytest.mark.parametrize(("weight", "error", "text"), [
    (np.zeros((3, 4)), TypeError, "weight: expected an array of float32, float16 or bfloat16, found numpy.ndarray of float64"),
    (np.zeros((3, 4), ">f4"), TypeError, "found numpy.ndarray of >f4"),
    (np.zeros((3, 4), object), TypeError, "weight: expected an array"),
    (np.zeros((3, 4), np.int8), TypeError, "found numpy.ndarray of int8"),
    (np.zeros((3, 4), np.complex64), TypeError, "found numpy.ndarray of complex64"),
    ([[1.0]], TypeError, "found list"),
    (None, TypeError, "found NoneType"),
    (np.float32(1), ValueError, r"weight: expected the shape \[N, K\], found \[\]"),
    (np.zeros(4, np.float32), ValueError, r"weight: expected the shape \[N, K\], found \[4\]"),
    (np.zeros((0, 4), np.float32), ValueError, r"shape \[0, 4\] has no rows"),
    (np.zeros((4, 0), np.float32), ValueError, r"shape \[4, 0\]; expected extents from 1"),
    (np.zeros((1, 131073), np.float32), ValueError, "131072"),
    (np.full((3, 4), np.nan, np.float32), octile.NonFiniteError, "output channel 0"),
])
def test_weights_that_are_none(weight, error, text):
    with pytest.raises(error, match=text):
        octile.Linear(weight)


@pytest.mark.parametrize(("how", "text"), [
    ({"precision": "int7"}, "precision: expected int8, fp16 or int4, found \"int7\""),
    ({"activation": "tanh"}, "activation: expected none, relu, .* found \"tanh\""),
    ({"input_scaling": "static"}, "input_scale: expected a number with input_scaling static, found none"),
    ({"input_scale": 0.1}, "input_scale: expected none with input_scaling dynamic, found 0.1"),
    ({"input_scaling": "no"}, "input_scaling: expected dynamic, static or asymmetric"),
    ({"bias": np.zeros(3, np.float32)}, r"bias: expected the shape \[8\], found \[3\]"),
    ({"bias": np.zeros((8, 1), np.float32)}, r"bias: expected one dimension, found the shape \[8, 1\]"),
    ({"input_multiplier": np.ones(3, np.float32)}, "input multiplier: 3 elements; expected 32"),
    ({"isa": "avx99"}, "avx99"),
    ({"range": (2, 1)}, "range"),
])
def test_options_that_are_wrong(how, text):
    with pytest.raises(octile.Error, match=text):
        octile.Linear(normal(1, 8, 32), **how)


def test_errors_are_built_in_ones_too():
    assert issubclass(octile.ArgumentError, ValueError) and issubclass(octile.NonFiniteError, ValueError)
    assert issubclass(octile.FileError, OSError) and issubclass(octile.ParseError, ValueError)
    with pytest.raises(octile.ArgumentError):
        octile.Linear(normal(1, 8, 32))(normal(1, 4, 33))


def test_x_that_does_not_fit():
    linear = octile.Linear(normal(1, 8, 32))
    with pytest.raises(ValueError, match=r"x: expected the shape \[..., 32\], found \[4, 33\]"):
        linear(normal(1, 4, 33))
    with pytest.raises(ValueError, match=r"found \[\]"):
        linear(np.float32(1))
    with pytest.raises(TypeError, match="found numpy.ndarray of float64"):
        linear(np.zeros((4, 32)))
    x = normal(1, 4, 32)
    x[2, 7] = np.nan
    with pytest.raises(octile.NonFiniteError, match="row 2"):
        linear(x)


def test_levels_and_static_scales():
    x, w = normal(1, 5, 64), normal(2, 20, 64)
    q, scale = numpy_network.quantize_rows(w, True)
    linear = octile.Linear.from_levels(q.astype(np.int8), scale)
    np.testing.assert_array_equal(linear(x), numpy_network.linear_int8(x, w, np.float32(0)))
    levels = np.random.default_rng(3).integers(-127, 128, (5, 64)).astype(np.int8)
    fixed = octile.Linear(w, input_scaling="static", input_scale=0.5)
    expected = (levels.astype(np.int64) @ q.T).astype(np.float32) * (np.float32(0.5) * scale[None, :])
    np.testing.assert_array_equal(fixed(levels), expected)


def test_a_gated_layer():
    x, gate, up = normal(1, 5, 64), normal(2, 20, 64), normal(3, 20, 64)
    linear = octile.Linear.gated(gate, up, activation="relu")
    expected = np.maximum(numpy_network.linear_int8(x, gate, np.float32(0)), 0) * numpy_network.linear_int8(x, up, np.float32(0))
    np.testing.assert_array_equal(linear(x), expected)
    assert linear.is_gated and repr(linear) == "octile.Linear(64→20, act=relu, gated, int8)"


def test_what_it_says_of_itself():
    linear = octile.Linear(normal(1, 3072, 768), activation="gelu")
    assert repr(linear) == "octile.Linear(768→3072, act=gelu, int8)"
    assert (linear.k, linear.n, linear.shape, linear.precision, linear.activation) == (768, 3072, (3072, 768), "int8", "gelu")
    assert 768 * 3072 <= linear.nbytes < 1.1 * 768 * 3072
    assert "gemm_s8" in linear.kernel(16) or "gemm" in linear.kernel(16)


def test_every_level_has_the_same_bits():
    x, w = normal(1, 6, 160), normal(2, 50, 160)
    results = [octile.Linear(w, isa=level)(x) for level in octile.isa_levels() if level != "fp16"]
    for y in results:
        np.testing.assert_array_equal(y, results[0])


def test_the_arrays_may_go():
    w, x = normal(1, 300, 256), normal(2, 8, 256)
    expected = numpy_network.linear_int8(x, w, np.float32(0))
    gone = weakref.ref(w)
    linear = octile.Linear(w)
    del w
    gc.collect()
    assert gone() is None
    np.testing.assert_array_equal(linear(x), expected)
    y = linear(x)
    del linear
    gc.collect()
    np.testing.assert_array_equal(y, expected)


def test_nothing_is_kept_of_a_call():
    linear, x = octile.Linear(normal(1, 8, 32)), normal(2, 4, 32)
    gone = weakref.ref(x)
    linear(x)
    with pytest.raises(TypeError):
        linear(x, out=[])
    del x
    gc.collect()
    assert gone() is None


def test_eight_threads_call_one_linear():
    w = normal(2, 300, 256)
    linear, results = octile.Linear(w), [None] * 8
    inputs = [normal(10 + i, 40 + i, 256) for i in range(8)]

    def work(i: int) -> None:
        for _ in range(20):
            results[i] = linear(inputs[i])

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for x, y in zip(inputs, results):
        np.testing.assert_array_equal(y, numpy_network.linear_int8(x, w, np.float32(0)))


def test_the_interpreter_runs_on_during_a_call():
    """Another thread counts while a long call runs; with the GIL held it would stand still."""
    linear, x = octile.Linear(np.ones((4096, 4096), np.float32)), np.ones((512, 4096), np.float32)
    counted, stop = [0], threading.Event()

    def count() -> None:
        while not stop.is_set():
            counted[0] += 1

    thread = threading.Thread(target=count)
    thread.start()
    try:
        during = []
        for _ in range(3):
            before = counted[0]
            linear(x)
            during.append(counted[0] - before)
    finally:
        stop.set()
        thread.join()
    # The interval at which Python takes the GIL away is 5 ms, and the call takes longer.
    assert max(during) > 1000


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_child_of_fork():
    w, x = normal(1, 300, 256), normal(2, 40, 256)
    linear = octile.Linear(w)
    expected = linear(x)  # the pool's threads are there
    child = os.fork()
    if child == 0:
        os._exit(0 if np.array_equal(linear(x), expected) and np.array_equal(octile.Linear(w)(x), expected) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    np.testing.assert_array_equal(linear(x), expected)


@pytest.mark.parametrize("how", [
    {}, {"precision": "int4"}, {"precision": "fp16"}, {"activation": "gelu"}, {"range": (-1, 2)}, {"input_scaling": "asymmetric"},
    {"input_scaling": "static", "input_scale": 0.05}, {"input_multiplier": 2.0 ** np.arange(-2, 3, dtype=np.float32)[np.arange(80) % 5]},
])
def test_pickles_have_the_same_results(how):
    linear, x = octile.Linear(normal(1, 50, 80), normal(2, 50), **how), normal(3, 4, 80)
    again = pickle.loads(pickle.dumps(linear))
    np.testing.assert_array_equal(again(x), linear(x))
    assert repr(again) == repr(linear) and again.nbytes == linear.nbytes
    assert copy.copy(linear) is linear and copy.deepcopy([linear])[0] is linear


def test_a_state_is_numpys_levels():
    w, bias = normal(1, 50, 80), normal(2, 50)
    state = octile.Linear(w, bias).state()
    levels, scale = numpy_network.quantize_rows(w, True)
    np.testing.assert_array_equal(state["levels"], levels)
    np.testing.assert_array_equal(state["scale"], scale)
    np.testing.assert_array_equal(state["bias"], bias)
    np.testing.assert_array_equal(octile.Linear(w, precision="fp16").state()["weight"], w.astype(np.float16))
    with pytest.raises(TypeError, match="a gated one cannot be pickled"):
        pickle.dumps(octile.Linear.gated(w, w))


def test_rows_are_packed_once_for_several():
    x, first, second = normal(1, 3, 4, 96), octile.Linear(normal(2, 10, 96)), octile.Linear(normal(3, 20, 96), activation="relu")
    rows = first.pack_rows(x)
    assert (rows.rows, rows.k) == (12, 96) and rows.nbytes >= 12 * 96 and repr(rows) == "<octile.Rows [12, 96]>"
    for linear in (first, second):
        assert linear.accepts(rows)
        np.testing.assert_array_equal(linear(rows), linear(x))
    half = octile.Linear(normal(2, 10, 96), precision="fp16")
    assert not half.accepts(rows)
    with pytest.raises(ValueError, match="x: expected rows that this linear accepts"):
        half(rows)
    assert first(first.pack_rows(x[:0])).shape == (0, 4, 10)


def test_norms_and_the_rows_behind_them():
    x, weight, bias, linear = normal(1, 2, 5, 256), normal(2, 256), normal(3, 256), octile.Linear(normal(4, 30, 256))
    norm = octile.Norm(weight, bias, eps=1e-5)
    y, rows = norm(x, consumer=linear)
    wide = x.astype(np.float64)
    centred = wide - wide.mean(-1, keepdims=True)
    deviation = np.sqrt((centred**2).mean(-1, keepdims=True) + np.float32(1e-5))
    # Two sums over 256 numbers and some ten more roundings, each within 2^-24 of the largest magnitude there is.
    bound = (2 * 256 + 10) * 2.0**-24 * (np.abs(wide).max(-1, keepdims=True) / deviation * np.abs(weight) + np.abs(bias))
    assert (np.abs(y - (centred / deviation * weight + bias)) <= bound).all()
    np.testing.assert_array_equal(norm(x), y)
    np.testing.assert_array_equal(linear(rows), linear(y))
    assert norm(x.astype(np.float16)).dtype == np.float16 and repr(norm).startswith("octile.Norm(256, layernorm, eps=")
    rms = octile.Norm(weight, kind="rmsnorm")(x)
    np.testing.assert_allclose(rms, wide / np.sqrt((wide**2).mean(-1, keepdims=True) + 1e-5) * weight, rtol=1e-5)
    for how, text in (({"kind": "batchnorm"}, "kind: expected layernorm or rmsnorm"), ({"bias": bias[:3]}, "bias"), ({"eps": -1}, "epsilon"),
                      ({"kind": "rmsnorm", "bias": bias}, "bias")):
        with pytest.raises(ValueError, match=text):
            octile.Norm(weight, **how)


def test_one_that_was_never_made():
    with pytest.raises(TypeError):
        octile.Linear()
    with pytest.raises(TypeError), pytest.warns(RuntimeWarning, match="uninitialized"):
        octile.Linear.__new__(octile.Linear)(normal(1, 4, 32))
