"""Non-affine motion: the Lutsko identity against finite strains and a second code, D2min, chi and the gap by atom."""

from __future__ import annotations

import numpy as np
import pytest

from uqmsm.errors import StudyError, Unstable
from uqmsm.physics.alloy import configuration, sites
from uqmsm.physics.atomistic.eam import GPA_A3_PER_EV, evaluate
from uqmsm.physics.atomistic.elastic import elasticity
from uqmsm.physics.atomistic.neighbours import half_list
from uqmsm.physics.atomistic.nonaffine import contacts, equivalent_strain, nonaffinity, squared_deviation
from uqmsm.physics.atomistic.relax import Crystal, relax
from uqmsm.physics.atomistic.splines import interpolate
from uqmsm.physics.potential import tabulated, zhou

ELEMENTS = ["Mo", "Nb", "Ta", "W"]
TABLES = tabulated.tabulate(zhou.published(ELEMENTS), points_r=4000, points_rho=4000)
POTENTIAL = interpolate(TABLES)


@pytest.fixture(scope="module")
def alloy():
    # of the first seeds the one in which no atom lies near a join of the embedding branches, where interpolants part
    species = configuration(np.full(4, 0.25), (3, 3, 3), "bcc", np.random.default_rng(6))
    cell = np.diag(3.22 * np.full(3, 3.0))
    rest = relax(
        POTENTIAL, Crystal(species, sites("bcc", (3, 3, 3)) @ cell, cell),
        force_tolerance_eV_per_A=1e-9, stress_tolerance_GPa=1e-6,
    )  # fmt: skip
    elastic = elasticity(rest, reduction=1e-9)
    return rest, elastic, nonaffinity(rest, elastic)


def strained(rest, strains, potential=POTENTIAL):
    moved = rest.crystal.deformed(np.zeros_like(rest.crystal.positions), strains)
    return relax(potential, moved, cell_freedom="fixed", force_tolerance_eV_per_A=1e-10, most_steps=60)


def test_the_identity_equals_relaxed_finite_strains_to_a_hundred_thousandth(alloy):
    rest, elastic, _ = alloy
    # so small a strain that no atom's density passes a join of the embedding branches, where curvature jumps
    worst, h = 0.0, 1e-5
    for a in range(6):
        ends = [strained(rest, sign * h * np.eye(6)[a]) for sign in (1, -1)]
        up, down = (end.stress * end.crystal.volume / rest.crystal.volume for end in ends)
        worst = max(worst, np.abs((up - down) / (2 * h) - elastic.relaxed[:, a]).max() / elastic.relaxed[a, a])
    assert worst < 1e-6
    # negative control: the affine constants are off by a thousand times as much
    assert np.abs(np.diag(elastic.born - elastic.relaxed) / np.diag(elastic.relaxed)).min() > 1e-3


def test_the_hessian_of_matscipy_gives_the_same_softening(alloy, tmp_path):
    from ase import Atoms
    from matscipy.calculators.eam import EAM

    rest, elastic, _ = alloy
    tabulated.write_setfl(TABLES, tmp_path / "alloy.eam.alloy")
    atoms = Atoms([ELEMENTS[s] for s in rest.crystal.species], rest.crystal.positions, cell=rest.crystal.cell, pbc=True)
    hessian = EAM(str(tmp_path / "alloy.eam.alloy")).get_hessian(atoms, format="sparse").toarray()
    n = len(atoms)
    direction = np.random.default_rng(0).normal(size=(n, 3))
    ours, _ = rest.stiffness.times(direction, np.zeros(6))
    assert hessian @ direction.ravel() == pytest.approx(ours.ravel(), abs=1e-5 * np.abs(ours).max())
    answer = np.linalg.lstsq(hessian, elastic.pull.reshape(6, -1).T, rcond=1e-9)[0]
    softening = elastic.pull.reshape(6, -1) @ answer / rest.crystal.volume * GPA_A3_PER_EV
    assert softening == pytest.approx(elastic.born - elastic.relaxed, abs=1e-5 * elastic.born[0, 0])


def test_d2min_grows_with_the_square_of_the_strain_as_its_quadratic_form_says(alloy):
    rest, _, found = alloy
    direction = np.array([0.3, -0.5, 0.2, 0.8, -0.4, 0.6])
    near = contacts(rest.crystal, 1.42 * np.cbrt(rest.crystal.volume / len(rest.crystal.species)))
    assert (near.count == 14).all()
    seen = []
    for size in (5e-5, 1e-4, 2e-4, 4e-4):
        end = strained(rest, size * direction)
        seen.append(squared_deviation(near, end.crystal))
        assert seen[-1] == pytest.approx(found.deviations.squared(size * direction), rel=0.05, abs=1e-12)
        chi = np.sqrt(seen[-1] / near.count) / (near.nearest * equivalent_strain(size * direction))
        assert chi.mean() == pytest.approx(found.deviations.plateau(direction).mean(), rel=1e-2)
    slopes = np.polyfit(np.log([5e-5, 1e-4, 2e-4, 4e-4]), np.log(np.mean(seen, axis=1)), 1)
    assert slopes[0] == pytest.approx(2.0, abs=0.01)
    # negative control: against the ideal lattice static distortion would pass for motion under strain
    ideal = Crystal(rest.crystal.species, sites("bcc", (3, 3, 3)) @ rest.crystal.cell, rest.crystal.cell)
    static = squared_deviation(contacts(ideal, 1.42 * np.cbrt(ideal.volume / 54)), rest.crystal)
    assert static.mean() > 100 * seen[-1].mean()


def test_matscipy_finds_the_same_d2min(alloy):
    from ase import Atoms
    from matscipy.atomic_strain import get_D_square_min
    from matscipy.neighbours import neighbour_list

    rest = alloy[0]
    # in a cell twice as large, where the nearest image that matscipy takes is the image meant
    tiles = np.stack(np.meshgrid(*[[0, 1]] * 3, indexing="ij"), -1).reshape(-1, 1, 3)

    def doubled(crystal):
        positions = (tiles @ crystal.cell + crystal.positions).reshape(-1, 3)
        return Crystal(np.tile(crystal.species, 8), positions, 2 * crystal.cell)

    end = strained(rest, np.array([2e-3, -1e-3, 0, 3e-3, 0, 1e-3]))
    before, after = doubled(rest.crystal), doubled(end.crystal)
    radius = 1.42 * float(np.cbrt(before.volume / len(before.species)))
    i, j = neighbour_list("ij", positions=before.positions, cell=before.cell, pbc=np.ones(3, bool), cutoff=radius)
    old, new = (Atoms("W" * len(c.species), c.positions, cell=c.cell, pbc=True) for c in (before, after))
    _, theirs = get_D_square_min(new, old, i, j)
    assert squared_deviation(contacts(before, radius), after) == pytest.approx(theirs, rel=1e-7, abs=1e-15)


def test_homogeneous_deformation_is_no_deviation(alloy):
    crystal = alloy[0].crystal
    near = contacts(crystal, 4.0)
    turned = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0] @ np.diag([1.1, 0.9, 1.02])
    moved = Crystal(crystal.species, crystal.positions @ turned, crystal.cell @ turned)
    assert squared_deviation(near, moved).max() < 1e-24
    shaken = moved.deformed(np.random.default_rng(2).normal(scale=1e-3, size=crystal.positions.shape), np.zeros(6))
    assert squared_deviation(near, shaken).min() > 1e-7  # negative control


@pytest.mark.parametrize(("element", "lattice", "a_A"), [("W", "bcc", 3.165), ("Ni", "fcc", 3.52)])
def test_where_every_atom_is_a_centre_of_symmetry_all_motion_is_affine(element, lattice, a_A):
    spots, cell = sites(lattice, (3, 3, 3)), 3 * a_A * np.eye(3)
    potential = interpolate(tabulated.tabulate(zhou.published([element])))
    rest = relax(potential, Crystal(np.zeros(len(spots), dtype=np.int64), spots @ cell, cell))
    found = nonaffinity(rest, elasticity(rest))
    assert np.abs(found.fractions).max() < 1e-12
    assert found.deviations.squared(np.ones(6)).max() < 1e-20
    assert (found.deviations.count == {"bcc": 14, "fcc": 12}[lattice]).all()
    # a crystal with a missing atom has lost that symmetry
    hole = Crystal(rest.crystal.species[1:], rest.crystal.positions[1:], rest.crystal.cell)
    rest = relax(potential, hole)
    assert nonaffinity(rest, elasticity(rest)).fraction > 1e-3


def test_gaps_sum_to_the_softening_and_are_the_energy_that_affine_motion_overstates(alloy):
    rest, elastic, found = alloy
    whole = found.gaps.sum(axis=0) / rest.crystal.volume * GPA_A3_PER_EV
    assert whole == pytest.approx(elastic.born - elastic.relaxed, abs=1e-6)
    direction = np.array([1.0, -0.4, 0.3, 0.5, 0.2, -0.6])
    size = 2e-4
    moved = rest.crystal.deformed(np.zeros_like(rest.crystal.positions), size * direction)
    near = half_list(moved.positions, moved.cell, POTENTIAL.cutoff, 0.2)
    affine = evaluate(POTENTIAL, moved.species, moved.positions, moved.cell, near)
    seen = affine.energy - strained(rest, size * direction).energy
    assert found.energy_gap(size * direction).sum() == pytest.approx(seen, rel=5e-3)
    # the forces of affine motion are those that the identity answers
    assert affine.forces == pytest.approx(np.einsum("a,anc->nc", size * direction, found.pull), abs=2e-5)


def test_fractions_do_not_depend_on_axes_or_size_and_lie_between_zero_and_one(alloy):
    rest, _, found = alloy
    assert found.fractions[0] >= 0.0
    assert 0.002 < found.fraction < 0.2
    turn = np.linalg.qr(np.random.default_rng(5).normal(size=(3, 3)))[0]
    turned = Crystal(rest.crystal.species, rest.crystal.positions @ turn, rest.crystal.cell @ turn)
    again = relax(POTENTIAL, turned, force_tolerance_eV_per_A=1e-8)
    other = nonaffinity(again, elasticity(again, reduction=1e-9))
    assert other.fractions == pytest.approx(found.fractions, abs=1e-6)
    assert np.sort(other.deviations.squared([1, 1, 1, 0, 0, 0])) == pytest.approx(
        np.sort(found.deviations.squared([1, 1, 1, 0, 0, 0])), rel=1e-4
    )


def test_the_mean_plateau_is_that_of_strains_drawn_from_all_directions(alloy):
    found = alloy[2].deviations
    rng = np.random.default_rng(8)
    squares = []
    for _ in range(4000):  # isochoric strains, uniform on the sphere of equal equivalent strain
        m = rng.normal(size=(3, 3))
        m = m + m.T - 2.0 / 3.0 * np.trace(m) * np.eye(3)
        squares.append(found.plateau([m[0, 0], m[1, 1], m[2, 2], 2 * m[1, 2], 2 * m[0, 2], 2 * m[0, 1]]) ** 2)
    error = np.std(squares, axis=0) / np.sqrt(len(squares))
    # 54 correlated atoms at five standard errors: false-alarm rate below 54 x 6e-7
    assert (np.abs(np.mean(squares, axis=0) - found.mean_plateau() ** 2) < 5 * error).all()


def test_zero_strain_few_neighbours_and_unstable_crystals_are_refused(alloy):
    rest, _, found = alloy
    with pytest.raises(StudyError, match="not zero"):
        found.deviations.plateau(np.zeros(6))
    with pytest.raises(StudyError, match="larger radius"):
        contacts(rest.crystal, 2.0)
    assert equivalent_strain([0, 0, 0, 0, 0, 3e-3]) == pytest.approx(3e-3 / np.sqrt(3))
    spots, cell = sites("bcc", (3, 3, 3)), 3 * 2.8 * np.eye(3)
    nickel = interpolate(tabulated.tabulate(zhou.published(["Ni"])))
    rest = relax(nickel, Crystal(np.zeros(54, dtype=np.int64), spots @ cell, cell))
    with pytest.raises(Unstable, match="before its atoms answer"):
        nonaffinity(rest, elasticity(rest))
