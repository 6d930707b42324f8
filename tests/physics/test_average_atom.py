"""The average atom: equal species give the pure crystal, an explicit double sum agrees, misfit volumes close."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from uqmsm.errors import StudyError
from uqmsm.physics.potential import COLUMNS, average_atom, density, embedding, pair, published, pure_crystals
from uqmsm.physics.potential.crystal import shells

ELEMENTS = ("Mo", "Nb", "Ta", "W")
FIELDS = ("lattice_parameter", "cohesive_energy", "C11", "C12", "C44")
fractions = st.lists(st.floats(0.02, 1.0), min_size=4, max_size=4).map(lambda x: np.array(x) / sum(x))


@settings(deadline=None)
@given(c=fractions, element=st.sampled_from(ELEMENTS))
def test_four_names_of_one_element_are_that_element(c, element):
    values = np.repeat(published((element,)).values, 4, axis=0)
    alloy, crystal = average_atom(values, c, "bcc"), pure_crystals(values[:1], "bcc")
    for field in FIELDS:
        assert_allclose(getattr(alloy, field), getattr(crystal, field)[0], rtol=1e-9)
    assert np.abs(alloy.misfit_volumes).max() < 1e-9


@pytest.mark.parametrize("i", range(4))
def test_a_pure_corner_is_the_element(i):
    values = published(ELEMENTS).values
    alloy, crystal = average_atom(values, np.eye(4)[i], "bcc"), pure_crystals(values, "bcc")
    for field in FIELDS:
        assert_allclose(getattr(alloy, field), getattr(crystal, field)[i], rtol=1e-9)


def energy(zhou, c, a):
    """Energy per atom and its derivative in `a` by the double sum over species, as defined (no factorisation)."""
    of = shells("bcc")
    r, s = of.distance * a, of.distance
    densities = [density(zhou, i, r) for i in range(4)]
    rho, rho1 = (
        sum(c[i] * (of.count * weight * densities[i][d]).sum() for i in range(4)) for d, weight in ((0, 1), (1, s))
    )
    pairs = [(c[i] * c[j], pair(zhou, i, j, r)) for i in range(4) for j in range(4)]
    e, e1 = (0.5 * sum(w * (of.count * weight * p[d]).sum() for w, p in pairs) for d, weight in ((0, 1), (1, s)))
    mean = sum(c[i] * np.array(embedding(zhou, i, rho)) for i in range(4))
    return e + mean[0], e1 + mean[1] * rho1


def near_a_join(zhou, c, a):
    """Tell whether the density of the alloy meets a join of an embedding function, where its curvature jumps."""
    of = shells("bcc")
    rho = sum(c[i] * (of.count * density(zhou, i, of.distance * a)[0]).sum() for i in range(4))
    joins = np.outer([0.85, 1.15], zhou.values[:, COLUMNS.index("rhoe")])
    return np.abs(rho / joins - 1).min() < 1e-3


@settings(deadline=None)
@given(c=fractions)
def test_the_lattice_minimises_the_explicit_double_sum(c):
    zhou = published(ELEMENTS)
    alloy = average_atom(zhou.values, c, "bcc")
    a = float(alloy.lattice_parameter)
    here, slope = energy(zhou, c, a)
    assert here == pytest.approx(-float(alloy.cohesive_energy), abs=1e-11)
    assert abs(slope) < 1e-8
    h = 1e-6 * a
    second = (energy(zhou, c, a + h)[1] - energy(zhou, c, a - h)[1]) / (2 * h)
    assume(not near_a_join(zhou, c, a))
    # bulk modulus = (1/9V) d2E/dln(a)^2
    assert second * a**2 / (9 * a**3 / 2) * 160.21766208 == pytest.approx(float(alloy.bulk_modulus), rel=1e-6)


@settings(deadline=None)
@given(c=fractions, i=st.integers(0, 3))
def test_misfit_volumes_are_composition_derivatives_and_close(c, i):
    zhou = published(ELEMENTS)
    alloy = average_atom(zhou.values, c, "bcc")
    assert abs(c @ alloy.misfit_volumes) < 1e-13
    assume(not near_a_join(zhou, c, float(alloy.lattice_parameter)))
    h = 1e-5
    ends = np.array([(1 - x) * c + x * np.eye(4)[i] for x in (-h, h)])
    below, above = average_atom(zhou.values, ends, "bcc").lattice_parameter ** 3 / 2
    assert (above - below) / (2 * h) == pytest.approx(alloy.misfit_volumes[i], abs=2e-5)


def test_misfit_derivatives_to_eight_digits_away_from_joins():
    zhou = published(ELEMENTS)
    c = np.full(4, 0.25)
    alloy = average_atom(zhou.values, c, "bcc")
    h = 1e-4
    for i in range(4):
        ends = np.array([(1 - x) * c + x * np.eye(4)[i] for x in (-2 * h, -h, h, 2 * h)])
        volumes = average_atom(zhou.values, ends, "bcc").lattice_parameter ** 3 / 2
        assert_allclose(np.dot(volumes, [1, -8, 8, -1]) / (12 * h), alloy.misfit_volumes[i], atol=1e-8)


def test_batches_of_draws_and_compositions_broadcast_and_do_not_touch_each_other():
    rng = np.random.default_rng(5)
    values = published(ELEMENTS).values * (1 + 0.01 * rng.standard_normal((6, 1, 1)))
    c = rng.dirichlet(np.ones(4), (3, 1))
    table = average_atom(values, c, "bcc")
    assert table.C11.shape == (3, 6)
    assert table.misfit_volumes.shape == (3, 6, 4)
    for i, j in ((0, 0), (2, 5), (1, 3)):
        alone = average_atom(values[j], c[i, 0], "bcc")
        for field in (*FIELDS, "misfit_volumes"):
            assert np.array_equal(getattr(table, field)[i, j], getattr(alone, field))


@pytest.mark.parametrize("wrong", [[0.5, 0.5, 0.5, -0.5], [0.2, 0.2, 0.2, 0.2], [0.5, 0.5]])
def test_compositions_off_the_simplex_are_refused(wrong):
    with pytest.raises(StudyError, match="mole fractions"):
        average_atom(published(ELEMENTS).values, wrong, "bcc")
