"""Runs the calls of a study: early members first, cheap calls many to a task, nothing run twice, nothing lost."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from uqmsm.chain import Chain
from uqmsm.errors import UqmsmError
from uqmsm.execution.backends import Backend, Finished
from uqmsm.execution.calls import calls_of
from uqmsm.execution.journal import RunFolder
from uqmsm.execution.outcomes import Outcomes, StageOutcomes
from uqmsm.execution.taskfile import CorruptFile, Receipt, Status
from uqmsm.execution.worker import Task, run_task

__all__ = ["Observer", "Partial", "execute"]

TASK_SECONDS = 0.5  # long against the milliseconds that a task costs, short against the patience of a person
LEAST_SECONDS = 0.1  # work is not cut finer than this to keep all workers busy
GROWTH = 8  # a task holds at most so many times the calls of the largest task of its stage before
TASK_BYTES = 64_000_000  # of inputs or outcomes in one task
LOOK_AHEAD = 4096  # calls looked at when the next task is chosen
PARTIAL_SECONDS = 2.0
ATTEMPTS = 2  # times that a lost call is tried alone, after its task was lost

Partial = Callable[[Outcomes, NDArray[np.bool_]], None]


class Observer(Protocol):
    """Watches a run for people; may be anything with these methods, called from one thread."""

    def started(self, stages: Mapping[str, int], dashboard: str) -> None:
        """Take the number of calls per stage, and where to watch."""
        ...

    def advanced(self, stage: str, done: int, failed: int, total: int) -> None:
        """Take the counts of one stage."""
        ...

    def states(self, stage: str, counts: Mapping[str, int]) -> None:
        """Take how many calls of a stage are in each of `outcomes.STATES`, in that order; they add up to all calls.

        Told whenever one of them changes. What is *running* is in a task that a worker has in hand.
        """
        ...

    def said(self, line: str) -> None:
        """Take one line for people."""
        ...

    def finished(self) -> None:
        """Learn that no more will come, well or not."""
        ...


class _Silent:
    """An observer for those who do not watch."""

    def started(self, stages: Mapping[str, int], dashboard: str) -> None:
        """Do nothing."""

    def advanced(self, stage: str, done: int, failed: int, total: int) -> None:
        """Do nothing."""

    def states(self, stage: str, counts: Mapping[str, int]) -> None:
        """Do nothing."""

    def said(self, line: str) -> None:
        """Do nothing."""

    def finished(self) -> None:
        """Do nothing."""


def execute(
    chain: Chain,
    seed: int,
    members: NDArray[np.integer[Any]],
    folder: RunFolder,
    *,
    backend: Backend,
    observer: Observer | None = None,
    partial: Partial | None = None,
    blocks: Mapping[str, int] | None = None,
    purpose: str = "",
) -> Outcomes:
    """Run every call that the members need and that the run folder does not hold yet.

    Parameters
    ----------
    chain
        The chain, its laws learnt.
    seed
        Seed of the study.
    members
        One row of indices per member, shape (members, sources), in the order of `chain.sources`.
    folder
        The run folder; what it holds is reused, what is run is added.
    backend
        Where tasks run; neither it nor the number of workers changes any result.
    observer
        Is told how it goes.
    partial
        Called at most every two seconds with the outcomes so far and which members are through the chain.
    blocks
        Stage -> calls per task, instead of the number that the dispatcher measures; changes no result.
    purpose
        What the journal shall call this table, where a run has several (refinements); see `journal.progress`.

    Raises
    ------
    StudyError
        When the table does not fit, or an operator does not keep its ports' number types.
    EnvironmentFault
        When the machine fails (disk full, scheduler gone). What was finished is kept.
    KeyboardInterrupt
        When interrupted. What was finished is kept.
    """
    watch = observer or _Silent()
    calls = calls_of(chain, seed, members)
    outcomes = Outcomes(chain, members, calls)
    for record in folder.tasks(watch.said):
        if record.stage in outcomes.stages:
            outcomes[record.stage].put(record)
    run = _Run(outcomes, seed, folder, backend, watch, partial, blocks or {})
    folder.note("execute", purpose=purpose, counts=outcomes.counts())
    try:
        watch.started({name: len(found) for name, found in calls.items()}, backend.dashboard)
        run.prepare()
        run.all()
    finally:  # a task that ended but was not taken yet is not lost: its file is adopted when the folder is opened again
        backend.forget()
        watch.finished()
    folder.note("executed", purpose=purpose, counts=outcomes.counts())
    return outcomes


class _Pace:
    """How many calls of one stage a task should hold."""

    def __init__(self, found: StageOutcomes, fixed: int | None) -> None:
        self.fixed, self.largest = fixed, 0
        known = found.seconds[np.isfinite(found.seconds)]
        self.seconds = float(known.mean()) if len(known) else 0.0

    def learn(self, calls: int, seconds: float) -> None:
        """Take the time of a finished task."""
        each = seconds / calls
        self.seconds = each if self.seconds == 0 else 0.5 * (self.seconds + each)

    def size(self, ready: int, slots: int, bytes_each: int) -> int:
        """Return the calls of the next task, when `ready` could run."""
        if self.fixed is not None:
            return self.fixed
        if self.seconds == 0:
            return 1
        share = max(-(-ready // slots), int(LEAST_SECONDS / self.seconds))
        size = min(int(TASK_SECONDS / self.seconds), share, GROWTH * max(1, self.largest))
        return max(1, min(size, TASK_BYTES // max(1, bytes_each)))


class _Run:
    """The state of one `execute`: which calls wait, which are under way, what comes next."""

    def __init__(  # private, called once
        self,
        outcomes: Outcomes,
        seed: int,
        folder: RunFolder,
        backend: Backend,
        watch: Observer,
        partial: Partial | None,
        blocks: Mapping[str, int],
    ) -> None:
        self.outcomes, self.seed, self.folder, self.backend = outcomes, seed, folder, backend
        self.watch, self.partial = watch, partial
        self.asked = {name: found.status != Status.PENDING for name, found in outcomes.stages.items()}
        self.low = dict.fromkeys(outcomes.stages, 0)
        self.pace = {name: _Pace(found, blocks.get(name)) for name, found in outcomes.stages.items()}
        self.under_way: dict[str, tuple[str, NDArray[np.int64]]] = {}
        self.suspects: list[tuple[str, int, int]] = []
        self.suspect_ticket = ""
        self.tickets = 0
        self.told = time.monotonic()
        self.said: dict[str, dict[str, int]] = {}

    def prepare(self) -> None:
        """Send the operators to the workers and have their kernels compiled."""
        waiting = [name for name in self.outcomes if not self.asked[name].all()]
        if not waiting:
            return
        operators = {self.outcomes[name].calls.operator: self.outcomes.chain[name].operator for name in waiting}
        self.backend.know(operators)
        self.backend.warm_up(key for key, operator in operators.items() if hasattr(operator, "warm_up"))

    def all(self) -> None:
        """Keep the window full until every call has ended."""
        for name in self.outcomes:
            self._tell(name)
        while True:
            while len(self.under_way) < self.backend.window and self._submit_next():
                pass
            self._tell_states()
            if not self.under_way:
                break
            for end in self.backend.finished(wait=True):
                self._take(end)
            self._tell_partial(last=False)
        self._tell_partial(last=True)

    # --- what comes next

    def _submit_next(self) -> bool:
        """Submit the ready task whose first member is the earliest; of several, the furthest down the chain."""
        if self.suspects and not self.suspect_ticket:
            name, row, _ = self.suspects[0]
            self.suspect_ticket = self._submit(name, np.array([row]))
            return True
        best: tuple[int, int, str, NDArray[np.int64]] | None = None
        for depth, name in enumerate(self.outcomes):
            ready = self._ready(name)
            if len(ready):
                rank = (int(self.outcomes[name].calls.first_member[ready[0]]), -depth, name, ready)
                best = rank if best is None or rank[:2] < best[:2] else best
        if best is None:
            return False
        _, _, name, ready = best
        each = max(self._bytes_given(name), self._bytes_gives(name))
        size = self.pace[name].size(len(ready), self.backend.slots, each)
        self._submit(name, ready[:size])
        return True

    def _ready(self, name: str) -> NDArray[np.int64]:
        """Return waiting calls whose parents have ended well; those below a failure fail here, without running."""
        asked = self.asked[name]
        while True:
            low = self.low[name]
            ahead = low + np.flatnonzero(~asked[low : low + LOOK_AHEAD])
            if len(ahead):
                self.low[name] = int(ahead[0])
            elif low + LOOK_AHEAD < len(asked):
                self.low[name] = low + LOOK_AHEAD
                continue
            well = np.ones(len(ahead), dtype=np.bool_)
            ended = well.copy()
            for parent, rows in self.outcomes[name].calls.parents.items():
                status = self.outcomes[parent].status[rows[ahead]]
                well &= status == Status.DONE
                ended &= status != Status.PENDING
            bad = ahead[ended & ~well]
            if not len(bad):
                return ahead[well]
            self._fail_below(name, bad)

    def _fail_below(self, name: str, rows: NDArray[np.int64]) -> None:
        found = self.outcomes[name]
        reasons = []
        for row in rows.tolist():
            above = [(parent, self.outcomes[parent], int(at[row])) for parent, at in found.calls.parents.items()]
            parent, why = next((p, o.reasons[at]) for p, o, at in above if o.status[at] != Status.DONE)
            reasons.append(why if why.startswith("upstream: ") else f"upstream: {parent}: {why}")
        found.fail(rows, Status.FAILED, reasons)
        self.asked[name][rows] = True
        self._tell(name)

    def _bytes_given(self, name: str) -> int:
        joins = self.outcomes.chain.joins[name].values()
        return sum(self.outcomes[join.stage].bytes_per_call(join.port) for join in joins)

    def _bytes_gives(self, name: str) -> int:
        found = self.outcomes[name]
        return sum(found.bytes_per_call(port.name) for port in found.ports)

    def _submit(self, name: str, rows: NDArray[np.int64]) -> str:
        calls = self.outcomes[name].calls
        given = {
            port: self.outcomes[join.stage].taken(join.port, calls.parents[join.stage][rows], join.factor)
            for port, join in self.outcomes.chain.joins[name].items()
        }
        padded = {
            port: self.outcomes[join.stage].sizes_taken(join.port, calls.parents[join.stage][rows])
            for port, join in self.outcomes.chain.joins[name].items()
        }
        task = Task(
            stage=name,
            operator=calls.operator,
            seed=self.seed,
            sources=calls.own,
            indices=calls.own_indices[rows],
            keys=calls.keys[rows],
            given=given,
            members=str(self.folder.members),
            sizes={port: sizes for port, sizes in padded.items() if sizes is not None},
        )
        self.tickets += 1
        ticket = f"{name}-{calls.keys[rows[0]].tobytes().hex()[:16]}{self.tickets:08x}"
        self.asked[name][rows] = True
        self.under_way[ticket] = (name, rows)
        self.pace[name].largest = max(self.pace[name].largest, len(rows))
        self.backend.submit(ticket, run_task, task, urgency=-int(calls.first_member[rows[0]]))
        return ticket

    # --- what has ended

    def _take(self, end: Finished) -> None:
        name, rows = self.under_way.pop(str(end.ticket))
        if isinstance(end.result, UqmsmError):
            raise end.result
        if end.lost:
            self._lost(str(end.ticket), name, rows, end.lost)
            return
        receipt: Receipt = end.result
        try:
            record = self.folder.read(receipt)
        except CorruptFile as fault:
            self._lost(str(end.ticket), name, rows, str(fault))
            return
        self.folder.record(receipt)
        self.outcomes[name].put(record)
        self.pace[name].learn(receipt.calls, receipt.seconds)
        if end.ticket == self.suspect_ticket:
            self.suspects.pop(0)
            self.suspect_ticket = ""
        self._tell(name)

    def _lost(self, ticket: str, name: str, rows: NDArray[np.int64], why: str) -> None:
        """Try the calls of a lost task again, one at a time, so that the one at fault does not take its mates along."""
        if ticket != self.suspect_ticket:
            self.watch.said(f"{name}: a task of {len(rows)} calls was lost ({why}); each is tried again alone")
            self.suspects += [(name, row, 0) for row in rows.tolist()]
            return
        self.suspect_ticket = ""
        _, row, attempts = self.suspects.pop(0)
        if attempts + 1 < ATTEMPTS:
            self.suspects.insert(0, (name, row, attempts + 1))
            return
        reason = f"lost after {ATTEMPTS} more attempts alone: {why}"
        self.outcomes[name].fail(rows, Status.LOST, [reason])
        self.folder.note("lost", stage=name, key=self.outcomes[name].calls.keys[row].tobytes().hex(), reason=reason)
        self.watch.said(f"{name}: a call was {reason}; `resume` tries it again")
        self._tell(name)

    # --- what people see

    def _tell(self, name: str) -> None:
        self.watch.advanced(name, *self.outcomes[name].counts())

    def _tell_states(self) -> None:
        """Tell the states of the stages where one has changed; the most urgent tasks under way are those that run."""
        running = dict.fromkeys(self.outcomes, 0)
        urgent = sorted(self.under_way.values(), key=lambda task: self.outcomes[task[0]].calls.first_member[task[1][0]])
        for name, rows in urgent[: self.backend.slots]:
            running[name] += len(rows)
        for name, found in self.outcomes.stages.items():
            states = found.states(running[name])
            if states != self.said.get(name):
                self.said[name] = states
                self.watch.states(name, states)

    def _tell_partial(self, *, last: bool) -> None:
        if self.partial is not None and (last or time.monotonic() - self.told >= PARTIAL_SECONDS):
            self.partial(self.outcomes, self.outcomes.settled())
            self.told = time.monotonic()
