"""Are members missing at random?

Two tests, because nobody can ask the missing themselves. *Neighbours*: members of a row share draws, so where members
fail because of their value, those left in their rows answer differently from the others. *Blame*: the event "missing"
(0 or 1) has a ledger of its own; lost by chance, each by itself, members give no source a closed share of it, all is
interaction. A source with a closed share decides who fails: the members that are left are then no fair sample of its
law, unless its failing draws are like the others. Both speak beyond three standard errors. Where 1 to 20 % are lost by
chance they raise a false alarm in under 3 of 100 runs; where the top 5 % of a Gaussian answer are lost, neighbours tell
in a quarter of the runs with 16 rows, in half with 64: silence proves nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from uqmsm.questions.rectangles import Estimate, jackknife
from uqmsm.questions.row_sums import left_out, per_row, quotient

__all__ = ["ERRORS", "Blame", "blamed", "neighbours"]

ERRORS = 3.0
"""Standard errors from zero beyond which chance is in doubt."""
_LEAST = 0.05


def neighbours(values: NDArray[np.float64], row_of_member: NDArray[np.int64], level: float = 0.9) -> Estimate:
    """Return how much higher the members answer that share a row with missing ones, each row by how many it lacks.

    Zero, but for its error, where members are missing at random. It points to where the missing lie, and is smaller
    than the distance to them: neighbours share but some of their draws.

    Parameters
    ----------
    values
        One answer per member, shape (members,); NaN where it is missing.
    row_of_member
        Row of each member, shape (members,).
    level
        Nominal coverage of the interval.
    """
    missing = np.isnan(values)
    _, row = np.unique(row_of_member, return_inverse=True)
    there = per_row(row, ~missing)
    center = float(values[~missing].mean()) if not missing.all() else 0.0
    total = per_row(row, np.where(missing, 0.0, values - center))
    lacking = np.where(there > 0.0, per_row(row, missing), 0.0)
    near = lacking * total / np.maximum(there, 1.0)
    return jackknife(
        quotient(left_out(near), left_out(lacking)) - quotient(left_out(total), left_out(there)),
        level,
    )


@dataclass(frozen=True)
class Blame:
    """A source that decides who is missing, its closed share of that event and the standard error."""

    source: str
    share: float
    se: float


def blamed(table: xr.Dataset, answer: str) -> list[Blame]:
    """Return the sources that decide which members lack an answer, the foremost first; empty where none does.

    Parameters
    ----------
    table
        As `ledgers` gives it.
    answer
        Name of the answer, without ``failed``.
    """
    title = f"{answer} failed"
    if title not in table["answer"].values:
        return []
    own = table.sel(answer=title)
    found = []
    for name in own["line"].values[own["of"].values == "source"].tolist():
        share, se = (float(own[key].sel(line=name)) for key in ("first_order", "first_order_se"))
        if np.isfinite(se) and share > max(_LEAST, ERRORS * se):
            found.append(Blame(str(name), share, se))
    return sorted(found, key=lambda one: -one.share)
