#!/usr/bin/env python3
"""liboctile.so as another language calls it: against numpy, and with values and memory limits that must not end the process."""

import argparse
import ctypes
import json
import pathlib
import random
import resource
import subprocess
import sys
import threading
import unittest

import numpy as np

import numpy_network
import octile_ctypes as c

options: argparse.Namespace
octile: c.Octile


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


class Linear:
    def __init__(self, w: np.ndarray, bias: np.ndarray, **how):
        self.n = len(w)
        self.handle = octile.made("linear_pack", ctypes.byref(c.matrix(w)), c.pointer(bias), len(bias), ctypes.byref(c.LinearOptions(**how)))

    @classmethod
    def of_int4(cls, q4: np.ndarray, s4: np.ndarray, c8: np.ndarray, scale: np.ndarray, bias: np.ndarray) -> "Linear":
        linear = cls.__new__(cls)
        linear.n = len(q4)
        weights = c.Int4Weights(n=q4.shape[0], k=q4.shape[1], q4=q4.ctypes.data, q4_count=q4.size, s4=s4.ctypes.data, c8=c8.ctypes.data, group_count=s4.size,
                                scale=scale.ctypes.data, scale_count=len(scale))
        linear.handle = octile.made("linear_pack_int4", ctypes.byref(weights), c.pointer(bias), len(bias), None)
        return linear

    def run(self, x: np.ndarray, y: np.ndarray | None = None, **how) -> np.ndarray:
        workspace = octile.made("workspace_create")
        y = np.zeros((len(x), self.n), np.float32) if y is None else y
        try:
            octile.linear_run(self.handle, ctypes.byref(c.matrix(x)), ctypes.byref(c.matrix(y)), workspace, ctypes.byref(c.RunOptions(**how)))
        finally:
            octile.workspace_free(workspace)
        return y

    def __del__(self):
        if hasattr(self, "handle"):
            octile.linear_free(self.handle)


class LinearTest(unittest.TestCase):
    def test_int8_is_numpys_to_the_bit(self) -> None:
        for m, k, n in ((1, 5, 3), (4, 96, 40), (33, 200, 130)):
            x, w, bias, residual = normal(1, m, k), normal(2, n, k), normal(3, n), normal(4, m, n)
            for kind in (np.float32, np.float16):
                expected = numpy_network.linear_int8(x.astype(kind), w.astype(kind), bias)
                linear = Linear(w.astype(kind), bias)
                np.testing.assert_array_equal(linear.run(x.astype(kind)), expected)
            expected = numpy_network.linear_int8(x, w, bias)
            np.testing.assert_array_equal(Linear(w, bias, activation=1).run(x), np.maximum(expected, 0))
            added = Linear(w, bias).run(x, residual=ctypes.pointer(c.matrix(residual)))
            np.testing.assert_array_equal(added, expected + residual)
            levels = Linear(w, bias).run(x, np.zeros((m, n), np.int8), output_scale=0.25)
            np.testing.assert_array_equal(levels, np.clip(np.rint(expected * np.float32(4)), -127, 127))

    def test_int4_is_numpys_to_the_bit(self) -> None:
        for m, k, n in ((1, 5, 3), (4, 96, 40), (33, 200, 130)):
            draw, groups = np.random.default_rng(n), -(-k // 32)
            s4, c8 = draw.integers(1, 16, (n, groups), np.uint8), draw.integers(-127, -97, (n, groups), np.int8)
            q4 = draw.integers(0, 16, (n, k), np.uint8)
            scale, bias, x = draw.uniform(0.01, 0.1, n).astype(np.float32), normal(3, n), normal(1, m, k)
            spread = [a.astype(np.int64).repeat(32, axis=1)[:, :k] for a in (s4, c8)]
            expected = numpy_network.linear_levels(x, spread[0] * q4 + spread[1], scale, bias)
            np.testing.assert_array_equal(Linear.of_int4(q4, s4, c8, scale, bias).run(x), expected)
        q4[2, 1] = 16
        with self.assertRaises(c.OctileError) as raised:
            Linear.of_int4(q4, s4, c8, scale, bias)
        self.assertEqual(raised.exception.code, c.INVALID_ARGUMENT)
        self.assertIn("output channel 2", raised.exception.message)

    def test_some_columns_of_an_array(self) -> None:
        x, w, bias = normal(1, 6, 64), normal(2, 30, 64), normal(3, 30)
        y = np.full((6, 50), 7, np.float32)
        Linear(w[:, 8:40], bias).run(x[:, 16:48], y[:, 10:40])
        np.testing.assert_array_equal(y[:, 10:40], numpy_network.linear_int8(x[:, 16:48], w[:, 8:40], bias))
        self.assertTrue((y[:, :10] == 7).all() and (y[:, 40:] == 7).all())

    def test_fp16_is_within_the_rounding_of_its_sums(self) -> None:
        x, w, bias = normal(1, 9, 300), normal(2, 70, 300), normal(3, 70)
        exact = [a.astype(np.float16).astype(np.float64) for a in (x, w)]
        expected = exact[0] @ exact[1].T + bias
        # So many additions in f32, each within 2^-24 of what it adds up.
        bound = (300 + 2) * 2.0**-24 * (np.abs(exact[0]) @ np.abs(exact[1]).T + np.abs(bias))
        actual = Linear(w, bias, precision=c.FP16).run(x)
        self.assertTrue((np.abs(actual - expected) <= bound).all())

    def test_many_threads_run_one_linear(self) -> None:
        x, w, bias = normal(1, 40, 256), normal(2, 300, 256), normal(3, 300)
        expected, linear, results = numpy_network.linear_int8(x, w, bias), Linear(w, bias), []
        threads = [threading.Thread(target=lambda: results.append(linear.run(x))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(results), 8)
        for y in results:
            np.testing.assert_array_equal(y, expected)

    def test_an_error_says_what_and_where(self) -> None:
        x, w, bias = normal(1, 4, 32), normal(2, 16, 32), normal(3, 16)
        x[2, 7] = np.nan
        with self.assertRaises(c.OctileError) as raised:
            Linear(w, bias).run(x)
        self.assertEqual(raised.exception.code, c.NON_FINITE)
        self.assertIn("row 2", raised.exception.message)


class NormTest(unittest.TestCase):
    def test_layernorm(self) -> None:
        x, weight, bias, y = normal(1, 5, 256), normal(2, 256), normal(3, 256), np.zeros((5, 256), np.float32)
        norm = octile.made("norm_make", 0, c.pointer(weight), 256, c.pointer(bias), 256, 1e-5, 0)
        workspace = octile.made("workspace_create")
        octile.norm_run(norm, ctypes.byref(c.matrix(x)), ctypes.byref(c.matrix(y)), workspace, None)
        octile.norm_free(norm)
        octile.workspace_free(workspace)
        wide = x.astype(np.float64)
        centred = wide - wide.mean(1, keepdims=True)
        deviation = np.sqrt((centred**2).mean(1, keepdims=True) + np.float32(1e-5))
        expected = centred / deviation * weight + bias
        # Two sums over 256 numbers and some ten more roundings, each within 2^-24 of the largest magnitude there is.
        bound = (2 * 256 + 10) * 2.0**-24 * (np.abs(wide).max(1, keepdims=True) / deviation * np.abs(weight) + np.abs(bias))
        self.assertTrue((np.abs(y - expected) <= bound).all())


class PlanTest(unittest.TestCase):
    LIST = b"name,m,k,n\nup,8,768,3072\nhead,8,768,8\n"

    def plan(self, text: bytes, kind: int, **how) -> dict:
        chosen = c.PlanOptions()
        octile.plan_options_init(ctypes.byref(chosen), ctypes.sizeof(chosen))
        for name, value in how.items():
            setattr(chosen, name, value)
        plan = octile.made("plan_make", text, len(text), kind, ctypes.byref(chosen))
        try:
            return json.loads(octile.text("plan_to_json", plan))
        finally:
            octile.plan_free(plan)

    def test_is_the_commands(self) -> None:
        network = json.dumps({"model": "net", "layers": [{"name": "up", "m": 8, "k": 768, "n": 3072}, {"name": "head", "m": 8, "k": 768, "n": 8}]})
        file = options.network.parent / "list.csv"
        file.write_bytes(self.LIST)
        for how, flags in (({}, []), ({"min_ratio": 1.0}, ["--min-ratio", "1"]), ({"skip": b"up"}, ["--skip", "up"]), ({"tokens": 3}, ["--tokens", "3"]),
                           ({"policy": 1, "core": b"neoverse-v2", "threads": 2, "noise": 0.0}, "--policy cost --core neoverse-v2 --threads 2 --noise 0".split())):
            flags = [flag for flag in flags if flag not in ("--skip", "up")] + (["--force", "up=fp16"] if "skip" in how else [])
            expected = json.loads(subprocess.run([options.octile, "plan", file, "--format", "json", *flags], check=True, capture_output=True).stdout)
            found = self.plan(self.LIST, 0, list_name=b"list.csv", **how)
            self.assertEqual([(row["name"], row["m"], row["precision"]) for row in found["layers"]],
                             [(row["name"], row["m"], row["precision"]) for row in expected["layers"]], how)
            if "skip" not in how:
                self.assertEqual(found["layers"], expected["layers"])
        self.assertEqual(self.plan(network.encode(), 1)["model"], "net")

    def test_int4_is_counted(self) -> None:
        force, chosen, summary = c.Force(b"up", c.INT4), c.PlanOptions(), c.PlanSummary()
        octile.plan_options_init(ctypes.byref(chosen), ctypes.sizeof(chosen))
        chosen.forces, chosen.force_count = ctypes.addressof(force), 1
        plan = octile.made("plan_make", self.LIST, len(self.LIST), 0, ctypes.byref(chosen))
        octile.plan_get_summary(plan, ctypes.byref(summary))
        octile.plan_free(plan)
        self.assertEqual((summary.linears, summary.int8, summary.int4, summary.fp16), (2, 0, 1, 1))

    def test_an_error_names_the_line(self) -> None:
        with self.assertRaises(c.OctileError) as raised:
            self.plan(b"name,m,k,n\nup,8,768\n", 0, list_name=b"my.csv")
        self.assertEqual(raised.exception.code, c.PARSE_ERROR)
        self.assertTrue(raised.exception.message.startswith("my.csv:2: "), raised.exception.message)


class Session:
    def __init__(self, model=None, **how):
        opened = model or octile.made("model_open", str(options.network).encode(), 0)
        chosen = c.SessionOptions()
        octile.session_options_init(ctypes.byref(chosen), ctypes.sizeof(chosen))
        for name, value in how.items():
            setattr(chosen, name, value)
        self.handle = octile.made("session_create", opened, ctypes.byref(chosen))
        if not model:
            octile.model_free(opened)
        self.info = c.OutputInfo()
        octile.session_get_output(self.handle, 0, ctypes.byref(self.info))

    def run(self, *sequences: list[int]) -> np.ndarray:
        lengths = np.array([len(ids) for ids in sequences], np.int32)
        ids = np.array([one for sequence in sequences for one in sequence], np.int32)
        logits = np.zeros((len(sequences), self.info.features), np.float32)
        given = c.SessionInput(b"token_ids", ids.ctypes.data, len(ids))
        wanted = c.SessionOutput(self.info.name, logits.ctypes.data, logits.size)
        octile.session_run(self.handle, c.pointer(lengths), len(lengths), ctypes.byref(given), 1, ctypes.byref(wanted), 1)
        return logits

    def context(self, sequence: int) -> int:
        tokens = ctypes.c_int64()
        octile.session_get_context(self.handle, sequence, ctypes.byref(tokens))
        return tokens.value

    def __del__(self):
        if hasattr(self, "handle"):
            octile.session_free(self.handle)


class SessionTest(unittest.TestCase):
    def test_logits_are_numpys_but_for_quantization(self) -> None:
        network, session = numpy_network.Decoder(options.network.parent / "net.safetensors"), Session()
        # A level is the row's largest magnitude / 127; of some 50 normal numbers that is 2.5 deviations, and rounding to it leaves
        # 2.5 / 127 / sqrt(12) of the row. x and w are rounded, in the nine linears that stand one behind the other.
        bound = 9 * np.sqrt(2) * 2.5 / 127 / np.sqrt(12)
        for ids in ([7], [3, 1, 4, 1, 5], list(range(40))):
            expected = network.logits(ids)
            error = np.linalg.norm(session.run(ids)[0] - expected) / np.linalg.norm(expected)
            print(f"{len(ids)} tokens: relative error {error:.4f}, at most {bound:.4f}", file=sys.stderr)
            self.assertLess(error, bound)
            octile.session_reset(session.handle)

    def test_sequences_continue_until_they_are_reset(self) -> None:
        whole, parts = Session(), Session()
        expected = whole.run([3, 1, 4, 1], [5, 9])
        parts.run([3, 1], [5])
        np.testing.assert_array_equal(parts.run([4, 1], [9]), expected)
        self.assertEqual((parts.context(0), parts.context(1)), (4, 2))
        octile.session_reset_sequence(parts.handle, 0)
        self.assertEqual((parts.context(0), parts.context(1)), (0, 2))
        octile.session_reset(parts.handle)
        np.testing.assert_array_equal(parts.run([3, 1, 4, 1], [5, 9]), expected)

    def test_a_session_that_is_full_says_so(self) -> None:
        session = Session(max_context=4)
        session.run([1, 2, 3])
        with self.assertRaises(c.OctileError) as raised:
            session.run([1, 2])
        self.assertEqual(raised.exception.code, c.INVALID_ARGUMENT)
        self.assertEqual(session.context(0), 3)


def pack_until_memory_ends() -> None:
    """In a process of its own: layers and sessions, under a limit that grows from nothing until everything succeeds."""
    w, bias, x = normal(1, 4000, 3000), normal(2, 4000), normal(3, 600, 3000)
    Linear(w[:8], bias[:8]).run(x[:1])
    model = octile.made("model_open", str(options.network).encode(), 0)
    used = int(pathlib.Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    codes: dict[str, set] = {"linear": set(), "session": set()}
    y = np.zeros((600, 4000), np.float32)
    for extra in [0, 1, 2, 4, 8, 16, 32, 64, 256]:
        resource.setrlimit(resource.RLIMIT_AS, (used + (extra << 20), resource.RLIM_INFINITY))
        for name, attempt in (("linear", lambda: Linear(w, bias).run(x, y)), ("session", lambda: Session(model, max_rows=4096, max_context=4096))):
            try:
                attempt()
                codes[name].add(c.OK)
            except c.OctileError as error:
                codes[name].add(error.code)
            except MemoryError:
                pass  # Python's own
    print(json.dumps({name: sorted(found) for name, found in codes.items()}))


def call_with_anything() -> None:
    """In a process of its own: every function that takes no memory by its size, with any mixture of NULL, handles of its kind and numbers."""
    chosen = random.Random(1)
    w, bias = normal(1, 24, 32), normal(2, 24)
    linear, session = Linear(w, bias), Session(max_rows=8, max_context=8, max_sequences=2)
    numbers = [0, 1, -1, 2, 7, 24, 32, 127, 2**15, 2**31 - 1, -2**31, 2**31, 2**32 - 1, 2**63 - 1, -2**63]
    floats = [0.0, -0.0, 1.0, -1.0, float("nan"), float("inf"), 1e-45, 3.4e38]
    texts = [None, b"", b"x", b"(", b"avx2", b"neon", b"\xff\xfe", b"a\nb", b"%s%n" * 300]
    memory = np.zeros(1 << 16, np.float32)
    calls: dict[int, int] = {}

    def number(bits: int = 64) -> int:
        return chosen.choice(numbers) & (2**bits - 1)

    def matrix():
        rows, columns = chosen.choice([(24, 32), (0, 32), (1, 32), (3, 24), (number(), number()), (2, 32)])
        made = c.Matrix(chosen.choice([None, memory.ctypes.data, memory.ctypes.data, memory.ctypes.data + 1]), rows, columns, number(), chosen.choice([0, 0, 1, 2, 3, number(32)]))
        # What could be a matrix is one of memory that is there; what could not has to be refused before it is read.
        if 0 < made.rows * max(made.columns, made.row_stride) < 1 << 33:
            made.rows, made.columns, made.row_stride = rows % 25, columns % 33, made.row_stride % 1000
        return ctypes.byref(made)

    def linear_options():
        made = c.LinearOptions(precision=chosen.choice([0, 1, number(32)]), activation=number(3) if chosen.random() < 0.9 else number(32),
                               input_scaling=chosen.choice([0, 0, 1, 2, number(32)]), input_scale=chosen.choice(floats), has_range=chosen.choice([0, 0, 1, number(32)]),
                               range_low=chosen.choice(floats), range_high=chosen.choice(floats), isas=chosen.choice([0, 0, 0, number(32)]))
        if chosen.random() < 0.1:
            made.size = chosen.choice([0, 1, 55, 2**64 - 1])
        return chosen.choice([None, ctypes.byref(made), ctypes.byref(made)])

    handle, out = ctypes.c_void_p(), ctypes.c_uint64()
    workspace, rows = octile.made("workspace_create"), octile.made("packed_rows_create")
    attempts = {
        "linear_pack": lambda: (matrix(), *chosen.choice([(None, 0), (c.pointer(bias), 24), (None, number())]), linear_options(), ctypes.byref(handle)),
        "linear_pack_gated": lambda: (matrix(), None, 0, matrix(), None, 0, linear_options(), ctypes.byref(handle)),
        "linear_run": lambda: (linear.handle, matrix(), matrix(), workspace, None),
        "linear_pack_rows": lambda: (linear.handle, matrix(), rows),
        "linear_run_rows": lambda: (linear.handle, rows, matrix(), workspace, None),
        "linear_reserve": lambda: (linear.handle, chosen.choice([-1, 0, 5, -2**63, 2**63 - 1, 2**31 - 1]), rows, workspace),
        "norm_make": lambda: (number(32), c.pointer(bias), chosen.choice([0, 24, 2**40]), None, 0, chosen.choice(floats), number(32), ctypes.byref(handle)),
        "limit_isas": lambda: (number(32), chosen.choice(texts), ctypes.byref(out)),
        "plan_make": lambda: (PlanTest.LIST, len(PlanTest.LIST), chosen.choice([0, 0, 1, number(32)]),
                              ctypes.byref(c.PlanOptions(list_name=chosen.choice(texts), tokens=number(), policy=chosen.choice([0, 1, 2, number(32)]),
                                                         threads=number(32), min_ratio=chosen.choice(floats), noise=chosen.choice(floats),
                                                         skip=chosen.choice(texts), core=chosen.choice([None, *texts, b"neoverse-n1"]))), ctypes.byref(handle)),
        "plan_from_json": lambda: (b'{"a": [1, {"b": null}]}', chosen.randrange(24), ctypes.byref(handle)),
        "core_to_json": lambda: (chosen.choice(texts), ctypes.byref(handle)),
        "model_open": lambda: (chosen.choice([*texts, str(options.network).encode()]), number(32), ctypes.byref(handle)),
        "session_reset_sequence": lambda: (session.handle, number()),
        "session_get_context": lambda: (session.handle, number(), ctypes.byref(out)),
    }
    frees = {"linear_pack": "linear_free", "linear_pack_gated": "linear_free", "norm_make": "norm_free", "plan_make": "plan_free", "plan_from_json": "plan_free",
             "model_open": "model_free"}
    for turn in range(20000):
        name = chosen.choice(sorted(attempts))
        handle.value = None
        arguments = list(attempts[name]())
        if chosen.random() < 0.05:
            at = chosen.randrange(len(arguments))
            if not isinstance(arguments[at], (int, float)):
                arguments[at] = None
        error = c.Error()
        function = octile.functions[name]
        wrapped = [argument if not isinstance(argument, int) else kind(argument & (2**64 - 1)) for kind, argument in zip(function.argtypes, arguments)]
        code = function(*wrapped, ctypes.byref(error))
        assert code == error.code and 0 <= code <= 7 and (code == 0) == (error.message == b""), (name, code, error.message)
        assert code != c.INTERNAL, (name, error.message)
        error.message.decode()
        calls[code] = calls.get(code, 0) + 1
        if code == 0 and handle.value:
            if name in frees:
                octile.functions[frees[name]](handle)
            else:
                octile.library.octile_string_free(ctypes.cast(handle, ctypes.c_char_p))
        else:
            assert not handle.value, name
    print(json.dumps(calls))


class ProcessTest(unittest.TestCase):
    """What must not end the process is tried in one of its own."""

    def in_a_process(self, name: str) -> dict:
        result = subprocess.run([sys.executable, "-B", __file__, *options.arguments, "--only", name], capture_output=True, text=True, timeout=250)
        self.assertEqual(result.returncode, 0, f"{result.stdout}\n{result.stderr}")
        return json.loads(result.stdout)

    def test_memory_that_ends_is_an_error(self) -> None:
        codes = self.in_a_process("pack_until_memory_ends")
        self.assertEqual(codes, {"linear": [c.OK, c.OUT_OF_MEMORY], "session": [c.OK, c.OUT_OF_MEMORY]})

    def test_no_value_ends_the_process(self) -> None:
        codes = {int(code): count for code, count in self.in_a_process("call_with_anything").items()}
        for code in (c.OK, c.INVALID_ARGUMENT, c.PARSE_ERROR, c.IO_ERROR, c.UNSUPPORTED):
            self.assertGreater(codes.get(code, 0), 10, codes)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for name in ("octile", "library", "headers", "network"):
        parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
    parser.add_argument("--only", choices=("pack_until_memory_ends", "call_with_anything"))
    options, others = parser.parse_known_args()
    options.arguments = [f"--{name}={getattr(options, name)}" for name in ("octile", "library", "headers", "network")]
    octile = c.Octile(options.library, options.headers)
    if options.only:
        globals()[options.only]()
    else:
        unittest.main(argv=[sys.argv[0], *others])
