"""Simulated truths rank uniformly when prior, likelihood and sampler belong together, and do not when they do not.

Random tests use fixed streams; `faulty(false_alarm=1e-3)` would be wrong once in a thousand fresh streams.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from scipy.stats import chi2
from simulated_element import CHAIN, ELEMENT, NAMES, narrower

from uqmsm.errors import NotConverged, StudyError
from uqmsm.posterior import Whitening
from uqmsm.posterior.calibration import calibrate, short_chain, uniformity
from uqmsm.posterior.importance import weigh
from uqmsm.scales.potential.diagnostics import laplace_of, simulated


def streams(seed, count):
    return [np.random.default_rng([seed, k]) for k in range(count)]


def normal(width=1.0, shift=0.0):
    """Truth N(0, 1), datum with noise 1: the posterior is N(y / 2, 1 / 2), here `width` too wide, `shift` off."""

    def of(rng):
        truth = rng.standard_normal(3)
        y = truth + rng.standard_normal(3)
        return truth, 0.5 * y + shift + width * np.sqrt(0.5) * rng.standard_normal((99, 3))

    return of


def test_exact_posteriors_rank_uniformly():
    found = calibrate(normal(), streams(1, 400), ("a", "b", "c"))
    assert not found.faulty()
    assert found.histogram().sum(axis=1).tolist() == [400] * 3
    assert np.all(np.abs(found.coverage - 0.9) < 4 * np.sqrt(0.09 / 400) + 0.01)  # 99 draws: quantiles a little narrow


@pytest.mark.parametrize("wrong", [normal(width=0.75), normal(width=1.35), normal(shift=0.35)])
def test_negative_controls_narrow_wide_and_shifted_posteriors_are_caught(wrong):
    assert calibrate(wrong, streams(1, 400), ("a", "b", "c")).faulty() == ("a", "b", "c")


def test_the_false_alarm_rate_is_as_stated():
    """2000 right histograms: the number below p = 0.05 is binomial, within 4 sd (6e-5)."""
    rng = np.random.default_rng(3)
    p = np.array([uniformity(rng.integers(0, 20, 300), 19) for _ in range(2000)])
    assert abs((p < 0.05).sum() - 100) < 4 * np.sqrt(2000 * 0.05 * 0.95)


def test_the_test_statistic_is_pearsons():
    ranks = np.repeat(np.arange(10), [40, 30, 30, 30, 30, 30, 30, 30, 30, 20])
    assert uniformity(ranks, 9) == pytest.approx(chi2.sf(200 / 30, 9), rel=1e-12)


def test_bad_questions():
    with pytest.raises(StudyError, match="keep 19 draws"):
        uniformity(np.zeros(100, dtype=int), 17)
    with pytest.raises(StudyError, match="repeat more often"):
        uniformity(np.zeros(20, dtype=int), 19)
    with pytest.raises(StudyError, match="sample longer"):
        calibrate(lambda _: (np.zeros(1), np.zeros((5, 1))), streams(1, 1), ("a",))


@dataclass(frozen=True)
class Quadratic:
    """N(0, diag(1, 4)), cut off below x = `edge`: moments are known."""

    edge: float = -np.inf
    names = ("x", "y")
    properties = ()
    reasons = ("fine", "out")

    def log_density(self, points):
        out = (points[:, 0] < self.edge).astype(np.int8)
        return np.where(out, -np.inf, -0.5 * (points[:, 0] ** 2 + points[:, 1] ** 2 / 4)), out

    def derived(self, points):
        return points[:, :0]


def test_weighted_draws_have_the_moments_of_the_law_and_say_when_they_cannot():
    """Mean, variance and a half-normal mean within 4.5 standard errors (three of them: 2e-5)."""
    rng = np.random.default_rng(4)
    rough = Whitening(np.array([0.5, -1.0]), np.diag([1.5, 1.5]))
    found = weigh(Quadratic(), rough, 4000, rng)
    assert found.trusted
    assert found.evaluations == 8000
    assert found.ess > 2000
    error = np.sqrt(1 / found.ess)
    assert np.all(np.abs(found.weights @ found.points) < 4.5 * error * np.array([1, 2]))
    assert abs(found.weights @ found.points[:, 1] ** 2 - 4) < 4.5 * error * 4 * np.sqrt(2)
    half = weigh(Quadratic(edge=0.0), rough, 4000, rng)
    assert abs(half.weights @ half.points[:, 0] - np.sqrt(2 / np.pi)) < 4.5 * np.sqrt(0.3634 / half.ess)
    assert half.draws(500, rng)[:, 0].min() >= 0.0
    poor = weigh(Quadratic(), Whitening(np.array([9.0, 0.0]), np.diag([0.05, 0.05])), 1000, rng, rounds=1)
    assert not poor.trusted
    with pytest.raises(NotConverged, match="run a chain"):
        poor.draws(10, rng)


@pytest.mark.slow
def test_a_short_chain_of_an_element_and_its_weighted_draws_agree():
    """Means of eight parameters, in posterior sd: one ensemble has some 100 effective draws, so 0.45 is 4.5 errors."""
    for rng in streams(12, 4):
        truth, density = simulated(ELEMENT, rng)
        whitening = laplace_of(density, truth)
        found = weigh(density, whitening, 4000, rng)
        chain = short_chain(density, whitening, CHAIN, rng)
        if not found.trusted:
            continue
        mean = found.weights @ found.points
        assert np.all(np.abs(chain.mean(axis=0) - mean) < 0.45 * chain.std(axis=0))


@pytest.mark.slow
def test_ranks_by_our_moves_are_uniform_and_bent_when_data_are_believed_too_much():
    """The sampler alone, without weights, from starts scattered about the mode; then its negative control."""

    def sampled(rng, believed=1.0):
        truth, density = simulated(ELEMENT, rng)
        density = narrower(density, believed)
        return truth, short_chain(density, laplace_of(density, truth), CHAIN, rng)

    right = calibrate(sampled, streams(21, 60), NAMES)
    print("p-values", right.p_values().round(3), "coverage", right.coverage.round(3))
    assert not right.faulty()
    wrong = calibrate(lambda rng: sampled(rng, 0.4), streams(21, 50), NAMES)
    print("believed too much: p-values", wrong.p_values().round(6), "coverage", wrong.coverage.round(3))
    assert "W.ln_re" in wrong.faulty()
