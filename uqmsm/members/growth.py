"""How the members of a study grow: every size that a run has had, the first members always first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.members.address import Members, union
from uqmsm.members.design import Design
from uqmsm.members.nested import Nested

__all__ = ["Size", "grown"]


@dataclass(frozen=True)
class Size:
    """How many members: rows of rectangles, and epistemic draws of inner members (0 without a band)."""

    rows: int
    draws: int = 0
    inner: int = 0

    def __post_init__(self) -> None:
        """Refuse what is no size."""
        numbers = (self.rows, self.draws, self.inner)
        if any(isinstance(one, bool) or not isinstance(one, int) or one < 0 for one in numbers) or self.rows < 1:
            raise StudyError(f"{numbers} are no numbers of rows, draws and inner members")

    def holds(self, other: Size) -> bool:
        """Tell whether every member of the other size is one of this."""
        return self.rows >= other.rows and self.draws >= other.draws and self.inner >= other.inner

    def __str__(self) -> str:
        """Return ``32 rows`` or ``32 rows and 64 x 100 members of a band``."""
        return f"{self.rows} rows" + (f" and {self.draws} x {self.inner} members of a band" if self.draws else "")


def grown(
    design: Design, nested: Nested | None, sizes: Sequence[Size]
) -> tuple[Members, NDArray[np.int64], NDArray[np.int64]]:
    """Return the members of a design that has had several sizes, in the order in which they joined.

    A member never changes its number: whatever a table of the first sizes says stands, row by row, at the beginning of
    the table of all.

    Parameters
    ----------
    design, nested
        The last size, as designs.
    sizes
        Every size, the last one included; each holds the one before.

    Returns
    -------
    members
        Addresses, equal ones once.
    rows, inner
        The numbers of the members of the two designs.

    Raises
    ------
    StudyError
        When a size is smaller than the one before.
    """
    for before, after in pairwise(sizes):
        if not after.holds(before):
            raise StudyError(f"{after} after {before}: members are only added")
    earlier = sizes[:-1] if nested is not None else ()  # rows alone are a prefix of more rows
    parts: list[Members] = []
    for size in earlier:
        parts.append(_table(design, size.rows))
        if nested is not None and size.draws:
            parts.append(Nested(nested.sources, size.draws, size.inner, nested.numerical, nested.ancestors).members)
    last = [design.members, *([nested.members] if nested is not None else [])]
    members, numbers = union(*parts, *last)
    inner = numbers[-1] if nested is not None else np.empty(0, np.int64)
    return members, numbers[len(parts)], inner


def _table(design: Design, rows: int) -> Members:
    whole = design.members
    return Members(whole.sources, whole.table[: rows * design.members_per_row])
