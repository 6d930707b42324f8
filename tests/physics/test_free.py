"""Free parameters: there and back, exact lattice and energy, smooth joins for every draw."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from uqmsm.errors import StudyError
from uqmsm.physics.potential import (
    COLUMNS,
    Zhou,
    embedding,
    free_from,
    free_names,
    published,
    pure_crystals,
    zhou_from_free,
)
from uqmsm.physics.potential.zhou import embedding_at

ELEMENTS = ("Mo", "Nb", "Ta", "W")
CENTRE = free_from(published(ELEMENTS), "bcc")
draws = st.integers(0, 2**32 - 1).map(
    lambda seed: CENTRE + 0.05 * np.random.default_rng(seed).standard_normal(len(CENTRE))
)


@settings(deadline=None)
@given(vector=draws)
def test_there_and_back(vector):
    values = zhou_from_free(ELEMENTS, vector, "bcc")
    assert_allclose(free_from(Zhou(ELEMENTS, values), "bcc"), vector, atol=2e-9)


@settings(deadline=None)
@given(vector=draws)
def test_lattice_and_energy_are_met_exactly_and_the_curves_join(vector):
    values = zhou_from_free(ELEMENTS, vector, "bcc")
    crystal = pure_crystals(values, "bcc")
    named = dict(zip(free_names(ELEMENTS), vector, strict=True))
    for i, element in enumerate(ELEMENTS):
        assert crystal.lattice_parameter[i] == pytest.approx(
            np.exp(named[f"{element}.ln_re"]) * 2 / np.sqrt(3), rel=1e-9
        )
        assert crystal.cohesive_energy[i] == pytest.approx(np.exp(named[f"{element}.ln_Ec"]), rel=1e-12)
        rhoe = values[i, COLUMNS.index("rhoe")]
        zhou = Zhou(ELEMENTS, values)
        assert embedding(zhou, i, 0.0)[0] == pytest.approx(0.0, abs=1e-12)
        for join in (0.85, 1.15):
            (f0, f1), (d0, d1) = embedding(zhou, i, join * rhoe * np.array([1 - 1e-13, 1 + 1e-13]))
            assert f1 == pytest.approx(f0, abs=1e-11)
            assert d1 * rhoe == pytest.approx(d0 * rhoe, abs=1e-10)
        below, above = (embedding_at(values[i], 0.85 * rhoe * (1 + side))[2] for side in (-1e-13, 1e-13))
        assert below * rhoe**2 == pytest.approx(above * rhoe**2, abs=1e-9)


@pytest.mark.parametrize(
    ("lattice", "elements", "tolerance"),
    [("bcc", ("Mo", "Ta", "W", "Fe"), 4e-6), ("bcc", ("Nb",), 1e-3), ("fcc", ("Ni", "Cu", "Al", "Pd", "Pt"), 1e-5)],
)
def test_published_elements_come_back_with_their_elastic_constants(lattice, elements, tolerance):
    """To the digits printed in the table; Nb's printed rhoe is 5e-4 off the density of its own lattice."""
    zhou = published(elements)
    back = zhou_from_free(elements, free_from(zhou, lattice), lattice)
    before, after = pure_crystals(zhou.values, lattice), pure_crystals(back, lattice)
    for field in ("lattice_parameter", "cohesive_energy", "C11", "C12", "C44"):
        assert_allclose(getattr(after, field), getattr(before, field), rtol=tolerance)


def test_only_ratios_of_densities_are_free():
    zhou = published(ELEMENTS)
    values = zhou.values.copy()
    values[:, [COLUMNS.index(name) for name in ("fe", "rhoe", "rhos")]] *= 3.7
    assert_allclose(free_from(Zhou(ELEMENTS, values), "bcc"), CENTRE, atol=1e-12)
    assert len(free_names(ELEMENTS)) == 39 == len(CENTRE)
    assert "Mo.ln_fe_ratio" not in free_names(ELEMENTS)


def test_a_draw_without_an_upper_branch_is_nan_alone():
    vectors = np.array([CENTRE, CENTRE])
    vectors[1, free_names(ELEMENTS).index("Ta.F3")] = -40.0  # the middle branch falls again at 1.15 rhoe
    values = zhou_from_free(ELEMENTS, vectors, "bcc")
    assert np.isnan(values[1, 2]).all()
    assert np.isfinite(values[1, [0, 1, 3]]).all()
    assert np.array_equal(values[0], zhou_from_free(ELEMENTS, CENTRE, "bcc"))
    assert pure_crystals(values, "bcc").status.tolist() == [[0, 0, 0, 0], [0, 0, 3, 0]]


def test_wrong_calls_say_what_to_do():
    with pytest.raises(StudyError, match="5 numbers given, 39 needed"):
        zhou_from_free(ELEMENTS, np.zeros(5), "bcc")
    with pytest.raises(StudyError, match="curvature F2"):
        free_from(published(("Cr",)), "bcc")


def test_densities_that_underflow_are_no_potential_and_break_nothing():
    free = free_from(published(("W",)), "bcc")[None].copy()
    assert np.isfinite(zhou_from_free(("W",), free, "bcc")).all()
    free[0, free_names(("W",)).index("W.ln_lambda")] = 40.0
    assert np.isnan(zhou_from_free(("W",), free, "bcc")).all()
