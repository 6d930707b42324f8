"""The shipped first-principles set: published numbers, shared functionals, stated errors; and one element live."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from uqmsm import tables
from uqmsm.errors import StudyError
from uqmsm.physics.dft.calculations import run
from uqmsm.physics.dft.campaign import CENTRAL_VOLUME_A3, alloys, element_settings, everything
from uqmsm.physics.dft.causes import lattice_shifts
from uqmsm.physics.dft.crystal import by_settings, energies, equilibrium
from uqmsm.physics.dft.engine import GPA_A3_PER_EV
from uqmsm.physics.dft.equation_of_state import birch_murnaghan, fit_birch_murnaghan
from uqmsm.physics.dft.functionals import coefficients
from uqmsm.physics.dft.reference import NAMED, materials, reference, shipped
from uqmsm.physics.dft.table import Row, read, write
from uqmsm.scales.dft import Dft

ELEMENTS = ("Mo", "Nb", "Ta", "V", "W")
FILE = tables.path("dft") / "reference.nc"
PBE = NAMED.index("PBE")


def published(code):
    return {
        row["element"]: (float(row["lattice_parameter_angstrom"]), float(row["bulk_modulus_GPa"]))
        for row in tables.rows("dft/published.csv")
        if row["code"] == code
    }


def test_every_variable_says_its_unit_and_the_file_its_origin():
    with xr.open_dataset(FILE, engine="h5netcdf") as kept:
        for name, variable in kept.data_vars.items():
            assert variable.attrs["units"], name
            assert variable.attrs["long_name"], name
        assert kept["energy"].attrs["units"] == "eV"
        assert kept["vectors"].attrs["units"] == "angstrom"
        assert {"versions", "licence", "regenerate", "functionals"} <= set(kept.attrs)
        assert "gpaw" in kept.attrs["versions"]


def test_the_file_stays_small():
    assert FILE.stat().st_size < 4_000_000


def test_every_row_belongs_to_the_campaign():
    known = {one.key for one in everything()}
    assert {row.calculation.key for row in shipped().rows} <= known
    assert set(ELEMENTS) <= set(materials())


@pytest.mark.parametrize("element", ELEMENTS)
def test_pbe_meets_the_published_numbers(element):
    """Lattice within 0.2 %, bulk modulus within 5 % of all-electron PBE; V: of the same data set for the core.

    GPAW's own converged V is 0.23 % larger than all-electron V (published, same table), which no setting mends.
    """
    said = reference([element], ("lattice_parameter", "bulk_modulus"))
    lattice, bulk = said.named[PBE]
    all_electron, same_cores = published("all-electron")[element], published("GPAW")[element]
    assert lattice == pytest.approx((same_cores if element == "V" else all_electron)[0], rel=2e-3)
    assert bulk == pytest.approx(all_electron[1], rel=0.05)
    # the stated numerical error covers the distance within three standard deviations, and is no blanket
    assert abs(lattice - all_electron[0]) < 3.0 * said.numerical_sd[0]
    assert said.numerical_sd[0] / lattice < 4e-3


def test_the_lattice_of_vanadium_is_what_its_measured_causes_make_it():
    """Settings and the density of BEEF-vdW explain all of it but the data set for the core, which is published."""
    lattice, shifts = lattice_shifts("V")
    assert lattice == pytest.approx(reference(["V"], ("lattice_parameter",)).named[PBE, 0], rel=1e-9)
    assert set(shifts) == {"density of PBE", "more k-points", "higher cutoff", "narrower smearing"}
    assert max(shifts.values()) < 0.0
    converged, all_electron = published("GPAW")["V"][0], published("all-electron")["V"][0]
    assert lattice + sum(shifts.values()) == pytest.approx(converged, rel=3e-4)
    assert lattice != pytest.approx(converged, rel=3e-4)  # without them it is not met
    assert converged / all_electron - 1.0 > 2e-3  # no setting can come within 0.2 %
    with pytest.raises(StudyError, match="no first-principles curve"):
        lattice_shifts("Fe")


def test_the_three_named_functionals_stand_in_their_known_order():
    """PBEsol shrinks lattices against PBE, and BEEF-vdW does not (Wellendorff et al. 2012, table of lattice errors)."""
    said = reference(ELEMENTS, ("lattice_parameter",)).named
    beef, pbe, pbesol = said
    assert (pbesol < 0.993 * pbe).all()
    assert (np.abs(beef / pbe - 1.0) < 0.01).all()


def test_functionals_are_shared_by_all_elements():
    said = reference(ELEMENTS, ("lattice_parameter", "bulk_modulus"))
    assert said.whole.mean() > 0.95
    drawn = said.ensemble[said.whole]
    n = len(drawn)
    lattices, bulks = drawn[:, 0::2], drawn[:, 1::2]
    across = np.corrcoef(lattices.T)[np.triu_indices(5, 1)]
    # independent draws would scatter by 1 / sqrt(n): ten pairs beyond 6 of these have odds below 2e-8
    assert (across > 6.0 / np.sqrt(n)).all()
    within = [np.corrcoef(lattices[:, k], bulks[:, k])[0, 1] for k in range(5)]
    assert max(within) < -6.0 / np.sqrt(n)  # large lattices are soft
    # negative control: functionals out of step between elements lose it
    rolled = np.corrcoef(lattices[:, 0], np.roll(lattices[:, 1], 1))[0, 1]
    assert abs(rolled) < 6.0 / np.sqrt(n)


def test_the_spread_over_functionals_is_no_numerical_error():
    said = reference(ELEMENTS, ("lattice_parameter",))
    spread = np.sqrt(np.diag(said.covariance()))
    assert (spread > 3.0 * said.numerical_sd).all()
    assert (said.numerical_sd > 0.0).all()
    # nor is it the work of a few functionals whose minimum lies outside the computed volumes
    inside = said.ensemble[said.inside]
    assert 0.5 < said.inside.mean() < 1.0
    assert (inside.std(axis=0) > 3.0 * said.numerical_sd).all()


def test_a_selection_of_functionals_is_the_rows_of_all():
    every = reference(["W"], ("lattice_parameter",))
    some = reference(["W"], ("lattice_parameter",), functionals=(5, 3, 1999))
    np.testing.assert_allclose(some.ensemble, every.ensemble[[5, 3, 1999]], rtol=1e-9)
    assert every.ensemble.shape[0] == len(shipped().shifts)
    assert every.column("W.lattice_parameter") == 0
    with pytest.raises(StudyError, match="no first-principles"):
        every.column("W.C11")
    with pytest.raises(StudyError, match="no first-principles calculations"):
        reference(["Pu"])
    with pytest.raises(StudyError, match="unknown"):
        reference(["W"], ("colour",))


def test_the_shipped_functionals_are_those_of_their_seed():
    again = coefficients(len(shipped().shifts), np.random.default_rng(2012))
    np.testing.assert_allclose(shipped().shifts, again, rtol=1e-5, atol=1e-6)


def test_energies_of_the_ensemble_come_from_the_parts():
    row = next(row for row in shipped().rows if row.calculation.material == "W")
    said = energies([row], shipped().shifts[:4])
    by_hand = row.energy_eV + shipped().shifts[:4] @ row.parts_eV
    np.testing.assert_allclose(said[len(NAMED) :, 0], by_hand, rtol=1e-12)


def test_a_table_comes_back_as_it_was_written(tmp_path):
    rows = shipped().rows[:3]
    write(tmp_path / "t.nc", rows, shipped().shifts[:5], {"versions": {"gpaw": "x"}})
    back = read(tmp_path / "t.nc")
    for ours, theirs in zip(rows, back.rows, strict=True):
        assert ours.calculation.key == theirs.calculation.key
        assert ours.energy_eV == theirs.energy_eV
        np.testing.assert_array_equal(ours.parts_eV, theirs.parts_eV)
    (tmp_path / "bad.nc").write_bytes(b"nothing")
    with pytest.raises(StudyError, match="no table"):
        read(tmp_path / "bad.nc")


def test_a_minimum_at_other_settings_becomes_a_numerical_error():
    """A curve moved by a known parabola in ln V: the error is the shift of the minimum that this causes."""
    rows = [r for r in shipped().rows if r.calculation.material == "W" and r.calculation.role == "volume"]
    most = element_settings("W")
    curve = [row for row in rows if row.calculation.settings == most]
    shifts = shipped().shifts[:1]
    calm = equilibrium(curve, shifts)
    x = np.array([np.log(row.calculation.cell.volume / CENTRAL_VOLUME_A3["W"]) for row in curve])
    moved = [
        replace(
            row,
            energy_eV=row.energy_eV + 0.02 * at,
            calculation=replace(row.calculation, settings=replace(most, cutoff_eV=900.0)),
        )
        for row, at in zip(curve[:3], x[:3], strict=True)
    ]
    found = equilibrium([*curve, *moved], shifts)
    volumes = np.array([row.calculation.cell.volume for row in curve])
    best = np.array([row.energy_eV for row in curve])
    expected = fit_birch_murnaghan(volumes, best + 0.02 * x).volume_A3 - calm.state.volume_A3[0]
    assert found.numerical_sd[1] == pytest.approx(abs(float(expected)), rel=1e-6)
    np.testing.assert_array_equal(found.state.volume_A3, calm.state.volume_A3)


def test_cells_of_alloys_are_lattice_sites_with_the_volume_asked_for():
    for name, cell in alloys().items():
        assert cell.volume == pytest.approx(1.0), name
        sites = cell.scaled @ cell.vectors / 2.0 ** (1.0 / 3.0)
        twice = np.round(2.0 * (sites - sites[0]))
        np.testing.assert_allclose(2.0 * (sites - sites[0]), twice, atol=1e-9)
        assert ((twice % 2).sum(axis=1) % 3 == 0).all(), name  # all even or all odd: bcc


QUASIRANDOM = ("MoNbTaW-4", "MoNbTaVW-5")


def alloy_rows(name):
    """Return the rows of the cell at rest: forces and stress were asked of these."""
    return [r for r in shipped().rows if r.calculation.material == name and r.calculation.role == "volume"]


@pytest.mark.parametrize("name", QUASIRANDOM)
def test_forces_on_a_cell_add_up_to_nothing(name):
    for row in alloy_rows(name):
        assert np.abs(row.forces.sum(axis=0)).max() < 1e-3
        # and are not nothing by themselves: sites are not equal; nor are they of an atom that is somewhere else
        assert 0.1 < np.abs(row.forces).max() < 2.5


def test_no_cell_of_an_alloy_is_far_from_the_mean_of_its_elements():
    """Solid solutions of neighbours in the table bind by tenths of an eV an atom, and no strain of 5 % costs more."""
    rest = {element: min(r.energy_eV for r in elements_at_rest(element)) for element in ELEMENTS}
    cells = [row for row in shipped().rows if len(row.calculation.cell.symbols) > 1]
    assert len(cells) > 30
    for row in cells:
        mean = np.mean([rest[symbol] for symbol in row.calculation.cell.symbols])
        assert abs(row.energy_eV - mean) < 0.5, (row.calculation.material, row.calculation.role)


def elements_at_rest(element):
    return [r for r in shipped().rows if r.calculation.material == element and r.calculation.role == "volume"]


@pytest.mark.parametrize("name", QUASIRANDOM)
def test_stress_is_the_slope_of_the_equation_of_state(name):
    """Another derivative of the same energy; the basis of plane waves misses some 1 GPa of it, at all volumes alike."""
    rows = max(by_settings(alloy_rows(name)).values(), key=len)
    volumes = np.array([row.calculation.cell.volume for row in rows])
    state = fit_birch_murnaghan(volumes, np.array([row.free_energy_eV for row in rows]))
    numbers = [float(x) for x in (state.energy_eV, state.volume_A3, state.bulk_modulus_GPa, state.bulk_derivative)]
    h = 1e-4
    slope = (birch_murnaghan(volumes + h, *numbers) - birch_murnaghan(volumes - h, *numbers)) / (2 * h)
    pressed = np.array([row.stress_GPa[:3].mean() for row in rows])
    missed = pressed - slope * GPA_A3_PER_EV
    assert np.abs(missed).max() < 1.5
    assert missed.std() < 0.3
    assert np.ptp(pressed) > 20.0


def test_differences_within_a_functional_are_surer_than_the_functional():
    """Lattice excess and formation energy of MoNbTaW: most of what functionals get wrong drops out of differences."""
    names = ("Mo", "Nb", "Ta", "W")
    said = reference([*names, "MoNbTaW-4"], ("lattice_parameter", "formation_energy"))
    lattice = np.stack([said.ensemble[:, said.column(f"{m}.lattice_parameter")] for m in (*names, "MoNbTaW-4")])
    good = said.whole
    excess = np.log(lattice[4] / lattice[:4].mean(axis=0))[good]
    assert excess.std() < 0.5 * np.log(lattice[4][good]).std()
    # negative control: out of step, nothing drops out
    mixed = np.log(np.roll(lattice[4][good], 1) / lattice[:4, good].mean(axis=0))
    assert mixed.std() > np.log(lattice[4][good]).std()
    column = said.column("MoNbTaW-4.formation_energy")
    # all named functionals bind the alloy by 0.05 to 0.12 eV an atom; numerical errors are a small part of that
    assert ((said.named[:, column] < -0.05) & (said.named[:, column] > -0.12)).all()
    assert said.numerical_sd[column] < 0.25 * np.abs(said.named[:, column]).min()


@pytest.mark.parametrize("element", ELEMENTS)
def test_shear_moduli_meet_published_pbe_within_their_stated_error(element):
    """PBE of another code with k-points 0.08 per angstrom apart (`published_elastic.csv`): C' and C44.

    Within two stated errors and 5 % for what other cores and the density of BEEF-vdW do. Bulk moduli are compared with
    all-electron codes, above: those of this source lie up to 7 % beside them (V, W), and its C11 and C12 with them.
    """
    (row,) = (row for row in tables.rows("dft/published_elastic.csv") if row["element"] == element)
    said = reference([element], ("bulk_modulus", "C11", "C12", "C44"))
    bulk, c11, c12, c44 = said.named.T
    bulk_sd, c11_sd, _, c44_sd = said.numerical_sd
    tetragonal_sd = 0.75 * np.sqrt(c11_sd**2 - bulk_sd**2)  # C11 = B + 4/3 C'
    theirs = (float(row["C11"]) - float(row["C12"])) / 2.0, float(row["C44"])
    for ours, error, published_ in zip(((c11 - c12) / 2.0, c44), (tetragonal_sd, c44_sd), theirs, strict=True):
        assert abs(ours[PBE] - published_) < 2.0 * error + 0.05 * published_
        assert 0.0 < error < max(0.2 * published_, 5.0)  # an error that covers everything says nothing
    assert (c11 > c12).all()
    assert (c44 > 0.0).all()
    np.testing.assert_allclose((c11 + 2.0 * c12) / 3.0, bulk, rtol=1e-9)


def test_elastic_constants_belong_to_the_functional_that_says_them():
    """A functional stiff in one element's C44 is so in all; k-points, whose errors are independent, cannot do that."""
    said = reference(ELEMENTS, ("C44",))
    drawn = said.ensemble[said.whole & said.inside]  # tails are extrapolated
    across = np.corrcoef(drawn.T)[np.triu_indices(5, 1)]
    assert (across > 6.0 / np.sqrt(len(drawn))).all()
    spread = np.diff(np.quantile(drawn, (0.16, 0.84), axis=0), axis=0)[0] / 2.0
    assert (spread > said.numerical_sd).all()


def test_the_operator_hands_on_what_is_known_of_elements_and_cells():
    stage = Dft(("Mo", "Nb", "Ta", "W"), convergence=0.0)
    said = stage({}, {})
    assert {port.name for port in stage.outputs} == set(said)
    direct = reference(stage.elements, ("C11", "C12", "C44"))
    for name in ("C11", "C12", "C44"):
        expected = [direct.named[0, direct.column(f"{element}.{name}")] for element in stage.elements]
        np.testing.assert_allclose(said[f"dft_{name}"], expected, rtol=1e-12)
    assert len(said["dft_cell_lattice_parameter"]) == len(said["dft_formation_energy"]) > 0
    assert said["dft_cell_C44"].shape == (1,)  # one cell was strained
    moved = Dft(stage.elements, convergence=1.0)({}, {})
    np.testing.assert_allclose(moved["dft_C44"] - said["dft_C44"], direct.numerical_sd[2::3], rtol=1e-9)


def test_the_quasirandom_cell_has_the_published_elastic_constants():
    """MoNbTaW in PBE against Li et al., npj Comput. Mater. 6, 70 (2020), of `reference.csv`: within two errors."""
    said = reference(["MoNbTaW-4"], ("C11", "C12", "C44"))
    rows = [row for row in tables.rows("reference.csv") if (row["material"], row["kind"]) == ("MoNbTaW", "dft")]
    published_ = {row["quantity"]: float(row["value"]) for row in rows}
    for column, name in enumerate(("C11", "C12", "C44")):
        assert abs(said.named[PBE, column] - published_[name]) < 2.0 * said.numerical_sd[column], name
        assert said.numerical_sd[column] < 0.25 * published_[name]
    # its own volume in each functional, along which its elements lead it: no functional runs away
    spread = np.diff(np.nanquantile(said.ensemble, (0.16, 0.84), axis=0), axis=0)[0] / 2.0
    assert (np.nanstd(said.ensemble, axis=0) < 3.0 * spread).all()


@pytest.mark.dft
def test_one_element_live(tmp_path):
    """W at three volumes, computed now: energies and parts as shipped, and the same minimum."""
    rows = {row.calculation.key: row for row in shipped().rows}
    wanted = [one for one in everything() if one.material == "W" and one.role == "volume"][:3]
    shifts = shipped().shifts[:200]
    live = [Row.of(*done) for done in run(wanted, tmp_path, print)]
    kept = [rows[row.calculation.key] for row in live]
    assert len(live) == 3
    np.testing.assert_allclose(energies(live, shifts), energies(kept, shifts), atol=2e-4)
    fresh = {row.calculation.key: row for row in live}
    curve = [r for r in rows.values() if r.calculation.settings == live[0].calculation.settings]
    curve = [r for r in curve if r.calculation.material == "W" and r.calculation.role == "volume"]
    ours = equilibrium([fresh.get(row.calculation.key, row) for row in curve], shifts)
    theirs = equilibrium(curve, shifts)
    np.testing.assert_allclose(ours.state.volume_A3, theirs.state.volume_A3, rtol=1e-3)
