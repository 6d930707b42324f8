"""Laws: each draw follows the law it is named for, from its own stream alone."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from uqmsm.errors import StudyError
from uqmsm.streams import Streams
from uqmsm.uncertainty import Dirichlet, LogNormal, Normal, TruncatedNormal, Uniform

LAWS = [
    (Normal(2.0, 0.5), stats.norm(2.0, 0.5)),
    (TruncatedNormal(1.0, 0.5, 0.0, 2.0), stats.truncnorm(-2, 2, 1.0, 0.5)),
    (LogNormal(3.0, 0.2), stats.lognorm(0.2, scale=3.0)),
    (Uniform(-1.0, 4.0), stats.uniform(-1, 5)),
]


@pytest.mark.parametrize(("law", "truth"), LAWS, ids=lambda x: type(x).__name__)
def test_draws_follow_the_law(law, truth):
    """Kolmogorov-Smirnov at fixed streams, false-alarm rate 1e-6; the law shifted by half its sd must fail."""
    draws = [law.draw(Streams(7).generator("t.x", i)) for i in range(1500)]
    assert stats.kstest(draws, truth.cdf).pvalue > 1e-6
    assert stats.kstest(np.asarray(draws) + 0.5 * truth.std(), truth.cdf).pvalue < 1e-6


def test_normal_log_density_is_scipys():
    x = np.linspace(-3, 5, 9)
    assert Normal(2.0, 0.5).log_density(x) == pytest.approx(stats.norm(2.0, 0.5).logpdf(x), rel=1e-13)


def test_compositions_stay_on_the_simplex_with_the_scatter_asked_for():
    """Marginals are beta laws (KS, false-alarm rate 1e-6 each); mean and sd as declared."""
    law = Dirichlet((0.25,) * 4, 0.005)
    draws = np.array([law.draw(Streams(9).generator("alloy.composition", i)) for i in range(800)])
    assert np.abs(draws.sum(axis=1) - 1).max() < 1e-14
    a = law.concentration
    for column in draws.T:
        assert stats.kstest(column, stats.beta(0.25 * a, 0.75 * a).cdf).pvalue > 1e-6
        assert stats.kstest(column, stats.beta(0.1 * a, 0.3 * a).cdf).pvalue < 1e-6  # a wrong law fails
    assert stats.beta(0.25 * a, 0.75 * a).std() == pytest.approx(0.005, rel=1e-12)


@pytest.mark.parametrize(
    "wrong",
    [lambda: Normal(0, 0), lambda: Uniform(2, 1), lambda: Dirichlet((0.5, 0.6), 0.01), lambda: LogNormal(-1, 1)],
)
def test_laws_that_are_none_are_refused(wrong):
    with pytest.raises(StudyError, match=r"must be positive|sum to 1"):
        wrong()


def test_the_global_random_state_is_left_alone():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    for law, _ in LAWS:
        law.draw(Streams(1).generator("a.b", 0))
    assert (before == np.random.get_state()[1]).all()  # noqa: NPY002
