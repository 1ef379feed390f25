"""octile.plan against the octile command of the same build, which has tests of its own; and what Python alone can get wrong."""

import json
import pathlib
import pickle
import subprocess
import threading
import warnings

import numpy as np
import octile
import pytest
from conftest import normal, output_of

LAYERS = [{"name": "up", "m": 8, "k": 768, "n": 3072, "act": "gelu", "bias": True}, {"name": "head", "m": 8, "k": 768, "n": 8, "inputs": ["up"]}]


def write_safetensors(path: pathlib.Path, tensors: dict[str, np.ndarray]) -> None:
    header, data = {}, b""
    for name, array in tensors.items():
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [len(data), len(data) + array.nbytes]}
        data += array.tobytes()
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> pathlib.Path:
    path = tmp_path_factory.mktemp("weights") / "net.safetensors"
    write_safetensors(path, {"fc1.weight": normal(1, 600, 600), "fc1.bias": normal(2, 600), "head.weight": normal(3, 4, 600)})
    return path


@pytest.mark.parametrize(("keywords", "options"), [
    ({}, []),
    ({"tokens": 3}, ["--tokens", "3"]),
    ({"min_ratio": 1}, ["--min-ratio", "1"]),
    ({"skip": "head"}, ["--skip", "head"]),
    ({"force": {"head": "int8", "attention": "fp16"}}, ["--force", "head=int8", "--force", "attention=fp16"]),
    ({"force": ["head=int4"]}, ["--force", "head=int4"]),
    ({"policy": "cost", "core": "neoverse-v2", "threads": 2, "noise": 0.1}, "--policy cost --core neoverse-v2 --threads 2 --noise 0.1".split()),
    ({"core": "cortex-a53"}, ["--core", "cortex-a53"]),
    ({"format": "csv"}, ["--from", "csv"]),
])
@pytest.mark.filterwarnings("ignore::octile.PlanWarning")
def test_a_file_is_planned_as_by_the_command(command, models, keywords, options):
    for file in (models / "minilm-l6.csv", models / "vit-b16.csv"):
        for kind, method in (("json", "to_json"), ("html", "to_html"), ("csv", "to_csv"), ("md", "to_markdown"), ("table", "__str__")):
            plan = octile.plan(file, **keywords)
            assert getattr(plan, method)() == output_of(command, "plan", file, "--format", kind, *options)


def test_weights_and_accuracy(command, weights):
    plan = octile.plan(str(weights), policy="accuracy", tokens=16, max_error=0.05, smooth_quant="off", calibration_rows=32)
    expected = output_of(command, "plan", weights, "--policy", "accuracy", "--tokens", 16, "--max-error", 0.05, "--smooth-quant", "off",
                         "--calibration-rows", 32, "--format", "json")
    assert plan.to_json() == expected
    assert plan.rows[0]["error"]["sqnr_db"] > 20
    assert octile.plan(weights, tokens=16).totals["int8"] == 1
    assert octile.plan(str(weights).encode(), tokens=16) == octile.plan(weights, tokens=16)


def test_a_packed_file_holds_a_plan(command, network_file):
    assert octile.plan(network_file).to_json() == output_of(command, "plan", network_file, "--format", "json")


def test_a_list_of_layers(command, tmp_path):
    plan = octile.plan(LAYERS)
    file = tmp_path / "model.json"
    file.write_text(json.dumps({"model": "model", "layers": LAYERS}))
    assert plan.to_json() == output_of(command, "plan", file, "--format", "json")
    assert [row["precision"] for row in plan.rows] == ["int8", "fp16"]
    assert [row["reason"] for row in plan.rows] == ["RATIO_GE_MIN", "RATIO_LT_MIN"]
    assert plan.rows[0]["fused"] == "FusedLinearAct(768→3072, act=gelu)"
    assert (plan.totals["linears"], plan.totals["int8"], plan.totals["left_by_ratio"]) == (2, 1, 1)
    assert (len(plan), plan.model, plan.policy) == (2, "model", "ratio")
    assert octile.plan({"model": "net", "layers": LAYERS}).model == "net"


def test_numbers_of_numpy_and_tokens():
    layers = [{"name": "up", "k": np.int64(768), "n": np.int32(3072), "bias": np.bool_(True)}]
    plan = octile.plan(layers, tokens=4)
    assert (plan.rows[0]["m"], plan.rows[0]["k"], plan.rows[0]["bias"]) == (4, 768, True)
    assert "m" not in layers[0]


@pytest.mark.parametrize(("layers", "text"), [
    ([{"name": "a", "k": 1, "n": 1}], r"source: layers\[0\].m: expected a value, found no such key"),
    ([{"name": "a", "m": 1, "k": 0, "n": 1}], r"source: layers\[0\].k: expected an integer from 1 to 131072, found 0"),
    ([{"name": "a", "m": 1, "k": 1, "n": 1, "activation": "gelu"}], r"source: layers\[0\]: expected the keys .*act.* found \"activation\""),
    ([{"name": "a", "m": 1, "k": 1, "n": 1, "inputs": ["b"]}], "inputs"),
    ([{"name": "a\n", "m": 1, "k": 1, "n": 1}], "name"),
    ([], "layers"),
    ([3], r"layers\[0\]: expected an object, found 3"),
    ({"model": "a"}, "layers"),
])
def test_lists_that_are_wrong(layers, text):
    with pytest.raises(octile.ParseError, match=text):
        octile.plan(layers)


@pytest.mark.parametrize(("keywords", "error", "text"), [
    ({"policy": "best"}, ValueError, "^policy: expected ratio, cost, accuracy or all, found \"best\""),
    ({"policy": "all", "core": "neoverse-n1"}, ValueError, "^policy: expected one policy, found \"all\""),
    ({"policy": "cost"}, ValueError, "^core: expected .*neoverse-n1.* for policy cost, found none"),
    ({"policy": "accuracy"}, ValueError, "^policy: expected weights in a file"),
    ({"core": "pentium"}, ValueError, "^core: expected .* found \"pentium\""),
    ({"core": "nowhere/core.json"}, OSError, "nowhere/core.json: No such file"),
    ({"force": {"a": "int9"}}, ValueError, "^force: expected REGEX=int8, REGEX=fp16 or REGEX=int4, found \"a=int9\""),
    ({"force": {"(": "int8"}}, ValueError, "^force \"\\(=int8\": not a regular expression"),
    ({"skip": "("}, ValueError, "^skip \"\\(\": not a regular expression"),
    ({"min_ratio": -1}, ValueError, "^min_ratio: "),
    ({"min_ratio": float("nan")}, ValueError, "^min_ratio: "),
    ({"min_ratio": "many"}, TypeError, "^min_ratio: expected a number, found 'many'"),
    ({"threads": 0}, ValueError, "^threads: "),
    ({"threads": 2**40}, TypeError, "^threads: "),
    ({"tokens": 1.5}, TypeError, "^tokens: "),
    ({"database": "nowhere.jsonl"}, ValueError, "^database: expected core NAME beside it"),
    ({"format": "yaml"}, ValueError, "^format: expected csv, json, .* found 'yaml'"),
    ({"min_sqnr": 1, "max_error": 1}, ValueError, "^max_error: expected one budget, found min_sqnr too"),
])
def test_options_that_are_wrong(keywords, error, text):
    with pytest.raises(error, match=text) as raised:
        octile.plan(LAYERS, **keywords)
    assert "--" not in str(raised.value)


def test_sources_that_are_none(tmp_path):
    with pytest.raises(OSError, match="nowhere.csv: No such file"):
        octile.plan("nowhere.csv")
    with pytest.raises(octile.FileError, match="expected"):
        octile.plan(tmp_path)
    with pytest.raises(TypeError, match="source: expected a path or a list of layers"):
        octile.plan(3)
    with pytest.raises(TypeError, match="source: expected text, numbers, booleans and lists in a layer"):
        octile.plan([{"name": object(), "m": 1, "k": 1, "n": 1}])
    file = tmp_path / "a b --min-ratio.csv"
    file.write_text("name,m,k,n\nup,1,0,1\n")
    with pytest.raises(octile.ParseError, match=r"a b --min-ratio.csv:2"):
        octile.plan(file)


def test_what_the_command_notes_is_a_warning(command, models):
    with pytest.warns(octile.PlanWarning, match="nothing_like_it"):
        plan = octile.plan(models / "minilm-l6.csv", skip="nothing_like_it")
    assert any("nothing_like_it" in line for line in plan.notes)
    done = subprocess.run([command, "plan", models / "minilm-l6.csv", "--skip", "nothing_like_it"], check=True, capture_output=True, text=True)
    assert [line for line in done.stderr.splitlines() if "note" in line]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        octile.plan(models / "minilm-l6.csv")


def test_nothing_is_printed(models, capfd):
    octile.plan(models / "minilm-l6.csv")
    with pytest.raises(octile.Error):
        octile.plan(models / "minilm-l6.csv", policy="?")
    assert capfd.readouterr() == ("", "")


def test_stored_plans():
    plan = octile.plan(LAYERS)
    assert octile.Plan.from_json(plan.to_json()) == plan
    assert pickle.loads(pickle.dumps(plan)) == plan
    other = octile.plan(LAYERS, min_ratio=1)
    assert other != plan and plan != "a plan"
    assert "head: precision: fp16 -> int8" in other.compare(plan)
    assert plan.compare(plan) == []
    with pytest.raises(octile.ParseError, match=r"layers|octile_plan"):
        octile.Plan.from_json("{}")


def test_explanations(command, tmp_path):
    file = tmp_path / "model.json"
    file.write_text(json.dumps({"model": "model", "layers": LAYERS}))
    assert octile.plan(LAYERS).explain("head") == output_of(command, "plan", file, "--explain", "head")
    with pytest.raises(octile.ArgumentError, match="nothing"):
        octile.plan(LAYERS).explain("nothing")
    with pytest.raises(octile.ArgumentError, match="found a stored one"):
        octile.Plan.from_json(octile.plan(LAYERS).to_json()).explain("head")


def test_a_notebook_shows_a_table():
    html = octile.plan(LAYERS + [{"name": "<script>", "m": 1, "k": 8, "n": 8}])._repr_html_()
    assert html.count("<table") >= 1 and "FusedLinearAct(768→3072, act=gelu)" in html
    assert "<script>" not in html and "&lt;script&gt;" in html
    assert "<html" not in html and "<style" not in html  # a part of somebody else's page


def test_ten_thousand_layers():
    plan = octile.plan([{"name": f"layer.{i}", "m": 8, "k": 64 + i % 512, "n": 768} for i in range(10000)])
    assert len(plan.rows) == 10000 and plan.rows[9999]["name"] == "layer.9999"


def test_many_threads_plan(models):
    expected, found = octile.plan(models / "vit-b16.csv"), []
    threads = [threading.Thread(target=lambda: found.append(octile.plan(models / "vit-b16.csv"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 8
