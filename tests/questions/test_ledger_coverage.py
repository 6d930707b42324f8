"""The ledger's 90 % intervals hold the truth 85 to 95 times in a hundred, and a wrong method fails the same test.

The streams are fixed. Over 200 repeats a line with true coverage c scatters by sqrt(c(1-c)/200), 2.1 points at .90. The
simulated coverages at 32 rows are .82-.94 line by line (the weakest: S of x1 in Ishigami) and .88-.90 as the mean over
the lines of a chain, whose scatter is about a point: lines of one repeat are correlated only in part. The windows
.85-.95 for the mean and .76-.985 for the worst and best of up to 18 lines raise a false alarm less than once in 100.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

sys.path.insert(0, str(Path(__file__).parents[1] / "questions"))
from exact_chains import INTERACTION, LINEAR, LOGNORMAL, ExactChain, ishigami

from uqmsm.members import Design
from uqmsm.questions.attribute import Ledger
from uqmsm.questions.rectangles import jackknife_correlation, moments

CHAINS = {"linear": LINEAR, "interaction": INTERACTION, "ishigami": ishigami(3), "lognormal": LOGNORMAL}


def _coverage(chain: ExactChain, rows: int, repeats: int) -> dict[str, float]:
    """Coverage of S, T and (where known exactly) the fair share of every source, and of the kinds' fractions."""
    design = Design.of(chain.sources, rows)
    hits: dict[str, list[bool]] = {}
    for seed in range(repeats):
        ledger = Ledger(design, chain.values(design.members, seed))
        for line in ledger.list_lines("source"):
            exact = {"first_order": chain.first, "total": chain.total, "fair": chain.fair}
            for name, table in exact.items():
                if line.name in table:
                    each = getattr(line, name)
                    hits.setdefault(f"{name} {line.name}", []).append(each.lo <= table[line.name] <= each.hi)
    return {name: float(np.mean(found)) for name, found in hits.items()}


@pytest.mark.parametrize("name", ["linear", "interaction", "ishigami"])
def test_intervals_cover_at_32_rows(name: str) -> None:
    coverage = _coverage(CHAINS[name], rows=32, repeats=200)
    numbers = np.array(list(coverage.values()))
    assert 0.85 <= numbers.mean() <= 0.95, coverage
    assert numbers.min() > 0.76, coverage
    assert numbers.max() < 0.985, coverage


def test_rectangles_of_a_row_are_not_independent() -> None:
    """Negative control: 15 rectangles of six inner levels in 32 rows, taken as 480 independent ones, do not cover.

    The honest error of the same numbers does.
    """
    design = Design.of(LINEAR.sources, 32, by=("source",), inner={"4.g": 6})
    split = next(split for split in design.splits if split.name == "4.g")
    corners = design.rectangles(split)
    naive, honest = 0, 0
    for seed in range(200):
        values = LINEAR.values(design.members, seed)
        C, _, _, V = (part.reshape(-1) for part in moments(values[corners]))
        n, total = len(C), V.sum()
        ratio = (C.sum() - C) / (total - V)
        z = np.arctanh(np.concatenate([[C.sum() / total], ratio]))
        se = np.sqrt((n - 1) / n * np.sum((z[1:] - z[1:].mean()) ** 2))
        naive += abs(z[0] - np.arctanh(0.08)) < norm.ppf(0.95) * se
        each = jackknife_correlation(Ledger(design, values).shares.closed(frozenset({"4.g"})))
        honest += each.lo < 0.08 < each.hi
    assert naive / 200 < 0.75
    assert 0.83 < honest / 200 < 0.97


@pytest.mark.slow
@pytest.mark.parametrize("rows", [16, 32, 64, 128])
@pytest.mark.parametrize("name", list(CHAINS))
def test_the_whole_table(name: str, rows: int) -> None:
    """The coverage table of the design, 1000 repeats: every line .79-.96, the mean of a chain .85-.95."""
    coverage = _coverage(CHAINS[name], rows, repeats=1000)
    numbers = np.array(list(coverage.values()))
    print(f"{name:12s} {rows:4d} rows: {numbers.min():.3f} - {numbers.max():.3f}, mean {numbers.mean():.3f}")
    assert 0.85 <= numbers.mean() <= 0.95, coverage
    assert numbers.min() > 0.79, coverage
    assert numbers.max() < 0.96, coverage
