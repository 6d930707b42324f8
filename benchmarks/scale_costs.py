"""Measures on this machine what `scale_model.py` counts with: client, scheduler, worker, file system, journal.

Usage: ``python benchmarks/scale_costs.py [--tasks 1000 10000 100000]`` prints one JSON document of costs. Nothing here
is an opinion: every number comes from the code that runs studies, or from Dask's own processes, by CPU time where a
processor is what is used and by wall time where a disk is waited for.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import psutil
from overhead import STAGES, Next, chain, resident

from uqmsm.execution.backends import Finished, InProcess
from uqmsm.execution.clusters import open_backend
from uqmsm.execution.dispatch import execute
from uqmsm.execution.journal import RunFolder
from uqmsm.execution.taskfile import Status, TaskRecord, write_task
from uqmsm.fields import read_row, store

FILES = (1, 1000, 10_000)


@dataclass(frozen=True)
class Costs:
    """Seconds, unless said otherwise.

    Parameters
    ----------
    start
        From a cluster that is there to the first result: operators sent, modules imported by the workers.
    client_task, client_call, lay
        CPU of the client: per task submitted and taken, per call in it, and per call laid out before the run.
    journal
        Waiting for one journal line to be on the disk.
    dask_client, dask_scheduler, dask_worker
        CPU of Dask's three roles per task.
    hop
        Message from one process to another, beyond the CPU that it costs.
    worker_task, worker_call
        CPU of a worker per task and per call of an operator that costs nothing.
    file, file_byte, read_byte
        Writing one file to the disk: per file (create, fsync, rename, fsync of the folder), per byte; verified reading.
    memory_call
        Bytes of the client's memory per call.
    scheduler_by_tasks, scheduler_by_workers
        Tasks handed over at once, and workers -> CPU of the scheduler per task.
    write_by_files
        Files already in the folder -> seconds of writing one more.
    """

    start: float
    client_task: float
    client_call: float
    lay: float
    journal: float
    dask_client: float
    dask_scheduler: float
    dask_worker: float
    hop: float
    worker_task: float
    worker_call: float
    file: float
    file_byte: float
    read_byte: float
    memory_call: float
    scheduler_by_tasks: dict[str, float] = field(default_factory=dict)
    scheduler_by_workers: dict[str, float] = field(default_factory=dict)
    write_by_files: dict[str, float] = field(default_factory=dict)


def usual(what, times):
    """Return the lower quartile of the seconds of one call of `what`: others use this disk and these cores, too."""
    seconds = []
    for number in range(times):
        begin = time.perf_counter()
        what(number)
        seconds.append(time.perf_counter() - begin)
    return float(np.quantile(seconds, 0.25))


@dataclass(frozen=True)
class Spin(Next):
    """Adds one uniform, and keeps a processor busy."""

    seconds: float = 0.0

    def __call__(self, given, streams):
        """Return the sum when so much processor time is spent."""
        until = time.thread_time() + self.seconds
        while time.thread_time() < until:
            pass
        return super().__call__(given, streams)


# --- our own code, no Dask


class Metered(InProcess):
    """Runs tasks here and keeps the processor time of the worker's part apart from the client's."""

    def __init__(self):
        super().__init__()
        self.seconds, self.tasks = 0.0, 0

    def finished(self, *, wait):
        """Run the next task on the clock."""
        if not wait or not self._queue:
            return []
        ticket, function, argument = self._queue.popleft()
        begin = time.process_time()
        result = function(argument)
        self.seconds += time.process_time() - begin
        self.tasks += 1
        return [Finished(ticket, result)]


SIZES = ((1000, 5), (1000, 50), (10_000, 50), (10_000, 1000), (50_000, 500), (100_000, 10_000))


def cut(members, block, backend):
    """Run the chain, each task of so many calls; return what is counted: tasks and calls."""
    table = np.repeat(np.arange(members)[:, None], STAGES, axis=1)
    with tempfile.TemporaryDirectory() as place, RunFolder.create(Path(place) / "run") as folder:
        blocks = {f"stage{depth}": block for depth in range(STAGES)}
        execute(chain(), 1, table, folder, backend=backend, blocks=blocks)
        tasks = sum(len(names) for _, _, names in os.walk(folder.members))
    return tasks, members * STAGES


def of_client():
    """Return processor time of our client per task and per call: what a run in this process takes beside its calls."""
    rows, seconds = [], []
    for members, block in ((100, 10), *SIZES):
        backend, begin = Metered(), time.process_time()
        rows.append(cut(members, block, backend))
        seconds.append(time.process_time() - begin - backend.seconds)
    return fitted(rows[1:], seconds[1:])


def of_worker():
    """Return processor time of a worker process per task, Dask's part included, and per call."""
    rows, seconds = [], []
    backend = open_backend(1)
    mine = psutil.Process().children(recursive=True)
    for members, block in ((100, 10), *SIZES[:-1]):
        begin = sum(map(_spent, mine))
        rows.append(cut(members, block, backend))
        seconds.append(sum(map(_spent, mine)) - begin)
    backend.close()
    return fitted(rows[1:], seconds[1:])


def fitted(columns, seconds):
    """Return non-negative costs by least squares of relative errors."""
    from scipy.optimize import nnls

    weight = 1 / np.asarray(seconds)
    found, _ = nnls(np.asarray(columns, dtype=float) * weight[:, None], np.ones(len(seconds)))
    return found.tolist()


def start():
    """Return seconds from an open cluster of one worker to the end of a run of one member."""
    backend = open_backend(1)
    with tempfile.TemporaryDirectory() as place, RunFolder.create(Path(place) / "run") as folder:
        begin = time.perf_counter()
        execute(chain(), 1, np.zeros((1, STAGES), dtype=np.int64), folder, backend=backend)
        seconds = time.perf_counter() - begin
    backend.close()
    return seconds


def laid_out(members=100_000):
    """Return seconds and bytes per call of laying the calls out."""
    from uqmsm.execution.calls import calls_of
    from uqmsm.execution.outcomes import Outcomes

    table = np.repeat(np.arange(members)[:, None], STAGES, axis=1)
    before, begin = resident(), time.perf_counter()
    found = Outcomes(chain(), table, calls_of(chain(), 1, table))
    seconds = time.perf_counter() - begin
    held = (resident() - before) * 2**20 / (members * STAGES)
    del found
    return seconds / (members * STAGES), held + 8.0 + 8.0  # the outcome itself, and the order of the keys


# --- the disk


def record(calls, size):
    """Return a record of so many calls with so many numbers each."""
    return TaskRecord(
        stage="stage0",
        keys=np.random.default_rng(calls).integers(0, 256, (calls, 32), dtype=np.uint8),
        status=np.full(calls, Status.DONE, dtype=np.uint8),
        seconds=np.zeros(calls),
        host="here",
        reasons={},
        values={"x": np.random.default_rng(calls + 1).random((calls, size))},
        sizes={},
    )


def disk():
    """Return seconds per file, per byte written, per byte read and verified, and per file in fuller folders."""
    by_files = {}
    with tempfile.TemporaryDirectory() as place:
        members = Path(place)
        there = 0
        for target in FILES:
            for name in range(there, target):
                (members / f"stage0-{name:024x}.npz").touch()
            there = target
            by_files[str(target)] = usual(lambda k, at=target: write_task(members, record(1 + at + k, 1)), 40)
        big = np.random.default_rng(1).random((8, 1_000_000))
        stored = store(members, "", "stage0", "box", big)
        written = usual(lambda _: store(members, "", "stage0", "box", big), 8)
        read = 8 * usual(lambda k: read_row(members, stored.file, k, stored.digests[k].tobytes()), 8)
    size = 8 * 8_000_000
    small = by_files[str(FILES[0])]
    return small, max(written - small, 0) / size, read / size, by_files


def journal(lines=200):
    """Return seconds per journal line."""
    with tempfile.TemporaryDirectory() as place, RunFolder.create(Path(place) / "run") as folder:
        words = {"stage": "stage0", "sha256": "0" * 64, "calls": 1, "done": 1}
        return usual(lambda line: folder.note("task", file=f"stage0-{line:024x}.npz", **words), lines)


# --- Dask, each role in a process of its own

_ROLES = """
import asyncio, sys
from distributed import Scheduler, Worker
async def main():
    if sys.argv[1] == "scheduler":
        async with Scheduler(host="127.0.0.1", port=0, dashboard=False) as one:
            print(one.address, flush=True)
            await one.finished()
    else:
        mates = [Worker(sys.argv[2], nthreads=1, dashboard=False, validate=False) for _ in range(int(sys.argv[3]))]
        await asyncio.gather(*mates)
        print(mates[0].address, flush=True)
        await mates[0].finished()
asyncio.run(main())
"""


def _role(*words):
    command = [sys.executable, "-c", _ROLES, *words]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    started = subprocess.Popen(command, text=True, **pipes)  # noqa: S603  # our own script, above
    return started, started.stdout.readline().strip()


def _cpu(process):
    return _spent(psutil.Process(process.pid))


def _spent(process):
    spent = process.cpu_times()
    return spent.user + spent.system


def dask_roles(sizes, workers=2):
    """Return CPU per task of client, scheduler and worker at each number of tasks, and the hop of a message.

    More than a few workers share one process: it is the scheduler's time that is looked at.
    """
    from distributed import Client

    scheduler, address = _role("scheduler")
    each = 1 if workers <= 2 else workers
    mates = [_role("worker", address, str(each))[0] for _ in range(workers // each)]
    rows = {}
    try:
        with Client(address, set_as_default=False) as client:
            client.wait_for_workers(workers)
            client.gather(client.map(abs, range(-50, 0), pure=False))
            for size in sizes:
                before = time.process_time(), _cpu(scheduler), sum(map(_cpu, mates))
                client.gather(client.map(abs, range(size), pure=False))
                after = time.process_time(), _cpu(scheduler), sum(map(_cpu, mates))
                rows[str(size)] = [(b - a) / size for a, b in zip(before, after, strict=True)]
            trip = usual(lambda number: client.submit(abs, number, pure=False).result(), 200)
    finally:
        for process in (*mates, scheduler):
            process.terminate()
            process.wait()
    return rows, trip


def measured(sizes):
    """Return the `Costs` of this machine."""
    file, file_byte, read_byte, by_files = disk()
    (client_task, client_call), (worker_task, worker_call) = of_client(), of_worker()
    line = journal()
    lay, memory = laid_out()
    rows, trip = dask_roles(sizes)
    client, scheduler, worker = rows[str(min(sizes, key=lambda size: abs(size - 10_000)))]
    by_workers = {str(count): dask_roles([5000], count)[0]["5000"][1] for count in (1, 10, 100)}
    return Costs(
        start=start(),
        client_task=client_task,
        client_call=max(client_call - lay, 0.0),
        lay=lay,
        journal=line,
        dask_client=client,
        dask_scheduler=scheduler,
        dask_worker=worker,
        hop=max(trip - client - scheduler - worker, 0.0) / 4,
        worker_task=max(worker_task - worker, 0.0),
        worker_call=worker_call,
        file=file,
        file_byte=file_byte,
        read_byte=read_byte,
        memory_call=memory,
        scheduler_by_tasks={size: row[1] for size, row in rows.items()},
        scheduler_by_workers=by_workers,
        write_by_files=by_files,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, nargs="+", default=[1000, 10_000])
    print(json.dumps(asdict(measured(parser.parse_args().tasks)), indent=1))


if __name__ == "__main__":
    main()
