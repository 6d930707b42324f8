"""A dislocation in a mesh: the slipped crystal fits together, elasticity starts it well, and atoms make its core."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from uqmsm.errors import StudyError
from uqmsm.physics.coupling.cauchy_born import CauchyBorn, ground_state
from uqmsm.physics.coupling.dislocations import excess, in_a_plane, plane_field, posed_dislocation
from uqmsm.physics.coupling.equilibrium import Rest, solve
from uqmsm.physics.coupling.interactions import EmbeddedAtoms, shortened, toy_eam
from uqmsm.physics.coupling.lattice import triangular
from uqmsm.physics.coupling.measure import rates_told, strain_error
from uqmsm.physics.coupling.methods import couple
from uqmsm.physics.coupling.power import mean_stress
from uqmsm.physics.coupling.slipped import seen_by_distance

ATOM = shortened(toy_eam(), 1.45, 1.85)
REST = float(ground_state(CauchyBorn(ATOM, triangular(shells=2)), 2)[0, 0])
LATTICE = triangular(REST, shells=2)
CRYSTAL = CauchyBorn(ATOM, LATTICE)
FIELD = plane_field(CRYSTAL)
HALF_ROW = np.sqrt(3.0) / 4.0 * REST


COLUMNS = in_a_plane(LATTICE, [-0.25 * REST, HALF_ROW])


def posed(method, core, **settings):
    return posed_dislocation(COLUMNS, ATOM, CRYSTAL, FIELD, 2.2 * REST, method=method, core=core, **settings)


def rested(method, core, **settings):
    return solve(couple(posed(method, core, **settings), method))


def force_slope(problem):
    """Return the power with which the forces of all atoms at their start fall with the distance from the line."""
    size = np.linalg.norm(couple(problem, "atomistic").gradient(problem.start), axis=1)
    edges, far = np.geomspace(6, problem.mesh.distance[problem.free].max() - 2, 6), problem.mesh.distance
    found = [np.sqrt((size[(far > low) & (far <= high)] ** 2).mean()) for low, high in pairwise(edges)]
    return np.polyfit(np.log(np.sqrt(edges[1:] * edges[:-1])), np.log(found), 1)[0]


def test_an_embedded_atom_that_fades_has_the_derivatives_of_its_energy():
    r, h = np.linspace(1.3, 1.9, 50), 1e-6
    for function in (ATOM.pair, ATOM.density):
        value, slope, bend = function(r)
        up, down = function(r + h), function(r - h)
        assert slope == pytest.approx((up[0] - down[0]) / (2 * h), abs=1e-7)
        assert bend == pytest.approx((up[1] - down[1]) / (2 * h), abs=1e-5)
        assert not value[r >= 1.85].any()
    assert shortened(EmbeddedAtoms(ATOM.pair), 1.0, 2.0).density is None


def test_a_crystal_that_has_slipped_fits_together():
    problem = posed("bgfc", 6)
    mesh = problem.mesh
    who = np.flatnonzero((mesh.distance > 4) & (mesh.distance < 10))
    ends = mesh.hop_ends(who)
    assert (ends >= 0).all()
    # every hop is answered by its opposite, and the vector is the lattice's but for the strain b / (2 pi r)
    back = [int(np.flatnonzero((LATTICE.steps == -step).all(axis=1))[0]) for step in LATTICE.steps]
    assert (mesh.hop_ends(ends.ravel()).reshape(*ends.shape, -1)[:, np.arange(12), back] == who[:, None]).all()
    vectors = problem.start[ends] - problem.start[who][:, None]
    assert np.abs(vectors - LATTICE.hops).max() < 0.15 * REST
    # negative control: hops that know of no slip miss by the Burgers vector
    plain = mesh.lattice.neighbours(mesh.sites[who], mesh.sites)
    assert np.abs(problem.start[plain] - problem.start[who][:, None] - LATTICE.hops).max() > 0.9 * REST
    middles = mesh.places[mesh.elements].mean(axis=1)
    strains = couple(problem).elements.gradients(problem.start) - np.eye(2)
    far = np.linalg.norm(middles[couple(problem).elements.kept], axis=1)
    assert (np.abs(strains).max(axis=(1, 2)) * far < 0.3 * REST).all()
    outer = LATTICE.layers(mesh.places[mesh.boundary]).min() * np.sqrt(0.75) * REST
    assert mesh.volumes.sum() == pytest.approx(mesh.measured()[1].sum(), rel=0.02)
    assert mesh.measured()[1].sum() > 2.0 * np.sqrt(3.0) * outer**2  # a hexagon, by the radius of its inner circle


def test_elasticity_in_slipped_places_leaves_forces_that_fall_with_the_third_power():
    problem = posed("atomistic", 36)
    assert force_slope(problem) == pytest.approx(-3.0, abs=0.3)
    # negative control: where the lower half does not know how far the upper has come, bonds across the slip are wrong
    u = FIELD.dislocation([REST, 0.0, 0.0], *problem.mesh.nodes.T)[:, :2]
    mesh = seen_by_distance(problem.mesh, problem.mesh.nodes + u, 2.2 * REST)
    assert force_slope(replace(problem, mesh=mesh, displaced=u)) > -2.2


def test_the_dead_load_of_a_slipped_crystal_is_that_of_the_blending_alone():
    problem = posed("bgfc", 12, outer=60)
    coupled, plain = couple(problem), couple(problem, "bqce")
    size = np.abs(coupled.dead).max(axis=1)
    assert not size[problem.mesh.distance < 10].any()
    assert size[problem.mesh.distance > 27].max() < 1e-11
    assert size.max() > 0.01
    ring = (problem.mesh.distance > 12) & (problem.mesh.distance < 25) & problem.free
    left = [np.sqrt((one.gradient(problem.start)[ring] ** 2).mean()) for one in (coupled, plain)]
    assert left[0] < 0.4 * left[1]


@pytest.mark.parametrize("method", ["bgfc", "bqcf"])
def test_forces_and_jacobians_are_derivatives_around_a_line(method):
    strain = np.array([[1.01, 0.003], [0.0, 0.99]])
    problem = posed(method, 4, far_field=strain, outer=30)
    coupled, rng, h = couple(problem, method), np.random.default_rng(4), 1e-6
    y, d = problem.start + 0.01 * rng.normal(size=problem.start.shape), rng.normal(size=problem.start.shape)
    _, jacobian = coupled.derivatives(y)
    up, down = coupled.gradient(y + h * d), coupled.gradient(y - h * d)
    assert (jacobian @ d.ravel()) == pytest.approx(((up - down) / (2 * h)).ravel(), abs=1e-5 * np.abs(jacobian).max())
    if method == "bgfc":
        difference = (coupled.energy(y + h * d) - coupled.energy(y - h * d)) / (2 * h)
        assert difference == pytest.approx(float((coupled.gradient(y) * d).sum()), rel=1e-6)
        with pytest.raises(StudyError, match="dislocation"):
            mean_stress(Rest(coupled, y, 0.0, 0))


def test_a_coupled_core_is_that_of_atoms_alone_and_its_line_costs_what_elasticity_says():
    """Energies grow as K ln R, K = b.Lb / (4 pi), up to a radius of 1280 spacings."""
    atoms, small = rested("atomistic", 30), rested("bgfc", 6, outer=100)
    inside = atoms.coupled.problem.mesh.distance < 4
    there = small.coupled.problem.mesh.interpolation(atoms.coupled.problem.mesh.chart[inside]) @ small.displacement
    size = np.abs(atoms.displacement[inside]).max()
    assert np.abs(there - atoms.displacement[inside]).max() < 0.05 * size
    costs = [
        excess(rested("bgfc", core, outer=radius, alpha=1.0), FIELD)
        for core, radius in ((6, 40.0), (6, 1280.0), (4, 40.0))
    ]
    assert costs == pytest.approx(3 * [costs[0]], abs=0.005 * FIELD.line_energy([REST, 0.0, 0.0]) * np.log(32.0))


@pytest.mark.slow
def test_a_dislocation_converges_like_the_inverse_of_the_unknowns_where_ghost_forces_are_gone(capsys):
    """A far field of strains 1 / r: all that is not corrected, or leaves them to interpolation, falls as the root."""
    reference = rested("bgfc", 24, outer=1500)
    found = {}
    for method, cores in (
        ("atomistic", (8, 12, 17, 24)), ("qce", (4, 6, 8)), ("bqce", (4, 5, 6, 8)),
        ("qc-gfc", (4, 6, 8)), ("qcf", (3, 4, 6, 8)), ("bqcf", (3, 4, 5, 6)), ("bgfc", (4, 5, 6, 8)),
    ):  # fmt: skip
        rests = [rested(method, core) for core in cores]
        sizes = [rest.coupled.problem.unknowns // 2 for rest in rests]
        found[method] = sizes, [strain_error(rest, reference).mean_square for rest in rests]
    left = [rested("bgfc", core, exact=False) for core in (4, 6, 8)]
    found["bgfc, interpolated"] = (
        [rest.coupled.problem.unknowns // 2 for rest in left],
        [strain_error(rest, reference).mean_square for rest in left],
    )
    told, rates = rates_told(found, 0.004)
    with capsys.disabled():
        print("\none edge dislocation in the triangular lattice; unknowns are nodes\n" + told)
    for method in ("qcf", "bqcf", "bgfc"):
        assert rates[method].slope == pytest.approx(-1.0, abs=0.15)
    assert rates["qce"].slope > -0.1
    # the load of the perfect crystal is not that of a strained one: no better than the square root, and a bit
    assert -0.85 < rates["qc-gfc"].slope < -0.45
    for method in ("atomistic", "bqce"):
        assert rates[method].slope == pytest.approx(-0.45, abs=0.15)
    # negative control: elastic strains left to interpolation
    assert rates["bgfc, interpolated"].slope > rates["bgfc"].slope + 0.35
    assert min(found["bgfc, interpolated"][1]) > 2.0 * found["bgfc"][1][-1]
