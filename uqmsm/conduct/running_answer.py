"""The answer so far, while a study runs: mean, scatter, and the epistemic share once enough rows are through."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from uqmsm.quantity import converted

if TYPE_CHECKING:
    from uqmsm.chain import Chain
    from uqmsm.conduct.answering import Plan
    from uqmsm.execution.outcomes import Outcomes
    from uqmsm.study import Study

__all__ = ["running_answer"]


def running_answer(
    study: Study, chain: Chain, plan: Plan, observer: Any
) -> Callable[[Outcomes, NDArray[np.bool_]], None] | None:
    """Return what the dispatcher calls from time to time with the outcomes so far, or None without an observer."""
    if observer is None or not study.ask:
        return None
    ask = study.ask[0]
    stage, port = chain.giver(ask.answer)
    unit = ask.unit or port.unit

    def tell(outcomes: Outcomes, through: NDArray[np.bool_]) -> None:
        values = converted(outcomes.member_values(stage, port.name), port.unit, unit)
        values = np.where(through & np.isfinite(values), values, np.nan)[plan.rows]
        there = np.isfinite(values)
        if there.sum() < 2:
            return
        mean, sd = np.nanmean(values), np.nanstd(values, ddof=1)
        share = _epistemic(plan, values)
        word = "" if unit == "1" else f" {unit}"
        observer.answer(f"{ask.answer} = {mean:.4g} ± {sd:.2g}{word}{share} ({there.sum()} of {len(values)} members)")

    return tell


def _epistemic(plan: Plan, values: NDArray[np.float64]) -> str:
    """Return the epistemic share in words once 8 rows are complete."""
    from uqmsm.questions.attribute import FEWEST_ROWS, Ledger

    whole = np.isfinite(values).reshape(plan.design.rows, -1).all(axis=1).sum()
    if whole < FEWEST_ROWS:
        return ""
    share = float(Ledger(plan.design, values).fractions()["epistemic_fraction"])
    return f", {max(100 * share, 0.0):.0f} % epistemic" if np.isfinite(share) else ""
