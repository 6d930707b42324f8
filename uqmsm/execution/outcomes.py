"""What the calls of a study gave, stage by stage, as stacked arrays; members look their values up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uqmsm.chain import Chain
from uqmsm.errors import StudyError
from uqmsm.execution.calls import KEY_BYTES, StageCalls
from uqmsm.execution.taskfile import Status, TaskRecord
from uqmsm.execution.worker import two_types
from uqmsm.quantity import Port

__all__ = ["STATES", "Outcomes", "StageOutcomes"]

STATES = ("waiting", "running", "done", "failed", "unstable", "timed out", "lost")
"""Every state of a call, as people read it."""


class StageOutcomes:
    """The outcomes of one stage, one row per distinct call.

    Attributes
    ----------
    calls
        The distinct calls (`StageCalls`): indices, keys, parents.
    status
        `Status` of each call, shape (calls,).
    seconds
        Time spent in each call [s], NaN where none was run.
    reasons
        Call -> why it failed; only for calls that did.
    """

    def __init__(self, calls: StageCalls, ports: tuple[Port, ...]) -> None:
        self.calls = calls
        self.ports = ports
        self.status: NDArray[np.uint8] = np.zeros(len(calls), dtype=np.uint8)
        self.seconds: NDArray[np.float64] = np.full(len(calls), np.nan)
        self.reasons: dict[int, str] = {}
        self._host: NDArray[np.int16] = np.full(len(calls), -1, dtype=np.int16)
        self._host_names: list[str] = []
        self._raw: dict[str, NDArray[Any]] = {}
        self._sizes: dict[str, NDArray[np.int64]] = {}
        self._order: NDArray[np.int64] | None = None

    @property
    def done(self) -> NDArray[np.bool_]:
        """Tell which calls gave an outcome, shape (calls,)."""
        return np.asarray(self.status == Status.DONE)

    def counts(self) -> tuple[int, int, int]:
        """Return the number of calls done, of those that ended otherwise, and of all."""
        done, pending = int(self.done.sum()), int(np.sum(self.status == Status.PENDING))
        return done, len(self.status) - done - pending, len(self.status)

    def states(self, running: int) -> dict[str, int]:
        """Return the number of calls in each of `STATES`, when so many of those that have no outcome are running."""
        codes = np.bincount(self.status, minlength=len(Status)).tolist()
        counts = {status.word: codes[status] for status in Status}
        counts |= {"waiting": counts["waiting"] - running, "running": running}
        return {state: counts[state] for state in STATES}

    @property
    def hosts(self) -> NDArray[np.str_]:
        """Return where each call ran, shape (calls,); empty text where none was run."""
        return np.array([*self._host_names, ""])[self._host]

    @property
    def values(self) -> Mapping[str, NDArray[Any]]:
        """Return port -> outcomes, shape (calls, ...); NaN where there is none, and behind the end of a shorter one.

        Whole numbers are int64 when every call gave as many, else float64, because no integer says "missing".
        """
        return {port.name: self._present(port) for port in self.ports}

    def _present(self, port: Port) -> NDArray[Any]:
        if port.name not in self._raw:  # nothing was ever given: the sizes of its dims are not known
            return np.full((len(self.calls),) + (0,) * len(port.dims), np.nan)
        raw, ragged = self._raw[port.name], self.sizes.get(port.name)
        if raw.dtype.kind == "f" or (self.done.all() and ragged is None):
            return raw
        floats = raw.astype(np.float64)
        floats[~self.done] = np.nan
        if ragged is not None:
            for row in np.flatnonzero(self.done).tolist():
                inside = np.zeros(raw.shape[1:], dtype=np.bool_)
                inside[tuple(map(slice, ragged[row].tolist()))] = True
                floats[row][~inside] = np.nan
        return floats

    @property
    def sizes(self) -> Mapping[str, NDArray[np.int64]]:
        """Return port -> sizes of each outcome, shape (calls, dims), for ports whose sizes differ between calls."""
        found = {port: sizes for port, sizes in self._sizes.items() if sizes.shape[1]}
        return {port: sizes for port, sizes in found.items() if (sizes[self.done] != self._raw[port].shape[1:]).any()}

    def sizes_taken(self, port: str, rows: NDArray[np.int64]) -> NDArray[np.int64] | None:
        """Return the sizes of the outcomes of some calls where `taken` had to pad them, else None."""
        sizes = self._sizes[port][rows]
        return sizes if (sizes != self._raw[port].shape[1:]).any() else None

    def taken(self, port: str, rows: NDArray[np.int64], factor: float) -> NDArray[Any]:
        """Return a copy of the outcomes of finished calls, in the unit of the receiver, shape (rows, ...)."""
        values = np.ascontiguousarray(self._raw[port][rows])
        return values if factor == 1.0 else np.asarray(values * factor)

    def bytes_per_call(self, port: str) -> int:
        """Return the bytes of one outcome at a port, 0 while none is known."""
        raw = self._raw.get(port)
        return 0 if raw is None else raw[:1].nbytes

    def put(self, record: TaskRecord, only: NDArray[np.bool_] | None = None) -> int:
        """Enter the outcomes of a task, call by call by their keys; return how many belong to this study.

        Parameters
        ----------
        record
            What the task gave.
        only
            Calls to enter, shape (calls,); all if not given.

        Raises
        ------
        StudyError
            When a port has another number type than in calls before.
        """
        rows = self._rows(record.keys)
        wanted = record.status != Status.PENDING if only is None else only
        known = np.flatnonzero((rows >= 0) & wanted)
        rows = rows[known]
        for port, values in record.values.items():
            self._store(port, values)
            place: tuple[Any, ...] = (rows, *(slice(size) for size in values.shape[1:]))
            self._raw[port][place] = values[known]
            sizes = record.sizes.get(port)
            self._sizes[port][rows] = values.shape[1:] if sizes is None else sizes[known]
        self.status[rows] = record.status[known]
        self.seconds[rows] = record.seconds[known]
        if record.host not in self._host_names:
            self._host_names.append(record.host)
        self._host[rows] = self._host_names.index(record.host)
        row_of = dict(zip(known.tolist(), rows.tolist(), strict=True))
        self.reasons.update({row_of[at]: why for at, why in record.reasons.items() if at in row_of})
        return len(rows)

    def fail(self, rows: NDArray[np.int64], status: Status, reasons: list[str]) -> None:
        """Enter calls that gave nothing, with their reasons."""
        self.status[rows] = status
        self.reasons.update(zip(rows.tolist(), reasons, strict=True))

    def _store(self, port: str, values: NDArray[Any]) -> None:
        """Make room: for the first outcomes of a port, and for outcomes larger than all before."""
        empty = np.nan if values.dtype.kind == "f" else 0
        raw = self._raw.get(port)
        if raw is None:
            raw = np.full((len(self.calls), *values.shape[1:]), empty, dtype=values.dtype)
            self._sizes[port] = np.zeros((len(self.calls), values.ndim - 1), dtype=np.int64)
        if raw.dtype != values.dtype:
            raise StudyError(two_types(self.calls.stage, port, raw.dtype, values.dtype))
        widest = np.maximum(raw.shape[1:], values.shape[1:]).astype(int).tolist()
        if list(raw.shape[1:]) != widest:
            wider = np.full((len(self.calls), *widest), empty, dtype=values.dtype)
            wider[tuple(map(slice, raw.shape))] = raw
            raw = wider
        self._raw[port] = raw

    def _rows(self, keys: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Return the call of each key, or -1, shape (keys,)."""
        mine = _sortable(self.calls.keys)
        if self._order is None:
            self._order = np.argsort(mine).astype(np.int64)
        wanted = _sortable(keys)
        at = np.minimum(np.searchsorted(mine, wanted, sorter=self._order), len(mine) - 1)
        rows = self._order[at]
        return np.where(mine[rows] == wanted, rows, -1).astype(np.int64)


def _sortable(keys: NDArray[np.uint8]) -> NDArray[Any]:
    # the digits as text: NumPy's byte strings drop trailing zero bytes, and a void has no order
    text = np.ascontiguousarray(keys).tobytes().hex().encode()
    return np.frombuffer(text, dtype=f"S{2 * KEY_BYTES}")


class Outcomes:
    """The outcomes of all stages.

    Attributes
    ----------
    chain
        The chain that was run.
    members
        The table of members, shape (members, sources).
    stages
        Stage name -> `StageOutcomes`, in chain order.
    """

    def __init__(self, chain: Chain, members: NDArray[np.integer[Any]], calls: Mapping[str, StageCalls]) -> None:
        self.chain = chain
        self.members = members
        self.stages = {name: StageOutcomes(calls[name], chain[name].operator.outputs) for name in chain.names}

    def __getitem__(self, stage: str) -> StageOutcomes:
        """Return the outcomes of one stage."""
        return self.stages[stage]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of the stages."""
        return iter(self.stages)

    def counts(self) -> dict[str, tuple[int, int, int]]:
        """Return, per stage, the number of calls done, of those that ended otherwise, and of all."""
        return {name: found.counts() for name, found in self.stages.items()}

    def member_values(self, stage: str, port: str) -> NDArray[Any]:
        """Return one value per member, shape (members, ...); NaN where the member failed on the way."""
        found = self.stages[stage]
        return np.asarray(found.values[port][found.calls.of_member])

    def member_status(self) -> NDArray[np.uint8]:
        """Return the `Status` of each member over the whole chain, shape (members,).

        The first stage that did not end well decides; a member with a stage that was not run yet is pending.
        """
        status = np.full(len(self.members), Status.DONE, dtype=np.uint8)
        for found in self.stages.values():
            here = found.status[found.calls.of_member]
            status = np.where((status == Status.DONE) & (here != Status.DONE), here, status).astype(np.uint8)
        return status

    def member_reasons(self) -> dict[int, str]:
        """Return member -> ``stage: reason`` for every member that did not end well, the first reason on its way."""
        reasons: dict[int, str] = {}
        for name, found in self.stages.items():
            ended = (found.status != Status.DONE) & (found.status != Status.PENDING)
            for member in np.flatnonzero(ended[found.calls.of_member]).tolist():
                reasons.setdefault(member, f"{name}: {found.reasons[int(found.calls.of_member[member])]}")
        return reasons

    def settled(self) -> NDArray[np.bool_]:
        """Tell which members are through the whole chain, well or failed, shape (members,)."""
        through = np.ones(len(self.members), dtype=np.bool_)
        for found in self.stages.values():
            through &= found.status[found.calls.of_member] != Status.PENDING
        return through
