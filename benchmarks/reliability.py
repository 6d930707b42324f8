"""Searches for rare failure on margins with closed probabilities: members, true and stated error, coverage, warnings.

``python benchmarks/reliability.py [REPEATS]`` prints the table of docs/failure.md; streams are fixed. No clock is read.
"""

from __future__ import annotations

import sys

import numpy as np
from scipy.integrate import quad
from scipy.special import ndtr
from scipy.stats import norm

from uqmsm.questions.reliability import form, importance, kriging, solve, subset


def plane(beta, placed):
    way = np.arange(1.0, placed + 1.0) / np.linalg.norm(np.arange(1.0, placed + 1.0))
    return lambda points: beta - points.normal @ way


def four_branches(points):
    x, y = points.normal.T
    s, t, root = (x + y) / np.sqrt(2.0), x - y, 6.0 / np.sqrt(2.0)
    return np.min([3.0 + 0.1 * t**2 - s, 3.0 + 0.1 * t**2 + s, t + root, root - t], axis=0)


def misleading(points):
    x, y = points.normal.T
    return np.minimum(np.where(x > 3.5, 4.0 - x, 0.85 - 0.1 * x), np.where(y > 2.0, 0.5 - 0.1 * y, 2.3 - y))


def curved(points):
    return 3.0 + 0.2 * points.normal[:, 0] ** 2 - points.normal[:, 1]


def cases():
    branches, _ = quad(lambda t: norm.pdf(t) * (1.0 - 2.0 * ndtr(-3.0 - 0.2 * t**2)), -3.0, 3.0)
    parabola, _ = quad(lambda x: norm.pdf(x) * ndtr(-(3.0 + 0.2 * x**2)), -10.0, 10.0)
    yield "plane, 3 sd, 2 sources", 2, plane(3.0, 2), ndtr(-3.0)
    yield "plane, 4 sd, 5 sources", 5, plane(4.0, 5), ndtr(-4.0)
    yield "plane, 3 sd, 20 sources", 20, plane(3.0, 20), ndtr(-3.0)
    yield "parabola, 3 sd", 2, curved, parabola
    yield "four branches (k = 6)", 2, four_branches, 1.0 - branches
    yield "misleading (Breitung)", 2, misleading, 1.0 - (1.0 - ndtr(-4.0)) * (1.0 - ndtr(-5.0))


def searches(placed):
    yield "form", lambda _: form(placed), 1
    yield "importance", lambda rng: importance(rng, placed, samples=300), 1
    yield "subset", lambda rng: subset(rng, placed, samples=300), 1
    if placed <= 5:
        yield "kriging", lambda rng: kriging(rng, placed, samples=150), 10


def main(repeats):
    print("case | truth | method | members | mean of p / truth | true error | stated error | 90 % covers | warned")
    for case, placed, margin, truth in cases():
        for method, make, slower in searches(placed):
            count = 1 if method == "form" else max(repeats // slower, 2)
            found = [solve(make(np.random.default_rng([7, k])), margin) for k in range(count)]
            p = np.array([one.probability for one in found])
            members = np.mean([one.evaluations for one in found])
            true, stated = np.sqrt(np.mean((p / truth - 1.0) ** 2)), np.nanmean([one.variation for one in found])
            covers = np.mean([one.lo <= truth * (1 + 1e-6) and truth * (1 - 1e-6) <= one.hi for one in found])
            warned = np.mean([bool(one.warnings) for one in found])
            print(
                f"{case} | {truth:.3g} | {method} | {members:.0f} | {p.mean() / truth:.2f} | {100 * true:.0f} % | "
                f"{100 * stated:.0f} % | {100 * covers:.0f} % | {100 * warned:.0f} %",
                flush=True,
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
