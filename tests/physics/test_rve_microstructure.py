"""Grains and orientations: the tessellation by brute force, the law of the orientations by its exact marginals."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from uqmsm.errors import StudyError
from uqmsm.physics.rve import polycrystal, random_orientations, volume_fractions, voronoi


def test_every_voxel_belongs_to_the_nearest_periodic_seed():
    shape, grains = (7, 5, 6), 12
    ids = voronoi(np.random.default_rng(1), grains, shape)
    box = np.array(shape) / max(shape)
    seeds = np.random.default_rng(1).random((grains, 3)) * box
    for voxel in np.ndindex(shape):
        apart = (np.array(voxel) + 0.5) / max(shape) - seeds
        apart -= box * np.round(apart / box)
        assert ids[voxel] == np.argmin(np.sum(apart**2, axis=1))


def test_a_finer_grid_sees_the_same_grains():
    coarse = voronoi(np.random.default_rng(2), 30, (6, 6, 6))
    fine = voronoi(np.random.default_rng(2), 30, (18, 18, 18))
    assert np.array_equal(fine[1::3, 1::3, 1::3], coarse)


def test_the_number_of_draws_depends_on_the_number_of_grains_alone():
    for draw in (lambda rng: voronoi(rng, 9, (4, 4, 4)), lambda rng: random_orientations(rng, 9)):
        used, plain = np.random.default_rng(3), np.random.default_rng(3)
        draw(used)
        plain.random(27)
        assert used.random() == plain.random()
    few, many = (random_orientations(np.random.default_rng(4), n) for n in (5, 50))
    assert np.array_equal(few, many[:5])


def test_fractions_count_voxels_and_know_lost_grains():
    made = polycrystal(np.random.default_rng(5), np.random.default_rng(6), 40, (3, 3, 3))
    assert made.fractions.shape == (40,)
    assert made.fractions.sum() == pytest.approx(1.0, abs=1e-15)
    assert np.count_nonzero(made.fractions) <= 27
    assert made.grain_ids.dtype == np.int32
    assert volume_fractions(made.grain_ids, 41)[40] == 0.0


def test_rotations_are_proper():
    turns = random_orientations(np.random.default_rng(7), 200)
    assert turns @ np.swapaxes(turns, 1, 2) == pytest.approx(np.broadcast_to(np.eye(3), (200, 3, 3)), abs=1e-14)
    assert np.linalg.det(turns) == pytest.approx(np.ones(200), abs=1e-13)


def smallest_p_value(turns: np.ndarray) -> float:
    """Kolmogorov-Smirnov against exact marginals of the uniform law: rotation angle, and all nine entries."""
    angle = np.arccos(np.clip((np.trace(turns, axis1=1, axis2=2) - 1) / 2, -1, 1))
    values = [stats.kstest(angle, lambda t: (t - np.sin(t)) / np.pi).pvalue]
    # A column of a uniform rotation is uniform on the sphere, and each of its components uniform on [-1, 1].
    values += [stats.kstest(turns[:, i, j], stats.uniform(-1, 2).cdf).pvalue for i in range(3) for j in range(3)]
    return min(values)


def test_orientations_are_uniform():
    # Ten marginals at 1e-7 each: a false alarm in at most 1e-6 of all streams.
    assert smallest_p_value(random_orientations(np.random.default_rng(8), 20_000)) > 1e-7


def test_three_uniform_euler_angles_are_not_uniform():
    phi, tilt, psi = np.random.default_rng(9).random((3, 20_000)) * np.array([[2 * np.pi], [np.pi], [2 * np.pi]])

    def about_z(a):
        zero, one = np.zeros_like(a), np.ones_like(a)
        rows = [[np.cos(a), -np.sin(a), zero], [np.sin(a), np.cos(a), zero], [zero, zero, one]]
        return np.moveaxis(np.array(rows), 2, 0)

    about_x = about_z(tilt)[:, [2, 0, 1]][:, :, [2, 0, 1]]
    assert smallest_p_value(about_z(phi) @ about_x @ about_z(psi)) < 1e-7


def test_bad_input():
    with pytest.raises(StudyError, match="0 grains"):
        voronoi(np.random.default_rng(0), 0, (4, 4, 4))
    with pytest.raises(StudyError, match="at least 1"):
        random_orientations(np.random.default_rng(0), 0)
