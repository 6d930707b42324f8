"""Runs the calls of a study: early members first, cheap calls many to a task, nothing run twice, nothing lost."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uqmsm.chain import Chain
from uqmsm.errors import EnvironmentFault, UqmsmError
from uqmsm.execution.backends import Backend, Finished
from uqmsm.execution.calls import calls_of
from uqmsm.execution.giving import bytes_given, bytes_made, giving, heaviest_first
from uqmsm.execution.journal import RunFolder
from uqmsm.execution.limits import Limits
from uqmsm.execution.notes import clear_notes, overtime, read_notes, write_straggler_limit
from uqmsm.execution.observing import Observer, Silent
from uqmsm.execution.outcomes import Outcomes
from uqmsm.execution.pace import Pace
from uqmsm.execution.retries import Retries
from uqmsm.execution.taskfile import LASTING, CorruptFile, Receipt, Status, TaskRecord, write_task
from uqmsm.execution.watchdog import GRACE_SECONDS, SEVERAL, Watch
from uqmsm.execution.worker import Task, run_task
from uqmsm.fields import DamagedField

__all__ = ["Observer", "Partial", "execute"]

DAMAGES = 3  # times that the same field's file may be damaged before the disk is not trusted any more
PARTIAL_SECONDS = 2.0
LAST = 16  # calls of a stage for each slot that go by weight, not by member: the end of a stage

Partial = Callable[[Outcomes, NDArray[np.bool_]], None]


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
    limits: Limits | None = None,
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
    limits
        What a call may cost; by default its time is not limited, and a call that the machine lost is tried again once.
        What was lost or timed out in an earlier run of this folder is run again. Limits for stages that the chain has
        not are passed over: a study refuses them.

    Raises
    ------
    StudyError
        When the table does not fit, or an operator does not keep its ports' number types.
    EnvironmentFault
        When the machine fails (disk full, scheduler gone). What was finished is kept.
    KeyboardInterrupt
        When interrupted. What was finished is kept.
    """
    watch = observer or Silent()
    calls = calls_of(chain, seed, members)
    outcomes = Outcomes(chain, members, calls)
    for record in folder.tasks(watch.said):
        if record.stage in outcomes.stages:
            outcomes[record.stage].put(record, np.isin(record.status, LASTING))
    run = _Run(outcomes, seed, folder, backend, watch, partial, blocks or {}, limits or Limits())
    folder.note("execute", purpose=purpose, counts=outcomes.counts())
    clear_notes(folder.notes, make=True)
    try:
        watch.started({name: len(found) for name, found in calls.items()}, backend.dashboard)
        run.prepare()
        run.all()
    finally:  # a task that ended but was not taken yet is not lost: its file is adopted when the folder is opened again
        backend.forget()
        watch.finished()
        clear_notes(folder.notes, make=False)
    folder.note("executed", purpose=purpose, counts=outcomes.counts())
    return outcomes


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
        limits: Limits,
    ) -> None:
        self.outcomes, self.seed, self.folder, self.backend = outcomes, seed, folder, backend
        self.watch, self.partial = watch, partial
        self.asked = {name: found.status != Status.PENDING for name, found in outcomes.stages.items()}
        self.low = dict.fromkeys(outcomes.stages, 0)
        self.pace = {name: Pace(found, blocks.get(name)) for name, found in outcomes.stages.items()}
        self.under_way: dict[str, tuple[str, NDArray[np.int64]]] = {}
        self.limits, self.retries = limits, Retries(limits.retries)
        self.stragglers: dict[str, float] = {}
        self.timed_out: set[str] = set()
        self.damages: Counter[str] = Counter()
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
            self._take_all(self.backend.finished(wait=True))
            self._tell_partial(last=False)
        self._tell_partial(last=True)

    # --- what comes next

    def _submit_next(self) -> bool:
        """Submit the ready task whose first member is the earliest; of several, the furthest down the chain."""
        again = self.retries.next()
        if again is not None:
            self.retries.under_way(self._submit(again[0], np.array([again[1]])))
            return True
        best: tuple[int, int, str, NDArray[np.int64]] | None = None
        for depth, name in enumerate(self.outcomes):
            ready = self._ready(name)
            if len(ready):
                rank = (int(self.outcomes[name].calls.first_member[ready[0]]), -depth, name, ready)
                best = rank if best is None or rank[:2] < best[:2] else best
        if best is None:
            return False
        first, _, name, ready = best
        each = max(bytes_given(self.outcomes, name), bytes_made(self.outcomes, name))
        size = self.pace[name].size(len(ready), self.backend.slots, each)
        if np.sum(~self.asked[name]) <= LAST * self.backend.slots:  # a heavy one last would keep one worker waiting
            ready = heaviest_first(self.outcomes, name, ready)
        self._submit(name, ready[:size], first)
        return True

    def _ready(self, name: str) -> NDArray[np.int64]:
        """Return waiting calls whose parents have ended well; those below a failure fail here, without running."""
        asked, look = self.asked[name], self.pace[name].ahead(self.backend.slots)
        while True:
            low = self.low[name]
            ahead = low + np.flatnonzero(~asked[low : low + look])
            if len(ahead):
                self.low[name] = int(ahead[0])
            elif low + look < len(asked):
                self.low[name] = low + look
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

    def _submit(self, name: str, rows: NDArray[np.int64], first: int | None = None) -> str:
        calls = self.outcomes[name].calls
        receives = giving(self.outcomes, name, rows)
        self.tickets += 1
        ticket = f"{name}-{calls.keys[rows[0]].tobytes().hex()[:16]}{self.tickets:08x}"
        task = Task(
            stage=name,
            operator=calls.operator,
            seed=self.seed,
            sources=calls.own,
            indices=calls.own_indices[rows],
            keys=calls.keys[rows],
            given=receives.given,
            members=str(self.folder.members),
            watch=self._watch(name, ticket),
            sizes=receives.sizes,
            fields=receives.fields,
            shelf=self.folder.shelf(),
        )
        self.asked[name][rows] = True
        self.under_way[ticket] = (name, rows)
        self.pace[name].largest = max(self.pace[name].largest, len(rows))
        self.backend.submit(
            ticket, run_task, task, urgency=-int(calls.first_member[rows[0]] if first is None else first)
        )
        return ticket

    def _watch(self, name: str, ticket: str) -> Watch:
        least = 0.0 if self.limits.stragglers is None else self.limits.stragglers.least
        return Watch(ticket, str(self.folder.notes), name, self.limits.of(name), GRACE_SECONDS, least)

    # --- what has ended

    def _take_all(self, ends: list[Finished]) -> None:
        """Enter what has ended, and journal it with one wait for the disk."""
        receipts: list[Receipt] = []
        try:
            for end in ends:
                receipt = self._take(end)
                receipts += [receipt] if receipt is not None else []
        finally:
            if receipts:
                self.folder.record(*receipts)

    def _take(self, end: Finished) -> Receipt | None:
        """Enter what a task gave; return what is to be journalled of it."""
        ticket = str(end.ticket)
        name, rows = self.under_way.pop(ticket)
        self.retries.ended(ticket)
        if isinstance(end.result, DamagedField):
            self._damaged(name, rows, end.result)
            return None
        if isinstance(end.result, UqmsmError):
            raise end.result
        if end.lost:
            self._lost(ticket, name, rows, end.lost)
            return None
        receipt: Receipt = end.result
        try:
            record = self.folder.read(receipt)
        except CorruptFile as fault:
            self._lost(ticket, name, rows, str(fault))
            return None
        self._put(name, rows, record)
        self.pace[name].learn(receipt.calls, receipt.seconds)
        self._limit_stragglers(name)
        self._tell(name)
        return receipt

    def _damaged(self, name: str, rows: NDArray[np.int64], fault: DamagedField) -> None:
        """Run the calls again that gave a damaged field, and then those that wait for it: none of them has failed."""
        self._again(name, rows)
        self.damages[fault.file] += 1
        if self.damages[fault.file] > DAMAGES:
            raise EnvironmentFault(f"{fault}, again and again; mend the disk, then resume the run") from fault
        for parent, found in self.outcomes.stages.items():
            lost = found.lost_with(fault.file)
            if len(lost):
                self.watch.said(f"{fault}; {len(lost)} calls of {parent} are run again")
                self._again(parent, lost)
                self._tell(parent)

    def _again(self, name: str, rows: NDArray[np.int64]) -> None:
        self.asked[name][rows] = False
        self.low[name] = min(self.low[name], int(rows.min()))

    def _put(self, name: str, rows: NDArray[np.int64], record: TaskRecord) -> None:
        """Enter what a task gave; calls that the machine failed are tried again."""
        keep = record.status != Status.PENDING
        for at in np.flatnonzero(record.status == Status.LOST).tolist():
            keep[at] = not self.retries.granted(name, int(rows[at]))
            if keep[at]:
                self._note_lost(name, int(rows[at]), record.reasons[at])
        self.outcomes[name].put(record, keep)
        if (record.status == Status.TIMED_OUT).any():
            self._say_timed_out(name, record.reasons[int(np.argmax(record.status == Status.TIMED_OUT))])

    def _lost(self, ticket: str, name: str, rows: NDArray[np.int64], why: str) -> None:
        """Find out which call is at fault; it is tried again alone, so that it does not take its mates along.

        Where a warden has left notes, they say which it is, and the others go on together.
        """
        found = sorted(read_notes(self._watch(name, ticket).note), key=lambda note: note.timed_out)
        notes = {note.row: note for note in found if 0 <= note.row < len(rows)}
        late = [at for at, note in notes.items() if note.timed_out]
        suspects = [at for at, note in notes.items() if not note.timed_out]
        if late:
            told = [(overtime(notes[at].kind, notes[at].seconds), notes[at].log, notes[at].seconds) for at in late]
            self._settle(name, rows[late], Status.TIMED_OUT, told)
        together = any(note.row == SEVERAL and not note.timed_out for note in found)
        if not suspects and (together or (not notes and not self.retries.innocent(name, int(rows[0])))):
            suspects = [at for at in range(len(rows)) if at not in late]
            self.watch.said(f"{name}: a task of {len(rows)} calls was lost ({why}); each is tried again alone")
        elif suspects:
            self.watch.said(f"{name}: a worker died ({why}); the call that it ran is tried again alone")
        for at in suspects:
            if not self.retries.granted(name, int(rows[at])):
                times = self.retries.limit
                tries = f" after {times} more {'try' if times == 1 else 'tries'} alone" if times else ""
                log, seconds = (notes[at].log, notes[at].seconds) if at in notes else ("", 0.0)
                self._settle(name, rows[[at]], Status.LOST, [(f"lost{tries}: {why}", log, seconds)])
                self._note_lost(name, int(rows[at]), f"lost{tries}: {why}")
        mates = np.delete(rows, [*late, *suspects])
        if len(mates):
            self._again(name, mates)

    def _settle(self, name: str, rows: NDArray[np.int64], status: Status, told: list[tuple[str, str, float]]) -> None:
        """Write down calls whose worker did not live to do so; `told` are their reasons, logs and seconds."""
        record = TaskRecord(
            stage=name,
            keys=self.outcomes[name].calls.keys[rows],
            status=np.full(len(rows), status, dtype=np.uint8),
            seconds=np.array([seconds for _, _, seconds in told]),
            host="",
            reasons={at: reason for at, (reason, _, _) in enumerate(told)},
            logs={at: log for at, (_, log, _) in enumerate(told) if log},
        )
        self.folder.record(write_task(self.folder.members, record))
        self.outcomes[name].put(record)
        if status == Status.TIMED_OUT:
            self._say_timed_out(name, told[0][0])
        self._tell(name)

    def _note_lost(self, name: str, row: int, reason: str) -> None:
        self.folder.note("lost", stage=name, key=self.outcomes[name].calls.keys[row].tobytes().hex(), reason=reason)
        self.watch.said(f"{name}: a call was {reason}; `resume` tries it again")

    def _say_timed_out(self, name: str, reason: str) -> None:
        if name not in self.timed_out:
            self.timed_out.add(name)
            self.watch.said(f"{name}: a call was {reason}; others may follow, `resume` tries them again")

    def _limit_stragglers(self, name: str) -> None:
        """Tell the workers how long a call may take now that so many have ended."""
        rule, found = self.limits.stragglers, self.outcomes[name]
        if rule is None:
            return
        allowed = rule.allowed(found.seconds[found.done], len(found.calls))
        if np.isfinite(allowed) and not 0.9 < allowed / self.stragglers.get(name, np.inf) < 1.1:
            self.stragglers[name] = allowed
            write_straggler_limit(self.folder.notes, name, allowed)

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
