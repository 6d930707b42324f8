"""A cluster on this machine: processes with one thread each, everything on loopback."""

from __future__ import annotations

import logging
import signal
import socket
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from multiprocessing import resource_tracker
from types import ModuleType
from typing import Any

import dask
from distributed import Client, LocalCluster, Nanny

from uqmsm.errors import EnvironmentFault
from uqmsm.execution.clusters.tasks import DaskBackend, scheduler_settings
from uqmsm.execution.worker import KEPT_MEMORY, ONE_THREAD

__all__ = ["DASHBOARD_PORT", "dashboard_address", "interrupt_afterwards", "local", "quiet"]

DASHBOARD_PORT = 8787
LOOPBACK = "127.0.0.1"


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


def local(workers: int, tell: Callable[[str], None]) -> DaskBackend:
    """Return a backend with a cluster of its own on loopback.

    Parameters
    ----------
    workers
        Number of worker processes.
    tell
        Takes one line for people.

    Raises
    ------
    EnvironmentFault
        When the machine cannot start them.
    """
    quiet()
    dashboard = dashboard_address(tell)
    settings = {
        "distributed.nanny.pre-spawn-environ": {**ONE_THREAD, **KEPT_MEMORY},
        **scheduler_settings(),
    }
    # read at every death of a worker: one that is just being started again would be given up for good
    dask.config.set({"distributed.deploy.lost-worker-timeout": "1000 hours"})
    resource_tracker.ensure_running()  # at its start it lifts the block of Ctrl-C, which then misses the first worker
    cluster = None
    try:
        with interrupt_afterwards(), dask.config.set(settings), warnings.catch_warnings():
            # between our look at the port and Dask's another run may take it; the link that is printed is the bound one
            warnings.filterwarnings("ignore", "Port .* is already in use", UserWarning)
            cluster = LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                worker_class=_Nanny,
                host=LOOPBACK,
                dashboard_address=dashboard or f"{LOOPBACK}:0",  # the scheduler serves its vital signs in any case
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
    return DaskBackend(client, cluster, f"http://{LOOPBACK}:{port}/status")


@contextmanager
def interrupt_afterwards() -> Iterator[None]:
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


def quiet() -> None:
    """Silence Dask's log, and its memory of the last thousand messages to each worker: they hold whole tasks."""
    dask.config.set({"distributed.admin.low-level-log-length": 8})
    # what goes wrong is said in our own words, once; Dask's log would tell it again, with tracebacks
    for name in ("distributed", *logging.root.manager.loggerDict):  # some of Dask's have levels of their own
        if name.partition(".")[0] == "distributed":
            logging.getLogger(name).setLevel(logging.CRITICAL)


def dashboard_address(tell: Callable[[str], None]) -> str | None:
    """Return where Dask's dashboard may bind on loopback, or None after telling why there is none."""
    if find_spec("bokeh") is None:
        tell("no dashboard: bokeh is not installed (`pip install bokeh`); the run goes on without it")
        return None
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, DASHBOARD_PORT))
        except OSError:
            return f"{LOOPBACK}:0"
    return f"{LOOPBACK}:{DASHBOARD_PORT}"
