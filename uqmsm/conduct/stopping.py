"""Are there members enough? Every round of a run is judged by the standard errors that its study wants."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import inf, isfinite
from typing import Any

import numpy as np
from scipy.stats import norm

from uqmsm.chain import Chain
from uqmsm.conduct.answering import Answer, Plan, Values, answer_of, happened
from uqmsm.errors import StudyError
from uqmsm.members import Size
from uqmsm.questions.allocate import next_round, printed, rows_needed
from uqmsm.questions.ledgers import ledgers
from uqmsm.questions.propagate import spread
from uqmsm.questions.reliability import probability, probability_band
from uqmsm.study import Members, Study, Until

__all__ = ["Judged", "judged", "next_size", "shortfall"]

_LEVEL = 0.9
_HALF_WIDTH = float(norm.ppf(0.5 + _LEVEL / 2.0))


@dataclass(frozen=True)
class Judged:
    """One wanted standard error, as it stands at the end of a round.

    Parameters
    ----------
    what
        In words: ``mean of y``.
    se, wanted
        In the unit of the answer, or a share of 1; `se` is infinite where it cannot be told yet.
    unit
        That unit.
    grows
        ``rows`` or ``draws``: what brings it down.
    need
        Rows (or draws) that would reach it by the usual law (four times as many halve it), None if that is not known.
    why
        Why there is no number, if there is none.
    """

    what: str
    se: float
    wanted: float
    unit: str
    grows: str
    need: int | None
    why: str = ""

    @property
    def met(self) -> bool:
        """Whether it is reached."""
        return self.se <= self.wanted

    def __str__(self) -> str:
        """Return a sentence without its end."""
        unit = "" if self.unit == "1" else f" {self.unit}"
        if not isfinite(self.se):
            return f"standard error of {self.what}: not known ({self.why}), wanted {self.wanted:.3g}{unit}"
        return f"standard error of {self.what}: {self.se:.3g}{unit}, wanted {self.wanted:.3g}{unit}"

    def plain(self) -> dict[str, Any]:
        """Return what the journal and ``--json`` say of it."""
        se = self.se if isfinite(self.se) else None
        about = {"what": self.what, "se": se, "wanted": self.wanted, "unit": self.unit}
        return about | {"met": self.met, "grows": self.grows, "needs": self.need}


def judged(study: Study, chain: Chain, plan: Plan, outcomes: Values) -> list[Judged]:
    """Return every standard error that a study wants, as the members of a round give it.

    A study wants some once per threshold of a probability. What cannot be judged (too few members succeeded) is not
    met.

    Parameters
    ----------
    study, chain
        What is wanted.
    plan, outcomes
        The members so far, and what they gave.
    """
    asked = {ask.answer: answer_of(chain, ask, outcomes) for ask in study.ask}
    found: list[Judged] = []
    for rule in study.members.until:
        one = asked[rule.answer]
        if rule.of == "probability":
            found += [_probability(rule, one, plan, limit, direction) for limit, direction in one.thresholds]
        elif rule.of == "ledger":
            error = partial(_share, rule, one, plan)
            found.append(_tried(rule, f"the shares of {one.name}", "1", plan.design.rows, error))
        else:
            found.append(_tried(rule, _words(rule), one.unit, plan.design.rows, partial(_moment, rule, one, plan)))
    return found


def _words(rule: Until) -> str:
    which = f"{rule.at:g} quantile" if rule.of == "quantile" else {"sd": "standard deviation"}.get(rule.of, rule.of)
    return f"the {which} of {rule.answer}"


def _tried(rule: Until, what: str, unit: str, size: int, error: Callable[[], float], grows: str = "rows") -> Judged:
    wanted = float(rule.se)
    what = f"{what}, line {rule.line}" if rule.line is not None else what
    try:
        se = error()
    except StudyError as fault:
        return Judged(what, inf, wanted, unit, grows, None, str(fault).partition(":")[0])
    if not isfinite(se):
        return Judged(what, inf, wanted, unit, grows, None, f"too few {grows} tell it")
    need = rows_needed(size, se, wanted) if se > wanted else None
    return Judged(what, se, wanted, unit, grows, need)


def _moment(rule: Until, one: Answer, plan: Plan) -> float:
    at = (rule.at,) if rule.at is not None else (0.5,)
    found = spread(one.values[plan.rows], plan.design.row_of_member, probabilities=at)
    each = {"mean": found.mean, "sd": found.sd}.get(rule.of, found.quantiles[at[0]])
    return each.se


def _share(rule: Until, one: Answer, plan: Plan) -> float:
    """Return the error of one line, or the largest of all that are printed, on the scale that suits the answer."""
    table = ledgers(plan.design, {one.name: one.values[plan.rows]}).isel(answer=0)
    if rule.line is not None:
        of_line = table["line"].values == rule.line
        return float(table["fair_se"].values[of_line][0])
    errors = [se for _, se in printed(table)]
    return max(errors, default=np.nan) if all(map(isfinite, errors)) else np.nan


def _probability(rule: Until, one: Answer, plan: Plan, limit: float, direction: str) -> Judged:
    events = happened(one.values, limit, direction)
    unit = "" if one.unit == "1" else f" {one.unit}"
    what = f"the probability of {one.name} {direction} {limit:g}{unit}"
    nested = plan.nested

    def error() -> float:
        if nested is not None:
            mean = probability_band(nested.arrange(events[plan.inner]), level=_LEVEL).mean
            return _reach(mean.se, mean.lo, mean.hi)
        found = probability(events[plan.rows], plan.design.row_of_member, level=_LEVEL)
        return _reach(*(float(found[f"probability{end}"]) for end in ("_se", "_lo", "_hi")))

    if nested is None:
        return _tried(rule, what, "1", plan.design.rows, error)
    return _tried(rule, what, "1", nested.draws, error, "draws")


def _reach(se: float, low: float, high: float) -> float:
    """Return an error; of an event never (or always) seen, the one that would give an interval as wide as its limit."""
    return se if isfinite(se) else (high - low) / _HALF_WIDTH


def next_size(members: Members, size: Size, found: Sequence[Judged]) -> Size | None:
    """Return the size of the next round, or None where all is reached or no more may be added.

    It follows from the study and the errors alone, not from the machine.

    Parameters
    ----------
    members
        What the study says of rounds.
    size
        Of the round that has ended.
    found
        What it gave.
    """
    late = {one.grows for one in found if not one.met}
    rows = next_round(size.rows, members.at_most) if "rows" in late else None
    most = members.band.at_most if members.band is not None else None
    draws = next_round(size.draws, most) if "draws" in late else None
    if rows is None and draws is None:
        return None
    return Size(rows or size.rows, draws or size.draws, size.inner)


def shortfall(found: Sequence[Judged], size: Size, why: str) -> list[str]:
    """Return what was wanted and not reached, in words with the next command; `why` says what ended the rounds."""
    options: Mapping[str, tuple[int, str]] = {"rows": (size.rows, "--members"), "draws": (size.draws, "--band-draws")}
    lines = []
    for one in found:
        if not one.met:
            now, option = options[one.grows]
            need = one.need if one.need is not None else 2 * now
            about = f"needs about {need} {one.grows}" if one.need is not None else f"twice the {one.grows} may tell"
            lines.append(f"{one}, with {now} {one.grows} ({why}); {about}: uqmsm extend RUN {option} {need}")
    return lines
