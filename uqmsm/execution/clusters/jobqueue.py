"""Workers in the jobs of SLURM or PBS: submitted for a run, kept while there is work, ended with it.

The scheduler lives in the client's process; their workers connect to it, encrypted unless all of it is on one
machine. dask-jobqueue writes and submits the job scripts.
"""

from __future__ import annotations

import getpass
import logging
import os
import shutil
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import dask
from distributed import Client, Security
from distributed.deploy.spec import ProcessInterface

from uqmsm.errors import EnvironmentFault, StudyError, how_to_install
from uqmsm.execution.clusters.joined import security
from uqmsm.execution.clusters.keeping import IDLE_CHECKS, TARGET_SECONDS, JobKeeper, queue_of
from uqmsm.execution.clusters.local import LOOPBACK, dashboard_address, interrupt_afterwards, quiet
from uqmsm.execution.clusters.tasks import DaskBackend, scheduler_settings
from uqmsm.execution.places import ClusterSettings, Tls
from uqmsm.execution.worker import KEPT_MEMORY, ONE_THREAD

__all__ = ["jobqueue"]

SUBMIT = {"slurm": "sbatch", "pbs": "qsub"}
NEWS_SECONDS = 60.0
_INSTALL = how_to_install("slurm")


def jobqueue(place: ClusterSettings, tell: Callable[[str], None]) -> DaskBackend:
    """Return a backend whose workers are jobs; the first of them has begun on return.

    Parameters
    ----------
    place
        Batch system, queue, and what to ask of them.
    tell
        Takes one line for people.

    Raises
    ------
    StudyError
        When an optional package is missing, or TLS files cannot be used.
    EnvironmentFault
        When this machine has no such batch system, or that refuses the jobs.
    """
    job_class, cluster_class = _classes(place.system)
    if shutil.which(SUBMIT[place.system]) is None:
        raise EnvironmentFault(
            f"there is no {SUBMIT[place.system]} on {socket.gethostname()}; run where jobs are submitted (a login "
            "node), or leave --cluster away to use this machine"
        )
    quiet()
    folder = _private_folder(place)
    safe = _credentials(place, folder)
    cluster = None
    try:
        with interrupt_afterwards(), dask.config.set(scheduler_settings()):
            options = _options(place, folder, safe, dashboard_address(tell))
            cluster = cluster_class(job_cls=_named(job_class), **options)
            keeper = _keep(cluster, place)
            client = Client(cluster, set_as_default=False, security=safe)
        tell(f"jobs of {place.at} write to {folder}")
        _await_first(client, keeper, place, tell)
    except BaseException as fault:
        if cluster is not None:
            cluster.close()
        _forget_keys(folder)
        if isinstance(fault, (RuntimeError, OSError, ValueError)) and not isinstance(fault, EnvironmentFault):
            raise EnvironmentFault(f"{place.at}: the scheduler could not be started ({fault})") from fault
        raise
    ended = _Ended(cluster, folder)
    dashboard = _dashboard(cluster, tell)
    planned = place.job_range[1] * place.workers_per_job
    return DaskBackend(client, ended, dashboard, planned=planned, supply=keeper)


class _Ended:
    """The cluster, and the keys that nobody needs after it."""

    def __init__(self, cluster: Any, folder: Path) -> None:
        self._cluster, self._folder = cluster, folder
        self.scheduler = cluster.scheduler

    def close(self) -> None:
        """Cancel the jobs, end the scheduler."""
        try:
            self._cluster.close()
        finally:
            _forget_keys(self._folder)


def _classes(system: str) -> tuple[Any, Any]:
    try:
        from dask_jobqueue.pbs import PBSCluster, PBSJob
        from dask_jobqueue.slurm import SLURMCluster, SLURMJob
    except ImportError as fault:
        raise StudyError(
            f"--cluster {system} needs the package {fault.name}, which is not installed; install it: {_INSTALL}"
        ) from fault
    return {"slurm": (SLURMJob, SLURMCluster), "pbs": (PBSJob, PBSCluster)}[system]


def _named(job_class: Any) -> Any:
    """Return the kind of job, one that remembers why it was refused and is told from a job that runs."""

    class Job(job_class):
        refused = ""

        async def start(self) -> None:
            """Submit; a refusal is the keeper's affair, who submits again or gives up."""
            try:
                await super().start()
            except (RuntimeError, ValueError, OSError) as fault:
                lines = [line for line in str(fault).splitlines() if line.strip()]
                at = next((row for row, line in enumerate(lines) if line.startswith("stderr")), len(lines) - 1)
                self.refused = " ".join(lines[at + 1 :]) or str(fault)
                await ProcessInterface.start(self)

        async def close(self) -> None:
            """Cancel; what is gone already is left."""
            await super().close()
            await ProcessInterface.close(self)

    return Job


def _private_folder(place: ClusterSettings) -> Path:
    """Return a new folder for the logs and keys of one run, readable for its owner alone."""
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    shared = Path(os.path.expandvars(place.shared or f"{cache}/uqmsm")).expanduser()
    try:
        shared.mkdir(parents=True, exist_ok=True)
        return Path(mkdtemp(prefix=time.strftime("jobs-%Y%m%d-%H%M%S-"), dir=shared))  # made with mode 0700
    except OSError as fault:
        raise EnvironmentFault(
            f"{shared}: {fault.strerror}; give a folder that this machine and those of the jobs see: shared=FOLDER"
        ) from fault


def _credentials(place: ClusterSettings, folder: Path) -> Security | None:
    """Return the files given, temporary ones, or None where nothing leaves this machine or the user says so."""
    if place.tls is not None:
        return security(place.tls)
    if place.interface == "lo" or not place.encrypted:
        return None
    try:
        made = Security.temporary()
    except ImportError as fault:
        raise StudyError(
            f"encryption between jobs needs the package cryptography; install it: {_INSTALL}, or give tls: files"
        ) from fault
    # the certificate is signed by itself: it is its own authority
    for name, text in (("cert.pem", made.tls_worker_cert), ("key.pem", made.tls_worker_key)):
        handle = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(text)
    return security(Tls(folder / "cert.pem", folder / "cert.pem", folder / "key.pem"))


def _forget_keys(folder: Path) -> None:
    for name in ("cert.pem", "key.pem"):
        (folder / name).unlink(missing_ok=True)
    with suppress(OSError):  # kept while it holds the logs of jobs
        folder.rmdir()


def _options(place: ClusterSettings, folder: Path, safe: Security | None, dashboard: str | None) -> dict[str, Any]:
    life, spread = place.lifetime_seconds
    workers, cores = place.workers_per_job, place.cores_per_job
    settings = [f"export {name}={value}" for name, value in {**ONE_THREAD, **KEPT_MEMORY}.items()]
    memory = -(-place.bytes_per_job // 10**6)
    apart: dict[str, dict[str, Any]] = {
        # dask-jobqueue gives each process cores/processes threads, and ours want one; a job's cores are said apart
        "slurm": {"job_cpu": cores},
        "pbs": {"resource_spec": f"select=1:ncpus={cores}:mem={memory}mb"},
    }
    return apart[place.system] | {
        "queue": place.queue,
        "account": place.account,
        "walltime": _clock(place.walltime_seconds),
        "cores": workers,
        "processes": workers,
        "memory": f"{memory} MB",
        "interface": place.interface,
        "protocol": "tcp://" if safe is None else "tls://",
        "security": safe,
        "python": place.python,
        "local_directory": place.scratch,
        "job_name": f"uqmsm-{getpass.getuser()}-{os.getpid()}",
        "log_directory": str(folder),
        "job_script_prologue": [*settings, *place.prologue],
        "job_extra_directives": list(place.directives),
        "worker_extra_args": [
            *("--lifetime", f"{life}s", "--lifetime-stagger", f"{spread}s"),
            *("--dashboard-address", f"{LOOPBACK}:0"),  # a worker's vital signs are for its own machine
        ],
        "scheduler_options": {"dashboard_address": dashboard or f"{LOOPBACK}:0", "dashboard": bool(dashboard)},
        "silence_logs": logging.CRITICAL,
    }


def _clock(seconds: int) -> str:
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def _keep(cluster: Any, place: ClusterSettings) -> JobKeeper:
    fewest, most = place.job_range
    keeper: JobKeeper = cluster.adapt(
        Adaptive=JobKeeper,
        minimum_jobs=fewest,
        maximum_jobs=most,
        queue=queue_of(place.system),
        interval="1s",
        wait_count=IDLE_CHECKS,
        target_duration=f"{TARGET_SECONDS}s",
    )
    return keeper


def _await_first(client: Client, keeper: JobKeeper, place: ClusterSettings, tell: Callable[[str], None]) -> None:
    """Wait for as long as the queue takes; Ctrl-C ends it."""
    news = time.monotonic() + NEWS_SECONDS
    keeper.wanted = True  # there is no task yet that would ask for a worker
    while not client.nthreads():
        if not keeper.expected():
            raise EnvironmentFault(
                f"{place.at}: no worker came ({keeper.trouble()}); mend the settings of the cluster, then run again"
            )
        if time.monotonic() > news:
            news += NEWS_SECONDS
            tell(f"waiting for the first of {place.job_range[1]} jobs in {place.at}")
        time.sleep(0.2)
    keeper.wanted = False


def _dashboard(cluster: Any, tell: Callable[[str], None]) -> str:
    if not cluster.scheduler_spec["options"]["dashboard"]:
        return ""
    port = cluster.scheduler.http_server.port
    host = socket.gethostname()
    tell(f"the dashboard is on {host} alone; from elsewhere: ssh -L {port}:{LOOPBACK}:{port} {host}")
    return f"http://{LOOPBACK}:{port}/status"
