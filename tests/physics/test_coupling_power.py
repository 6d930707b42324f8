"""Hill and Mandel across an interface: reactions and virials are one mean stress, the slope of the energy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from uqmsm.errors import StudyError
from uqmsm.physics.coupling.cauchy_born import CauchyBorn, ground_state
from uqmsm.physics.coupling.equilibrium import solve
from uqmsm.physics.coupling.interactions import toy_eam
from uqmsm.physics.coupling.lattice import triangular
from uqmsm.physics.coupling.methods import couple, pose
from uqmsm.physics.coupling.power import mean_stress

LATTICE, ATOMS = triangular(), toy_eam()
CONTINUUM = CauchyBorn(ATOMS, LATTICE)
REST = ground_state(CONTINUUM, 2)
HOLE = np.zeros((1, 2), dtype=np.int64)


def posed(method, strain):
    return pose(LATTICE, ATOMS, CONTINUUM, (np.eye(2) + strain) @ REST, method=method, core=3, outer=11, vacancies=HOLE)


def energy(coupled):
    """Return the energy at rest, the dead load's work counted from positions of zero (its far field stays)."""
    y = solve(coupled, tolerance=1e-11).positions
    return coupled.atoms.energy(y) + coupled.elements.energy(y) - float((coupled.dead * y).sum())


@pytest.mark.parametrize("method", ["bqce", "bgfc", "qc-gfc"])
def test_no_power_is_lost_between_atoms_and_elements(method):
    """One vacancy, sheared and stretched: the stress outside, the stress inside and dE/dF are one."""
    problem = posed(method, np.array([[0.02, 0.015], [0.0, 0.01]]))
    rest = solve(couple(problem, method), tolerance=1e-11)
    found = mean_stress(rest)
    assert found.gap < 1e-10
    assert np.linalg.norm(found.elements) > 0.1 * np.linalg.norm(found.atoms) > 0.0
    volume, h = float(problem.mesh.volumes.sum()), 1e-5
    for i, j in ((0, 1), (1, 1)):
        change = np.zeros((2, 2))
        change[i, j] = h
        strained = [replace(problem, far_field=problem.far_field + sign * change) for sign in (1.0, -1.0)]
        above, below = (energy(replace(rest.coupled, problem=one)) for one in strained)
        assert (above - below) / (2.0 * h) / volume == pytest.approx(found.boundary[i, j], abs=2e-6)


def test_without_rest_the_two_stresses_part():
    """Negative control: atoms that are not at rest do work of their own."""
    coupled = couple(posed("bgfc", np.zeros((2, 2))), "bgfc")
    rest = solve(coupled, tolerance=1e-11)
    assert mean_stress(rest).gap < 1e-9
    moved = np.where(
        coupled.problem.free[:, None], 0.01 * np.random.default_rng(1).normal(size=rest.positions.shape), 0
    )
    assert mean_stress(replace(rest, positions=rest.positions + moved)).gap > 1e-3


def test_blended_forces_have_no_such_power():
    rest = solve(couple(posed("bqcf", np.zeros((2, 2))), "bqcf"))
    with pytest.raises(StudyError, match="no energy"):
        mean_stress(rest)
