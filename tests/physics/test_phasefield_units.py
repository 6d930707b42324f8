"""Units and laws of boundaries against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from uqmsm.errors import StudyError
from uqmsm.physics.phasefield import (
    BoundaryUnits,
    VelocityLaw,
    arrhenius_mobility,
    pinned_velocity,
    read_shockley,
    solute_drag_velocity,
)
from uqmsm.physics.phasefield.units import boundary_energy_of_gamma, gamma_of_energy

UNITS = BoundaryUnits(0.1e-6, 0.6e-6, 0.7, 3e-14)


def test_the_parameters_give_back_energy_width_and_mobility():
    """At gamma = 3/2: sigma = sqrt(2 kappa m) / 3, width = sqrt(8 kappa / m), M sigma = L kappa."""
    kappa, m, rate = UNITS.kappa_J_per_m, UNITS.barrier_J_per_m3, UNITS.kinetic_m3_per_J_s
    assert np.sqrt(2 * kappa * m) / 3 == pytest.approx(UNITS.energy_J_per_m2)
    assert np.sqrt(8 * kappa / m) == pytest.approx(UNITS.width_m)
    assert rate * kappa == pytest.approx(UNITS.mobility_m4_per_J_s * UNITS.energy_J_per_m2)
    assert UNITS.seconds(UNITS.reduced_time(12.0)) == pytest.approx(12.0)
    # reduced mobility times energy, in voxels: width^2 / 8
    per_second = UNITS.mobility_m4_per_J_s * UNITS.energy_J_per_m2 / UNITS.voxel_m**2
    assert per_second * UNITS.time_s == pytest.approx(UNITS.width_voxels**2 / 8)


def test_an_anneal_is_its_integral_of_mobility():
    times = np.linspace(0.0, 600.0, 7)
    assert UNITS.annealed(times, np.full(7, 3e-14)) == pytest.approx(UNITS.reduced_time(600.0))
    assert UNITS.annealed(times, 3e-14 * times / 600.0) == pytest.approx(UNITS.reduced_time(300.0))


def test_arrhenius():
    low, high = arrhenius_mobility(np.array([900.0, 1000.0]), 1e-6, 150e3)
    assert np.log(high / low) == pytest.approx(150e3 / 8.31446261815324 * (1 / 900 - 1 / 1000))
    with pytest.raises(StudyError, match="positive"):
        arrhenius_mobility(0.0, 1.0, 1.0)
    with pytest.raises(StudyError, match="width_m"):
        BoundaryUnits(1.0, 0.0, 1.0, 1.0)


def test_energy_of_gamma_at_the_value_known_in_closed_form():
    assert boundary_energy_of_gamma(1.5) == pytest.approx(np.sqrt(2) / 3, rel=1e-6)
    # at gamma = 1/2 two grains mix freely and the energy is gone; near it, eta1 = cos a, eta2 = sin a on the circle
    # of minima gives sqrt(2) times the integral of sqrt((gamma - 1/2) cos^2 sin^2), that is sqrt((gamma - 1/2) / 2)
    assert boundary_energy_of_gamma(0.52) == pytest.approx(np.sqrt(0.02 / 2), rel=0.02)
    with pytest.raises(StudyError, match=r"above 0\.5"):
        boundary_energy_of_gamma(0.5)


def test_gamma_of_energy_is_the_inverse():
    for ratio in (0.2, 0.5, 0.8, 1.0):
        gamma = float(gamma_of_energy(np.array([ratio]))[0])
        assert boundary_energy_of_gamma(gamma) == pytest.approx(ratio * np.sqrt(2) / 3, rel=4e-3)
    with pytest.raises(StudyError, match="largest"):
        gamma_of_energy(np.array([1.1]))


def test_read_shockley():
    limit = np.radians(15.0)
    assert read_shockley(np.array([limit, 2 * limit])) == pytest.approx([1.0, 1.0])
    assert read_shockley(np.array([limit / np.e]))[0] == pytest.approx(2 / np.e)
    assert read_shockley(np.array([0.0]))[0] < 1e-9


@pytest.mark.parametrize("drag", [0.0, 3.0, 20.0])
def test_cahn_velocity_solves_cahns_equation(drag):
    free = np.geomspace(1e-3, 1e3, 61)
    v = solute_drag_velocity(free, drag, 1.0)
    assert v * (1 + drag / (1 + v**2)) == pytest.approx(free, rel=1e-9)
    assert np.all(np.diff(v) > 0)
    assert v[0] / free[0] == pytest.approx(1 / (1 + drag), rel=1e-4)
    assert v[-1] / free[-1] == pytest.approx(1.0, abs=1e-3)


def test_a_loaded_boundary_stays_loaded_until_the_largest_drag():
    free = np.linspace(0.1, 20, 400)
    v = solute_drag_velocity(free, 20.0, 1.0)
    jump = np.argmax(np.diff(v))
    # the largest v (1 + 20 / (1 + v^2)) on the slow branch
    slow = np.linspace(0, 2, 20001)
    assert free[jump] == pytest.approx(np.max(slow * (1 + 20 / (1 + slow**2))), abs=0.06)
    assert v[jump] < 2 < v[jump + 1]


def test_a_velocity_law_is_tabulated_in_voxels():
    law = VelocityLaw.of(lambda free: pinned_velocity(free, 2e-6), 2e-6, UNITS)
    assert law.speed == pytest.approx(2e-6 * UNITS.time_s / UNITS.voxel_m)
    share = np.linspace(0, 1, len(law.table))
    assert law.table[:, 0] == pytest.approx(np.clip(2 - 1 / np.maximum(share, 1e-9), 0, 1), abs=1e-9)
