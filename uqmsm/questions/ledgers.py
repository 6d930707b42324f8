"""All answers' ledgers as one table: dims (answer, line), each answer on the scale that suits its tails."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.members import Design
from uqmsm.questions.attribute import Ledger
from uqmsm.questions.scatter import scales

__all__ = ["ledgers"]

_TITLE = {"raw": "{}", "log": "log {}", "rank": "rank of {}"}
_COORDINATES = {
    "answer": "quantity asked for, and the scale of its scatter",
    "line": "source, stage or kind",
    "of": "what the line is: source, stage or kind",
    "stage": "stage of the line",
    "kind": "kind of the line",
    "scale": "raw, log or rank",
    "given_success": "whether members failed, so that the shares are given success",
    "members": "members that succeeded",
}


def ledgers(design: Design, answers: Mapping[str, NDArray[np.float64]], level: float = 0.9) -> xr.Dataset:
    """Return the ledgers of several answers.

    A heavy-tailed answer has two: of its logarithm (or its ranks) first, named so, then the raw one. An answer that
    failed in some members has one more, of the event "failed" (0 or 1), and its own is given success.

    Parameters
    ----------
    design
        Rows of rectangles.
    answers
        Name -> one value per member, shape (members,); NaN where the member failed.
    level
        Nominal coverage of the intervals.

    Returns
    -------
    Dataset
        Dims (answer, line); lines are sources, stages and kinds (coordinate `of`), in chain order; coordinates `scale`,
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
        missing = np.isnan(values)
        success = bool(missing.any())
        shown = [
            (_TITLE[scale].format(name), Ledger(design, values, scale=scale, level=level)) for scale in scales(values)
        ]
        parts += [_one(title, ledger, success) for title, ledger in shown]
        if success:
            parts.append(_one(f"{name} failed", Ledger(design, missing.astype(np.float64), level=level), False))
    table = xr.concat(
        parts, "answer", coords="minimal", compat="override", join="exact", combine_attrs="drop_conflicts"
    )
    for name, text in _COORDINATES.items():
        table[name].attrs = {"units": "1", "long_name": text, "sources": ""}
    return table


def _one(title: str, ledger: Ledger, given_success: bool) -> xr.Dataset:
    """Return one ledger, the line of merged sources left out so that every answer has the same lines."""
    lines = [ledger.lines(by) for by in ("source", "stage", "kind")]
    table = xr.concat([part.sel(line=part["of"] != "merged") for part in lines], "line", combine_attrs="override")
    total = len(ledger.shares.values)
    coordinates = {
        "answer": title,
        "scale": ledger.scale,
        "given_success": given_success,
        "members": f"{total - ledger.failed} of {total}",
    }
    flat = table.merge(ledger.fractions())
    return flat.expand_dims("answer").assign_coords({key: ("answer", [value]) for key, value in coordinates.items()})
