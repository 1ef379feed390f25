#!/usr/bin/env python3
"""all-MiniLM-L6-v2 against ONNX Runtime, in one run, interleaved: milliseconds of a batch of sequences, medians.

ONNX Runtime runs the same weights (minilm_graph.py) in fp32 and dynamically quantized, per channel, with every optimization of its own.
"""

import argparse
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
import onnx
import onnxruntime as ort
from onnxruntime.quantization import QuantType, quantize_dynamic

import minilm_graph

PLANS = {"all INT8": ["--force", ".*=int8"], "by ratio": []}


class Onnx:
    def __init__(self, path: pathlib.Path, threads: int, batch: int, tokens: int):
        options = ort.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
        self.session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        ids = 1000 + np.arange(batch * tokens, dtype=np.int64).reshape(batch, tokens) * 7919 % 25000
        self.inputs = {"ids": ids, "mask": np.ones_like(ids)}

    def run(self) -> float:
        start = time.perf_counter()
        self.session.run(None, self.inputs)
        return (time.perf_counter() - start) * 1e3


class Octile:
    def __init__(self, program: pathlib.Path, model: pathlib.Path, threads: int, batch: int, tokens: int):
        self.process = subprocess.Popen([program, model, f"--tokens={tokens}", f"--batch={batch}", f"--threads={threads}"],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self) -> float:
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"minilm_peers: octile_network_bench ended with exit code {self.process.wait()}")
        return float(line) / 1e3

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


# Threads of a pool look for work for a while after a run: a contestant's turn begins when those of the one before sleep, and with a run that
# is not timed, which wakes its own.
PAUSE_SECONDS = 0.05


def measure(contestants: dict, rounds: int) -> dict[str, float]:
    samples: dict[str, list[float]] = {name: [] for name in contestants}
    for warm in (True, False):
        for _ in range(3 if warm else rounds):
            for name, contestant in contestants.items():
                time.sleep(PAUSE_SECONDS)
                contestant.run()
                milliseconds = contestant.run()
                if not warm:
                    samples[name].append(milliseconds)
    return {name: statistics.median(values) for name, values in samples.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--octile", type=pathlib.Path, required=True, help="the octile command")
    parser.add_argument("--network-bench", type=pathlib.Path, required=True, help="octile_network_bench")
    parser.add_argument("--model", type=pathlib.Path, required=True, help="folder of all-MiniLM-L6-v2")
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=21)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        onnx.save(minilm_graph.build(arguments.model), work / "fp32.onnx")
        quantize_dynamic(work / "fp32.onnx", work / "int8.onnx", weight_type=QuantType.QInt8, per_channel=True)
        for plan, options in PLANS.items():
            subprocess.run([arguments.octile, "quantize", arguments.model / "model.safetensors", "-o", work / f"{plan}.octile", *options],
                           check=True, stdout=subprocess.DEVNULL)
        names = [*(f"Octile, {plan}" for plan in PLANS), f"ONNX Runtime {ort.__version__} int8", f"ONNX Runtime {ort.__version__} fp32"]
        print(f"all-MiniLM-L6-v2, {arguments.tokens} tokens, median of {arguments.rounds} interleaved rounds, ms")
        print(f"{'batch':>5} {'threads':>7}" + "".join(f" {name:>24}" for name in names) + f" {'fp32 : all INT8':>16} {'int8 : all INT8':>16}")
        for batch in (1, 8):
            for threads in (1, 2):
                shape = (threads, batch, arguments.tokens)
                ours = [Octile(arguments.network_bench, work / f"{plan}.octile", *shape) for plan in PLANS]
                peers = [Onnx(work / f"{precision}.onnx", *shape) for precision in ("int8", "fp32")]
                times = measure(dict(zip(names, [*ours, *peers])), arguments.rounds)
                for process in ours:
                    process.close()
                int8, fp32 = times[names[-2]], times[names[-1]]
                print(f"{batch:5} {threads:7}" + "".join(f" {times[name]:24.2f}" for name in names) +
                      f" {fp32 / times[names[0]]:16.2f} {int8 / times[names[0]]:16.2f}", flush=True)


if __name__ == "__main__":
    main()
