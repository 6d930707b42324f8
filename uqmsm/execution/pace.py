"""How many calls a task holds: long enough to be worth its way, short enough to keep all workers busy."""

from __future__ import annotations

import numpy as np

from uqmsm.execution.outcomes import StageOutcomes

__all__ = ["Pace"]

TASK_SECONDS = 0.5  # long against the milliseconds that a task costs, short against the patience of a person
LEAST_SECONDS = 0.1  # work is not cut finer than this to keep all workers busy
GROWTH = 8  # a task holds at most so many times the calls of the largest task of its stage before
TASK_BYTES = 64_000_000  # of inputs or outcomes in one task


class Pace:
    """How many calls of one stage a task should hold."""

    def __init__(self, found: StageOutcomes, fixed: int | None) -> None:
        self.fixed, self.largest = fixed, 0
        known = found.seconds[np.isfinite(found.seconds)]
        self.seconds = float(known.mean()) if len(known) else 0.0

    def learn(self, calls: int, seconds: float) -> None:
        """Take the time of a finished task."""
        each = seconds / calls
        self.seconds = each if self.seconds == 0 else 0.5 * (self.seconds + each)

    def size(self, ready: int, slots: int, bytes_each: int) -> int:
        """Return the calls of the next task, when `ready` could run."""
        if self.fixed is not None:
            return self.fixed
        if self.seconds == 0:
            return 1
        share = max(-(-ready // slots), int(LEAST_SECONDS / self.seconds))
        size = min(int(TASK_SECONDS / self.seconds), share, GROWTH * max(1, self.largest))
        return max(1, min(size, TASK_BYTES // max(1, bytes_each)))
