"""The Zhou form: joins, digit traps, derivatives against an independent complex-step transcription, tables."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from uqmsm import tables
from uqmsm.errors import StudyError
from uqmsm.physics.potential import (
    COLUMNS,
    Zhou,
    cutoff,
    density,
    embedding,
    pair,
    published,
    tabulate,
    write_setfl,
)
from uqmsm.physics.potential.zhou import embedding_at, radial_at

ROWS = [(row["element"], row["variant"]) for row in tables.rows("zhou_eam_parameters.csv")]
REFRACTORY = ("Mo", "Nb", "Ta", "W")


def changed(zhou, element, **numbers):
    values = zhou.values.copy()
    for column, value in numbers.items():
        values[zhou.elements.index(element), COLUMNS.index(column)] = value
    return Zhou(zhou.elements, values)


def jumps(zhou, element):
    """Jumps of F at both joins, in eV, seen from one part in 1e12 below and above."""
    i = zhou.elements.index(element)
    at = [
        zhou.parameter(element, name) * zhou.parameter(element, "rhoe")
        for name in ("rho_n_over_rhoe", "rho_o_over_rhoe")
    ]
    return [abs(np.diff(embedding(zhou, i, rho * np.array([1 - 1e-12, 1 + 1e-12]))[0])[0]) for rho in at]


# --- a second transcription of the paper's formulas, in complex numbers -----------------------------------------------


def complex_density(p, r):
    x = r / p["re"]
    return p["fe"] * np.exp(-p["beta"] * (x - 1)) / (1 + (x - p["lambda"]) ** 20)


def complex_pair(p, r):
    x = r / p["re"]
    repulsion = p["A"] * np.exp(-p["alpha"] * (x - 1)) / (1 + (x - p["kappa"]) ** 20)
    return repulsion - p["B"] * np.exp(-p["beta"] * (x - 1)) / (1 + (x - p["lambda"]) ** 20)


def complex_alloy_pair(p, q, r):
    ratio = complex_density(q, r) / complex_density(p, r)
    return 0.5 * (ratio * complex_pair(p, r) + complex_pair(q, r) / ratio)


def complex_embedding(p, rho):
    x = rho / p["rhoe"]
    if x.real < p["rho_n_over_rhoe"]:
        return sum(p[f"Fn{k}"] * (x / p["rho_n_over_rhoe"] - 1) ** k for k in range(4))
    if x.real < p["rho_o_over_rhoe"]:
        return sum(p[f"F{k}"] * (x - 1) ** k for k in range(4))
    y = rho / p["rhos"]
    return p["Fe"] * (1 - p["eta"] * np.log(y)) * y ** p["eta"]


def named(zhou, i):
    return dict(zip(COLUMNS, zhou.values[i].tolist(), strict=True))


@settings(deadline=None)
@given(r=st.floats(1.5, 7.0), which=st.tuples(st.integers(0, 3), st.integers(0, 3)))
def test_pair_and_density_agree_with_a_complex_step(r, which):
    zhou = published(REFRACTORY)
    p, q = named(zhou, which[0]), named(zhou, which[1])
    step = complex(r, 1e-30)
    expected = complex_alloy_pair(p, q, step)
    value, slope = pair(zhou, *which, r)
    assert_allclose([value, slope], [expected.real, expected.imag / 1e-30], rtol=1e-11, atol=1e-14)
    expected = complex_density(p, step)
    assert_allclose(density(zhou, which[0], r), [expected.real, expected.imag / 1e-30], rtol=1e-12)


@settings(deadline=None)
@given(x=st.floats(0.01, 3.0), which=st.integers(0, 3))
def test_embedding_agrees_with_a_complex_step(x, which):
    zhou = published(("Ni", "W", "Pt", "Al"))
    p = named(zhou, which)
    expected = complex_embedding(p, complex(x * p["rhoe"], 1e-30))
    assert_allclose(
        embedding(zhou, which, x * p["rhoe"]), [expected.real, expected.imag / 1e-30], rtol=1e-11, atol=1e-14
    )


@settings(deadline=None)
@given(r=st.floats(1.5, 7.0), x=st.floats(0.01, 3.0))
def test_second_derivatives_are_derivatives_of_the_first(r, x):
    row = published(("Ta",)).values[0]
    p = named(published(("Ta",)), 0)
    h = 1e-4 * r
    for value, slope, second in ((0, 1, 2), (3, 4, 5)):
        ends = [radial_at(row, r + k * h)[slope] for k in (-2, -1, 1, 2)]
        scale = abs(radial_at(row, r)[value]) / r**2 + abs(radial_at(row, r)[second])
        assert abs(np.dot(ends, [1, -8, 8, -1]) / (12 * h) - radial_at(row, r)[second]) < 1e-6 * scale
    rho = x * p["rhoe"]
    if all(abs(x / join - 1) > 0.01 for join in (0.85, 1.15)):
        h = 1e-3 * rho
        ends = [embedding_at(row, rho + k * h)[1] for k in (-2, -1, 1, 2)]
        assert_allclose(np.dot(ends, [1, -8, 8, -1]) / (12 * h), embedding_at(row, rho)[2], rtol=1e-6, atol=1e-9)


# --- the published table ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("element", "variant"), ROWS)
def test_embedding_joins_without_a_jump(element, variant):
    zhou = published((element,), {element: variant})
    assert max(jumps(zhou, element)) < 2e-6
    for name in ("rho_n_over_rhoe", "rho_o_over_rhoe"):
        rho = zhou.parameter(element, name) * zhou.parameter(element, "rhoe")
        below, above = embedding(zhou, 0, rho * np.array([1 - 1e-12, 1 + 1e-12]))[1]
        jump = abs(above - below) * zhou.parameter(element, "rhoe")
        # V, known from one transcription only, has kinks that the other elements have not
        assert jump > 0.05 if element == "V" else jump < 1e-4


def test_digit_traps_are_caught():
    tungsten = published(("W",))
    assert tungsten.parameter("W", "eta") == 0.582714
    assert max(jumps(changed(tungsten, "W", eta=-0.582714), "W")) == pytest.approx(1.8e-3, abs=1e-4)
    platinum = published(("Pt",))
    assert platinum.parameter("Pt", "rho_n_over_rhoe") == 0.25
    assert max(jumps(changed(platinum, "Pt", rho_n_over_rhoe=0.85), "Pt")) > 0.1
    assert published(("Al",)).parameter("Al", "A") == 0.314873
    assert published(("Ni",), {"Ni": "paper"}).parameter("Ni", "eta") == 0.469


def test_unknown_element_or_variant_is_refused_with_the_choices():
    with pytest.raises(StudyError, match=r"no parameters for 'Hf'.*choose from.*W/lammps"):
        published(("W", "Hf"))
    with pytest.raises(StudyError, match="variant printed"):
        published(("Ni",), {"Ni": "printed"})
    with pytest.raises(StudyError, match=r"\(1, 3\).*\(1, 22\)"):
        Zhou(("W",), np.zeros((1, 3)))


# --- exact invariances -----------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(factor=st.floats(0.1, 10.0))
def test_scaling_all_densities_changes_no_alloy_energy(factor):
    zhou = published(REFRACTORY)
    values = zhou.values.copy()
    values[:, [COLUMNS.index(name) for name in ("fe", "rhoe", "rhos")]] *= factor
    scaled = Zhou(REFRACTORY, values)
    r = np.linspace(2.0, 6.0, 7)
    assert_allclose(pair(scaled, 0, 3, r)[0], pair(zhou, 0, 3, r)[0], rtol=1e-13)
    rho = np.linspace(5.0, 60.0, 9)
    assert_allclose(embedding(scaled, 1, factor * rho)[0], embedding(zhou, 1, rho)[0], rtol=1e-12)


@settings(deadline=None)
@given(k=st.floats(-0.05, 0.05))
def test_a_linear_embedding_term_is_a_pair_energy(k):
    """F -> F + k rho with phi -> phi - 2 k f (that is B -> B + 2 k fe) leaves a random cluster as it is."""
    zhou = published(REFRACTORY)
    values = zhou.values.copy()
    values[:, COLUMNS.index("B")] += 2 * k * values[:, COLUMNS.index("fe")]
    shifted = Zhou(REFRACTORY, values)
    rng = np.random.default_rng(3)
    places = rng.uniform(0, 6, (6, 3))
    species = rng.integers(0, 4, 6)
    energies = []
    for potential, linear in ((zhou, 0.0), (shifted, k)):
        rho, energy = np.zeros(6), 0.0
        for i in range(6):
            for j in range(6):
                if i != j:
                    r = np.linalg.norm(places[i] - places[j])
                    rho[i] += density(potential, species[j], r)[0]
                    energy += 0.5 * pair(potential, species[i], species[j], r)[0]
        energies.append(energy + sum(embedding(potential, species[i], rho[i])[0] + linear * rho[i] for i in range(6)))
    assert_allclose(energies[1], energies[0], rtol=1e-11)


# --- tables ----------------------------------------------------------------------------------------------------------


def test_tables_hold_the_functions_on_their_grid():
    zhou = published(REFRACTORY)
    table = tabulate(zhou, points_r=2001, points_rho=1501)
    r = table.r_step * np.arange(2001)
    assert r[-1] == pytest.approx(table.cutoff) == pytest.approx(np.sqrt(5) * 2.860082)
    far = r >= 0.5
    assert_allclose(table.density[2][far], density(zhou, 2, r[far])[0], rtol=1e-12)
    assert_allclose(table.pair[1, 3][far], pair(zhou, 3, 1, r[far])[0], rtol=1e-11)
    assert np.all(table.pair[0, 0][~far] == pair(zhou, 0, 0, 0.5)[0])
    assert_allclose(table.pair, table.pair.transpose(1, 0, 2), rtol=0)
    rho = table.rho_step * np.arange(1501)
    assert rho[-1] >= 100
    assert_allclose(table.embedding[0], embedding(zhou, 0, rho)[0], rtol=1e-12, atol=1e-15)


def test_cutoff_stays_when_parameters_move():
    zhou = published(REFRACTORY)
    moved = changed(zhou, "Ta", re=2.9)
    assert cutoff(moved) > cutoff(zhou)
    assert tabulate(moved, 50, 50).cutoff == tabulate(zhou, 50, 50).cutoff
    assert tabulate(moved, 50, 50, cutoff_angstrom=7.0).cutoff == 7.0


def test_tables_refuse_what_would_lose_atoms():
    zhou = published(REFRACTORY)
    with pytest.raises(StudyError, match="too few"):
        tabulate(zhou, points_r=3)
    with pytest.raises(StudyError, match="twice the largest equilibrium density"):
        tabulate(zhou, rho_max=40.0)


def test_setfl_gives_every_digit_back(tmp_path):
    table = tabulate(published(("Ni", "W")), 300, 200)
    path = tmp_path / "NiW.eam.alloy"
    write_setfl(table, path)
    text = path.read_text().split("\n")
    assert text[3].split() == ["2", "Ni", "W"]
    nrho, rho_step, nr, r_step, end = (float(word) for word in text[4].split())
    assert (nrho, rho_step, nr, r_step, end) == (200, table.rho_step, 300, table.r_step, table.cutoff)
    assert text[5].split()[:2] == ["28", "58.6934"]
    numbers = np.array([float(line) for line in text[6:] if line and len(line.split()) == 1])
    assert len(numbers) == 2 * 500 + 3 * 300
    assert np.array_equal(numbers[:200], table.embedding[0])
    assert np.array_equal(numbers[700:1000], table.density[1])
    r = table.r_step * np.arange(300)
    assert np.array_equal(numbers[1300:1600], r * table.pair[1, 0])


def test_setfl_is_read_by_an_independent_program(tmp_path):
    from ase.calculators.eam import EAM

    zhou = published(("Mo", "W"))
    path = tmp_path / "MoW.eam.alloy"
    write_setfl(tabulate(zhou), path)
    calculator = EAM(potential=str(path))
    assert_allclose(calculator.phi[0, 1](2.9), pair(zhou, 0, 1, 2.9)[0], rtol=1e-7)
    assert_allclose(calculator.electron_density[1](2.9), density(zhou, 1, 2.9)[0], rtol=1e-7)
    assert_allclose(calculator.embedded_energy[0](25.0), embedding(zhou, 0, 25.0)[0], rtol=1e-7)
