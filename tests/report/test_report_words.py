"""How numbers and verdicts are put in words."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from specimens import groups

from uqmsm import results
from uqmsm.report.digits import amount, change, interval, joined, number, part, percent, seconds
from uqmsm.report.facts import Number
from uqmsm.report.ledger_facts import Ledger, Line, ledgers
from uqmsm.report.words import noun, share, split_sentence


def line(verdict: str, fair: Number, name: str = "a.b", reason: str = "") -> Line:
    return Line(name, "source", "a", "epistemic", fair, Number(0.0), fair, fair, fair, 32, verdict, reason)


def ledger(*lines: Line) -> Ledger:
    return Ledger("y", "y", "raw", "64 of 64", lines, {}, Number(1.0))


@given(
    st.floats(-1e5, 1e5, allow_nan=False).filter(lambda x: x == 0.0 or abs(x) > 1e-3),
    st.floats(1e-3, 1e5, allow_nan=False),
)
@settings(max_examples=200, deadline=None)
def test_amount_keeps_value_and_spread_to_two_digits_of_the_spread(value, spread):
    text = amount(value, spread, "MPa").replace("−", "-").removesuffix(" MPa")
    shown, error = (float(part) for part in text.split(" ± "))
    assert abs(error - spread) <= 0.0501 * spread or error == round(spread)
    assert abs(shown - value) <= max(0.0501 * spread, 0.5)


def test_amount_of_the_vision():
    assert amount(115.3, 34.6, "MPa") == "115 ± 35 MPa"
    assert amount(-0.5378, 0.0371, "MPa") == "−0.538 ± 0.037 MPa"
    assert amount(-0.1, 2.5e-17) == "−0.100", "an error of the arithmetic is no error"
    assert amount(3.0, np.nan) == "3.00"
    assert amount(2.304e-7, 1.2e-8) == "2.30e−7 ± 1.2e−8"
    assert amount(6.6e-12, 8.6e-12) == "6.6e−12 ± 8.6e−12"


def test_percent_says_one_decimal_only_where_the_error_allows_it():
    assert percent(0.614, 0.06) == "61 ± 6 %"
    assert percent(0.0214, 0.004) == "2.1 ± 0.4 %"
    assert percent(-0.002, 0.03) == "0 ± 3 %"
    assert percent(1.0, 1e-16) == "100 %"
    assert percent(np.nan) == "–"


@given(st.floats(-1.0, 1.0), st.floats(6e-4, 0.5))
@settings(max_examples=200, deadline=None)
def test_percent_is_never_off_by_more_than_its_last_digit(value, se):
    text = percent(value, se).replace("−", "-").removesuffix(" %")
    shown, error = (float(part) for part in text.split(" ± "))
    digit = 0.1 if se < 0.0095 else 1.0
    assert abs(shown - 100.0 * value) <= 0.5001 * digit
    assert abs(error - 100.0 * se) <= 0.5001 * digit


def test_small_words():
    assert (number(0.0), number(-12.345), number(1e-9), number(np.inf)) == ("0", "−12.3", "1.00e−9", "–")
    assert (change(0.00446), change(-0.5)) == ("+0.45 %", "−50 %")
    assert joined(["a", "b", "c"]) == "a, b and c"
    assert joined(["a"]) == "a"
    assert joined([]) == ""
    assert interval(Number(0.2, 0.1, 0.1, 0.3)) == "10 – 30 %"
    assert (seconds(2e-5), seconds(0.02), seconds(42.0), seconds(600.0), seconds(9000.0)) == (
        "20 µs", "20 ms", "42 s", "10 min", "2.5 h",
    )  # fmt: skip


def test_a_verdict_decides_what_is_said_of_a_share():
    wide = Number(0.07, 0.06, -0.03, 0.115)
    assert share(line("estimated", wide)) == "7 ± 6 %"
    assert share(line("bounded", wide)) == "under 12 %"
    assert share(line("merged", Number(0.01, 0.01, -0.01, 0.031))) == "under 4 %"
    assert share(line("bounded", Number(0.4, 0.5, -0.6, 1.4))) == "not resolved"
    assert share(line("refused", Number(np.nan))) == "refused"


def test_the_sentence_respects_every_verdict():
    strong = line("estimated", Number(0.6, 0.06, 0.5, 0.7), "s.theory")
    weak = line("bounded", Number(0.07, 0.06, -0.03, 0.115), "p.potential")
    small = line("merged", Number(0.01, 0.01, -0.01, 0.03), "g.grains")
    lost = line("refused", Number(np.nan), "m.noise")
    said = split_sentence(ledger(weak, strong, small, lost), {"s.theory": "the theory's own form; more"})
    assert said == (
        "Of that variance, 60 ± 6 % is due to the theory's own form; under 12 %: potential; under 3 %: grains; "
        "noise could not be estimated"
    )
    assert "7 ±" not in said
    tiny = line("estimated", Number(0.001, 0.001, -0.001, 0.003), "d.functional")
    assert split_sentence(ledger(tiny, strong, small), {}).endswith("to theory; under 3 % each: functional and grains")
    assert "no ledger" in split_sentence(None, {})


def test_a_source_is_a_noun_within_its_sentence():
    one = line("estimated", Number(0.6, 0.06, 0.5, 0.7), "fe.hall_petch")
    for words, said in (
        ("Scatter from ingot to ingot", "scatter from ingot to ingot"),
        ("Hall-Petch constant", "Hall-Petch constant"),
        ("C11 of the cell", "C11 of the cell"),
        ("Zhou form", "Zhou form"),
        ("what it cannot fit (lattice, moduli)", "what it cannot fit"),
        ("Logarithm of ``x``", "hall petch"),
        ("", "hall petch"),
        ("a " * 40, "hall petch"),
    ):
        assert noun(one, {"fe.hall_petch": words}) == said


def test_shares_in_words_stay_within_the_whole():
    assert interval(Number(0.2, 0.2, -0.08, 0.52)) == "0 – 52 %"
    assert interval(Number(0.9, 0.2, 0.7, 1.08)) == "70 – 100 %"
    assert part(0.001, 0.0002) == "under 1 %"
    assert part(0.999, 0.0002) == "over 99 %"
    assert part(1.0, 1e-16) == "100 %"
    assert interval(Number(0.005, 0.001, 0.002, 0.008)) == "under 1 %"
    assert interval(Number(0.011, 0.001, 0.009, 0.0132)) == "0.9 – 1.3 %"
    assert part(0.03, 0.002) == "3.0 ± 0.2 %"
    assert part(-0.02, 0.05) == "0 ± 5 %"


def test_estimated_sources_come_largest_first():
    lines = [line("estimated", Number(v, 0.02, v - 0.03, v + 0.03), f"s.x{v}") for v in (0.1, 0.7, 0.2)]
    assert split_sentence(ledger(*lines), {}).index("70") < split_sentence(ledger(*lines), {}).index("20 ")


@pytest.mark.parametrize(("rows", "told"), [(8, "cannot be said yet"), (32, "Of that variance")])
def test_too_few_rows_are_said_in_words(rows, told):
    parts = groups(rows)
    tree = results.tree({name: parts[name] for name in ("answers", "ledger")}, {})
    found = next(each for each in ledgers(tree) if each.answer == "first_yield")
    assert told in split_sentence(found, {})
