"""How far a long call is, and its state so far: what a run that is gone on with picks up instead of beginning anew.

An operator asks for its `bookmark`, looks whether there is a state, and keeps one now and then. The file is named by
the Merkle key of the call (its operator, settings, code, seed, indices and all that it received), so that no other call
can take it up; it is whole or not there, and believed by its checksum. What a call gives must not depend on whether it
was interrupted: a state has to go on bit for bit.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from uqmsm.errors import EnvironmentFault
from uqmsm.trust import plain_bytes

__all__ = ["FOLDER", "Bookmark", "bookmark", "marked", "unfinished"]

FOLDER = "unfinished"
"""Where a run folder keeps them."""
_EVERY = 20.0
"""Seconds of wall time between two states that are written, so that keeping them costs little."""
_DIGEST = 32


@dataclass
class Bookmark:
    """The place of one call's state.

    Attributes
    ----------
    path
        Its file; None where nothing is kept (outside of a run).
    stage
        The stage of the call.
    """

    path: Path | None = None
    stage: str = ""
    _written: float = field(default_factory=time.monotonic, repr=False)

    @property
    def due(self) -> bool:
        """Tell whether a state should be kept now: ask before making one, for that may take long."""
        return self.path is not None and time.monotonic() - self._written >= _EVERY

    def read(self) -> tuple[bytes, float] | None:
        """Return the state and the share of the call that it is at, None where there is none that can be believed."""
        found = None if self.path is None else _read(self.path)
        return None if found is None else (found[2], found[1])

    def keep(self, state: bytes, reached: float) -> None:
        """Write a state; on return it is on the disk.

        Parameters
        ----------
        state
            What `read` shall return.
        reached
            Which share of the call is done, 0 to 1.

        Raises
        ------
        EnvironmentFault
            When it cannot be written.
        """
        if self.path is None:
            return
        about = json.dumps({"stage": self.stage, "reached": reached}).encode() + b"\n"
        passing = self.path.with_name(f".{self.path.name}.part")
        try:
            self.path.parent.mkdir(exist_ok=True)
            with passing.open("wb") as file:
                file.write(sha256(about + state).digest() + about + state)
                file.flush()
                os.fsync(file.fileno())
            passing.replace(self.path)
        except OSError as fault:
            with suppress(OSError):
                passing.unlink(missing_ok=True)
            raise EnvironmentFault(f"{self.path}: {fault.strerror}; free space, then resume the run") from fault
        self._written = time.monotonic()

    def clear(self) -> None:
        """Forget the state: the call has ended."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)


_HERE: ContextVar[Bookmark | None] = ContextVar("bookmark", default=None)


def bookmark() -> Bookmark:
    """Return the bookmark of the call under way; one that keeps nothing where there is no run."""
    return _HERE.get() or Bookmark()


@contextmanager
def marked(run: Path, stage: str, key: bytes) -> Iterator[Bookmark]:
    """Open the bookmark of a call of a run, by the call's Merkle key."""
    here = Bookmark(run / FOLDER / f"{key.hex()}.state", stage)
    token = _HERE.set(here)
    try:
        yield here
    finally:
        _HERE.reset(token)


def unfinished(run: Path) -> list[dict[str, Any]]:
    """Return stage, share that is reached and age [s] of every call that has left a state, the latest first."""
    found = []
    for path in (run / FOLDER).glob("*.state"):
        try:
            age = time.time() - path.stat().st_mtime
        except OSError:
            continue  # it has ended this moment
        if (read := _read(path)) is not None:
            found.append({"stage": read[0], "reached": read[1], "seconds_ago": age})
    return sorted(found, key=lambda one: float(one["seconds_ago"]))


def _read(path: Path) -> tuple[str, float, bytes] | None:
    """Return stage, share reached and state of a file; None where it is missing, torn or none of ours."""
    try:
        data = plain_bytes(path)
    except OSError:
        return None
    if sha256(data[_DIGEST:]).digest() != data[:_DIGEST]:
        return None
    about, _, state = data[_DIGEST:].partition(b"\n")
    try:
        said = json.loads(about)
        return str(said["stage"]), float(said["reached"]), state
    except (ValueError, KeyError, TypeError):
        return None
