"""Members missing at random leave every number unbiased and every interval honest; imputing them does not.

Lost are 5 or 20 % of the members, one by one, or of the calls of stage 2 with all that share them. The streams are
fixed. A mean over 100 repeats is off by over four of its standard errors in 1 of 16 000 unbiased tests, so a false
alarm of all 36 is under 1 in 400. Coverages of single lines scatter by 3 points, their mean over a chain by 1.6.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

sys.path.insert(0, str(Path(__file__).parents[1] / "questions"))
from exact_chains import CHAIN, LABELS, LINEAR, SHARES
from losses import by_call, by_member

from uqmsm.members import Design
from uqmsm.questions.attribute import Ledger
from uqmsm.questions.propagate import spread

LOSSES = {"member": by_member, "call": by_call}
LEVELS = (0.1, 0.5, 0.9)


def _repeats(how: str, rate: float, repeats: int, rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Values less truths, and hits of the 90 % intervals: of mean, variance and quantiles, and of fair shares."""
    design = Design.of(CHAIN, rows)
    numbers, hits, shares, covered = [], [], [], []
    for seed in range(repeats):
        y = LINEAR.values(design.members, seed)
        left = np.where(LOSSES[how](design, seed, rate), np.nan, y)
        found = spread(left, design.row_of_member, probabilities=LEVELS)
        pairs = [(found.mean, 0.0), (found.sd, 1.0), *((found.quantiles[p], norm.ppf(p)) for p in LEVELS)]
        numbers.append([found.mean.value, found.sd.value**2 - 1.0, found.quantiles[0.5].value])
        hits.append([each.lo <= exact <= each.hi for each, exact in pairs])
        ledger = Ledger(design, left)
        shares.append([ledger.shares.closed(frozenset({label}))[0] - SHARES[label] for label in LABELS])
        lines = {line.name: line for line in ledger.list_lines() if line.of == "source"}
        covered.append(
            [
                each.lo <= SHARES[label] <= each.hi if np.isfinite(each.lo) else np.nan  # under 16 rows: refused
                for label in LABELS
                for each in (lines[label].fair, lines[label].first_order, lines[label].total)
            ]
        )
    return np.array(numbers), np.array(hits), np.array(shares), np.array(covered)


def _check(how: str, rate: float, repeats: int, rows: int, window: tuple[float, float]) -> None:
    numbers, hits, shares, covered = _repeats(how, rate, repeats, rows)
    for found in (numbers, shares):
        bias, error = found.mean(axis=0), found.std(axis=0) / np.sqrt(repeats)
        # S is a ratio, biased by about S (1 - S)/rows complete: half a point at the worst here
        assert (np.abs(bias) < 4.0 * error + (0.005 if found is shares else 0.0)).all(), (bias, error)
    print(f"{how} {rate:.0%}: {hits.mean(axis=0)} {np.nanmean(covered):.3f}")
    assert window[0] <= hits.mean() <= window[1], hits.mean(axis=0)
    assert window[0] <= np.nanmean(covered) <= window[1], np.nanmean(covered, axis=0)
    assert np.nanmean(covered, axis=0).min() > 0.74


@pytest.mark.parametrize("rate", [0.05, 0.2])
@pytest.mark.parametrize("how", list(LOSSES))
def test_at_random_nothing_is_biased_and_intervals_cover(how: str, rate: float) -> None:
    _check(how, rate, repeats=100, rows=64, window=(0.85, 0.95))


def test_imputing_and_whole_rows_are_worse() -> None:
    """Negative control, 10 % of members lost, 64 rows: a mean in place of the missing takes a tenth of the variance.

    It gives the small sources a total that they do not have; dropping whole rows leaves 12 % of them, and errors more
    than half as large again as those of the rectangles that are there.
    """
    design = Design.of(CHAIN, 64, by=("source",))
    variance, total, ours, whole = [], [], [], []
    for seed in range(40):
        y = LINEAR.values(design.members, seed)
        left = np.where(by_member(design, seed, 0.1), np.nan, y)
        imputed = np.where(np.isnan(left), np.nanmean(left), left)
        variance.append(spread(imputed, design.row_of_member).sd.value ** 2)
        total.append(1.0 - float(np.divide(*_rest(design, imputed, "4.q"))))
        ours.append(Ledger(design, left).shares.closed(frozenset({"2.p"}))[0])
        complete = np.isfinite(left.reshape(64, -1)).all(axis=1)
        kept = np.where(np.repeat(complete, design.members_per_row), left, np.nan)
        whole.append(Ledger(design, kept).shares.closed(frozenset({"2.p"}))[0])
    assert np.mean(variance) < 0.95
    assert np.mean(total) > 0.08, "q has 2 %"
    assert np.std(whole) > 1.5 * np.std(ours)


def _rest(design: Design, values: np.ndarray, label: str) -> tuple[float, float]:
    own = Ledger(design, values).shares.net(frozenset({label}))
    return own.C_rest[0], own.V[0]


@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.05, 0.2])
@pytest.mark.parametrize("how", list(LOSSES))
def test_the_same_with_a_thousand_repeats(how: str, rate: float) -> None:
    for rows in (32, 64, 128):
        _check(how, rate, repeats=1000, rows=rows, window=(0.86, 0.93))
