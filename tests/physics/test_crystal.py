"""Perfect crystals: the printed digits of 14 elements, finite differences of the energy, and one draw among many."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from uqmsm import tables
from uqmsm.errors import StudyError
from uqmsm.physics.potential import COLUMNS, density, embedding, pair, published, pure_crystals
from uqmsm.physics.potential.crystal import ANGSTROM3_EV_IN_GPA, UNSTABLE, shells

# element: lattice, a (angstrom), cohesive energy (eV), C11, C12, C44 (GPa), as printed
PRINTED = {
    "Ni": ("fcc", "3.5196", "4.450", "246.8", "147.3", "124.9"),
    "Cu": ("fcc", "3.6150", "3.540", "169.6", "122.1", "75.7"),
    "Al": ("fcc", "4.0502", "3.580", "106.8", "60.5", "28.3"),
    "Pd": ("fcc", "3.8904", "3.910", "233.8", "175.7", "71.2"),
    "Fe": ("bcc", "2.8660", "4.290", "229.7", "135.5", "116.8"),
    "Mo": ("bcc", "3.1501", "6.810", "456.6", "166.6", "113.1"),
    "Ta": ("bcc", "3.3025", "8.090", "262.6", "157.7", "82.3"),
    "W": ("bcc", "3.1648", "8.760", "522.5", "204.2", "160.8"),
    "Nb": ("bcc", "3.3000", "7.570", "262.2", "124.6", "35.9"),
    "V": ("bcc", "3.0276", "5.310", "232.4", "119.4", "46.0"),
    "Cr": ("bcc", "2.8797", "4.100", "398", "93", "104"),
}
FIELDS = ("lattice_parameter", "cohesive_energy", "C11", "C12", "C44")


@pytest.mark.parametrize("element", PRINTED)
def test_elements_to_the_printed_digits(element):
    lattice, *printed = PRINTED[element]
    crystal = pure_crystals(published((element,)).values, lattice)
    for field, text in zip(FIELDS, printed, strict=True):
        digits = len(text.partition(".")[2])
        assert f"{getattr(crystal, field)[0]:.{digits}f}" == text, field


def test_reference_rows_of_kind_eam():
    known = {row["element"]: row["ground_lattice"] for row in tables.rows("zhou_eam_parameters.csv")}
    names = {"lattice_parameter_a": "lattice_parameter", "bulk_modulus": "bulk_modulus"} | {f: f for f in FIELDS[1:]}
    seen = 0
    for row in tables.rows("reference.csv"):
        element, lattice = row["material"], known.get(row["material"])
        if row["kind"] != "eam" or lattice not in ("bcc", "fcc") or row["quantity"] not in names:
            continue
        if row["phase"] != lattice or "zhou_eam_parameters" not in row["source"]:
            continue
        crystal = pure_crystals(published((element,)).values, lattice)
        digits = len(row["value"].partition(".")[2])
        found = float(getattr(crystal, names[row["quantity"]])[0])
        assert abs(found - float(row["value"])) <= 0.51 * 10.0**-digits, row
        seen += 1
    assert seen >= 60


def test_swapped_digits_of_aluminium_give_another_metal():
    values = published(("Al",)).values.copy()
    values[0, COLUMNS.index("A")] = 0.134873
    wrong, right = pure_crystals(values, "fcc"), pure_crystals(published(("Al",)).values, "fcc")
    assert wrong.lattice_parameter[0] < 0.9 * right.lattice_parameter[0]
    assert wrong.cohesive_energy[0] > right.cohesive_energy[0] + 1.6


@pytest.mark.parametrize("lattice", ["bcc", "fcc"])
def test_shells_count_every_neighbour_and_are_cubic(lattice):
    of = shells(lattice)
    first = {"bcc": [8, 6, 12, 24, 8], "fcc": [12, 6, 24, 12, 24]}[lattice]
    assert of.count[:5].tolist() == first
    assert_allclose(3 * of.quartic + 6 * of.mixed, of.count)  # (n_x^2 + n_y^2 + n_z^2)^2 = 1
    with pytest.raises(StudyError, match="bcc and fcc"):
        shells("hcp")


def strained_energy(element, lattice, a, strain):
    """Energy per atom of a homogeneously strained crystal by an explicit sum over atoms."""
    zhou = published((element,))
    corners = {"bcc": [(0, 0, 0), (1, 1, 1)], "fcc": [(0, 0, 0), (1, 1, 0), (1, 0, 1), (0, 1, 1)]}[lattice]
    n = np.arange(-5, 6)
    cells = np.stack(np.meshgrid(n, n, n), -1).reshape(-1, 1, 3)
    atoms = (cells + np.array(corners) / 2).reshape(-1, 3) * a
    length = np.linalg.norm(atoms, axis=1)
    of = shells(lattice)
    atoms = atoms[(length > 0.1) & (length < (of.distance[-1] + 0.01) * a)]
    r = np.linalg.norm(atoms @ (np.eye(3) + strain).T, axis=1)
    return 0.5 * pair(zhou, 0, 0, r)[0].sum() + embedding(zhou, 0, density(zhou, 0, r)[0].sum())[0]


@pytest.mark.parametrize(("element", "lattice"), [("Ta", "bcc"), ("Nb", "bcc"), ("Ni", "fcc")])
def test_elastic_constants_are_second_derivatives_of_the_energy(element, lattice):
    crystal = pure_crystals(published((element,)).values, lattice)
    a = float(crystal.lattice_parameter[0])
    volume = a**3 / shells(lattice).atoms
    e1, e2, shear = np.zeros((3, 3, 3))
    e1[0, 0] = 1.0
    e2[0, 0], e2[1, 1] = 1.0, -1.0
    shear[1, 2] = shear[2, 1] = 0.5

    def curvature(strain, h=2e-3):
        energies = [strained_energy(element, lattice, a, k * h * strain) for k in (-2, -1, 0, 1, 2)]
        second = np.dot(energies, [-1, 16, -30, 16, -1]) / (12 * h * h)
        return second / volume * ANGSTROM3_EV_IN_GPA

    assert strained_energy(element, lattice, a, 0 * e1) == pytest.approx(-crystal.cohesive_energy[0], abs=1e-11)
    c11, c12, c44 = (float(getattr(crystal, f)[0]) for f in FIELDS[2:])
    # linear strain of a lattice without stress: the quadratic term of the Green strain costs nothing
    assert curvature(e1) == pytest.approx(c11, rel=2e-5)
    assert curvature(e2) == pytest.approx(2 * (c11 - c12), rel=2e-5)
    assert curvature(shear) == pytest.approx(c44, rel=2e-5)


def test_a_draw_does_not_know_its_batch_mates():
    rng = np.random.default_rng(11)
    base = published(("Mo", "Nb", "Ta", "W")).values
    batch = base * (1 + 0.01 * rng.standard_normal((7, 1, 1)))
    together, backwards = pure_crystals(batch, "bcc"), pure_crystals(batch[::-1], "bcc")
    for k in range(7):
        alone = pure_crystals(batch[k], "bcc")
        for field in FIELDS:
            assert np.array_equal(getattr(together, field)[k], getattr(alone, field))
            assert np.array_equal(getattr(together, field)[k], getattr(backwards, field)[6 - k])


def test_instability_is_an_outcome_and_nonsense_too():
    copper = published(("Cu",)).values
    bcc = pure_crystals(copper, "bcc")
    assert bcc.status[0] == UNSTABLE
    assert bcc.C11[0] < bcc.C12[0]
    values = np.array([copper, copper, copper])
    values[1] = np.nan
    values[2, 0, COLUMNS.index("A")] = 0.0
    values[2, 0, COLUMNS.index("B")] = 0.0
    status = pure_crystals(values, "fcc").status[:, 0]
    assert status[0] == 0
    assert status[1] == 3
    assert status[2] in (1, 2)
