"""liboctile.so by ctypes: functions as the headers declare them, structs by hand, errors as exceptions."""

import ctypes
import pathlib
import re
from ctypes import POINTER, c_char_p, c_double, c_float, c_int32, c_int64, c_size_t, c_uint32, c_void_p

import numpy as np

OK, INVALID_ARGUMENT, PARSE_ERROR, IO_ERROR, NON_FINITE, UNSUPPORTED, OUT_OF_MEMORY, INTERNAL = range(8)
F32, F16, BF16, I8 = range(4)
INT8, FP16, INT4 = range(3)
TYPES = {np.dtype(np.float32): F32, np.dtype(np.float16): F16, np.dtype(np.uint16): BF16, np.dtype(np.int8): I8}


class Error(ctypes.Structure):
    _fields_ = [("code", c_int32), ("message", ctypes.c_char * 1020)]


class Matrix(ctypes.Structure):
    _fields_ = [("data", c_void_p), ("rows", c_int64), ("columns", c_int64), ("row_stride", c_int64), ("type", c_int32)]


class Sized(ctypes.Structure):
    def __init__(self, **fields):
        super().__init__(size=ctypes.sizeof(type(self)), **fields)


class LinearOptions(Sized):
    _fields_ = [("size", c_size_t), ("precision", c_int32), ("activation", c_int32), ("input_scaling", c_int32), ("input_scale", c_float),
                ("has_range", c_int32), ("range_low", c_float), ("range_high", c_float), ("isas", c_uint32), ("input_multiplier", c_void_p),
                ("input_multiplier_count", c_size_t)]


class Int4Weights(Sized):
    _fields_ = [("size", c_size_t), ("n", c_int64), ("k", c_int64), ("q4", c_void_p), ("q4_count", c_size_t), ("s4", c_void_p), ("c8", c_void_p),
                ("group_count", c_size_t), ("scale", c_void_p), ("scale_count", c_size_t)]


class PlanSummary(Sized):
    _fields_ = [("size", c_size_t), ("linears", c_int64), ("int8", c_int64), ("fp16", c_int64), ("plan_us", c_double), ("fp16_us", c_double), ("int4", c_int64)]


class Force(ctypes.Structure):
    _fields_ = [("pattern", c_char_p), ("precision", c_int32)]


class RunOptions(Sized):
    _fields_ = [("size", c_size_t), ("residual", POINTER(Matrix)), ("output_scale", c_float)]


class PlanOptions(Sized):
    _fields_ = [("size", c_size_t), ("list_name", c_char_p), ("tokens", c_int64), ("policy", c_int32), ("threads", c_int32), ("min_ratio", c_double),
                ("noise", c_double), ("forces", c_void_p), ("force_count", c_size_t), ("skip", c_char_p), ("core", c_char_p), ("core_json", c_char_p),
                ("measurement", c_void_p), ("measurement_context", c_void_p), ("errors", c_void_p), ("error_count", c_size_t)]


class SessionOptions(Sized):
    _fields_ = [("size", c_size_t), ("max_rows", c_int64), ("max_sequences", c_int64), ("max_context", c_int64), ("isas", c_uint32),
                ("observer", c_void_p), ("observer_context", c_void_p)]


class OutputInfo(Sized):
    _fields_ = [("size", c_size_t), ("name", c_char_p), ("features", c_int64), ("per_sequence", c_int32)]


class SessionInput(ctypes.Structure):
    _fields_ = [("name", c_char_p), ("indices", c_void_p), ("index_count", c_size_t), ("values", Matrix)]


class SessionOutput(ctypes.Structure):
    _fields_ = [("name", c_char_p), ("values", c_void_p), ("value_count", c_size_t)]


class OctileError(Exception):
    def __init__(self, code: int, message: str):
        super().__init__(f"{code}: {message}")
        self.code, self.message = code, message


def _c_type(text: str):
    text = text.replace("const ", "").strip()
    if text == "char*":
        return c_char_p
    if "*" in text or text in ("octile_parallel_for", "octile_measurement", "octile_observer"):
        return c_void_p
    sizes = {"void": None, "size_t": c_size_t, "int64_t": c_int64, "float": c_float, "uint32_t": c_uint32, "octile_isa_set": c_uint32}
    return sizes.get(text, c_int32)  # the enumerations


def declarations(headers: pathlib.Path) -> dict[str, tuple]:
    """name: (type of the result, types of the arguments)"""
    found = {}
    for header in sorted((headers / "c").glob("*.h")):
        text = re.sub(r"\s+", " ", re.sub(r"//.*", "", header.read_text()))
        for result, name, arguments in re.findall(r"OCTILE_C_API ([\w ]+?\*?) (octile_\w+)\((.*?)\);", text):
            words = [] if arguments == "void" else [argument.strip() for argument in arguments.split(",")]
            found[name] = (_c_type(result), [_c_type(re.sub(r"\w+$", "", word)) for word in words])
    return found


class Octile:
    """octile.linear_pack(...) is octile_linear_pack(..., &error); one that fails is an OctileError."""

    def __init__(self, library: pathlib.Path, headers: pathlib.Path):
        self.library = ctypes.CDLL(str(library))
        self.functions = {}
        for name, (result, arguments) in declarations(headers).items():
            function = getattr(self.library, name)
            function.restype, function.argtypes = result, arguments
            self.functions[name.removeprefix("octile_")] = function

    def __getattr__(self, name: str):
        function = self.functions[name]

        def call(*arguments):
            if len(arguments) == len(function.argtypes):
                return function(*arguments)
            error = Error()
            if function(*arguments, ctypes.byref(error)) != OK:
                raise OctileError(error.code, error.message.decode())
            return None

        return call

    def made(self, name: str, *arguments) -> c_void_p:
        """The handle that a function makes through its argument before the error."""
        handle = c_void_p()
        getattr(self, name)(*arguments, ctypes.byref(handle))
        return handle

    def text(self, name: str, *arguments) -> str:
        made = self.made(name, *arguments)
        text = ctypes.string_at(made).decode()
        self.library.octile_string_free(ctypes.cast(made, c_char_p))
        return text


def matrix(array: np.ndarray) -> Matrix:
    """A view of a row-major array, or of some of its columns."""
    assert array.ndim == 2 and array.strides[1] == array.itemsize
    return Matrix(array.ctypes.data, *array.shape, array.strides[0] // array.itemsize, TYPES[array.dtype])


def pointer(array: np.ndarray) -> c_void_p:
    return c_void_p(array.ctypes.data)
