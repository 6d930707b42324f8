"""Which calls a table of members needs: distinct ones only, each with a key that says everything it depends on.

Members that agree on the indices of all sources upstream of a stage share one call of that stage. The key of a call
is a Merkle hash: operator, code, engines, own indices, seed and the keys of the calls whose results it receives.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uqmsm.chain import Chain, Stage
from uqmsm.errors import StudyError
from uqmsm.fingerprint import canonical, code_of, digest

__all__ = ["KEY_BYTES", "StageCalls", "calls_of", "operator_fingerprint", "parts_of"]

KEY_BYTES = 32


@dataclass(frozen=True)
class StageCalls:
    """The distinct calls of one stage, in the order in which the members first need them.

    Parameters
    ----------
    stage
        Name of the stage.
    operator
        Fingerprint of its operator, code and engines included.
    sources
        Labels of the ancestors' sources, in chain order.
    indices
        One index per ancestor source, shape (calls, sources).
    own
        Names of the stage's own sources; `own_indices` holds their indices, shape (calls, own sources).
    of_member
        Call that each member uses, shape (members,).
    first_member
        First member that needs each call, shape (calls,), ascending.
    parents
        Parent stage -> call of the parent whose outcome each call receives, shape (calls,).
    keys
        Merkle keys, bytes, shape (calls, 32).
    """

    stage: str
    operator: str
    sources: tuple[str, ...]
    indices: NDArray[np.int64]
    own: tuple[str, ...]
    own_indices: NDArray[np.int64]
    of_member: NDArray[np.int64]
    first_member: NDArray[np.int64]
    parents: dict[str, NDArray[np.int64]]
    keys: NDArray[np.uint8]

    def __len__(self) -> int:
        """Return the number of distinct calls."""
        return len(self.keys)


def operator_fingerprint(stage: Stage) -> str:
    """Return the digest of an operator: its settings, the code that it runs, its tables and engines.

    Raises
    ------
    StudyError
        When a field holds something whose content cannot be told.
    """
    try:
        settings = canonical(stage.operator)
        code = sorted({code_of(part) for part in parts_of(stage.operator)})
    except TypeError as fault:
        raise StudyError(
            f"stage {stage.name!r}: {fault}; give the operator numbers, arrays, laws, paths or dataclasses, "
            "or an object with a `fingerprint`"
        ) from fault
    return digest(settings, code)


def parts_of(value: Any) -> Iterator[Any]:
    """Yield every dataclass in an operator: a law written in another module is code that runs, too."""
    if is_dataclass(value) and not isinstance(value, type):
        yield value
        for field in fields(value):
            yield from parts_of(getattr(value, field.name))
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from parts_of(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from parts_of(item)


def calls_of(chain: Chain, seed: int, members: NDArray[np.integer[Any]]) -> dict[str, StageCalls]:
    """Return, per stage in chain order, the distinct calls that the members need.

    Parameters
    ----------
    chain
        The chain of operators.
    seed
        Seed of the study.
    members
        One row of indices per member, shape (members, sources), columns in the order of `chain.sources`.

    Raises
    ------
    StudyError
        When the table does not fit the chain, or an operator cannot be fingerprinted.
    """
    table = _checked(chain, members)
    column = {source.label: position for position, source in enumerate(chain.sources)}
    found: dict[str, StageCalls] = {}
    for stage in chain.stages:
        labels = chain.ancestors[stage.name]
        projection = table[:, [column[label] for label in labels]]
        first, of_member = _distinct(projection)
        own = chain.own_sources[stage.name]
        own_indices = np.ascontiguousarray(table[first][:, [column[source.label] for source in own]])
        parents = {name: found[name].of_member[first] for name in chain.parents[stage.name]}
        operator = operator_fingerprint(stage)
        head = digest(stage.name, operator, seed, [source.name for source in own], chain.joins[stage.name])
        upstream = [found[name].keys[rows] for name, rows in parents.items()]
        found[stage.name] = StageCalls(
            stage=stage.name,
            operator=operator,
            sources=labels,
            indices=projection[first],
            own=tuple(source.name for source in own),
            own_indices=own_indices,
            of_member=of_member,
            first_member=first,
            parents=parents,
            keys=_keys(head, own_indices, upstream),
        )
    return found


def _checked(chain: Chain, members: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    table = np.asarray(members)
    width = len(chain.sources)
    if table.ndim != 2 or table.shape[1] != width or len(table) == 0 or table.dtype.kind not in "iu":
        raise StudyError(
            f"the table of members has shape {table.shape} and dtype {table.dtype}; this chain needs integers of "
            f"shape (members, {width}), one column per source: {', '.join(s.label for s in chain.sources)}"
        )
    if table.size and table.min() < 0:
        raise StudyError(f"the table of members holds the index {table.min()}; indices start at 0")
    return np.ascontiguousarray(table, dtype=np.int64)


def _distinct(rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first member of each distinct row and the distinct row of each member.

    The order is that of first appearance, so that more members leave the first calls where they are.
    """
    if rows.shape[1] == 0:
        return np.zeros(1, dtype=np.int64), np.zeros(len(rows), dtype=np.int64)
    _, first, inverse = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return first[order].astype(np.int64), rank[inverse.reshape(-1)].astype(np.int64)


def _keys(head: str, own: NDArray[np.int64], upstream: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    calls = len(own)
    packed = np.concatenate(
        [own.astype("<i8").view(np.uint8).reshape(calls, 8 * own.shape[1]), *upstream], axis=1, dtype=np.uint8
    )
    start = sha256(head.encode())
    keys = np.empty((calls, KEY_BYTES), dtype=np.uint8)
    for row in range(calls):
        one = start.copy()
        one.update(packed[row].tobytes())
        keys[row] = np.frombuffer(one.digest(), dtype=np.uint8)
    return keys
