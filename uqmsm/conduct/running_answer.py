"""The answer so far, while a study runs: mean, scatter of each kind, and the ledger as it forms.

The numbers are those that the finished run will give, from the members that are through: once all are, they are equal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite, nan, sqrt
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.quantity import converted

if TYPE_CHECKING:
    from uqmsm.chain import Chain
    from uqmsm.conduct.answering import Plan
    from uqmsm.execution.outcomes import Outcomes
    from uqmsm.questions.attribute import Ledger
    from uqmsm.questions.lines import Line
    from uqmsm.study import Ask

__all__ = ["Shares", "Standing", "standing"]

Floats = NDArray[np.float64]
KINDS = ("epistemic", "aleatoric", "numerical")
POINTS = 40
"""Points of the history of a mean."""


@dataclass(frozen=True)
class Shares:
    """A ledger as far as it is known.

    Parameters
    ----------
    scale
        ``raw``, ``log`` or ``rank``: of what the lines are shares.
    rows
        Complete rows.
    sources, stages
        Lines in chain order, with their verdicts.
    """

    scale: str
    rows: int
    sources: tuple[Line, ...]
    stages: tuple[Line, ...]


@dataclass(frozen=True)
class Standing:
    """How one answer stands.

    Parameters
    ----------
    name, unit
        As asked for.
    mean, mean_se, sd
        In that unit; NaN while too few rows are through.
    used, through, of
        Members of the rows that gave it, that are through, and all.
    fractions
        Kind (and ``interaction``) -> closed share of the variance and its standard error; empty while unknown. They add
        up to 1.
    shares
        The ledger, None while there is none or none was asked for.
    history
        (rows, mean, standard error) as it was after so many independent rows, in their order.
    """

    name: str
    unit: str
    mean: float
    mean_se: float
    sd: float
    used: int
    through: int
    of: int
    fractions: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    shares: Shares | None = None
    history: tuple[tuple[int, float, float], ...] = ()

    def sd_of(self, part: str) -> float:
        """Return the standard deviation that a kind (or their interaction) would leave alone, NaN while unknown."""
        share = self.fractions.get(part, (nan, nan))[0]
        return self.sd * sqrt(max(share, 0.0)) if isfinite(share) else nan

    def line(self) -> str:
        """Return the answer in one line, empty while there is none."""
        if self.used < 2:
            return ""
        word = "" if self.unit == "1" else f" {self.unit}"
        share = self.fractions.get("epistemic", (nan, nan))[0]
        known = f", {max(100 * share, 0.0):.0f} % epistemic" if isfinite(share) else ""
        return f"{self.name} = {self.mean:.4g} ± {self.sd:.2g}{word}{known} ({self.used} of {self.of} members)"


def standing(ask: Ask, chain: Chain, plan: Plan, outcomes: Outcomes, through: NDArray[np.bool_]) -> Standing:
    """Return how an answer stands, from the members that are through.

    Parameters
    ----------
    ask
        What is asked.
    chain, plan
        The chain, and its members.
    outcomes
        What was computed so far.
    through
        Which members are through the whole chain, shape (members,).
    """
    stage, port = chain.giver(ask.answer)
    unit = ask.unit or port.unit
    values = converted(outcomes.member_values(stage, port.name), port.unit, unit)
    values = np.where(through, values, np.nan)[plan.rows]
    there = np.isfinite(values)
    spread, history = _over_rows(values, plan)
    fractions, shares = _shares(values, plan) if ask.ledger else ({}, None)
    counts = (int(there.sum()), int(through[plan.rows].sum()), len(values))
    return Standing(ask.answer, unit, *spread, *counts, fractions, shares, history)


def _over_rows(values: Floats, plan: Plan) -> tuple[tuple[float, float, float], tuple[tuple[int, float, float], ...]]:
    """Return mean, its error and sd as `questions.propagate.spread` gives them, and the mean after fewer rows."""
    from uqmsm.questions.row_sums import moments_over_rows, per_row

    there = np.isfinite(values)
    _, row = np.unique(plan.design.row_of_member[there], return_inverse=True)
    y = values[there]
    rows = int(row.max(initial=-1)) + 1
    if rows < 3:  # too few for a standard error
        return ((float(y.mean()), nan, float(y.std(ddof=1))) if y.size > 1 else (nan, nan, nan)), ()
    center = float(y.mean())
    sums = (per_row(row, np.ones(len(y))), per_row(row, y - center), per_row(row, (y - center) ** 2))
    history = []
    for some in np.unique(np.linspace(3, rows, POINTS).astype(np.int64)).tolist():
        means, variances = moments_over_rows(*(part[:some] for part in sums))
        jackknife = sqrt((some - 1.0) * float(np.var(means[1:])))
        history.append((some, center + float(means[0]), jackknife))
    _, mean_now, se_now = history[-1]
    return (mean_now, se_now, sqrt(max(float(variances[0]), 0.0))), tuple(history)


def _shares(values: Floats, plan: Plan) -> tuple[dict[str, tuple[float, float]], Shares | None]:
    """Return the fractions of the kinds and the ledger, on the scale that the report shows first."""
    from uqmsm.conduct.answering import ROUNDING
    from uqmsm.questions.attribute import FEWEST_ROWS, Ledger
    from uqmsm.questions.scatter import scales

    there = values[np.isfinite(values)]
    if np.isinf(values).any() or not there.size or np.std(there) <= ROUNDING * np.max(np.abs(there)):
        return {}, None
    try:
        raw = Ledger(plan.design, values)
        if raw.rows < FEWEST_ROWS:
            return {}, None
        shown = scales(values)[0]
        ledger = raw if shown == "raw" else Ledger(plan.design, values, scale=shown)
        sources = tuple(line for line in ledger.list_lines("source") if line.of == "source")
        return _fractions(raw), Shares(shown, ledger.rows, sources, tuple(ledger.list_lines("stage")))
    except StudyError:  # a question that the finished run refuses, too, with its reason
        return {}, None


def _fractions(ledger: Ledger) -> dict[str, tuple[float, float]]:
    table = ledger.fractions()
    found = {kind: (f"{kind}_fraction", f"{kind}_fraction_se") for kind in (*KINDS, "interaction")}
    return {kind: (float(table[share]), float(table[se])) for kind, (share, se) in found.items()}
