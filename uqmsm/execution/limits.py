"""What a call may cost: a time limit, how often it is tried again when the machine lost it, and when it is a straggler.

The rule of retries: what the *member* did (it failed, or its crystal is unstable) is never tried again, because the
same address gives the same result. What the *machine* did is: a worker that died, a file that was damaged, and an
exception that says the machine had a bad moment (`is_transient`) cost the call one of its `Limits.retries`. A call that
took too long is not tried again in the same run, where it would take as long again.

What was lost or timed out is declared missing, with its reason, and `resume` tries it again: which call is stopped
depends on the machine and on its load, so a stop is no property of the member. Calls that finish have the same bytes
with limits and without.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.quantity import Unit

__all__ = ["Limits", "StageLimit", "Stragglers", "is_transient"]

# what an operator says of its own input by an OSError: the same at the next try
_LASTING = (FileNotFoundError, FileExistsError, IsADirectoryError, NotADirectoryError, PermissionError)


def is_transient(fault: BaseException | None) -> bool:
    """Tell whether an exception blames the machine's state and not the member: memory, disk, network, processes.

    `MemoryError` and every `OSError` but those that say a path is wrong (missing, there already, not a folder, not
    permitted). An operator that knows more raises accordingly; `uqmsm.errors.EnvironmentFault` ends the run at once,
    to be resumed, because nothing will go better before a person has acted.
    """
    return isinstance(fault, (MemoryError, OSError)) and not isinstance(fault, _LASTING)


def _demand(holds: bool, message: str) -> None:
    if not holds:
        raise StudyError(message)


@dataclass(frozen=True)
class StageLimit:
    """A time limit for the calls of one stage.

    Parameters
    ----------
    stage
        Name of the stage.
    time
        Longest time for one call.
    """

    stage: str
    time: Annotated[float, Unit("s")]

    def __post_init__(self) -> None:
        """Refuse a limit that no call could keep."""
        _demand(self.time > 0, f"time = {self.time:g} s leaves no time; write for example 30 min")


@dataclass(frozen=True)
class Stragglers:
    """When most calls of a stage are through, those that take far longer than these did are stopped.

    The rule of ERT (Equinor's Ensemble based Reservoir Tool, STOP_LONG_RUNNING), which sets 1.25 times the mean. Which
    call is stopped depends on the machine: it is declared missing (timed out, with this reason), and `resume` tries it
    again.

    Parameters
    ----------
    finished
        Share of the stage's calls that must have ended well before (``80%`` or 0.8).
    factor
        A call may take so many times what those took.
    of
        ``longest``: the longest of their times; ``mean``: their mean, which costs of one size justify.
    least
        No call is stopped before this time.
    """

    finished: Annotated[float, Unit("1")] = 0.8
    factor: float = 2.0
    of: Literal["longest", "mean"] = "longest"
    least: Annotated[float, Unit("s")] = 10.0

    def __post_init__(self) -> None:
        """Refuse a rule that would stop calls like all others."""
        _demand(0 < self.finished <= 1, f"finished = {self.finished:g} is no share; write 80% or 0.8")
        _demand(self.factor > 1, f"factor = {self.factor:g} stops calls like all others; write a number over 1")
        _demand(self.least > 0, f"least = {self.least:g} s is no time; write for example 10 s")

    def allowed(self, seconds: NDArray[np.float64], total: int) -> float:
        """Return the longest time for a call, infinite while too few have ended.

        Parameters
        ----------
        seconds
            Times of the calls that ended well, shape (calls,) [s].
        total
            Number of all calls of the stage.
        """
        if not len(seconds) or len(seconds) < self.finished * total:
            return np.inf
        usual = float(seconds.max() if self.of == "longest" else seconds.mean())
        return max(self.least, self.factor * usual)


@dataclass(frozen=True)
class Limits:
    """What one call may cost; by default its time is not limited.

    Parameters
    ----------
    time
        Longest time for one call of any stage (``30 min``); none if not given.
    stages
        Other limits for single stages.
    retries
        How often a call that the machine lost is tried again, alone.
    stragglers
        Stops calls that take far longer than most did; none are stopped if not given.
    """

    time: Annotated[float | None, Unit("s")] = None
    stages: tuple[StageLimit, ...] = ()
    retries: int = 1
    stragglers: Stragglers | None = None

    def __post_init__(self) -> None:
        """Refuse limits that make no sense."""
        _demand(self.time is None or self.time > 0, f"time = {self.time} s leaves no time; write for example 30 min")
        _demand(self.retries >= 0, f"retries = {self.retries} is no count; write 0 or more")
        names = [one.stage for one in self.stages]
        twice = sorted({name for name in names if names.count(name) > 1})
        _demand(not twice, f"stages names {', '.join(twice)} more than once; write one limit per stage")

    def of(self, stage: str) -> float:
        """Return the longest time for a call of a stage [s], infinite where there is no limit."""
        own = [one.time for one in self.stages if one.stage == stage]
        return own[0] if own else np.inf if self.time is None else self.time
