"""What the outcomes so far tell of a run: members through, failures by reason, seconds per call, time left."""

from __future__ import annotations

import re
from collections.abc import Iterator
from time import monotonic
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from uqmsm.execution.taskfile import Status

if TYPE_CHECKING:
    from uqmsm.conduct.answering import Plan
    from uqmsm.execution.outcomes import Outcomes, StageOutcomes

__all__ = ["Pace", "failures", "seen_in"]

REASONS = 6  # told at most
LONGEST = 300  # characters of a reason
_SURE_SECONDS = 2.0  # before the wall clock corrects what the calls' own seconds say
_NUMBER = re.compile(r"\d+(?:\.\d*)?(?:[eE][-+]?\d+)?")


def seen_in(plan: Plan, outcomes: Outcomes, through: NDArray[np.bool_]) -> dict[str, Any]:
    """Return how many members and rows are through, how many members failed, and why.

    Parameters
    ----------
    plan, outcomes
        The members, and what they gave so far.
    through
        Which members are through the whole chain, shape (members,).
    """
    whole = np.all(through[plan.rows].reshape(plan.design.rows, -1), axis=1)
    return {
        "members": [int(through.sum()), len(through)],
        "rows": [int(whole.sum()), len(whole)],
        "failed_members": int((through & (outcomes.member_status() != Status.DONE)).sum()),
        "failures": failures(plan, outcomes),
    }


def failures(plan: Plan, outcomes: Outcomes) -> list[dict[str, Any]]:
    """Return the reasons of failures, the most frequent first; reasons that differ only in numbers are one.

    Each with stage, calls, members that need one of them, the latest wording, and the address of such a member.
    """
    found: list[dict[str, Any]] = []
    for name, outcome in outcomes.stages.items():
        for state, why, rows in _alike(outcome):
            members = np.flatnonzero(np.isin(outcome.calls.of_member, rows))
            address = str(plan.members[int(members[0])])
            counts = {"calls": len(rows), "members": len(members), "address": address}
            found.append({"stage": name, "state": state, "reason": why[:LONGEST], **counts})
    return sorted(found, key=lambda one: -one["members"])[:REASONS]


def _alike(outcome: StageOutcomes) -> Iterator[tuple[str, str, list[int]]]:
    """Yield state, latest wording, and calls of every kind of reason; what failed upstream is told there."""
    alike: dict[tuple[str, str], list[int]] = {}
    for row, why in outcome.reasons.items():
        if not why.startswith("upstream: "):
            state = Status(int(outcome.status[row])).word
            alike.setdefault((state, _NUMBER.sub("0", why)), []).append(row)
    for (state, _), rows in alike.items():
        yield state, outcome.reasons[rows[-1]], rows


class Pace:
    """How long calls take, and what that says about the time left.

    Parameters
    ----------
    slots
        Calls that run at the same time.
    """

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._first: tuple[float, float] | None = None

    def facts(self, outcomes: Outcomes, now: float | None = None) -> dict[str, Any]:
        """Return ``each``: stage -> mean seconds of a call, and ``left``: seconds left, None while nobody can know.

        Left is what the calls that wait would take at the mean of those that ran, shared among the slots; once the wall
        clock has run for a while, times what it took over what the calls took. A stage that waits and was never run
        makes it unknown.
        """
        now = monotonic() if now is None else now
        each: dict[str, float | None] = {}
        spent, todo, known = 0.0, 0.0, True
        for name, found in outcomes.stages.items():
            ran = found.seconds[np.isfinite(found.seconds)]
            waiting = int((found.status == Status.PENDING).sum())
            each[name] = float(f"{ran.mean():.3g}") if len(ran) else None
            spent += float(ran.sum())
            todo += waiting * float(ran.mean()) if len(ran) else 0.0
            known &= bool(len(ran)) or waiting == 0
        if self._first is None:
            self._first = (now, spent)
        wall, worked = now - self._first[0], (spent - self._first[1]) / self._slots
        slower = max(wall / worked, 1.0) if wall >= _SURE_SECONDS and worked > 0.0 else 1.0
        return {"each": each, "left": float(f"{slower * todo / self._slots:.3g}") if known else None}
