#!/usr/bin/env python3
"""Tests of what every command holds to that writes a file: no input is written over, the old file is whole until the new one is, nothing else stays."""

import contextlib
import fcntl
import json
import os
import signal
import stat
import subprocess
import threading
import time

from accuracy_test import npy
from model_files import layer_list, normal, normal_tensor, safetensors
from octile_test import OctileTest, command, environment, main

TEMPORARY = r"\A\.(?P<name>.*)\.[0-9a-f]{32}\.tmp\Z"
LIST = layer_list(["fc1,1,512,1024", "fc2,1,1024,512"])
NO_INPUT = "expected an output that is no input, found "


def weights(*names: str) -> bytes:
    return safetensors({f"{name}.weight": normal_tensor("F32", [64, 64], name) for name in names})


class OutputTest(OctileTest):
    def files(self) -> set:
        return {path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*") if not path.is_dir()}

    def contents(self) -> dict:
        return {name: (self.folder / name).read_bytes() for name in self.files() if (self.folder / name).is_file()}

    def aliases(self, name: str) -> dict:
        """Other ways to say `name`, which lies in the folder itself."""
        file = self.folder / name
        other = self.folder / "other"
        other.mkdir(exist_ok=True)
        os.symlink(name, self.folder / "link")
        os.symlink(f"../{name}", other / "far")
        os.symlink("other/far", self.folder / "chain")
        os.symlink(self.folder, other / "here")
        os.link(file, self.folder / "hard")
        os.link(file, other / "hard")
        os.symlink("other/hard", self.folder / "link to hard")
        return {"as it is": name, "dot": f"./{name}", "absolute": str(file), "up and down": f"other/../{name}", "twice": f".//{name}", "link": "link",
                "chain": "chain", "linked folder": f"other/here/{name}", "hard link": "hard", "hard link elsewhere": "other/hard",
                "link to a hard link": "link to hard", "by the process": f"/proc/self/cwd/{name}"}

    def clear(self) -> None:
        for name in ("link", "other/far", "chain", "other/here", "hard", "other/hard", "link to hard"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.folder / name)

    def refuses_inputs(self, inputs: list, *arguments) -> None:
        """The command with -o of each input under each of its names fails with one line and changes nothing."""
        for name in inputs:
            for kind, alias in self.aliases(name).items():
                with self.subTest(input=name, kind=kind):
                    before = self.contents()
                    answer = self.octile(*arguments, "-o", alias)
                    self.assertEqual((answer.code, answer.out), (2, ""), answer)
                    self.assertRegex(answer.err, rf"\A(octile: note: [^\n]+\n)*octile: [^\n]*({NO_INPUT}|another file than the model, found )[^\n]+\n\Z")
                    self.assertEqual(self.contents(), before)
            self.clear()


class Inputs(OutputTest):
    def sharded(self) -> list:
        """A network in two shards with all that may lie beside it; the names of its files."""
        names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
        layers = ["model.layers.0.mlp.up_proj", "model.layers.0.mlp.down_proj"]
        for name, layer in zip(names, layers):
            self.write(name, weights(layer))
        self.write("model.safetensors.index.json", json.dumps({"weight_map": {f"{layer}.weight": name for name, layer in zip(names, layers)}}))
        self.write("config.json", json.dumps({"model_type": "unknown", "hidden_size": 64}))
        return [*names, "model.safetensors.index.json", "config.json"]

    def calibration(self) -> str:
        """Rows for one layer of sharded(); the name of their file in the folder "data"."""
        (self.folder / "data").mkdir()
        return self.write("data/model.layers.0.mlp.up_proj.npy", npy((8, 64), normal(8 * 64, "rows")))

    def test_plan(self):
        self.write("net.csv", LIST)
        self.write("second.json", json.dumps({"layers": [{"name": "fc", "m": 1, "k": 512, "n": 512}]}))
        self.write("old.json", self.succeed("plan", "net.csv", "second.json", "--format", "json"))
        self.write("core.json", self.succeed("core", "neoverse-n1"))
        for output_format in ("table", "json", "csv", "md", "html"):
            with self.subTest(format=output_format):
                before = self.contents()
                self.fail_with(2, [f"net.csv: {NO_INPUT}an input"], "plan", "net.csv", "-o", "net.csv", "--format", output_format)
                self.assertEqual(self.contents(), before)
        self.refuses_inputs(["net.csv", "second.json", "old.json", "core.json"], "plan", "net.csv", "second.json", "--compare", "old.json", "--policy", "cost",
                            "--core", "core.json")

    def test_plan_of_a_batch(self):
        self.write("problems", "--batch=more\nmb1ic64oc64\n")
        self.write("more", "mb1ic32oc32\n")
        self.refuses_inputs(["problems", "more"], "plan", "problems", "--from", "benchdnn")

    def test_plan_of_weights(self):
        inputs = self.sharded()
        self.refuses_inputs(inputs, "plan", "model.safetensors.index.json", "--tokens", "4")
        self.refuses_inputs(inputs[:2], "plan", ".", "--tokens", "4")
        rows = self.calibration()
        self.refuses_inputs([rows], "plan", inputs[0], "--tokens", "4", "--policy", "accuracy", "--calibration", "data")

    def test_plan_of_a_packed_file(self):
        self.write("net.safetensors", weights("fc"))
        self.succeed("quantize", "net.safetensors", "-o", "net.octile")
        self.refuses_inputs(["net.octile"], "plan", "net.octile")

    def test_quantize(self):
        inputs = self.sharded()
        rows = self.calibration()
        arguments = ["--smooth-quant", "0.5", "--calibration", "data"]
        self.refuses_inputs([*inputs, rows], "quantize", ".", *arguments)
        self.refuses_inputs(inputs, "quantize", "model.safetensors.index.json", *arguments)
        self.write("net.safetensors", weights("fc"))
        self.refuses_inputs(["net.safetensors", "config.json"], "quantize", "net.safetensors")

    def test_db(self):
        self.write("t.jsonl", '{"octile_tuning":1}\n')
        self.write("s.jsonl", '{"octile_tuning":1}\n')
        self.refuses_inputs(["t.jsonl", "s.jsonl"], "db", "merge", "t.jsonl", "s.jsonl")

    def test_open_files(self):
        """What stdout is sent to may be an input, too."""
        self.write("net.csv", LIST)
        for name in ("/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"):
            with self.subTest(name=name), open(self.folder / "net.csv", "ab") as file:
                answer = self.octile("plan", "net.csv", "-o", name, stdout=file)
                self.assertEqual((answer.code, NO_INPUT in answer.err), (2, True), answer)
                self.assertEqual((self.folder / "net.csv").read_text(), LIST)


class Targets(OutputTest):
    def setUp(self):
        super().setUp()
        self.write("net.csv", LIST)
        self.expected = self.succeed("plan", "net.csv").encode()

    def plan(self, target, **options) -> None:
        self.assertEqual(self.succeed("plan", "net.csv", "-o", target, **options), "")

    def test_links_stay_and_what_they_point_at_is_written(self):
        (self.folder / "real").mkdir()
        self.write("real/plan", "old")
        os.symlink("real", self.folder / "folder")
        os.symlink("folder/plan", self.folder / "link")
        os.symlink("real/none yet", self.folder / "dangling")
        os.symlink(self.folder / "dangling", self.folder / "chain")
        for name, target in (("link", "real/plan"), ("chain", "real/none yet"), ("dangling", "real/none yet")):
            with self.subTest(name=name):
                self.plan(name)
                self.assertTrue((self.folder / name).is_symlink())
                self.assertEqual((self.folder / target).read_bytes(), self.expected)
        os.symlink("loop", self.folder / "loop")
        self.fail_with(1, ["loop: Too many levels of symbolic links"], "plan", "net.csv", "-o", "loop")
        os.symlink("nowhere/plan", self.folder / "lost")
        self.fail_with(1, ["lost: No such file or directory"], "plan", "net.csv", "-o", "lost")
        self.assertEqual(sorted(name for name in self.files() if not (self.folder / name).is_symlink()), ["net.csv", "real/none yet", "real/plan"])

    def test_streams(self):
        self.plan("/dev/null")
        os.mkfifo(self.folder / "pipe")
        received = []
        reader = threading.Thread(target=lambda: received.append((self.folder / "pipe").read_bytes()))
        reader.start()
        self.plan("pipe")
        reader.join()
        self.assertEqual(received, [self.expected])
        self.assertTrue(stat.S_ISFIFO(os.stat(self.folder / "pipe").st_mode))
        for name in ("/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"):
            with self.subTest(name=name):
                self.assertEqual(self.succeed("plan", "net.csv", "-o", name).encode(), self.expected)
                # Appended to, as the one who opened it wanted: the file is not replaced.
                self.write("log", "before\n")
                with open(self.folder / "log", "ab") as log:
                    self.assertEqual(self.octile("plan", "net.csv", "-o", name, stdout=log).code, 0)
                self.assertEqual((self.folder / "log").read_bytes(), b"before\n" + self.expected)
                os.remove(self.folder / "log")
        self.fail_with(1, ["/dev/fd/99: ", "Bad file descriptor"], "plan", "net.csv", "-o", "/dev/fd/99")
        self.write("net.safetensors", weights("fc"))
        for name in ("/dev/null", "pipe", "/dev/stdout"):
            with self.subTest(name=name):
                self.fail_with(1, [f"{name}: expected a regular file or none"], "quantize", "net.safetensors", "-o", name)
        self.assertEqual(self.files(), {"net.csv", "net.safetensors", "pipe"})

    def test_names_of_255_bytes(self):
        for name in ("n" * 255, "ü" * 127, "n" + "ü" * 127, "n" * 230):
            with self.subTest(name=name):
                for content in ("", "old"):
                    if content: self.write(name, content)
                    self.plan(name)
                    self.assertEqual((self.folder / name).read_bytes(), self.expected)
                self.assertEqual(self.files(), {"net.csv", name})
                os.remove(self.folder / name)
        self.fail_with(1, ["File name too long"], "plan", "net.csv", "-o", "n" * 256)

    def test_the_mode_is_that_of_the_old_file(self):
        for mode in (0o600, 0o640, 0o604, 0o777, 0o200):
            self.write("plan", "old")
            os.chmod(self.folder / "plan", mode)
            self.plan("plan", preexec_fn=lambda: os.umask(0o077))
            self.assertEqual(stat.S_IMODE(os.stat(self.folder / "plan").st_mode), mode)
        os.remove(self.folder / "plan")
        for umask in (0, 0o022, 0o027, 0o077):
            self.plan("new", preexec_fn=lambda: os.umask(umask))
            self.assertEqual(stat.S_IMODE(os.stat(self.folder / "new").st_mode), 0o666 & ~umask)
            os.remove(self.folder / "new")

    def test_a_file_without_write_permission(self):
        self.write("plan", "old")
        os.chmod(self.folder / "plan", 0o444)
        if os.geteuid() == 0:
            os.chmod(self.folder, 0o777)
            nobody = {"user": 65534, "group": 65534, "extra_groups": []}
        else:
            nobody = {}
        if self.octile("info", **nobody).code != 0:
            self.skipTest("the program is not one for every user")
        self.fail_with(1, ["plan: Permission denied"], "plan", "net.csv", "-o", "plan", **nobody)
        self.assertEqual((self.folder / "plan").read_text(), "old")

    def test_what_lies_beside_it(self):
        """Files of dead processes go; those of others, of living ones, and links that were planted stay."""
        digits = [f"{digit:x}" * 32 for digit in range(8)]
        stale, alive = f".plan.{digits[0]}.tmp", f".plan.{digits[1]}.tmp"
        others = [".plan.123.tmp", f".plan.{digits[2][:-1]}.tmp", f".plan.{digits[2].replace('2', 'G')}.tmp", f".plans.{digits[2]}.tmp", f"plan.{digits[2]}.tmp",
                  f".plan.{digits[2]}.tmp.", ".plan.tmp"]
        for name in (stale, alive, *others, "precious"):
            self.write(name, name)
        os.symlink("precious", self.folder / f".plan.{digits[3]}.tmp")
        os.symlink("nothing", self.folder / f".plan.{digits[4]}.tmp")
        os.mkfifo(self.folder / f".plan.{digits[5]}.tmp")
        (self.folder / f".plan.{digits[6]}.tmp").mkdir()
        before = self.contents()
        with open(self.folder / alive) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            self.plan("plan")
            after = self.contents()
            self.assertEqual(after.pop("plan"), self.expected)
            del before[stale]
            self.assertEqual(after, before)
            self.assertFalse((self.folder / "nothing").exists())
            self.assertTrue((self.folder / f".plan.{digits[6]}.tmp").is_dir())
        # Its process is dead now.
        self.plan("plan")
        self.assertNotIn(alive, self.files())

    def test_many_at_once(self):
        """Whoever writes last wins, and nobody takes another's file for a dead one's."""
        processes = [subprocess.Popen(command("plan", "net.csv", "-o", "plan"), cwd=self.folder, env=environment(), stderr=subprocess.PIPE) for _ in range(12)]
        for process in processes:
            self.assertEqual((process.communicate()[1], process.returncode), (b"", 0))
        self.assertEqual((self.folder / "plan").read_bytes(), self.expected)
        self.assertEqual(self.files(), {"net.csv", "plan"})


class Interruptions(OutputTest):
    """A quantize that is ended at many points: before it writes, while it does, about when it is done."""

    def setUp(self):
        super().setUp()
        self.write("net.safetensors", safetensors({f"fc{i}.weight": ("F32", [1024, 1024], bytes(4 << 20)) for i in range(6)}))
        self.write("old", "old")
        self.write("new", "")
        start = time.monotonic()
        self.succeed("quantize", "net.safetensors", "-o", "new", "--isa", "all")
        self.seconds = time.monotonic() - start
        self.new = (self.folder / "new").read_bytes()
        os.remove(self.folder / "new")

    def end(self, number: int, delay: float, mode: int = 0o640) -> tuple:
        """Over an old file; the exit code, whether it was the new file then, and what else stayed."""
        self.write("out", "old")
        os.chmod(self.folder / "out", mode)

        def defaults():
            for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(name, signal.SIG_DFL)

        process = subprocess.Popen(command("quantize", "net.safetensors", "-o", "out", "--isa", "all"), cwd=self.folder, env=environment(), stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, preexec_fn=defaults)
        if delay < 0:  # from the first sight of the temporary file on
            while process.poll() is None and not (self.files() - {"net.safetensors", "old", "out"}):
                time.sleep(0.0002)
            for name in self.files() - {"net.safetensors", "old", "out"}:
                with contextlib.suppress(FileNotFoundError):
                    self.assertEqual(stat.S_IMODE(os.stat(self.folder / name).st_mode) & ~mode, 0)
            delay = -delay
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(delay)
        process.send_signal(number)
        process.wait()
        out = (self.folder / "out").read_bytes()
        self.assertTrue(out in (b"old", self.new), len(out))
        return process.returncode, out == self.new, self.files() - {"net.safetensors", "old", "out"}

    def delays(self) -> list:
        points = [self.seconds * i / 12 for i in range(1, 14)]
        return [*points, *(-point / 2 for point in points)]

    def test_signals_leave_nothing(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            ended = 0
            for delay in self.delays()[number % 3::3] + [-0.0001, -0.001, -0.005]:
                code, done, rest = self.end(number, delay)
                self.assertEqual(rest, set())
                self.assertIn(code, (0, -number))
                if code == 0: self.assertTrue(done)
                ended += code == -number
            self.assertGreater(ended, 0)

    def test_an_ignored_signal_stays_ignored(self):
        process = subprocess.Popen(command("quantize", "net.safetensors", "-o", "out"), cwd=self.folder, env=environment(), stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
        while process.poll() is None and not (self.files() - {"net.safetensors", "old"}):
            time.sleep(0.0002)
        process.send_signal(signal.SIGHUP)
        self.assertEqual(process.wait(), 0)

    def test_kill_leaves_the_old_file_and_the_next_run_nothing_else(self):
        killed = littered = 0
        for delay in self.delays():
            code, _, rest = self.end(signal.SIGKILL, delay)
            self.assertLessEqual(len(rest), 1)  # each run removes what the last one left
            for name in rest:
                self.assertRegex(name, TEMPORARY)
            killed += code == -signal.SIGKILL
            littered += len(rest)
        self.assertGreater(killed, 0)
        self.assertGreater(littered, 0)
        self.succeed("quantize", "net.safetensors", "-o", "out", "--isa", "all")
        self.assertEqual(self.files(), {"net.safetensors", "old", "out"})
        self.assertEqual((self.folder / "out").read_bytes(), self.new)


if __name__ == "__main__":
    main()
