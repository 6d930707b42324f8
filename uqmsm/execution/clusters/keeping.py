"""Keeps the jobs of a run in number: more while there is work, new ones for those that ended."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

from distributed.deploy.adaptive import Adaptive

__all__ = ["GIVE_UP", "IDLE_CHECKS", "POLL_SECONDS", "TARGET_SECONDS", "JobKeeper", "queue_of"]

POLL_SECONDS = (3.0, 60.0)  # between questions to the batch system, first and last: schedulers of sites dislike more
GIVE_UP = 3  # jobs in a row that ended before any worker of theirs came
IDLE_CHECKS = 60  # seconds that a worker is idle before its job is given back: the next one may wait in a queue
TARGET_SECONDS = 1.0  # under way are three tasks a worker, of half a second each: they ask for all jobs

Queue = Callable[[Any, Iterable[str]], Awaitable[set[str] | None]]


def queue_of(system: str) -> Queue:
    """Return the question to a batch system: which of these jobs wait or run (None when it does not answer)."""
    return {"slurm": _slurm, "pbs": _pbs}[system]


async def _slurm(job: Any, ids: Iterable[str]) -> set[str] | None:
    del ids
    listed = await _asked(job, ["squeue", "--noheader", "--name", job.job_name, "--format", "%A"])
    return None if listed is None else set(listed.split())


async def _pbs(job: Any, ids: Iterable[str]) -> set[str] | None:
    listed = await _asked(job, ["qstat"])
    if listed is None:
        return None
    rows = [line.split() for line in listed.splitlines()]
    there = {row[0].partition(".")[0] for row in rows if len(row) >= 5 and row[-2] not in {"C", "F", "X"}}
    return {one for one in ids if one.partition(".")[0] in there}


async def _asked(job: Any, command: list[str]) -> str | None:
    try:
        return str(await job._call(command))  # noqa: SLF001  # dask-jobqueue's one way to call a batch system
    except (RuntimeError, OSError):
        return None


class JobKeeper(Adaptive):
    """Dask's own adaptive scaling, which also notices jobs that ended: by their walltime, by hand, or at their start.

    Parameters
    ----------
    cluster
        A cluster of dask-jobqueue, its scheduler in this process.
    queue
        Tells which jobs wait or run.
    options
        As for `distributed.deploy.Adaptive`.
    """

    def __init__(self, cluster: Any, queue: Queue, **options: Any) -> None:
        self.wanted = False
        self._queue = queue
        self._worked: set[str] = set()  # jobs that had a worker
        self._failures: list[str] = []
        self._pause, self._next = POLL_SECONDS[0], 0.0
        super().__init__(cluster, worker_key=_job_of, **options)

    def expected(self) -> bool:
        """Tell whether workers may still come: jobs wait, or were replaced and not refused again and again."""
        return len(self._failures) < GIVE_UP

    def trouble(self) -> str:
        """Return why the last job came to nothing."""
        return self._failures[-1] if self._failures else ""

    async def target(self) -> int:
        """Return how many workers there should be."""
        found: int = await super().target()
        return max(found, 1) if self.wanted else found

    async def recommendations(self, target: int) -> dict[str, Any]:
        """Return what to do; jobs that ended are no longer counted as planned."""
        if not self.expected():
            return {"status": "same"}
        await self._bury()
        found: dict[str, Any] = await super().recommendations(target)
        return found

    async def _bury(self) -> None:
        """Strike out jobs without a worker that the batch system knows no longer."""
        jobs, spec = self.cluster.workers, self.cluster.worker_spec
        present = {_job_of(one) for one in self.cluster.scheduler.workers.values()}
        self._worked |= present
        if present:
            self._failures.clear()
        silent = {name: job for name, job in jobs.items() if str(name) not in present}
        now = time.monotonic()
        if not silent:
            self._pause = POLL_SECONDS[0]
            return
        if now < self._next:
            return
        listed = await self._queue(next(iter(silent.values())), [str(job.job_id) for job in silent.values()])
        ended = {name: job for name, job in silent.items() if listed is not None and str(job.job_id) not in listed}
        self._pause = POLL_SECONDS[0] if ended else min(1.3 * self._pause, POLL_SECONDS[1])
        self._next = time.monotonic() + self._pause
        for name, job in ended.items():
            if str(name) not in self._worked:
                self._failures.append(_epitaph(job))
            if jobs.get(name) is job:
                del jobs[name]
            spec.pop(name, None)
            await job.close()


def _job_of(worker: Any) -> str:
    """Return the name of the job that a worker runs in: several workers of one job add ``-0``, ``-1`` to it."""
    name = str(worker.name)
    stem, _, last = name.rpartition("-")
    return stem if stem.rpartition("-")[2].isdigit() and last.isdigit() else name


def _epitaph(job: Any) -> str:
    """Return why a job came to nothing, with the last line of its log."""
    if job.refused:
        return f"a job was refused: {job.refused}"
    logs = sorted(Path(job.log_directory).glob(f"*{str(job.job_id).partition('.')[0]}*.err"))
    lines = [line.strip() for line in logs[-1].read_text(errors="replace").splitlines()] if logs else []
    last = next((line for line in reversed(lines) if line), "its log is empty")
    return f"job {job.job_id} ended before its worker came: {last}; its log is in {job.log_directory}"
