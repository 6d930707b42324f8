"""Is it converged? Each check says what was found, what is asked for, and what to do if it is not met."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from uqmsm.report.digits import number, percent, written
from uqmsm.report.facts import Answer, answers, group, notes, plain
from uqmsm.report.ledger_facts import Ledger, ledgers

__all__ = ["Check", "checks", "overall"]

_TARGET_SE = 0.05
_TOLERATED = 0.05
_RANK = {"good": 0, "care": 1, "bad": 2}


@dataclass(frozen=True)
class Check:
    """One light.

    Parameters
    ----------
    state
        ``good``, ``care`` or ``bad``.
    what, found, asked, todo
        In words; `todo` is empty where nothing is to be done.
    """

    state: str
    what: str
    found: str
    asked: str
    todo: str = ""

    @property
    def sign(self) -> str:
        """Return the state as a word and a shape, so that colour alone carries nothing."""
        return {"good": "● met", "care": "▲ nearly", "bad": "■ not met"}[self.state]


def overall(found: Sequence[Check]) -> str:
    """Return the worst state."""
    return max((check.state for check in found), key=_RANK.__getitem__, default="care")


def checks(results: xr.DataTree) -> list[Check]:
    """Return every check that the tree allows: members, means, shares, posteriors, biases, probabilities."""
    given = answers(results)
    found = [_members(results, given)]
    found += [check for answer in given if (check := _mean(answer))]
    target = float(notes(results, "target_se") or _TARGET_SE)
    found += [check for ledger in ledgers(results) if (check := _shares(ledger, target))]
    found += _comparable(group(results, "checks"))
    node = results.children.get("diagnostics")
    for stage in node.children if node is not None else ():
        found += _posterior(str(stage), group(results, f"diagnostics/{stage}"))
    found += _shifts(group(results, "shifts")) + _probability(group(results, "probability"))
    return found


def _light(bad: bool, care: bool) -> str:
    return "bad" if bad else "care" if care else "good"


def _members(results: xr.DataTree, given: Sequence[Answer]) -> Check:
    used, of = min((answer.used, answer.of) for answer in given)
    lost = 1.0 - used / of if of else 1.0
    limit = float(notes(results, "tolerated_failures") or _TOLERATED)
    todo = "see the failures below; shares are given success" if lost else ""
    said = f"{used} of {of} members succeeded" + (f", {percent(lost, small=1)} failed" if lost else "")
    return Check(_light(lost > limit, lost > 0.0), "Members", said, f"at most {percent(limit)} failed", todo)


def _mean(answer: Answer) -> Check | None:
    if not (math.isfinite(answer.mean.se) and answer.sd.value > 0.0):
        return None
    ratio = answer.mean.se / answer.sd.value
    state = _light(ratio > 0.4, ratio > 0.2)
    said = f"standard error {number(answer.mean.se, 2)} {answer.units}".rstrip() + f", {percent(ratio)} of the sd"
    return Check(
        state, f"Mean of {answer.words}", said, "under 20 % of the sd", "" if state == "good" else "more members"
    )


def _shares(ledger: Ledger, target: float) -> Check | None:
    lines = [line for of in ("source", "stage", "kind") for line in ledger.by(of)]
    rows = min((line.rows for line in lines), default=0)
    what = f"Shares of {plain(ledger.title)}"
    errors = [
        line.fair.se for line in lines if line.verdict in {"estimated", "bounded"} and math.isfinite(line.fair.se)
    ]
    if ledger.title.endswith(" failed"):
        return None
    if not errors:
        reason = lines[0].reason if lines else "there are no sources"
        return Check("bad", what, f"no shares: {reason}", "16 complete rows or more", "more members")
    from uqmsm.questions.allocate import rows_needed  # here, because it brings scipy

    sums = (ledger.sums[name] for name in ("epistemic", "aleatoric", "numerical", "interaction"))
    worst = max([*errors, *(each.se for each in sums if math.isfinite(each.se))])
    state = _light(worst > 2.0 * target, worst > target or rows < 16)
    more = rows_needed(max(line.rows for line in lines), worst, target) if worst > 0.0 else rows
    todo = "" if state == "good" else f"about {more} rows in place of {rows}"
    points = f"largest standard error {100 * worst:.1f} points, {rows} rows"
    return Check(state, what, points, f"at most {100 * target:.0f} points", todo)


def _comparable(table: xr.Dataset | None) -> list[Check]:
    """Return a light per source that acts only through others though it declared nothing."""
    if table is None or "advice" not in table.data_vars:
        return []
    found: dict[str, str] = {}
    for answer in range(table.sizes["answer"]):
        for line in range(table.sizes["line"]):
            advice = str(table["advice"].values[answer, line])
            if advice:
                found.setdefault(str(table["line"].values[line]), advice)
    return [
        Check("care", f"Outcomes of {plain(name)}", "no share of its own", "comparable across its ancestors", advice)
        for name, advice in found.items()
    ]


def _posterior(stage: str, table: xr.Dataset | None) -> list[Check]:
    if table is None or "quantity" not in table.variables:
        return []
    names = [str(name) for name in np.atleast_1d(table["quantity"].values)]
    found = []
    for key, words, limit, least, todo in (
        ("r_hat", "R-hat", 1.01, False, "longer chains"),
        ("ess_bulk", "bulk ESS", 400.0, True, "longer chains"),
        ("ess_tail", "tail ESS", 400.0, True, "longer chains"),
        ("length_over_tau", "length / tau", 50.0, True, "longer chains"),
    ):
        if key not in table.data_vars:
            continue
        values = np.asarray(table[key].values, dtype=np.float64)
        if not np.isfinite(values).any():
            found.append(Check("bad", f"Posterior of {stage}", f"{words} is not known", "a number", todo))
            continue
        at = int(np.nanargmin(values) if least else np.nanargmax(values))
        value = float(values[at])
        met = value >= limit if least else value < limit
        near = value >= 0.7 * limit if least else value < 1.0 + 2.0 * (limit - 1.0)
        sign = "at least" if least else "under"
        said = f"{words} {number(value, 4 if key == 'r_hat' else 3)} at worst, for {names[at]}"
        found.append(
            Check(
                _light(not met and not near, not met),
                f"Posterior of {stage}",
                said,
                f"{sign} {written(limit)}",
                "" if met else todo,
            )
        )
    return found


def _shifts(table: xr.Dataset | None) -> list[Check]:
    if table is None or "in_sd" not in table.data_vars:
        return []
    found = []
    flat = table["in_sd"].stack(each=("answer", "refinement"))
    for value, (answer, refinement) in zip(flat.values, flat["each"].values, strict=True):
        if math.isfinite(float(value)):
            state = _light(abs(value) > 0.5, abs(value) > 0.25)
            said = f"{number(float(value), 2)} sd of the answer remain"
            todo = "" if state == "good" else f"refine the {refinement}"
            found.append(Check(state, f"Bias of {plain(refinement)} in {plain(answer)}", said, "under 0.25 sd", todo))
    return found


def _probability(table: xr.Dataset | None) -> list[Check]:
    if table is None or "inner" not in table.variables:
        return []
    least = int(np.min(table["inner"].values))
    state = _light(least < 20, least < 50)
    said = f"{least} inner members per epistemic draw"
    return [
        Check(state, "Band of the probability", said, "at least 50", "" if state == "good" else "more inner members")
    ]
