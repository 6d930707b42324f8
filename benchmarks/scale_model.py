"""Plans ensembles past this machine: a discrete-event model of client, scheduler, workers and file system.

Usage::

    python benchmarks/scale_model.py measure > costs.json   # two minutes; what everything costs on this machine
    python benchmarks/scale_validate.py costs.json          # real runs beside predicted ones, 1, 2 and 4 workers
    python benchmarks/scale_model.py plan costs.json        # the tables of docs/scale.md

The size of a task is decided by the rule of `uqmsm.execution.dispatch` itself, not by a copy of it. Where a run has
many more tasks than `TASKS`, two shorter runs are simulated and the rest is added at the pace of their difference.
"""

from __future__ import annotations

import argparse
import heapq
import json
from collections import deque
from dataclasses import asdict, dataclass, field, replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from scale_clock import Clock, Cores, Server
from scale_costs import Costs, measured

from uqmsm.execution import pace as rule
from uqmsm.execution.pace import FEED_SECONDS, Pace
from uqmsm.fields import FIELD_BYTES

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
    """What the dispatcher does; each switch turned off shows what it is good for.

    Parameters
    ----------
    by_file
        Fields go from stage to stage by file, and not through client and scheduler.
    lines_together
        Receipts that have arrived share one wait for the journal.
    longer
        Tasks grow with the number of slots, so that the client has time for all of them.
    """

    by_file: bool = True
    lines_together: bool = True
    longer: bool = True


BUILT = Design()
DESIGNS = {
    "as built": BUILT,
    "fields through the client": Design(by_file=False),
    "a wait for the disk per receipt": Design(lines_together=False),
    "tasks as for few workers": Design(longer=False),
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
    gives
        Bytes that each stage gives per call.
    cores
        Cores that client, scheduler and workers share; 0 where each has its own.
    """

    members: int
    workers: int
    stages: tuple[float, ...]
    gives: tuple[float, ...] = (8.0, 8.0, 8.0, 8.0)
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

    def __init__(self, case, costs, design=BUILT, limit=10**9):
        self.case, self.costs, self.design = case, costs, design
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
        memory = 80e6 + self.case.members * sum(self._held(given) for given in self.case.gives)
        return Found(self.clock.now, self.taken, self.calls_done / calls, busy, memory)

    def _held(self, given):
        """Return the bytes that the client keeps of one call."""
        home = 50.0 if self._is_field(given) else given
        return self.costs.memory_call + home + 8.0

    def _is_field(self, given):
        return self.design.by_file and given > FIELD_BYTES

    def _client(self):
        costs = self.costs
        yield costs.start
        yield from self._as_client(costs.lay * self.case.members * len(self.case.stages))
        while True:
            while self.under_way < WINDOW * self.case.workers:
                task = self._choose()
                if task is None:
                    break
                self.under_way += 1
                taken = self.case.gives[task[0] - 1] if task[0] else 0.0
                sent = 0.0 if self._is_field(taken) else task[2] * taken * costs.read_byte
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
        given = self.case.gives[stage]
        read = 0.0 if self._is_field(given) else size * given * costs.read_byte
        computing = (costs.client_task + costs.dask_client) / 2 + size * costs.client_call + read
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
        bytes_each = max(self.case.gives[stage], self.case.gives[stage - 1] if stage else 0.0)
        rule.FEED_SECONDS = FEED_SECONDS if self.design.longer else 0.0
        size = pace.size(min(ready, pace.ahead(self.case.workers)), self.case.workers, int(bytes_each))
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
        given, taken = self.case.gives[stage], self.case.gives[stage - 1] if stage else 0.0
        carried = size * (given + taken) * costs.read_byte  # a checksum is made of what is written, and of what is read
        yield self.cores.use(costs.dask_worker + costs.worker_task + size * costs.worker_call + useful + carried)
        self.useful += useful + size * costs.worker_call
        files = 2 if self._is_field(given) else 1
        moved = size * (given + 49.0) + (size * taken if self._is_field(taken) else 0.0)
        yield self.files.use(files / self.disk.files_per_second + moved / self.disk.bytes_per_second)
        yield files * max(self.disk.latency - 1 / self.disk.files_per_second, 0.0)
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
    shorter = [Run(replace(case, members=size), costs, design) for size in (less, more)]
    first, second = (run.go() for run in shorter)
    steps = (case.members - more) / (more - less)
    seconds = second.seconds + steps * (second.seconds - first.seconds)
    tasks = second.tasks + int(steps * (second.tasks - first.tasks))
    return replace(second, seconds=seconds, tasks=tasks, memory=found.memory)


# --- what is planned

DISKS = {
    "local": None,
    "NFS": Disk("NFS", 500.0, 500e6, 5e-3),
    "parallel": Disk("parallel", 20_000.0, 20e9, 3e-3),
}
SMALL = (200.0, 200.0, 200.0, 200.0)
CHAINS = {
    "cheap": ((0.0, 0.0, 0.0, 0.0), (8.0, 8.0, 8.0, 8.0)),
    "ladder": ((1e-3, 10.0, 0.05, 2.0), SMALL),
    "fields": ((1e-3, 20.0, 2.0, 0.5), (200.0, 8e6, 200.0, 200.0)),
}
DECADES = ((1000, 10), (10_000, 100), (100_000, 1000), (1_000_000, 10_000), (10_000_000, 10_000))
PLANS = (
    ("as built", "parallel", CHAINS, DECADES),
    ("as built", "NFS", ("ladder", "fields"), DECADES),
    ("fields through the client", "parallel", ("fields",), DECADES[1:4]),
    ("a wait for the disk per receipt", "parallel", ("ladder",), DECADES[1:4]),
    ("tasks as for few workers", "parallel", ("ladder",), DECADES[1:4]),
)


def length(seconds):
    """Return a time for people."""
    for unit, size in (("d", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.2g} s"


def plan(costs, design, disk, chains, decades):
    """Print what every decade costs and where it is stuck."""
    print(
        "chain    members   workers   work each      time     ideal   used   busiest         tasks  per task   client"
    )
    for name in chains:
        stages, gives = CHAINS[name]
        for members, workers in decades:
            case = Case(members, workers, stages, gives, disk=DISKS[disk])
            found = simulated(case, costs, DESIGNS[design])
            work = sum(stages) + len(stages) * costs.worker_call
            ideal = members * work / workers
            print(
                f"{name:7s} {members:9.0e} {workers:9.0e}  {length(work):>10s}  {length(found.seconds):>8s}"
                f"  {length(ideal):>8s}  {100 * ideal / found.seconds:4.0f}%   {found.bottleneck:9s}"
                f"{100 * max(found.busy.values()):4.0f}% {found.tasks:9.1e}"
                f"  {length(members * work / found.tasks):>8s}  {found.memory / 1e9:6.2f} GB",
                flush=True,
            )


def main():
    """Measure or plan."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("act", choices=["measure", "plan"])
    parser.add_argument("costs", nargs="?", type=Path, help="what `measure` printed")
    parser.add_argument("--tasks", type=int, nargs="+", default=[1000, 10_000], help="of Dask alone, for `measure`")
    arguments = parser.parse_args()
    if arguments.act == "measure":
        print(json.dumps(asdict(measured(arguments.tasks)), indent=1))
        return
    if arguments.costs is None:
        parser.error("give the file with what `measure` printed")
    costs = Costs(**json.loads(arguments.costs.read_text(encoding="utf-8")))
    for design, disk, chains, decades in PLANS:
        print(f"\n{design}, {disk} file system")
        plan(costs, design, disk, chains, decades)


if __name__ == "__main__":
    main()
