"""What the report and the terminal say of members that are missing, and that they say nothing where none is."""

from __future__ import annotations

import re

import numpy as np
import pytest
import xarray as xr
from specimens import LABELS, SOURCES, ancestors, attributes, first_yield, groups, normals, whole

from uqmsm import results
from uqmsm.members import Design
from uqmsm.questions.ledgers import ledgers
from uqmsm.questions.propagate import spread
from uqmsm.questions.reliability import below, probability
from uqmsm.report import ledger_text, write
from uqmsm.report.answer_sections import probabilities
from uqmsm.report.checks import checks
from uqmsm.report.facts import answers, source_words
from uqmsm.report.missing_section import doubts, missing_items, missing_note
from uqmsm.report.terminal import failures_text

WITHIN = (-200.0, 600.0)


def _decided(rows: int = 48, within: tuple[float, float] = (-np.inf, np.inf)) -> xr.DataTree:
    """Return a run in which the strength's own form decides who fails: its draws over 1.5 are unstable."""
    design = Design.of(SOURCES, rows, ancestors=ancestors())
    table = design.members.table
    lost = normals("strength.strength_form", table[:, LABELS.index("strength.strength_form")], 7) > 1.5
    y = np.where(lost, np.nan, first_yield(table))
    plain = groups(rows)
    one = spread(y, design.row_of_member, within=within)
    names = {"quantiles": "quantile_value", "quantile": "probability"}
    names |= {f"quantiles_{end}": f"quantile_{end}" for end in ("se", "lo", "hi")}
    summary = one.dataset("MPa").rename(names).assign(n_used=one.succeeded, n_of=one.members).drop_attrs()
    summary = summary.expand_dims(answer=["first_yield"]).assign_coords(unit=("answer", ["MPa"]))
    parts = {
        **plain,
        "answers": plain["answers"][["first_yield"]].assign(first_yield=plain["answers"]["first_yield"].copy(data=y)),
        "summary": summary,
        "ledger": ledgers(design, {"first_yield": y}, within={"first_yield": within}),
        "members": results.members(
            [str(address) for address in design.addresses()],
            ["unstable" if one else "done" for one in lost],
            ["strength: elastically unstable" if one else "" for one in lost],
            np.zeros(len(y)),
            ["node"] * len(y),
        ),
    }
    return results.tree(parts, attributes())


@pytest.fixture(scope="module")
def decided():
    return _decided()


def _section(tree, folder):
    text = write(tree, folder).read_text(encoding="utf-8")
    return text, text[text.index('id="failures"') : text.index('id="inputs"')]


def test_nothing_missing_nothing_said(tmp_path):
    tree = whole(16)
    text, section = _section(tree, tmp_path)
    assert "<h2>Failures</h2>" in section
    assert "What is missing" not in text
    assert "Worst cases" not in text
    assert missing_items(tree, answers(tree), {}) == {}
    assert not any("missing" in line for line in ledger_text(tree))
    assert all(check.what != "Members missing by chance" for check in checks(tree))


def test_the_source_that_decides_is_named_everywhere(decided, tmp_path):
    text, section = _section(decided, tmp_path)
    status = decided["members"]["status"].values
    failed = int((status != "done").sum())
    assert f"{failed} of {len(status)} members failed: {failed} in strength" in section
    assert "<td>strength</td>" in section
    assert "elastically unstable" in section
    assert "the strengthening theory&#39;s own form (100\u00a0% of it) decide who is missing" in section
    light = next(check for check in checks(decided) if check.what == "Members missing by chance")
    assert (light.state, light.advice) == ("care", True)
    assert "own form" in failures_text(decided, 0.1)
    assert text.count("whatever they are, the median") == 1


def test_worst_cases_are_those_of_the_tree(decided):
    rows = {row["what"]: row for row in missing_items(decided, answers(decided), source_words(decided))["rows"]}
    summary = decided["summary"].to_dataset().sel(answer="first_yield")
    middle = summary.sel(probability=0.5)
    shown = [float(text.replace("\u2212", "-")) for text in re.findall(r"[\u2212\d.]+", rows["median"]["worst"])]
    np.testing.assert_allclose(shown, [middle["quantile_least"], middle["quantile_most"]], rtol=5e-3)
    assert rows["95 % quantile"]["worst"].endswith("not bounded above")
    assert rows["95 % quantile"]["rests"] == rows["median"]["rests"] == "nothing"
    assert "nobody promised" in rows["mean"]["rests"]
    note = missing_note(decided, answers(decided)[0])
    assert note.startswith(f"{int(summary['n_of'] - summary['n_used'])} are missing")
    assert f"  {note}" in ledger_text(decided)


def test_a_range_that_the_study_gives_is_named():
    tree = _decided(24, WITHIN)
    rows = {row["what"]: row for row in missing_items(tree, answers(tree), source_words(tree))["rows"]}
    assert "the study says" in rows["mean"]["rests"]
    assert "\u2212200 to 600 MPa" in rows["mean"]["rests"]
    assert "600 MPa" in rows["95 % quantile"]["worst"]
    assert "the study says" in rows["95 % quantile"]["rests"]
    shares = [row for row in rows.values() if row["what"].startswith("alone, S")]
    assert len(shares) >= 3
    assert all(re.fullmatch(r"\d+ % to \d+ %", row["worst"]) for row in shares)


def test_losses_by_chance_raise_no_doubt():
    """Two runs with 3 % lost at random: each raises a doubt in 3 of 100 streams."""
    for seed in (0, 7):
        tree = whole(24, failing=0.03, seed=seed)
        assert doubts(tree, answers(tree)[0], {}) == ""
    found = missing_items(tree, answers(tree), source_words(tree))
    assert "proves little" in found["text"][0]


def test_a_probability_says_what_the_missing_could_make_of_it():
    design = Design.of(SOURCES, 16, ancestors=ancestors())
    y = first_yield(design.members.table)
    lost = np.where(np.arange(len(y)) % 20 == 0, np.nan, y)
    tree = whole(16)
    event = {"answer": "first_yield", "threshold": 100.0, "direction": "below", "unit": "MPa"}
    for values, told in ((lost, True), (y, False)):
        table = probability(below(values, 100.0), design.row_of_member).expand_dims(event=["first_yield below 100 MPa"])
        parts = {"answers": tree["answers"].to_dataset(), "summary": tree["summary"].to_dataset()}
        parts["probability"] = table.assign_coords({key: ("event", [value]) for key, value in event.items()})
        one = results.tree(parts, {})
        text = probabilities(one, answers(one))[0]["text"]
        assert ("whatever the missing members are" in text) is told
