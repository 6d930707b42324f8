"""Softening by motion: elements beside what was measured, an alloy of one element, misses foretold from kin."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from ase.data import atomic_numbers, chemical_symbols

from uqmsm import check
from uqmsm.errors import StudyError, Unstable
from uqmsm.physics.potential.engines import Rival
from uqmsm.physics.potential.zhou import published
from uqmsm.physics.softening import alloy_softening, element_softening, warmth_K
from uqmsm.quantity import Port
from uqmsm.scales.atomistic import ComputedService, Service, Softening
from uqmsm.scales.atomistic.kin import foretold_miss
from uqmsm.stochastic import evaluate
from uqmsm.streams import Streams

TWO = ("Mo", "W")
SMALL = Softening(cells=(3, 3, 3), steps=200, temperature=900.0)


def potential(elements=TWO, form=0):
    return {
        "potential_elements": np.array([atomic_numbers[one] for one in elements]),
        "potential_parameters": published(elements).values,
        "potential_form": np.array(form),
    }


def moved(stage, given, index=0):
    return stage(given, Streams(7).call("motion", {"noise": index}))


def at_service(given, elements=TWO):
    parts = len(elements)
    return given | {
        "elements": given["potential_elements"],
        "composition": np.full(parts, 1.0 / parts),
        "static_lattice_parameter": np.array(3.15),
        "static_C11": np.array(480.0),
        "static_C12": np.array(180.0),
        "static_C44": np.array(130.0),
        "static_misfit_volumes": np.linspace(-1.0, 1.0, parts),
        "discrepancy_mean": np.zeros(5),
        "discrepancy_sd": np.zeros(5),
        "atoms_per_cell": np.array(2),
        "inadequacy_widths": np.full(4, 0.05),
        "learnt_at": np.zeros(parts),
    }


def slopes(service, given, index):
    """Return the slopes that a member has at service."""
    elements = tuple(chemical_symbols[int(number)] for number in given["elements"])
    law = service.law(given, Streams(2).call("s", {"softening": index, "discrepancy": index}))
    return law.hot(elements, given["composition"])[1]


def test_it_keeps_its_promises():
    report = check(replace(SMALL, steps=80), potential(), members=2)
    assert report.ok, str(report)


def test_an_alloy_of_like_atoms_softens_as_its_element():
    """Rows of tungsten under two names: classical motion knows no masses. Within 5 errors of both runs."""
    twins = potential()
    twins["potential_parameters"] = np.repeat(published(("W",)).values, 2, axis=0)
    found = moved(SMALL, twins)
    apart = np.abs(found["computed_slopes"] - found["element_slopes"])
    assert (apart < 5.0 * np.sqrt(2.0) * found["computed_slope_errors"]).all()
    assert found["computed_expansion"] == pytest.approx(found["element_expansions"].mean(), rel=0.15)
    other = moved(SMALL, potential())["element_slopes"]
    assert np.abs(other[0] - other[1])[2] > 5.0 * found["computed_slope_errors"][2]  # molybdenum is told apart


def test_elements_beside_what_was_measured():
    """What a potential fitted at rest misses: expansion by a third at most, C11 too soft, C44 far too stiff."""
    found = moved(SMALL, potential())
    of = element_softening(TWO)
    assert found["element_expansions"] == pytest.approx(of.expansion_per_K, rel=0.35)
    missed = of.slope_per_K - found["element_slopes"]
    assert (missed[:, 0] < 0.0).all()
    assert (missed[:, 2] > 0.5e-4).all()
    assert (found["elements_held"] == 1).all()


def test_a_form_that_loses_the_alloy_says_nothing():
    """The potential of Finnis and Sinclair (1984) has no core: its niobium falls apart when warm."""
    elements = ("Mo", "Nb", "Ta", "W")
    stage = replace(SMALL, rivals=(Rival("finnis_sinclair_1984"),))
    lost = moved(stage, potential(elements, form=1))
    assert int(lost["alloy_held"]) == 0
    assert not lost["computed_slopes"].any()
    service = ComputedService(temperature=1000.0)
    given = at_service(potential(elements) | lost, elements)
    drawn = np.array([slopes(service, given, k) for k in range(200)])
    handbook = alloy_softening(element_softening(elements), np.full(4, 0.25))
    assert np.abs(drawn.mean(axis=0) - handbook.slope_per_K).max() < 0.25e-4
    assert (drawn.std(axis=0) > 0.25e-4).all()


def test_what_motion_says_is_read_at_service():
    """Motion that meets the elements is believed; one that misses them all alike is corrected by as much."""
    of = element_softening(TWO)
    told = {
        "alloy_held": np.array(1),
        "elements_held": np.array([1, 1]),
        "computed_slopes": np.array([2e-4, 0.5e-4, 1e-4]),
        "computed_expansion": np.array(5e-6),
        "element_slopes": of.slope_per_K,
        "element_expansions": of.expansion_per_K,
    }
    service = ComputedService(temperature=1000.0)

    def mean(**changed):
        given = at_service(potential() | told | changed)
        return np.mean([slopes(service, given, k) for k in range(100)], axis=0)

    assert np.abs(mean() - told["computed_slopes"]).max() < 0.15e-4
    lower = mean(element_slopes=of.slope_per_K - 1e-4)
    assert np.all(
        (lower - mean() > 0.5e-4) & (lower - mean() < 1e-4)
    )  # less than all of it: two elements, each doubted
    found = evaluate(service, at_service(potential() | told), Streams(2).call("s", {"softening": 0, "discrepancy": 0}))
    soft = 1.0 - found["C44"] / found["cold_moduli"][2]
    warmth = warmth_K(1000.0, alloy_softening(of, np.full(2, 0.5)).einstein_K)
    assert soft == pytest.approx(slopes(service, at_service(potential() | told), 0)[2] * warmth)
    wild = at_service(potential() | told | {"computed_slopes": np.array([9e-4, 0.0, 0.0])})
    with pytest.raises(Unstable):
        service(wild, Streams(2).call("s", {"softening": 0, "discrepancy": 0}))


def test_handbook_and_motion_hand_on_the_same_words():
    names = [port.name for port in ComputedService().outputs]
    assert names == [port.name for port in Service().outputs]
    assert {source.name for source in ComputedService().sources} == {"discrepancy", "softening"}


def test_a_crystal_of_another_alloy_is_told():
    ports = {"potential": "potential_elements", "alloy": "composition", "motion": "computed_slopes"}
    fields = {
        "potential": {"elements": TWO},
        "alloy": {"elements": TWO, "composition": (0.5, 0.5), "lattice": "bcc"},
        "motion": {"composition": (), "lattice": "bcc"},
    }

    def objections(**motion):
        told = fields | {"motion": fields["motion"] | motion}
        return list(
            ComputedService().consistent(
                {name: SimpleNamespace(outputs=(Port(port, "1"),), **told[name]) for name, port in ports.items()}
            )
        )

    assert objections() == []
    assert "not of the alloy's composition" in objections(composition=(0.2, 0.8))[0]
    assert "lattice: bcc" in objections(lattice="fcc")[0]


def test_misses_are_foretold_as_the_closed_forms_say():
    assert foretold_miss(np.empty(0), np.empty(0), 1.0) == pytest.approx((0.0, np.sqrt(1.0 + 0.25)), rel=0.02)
    mean, sd = foretold_miss(np.full(400, 0.7), np.full(400, 1e-3), 1.0)
    assert mean == pytest.approx(0.7, abs=1e-2)
    assert sd < 0.03
    alone, doubted = (foretold_miss(np.array([1.0]), np.array([error]), 1.0) for error in (1e-3, 10.0))
    assert alone[0] > 0.8
    assert abs(doubted[0]) < 0.02
    with pytest.raises(StudyError, match="errors are positive"):
        foretold_miss(np.array([1.0]), np.array([0.0]), 1.0)


def test_nine_in_ten_misses_lie_where_they_were_foretold():
    """Truth drawn from the prior, four elements, 1000 repeats: 90 % intervals cover 86 to 94 % (4 standard errors)."""
    rng = np.random.default_rng(8)
    inside, narrow = 0, 0
    for _ in range(1000):
        mu, tau = rng.normal(), 0.5 * abs(rng.normal())
        true, error = mu + tau * rng.normal(size=5), rng.uniform(0.2, 0.8, 4)
        mean, sd = foretold_miss(true[:4] + error * rng.normal(size=4), error, 1.0)
        inside += abs(true[4] - mean) < 1.645 * sd
        narrow += abs(true[4] - mean) < 1.645 * 0.7 * sd
    assert 860 < inside < 940
    assert narrow < 860  # negative control
