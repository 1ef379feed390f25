#!/usr/bin/env python3
"""How the coefficients of gelu and exp_minus in docs/quantization.md were found. Run by hand; needs numpy and scipy.

    fit_activations.py exp               the polynomial of exp_minus
    fit_activations.py gelu              the minimax fit of gelu in double
    fit_activations.py polish [SEED]     that fit rounded to binary32 and improved there; a few minutes
    fit_activations.py check             the errors of the page's coefficients

The page's coefficients are fixed; a fit may end in others that are about as good. `polish` is a random search, of which each seed finds
its own set. The polynomial of exp_minus came from a run of this program with a looser solver: it is within a tenth of the least error.
"""

import math
import sys

import numpy as np
from scipy.optimize import linprog

f32 = np.float32

# gelu(x) = x Phi(x), Phi(x) = (r + u)^2 (2 r - u) with r = 4^(-1/3) and an odd u(x) that runs from -r to r.
#
# Expanded, Phi = 1/2 + u (3 r^2 - u^2): a cubic that is flat where it reaches 0 and 1. The error of u, and its rounding, are squared away
# at both ends, u may approach r as slowly as the square root of Phi(-x), and the factored form keeps the small Phi of negative x from
# being a difference of large numbers. The same cubic again, u = v (k - v^2), flattens once more, so that v = x P(x^2) needs only degree 5
# in x^2 for |x| <= 6. Both stages together are seven operations and no division.
CLAMP = 6.0
R = 4.0 ** (-1.0 / 3.0)
# P's six coefficients from the constant term on, and k.
ROUGH = np.array([0.24122, -7.3484e-3, 1.6874e-4, -2.158e-6, 5.26e-9, 1.352e-10, 1.38913])
PAGE_GELU = ["0x1.ee0688p-3", "-0x1.e19626p-8", "0x1.61e070p-13", "-0x1.21ab4cp-19", "0x1.69c12ap-28", "0x1.2964d0p-33", "0x1.639df2p+0"]
PAGE_EXP = ["0x1.fffdd2p-2", "-0x1.555712p-3", "0x1.573734p-5", "-0x1.10bc5ap-7"]


def phi(x):
    """The normal distribution function, in double."""
    return 0.5 * np.vectorize(math.erfc)(-np.asarray(x, float) / math.sqrt(2.0))


def chebyshev(count, low, high):
    return low + (high - low) * 0.5 * (1 - np.cos(np.pi * (np.arange(count) + 0.5) / count))


def u_of(x, theta):
    """Steps 3 to 17 of the page, in the type of x."""
    t = x * x
    p = t * theta[5] + theta[4]
    for i in (3, 2, 1, 0):
        p = p * t + theta[i]
    v = x * p
    return v * (theta[6] - v * v)


def minimax_lp(jacobian, residual, radius=None, equality=None):
    """The step that minimises max |residual + jacobian step|, and softly meets equality = (row, value): row step = -value."""
    count, n = jacobian.shape
    size = max(np.abs(residual).max(), 1e-300)
    one, zero = np.ones((count, 1)), np.zeros((count, 1))
    rows = [np.hstack([jacobian / size, -one, zero]), np.hstack([-jacobian / size, -one, zero])]
    limits = [-residual / size, residual / size]
    if equality is not None:
        row, value = equality
        rows += [np.r_[row, 0, -size][None], np.r_[-row, 0, -size][None]]
        limits += [[-value], [value]]
    bounds = [(None, None) if radius is None else (-radius, radius)] * n + [(0, None)] * 2
    return linprog(np.r_[np.zeros(n), 1, 1], A_ub=np.vstack(rows), b_ub=np.concatenate(limits), bounds=bounds, method="highs").x


def fit_exp():
    """q in exp(-r) = 1 - r + r^2 q(r), degree 3, least relative error for |r| <= ln 2 / 2."""
    r = chebyshev(2000, -0.5005 * math.log(2), 0.5005 * math.log(2))
    # The series of (exp(-r) - 1 + r) / r^2; the closed form cancels.
    target = sum((-1) ** (j % 2) * r**j / math.factorial(j + 2) for j in range(18))
    weight = r * r * np.exp(r)
    powers = np.stack([r**j for j in range(4)], axis=1)
    # The right-hand side of the program is of size 1, so that its tolerances do not decide the last digits.
    start = np.linalg.lstsq(powers * weight[:, None], target * weight, rcond=None)[0]
    residual = (powers @ start - target) * weight
    scale = np.abs(residual).max()
    q = start + scale * minimax_lp(powers * weight[:, None], residual / scale)[:4]
    page = np.array([float.fromhex(value) for value in PAGE_EXP])
    for name, candidate in (("least", q), ("the page's", page)):
        print("%s largest relative error %.3g" % (name, np.abs((powers @ candidate - target) * weight).max()))
    for j, value in enumerate(q):
        print("q%d = %-24r %s" % (j, float(value), float(f32(value)).hex()))


def fit_gelu():
    """P and k for the least max |x| |error of Phi(-x)| / max(|x| Phi(-x), 0.1), with u(6) = r: relative where gelu is large."""
    a = chebyshev(400, 0.0, CLAMP)
    truth = a * phi(-a)
    weight = 1 / np.maximum(truth, 0.1)

    def residual(theta):
        u = u_of(a, theta)
        return (a * (R - u) ** 2 * (2 * R + u) - truth) * weight

    def end(theta):
        return u_of(CLAMP, theta) - R

    def merit(theta):
        return np.abs(residual(theta)).max() + abs(end(theta))

    theta, radius = ROUGH.copy(), 0.05
    for _ in range(400):
        scale = np.abs(theta)
        steps = np.diag(1e-6 * scale)
        jacobian = np.stack([(residual(theta + s) - residual(theta - s)) / 2e-6 for s in steps], axis=1)
        row = np.array([(end(theta + s) - end(theta - s)) / 2e-6 for s in steps])
        while radius > 1e-11:
            step = minimax_lp(jacobian, residual(theta), radius, (row, end(theta)))
            if step is not None and merit(theta + step[:7] * scale) < merit(theta) * (1 - 1e-9):
                break
            radius /= 4
        else:
            break
        theta, radius = theta + step[:7] * scale, min(2 * radius, 0.3)
    print("largest weighted error %.3g, u(6) - r = %.1g" % (np.abs(residual(theta)).max(), end(theta)))
    print("P and k:", theta.tolist())
    return theta


def constants(theta):
    """The constants of steps 18 and 19 that make Phi exactly 0 at -6 and exactly 1 at 6; None if binary32 has none."""
    first = u_of(np.array([CLAMP], f32), theta)[0]
    second = f32(2 * R)
    for _ in range(4):
        second = np.nextafter(second, f32(0))
    for _ in range(9):
        if f32(f32((first + first) * f32(second - first)) * f32(first + first)) == 1:
            return first, second
        second = np.nextafter(second, f32(2))
    return None


def gelu(x, theta, first, second):
    low = np.maximum(x, f32(-CLAMP))
    u = u_of(np.minimum(low, f32(CLAMP)), theta)
    w, z = u + first, second - u
    return low * ((w * z) * w)


class Score:
    """An error of 2 ulp where x > -1/2 counts as much as 3e-8 elsewhere; the root mean square breaks ties."""

    def __init__(self, random):
        spread = random.uniform(-2, 2, 4000)
        small = 2.0 ** random.uniform(-12, 0, 1500)
        self.x = np.unique(np.concatenate([np.linspace(-6.2, 6.2, 6001), spread, -small, small]).astype(f32))
        self.truth = self.x.astype(float) * phi(self.x)
        self.ulp = np.spacing(np.abs(self.truth).astype(f32)).astype(float)
        self.weight = np.where(self.x > -0.5, 0.5 / self.ulp, 1 / 3e-8)

    def __call__(self, theta, pair):
        error = np.abs(gelu(self.x, theta, *pair) - self.truth) * self.weight
        return error.max() + 0.2 * math.sqrt(np.mean(error**2))


def polish(seed):
    random = np.random.default_rng(seed)
    score = Score(random)
    start = fit_gelu().astype(f32)
    current, pair = start, constants(start)
    while pair is None:
        current = (start * (1 + random.normal(size=7) * 1e-6)).astype(f32)
        pair = constants(current)
    best = score(current, pair)
    reach = np.array([1, 2, 8, 30, 100, 100, 1])  # ulps; the higher a coefficient, the less its last bits matter
    for _ in range(40000):
        moved = current.copy()
        for i in random.choice(7, size=random.integers(1, 4), replace=False):
            moved[i] += f32(random.integers(-3, 4) * reach[i]) * np.spacing(np.abs(moved[i]))
        moved_pair = constants(moved)
        if moved_pair is None:
            continue
        value = score(moved, moved_pair)
        if value <= best:
            current, pair, best = moved, moved_pair, value
    report(current, pair, score)


def report(theta, pair, score):
    error = np.abs(gelu(score.x, theta, *pair) - score.truth)
    right = score.x > -0.5
    print("score %.3f, %.2f ulp above -1/2, %.2g below" % (score(theta, pair), (error / score.ulp)[right].max(), error[~right].max()))
    print("P and k:", [float(value).hex() for value in theta])
    print("steps 18 and 19:", [float(value).hex() for value in pair])


def check():
    fit_exp()
    theta = np.array([float.fromhex(value) for value in PAGE_GELU], f32)
    report(theta, constants(theta), Score(np.random.default_rng(0)))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["exp"]:
            fit_exp()
        case ["gelu"]:
            fit_gelu()
        case ["polish", *seed]:
            polish(int(seed[0]) if seed else 0)
        case ["check"]:
            check()
        case _:
            sys.exit(__doc__)
