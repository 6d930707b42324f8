"""Composite voxels: the laminate rule against the exact stack, and what a coarse grid gains by it."""

from __future__ import annotations

import numpy as np
import pytest

from uqmsm.errors import StudyError
from uqmsm.physics.rve import homogenize, polycrystal, random_orientations
from uqmsm.physics.rve.composite import composite_voxels, layered
from uqmsm.physics.rve.laminate import laminate_GPa
from uqmsm.physics.tensors import (
    cubic_stiffness,
    isotropic_stiffness,
    mandel_to_voigt,
    rotate_stiffness,
    voigt_to_mandel,
)

SOFT, HARD = isotropic_stiffness(50.0, 20.0), isotropic_stiffness(250.0, 120.0)


def triclinic(count, seed=3):
    roots = np.random.default_rng(seed).normal(size=(count, 6, 6))
    return 50.0 * (roots @ np.swapaxes(roots, 1, 2) + 0.5 * np.eye(6))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_two_layers_are_the_exact_stack(axis):
    one, two = triclinic(2)
    found = layered(*voigt_to_mandel(np.stack([one, two])), np.array(0.3), np.eye(3)[axis])
    assert mandel_to_voigt(found) == pytest.approx(
        laminate_GPa(np.stack([one, two]), np.array([0.3, 0.7]), axis), rel=1e-12
    )


def test_two_layers_of_any_normal_are_a_turned_stack():
    one, two = triclinic(2)
    turn = random_orientations(np.random.default_rng(5), 4)
    turned = [voigt_to_mandel(rotate_stiffness(np.broadcast_to(c, (4, 6, 6)), turn)) for c in (one, two)]
    found = layered(*turned, np.full(4, 0.6), turn[:, :, 2])
    stack = laminate_GPa(np.stack([one, two]), np.array([0.6, 0.4]), 2)
    expected = rotate_stiffness(np.broadcast_to(stack, (4, 6, 6)), turn)
    assert mandel_to_voigt(found) == pytest.approx(expected, rel=1e-11, abs=1e-10)


def test_a_face_inside_a_voxel_is_exact():
    """Layers whose faces no coarse grid meets: plain voxels get the fractions wrong, composite ones nothing."""
    profile = np.array([0] * 5 + [1] * 7)
    fine = np.broadcast_to(profile[:, None, None], (12, 4, 4)).astype(np.int32)
    table = triclinic(2)
    exact = laminate_GPa(table, np.array([5 / 12, 7 / 12]), 0)
    coarse = homogenize(*composite_voxels(table, fine, 4), tolerance=1e-8).stiffness
    assert coarse == pytest.approx(exact, rel=1e-6, abs=1e-5)
    plain = homogenize(table, fine[2::4, 2::4, 2::4], tolerance=1e-8).stiffness
    assert np.abs(plain - exact).max() > 0.02 * exact.max()


def tilted(edge, slope):
    """Return layers across (1, slope, 0) on a grid; their faces are no faces of voxels."""
    at = (np.arange(edge) + 0.5) / edge
    phase = (at[:, None] + slope * at[None, :]) % 1.0
    return np.broadcast_to((phase < 0.43).astype(np.int32)[:, :, None], (edge, edge, 4)).copy()


@pytest.mark.parametrize(("slope", "gain"), [(1, 0.02), (2, 0.6)])
def test_tilted_layers_are_nearer_to_the_exact_stack_than_plain_voxels_are(slope, gain):
    """And composite voxels come nearer with the grid, 8 and 16 voxels along an edge."""
    fine = tilted(128, slope)
    table = np.stack([SOFT, HARD])
    normal = np.array([1.0, slope, 0.0]) / np.sqrt(1.0 + slope**2)
    share = np.array((fine == 0).mean())
    exact = mandel_to_voigt(layered(*voigt_to_mandel(table), share, normal))
    missed = []
    for edge in (8, 16):
        factor = 128 // edge
        deep = np.repeat(fine[:, :, :1], 2 * factor, axis=2)
        composite = homogenize(*composite_voxels(table, deep, factor)).stiffness
        middle = factor // 2
        plain = homogenize(table, deep[middle::factor, middle::factor, middle::factor]).stiffness
        missed.append(np.abs(composite - exact).max())
        assert missed[-1] < gain * np.abs(plain - exact).max()
    assert missed[1] < missed[0] < 0.02 * exact.max()


def test_a_coarse_polycrystal_is_nearer_to_its_fine_self():
    """Sum over six crystals of the distance of their shear moduli: below two thirds of that of plain voxels."""
    away = np.zeros(2)
    for seed in range(6):
        made = polycrystal(np.random.default_rng(seed), np.random.default_rng(seed + 9), 8, (24, 24, 24))
        table = rotate_stiffness(cubic_stiffness(196.0, 118.0, 129.0), made.orientations)
        fine = homogenize(table, made.grain_ids, tolerance=1e-4).stiffness
        composite = homogenize(*composite_voxels(table, made.grain_ids, 4)).stiffness
        plain = homogenize(table, made.grain_ids[2::4, 2::4, 2::4]).stiffness
        away += [np.abs(one - fine).max() for one in (composite, plain)]
    assert away[0] < 2 / 3 * away[1]


def test_nothing_is_composite_where_nothing_is_cut_and_bad_factors_are_refused():
    made = polycrystal(np.random.default_rng(1), np.random.default_rng(2), 5, (4, 4, 4))
    table = triclinic(5)
    same, ids = composite_voxels(table, np.repeat(made.grain_ids, 1, axis=0), 1)
    assert np.array_equal(ids, made.grain_ids)
    assert len(same) == 5
    with pytest.raises(StudyError, match="choose a divisor"):
        composite_voxels(table, made.grain_ids, 3)
    # a checkerboard has no normal: the mean of the bounds
    board = (np.indices((2, 2, 2)).sum(axis=0) % 2).astype(np.int32)
    both = np.stack([SOFT, HARD])
    made_of, _ = composite_voxels(both, board, 2)
    reuss = np.linalg.inv(np.linalg.inv(both).mean(axis=0))
    assert made_of[2] == pytest.approx((both.mean(axis=0) + reuss) / 2, rel=1e-12, abs=1e-12)
