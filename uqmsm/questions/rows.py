"""How many rows does this ledger need?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil, floor, sqrt

from uqmsm.errors import StudyError
from uqmsm.members import Design
from uqmsm.questions.attribute import FEWEST_ROWS, INTERVAL_ROWS, Ledger

__all__ = ["Choice", "choose", "expected_se"]

_CHEAP = 0.1
"""A re-draw that costs less than this part of a row is worth inner levels."""


@dataclass(frozen=True)
class Choice:
    """A design, what it costs, and what it buys.

    Parameters
    ----------
    design
        The pilot's design with more rows (the pilot's are the first) and inner levels where they are cheap.
    source
        The source with the largest fair share, which decides.
    se
        Standard error expected on its fair share.
    seconds
        Cost of the whole design, the pilot included, on one worker.
    reason
        One line for `plan`.
    """

    design: Design
    source: str
    se: float
    seconds: float
    reason: str


def expected_se(share: float, rows: int) -> float:
    """Return the error of a closed share expected before any pilot, 2 S (1 - S)/sqrt(rows).

    Holds for additive chains; two to four times as much with strong interactions.
    """
    return 2.0 * share * (1.0 - share) / sqrt(rows)


def _row_seconds(design: Design, seconds: Mapping[str, float]) -> float:
    one = replace(design, rows=1).calls()
    return sum(seconds[stage] * calls for stage, calls in one.items() if design.ancestors[stage])


def _inner(design: Design, seconds: Mapping[str, float]) -> dict[str, int]:
    """Return levels for sources that are cheap to draw again: clip(sqrt(row/re-draw), 2, 6)."""
    plain = replace(design, inner={})
    row, found = _row_seconds(plain, seconds), dict(design.inner)
    for label in design.labels:
        redraw = 2.0 * sum(seconds[stage] for stage, seen in design.ancestors.items() if label in seen)
        if redraw < _CHEAP * row:
            levels = 6 if redraw <= row / 36.0 else floor(sqrt(row / redraw))
            found[label] = max(found.get(label, 2), levels)
    return {label: levels for label, levels in found.items() if levels > 2}


def choose(
    pilot: Ledger, seconds: Mapping[str, float], *, target_se: float = 0.05, budget_s: float | None = None
) -> Choice:
    """Return the design that reaches a standard error on the largest fair share.

    R = rows (pilot se/target)^2, at least 16, capped by the budget; the error of what the budget buys is stated.

    Parameters
    ----------
    pilot
        Ledger of the pilot, 8 complete rows or more; its rows are kept as the first.
    seconds
        Stage -> seconds of one call.
    target_se
        Standard error wanted on the largest fair share (0.05: 5 points).
    budget_s
        Seconds of computation for the whole design, the pilot included; no limit when None.

    Raises
    ------
    StudyError
        When the pilot has fewer than 8 complete rows, a stage has no cost, or the budget does not buy 16 rows.
    """
    design = pilot.design
    missing = [stage for stage in design.stages if stage not in seconds]
    if missing:
        raise StudyError(f"no seconds for stages {missing}; time one call of each")
    if pilot.rows < FEWEST_ROWS:
        raise StudyError(f"the pilot has {pilot.rows} complete rows; it needs {FEWEST_ROWS}: extend it")
    if not target_se > 0.0:
        raise StudyError(f"target_se={target_se}; a standard error to reach is positive")
    shares = {label: pilot.fair_share(label) for label in design.labels}
    if not pilot.shares.variance[0] > 0.0:
        raise StudyError("the answer did not vary over the pilot: there is nothing to share out")
    largest = max(shares, key=lambda label: shares[label].value)
    se = shares[largest].se
    wanted = max(INTERVAL_ROWS, design.rows, ceil(pilot.rows * (se / target_se) ** 2))
    chosen = replace(design, inner=_inner(design, seconds))
    row = _row_seconds(chosen, seconds)
    rows, reason = wanted, f"{wanted} rows for a standard error of {100 * target_se:g} points on {largest}"
    if budget_s is not None and wanted * row > budget_s:
        rows = floor(budget_s / row)
        reason = f"the budget buys {rows} of the {wanted} rows wanted for {100 * target_se:g} points on {largest}"
    if rows < max(INTERVAL_ROWS, design.rows):
        floor_s = max(INTERVAL_ROWS, design.rows) * row
        raise StudyError(f"{budget_s} s buy {rows} rows, a ledger needs {INTERVAL_ROWS}: allow {floor_s:.3g} s")
    return Choice(replace(chosen, rows=rows), largest, se * sqrt(pilot.rows / rows), rows * row, reason)
