"""How many calls a task holds: long enough to be worth its way, short enough to keep all workers busy."""

from __future__ import annotations

import numpy as np

from uqmsm.execution.outcomes import StageOutcomes

__all__ = ["Pace"]

TASK_SECONDS = 0.5  # long against the milliseconds that a task costs, short against the patience of a person
LEAST_SECONDS = 0.1  # work is not cut finer than this to keep all workers busy
GROWTH = 8  # a task holds at most so many times the calls of the largest task of its stage before
TASK_BYTES = 64_000_000  # of inputs or outcomes in one task
FEED_SECONDS = 4e-3  # twice what client and scheduler need for one task (see docs/scale.md): no slot waits for them
LOOK_AHEAD = 4096  # calls looked at, at least, when the next task is chosen
MOST_AHEAD = 65_536


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

    def ahead(self, slots: int) -> int:
        """Return how many calls to look at for the next task: enough that all slots could have one of full length."""
        if self.fixed is not None or self.seconds == 0:
            return LOOK_AHEAD
        longest = max(TASK_SECONDS, FEED_SECONDS * slots)
        return min(max(LOOK_AHEAD, slots * int(longest / self.seconds)), MOST_AHEAD)

    def size(self, ready: int, slots: int, bytes_each: int) -> int:
        """Return the calls of the next task, when `ready` could run."""
        if self.fixed is not None:
            return self.fixed
        if self.seconds == 0:
            return 1
        least, longest = max(LEAST_SECONDS, FEED_SECONDS * slots), max(TASK_SECONDS, FEED_SECONDS * slots)
        # half of an even share, so that calls of unequal cost can still be evened out by those after them
        share = max(-(-ready // (2 * slots)), int(least / self.seconds))
        size = min(int(longest / self.seconds), share, GROWTH * max(1, self.largest))
        return max(1, min(size, TASK_BYTES // max(1, bytes_each)))
