#!/usr/bin/env python3
"""Input that is wrong: the exit code, and one line that says where and what was expected."""

import json
import os
import stat
import unittest

from model_files import layer_list, normal_tensor, safetensors, tensor, with_header
from octile_test import SETTINGS, Answer, OctileTest, main

HEADER = "name,m,k,n,count,op,act,bias,inputs"

# Fields of line 3 of a list with all columns, and what the message says of them.
WRONG_FIELDS = [
    ("fc,0,8,8", "m: expected an integer from 1 to 2147483647, found \"0\""),
    ("fc,8,0,8", "k: expected an integer from 1 to 131072, found \"0\""),
    ("fc,8,8,0", "n: expected an integer"),
    ("fc,8,-8,8", "k: expected an integer from 1 to 131072, found \"-8\""),
    ("fc,8,8,-1", "n: expected an integer"),
    ("fc,eight,8,8", "m: expected an integer from 1 to 2147483647, found \"eight\""),
    ("fc,8,8.5,8", "k: expected an integer"),
    ("fc,8,8,1e3", "n: expected an integer"),
    ("fc,8,8,0x10", "n: expected an integer"),
    ("fc,8,8,", "n: expected an integer"),
    ("fc,8,8,nan", "n: expected an integer"),
    ("fc,8,8,1000000000000000000", "n: expected an integer from 1 to 2147483647, found \"1000000000000000000\""),
    ("fc,1000000000000000000,8,8", "m: expected an integer"),
    ("fc,8,1000000000000000000,8", "k: expected an integer"),
    ("fc,8,8,99999999999999999999999", "n: expected an integer"),
    ("fc,8,8,8,0", "count: expected an integer"),
    ("fc,8,8,8,1,conv", "op: expected linear, layernorm, activation, add or other, found \"conv\""),
    ("fc,8,8,8,1,linear,tanh", "act: expected none, relu, relu6, hardswish, gelu, gelu_tanh, quick_gelu or silu, found \"tanh\""),
    ("fc,8,8,8,1,linear,none,maybe", "bias: expected 0, 1, true or false, found \"maybe\""),
    ("fc,8,8,8,1,linear,none,0,later", "inputs: expected the name of an earlier layer, found \"later\""),
    ("first,8,8,8", "name: expected a name used once, found \"first\" again"),
    (",8,8,8", "name: expected a name"),
    ("f\x1bc,8,8,8", "name: expected UTF-8 without control characters, found \"f\\x1bc\""),
    ("x" * 1025 + ",8,8,8", "name: expected a name of at most 1024 bytes"),
    ("norm,8,8,9,1,layernorm", "n: expected n equal to k (8)"),
    ("\"fc,8,8,8", "expected a closing quote on the same line"),
]

# Whole layer lists: content, and the message after the file's name.
WRONG_LISTS = [
    ("", ":1: expected the header name,m,k,n"),
    ("# nothing\n\n", ":2: expected the header name,m,k,n"),
    ("name,m,k,n\n", ":1: expected at least one layer after the header, found none"),
    ("name,m,n\nfc,8,8\n", ":1: header: expected the columns name,m,k,n[,count,op,act,bias,inputs,eps,output_scale], found no \"k\""),
    ("name,m,k,n,color\nfc,8,8,8,red\n", ":1: header: expected the columns name,m,k,n[,count,op,act,bias,inputs,eps,output_scale], found \"color\""),
    ("name,m,k,n,k\nfc,8,8,8,8\n", ":1: header: expected every column once, found \"k\" again"),
    ("name,m,k,n\nfc,8,8\n", ":2: expected 4 fields as in the header, found 3"),
    ("name,m,k,n\nfc,8,8,8,8\n", ":2: expected 4 fields as in the header, found 5"),
    ("fc,8,8,8\n", ":1: header: expected the columns"),
    (b"name,m,k,n\nfc\0,8,8,8\n", ":2: expected UTF-8 text, found a NUL byte"),
    (b"name,m,k,n\nf\xff,8,8,8\n", ":2: name: expected UTF-8"),
    (b"\x7fELF\x02\x01\x01" + bytes(64), ":1: expected UTF-8 text, found a NUL byte"),
]

WRONG_JSON = [
    ("", ":1:1: "),
    ("{", ":1:2: "),
    ("[]", ": $: expected an object"),
    ('{"layers": []}', ": layers: expected"),
    ('{"layers": [{"name": "fc", "m": 8, "k": 8}]}', ": layers[0]"),
    ('{"layers": [{"name": "fc", "m": 8, "k": 0, "n": 8}]}', ": layers[0].k: expected an integer from 1 to 131072, found 0"),
    ('{"layers": [{"name": "fc", "m": 8, "k": "8", "n": 8}]}', ": layers[0].k: expected an integer"),
    ('{"layers": [{"name": "fc", "m": 8, "k": 8, "n": 1e18}]}', ": layers[0].n: expected an integer"),
    ('{"layers": [{"name": "fc", "m": 8, "k": 8, "n": 8, "act": "tanh"}]}', ": layers[0].act: expected none, relu, relu6, hardswish, gelu, gelu_tanh, quick_gelu or silu"),
    ("[" * 100_000, ":1:"),
]


def entry(dtype: str, shape: list, begin: int, end: int) -> dict:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


GOOD = safetensors({"fc.weight": normal_tensor("F32", [6, 4], "w"), "fc.bias": normal_tensor("F32", [6], "b")})

WRONG_WEIGHTS = {
    "empty": (b"", ": expected a safetensors file, which has at least 8 bytes, found 0"),
    "no header": (GOOD[:8], ": header length: expected at most 0 bytes"),
    "cut in the header": (GOOD[:60], ": header length: expected at most 52 bytes in a file of 60"),
    "cut in the data": (GOOD[:-10], ": tensor \"fc.bias\": data_offsets: expected"),
    "header of 2^63 bytes": (with_header({}, b"", 2**63), f", found {2**63}"),
    "header of 2^64 - 1 bytes": (with_header({}, b"", 2**64 - 1), f", found {2**64 - 1}"),
    "header one byte too long": (with_header({}, b"", 3), ": header length: expected at most 2 bytes"),
    "header that is not JSON": (with_header(b"{fc.weight}", b""), ": header: expected JSON"),
    "header that is no object": (with_header([], b""), ": header: expected it to begin with '{', found \"[\""),
    "deep header": (with_header(b'{"a":' * 100_000, b""), ": tensor \"a\""),
    "nothing after the data": (GOOD + b"more", " belongs to no tensor"),
    "no tensor": (with_header({}, b""), ": expected at least one 2-D *.weight"),
    "no linear": (safetensors({"embed_tokens.weight": normal_tensor("F32", [6, 4], "w")}), ": expected at least one 2-D *.weight"),
    "overlap": (with_header({"a.weight": entry("F32", [2, 2], 0, 16), "b.weight": entry("F32", [2, 2], 8, 24)}, bytes(24)),
                ": tensor \"b.weight\": expected data from byte 16 on, found [8, 24), which overlaps tensor \"a.weight\""),
    "same data twice": (with_header({"a.weight": entry("F32", [2, 2], 0, 16), "b.weight": entry("F32", [2, 2], 0, 16)}, bytes(16)),
                        ", which overlaps tensor \"a.weight\""),
    "hole": (with_header({"a.weight": entry("F32", [2, 2], 0, 16), "b.weight": entry("F32", [2, 2], 20, 36)}, bytes(36)),
             ": tensor \"b.weight\": expected data from byte 16 on, found a hole [16, 20)"),
    "offsets past the end": (with_header({"a.weight": entry("F32", [2, 2], 0, 2**62)}, bytes(16)), ": tensor \"a.weight\": data_offsets: expected"),
    "offsets the wrong way": (with_header({"a.weight": entry("F32", [2, 2], 16, 0)}, bytes(16)), ": tensor \"a.weight\": data_offsets: expected"),
    "negative offset": (with_header({"a.weight": entry("F32", [2, 2], -16, 0)}, bytes(16)), ": tensor \"a.weight\": data_offsets: expected"),
    "size of another shape": (with_header({"a.weight": entry("F32", [2, 3], 0, 16)}, bytes(16)),
                              ": tensor \"a.weight\": data_offsets: expected 24 bytes for F32 [2, 3], found 16"),
    "shape beyond 2^64": (with_header({"a.weight": entry("F32", [2**40, 2**40], 0, 16)}, bytes(16)), ": tensor \"a.weight\": shape"),
    "shape of zero": (with_header({"a.weight": entry("F32", [4, 0], 0, 0)}, b""),
                      ": expected at least one 2-D *.weight that is a linear layer, found none among 1 tensors (\"a.weight\": empty: [4, 0])"),
    "weight of integers": (safetensors({"a.weight": tensor("I32", [2, 2], [1, 2, 3, 4])}),
                           ": tensor \"a.weight\": dtype: expected F32, F16 or BF16, found I32"),
    "bias of integers": (safetensors({"a.weight": normal_tensor("F32", [2, 2], "w"), "a.bias": tensor("I32", [2], [1, 2])}),
                         ": tensor \"a.bias\": dtype: expected F32, F16 or BF16, found I32"),
    "unknown type": (with_header({"a.weight": entry("F13", [2, 2], 0, 16)}, bytes(16)), ": tensor \"a.weight\": dtype: expected"),
    "bias of another length": (safetensors({"a.weight": normal_tensor("F32", [2, 3], "w"), "a.bias": normal_tensor("F32", [5], "b")}),
                               ": tensor \"a.bias\": shape: expected [2]"),
    "missing key": (with_header({"a.weight": {"dtype": "F32", "shape": [2, 2]}}, bytes(16)), ": tensor \"a.weight\": expected"),
    "name with a control character": (with_header({"a\x1b.weight": entry("F32", [2, 2], 0, 16)}, bytes(16)), "\"a\\x1b.weight\""),
}

# Exit code 2: arguments, and what the message says of them.
WRONG_USAGE = [
    ([], ["expected a command", "octile --help"]),
    (["frob"], ["expected a command, found \"frob\"", "octile --help"]),
    (["frob", "net.csv"], ["expected a command, found \"frob\""]),
    (["x\n\x1b[31my"], ["expected a command, found"]),
    (["plan"], ["FILE", "octile plan --help"]),
    (["run"], ["FILE", "octile run --help"]),
    (["plan", "net.csv", "--frob"], ["--frob", "octile plan --help"]),
    (["plan", "net.csv", "--f\x1b[31mrob"], ["rob"]),
    (["info", "net.csv"], ["net.csv", "octile info --help"]),
    (["plan", "net.csv", "--policy", "magic"], ["--policy: expected ratio, cost, accuracy or all", "found \"magic\""]),
    (["plan", "net.csv", "--policy", "\x1b[31m"], ["--policy: expected ratio, cost, accuracy or all"]),
    (["run", "net.csv", "--policy", "magic"], ["--policy: expected ratio, cost, accuracy or all", "found \"magic\""]),
    (["plan", "net.csv", "--format", "xml"], ["--format", "xml", "json"]),
    (["plan", "net.csv", "--format", "\x1b[31m\n"], ["--format"]),
    (["run", "net.csv", "--format", "csv"], ["--format", "csv", "json"]),
    (["plan", "net.csv", "--min-ratio", "much"], ["--min-ratio", "much"]),
    (["plan", "net.csv", "--min-ratio", "nan"], ["--min-ratio: expected a finite number >= 0, found nan"]),
    (["plan", "net.csv", "--min-ratio", "-1"], ["--min-ratio: expected a finite number >= 0, found -1"]),
    (["plan", "net.csv", "--tokens", "0"], ["--tokens: expected an integer from 1 to 2147483647, found 0"]),
    (["plan", "net.csv", "--tokens", "-5"], ["--tokens: expected an integer from 1 to 2147483647, found -5"]),
    (["plan", "net.csv", "--tokens", "2147483648"], ["--tokens: expected an integer from 1 to 2147483647, found 2147483648"]),
    (["plan", "net.csv", "--tokens", "many"], ["--tokens", "many"]),
    (["plan", "net.csv", "--tokens"], ["--tokens"]),
    (["plan", "net.csv", "--force", "fc"], ["--force: expected REGEX=int8, REGEX=fp16 or REGEX=int4, found \"fc\""]),
    (["plan", "net.csv", "--force", "fc=int2"], ["--force: expected REGEX=int8, REGEX=fp16 or REGEX=int4, found \"fc=int2\""]),
    (["plan", "net.csv", "--force", "(=int8"], ["--force \"(=int8\": not a regular expression"]),
    (["plan", "net.csv", "--skip", "["], ["--skip \"[\": not a regular expression"]),
    (["plan", "net.csv", "--skip", "x" * 1001], ["--skip", "expected a pattern of at most 1000 bytes, found 1001"]),
    (["run", "net.csv", "--threads", "-1"], ["--threads", "-1", "1024"]),
    (["run", "net.csv", "--threads", "1025"], ["--threads", "1025", "1024"]),
    (["run", "net.csv", "--threads", "two"], ["--threads", "two"]),
    (["run", "net.safetensors"], ["net.safetensors: expected --tokens N"]),
]


class BadInput(OctileTest):
    def refuse(self, name: str, content: str | bytes, words: list, *arguments) -> None:
        """By both commands that read networks; under an emulator, where a start takes its time, by one."""
        self.write(name, content)
        for command in ("plan",) if SETTINGS.emulator else ("plan", "run"):
            self.fail_with(1, words, command, name, *arguments)

    def test_fields(self):
        for row, message in WRONG_FIELDS:
            with self.subTest(row=row[:40]):
                row += "," * (HEADER.count(",") - row.count(","))
                self.refuse("net.csv", layer_list(["first,8,8,8,,,,,", row], HEADER), ["net.csv:3: " + message])

    def test_lists(self):
        for content, message in WRONG_LISTS:
            with self.subTest(content=content[:40]):
                self.refuse("net.csv", content, ["net.csv" + message])

    def test_json(self):
        for content, message in WRONG_JSON:
            with self.subTest(content=content[:60]):
                self.refuse("net.json", content, ["net.json" + message])

    def test_weights(self):
        self.succeed("plan", self.write("net.safetensors", GOOD), "--tokens", "4")
        for case, (content, message) in WRONG_WEIGHTS.items():
            with self.subTest(case):
                # A message follows the file's name, or is what stands somewhere behind it.
                words = ["net.safetensors" + message] if message.startswith(": ") else ["net.safetensors: ", message]
                self.refuse("net.safetensors", content, words, "--tokens", "4")

    def test_weights_cut_anywhere(self):
        for length in range(0, len(GOOD), 40 if SETTINGS.emulator else 7):
            with self.subTest(length=length):
                self.fail_with(1, ["net.safetensors: "], "plan", self.write("net.safetensors", GOOD[:length]), "--tokens", "4")

    def test_the_second_file(self):
        good = self.write("good.csv", layer_list(["fc,2,3,4"]))
        bad = self.write("bad.csv", layer_list(["fc,2,3,zero"]))
        for command in ("plan", "run"):
            self.fail_with(1, ["bad.csv:2: n: "], command, good, bad)


class Files(OctileTest):
    def test_that_cannot_be_read(self):
        for name in ("missing.csv", "missing.json", "missing.safetensors", "none/net.csv", "-", "pl\x1b[31man"):
            with self.subTest(name=name):
                self.fail_with(1, ["No such file"] + [name] * name.isprintable(), "plan", name, "--tokens", "2")
        self.fail_with(1, ['"": No such file'], "plan", "")
        for name in ("folder", "folder.csv", "folder.json", "folder.safetensors"):
            with self.subTest(name=name):
                (self.folder / name).mkdir()
                self.fail_with(1, [f"{name}: ", "directory"], "plan", name, "--tokens", "2")
        self.fail_with(1, ["/proc/self/mem: Input/output error"], "plan", "/proc/self/mem")
        self.fail_with(1, ["x" * 300 + ": File name too long"], "plan", "x" * 300)

    @unittest.skipIf(os.geteuid() == 0, "root reads everything")
    def test_without_permission(self):
        for name in ("net.csv", "net.json", "net.safetensors"):
            with self.subTest(name=name):
                (self.folder / self.write(name, GOOD)).chmod(stat.S_IWUSR)
                self.fail_with(1, [f"{name}: Permission denied"], "plan", name, "--tokens", "2")

    def test_that_are_no_files(self):
        os.mkfifo(self.folder / "pipe.safetensors")
        self.fail_with(1, ["pipe.safetensors: expected a regular file"], "plan", "pipe.safetensors", "--tokens", "2")
        self.fail_with(1, ["/dev/null:1: expected the header"], "plan", "/dev/null")
        self.fail_with(1, ["/dev/zero:1: expected a layer list of at most"], "plan", "/dev/zero")


class Usage(OctileTest):
    def test_usage(self):
        self.write("net.csv", layer_list(["fc,2,3,4"]))
        self.write("net.safetensors", GOOD)
        for arguments, words in WRONG_USAGE:
            with self.subTest(arguments=[word[:40] for word in arguments]):
                self.fail_with(2, words, *arguments)

    def test_help_is_data(self):
        for arguments, words in [(["--help"], ["info", "plan", "run"]), (["plan", "--help"], ["--min-ratio", "--compare"]),
                                 (["run", "-h"], ["--verify", "--threads"]), (["info", "--help"], ["--json", "OCTILE_ISA"]),
                                 (["--version"], ["octile "])]:
            with self.subTest(arguments=arguments):
                text = self.succeed(*arguments)
                for word in words:
                    self.assertIn(word, text)


class BrokenStreams(OctileTest):
    def commands(self):
        file = self.write("net.csv", layer_list(["fc,2,3,4"]))
        return [["info"], ["info", "--json"], ["plan", file], ["plan", file, "--format", "json"], ["run", file], ["--help"], ["--version"]]

    def test_full_stdout(self):
        for arguments in self.commands():
            with self.subTest(arguments=arguments), open("/dev/full", "wb") as full:
                self.fail_with(1, ["standard output: No space left on device"], *arguments, stdout=full)

    def test_closed_stdout(self):
        for arguments in self.commands():
            with self.subTest(arguments=arguments):
                self.fail_with(1, ["standard output: Bad file descriptor"], *arguments, preexec_fn=lambda: os.close(1))

    def test_stderr_that_takes_no_words(self):
        """Nobody hears them, but the answer and the exit code are the same."""
        file = self.write("net.csv", layer_list(["fc,2,3,4"]))
        self.write("old.json", self.succeed("plan", file, "--format", "json"))
        for code, arguments in [(0, ["plan", file, "--skip", "unmatched"]), (1, ["plan", "missing.csv"]), (2, ["frob"]),
                                (3, ["plan", file, "--tokens", "5", "--compare", "old.json", "--fail-on-change"])]:
            expected = self.octile(*arguments)
            with self.subTest(arguments=arguments), open("/dev/full", "wb") as full:
                self.assertEqual(self.octile(*arguments, stderr=full), Answer(code, expected.out, ""))
                self.assertEqual(self.octile(*arguments, preexec_fn=lambda: os.close(2)), Answer(code, expected.out, ""))


class Levels(OctileTest):
    def test_level_that_is_none_or_not_here(self):
        file = self.write("net.csv", layer_list(["fc,2,3,4"]))
        supported = [level["name"] for level in json.loads(self.succeed("info", "--json"))["levels"] if level["supported"]]
        for level, word in [("bogus", "unknown"), ("AVX2", "unknown"), (" ", "unknown"),
                            ("i8mm" if "avx2" in supported else "avx2", "not supported by this CPU")]:
            for arguments in (["info"], ["run", file]):
                with self.subTest(level=level, arguments=arguments):
                    self.fail_with(1, ["OCTILE_ISA", f'"{level}"', word, *supported], *arguments, env={"OCTILE_ISA": level})
        # Planning asks no CPU.
        self.succeed("plan", file, env={"OCTILE_ISA": "bogus"})


if __name__ == "__main__":
    main()
