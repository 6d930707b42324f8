"""Averages of correlated series, against autoregressive noise and random walks whose laws are known."""

from __future__ import annotations

import numpy as np
import pytest

from uqmsm.errors import StudyError
from uqmsm.physics.atomistic.averages import average, diffusion, equilibrated_from, inefficiency, jackknifed


def correlated(rng, m, memory):
    """Return an AR(1) series of unit variance: its inefficiency is (1 + memory) / (1 - memory)."""
    x, kicks = np.empty(m), rng.normal(size=m) * np.sqrt(1 - memory**2)
    x[0] = rng.normal()
    for i in range(1, m):
        x[i] = memory * x[i - 1] + kicks[i]
    return x


@pytest.mark.parametrize("memory", [0.0, 0.6, 0.9])
def test_the_inefficiency_of_autoregressive_noise(memory):
    # mean over 40 series of 4000; the estimator scatters by about 2 sqrt(window / m) of itself, taken as 3 %
    found = [inefficiency(correlated(np.random.default_rng((1, k)), 4000, memory)) for k in range(40)]
    assert np.mean(found) == pytest.approx((1 + memory) / (1 - memory), rel=0.12)


def test_a_constant_is_one_sample_each():
    assert inefficiency(np.full(50, 3.2)) == 1.0
    assert average(np.full(50, 3.2)).error < 1e-12


def test_errors_cover_as_often_as_they_say():
    # 300 series; a 95 % interval covers 0.95 +- 0.0126; the false alarm of 0.895 is below 1e-4
    hits, naive = 0, 0
    for k in range(300):
        x = correlated(np.random.default_rng((2, k)), 2000, 0.8)
        found = average(x, start=0)
        hits += abs(found.mean) < 1.96 * found.error
        naive += abs(found.mean) < 1.96 * x.std() / np.sqrt(len(x))
    assert 0.895 < hits / 300 < 0.985
    assert naive / 300 < 0.7  # negative control: as if samples were independent


def test_equilibration_is_found_where_it_is():
    starts = []
    for k in range(20):
        x = correlated(np.random.default_rng((3, k)), 3000, 0.5)
        x[:900] += 12.0 * np.exp(-np.arange(900) / 150.0)
        starts.append(equilibrated_from(x, trials=30))
    assert 250 < np.median(starts) < 1100
    assert np.median([equilibrated_from(correlated(np.random.default_rng((4, k)), 3000, 0.5)) for k in range(20)]) < 400


def test_the_jackknife_knows_the_error_of_a_variance():
    # Gaussian: sd of the variance is sqrt(2 / m); mean over 60 estimates from 20 blocks, good to 3 %
    told = [
        jackknifed(lambda x: x.var(), np.random.default_rng((5, k)).normal(size=2000), blocks=20) for k in range(60)
    ]
    assert np.mean([error for _, error in told]) == pytest.approx(np.sqrt(2 / 2000), rel=0.12)
    assert np.std([value for value, _ in told]) == pytest.approx(np.sqrt(2 / 2000), rel=0.4)


def test_diffusion_is_defined_for_walkers_and_not_for_a_crystal():
    rng = np.random.default_rng(6)
    walk = np.cumsum(rng.normal(scale=0.1, size=(800, 60, 3)), axis=0)
    found = diffusion(walk, 0.5)
    # 2 D t per axis: 0.01 per step of 0.5 ps, less 1/60 that the centre takes; 4.5 standard errors
    assert found.defined
    assert abs(found.coefficient - 0.01 / (2 * 0.5) * (59 / 60)) < 4.5 * found.error
    assert found.exponent == pytest.approx(1.0, abs=0.25)
    vibration = diffusion(rng.normal(scale=0.1, size=(800, 60, 3)), 0.5)
    assert not vibration.defined
    assert abs(vibration.exponent) < 0.05


def test_too_few_samples_are_refused():
    with pytest.raises(StudyError, match="too few"):
        average(np.arange(5.0))
