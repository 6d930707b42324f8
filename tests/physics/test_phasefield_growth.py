"""Normal grain growth of thousands of grains: exponent, self-similar sizes, faces; minutes, so marked slow."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from uqmsm.physics.phasefield import (
    GrainField,
    GrainGrowth,
    laguerre,
    lognormal_volumes,
    neighbour_counts,
    radii,
    volumes,
)
from uqmsm.physics.phasefield.curvature import thin_rates

WIDTH = 5.0


def grown(shape, grains, seed, times):
    """Yield the field, radii of the living and their neighbour counts."""
    rng = np.random.default_rng(seed)
    made = laguerre(rng, lognormal_volumes(rng, grains, 0.35, len(shape)), shape, rounds=12)
    growth = GrainGrowth(GrainField.from_ids(made.grain_ids), WIDTH)
    growth.diffuse()
    for now in growth.visit(times):
        size = volumes(now.grains, grains)
        alive = size > 1.0
        _, counts = neighbour_counts(now.grains.grain_ids(), grains)
        yield now, radii(size[alive], len(shape)), counts[counts > 0]


def rates(growth, grains):
    """Return how fast volumes grow over eight steps, and how fast they would if boundaries were thin."""
    begin, before = growth.time, volumes(growth.grains, grains)
    thin = thin_rates(growth.grains.grain_ids(), grains) * growth.gradient
    for _ in range(8):
        growth.advance()
    return (volumes(growth.grains, grains) - before) / (growth.time - begin), thin


@pytest.mark.slow
def test_mean_area_grows_at_a_constant_rate_and_sizes_are_self_similar():
    """Where the mean radius is two widths or more and 1000 grains are alive.

    The rate of the mean area in the second half of the run over that in the first. Boundaries are not thin: by the
    measured slope of von Neumann's law rates are high by 0.7 (width / radius)^2, which is divided out. R^3 ~ t would
    give 0.84. The exponent itself takes a quarter of an hour: benchmarks/grain_growth_law.py.
    """
    times, area, spread, sizes = [], [], [], []
    for now, size, counts in grown((1000, 1000), 6000, 1, np.linspace(36.0, 102.0, 7)):
        assert len(size) >= 1000
        assert size.mean() >= 2 * WIDTH
        assert counts.mean() == pytest.approx(6.0, abs=0.03)
        times.append(now.time)
        area.append(1000**2 / np.pi / len(size))
        spread.append(size.std() / size.mean())
        sizes.append(size / size.mean())
    rates = np.diff(np.array(area)[::3]) / np.diff(times[::3])
    thick = 1 + 0.7 * WIDTH**2 / np.array([np.mean(area[:4]), np.mean(area[3:])])
    assert (rates[1] / thick[1]) / (rates[0] / thick[0]) == pytest.approx(1.0, abs=0.1)
    assert max(spread) - min(spread) < 0.03
    # dependent samples, so a distance and no p-value
    assert stats.ks_2samp(sizes[0], sizes[-1]).statistic < 0.05
    assert stats.ks_2samp(sizes[0], np.random.default_rng(0).lognormal(-0.1, 0.45, 5000)).statistic > 0.05


@pytest.mark.slow
def test_faces_in_space_and_the_rate_of_each_grain():
    """13.7 in the steady state of three-dimensional growth (C. E. Krill, L.-Q. Chen, Acta Mater. 50, 2002, 3057).

    Some 200 grains with a standard deviation of five faces: a standard error of 0.4. Poisson-Voronoi cells have 15.5.
    Grain by grain volumes grow as the law of MacPherson and Srolovitz says of their shape, faster by the fifth that
    boundaries add which are half as wide as the mean radius (docs/phasefield.md).
    """
    for growth, size, counts in grown((112, 112, 112), 240, 2, [14.0]):
        assert len(size) > 150
        assert size.mean() >= 2 * WIDTH
        assert counts.mean() == pytest.approx(13.7, abs=0.8)
        speed, thin = rates(growth, 240)
        assert np.corrcoef(speed, thin)[0, 1] > 0.97
        assert speed @ thin / (thin @ thin) == pytest.approx(1.23, abs=0.08)
