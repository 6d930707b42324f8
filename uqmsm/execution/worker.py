"""What runs on a worker: a task of many calls, settled by addresses alone, written to one file."""

from __future__ import annotations

import os
import pickle
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import EnvironmentFault, MemberFailed, StudyError, Unstable, UqmsmError
from uqmsm.execution.taskfile import Receipt, Status, TaskRecord, write_task
from uqmsm.stochastic import Given, Operator, evaluate_batch, failure
from uqmsm.streams import Streams

__all__ = ["ONE_THREAD", "Task", "know", "run_task", "two_types", "warm_up"]

# one thread each: workers are processes, and sums of several threads come in no fixed order
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
)

_PICKLES: dict[str, bytes] = {}
_OPERATORS: dict[str, Operator] = {}

Result = dict[str, NDArray[Any]] | MemberFailed


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
        Folder to write to.
    sizes
        Input port -> sizes of each value, shape (calls, dims), where they differ; the stack is padded.
    """

    stage: str
    operator: str
    seed: int
    sources: tuple[str, ...]
    indices: NDArray[np.int64]
    keys: NDArray[np.uint8]
    given: dict[str, NDArray[Any]]
    members: str
    sizes: dict[str, NDArray[np.int64]] = field(default_factory=dict)

    def received(self, row: int) -> dict[str, NDArray[Any]]:
        """Return what one call receives, as arrays of its own: what it writes into them is lost on its mates."""
        cut = {port: tuple(map(slice, sizes[row].tolist())) for port, sizes in self.sizes.items()}
        return {port: np.array(values[row][cut.get(port, ())]) for port, values in self.given.items()}


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
        rows = list(range(len(task.indices)))
        start = time.perf_counter()
        results = _evaluated(operator, task, rows)
        each = (time.perf_counter() - start) / len(rows)
        return write_task(Path(task.members), _record(task, results, each))
    except (EnvironmentFault, StudyError) as fault:
        return fault


def _evaluated(operator: Operator, task: Task, rows: Sequence[int]) -> list[Result]:
    """Run some calls of a task together; an exception that nobody foresaw is the failure of the call that raised it."""
    streams = Streams(task.seed)
    addresses = [dict(zip(task.sources, task.indices[row].tolist(), strict=True)) for row in rows]
    givens: list[Given] = [task.received(row) for row in rows]
    try:
        return evaluate_batch(operator, givens, [streams.call(task.stage, address) for address in addresses])
    except EnvironmentFault:
        raise
    except Exception as fault:  # noqa: BLE001  # a member's failure, of whatever class, is an outcome
        if len(rows) == 1:
            return [failure(fault)]
    # the batch broke as a whole: each call again, alone, with streams and inputs from the beginning
    return [result for row in rows for result in _evaluated(operator, task, [row])]


def _record(task: Task, results: Sequence[Result], each: float) -> TaskRecord:
    values, sizes = _stacked(task.stage, results)
    status = np.full(len(results), Status.DONE, dtype=np.uint8)
    reasons: dict[int, str] = {}
    for row, result in enumerate(results):
        if isinstance(result, MemberFailed):
            status[row] = Status.UNSTABLE if isinstance(result, Unstable) else Status.FAILED
            reasons[row] = str(result)
    return TaskRecord(
        stage=task.stage,
        keys=task.keys,
        status=status,
        seconds=np.full(len(results), each),
        host=socket.gethostname(),
        reasons=reasons,
        values=values,
        sizes=sizes,
    )


def _stacked(stage: str, results: Sequence[Result]) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[np.int64]]]:
    """Return stacked outcomes, and the sizes of each where they differ: the stack is then padded at the end."""
    done = {row: result for row, result in enumerate(results) if not isinstance(result, MemberFailed)}
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
