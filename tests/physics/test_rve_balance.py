"""Balance for any material: the linear solver again, stress control, arrays of another library."""

from __future__ import annotations

import numpy as np
import pytest

from uqmsm.errors import MemberFailed
from uqmsm.physics.rve import homogenize, polycrystal
from uqmsm.physics.rve.arrays import array_balance, homogenize_on
from uqmsm.physics.rve.cell import Medium
from uqmsm.physics.rve.equilibrium import MeanControl
from uqmsm.physics.rve.stencils import force_of, strain_of
from uqmsm.physics.tensors import cubic_stiffness, rotate_stiffness, voigt_to_mandel

SHAPE = (6, 5, 4)
MEDIUM = Medium(140.0, 80.0)


def material(seed=1, grains=9):
    made = polycrystal(np.random.default_rng(seed), np.random.default_rng(seed + 1), grains, SHAPE)
    table = rotate_stiffness(cubic_stiffness(196.0, 118.0, 129.0), made.orientations)
    local = voigt_to_mandel(table)[made.grain_ids]
    return table, made, lambda strain: np.einsum("xyzij,jxyz->ixyz", local, strain)


def test_forces_do_the_work_of_the_stress():
    rng = np.random.default_rng(2)
    moved, stress = rng.normal(size=(3, *SHAPE)), rng.normal(size=(6, *SHAPE))
    inside = np.sum(strain_of(moved, np) * stress)
    assert np.sum(moved * force_of(stress, np)) == pytest.approx(inside, rel=1e-12)


def test_a_linear_displacement_has_its_strain_away_from_the_seam():
    slope = np.random.default_rng(3).normal(size=(3, 3))
    nodes = np.stack(np.meshgrid(*[np.arange(n) for n in SHAPE], indexing="ij"))
    strain = strain_of(np.einsum("ij,jxyz->ixyz", slope, nodes), np)[:, 2, 2, 2]
    even = (slope + slope.T) / 2
    expected = [even[0, 0], even[1, 1], even[2, 2], *(np.sqrt(2) * np.array([even[1, 2], even[0, 2], even[0, 1]]))]
    assert strain == pytest.approx(expected, rel=1e-12)


def test_under_mean_strain_it_is_the_linear_solver():
    table, made, tangent = material()
    balance, found = array_balance(SHAPE, MEDIUM), np.empty((6, 6))
    for i, unit in enumerate(np.eye(6)):
        done = balance.correct(tangent, np.zeros((6, *SHAPE)), MeanControl.of_strain(unit), tolerance=1e-9)
        found[:, i] = tangent(done.strain).mean(axis=(1, 2, 3))
        assert done.strain.mean(axis=(1, 2, 3)) == pytest.approx(unit, abs=1e-12)
    expected = voigt_to_mandel(homogenize(table, made.grain_ids, tolerance=1e-9).stiffness)
    assert found == pytest.approx(expected, rel=1e-7, abs=1e-7 * expected.max())


@pytest.mark.parametrize("driven", [(0,), (1, 2, 3, 4, 5), range(6)])
def test_mean_stress_is_what_is_prescribed(driven):
    table, made, tangent = material()
    wanted = np.isin(np.arange(6), list(driven))
    strain, stress = np.array([1.0, 0.2, 0.0, 0.3, 0.0, -0.1]), np.array([30.0, 1.0, 0.0, -4.0, 0.0, 2.0])
    done = array_balance(SHAPE, MEDIUM).correct(
        tangent, np.zeros((6, *SHAPE)), MeanControl(strain, stress, wanted), tolerance=1e-10
    )
    mean, carried = done.strain.mean(axis=(1, 2, 3)), tangent(done.strain).mean(axis=(1, 2, 3))
    assert carried[wanted] == pytest.approx(stress[wanted], abs=1e-8)
    assert mean[~wanted] == pytest.approx(strain[~wanted], abs=1e-12)
    whole = voigt_to_mandel(homogenize(table, made.grain_ids, tolerance=1e-10).stiffness)
    assert carried == pytest.approx(whole @ mean, abs=1e-7)


def test_a_stress_field_that_is_there_already_is_balanced():
    _, _, tangent = material()
    eigen = np.random.default_rng(4).normal(size=(6, *SHAPE))
    balance, hold = array_balance(SHAPE, MEDIUM), MeanControl.of_strain(np.zeros(6))
    before = balance.imbalance(eigen, hold)
    done = balance.correct(tangent, eigen, hold, tolerance=1e-8)
    after = balance.imbalance(eigen + tangent(done.strain), hold)
    assert after <= 1.01e-8 * before
    assert done.residual == pytest.approx(after / before, rel=1e-3)


def test_it_asks_for_standard_array_operations_only():
    import array_api_strict as xp

    _, _, tangent = material()

    def strict(strain):
        return xp.asarray(tangent(np.asarray(strain)))

    control = MeanControl(np.eye(6)[0], np.zeros(6), np.array([False, True, True, True, True, True]))
    start = np.zeros((6, *SHAPE))
    ours = array_balance(SHAPE, MEDIUM).correct(tangent, start, control, tolerance=1e-6)
    theirs = array_balance(SHAPE, MEDIUM, xp).correct(strict, xp.asarray(start), control, tolerance=1e-6)
    assert np.asarray(theirs.strain) == pytest.approx(ours.strain, abs=1e-12)


class ElsewhereByDefault:
    """The strict library whose arrays are made on a device that NumPy cannot read, as those of a GPU."""

    def __init__(self):
        import array_api_strict

        self.strict, self.device = array_api_strict, array_api_strict.Device("device1")

    def __getattr__(self, name):
        """All else is the library's."""
        return getattr(self.strict, name)

    def asarray(self, array, **settings):
        return self.strict.asarray(array, device=self.device, **settings)


def test_a_block_is_homogenized_where_another_library_keeps_its_arrays():
    """On a device from which no array comes back but by a sum: all of it runs there, and the answer is ours."""
    xp = ElsewhereByDefault()
    with pytest.raises(RuntimeError, match="device1"):
        np.asarray(xp.asarray(np.zeros(3)))  # the stand-in guards what it is meant to guard
    table, made, _ = material()
    ours = homogenize(table, made.grain_ids, tolerance=1e-8)
    theirs = homogenize_on(xp, table, made.grain_ids, tolerance=1e-8)
    assert theirs.stiffness == pytest.approx(ours.stiffness, rel=1e-10, abs=1e-9)
    assert theirs.hill_mandel_gap < 1e-13
    assert theirs.iterations > 6
    assert homogenize_on(np, table, made.grain_ids).stiffness == pytest.approx(ours.stiffness, rel=1e-9, abs=1e-8)
    with pytest.raises(MemberFailed, match="Hill-Mandel"):
        homogenize_on(np, table, made.grain_ids, hill_mandel_tolerance=-1.0)


def test_failures():
    _, _, tangent = material()
    zeros, pull = np.zeros((6, *SHAPE)), MeanControl.of_strain(np.eye(6)[0])
    with pytest.raises(MemberFailed, match="after 1 iterations"):
        array_balance(SHAPE, MEDIUM).correct(tangent, zeros, pull, tolerance=1e-9, max_iterations=1)
    with pytest.raises(MemberFailed, match="softens"):
        array_balance(SHAPE, MEDIUM).correct(lambda e: -tangent(e), zeros, pull, tolerance=1e-9)
    with pytest.raises(MemberFailed, match="residual is nan"):
        array_balance(SHAPE, MEDIUM).correct(lambda e: np.nan * e, zeros, pull, tolerance=1e-9)
