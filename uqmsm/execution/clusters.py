"""Dask's only door: a local cluster of processes with one thread each, or a scheduler that is already there."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import CancelledError
from contextlib import contextmanager
from importlib.util import find_spec
from multiprocessing import resource_tracker
from pathlib import Path
from queue import Empty, SimpleQueue
from types import ModuleType
from typing import Any

import dask
from distributed import Client, Future, LocalCluster, Nanny, WorkerPlugin, performance_report
from distributed.protocol.pickle import dumps
from distributed.scheduler import KilledWorker

from uqmsm.errors import EnvironmentFault, StudyError
from uqmsm.execution import worker
from uqmsm.execution.backends import Backend, Finished, InProcess
from uqmsm.stochastic import Operator

__all__ = ["DaskBackend", "open_backend"]

DASHBOARD_PORT = 8787
CONNECT_SECONDS = 3.0
SILENCE_SECONDS = 60.0  # without scheduler or without any worker, before the run is given up as resumable
WORKER_DEATHS = 1  # how often a task may take its worker down before Dask returns it to us


class _Preparation(WorkerPlugin):
    """Prepares every worker, also those that are started again after a loss."""

    def __init__(self, name: str, pickles: Mapping[str, bytes], paths: list[str]) -> None:
        self.name = name
        self._pickles, self._paths = dict(pickles), paths

    def setup(self, worker: Any) -> None:
        """Take in the operators; find the modules that the client finds."""
        del worker
        sys.path.extend(path for path in self._paths if path not in sys.path and os.path.isdir(path))  # noqa: PTH112
        _know(self._pickles)


def _know(pickles: Mapping[str, bytes]) -> None:
    worker.know(pickles)


class _Nanny(Nanny):
    """Starts workers that do not run the user's script or notebook again.

    multiprocessing imports the main module of its parent in each child: a script without ``if __name__`` would start
    clusters for ever, and workers would load whatever it plots with. What a task needs travels by value. While any
    worker starts, first or again, an empty module stands in for the main one.
    """

    starting = 0
    main = sys.modules["__main__"]

    async def instantiate(self) -> Any:
        """Start the worker process; runs in the one event loop of the cluster, several at a time."""
        # Ctrl-C reaches every process of a terminal; it is the client's to handle. What is started here inherits this.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        if _Nanny.starting == 0:
            _Nanny.main = sys.modules["__main__"]
            sys.modules["__main__"] = ModuleType("__main__")
        _Nanny.starting += 1
        try:
            return await super().instantiate()
        finally:
            _Nanny.starting -= 1
            if _Nanny.starting == 0:
                sys.modules["__main__"] = _Nanny.main


class DaskBackend:
    """Tasks on a Dask cluster; made by `open_backend`."""

    def __init__(self, client: Client, cluster: LocalCluster | None, dashboard: str) -> None:
        self.dashboard = dashboard
        self._client, self._cluster = client, cluster
        self._under_way: dict[str, Future] = {}
        self._ended: SimpleQueue[str] = SimpleQueue()
        self._slots: int = max(1, sum(client.nthreads().values()))
        self._known: set[str] = set()

    @property
    def slots(self) -> int:
        """How many tasks run at the same time."""
        return self._slots

    @property
    def window(self) -> int:
        """Three tasks per slot: enough to hide the way there and back, few enough to keep the order."""
        return 3 * self._slots

    def know(self, operators: Mapping[str, Operator]) -> None:
        """Tell every worker, also those that come later, the operators (by fingerprint)."""
        new = {key: operator for key, operator in operators.items() if key not in self._known}
        if not new:
            return
        try:
            pickles = {key: bytes(dumps(operator)) for key, operator in new.items()}
        except Exception as fault:  # pickle raises whatever the object raises
            raise StudyError(f"an operator cannot be sent to workers: {fault}; keep its fields plain data") from fault
        self._known.update(new)
        name = f"uqmsm-operators-{os.getpid()}-{len(self._known)}"
        paths = [path for path in sys.path if path]
        self._client.register_plugin(_Preparation(name, pickles, paths), name=name)

    def warm_up(self, fingerprints: Iterable[str]) -> None:
        """Compile kernels once on every machine; different operators at the same time on different workers."""
        machines: dict[str, list[str]] = {}
        for address in self._client.nthreads():
            machines.setdefault(address.rpartition(":")[0], []).append(address)
        todo = list(fingerprints)
        futures = [
            self._client.submit(worker.warm_up, one, workers=mates, key=f"compile-{one[:16]}{at:08x}", pure=False)
            for at, mates in enumerate(machines.values())
            for one in todo
        ]
        with self._explained():
            self._client.gather(futures)

    def submit(self, ticket: str, function: Callable[..., Any], argument: Any, *, urgency: int) -> None:
        """Put one task on its way; the ticket is its key, which the dashboard groups by the word before the dash."""
        # an outcome that one stage hands to the next may be large; that is no mistake to be warned of
        with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TB"}):
            future = self._client.submit(function, argument, key=ticket, pure=False, priority=urgency)
        self._watch(ticket, future)

    def _watch(self, ticket: str, future: Future) -> None:
        self._under_way[ticket] = future
        future.add_done_callback(lambda _: self._ended.put(ticket))

    def finished(self, *, wait: bool) -> list[Finished]:
        """Return the tasks that ended since last asked; `wait` until there is one."""
        tickets = [self._next()] if wait and self._under_way else []
        while not self._ended.empty():
            tickets.append(self._ended.get())
        ends = [self._end(ticket) for ticket in tickets if ticket in self._under_way]
        return [end for end in ends if end is not None]

    def _next(self) -> str:
        alive = asked = time.monotonic()
        while True:
            try:
                return self._ended.get(timeout=1.0)
            except Empty:
                now = time.monotonic()
            if self._client.status == "running" and now - asked < SILENCE_SECONDS / 4:
                alive = alive if now - alive > SILENCE_SECONDS / 4 else now
                continue
            asked = now
            if self._client.status == "running" and self._client.nthreads():
                alive = now
            elif now - alive > SILENCE_SECONDS or self._client.status == "closed":
                raise EnvironmentFault(
                    "the scheduler or all of its workers are gone; what was finished is kept: mend the cluster, then "
                    "resume the run"
                )

    def _end(self, ticket: str) -> Finished | None:
        future = self._under_way.pop(ticket)
        if future.status in {"lost", "pending"}:  # it had ended, but its worker died with the receipt: it runs again
            self._watch(ticket, future)
            return None
        try:
            return Finished(ticket, future.result())
        except KilledWorker:
            return Finished(ticket, lost=f"the worker process ended {WORKER_DEATHS + 1} times while running it")
        except CancelledError as fault:
            raise EnvironmentFault(
                f"the scheduler is gone, or gave task {ticket} back unfinished; what was finished is kept: mend the "
                "cluster, then resume the run"
            ) from fault
        except Exception as fault:
            raise EnvironmentFault(
                f"a worker could not run task {ticket} ({type(fault).__name__}: {fault}); do the workers have the same "
                "versions of Python and uqmsm as the client? Mend them, then resume the run"
            ) from fault

    @contextmanager
    def recorded(self, path: Path) -> Iterator[None]:
        """Write what the workers did in the meantime, as Dask's own page, to `path`."""
        if find_spec("bokeh") is None:
            yield
            return
        with self._client.as_current(), performance_report(filename=str(path)):
            yield

    def forget(self) -> None:
        """Give up the tasks that have not ended."""
        futures, self._under_way = list(self._under_way.values()), {}
        if futures and self._client.status == "running":
            self._client.cancel(futures, force=True, reason="the run was stopped")

    def map(self, function: Callable[..., Any], *iterables: Iterable[Any]) -> list[Any]:
        """Run the calls on the workers and return their results in order."""
        columns = [list(column) for column in iterables]
        if not columns or not min(map(len, columns)):
            return []
        shortest = min(map(len, columns))
        futures = self._client.map(function, *(column[:shortest] for column in columns), pure=False)
        with self._explained():
            return list(self._client.gather(futures))

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except KilledWorker as fault:
            raise EnvironmentFault(
                f"workers ended while running {fault.task}, most often for want of memory; give fewer --workers, then "
                "resume the run"
            ) from fault

    def close(self) -> None:
        """End the client, and the cluster if it is our own."""
        self.forget()
        self._client.close()
        if self._cluster is not None:
            self._cluster.close()


def open_backend(workers: int, cluster: str = "", say: Callable[[str], None] | None = None) -> Backend:
    """Return a backend; close it when done.

    Parameters
    ----------
    workers
        Number of worker processes of an own local cluster; 0 runs in this very process.
    cluster
        Address of a scheduler that is already there (``tcp://host:8786``); `workers` is then not used.
    say
        Takes one line for people.

    Raises
    ------
    StudyError
        When the address or the number of workers makes no sense.
    EnvironmentFault
        When no scheduler answers within seconds, or it has no workers.
    """
    tell = say or (lambda _: None)
    if cluster:
        return _joined(cluster)
    if workers < 0:
        raise StudyError(f"--workers {workers} makes no sense; give 0 (this process) or more")
    return InProcess() if workers == 0 else _local(workers, tell)


def _joined(address: str) -> DaskBackend:
    if not address.startswith(("tcp://", "tls://")):
        raise StudyError(f"--cluster {address!r} is no address of a scheduler; write for example tcp://host:8786")
    _quiet()
    client = None
    try:
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
        client.wait_for_workers(1, timeout=CONNECT_SECONDS)
    except (OSError, TimeoutError, ValueError) as fault:
        seen = "no scheduler answers" if client is None else "the scheduler has no workers"
        if client is not None:
            client.close()
        raise EnvironmentFault(
            f"{address}: {seen} within {CONNECT_SECONDS:g} s; start it (`dask scheduler`, `dask worker {address}`), or "
            "leave --cluster away to use this machine"
        ) from fault
    return DaskBackend(client, None, str(client.dashboard_link or ""))


def _local(workers: int, tell: Callable[[str], None]) -> DaskBackend:
    _quiet()
    dashboard = _dashboard_address(tell)
    settings = {
        "distributed.nanny.pre-spawn-environ": {**worker.ONE_THREAD, "MALLOC_TRIM_THRESHOLD_": "65536"},
        "distributed.scheduler.allowed-failures": WORKER_DEATHS,
        # a kernel that holds the interpreter's lock for minutes is at work, not dead; a dead one closes its socket
        "distributed.scheduler.worker-ttl": None,
    }
    resource_tracker.ensure_running()  # at its start it lifts the block of Ctrl-C, which then misses the first worker
    cluster = None
    try:
        with _interrupt_afterwards(), dask.config.set(settings), warnings.catch_warnings():
            # between our look at the port and Dask's another run may take it; the link that is printed is the bound one
            warnings.filterwarnings("ignore", "Port .* is already in use", UserWarning)
            cluster = LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                worker_class=_Nanny,
                host="127.0.0.1",
                dashboard_address=dashboard or "127.0.0.1:0",  # the scheduler serves its vital signs in any case
                scheduler_kwargs={"dashboard": bool(dashboard)},
                silence_logs=logging.CRITICAL,
            )
            client = Client(cluster, set_as_default=False)
    except BaseException as fault:
        if cluster is not None:
            cluster.close()
        if isinstance(fault, (RuntimeError, OSError)):
            raise EnvironmentFault(f"{workers} workers could not be started ({fault}); give fewer --workers") from fault
        raise
    if not dashboard:
        return DaskBackend(client, cluster, "")
    port = cluster.scheduler.http_server.port
    return DaskBackend(client, cluster, f"http://127.0.0.1:{port}/status")


@contextmanager
def _interrupt_afterwards() -> Iterator[None]:
    """Hold a Ctrl-C back for the second or two in which Dask starts: it cannot take a cluster down that is half up."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    seen: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: seen.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if seen:
            raise KeyboardInterrupt


def _quiet() -> None:
    # what goes wrong is said in our own words, once; Dask's log would tell it again, with tracebacks
    for name in ("distributed", *logging.root.manager.loggerDict):  # some of Dask's have levels of their own
        if name.partition(".")[0] == "distributed":
            logging.getLogger(name).setLevel(logging.CRITICAL)


def _dashboard_address(tell: Callable[[str], None]) -> str | None:
    if find_spec("bokeh") is None:
        tell("no dashboard: bokeh is not installed (`pip install bokeh`); the run goes on without it")
        return None
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", DASHBOARD_PORT))
        except OSError:
            return "127.0.0.1:0"
    return f"127.0.0.1:{DASHBOARD_PORT}"
