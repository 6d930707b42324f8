"""The formats of what a run folder holds: each file says its number, older ones are carried over, newer ones refused.

A format changes by adding 1 to `newest` and one step to `steps`: old number -> what makes the next number of it. Steps
are never removed, and never touch a file: they take what was read and return what this version would have written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from uqmsm.errors import StudyError

__all__ = ["JOURNAL", "LOCK", "TASK", "Format"]

Step = Callable[[dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True)
class Format:
    """One kind of file, the format that this version writes, and the way there from every older one.

    Parameters
    ----------
    what
        Name of the kind of file, for messages.
    newest
        The number that this version writes.
    steps
        Number -> function that makes the next number of a document of this one; 1 to ``newest - 1``, all of them.
    """

    what: str
    newest: int
    steps: Mapping[int, Step]

    def __post_init__(self) -> None:
        """Refuse a registry with a gap: some folder would find no way."""
        if sorted(self.steps) != list(range(1, self.newest)):
            raise StudyError(f"{self.what}: steps from {sorted(self.steps)} do not lead from 1 to {self.newest}")

    def read(self, document: dict[str, Any], number: Any, place: object) -> dict[str, Any]:
        """Return a document as this version would have written it.

        Parameters
        ----------
        document
            What was read.
        number
            The format that it says it has.
        place
            The file, for the message.

        Raises
        ------
        StudyError
            When the format is newer than this version knows, or no format at all.
        """
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            raise StudyError(
                f"{place}: {self.what} with format {number!r}, which no version wrote; the file was changed: run the "
                "study into another folder: uqmsm run STUDY --out DIR"
            )
        if number > self.newest:
            raise StudyError(
                f"{place}: {self.what} of format {number} was written by a newer uqmsm; this one reads formats up to "
                f"{self.newest}: go on with the version named in study.lock.json, or run the study into another "
                "folder: uqmsm run STUDY --out DIR"
            )
        for old in range(number, self.newest):
            document = self.steps[old](document)
        return document


def _lock_1(lock: dict[str, Any]) -> dict[str, Any]:
    """Format 2 knows the text of the study as run, how its members grew, and the code that it ran with."""
    return lock | {"format": 2, "study": None, "replaces": None, "grown": [], "code": None}


def _task_1(found: dict[str, Any]) -> dict[str, Any]:
    """Format 2 knows what failed calls printed, and calls that timed out."""
    return found | {"about": found["about"] | {"format": 2, "logs": {}}}


def _task_2(found: dict[str, Any]) -> dict[str, Any]:
    """Format 3 knows outcomes that lie in files of their own."""
    return found | {"about": found["about"] | {"format": 3, "fields": {}}}


LOCK = Format("a lock of a study (study.lock.json)", 2, {1: _lock_1})
JOURNAL = Format("a journal (journal.jsonl)", 1, {})
TASK = Format("a file of outcomes", 3, {1: _task_1, 2: _task_2})
