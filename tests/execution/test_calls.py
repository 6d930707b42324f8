"""Calls: sharing is the number of distinct projections, keys say what a call depends on and nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from operators import Alloy, Lattice, Plate, Together, rectangles, three_stages

from uqmsm.chain import Chain, Stage
from uqmsm.errors import StudyError
from uqmsm.execution.calls import calls_of
from uqmsm.uncertainty import Epistemic, Normal

CHAIN = three_stages()  # here, because the first unit costs a third of a second
tables = arrays(np.int64, st.tuples(st.integers(1, 40), st.just(3)), elements=st.integers(0, 3))


@given(tables)
def test_there_are_as_many_calls_as_distinct_projections(table):
    calls = calls_of(CHAIN, 1, table)
    assert len(calls["lattice"]) == len({row[0] for row in table.tolist()})
    assert len(calls["statics"]) == len({tuple(row) for row in table.tolist()})
    assert len(calls["fe"]) == len(calls["statics"])  # no source of its own


@given(tables)
def test_a_member_finds_its_own_indices_and_its_parents_call(table):
    calls = calls_of(CHAIN, 1, table)
    for found, columns in ((calls["lattice"], [0]), (calls["statics"], [0, 1, 2]), (calls["fe"], [0, 1, 2])):
        assert np.array_equal(found.indices[found.of_member], table[:, columns])
        assert np.all(np.diff(found.first_member) > 0)  # in the order in which members need them
    for name in ("statics", "fe"):
        parent = calls["lattice"]
        assert np.array_equal(calls[name].parents["lattice"][calls[name].of_member], parent.of_member)
    assert np.array_equal(calls["statics"].own_indices[calls["statics"].of_member], table[:, 1:])


@given(tables, tables)
def test_more_members_leave_the_first_calls_where_they_are(table, more):
    few, many = calls_of(CHAIN, 1, table), calls_of(CHAIN, 1, np.vstack([table, more]))
    for name, found in few.items():
        assert np.array_equal(many[name].keys[: len(found)], found.keys)
        assert np.array_equal(many[name].of_member[: len(table)], found.of_member)


@given(tables)
def test_distinct_calls_have_distinct_keys(table):
    keys = np.vstack([found.keys for found in calls_of(CHAIN, 1, table).values()])
    assert len(np.unique(keys, axis=0)) == len(keys)


def keys_of(chain, seed=1):
    return {name: found.keys for name, found in calls_of(chain, seed, rectangles(3)).items()}


def same(first, second):
    return {name for name in first if name in second and np.array_equal(first[name], second[name])}


def test_a_key_changes_with_what_the_call_depends_on_and_with_nothing_else():
    chain = three_stages()
    reference = keys_of(chain)
    assert same(reference, keys_of(three_stages())) == {"lattice", "statics", "fe"}
    assert same(reference, keys_of(chain, seed=2)) == set()
    other_end = chain.replaced("fe", Plate(surprise_above=9.0))
    assert same(reference, keys_of(other_end)) == {"lattice", "statics"}
    other_middle = chain.replaced("statics", Alloy(sites=6))
    assert same(reference, keys_of(other_middle)) == {"lattice"}
    other_law = chain.replaced("lattice", Lattice(Epistemic(Normal(3.2, 0.02))))
    assert same(reference, keys_of(other_law)) == set()
    renamed = Chain((*chain.stages[:2], replace(chain["fe"], name="plate")))
    assert same(reference, keys_of(renamed)) == {"lattice", "statics"}


def test_a_changed_unit_is_another_call():
    class InNanometre(Plate):
        inputs = (Plate.inputs[0], replace(Plate.inputs[1], unit="nm"))

    InNanometre.__qualname__, InNanometre.__module__ = Plate.__qualname__, Plate.__module__
    chain = three_stages()
    assert same(keys_of(chain), keys_of(chain.replaced("fe", InNanometre()))) == {"lattice", "statics"}


def test_a_chain_without_sources_is_one_call_per_stage():
    chain = Chain((Stage("lattice", Lattice(3.2)),))
    found = calls_of(chain, 1, np.zeros((5, 0), dtype=int))["lattice"]
    assert len(found) == 1
    assert found.of_member.tolist() == [0] * 5


@pytest.mark.parametrize(
    "table",
    [np.zeros((3, 2), int), np.zeros((0, 3), int), np.zeros((3, 3)), np.zeros(3, int), -np.ones((2, 3), int)],
    ids=["width", "empty", "floats", "flat", "negative"],
)
def test_a_table_that_does_not_fit_is_refused(table):
    with pytest.raises(StudyError, match=r"lattice.size|start at 0"):
        calls_of(three_stages(), 1, table)


def test_an_operator_whose_content_cannot_be_told_is_refused():
    chain = Chain((Stage("lattice", Lattice()), Stage("end", Together(bad_above=print))))
    with pytest.raises(StudyError, match=r"stage 'end'.*fingerprint"):
        calls_of(chain, 1, np.zeros((1, 3), int))
