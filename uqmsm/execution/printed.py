"""Keeps the last lines that a call printed, for the one who asks why it failed.

In a worker process everything counts that reaches its standard output and error: Python, warnings, logging and engines
written in other languages. `replay` shows it; while the run goes on it would be written over the progress display. In
the client's own process it is what Python code prints, warns and logs in the thread of the call, and it still comes
out.
"""

from __future__ import annotations

import ctypes
import fcntl
import logging
import os
import sys
import tempfile
import threading
import traceback
from collections import deque
from types import TracebackType
from typing import IO, Any, Self

from uqmsm.execution.warden import TAIL_BYTES, tail_of

__all__ = ["Printed", "told_of"]


def told_of(fault: BaseException | None) -> str:
    """Return the traceback of an exception that nobody foresaw, as the interpreter would print it."""
    return "" if fault is None else "".join(traceback.format_exception(fault)).rstrip()


class Printed:
    """What the calls of one task print; made by `of`, used in a ``with`` block.

    Attributes
    ----------
    file
        The file that catches it, where there is one.
    """

    file: IO[bytes] | None = None

    @staticmethod
    def of(apart: bool) -> Printed:
        """Return the catch for a worker process (`apart`), or that for a thread of the client's process."""
        return _Descriptors() if apart else _Thread()

    def begin(self) -> int:
        """Begin a call; return the length of what was caught in the file before it."""
        raise NotImplementedError

    def tail(self) -> str:
        """Return the last lines since the last `begin`."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        """Begin to catch."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop catching."""


def _flush() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    ctypes.CDLL(None).fflush(None)  # what engines in C keep in their own buffers


class _Descriptors(Printed):
    """Lets standard output and error of the process go to a file, for as long as any of its tasks runs.

    Tasks that run in several threads of one process share the file: a tail may then hold lines of a neighbour.
    """

    _lock = threading.Lock()
    _users = 0
    _shared: IO[bytes] | None = None
    _saved: tuple[int, int] = (-1, -1)

    def __init__(self) -> None:
        self._mark = 0

    def __enter__(self) -> Self:
        """Send both to the file."""
        cls = _Descriptors
        with cls._lock:
            if cls._shared is None:
                cls._shared = tempfile.TemporaryFile(buffering=0)
                flags = fcntl.fcntl(cls._shared, fcntl.F_GETFL)
                fcntl.fcntl(cls._shared, fcntl.F_SETFL, flags | os.O_APPEND)  # it is emptied while others write
            self.file = cls._shared
            if cls._users == 0:
                _flush()
                cls._saved = (os.dup(1), os.dup(2))
                for number in (1, 2):
                    os.dup2(self.file.fileno(), number)
                for stream in (sys.stdout, sys.stderr):  # a worker that is ended can flush no more
                    if hasattr(stream, "reconfigure"):
                        stream.reconfigure(line_buffering=True)
            cls._users += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Send both where they went before."""
        cls = _Descriptors
        with cls._lock:
            cls._users -= 1
            if cls._users:
                return
            _flush()
            for number, saved in zip((1, 2), cls._saved, strict=True):
                os.dup2(saved, number)
                os.close(saved)
            self._forget()

    def _forget(self) -> None:
        """Empty the file: thousands of members would write over the progress display of their client."""
        if os.fstat(self._handle()).st_size:
            os.ftruncate(self._handle(), 0)

    def _handle(self) -> int:
        if self.file is None:
            raise RuntimeError("not in its with block")
        return self.file.fileno()

    def begin(self) -> int:
        """Begin a call; return the length of what was caught before it."""
        self._mark = os.fstat(self._handle()).st_size
        return self._mark

    def tail(self) -> str:
        """Return the last lines since the last `begin`."""
        _flush()
        size = os.fstat(self._handle()).st_size
        begin = max(self._mark, size - 4 * TAIL_BYTES)
        return tail_of(os.pread(self._handle(), max(0, size - begin), begin))


class _Tee:
    """A stream that hands on all that is written, and keeps what one thread writes."""

    def __init__(self, stream: Any, kept: deque[str]) -> None:
        self._stream, self._kept, self._thread = stream, kept, threading.get_ident()

    def write(self, text: str) -> int:
        """Write and keep."""
        if threading.get_ident() == self._thread:
            self._kept.append(text[-TAIL_BYTES:])
        return int(self._stream.write(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Logged(logging.Handler):
    """Keeps what one thread logs."""

    def __init__(self, kept: deque[str]) -> None:
        super().__init__()
        self._kept, self._thread = kept, threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record; where nobody else would show it, let it come out as it would have without us."""
        if logging.lastResort is not None and logging.root.handlers == [self] and record.levelno >= logging.WARNING:
            logging.lastResort.handle(record)  # to `sys.stderr`, where we keep it
        elif record.thread == self._thread:
            self._kept.append(self.format(record) + "\n")


class _Thread(Printed):
    """Keeps what the thread of the call writes to `sys.stdout` and `sys.stderr`, warns and logs."""

    def __init__(self) -> None:
        self._kept: deque[str] = deque(maxlen=1000)
        self._tees: dict[str, tuple[Any, Any]] = {}
        self._logged = _Logged(self._kept)

    def __enter__(self) -> Self:
        """Put ourselves between the code and its streams."""
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name)
            self._tees[name] = (stream, _Tee(stream, self._kept))
            setattr(sys, name, self._tees[name][1])
        logging.root.addHandler(self._logged)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Go out of the way; a stream that somebody else has put there since stays."""
        logging.root.removeHandler(self._logged)
        for name, (stream, tee) in self._tees.items():
            if getattr(sys, name) is tee:
                setattr(sys, name, stream)

    def begin(self) -> int:
        """Forget what was printed before."""
        self._kept.clear()
        return 0

    def tail(self) -> str:
        """Return the last lines since the last `begin`."""
        return tail_of("".join(self._kept).encode(errors="replace"))
