"""Rows of rectangles: independent rows, each mixing a few fresh indices of every source into 2x2 tables.

A row r owns the levels 0, 1, 2 ... of every source; level l has the index ``16 r + l``, for ever. Level 0 is "a", level
1 is "b". For a split "these | the rest" a row holds the four members (a, a), (b, a), (a, b), (b, b). Rows share no
index, so they are independent and identically distributed; the members of a row are not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.members.address import Address, Members
from uqmsm.members.split import Split, complete_ancestors, distinct, splits_of
from uqmsm.stochastic import Source

__all__ = ["LEVELS", "Design"]

LEVELS = 16
"""Indices that every row owns of every source; part of the address convention, never to be changed."""


@dataclass(frozen=True)
class Design:
    """Independent rows of 2x2 rectangles.

    Parameters
    ----------
    sources
        All sources of the chain, in chain order.
    ancestors
        Stage -> labels of the sources it depends on, stages in chain order.
    splits
        The partitions that every row resolves.
    rows
        Number of independent rows.
    inner
        Source -> number of levels (2 to 16) where two are not enough. A side of a split has as many levels as the least
        of its sources.

    Raises
    ------
    StudyError
        When `inner` names an unknown source or a number of levels outside 2 .. 16, or `rows` is negative or too large
        for indices of 32 bits.
    """

    sources: tuple[Source, ...]
    ancestors: Mapping[str, tuple[str, ...]]
    splits: tuple[Split, ...]
    rows: int
    inner: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what cannot be addressed."""
        unknown = sorted(set(self.inner) - set(self.labels))
        if unknown:
            raise StudyError(f"inner levels for {unknown}, which are no sources; the sources are {list(self.labels)}")
        bad = {label: levels for label, levels in self.inner.items() if not 2 <= levels <= LEVELS}
        if bad:
            raise StudyError(f"inner levels {bad} lie outside 2 .. {LEVELS}, the levels that a row owns")
        if not 0 <= self.rows <= 2**27:
            raise StudyError(f"{self.rows} rows; a design has between 0 and 2**27 rows")

    @classmethod
    def of(
        cls,
        sources: Sequence[Source],
        rows: int,
        *,
        ancestors: Mapping[str, Sequence[str]] | None = None,
        by: Iterable[str] = ("source", "stage", "kind"),
        inner: Mapping[str, int] | None = None,
    ) -> Design:
        """Return the design that resolves every source, stage prefix and kind; a linear chain without `ancestors`."""
        if not sources:
            raise StudyError("a chain without sources: every member would be the same; give a field a law")
        complete = complete_ancestors(sources, ancestors)
        return cls(tuple(sources), complete, splits_of(sources, tuple(complete), by), rows, dict(inner or {}))

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """Labels of the sources, in chain order."""
        return tuple(source.label for source in self.sources)

    @property
    def stages(self) -> tuple[str, ...]:
        """Names of the stages, in chain order."""
        return tuple(self.ancestors)

    def find(self, part: Iterable[str]) -> tuple[int, bool] | None:
        """Return (number of the split, whether `part` is its first side), or None if no split parts the sources so."""
        wanted = frozenset(part)
        for number, split in enumerate(self.splits):
            if split.sources == wanted:
                return number, True
            if split.sources == frozenset(self.labels) - wanted:
                return number, False
        return None

    def extend(self, rows: int) -> Design:
        """Return the design with more rows; the addresses of the first rows do not change.

        Raises
        ------
        StudyError
            When `rows` is less than there are.
        """
        if rows < self.rows:
            raise StudyError(f"cannot extend {self.rows} rows to {rows}: extending only adds")
        return replace(self, rows=rows)

    def with_split(self, name: str, part: Iterable[str]) -> Design:
        """Return the design that also resolves `part` | the rest, e.g. a merged set of small sources."""
        unknown = sorted(set(part) - set(self.labels))
        if unknown:
            raise StudyError(f"split {name!r} names {unknown}, which are no sources")
        splits = (*self.splits, Split(name, frozenset(part)))
        return replace(self, splits=distinct(splits, frozenset(self.labels)))

    def _grid(self, split: Split) -> NDArray[np.int64]:
        """Return the levels of all members that a split needs in a row: (levels of u, levels of the rest, sources)."""
        on_first = np.array([label in split.sources for label in self.labels])
        levels = np.array([self.inner.get(label, 2) for label in self.labels])
        first, rest = np.arange(levels[on_first].min()), np.arange(levels[~on_first].min())
        return np.where(on_first, first[:, None, None], rest[None, :, None]).astype(np.int64)

    @cached_property
    def _patterns(self) -> dict[tuple[int, ...], int]:
        """Levels of the members of one row -> number within the row: all a, all b, then as the splits need them."""
        sources = len(self.labels)
        found = {(0,) * sources: 0, (1,) * sources: 1}
        for split in self.splits:
            for levels in self._grid(split).reshape(-1, sources).tolist():
                found.setdefault(tuple(levels), len(found))
        return found

    @property
    def members_per_row(self) -> int:
        """Number of members in every row."""
        return len(self._patterns)

    @cached_property
    def members(self) -> Members:
        """The table of all members, row by row: the first rows of a longer design are the same table."""
        pattern = np.array(list(self._patterns), dtype=np.int64)
        table = LEVELS * np.arange(self.rows, dtype=np.int64)[:, None, None] + pattern[None]
        return Members(self.labels, table.reshape(self.rows * len(pattern), len(self.labels)))

    @property
    def row_of_member(self) -> NDArray[np.int64]:
        """The row of each member: the unit of independence, shape (members,)."""
        return np.repeat(np.arange(self.rows, dtype=np.int64), self.members_per_row)

    def addresses(self) -> Iterator[Address]:
        """Iterate over the addresses of all members, row by row."""
        return iter(self.members)

    def rectangles(self, split: Split) -> NDArray[np.int64]:
        """Return the members at the corners of the rectangles of a split.

        Returns
        -------
        NDArray
            Member numbers, shape (rows, n, 4); corners y00 (all a), y10 (u from b), y01 (the rest from b), y11 (all b).
            n > 1 where inner levels give more pairs; they are averaged within the row.
        """
        grid = self._grid(split)
        number = np.array([[self._patterns[tuple(cell)] for cell in line] for line in grid.tolist()])
        pairs = list(combinations(range(grid.shape[0]), 2))
        rests = list(combinations(range(grid.shape[1]), 2))
        corners = [
            (number[a, c], number[b, c], number[a, d], number[b, d]) for a, b in pairs for c, d in rests
        ]  # y00, y10, y01, y11
        offset = self.members_per_row * np.arange(self.rows, dtype=np.int64)
        return offset[:, None, None] + np.array(corners, dtype=np.int64)[None]

    def calls(self, ancestors: Mapping[str, Sequence[str]] | None = None) -> dict[str, int]:
        """Return the distinct calls of every stage after sharing."""
        one_row = replace(self, rows=min(self.rows, 1))
        per_row = one_row.members.calls(ancestors or self.ancestors)
        free = {stage for stage, labels in (ancestors or self.ancestors).items() if not labels}
        return {stage: number if stage in free else number * self.rows for stage, number in per_row.items()}
