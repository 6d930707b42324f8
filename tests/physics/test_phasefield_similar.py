"""Textures, descriptions and the self-similar state: closed forms, second implementations, laws of symmetry."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from scipy import stats

from uqmsm.errors import MemberFailed, StudyError
from uqmsm.physics.phasefield import same_grain_probability, voronoi_ids
from uqmsm.physics.phasefield.description import LAGS, describe, sampled
from uqmsm.physics.phasefield.growth import StepControl
from uqmsm.physics.phasefield.self_similar import (
    GRID,
    Coarsening,
    coarsen,
    compact,
    excesses,
    faster,
    growth_constants,
    memory,
    turned,
)
from uqmsm.physics.phasefield.texture import AXES, component_texture, fibre_texture, random_texture


def test_random_rotations_are_uniform():
    """Cosines between fixed directions are uniform; false-alarm rate 1e-4. Those of a spread cube are not."""
    turns = random_texture(np.random.default_rng(3), 4000)
    assert np.allclose(turns @ np.swapaxes(turns, 1, 2), np.eye(3))
    assert np.allclose(np.linalg.det(turns), 1.0)
    cosines = turns[:, 0] @ np.array([0.6, 0.0, 0.8])
    assert stats.kstest(cosines, stats.uniform(-1, 2).cdf).pvalue > 1e-4
    spread = component_texture(np.random.default_rng(3), 4000, 0.3)[:, 0] @ np.array([0.6, 0.0, 0.8])
    assert stats.kstest(spread, stats.uniform(-1, 2).cdf).pvalue < 1e-9


@pytest.mark.parametrize("name", AXES)
def test_a_sharp_fibre_lays_its_direction_along_the_sample_and_turns_about_it_uniformly(name):
    crystal = np.array(AXES[name]) / np.linalg.norm(AXES[name])
    turns = fibre_texture(np.random.default_rng(4), 2000, AXES[name], (2.0, 0.0, 0.0), 0.0)
    assert np.allclose(turns @ crystal, [1.0, 0.0, 0.0])
    across = np.linalg.svd(crystal[None])[2][1]
    angle = np.arctan2((turns @ across)[:, 2], (turns @ across)[:, 1])
    assert stats.kstest(angle, stats.uniform(-np.pi, 2 * np.pi).cdf).pvalue > 1e-4  # the false-alarm rate


def test_a_spread_component_turns_by_maxwells_law():
    """The angle of a normal rotation vector, far below pi; false-alarm rate 1e-4."""
    turns = component_texture(np.random.default_rng(5), 3000, 0.1)
    angle = np.arccos(np.clip((np.trace(turns, axis1=1, axis2=2) - 1) / 2, -1, 1))
    assert stats.kstest(angle, stats.maxwell(scale=0.1).cdf).pvalue > 1e-4


def test_textures_that_cannot_be_are_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(StudyError, match="at least 1"):
        random_texture(rng, 0)
    with pytest.raises(StudyError, match="negative"):
        component_texture(rng, 3, -0.1)


def test_a_block_of_cubes_is_described_exactly():
    """Eight cubes of edge 4 in a block of edge 8: six faces but three neighbours (each twice), chords of 4."""
    i = np.arange(8) // 4
    ids = (4 * i[:, None, None] + 2 * i[:, None] + i).astype(np.int32)
    found = describe(ids, 2.0)
    assert np.allclose(found.diameters, (6.0 / np.pi) ** (1 / 3))
    assert found.faces.tolist() == [3.0] * 8
    assert found.mean_chord == pytest.approx(1.0)
    lags = LAGS * found.mean_diameter / 0.25
    exact = np.interp(np.minimum(lags, 4), [0, 4], [1, 0])
    assert found.same_grain[lags <= 4] == pytest.approx(exact[lags <= 4], abs=1e-12)
    with pytest.raises(StudyError, match="without a voxel"):
        describe(np.where(ids == 3, 0, ids))
    with pytest.raises(StudyError, match="equal"):
        describe(ids[:4])


def test_the_probability_along_the_axes_is_the_one_of_the_whole_correlation():
    ids = compact(voronoi_ids(np.random.default_rng(6), 12, (16, 16, 16)))
    found = describe(ids, 16.0)
    whole = same_grain_probability(ids, 7)
    axes = np.mean([whole[7:, 7, 7], whole[7, 7:, 7], whole[7, 7, 7:]], axis=0)
    near = LAGS * found.mean_diameter <= 7
    assert near.sum() > 4
    assert found.same_grain[near] == pytest.approx(np.interp(LAGS[near] * found.mean_diameter, np.arange(8), axes))


@settings(max_examples=30, deadline=None)
@given(some.integers(0, 2**32 - 1))
def test_a_view_of_a_state_keeps_all_that_is_invariant(seed):
    rng = np.random.default_rng(seed)
    ids = compact(voronoi_ids(rng, 9, (8, 8, 8)))
    view = turned(rng, ids)
    one, other = describe(ids), describe(view)
    assert np.array_equal(np.sort(one.diameters), np.sort(other.diameters))
    assert np.array_equal(np.sort(one.faces), np.sort(other.faces))
    assert other.same_grain == pytest.approx(one.same_grain)


def test_views_are_many():
    """48 views times 512 origins of one state: of 40 drawn, two are equal with probability 0.03 (seed fixed)."""
    rng = np.random.default_rng(7)
    ids = compact(voronoi_ids(rng, 9, (8, 8, 8)))
    assert len({turned(rng, ids).tobytes() for _ in range(40)}) >= 39


def test_sampling_on_the_same_grid_changes_nothing_and_on_a_coarser_one_keeps_shares():
    ids = compact(voronoi_ids(np.random.default_rng(8), 5, (24, 24, 24)))
    assert np.array_equal(sampled(ids, 24), ids)
    coarse = sampled(ids, 12)
    shares = [np.bincount(one.ravel(), minlength=5) / one.size for one in (ids, coarse)]
    assert shares[1] == pytest.approx(shares[0], abs=0.02)
    assert sampled(ids[:, :, 0], 6).shape == (6, 6)
    with pytest.raises(StudyError, match="at least 1"):
        sampled(ids, 0)


def test_the_growth_constant_of_a_made_history_comes_back():
    """R integrated with rates high by 0.9 w/R from a known K, grains counted from it: K and the 0.9 come back."""
    width, constant, ratio, extra = 5.0, 0.8, 0.88, 0.9
    times = np.linspace(20.0, 60.0, 9)
    radius, here, track = 9.0, 20.0, []
    for until in times:
        steps = 2000
        for _ in range(steps):
            rate = constant * width**2 / 8 * faster(radius / width, extra)
            radius = np.sqrt(radius**2 + rate * (until - here) / steps)
        here = until
        track.append(radius)
    track, voxels = np.array(track), 3000**3
    alive = voxels / (4 / 3 * np.pi * (track / ratio) ** 3)
    ids = np.lib.stride_tricks.as_strided(np.zeros(1, np.int32), (3, 3000, 3000, 3000), (0, 0, 0, 0))
    # sums over grains: high by 0.7 with volumes as weights, by 1.1 with rates
    thin = 1.0 - GRID / track
    rates = np.column_stack([faster(track / width, 0.7), thin, 2.0 * faster(track / width, 1.1), 2.0 * thin])
    run = Coarsening(times, track, alive, width, ids, rates)
    assert excesses([run, run]) == pytest.approx([0.7, 1.1])
    assert growth_constants([run, run]) == pytest.approx([constant] * 2, rel=2e-3)
    assert growth_constants([run], 0.0)[0] > 1.15 * constant  # thick boundaries are noticed
    assert memory([run, run]) == pytest.approx(1.0, rel=2e-3)
    drifting = replace(run, mean_radius_voxels=track * np.linspace(0.95, 1.05, 9))
    assert memory([drifting, drifting]) > 1.05  # sizes that are not yet self-similar are noticed


def test_a_short_run_loses_grains_and_keeps_states():
    run = coarsen(
        np.random.default_rng(9), (64, 64), times=np.array([2.0, 4.0, 6.0]), control=StepControl(tolerance=0.05)
    )
    assert run.alive[0] >= run.alive[-1] >= 4
    assert run.grain_ids.shape == (3, 64, 64)
    assert run.grain_ids.max(axis=(1, 2)).tolist() == [len(np.unique(one)) - 1 for one in run.grain_ids]
    again = coarsen(
        np.random.default_rng(9), (64, 64), times=np.array([2.0, 4.0, 6.0]), control=StepControl(tolerance=0.05)
    )
    assert np.array_equal(run.grain_ids, again.grain_ids)
    assert np.array_equal(run.rates, again.rates)
    assert (run.rates[:, [0, 1, 3]] > 0.0).all()  # larger grains grow
    with pytest.raises(MemberFailed, match="more voxels"):
        coarsen(np.random.default_rng(9), (24, 24), times=np.array([60.0]))
