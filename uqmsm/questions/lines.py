"""One line of the ledger, and many of them as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from uqmsm.questions.rectangles import Estimate

__all__ = ["NONE", "NUMBERS", "Line", "line_dataset", "one_minus"]

NONE = Estimate(np.nan, np.nan, np.nan, np.nan, np.nan)
"""No estimate: it has no meaning, or too few rows know it."""
NUMBERS = ("alone", "with_others", "fair", "first_order", "total")
_MEANING = {
    "alone": "closed part: what it does by itself, or adds to what it is given",
    "with_others": "its equal part of the interactions",
    "fair": "fair share: alone and with others; closes to 1",
    "first_order": "closed (first-order) share of the variance, S",
    "total": "total share of the variance, T",
}
_WORDS = {
    "rows": "rows with a complete rectangle",
    "verdict": "what may be said: estimated, bounded, merged or refused",
    "reason": "why, or what the line means",
}


@dataclass(frozen=True)
class Line:
    """One line of the ledger: five shares, how many rows know it, and what may be said about it.

    Parameters
    ----------
    name, of
        A source, a stage or a kind (or the merged ``others``), and which of them.
    stage, kind
        Of a source; empty where they have no meaning.
    alone, with_others, fair, first_order, total
        Shares of the variance.
    rows
        Rows with a complete rectangle.
    verdict, reason
        ``estimated``, ``bounded``, ``merged`` or ``refused``, and why.
    """

    name: str
    of: str
    stage: str
    kind: str
    alone: Estimate
    with_others: Estimate
    fair: Estimate
    first_order: Estimate
    total: Estimate
    rows: int
    verdict: str
    reason: str


def one_minus(estimate: Estimate) -> Estimate:
    """Return the estimate of 1 - x."""
    return Estimate(1.0 - estimate.value, estimate.se, 1.0 - estimate.hi, 1.0 - estimate.lo, estimate.dof)


def line_dataset(lines: Sequence[Line], level: float, sources: Sequence[str]) -> xr.Dataset:
    """Return lines as a dataset over the dimension `line`.

    Parameters
    ----------
    lines
        Lines of one answer.
    level
        Nominal coverage of their intervals.
    sources
        Labels of all sources of the answer, for the attribute of that name.

    Returns
    -------
    Dataset
        Every share with `_se`, `_lo`, `_hi`; `rows`, `verdict`, `reason`; coordinates `of`, `stage`, `kind`.
    """
    ancestors = ", ".join(sources)
    limits = {"lo": f"lower {level:.0%} limit of ", "hi": f"upper {level:.0%} limit of "}
    texts = {"value": "", "se": "standard error of ", **limits}
    found: dict[str, tuple[str, list[object], dict[str, str]]] = {}
    for name in NUMBERS:
        for attribute, text in texts.items():
            ending = "" if attribute == "value" else f"_{attribute}"
            numbers = [getattr(getattr(line, name), attribute) for line in lines]
            about = {"units": "1", "long_name": text + _MEANING[name], "sources": ancestors}
            found[name + ending] = ("line", numbers, about)
    for name, text in _WORDS.items():
        about = {"units": "1", "long_name": text, "sources": ancestors}
        found[name] = ("line", [getattr(line, name) for line in lines], about)
    coordinates = {key: ("line", [getattr(line, key) for line in lines]) for key in ("of", "stage", "kind")}
    return xr.Dataset(found, {"line": [line.name for line in lines], **coordinates}, {"level": level})
