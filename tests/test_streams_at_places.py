"""A place is an index that says where on its law a source stands; nothing else of the streams has changed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtr
from study_operators import Heat, Triangle

from uqmsm.chain import Chain, Stage
from uqmsm.errors import MemberFailed
from uqmsm.members import Sought
from uqmsm.stochastic import evaluate
from uqmsm.streams import ORDINARY, PLACES, Placed, Streams, places_of, uniform_of
from uqmsm.uncertainty import Aleatoric, Dirichlet, Epistemic, LogNormal, Normal, TruncatedNormal, Uniform


@given(st.floats(0.0, 1.0))
def test_a_place_keeps_its_quantile(uniform):
    index = int(places_of(np.array(uniform)))
    assert 0.0 < uniform_of(index) < 1.0
    assert abs(uniform_of(index) - uniform) <= 2.0**-52
    assert index < 2**63


def test_a_law_at_a_place_gives_the_quantile():
    streams = Streams(7)
    at = int(places_of(ndtr(np.array(-3.0))))
    assert Normal(10.0, 2.0).draw(streams.generator("a.b", at)) == pytest.approx(4.0, abs=1e-9)
    assert LogNormal(5.0, 0.1).draw(streams.generator("a.b", at)) == pytest.approx(5.0 * np.exp(-0.3), rel=1e-9)
    assert Uniform(0.0, 1.0).draw(streams.generator("a.b", at)) == pytest.approx(ndtr(-3.0), rel=1e-9)
    assert TruncatedNormal(0.0, 1.0, -9.0, 9.0).draw(streams.generator("a.b", at)) == pytest.approx(-3.0, abs=1e-6)
    assert Streams(8).generator("c.d", at).random() == streams.generator("a.b", at).random()


@pytest.mark.parametrize("draw", [
    lambda rng: rng.standard_normal(), lambda rng: rng.random(3), lambda rng: (rng.random(), rng.random()),
    lambda rng: rng.integers(5), lambda rng: rng.bit_generator, lambda rng: rng.permutation(3),
])  # fmt: skip
def test_a_place_gives_one_number_and_nothing_else(draw):
    with pytest.raises(MemberFailed, match="place"):
        draw(Placed("a.b", 0.5))


def test_indices_of_two_words_are_streams_of_their_own():
    streams = Streams(3)
    firsts = [streams.generator("a.b", i).random() for i in (0, 1, 5, ORDINARY, ORDINARY + 1, 2 * ORDINARY, 2**40 + 7)]
    assert len(set(firsts)) == len(firsts)
    with pytest.raises(ValueError, match="negative"):
        streams.generator("a.b", -1)
    with pytest.raises(ValueError, match="no place"):
        uniform_of(PLACES - 1)


def test_ordinary_indices_are_as_they_were():
    """Numbers of the convention, once and for all: a run of any earlier time goes on with the same draws."""
    assert Streams(2026).generator("stage.source", 0).random() == pytest.approx(FIRST[0], abs=0)
    assert Streams(2026).generator("stage.source", 2**32 - 1).random() == pytest.approx(FIRST[1], abs=0)


FIRST = (0.6762968790122923, 0.7368619882492163)


def test_which_sources_have_places():
    """One uniform: a place. Two (a triangle), several (a simplex) or structure: rolled. Epistemic: one index a draw."""
    heat = Heat(Aleatoric(Normal(1000.0, 10.0)), fractions=Aleatoric(Dirichlet((0.5, 0.5), 0.1)),
                drift=Epistemic(Normal(0.0, 1.0)))  # fmt: skip
    sought = Sought(Chain((Stage("heat", heat),)), "T")
    assert sought.placed == ("heat.temperature",)
    assert sought.rolled == ("heat.fractions", "heat.grains")
    assert sought.unknown == ("heat.drift",)
    triangle = Heat(Aleatoric(Triangle(900.0, 1000.0)))
    assert Sought(Chain((Stage("heat", triangle),)), "T").placed == ()
    table = sought.table([0, 3], np.array([[0.0], [-2.0]]), np.array([[0, 1], [5, 5]]))
    of = dict(zip([s.label for s in sought.chain.sources], table.T, strict=True))
    assert of["heat.drift"].tolist() == [0, 48]
    assert of["heat.grains"].tolist() == [ORDINARY + 1, 4 * ORDINARY + 5]
    settled = evaluate(heat, {}, Streams(1).call("heat", {name.partition(".")[2]: int(c[1]) for name, c in of.items()}))
    assert float(settled["T"]) == pytest.approx(980.0, abs=1e-6)
