"""A runner of `octile tune` that measures nothing: job on stdin, answer on stdout, times of a surface that tests know.

usage: fake_runner.py MODE DIGEST [FOLDER]

The time of a candidate follows from its name, which is a digest: the default is the slowest. MODE says what else it does; FOLDER counts its runs.
"""

import json
import pathlib
import random
import sys
import time


def share(candidate: str, default: str) -> float:
    """Of the default's time: from 0.7 to 0.97, and 1 for the default."""
    return 1.0 if candidate == default else 0.7 + 0.27 * (int(candidate[:6], 16) / 0xffffff)


def main() -> None:
    mode, digest = sys.argv[1:3]
    job = json.loads(sys.stdin.readline())
    folder = pathlib.Path(sys.argv[3]) if len(sys.argv) > 3 else None
    runs = 0
    if folder:
        (folder / f"run-{time.monotonic_ns()}").touch()
        runs = len(list(folder.glob("run-*")))
    names = job["candidates"]
    default = names[0]
    noise = random.Random(job["job"].partition("/")[2])  # the same in every session
    head = {"octile_measure": 1, "job": job["job"], "kernel": "gemm_s8", "kernels": digest, "isa": "i8mm", "core": "arm:0x41:0xd49", "vector_bits": 128,
            "octile": "0.1.0", "halide": "21.0.0", "clang": "test", "emulated": ""}
    lines = []
    for name in names:
        base = 1000.0 * job["m"] * share(name, default)
        lines.append({"candidate": name, "verified": True, "error": "",
                      "ns": [base * noise.uniform(0.995, 1.005) for _ in range(job["rounds"])]})
    last = {"end": job["job"], "seconds": 0.05}
    if mode == "slow":
        time.sleep(0.3)
    elif mode == "fails":
        sys.exit("fake: the board is on fire")
    elif mode == "fails-once" and runs == 1:
        sys.exit("fake: a hiccup")
    elif mode == "hangs":
        time.sleep(600)
    elif mode == "crashes-on-one" and any(name < "4" for name in names[1:]):
        sys.exit(139)
    elif mode == "garbage":
        print("\x1b[31mSegmentation fault\x00")
        return
    elif mode == "half":
        print(json.dumps(head))
        return
    elif mode == "wrong-result":
        for line in lines[1:]:
            if line["candidate"] < "8":
                line |= {"verified": False, "error": "wrong result: element 3 of y is 1, expected 2", "ns": []}
    elif mode == "unverified":
        lines[-1]["verified"] = False
    elif mode == "negative":
        lines[-1]["ns"][0] = -1.0
    elif mode == "few-samples":
        lines[-1]["ns"].pop()
    elif mode == "other-candidate":
        lines[-1]["candidate"] = "0000000000"
    elif mode == "other-job":
        head["job"] = last["end"] = "another"
    elif mode == "emulated":
        head["emulated"] = "a multiplication of vectors takes 200 times an operation on integers"
        for line in lines:
            line["ns"] = []
    elif mode == "emulated-times":
        head["emulated"] = "qemu"
    elif mode == "other-kernels":
        head["kernels"] = "ffffffffffffffff"
    for line in (head, *lines, last):
        print(json.dumps(line))


if __name__ == "__main__":
    main()
