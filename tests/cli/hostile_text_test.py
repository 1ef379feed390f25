#!/usr/bin/env python3
"""Tests that no text from outside reaches a terminal as it is: names of files, of layers and of tensors, what files say of themselves, the environment, the command line."""

import contextlib
import json
import os
import pty
import re
import subprocess
import unicodedata

from model_files import layer_list, normal_tensor, safetensors, with_header
from octile_test import OctileTest, command, environment, main

# Controls that a terminal obeys (C0, C1, DEL), a title that it takes, what turns the writing direction, what is no UTF-8.
HOSTILE = {"escape": b"\x1b[31mX", "title": b"\x1b]0;pwned\x07", "line": b"a\nfake: line", "return": b"a\rfake", "delete": b"a\x7f", "csi": b"\xc2\x9b31m",
           "next line": b"a\xc2\x85b", "override": b"a\xe2\x80\xaeb", "isolate": b"\xe2\x81\xa6a", "no width": b"a\xe2\x80\x8bb", "separator": b"a\xe2\x80\xa8b",
           "byte": b"a\xff", "c1 byte": b"\x9b31m", "overlong": b"\xc0\x9b", "tag": b"a\xf3\xa0\x80\x81"}
COLOURS = re.compile("\x1b\\[(0|1|32|33)m")
JSON_TEXTS = [content.decode() for name, content in HOSTILE.items() if name not in ("byte", "c1 byte", "overlong")]  # which are no UTF-8


def offences(received: bytes, colours: bool = False) -> list:
    """What of it is not printable; a terminal's own line ends and our colours are no offence."""
    try:
        text = received.decode()
    except UnicodeDecodeError as error:
        return [str(error)]
    text = text.replace("\r\n", "\n")
    if colours: text = COLOURS.sub("", text)
    return [f"{ord(c):#x}" for c in text if c not in "\n\t" and unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp") and c not in "\u200c\u200d"]


class HostileText(OctileTest):
    def run_at_terminal(self, *arguments, env: dict | None = None) -> tuple:
        """Exit code and what a terminal received of stdout and of stderr, each a terminal of its own."""
        ends, received = [], []
        for _ in range(2):
            ends.append(pty.openpty())
        arguments = [argument if isinstance(argument, bytes) else str(argument).encode() for argument in arguments]
        process = subprocess.Popen([*map(os.fsencode, command()), *arguments], cwd=self.folder, env=os.environb | {
            os.fsencode(key): value if isinstance(value, bytes) else value.encode() for key, value in (environment() | (env or {})).items()},
            stdin=subprocess.DEVNULL, stdout=ends[0][1], stderr=ends[1][1])
        for terminal, end in ends:
            os.close(end)
            content = b""
            with contextlib.suppress(OSError):
                while block := os.read(terminal, 65536):
                    content += block
            os.close(terminal)
            received.append(content)
        return process.wait(), *received

    def check(self, *arguments, code: int | None = None, env: dict | None = None) -> tuple:
        found, out, err = self.run_at_terminal(*arguments, env=env)
        self.assertIn(found, (0, 1, 2, 4) if code is None else (code,), (arguments, out, err))
        self.assertEqual(offences(out, colours=True), [], (arguments, out))
        self.assertEqual(offences(err), [], (arguments, err))
        for line in err.splitlines():
            self.assertTrue(line.startswith(b"octile: "), (arguments, err))
            self.assertLess(len(line), 1000, arguments)
        return out, err

    def write_bytes(self, name: bytes, content: bytes | str) -> bytes:
        with open(os.path.join(os.fsencode(self.folder), name), "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
        return name

    def test_names_of_files(self):
        contents = {b".csv": layer_list(["fc1,1,512,1024"]), b".json": json.dumps({"layers": [{"name": "fc", "m": 1, "k": 512, "n": 512}]}),
                    b".safetensors": safetensors({"fc.weight": normal_tensor("F32", [64, 64], "fc")})}
        for name, hostile in HOSTILE.items():
            if b"/" in hostile: continue
            for ending, content in contents.items():
                with self.subTest(name=name, ending=ending):
                    file = self.write_bytes(hostile + ending, content)
                    for output_format in ("table", "json", "csv", "md", "html"):
                        self.check("plan", file, "--tokens", "3", "--format", output_format)
                    self.check("run", file, "--tokens", "3")
                    self.check("quantize", file, "-o", b"out" + hostile)
                    self.check("quantize", file, "-o", b"out" + hostile, "--format", "json")
                    self.check("inspect", b"out" + hostile)
                    self.check("inspect", file)
                    self.check("plan", b"out" + hostile)
                    self.check("plan", file, "-o", b"no/" + hostile)
                    self.check("plan", file, "--core", file, "--policy", "cost")
                    self.check("db", "show", file)
                    self.check("db", "merge", file, "-o", hostile)

    def test_names_that_are_not_there_and_arguments(self):
        for hostile in HOSTILE.values():
            for arguments in (["plan", hostile], ["run", hostile], ["inspect", hostile], ["quantize", hostile, "-o", b"x"], [hostile], ["plan", b"--" + hostile], ["core", hostile],
                              ["db", "show", hostile], ["db", hostile], ["plan", "none.csv", "--policy", hostile], ["plan", "none.csv", "--core", hostile, "--policy", "cost"],
                              ["quantize", "none", "-o", "x", "--isa", hostile], ["plan", "none.csv", "--force", hostile], ["plan", "none.csv", "--skip", b"(" + hostile],
                              ["plan", "none.csv", "--tokens", hostile], ["tune", "none.csv", "--family", hostile], ["plan", "none.csv", "--from", hostile]):
                _, err = self.check(*arguments)
                self.assertEqual(err.count(b"\n"), 1, (arguments, err))

    def test_the_environment(self):
        self.write("net.csv", layer_list(["fc1,1,512,1024"]))
        for hostile in HOSTILE.values():
            for arguments in (["info"], ["run", "net.csv"], ["plan", "net.csv", "--core", "host", "--policy", "cost"]):
                _, err = self.check(*arguments, env={"OCTILE_ISA": hostile}, code=1)
                self.assertIn(b"OCTILE_ISA", err)
            for variable in ("TERM", "NO_COLOR", "HOME", "LANG", "OCTILE_NUM_THREADS"):
                self.check("info", env={variable: hostile})

    def test_names_of_layers(self):
        for hostile in JSON_TEXTS:
            self.write("net.csv", "name,m,k,n\n" + f'"{hostile}",1,512,512\n')
            self.check("plan", "net.csv", code=1)
            for layer in ({"name": hostile, "m": 1, "k": 512, "n": 512}, {"name": "fc", "m": 1, "k": 512, "n": 512, "inputs": [hostile]},
                          {"name": "fc", "m": 1, "k": 512, "n": 512, "act": hostile}, {"name": "fc", "m": 1, "k": 512, "n": 512, hostile: 1}, {"name": "fc", "m": hostile, "k": 1, "n": 1}):
                self.write("net.json", json.dumps({"layers": [layer]}, ensure_ascii=False))
                self.check("plan", "net.json", code=1)
                self.write("net.json", json.dumps({"layers": [layer]}))
                self.check("plan", "net.json", code=1)
            self.write("net.json", json.dumps({"model": hostile, "layers": [{"name": "fc", "m": 1, "k": 512, "n": 512}]}))
            self.check("plan", "net.json", code=1)
            self.write("problems", f"--{hostile}\n{hostile}\nmb1ic64oc64n\"{hostile}\"\n")
            self.check("plan", "problems", "--from", "benchdnn", code=1)

    def test_names_of_tensors(self):
        for hostile in JSON_TEXTS:
            for dtype in ("F32", hostile):
                header = {f"{hostile}.weight": {"dtype": dtype, "shape": [2, 2], "data_offsets": [0, 16]}}
                self.write("net.safetensors", with_header(header, bytes(16)))
                for arguments in (["plan", "net.safetensors", "--tokens", "1"], ["run", "net.safetensors", "--tokens", "1"], ["quantize", "net.safetensors", "-o", "x"]):
                    self.check(*arguments)
            self.write("net.safetensors", safetensors({"fc.weight": normal_tensor("F32", [64, 64], "fc")}))
            self.write("config.json", json.dumps({"model_type": hostile, hostile: hostile}))
            self.check("quantize", "net.safetensors", "-o", "x")
            self.check("plan", "config.json", "--tokens", "1", code=1)
            os.remove(self.folder / "config.json")
            self.write("model.safetensors.index.json", json.dumps({"weight_map": {"fc.weight": hostile, hostile: "net.safetensors"}}))
            self.check("plan", "model.safetensors.index.json", "--tokens", "1", code=1)

    def test_what_files_say_of_themselves(self):
        self.write("net.csv", layer_list(["fc1,1,512,1024"]))
        plan = json.loads(self.succeed("plan", "net.csv", "--format", "json", "--policy", "cost", "--core", "neoverse-n1"))
        core = json.loads(self.succeed("core", "neoverse-n1"))
        record = {"octile_tuning": 1}
        for hostile in JSON_TEXTS:
            for field in ("core", "model"):
                self.write("old.json", json.dumps(plan | {field: hostile}))
                _, err = self.check("plan", "net.csv", "--compare", "old.json", code=1)
                self.assertIn(field.encode(), err)
            for field in ("name", "kernel", "panel_from", "replaces", "inputs"):
                layer = plan["layers"][0] | {field: [hostile] if field in ("replaces", "inputs") else hostile}
                self.write("old.json", json.dumps(plan | {"layers": [layer]}))
                self.check("plan", "net.csv", "--compare", "old.json", code=1)
            for field in ("core", "title"):
                self.write("core.json", json.dumps(core | {field: hostile}))
                self.check("plan", "net.csv", "--policy", "cost", "--core", "core.json", code=1)
            for line in (record | {"x": hostile}, {"octile_tuning": hostile}, {hostile: 1}):
                self.write("t.jsonl", json.dumps(line) + "\n" + json.dumps({"key": hostile, "label": hostile}) + "\n")
                for action in ("show", "validate", "best"):
                    self.check("db", action, "t.jsonl")

    def test_lines_are_of_bounded_length(self):
        """The file that it begins with and the reason that it ends with stay."""
        layers = [{"name": "a" * 600_000, "m": 1, "k": 2, "n": 3}]
        self.write("net.json", json.dumps({"layers": layers}))
        self.fail_with(1, ["net.json: "], "plan", "net.json")
        name = "/".join(["d" * 200] * 15)
        answer = self.octile("plan", name + "/net.csv")
        self.assertEqual(answer.code, 1)
        self.assertRegex(answer.err, r"\Aoctile: d+/d+/[d/]*\.\.\. \(\d+ bytes left out\) \.\.\.[d/]+net\.csv: No such file or directory\n\Z")
        self.assertLess(len(answer.err), 1000)
        answer = self.octile("plan", "--" + "é" * 60_000)
        self.assertEqual(answer.code, 2)
        self.assertLess(len(answer.err.encode()), 1000)


if __name__ == "__main__":
    main()
