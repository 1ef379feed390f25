"""Two layers of a network, planned, packed and run with numpy alone; how far INT8 is from float32, and how long each takes.

usage: linear.py
"""

import time

import numpy as np
import octile

TOKENS, HIDDEN, WIDE = 128, 768, 3072


def seconds(call) -> float:
    """The median of eleven."""
    times = []
    for _ in range(11):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return sorted(times)[5]


def main() -> None:
    random = np.random.default_rng(1)
    weight = random.standard_normal((WIDE, HIDDEN)).astype(np.float32) / np.float32(HIDDEN**0.5)
    bias = random.standard_normal(WIDE).astype(np.float32)
    x = random.standard_normal((TOKENS, HIDDEN)).astype(np.float32)

    plan = octile.plan([{"name": "up", "m": TOKENS, "k": HIDDEN, "n": WIDE, "act": "relu", "bias": True},
                        {"name": "head", "m": TOKENS, "k": WIDE, "n": 8, "inputs": ["up"]}])
    print(plan)

    row = plan.rows[0]
    up = octile.Linear(weight, bias, precision=row["precision"], activation=row["act"])
    y, exact = up(x), np.maximum(x @ weight.T + bias, 0)
    noise = 10 * np.log10((exact.astype(np.float64) ** 2).sum() / ((exact - y).astype(np.float64) ** 2).sum())
    print(f"{up}: {up.nbytes / 1e6:.1f} MB instead of {weight.nbytes / 1e6:.1f}, {noise:.1f} dB")
    print(f"{octile.threads()} threads at level {octile.isa_levels()[-1]}: {seconds(lambda: up(x)) * 1e6:.0f} us; "
          f"numpy in float32: {seconds(lambda: np.maximum(x @ weight.T + bias, 0)) * 1e6:.0f} us")


if __name__ == "__main__":
    main()
