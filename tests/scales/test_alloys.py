"""Alloys as operators: order, quasirandom and annealed specimens, in cells of any orientation."""

from __future__ import annotations

import numpy as np
import pytest
from ase.data import atomic_numbers

from uqmsm.errors import MemberFailed, StudyError
from uqmsm.physics.potential.zhou import published
from uqmsm.promises import check
from uqmsm.scales.alloy import AnnealedAlloy, OrderedAlloy, QuasirandomAlloy, RandomAlloy, Wanted
from uqmsm.scales.atomistic import Statics
from uqmsm.stochastic import Kind, evaluate
from uqmsm.streams import Streams
from uqmsm.uncertainty import Epistemic, Uniform

PAIR, HALF = ("Al", "Ni"), (0.5, 0.5)
POTENTIAL = {
    "potential_elements": np.array([atomic_numbers[symbol] for symbol in PAIR]),
    "potential_parameters": published(PAIR).values,
}
SLIP = ((1, -1, 0), (1, 1, -2), (1, 1, 1))
UNLIKE = Wanted(("Al", "Ni"), -0.2)
FCC = {"lattice": "fcc", "cells": (3, 3, 3)}


def call(operator, index=0, **given):
    return evaluate(operator, given, Streams(7).call("alloy", {source.name: index for source in operator.sources}))


OPERATORS = {
    "random": (RandomAlloy(PAIR, HALF, **FCC), {}),
    "ordered": (OrderedAlloy(PAIR, HALF, **FCC, order=(UNLIKE,), degree=Epistemic(Uniform(0.0, 1.0))), {}),
    "quasirandom": (QuasirandomAlloy(PAIR, HALF, **FCC, starts=1, sweeps=50), {}),
    "annealed": (AnnealedAlloy(PAIR, HALF, **FCC, sweeps=8, cutoff=6.5, points=1000), POTENTIAL),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_every_alloy_keeps_its_promises(name):
    operator, given = OPERATORS[name]
    found = check(operator, given)
    assert found.ok, found
    one, two = call(operator, 0, **given), call(operator, 1, **given)
    assert np.array_equal(np.bincount(one["species"]), [54, 54])
    assert not np.array_equal(one["species"], two["species"])


def test_the_degree_of_order_scales_it_and_zero_is_random():
    free = [call(OrderedAlloy(PAIR, HALF, **FCC, order=(UNLIKE,), degree=d)) for d in (0.0, 0.5, 1.0)]
    found = [one["short_range_order"][0, 0, 1] for one in free]
    assert found == pytest.approx([1 / 108, -0.1 + 1 / 108, -0.2 + 1 / 108], abs=0.025)


def test_quasirandom_cells_have_less_order_than_random_ones():
    words = {"lattice": "fcc", "cells": (4, 4, 4)}
    random = call(RandomAlloy(PAIR, HALF, **words))["short_range_order"]
    quasi = call(QuasirandomAlloy(PAIR, HALF, **words, starts=1, sweeps=100, shells=2))["short_range_order"]
    assert np.abs(quasi).max() < 0.5 * np.abs(random).max()


def test_annealing_orders_what_likes_to_order_and_heat_undoes_it():
    """Al-Ni: unlike neighbours attract each other in this potential; at 20000 K a fraction is left."""
    cold, hot = (
        np.mean(
            [
                call(
                    AnnealedAlloy(
                        PAIR, HALF, **FCC, sweeps=20, cutoff=6.5, points=1000, vibrating=False, annealing_temperature=T
                    ),
                    index,
                    **POTENTIAL,
                )["short_range_order"][0, 0, 1]
                for index in range(6)
            ]
        )
        for T in (1200.0, 20000.0)
    )
    assert cold < -0.04
    assert abs(hot) < 0.4 * abs(cold)


def test_a_cell_cut_askew_has_the_elastic_constants_of_one_cut_straight():
    """Pure nickel, where every cell is the crystal: the frame stays with the cubic axes."""
    nickel = {"potential_elements": np.array([28]), "potential_parameters": published(("Ni",)).values}
    statics = Statics(families=2, points=2000, cutoff=6.5)
    found = []
    for words in ({"cells": (2, 2, 2)}, {"cells": (3, 2, 1), "orientation": SLIP}):
        alloy = RandomAlloy(("Ni",), (1.0,), lattice="fcc", **words)
        specimen = call(alloy) | nickel
        found.append(evaluate(statics, {port.name: specimen[port.name] for port in statics.inputs}, {}))
    for name in ("static_lattice_parameter", "static_C11", "static_C12", "static_C44", "cohesive_energy"):
        assert found[0][name] == pytest.approx(found[1][name], rel=1e-6)


def test_what_the_cell_stands_for_decides_the_kind():
    assert RandomAlloy(PAIR, HALF).sources[-1].kind == Kind.NUMERICAL
    assert RandomAlloy(PAIR, HALF, volume="cell").sources[-1].kind == Kind.ALEATORIC
    assert AnnealedAlloy(PAIR, HALF).sources[-1].given == ("all",)
    names = {port.name for port in RandomAlloy(PAIR, HALF, orientation=SLIP).outputs}
    assert "cells" not in names
    assert "cell_vectors" in names


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: RandomAlloy(PAIR, HALF, orientation=((1, 1, 0), (0, 0, 1), (1, -1, 0)), cells=(2, 2, 0)), "positive"),
        (lambda: RandomAlloy(PAIR, HALF, orientation=((0, 1, 0), (1, 0, 0), (0, 0, 1))), "right-handed"),
        (lambda: OrderedAlloy(PAIR, HALF), "names no couple"),
        (lambda: OrderedAlloy(PAIR, HALF, order=(Wanted(("Al", "Cu"), 0.1),)), "no Cu"),
        (lambda: OrderedAlloy(PAIR, HALF, order=(UNLIKE, UNLIKE)), "twice"),
        (lambda: AnnealedAlloy(PAIR, HALF, annealing_temperature=-5.0), "positive"),
    ],
)
def test_bad_alloys_are_refused_in_words(build, words):
    with pytest.raises(StudyError, match=words):
        build()


def test_a_contradictory_order_fails_the_member_with_advice():
    like = (Wanted(("Al", "Al"), 0.4), Wanted(("Ni", "Ni"), -0.4))
    with pytest.raises(MemberFailed, match="contradict"):
        call(OrderedAlloy(PAIR, HALF, **FCC, order=like))
