"""Where is failure looked for? In standard normal numbers of sources with a place, and in fresh draws of the others.

A source whose law takes one uniform number has a *place*: the standard normal number z whose probability is that
uniform (for independent sources this is Rosenblatt's and Nataf's transform at once). A source with structure (grains,
where atoms sit) has none; it can only be *rolled*: drawn afresh. A search is a generator: it yields points, is sent
the margins at these points (NaN where the member failed), and returns a `Found`. Failure is a margin below zero.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from uqmsm.questions.reliability.found import Found

__all__ = ["Points", "Search", "Tally", "Unevaluated", "lockstep", "points_at", "solve"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Points:
    """Where the margin is wanted.

    Parameters
    ----------
    normal
        Standard normal numbers of the placed sources, shape (points, placed).
    rolled
        Which draw of every other source, counted from 0, shape (points, rolled).
    """

    normal: Floats
    rolled: Ints

    def __len__(self) -> int:
        """Return the number of points."""
        return len(self.normal)

    def __getitem__(self, which: NDArray[np.intp] | slice) -> Points:
        """Return some of the points."""
        return Points(self.normal[which], self.rolled[which])


Search = Generator[Points, Floats, Found]
Limit = Callable[[Points], Floats]


def points_at(normal: Floats, rolled: Ints | None = None, kinds: int = 0) -> Points:
    """Return points.

    Parameters
    ----------
    normal
        Standard normal coordinates, shape (points, placed) or (placed,) for one point.
    rolled
        Draw of every rolled source, shape (points, kinds); the first of each if None.
    kinds
        Number of rolled sources, where `rolled` is None.
    """
    normal = np.atleast_2d(np.asarray(normal, dtype=np.float64))
    return Points(normal, np.zeros((len(normal), kinds), np.int64) if rolled is None else rolled)


@dataclass
class Tally:
    """How many points a search has asked for, and how many of them failed to give a margin."""

    evaluations: int = 0
    failed: int = 0
    nearest: Floats | None = None
    nearest_rolled: Ints | None = None
    _distance: float = field(default=np.inf, repr=False)

    def ask(self, points: Points) -> Generator[Points, Floats, Floats]:
        """Ask for margins, count them, and remember the likeliest failure that was seen."""
        margins = yield points
        margins = np.asarray(margins, dtype=np.float64)
        self.evaluations += len(points)
        self.failed += int(np.isnan(margins).sum())
        distance = np.where(margins < 0.0, np.linalg.norm(points.normal, axis=1), np.inf)
        if len(distance) and (at := int(np.argmin(distance))) is not None and distance[at] < self._distance:
            self._distance, self.nearest, self.nearest_rolled = (
                float(distance[at]),
                points.normal[at].copy(),
                points.rolled[at].copy(),
            )
        return margins


class Unevaluated(Exception):  # it never leaves this room
    """A point that a search cannot do without failed to give a margin."""


def solve(search: Search, limit: Limit) -> Found:
    """Run one search to its end.

    Parameters
    ----------
    search
        Such as `subset` returns it.
    limit
        Points -> margins, shape (points,): below zero is failure, NaN a member that failed.
    """
    return lockstep([search], lambda asked: [limit(points) for _, points in asked])[0]


def lockstep(
    searches: Sequence[Search], evaluate: Callable[[list[tuple[int, Points]]], Sequence[Floats]]
) -> list[Found]:
    """Run many searches side by side, so that what they all ask for in a round is computed together.

    Parameters
    ----------
    searches
        One per draw of what is not known.
    evaluate
        [(number of the search, points)] -> margins of each.
    """
    found: dict[int, Found] = {}
    send: dict[int, Floats | None] = dict.fromkeys(range(len(searches)))
    while send:
        asked: list[tuple[int, Points]] = []
        for k, margins in send.items():
            try:
                asked.append((k, next(searches[k]) if margins is None else searches[k].send(margins)))
            except StopIteration as end:
                found[k] = end.value
        send = dict(zip([k for k, _ in asked], evaluate(asked), strict=True)) if asked else {}
    return [found[k] for k in range(len(searches))]
