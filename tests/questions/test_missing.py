"""Worst cases hold for every answer that the missing could have given, and are reached by some."""

from __future__ import annotations

import numpy as np
import pytest
from exact_chains import CHAIN, INTERACTION, LINEAR, normal
from hypothesis import given, settings
from hypothesis import strategies as st
from losses import by_member, by_value
from scipy.stats import norm

from uqmsm.errors import StudyError
from uqmsm.members import Design
from uqmsm.questions.missing import ANY, assumed
from uqmsm.questions.propagate import Spread, spread
from uqmsm.questions.reliability import below, probability, probability_band
from uqmsm.questions.shift import shift

LEVELS = (0.02, 0.25, 0.5, 0.75, 0.98)


def _table(seed: int, rate: float, rows: int = 40) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Answers within (-5, 5), the same with some missing, and the row of each; three members per row."""
    rng = np.random.default_rng(seed)
    row = np.repeat(np.arange(rows), 3)
    y = np.clip(rng.normal(size=rows)[row] + 0.5 * rng.normal(size=3 * rows), -5.0, 5.0)
    seen = np.where(rng.random(3 * rows) < rate, np.nan, y)
    seen[:3] = y[:3]  # something is there
    return y, seen, row


def _worst(found: Spread) -> dict[str, tuple[float, float]]:
    pairs = {"mean": found.bounds.mean, "sd": found.bounds.sd, **{str(p): q for p, q in found.bounds.quantiles.items()}}
    return {name: (worst.least.value, worst.most.value) for name, worst in pairs.items()}


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.01, 0.6), st.sampled_from(["low", "high", "both", "any", "same"]))
def test_no_filling_leaves_the_bounds(seed: int, rate: float, how: str) -> None:
    """Mean, quantiles and probability of the filled table lie within the bounds, exactly, for any filling.

    Quantiles without a range also for fillings of 1e300. The sd is unbiased by pairs of rows, which a filling moves by
    terms of order 1/rows: the bound is that of the population and holds but for those.
    """
    _, seen, row = _table(seed, rate)
    rng = np.random.default_rng([seed, 1])
    size = len(seen)
    filling = {
        "low": np.full(size, -5.0),
        "high": np.full(size, 5.0),
        "both": np.where(rng.random(size) < 0.5, -5.0, 5.0),
        "any": rng.uniform(-5.0, 5.0, size),
        "same": np.full(size, np.nanmean(seen)),
    }[how]
    full = np.where(np.isnan(seen), filling, seen)
    truth = spread(full, row, probabilities=LEVELS)
    worst = _worst(spread(seen, row, probabilities=LEVELS, within=(-5.0, 5.0)))
    for name, value in [("mean", truth.mean.value), *((str(p), q.value) for p, q in truth.quantiles.items())]:
        least, most = worst[name]
        assert least - 1e-12 <= value <= most + 1e-12, name
    assert worst["sd"][0] * 0.95 <= truth.sd.value <= worst["sd"][1] * 1.05
    wild = np.where(np.isnan(seen), 1e300 * np.sign(filling + 1e-9), seen)
    free = spread(seen, row, probabilities=LEVELS).bounds.quantiles
    for p, each in free.items():
        assert each.least.value <= np.quantile(wild, p) <= each.most.value
    p = probability(below(seen, 0.3), row)
    assert float(p["probability_least"]) - 1e-12 <= np.mean(full < 0.3) <= float(p["probability_most"]) + 1e-12


def test_the_bounds_are_reached() -> None:
    """Some filling attains each: all low, all high, all at the mean, and the right part at either end."""
    _, seen, row = _table(5, 0.2, rows=4000)
    row = np.arange(len(seen))  # independent members: the spread is the textbook's
    missing = np.isnan(seen)
    worst = _worst(spread(seen, row, within=(-5.0, 5.0)))
    assert np.where(missing, -5.0, seen).mean() == pytest.approx(worst["mean"][0])
    assert np.where(missing, 5.0, seen).mean() == pytest.approx(worst["mean"][1])
    assert np.where(missing, np.nanmean(seen), seen).std(ddof=1) == pytest.approx(worst["sd"][0], rel=1e-3)
    order = np.cumsum(missing) / missing.sum()
    sds = [np.where(missing, np.where(order <= part, 5.0, -5.0), seen).std() for part in np.linspace(0, 1, 101)]
    assert max(sds) == pytest.approx(worst["sd"][1], rel=1e-3)
    assert max(sds) > 1.5 * sds[0] or max(sds) > 1.5 * np.nanstd(seen)


def test_quantiles_know_how_much_is_missing() -> None:
    """With a fifth missing, level .5 is known between levels .3/.8 and .5/.8 of the seen; .9 has no upper bound."""
    y, _, _ = _table(3, 0.0, rows=2000)
    seen = np.where(np.arange(len(y)) % 5 == 0, np.nan, y)
    found = spread(seen, np.arange(len(y)), probabilities=(0.1, 0.5, 0.9)).bounds
    there = seen[~np.isnan(seen)]
    assert found.share == pytest.approx(0.2)
    assert found.quantiles[0.5].least.value == pytest.approx(np.quantile(there, 0.3 / 0.8), abs=5e-3)
    assert found.quantiles[0.5].most.value == pytest.approx(np.quantile(there, 0.5 / 0.8), abs=5e-3)
    assert found.quantiles[0.1].least.value == found.quantiles[0.1].least.lo == -np.inf
    assert found.quantiles[0.9].most.value == found.quantiles[0.9].most.hi == np.inf
    assert np.isfinite(found.quantiles[0.9].least.value)
    half = spread(seen, np.arange(len(y)), probabilities=(0.1,), within=(-5.0, np.inf)).bounds
    assert half.quantiles[0.1].least.value == -5.0
    assert half.reach.who == "seen", "one end is nobody's promise"


def test_nothing_missing_moves_nothing() -> None:
    y, _, row = _table(1, 0.0)
    found = spread(y, row)
    assert found.bounds.share == 0.0
    assert found.bounds.reach.who == "none missing"
    assert found.bounds.mean.least == found.bounds.mean.most == found.mean
    assert found.bounds.quantiles[0.5].most == found.quantiles[0.5]
    assert np.isnan(found.neighbours.value)
    table = probability(below(y, 0.0), row)
    assert float(table["probability_least"]) == float(table["probability_most"]) == float(table["probability"])


def test_ranges_that_cannot_be_are_refused() -> None:
    _, seen, row = _table(1, 0.2)
    with pytest.raises(StudyError, match="leave the range"):
        spread(seen, row, within=(0.0, np.inf))
    with pytest.raises(StudyError, match="lower end first"):
        assumed(seen, (1.0, 0.0))
    assert assumed(seen, ANY).who == "seen"
    assert assumed(seen, (-6.0, 6.0)).low == -6.0


def test_value_decides_who_is_missing() -> None:
    """The top 5 % of a standard Gaussian are lost, in 80 runs of 32 rows: the bounds hold the truth.

    Within each run they hold what the lost members would have given without fail (the test above). For the law itself
    they have sampling errors: here the upper bound of the quantiles and the lower one of the probability are met
    exactly, as all that is lost lies above, and their 95 % limits hold at least .90 of the time (over .83 of 80 runs:
    false alarm under 1 in 100); mean and sd are far from theirs.

    Exact: given success the mean is -phi(t)/.95 = -.1085, and the numbers of the survivors are unbiased for it; so
    they are wrong for the whole law (negative control), as is a mean of row means for either: a row of which little is
    left counts too much. And "within the range of the seen" fails, as it must: what is lost lies beyond.
    """
    design = Design.of(CHAIN, 32)
    t = norm.ppf(0.95)
    success = -norm.pdf(t) / 0.95
    naive, rows, held, seen_only = [], [], [], []
    for seed in range(80):
        y = LINEAR.values(design.members, seed)
        left = np.where(by_value(y, t), np.nan, y)
        found = spread(left, design.row_of_member, probabilities=(0.5, 0.9), within=(-6.0, 6.0))
        naive.append(found.mean.value)
        by_row = np.ma.masked_invalid(left.reshape(32, -1))
        rows.append(float(by_row.mean(axis=1).mean()))
        event = probability(below(left, 1.0), design.row_of_member)
        truths = [
            (found.bounds.mean, 0.0),
            (found.bounds.sd, 1.0),
            (found.bounds.quantiles[0.5], 0.0),
            (found.bounds.quantiles[0.9], norm.ppf(0.9)),
        ]
        inside = [each.least.lo <= exact <= each.most.hi for each, exact in truths]
        inside.append(float(event["probability_least_lo"]) <= norm.cdf(1.0) <= float(event["probability_most_hi"]))
        held.append(inside)
        free = spread(left, design.row_of_member).bounds.mean
        seen_only.append(free.least.value <= 0.0 <= free.most.value)
    error = np.std(naive) / np.sqrt(80)
    assert abs(np.mean(naive) - success) < 4.0 * error, "false alarm 6e-5"
    assert abs(np.mean(naive)) > 6.0 * error
    paired = np.array(rows) - np.array(naive)
    assert paired.mean() > 10.0 * paired.std() / np.sqrt(80)
    coverage = np.mean(held, axis=0)
    assert (coverage[:2] > 0.96).all(), coverage
    assert (coverage[2:] > 0.83).all(), coverage
    assert np.mean(seen_only) < 0.8


def test_a_band_counts_the_missing_both_ways() -> None:
    """Members lost where they would have failed: the band of the survivors is too low, the worst case holds the truth.

    y = margin(draw) + noise; the event y < 0 is lost half of the time. 60 draws of 60 members.
    """
    k = np.repeat(np.arange(60), 60)
    e, a = normal(3, "e", k), normal(3, "a", np.arange(3600))
    y = 1.2 + 0.5 * e + a
    full = below(y, 0.0).reshape(60, 60)
    lost = (full == 1.0) & (np.random.default_rng(4).random(full.shape) < 0.5)
    truth, found = probability_band(full), probability_band(np.where(lost, np.nan, full))
    assert found.mean.value < 0.7 * truth.mean.value
    assert found.worst.least.value < truth.mean.value <= found.worst.most.value + 1e-12
    for q, worst in found.band.items():
        assert worst.least.value <= truth.quantiles[q].value + 1e-9
        assert truth.quantiles[q].value <= worst.most.value + 1e-9
    assert truth.worst.least == truth.mean
    table = found.dataset()
    assert table["band_least"].dims == ("quantile",)
    assert {"units", "long_name", "sources"} <= set(table["probability_most_hi"].attrs)


def test_a_shift_says_how_many_pairs_it_lacks() -> None:
    rng = np.random.default_rng(8)
    coarse = rng.normal(size=20)
    fine = coarse + 0.1 + 0.02 * rng.normal(size=20)
    fine[[3, 7]], coarse[[7, 11]] = np.nan, np.nan
    found = shift(coarse, fine, "mesh")
    there = (fine - coarse)[~np.isnan(fine - coarse)]
    assert (found.pairs, found.planned) == (17, 20)
    assert found.least == pytest.approx((there.sum() + 3 * there.min()) / 20)
    assert found.most == pytest.approx((there.sum() + 3 * there.max()) / 20)
    assert found.least < found.value < found.most


def test_every_variable_says_what_it_is() -> None:
    design = Design.of(CHAIN, 16)
    y = INTERACTION.values(design.members, 2)
    left = np.where(by_member(design, 2, 0.1), np.nan, y)
    table = spread(left, design.row_of_member).dataset("MPa", ("1.f",))
    for name, variable in table.data_vars.items():
        assert {"units", "long_name", "sources"} <= set(variable.attrs), name
    assert table["mean_most"].attrs["units"] == table["quantile_least_lo"].attrs["units"] == "MPa"
    assert table["missing_share"].attrs["units"] == "1"
    assert table.attrs["members"] == f"{np.isfinite(left).sum()} of {len(left)}"
