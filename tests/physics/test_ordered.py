"""A decorated lattice has the energy that a second implementation, atom by atom, gives it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uqmsm.errors import StudyError
from uqmsm.physics.potential import average_atom, published, pure_crystals
from uqmsm.physics.potential.crystal import REACH
from uqmsm.physics.potential.ordered import arrangement, undistorted
from uqmsm.physics.potential.zhou import embedding_at, radial_at

ELEMENTS = ("Mo", "Nb", "Ta", "W")
VALUES = published(ELEMENTS).values
B2 = ([[1, 0, 0], [0, 1, 0], [0, 0, 1]], [[0, 0, 0], [0.5, 0.5, 0.5]])


def slow_energy(cell, places, species, a):
    """Sum over all atoms within reach, one by one, without shells."""
    reach = REACH * np.sqrt(3) / 2 * a * (1 + 1e-9)
    span = range(-6, 7)
    images = a * np.array([[i, j, k] for i in span for j in span for k in span]) @ np.array(cell, dtype=float)
    places = a * np.array(places, dtype=float)
    energy = 0.0
    for i, own in enumerate(species):
        rho = 0.0
        for j, other in enumerate(species):
            r = np.linalg.norm(places[j] + images - places[i], axis=1)
            for distance in r[(r > 1e-9) & (r < reach)]:
                f_a, _, _, p_a, _, _ = radial_at(VALUES[own], distance)
                f_b, _, _, p_b, _, _ = radial_at(VALUES[other], distance)
                rho += f_b
                energy += 0.25 * (f_b / f_a * p_a + f_a / f_b * p_b)
        energy += embedding_at(VALUES[own], rho)[0]
    return energy / len(species)


@pytest.mark.parametrize(
    ("cell", "places", "species"),
    [
        (*B2, [0, 2]),
        # four atoms in a cell that is not cubic, two of one kind
        (
            [[1, 0, 0], [0.5, 0.5, 0.5], [0, 0, 2]],
            [[0, 0, 0], [0.0, 0.0, 1.0]],
            [1, 3],
        ),
        (
            [[1, 1, 0], [-1, 1, 0], [0.5, 0.5, 0.5]],
            [[0, 0, 0], [1.0, 0, 0]],
            [0, 3],
        ),
        (
            [[2, 0, 0], [0, 1, 0], [0, 0, 1]],
            [[0, 0, 0], [0.5, 0.5, 0.5], [1, 0, 0], [1.5, 0.5, 0.5]],
            [0, 1, 2, 3],
        ),
    ],
)
def test_the_energy_is_that_of_a_sum_over_atoms_and_lies_at_a_minimum(cell, places, species):
    found = undistorted(VALUES[None], arrangement("bcc", cell, places, species, 4))
    a, energy = found.lattice_parameter[0], found.energy[0]
    assert found.status[0] == 0
    assert energy == pytest.approx(slow_energy(cell, places, species, a), abs=1e-11)
    h = 1e-4 * a
    left, right = (slow_energy(cell, places, species, a + step) for step in (-h, h))
    slope, curvature = (right - left) / (2 * h), (left - 2 * energy + right) / h**2
    assert abs(slope / curvature) < 1e-6 * a


def test_one_species_is_the_pure_crystal():
    pure = pure_crystals(VALUES, "bcc")
    for k in range(4):
        found = undistorted(VALUES[None], arrangement("bcc", *B2, [k, k], 4))
        assert found.lattice_parameter[0] == pytest.approx(pure.lattice_parameter[k], rel=1e-9)
        assert -found.energy[0] == pytest.approx(pure.cohesive_energy[k], rel=1e-12)


def test_a_large_random_cell_lies_near_the_average_atom_and_a_b2_crystal_does_not():
    """The average atom leaves out fluctuations of the density only: some meV; order is worth more."""
    rng = np.random.default_rng(2)
    n = 5
    grid = np.array([[i, j, k] for i in range(n) for j in range(n) for k in range(n)], dtype=float)
    places = np.concatenate([grid, grid + 0.5])
    species = rng.permutation(np.resize(np.arange(4), len(places)))
    random = undistorted(VALUES[None], arrangement("bcc", n * np.eye(3), places, species, 4))
    counts = np.bincount(species, minlength=4) / len(species)
    mean = average_atom(VALUES, counts, "bcc", with_misfits=False)
    assert abs(random.energy[0] + mean.cohesive_energy) < 0.02
    assert random.lattice_parameter[0] == pytest.approx(float(mean.lattice_parameter), rel=2e-3)


@given(st.permutations(range(4)), st.integers(0, 3))
@settings(max_examples=20, deadline=None)
def test_naming_the_sites_in_another_order_changes_nothing(order, shift):
    cell = [[2, 0, 0], [0, 1, 0], [0, 0, 1]]
    places = np.array([[0, 0, 0], [0.5, 0.5, 0.5], [1, 0, 0], [1.5, 0.5, 0.5]])
    species = np.array([0, 1, 2, 3])
    base = undistorted(VALUES[None], arrangement("bcc", cell, places, species, 4))
    moved = places[list(order)] + places[shift]
    again = undistorted(VALUES[None], arrangement("bcc", cell, moved, species[list(order)], 4))
    assert again.energy[0] == pytest.approx(base.energy[0], abs=1e-12)


def test_a_draw_does_not_depend_on_its_mates_and_one_without_meaning_says_so():
    of = arrangement("bcc", *B2, [0, 3], 4)
    broken = np.full_like(VALUES, np.nan)
    together = undistorted(np.stack([VALUES, broken, VALUES * 1.0]), of)
    alone = undistorted(VALUES[None], of)
    assert together.energy[0] == alone.energy[0] == together.energy[2]
    assert together.status.tolist() == [0, 3, 0]
    assert np.isnan(together.energy[1])


@pytest.mark.parametrize(
    ("cell", "places"),
    [([[1, 0, 0], [0, 1, 0], [0, 0, 1.1]], B2[1]), (B2[0], [[0, 0, 0], [0.5, 0.5, 0.4]]), (B2[0], [[0, 0, 0]])],
)
def test_what_is_no_lattice_is_refused(cell, places):
    with pytest.raises(StudyError, match="undistorted lattice"):
        arrangement("bcc", cell, places, [0] * len(places), 4)
