"""What runs on a worker: a task of many calls, settled by addresses alone, written to one file."""

from __future__ import annotations

import os
import pickle
import socket
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from uqmsm.bookmarks import marked
from uqmsm.errors import EnvironmentFault, MemberFailed, StudyError, Unstable, UqmsmError
from uqmsm.execution.limits import is_transient
from uqmsm.execution.notes import overtime, read_notes
from uqmsm.execution.printed import told_of
from uqmsm.execution.taskfile import Receipt, Status, TaskRecord, write_task
from uqmsm.execution.watchdog import SEVERAL, Overtime, Watch, Watching, attended
from uqmsm.fields import Reference, read_row
from uqmsm.stochastic import BatchOperator, Operator, evaluate, evaluate_batch, failure
from uqmsm.streams import Streams

__all__ = ["KEPT_MEMORY", "ONE_THREAD", "Task", "know", "run_task", "two_types", "warm_up"]

# one thread each: workers are processes, and sums of several threads come in no fixed order
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
)

# what a kernel allocates at every step is not to be fetched from the system anew each time, page by page, as Dask's own
# setting (a trim threshold of 64 KiB, which also pins mmap to 128 KiB) would have it: molecular dynamics ran at a third
KEPT_MEMORY = {"MALLOC_TRIM_THRESHOLD_": str(64 * 2**20), "MALLOC_MMAP_THRESHOLD_": str(32 * 2**20)}

_PICKLES: dict[str, bytes] = {}
_OPERATORS: dict[str, Operator] = {}

Result = dict[str, NDArray[Any]] | MemberFailed


@dataclass(frozen=True)
class Ended:
    """How one call ended, and what it took."""

    outcome: dict[str, NDArray[Any]] | None
    seconds: float
    status: Status = Status.DONE
    reason: str = ""
    log: str = ""


@dataclass(frozen=True)
class Task:
    """Calls of one stage that run together; their results do not depend on that.

    Parameters
    ----------
    stage
        Name of the stage: the first half of the labels of its streams.
    operator
        Fingerprint of an operator that the worker knows (`know`).
    seed
        Seed of the study.
    sources
        Names of the stage's own sources.
    indices
        One index per own source, shape (calls, sources).
    keys
        Merkle keys, shape (calls, 32).
    given
        Input port -> stacked values, shape (calls, ...).
    members
        Folder to write to, and to read fields from.
    watch
        By what its calls are watched.
    sizes
        Input port -> sizes of each value, shape (calls, dims), where they differ; the stack is padded.
    fields
        Input port -> one entry per call: where its field lies, or a small value itself. Such ports are not in `given`.
    shelf
        Folder within `members` for the files of this task.
    """

    stage: str
    operator: str
    seed: int
    sources: tuple[str, ...]
    indices: NDArray[np.int64]
    keys: NDArray[np.uint8]
    given: dict[str, NDArray[Any]]
    members: str
    watch: Watch
    sizes: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    fields: dict[str, list[Reference | NDArray[Any]]] = field(default_factory=dict)
    shelf: str = ""

    def streams(self, row: int, streams: Streams) -> Mapping[str, Generator]:
        """Return the streams of one call."""
        return streams.call(self.stage, dict(zip(self.sources, self.indices[row].tolist(), strict=True)))

    def received(self, row: int) -> dict[str, NDArray[Any]]:
        """Return what one call receives, as arrays of its own: what it writes into them is lost on its mates.

        Raises
        ------
        DamagedField
            When a field's file is missing or not as it was written: its giver must run again, and no call has failed.
        """
        cut = {port: tuple(map(slice, sizes[row].tolist())) for port, sizes in self.sizes.items()}
        own = {port: np.array(values[row][cut.get(port, ())]) for port, values in self.given.items()}
        return own | {port: _fetched(Path(self.members), entries[row]) for port, entries in self.fields.items()}


_FETCHED: OrderedDict[bytes, NDArray[Any]] = OrderedDict()
_FETCHED_BYTES = 128_000_000


def _fetched(members: Path, entry: Reference | NDArray[Any]) -> NDArray[Any]:
    """Return a field as an array of the caller's own, read once for mates that receive the same."""
    if not isinstance(entry, Reference):
        return np.array(entry)
    row = _FETCHED.pop(entry.digest, None)
    if row is None:
        row = read_row(members, entry.file, entry.row, entry.digest)
    _FETCHED[entry.digest] = row
    while len(_FETCHED) > 1 and sum(one.nbytes for one in _FETCHED.values()) > _FETCHED_BYTES:
        _FETCHED.popitem(last=False)
    inside = row[tuple(map(slice, entry.size))]
    return np.array(inside) if entry.factor == 1.0 else np.asarray(inside * entry.factor)


def know(operators: Mapping[str, Operator | bytes]) -> None:
    """Take in operators (fingerprint -> itself, or its pickle), once per worker and not with each task."""
    for fingerprint, operator in operators.items():
        if isinstance(operator, bytes):
            _PICKLES[fingerprint] = operator
        else:
            _OPERATORS[fingerprint] = operator


def _operator(fingerprint: str) -> Operator:
    if fingerprint not in _OPERATORS:
        if fingerprint not in _PICKLES:
            raise EnvironmentFault(f"worker {os.getpid()} was not told the operator {fingerprint[:12]}; resume the run")
        _OPERATORS[fingerprint] = pickle.loads(_PICKLES[fingerprint])  # noqa: S301  # our own client's bytes
    return _OPERATORS[fingerprint]


def warm_up(fingerprint: str) -> float:
    """Compile what an operator runs, if it offers `warm_up()`, and return the seconds that took.

    Called once before the fan-out, so that workers read compiled kernels from the disk instead of racing to make them.
    """
    start = time.perf_counter()
    warm = getattr(_operator(fingerprint), "warm_up", None)
    if warm is not None:
        warm()
    return time.perf_counter() - start


def run_task(task: Task) -> Receipt | UqmsmError:
    """Run the calls of a task, write their outcomes to one file and return the receipt.

    A call that fails is a row of the file. What is no call's own failure (disk full, an engine that is not installed,
    a port that changes its number type) is returned, not raised: nothing is wrong with the worker.
    """
    try:
        operator = _operator(task.operator)
        with attended(task.watch) as watching:
            ended = _ended(operator, task, watching)
        return write_task(Path(task.members), _record(task, ended), task.shelf)
    except (EnvironmentFault, StudyError) as fault:
        return fault


def _ended(operator: Operator, task: Task, watching: Watching) -> list[Ended]:
    """Run all calls of a task, but for those that ended a worker before because they took too long."""
    before = {note.row: note for note in read_notes(task.watch.note) if note.timed_out}
    known = {
        row: Ended(None, note.seconds, Status.TIMED_OUT, overtime(note.kind, note.seconds), note.log)
        for row, note in before.items()
    }
    rows = [row for row in range(len(task.indices)) if row not in known]
    streams, batch = Streams(task.seed), isinstance(operator, BatchOperator)
    if batch and len(rows) > 1 and SEVERAL not in known:
        known |= _together(operator, task, rows, streams, watching)

    def alone(row: int) -> Ended:
        given, own = task.received(row), task.streams(row, streams)
        if batch:
            return _alone(lambda: evaluate_batch(operator, [given], [own])[0], row, watching)
        with marked(Path(task.members).parent, task.stage, task.keys[row].tobytes()) as mark:
            one = _alone(lambda: evaluate(operator, given, own), row, watching)
            if one.status not in {Status.TIMED_OUT, Status.LOST}:
                mark.clear()  # else `resume` goes on from there
        return one

    return [known[row] if row in known else alone(row) for row in range(len(task.indices))]


def _together(
    operator: Operator, task: Task, rows: list[int], streams: Streams, watching: Watching
) -> dict[int, Ended]:
    """Run calls as a batch; give nothing when it broke or took too long as a whole: each is then run alone, afresh."""
    start = time.perf_counter()
    try:
        givens, owns = [task.received(row) for row in rows], [task.streams(row, streams) for row in rows]
        results = watching.run(SEVERAL, lambda: evaluate_batch(operator, givens, owns))
    except EnvironmentFault:
        raise
    except (Overtime, Exception):  # noqa: BLE001  # nobody knows whose fault it is
        return {}
    if len(results) != len(rows):
        return {}
    each = (time.perf_counter() - start) / len(rows)
    return {row: _end(result, each, watching) for row, result in zip(rows, results, strict=True)}


def _alone(call: Callable[[], Result], row: int, watching: Watching) -> Ended:
    """Run one call; an exception that nobody foresaw is its failure."""
    start = time.perf_counter()
    result: Result
    try:
        result = watching.run(row, call)
    except Overtime as over:
        return Ended(None, over.seconds, Status.TIMED_OUT, overtime(over.kind, over.seconds), watching.printed.tail())
    except EnvironmentFault:
        raise
    except Exception as fault:  # noqa: BLE001  # a member's failure, of whatever class, is an outcome
        result = failure(fault)
    return _end(result, time.perf_counter() - start, watching)


def _end(result: Result, seconds: float, watching: Watching) -> Ended:
    if not isinstance(result, MemberFailed):
        return Ended(result, seconds)
    status = Status.UNSTABLE if isinstance(result, Unstable) else Status.FAILED
    if result.__traceback__ is None and is_transient(result.__cause__):  # else the operator itself called it a failure
        status = Status.LOST
    log = "\n".join(part for part in (watching.printed.tail(), told_of(result.__cause__)) if part)
    return Ended(None, seconds, status, str(result), log)


def _record(task: Task, ended: Sequence[Ended]) -> TaskRecord:
    values, sizes = _stacked(task.stage, [one.outcome for one in ended])
    return TaskRecord(
        stage=task.stage,
        keys=task.keys,
        status=np.array([one.status for one in ended], dtype=np.uint8),
        seconds=np.array([one.seconds for one in ended]),
        host=socket.gethostname(),
        reasons={row: one.reason for row, one in enumerate(ended) if one.reason},
        values=values,
        sizes=sizes,
        logs={row: one.log for row, one in enumerate(ended) if one.log},
    )


def _stacked(
    stage: str, results: Sequence[Mapping[str, NDArray[Any]] | None]
) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[np.int64]]]:
    """Return stacked outcomes, and the sizes of each where they differ: the stack is then padded at the end."""
    done = {row: result for row, result in enumerate(results) if result is not None}
    stacks: dict[str, NDArray[Any]] = {}
    sizes: dict[str, NDArray[np.int64]] = {}
    for port, first in next(iter(done.values()), {}).items():
        shapes = np.zeros((len(results), first.ndim), dtype=np.int64)
        for row, outcome in done.items():
            shapes[row] = outcome[port].shape
            if outcome[port].dtype != first.dtype:
                raise StudyError(two_types(stage, port, first.dtype, outcome[port].dtype))
        widest = tuple(shapes.max(axis=0).tolist())
        stack = np.full((len(results), *widest), np.nan if first.dtype.kind == "f" else 0, dtype=first.dtype)
        for row, outcome in done.items():
            place: tuple[Any, ...] = (row, *(slice(size) for size in outcome[port].shape))
            stack[place] = outcome[port]
        stacks[port] = stack
        if (shapes[list(done)] != widest).any():
            sizes[port] = shapes
    return stacks, sizes


def two_types(stage: str, port: str, one: Any, other: Any) -> str:
    """Return the words for a port that gives whole numbers in one call and others in another."""
    return (
        f"stage {stage!r} gives {port!r} as {one} in one call and as {other} in another; a port keeps one number type "
        "in a study: write  float(...)  or  int(...)  round what the operator returns"
    )
