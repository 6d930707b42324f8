"""Coupling in three dimensions: patch tests in any orientation, rates of a vacancy, the expanded far field."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from uqmsm.errors import StudyError
from uqmsm.physics.coupling.alloys import TabulatedAtoms, average_atom_of
from uqmsm.physics.coupling.cauchy_born import CauchyBorn, NearlyLinear, ground_state
from uqmsm.physics.coupling.energies import block_diagonal
from uqmsm.physics.coupling.equilibrium import solve
from uqmsm.physics.coupling.interactions import toy_eam
from uqmsm.physics.coupling.lattice import cubic
from uqmsm.physics.coupling.measure import fitted_rate, ghost_force, strain_error
from uqmsm.physics.coupling.methods import couple, pose
from uqmsm.physics.coupling.overlaps import overlap
from uqmsm.physics.coupling.tabulated_crystal import TabulatedCrystal
from uqmsm.physics.coupling.vacancies import coupled_vacancy, posed_vacancy
from uqmsm.physics.potential import tabulated, zhou

FCC, ATOM = cubic("fcc", np.sqrt(2.0), 1.2), toy_eam(strength=5.0)
CRYSTAL = CauchyBorn(ATOM, FCC)
REST = ground_state(CRYSTAL, 3)
VACANCY = np.zeros((1, 3), dtype=int)


def turned(seed, size=0.02):
    """Return a crystal in a random orientation, strained by two per cent."""
    strain = np.eye(3) + size * np.random.default_rng(seed).normal(size=(3, 3))
    return Rotation.random(random_state=seed).as_matrix() @ strain @ REST


@pytest.mark.parametrize("seed", [0, 1])
def test_corrected_and_force_coupling_rest_in_a_crystal_of_any_orientation(seed):
    F = turned(seed)
    found = {}
    for method in ("bgfc", "qc-gfc", "bqcf", "qcf", "bqce", "qce"):
        problem = pose(FCC, ATOM, CRYSTAL, F, method=method, core=2, width=2, outer=8, profile="quintic")
        found[method] = ghost_force(couple(problem, method), F)
    print(found)
    assert max(found[method] for method in ("bgfc", "qc-gfc", "bqcf", "qcf")) < 1e-9
    # negative controls: energies that are not corrected
    assert found["qce"] > found["bqce"] > 0.05
    # the dead load is that of this orientation; in another one it is a force like any other
    other = pose(FCC, ATOM, CRYSTAL, F, method="bgfc", core=2, width=2, outer=8, profile="quintic")
    assert ghost_force(couple(other, "bgfc"), turned(seed + 5)) > 1e-3


def test_arlequin_runs_its_patch_test_in_space_too():
    laid = overlap(FCC, ATOM, CRYSTAL, turned(0), core=2, width=2, outer=8)
    assert laid.passes
    assert laid.patch < 1e-9
    assert laid.drift < 0.1
    assert not overlap(FCC, ATOM, CRYSTAL, turned(0), core=2, width=2, outer=8, dead_load=False).passes


def test_a_far_field_that_is_expanded_where_it_rests_gives_the_same_vacancy():
    tables = tabulated.tabulate(zhou.published(["Mo", "W"]), 1000, 1000)
    problem = posed_vacancy(tables, [0.5, 0.5], "bcc", 3.155, np.random.default_rng(2), core=1, outer=7)
    assert isinstance(problem.continuum, NearlyLinear)
    quick = coupled_vacancy(problem, [0.0, 0.0])
    whole = coupled_vacancy(replace(problem, continuum=problem.continuum.continuum), [0.0, 0.0])
    assert quick.formation_energy == pytest.approx(whole.formation_energy, abs=1e-5)
    assert quick.relaxation_energy == pytest.approx(whole.relaxation_energy, abs=1e-5)
    # sums laid once, against products of sparse matrices and every element by itself
    coupled = couple(problem)
    y = solve(coupled, tolerance=1e-4).positions
    elements, d = coupled.elements, 3
    at = problem.continuum(elements.gradients(y))
    assert 0 < problem.continuum.far(elements.gradients(y)).sum() < len(elements.weights)
    B, w = elements.deformation, elements.weights
    blocks = block_diagonal((w[:, None, None, None, None] * at.tangent).reshape(-1, d * d, d * d))
    gradient, stiffness = elements.derivatives(y)
    np.testing.assert_allclose(gradient.ravel(), B.T @ (w[:, None, None] * at.stress).ravel(), atol=1e-12)
    assert abs(stiffness - B.T @ (blocks @ B)).max() < 1e-12 * abs(stiffness).max()
    whole_stiffness = coupled.derivatives(y)[1]
    apart = coupled.atoms.derivatives(y)[1] + stiffness
    assert abs(whole_stiffness - apart).max() < 1e-12 * abs(apart).max()
    F = np.eye(3) + 1e-4 * np.random.default_rng(0).normal(size=(5, 3, 3))
    near, exact = problem.continuum(F), problem.continuum.continuum(F)
    assert near.stress == pytest.approx(exact.stress, abs=1e-6)
    assert np.abs(near.stress - exact.stress).max() > 0.0  # it is an expansion


def test_the_compiled_crystal_is_the_one_of_site_energies():
    """Two codes: moments of half of the hops by F^T F, and every bond by itself; strained by up to ten per cent."""
    tables = tabulated.tabulate(zhou.published(["Mo", "W"]), 1000, 1000)
    for lattice, a in (("bcc", 3.155), ("fcc", 4.0)):
        average, grid = average_atom_of(tables, [0.5, 0.5]), cubic(lattice, a, 1.03 * tables.cutoff)
        F = turned(3, 0.1) @ np.linalg.inv(REST) + 0.03 * np.random.default_rng(1).normal(size=(20, 3, 3))
        one, other = TabulatedCrystal(average, grid)(F), CauchyBorn(average, grid)(F)
        for name in ("energy", "stress", "tangent"):
            mine, theirs = getattr(one, name), getattr(other, name)
            assert np.abs(mine - theirs).max() < 1e-12 * np.abs(theirs).max()
    with pytest.raises(StudyError, match="give one kind"):
        TabulatedCrystal(TabulatedAtoms(tables), cubic("bcc", 3.155, 5.0))


@pytest.mark.slow
def test_a_vacancy_in_space_converges_as_linear_elements_allow():
    """Theory for linear elements: -5/6 (M. Fang and L. Zhang, Commun. Comput. Phys. 29, 1246, 2021).

    The blended energy without correction falls behind as theory says it must (-1/6).
    """
    F = (np.diag([1.02, 1.0, 0.99]) + 0.02 * np.eye(3, k=1)) @ REST

    def vacancy(method, core, **settings):
        problem = pose(
            FCC, ATOM, CRYSTAL, F, method=method, core=core, vacancies=VACANCY, profile="quintic", **settings
        )
        return solve(couple(problem, method))

    reference = vacancy("qc-gfc", 8, outer=60, alpha=1.2)
    found = {}
    for method, sizes in (
        ("bgfc", ((1, 1), (2, 1), (2, 2), (3, 2), (3, 3))), ("qc-gfc", ((2, 0), (3, 0), (4, 0), (5, 0))),
        ("bqce", ((1, 1), (2, 2), (3, 3))),
    ):  # fmt: skip
        rests = [vacancy(method, core, width=width) for core, width in sizes]
        unknowns = [rest.coupled.problem.unknowns for rest in rests]
        found[method] = fitted_rate(unknowns, [strain_error(rest, reference).mean_square for rest in rests])
    print(found)
    assert found["bgfc"].slope == pytest.approx(-0.83, abs=0.15)
    assert found["bgfc"].decades > 1.0
    assert found["qc-gfc"].slope == pytest.approx(-0.83, abs=0.15)
    assert found["bqce"].slope > found["bgfc"].slope + 0.3
