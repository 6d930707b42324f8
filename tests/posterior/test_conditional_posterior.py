"""The posterior given each functional is the right one, whether it was reweighted or sampled anew.

The family is linear and Gaussian, so every conditional posterior is known in closed form. Random tests use fixed
streams; z-scores above 4.5 have a false-alarm rate of 7e-6 each.
"""

from dataclasses import dataclass

import numpy as np
import pytest

from uqmsm.posterior import Sampling, Whitening, sample
from uqmsm.posterior.conditional import conditionals
from uqmsm.posterior.judging import smoothed_weights

D = 3
DESIGN = np.array([[1.0, 0.4, 0.0], [0.0, 1.0, -0.3], [0.2, 0.0, 1.0], [0.5, -0.5, 0.5]])
NOISE = 0.3
QUICK = Sampling(walkers_per_parameter=6, block=1000, thin=10, most_blocks=4, draws=400)


@dataclass(frozen=True)
class Linear:
    """Prior N(0, 1), data ``y ~ N(DESIGN theta, NOISE^2 + extra^2)``."""

    y: tuple
    extra: float = 0.0
    names = ("a", "b", "c")
    properties = ("sum",)
    reasons = ("fine",)

    def log_density(self, points):
        miss = np.array(self.y) - np.einsum("...j,ij->...i", points, DESIGN)
        values = -0.5 * (points**2).sum(axis=1) - 0.5 * (miss**2).sum(axis=1) / (NOISE**2 + self.extra**2)
        return values, np.zeros(len(points), dtype=np.int8)

    def derived(self, points):
        return points.sum(axis=1, keepdims=True)

    def exact(self):
        precision = np.eye(D) + DESIGN.T @ DESIGN / (NOISE**2 + self.extra**2)
        cov = np.linalg.inv(precision)
        return cov @ DESIGN.T @ np.array(self.y) / (NOISE**2 + self.extra**2), cov


@dataclass(frozen=True)
class Family:
    """Data that depend on who was asked."""

    ys: tuple
    reference: Linear

    def __len__(self):
        """Return the number of answers."""
        return len(self.ys)

    def given(self, number):
        return Linear(self.ys[number])

    def log_ratios(self, points):
        base = self.reference.log_density(points)[0]
        return np.array([self.given(k).log_density(points)[0] - base for k in range(len(self))])


def _solved(spread, seed=5):
    rng = np.random.default_rng(seed)
    centre = np.array([0.5, -0.3, 0.8, 0.1])
    ys = tuple(tuple(centre + spread * rng.standard_normal(4)) for _ in range(4))
    reference = Linear(tuple(np.mean(ys, axis=0)), extra=min(spread, 0.2))
    mean, cov = reference.exact()
    chain = sample(reference, Whitening(mean, np.linalg.cholesky(cov)), QUICK, rng.spawn(4))
    return Family(ys, reference), conditionals(Family(ys, reference), chain, QUICK, rng.spawn(len(ys)), draws=2000)


@pytest.mark.parametrize(("spread", "reweighted"), [(0.1, 4), (3.0, 0)])
def test_every_conditional_posterior_has_the_exact_mean_and_covariance(spread, reweighted):
    family, found = _solved(spread)
    assert found.reweighted == reweighted
    assert not found.shortfalls
    for number, one in enumerate(found.each):
        mean, cov = family.given(number).exact()
        error = np.sqrt(np.diag(cov) / one.ess)
        assert np.all(np.abs(one.points.mean(axis=0) - mean) < 4.5 * error)
        ratio = one.points.var(axis=0) / np.diag(cov)
        assert np.all(np.abs(ratio - 1) < 4.5 * np.sqrt(2 / one.ess))


def test_negative_control_the_reference_itself_is_no_conditional():
    family, found = _solved(0.3)
    mean, cov = family.reference.exact()
    far = [np.abs(one.points.mean(axis=0) - mean) / np.sqrt(np.diag(cov) / one.ess) for one in found.each]
    assert np.max(far) > 4.5


def test_answers_that_all_say_the_same_give_the_same_law_and_nothing_between_them():
    reference = Linear((0.5, -0.3, 0.8, 0.1))
    mean, cov = reference.exact()
    rng = np.random.default_rng(8)
    chain = sample(reference, Whitening(mean, np.linalg.cholesky(cov)), QUICK, rng.spawn(4))
    family = Family((reference.y,) * 3, reference)
    one = conditionals(family, chain, QUICK, [np.random.default_rng(1) for _ in range(3)], draws=500)
    assert np.ptp(one.points, axis=0).max() == 0.0  # the same uniform, the same weights: the same draws
    assert one.reweighted == 3


def test_k_hat_tells_a_light_tail_from_a_heavy_one():
    """The ratio of N(0, 1) to N(0, s^2) has a tail of shape ``1 - s^2`` (Pareto exponent) where s < 1."""
    x = np.random.default_rng(3).standard_normal(20_000)
    _, light = smoothed_weights(-0.5 * x**2 * (1 - 1 / 1.5**2))  # proposal wider than the target: bounded ratios
    _, heavy = smoothed_weights(-0.5 * (0.5 * x) ** 2 * (1 - 1 / 0.5**2))  # half as wide: k = 0.75
    assert light < 0.3
    assert heavy > 0.6


def test_weights_where_the_target_is_zero_are_zero():
    weights, _ = smoothed_weights(np.array([0.0, -np.inf, 0.1, 0.2, 0.0, -0.3, 0.05]))
    assert weights[1] == 0.0
    assert weights.sum() == pytest.approx(1.0)
    weights, k_hat = smoothed_weights(np.full(6, -np.inf))
    assert not weights.any()
    assert k_hat == np.inf
