"""Blocks of few clusters: the grid where every voxel is one, exact where grains are layers, else a little too stiff."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from uqmsm.errors import StudyError
from uqmsm.physics.rve.microstructure import polycrystal
from uqmsm.physics.rve.plastic import Accuracy, Slip, advance, block, crystals, macro_tangent, von_mises
from uqmsm.physics.rve.plastic.clusters import clusters, every_voxel, split_grains
from uqmsm.physics.rve.plastic.corrected import begun, corrected_step, lesson, misses, teach
from uqmsm.physics.rve.plastic.elastic import elastic_block
from uqmsm.physics.rve.plastic.reduced import reduced_step, unstrained
from uqmsm.physics.tensors import cubic_stiffness

PATH = np.array([1.0, -0.45, -0.45, 0.1, 0.0, 0.2])
INSIDE = Accuracy(residual=1e-11, hill_mandel=1e-9)


def grains(count, edge, seed=3, resistance=80.0):
    rng = np.random.default_rng(seed)
    made = polycrystal(rng, rng, count, (edge,) * 3)
    law = crystals(cubic_stiffness(196.0, 118.0, 129.0), made.orientations, Slip(resistance, 3 * resistance, 800.0))
    return block(made.grain_ids, law)


def led(ends=(6e-4, 1.5e-3, 4e-3), path=PATH):
    increments = np.diff(ends, prepend=0.0)[:, None] * path
    return increments, np.diff(ends, prepend=0.0) / 1e-3


def full(cell, increments, steps_s, accuracy=INSIDE):
    state, found = cell.virgin(), []
    for change, step_s in zip(increments, steps_s, strict=True):
        end = advance(cell, state, change, float(step_s), accuracy=accuracy)
        state = end.state
        found.append(end)
    return found


def test_a_cluster_a_voxel_is_the_grid():
    """Stress and tangent of the FFT solver to its tolerance, elastic and flowing, whatever the medium."""
    cell = grains(3, 3)
    few, increments, steps_s = every_voxel(cell), *led()
    state = unstrained(few)
    for theirs, change, step_s in zip(full(cell, increments, steps_s), increments, steps_s, strict=True):
        ours = reduced_step(few, state, change, float(step_s))
        state = ours.state
        np.testing.assert_allclose(ours.mean_stress, theirs.mean_stress, atol=1e-6)
        np.testing.assert_allclose(ours.tangent, macro_tangent(cell, theirs.tangent, tolerance=1e-9), atol=1e-2)
    assert state.mean_slip > 1e-3  # it has flowed


def test_layers_of_two_solids_need_two_clusters():
    """Strain is even in each layer, so that nothing is lost; with one cluster for both layers it would be."""
    ids = np.zeros((4, 3, 3), dtype=np.int32)
    ids[2:] = 1
    two = von_mises(np.array([160.0, 120.0]), np.array([80.0, 50.0]), np.array([250.0, 400.0]), hardening_MPa=2000.0)
    cell = block(ids, two)
    few, increments, steps_s = clusters(cell), *led((2e-3, 6e-3, 1.2e-2))
    state = unstrained(few)
    for theirs, change, step_s in zip(full(cell, increments, steps_s), increments, steps_s, strict=True):
        ours = reduced_step(few, state, change, float(step_s))
        state = ours.state
        np.testing.assert_allclose(ours.mean_stress, theirs.mean_stress, rtol=1e-7, atol=1e-6)
    even = von_mises(140.0, 65.0, 325.0, hardening_MPa=2000.0)
    alone = full(block(ids * 0, even), increments, steps_s)[-1]
    assert np.abs(alone.mean_stress - ours.mean_stress).max() > 1.0


def test_the_tangent_is_the_derivative_and_work_is_kept():
    """Central differences, clusters bare and corrected; Newton's last steps are quadratic."""
    cell = grains(6, 6)
    bare = begun(clusters(cell), elastic_block(cell.grain_ids, cell.law).stiffness_MPa, 5e-4)
    for one in (bare, replace(bare, excess=0.04)):
        state = unstrained(one.clusters)
        for change, step_s in zip(*led(), strict=True):
            end = corrected_step(one, state, change, float(step_s))
            ends = [
                corrected_step(one, state, change + h * unit, float(step_s))
                for unit in np.eye(6)
                for h in (1e-7, -1e-7)
            ]
            slope = np.stack(
                [(a.mean_stress - b.mean_stress) / 2e-7 for a, b in zip(ends[::2], ends[1::2], strict=True)], 1
            )
            np.testing.assert_allclose(end.tangent, slope, atol=2e-6 * np.abs(slope).max())
            assert end.hill_mandel_gap < 1e-9
            state = end.state
    seen = reduced_step(one.clusters, unstrained(one.clusters), 3e-3 * PATH, 3.0).residuals
    assert seen[-1] < 100 * seen[-2] ** 2 < 1e-4


def test_before_slip_the_full_stiffness_answers():
    """The corrected block continues the gate: both give the stiffness of the full block, which the bare one misses."""
    cell = grains(6, 6)
    known = elastic_block(cell.grain_ids, cell.law)
    one = begun(clusters(cell), known.stiffness_MPa, 5e-4)
    small = 1e-5 * PATH
    aim = known.stiffness_MPa @ small
    found = corrected_step(one, unstrained(one.clusters), small, 0.01).mean_stress
    np.testing.assert_allclose(found, aim, atol=2e-4 * np.abs(aim).max())
    assert np.abs(one.own_MPa @ small - aim).max() > 1e-3 * np.abs(aim).max()


def test_lessons_lower_the_error_of_blocks_not_taught():
    """Clusters are too stiff alike in all blocks; the excess of three lowers the error along the stress of a fourth."""
    told = []
    for seed in range(4):
        cell = grains(6, 6, seed)
        one = begun(clusters(cell), elastic_block(cell.grain_ids, cell.law).stiffness_MPa, 5e-4)
        increments, steps_s = led((6e-4, 1.5e-3, 3e-3, 6e-3))
        stress = np.array([end.mean_stress for end in full(cell, increments, steps_s, Accuracy(residual=1e-6))])
        told.append(lesson(one, increments, steps_s, stress))
    stated = teach(told[:3])
    assert 0.0 < stated.excess < 0.1
    before, after = misses(told[3], 0.0)[0][-1], misses(told[3], stated.excess)[0][-1]
    assert abs(after) < 0.5 * abs(before)
    with pytest.raises(StudyError, match="two or more"):
        teach(told[:1])


def test_the_gate_counts_slip():
    """What it leaves out is less than it says, and more once the strain is larger: by the exponent of the law."""
    cell = grains(6, 6)
    known = elastic_block(cell.grain_ids, cell.law)
    strain = np.array([[3e-4], [4e-4], [8e-4]]) * PATH
    slip = known.first_slip(strain, 0.5, cell.law)
    real = [float(full(cell, one[None], [0.5])[0].state.memory[..., -1].mean()) for one in strain[:2]]
    assert np.all(np.array(real) <= slip[:2] * (1 + 1e-3))
    np.testing.assert_allclose(real[0], slip[0], rtol=0.05)  # to first order it is the slip
    np.testing.assert_allclose(slip[1] / slip[0], (4 / 3) ** 20, rtol=1e-6)
    size = np.sqrt((strain**2).sum(axis=1))
    assert known.holds(strain, 0.5, cell.law, 1e-3).tolist() == (slip <= 1e-3 * size).tolist()


def test_grains_are_cut_in_about_equal_parts():
    """Every voxel keeps its grain; parts differ by one voxel at most in a grain that is cut in two."""
    ids = grains(5, 6).grain_ids
    labels, owner = split_grains(ids, 2)
    assert np.array_equal(owner[labels], ids)
    counts = np.bincount(labels.ravel())
    for grain in np.unique(ids):
        assert np.ptp(counts[owner == grain]) <= 1
    with pytest.raises(StudyError, match="1 or more"):
        split_grains(ids, 0)
