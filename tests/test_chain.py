"""Chains: joined by one word, units converted, misfits refused before anything runs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Annotated

import numpy as np
import pytest

from uqmsm.chain import Chain, Stage
from uqmsm.errors import StudyError, UnitMismatch
from uqmsm.promises import check
from uqmsm.quantity import Port, Ports, Unit
from uqmsm.stochastic import Kind, Source, evaluate, law_sources
from uqmsm.streams import Streams
from uqmsm.uncertainty import Aleatoric, Epistemic, Normal, Uncertain


@dataclass(frozen=True)
class Stiffness:
    modulus: Annotated[Uncertain, Unit("GPa")] = 200.0
    outputs: Ports = field(default=(Port("modulus", "GPa"),), repr=False)
    inputs: Ports = ()

    @property
    def sources(self):
        return law_sources(self)

    def __call__(self, given, streams):
        return {"modulus": self.modulus}


@dataclass(frozen=True)
class Bar:
    load: Annotated[Uncertain, Unit("MPa")] = 100.0
    inputs: Ports = (Port("modulus", "MPa"),)
    outputs: Ports = (Port("strain", "1"),)

    @property
    def sources(self):
        return (*law_sources(self), Source("wobble", Kind.NUMERICAL))

    def __call__(self, given, streams):
        return {"strain": self.load / given["modulus"] * (1 + 0.01 * streams["wobble"].standard_normal())}


@dataclass(frozen=True)
class Careless(Bar):
    def __call__(self, given, streams):
        while streams["wobble"].random() > given["modulus"] / 4e5:
            pass
        return {"strain": np.random.rand()}  # noqa: NPY002


def chain(**kwargs):
    return Chain((Stage("stiff", Stiffness(Epistemic(Normal(200, 5)))), Stage("bar", Bar(**kwargs))))


def test_a_chain_knows_its_sources_ancestors_and_units():
    joined = chain(load=Aleatoric(Normal(100, 3)))
    assert [s.label for s in joined.sources] == ["stiff.modulus", "bar.load", "bar.wobble"]
    assert joined.ancestors["stiff"] == ("stiff.modulus",)
    assert joined.ancestors["bar"] == ("stiff.modulus", "bar.load", "bar.wobble")
    assert joined.joins["bar"]["modulus"].factor == pytest.approx(1000)
    assert "takes modulus from stiff" in joined.draw()
    assert joined.giver("bar.strain")[0] == "bar"


def test_units_that_do_not_fit_refuse_to_start():
    @dataclass(frozen=True)
    class Hot(Bar):
        inputs: Ports = (Port("modulus", "K"),)

    with pytest.raises(UnitMismatch, match=r"stiff.modulus does not fit hot.modulus: GPa cannot become K"):
        Chain((Stage("stiff", Stiffness()), Stage("hot", Hot())))


def test_a_missing_or_ambiguous_giver_is_named():
    with pytest.raises(StudyError, match="no stage before it gives"):
        Chain((Stage("bar", Bar()),))
    both = (Stage("one", Stiffness()), Stage("two", Stiffness()))
    with pytest.raises(StudyError, match="which one, two give; write take:"):
        Chain((*both, Stage("bar", Bar())))
    assert Chain((*both, Stage("bar", Bar(), take={"modulus": "one"}))).parents["bar"] == ("one",)
    with pytest.raises(StudyError, match="unique"):
        Chain((Stage("one", Stiffness()), Stage("one", Stiffness())))
    with pytest.raises(StudyError, match="did you mean 'strain'"):
        chain().giver("strian")


def test_a_settled_law_is_drawn_from_the_stream_of_its_field():
    operator = Stiffness(Epistemic(Normal(200, 5)))
    drawn = evaluate(operator, {}, Streams(4).call("stiff", {"modulus": 2}))["modulus"]
    assert drawn == Normal(200, 5).draw(Streams(4).generator("stiff.modulus", 2))


def test_check_praises_a_good_operator_and_catches_a_careless_one():
    good = check(Bar(load=Aleatoric(Normal(100, 3))), {"modulus": np.array(2e5)})
    assert good.ok, str(good)
    assert good.rerolled == ()
    for drawn_before in range(3):  # the first draw of a key makes a new one, the others move on in it
        bad = check(Careless(), {"modulus": np.array(2e5)})
        assert not bad.ok
        assert "global random state" in str(bad), drawn_before


def test_check_sees_noise_that_is_rolled_anew():
    @dataclass(frozen=True)
    class Rerolled(Bar):
        def __call__(self, given, streams):
            streams["wobble"].random()
            return {"strain": np.sin(given["modulus"] * 1e9)}

    assert check(Rerolled(), {"modulus": np.array(2e5)}).rerolled == ("strain",)


def test_a_join_between_units_of_different_zeros_is_refused():
    """1002 K handed on as 1002 degC would be a wrong number; 0.3 GPa as 300 MPa is the right one (negative control)."""
    hot = replace(Stiffness(), outputs=(Port("modulus", "K"),))
    with pytest.raises(UnitMismatch, match="count from different zeros"):
        Chain((Stage("hot", hot), Stage("bar", Bar(inputs=(Port("modulus", "degC"),)))))
    same = Chain((Stage("hot", hot), Stage("bar", Bar(inputs=(Port("modulus", "mK"),)))))
    assert same.joins["bar"]["modulus"].factor == pytest.approx(1000)
