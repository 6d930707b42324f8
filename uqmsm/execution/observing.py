"""Who watches a run: what is told of it while it goes on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

__all__ = ["Observer", "Silent"]


class Observer(Protocol):
    """Watches a run for people; may be anything with these methods, called from one thread."""

    def started(self, stages: Mapping[str, int], dashboard: str) -> None:
        """Take the number of calls per stage, and where to watch."""
        ...

    def advanced(self, stage: str, done: int, failed: int, total: int) -> None:
        """Take the counts of one stage."""
        ...

    def states(self, stage: str, counts: Mapping[str, int]) -> None:
        """Take how many calls of a stage are in each of `outcomes.STATES`, in that order; they add up to all calls.

        Told whenever one of them changes. What is *running* is in a task that a worker has in hand.
        """
        ...

    def said(self, line: str) -> None:
        """Take one line for people."""
        ...

    def finished(self) -> None:
        """Learn that no more will come, well or not."""
        ...


class Silent:
    """An observer for those who do not watch."""

    def started(self, stages: Mapping[str, int], dashboard: str) -> None:
        """Do nothing."""

    def advanced(self, stage: str, done: int, failed: int, total: int) -> None:
        """Do nothing."""

    def states(self, stage: str, counts: Mapping[str, int]) -> None:
        """Do nothing."""

    def said(self, line: str) -> None:
        """Do nothing."""

    def finished(self) -> None:
        """Do nothing."""
