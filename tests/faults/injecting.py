"""Clients in processes of their own, and what is done to them: kills at a chosen write or time, full disks."""

from __future__ import annotations

import errno
import multiprocessing
import os
import resource
import signal
import sys
import time
from dataclasses import dataclass
from multiprocessing import forkserver
from pathlib import Path

STUDY = """\
study: what the faults are done to
seed: 11
chain:
  - {name: potential, operator: "injected_chain:Potential"}
  - {name: crystal, operator: "injected_chain:Crystal"}
  - {name: theory, operator: "injected_chain:Theory"}
  - {name: plate, operator: "injected_chain:Plate"}
ask:
  - {answer: load, above: 5, ledger: false}
members: {rows: 8, target_se: 0.99}
refinements:
  - {name: step, stage: plate, set: {step: 0.1}, pairs: 8, order: 1}
run: {tolerate_failures: 50%}
"""
WIDER = 11
"""Rows after `extend`."""
WRITES = {"open", "os.rename", "os.remove", "os.mkdir", "os.truncate", "shutil.rmtree"}
SECONDS = 60.0
"""After so long a client hangs."""

_SERVER = multiprocessing.get_context("forkserver")


def _served():
    """Start the fork server, which imports everything once; it finds modules by the environment alone."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in (str(Path(__file__).parent), before) if path)
    try:
        _SERVER.set_forkserver_preload(["injected_preload"])
        forkserver.ensure_running()
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


@dataclass(frozen=True)
class Fault:
    """What happens to a client at one of its writes in the run folder, counted from 1; or limits it lives under.

    Parameters
    ----------
    at
        The number of the write, 0 for none.
    number
        The signal that it sends itself there; 0 raises "no space left" instead.
    torn
        Bytes of a line of the journal that reach the disk first, when that is what is written.
    largest
        Bytes that a file may have [B], 0 for no limit: what is written beyond is refused by the system.
    pause
        Time that every call takes [s].
    """

    at: int = 0
    number: int = signal.SIGKILL
    torn: int = 0
    largest: int = 0
    pause: float = 0.0


class _Injector:
    """Counts the writes of this process in the run folder, and strikes at one of them."""

    def __init__(self, fault: Fault, folder: str, tally: Path) -> None:
        self.fault, self.folder, self.tally, self.count = fault, folder, tally, 0
        self.write, self.fsync, self.ftruncate = os.write, os.fsync, os.ftruncate
        self.owner = os.getpid()
        os.write, os.fsync, os.ftruncate = self._write, self._fsync, self._ftruncate
        sys.addaudithook(self._heard)

    def _heard(self, event, arguments):
        if event not in WRITES or os.getpid() != self.owner:
            return
        path = arguments[0]
        if not isinstance(path, (str, Path)) or not str(path).startswith(self.folder):
            return
        if event == "open" and not (arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR):
            return
        self._strike()

    def _strike(self, torn=lambda: None):
        self.count += 1
        if self.count == self.fault.at:
            torn()
            if self.fault.number == 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            os.kill(os.getpid(), self.fault.number)

    def _inside(self, handle):
        try:
            return str(Path(f"/proc/self/fd/{handle}").readlink()).startswith(self.folder)
        except OSError:
            return False

    def _write(self, handle, data):
        if self._inside(handle):
            self._strike(lambda: self.write(handle, data[: self.fault.torn % len(data)]))
        return self.write(handle, data)

    def _fsync(self, handle):
        self._strike()
        return self.fsync(handle)

    def _ftruncate(self, handle, size):
        self._strike()
        return self.ftruncate(handle, size)


def client(arguments, log, folder, fault):
    """Run one command of the command line in this process, its words in a file, its writes counted in another."""
    os.setpgid(0, 0)
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    os.environ["INJECTED_PAUSE"] = str(fault.pause)
    if fault.largest:
        resource.setrlimit(resource.RLIMIT_FSIZE, (fault.largest, resource.RLIM_INFINITY))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    os.chdir(Path(folder).parent)
    from uqmsm.cli import main

    injector = _Injector(fault, folder, Path(log).with_suffix(".tally"))
    try:
        main(arguments)
    finally:
        injector.tally.write_text(str(injector.count), encoding="ascii")


class Client:
    """A command that runs in a process of its own."""

    def __init__(self, arguments, folder, fault=None):
        self.arguments, self.folder = [str(one) for one in arguments], Path(folder)
        self.log = self.folder.parent / f"{self.folder.name}.log"
        self.log.unlink(missing_ok=True)
        given = (self.arguments, str(self.log), str(self.folder), fault or Fault())
        _served()
        self.process = _SERVER.Process(target=client, args=given, daemon=True)
        self.process.start()

    def wait(self, seconds=SECONDS):
        """Return the exit code; a signal as a negative number.

        Raises
        ------
        AssertionError
            When it hangs; it is killed then.
        """
        self.process.join(seconds)
        code = self.process.exitcode
        if code is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.join()
            raise AssertionError(f"{self.arguments} hangs:\n{self.words}")
        return code

    @property
    def words(self):
        """Return what it said."""
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""

    @property
    def writes(self):
        """Return how many writes it counted."""
        return int(self.log.with_suffix(".tally").read_text(encoding="ascii"))

    def struck(self, seconds, number):
        """Send a signal after some time, unless it ends by itself; return the exit code."""
        self.process.join(seconds)
        if self.process.exitcode is None:
            os.kill(self.process.pid, number)
        return self.wait()


def seconds_of(arguments, folder):
    """Run a command to its end; return the client and the time it took [s]."""
    began = time.monotonic()
    one = Client(arguments, folder)
    assert one.wait() == 0, one.words
    return one, time.monotonic() - began


def written(place):
    """Write the study, and return its file."""
    place.mkdir(exist_ok=True)
    file = place / "study.yaml"
    file.write_text(STUDY, encoding="utf-8")
    return file
