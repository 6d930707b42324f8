"""The band that what we do not know puts round a probability that was searched for, and the p-box of an answer."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtr, ndtri

from uqmsm.errors import StudyError
from uqmsm.questions.reliability import Found, Points, envelope, over_unknown, solve, subset


def _draw(beta: float, variation: float, rng: np.random.Generator) -> Found:
    """Return a search whose estimate scatters as it states."""
    p = float(ndtr(-beta)) * float(np.exp(variation * rng.standard_normal() - variation**2 / 2.0))
    return Found("subset", p, p * variation, 0.0, 1.0, 1, 0)


def test_the_band_is_that_of_the_index() -> None:
    """Beta ~ N(3.5, 0.4): quantiles and mean Phi(-3.5/sqrt(1 + 0.16)) at five standard errors, errors of 30 % removed.

    Negative control: with the errors left in, the net scatter of the index is too large by more than the test allows.
    """
    rng = np.random.default_rng(1)
    found = [_draw(beta, 0.3, rng) for beta in 3.5 + 0.4 * rng.standard_normal(400)]
    band = over_unknown(found)
    # a mixture over beta of Phi(-beta) is Phi(-mu/sqrt(1 + sd^2))
    assert abs(band.mean.value - ndtr(-3.5 / np.sqrt(1.16))) < 5.0 * band.mean.se
    for q, each in band.band.items():
        assert abs(each.value - ndtr(-(3.5 - 0.4 * ndtri(q)))) < 5.0 * each.se
    assert band.resolved
    assert (band.draws, band.bounded) == (400, 0)
    pure = [_draw(3.5, 0.3, rng) for _ in range(400)]
    assert over_unknown(pure).beta_sd < 0.05
    assert np.std([one.beta for one in pure]) > 0.08


def test_intervals_of_the_band_cover() -> None:
    """Nominal 90 %, 24 draws, 200 repeats: mean and upper quantile between 78 and 97 %; one se, under 75 %."""
    hits = np.zeros(3)
    for seed in range(200):
        rng = np.random.default_rng([2, seed])
        band = over_unknown([_draw(beta, 0.3, rng) for beta in 3.0 + 0.3 * rng.standard_normal(24)])
        mean, upper = float(ndtr(-3.0 / np.sqrt(1.09))), float(ndtr(-(3.0 - 0.3 * ndtri(0.95))))
        each = band.band[0.95]
        hits += (
            band.mean.lo < mean < band.mean.hi,
            each.lo < upper < each.hi,
            abs(band.mean.value - mean) < band.mean.se,
        )
    covered, quantile, narrow = hits / 200
    assert 0.78 < covered < 0.97
    assert 0.80 < quantile < 0.97
    assert narrow < 0.75


def test_few_draws_give_no_band_and_none_is_refused() -> None:
    rng = np.random.default_rng(3)
    assert not over_unknown([_draw(3.0, 0.2, rng) for _ in range(7)]).band
    one = over_unknown([_draw(3.0, 0.2, rng)])
    assert one.draws == 1
    assert one.mean.se > 0.0
    with pytest.raises(StudyError, match="no search"):
        over_unknown([Found("form", np.nan, np.nan, 0.0, 1.0, 5, 5)])
    bounded = [Found("subset", 0.0, np.nan, 0.0, 1e-6, 1, 0), *[_draw(3.0, 0.2, rng) for _ in range(9)]]
    assert over_unknown(bounded).bounded == 1


def test_the_nested_answer_of_a_gaussian_margin() -> None:
    """Y = e + a: every draw of e has its plane; mean over 32 draws at five standard errors (1e-6)."""
    rng = np.random.default_rng(4)
    sd, limit = 0.5, -3.0
    known = sd * rng.standard_normal(32)
    found = [
        solve(
            subset(np.random.default_rng([4, k]), 1, samples=200), lambda points, e=e: e + points.normal[:, 0] - limit
        )
        for k, e in enumerate(known)
    ]
    band = over_unknown(found)
    assert abs(band.mean.value - np.mean(ndtr(limit - known))) < 5.0 * np.sqrt(
        np.mean([one.se**2 for one in found]) / 32
    )
    assert band.beta_sd == pytest.approx(float(np.std(known, ddof=1)), rel=0.25)


def test_the_p_box_holds_every_draw_and_sheds_inner_noise() -> None:
    """Normal draws of one law: the net envelope closes, the raw one does not; of shifted laws it has their range.

    The raw envelope of 40 medians of 50 spans about 4.3 sd of a median, 0.75; the net one less than a third of it.
    """
    rng = np.random.default_rng(5)
    pure = envelope(rng.standard_normal((40, 50)), "MPa")
    middle = pure.sel(level=0.5)
    assert float(middle["raw_most"] - middle["raw_least"]) > 0.5
    assert float(middle["most"] - middle["least"]) < float(middle["raw_most"] - middle["raw_least"]) / 2.0
    shifts = np.linspace(-2.0, 2.0, 21)
    box = envelope(shifts[:, None] + rng.standard_normal((21, 400)), "MPa", ("1.f",))
    assert float(box["least"].sel(level=0.5)) == pytest.approx(-2.0, abs=0.25)
    assert float(box["most"].sel(level=0.95)) == pytest.approx(2.0 + ndtri(0.95), abs=0.35)
    assert (np.diff(box["least"]) >= 0).all()
    assert (box["least"] <= box["most"]).all()
    assert box["least"].attrs["units"] == "MPa"
    holed = np.where(rng.random((10, 50)) < 0.1, np.nan, 1.0 + rng.random((10, 50)))
    assert envelope(holed).attrs["draws"] == "10 of 10"
    with pytest.raises(StudyError, match="band"):
        envelope(np.zeros((1, 50)))


def test_a_point_has_its_numbers() -> None:
    assert len(Points(np.zeros((2, 1)), np.zeros((2, 0), np.int64))) == 2
