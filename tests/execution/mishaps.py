"""Operators that hang, print, and meet bad moments of the machine: importable, so that worker processes find them."""

from __future__ import annotations

import builtins
import ctypes
import logging
import os
import signal
import subprocess
import sys
import time
import warnings
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from operators import Bell

from uqmsm.errors import MemberFailed
from uqmsm.quantity import Port
from uqmsm.stochastic import law_sources
from uqmsm.uncertainty import Aleatoric


@dataclass(frozen=True)
class Lingering:
    """Takes far too long for some draws, in one of the ways in which code does."""

    how: str
    draw: float | Aleatoric = field(default_factory=lambda: Aleatoric(Bell(0.0, 1.0)))
    above: float = 1.0
    pause: float = 0.0
    seconds: int = 600
    inputs = ()
    outputs = (Port("x", "1"),)

    @property
    def sources(self):
        return law_sources(self)

    def __call__(self, given, streams):
        time.sleep(self.pause)
        if self.draw > self.above:
            print(f"{self.how} begins", flush=True)
            getattr(self, self.how)()
        return {"x": self.draw}

    def loop(self):
        end = time.monotonic() + self.seconds
        while time.monotonic() < end:
            pass

    def stubborn(self):
        end = time.monotonic() + self.seconds
        while time.monotonic() < end:
            with suppress(BaseException):  # as code is written that nobody can interrupt
                self.loop()

    def wait(self):
        time.sleep(self.seconds)

    def program(self):
        subprocess.run(["sleep", str(self.seconds)], check=True)  # stands for an engine

    def bring(self):
        """Import a module that takes its time, and is broken when that is interrupted."""
        import slow_module

        if not slow_module.READY:
            raise RuntimeError("half a module")

    def die(self):
        os.kill(os.getpid(), signal.SIGKILL)

    def native(self):
        """Never comes back, and holds the interpreter's lock: no thread of the process runs meanwhile."""
        ctypes.PyDLL(None).sleep(self.seconds)


@dataclass(frozen=True)
class LingeringTogether(Lingering):
    """The same as a batch operator."""

    @staticmethod
    def batch(operators, givens, streams):
        return [one(given, stream) for one, given, stream in zip(operators, givens, streams, strict=True)]


@dataclass(frozen=True)
class Talking:
    """Prints in every way there is, then fails for half of the draws."""

    draw: float | Aleatoric = field(default_factory=lambda: Aleatoric(Bell(0.0, 1.0)))
    lines: int = 1
    surprise: bool = False
    warned: bool = False
    inputs = ()
    outputs = (Port("x", "1"),)

    @property
    def sources(self):
        return law_sources(self)

    def __call__(self, given, streams):
        tag = f"{self.draw:.6f}"
        for number in range(self.lines):
            print(f"line {number} of {tag}")
        print(f"error of {tag}", file=sys.stderr)
        logging.getLogger("an.engine").warning("logged of %s", tag)
        if self.warned:
            warnings.warn(f"warned of {tag}", UserWarning, stacklevel=1)
        libc = ctypes.CDLL(None)
        libc.puts(f"native of {tag}".encode())
        if self.draw > 0.0:
            raise (ZeroDivisionError if self.surprise else MemberFailed)(f"not {tag}")
        return {"x": self.draw}


@dataclass(frozen=True)
class Moody:
    """Meets a bad moment of the machine so many times for some draws; marks tell how often it was tried."""

    marks: str
    kind: str = "OSError"
    times: int = 1
    draw: float | Aleatoric = field(default_factory=lambda: Aleatoric(Bell(0.0, 1.0)))
    above: float = 0.8
    inputs = ()
    outputs = (Port("x", "1"),)

    @property
    def sources(self):
        return law_sources(self)

    def __call__(self, given, streams):
        mark = Path(self.marks) / f"{self.draw:.9f}"
        with mark.open("a", encoding="utf-8") as file:
            file.write("x")
        if self.draw > self.above and mark.stat().st_size <= self.times:
            raise getattr(builtins, self.kind)(5, "the network file system did not answer")
        return {"x": self.draw}


@dataclass(frozen=True)
class Greedy:
    """Takes more memory than a worker may have, for some draws."""

    megabytes: int = 2000
    draw: float | Aleatoric = field(default_factory=lambda: Aleatoric(Bell(0.0, 1.0)))
    above: float = 1.0
    inputs = ()
    outputs = (Port("x", "1"),)

    @property
    def sources(self):
        return law_sources(self)

    def __call__(self, given, streams):
        if self.draw > self.above:
            print("takes much", flush=True)
            held = []
            for _ in range(self.megabytes // 20):
                held.append(np.ones(20_000_000 // 8))  # touched, so that it counts
                time.sleep(0.05)
        return {"x": self.draw}
