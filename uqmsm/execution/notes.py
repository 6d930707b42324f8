"""What was left behind about a task whose worker ended: which call ran, why it was ended, the last lines it printed."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from uqmsm.errors import EnvironmentFault

__all__ = ["Note", "clear_notes", "overtime", "read_notes", "write_straggler_limit"]


@dataclass(frozen=True)
class Note:
    """One line that a warden left.

    Parameters
    ----------
    row
        Position of the call in its task, -1 when several ran as a whole.
    kind
        ``limit`` or ``straggler`` (the call was too long and its worker was ended), ``died`` (the worker died).
    seconds
        The limit; for ``died`` the age of the call [s].
    log
        The last lines that it printed, and where it was.
    """

    row: int
    kind: str
    seconds: float
    log: str

    @property
    def timed_out(self) -> bool:
        """Tell whether the call was ended because it took too long."""
        return self.kind != "died"


def overtime(kind: str, seconds: float) -> str:
    """Return the reason of a call that was stopped, the same in every process and on every machine."""
    if kind == "straggler":
        return f"stopped as a straggler after {seconds:.3g} s, far longer than the calls of its stage that ended well"
    return f"stopped after {seconds:g} s, the time limit of its stage"


def read_notes(file: Path) -> list[Note]:
    """Return the notes about a task; lines that are not whole are passed over."""
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    notes = []
    for line in lines:
        try:
            found = json.loads(line)
            note = Note(int(found["row"]), str(found["kind"]), float(found["seconds"]), str(found["log"]))
        except (ValueError, KeyError, TypeError):
            continue
        notes += [note] if note.kind in {"limit", "straggler", "died"} and math.isfinite(note.seconds) else []
    return notes


def clear_notes(folder: Path, *, make: bool) -> None:
    """Remove the notes of a run, and make an empty folder for new ones when asked to.

    Raises
    ------
    EnvironmentFault
        When the folder cannot be made.
    """
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.mkdir(exist_ok=True) if make else None
    except OSError as fault:
        raise EnvironmentFault(f"{folder}: {fault.strerror}; mend the access, then resume the run") from fault


def write_straggler_limit(folder: Path, stage: str, seconds: float) -> None:
    """Tell all workers how long calls of a stage may take from now on.

    Raises
    ------
    EnvironmentFault
        When it cannot be written.
    """
    place = folder / f"{quote(stage, safe='')}.limit"
    passing = place.with_suffix(".part")
    try:
        passing.write_text(repr(seconds), encoding="ascii")
        passing.replace(place)
    except OSError as fault:
        raise EnvironmentFault(f"{place}: {fault.strerror}; free space, then resume the run") from fault
