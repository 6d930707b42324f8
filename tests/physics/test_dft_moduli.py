"""Moduli of cells that are not cubic: the strains that are needed, their average, and the error of k-points."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from uqmsm.errors import StudyError
from uqmsm.physics.dft.calculations import Calculation, Settings, bcc_cell
from uqmsm.physics.dft.campaign import ALLOY_DIVISIONS, alloy_shears, alloys
from uqmsm.physics.dft.engine import GPA_A3_PER_EV, TETRAHEDRA, Cell, Engine, answer, plane_waves
from uqmsm.physics.dft.moduli import FOURTH_ORDER, moduli, secants
from uqmsm.physics.dft.orientations import keeps_mesh, operations, orientations
from uqmsm.physics.dft.strains import PLANES, STRAINS, gradient
from uqmsm.physics.dft.table import Row

NONE = np.empty((0, 32))


def smeared(n=20):
    return Settings("BEEF-vdW", 400.0, (n, n, n), "methfessel-paxton", 0.2, (14, 14, 14))


def row(cell, energy, role="volume", size=0.0, settings=None, material="X"):
    calculation = Calculation(material, role, size, cell, settings or smeared())
    return Row(calculation, energy, energy, np.array([energy, energy]), np.zeros(32), None, None, 1.0)


def energy_of(cell):
    return answer(cell, Engine("emt")).energy_eV / len(cell.symbols)


def mixed(volume):
    """Return a cell of four elements without order, fcc, at a volume per atom."""
    vectors = np.array([[0.5, 0.5, 0.0], [0.0, -1.0, 1.0], [1.0, -1.0, -1.0]])
    sites = np.array([[0.0, 0, 0], [0.0, -0.5, 0.5], [0.5, -0.5, 0.0], [0.5, -1.0, 0.5]])
    unit = (4.0 * volume) ** (1.0 / 3.0)
    return Cell(("Cu", "Ni", "Au", "Pd"), unit * vectors, sites @ np.linalg.inv(vectors))


def test_a_cubic_crystal_needs_one_strain_of_each_kind():
    for cell in (bcc_cell("W", 16.0), alloys()["MoTa-B2"]):
        assert len(operations(cell)) == 48
        for strain in STRAINS:
            weights = orientations(cell, strain)
            assert list(weights) == [(strain, 1.0)]
            assert sum(weights.values()) == pytest.approx(1.0)


def orbit(cell, divisions, reciprocal):
    """Return whether all operations bring all points of a mesh onto points of it, point by point."""
    n = np.asarray(divisions)
    points = np.stack(np.meshgrid(*(np.arange(k) for k in n), indexing="ij"), axis=-1).reshape(-1, 3) / n
    for turned in operations(cell):
        vectors = np.linalg.inv(cell.vectors).T if reciprocal else cell.vectors
        moved = points @ vectors @ turned.T @ np.linalg.inv(vectors)
        if np.abs(moved * n - np.round(moved * n)).max() > 1e-6:
            return False
    return True


@pytest.mark.parametrize("name", ["MoNbTaW-4", "MoNbTaVW-5", "MoTa-B2"])
@pytest.mark.parametrize("divisions", [(4, 4, 4), (3, 5, 5), (7, 5, 3), (14, 24, 36), (14, 36, 36), (16, 24, 28)])
def test_a_mesh_is_kept_when_every_point_falls_on_a_point(name, divisions):
    cell = alloys()[name]
    for reciprocal in (False, True):
        assert keeps_mesh(cell, divisions, reciprocal=reciprocal) == orbit(cell, divisions, reciprocal)


def test_a_mesh_that_symmetry_does_not_keep_is_computed_without_symmetry():
    """A density folded by an operation that its grid does not know is another crystal's."""
    for one in alloy_shears("MoNbTaVW-5", ALLOY_DIVISIONS):
        without = one.engine.options.get("symmetry") == {"point_group": False}
        assert without == (len(operations(one.cell)) > 1), one.role
    for one in alloy_shears("MoNbTaW-4", ALLOY_DIVISIONS):
        assert "symmetry" not in one.engine.options


def test_images_under_the_symmetry_of_a_cell_cost_the_same():
    """Every strain of the average has the energy of the representative that the weights give it."""
    cell = mixed(14.0)
    for strain in STRAINS:
        weights = orientations(cell, strain)
        signs = (1.0,) if strain == "orthorhombic" else (1.0, -1.0)
        every = [(f"{strain}{plane}", sign) for plane in PLANES for sign in signs]
        energies = {one: energy_of(cell.deformed(gradient(one[0], 0.02 * one[1]))) for one in every}
        mean = np.mean(list(energies.values()))
        assert sum(w * energies[one] for one, w in weights.items()) == pytest.approx(mean, abs=1e-10)
    # negative control: the planes differ, one strain alone is no average
    rest = energy_of(cell)
    risen = [energies[f"monoclinic{plane}", sign] - rest for plane in PLANES for sign in (1.0, -1.0)]
    assert np.ptp(risen) > 0.2 * np.mean(risen)


@pytest.mark.parametrize(("strain", "plane"), list(itertools.product(STRAINS, PLANES)))
def test_planes_are_turns_of_one_another(strain, plane):
    one, other = gradient(strain, 0.03), gradient(strain + plane, 0.03)
    np.testing.assert_allclose(np.linalg.eigvalsh(one), np.linalg.eigvalsh(other), atol=1e-14)
    assert np.linalg.det(other) == pytest.approx(1.0)
    with pytest.raises(StudyError, match="followed by yz or zx"):
        gradient(strain + " xz", 0.03)


def test_the_average_of_a_stressed_cell_is_that_of_its_stiffness():
    """Second implementation: slopes of the stress, all 21 of them, averaged over the rotations of the cube.

    The cell is stressed at rest, as quasirandom cells are; its mean pressure is brought to nothing first, since a
    pressure would be counted in one way by energies and in another by stresses.
    """
    volumes = np.linspace(12.0, 16.0, 41)
    pressures = [answer(mixed(v), Engine("emt"), stress=True).stress_GPa[:3].mean() for v in volumes]
    volume = float(np.interp(0.0, pressures, volumes))
    cell, h = mixed(volume), 1e-4
    pairs = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
    stiffness = np.empty((6, 6))
    for k, (i, j) in enumerate(pairs):
        ends = []
        for sign in (1.0, -1.0):
            strained = np.eye(3)
            strained[i, j] += 0.5 * sign * h
            strained[j, i] += 0.5 * sign * h
            ends.append(answer(cell.deformed(strained), Engine("emt"), stress=True).stress_GPa)
        stiffness[:, k] = (ends[0] - ends[1]) / (2.0 * h)
    tetragonal = (np.trace(stiffness[:3, :3]) - (stiffness[:3, :3].sum() - np.trace(stiffness[:3, :3])) / 2.0) / 6.0
    c44 = np.trace(stiffness[3:, 3:]) / 3.0
    rest = row(cell, energy_of(cell))
    rows = [rest]
    for strain, size in itertools.product(STRAINS, (0.004, 0.008)):
        for role, sign in orientations(cell, strain):
            rows.append(
                row(deformed := cell.deformed(gradient(role, sign * size)), energy_of(deformed), role, sign * size)
            )
    found = moduli(rows, NONE, np.full(3, volume))
    assert np.abs(stiffness[3:, :3]).max() > 1.0  # it is not cubic
    assert found.tetragonal[0] == pytest.approx(tetragonal, rel=0.01)
    assert found.C44[0] == pytest.approx(c44, rel=0.01)


def test_a_missing_orientation_makes_no_modulus():
    cell = mixed(14.0)
    rows = [row(cell, 0.0)]
    for strain in STRAINS:
        rows += [row(cell.deformed(gradient(r, s * 0.02)), 0.01, r, s * 0.02) for r, s in orientations(cell, strain)]
    assert moduli(rows, NONE, np.full(3, 14.0)) is not None
    assert moduli(rows[:-1], NONE, np.full(3, 14.0)) is None
    assert not secants(rows[1:], "monoclinic")  # without the cell at rest


def crystal(shear, settings, volume=16.0, sizes=(0.03,), rest=-5.0):
    """Return rows of bcc W whose moduli are those given, exactly."""
    cell = bcc_cell("W", volume)
    rows = [row(cell, rest, settings=settings)]
    for strain, size in itertools.product(STRAINS, sizes):
        risen = 2.0 * volume * shear * size**2 / GPA_A3_PER_EV
        rows.append(row(cell.deformed(gradient(strain, size)), rest + risen, strain, size, settings))
    return rows


def test_the_best_settings_make_the_modulus_and_others_its_slope():
    tetrahedra = replace(smeared(20), smearing=TETRAHEDRA, width_eV=0.0)
    coarse = crystal(100.0, smeared(14)) + crystal(80.0, smeared(14), volume=17.0)
    fine = crystal(150.0, tetrahedra) + crystal(140.0, smeared(20))
    at = np.array([16.0, 17.0, np.sqrt(16.0 * 17.0)])
    found = moduli(coarse + fine, NONE, at)
    np.testing.assert_allclose(found.C44, 150.0 * np.array([1.0, 0.8, 0.9]), rtol=1e-9)
    # 10 GPa to the smeared mesh of the same fineness, 50 GPa to the coarser one, whose share falls with the square
    integration = max(10.0, 50.0 * (14.0 / 20.0) ** 2)
    assert found.C44_sd == pytest.approx(np.hypot(integration, FOURTH_ORDER * 150.0), rel=1e-9)
    # of an alloy, the slope is the mean of its elements'
    alone = moduli(fine, NONE, at, like=[coarse, coarse])
    np.testing.assert_allclose(alone.C44, found.C44, rtol=1e-9)
    np.testing.assert_allclose(moduli(fine, NONE, at).C44, 150.0, rtol=1e-9)


def test_a_cell_at_rest_with_other_k_points_tells_the_scatter_of_all():
    ours, shift = crystal(150.0, smeared(20), sizes=(0.05,)), 1e-3
    finer = row(bcc_cell("W", 16.0), -5.0 + shift, settings=smeared(24))
    found = moduli([*ours, finer], NONE, np.full(3, 16.0))
    scatter = np.sqrt(2.0) * shift * GPA_A3_PER_EV / (2.0 * 16.0 * 0.05**2)
    assert found.C44_sd == pytest.approx(np.hypot(scatter, FOURTH_ORDER * 150.0), rel=1e-9)
    assert np.isnan(moduli(ours, NONE, np.full(3, 16.0)).C44_sd)  # nothing compared: not known


def test_the_alloy_is_strained_in_all_directions_of_its_average():
    cells = alloy_shears("MoNbTaW-4", ALLOY_DIVISIONS)
    roles = {(one.role, np.sign(one.size)) for one in cells[1:]}
    rest = cells[0].cell
    assert roles == {one for strain in STRAINS for one in orientations(rest, strain)}
    assert len(cells) == 8  # the mirror of the cell saves two of nine
    for one in cells:
        assert one.cell.volume == pytest.approx(rest.volume, rel=1e-12)
        assert one.settings == cells[0].settings


def test_tetrahedra_have_no_width():
    made = plane_waves("PBE", cutoff_eV=400, kpoints=(8, 8, 8), smearing=TETRAHEDRA, width_eV=0.0, grid=(14, 14, 14))
    assert made.options["occupations"] == {"name": TETRAHEDRA}
