"""Arlequin: which choices pass the patch test of a chain, what the default does in a plane, and how wrong it is."""

from __future__ import annotations

import numpy as np
import pytest

from uqmsm.errors import StudyError
from uqmsm.physics.coupling.cauchy_born import CauchyBorn, ground_state
from uqmsm.physics.coupling.equilibrium import solve
from uqmsm.physics.coupling.interactions import toy_eam
from uqmsm.physics.coupling.lattice import triangular
from uqmsm.physics.coupling.measure import strain_error, strain_error_at_nodes
from uqmsm.physics.coupling.methods import couple, pose
from uqmsm.physics.coupling.overlaps import chain_patch, overlap

LATTICE, ATOM = triangular(), toy_eam()
CRYSTAL = CauchyBorn(ATOM, LATTICE)
PULLED = np.array([[1.0, 0.02], [0.0, 1.03]]) @ ground_state(CRYSTAL, 2)
VACANCY = np.zeros((1, 2), dtype=int)


@pytest.mark.parametrize("mediator", ["fine", "coarse"])
@pytest.mark.parametrize("multiplier", ["L2", "H1"])
@pytest.mark.parametrize("weights", ["linear", "cubic", "constant"])
def test_weights_averaged_alike_pass_where_the_mediator_is_fine_or_the_weights_are_linear(
    weights, multiplier, mediator
):
    found = chain_patch(weights=weights, multiplier=multiplier, mediator=mediator)
    assert found.passes == (mediator == "fine" or weights == "linear")
    # sampled weights pass nowhere: the negative control
    naive = chain_patch(weights=weights, multiplier=multiplier, mediator=mediator, averaged=False)
    assert naive.atoms > 0.05
    assert not naive.passes


def test_the_default_passes_and_the_failures_have_their_sizes():
    """Sizes computed with independent scripts from the same formulas."""
    assert chain_patch().passes
    assert chain_patch(weights="cubic", multiplier="L2").atoms == pytest.approx(0.36, abs=0.005)
    assert chain_patch(weights="cubic", multiplier="H1").atoms == pytest.approx(0.18, abs=0.005)
    assert chain_patch(weights="constant", multiplier="L2").atoms == pytest.approx(0.58, abs=0.005)
    assert chain_patch(weights="constant", multiplier="H1").atoms == pytest.approx(0.49, abs=0.005)
    assert chain_patch(multiplier="L2", averaged=False).atoms == pytest.approx(0.34, abs=0.005)
    assert chain_patch(multiplier="H1", averaged=False).atoms == pytest.approx(0.28, abs=0.005)
    fine = chain_patch(mediator="fine", averaged=False)
    assert (fine.atoms, fine.bar) == pytest.approx((0.059, 0.059), abs=0.001)
    with pytest.raises(StudyError, match="must fit"):
        chain_patch(overlapped=7)


@pytest.mark.parametrize("choice", [{}, {"multiplier": "L2"}, {"weights": "cubic"}])
def test_every_geometry_of_a_plane_is_tested_and_dead_loads_make_it_pass(choice):
    laid = overlap(LATTICE, ATOM, CRYSTAL, PULLED, core=4, **choice)
    assert laid.passes
    # away from the far field the dead load is no longer exact, and coarse multipliers hold the atoms less well
    assert laid.drift < 0.2
    assert overlap(LATTICE, ATOM, CRYSTAL, PULLED, core=4, **choice, mediator="coarse").drift > 3 * laid.drift
    bare = overlap(LATTICE, ATOM, CRYSTAL, PULLED, core=4, dead_load=False, **choice)
    assert not bare.passes
    assert bare.patch > 1e-4


def test_the_whole_energy_of_a_homogeneous_crystal_is_counted_once():
    laid = overlap(LATTICE, ATOM, CRYSTAL, PULLED, core=4)
    p = laid.problem
    whole = laid.element_mesh.volumes.sum() * CRYSTAL(PULLED[None]).energy[0]
    assert p.atoms.energy(p.atom_start) + p.elements.energy(p.element_start) == pytest.approx(whole, rel=1e-10)


def test_a_vacancy_is_answered_at_least_as_well_as_by_blended_energies():
    fine = pose(LATTICE, ATOM, CRYSTAL, PULLED, method="qc-gfc", core=20, outer=600, vacancies=VACANCY)
    reference = solve(couple(fine, "qc-gfc"))
    laid = overlap(LATTICE, ATOM, CRYSTAL, PULLED, core=8, vacancies=VACANCY)
    guess = laid.displacement(laid.solve(), fine.mesh.nodes)
    error = strain_error_at_nodes(guess, reference).mean_square
    blended = pose(LATTICE, ATOM, CRYSTAL, PULLED, method="bqce", core=8, vacancies=VACANCY)
    assert error < strain_error(solve(couple(blended, "bqce")), reference).mean_square
    assert error < 0.04


def test_odd_overlaps_are_refused():
    with pytest.raises(StudyError, match="even numbers"):
        overlap(LATTICE, ATOM, CRYSTAL, PULLED, core=5)
