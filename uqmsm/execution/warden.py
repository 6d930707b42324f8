"""A small process beside every worker that ends it when a call never returns, and says which call it was.

Native code that keeps the interpreter's lock stops every thread of its process, so the one who looks at the clock must
be another process. The worker writes into shared memory what it runs since when; this process looks there several times
a second. When a call does not end although it was asked to, it leaves a note (who, why, where in the code, the last
lines that were printed), then ends the worker and what that started. When the worker dies by another hand, the note
says which call was under way. This file is run by its path and imports nothing but the standard library, so that it is
there in milliseconds and holds little memory.
"""

from __future__ import annotations

import json
import math
import mmap
import os
import re
import select
import signal
import struct
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["PAGE", "SLOTS", "Slot", "main", "pack", "tail_of", "unpack"]

SLOTS = 64  # calls that one worker process may run at the same time (threads)
PAGE = 4096  # bytes of one slot
POLL_SECONDS = 0.1
TRACE_SECONDS = 1.0  # for the worker to write down where it is
TAIL_LINES = 40
TAIL_BYTES = 4000
_HEAD = struct.Struct("<QdddddqqH")


@dataclass(frozen=True)
class Slot:
    """What a worker runs since when.

    Parameters
    ----------
    token
        Number of the call in its process, 0 for none.
    began
        When it began, on the clock that all processes of a machine share [s].
    limit, grace
        Time it may take, and further time in which it may follow the request to stop [s].
    least, straggling
        Age at which the straggler's limit is looked for first [s], and how often then [s]; 0 for never.
    row
        Position of the call in its task, -1 for several at once.
    mark
        Length of the log when it began.
    note
        File for a note; the straggler's limit of its stage lies beside it in ``<stage>.limit``.
    stage
        Name of that file without its ending.
    """

    token: int = 0
    began: float = 0.0
    limit: float = math.inf
    grace: float = 0.0
    least: float = 0.0
    straggling: float = 0.0
    row: int = -1
    mark: int = 0
    note: str = ""
    stage: str = ""


def pack(slot: Slot) -> bytes:
    """Return the bytes of a slot."""
    texts = os.fsencode(slot.note) + b"\0" + os.fsencode(slot.stage)
    numbers = (slot.token, slot.began, slot.limit, slot.grace, slot.least, slot.straggling, slot.row, slot.mark)
    return _HEAD.pack(*numbers, len(texts)) + texts


def unpack(data: bytes) -> Slot:
    """Return the slot of some bytes."""
    *numbers, length = _HEAD.unpack_from(data)
    note, _, stage = data[_HEAD.size : _HEAD.size + length].partition(b"\0")
    values: list[Any] = [*numbers, os.fsdecode(note), os.fsdecode(stage)]
    return Slot(*values)


def straggler_limit(slot: Slot) -> float:
    """Return the limit that the client has written for stragglers of this stage [s], infinite if none."""
    try:
        return float((Path(slot.note).parent / f"{slot.stage}.limit").read_text(encoding="ascii"))
    except (OSError, ValueError):  # none yet, or one that is being replaced
        return math.inf


def tail_of(data: bytes) -> str:
    """Return the last lines of what was printed."""
    lines = data[-4 * TAIL_BYTES :].decode(errors="replace").replace("\r", "\n").splitlines()
    text = "\n".join(line.rstrip() for line in lines[-TAIL_LINES:] if line.strip())
    return text if len(text) <= TAIL_BYTES else f"...{text[3 - TAIL_BYTES :]}"


class _Warden:
    """Watches the process that started it."""

    def __init__(self, slots: int, trace: int, log: int) -> None:
        self.parent = os.getppid()
        self.trace, self.log = trace, log
        self.memory = mmap.mmap(slots, SLOTS * PAGE, prot=mmap.PROT_READ)
        self.looked: dict[int, float] = {}
        self.straggler: dict[int, float] = {}
        self.pruned = 0

    def watch(self) -> None:
        """Look at every call until the worker ends, by itself or by us."""
        while True:
            ready, _, _ = select.select([sys.stdin], [], [], POLL_SECONDS)
            if ready or os.getppid() != self.parent:
                self._mourn()
                return
            calls = {at: slot for at in range(SLOTS) if (slot := self._slot(at)).token}
            for at, slot in calls.items():
                late = self._late(slot)
                if late > slot.grace and self._end(at, slot):
                    return
                if late > slot.grace / 2 and len(calls) == 1 and slot.token != self.pruned:
                    self.pruned = slot.token  # a call that waits for a program wakes when that ends
                    _end_children(self.parent)

    def _slot(self, at: int) -> Slot:
        return unpack(self.memory[at * PAGE : (at + 1) * PAGE])

    def _late(self, slot: Slot) -> float:
        """Return the time since a call should have ended [s], negative while it should not."""
        age = time.monotonic() - slot.began
        return age - min(slot.limit, self._straggler(slot, age))

    def _straggler(self, slot: Slot, age: float) -> float:
        if not slot.straggling or age < slot.least:
            return math.inf
        now = time.monotonic()
        if slot.token not in self.looked or now - self.looked[slot.token] > slot.straggling:
            self.looked = {slot.token: now}
            self.straggler = {slot.token: straggler_limit(slot)}
        return self.straggler[slot.token]

    def _end(self, at: int, slot: Slot) -> bool:
        """End the worker, unless the call came back at the last moment."""
        where = self._where()
        if self._slot(at) != slot:
            return False
        straggler = self.straggler.get(slot.token, math.inf)
        kind = "straggler" if straggler < slot.limit else "limit"
        self._note(slot, kind, min(straggler, slot.limit), where)
        _end_children(self.parent)
        os.kill(self.parent, signal.SIGKILL)
        return True

    def _mourn(self) -> None:
        """Say what was under way when the worker died."""
        for at in range(SLOTS):
            slot = self._slot(at)
            if slot.token:
                self._note(slot, "died", time.monotonic() - slot.began, "")

    def _where(self) -> str:
        """Return where in the code the worker's task is, most recent call first."""
        before = os.fstat(self.trace).st_size
        os.kill(self.parent, signal.SIGUSR1)
        end = time.monotonic() + TRACE_SECONDS
        size, last = before, -1
        while time.monotonic() < end and (size == before or size != last):
            time.sleep(0.05)
            last, size = size, os.fstat(self.trace).st_size
        text = os.pread(self.trace, 100_000, before).decode(errors="replace")
        threads = [part for part in re.split(r"\n(?=Thread |Current thread )", text) if "in run_task" in part]
        return "\n".join(part.partition("in run_task")[0].rpartition("\n")[0] for part in threads)

    def _note(self, slot: Slot, kind: str, seconds: float, where: str) -> None:
        try:
            length = os.fstat(self.log).st_size
            begin = max(slot.mark, length - 4 * TAIL_BYTES)
            printed = os.pread(self.log, max(0, length - begin), begin)
            log = tail_of(b"\n".join([printed, where.encode()]))
            text: dict[str, Any] = {"row": slot.row, "kind": kind, "seconds": seconds, "log": log}
            handle = os.open(slot.note, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
            try:
                os.write(handle, json.dumps(text).encode() + b"\n")
                os.fsync(handle)
            finally:
                os.close(handle)
        except OSError:
            pass  # the run folder is gone or full: the worker is ended all the same, and its call counts as lost


def _end_children(pid: int) -> None:
    """End what a process started, but for this process."""
    for child in _descendants(pid) - {os.getpid()}:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)


def _descendants(pid: int) -> set[int]:
    """Return the processes that a process started, and those that these started."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended meanwhile
            text = stat.read_text(encoding="utf-8", errors="replace")
            parents[int(stat.parent.name)] = int(text.rpartition(")")[2].split()[1])
    found: set[int] = set()
    fresh = {pid}
    while fresh:
        fresh = {child for child, parent in parents.items() if parent in fresh} - found
        found |= fresh
    return found


def main(slots: int, trace: int, log: int) -> None:
    """Watch the process that started this one, by three of its open files."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the client's to handle
    _Warden(slots, trace, log).watch()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:4]))
