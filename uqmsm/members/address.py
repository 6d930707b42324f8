"""A member is one index per source; a table of members holds many of them and counts what they share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError

__all__ = ["Address", "Members", "union"]


class Address(Mapping[str, int]):
    """One index per source: all that is needed to run a member again, alone.

    Parameters
    ----------
    indices
        Source label (``stage.name``) -> index, in chain order. Equality and hash ignore the order.
    """

    __slots__ = ("_indices",)

    def __init__(self, indices: Mapping[str, int] | Iterable[tuple[str, int]]) -> None:
        self._indices = dict(indices)

    def __getitem__(self, label: str) -> int:
        """Return the index of the source `label`."""
        return self._indices[label]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the labels of the sources."""
        return iter(self._indices)

    def __len__(self) -> int:
        """Return the number of sources."""
        return len(self._indices)

    def __hash__(self) -> int:
        """Hash the pairs, so that an address can be a key within one process."""
        return hash(frozenset(self._indices.items()))

    def upto(self, ancestors: Iterable[str]) -> Address:
        """Return the part of the address that a stage with these ancestor sources can see: what its result depends on.

        Parameters
        ----------
        ancestors
            Labels of the sources upstream of the stage, its own included.
        """
        seen = frozenset(ancestors)
        return Address((label, index) for label, index in self._indices.items() if label in seen)

    def __str__(self) -> str:
        """Return ``stage.name=index,...``: what the command line prints and reads."""
        return ",".join(f"{label}={index}" for label, index in self._indices.items())

    def __repr__(self) -> str:
        """Return a call that makes this address again."""
        return f"Address.parse({str(self)!r})"

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read an address as `str` writes it.

        Raises
        ------
        StudyError
            When a part is not ``stage.name=index`` or a source is named twice.
        """
        found: dict[str, int] = {}
        for part in filter(None, (piece.strip() for piece in text.split(","))):
            label, _, index = part.rpartition("=")
            if not label or not index.isdecimal():
                raise StudyError(
                    f"address {text!r}: {part!r} is not stage.source=index with a whole index >= 0; "
                    "write one for every source, with commas between: first.f=3,second.p=0"
                )
            if label in found:
                raise StudyError(f"address {text!r}: {label} is given twice; keep one")
            found[label] = int(index)
        return cls(found)


@dataclass(frozen=True, eq=False)
class Members:
    """Many addresses, held compactly.

    Parameters
    ----------
    sources
        Labels of the sources, one per column.
    table
        Indices, shape (members, sources), integer.
    """

    sources: tuple[str, ...]
    table: NDArray[np.int64]

    def __post_init__(self) -> None:
        """Refuse a table whose columns are not the sources."""
        if self.table.ndim != 2 or self.table.shape[1] != len(self.sources):
            raise StudyError(f"a table of shape {self.table.shape} cannot hold {len(self.sources)} sources per member")

    def __len__(self) -> int:
        """Return the number of members."""
        return len(self.table)

    def __getitem__(self, member: int) -> Address:
        """Return the address of one member."""
        return Address(zip(self.sources, self.table[member].tolist(), strict=True))

    def __iter__(self) -> Iterator[Address]:
        """Iterate over the addresses, in the order of their numbers."""
        return (self[member] for member in range(len(self)))

    def projection(self, ancestors: Iterable[str]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Return the distinct calls of a stage that depends on `ancestors`, in order of first appearance.

        Returns
        -------
        calls
            Distinct indices of the ancestors, shape (calls, ancestors), columns in the order of `sources`.
        first
            The first member that needs each call, shape (calls,).
        call_of_member
            Which call serves each member, shape (members,).
        """
        seen = frozenset(ancestors)
        columns = [column for column, label in enumerate(self.sources) if label in seen]
        part = self.table[:, columns]
        if not columns or not len(part):
            some = min(1, len(part))
            return part[:some], np.zeros(some, np.int64), np.zeros(len(part), np.int64)
        _, first, inverse = np.unique(part, axis=0, return_index=True, return_inverse=True)
        order = np.argsort(first, kind="stable")
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order))
        return part[first[order]], first[order].astype(np.int64), rank[inverse.reshape(-1)].astype(np.int64)

    def calls(self, ancestors: Mapping[str, Sequence[str]]) -> dict[str, int]:
        """Return the number of distinct calls of every stage, given stage -> labels of its ancestor sources."""
        return {stage: len(self.projection(labels)[0]) for stage, labels in ancestors.items()}


def union(*parts: Members) -> tuple[Members, tuple[NDArray[np.int64], ...]]:
    """Merge member tables; an address that occurs twice becomes one member, and stage results are shared.

    Returns
    -------
    members
        All distinct addresses, in order of first appearance.
    numbers
        For every part, the number in `members` of each of its members.

    Raises
    ------
    StudyError
        When the parts are not about the same sources.
    """
    sources = parts[0].sources
    if any(part.sources != sources for part in parts):
        raise StudyError("designs of different chains cannot be merged: their sources differ")
    stacked = Members(sources, np.concatenate([part.table for part in parts]))
    table, _, numbers = stacked.projection(sources)
    ends = np.cumsum([len(part) for part in parts])[:-1]
    return Members(sources, table), tuple(np.split(numbers, ends))
