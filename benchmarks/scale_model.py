"""Plans ensembles past this machine: a discrete-event model of client, scheduler, workers and file system.

Usage::

    python benchmarks/scale_model.py measure > costs.json   # two minutes; what everything costs on this machine
    python benchmarks/scale_model.py validate costs.json    # real runs beside predicted ones, 1, 2 and 4 workers
    python benchmarks/scale_model.py plan costs.json        # the tables of docs/scale.md

The size of a task is decided by the rule of `uqmsm.execution.dispatch` itself, not by a copy of it. Where a run has
many more tasks than `TASKS`, two shorter runs are simulated and the rest is added at the pace of their difference.
"""

from __future__ import annotations

import argparse
import heapq
import json
import tempfile
import time
from collections import deque
from dataclasses import asdict, dataclass, field, replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
from overhead import STAGES, First, Next
from scale_clock import Clock, Cores, Server
from scale_costs import Costs, Spin, measured

from uqmsm.chain import Chain, Stage
from uqmsm.execution.clusters import open_backend
from uqmsm.execution.dispatch import LOOK_AHEAD, execute
from uqmsm.execution.journal import RunFolder
from uqmsm.execution.pace import Pace

TASKS = 20_000  # simulated at least, before a case is cut short
WINDOW = 3  # tasks under way per slot, as in uqmsm.execution.clusters
MEGA = 1e6


# --- what is modelled


@dataclass(frozen=True)
class Disk:
    """A file system as all processes see it together: files per second, bytes per second, seconds per file."""

    name: str
    files_per_second: float
    bytes_per_second: float
    latency: float


@dataclass(frozen=True)
class Design:
    """What the dispatcher does; the defaults are what is built.

    Parameters
    ----------
    looks_at_all
        Whether taking a task looks at the keys of the whole stage.
    look_ahead
        Calls looked at when a task is chosen.
    floor
        Seconds: a task is at least so long for every slot, so that the client has time for all of them.
    by_file
        Whether outcomes go from stage to stage by file, and not through client and scheduler.
    lines_together
        Whether all receipts that have arrived share one fsync of the journal.
    """

    looks_at_all: bool = True
    look_ahead: int = LOOK_AHEAD
    floor: float = 0.0
    by_file: bool = False
    lines_together: bool = False


BUILT = Design()
DESIGNS = {
    "built": BUILT,
    "mended": Design(looks_at_all=False, look_ahead=10**9, lines_together=True, by_file=True),
    "longer": Design(looks_at_all=False, look_ahead=10**9, lines_together=True, by_file=True, floor=0.004),
}


@dataclass(frozen=True)
class Case:
    """An ensemble on a machine.

    Parameters
    ----------
    members, workers
        How many.
    stages
        Seconds of each stage's operator per call.
    bytes_between
        Bytes that each stage gives per call.
    cores
        Cores that client, scheduler and workers share; 0 where each has its own.
    """

    members: int
    workers: int
    stages: tuple[float, ...]
    bytes_between: float = 8.0
    disk: Disk | None = None
    cores: int = 0


@dataclass
class Found:
    """What a simulated run gave."""

    seconds: float
    tasks: int
    done: float
    busy: dict[str, float] = field(default_factory=dict)
    memory: float = 0.0

    @property
    def bottleneck(self):
        """The busiest resource; workers alone are a good sign."""
        name, share = max(self.busy.items(), key=lambda one: one[1])
        return name if share > 0.5 else "waiting"


class Run:
    """One simulated `execute`: the client's loop is the one of dispatch.py."""

    def __init__(self, case, costs, design=BUILT, limit=10**9, looked=None):
        self.case, self.costs, self.design = case, costs, design
        self.looked = case.members if looked is None else looked
        self.clock = Clock()
        self.cores = Cores(self.clock, case.cores or case.workers + 2)
        self.client = Server(self.clock)
        self.scheduler = self.client if case.cores else Server(self.clock)
        disk = case.disk or Disk("local", 1 / costs.file, 1 / max(costs.file_byte, 1e-12), costs.file)
        self.disk, self.files = disk, Server(self.clock)
        self.idle, self.queue = case.workers, []
        self.ended, self.client_waits = deque(), None
        self.useful, self.under_way, self.submitted, self.taken = 0.0, 0, 0, 0
        depth = len(case.stages)
        self.given_out, self.done_upto = [0] * depth, [0] * depth
        self.open_blocks = [{} for _ in range(depth)]
        nothing = SimpleNamespace(seconds=np.empty(0))
        self.pace = [Pace(nothing, None) for _ in range(depth)]
        self.limit, self.number, self.calls_done = limit, count(), 0

    # --- the client

    def go(self):
        """Simulate all, or until `limit` tasks have ended; return what was found."""
        calls = self.case.members * len(self.case.stages)
        self.clock.start(self._client())
        self.clock.run(until=lambda: self.taken >= self.limit)
        now = max(self.clock.now, 1e-12)
        busy = {"workers": self.useful / self.case.workers / now}
        busy |= {"client": self.client.busy / now, "files": self.files.busy / now}
        if self.scheduler is not self.client:
            busy["scheduler"] = self.scheduler.busy / now
        held = 0.0 if self.design.by_file else max(self.case.bytes_between - 8.0, 0.0)
        memory = 80e6 + calls * (self.costs.memory_call + held) + 8.0 * calls
        return Found(self.clock.now, self.taken, self.calls_done / calls, busy, memory)

    def _client(self):
        costs = self.costs
        yield from self._as_client(costs.lay * self.case.members * len(self.case.stages))
        while True:
            while self.under_way < WINDOW * self.case.workers:
                task = self._choose()
                if task is None:
                    break
                self.under_way += 1
                sent = 0.0 if self.design.by_file else task[2] * self.case.bytes_between * costs.read_byte
                yield from self._as_client(costs.client_task / 2 + costs.dask_client / 2 + sent)
                self.clock.start(self._task(*task, sent))
            if not self.under_way:
                return
            if not self.ended:
                yield self._wait
            taken, self.ended = self.ended, deque()
            for position, (stage, first, size) in enumerate(taken):
                yield from self._take(stage, size, line=position == 0 or not self.design.lines_together)
                self._put(stage, first, size)

    def _as_client(self, seconds):
        """Compute in the client: one at a time, and on a core that others want, too."""
        if self.case.cores:
            yield self.cores.use(seconds)
            self.client.busy += seconds
        else:
            yield self.client.use(seconds)

    def _wait(self, go_on):
        self.client_waits = go_on

    def _take(self, stage, size, *, line):
        costs = self.costs
        looked = self.looked * costs.client_row if self.design.looks_at_all else 0.0
        carried = 0.0 if self.design.by_file else size * max(self.case.bytes_between - 8.0, 0.0) * costs.read_byte
        computing = (costs.client_task + costs.dask_client) / 2 + size * costs.client_call + looked + carried
        yield from self._as_client(computing)
        yield from self._as_client(0.0) if not line else self._line()

    def _line(self):
        self.client.busy += self.costs.journal  # it waits for the disk, and nothing else is done meanwhile
        yield self.costs.journal

    def _choose(self):
        """Return (stage, first call, calls): the earliest member first; of several, the furthest down the chain."""
        best = None
        for stage in range(len(self.case.stages)):
            until = self.case.members if stage == 0 else self.done_upto[stage - 1]
            first = self.given_out[stage]
            if first < until and (best is None or (first, -stage) < best[:2]):
                best = (first, -stage, stage, until - first)
        if best is None:
            return None
        first, _, stage, ready = best
        pace = self.pace[stage]
        size = pace.size(min(ready, self.design.look_ahead), self.case.workers, int(self.case.bytes_between))
        if self.design.floor and pace.seconds:
            longer = int(self.design.floor * self.case.workers / pace.seconds)
            share = -(-self.case.members // self.case.workers)
            size = max(size, min(longer, share, 8 * max(1, pace.largest)))
        size = min(size, ready)
        self.given_out[stage] += size
        pace.largest = max(pace.largest, size)
        self.submitted += 1
        return stage, first, size

    def _put(self, stage, first, size):
        blocks = self.open_blocks[stage]
        blocks[first] = size
        while self.done_upto[stage] in blocks:
            self.done_upto[stage] += blocks.pop(self.done_upto[stage])
        each = self.case.stages[stage] + self.costs.worker_call
        self.pace[stage].learn(size, size * each)
        self.under_way -= 1
        self.taken += 1
        self.calls_done += size

    # --- a task on its way

    def _task(self, stage, first, size, sent):
        costs = self.costs
        yield costs.hop
        yield self._scheduled(costs.dask_scheduler / 2 + sent)
        yield costs.hop
        yield lambda go_on: self._queue_up((first, next(self.number), go_on))
        useful = size * self.case.stages[stage]
        carried = size * self.case.bytes_between * costs.read_byte
        yield self.cores.use(costs.dask_worker + costs.worker_task + size * costs.worker_call + useful + carried)
        self.useful += useful + size * costs.worker_call
        written = size * (self.case.bytes_between + 49.0)
        yield self.files.use(1 / self.disk.files_per_second + written / self.disk.bytes_per_second)
        yield max(self.disk.latency - 1 / self.disk.files_per_second, 0.0)
        self.idle += 1
        self._hand_out()
        yield costs.hop
        yield self._scheduled(costs.dask_scheduler / 2)
        yield costs.hop
        self.ended.append((stage, first, size))
        if self.client_waits is not None:
            go_on, self.client_waits = self.client_waits, None
            go_on()

    def _scheduled(self, seconds):
        if self.case.cores:  # a local scheduler is a thread of the client
            self.client.busy += seconds
            return self.cores.use(seconds)
        return self.scheduler.use(seconds)

    def _queue_up(self, entry):
        heapq.heappush(self.queue, entry)
        self._hand_out()

    def _hand_out(self):
        while self.idle and self.queue:
            self.idle -= 1
            heapq.heappop(self.queue)[2]()


def simulated(case, costs, design=BUILT):
    """Simulate a case; one of very many tasks by two smaller ones, whose ramps and tails cancel in their difference."""
    limit = max(TASKS, 20 * case.workers)
    found = Run(case, costs, design, limit).go()
    if found.done >= 1:
        return found
    more = max(int(found.done * case.members), 2)
    less = more // 2
    shorter = [Run(replace(case, members=size), costs, design, looked=case.members) for size in (less, more)]
    first, second = (run.go() for run in shorter)
    steps = (case.members - more) / (more - less)
    seconds = second.seconds + steps * (second.seconds - first.seconds)
    tasks = second.tasks + int(steps * (second.tasks - first.tasks))
    return replace(second, seconds=seconds, tasks=tasks, memory=found.memory)


# --- real runs beside predicted ones


def real(members, workers, spin):
    """Return seconds of a real run; `spin` seconds of work per call of stage 1."""
    second = Spin(1, spin) if spin else Next(1)
    chain = Chain((Stage("stage0", First()), Stage("stage1", second), *(Stage(f"stage{d}", Next(d)) for d in (2, 3))))
    table = np.repeat(np.arange(members)[:, None], STAGES, axis=1)
    backend = open_backend(workers)
    with tempfile.TemporaryDirectory() as place, RunFolder.create(Path(place) / "run") as folder:
        begin = time.perf_counter()
        execute(chain, 1, table, folder, backend=backend)
        seconds = time.perf_counter() - begin
    backend.close()
    return seconds


def validate(costs, sizes):
    """Print predicted beside measured seconds."""
    print("work in stage 1   members  workers   measured [s]   predicted [s]   predicted/measured")
    ratios = []
    for spin in (0.0, 2e-3):
        for members in sizes:
            if spin and members > 3000:
                continue
            for workers in (1, 2, 4):
                seconds = real(members, workers, spin)
                case = Case(members, workers, (0.0, spin, 0.0, 0.0), cores=psutil.cpu_count())
                said = Run(case, costs).go().seconds
                ratios.append(said / seconds)
                print(
                    f"{1e3 * spin:10.0f} ms  {members:12d}  {workers:7d}  {seconds:13.2f}  {said:14.2f}"
                    f"  {ratios[-1]:19.2f}"
                )
    spread = float(np.exp(np.mean(np.abs(np.log(ratios)))))
    print(f"predicted/measured: median {np.median(ratios):.2f}, a typical miss is a factor of {spread:.2f}")


# --- what is planned

DISKS = {
    "local": None,
    "NFS": Disk("NFS", 500.0, 500e6, 5e-3),
    "parallel": Disk("parallel", 20_000.0, 20e9, 3e-3),
}
CHAINS = {
    "cheap": ((0.0, 0.0, 0.0, 0.0), 8.0),
    "ladder": ((1e-3, 10.0, 0.05, 2.0), 200.0),
    "fields": ((1e-3, 20.0, 2.0, 0.5), 8e6),
}
DECADES = ((1000, 10), (10_000, 100), (100_000, 1000), (1_000_000, 10_000), (10_000_000, 10_000))


def length(seconds):
    """Return a time for people."""
    for unit, size in (("d", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.2g} s"


def plan(costs, design, disk):
    """Print what every decade costs and where it is stuck."""
    print("chain    members   workers   work each      time     ideal   used   bottleneck      files    task   client")
    for name, (stages, size) in CHAINS.items():
        for members, workers in DECADES:
            case = Case(members, workers, stages, size, disk=DISKS[disk])
            found = simulated(case, costs, design)
            work = sum(stages) + len(stages) * costs.worker_call
            ideal = members * work / workers
            print(
                f"{name:7s} {members:9.0e} {workers:9.0e}  {length(work):>10s}  {length(found.seconds):>8s}"
                f"  {length(ideal):>8s}  {100 * ideal / found.seconds:4.0f}%   {found.bottleneck:9s}"
                f"{100 * max(found.busy.values()):4.0f}% {found.tasks:9.1e}"
                f"  {length(members * work / found.tasks):>7s}  {found.memory / 1e9:6.2f} GB"
            )


def main():
    """Measure, validate or plan."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("act", choices=["measure", "validate", "plan"])
    parser.add_argument("costs", nargs="?", type=Path, help="what `measure` printed")
    parser.add_argument("--tasks", type=int, nargs="+", default=[1000, 10_000], help="of Dask alone, for `measure`")
    parser.add_argument("--designs", nargs="+", choices=list(DESIGNS), default=list(DESIGNS), help="for `plan`")
    parser.add_argument("--disk", choices=list(DISKS), default="parallel", help="for `plan`")
    parser.add_argument("--members", type=int, nargs="+", default=[1000, 10_000, 100_000], help="for `validate`")
    arguments = parser.parse_args()
    if arguments.act == "measure":
        print(json.dumps(asdict(measured(arguments.tasks)), indent=1))
        return
    if arguments.costs is None:
        parser.error("give the file with what `measure` printed")
    costs = Costs(**json.loads(arguments.costs.read_text(encoding="utf-8")))
    if arguments.act == "validate":
        validate(costs, arguments.members)
        return
    for title, design in DESIGNS.items():
        if title in arguments.designs:
            print(f"\n{title}, {arguments.disk} file system")
            plan(costs, design, arguments.disk)


if __name__ == "__main__":
    main()
