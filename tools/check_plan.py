#!/usr/bin/env python3
"""Compares a plan of Octile's with what torch (of an ONNX file: onnxruntime) runs of the same network.

usage: check_plan.py MODEL [--octile PROGRAM] [--tokens N] [--plan FILE] [--truth FILE] [--save-truth FILE] [--quiet]

MODEL is a folder that transformers, sentence-transformers or timm saved, the config.json of one (its weights are then random), an ONNX file, or
timm:NAME. It is loaded, run once on made-up input, and watched: which linears run, their K, N and bias, the activation applied to
what they yield, what gates them, and who reads the same values or what a norm made. `octile plan --format json`, with every
linear forced to INT8 so that it says where each input is quantized, is compared with that.

Needs torch with transformers or timm, for ONNX files onnx and onnxruntime, which Octile itself does not. Exit code: 0 where nothing that the plan says is
wrong and nothing is missing without a word, 1 otherwise, 2 for wrong options. The output is what a report of a fault should hold.
"""

import argparse
import json
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from plan_check.compare import Comparison, aligned  # noqa: E402
from plan_check.truth import load  # noqa: E402


def plan_of(octile: str, model: str, tokens: int) -> dict:
    command = [octile, "plan", model, "--tokens", str(tokens), "--force", ".*=int8", "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}: exit code {done.returncode}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def left_out(plan: dict) -> dict[str, str]:
    """The tensors that the plan says it did not take, and why."""
    return {one["tensor"]: one["text"] for one in plan.get("left_out", [])}


def observe(model: str, tokens: int):
    """What runs; which of the checkpoint's tensors are parts of which linear; other names."""
    path = pathlib.Path(model)
    if path.suffix == ".onnx":
        from plan_check.onnx_trace import trace as trace_onnx

        truth, aliases = trace_onnx(path, tokens)
        return truth, {}, aliases
    from plan_check.contents import find_tensors
    from plan_check.networks import make_network
    from plan_check.torch_trace import trace

    module, inputs, versions = make_network(model, tokens)
    truth = trace(module, inputs, versions, tokens)
    files = sorted(path.glob("*.safetensors")) if path.is_dir() else []
    return truth, *find_tensors(module, truth, files)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model")
    parser.add_argument("--octile", default="octile", help="the program (default: octile of the PATH)")
    parser.add_argument("--tokens", type=int, default=8)
    parser.add_argument("--plan", type=pathlib.Path, help="a plan made before, instead of running the program")
    parser.add_argument("--truth", type=pathlib.Path, help="what --save-truth wrote, instead of running the network")
    parser.add_argument("--save-truth", type=pathlib.Path, help="write what was seen to this file, as JSON")
    parser.add_argument("--quiet", action="store_true", help="only rows that are not right, and the summary")
    options = parser.parse_args()

    truth, parts, aliases = (load(options.truth), {}, {}) if options.truth else observe(options.model, options.tokens)
    if options.save_truth:
        truth.save(options.save_truth)
    plan = json.loads(options.plan.read_text()) if options.plan else plan_of(options.octile, options.model, options.tokens)
    comparison = Comparison(truth, plan, parts, aliases, left_out(plan))
    lines = comparison.table()
    if options.quiet:
        lines = [line for i, line in enumerate(lines) if i == 0 or comparison.rows[i - 1].faults]
    print(f"{truth.network}, {truth.source}")
    if len(lines) > 1:
        print(aligned(lines))
    print(comparison.summary())
    return 1 if comparison.faults() else 0


if __name__ == "__main__":
    sys.exit(main())
