"""First principles without an engine for them: laws of the fits, the ensemble, quasirandom cells, and refusals."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uqmsm.errors import MemberFailed, NotConverged, StudyError
from uqmsm.physics.dft import engine as doors
from uqmsm.physics.dft.calculations import Calculation, Settings, bcc_cell, computed, run
from uqmsm.physics.dft.engine import GPA_A3_PER_EV, Cell, Engine, answer, plane_waves
from uqmsm.physics.dft.equation_of_state import birch_murnaghan, fit_birch_murnaghan
from uqmsm.physics.dft.functionals import PARTS, coefficients, covariance, ensemble_energies
from uqmsm.physics.dft.quasirandom import quasirandom, supercells, warren_cowley
from uqmsm.physics.dft.strains import STRAINS, cubic_constants, gradient, shear_modulus

COPPER = Cell(("Cu",), 1.8 * np.array([[0.0, 1, 1], [1, 0, 1], [1, 1, 0]]), np.zeros((1, 3)))


@settings(max_examples=60, deadline=None)
@given(
    at=st.floats(10.0, 25.0),
    bulk=st.floats(50.0, 400.0),
    derivative=st.floats(2.5, 6.0),
    shift=st.floats(-0.03, 0.03),
)
def test_birch_murnaghan_is_found_exactly(at, bulk, derivative, shift):
    volumes = at * (1.0 + shift) * np.array([0.9, 0.95, 1.0, 1.05, 1.1])
    curve = birch_murnaghan(volumes, -7.5, at, bulk, derivative)
    found = fit_birch_murnaghan(volumes, np.stack([curve, 2.0 * curve]))
    np.testing.assert_allclose(found.volume_A3, at, rtol=1e-9)
    np.testing.assert_allclose(found.bulk_modulus_GPa, [bulk, 2.0 * bulk], rtol=1e-7)
    np.testing.assert_allclose(found.bulk_derivative, derivative, rtol=1e-5)
    np.testing.assert_allclose(found.energy_eV, [-7.5, -15.0], rtol=1e-10)
    assert found.bracketed.all()


def test_birch_murnaghan_has_the_pressure_derivative_it_claims():
    """B' = -dB/dlnV / B at the minimum, by differences of the energy itself."""
    at, bulk, derivative, h = 16.0, 300.0, 4.3, 0.08

    def energy(volume):
        return float(birch_murnaghan(volume, 0.0, at, bulk, derivative))

    def modulus(volume):
        return volume * (energy(volume + h) - 2 * energy(volume) + energy(volume - h)) / h**2 * GPA_A3_PER_EV

    slope = (modulus(at + h) - modulus(at - h)) / (2 * h)
    assert modulus(at) == pytest.approx(bulk, rel=1e-3)
    assert -slope * at / bulk == pytest.approx(derivative, rel=1e-3)


def test_a_curve_without_minimum_says_so():
    volumes = np.linspace(10.0, 14.0, 6)
    falling = fit_birch_murnaghan(volumes, -0.1 * volumes)
    outside = fit_birch_murnaghan(volumes, birch_murnaghan(volumes, 0.0, 9.0, 200.0, 4.0))
    assert not falling.bracketed
    assert outside.volume_A3 == pytest.approx(9.0)
    assert not outside.bracketed
    with pytest.raises(StudyError, match="at least four"):
        fit_birch_murnaghan(volumes[:3], volumes[:3])


@pytest.mark.parametrize("strain", STRAINS)
@pytest.mark.parametrize("size", [-0.05, 0.02, 0.1])
def test_strains_keep_the_volume(strain, size):
    assert np.linalg.det(gradient(strain, size)) == pytest.approx(1.0, abs=1e-14)


def test_shear_moduli_of_a_crystal_with_a_known_stiffness():
    """The emt of ASE for copper: energies of strains against its own stress, which is another derivative."""
    emt = Engine("emt")
    volumes = COPPER.volume * np.linspace(0.95, 1.05, 7)
    curve = [answer(_scaled(COPPER, v), emt).energy_eV for v in volumes]
    state = fit_birch_murnaghan(volumes, curve)
    rest = _scaled(COPPER, float(state.volume_A3))
    base = answer(rest, emt).energy_eV
    sizes = (0.004, 0.008)
    found = {}
    for strain in STRAINS:
        risen = [answer(rest.deformed(gradient(strain, d)), emt).energy_eV - base for d in sizes]
        found[strain], _ = shear_modulus(sizes, risen, rest.volume)
    c11, c12 = cubic_constants(state.bulk_modulus_GPa, found["orthorhombic"])
    h = 1e-4

    def slope(row, column):
        strained = [np.eye(3), np.eye(3)]
        strained[0][row, column] += h
        strained[1][row, column] -= h
        up, down = (answer(rest.deformed(f), emt, stress=True).stress_GPa for f in strained)
        return (up - down) / (2 * h)

    along, across = slope(0, 0), slope(0, 1)[5]
    assert along[0] == pytest.approx(float(c11), rel=5e-3)
    assert along[1] == pytest.approx(float(c12), rel=5e-3)
    assert across == pytest.approx(float(found["monoclinic"]), rel=5e-3)


def test_the_fourth_order_is_taken_out():
    sizes, volume = np.array([0.03, 0.05]), 15.0
    risen = 2.0 * volume * (80.0 * sizes**2 + 900.0 * sizes**4) / GPA_A3_PER_EV
    modulus, quartic = shear_modulus(sizes, np.stack([risen, 3 * risen]), volume)
    np.testing.assert_allclose(modulus, [80.0, 240.0])
    np.testing.assert_allclose(quartic, [900.0, 2700.0])
    alone, _ = shear_modulus(sizes[:1], risen[:1], volume)
    assert alone == pytest.approx(80.0 + 900.0 * 0.03**2)
    with pytest.raises(StudyError, match="none may be zero"):
        shear_modulus([0.0], [0.0], volume)


def test_functionals_follow_the_published_covariance():
    """20000 draws: each of 31 variances within 5 standard errors; false alarms below 2e-5."""
    drawn = coefficients(20000, np.random.default_rng(7))
    expected = np.diag(covariance())
    found = drawn[:, :31].var(axis=0)
    assert np.abs(found / expected - 1.0).max() < 5.0 * np.sqrt(2.0 / 20000)
    np.testing.assert_array_equal(drawn[:, 31], -drawn[:, 30])
    # negative control: shifts drawn independently would miss the correlations by far
    correlation = np.corrcoef(drawn[:, :31].T)
    assert np.abs(correlation - np.eye(31)).max() > 0.5


def test_one_functional_is_one_functional_for_all_structures():
    rng = np.random.default_rng(3)
    shifts, parts = coefficients(50, rng), 1000.0 * rng.standard_normal((6, 32))
    energy = rng.standard_normal(6)
    said = ensemble_energies(energy, parts, shifts)
    np.testing.assert_allclose(said, energy + (parts @ shifts.T).T, rtol=1e-9)
    # the same structure twice gives the same energy in every functional: no independent errors
    twice = ensemble_energies(energy[[0, 0]], parts[[0, 0]], shifts)
    np.testing.assert_array_equal(twice[:, 0], twice[:, 1])
    with pytest.raises(StudyError, match="do not fit"):
        ensemble_energies(energy, parts[:, :5], shifts)
    assert len(PARTS) == 32


@pytest.mark.parametrize(("sites", "number"), [(1, 1), (2, 7), (3, 13), (4, 35), (8, 155)])
def test_every_sublattice_is_found_once(sites, number):
    """Sums over divisors give how many there are (Hart & Forcade 2008, table I)."""
    forms = list(supercells(sites))
    assert len(forms) == number
    assert len({form.tobytes() for form in forms}) == number
    assert all(round(np.linalg.det(form)) == sites for form in forms)


def neighbours_by_distance(found, shell_squares):
    """Count pairs shell by shell with nothing but distances."""
    span = list(itertools.product(range(-4, 5), repeat=3))
    n = len(found.symbols)
    counts = np.zeros((len(shell_squares), len(found.elements), len(found.elements)))
    for i, j in itertools.product(range(n), repeat=2):
        inside = (found.places[j] - found.places[i]) @ np.linalg.inv(found.vectors)
        gaps = (inside - np.round(inside) + np.array(span)) @ found.vectors
        squares = (gaps**2).sum(axis=1)
        for s, square in enumerate(shell_squares):
            a, b = found.elements.index(found.symbols[i]), found.elements.index(found.symbols[j])
            counts[s, a, b] += np.isclose(squares, square).sum()
    return counts


@pytest.mark.parametrize("counts", [{"Mo": 1, "Nb": 1, "Ta": 1, "W": 1}, {"Mo": 2, "W": 4}, {"Mo": 3, "Nb": 4, "W": 2}])
def test_correlations_of_a_quasirandom_cell_are_exact(counts):
    found = quasirandom(counts, np.random.default_rng(1), starts=1)
    pairs = neighbours_by_distance(found, (0.75, 1.0, 2.0))
    n, share = len(found.symbols), np.array(list(counts.values())) / sum(counts.values())
    expected = n * share[:, None] * share[None, :] * np.array([8, 6, 12])[:, None, None]
    np.testing.assert_allclose(found.alpha, 1.0 - pairs / expected, atol=1e-12)
    assert abs(np.linalg.det(found.vectors)) == pytest.approx(n / 2)
    assert sorted(found.symbols) == sorted(e for e, k in counts.items() for _ in range(k))


def test_no_other_arrangement_of_a_small_cell_is_more_random():
    """Second implementation: all arrangements of 4 sites in every sublattice, judged by distances."""
    found = quasirandom({"Mo": 1, "Nb": 1, "Ta": 1, "W": 1}, np.random.default_rng(1))
    assert found.exhaustive
    np.testing.assert_allclose(found.deviation[0], 0.0, atol=1e-12)
    weights = 1.0 / np.array([1.0, 4.0, 9.0])
    # ordered B2 (negative control): unlike neighbours only, far from random
    ordered = warren_cowley(np.array([[0, 1]]), np.array([[[0, 8], [8, 0]], [[6, 0], [0, 6]]]), 2)
    np.testing.assert_allclose(ordered[0, 0], [[1.0, -1.0], [-1.0, 1.0]])
    np.testing.assert_allclose(ordered[0, 1], [[-1.0, 1.0], [1.0, -1.0]])
    assert found.deviation @ weights < 0.25


def test_the_search_finds_what_trying_all_finds(monkeypatch):
    every = quasirandom({"Nb": 3, "W": 3}, np.random.default_rng(5))
    monkeypatch.setattr("uqmsm.physics.dft.quasirandom.EXHAUSTIVE", 1)
    a, b = (quasirandom({"Nb": 3, "W": 3}, np.random.default_rng(5), starts=3) for _ in range(2))
    assert every.exhaustive
    assert not a.exhaustive
    assert a.symbols == b.symbols
    np.testing.assert_allclose(a.deviation, every.deviation, atol=1e-12)
    with pytest.raises(StudyError, match="two elements"):
        quasirandom({"W": 4}, np.random.default_rng(1))


def test_an_engine_by_name_answers():
    found = answer(COPPER, Engine("emt"), forces=True, stress=True)
    assert found.forces.shape == (1, 3)
    assert found.stress_GPa.shape == (6,)
    assert found.parts is None
    assert found.energy_eV == pytest.approx(found.free_energy_eV)


def test_stress_is_the_derivative_of_the_energy():
    h = 1e-4
    up, down = (answer(_scaled(COPPER, COPPER.volume * (1 + s * h)), Engine("emt")).energy_eV for s in (1, -1))
    pressed = answer(COPPER, Engine("emt"), stress=True).stress_GPa
    slope = (up - down) / (2 * h * COPPER.volume) * GPA_A3_PER_EV
    assert pressed[:3].mean() == pytest.approx(slope, rel=1e-5)


def test_what_is_missing_is_named_with_the_line_that_installs_it(monkeypatch):
    def absent(name):
        raise ModuleNotFoundError(f"No module named {name!r}")

    import ase.calculators.calculator

    with monkeypatch.context() as patched:
        patched.setattr(ase.calculators.calculator, "get_calculator_class", absent)
        with pytest.raises(StudyError, match=r"not installed.*pip install gpaw gpaw-data"):
            answer(COPPER, Engine("gpaw"))
    with pytest.raises(StudyError, match="not known to ASE"):
        answer(COPPER, Engine("no_such_engine"))
    with pytest.raises(StudyError, match="no ensemble"):
        answer(COPPER, Engine("emt"), parts=True)
    with pytest.raises(StudyError, match="no energies in other functionals"):
        answer(COPPER, Engine("emt"), others=("PBE",))
    with pytest.raises(StudyError, match="cannot do this"):
        answer(Cell(("W",), COPPER.vectors, COPPER.scaled), Engine("emt"))


class KohnShamConvergenceError(Exception):
    """Named as GPAW's own."""


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (KohnShamConvergenceError("333 iterations"), NotConverged, "raise its number of iterations"),
        (FileNotFoundError("Could not find required PAW dataset file: W.PBE"), StudyError, "gpaw-data"),
        (RuntimeError("segment"), MemberFailed, "run this cell alone"),
    ],
)
def test_failures_are_told_apart(monkeypatch, fault, kind, words):
    class Failing:
        def __init__(self, **options):
            pass

        def calculate(self, *_):
            raise fault

        def get_potential_energy(self, *_, **__):
            raise fault

    monkeypatch.setattr(doors, "_calculator", lambda _: Failing())
    with pytest.raises(kind, match=words) as told:
        answer(COPPER, Engine("gpaw"))
    assert "gpaw on Cu at" in str(told.value)


def test_results_are_kept_and_not_computed_again(tmp_path, monkeypatch):
    emt = Engine("emt")
    settings_ = Settings("PBE", 300.0, (2, 2, 2), "fermi-dirac", 0.1, (8, 8, 8))
    monkeypatch.setattr("uqmsm.physics.dft.calculations.plane_waves", lambda *_, **__: emt)
    wanted = [Calculation("Cu", "volume", 0.0, _scaled(COPPER, v), settings_) for v in (11.0, 12.0)]
    said = []
    first = run(wanted[:1], tmp_path, said.append)
    again = run(wanted, tmp_path, said.append)
    assert len(said) == 2
    assert again[0][1] == json.loads(json.dumps(first[0][1]))
    assert wanted[0].key != wanted[1].key
    (tmp_path / f"{wanted[1].key}.json").write_text('{"energy')
    with pytest.raises(StudyError, match="damaged"):
        computed(wanted[1], tmp_path)


def test_a_primitive_cell_has_the_volume_asked_for():
    assert bcc_cell("W", 15.8).volume == pytest.approx(15.8)
    first = 0.5 * np.sqrt(3.0) * (2 * 15.8) ** (1 / 3)
    assert np.linalg.norm(bcc_cell("W", 15.8).vectors[0]) == pytest.approx(first)


def test_plane_waves_are_plain_data():
    made = plane_waves(
        "PBE", cutoff_eV=400, kpoints=(8, 8, 8), smearing="methfessel-paxton", width_eV=0.2, grid=(14, 14, 14)
    )
    assert json.loads(json.dumps(made.options)) == made.options
    assert made.options["occupations"]["order"] == 1


def _scaled(cell, volume):
    return Cell(cell.symbols, cell.vectors * (volume / cell.volume) ** (1 / 3), cell.scaled)
