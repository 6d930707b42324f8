"""Addresses: what a member is, what designs promise for ever, and what members share."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent / "questions"))
from exact_chains import CHAIN, INTERACTION, LABELS, conditional

from uqmsm.errors import StudyError
from uqmsm.members import Address, Design, Members, Nested, union
from uqmsm.stochastic import Kind, Source

KINDS = st.sampled_from(list(Kind))


@st.composite
def chains(draw: st.DrawFn) -> tuple[Source, ...]:
    """One to four stages of zero to three sources of any kind."""
    sizes = draw(st.lists(st.integers(0, 3), min_size=1, max_size=4).filter(any))
    return tuple(Source(f"s{i}", draw(KINDS), stage=f"t{t}") for t, size in enumerate(sizes) for i in range(size))


def test_calls_of_the_linear_chain() -> None:
    """Reference case 12: 32 rows, nine splits, 640 members, and what sharing saves."""
    design = Design.of(CHAIN, 32)
    assert len(design.splits) == 9
    assert len(design.members) == 640
    assert design.calls() == {"1": 64, "2": 128, "3": 384, "4": 640}


def test_calls_with_inner_levels() -> None:
    """Six levels of the two last sources cost 16 more calls of the last stage per row, and none before."""
    plain = Design.of(CHAIN, 32, by=("source",))
    more = Design.of(CHAIN, 32, by=("source",), inner={"4.g": 6, "4.q": 6})
    assert plain.calls() == {"1": 64, "2": 128, "3": 320, "4": 448}
    assert more.calls() == {"1": 64, "2": 128, "3": 320, "4": 960}


@given(chains(), st.integers(1, 6))
@settings(max_examples=50, deadline=None)
def test_calls_count_the_distinct_projections(sources: tuple[Source, ...], rows: int) -> None:
    """The count per row times rows is the count over the whole table, found independently with a Python set."""
    design = Design.of(sources, rows)
    for stage, seen in design.ancestors.items():
        assert design.calls()[stage] == len({address.upto(seen) for address in design.addresses()})


@given(chains(), st.integers(1, 5), st.integers(0, 5), st.sampled_from([{}, {0: 5}]))
@settings(max_examples=50, deadline=None)
def test_extension_keeps_the_first_rows(
    sources: tuple[Source, ...], rows: int, more: int, inner: dict[int, int]
) -> None:
    """Prefix stability, and the index of level l in row r is 16 r + l."""
    short = Design.of(sources, rows, inner={sources[k].label: levels for k, levels in inner.items()})
    table = short.extend(rows + more).members.table
    np.testing.assert_array_equal(table[: len(short.members)], short.members.table)
    np.testing.assert_array_equal(
        table // 16, np.repeat(np.arange(rows + more), short.members_per_row)[:, None] + 0 * table
    )


@given(chains(), st.integers(1, 4))
@settings(max_examples=50, deadline=None)
def test_rectangles_mix_two_indices(sources: tuple[Source, ...], rows: int) -> None:
    """In a rectangle one side of the split moves from corner 0 to 1, the other from 0 to 2, both from 0 to 3."""
    design = Design.of(sources, rows, inner={sources[-1].label: 4})
    for split in design.splits:
        corners = design.members.table[design.rectangles(split)]  # rows, n, 4, sources
        first = np.array([label in split.sources for label in design.labels])
        y00, y10, y01, y11 = np.moveaxis(corners, 2, 0)
        assert ((y00 != y10) == first).all()
        assert ((y00 != y01) == ~first).all()
        assert (y11 == np.where(first, y10, y01)).all()
    assert len(set(design.addresses())) == len(design.members)


def test_blocks_for_a_single_split() -> None:
    """Four levels everywhere and one split make 4x4 blocks: 16 members and 36 rectangles, four calls upstream."""
    design = Design.of(CHAIN[:3], 5, by=("kind",), inner=dict.fromkeys(LABELS[:3], 4))
    assert design.rectangles(design.splits[0]).shape == (5, 36, 4)
    assert design.members_per_row == 16
    assert design.calls() == {"1": 20, "2": 20, "3": 80}


def test_a_partition_occurs_once() -> None:
    """{f} is also the first stage prefix, {v} also the numerical kind, {c, g, q} the rest of nothing else."""
    names = [split.name for split in Design.of(CHAIN, 1).splits]
    assert names == [*LABELS, "up to 2", "up to 3", "aleatoric"]
    assert Design.of(CHAIN, 1).find({"1.f", "2.p"}) == (6, True)
    assert Design.of(CHAIN, 1).find(set(LABELS) - {"1.f", "2.p"}) == (6, False)
    assert Design.of(CHAIN, 1).find({"1.f", "4.q"}) is None


def test_dependent_laws_bring_their_own_splits() -> None:
    """The line "p given f" needs {f, p}, here also the complement of {e}; a second child needs a split of its own."""
    assert Design.of(conditional("common map").sources, 1).find({"1.f", "2.p"}) is not None
    sources = (*conditional("common map").sources[:2], Source("r", Kind.EPISTEMIC, ("1.f",), "2"), *CHAIN[2:])
    design = Design.of(sources, 1, by=("source",))
    for part in ({"1.f"}, {"1.f", "2.p"}, {"1.f", "2.r"}, {"1.f", "2.p", "2.r"}):
        assert design.find(part) is not None


def test_nested_indices() -> None:
    """Epistemic sources of a draw move together, chance is fresh for every (draw, member), and streams can hold all."""
    table = Nested(CHAIN, 3, 2).members.table
    assert table[:, 0].tolist() == table[:, 1].tolist() == [0, 0, 16, 16, 32, 32]
    chance = [2**31 + 2**16 * k + j for k in range(3) for j in range(2)]
    for column in range(2, 6):
        assert table[:, column].tolist() == chance
    assert Nested(CHAIN, 2**15, 2**0).members.table.max() < 2**32


@pytest.mark.parametrize(("numerical", "expected"), [("draw", [0, 0, 16, 16]), ("held", [0, 0, 0, 0])])
def test_numerical_sources_do_as_they_are_told(numerical: str, expected: list[int]) -> None:
    nested = Nested(CHAIN, 2, 2, numerical)  # type: ignore[arg-type]
    assert nested.members.table[:, 3].tolist() == expected


def test_rerolled_noise_rolls_with_the_member() -> None:
    noisy = tuple(Source(s.name, s.kind, ("all",) if s.name == "v" else (), s.stage) for s in CHAIN)
    assert len(set(Nested(noisy, 3, 4, "held").members.table[:, 3])) == 12


@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 3), st.integers(0, 3))
@settings(max_examples=40, deadline=None)
def test_nested_extension_keeps_addresses(draws: int, inner: int, more: int, further: int) -> None:
    """Both ways: all addresses of the small design are addresses of the large one, at the same (draw, member)."""
    small, large = Nested(CHAIN, draws, inner), Nested(CHAIN, draws, inner).extend(draws + more, inner + further)
    cube = large.members.table.reshape(draws + more, inner + further, -1)
    np.testing.assert_array_equal(cube[:draws, :inner].reshape(-1, len(CHAIN)), small.members.table)


def test_union_shares_addresses_and_stage_results() -> None:
    """A pilot inside its extension adds nothing; rows and nested draws share what is epistemic only."""
    design = Design.of(CHAIN, 8)
    both, (first, second) = union(design.members, design.extend(16).members)
    assert len(both) == 16 * design.members_per_row
    np.testing.assert_array_equal(both.table[first], design.members.table)
    np.testing.assert_array_equal(both.table[second], design.extend(16).members.table)
    nested = Nested(CHAIN, 8, 5)
    merged, numbers = union(design.members, nested.members)
    assert len(merged) == len(design.members) + len(nested.members)
    calls = merged.calls(design.ancestors)
    assert calls["1"] == design.calls()["1"]
    assert calls["2"] == design.calls()["2"]
    np.testing.assert_array_equal(merged.table[numbers[1]], nested.members.table)


def test_projection_is_a_gather() -> None:
    design = Design.of(CHAIN, 3)
    seen = design.ancestors["3"]
    calls, first, call_of_member = design.members.projection(seen)
    np.testing.assert_array_equal(calls[call_of_member], design.members.table[:, :4])
    np.testing.assert_array_equal(design.members.table[first][:, :4], calls)
    assert (np.diff(first) > 0).all()  # in order of first appearance, whatever comes later
    free, _, everyone = design.members.projection(())
    assert len(free) == 1
    assert (everyone == 0).all()


def test_values_do_not_depend_on_order() -> None:
    """Reference case 13: 64 rows evaluated in reverse order, the first 32 bit for bit those of 32 rows."""
    short, long = Design.of(CHAIN, 32), Design.of(CHAIN, 32).extend(64)
    backwards = Members(long.labels, long.members.table[::-1])
    values = INTERACTION.values(backwards, seed=1)[::-1]
    np.testing.assert_array_equal(values[: len(short.members)], INTERACTION.values(short.members, seed=1))


def test_address_round_trip_and_equality() -> None:
    address = Design.of(CHAIN, 3).members[41]
    assert Address.parse(str(address)) == address
    assert hash(Address({"a.b": 1, "c.d": 2})) == hash(Address({"c.d": 2, "a.b": 1}))
    assert Address({"a.b": 1, "c.d": 2}) == Address({"c.d": 2, "a.b": 1})
    assert address.upto(("1.f",)) == {"1.f": address["1.f"]}


@pytest.mark.parametrize("text", ["1.f", "1.f=-1", "1.f=x", "=3", "1.f=1,1.f=2"])
def test_a_bad_address_is_refused(text: str) -> None:
    with pytest.raises(StudyError, match="address"):
        Address.parse(text)


def test_bad_designs_are_refused() -> None:
    with pytest.raises(StudyError, match=r"nosuch.*no sources"):
        Design.of(CHAIN, 4, inner={"nosuch": 4})
    with pytest.raises(StudyError, match=r"2 \.\. 16"):
        Design.of(CHAIN, 4, inner={"4.g": 17})
    with pytest.raises(StudyError, match="only adds"):
        Design.of(CHAIN, 4).extend(3)
    with pytest.raises(StudyError, match="only adds"):
        Nested(CHAIN, 4, 4).extend(4, 3)
    with pytest.raises(StudyError, match="twice"):
        Design.of((*CHAIN, CHAIN[0]), 4)
    with pytest.raises(StudyError, match="come before"):
        Design.of((Source("p", Kind.EPISTEMIC, ("1.f",), "0"), *CHAIN), 4)
    with pytest.raises(StudyError, match="one source"):
        Design.of(tuple(Source(n, Kind.NUMERICAL, ("all",), "1") for n in "vw"), 4)
    with pytest.raises(StudyError, match="different chains"):
        union(Design.of(CHAIN, 2).members, Design.of(CHAIN[:2], 2).members)
