"""Which run next?"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, isfinite

import numpy as np
import xarray as xr

from uqmsm.errors import StudyError
from uqmsm.questions.attribute import FEWEST_ROWS, INTERVAL_ROWS

__all__ = ["GROWTH", "next_round", "printed", "rows_needed", "shortfalls"]

_PRINTED = ("estimated", "bounded")
_SUMS = ("aleatoric", "epistemic", "numerical", "interaction")
GROWTH = 1.5
"""A round has so many times the rows (or draws) of the one before."""
_MOST = 2**27
"""Rows that a design can have."""


def rows_needed(rows: int, se: float, target_se: float) -> int:
    """Return the rows that bring a standard error to its target: rows (se/target)^2, at least 16.

    Parameters
    ----------
    rows, se
        Complete rows so far, and the standard error that they gave.
    target_se
        Standard error wanted (0.05: 5 points).

    Raises
    ------
    StudyError
        When there are no rows, or an error or target is not positive and finite.
    """
    if rows < 1 or not (se > 0.0 and target_se > 0.0 and isfinite(se) and isfinite(target_se)):
        raise StudyError(f"{rows} rows with error {se} for a target of {target_se}: all must be positive and finite")
    return min(max(INTERVAL_ROWS, ceil(rows * (se / target_se) ** 2)), _MOST)


def next_round(size: int, at_most: int | None) -> int | None:
    """Return the rows (or draws) of the next round, or None where there may be no more.

    Errors are looked at once per round and rounds grow geometrically, so that looks are few (8 from 32 to 512) and a
    stop by luck is rare. The bias that sequential stopping leaves is measured in `tests/studies/test_stopping.py`; the
    theory is Y. S. Chow and H. Robbins, Ann. Math. Stat. 36, 457 (1965).

    Parameters
    ----------
    size
        Rows (or draws) of the round that has ended.
    at_most
        The end of growth; that of a design if not given.
    """
    end = _MOST if at_most is None else at_most
    return min(ceil(GROWTH * size), end) if size < end else None


def shortfalls(table: xr.Dataset, rows: int, target_se: float) -> list[str]:
    """Return what keeps a ledger from being good enough, in words: empty if every share meets the target.

    Every share that is printed is judged: lines of sources, stages and kinds, and the fractions, on every scale. The
    ledger of the event "failed" is not: the fraction of failed members has a limit of its own.

    Parameters
    ----------
    table
        As `ledgers` gives it, dims (answer, line).
    rows
        Rows of the design, complete or not.
    target_se
        Standard error wanted on every printed share.
    """
    found: list[str] = []
    for k, title in enumerate(table["answer"].values.tolist()):
        if not str(title).endswith(" failed"):
            found += _of_one(table.isel(answer=k), f"shares of {title}", rows, target_se)
    return found


def _of_one(table: xr.Dataset, title: str, rows: int, target_se: float) -> list[str]:
    refused = table["verdict"].values == "refused"
    judged = refused & (table["of"].values != "merged")
    reasons: dict[str, list[str]] = {}
    for name, reason in zip(table["line"].values[judged], table["reason"].values[judged], strict=True):
        # what a line means stands behind the reason of the refusal
        reasons.setdefault(str(reason).partition(";")[0], []).append(str(name))
    found = [f"{title}: nothing said of {', '.join(names)}: {reason}" for reason, names in reasons.items()]
    late = sorted(((se, name) for name, se in printed(table) if not se <= target_se), reverse=True)
    if not late:
        return found
    worst = max((se for se, _ in late if isfinite(se)), default=np.nan)
    names = ", ".join(f"{name} {100 * se:.1f}" for se, name in late[:3])
    more = f" and {len(late) - 3} more" if len(late) > 3 else ""
    said = f"{title}: standard error over {100 * target_se:g} points: {names}{more}"
    if not isfinite(worst):
        return [*found, f"{said}; extend it: uqmsm extend RUN --members {2 * rows}"]
    need = rows_needed(rows, worst, target_se)
    return [*found, f"{said}; needs about {need} rows: uqmsm extend RUN --members {need}"]


def printed(table: xr.Dataset) -> Iterator[tuple[str, float]]:
    """Yield every printed share and its standard error, NaN where it has none."""
    shown = np.isin(table["verdict"].values, _PRINTED)
    for name, se in zip(table["line"].values[shown], table["fair_se"].values[shown], strict=True):
        yield str(name), float(se)
    complete = table["rows"].values[table["of"].values == "kind"].max(initial=0)
    for name in _SUMS:
        if complete >= FEWEST_ROWS and np.isfinite(float(table[f"{name}_fraction"])):
            what = "interaction of kinds" if name == "interaction" else f"{name} alone"
            yield what, float(table[f"{name}_fraction_se"])
