"""Members in rounds: each is run and judged, and more are added until what is wanted is reached or its budget ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from uqmsm.conduct.answering import Plan, planned, size_of
from uqmsm.conduct.lock import Lock, enlarged, keep, sizes_of
from uqmsm.conduct.stopping import Judged, judged, next_size, shortfall
from uqmsm.execution.journal import read_journal
from uqmsm.execution.taskfile import Status
from uqmsm.members import Size

if TYPE_CHECKING:
    from uqmsm.chain import Chain
    from uqmsm.execution.journal import RunFolder
    from uqmsm.execution.outcomes import Outcomes
    from uqmsm.study import Study

__all__ = ["Grown", "grow", "rounds_of"]


@dataclass(frozen=True)
class Grown:
    """The members that a run ended with, and how they came together.

    Parameters
    ----------
    plan, outcomes
        The members, and what they gave.
    late
        Standard errors that were wanted and not reached, in words with the next command.
    rounds
        Every round that was judged, as plain data.
    """

    plan: Plan
    outcomes: Outcomes
    late: list[str] = field(default_factory=list)
    rounds: list[dict[str, Any]] = field(default_factory=list)

    @property
    def size(self) -> dict[str, int]:
        """Rows, draws and inner members, as plain data."""
        nested = self.plan.nested
        inner = {"draws": 0, "inner": 0} if nested is None else {"draws": nested.draws, "inner": nested.inner}
        return {"rows": self.plan.design.rows, **inner}


def grow(
    study: Study,
    chain: Chain,
    folder: RunFolder,
    lock: Lock,
    go: Callable[[Plan], Outcomes],
    tell: Callable[[str], None],
) -> Grown:
    """Run the members of a study, and more of them in rounds while a wanted standard error is not reached.

    What a round has decided stands in the lock before the next begins: a run that was killed goes on with the same
    rounds, and without a budget of time they are those of any other machine.

    Parameters
    ----------
    study, chain, folder, lock
        The run.
    go
        Runs the members of a plan, or reads back what was run before.
    tell
        Takes one line for people.
    """
    sizes = sizes_of(folder.path, lock, size_of(study))
    spent = sum(float(one["seconds"]) for one in _notes(folder.path))
    while True:
        began = perf_counter()
        plan = planned(study, sizes)
        outcomes = go(plan)
        if not study.members.until:
            return Grown(plan, outcomes)
        found = judged(study, chain, plan, outcomes)
        seconds = perf_counter() - began
        spent += seconds
        size = sizes[-1]
        about = {"rows": size.rows, "draws": size.draws, "inner": size.inner}
        folder.note("round", **about, seconds=round(seconds, 3), judged=[one.plain() for one in found])
        for one in found:
            tell(f"{size}: {one}{', reached' if one.met else ''}")
        more, why = _more(study, sizes, found, outcomes, spent)
        if more is None:
            return Grown(plan, outcomes, shortfall(found, size, why), rounds_of(folder.path))
        tell(f"{size} are not enough: on to {more}")
        sizes = (*sizes, more)
        lock = enlarged(lock, sizes, "until")
        keep(folder, lock)


def _more(
    study: Study, sizes: Sequence[Size], found: Sequence[Judged], outcomes: Outcomes, spent: float
) -> tuple[Size | None, str]:
    """Return the size of the next round, or None and what ended the rounds."""
    size = sizes[-1]
    more = next_size(study.members, size, found)
    if more is None:
        return None, "at_most is reached"
    failed = float(np.mean(outcomes.member_status() != Status.DONE))
    if failed > study.run.tolerate_failures:
        return None, f"{100 * failed:.3g} % of the members failed, and more of them would"
    budget = study.members.budget
    if budget is not None:
        members = len(planned(study, (*sizes, more)).members)
        ahead = spent * (members / len(outcomes.members) - 1.0)
        if spent + ahead > budget:
            words = f"budget {budget:g} s: {spent:.3g} s are spent, {more} would take {ahead:.3g} s more"
            return None, f"{words}; another machine gets elsewhere"
    return more, ""


def _notes(path: Path) -> list[dict[str, Any]]:
    return [entry for entry in read_journal(path)[0] if entry.get("kind") == "round"]


def rounds_of(path: Path) -> list[dict[str, Any]]:
    """Return every round that the journal of a run tells of, the last word on each size, without times."""
    last = {(one["rows"], one["draws"], one["inner"]): one for one in _notes(path)}
    keys = ("rows", "draws", "inner", "judged")
    return [{key: one[key] for key in keys} for _, one in sorted(last.items())]
