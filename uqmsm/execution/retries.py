"""The queue of calls that the machine lost: each is tried again alone, so that none takes others along."""

from __future__ import annotations

from collections import Counter, deque

__all__ = ["Retries"]

PATIENCE = 3


class Retries:
    """Calls to be tried again, one at a time.

    Parameters
    ----------
    limit
        How often one call is tried again.

    Attributes
    ----------
    limit
        The same.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._queue: deque[tuple[str, int]] = deque()
        self._tries: Counter[tuple[str, int]] = Counter()
        self._unexplained: Counter[tuple[str, int]] = Counter()
        self._ticket = ""

    def granted(self, stage: str, row: int) -> bool:
        """Queue a call, or say that it has used up its retries."""
        if self._tries[stage, row] >= self.limit:
            return False
        self._tries[stage, row] += 1
        self._queue.append((stage, row))
        return True

    def innocent(self, stage: str, row: int) -> bool:
        """Tell whether a task that begins with this call, lost without a note, may be taken for a bystander.

        When a worker dies, the tasks that waited there are lost with it, too; its warden leaves a note for the one that
        it ran. A whole machine that dies leaves none, so patience with such losses ends.
        """
        self._unexplained[stage, row] += 1
        return self._unexplained[stage, row] <= PATIENCE

    def next(self) -> tuple[str, int] | None:
        """Take the call to be tried now; none while another is."""
        return None if self._ticket or not self._queue else self._queue.popleft()

    def under_way(self, ticket: str) -> None:
        """Note the task that tries a call."""
        self._ticket = ticket

    def ended(self, ticket: str) -> None:
        """Note that a task has ended, of whatever kind."""
        self._ticket = "" if ticket == self._ticket else self._ticket
