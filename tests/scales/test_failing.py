"""Components that collapse or part: limit loads and fracture loads beside closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from uqmsm.errors import MemberFailed, StudyError
from uqmsm.physics.fe.fracture import Brittle
from uqmsm.physics.fe.parting import even_bar, even_bar_strength_MPa, part
from uqmsm.physics.tensors import isotropic_stiffness
from uqmsm.scales.fe import FractureLoad, LimitLoad

SOLID = {"stiffness": isotropic_stiffness(160.0, 80.0), "offset_yield": np.array(250.0)}


def test_a_tube_collapses_at_the_limit_of_the_theory():
    """(2 / sqrt 3) sy ln(b / a) for two walls, and half the reserve under twice the pressure."""
    for outer in (70.0, 100.0):
        found = LimitLoad(outer=outer, service_load=100.0)(SOLID, {})
        closed = 2.0 / np.sqrt(3.0) * 250.0 * np.log(outer / 50.0)
        np.testing.assert_allclose(found["limit_load"], closed, rtol=2e-4)
        assert found["yield_load"] < 0.9 * found["limit_load"]
    np.testing.assert_allclose(found["limit_reserve"], closed / 100.0, rtol=2e-4)
    doubled = LimitLoad(service_load=200.0)(SOLID, {})
    np.testing.assert_allclose(doubled["limit_reserve"], found["limit_reserve"] / 2.0, rtol=1e-12)


def test_first_yield_of_the_tube_is_lames():
    """The pressure at which von Mises' stress at the innermost quadrature point is the yield stress, plane strain."""
    wall, poisson, share = 50.0 / 8.0, 0.2857142857142857, 0.5 * (1.0 - 1.0 / np.sqrt(3.0))
    found = LimitLoad()(SOLID, {})["yield_load"]
    r, factor = 50.0 + share * wall, 50.0**2 / (100.0**2 - 50.0**2)
    radial, hoop = factor * (1.0 - (100.0 / r) ** 2), factor * (1.0 + (100.0 / r) ** 2)
    along = poisson * (radial + hoop)
    mises = np.sqrt(((radial - hoop) ** 2 + (hoop - along) ** 2 + (along - radial) ** 2) / 2.0)
    np.testing.assert_allclose(found, 250.0 / mises, rtol=2e-3)


def test_a_notch_carries_more_than_its_ligament():
    """Constraint lifts the limit above the yield stress, in proportion to it; two meshes agree to 0.1 %."""
    coarse = LimitLoad(body="notched_bar", refinement=2)(SOLID, {})["limit_load"]
    fine = LimitLoad(body="notched_bar", refinement=4)(SOLID, {})["limit_load"]
    np.testing.assert_allclose(coarse, fine, rtol=1e-3)
    assert 1.5 * 250.0 < fine < 2.85 * 250.0  # Prandtl's punch would be 2.57, a circular one 2.85
    twice = LimitLoad(body="notched_bar", refinement=2)(SOLID | {"offset_yield": np.array(500.0)}, {})["limit_load"]
    np.testing.assert_allclose(twice, 2.0 * coarse, rtol=1e-3)


@pytest.mark.parametrize("damage", ["AT1", "AT2"])
def test_an_even_bar_parts_at_its_strength(damage):
    """sqrt(3 E Gc / 8 l) and (9/16) sqrt(E Gc / 3 l), with the modulus of plane strain."""
    found = FractureLoad(specimen="even_bar", damage=damage, toughness=2.7, length=0.1, steps=24)(SOLID, {})
    plane = 1e3 * 9.0 * 160.0 * 80.0 / 560.0 / (1.0 - (2.0 / 7.0) ** 2)
    ratio = plane * 2.7 / 0.1
    closed = np.sqrt(3.0 * ratio / 8.0) if damage == "AT1" else 9.0 / 16.0 * np.sqrt(ratio / 3.0)
    np.testing.assert_allclose(found["fracture_load_closed"], closed, rtol=1e-12)
    assert found["fracture_load"] <= closed * (1.0 + 1e-3)
    np.testing.assert_allclose(found["fracture_load"], closed, rtol=0.03 if damage == "AT1" else 1e-3)


@pytest.mark.slow
def test_a_compact_specimen_breaks_below_griffith_and_with_its_toughness():
    """Damage spreads ahead of a crack before it runs: 5 to 15 % below the sharp crack, as the root of the toughness."""
    one = FractureLoad(refinement=9, length=2.5)(SOLID, {})
    assert 0.85 < one["fracture_load"] / one["fracture_load_closed"] < 0.95
    four = FractureLoad(refinement=9, length=2.5, toughness=40.0)(SOLID, {})
    np.testing.assert_allclose(four["fracture_load"], 2.0 * one["fracture_load"], rtol=1e-3)


def test_what_does_not_part_or_cannot_is_said():
    brittle = Brittle(160.0, 80.0, 2.7, 0.1, "AT1", "all")
    with pytest.raises(MemberFailed, match="larger displacement"):
        part(even_bar(0.05), brittle, np.linspace(1e-6, 1e-5, 3))
    with pytest.raises(StudyError, match="all energy drives"):
        even_bar_strength_MPa(Brittle(160.0, 80.0, 2.7, 0.1))
    with pytest.raises(StudyError, match="refinement: 12 or more"):
        FractureLoad(refinement=8, length=1.0)
    with pytest.raises(StudyError, match=r"0\.2 to 0\.8 of the width"):
        FractureLoad(crack=45.0)
    with pytest.raises(StudyError, match="larger one"):
        LimitLoad(bore=100.0)
    with pytest.raises(StudyError, match="needed: 0 < root_radius"):
        LimitLoad(body="notched_bar", depth=1.0)
