"""Defect operators: promises, what scatters and what does not, and refusals that say what to write instead."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from ase.data import atomic_numbers

sys.path.insert(0, str(Path(__file__).parent))
from ladder_specimens import ALLOY, ELEMENTS, step, upto

from uqmsm.chain import Chain, Stage
from uqmsm.errors import MemberFailed, StudyError
from uqmsm.physics.potential.effective_fcc import effective_fcc
from uqmsm.physics.potential.engines import Rival
from uqmsm.physics.potential.zhou import published
from uqmsm.promises import check
from uqmsm.scales.alloy import RandomAlloy
from uqmsm.scales.atomistic import FormStatics, MisfitSpread, StackingFault, Statics, Surface, Vacancy
from uqmsm.scales.potential import Potential

CANTOR = ("Co", "Cr", "Fe", "Mn", "Ni")
COARSE = {"points": 2000}
VACANCY = Vacancy(environments=2, **COARSE)
FAULT = StackingFault(side=2.0, cutoff=6.6, **COARSE)
SURFACE = Surface(side=2.0, height=4.0, cuts=2, **COARSE)
SPREAD = MisfitSpread(environments=3, **COARSE)


def cantor():
    alloy = step(RandomAlloy(CANTOR, (0.2,) * 5, lattice="fcc", cells=(3, 3, 3)), {}, "alloy")
    return alloy | {
        "potential_elements": np.array([atomic_numbers[symbol] for symbol in CANTOR]),
        "potential_parameters": effective_fcc(CANTOR).values,
    }


def refractory():
    given = dict(upto("service"))
    # elements of the potential in another order and one too many: rows are found by name
    order = ("W", "Ta", "Nb", "Mo", "Fe")
    given["potential_elements"] = np.array([atomic_numbers[symbol] for symbol in order])
    given["potential_parameters"] = published(order).values
    return given


@pytest.mark.parametrize(
    ("operator", "given"),
    [(VACANCY, refractory), (SPREAD, refractory), (SURFACE, refractory), (FAULT, cantor)],
    ids=["vacancy", "spread", "surface", "fault"],
)
def test_every_operator_keeps_its_promises(operator, given):
    known = given()
    report = check(operator, {port.name: known[port.name] for port in operator.inputs}, members=3)
    assert report.ok, str(report)
    assert report.rerolled == ()
    assert operator.cost() > 0


def test_each_environment_has_energies_of_its_own():
    found = step(Vacancy(environments=5, **COARSE), refractory(), "vacancy")
    energies = found["vacancy_formation_energies"]
    assert (energies > 2.0).all()
    assert (energies < 4.5).all()
    assert np.ptp(energies) > 0.02
    assert found["vacancy_formation_energy"] == energies[0]
    assert (found["vacancy_migration_energies"] > 0.3).all()
    assert set(found["vacancy_elements"].tolist()) <= {atomic_numbers[symbol] for symbol in ELEMENTS}
    # the same environments, whatever the order in which the potential names its elements
    plain = step(Vacancy(environments=5, **COARSE), upto("service"), "vacancy")
    assert plain["vacancy_formation_energies"] == pytest.approx(energies, abs=1e-6)
    # negative control: other environments for another index
    other = step(Vacancy(environments=5, **COARSE), refractory(), "vacancy", 1)
    assert not np.allclose(other["vacancy_formation_energies"], energies, atol=1e-3)


def test_the_potential_shifts_all_environments_and_chance_tells_them_apart():
    given, stiffer = refractory(), refractory()
    stiffer["potential_parameters"] = published(("W", "Ta", "Nb", "Mo", "Fe")).values.copy()
    stiffer["potential_parameters"][:, [6, 7]] *= 1.02  # pair energies
    one, two = (step(Statics(families=2, **COARSE), g, "statics") for g in (given, stiffer))
    here = step(VACANCY, given | one, "vacancy")["vacancy_formation_energies"]
    there = step(VACANCY, stiffer | two, "vacancy")["vacancy_formation_energies"]
    assert np.corrcoef(here, there)[0, 1] > 0.9
    assert not np.allclose(here, there, atol=1e-3)


def test_a_wide_surface_has_the_mean_of_small_ones_and_the_plane_matters():
    given = refractory()
    found = {plane: step(Surface(plane=plane, side=2.0, height=4.5, cuts=2), given) for plane in ("100", "110", "111")}
    assert found["110"]["surface_energy"] < found["100"]["surface_energy"] < found["111"]["surface_energy"]
    for one in found.values():
        assert one["surface_energy"] < one["cleavage_energy"]
        assert one["surface_energy"] == pytest.approx(one["surface_energies"].mean())


def test_faults_are_told_with_their_area_and_the_barrier_lies_above():
    found = step(FAULT, cantor())
    assert found["stacking_fault_energies"].shape == (9,)
    assert found["stacking_fault_area"] > (2 * 3.4) ** 2
    assert found["unstable_stacking_fault_energy"] > found["stacking_fault_energy"] + 50
    assert found["stacking_fault_curve"][0, 0] == pytest.approx(0.0, abs=0.5)


def test_misfits_scatter_in_the_form_that_a_member_has_drawn():
    """Swaps that statics averages over the whole crystal and single sites tell the same elements large and small."""
    rivals, given = (Rival("finnis_sinclair_1984"),), upto("service")
    several = MisfitSpread(environments=3, **COARSE, rivals=rivals)
    learnt = step(SPREAD, given, "spread")
    same, other = (step(several, given | {"potential_form": form}, "spread") for form in (0, 1))
    assert np.array_equal(same["local_misfit_volumes"], learnt["local_misfit_volumes"])
    assert not np.allclose(other["misfit_spreads"], learnt["misfit_spreads"], rtol=0.02)
    known = given | {"potential_form": 1}
    mean = step(FormStatics(families=4, **COARSE, rivals=rivals), known, "statics")["static_misfit_volumes"]
    found = other["local_misfit_volumes"].mean(axis=0)
    error = np.hypot(other["misfit_spreads"] / np.sqrt(3), 0.03)
    assert (abs(found - mean) < 4 * error).all()
    assert np.corrcoef(found, mean)[0, 1] > 0.95
    learnt_mean = learnt["local_misfit_volumes"].mean(axis=0)
    assert (abs(learnt_mean - mean) > abs(found - mean)).any(), "negative control: the other form's are not these"
    words = MisfitSpread(rivals=(Rival("choi_2018"),)).consistent({"alloy": ALLOY})
    assert any("its own engine" in one for one in words)


def test_refusals_say_what_to_write():
    for wrong in (
        lambda: Vacancy(environments=0),
        lambda: Vacancy(points=100),
        lambda: StackingFault(layers=6),
        lambda: Surface(side=1.0),
        lambda: MisfitSpread(environments=2),
    ):
        with pytest.raises(StudyError, match=r"needed|at least"):
            wrong()
    with pytest.raises(MemberFailed, match="give this stage an fcc alloy"):
        step(FAULT, refractory())
    alloy, potential = Stage("alloy", ALLOY), Stage("potential", Potential(("Mo", "Nb", "Ta"), parameters="published"))
    words = " ".join(StackingFault().consistent({"alloy": ALLOY, "potential": potential.operator}))
    assert "name every element of the alloy in the potential" in words
    assert "lattice: fcc" in words
    with pytest.raises(StudyError, match="chemical_potentials"):
        Chain((alloy, potential, Stage("vacancy", Vacancy())))  # statics are missing
