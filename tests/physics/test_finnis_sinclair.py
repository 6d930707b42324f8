"""The Finnis-Sinclair form: elements as the paper fits them, and an ordered alloy by a sum over neighbours."""

import itertools

import numpy as np
import pytest

from uqmsm import tables
from uqmsm.errors import StudyError
from uqmsm.physics.alloy import sites
from uqmsm.physics.atomistic.probed import own_probe
from uqmsm.physics.atomistic.statics import statics
from uqmsm.physics.potential.finnis_sinclair import finnis_sinclair_1984
from uqmsm.scales.potential.targets import targets

ROWS = {row["element"]: row for row in tables.rows("finnis_sinclair_1984.csv")}
CELLS = (3, 3, 3)


@pytest.mark.parametrize("element", ["V", "Nb", "Ta", "Mo", "W"])
def test_elements_have_the_lattice_cohesion_and_constants_they_were_fitted_to(element):
    """The paper's lattice and cohesive energy to their last digit; measured constants (other tables) within 3 %."""
    row = ROWS[element]
    a = float(row["lattice_parameter_angstrom"])
    found = statics(
        finnis_sinclair_1984((element,)), np.zeros(54, dtype=np.int64), [1.0], sites("bcc", CELLS),
        cells=CELLS, a_guess_A=1.01 * a, rng=np.random.default_rng(0), n_families=0,
    )  # fmt: skip
    assert found.lattice_parameter == pytest.approx(a, abs=5e-5)
    assert found.cohesive_energy == pytest.approx(float(row["cohesive_energy_eV"]), abs=5e-5)
    measured = {datum.quantity: datum.measured for datum in targets((element,), (1.0,), "bcc")}
    for name in ("C11", "C12", "C44"):
        assert getattr(found, name) == pytest.approx(measured[name], rel=0.03)


def by_hand(a, element_at_corner, element_at_centre):
    """Energy of a B2 crystal per cell, from the formulas of the paper and the two choices for unlike atoms."""
    pair = (ROWS[element_at_corner], ROWS[element_at_centre])
    number = lambda row, key: float(row[key])  # noqa: E731

    def repulsion(row, r):
        c = number(row, "c_angstrom")
        c0, c1, c2 = (number(row, f"c{k}_eV_per_angstrom{k + 2}") for k in range(3))
        return (r - c) ** 2 * (c0 + c1 * r + c2 * r**2) if r < c else 0.0

    def spread(row, r):
        d = number(row, "d_angstrom")
        return number(row, "A_eV_per_angstrom") ** 2 * (r - d) ** 2 if r < d else 0.0

    energy = 0.0
    for own in (0, 1):
        rho = 0.0
        for shift in itertools.product(range(-3, 4), repeat=3):
            for other in (0, 1):
                r = a * np.linalg.norm(np.array(shift) + 0.5 * (other - own))
                if r > 1e-9:
                    rho += spread(pair[other], r)
                    energy += 0.25 * (repulsion(pair[own], r) + repulsion(pair[other], r))
        energy -= np.sqrt(rho)
    return energy


@pytest.mark.parametrize("a", [3.1, 3.2, 3.3])
def test_an_ordered_alloy_is_the_sum_over_its_neighbours(a):
    places = sites("bcc", CELLS)
    centre = (np.abs((places * 3) % 1 - 0.5) < 0.25).all(axis=1).astype(np.int64)
    probe = own_probe(finnis_sinclair_1984(("Mo", "Nb")))
    cell = a * np.diag(np.array(CELLS, dtype=float))
    energy, forces, _ = probe(centre, places @ cell, cell)
    assert energy / 27 == pytest.approx(by_hand(a, "Mo", "Nb"), abs=2e-6)
    assert np.abs(forces).max() < 1e-9
    # negative control: the other mean of the repulsion, one element's alone, is a tenth of an electron volt off
    assert abs(energy / 27 - by_hand(a, "Mo", "Mo")) > 0.1


def test_elements_it_does_not_have_are_refused():
    with pytest.raises(StudyError, match="no parameters for Cr"):
        finnis_sinclair_1984(("Mo", "Cr"))
