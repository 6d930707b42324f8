"""Units: what fits is converted, what does not is refused with words."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uqmsm.errors import UnitMismatch
from uqmsm.quantity import conversion, convert, converted, offset, parse, same_dimension

pairs = st.sampled_from(
    [("GPa", "MPa"), ("angstrom", "mm"), ("eV", "J"), ("K", "mK"), ("1/s", "1/hour"), ("1", "percent")]
)
numbers = st.floats(1e-6, 1e6)


@settings(deadline=None)  # the first conversion imports the units
@given(pairs, numbers)
def test_units_round_trip(pair, value):
    there = convert(value, *pair)
    assert convert(there, *reversed(pair)) == pytest.approx(value, rel=1e-12)
    assert conversion(*pair) * conversion(*reversed(pair)) == pytest.approx(1, rel=1e-12)


def test_known_conversions():
    assert conversion("GPa", "MPa") == pytest.approx(1000)
    assert conversion("MPa um^0.5", "MPa mm^0.5") == pytest.approx(1000**-0.5)
    assert convert(800, "degC", "K") == pytest.approx(1073.15)
    assert conversion("degC", "K") == pytest.approx(1)  # a width, not a place
    assert offset("K", "degC") == pytest.approx(-273.15)
    assert offset("GPa", "MPa") == offset("K", "mK") == 0
    assert converted([0.0, 1002.0], "K", "degC") == pytest.approx([-273.15, 728.85])
    assert parse("0.5 atomic_percent", "1") == pytest.approx(0.005)
    assert parse("1e-3", "1/s") == 1e-3


@pytest.mark.parametrize(("source", "target"), [("GPa", "K"), ("eV", "angstrom"), ("1", "K")])
def test_what_does_not_fit_is_refused(source, target):
    assert not same_dimension(source, target)
    with pytest.raises(UnitMismatch, match="cannot become"):
        conversion(source, target)


@pytest.mark.parametrize("text", ["fast", "GPa 3", ""])
def test_what_is_no_quantity_is_refused(text):
    with pytest.raises(UnitMismatch, match="not a number"):
        parse(text, "GPa")


def test_an_unknown_unit_says_so():
    with pytest.raises(UnitMismatch, match="unknown unit 'gigapascals_'"):
        conversion("gigapascals_", "GPa")
