"""Stops a call that takes too long: first by an exception in its thread, then, in a worker, by the end of the process.

Python code, and native code that comes back to Python now and then, ends at the exception: the call is timed out and
its task goes on. What never comes back is ended by the `warden`, a process beside the worker; Dask starts the worker
again. In the client's own process (``--workers 0``) there is no warden, because ending that process would end the
study: there, native code that never returns is not stopped, and calls that wait (sleep, a program that they started)
are.

Imports and the compiling of kernels are never interrupted, because a module that is half there would break every later
call of the process, and their time is not counted: a call costs the same in a process that is new.
"""

from __future__ import annotations

import atexit
import ctypes
import faulthandler
import math
import mmap
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import parent_process
from pathlib import Path
from types import FrameType
from typing import IO, TypeVar
from urllib.parse import quote

from uqmsm.errors import EnvironmentFault
from uqmsm.execution import warden
from uqmsm.execution.printed import Printed

__all__ = ["SEVERAL", "Overtime", "Watch", "Watching", "at_home", "attended"]

POLL_SECONDS = 0.1
GRACE_SECONDS = 2.0
"""How long a call may follow the request to stop, before its worker is ended."""
SEVERAL = -1
"""The row of a batch that runs as a whole."""

_PREPARING = ("importlib._bootstrap", "numba.", "llvmlite.")

Result = TypeVar("Result")


class Overtime(BaseException):
    """Raised in the thread of a call that took too long; no `except Exception` of an operator holds it up."""

    kind = "limit"
    seconds = math.inf


@dataclass(frozen=True)
class Watch:
    """By what a task is watched.

    Parameters
    ----------
    ticket
        Name of the task; its note bears it.
    notes
        Folder of notes and of stragglers' limits.
    stage
        Name of the stage.
    limit
        Time that one call may take [s], infinite for no limit.
    grace
        Further time in which it may follow the request to stop [s].
    least
        Age of a call from which on it may be a straggler [s]; 0 where none is stopped.
    """

    ticket: str
    notes: str
    stage: str
    limit: float = math.inf
    grace: float = GRACE_SECONDS
    least: float = 0.0

    @property
    def note(self) -> Path:
        """Return the file of the task's notes."""
        return Path(self.notes) / f"{quote(self.ticket, safe='')}.note"

    def slot(self) -> warden.Slot:
        """Return what the warden needs to know, without the call."""
        slot = warden.Slot(
            limit=self.limit,
            grace=self.grace,
            least=self.least,
            straggling=min(2.0, self.least / 5),
            note=str(self.note),
            stage=quote(self.stage, safe=""),
        )
        if len(warden.pack(slot)) > warden.PAGE:
            raise EnvironmentFault(f"{self.notes} is too long a path; give a shorter --out")
        return slot


@dataclass
class _Call:
    """A call under way: whose thread, since when, and whether it was asked to stop."""

    slot: warden.Slot
    thread: int
    write: Callable[[warden.Slot], None]
    asked: bool = False
    told: bool = False
    kind: str = "limit"
    seconds: float = math.inf
    looked: float = 0.0
    straggler: float = math.inf

    def put_off(self, seconds: float) -> None:
        """Grant time that is not the call's own."""
        self.slot = replace(self.slot, began=self.slot.began + seconds)
        self.write(self.slot)

    def over(self, now: float) -> bool:
        """Tell whether it has taken longer than it may, and note which limit that was."""
        age = now - self.slot.began
        if self.slot.straggling and age > self.slot.least and now - self.looked > self.slot.straggling:
            self.looked, self.straggler = now, warden.straggler_limit(self.slot)
        self.kind = "straggler" if self.straggler < self.slot.limit else "limit"
        self.seconds = min(self.straggler, self.slot.limit)
        return age > self.seconds


_HOME = threading.local()
_LOCK = threading.Lock()
_CALLS: dict[int, _Call] = {}
_BUSY = threading.Event()


@contextmanager
def at_home() -> Iterator[None]:
    """Mark that this thread runs tasks in the client's own process, which nobody may end."""
    before = getattr(_HOME, "here", False)
    _HOME.here = True
    try:
        yield
    finally:
        _HOME.here = before


def _apart() -> bool:
    """Tell whether this process is a worker that somebody starts again when it ends."""
    return not getattr(_HOME, "here", False) and parent_process() is not None


def _preparing(frame: FrameType | None) -> bool:
    """Tell whether a thread is importing a module or compiling a kernel."""
    while frame is not None:
        if str(frame.f_globals.get("__name__", "")).startswith(_PREPARING):
            return True
        frame = frame.f_back
    return False


class _Clock(threading.Thread):
    """Asks calls to stop; one for the whole process."""

    def __init__(self) -> None:
        super().__init__(name="uqmsm-clock", daemon=True)
        self.main = threading.main_thread().ident
        self.interrupts = False

    def run(self) -> None:
        """Look at every call several times a second while there are any."""
        last = 0.0
        while True:
            _BUSY.wait()
            time.sleep(POLL_SECONDS)
            with _LOCK:
                now, frames = time.monotonic(), sys._current_frames()  # noqa: SLF001  # documented, for debuggers
                for call in _CALLS.values():
                    if _preparing(frames.get(call.thread)):
                        call.put_off(now - max(last, call.slot.began))
                    elif not call.asked and call.over(now):
                        self._ask(call)
                last = now
                if not _CALLS:
                    _BUSY.clear()

    def _ask(self, call: _Call) -> None:
        call.asked = True
        if call.thread == self.main and self.interrupts:
            signal.pthread_kill(call.thread, signal.SIGUSR2)  # wakes it where it sleeps or waits
        else:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(call.thread), ctypes.py_object(Overtime))


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Raise in the main thread, if its call is still the one that was asked to stop."""
    del number
    for call in list(_CALLS.values()):
        if call.thread == threading.get_ident() and call.asked and not call.told:
            if _preparing(frame):
                call.asked = False  # the clock asks again
                return
            call.told = True
            raise Overtime


class _Process:
    """What a process needs to watch its calls, made when it runs its first task."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.clock: _Clock | None = None
        self.memory: mmap.mmap | None = None
        self.warden: subprocess.Popen[bytes] | None = None
        self.free = list(range(warden.SLOTS))
        self.token = 0
        self.files: list[IO[bytes]] = []

    def start_clock(self) -> None:
        """Start the clock, when the first call with a limit begins."""
        if self.clock is None:
            self.clock = _Clock()
            self.clock.start()
        home = threading.current_thread() is threading.main_thread()
        if home and not self.clock.interrupts and signal.getsignal(signal.SIGUSR2) is signal.SIG_DFL:
            signal.signal(signal.SIGUSR2, _interrupt)  # stays: to put it back would race with a signal on its way
            self.clock.interrupts = True

    def start_warden(self, log: IO[bytes]) -> None:
        """Start the process that watches this one, if it is not there."""
        if self.warden is not None and self.warden.poll() is None:
            return
        if self.memory is None:
            slots, trace = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115  # for as long as the process
            slots.truncate(warden.SLOTS * warden.PAGE)
            self.memory = mmap.mmap(slots.fileno(), warden.SLOTS * warden.PAGE)
            self.files = [slots, trace]
            faulthandler.register(signal.SIGUSR1, file=trace, all_threads=True)
        fds = [*(file.fileno() for file in self.files), log.fileno()]
        command = [sys.executable, "-I", "-S", str(Path(warden.__file__)), *map(str, fds)]
        quiet = subprocess.DEVNULL
        try:
            self.warden = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet, pass_fds=fds)  # noqa: S603  # our own file
        except OSError as fault:
            raise EnvironmentFault(
                f"worker {os.getpid()} could not start its warden ({fault}); give fewer --workers, then resume the run"
            ) from fault
        atexit.register(self._leave)

    def _leave(self) -> None:
        """Let the warden be: it goes when its standard input ends, and nobody has to be warned that it still runs."""
        if self.warden is not None:
            self.warden.returncode = 0

    def clear(self, at: int) -> None:
        """Say that nothing runs in a slot."""
        if self.memory is not None:
            self.memory[at * warden.PAGE : at * warden.PAGE + 8] = bytes(8)

    def write(self, at: int, slot: warden.Slot) -> None:
        """Write a slot, its token last: whoever sees the token sees all of it."""
        if self.memory is not None:
            page, data = at * warden.PAGE, warden.pack(slot)
            self.memory[page : page + 8] = bytes(8)
            self.memory[page + 8 : page + len(data)] = data[8:]
            self.memory[page : page + 8] = data[:8]


_PROCESS: list[_Process] = []


def _process() -> _Process:
    """Return what this process has, not what it inherited by a fork."""
    with _LOCK:
        if not _PROCESS or _PROCESS[0].pid != os.getpid():
            _PROCESS[:] = [_Process()]
        return _PROCESS[0]


class Watching:
    """The watch over the calls of one task."""

    def __init__(self, watch: Watch, process: _Process, at: int, printed: Printed) -> None:
        self.printed = printed
        self._slot, self._process, self._at = watch.slot(), process, at
        self._limited = math.isfinite(watch.limit) or watch.least > 0

    def run(self, row: int, function: Callable[[], Result]) -> Result:
        """Run one call, or several together (`SEVERAL`), within its time.

        Raises
        ------
        Overtime
            When it took longer and was stopped.
        """
        if not self._limited and self._process.memory is None:
            self.printed.begin()
            return function()
        call = self._begin(row)
        try:
            try:
                return function()
            finally:
                self._end(call)
        except Overtime as over:
            self._end(call)  # the exception may have come while the first end was under way; it comes but once
            over.kind, over.seconds = call.kind, call.seconds
            raise

    def _begin(self, row: int) -> _Call:
        process = self._process
        with _LOCK:
            process.token += 1
            token = process.token
        slot = replace(self._slot, token=token, began=time.monotonic(), row=row, mark=self.printed.begin())
        call = _Call(slot, threading.get_ident(), partial(process.write, self._at))
        process.write(self._at, slot)
        if self._limited:
            _CALLS[token] = call
            _BUSY.set()
        return call

    def _end(self, call: _Call) -> None:
        with _LOCK:
            _CALLS.pop(call.slot.token, None)
            if call.asked and not call.told:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(call.thread), None)
        self._process.clear(self._at)


@contextmanager
def attended(watch: Watch) -> Iterator[Watching]:
    """Watch the calls of a task, and keep what they print.

    Raises
    ------
    EnvironmentFault
        When this process runs more than `warden.SLOTS` tasks at a time, or no process can be started.
    """
    process, apart = _process(), _apart()
    with Printed.of(apart) as printed:
        if math.isfinite(watch.limit) or watch.least > 0:
            process.start_clock()
        if apart and printed.file is not None:
            process.start_warden(printed.file)
        with _LOCK:
            if not process.free:
                raise EnvironmentFault(f"a worker runs more than {warden.SLOTS} tasks at a time; give it fewer threads")
            at = process.free.pop(0)
        try:
            yield Watching(watch, process, at, printed)
        finally:
            with _LOCK:
                process.free.insert(0, at)
