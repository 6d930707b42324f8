"""How a call ended that did not end well: its state, why, and what it printed last, as its run has kept it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from uqmsm.execution.journal import read_journal
from uqmsm.execution.taskfile import LASTING, CorruptFile, Status, read_task

__all__ = ["ending_of"]


def ending_of(path: Path, stage: str, key: bytes) -> tuple[Status, str, str] | None:
    """Return how a call ended, if not well: its state, reason and last lines; None where there is no such end.

    Needs no lock. Reads no more files than it must.
    """
    found = None
    for entry in read_journal(path)[0]:
        if entry.get("kind") != "task" or entry["stage"] != stage:
            continue
        if entry["done"] == entry["calls"] and (found is None or found[0] in LASTING):
            continue  # all went well there, and what the member did stays
        try:
            record = read_task(path / "members" / entry["file"], entry["sha256"])
        except CorruptFile:
            continue  # `resume` says so, and runs it again
        for row in np.flatnonzero((record.keys == np.frombuffer(key, dtype=np.uint8)).all(axis=1)).tolist():
            status = Status(int(record.status[row]))
            ending = (status, record.reasons.get(row, ""), record.logs.get(row, ""))
            found = None if status == Status.DONE else ending
    return found
