"""How big must an RVE be: against laws that are known, with their errors checked by repetition."""

from __future__ import annotations

import numpy as np
import pytest

from uqmsm.errors import StudyError
from uqmsm.questions.representative import representative, spread_by_size

VOLUMES = (8, 27, 64, 216)
BLOCKS = (200, 100, 60, 24)
BIAS = {"kubc": (0.10, 0.03, 0.02), "periodic": (-0.06,), "subc": (-0.12, 0.02, 0.1)}
POWER = {"kubc": (1 / 3, 2 / 3, 1.0), "periodic": (1.0,), "subc": (1 / 3, 2 / 3, 1.0)}


def bias_of(name, volume, power=POWER):
    return sum(term * volume**-p for term, p in zip(BIAS[name], power[name], strict=True))


def blocks(rng, exponent=1.0, power=None):
    """Draw blocks whose scatter is mostly shared by the conditions: limit 80, sd 6 at a volume of one."""
    power, samples = power or POWER, {name: [] for name in BIAS}
    for volume, count in zip(VOLUMES, BLOCKS, strict=True):
        sd = 6.0 * volume ** (-exponent / 2)
        shared = rng.normal(size=count)
        for name in BIAS:
            own = 0.9 * shared + np.sqrt(1 - 0.81) * rng.normal(size=count)
            samples[name].append(80.0 * (1 + bias_of(name, volume, power)) + sd * own)
    return samples


def test_laws_are_found_and_their_errors_are_right():
    # 60 repetitions: the mean of a standardised estimate is within 4/sqrt(60), its spread within 4/sqrt(120) of one;
    # over 7 estimates a false alarm in 1 of 1000 streams.
    found = [representative(VOLUMES, blocks(np.random.default_rng([1, k]))) for k in range(60)]
    scores = [
        [(one.limit - 80.0) / one.limit_se]
        + [(one.bias(name, 50) - bias_of(name, 50)) / one.bias_se(name, 50) for name in BIAS]
        + [(one.spreads[name].exponent - 1.0) / one.spreads[name].exponent_se for name in BIAS]
        for one in found
    ]
    scores = np.array(scores)
    assert np.abs(scores.mean(axis=0)).max() < 4 / np.sqrt(60)
    assert np.abs(scores.std(axis=0) - 1).max() < 4 / np.sqrt(120)
    assert np.median([one.misfit for one in found]) == pytest.approx(0.5, abs=0.2)


def test_laws_that_do_not_hold_are_noticed():
    # a bias of the wrong power, and scatter that does not fall as independent places would
    other = {"kubc": (0.1, 0.2, 0.15), "periodic": (0.3,), "subc": (0.1, 0.2, 0.15)}
    wrong = blocks(np.random.default_rng(2), power=other)
    assert representative(VOLUMES, wrong).misfit < 1e-4
    assert representative(VOLUMES, wrong, exponents=other).misfit > 1e-3
    slow = spread_by_size(VOLUMES, blocks(np.random.default_rng(3), exponent=2 / 3)["kubc"])
    assert slow.exponent + 3 * slow.exponent_se < 1.0
    assert slow.exponent == pytest.approx(2 / 3, abs=4 * slow.exponent_se)


def test_the_needed_volume_meets_the_error_and_its_interval_covers():
    covered = 0
    for name, error, count in (("periodic", 0.01, 1), ("kubc", 0.01, 4)):
        low, high = 1.0, 1e9
        for _ in range(200):  # by halving, from the laws themselves
            middle = np.sqrt(low * high)
            size = abs(bias_of(name, middle)) + 2 * 6.0 / 80 / np.sqrt(middle * count)
            low, high = (middle, high) if size > error else (low, middle)
        for k in range(40):
            fitted = representative(VOLUMES, blocks(np.random.default_rng([4, k])))
            needed = fitted.needed(name, error, count)
            assert abs(needed.bias) + 2 * needed.sd / np.sqrt(count) == pytest.approx(error, rel=1e-3)
            covered += needed.lo <= low <= needed.hi
    assert 80 - covered <= 20  # 8 are expected; more than 20 in fewer than 1 of 10000 streams


def test_more_blocks_do_not_remove_a_bias():
    fitted = representative(VOLUMES, blocks(np.random.default_rng(5)))
    assert fitted.blocks("kubc", 64, 0.01) is None
    count = fitted.blocks("periodic", 64, 0.005)
    sd = fitted.spreads["periodic"].sd(64) / fitted.limit
    left = [abs(fitted.bias("periodic", 64)) + 2 * sd / np.sqrt(n) for n in (count, count - 1)]
    assert left[0] <= 0.005 < left[1]
    assert fitted.needed("kubc", 0.01, 10_000).volume > 0.5 * (BIAS["kubc"][0] / 0.01) ** 3


def test_sharing_blocks_sharpens_the_difference():
    samples = blocks(np.random.default_rng(6))
    rng = np.random.default_rng(7)
    apart = {name: [rng.permutation(one) for one in of_one] for name, of_one in samples.items()}
    together, alone = representative(VOLUMES, samples), representative(VOLUMES, apart)
    gap = np.array([0, 1, 1, 1, 0, -1.0, -1.0, -1.0])
    assert gap @ together.covariance @ gap < 0.5 * gap @ alone.covariance @ gap


def test_integral_range_of_independent_cubes_is_their_volume():
    # Blocks of V cubes of volume 3, each with an independent value of variance 4: var = 4 * 3 / V. Ten standard errors
    # of 4000 blocks a size are far more than the 10 % allowed here.
    rng = np.random.default_rng(8)
    volumes = np.array([3.0, 12.0, 48.0])
    samples = [rng.normal(10.0, 2.0, size=(4000, int(v / 3))).mean(axis=1) for v in volumes]
    assert spread_by_size(volumes, samples).integral_range(4.0) == pytest.approx(3.0, rel=0.1)


def test_bad_input():
    rng = np.random.default_rng(9)
    with pytest.raises(StudyError, match="two different sizes"):
        spread_by_size([8], [rng.normal(size=9)])
    with pytest.raises(StudyError, match="at least 8"):
        spread_by_size([8, 27], [rng.normal(size=9), rng.normal(size=7)])
    with pytest.raises(StudyError, match="all alike"):
        spread_by_size([8, 27], [np.ones(9), np.ones(9)])
    samples = blocks(rng)
    with pytest.raises(StudyError, match="unknown powers"):
        representative(VOLUMES, {"mixed": samples["kubc"]})
    with pytest.raises(StudyError, match="differ between"):
        representative(VOLUMES, {"kubc": samples["kubc"], "subc": [one[:-1] for one in samples["subc"]]})
    fitted = representative(VOLUMES, samples)
    with pytest.raises(StudyError, match="between 0 and 1"):
        fitted.needed("kubc", 1.5)
    with pytest.raises(StudyError, match="no volume"):
        fitted.needed("kubc", 1e-9)
    with pytest.raises(StudyError, match="point variance"):
        fitted.spreads["kubc"].integral_range(0.0)
