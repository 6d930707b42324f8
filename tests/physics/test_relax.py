"""Relaxation: at rest by another program's forces, at the true minimum, whatever the path; and honest refusals."""

from __future__ import annotations

import numpy as np
import pytest
from lammps_oracle import Oracle

from uqmsm.errors import Unstable
from uqmsm.physics.alloy import configuration, sites
from uqmsm.physics.atomistic.eam import GPA_A3_PER_EV, evaluate
from uqmsm.physics.atomistic.neighbours import half_list
from uqmsm.physics.atomistic.relax import Crystal, relax, strain_matrix
from uqmsm.physics.atomistic.response import stiffen
from uqmsm.physics.atomistic.splines import interpolate
from uqmsm.physics.potential import tabulated, zhou

ELEMENTS = ["Mo", "Nb", "Ta", "W"]
TABLES = tabulated.tabulate(zhou.published(ELEMENTS))
POTENTIAL = interpolate(TABLES)


def random_alloy(cells, seed, a_A=3.22):
    species = configuration(np.full(4, 0.25), cells, "bcc", np.random.default_rng(seed))
    cell = np.diag(a_A * np.array(cells, dtype=float))
    return Crystal(species, sites("bcc", cells) @ cell, cell)


def pure(element, lattice, cells, a_A):
    cell = np.diag(a_A * np.array(cells, dtype=float))
    spots = sites(lattice, cells)
    potential = interpolate(tabulated.tabulate(zhou.published([element])))
    return potential, Crystal(np.zeros(len(spots), dtype=np.int64), spots @ cell, cell)


def lower_triangular(crystal):
    """Turn the crystal so that LAMMPS can take it."""
    q, r = np.linalg.qr(crystal.cell.T)
    turn = q * np.sign(np.diag(r))
    return crystal.positions @ turn, np.tril(crystal.cell @ turn)


def smooth_potential():
    """Two invented elements without cutoff jump or joins, so that differences of forces are clean."""
    r, rho = np.linspace(0.0, 5.5, 10_000), np.linspace(0.0, 60.0, 10_000)
    fade = (1.0 - r / 5.5) ** 4
    density = np.array([4.0, 6.0])[:, None] * fade * np.exp(-0.3 * r)
    depth = np.array([[0.9, 1.1], [1.1, 1.4]])[..., None]
    pair = depth * fade * (np.exp(-3.0 * (r - 2.6)) - 1.5 * np.exp(-1.5 * (r - 2.6)))
    embedding = np.array([-2.0, -2.5])[:, None] * np.sqrt(rho + 0.1)
    return interpolate(tabulated.Tables(("A", "B"), r[1], 5.5, rho[1], density, pair, embedding))


def test_second_derivative_products_are_differences_of_forces():
    potential, rng = smooth_potential(), np.random.default_rng(2)
    crystal = random_alloy((3, 3, 3), 1)
    still = np.zeros(6)
    crystal = Crystal(crystal.species % 2, crystal.positions, crystal.cell)
    crystal = crystal.deformed(rng.normal(scale=0.05, size=crystal.positions.shape), rng.normal(scale=0.01, size=6))
    near = half_list(crystal.positions, crystal.cell, potential.cutoff, 0.3)
    here = evaluate(potential, crystal.species, crystal.positions, crystal.cell, near)
    stiffness = stiffen(potential, crystal.species, here.bonds)
    u, h = rng.normal(size=crystal.positions.shape), 1e-4
    gradient_change, virial_change = stiffness.times(u, still)
    ahead, behind = (
        evaluate(potential, crystal.species, crystal.positions + t * u, crystal.cell, near) for t in (h, -h)
    )
    assert (behind.forces - ahead.forces) / (2 * h) == pytest.approx(gradient_change, abs=1e-5)
    assert (ahead.virial - behind.virial) / (2 * h) == pytest.approx(virial_change + _turning(here, u), abs=1e-4)
    # the product is symmetric, also between displacements and strains
    v, e = rng.normal(size=u.shape), rng.normal(size=6)
    left_u, left_e = stiffness.times(v, e)
    right_u, right_e = stiffness.times(u, still)
    assert np.sum(left_u * u) + left_e @ still == pytest.approx(np.sum(right_u * v) + right_e @ e, rel=1e-11)


def _turning(evaluation, u):
    """Change of the virial sum h x d because d itself moves with the atoms: -sum f u, symmetrised."""
    flow = -evaluation.forces.T @ u
    flow = 0.5 * (flow + flow.T)
    return np.array([flow[0, 0], flow[1, 1], flow[2, 2], flow[1, 2], flow[0, 2], flow[0, 1]])


def test_at_rest_in_lammps_too(tmp_path):
    rest = relax(POTENTIAL, random_alloy((5, 5, 5), 3))
    tabulated.write_setfl(TABLES, tmp_path / "alloy.eam")
    positions, cell = lower_triangular(rest.crystal)
    theirs = Oracle(tmp_path / "alloy.eam", ELEMENTS, rest.crystal.species, positions, cell)
    assert np.abs(theirs.forces()).max() < 1.1e-5
    assert np.abs(theirs.virial()).max() / rest.crystal.volume * GPA_A3_PER_EV < 1.1e-3
    assert theirs.energy() == pytest.approx(rest.energy, abs=1e-8)
    theirs.close()


@pytest.mark.parametrize("freedom", ["fixed", "volume", "full"])
def test_only_what_may_move_moves_and_it_reaches_a_minimum(freedom):
    crystal = random_alloy((4, 4, 4), 4)
    rest = relax(POTENTIAL, crystal, cell_freedom=freedom, force_tolerance_eV_per_A=1e-7)
    assert rest.residual_force < 1e-7
    gradient = np.linalg.solve(crystal.cell, rest.crystal.cell)
    if freedom == "fixed":
        assert np.array_equal(gradient, np.eye(3))
    if freedom == "volume":
        assert np.abs(gradient - gradient[0, 0] * np.eye(3)).max() < 1e-14
        assert abs(rest.stress[:3].mean()) < 1e-3 < np.abs(rest.stress).max()
    if freedom == "full":
        assert np.abs(rest.stress).max() < 1e-3
    rng = np.random.default_rng(5)
    for scale in (1e-3, 1e-2):
        e = scale * rng.normal(size=6) * {"fixed": 0.0, "volume": 0.0, "full": 0.1}[freedom]
        near = rest.crystal.deformed(rng.normal(scale=scale, size=crystal.positions.shape), e)
        fresh = half_list(near.positions, near.cell, POTENTIAL.cutoff, 0.1)
        assert evaluate(POTENTIAL, near.species, near.positions, near.cell, fresh).energy > rest.energy


def test_the_path_does_not_matter():
    # start far outside and inside, with lists that must be rebuilt on the way and with a wide one
    ends = [
        relax(POTENTIAL, random_alloy((4, 4, 4), 6, a_A=a), skin_A=skin, force_tolerance_eV_per_A=1e-7)
        for a, skin in ((3.22, 1.5), (3.4, 0.05), (3.05, 0.3))
    ]
    for end in ends[1:]:
        assert end.energy == pytest.approx(ends[0].energy, abs=1e-9)
        assert end.crystal.volume == pytest.approx(ends[0].crystal.volume, rel=1e-8)


def test_a_member_does_not_feel_what_ran_before_it():
    alone = relax(POTENTIAL, random_alloy((3, 3, 3), 7))
    for seed in (8, 9):
        relax(POTENTIAL, random_alloy((3, 4, 3), seed))
    again = relax(POTENTIAL, random_alloy((3, 3, 3), 7))
    assert again.energy == alone.energy
    assert np.array_equal(again.crystal.positions, alone.crystal.positions)


@pytest.mark.parametrize(
    ("element", "lattice", "start_A", "a_A", "cohesive_eV"),
    [("Mo", "bcc", 3.2, 3.1501, 6.810), ("Nb", "bcc", 3.2, 3.3000, 7.570), ("Ta", "bcc", 3.4, 3.3025, 8.090),
     ("W", "bcc", 3.1, 3.1648, 8.760), ("Ni", "fcc", 3.6, 3.5196, 4.450), ("Cu", "fcc", 3.5, 3.6150, 3.540)],
)  # fmt: skip
def test_pure_elements_reach_the_lattice_of_the_literature(element, lattice, start_A, a_A, cohesive_eV):
    # Zhou, Johnson & Wadley 2004 and extensions; crystal sums in the printed digits
    potential, crystal = pure(element, lattice, (3, 3, 3), start_A)
    rest = relax(potential, crystal)
    assert np.cbrt(rest.crystal.volume / 27) == pytest.approx(a_A, abs=6e-5)
    assert -rest.energy / len(crystal.species) == pytest.approx(cohesive_eV, abs=6e-4)


def test_a_lattice_that_does_not_hold_is_refused_with_numbers():
    potential, crystal = pure("Ni", "bcc", (4, 4, 4), 2.8)
    shaken = crystal.deformed(np.random.default_rng(0).normal(scale=0.02, size=crystal.positions.shape), np.zeros(6))
    with pytest.raises(Unstable, match=r"left the lattice.*eV/A"):
        relax(potential, shaken)


def test_too_few_steps_are_a_refusal_not_a_result():
    with pytest.raises(Unstable, match="ended after 1 steps"):
        relax(POTENTIAL, random_alloy((3, 3, 3), 10), most_steps=1)


def test_strain_matrix_carries_half_the_engineering_shear():
    e = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    assert np.array_equal(strain_matrix(e), [[0.1, 0.3, 0.25], [0.3, 0.2, 0.2], [0.25, 0.2, 0.3]])
