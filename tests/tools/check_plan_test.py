"""The comparison of tools/check_plan.py, on a network and plans made here; torch is not needed for it."""

import copy
import json
import math
import pathlib
import subprocess
import sys
import tempfile
import unittest

TOOLS = pathlib.Path(__file__).resolve().parents[2] / "tools"
sys.path.insert(0, str(TOOLS))

from plan_check.activations import ACTIVATIONS  # noqa: E402
from plan_check.compare import Comparison, Names, Part, aligned  # noqa: E402
from plan_check.truth import Linear, Read, Truth, load  # noqa: E402


def block(index: int, before: str) -> list[Linear]:
    """Queries and keys of one norm, an output, and a gated pair of another."""
    at = f"model.layers.{index}."
    attention, mlp = Read(f"{index}a", before), Read(f"{index}b", at + "norm")
    return [Linear(at + "q", 8, 24, 16, True, reads=[attention]), Linear(at + "k", 8, 24, 8, False, reads=[attention]),
            Linear(at + "o", 8, 16, 24, False, reads=[Read(f"{index}c")]),
            Linear(at + "gate", 8, 24, 40, False, "silu", reads=[mlp]),
            Linear(at + "up", 8, 24, 40, False, gates=at + "gate", reads=[mlp]),
            Linear(at + "down", 8, 40, 24, False, reads=[Read(f"{index}d")])]


def network() -> Truth:
    linears = block(0, "model.first") + block(1, "model.layers.0.after")
    linears.append(Linear("head", 1, 24, 3, True, "*tanh", reads=[Read("h", "model.layers.1.after", rows=True)]))
    norms = ["model.first", "model.layers.0.norm", "model.layers.0.after", "model.layers.1.norm", "model.layers.1.after"]
    return Truth("torch 0", "Made", 8, linears, norms)


def layer(name: str, k: int, n: int, **other) -> dict:
    return {"name": name, "op": "linear", "m": 8, "k": k, "n": n, "count": 1, "act": "none", "bias": False, "panel": "own",
            "panel_from": None, **other}


def plan_of(truth: Truth) -> dict:
    """All that a plan can say of it, and right."""
    layers, first = [], {}
    for linear in truth.linears:
        read = linear.reads[0]
        act = "none" if linear.act.startswith("*") else linear.act
        row = layer(linear.name, linear.k, linear.n, m=linear.m, bias=linear.bias, act=act)
        if read.norm:
            row.update(panel="norm", panel_from=read.norm)
        elif read.value in first:
            row.update(panel="shared", panel_from=first[read.value])
        first.setdefault(read.value, linear.name)
        if linear.gates:
            row["gate"] = linear.gates
        layers.append(row)
    return {"layers": layers + [{"name": "model.first", "op": "layernorm", "m": 8, "k": 24, "n": 24}]}


class CheckPlanTest(unittest.TestCase):
    def setUp(self):
        self.truth = network()
        self.plan = plan_of(self.truth)

    def row(self, name: str) -> dict:
        return next(row for row in self.plan["layers"] if row["name"] == name)

    def faults(self, **more) -> list[str]:
        return [f"{row.name}: {fault}" for row in Comparison(self.truth, self.plan, **more).rows for fault in row.faults]

    def test_what_is_right_has_no_fault(self):
        self.assertEqual(self.faults(), [])
        comparison = Comparison(self.truth, self.plan)
        self.assertEqual(comparison.summary(), "13 linears run, 13 planned: 13 right, 0 wrong, 0 missing without a word")

    def test_each_claim_that_is_wrong_is_a_fault(self):
        for change, fault in (({"k": 32}, "k: 32, torch 24"), ({"n": 17}, "n: 17, torch 16"), ({"bias": False}, "bias: False, torch True"),
                              ({"act": "gelu"}, "act: gelu, torch none"),
                              ({"panel_from": "model.layers.0.norm"}, "reads model.layers.0.norm, torch model.first"),
                              ({"panel": "shared", "panel_from": "model.layers.0.o"}, "shares its input with model.layers.0.o, torch not"),
                              ({"gate": "model.layers.0.gate"}, "times model.layers.0.gate, torch not")):
            with self.subTest(fault=fault):
                self.plan = plan_of(self.truth)
                self.row("model.layers.0.q").update(change)
                self.assertEqual(self.faults(), [f"model.layers.0.q: {fault}"])

    def test_a_norm_that_is_not_before_all_calls(self):
        self.truth.linears[0].reads.append(Read("elsewhere"))
        self.assertEqual(self.faults(), ["model.layers.0.q: reads model.first, torch model.first, no norm"])

    def test_a_block_that_runs_again_has_a_row_for_each_run(self):
        self.truth.linears[0].reads.append(Read("elsewhere"))
        self.plan["layers"].append(self.row("model.layers.0.q") | {"name": "repeat.1.model.layers.0.q", "panel": "own", "panel_from": None})
        self.assertEqual(self.faults(), [])
        self.row("repeat.1.model.layers.0.q").update(panel="norm", panel_from="model.layers.0.norm")
        self.assertEqual(self.faults(), ["repeat.1.model.layers.0.q: reads model.layers.0.norm, torch model.first, no norm"])

    def test_what_is_not_said_is_no_fault(self):
        for row in self.plan["layers"]:
            row.update(act="none", panel="own", panel_from=None)
            row.pop("gate", None)
        comparison = Comparison(self.truth, self.plan)
        self.assertEqual(comparison.faults(), 0)
        # The norm of nine, the activation and the gate of two blocks.
        self.assertEqual(sum(len(row.unsaid) for row in comparison.rows), 9 + 2 + 2)

    def test_linears_of_one_side_only(self):
        self.row("head")["name"] = "model.layers.7.q"
        self.assertEqual(self.faults(), ["model.layers.7.q: torch does not run it", "head: not in the plan"])
        self.plan["layers"] = self.plan["layers"][:-2]
        self.assertEqual(self.faults(left_out={"head.weight": "4-bit form"}), [])
        self.assertIn("1 left out and said", Comparison(self.truth, self.plan, left_out={"head.weight": "4-bit form"}).summary())

    def test_rows_for_all_blocks(self):
        layers = []
        for row in plan_of(self.truth)["layers"]:
            if ".1." not in row["name"]:
                own = row["name"].startswith("model.layers")
                layers.append({**row, "name": row["name"].replace(".0.", ".*."), "count": 2 if own else 1, "panel": "own"})
        self.plan = {"layers": layers}
        for row in layers:
            if row.get("gate"):
                row["gate"] = row["gate"].replace(".0.", ".*.")
        self.assertEqual(self.faults(), [])
        layers[0]["count"] = 3
        layers[1]["n"] = 9
        self.assertEqual(self.faults(), ["model.layers.*.q: count: 3, torch 2", "model.layers.*.k: n: 9, torch 8"])

    def test_prefixes_that_one_side_has(self):
        for strip, put in (("model.", ""), ("", "base_model.")):
            plan = json.dumps(plan_of(self.truth))
            self.plan = json.loads(plan.replace('"model.', f'"{put}{"model." if not strip else ""}'))
            self.assertEqual(self.faults(), [])

    def test_a_name_that_is_the_end_of_several_means_none(self):
        self.assertEqual(Names(["a.q", "b.q"]).find("q"), [])
        self.assertEqual(Names(["a.q", "b.k"]).find("q"), ["a.q"])
        self.assertEqual(Names(["a.q"], {"other": "a.q", "lost": "gone"}).find("other"), ["a.q"])
        self.assertEqual(Names(["a.q"], {"lost": "gone"}).find("lost"), [])

    def test_tensors_that_torch_joined(self):
        joined = Linear("gate_up", 8, 24, 80, False, kind="experts", experts=2, reads=[Read("e", "model.first", rows=True)],
                        acts={"0/2": "silu"}, gated={"1/2": "0/2"})
        self.truth = Truth("torch 0", "Made", 8, [joined], ["model.first"])
        parts = {f"experts.{e}.{w}": Part("gate_up", 40, piece=piece) for e in range(2) for w, piece in (("w1", "0/2"), ("w3", "1/2"))}
        self.plan = {"layers": [layer(f"experts.{e}.{w}", 24, 40, **said) for e in range(2)
                                for w, said in (("w1", {"act": "silu"}), ("w3", {"gate": f"experts.{e}.w1"}))]}
        self.assertEqual(self.faults(parts=parts), [])
        self.row("experts.1.w3")["n"] = 41
        self.assertEqual(self.faults(parts=parts), ["experts.1.w3: n: 41, torch 40"])
        self.row("experts.1.w3").update(n=40, gate="experts.1.w3")
        self.assertEqual(self.faults(parts=parts), ["experts.1.w3: times experts.1.w3, torch times 0/2"])
        self.row("experts.1.w3").update(gate="experts.1.w1", act="silu")
        self.assertEqual(self.faults(parts=parts), ["experts.1.w3: act: silu, torch none"])
        self.row("experts.1.w3")["act"] = "none"
        self.row("experts.0.w1")["act"] = "gelu"
        self.assertEqual(self.faults(parts=parts), ["experts.0.w1: act: gelu, torch silu"])

    def test_a_row_for_each_of_the_matrices_of_a_tensor(self):
        self.truth.linears = [Linear("mlp.experts.down", 8, 24, 40, True, kind="experts", experts=2, reads=[Read("e")])]
        self.plan = {"layers": [layer(f"mlp.experts.down.{e}", 24, 40, bias=e == 0) for e in range(2)]}
        self.assertEqual(self.faults(), ["mlp.experts.down.1: bias: False, torch True"])

    def test_an_activation_that_values_do_not_decide(self):
        self.truth.linears[3].act = "gelu|gelu_tanh|*mish"
        for act, faults in (("gelu", 0), ("gelu_tanh", 0), ("silu", 1)):
            self.row("model.layers.0.gate")["act"] = act
            self.assertEqual(len(self.faults()), faults)

    def test_norms_by_names_that_only_the_plan_knows(self):
        for row in self.plan["layers"]:
            if row.get("panel_from") == "model.first":
                row["panel_from"] = "/Mul_7"
        self.assertEqual(self.faults(), [])
        self.row("model.layers.0.gate")["panel_from"] = "/Mul_7"
        self.assertEqual(self.faults(), ["model.layers.0.gate: reads /Mul_7, torch model.layers.0.norm"])

    def test_the_program(self):
        with tempfile.TemporaryDirectory() as folder:
            truth, plan = pathlib.Path(folder) / "truth.json", pathlib.Path(folder) / "plan.json"
            self.truth.save(truth)
            self.assertEqual(load(truth), self.truth)
            for change, code in (({}, 0), ({"n": 17}, 1)):
                made = copy.deepcopy(self.plan)
                made["layers"][0].update(change)
                plan.write_text(json.dumps(made))
                done = subprocess.run([sys.executable, "-B", TOOLS / "check_plan.py", "network", "--truth", truth, "--plan", plan],
                                      capture_output=True, text=True)
                self.assertEqual((done.returncode, done.stderr), (code, ""))
                lines = done.stdout.splitlines()
                self.assertEqual(lines[0], "Made, torch 0")
                self.assertIn(f"{13 - code} right, {code} wrong", lines[-1])
                self.assertEqual(len(lines), 1 + 1 + 13 + 1)

    def test_the_program_reads_what_the_plan_left_out(self):
        with tempfile.TemporaryDirectory() as folder:
            truth, plan = pathlib.Path(folder) / "truth.json", pathlib.Path(folder) / "plan.json"
            self.truth.save(truth)
            made = {"layers": self.plan["layers"][:-2],
                    "left_out": [{"tensor": "head.weight", "reason": "form", "text": "4 bits", "parameters": 72, "bytes": 36}]}
            plan.write_text(json.dumps(made))
            done = subprocess.run([sys.executable, "-B", TOOLS / "check_plan.py", "network", "--truth", truth, "--plan", plan],
                                  capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertIn("left out: 4 bits", done.stdout)
            self.assertIn("1 left out and said", done.stdout.splitlines()[-1])

    def test_columns_are_aligned(self):
        lines = aligned(Comparison(self.truth, self.plan).table()).splitlines()
        self.assertEqual(len({line.index(word) for line, word in ((lines[0], "verdict"), (lines[1], "right"), (lines[-1], "right"))}), 1)


class ActivationsTest(unittest.TestCase):
    def test_of_numbers_that_are_known(self):
        # By hand: erf(1 / sqrt 2) = 0.682689..., the logistic function at 1 = 0.731058...
        for name, at_one in (("relu", 1), ("relu6", 1), ("hardswish", 4 / 6), ("gelu", 0.5 * (1 + 0.6826894921)), ("silu", 0.7310585786),
                             ("quick_gelu", 0.8457957659), ("gelu_tanh", 0.8411919906), ("*tanh", 0.7615941560)):
            self.assertTrue(math.isclose(ACTIVATIONS[name](1.0), at_one, rel_tol=1e-8), name)

    def test_no_two_are_the_same(self):
        points = [-3.0, -1.0, 0.5, 2.0, 7.0]
        values = {tuple(round(function(x), 5) for x in points) for function in ACTIVATIONS.values()}
        self.assertEqual(len(values), len(ACTIVATIONS))


if __name__ == "__main__":
    unittest.main()
