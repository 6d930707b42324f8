"""One posterior for every composition: what its data say of one alloy is not claimed of another."""

import numpy as np
import pytest
from ladder_specimens import ELEMENTS, STATICS, step, upto

from uqmsm.physics.potential import average_atom, zhou_from_free
from uqmsm.scales.alloy import RandomAlloy
from uqmsm.scales.inadequacy import NEAR, inadequacy
from uqmsm.scales.potential.law import ZhouPosterior
from uqmsm.uncertainty import Aleatoric, Dirichlet

LAW = ZhouPosterior(ELEMENTS, (0.25,) * 4)
NUMBERS = np.array([42, 41, 73, 74])


def given(fractions, point, values, mean, sd):
    average = average_atom(values, fractions, "bcc")
    return {
        "elements": NUMBERS,
        "potential_elements": NUMBERS,
        "composition": np.array(fractions),
        "learnt_at": np.full(4, 0.25),
        "discrepancy_mean": mean,
        "discrepancy_sd": sd,
        "inadequacy_widths": LAW.model.widths_of(point[None])[0],
        "static_misfit_volumes": average.misfit_volumes,
        "static_lattice_parameter": average.lattice_parameter,
        "atoms_per_cell": 2,
    }


@pytest.fixture(scope="module")
def drawn():
    model = LAW.model
    point = np.concatenate([model.start, model.prior_mean[-4:]])
    mean, sd = (x[0] for x in model.discrepancy(point[None]))
    return point, zhou_from_free(ELEMENTS, point[None, :-4], "bcc")[0], mean, sd


def test_near_the_alloy_that_met_data_they_are_used(drawn):
    point, values, mean, sd = drawn
    for fractions in ((0.25,) * 4, (0.25 + 0.9 * NEAR, 0.25 - 0.9 * NEAR, 0.25, 0.25)):
        told = inadequacy(given(fractions, point, values, mean, sd))
        assert np.array_equal(told[0], mean)
        assert np.array_equal(told[1], sd)


def test_elsewhere_the_law_is_that_of_an_alloy_without_data(drawn):
    """The same law from the calibration itself, of which that alloy has no datum: no alloy data at all."""
    point, values, mean, sd = drawn
    fractions = (0.4, 0.3, 0.2, 0.1)
    free = ZhouPosterior(ELEMENTS, fractions).model  # data of an alloy apply where it is equimolar
    assert {datum.material for datum in free.data} == set(ELEMENTS)
    expected = [x[0] for x in free.discrepancy(point[None])]
    told = inadequacy(given(fractions, point, values, mean, sd))
    assert told[0] == pytest.approx(expected[0], abs=1e-14)
    assert told[1] == pytest.approx(expected[1], rel=1e-9)
    assert (told[1][:4] > sd[:4]).all(), "data of another alloy narrow nothing here"
    assert mean[:4].any()


def test_where_no_composition_met_data_the_law_is_as_given(drawn):
    point, values, mean, sd = drawn
    nowhere = given((0.7, 0.1, 0.1, 0.1), point, values, mean, sd) | {"learnt_at": np.zeros(4)}
    assert np.array_equal(inadequacy(nowhere)[1], sd)


def test_an_element_of_which_there_is_none_changes_nothing():
    """A ternary with its fourth element at zero is the ternary; that element's misfit is its dilute limit."""
    known = upto("alloy")
    whole = known | step(RandomAlloy(ELEMENTS, (1 / 3, 1 / 3, 1 / 3, 0.0), cells=(3, 3, 3)), known, "alloy")
    three = known | step(RandomAlloy(ELEMENTS[:3], (1 / 3, 1 / 3, 1 / 3), cells=(3, 3, 3)), known, "alloy")
    assert np.array_equal(whole["species"], three["species"])
    one, other = (step(STATICS, each, "statics") for each in (whole, three))
    for name in ("static_lattice_parameter", "static_C11", "static_C12", "static_C44"):
        assert one[name] == pytest.approx(other[name], rel=2e-4)  # tables of other length, relaxed to a tolerance
    dilute = average_atom(known["potential_parameters"], (1 / 3, 1 / 3, 1 / 3, 0.0), "bcc").misfit_volumes
    assert one["static_misfit_volumes"][3] == pytest.approx(dilute[3], abs=1.0)
    assert np.sum(whole["composition"] * one["static_misfit_volumes"]) == pytest.approx(0.0, abs=1e-10)


def test_a_law_of_compositions_may_leave_an_element_out():
    law = Dirichlet((0.5, 0.0, 0.3, 0.2), 0.01)
    draws = np.array([law.draw(np.random.default_rng(i)) for i in range(400)])
    assert not draws[:, 1].any()
    assert draws.sum(axis=1) == pytest.approx(1.0)
    spread = np.sqrt(0.3 * 0.7 / (law.concentration + 1))
    # 5 standard errors of mean and sd: false alarm below 1e-5
    assert abs(draws[:, 2].mean() - 0.3) < 5 * spread / np.sqrt(400)
    assert draws[:, 2].std() == pytest.approx(spread, rel=5 / np.sqrt(800))
    assert RandomAlloy(ELEMENTS, Aleatoric(law)).sources[0].name == "composition"
