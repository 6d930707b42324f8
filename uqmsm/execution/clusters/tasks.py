"""Tasks on a Dask cluster, whoever started it: sent in windows, watched for silence."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Protocol, TypeVar

import dask
from distributed import Client, Future, WorkerPlugin, performance_report
from distributed.comm import CommClosedError
from distributed.protocol.pickle import dumps
from distributed.scheduler import KilledWorker

from uqmsm.errors import EnvironmentFault, StudyError
from uqmsm.execution import worker
from uqmsm.execution.backends import Finished
from uqmsm.fingerprint import versions
from uqmsm.stochastic import Operator
from uqmsm.trust import CLOSED

__all__ = ["SILENCE_SECONDS", "WORKER_DEATHS", "Cluster", "DaskBackend", "Supply", "scheduler_settings"]

SILENCE_SECONDS = 60.0  # without scheduler or without any worker, before the run is given up as resumable
WORKER_DEATHS = 1  # how often a task may take its worker down before Dask returns it to us


_Ended = TypeVar("_Ended")


class _Preparation(WorkerPlugin):
    """Prepares every worker, also those that are started again after a loss."""

    def __init__(self, name: str, pickles: Mapping[str, bytes], paths: list[str], umask: int) -> None:
        self.name, self._umask = name, umask
        self._pickles, self._paths, self._versions = dict(pickles), paths, versions()

    def setup(self, worker: Any) -> None:
        """Take in the operators; find the modules that the client finds.

        Raises
        ------
        EnvironmentFault
            When a library that may change digits has another version here.
        """
        del worker
        here = versions()
        other = [
            f"{name} {here[name]} for {ours}" for name, ours in self._versions.items() if here.get(name, ours) != ours
        ]
        if other:
            raise EnvironmentFault(
                f"a worker on {socket.gethostname()} has {', '.join(other)}, so its digits may be others; give workers "
                "the environment of the client, then resume the run"
            )
        sys.path.extend(path for path in self._paths if path not in sys.path and os.path.isdir(path))  # noqa: PTH112
        os.umask(self._umask)  # the client's: what its workers write is for those who may read what it writes
        _know(self._pickles)


def _know(pickles: Mapping[str, bytes]) -> None:
    worker.know(pickles)


class Cluster(Protocol):
    """What was started for a client and is ended with it."""

    def close(self) -> None:
        """End scheduler and workers."""
        ...


class Supply(Protocol):
    """Where workers come from when none is there."""

    def expected(self) -> bool:
        """Tell whether workers may still come without anybody's help."""
        ...

    def trouble(self) -> str:
        """Return why workers did not come, or an empty text."""
        ...


class DaskBackend:
    """Tasks on a Dask cluster; made by `open_backend`.

    Parameters
    ----------
    client
        Client of its scheduler.
    cluster
        What is closed with the client; None for a scheduler that is somebody else's.
    dashboard
        Address of Dask's own pages, or an empty text.
    planned
        Worker processes that there will be when all have come; those that are there now if not given.
    supply
        Where workers come from while none is there.
    """

    def __init__(
        self,
        client: Client,
        cluster: Cluster | None,
        dashboard: str,
        *,
        planned: int = 0,
        supply: Supply | None = None,
    ) -> None:
        self.dashboard = dashboard
        self._client, self._cluster, self._supply = client, cluster, supply
        self._under_way: dict[str, Future] = {}
        self._ended: SimpleQueue[str] = SimpleQueue()
        self._slots: int = max(1, planned, sum(client.nthreads().values()))
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
        umask = os.umask(CLOSED)
        os.umask(umask)
        self._client.register_plugin(_Preparation(name, pickles, paths, umask | CLOSED), name=name)

    def warm_up(self, fingerprints: Iterable[str]) -> None:
        """Compile kernels once on every machine; different operators at the same time on different workers."""
        machines: dict[str, list[str]] = {}
        for address in self._client.nthreads():
            machines.setdefault(address.rpartition(":")[0], []).append(address)
        todo = list(fingerprints)
        futures = [
            self._client.submit(
                worker.warm_up,
                one,
                workers=mates,
                allow_other_workers=True,  # a machine whose time is over takes no more work
                key=f"compile-{one[:16]}{at:08x}",
                pure=False,
            )
            for at, mates in enumerate(machines.values())
            for one in todo
        ]
        self._gathered(futures)

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
        tickets = [self._next(self._ended)] if wait and self._under_way else []
        while not self._ended.empty():
            tickets.append(self._ended.get())
        ends = [self._end(ticket) for ticket in tickets if ticket in self._under_way]
        return [end for end in ends if end is not None]

    def _next(self, ended: SimpleQueue[_Ended]) -> _Ended:
        """Return what ends next; look now and then whether anything still can."""
        alive = asked = time.monotonic()
        while True:
            try:
                return ended.get(timeout=1.0)
            except Empty:
                now = time.monotonic()
            if self._client.status == "running" and now - asked < SILENCE_SECONDS / 4:
                alive = alive if now - alive > SILENCE_SECONDS / 4 else now
                continue
            asked = now
            if self._client.status == "running" and (self._client.nthreads() or self._hope()):
                alive = now
            elif now - alive > SILENCE_SECONDS or self._client.status == "closed":
                why = self._supply.trouble() if self._supply is not None else ""
                raise EnvironmentFault(
                    f"the scheduler or all of its workers are gone{f' ({why})' if why else ''}; what was finished is "
                    "kept: mend the cluster, then resume the run"
                )

    def _hope(self) -> bool:
        return self._supply is not None and self._supply.expected()

    def _end(self, ticket: str) -> Finished | None:
        future = self._under_way.pop(ticket)
        if future.status in {"lost", "pending"}:  # it had ended, but its worker died with the receipt: it runs again
            self._watch(ticket, future)
            return None
        try:
            return Finished(ticket, future.result())
        except KilledWorker:
            return Finished(ticket, lost=f"the worker process ended {WORKER_DEATHS + 1} times while running it")
        except (CancelledError, CommClosedError) as fault:
            raise EnvironmentFault(
                f"the scheduler is gone, or gave task {ticket} back unfinished; what was finished is kept: mend the "
                "cluster, then resume the run"
            ) from fault
        except Exception as fault:
            raise EnvironmentFault(
                f"a worker could not run task {ticket} ({type(fault).__name__}: {fault}); do the workers have the same "
                "versions of Python and uqmsm as the client? Mend them, then resume the run"
            ) from fault

    def on_scheduler(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Return ``function(*arguments, dask_scheduler=scheduler)``, called in the scheduler's process."""
        return self._client.run_on_scheduler(function, *arguments)

    @contextmanager
    def recorded(self, path: Path) -> Iterator[None]:
        """Write what the workers did in the meantime, as Dask's own page, to `path`."""
        if find_spec("bokeh") is None:
            yield
            return
        with self._client.as_current():
            page = performance_report(filename=str(path))
            page.__enter__()
            try:
                yield
            finally:
                # a scheduler that is gone has nothing to tell, and whoever needed it has said so
                with suppress(OSError):
                    page.__exit__(None, None, None)

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
        return self._gathered(futures)

    def _gathered(self, futures: list[Future]) -> list[Any]:
        """Return the results, once all are there or one has failed.

        Waiting is not left to `gather`: a Ctrl-C leaves its waits behind, which then complain that nobody asked them.
        """
        ended: SimpleQueue[Future] = SimpleQueue()
        for future in futures:
            future.add_done_callback(ended.put)
        for _ in futures:
            if self._next(ended).status == "error":
                break
        try:
            return list(self._client.gather(futures))
        except KilledWorker as fault:
            raise EnvironmentFault(
                f"workers ended while running {fault.task}, most often for want of memory; give fewer --workers, then "
                "resume the run"
            ) from fault

    def close(self) -> None:
        """End the client, and the cluster if it is our own."""
        self.forget()
        try:
            self._client.close()
        finally:  # Ctrl-C while the client says goodbye leaves no workers or jobs behind
            if self._cluster is not None:
                self._cluster.close()


def scheduler_settings() -> dict[str, Any]:
    """Return what Dask should know while a scheduler of our own starts."""
    return {
        "distributed.scheduler.allowed-failures": WORKER_DEATHS,
        # a kernel that holds the interpreter's lock for minutes is at work, not dead; a dead one closes its socket
        "distributed.scheduler.worker-ttl": None,
    }
