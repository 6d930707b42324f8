"""All answers' ledgers as one table: dims (answer, line), each answer on the scale that suits its tails."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.members import Design
from uqmsm.questions.attribute import By, Ledger
from uqmsm.questions.lines import NONE, Line, line_dataset
from uqmsm.questions.missing import ANY
from uqmsm.questions.scatter import scales
from uqmsm.questions.share_bounds import ShareBounds, bounds_of_lines

__all__ = ["checks", "ledgers"]

_TITLE = {"raw": "{}", "log": "log {}", "rank": "rank of {}"}
_BY: tuple[By, ...] = ("source", "stage", "kind")
_NOTHING = "fewer than two sources are small enough to merge"
_ASSUMED = "who says where the missing lie: given, or seen in the others (nobody promised it), or none missing"
_COORDINATES = {
    "answer": "quantity asked for, and the scale of its scatter",
    "line": "source, stage, kind, or the others",
    "of": "what the line is: source, stage, kind, or merged sources",
    "stage": "stage of the line",
    "kind": "kind of the line",
    "scale": "raw, log or rank",
    "given_success": "whether members failed, so that the shares are given success",
    "members": "members that succeeded",
}


def ledgers(
    design: Design,
    answers: Mapping[str, NDArray[np.float64]],
    level: float = 0.9,
    *,
    within: Mapping[str, tuple[float, float]] | None = None,
) -> xr.Dataset:
    """Return the ledgers of several answers.

    A heavy-tailed answer has two: of its logarithm (or its ranks) first, named so, then the raw one. An answer that
    failed in some members has one more, of the event "failed" (0 or 1), and its own is given success. How far the
    missing could move first-order and total shares stands beside each, see `share_bounds`.

    Parameters
    ----------
    design
        Rows of rectangles.
    answers
        Name -> one value per member, shape (members,); NaN where the member failed.
    level
        Nominal coverage of the intervals.
    within
        Name -> range that the answer cannot leave, for the worst cases; unknown where not named.

    Returns
    -------
    Dataset
        Dims (answer, line); lines are sources, stages and kinds (coordinate `of`), in chain order, then the `others`
        where small sources were merged (refused where the members cannot tell them apart); coordinates `scale`,
        `given_success` and `members` per answer; the sums of `Ledger.fractions` per answer.

    Raises
    ------
    StudyError
        When there is no answer, or the design lacks a split.
    """
    if not answers:
        raise StudyError("a ledger without an answer: name at least one quantity")
    parts = []
    for name, values in answers.items():
        shown = _shown(design, name, values, level)
        reach = (within or {}).get(name, ANY)
        parts += [_one(title, ledger, reach) for title, ledger in shown]
    table = xr.concat(
        parts, "answer", coords="minimal", compat="override", join="exact", combine_attrs="drop_conflicts"
    )
    if (table["reason"].sel(line="others") == _NOTHING).all():
        table = table.sel(line=table["of"] != "merged")
    _say(table, design)
    return table


def checks(design: Design, answers: Mapping[str, NDArray[np.float64]], level: float = 0.9) -> xr.Dataset:
    """Return what should be looked at before the lines of sources are believed: `Ledger.checks` of every ledger.

    Parameters
    ----------
    design, answers, level
        As for `ledgers`.

    Returns
    -------
    Dataset
        Dims (answer, line), lines of sources alone.

    Raises
    ------
    StudyError
        When there is no answer, or the design lacks a split.
    """
    if not answers:
        raise StudyError("checks without an answer: name at least one quantity")
    shown = [pair for name, values in answers.items() for pair in _shown(design, name, values, level)]
    parts = [ledger.checks().expand_dims(answer=[title]) for title, ledger in shown]
    table = xr.concat(parts, "answer", coords="minimal", compat="override", join="exact", combine_attrs="override")
    _say(table, design)
    return table


def _say(table: xr.Dataset, design: Design) -> None:
    """Give every coordinate its unit, meaning and sources."""
    for name in table.coords:
        about = {"units": "1", "long_name": _COORDINATES[str(name)], "sources": ", ".join(design.labels)}
        table[name].attrs = about


def _shown(design: Design, name: str, values: NDArray[np.float64], level: float) -> list[tuple[str, Ledger]]:
    """Return the ledgers of one answer with their titles: one per scale, and that of the event "failed"."""
    missing = np.isnan(values)
    shown = [(_TITLE[scale].format(name), Ledger(design, values, scale=scale, level=level)) for scale in scales(values)]
    if missing.any():
        shown.append((f"{name} failed", Ledger(design, missing.astype(np.float64), level=level)))
    return shown


def _one(title: str, ledger: Ledger, within: tuple[float, float]) -> xr.Dataset:
    """Return one ledger; it always has the line of the others, so that every answer has the same lines."""
    lines = [line for by in _BY for line in ledger.list_lines(by)]
    others = [line for line in lines if line.of == "merged"]
    empty = Line("others", "merged", "", "", NONE, NONE, NONE, NONE, NONE, 0, "refused", _NOTHING)
    ordered = [*(line for line in lines if line.of != "merged"), *(others or [empty])]
    total = len(ledger.shares.values)
    coordinates = {
        "answer": title,
        "scale": ledger.scale,
        "given_success": ledger.failed > 0,
        "members": f"{total - ledger.failed} of {total}",
    }
    flat = xr.merge(
        [
            line_dataset(ordered, ledger.level, ledger.design.labels),
            ledger.fractions(),
            _worst(ledger, ordered, within),
        ],
        join="exact",
        compat="equals",
        combine_attrs="drop_conflicts",
    )
    return flat.expand_dims("answer").assign_coords({key: ("answer", [value]) for key, value in coordinates.items()})


def _worst(ledger: Ledger, lines: list[Line], within: tuple[float, float]) -> xr.Dataset:
    """Return the worst cases of the lines, and on what they rest; the estimates themselves where nothing is missing."""
    values, found = ledger.shares.values, None
    if 0 < ledger.failed < len(values):
        found = ShareBounds(ledger.design, values, ledger.scale, within, ledger.level)
    table = bounds_of_lines(lines, found, ledger.design)
    who = found.reach.who if found else "nothing there" if ledger.failed else "none missing"
    about = {"units": "1", "sources": ", ".join(ledger.design.labels), "long_name": _ASSUMED}
    return table.assign(missing_assumed=((), who, about))
