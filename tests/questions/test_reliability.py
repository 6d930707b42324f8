"""The band of a probability: exact on Gaussian margins, free of inner noise, refused where it cannot be had."""

from __future__ import annotations

import numpy as np
import pytest
from exact_chains import CHAIN, LINEAR
from scipy.special import ndtr, ndtri

from uqmsm.errors import StudyError
from uqmsm.members import Design, Nested
from uqmsm.questions.reliability import below, probability, probability_band

S_E, S_A = np.sqrt(0.70), np.sqrt(0.30)
LIMIT = -1.0


def _events(draws: int, inner: int, seed: int) -> np.ndarray:
    nested = Nested(CHAIN, draws, inner)
    return below(nested.arrange(LINEAR.values(nested.members, seed)), LIMIT)


def _quantile(q: float) -> float:
    """Of P(y < limit | epistemic) for the linear chain."""
    return float(ndtr((LIMIT + S_E * ndtri(q)) / S_A))


def test_band_of_a_gaussian_margin() -> None:
    """1500 draws of 60: mean Phi(-1) and the exact quantiles, at five standard errors; chance 1e-6 per number."""
    band = probability_band(_events(1500, 60, seed=1), levels=(0.05, 0.25, 0.5, 0.75, 0.95))
    assert abs(band.mean.value - ndtr(LIMIT)) < 5.0 * band.mean.se
    for q, each in band.quantiles.items():
        assert abs(each.value - _quantile(q)) < 5.0 * each.se
    assert band.resolved
    assert np.var(band.net, ddof=1) == pytest.approx(band.variance.value, rel=0.05)


def test_inner_noise_is_removed_without_bias() -> None:
    """Pure chance: no epistemic variance at all, and none is found; left in, it would pose as a band.

    Mean over 60 tables at five standard errors; the removed amount is p(1-p)/n, the negative control that it matters.
    """
    rng = np.random.default_rng(2)
    tables = [(rng.random((40, 50)) < 0.2).astype(float) for _ in range(60)]
    bands = [probability_band(table) for table in tables]
    net = np.array([band.variance.value for band in bands])
    assert abs(net.mean()) < 5.0 * net.std() / np.sqrt(60)
    assert np.mean([band.removed for band in bands]) == pytest.approx(0.2 * 0.8 / 50, rel=0.02)
    raw = np.mean([np.var(band.raw, ddof=1) for band in bands])
    assert raw > 20.0 * abs(net.mean())
    assert np.mean([band.resolved for band in bands]) < 0.2


def test_intervals_of_the_band_cover() -> None:
    """Nominal 90 %, 64 draws of 50, 150 repeats: mean and upper quantile between 80 and 97 %.

    Negative control: an error that takes all members as independent covers the mean less than 60 % of the time.
    """
    hits = np.zeros(3)
    for seed in range(150):
        events = _events(64, 50, seed)
        band = probability_band(events)
        upper = band.quantiles[0.95]
        naive = np.sqrt(events.mean() * (1 - events.mean()) / events.size)
        exact = ndtr(LIMIT)
        hits += (
            band.mean.lo < exact < band.mean.hi,
            upper.lo < _quantile(0.95) < upper.hi,
            abs(events.mean() - exact) < 1.645 * naive,
        )
    mean, quantile, independent = hits / 150
    assert 0.80 < mean < 0.97
    assert 0.80 < quantile < 0.97
    assert independent < 0.60


def test_an_event_never_seen_has_a_limit_not_an_error() -> None:
    band = probability_band(np.zeros((20, 50)))
    assert band.mean.value == 0.0
    assert np.isnan(band.mean.se)
    assert band.mean.hi == pytest.approx(1.0 - 0.1 ** (1 / 20))
    assert not band.resolved
    assert probability_band(np.ones((20, 50))).mean.lo == pytest.approx(0.1 ** (1 / 20))


def test_failed_members_are_counted() -> None:
    events = _events(20, 60, seed=3)
    events[0, :40] = np.nan
    events[1, :3] = np.nan
    band = probability_band(events)
    assert (band.draws, band.draws_planned, band.succeeded, band.members) == (19, 20, 19 * 60 - 3, 1200)
    assert np.isnan(band.raw[0])
    assert band.dataset().attrs == {"draws": "19 of 20", "members": "1137 of 1200"}


def test_tables_that_cannot_answer_are_refused() -> None:
    with pytest.raises(StudyError, match=r"Nested\(sources, draws, inner=50\)"):
        probability_band(np.zeros((20, 49)))
    with pytest.raises(StudyError, match="more draws"):
        probability_band(np.zeros((7, 50)))
    with pytest.raises(StudyError, match="below"):
        probability_band(np.full((10, 50), 0.3))


def test_a_probability_without_a_band_knows_its_rows() -> None:
    """400 studies of 64 rows: the error is that of the scatter, and smaller where members are taken as independent.

    The jackknife error is good to 1/sqrt(2 400), 3.5 %: 15 % are four standard deviations (1e-4). Negative control: the
    error of as many independent members is too small by more than that.
    """
    design = Design.of(CHAIN, 64)
    rows = design.row_of_member
    found = [probability(below(LINEAR.values(design.members, seed), LIMIT), rows) for seed in range(400)]
    mean, se = (np.array([float(one[key]) for one in found]) for key in ("probability", "probability_se"))
    truth = float(ndtr(LIMIT))
    assert abs(mean.mean() - truth) < 5.0 * mean.std() / np.sqrt(400)
    assert np.sqrt(np.mean(se**2)) == pytest.approx(mean.std(), rel=0.15)
    careless = np.sqrt(truth * (1.0 - truth) / len(design.members))
    assert careless < 0.85 * mean.std()


def test_an_event_never_seen_in_the_rows_has_a_limit() -> None:
    rows = Design.of(CHAIN, 16).row_of_member
    never, always = (probability(np.full(len(rows), value), rows, ("1.f",)) for value in (0.0, 1.0))
    assert float(never["probability_hi"]) == pytest.approx(1.0 - 0.1 ** (1.0 / 16.0))
    assert float(always["probability_lo"]) == pytest.approx(0.1 ** (1.0 / 16.0))
    assert np.isnan(never["probability_se"])
    assert never["probability"].attrs["sources"] == "1.f"
    with pytest.raises(StudyError, match="7 rows"):
        probability(np.where(rows < 7, 0.0, np.nan), rows)
