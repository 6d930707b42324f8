"""Alloys beside each other: differences in closed form, their errors, and what sharing members is worth."""

import numpy as np
import pytest

from uqmsm.errors import StudyError
from uqmsm.questions.compare import differences, highest

ROWS, EACH = 400, 4
ROW = np.repeat(np.arange(ROWS), EACH)


def alloys(seed, common=3.0, own=1.0):
    """Return three answers: one shared deviate per row, one of their own per row, means 10, 10.5 and 12."""
    rng = np.random.default_rng(seed)
    shared = common * rng.standard_normal(ROWS)[ROW]
    return {
        name: mean + shared + own * rng.standard_normal(ROWS)[ROW]
        for name, mean in zip("ABC", (10, 10.5, 12), strict=True)
    }


def test_differences_are_those_of_the_law_and_their_error_knows_what_is_shared():
    """Var of a difference is 2 whatever is shared; the bounds are 5 standard errors, false alarm below 1e-5."""
    table = differences(alloys(1), ROW, "MPa")
    for one, other, gap in (("B", "A", 0.5), ("C", "A", 2.0), ("C", "B", 1.5)):
        cell = table.sel(alloy=one, other=other)
        se = float(cell["difference_se"])
        assert se == pytest.approx(np.sqrt(2.0 / ROWS), rel=0.25)
        assert abs(float(cell["difference"]) - gap) < 5 * se
        assert abs(float(cell["sd"]) - np.sqrt(2.0)) < 5 * float(cell["sd_se"])
        assert float(cell["se_apart"]) == pytest.approx(np.sqrt(2 * (9.0 + 1.0) / ROWS), rel=0.25)
        assert int(cell["n_used"]) == ROWS * EACH


def test_without_anything_shared_nothing_is_gained():
    """The negative control of the test above."""
    cell = differences(alloys(2, common=0.0), ROW, "MPa").sel(alloy="C", other="A")
    assert float(cell["se_apart"]) == pytest.approx(float(cell["difference_se"]), rel=0.1)


def test_the_other_way_round_is_the_same_with_another_sign():
    table = differences(alloys(3), ROW, "MPa")
    for name, sign, whole in (("difference", -1, 0), ("sd", 1, 0), ("above", -1, 1), ("se_apart", 1, 0)):
        upper, lower = (table[name].sel(alloy=a, other=b).item() for a, b in (("A", "C"), ("C", "A")))
        assert upper == pytest.approx(whole + sign * lower, abs=1e-14)
    lo, hi = (table[f"difference_{end}"].sel(alloy="A", other="C").item() for end in ("lo", "hi"))
    value = table["difference"].sel(alloy="A", other="C").item()
    assert lo < value < hi
    above = [table[f"above{end}"].sel(alloy="A", other="C").item() for end in ("_lo", "", "_hi")]
    assert above == sorted(above)
    assert np.isnan(table["difference"].sel(alloy="A", other="A"))
    assert all(one.attrs["units"] in {"MPa", "1"} and one.attrs["long_name"] for one in table.data_vars.values())


def test_who_is_highest_sums_to_one_and_is_shared_by_equals():
    values = alloys(4)
    found = highest(values, ROW)
    assert float(found["highest"].sum()) == pytest.approx(1.0, abs=1e-12)
    assert list(found["highest"].values.argsort()) == [0, 1, 2]
    twice = highest({"A": values["A"], "again": values["A"].copy()}, ROW)
    assert twice["highest"].values == pytest.approx([0.5, 0.5])


def test_a_failed_member_counts_in_no_pair_that_it_belongs_to():
    values = alloys(5)
    values["B"][:40] = np.nan
    table = differences(values, ROW, "MPa")
    assert int(table["n_used"].sel(alloy="B", other="A")) == ROWS * EACH - 40
    assert int(table["n_used"].sel(alloy="C", other="A")) == ROWS * EACH
    assert float(highest(values, ROW)["highest"].sum()) == pytest.approx(1.0, abs=1e-12)


def test_what_is_refused():
    values = alloys(6)
    with pytest.raises(StudyError, match="needs two"):
        differences({"A": values["A"]}, ROW, "MPa")
    with pytest.raises(StudyError, match="every alloy every member"):
        highest({"A": values["A"], "B": values["B"][:8]}, ROW)
