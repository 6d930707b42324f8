"""Shares in the worst case, and the ledger of who fails, against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from exact_chains import CHAIN, LABELS, LINEAR, LOGNORMAL, REROLLED, SHARES, conditional
from hypothesis import given, settings
from hypothesis import strategies as st
from losses import by_call, by_member, by_source, by_value
from scipy.stats import norm

from uqmsm.members import Design
from uqmsm.questions.at_random import blamed, neighbours
from uqmsm.questions.attribute import Ledger
from uqmsm.questions.ledgers import ledgers
from uqmsm.questions.share_bounds import ShareBounds, turned

ENDS = ("first_order_least", "first_order_most", "total_least", "total_most")


@settings(max_examples=80, deadline=None)
@given(st.floats(0.0, 3.0), st.floats(0.0, 3.0), st.floats(0.0, 2.0), st.floats(0.0, 1.0))
def test_turned_is_the_extreme_over_all_moves(A: float, B: float, whole: float, part: float) -> None:
    """Against all moves (x, y) with |x| <= along, x^2 + y^2 <= whole^2 on a fine grid: never passed, and reached."""
    along = part * whole
    if np.hypot(A, B) < 1e-2:
        return
    least, most = (float(end[0]) for end in turned(*(np.array([one]) for one in (A, B, along, whole))))
    x = np.linspace(-along, along, 301)[:, None]
    y = np.sqrt(np.maximum(whole**2 - x**2, 0.0)) * np.linspace(-1.0, 1.0, 301)
    a, b = np.maximum(A + x, 0.0), np.maximum(B + y, 0.0)
    square = a**2 + b**2
    shares = (np.broadcast_to(a, square.shape) ** 2)[square > 1e-6] / square[square > 1e-6]
    assert least <= shares.min() + 1e-9
    assert most >= shares.max() - 1e-9
    if whole < 0.5 * np.hypot(A, B):
        assert least == pytest.approx(shares.min(), abs=2e-3)
        assert most == pytest.approx(shares.max(), abs=2e-3)


@pytest.mark.parametrize("how", ["value", "source", "member"])
def test_shares_of_the_whole_law_lie_within(how: str) -> None:
    """Five per cent lost, in 30 runs of 64 rows: every first-order and total share within its bounds, always.

    Negative control: where the value decides, the survivors' own 90 % intervals miss the share of p in most runs with
    256 rows: it is .61, and .57 given success.
    """
    rows = 64
    design = Design.of(CHAIN, rows)
    t = norm.ppf(0.95)
    widths = []
    for seed in range(30):
        y = LINEAR.values(design.members, seed)
        lost = {
            "value": by_value(y, t),
            "source": by_source(design, seed, "2.p", t),
            "member": by_member(design, seed, 0.05),
        }[how]
        found = ShareBounds(design, np.where(lost, np.nan, y), within=(-5.0, 5.0))
        for label in LABELS:
            part = frozenset({label})
            for worst in (found.first_order(part), found.total(part)):
                assert worst.least.lo <= worst.least.value <= worst.most.value <= worst.most.hi
                assert worst.least.lo <= SHARES[label] <= worst.most.hi, (seed, label)
        each = found.first_order(frozenset({"2.p"}))
        widths.append((each.least.value, each.most.value))
    least, most = np.mean(widths, axis=0)
    assert 0.0 < least < SHARES["2.p"] < most < 0.92, "neither end is a platitude: .00, .04, .10 and .89, .78, .75"


def test_survivors_alone_mislead() -> None:
    """The negative control, and by how much: 30 % lost from above, 256 rows; the law of the survivors is another."""
    design = Design.of(CHAIN, 256)
    misses = 0
    for seed in range(20):
        y = LINEAR.values(design.members, seed)
        left = np.where(by_value(y, norm.ppf(0.7)), np.nan, y)
        line = next(line for line in Ledger(design, left).list_lines() if line.name == "2.p")
        misses += not line.fair.lo <= SHARES["2.p"] <= line.fair.hi
    assert misses > 10


def test_a_source_that_decides_nothing_is_less_in_doubt() -> None:
    """The same 5 % lost by q, or by p: the least share of p is higher where p does not decide; by hand for q.

    If q (2 %) decides, C of the event for p is zero: |P d| <= r m. A = sqrt(.61)(1 - m) of the filled answers, all of
    them within V + m r^2 of the middle, and pairs of p are both there with chance (1 - m)^2.
    """
    design = Design.of(CHAIN, 4000, by=("source",))
    y, t, p = LINEAR.values(design.members, 7), norm.ppf(0.95), frozenset({"2.p"})
    by_q, by_p = (
        ShareBounds(design, np.where(by_source(design, 7, label, t), np.nan, y), within=(-5.0, 5.0)).first_order(p)
        for label in ("4.q", "2.p")
    )
    assert by_q.least.value > by_p.least.value + 0.05
    A, moved = np.sqrt(0.61 * 0.95**2), 5.0 * 0.05
    least = (A - moved) ** 2 / (0.95 + 0.05 * 5.0**2)
    most = (A + moved) ** 2 / ((A + moved) ** 2 + 0.39 * 0.95**2)
    assert by_q.least.value == pytest.approx(least, abs=0.02)
    assert by_q.most.value == pytest.approx(most, abs=0.02)


def test_without_a_range_a_share_rests_on_what_was_seen_and_says_so() -> None:
    design = Design.of(CHAIN, 32)
    y = LINEAR.values(design.members, 1)
    left = np.where(by_member(design, 1, 0.03), np.nan, y)
    answers = {"y": left, "z": y, "e": np.exp(3.0 * left)}
    table = ledgers(design, answers, within={"y": (-8.0, 8.0)})
    who = {str(name): str(table["missing_assumed"].sel(answer=name).values) for name in table["answer"].values}
    assert who["y"] == "given"
    assert who["z"] == who["y failed"] == "none missing"
    assert who["log e"] == who["e"] == "seen"
    for end in ENDS:
        seen = table[end.rpartition("_")[0]]
        np.testing.assert_array_equal(table[end].sel(answer="z"), seen.sel(answer="z"))
        assert {"units", "long_name", "sources"} <= set(table[end].attrs)
    inside = table.sel(answer="y", line=list(LABELS))
    assert (inside["first_order_least"] <= inside["first_order"]).all()
    assert (inside["first_order"] <= inside["first_order_most"]).all()
    assert (inside["total_most_hi"] >= inside["total_most"]).all()
    gone = ledgers(design, {"y": np.full(len(y), np.nan)})
    assert gone["first_order_least"].sel(answer="y").isnull().all()
    assert str(gone["missing_assumed"].sel(answer="y").values) == "nothing there"


def test_ranks_need_no_range() -> None:
    """Ranks lie in (0, 1): their shares (6/pi asin(C/2)) are within bounds that nobody had to promise."""
    design = Design.of(CHAIN, 64, by=("source",))
    exact = {label: 6.0 / np.pi * np.arcsin(share / 2.0) for label, share in SHARES.items()}
    for seed in range(10):
        y = LINEAR.values(design.members, seed)
        ledger = Ledger(design, np.where(by_value(y, norm.ppf(0.98)), np.nan, y), scale="rank")
        found = ShareBounds(design, ledger.shares.values, "rank")
        assert found.reach.who == "given"
        for label, share in exact.items():
            worst = found.first_order(frozenset({label}))
            assert worst.least.lo <= share <= worst.most.hi
    assert found.first_order(frozenset({"2.p"})).least.value > 0.05


def test_shares_without_a_meaning_have_no_bound() -> None:
    """Noise that is rolled anew has a total and no first order; p given f likewise: so have their bounds."""
    for chain, label in ((REROLLED, "3.v"), (conditional("independent chains"), "2.p")):
        design = Design.of(chain.sources, 64)
        y = chain.values(design.members, 4)
        lost = np.random.default_rng(4).random(len(y)) < 0.02
        line = ledgers(design, {"y": np.where(lost, np.nan, y)}, within={"y": (-9.0, 9.0)}).sel(answer="y", line=label)
        assert np.isnan(line["first_order_least"])
        assert float(line["total_least"]) <= float(line["total"]) <= float(line["total_most"])


# --- who decides -----------------------------------------------------------------------------------------------------


def test_the_ledger_of_who_fails_is_exact() -> None:
    """One source over its limit: S = T = 1 for it, 0 for the others, with no error at all.

    Two sources over theirs together, chances a = .3, b = .4: S_p = b^2 a(1-a)/(ab(1-ab)), T_p = b a(1-a)/(ab(1-ab)).
    """
    design = Design.of(CHAIN, 4000, by=("source",))
    own = Ledger(design, by_source(design, 3, "2.p", 1.0).astype(float))
    for label in LABELS:
        first = own.shares.closed(frozenset({label}))[0]
        assert first == float(label == "2.p")
    a, b = 0.3, 0.4
    both = by_source(design, 3, "2.p", norm.ppf(1 - a)) & by_source(design, 3, "3.c", norm.ppf(1 - b))
    lines = {line.name: line for line in Ledger(design, both.astype(float)).list_lines()}
    whole = a * b * (1 - a * b)
    for name, mine, other in (("2.p", a, b), ("3.c", b, a)):
        first, total = other**2 * mine * (1 - mine) / whole, other * mine * (1 - mine) / whole
        assert abs(lines[name].first_order.value - first) < 4.0 * lines[name].first_order.se
        assert abs(lines[name].total.value - total) < 4.0 * lines[name].total.se
        assert lines[name].total.se < 0.03


def test_blame_finds_the_source_and_seldom_the_innocent() -> None:
    """64 rows: 5 % lost by p are laid to p in over 70 % of 40 runs and to nobody else; by chance, in under 8 %.

    Over 150 runs the rates were 98 % and at most 2 %; 8 % of 80 runs is 7: false alarm under 1 in 1000.
    """
    design = Design.of(CHAIN, 64, by=("source",))

    def rate(lost: list[np.ndarray]) -> list[list[str]]:
        tables = [Ledger(design, one.astype(float)).lines("source").expand_dims(answer=["y failed"]) for one in lost]
        return [[found.source for found in blamed(table, "y")] for table in tables]

    guilty = rate([by_source(design, seed, "2.p", norm.ppf(0.95)) for seed in range(40)])
    assert sum(found == ["2.p"] for found in guilty) > 28
    assert all(found in ([], ["2.p"]) for found in guilty)
    chance = [by_member(design, seed, 0.1) for seed in range(40)] + [by_call(design, seed, 0.1) for seed in range(40)]
    assert sum(map(bool, rate(chance))) <= 6


def test_neighbours_tell_when_the_value_decides() -> None:
    """64 rows: the top 5 % lost is seen in over 25 % of 80 runs (50 % over 300), chance losses in under 8 % (2 %).

    And always to the right side on average: what is left beside the lost lies above the others.
    """
    design = Design.of(CHAIN, 64)
    row = design.row_of_member

    def seen(chain, lost) -> tuple[float, float]:
        found = []
        for seed in range(80):
            y = chain.values(design.members, seed)
            each = neighbours(np.where(lost(seed, y), np.nan, y), row)
            found.append((each.value, abs(each.value) > 3.0 * each.se))
        mean, often = np.mean(found, axis=0)
        return float(mean), float(often)

    above, often = seen(LINEAR, lambda _, y: by_value(y, norm.ppf(0.95)))
    assert above > 0.3
    assert often > 0.25
    for chain in (LINEAR, LOGNORMAL):
        assert seen(chain, lambda seed, _: by_member(design, seed, 0.05))[1] < 0.08
        assert seen(chain, lambda seed, _: by_call(design, seed, 0.05))[1] < 0.08
