"""What is told upwards: yield stress, hardening and yield surface, against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from uqmsm.errors import MemberFailed, StudyError
from uqmsm.physics.rve import polycrystal
from uqmsm.physics.rve.plastic import Slip, block, crystals, von_mises
from uqmsm.physics.rve.plastic.replay import fatigue_indicator
from uqmsm.physics.rve.plastic.rulebook import (
    Hardening,
    equivalent_stress,
    fit_hardening,
    offset_yield,
    taylor_hardening,
    yield_surface,
)
from uqmsm.physics.rve.slip import Interaction
from uqmsm.physics.rve.taylor import taylor_factor
from uqmsm.physics.tensors import cubic_stiffness

R2 = np.sqrt(2.0)
DIRECTIONS = [
    np.array([1.0, 0, 0, 0, 0, 0]),
    np.array([0, 0, 0, 0, 0, R2]),
    np.array([1.0, 1.0, 0, 0, 0, 0]),
    np.array([1.0, -0.5, 0, 0.3 * R2, 0, 0]),
]


def test_the_offset_is_read_off_a_bilinear_curve():
    strain = np.linspace(0.0, 0.01, 41)[1:]
    stress = np.where(strain < 0.002, 1e5 * strain, 200.0 + 2e3 * (strain - 0.002))
    # on the second branch: 1e5 (e - 0.002) = 200 + 2e3 (e - 0.002)
    assert offset_yield(strain, stress, 1e5, 0.002) == pytest.approx(200.0 + 2e3 * 200.0 / 9.8e4, rel=1e-12)
    with pytest.raises(MemberFailed, match="load further"):
        offset_yield(strain[:10], stress[:10], 1e5, 0.002)


def test_a_hardening_law_is_found_again():
    truth = Hardening(250.0, 900.0, 120.0, 60.0)
    p = np.linspace(0.0, 0.04, 30)
    found = fit_hardening(p, truth.stress_MPa(p))
    assert found.misfit_MPa < 1e-5
    for name in ("yield_MPa", "linear_MPa", "voce_rise_MPa", "voce_rate"):
        assert getattr(found, name) == pytest.approx(getattr(truth, name), rel=1e-3)
    with pytest.raises(MemberFailed, match="five are needed"):
        fit_hardening(p[:4], truth.stress_MPa(p[:4]))


def test_taylors_rulebook_is_the_law_of_slip_seen_through_the_factor():
    slip = Slip(100.0, 250.0, 600.0, interaction=Interaction(1.0, 1.0, 1.0, 1.0, 1.0, 1.0))
    rule = taylor_hardening(slip, 3.0, hall_petch_MPa_um05=240.0, grain_size_um=100.0)
    # backward in tiny steps of xi' = h0 (1 - xi / xi_inf), Gamma = M p
    xi, steps, p = 100.0, 200_000, 0.02
    for _ in range(steps):
        xi += 600.0 * (1.0 - xi / 250.0) * 3.0 * p / steps
    assert rule.stress_MPa(np.array([0.0, p])) == pytest.approx([300.0 + 24.0, 3.0 * xi + 24.0], rel=1e-5)
    with pytest.raises(StudyError, match="power of 1"):
        taylor_hardening(Slip(100.0, 250.0, 600.0, power=2.0), 3.0)


def test_a_von_mises_block_has_a_von_mises_surface():
    cell = block(np.zeros((1, 1, 1), dtype=int), von_mises(np.array([150.0]), np.array([70.0]), 200.0))
    for point in yield_surface(cell, DIRECTIONS):
        assert point.equivalent_MPa == pytest.approx(200.0, rel=1e-6)
        assert equivalent_stress(point.stress_MPa) == pytest.approx(point.equivalent_MPa, rel=1e-12)
        assert point.stress_MPa == pytest.approx(np.sum(point.stress_MPa * point.direction) * point.direction)
    with pytest.raises(StudyError, match="pressure"):
        yield_surface(cell, [np.array([1.0, 1.0, 1.0, 0, 0, 0])])


def test_a_polycrystal_yields_between_its_weakest_and_its_taylor_bound():
    made = polycrystal(np.random.default_rng(3), np.random.default_rng(4), 20, (6, 6, 6))
    slip = Slip(100.0, 100.0, 0.0, exponent=50.0)
    cell = block(made.grain_ids, crystals(cubic_stiffness(196.0, 118.0, 129.0), made.orientations, slip))
    point = yield_surface(cell, DIRECTIONS[:1])[0]
    bound = taylor_factor(made.orientations, "fcc", axis=(1.0, 0.0, 0.0), fractions=made.fractions).mean
    assert 2.0 * 100.0 < point.equivalent_MPa < bound * 100.0
    assert point.hill_mandel_gap <= 1e-10


def test_the_indicator_averages_the_most_slipped():
    slip = np.arange(1000.0).reshape(10, 10, 10)
    assert fatigue_indicator(slip) == pytest.approx(np.arange(990.0, 1000.0).mean())
    assert fatigue_indicator(slip, 1.0) == pytest.approx(slip.mean())
    with pytest.raises(StudyError, match="choose one"):
        fatigue_indicator(slip, 0.0)
