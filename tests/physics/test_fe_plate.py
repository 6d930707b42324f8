"""The plate against Howland, Kirsch and Lekhnitskii, and the balances of every solution."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plate_oracles import cubic, isotropic, kirsch, lekhnitskii_hoop, stress_concentration

from uqmsm.errors import StudyError, Unstable
from uqmsm.physics.fe.materials.elastic import plane_stress
from uqmsm.physics.fe.meshes.plate import plate_mesh
from uqmsm.physics.fe.plate import plate
from uqmsm.physics.fe.recovery import von_mises

STEEL = isotropic(200.0, 0.3)
NICKEL = (246.5, 147.3, 124.7)


@pytest.mark.parametrize(("ratio", "howland"), [(0.1, 3.03), (0.2, 3.14), (0.3, 3.36), (0.4, 3.74), (0.5, 4.32)])
def test_howland_strip(ratio, howland):
    """Gross K_t of Howland (1930) within 1 %, and of the series fitted to the same strip within 0.05 %."""
    mesh = plate_mesh(10 / ratio, 30 / ratio, 5.0, 12)
    found = plate(STEEL, mesh, 1.0).stress_concentration
    series, misfit = stress_concentration(10 / ratio, 30 / ratio, 5.0)
    assert misfit < 3e-4
    assert abs(found / series - 1) < 5e-4
    assert abs(found / howland - 1) < 0.01


@pytest.mark.parametrize(("order", "n", "within"), [(2, 8, 2e-3), (2, 16, 2e-4), (1, 24, 5e-3)])
def test_short_plate_meets_the_series(order, n, within):
    found = plate(STEEL, plate_mesh(50.0, 100.0, 5.0, n, order), 100.0)
    series, _ = stress_concentration(50.0, 100.0, 5.0)
    assert abs(found.stress_concentration / series - 1) < within
    assert abs(found.von_mises_concentration / series - 1) < within


def test_pull_across_a_short_wide_plate_meets_the_series_too():
    found = plate(STEEL, plate_mesh(100.0, 50.0, 5.0, 8), 1.0).stress_concentration
    assert abs(found / stress_concentration(100.0, 50.0, 5.0)[0] - 1) < 2e-3


@pytest.fixture(scope="module")
def wide():
    return plate_mesh(600.0, 600.0, 5.0, 16)


def test_wide_plate_is_kirsch_on_edge_ligament_and_hot_spot(wide):
    found = plate(STEEL, wide, 1.0)
    np.testing.assert_allclose(found.edge.hoop_MPa, 1 - 2 * np.cos(2 * found.edge.angle_rad), atol=0.005)
    x, y = wide.nodes_mm.T
    ligament = (np.abs(x) < 1e-9) & (np.abs(y) < 30)
    assert ligament.sum() > 20
    np.testing.assert_allclose(found.nodal_stress_MPa[ligament], kirsch(x[ligament], y[ligament], 5.0), atol=0.01)
    r = 5 + (np.arange(800) + 0.5) / 800
    t = (np.arange(1000) + 0.5) / 1000 * 2 * np.pi
    exact = von_mises(kirsch(*(r * np.stack([np.cos(t), np.sin(t)])[..., None]), 5.0))
    area = ((exact >= 0.9 * 3) * r).sum() / 800 * 2 * np.pi / 1000
    assert abs(found.hot_spot_volume_mm3 / area - 1) < 0.03


@pytest.mark.parametrize("turn", [0.0, 0.35, np.pi / 4])
def test_cubic_plate_is_lekhnitskii_all_round_the_hole(wide, turn):
    C = cubic(*NICKEL, turn_rad=turn)
    found = plate(C, wide, 1.0)
    exact = lekhnitskii_hoop(np.linalg.inv(plane_stress(C)), found.edge.angle_rad)
    np.testing.assert_allclose(found.edge.hoop_MPa, exact, atol=0.002 * np.abs(exact).max())
    assert abs(found.von_mises_concentration / np.abs(exact).max() - 1) < 0.003


def test_closed_form_of_the_orthotropic_concentration(wide):
    for turn in (0.0, np.pi / 4):
        S = np.linalg.inv(plane_stress(cubic(*NICKEL, turn_rad=turn)))
        E1, E2, G, nu = 1 / S[0, 0], 1 / S[1, 1], 1 / S[2, 2], -S[0, 1] / S[0, 0]
        closed = 1 + np.sqrt(2 * (np.sqrt(E1 / E2) - nu) + E1 / G)
        flank = lekhnitskii_hoop(S, np.array([np.pi / 2]))[0]
        assert abs(flank / closed - 1) < 1e-9  # the two closed forms agree
        found = plate(cubic(*NICKEL, turn_rad=turn), wide, 1.0)
        at = np.argmin(np.abs(found.edge.angle_rad - np.pi / 2))
        assert abs(found.edge.hoop_MPa[at] / closed - 1) < 0.002
        assert abs(closed - 3) > 0.2  # and are far from the isotropic value


@settings(max_examples=15, deadline=None)
@given(st.floats(1.0, 500.0), st.floats(0.0, 0.45), st.floats(0.1, 1000.0))
def test_concentration_knows_no_isotropic_moduli_and_no_load(young, poisson, load):
    mesh = plate_mesh(40.0, 80.0, 6.0, 8)
    found, reference = plate(isotropic(young, poisson), mesh, load), plate(STEEL, mesh, 1.0)
    np.testing.assert_allclose(found.stress_concentration, reference.stress_concentration, rtol=2e-3)
    np.testing.assert_allclose(found.von_mises_concentration, reference.von_mises_concentration, rtol=2e-3)
    scaled = plate(isotropic(2 * young, poisson), mesh, load)
    np.testing.assert_allclose(scaled.stress_concentration, found.stress_concentration, rtol=1e-10)
    np.testing.assert_allclose(2 * scaled.elongation_mm, found.elongation_mm, rtol=1e-10)


def test_the_cubic_crystal_does_change_the_concentration():
    mesh = plate_mesh(40.0, 80.0, 6.0, 8)
    soft, hard = (plate(cubic(*NICKEL, turn_rad=t), mesh, 1.0).stress_concentration for t in (0.0, np.pi / 4))
    assert abs(soft / hard - 1) > 0.1  # negative control of the test before


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 2]))
def test_every_solution_balances(seed, order):
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(6, 6))
    C = 50 * A @ A.T + 30 * np.eye(6)  # any stable material, no symmetry at all
    mesh = plate_mesh(40.0, 60.0, 6.0, 6, order, thickness_mm=2.0)
    found = plate(C, mesh, 80.0)
    for name, value in vars(found.balance).items():
        assert value < 1e-8, name
    assert found.work_gap == found.balance.work
    np.testing.assert_allclose(found.hot_spot_area_mm2 * 2, found.hot_spot_volume_mm3, rtol=1e-14)
    np.testing.assert_allclose(found.strain_energy_mJ, 0.5 * 80 * 40 * 2 * found.elongation_mm, rtol=1e-8)
    np.testing.assert_allclose(found.first_yield_MPa(300.0) * found.von_mises_concentration, 300.0, rtol=1e-12)
    half_turn = np.hypot(*(found.nodal_stress_MPa[:, :2]).T).max()
    partner = np.array([np.argmin(np.abs(mesh.nodes_mm + p).sum(axis=1)) for p in mesh.nodes_mm])
    np.testing.assert_allclose(found.nodal_stress_MPa[partner], found.nodal_stress_MPa, atol=1e-7 * half_turn)


def test_a_member_does_not_know_who_was_solved_before():
    mesh = plate_mesh(40.0, 60.0, 6.0, 6)
    first = plate(cubic(*NICKEL, turn_rad=0.2), mesh, 1.0).displacement_mm.tobytes()
    plate(STEEL, mesh, 7.0)
    plate_mesh.cache_clear()
    again = plate_mesh(40.0, 60.0, 6.0, 6)
    assert again is not mesh
    assert plate(cubic(*NICKEL, turn_rad=0.2), again, 1.0).displacement_mm.tobytes() == first


def test_a_mirrored_crystal_gives_the_mirrored_field():
    mesh = plate_mesh(40.0, 60.0, 6.0, 8)
    one, other = (plate(cubic(*NICKEL, turn_rad=t), mesh, 1.0) for t in (0.3, -0.3))
    flip = np.array([np.argmin(np.abs(mesh.nodes_mm * [1, -1] - p).sum(axis=1)) for p in mesh.nodes_mm])
    np.testing.assert_allclose(one.nodal_stress_MPa[flip] * [1, 1, -1], other.nodal_stress_MPa, atol=1e-9)
    assert one.stress_concentration == pytest.approx(other.stress_concentration, rel=1e-10)


def test_elongation_of_a_plate_with_a_pinhole_is_that_of_a_bar():
    E, load, length = 200e3, 100.0, 100.0
    found = plate(STEEL, plate_mesh(50.0, length, 0.25, 8), load)
    assert abs(found.elongation_mm / (load / E * length) - 1) < 2e-4


def test_plane_stress_drops_the_thickness_and_nothing_else():
    np.testing.assert_allclose(
        plane_stress(STEEL), 200 / (1 - 0.09) * np.array([[1, 0.3, 0], [0.3, 1, 0], [0, 0, 0.35]]), rtol=1e-12
    )
    C11, C12, C44 = NICKEL
    D = plane_stress(cubic(*NICKEL))
    np.testing.assert_allclose([D[0, 0], D[0, 1], D[2, 2]], [C11 - C12**2 / C11, C12 - C12**2 / C11, C44], rtol=1e-12)


def test_refusals():
    mesh = plate_mesh(40.0, 60.0, 6.0, 4)
    with pytest.raises(StudyError, match="6 x 6"):
        plane_stress(np.eye(3))
    with pytest.raises(StudyError, match="not symmetric"):
        plane_stress(STEEL + np.triu(np.ones((6, 6)), 1))
    with pytest.raises(Unstable, match="eigenvalue"):
        plane_stress(cubic(100.0, 110.0, 80.0))
    with pytest.raises(StudyError, match="nominal_stress_MPa"):
        plate(STEEL, mesh, 0.0)
    with pytest.raises(StudyError, match="yield_MPa"):
        plate(STEEL, mesh, 1.0).first_yield_MPa(0.0)
