"""A vacancy in the triangular lattice: patch tests, rates in the number of unknowns, and what coupling saves."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from uqmsm.errors import NotConverged, StudyError
from uqmsm.physics.coupling.blending import blending
from uqmsm.physics.coupling.cauchy_born import CauchyBorn, ground_state
from uqmsm.physics.coupling.equilibrium import solve
from uqmsm.physics.coupling.interactions import toy_eam
from uqmsm.physics.coupling.lattice import cubic, triangular
from uqmsm.physics.coupling.measure import fitted_rate, ghost_force, strain_error, unknowns_at
from uqmsm.physics.coupling.mesh import graded
from uqmsm.physics.coupling.methods import couple, pose

LATTICE, ATOM = triangular(), toy_eam()
CRYSTAL = CauchyBorn(ATOM, LATTICE)
REST = ground_state(CRYSTAL, 2)
PULLED = np.array([[1.0, 0.02], [0.0, 1.03]]) @ REST
VACANCY = np.zeros((1, 2), dtype=int)


def vacancy(method, core, **settings):
    problem = pose(LATTICE, ATOM, CRYSTAL, PULLED, method=method, core=core, vacancies=VACANCY, **settings)
    return solve(couple(problem, method))


@pytest.fixture(scope="module")
def reference():
    return vacancy("qc-gfc", 24, outer=900, alpha=1.4)


def strains(count, size, seed):
    noise = np.random.default_rng(seed).normal(size=(count, 2, 2))
    return np.eye(2) + size * noise / np.linalg.norm(noise, axis=(1, 2), keepdims=True)


@pytest.mark.parametrize("method", ["qc-gfc", "qcf", "bqcf", "bgfc", "atomistic"])
def test_no_ghost_force_on_the_perfect_crystal(method):
    problem = pose(LATTICE, ATOM, CRYSTAL, PULLED, method=method, core=4)
    coupled = couple(problem, method)
    assert ghost_force(coupled, PULLED) < 1e-12
    worst = max(ghost_force(coupled, G @ PULLED) for G in strains(10, 0.05, 0))
    if method in {"qcf", "bqcf", "atomistic"}:
        assert worst < 1e-11
    else:
        sizes = np.array([1e-3, 2e-3, 4e-3])
        away = [ghost_force(coupled, strains(1, s, 1)[0] @ PULLED) for s in sizes]
        assert np.polyfit(np.log(sizes), np.log(away), 1)[0] == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize(("method", "left"), [("bgfc", False), ("bqce", True), ("qce", True), ("bqcf", False)])
def test_every_geometry_tells_its_ghost_force(method, left):
    """Also around a defect: what is told is that of the perfect crystal in the same mesh."""
    coupled = couple(pose(LATTICE, ATOM, CRYSTAL, PULLED, method=method, core=3, vacancies=VACANCY), method)
    before, after = coupled.ghosts
    assert (after > 1e-3) == left
    assert (before > 1e-3) == (method != "bqcf")
    assert str(coupled).startswith(f"{method}, {coupled.problem.unknowns} unknowns: ghost force")
    assert f"{after:.2g} left" in str(coupled)


def test_energies_without_correction_have_a_ghost_force_that_blending_lowers():
    found = [
        ghost_force(couple(pose(LATTICE, ATOM, CRYSTAL, PULLED, method=m, core=8, width=w), m), PULLED)
        for m, w in (("qce", None), ("bqce", 4), ("bqce", 8), ("bqce", 16))
    ]
    assert found[0] > 0.1
    assert all(a > 2 * b for a, b in pairwise(found))


@pytest.mark.parametrize("method", ["bgfc", "bqcf", "qce", "atomistic"])
def test_forces_and_jacobians_are_derivatives(method):
    problem = pose(LATTICE, ATOM, CRYSTAL, PULLED, method=method, core=3, vacancies=VACANCY)
    coupled = couple(problem, method)
    rng = np.random.default_rng(4)
    y, d = problem.affine + 0.02 * rng.normal(size=problem.affine.shape), rng.normal(size=problem.affine.shape)
    h = 1e-6
    gradient, jacobian = coupled.derivatives(y)
    up, down = coupled.gradient(y + h * d), coupled.gradient(y - h * d)
    assert (jacobian @ d.ravel()) == pytest.approx(((up - down) / (2 * h)).ravel(), abs=1e-5 * np.abs(jacobian).max())
    if coupled.conservative:
        difference = (coupled.energy(y + h * d) - coupled.energy(y - h * d)) / (2 * h)
        assert difference == pytest.approx(float((gradient * d).sum()), rel=1e-6)
    else:
        with pytest.raises(StudyError, match="no energy"):
            coupled.energy(y)


def test_a_core_that_reaches_the_boundary_is_the_atomistic_answer(reference):
    atoms = vacancy("atomistic", 30)
    inside = reference.coupled.problem.mesh.distance <= 3
    mesh = atoms.coupled.problem.mesh
    theirs = reference.displacement[inside]
    ours = mesh.interpolation(reference.coupled.problem.mesh.nodes[inside]) @ atoms.displacement
    assert np.abs(ours - theirs).max() < 0.01 * np.abs(theirs).max()


def test_the_corrected_blending_converges_like_the_inverse_of_the_unknowns(reference):
    """Five small cores, and the energy-blending without correction at half the rate, the sharp one not at all."""
    cores = (3, 4, 5, 6, 8)
    found = {}
    for method in ("bgfc", "bqce", "qce"):
        rests = [vacancy(method, core) for core in cores]
        sizes = [rest.coupled.problem.unknowns for rest in rests]
        found[method] = fitted_rate(sizes, [strain_error(rest, reference).mean_square for rest in rests])
    assert found["bgfc"].slope == pytest.approx(-1.0, abs=0.15)
    assert found["bqce"].slope == pytest.approx(-0.55, abs=0.15)
    assert found["qce"].slope == pytest.approx(0.0, abs=0.1)


def test_least_bending_bends_less_than_formulas():
    mesh = graded(LATTICE, 22, 22)

    def bending(beta):
        ends = LATTICE.neighbours(mesh.sites, mesh.sites)
        ok = (ends >= 0).all(axis=1)
        return sum(((beta[ends[ok, k]] - 2 * beta[ok] + beta[ends[ok, k + 3]]) ** 2).sum() for k in range(3))

    least, cubic_ = (blending(mesh, 6, 12, kind) for kind in ("least_bending", "cubic"))
    assert bending(least) < 0.9 * bending(cubic_)
    assert ((least >= 0) & (least <= 1)).all()
    assert (least[mesh.distance <= 6] == 0).all()
    assert (least[mesh.distance >= 18] == 1).all()
    with pytest.raises(StudyError, match="at least 1"):
        blending(mesh, 6, 0)


@pytest.mark.parametrize("lattice", [triangular(), cubic("fcc", np.sqrt(2.0), 1.2)], ids=["2-D", "3-D"])
def test_a_graded_mesh_fills_its_hull_with_the_right_gradients(lattice):
    mesh = graded(lattice, 4, 12, alpha=1.4)
    d = lattice.dimension
    from scipy.spatial import ConvexHull

    assert mesh.volumes.sum() == pytest.approx(ConvexHull(mesh.nodes).volume, rel=1e-10)
    F = np.eye(d) + 0.1 * np.random.default_rng(0).normal(size=(d, d))
    got = (mesh.deformation @ (mesh.nodes @ F.T).ravel()).reshape(-1, d, d)
    assert got == pytest.approx(np.broadcast_to(F, got.shape), abs=1e-10)
    points = np.random.default_rng(1).uniform(-3, 3, size=(50, d))
    assert mesh.interpolation(points) @ mesh.nodes == pytest.approx(points, abs=1e-10)
    assert not mesh.boundary[mesh.distance < 8].any()


def test_a_rate_needs_three_points_and_recovers_a_power_law():
    n = np.array([100, 200, 400, 800])
    rate = fitted_rate(n, 3.0 / n)
    assert rate.slope == pytest.approx(-1.0)
    assert rate.high - rate.low < 1e-10
    assert unknowns_at(0.01, n, 3.0 / n) == pytest.approx(300.0)
    assert unknowns_at(0.001, n, 3.0 / n) == pytest.approx(3000.0)
    with pytest.raises(StudyError, match="at least 3"):
        fitted_rate([1, 2], [1, 2])


def test_solutions_of_different_problems_are_not_compared_and_absurd_loads_do_not_converge(reference):
    other = pose(LATTICE, ATOM, CRYSTAL, REST, core=3, vacancies=VACANCY)
    with pytest.raises(StudyError, match="different problems"):
        strain_error(solve(couple(other, "bgfc")), reference)
    torn = pose(LATTICE, ATOM, CRYSTAL, 1.6 * REST, core=3, vacancies=VACANCY)
    with pytest.raises(NotConverged, match="smaller load"):
        solve(couple(torn, "bgfc"), most_steps=3)
    with pytest.raises(StudyError, match="perfect crystal"):
        ghost_force(couple(other, "bgfc"), REST)
