"""Pareto-smoothed weights: ArviZ's numbers without its import, and shapes of tails that are known."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import numpy as np
import pytest

from uqmsm.posterior.pareto import smoothed_weights


def of_arviz(ratios):
    import arviz

    if hasattr(arviz, "psislw"):
        logs, k_hat = arviz.psislw(ratios.copy())
    else:  # moved, with another sign, at version 1
        logs, k_hat = import_module("arviz_stats.base").array_stats.psislw(-ratios)
    return np.exp(np.asarray(logs)), float(k_hat)


@pytest.mark.parametrize("draws", [5, 10, 26, 101, 1000])
@pytest.mark.parametrize("spread", [0.1, 1.0, 3.0, 40.0])
def test_weights_and_shape_are_those_of_arviz(draws, spread):
    ratios = spread * np.random.default_rng([draws, int(10 * spread)]).standard_normal(draws)
    weights, k_hat = smoothed_weights(ratios)
    other, shape = of_arviz(ratios)
    assert weights == pytest.approx(other, rel=1e-9, abs=1e-15)
    assert k_hat == pytest.approx(shape, rel=1e-9)


def test_weighing_does_not_import_arviz():
    """Its import takes seconds, which a study with shipped draws does not have to pay."""
    look = (
        "import sys, numpy as np\n"
        "from uqmsm.posterior.holdout import hold_out\n"
        "rng = np.random.default_rng(1)\n"
        "hold_out(rng.standard_normal((200, 2)), np.ones((200, 2)), ['a', 'b'])\n"
        "sys.exit('arviz' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", look], check=False, timeout=120).returncode == 0


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
