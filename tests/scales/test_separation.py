"""Planes that part: traction and work belong together, and the component above parts at what its atoms bear."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import simpson

sys.path.insert(0, str(Path(__file__).parent))
from ladder_specimens import step, upto

from uqmsm.errors import MemberFailed, StudyError
from uqmsm.physics.alloy import configuration, plane_block, sites
from uqmsm.physics.atomistic.layers import stacked
from uqmsm.physics.atomistic.separation import separation
from uqmsm.physics.atomistic.splines import interpolate
from uqmsm.physics.atomistic.surfaces import surface_energies
from uqmsm.physics.potential import tabulated, zhou
from uqmsm.physics.tensors import cubic_stiffness
from uqmsm.promises import check
from uqmsm.scales.atomistic import Separation
from uqmsm.scales.fe import FractureLoad

SMALL = Separation(side=2.0, height=4.5, cuts=2, points=2000)


@pytest.fixture(scope="module")
def tungsten():
    potential = interpolate(tabulated.tabulate(zhou.published(["W"]), 4000, 4000))
    vectors = plane_block("bcc", "100", 2.0, 5.0)
    species = configuration(np.ones(1), vectors, "bcc", np.random.default_rng(0))
    return potential, stacked(potential, species, sites("bcc", vectors), vectors, 3.165)


def test_traction_is_the_slope_of_the_energy_and_its_area_is_the_work(tungsten):
    potential, stack = tungsten
    law = separation(potential, stack, np.array([0, 3]))
    assert abs(law.traction[:, 0]).max() < 1e-2  # at rest nothing pulls
    assert abs(law.traction[:, -1]).max() < 1e-9  # and beyond the cutoff nothing holds
    assert law.traction[0] == pytest.approx(law.traction[1], abs=1e-6)
    area = 0.1 * simpson(law.traction, x=law.opening, axis=1)  # GPa A is 0.1 J/m^2
    np.testing.assert_allclose(area, law.work, rtol=1e-3)
    # all planes of one element are alike, and two surfaces are what a cut of rigid halves costs
    np.testing.assert_allclose(law.work[0], law.work[1], rtol=1e-9)
    cuts = surface_energies(potential, stack, np.array([0]))
    assert 2e-3 * cuts.cleaved[0] == pytest.approx(law.work[0], rel=1e-6)
    assert law.traction[0].max() <= law.strength[0] < 1.05 * law.traction[0].max()


def test_an_alloy_parts_cut_by_cut_and_keeps_its_promises():
    given = dict(upto("service"))
    known = {port.name: given[port.name] for port in SMALL.inputs}
    report = check(SMALL, known, members=2)
    assert report.ok, str(report)
    found = step(SMALL, given)
    assert found["separation_work"] < found["separation_work_rigid"]
    assert found["separation_strength"] >= found["separation_traction"].max()
    with pytest.raises(StudyError, match="at least 2 and 4"):
        Separation(side=1.0)


@pytest.mark.parametrize("damage", ["AT1", "AT2"])
def test_a_bar_parts_at_the_strength_of_its_atoms(damage):
    """20 GPa and 5 J/m^2 make a length of nanometres; the bar bears 20 000 N per mm^2 (3 % for the steps of AT1)."""
    given = {
        "stiffness": cubic_stiffness(350.0, 170.0, 90.0), "separation_strength": np.array(20.0),
        "separation_work": np.array(5.0),
    }  # fmt: skip
    bar = FractureLoad(specimen="even_bar", toughness="separated", damage=damage, steps=24)
    assert {port.name for port in bar.inputs} == set(given)
    found = bar(given, {})
    assert found["fracture_load_closed"] == pytest.approx(2e4, rel=1e-9)
    assert found["fracture_load"] == pytest.approx(2e4, rel=0.03)
    with pytest.raises(StudyError, match="leave length out"):
        FractureLoad(toughness="separated", length=1.0)
    # a specimen of millimetres has no elements of nanometres
    with pytest.raises(MemberFailed, match="or more"):
        FractureLoad(toughness="separated")(given, {})
