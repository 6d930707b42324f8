"""What the calls of a study gave, stage by stage, as stacked arrays; members look their values up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uqmsm.chain import Chain
from uqmsm.errors import StudyError
from uqmsm.execution.calls import StageCalls
from uqmsm.execution.held import Held
from uqmsm.execution.taskfile import Status, TaskRecord
from uqmsm.execution.worker import two_types
from uqmsm.fields import Placed, Reference
from uqmsm.quantity import Port

__all__ = ["STATES", "Outcomes", "StageOutcomes"]

STATES = ("waiting", "running", "done", "failed", "unstable", "timed out", "lost")
"""Every state of a call, as people read it."""
_TOGETHER = 4096  # small outcomes of a port of fields that are written to one file


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
        self._held: dict[str, Held] = {}
        self._order: NDArray[np.int64] | None = None
        self._heads: NDArray[np.uint64] = np.empty(0, dtype=np.uint64)

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
    def by_file(self) -> frozenset[str]:
        """Ports whose outcomes are so large that they stay in files (`uqmsm.fields`), at least those of some calls."""
        return frozenset(self._held)

    @property
    def values(self) -> Mapping[str, NDArray[Any]]:
        """Return port -> outcomes, shape (calls, ...); NaN where there is none, and behind the end of a shorter one.

        Whole numbers are int64 when every call gave as many, else float64, because no integer says "missing". Ports
        whose outcomes stay in files are left out.
        """
        return {port.name: self._present(port) for port in self.ports if port.name not in self._held}

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
        return {port: sizes for port, sizes in found.items() if (sizes[self.done] != self._widest(port)).any()}

    def _widest(self, port: str) -> tuple[int, ...]:
        held, raw = self._held.get(port), self._raw.get(port)
        shapes = [held.shape] if held is not None else []
        shapes += [raw.shape[1:]] if raw is not None else []
        return tuple(np.max(shapes, axis=0).astype(int).tolist())

    def numbers(self, port: str, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how many numbers each of some finished calls gave at a port."""
        return np.asarray(self._sizes[port][rows].prod(axis=1), dtype=np.int64)

    def sizes_taken(self, port: str, rows: NDArray[np.int64]) -> NDArray[np.int64] | None:
        """Return the sizes of the outcomes of some calls where `taken` had to pad them, else None."""
        sizes = self._sizes[port][rows]
        return sizes if (sizes != self._raw[port].shape[1:]).any() else None

    def taken(self, port: str, rows: NDArray[np.int64], factor: float) -> NDArray[Any]:
        """Return a copy of the outcomes of finished calls, in the unit of the receiver, shape (rows, ...)."""
        values = np.ascontiguousarray(self._raw[port][rows])
        return values if factor == 1.0 else np.asarray(values * factor)

    def handed(self, port: str, rows: NDArray[np.int64], factor: float) -> list[Reference | NDArray[Any]]:
        """Return the outcomes of finished calls at a port of `by_file`: where each lies, or itself if it is small."""
        held, sizes = self._held[port], self._sizes[port]
        found: list[Reference | NDArray[Any]] = []
        for row in rows.tolist():
            size = tuple(sizes[row].tolist())
            if held.has(row):
                found.append(held.reference(row, size, factor))
            else:
                value = self._raw[port][row][tuple(map(slice, size))]
                found.append(value.copy() if factor == 1.0 else value * factor)
        return found

    def lost_with(self, file: str) -> NDArray[np.int64]:
        """Forget the calls whose outcomes lie in a damaged file, as if they had not been run; return them."""
        rows = np.unique(
            np.concatenate([held.rows_in(file) for held in self._held.values()] or [np.empty(0, np.int64)])
        )
        self.status[rows] = Status.PENDING
        for held in self._held.values():
            held.forget(rows)
        return rows

    @property
    def digests(self) -> Mapping[str, NDArray[np.uint8]]:
        """Return port -> SHA-256 of each outcome, shape (calls, 32), for the ports of `by_file`."""
        return {port: held.digests for port, held in self._held.items()}

    def placed(self, members: Path) -> dict[str, tuple[Placed, NDArray[np.uint8]]]:
        """Return where the fields of each port of `by_file` lie, and their digests, shape (calls, 32).

        Outcomes of such a port that were small enough to come home are written to a file now, like the others.
        """
        for port, held in self._held.items():
            here = np.flatnonzero(self.done & ~held.there)
            for first in range(0, len(here), _TOGETHER):
                rows = here[first : first + _TOGETHER]
                held.put(rows, self._raw[port][rows], members, self.calls.stage, port)
        return {port: (held.placed(), held.digests) for port, held in self._held.items()}

    def bytes_per_call(self, port: str) -> int:
        """Return the bytes of one outcome at a port, 0 while none is known."""
        raw, held = self._raw.get(port), self._held.get(port)
        return max(0 if raw is None else raw[:1].nbytes, 0 if held is None else held.bytes_per_call)

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
        well = record.status[known] == Status.DONE
        for port, values in record.values.items():
            self._store(port, values)
            place: tuple[Any, ...] = (rows, *(slice(size) for size in values.shape[1:]))
            self._raw[port][place] = values[known]
            sizes = record.sizes.get(port)
            own = np.asarray(values.shape[1:]) if sizes is None else sizes[known]
            self._sizes[port][rows] = np.where(well[:, None], own, 0)  # what failed has none, whatever its mates had
        for port, stored in record.fields.items():
            self._keep_type(port, np.dtype(stored.dtype))
            self._held.setdefault(port, Held(len(self.calls), stored.dtype)).enter(rows[well], stored, known[well])
            sizes = record.sizes.get(port)
            own = np.asarray(stored.shape) if sizes is None else sizes[known]
            self._size_table(port, len(stored.shape))[rows] = np.where(well[:, None], own, 0)
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
        self._keep_type(port, values.dtype)
        empty = np.nan if values.dtype.kind == "f" else 0
        raw = self._raw.get(port)
        if raw is None:
            raw = np.full((len(self.calls), *values.shape[1:]), empty, dtype=values.dtype)
            self._size_table(port, values.ndim - 1)
        widest = np.maximum(raw.shape[1:], values.shape[1:]).astype(int).tolist()
        if list(raw.shape[1:]) != widest:
            wider = np.full((len(self.calls), *widest), empty, dtype=values.dtype)
            wider[tuple(map(slice, raw.shape))] = raw
            raw = wider
        self._raw[port] = raw

    def _size_table(self, port: str, dims: int) -> NDArray[np.int64]:
        if port not in self._sizes:
            self._sizes[port] = np.zeros((len(self.calls), dims), dtype=np.int64)
        return self._sizes[port]

    def _keep_type(self, port: str, dtype: np.dtype[Any]) -> None:
        known = [self._raw[port].dtype] if port in self._raw else []
        known += [np.dtype(self._held[port].dtype)] if port in self._held else []
        for one in known:
            if one != dtype:
                raise StudyError(two_types(self.calls.stage, port, one, dtype))

    def _rows(self, keys: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Return the call of each key, or -1, shape (keys,)."""
        if self._order is None:
            heads = _heads(self.calls.keys)
            self._order = np.argsort(heads, kind="stable")
            self._heads = heads[self._order]
        wanted = _heads(keys)
        at = np.searchsorted(self._heads, wanted)
        rows = np.full(len(keys), -1, dtype=np.int64)
        while True:  # once, but for keys that agree in their first eight bytes
            inside = np.minimum(at, len(self._heads) - 1)
            same = (at < len(self._heads)) & (self._heads[inside] == wanted) & (rows < 0)
            if not same.any():
                return rows
            found = self._order[inside]
            rows = np.where(same & (self.calls.keys[found] == keys).all(axis=1), found, rows)
            at = at + 1


def _heads(keys: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Return the first eight bytes of each key as a number: keys are hashes, so they differ there already."""
    return np.ascontiguousarray(keys[:, :8]).view(">u8").reshape(-1).astype(np.uint64)


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
        """Return one value per member, shape (members, ...); NaN where the member failed on the way.

        Raises
        ------
        StudyError
            When the port's outcomes stay in files.
        """
        found = self.stages[stage]
        if port in found.by_file:
            raise StudyError(
                f"{stage}.{port} is a field of many numbers per member, which stay in files; ask for a number that a "
                f"stage makes of it, or read it row by row: uqmsm.field(run, '{stage}.{port}')"
            )
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
