"""Fields inside the grains and thermal expansion: exact averages, layers, Levin's law, two ways to one number."""

from __future__ import annotations

import numpy as np
import pytest

from uqmsm.errors import StudyError
from uqmsm.physics.rve import homogenize, polycrystal
from uqmsm.physics.rve.localize import (
    localize,
    thermal_expansion_direct,
    thermal_expansion_levin,
    thermal_expansion_of,
)
from uqmsm.physics.tensors import isotropic_stiffness, voigt_to_mandel

SHAPE = (6, 5, 7)


def triclinic(count, seed=3):
    roots = np.random.default_rng(seed).normal(size=(count, 6, 6))
    return 50.0 * (roots @ np.swapaxes(roots, 1, 2) + 0.5 * np.eye(6))


@pytest.fixture(scope="module")
def block():
    made = polycrystal(np.random.default_rng(1), np.random.default_rng(2), 8, SHAPE)
    table = triclinic(8)
    return table, made, localize(table, made.grain_ids, tolerance=1e-9)


def test_fields_have_the_averages_and_the_work_of_the_whole(block):
    table, made, fields = block
    mean = np.array([1.0, -0.3, 0.2, 0.4, 0.0, -0.6])
    strain, stress = fields.strain(mean), fields.stress_GPa(mean)
    whole = homogenize(table, made.grain_ids, tolerance=1e-9).stiffness
    assert strain.mean(axis=(1, 2, 3)) == pytest.approx(mean, abs=1e-12)
    assert stress.mean(axis=(1, 2, 3)) == pytest.approx(whole @ mean, rel=1e-6)
    assert np.sum(stress * strain) / made.grain_ids.size == pytest.approx(mean @ whole @ mean, rel=1e-10)
    local = np.einsum("xyzij,jxyz->ixyz", table[made.grain_ids], strain)
    assert stress == pytest.approx(local, rel=1e-10)
    assert fields.mean_strain_of(whole @ mean) == pytest.approx(mean, rel=1e-8)
    assert fields.hill_mandel_gap < 1e-10


def test_grains_carry_their_share(block):
    table, made, fields = block
    mean = np.array([0.2, 0.1, 0.0, 0.4, -0.3, 0.5])
    stress = fields.stress_GPa(mean)
    by_grain = fields.grain_stress_GPa(mean)
    for grain in range(8):
        assert by_grain[grain] == pytest.approx(stress[:, made.grain_ids == grain].mean(axis=1), rel=1e-9)
    share = np.einsum("g,gij->ij", made.fractions, fields.grain_localization())
    assert share == pytest.approx(np.eye(6), abs=1e-10)
    spread = np.einsum("g,gij->ij", made.fractions, voigt_to_mandel(table) @ fields.grain_localization())
    assert spread == pytest.approx(fields.stiffness, rel=1e-6)


def test_a_grain_without_voxels_is_not_a_number():
    fields = localize(triclinic(3), np.zeros((3, 3, 3), dtype=np.int32))
    assert np.isnan(fields.grain_localization()[1:]).all()
    assert fields.grain_localization()[0] == pytest.approx(np.eye(6), abs=1e-12)


def test_the_stress_across_layers_is_uniform():
    layers, profile = triclinic(3), np.array([0, 0, 1, 2, 1])
    fields = localize(layers, np.broadcast_to(profile[:, None, None], (5, 3, 3)), tolerance=1e-10)
    stress = fields.stress_GPa(np.array([1.0, 0.5, -0.2, 0.3, 0.1, -0.4]))
    for component in (0, 4, 5):
        assert np.ptp(stress[component]) < 1e-7
    assert np.ptp(stress[1]) > 1.0


def test_two_ways_to_thermal_expansion_agree(block):
    table, made, fields = block
    expansion = 1e-5 * np.random.default_rng(5).normal(size=(8, 6))
    found = thermal_expansion_of(fields, expansion)
    assert found == pytest.approx(thermal_expansion_direct(table, made.grain_ids, expansion), abs=1e-11)
    same = np.broadcast_to(expansion[0], (8, 6))
    assert thermal_expansion_of(fields, same) == pytest.approx(expansion[0], abs=1e-13)


@pytest.mark.parametrize("anisotropic", [False, True])
def test_levins_law_of_two_phases_is_exact(anisotropic):
    ids = polycrystal(np.random.default_rng(6), np.random.default_rng(7), 9, SHAPE).grain_ids % 2
    table = (
        triclinic(2) if anisotropic else np.array([isotropic_stiffness(160.0, 80.0), isotropic_stiffness(40.0, 10.0)])
    )
    unit = np.array([1.0, 1, 1, 0, 0, 0])
    expansion = np.array([1e-5, 3e-5])[:, None] * (np.random.default_rng(8).normal(size=6) if anisotropic else unit)
    fields = localize(table, ids, tolerance=1e-9)
    whole = homogenize(table, ids, tolerance=1e-9).stiffness
    levin = thermal_expansion_levin(table, whole, (expansion[0], expansion[1]))
    assert thermal_expansion_of(fields, expansion) == pytest.approx(levin, abs=1e-11)
    assert thermal_expansion_direct(table, ids, expansion) == pytest.approx(levin, abs=1e-11)
    mixed = (ids == 0).mean() * expansion[0] + (ids == 1).mean() * expansion[1]
    assert np.abs(levin - mixed).max() > 1e-7  # the rule of mixtures is not it
    with pytest.raises(StudyError, match="do not differ"):
        thermal_expansion_levin(table[[0, 0]], whole, (expansion[0], expansion[1]))
