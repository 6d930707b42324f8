"""Is it converged? Each check says what was found, what is asked for, and what to do if it is not met."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from uqmsm.report.digits import number, percent, written
from uqmsm.report.facts import Answer, answers, group, notes, plain, source_words
from uqmsm.report.ledger_facts import Ledger, ledgers
from uqmsm.report.missing_section import doubts
from uqmsm.report.words import INTERVAL_ROWS, enough

__all__ = ["Check", "checks", "overall", "verdict"]

_TARGET_SE = 0.05
_TOLERATED = 0.05
_RANK = {"good": 0, "care": 1, "bad": 2}


@dataclass(frozen=True)
class Check:
    """One light.

    Parameters
    ----------
    state
        ``good``; ``care``: met but close, or advice that the study did not ask for; ``bad``: missed, so that the run
        ends with exit code 3 or 4.
    what, found, asked, todo
        In words; `todo` is empty where nothing is to be done.
    factor
        How many times over its limit a missed check is, 0 where that is no number.
    advice
        Whether it never decides the exit code.
    """

    state: str
    what: str
    found: str
    asked: str
    todo: str = ""
    factor: float = 0.0
    advice: bool = False

    @property
    def sign(self) -> str:
        """Return the state as a word and a shape, so that colour alone carries nothing."""
        if self.state == "bad":
            return f"■ missed {_times(self.factor)}".rstrip()
        return {"good": "● met", "care": "▲ look" if self.advice else "▲ met, close"}[self.state]


def overall(found: Sequence[Check]) -> str:
    """Return the worst state."""
    return max((check.state for check in found), key=_RANK.__getitem__, default="care")


def verdict(found: Sequence[Check]) -> tuple[str, str]:
    """Return, in a word and a sentence, what the checks say together; it agrees with the exit code of the run."""
    missed = [check for check in found if check.state == "bad"]
    looks = sum(check.state == "care" for check in found)
    if missed:
        worst = _times(max(check.factor for check in missed))
        count = f"{len(missed)} check{' is' if len(missed) == 1 else 's are'} missed"
        by = f" ({'' if len(missed) == 1 else 'at worst '}{worst} its limit)" if worst else ""
        return "■ Not yet:", f"{count}{by}. Read the answer with that in mind."
    if looks:
        count = "one check deserves" if looks == 1 else f"{looks} checks deserve"
        return "● Yes.", f"Every target of the study is met; {count} a look: close to the limit, or advice."
    return "● Yes.", "Every check below is met."


def _times(factor: float) -> str:
    return f"{number(factor, 2)}×" if math.isfinite(factor) and factor > 1.0 else ""


def checks(results: xr.DataTree) -> list[Check]:
    """Return every check that the tree allows: members, means, shares, posteriors, biases, probabilities."""
    given = answers(results)
    found = [_members(results, given)]
    found += _chance(results, given)
    found += [check for answer in given if (check := _mean(answer))]
    target = _setting(results, "target_se", _TARGET_SE)
    found += _ledgers(results, given, target)
    found += _comparable(group(results, "checks"))
    node = results.children.get("diagnostics")
    for stage in node.children if node is not None else ():
        found += _posterior(str(stage), group(results, f"diagnostics/{stage}"))
    found += _shifts(group(results, "shifts")) + _probability(group(results, "probability"))
    complaints = notes(results, "complaints") or []
    if not any(check.state == "bad" for check in found):  # what ended the run with 4 and no light above has seen
        found += [Check("bad", "what the run says", str(complaint), "answered") for complaint in complaints]
    return found


def _light(bad: bool, care: bool) -> str:
    return "bad" if bad else "care" if care else "good"


def _setting(results: xr.DataTree, key: str, otherwise: float) -> float:
    given = notes(results, key)
    return otherwise if given is None else float(given)


def _members(results: xr.DataTree, given: Sequence[Answer]) -> Check:
    table = group(results, "members")
    if table is not None and "status" in table:  # what the exit code looks at: members of every sort
        fates = np.asarray(table["status"].values).astype(str)
        used, of = int((fates == "done").sum()), len(fates)
    else:
        used, of = min((answer.used, answer.of) for answer in given)
    lost = 1.0 - used / of if of else 1.0
    limit = _setting(results, "tolerated_failures", _TOLERATED)
    todo = "see what is missing, below; shares are given success" if lost else ""
    said = f"{used} of {of} members succeeded" + (f", {percent(lost, small=1)} failed" if lost else "")
    state = _light(lost > limit, lost > 0.5 * limit)
    return Check(state, "Members", said, f"at most {percent(limit)} failed", todo, lost / limit if limit else 0.0)


def _chance(results: xr.DataTree, given: Sequence[Answer]) -> list[Check]:
    """Return a light, once, if something speaks against chance as the reason why members are missing."""
    words = source_words(results)
    said = next(filter(None, (doubts(results, answer, words) for answer in given)), "")
    todo = "read the worst cases under what is missing; mend what fails"
    return [Check("care", "Members missing by chance", said, "nothing against it", todo, advice=True)] if said else []


def _mean(answer: Answer) -> Check | None:
    if not (math.isfinite(answer.mean.se) and answer.sd.value > 0.0):
        return None
    ratio = answer.mean.se / answer.sd.value
    state = _light(False, ratio > 0.2)
    said = f"standard error {number(answer.mean.se, 2)} {answer.units}".rstrip() + f", {percent(ratio)} of the sd"
    todo = "" if state == "good" else "more rows"
    return Check(state, f"Mean of {answer.words}", said, "under 20 % of the sd", todo, advice=True)


def _ledgers(results: xr.DataTree, given: Sequence[Answer], target: float) -> list[Check]:
    """Return a light per ledger, and one where there is none though the answers vary."""
    table, known = group(results, "ledger"), ledgers(results)
    words = {answer.name: answer.words for answer in given}
    if table is not None:
        tables = [table.isel(answer=[k]) for k in range(len(known))]
        found = [_shares(*both, words, target) for both in zip(known, tables, strict=True)]
        return [check for check in found if check]
    if all(answer.sd.value == 0.0 for answer in given):
        return []
    some = any(answer.used for answer in given)
    todo = enough(INTERVAL_ROWS) if some else "see the failures below"
    said = f"no ledger: {'too few rows' if some else 'no member succeeded'}"
    return [Check("bad", "Shares of the variance", said, f"{INTERVAL_ROWS} complete rows or more", todo)]


def _shares(ledger: Ledger, table: xr.Dataset, words: Mapping[str, str], target: float) -> Check | None:
    if ledger.title.endswith(" failed"):
        return None
    from uqmsm.questions.allocate import rows_needed, shortfalls  # here, because it brings scipy

    lines = [line for of in ("source", "stage", "kind") for line in ledger.by(of)]
    rows = max((line.rows for line in lines), default=0)
    what = f"Shares of {words.get(ledger.answer, plain(ledger.answer))}"
    what += "" if ledger.scale == "raw" else f" ({ledger.scale} scale)"
    late = shortfalls(table, rows, target)
    errors = [line.fair.se for line in lines if line.verdict in {"estimated", "bounded"}]
    sums = [ledger.sums[name].se for name in ("epistemic", "aleatoric", "numerical", "interaction")]
    worst = max((se for se in [*errors, *sums] if math.isfinite(se)), default=0.0)
    asked = f"at most {100 * target:g} point{'' if target == 0.01 else 's'}"
    refused = [line for line in lines if line.verdict == "refused"]
    if refused and len(refused) == len(lines):
        reason = refused[0].reason.partition(";")[0]
        return Check(
            "bad", what, f"no shares: {reason}", asked, enough(INTERVAL_ROWS if rows < INTERVAL_ROWS else 2 * rows)
        )
    more = rows_needed(rows, worst, target) if worst > target else 2 * rows
    found = f"largest standard error {100 * worst:.1f} points, {rows} rows"
    if late and refused:
        found += f"; nothing said of {len(refused)} of {len(lines)} lines: {refused[0].reason.partition(';')[0]}"
    state = _light(bool(late), worst > 0.8 * target)
    return Check(state, what, found, asked, enough(max(more, INTERVAL_ROWS)) if late else "", worst / target)


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
        Check(
            "care",
            f"Outcomes of {plain(name)}",
            "no share of its own",
            "comparable across its ancestors",
            advice.replace("`", ""),
            advice=True,
        )
        for name, advice in found.items()
    ]


def _posterior(stage: str, table: xr.Dataset | None) -> list[Check]:
    if table is None or "quantity" not in table.variables:
        return []
    names = [str(name) for name in np.atleast_1d(table["quantity"].values)]
    found = []
    lenient = table.attrs.get("converged") == "yes"  # the study asked for less than these limits, and has it
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
            state = _light(not lenient, True)
            found.append(Check(state, f"Posterior of {stage}", f"{words} is not known", "a number", todo))
            continue
        at = int(np.nanargmin(values) if least else np.nanargmax(values))
        value = float(values[at])
        met = value >= limit if least else value < limit
        near = value < 1.05 * limit if least else value > 1.0 + 0.8 * (limit - 1.0)
        sign = "at least" if least else "under"
        said = f"{words} {number(value, 4 if key == 'r_hat' else 3)} at worst, for {names[at]}"
        over = limit / value if least else 0.0
        state = _light(not met and not lenient, near or not met)
        asked = f"{sign} {written(limit)}"
        found.append(Check(state, f"Posterior of {stage}", said, asked, "" if met else todo, over, lenient and not met))
    if table.attrs.get("converged") == "no" and all(check.state != "bad" for check in found):
        said = "the sampler says that it has not converged"
        found.append(Check("bad", f"Posterior of {stage}", said, "converged chains", "longer chains"))
    return found


def _shifts(table: xr.Dataset | None) -> list[Check]:
    if table is None or "in_sd" not in table.data_vars:
        return []
    found = []
    flat = table["in_sd"].stack(each=("answer", "refinement"))
    for value, (answer, refinement) in zip(flat.values, flat["each"].values, strict=True):
        if math.isfinite(float(value)):
            state = _light(False, abs(value) > 0.25)
            said = f"{number(float(value), 2)} sd of the answer remain"
            todo = "" if state == "good" else f"refine the {refinement}"
            what = f"Bias of {plain(refinement)} in {plain(answer)}"
            found.append(Check(state, what, said, "under 0.25 sd", todo, advice=True))
    return found


def _probability(table: xr.Dataset | None) -> list[Check]:
    if table is None or "inner" not in table.variables:
        return []
    least = int(np.min(table["inner"].values))
    state = _light(False, least < 50)
    said = f"{least} inner members per epistemic draw"
    todo = "" if state == "good" else "more inner members: members: {band: {inner: 50}}"
    return [Check(state, "Band of the probability", said, "at least 50", todo, advice=True)]
