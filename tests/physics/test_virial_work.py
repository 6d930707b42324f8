"""Hill's condition for atoms in every record: what the virial works is what the bonds store, or the member fails."""

from __future__ import annotations

import numpy as np
import pytest

from uqmsm.errors import MemberFailed
from uqmsm.physics.alloy import configuration, sites
from uqmsm.physics.atomistic.eam import evaluate
from uqmsm.physics.atomistic.elastic import elasticity
from uqmsm.physics.atomistic.neighbours import half_list
from uqmsm.physics.atomistic.probed import own_probe, probed_statics
from uqmsm.physics.atomistic.relax import Crystal, relax
from uqmsm.physics.atomistic.splines import interpolate
from uqmsm.physics.atomistic.statics import statics
from uqmsm.physics.atomistic.virial_work import virial_gap
from uqmsm.physics.potential import published, tabulate
from uqmsm.physics.potential.effective_fcc import effective_fcc

ELEMENTS = ("Co", "Cr", "Ni")
SHARES = np.full(3, 1 / 3)
TABLES = tabulate(effective_fcc(ELEMENTS), cutoff_angstrom=6.6)
POTENTIAL = interpolate(TABLES)
CELLS = (3, 3, 3)


@pytest.fixture(scope="module")
def rest():
    species = configuration(SHARES, CELLS, "fcc", np.random.default_rng(5))
    cell = 3.56 * np.diag(np.array(CELLS, dtype=float))
    return relax(POTENTIAL, Crystal(species, sites("fcc", CELLS) @ cell, cell))


def look(crystal):
    near = half_list(crystal.positions, crystal.cell, POTENTIAL.cutoff)
    seen = evaluate(POTENTIAL, crystal.species, crystal.positions, crystal.cell, near)
    return seen.energy, np.array(seen.virial)


def test_a_crystal_at_rest_keeps_the_work_to_third_derivatives(rest):
    assert virial_gap(look, rest.crystal, rest.energy, elasticity(rest).answer) < 5e-5


def test_the_gap_sees_an_answer_out_of_balance(rest):
    """Displacements that are not the answer store energy which the mean stress does not see."""
    answer = elasticity(rest).answer
    right, near, far = (virial_gap(look, rest.crystal, rest.energy, share * answer) for share in (1.0, 0.9, 0.5))
    assert 5 * right < near
    assert 2 * near < far


@pytest.mark.parametrize("wrong", [lambda e, v: (e, 1.01 * v), lambda e, v: (e, v * [1, 1, 1, 2, 2, 2])])
def test_a_stress_that_is_not_the_energys_is_a_failure(rest, wrong):
    with pytest.raises(MemberFailed, match="are not those of its energy"):
        virial_gap(lambda c: wrong(*look(c)), rest.crystal, rest.energy, elasticity(rest).answer)


@pytest.mark.parametrize("symbol", ["Cu", "Ni", "Al"])
def test_a_shell_at_the_cutoff_is_no_failure(symbol):
    """The published cutoff is the distance of the fifth shell: its bonds jump in and out under any strain."""
    tables = tabulate(published((symbol,)))
    potential = interpolate(tables)
    cell = 1.005 * published((symbol,)).values[0, 0] * np.sqrt(2) * np.eye(3) * 3
    at = relax(potential, Crystal(np.zeros(108, dtype=np.int64), sites("fcc", CELLS) @ cell, cell))

    def seen(crystal, factor=1.0):
        near = half_list(crystal.positions, crystal.cell, potential.cutoff)
        found = evaluate(potential, crystal.species, crystal.positions, crystal.cell, near)
        return found.energy, factor * np.array(found.virial)

    answer = elasticity(at).answer
    assert virial_gap(seen, at.crystal, at.energy, answer) < 5e-3
    with pytest.raises(MemberFailed, match="are not those of its energy"):
        virial_gap(lambda c: seen(c, 1.02), at.crystal, at.energy, answer)


def test_records_of_both_kinds_carry_it():
    species = configuration(SHARES, (2, 2, 2), "fcc", np.random.default_rng(5))
    asked = {"cells": (2, 2, 2), "a_guess_A": 3.56, "n_families": 0}
    where = species, SHARES, sites("fcc", (2, 2, 2))
    ours = statics(TABLES, *where, rng=np.random.default_rng(1), **asked)
    probe = own_probe(TABLES)
    asked_often = probed_statics(probe, *where, rng=np.random.default_rng(1), **asked)
    assert 0.0 < ours.virial_gap < 5e-5
    assert asked_often.virial_gap < 1e-4

    def false(*crystal):
        energy, forces, virial = probe(*crystal)
        return energy, forces, 1.02 * virial

    with pytest.raises(MemberFailed, match="eV of work"):
        probed_statics(false, *where, rng=np.random.default_rng(1), **asked)
