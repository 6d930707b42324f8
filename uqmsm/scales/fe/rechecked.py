"""Teaching the clusters of a component by full blocks, and checking them afterwards at points where they were used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from uqmsm.physics.fe.bar import Bar
from uqmsm.physics.fe.newton import Step
from uqmsm.physics.rve.plastic.corrected import Lesson, Taught, deviator, lesson, misses, teach
from uqmsm.scales.fe.owned import Owned, full_paths

__all__ = ["BOUND", "Recheck", "recheck", "taught"]

Floats = NDArray[np.float64]
BOUND = 3.0
"""The stated error of a point is so many times the root mean square over lessons of the largest error on each."""
_REACH = np.array([0.7, 1.4, 2.1, 3.0, 4.5, 7.0, 11.0])
"""Ends of the loads of a lesson: strain deviators over that of first slip."""


@dataclass(frozen=True)
class Recheck:
    """How the clusters did at points of the component, full blocks led through the strains of those points.

    Attributes
    ----------
    points : ndarray of int
        Which were rechecked.
    share : float
        Of the points that have flowed.
    along, whole : ndarray, shape (points,)
        Largest error of each, over the loads: along the stress deviator (signed) and in all directions, relative to it.
    hill_mandel_gap : float
        Of the full blocks.
    lessons : tuple of Lesson
    """

    points: NDArray[np.int64]
    share: float
    along: Floats
    whole: Floats
    hill_mandel_gap: float
    lessons: tuple[Lesson, ...] = field(repr=False)

    def worst(self, stated: Taught) -> float:
        """Return the largest error over the stated one: 1 or less where every point lies inside."""
        bounds = BOUND * stated.path_along, BOUND * stated.path_whole
        return max(float(np.abs(self.along).max()) / bounds[0], float(self.whole.max()) / bounds[1])


def taught(owned: Owned, strain: Floats, step_s: float, count: int, rng: Generator) -> tuple[Taught, float]:
    """Teach the clusters by full blocks, strained as the most strained points of the elastic component are.

    Parameters
    ----------
    owned : Owned
    strain : ndarray, shape (points, 6)
        Of the elastic component after a load.
    step_s : float
        Duration of that load.
    count : int
        Paths.
    rng : Generator
        Chooses points among the tenth that is sheared most, and their blocks.

    Returns
    -------
    taught : Taught
    hill_mandel_gap : float
        Of the full blocks.
    """
    sheared = np.sqrt((deviator(strain) ** 2).sum(axis=1))
    front = np.argsort(-sheared, kind="stable")[: max(len(strain) // 10, count)]
    chosen = front[rng.permutation(len(front))[:count]]
    numbers = (rng.permutation(len(owned.blocks)).tolist() * count)[:count]
    levels = np.array([owned.clusters[number].level for number in numbers])
    parts = np.diff(_REACH * 4.0, prepend=0.0) * (levels / sheared[chosen])[:, None]
    increments, steps_s = parts[:, :, None] * strain[chosen][:, None], parts * step_s
    full = full_paths([owned.blocks[number] for number in numbers], list(increments), list(steps_s))
    lessons = [
        lesson(owned.clusters[number], path, seconds, stress)
        for number, path, seconds, (stress, _) in zip(numbers, increments, steps_s, full, strict=True)
    ]
    return teach(lessons), max(gap for _, gap in full)


def recheck(owned: Owned, bar: Bar, steps: Sequence[Step], excess: float, share: float, rng: Generator) -> Recheck:
    """Lead full blocks through the strains that points of the component went through.

    Parameters
    ----------
    owned : Owned
    bar : Bar
    steps : sequence of Step
        Of the component, its blocks clusters.
    excess : float
        That the clusters were taught, without what was added as doubt.
    share : float
        Of the points that have flowed; rounded up, and never less than two.
    rng : Generator
        Chooses the points.
    """
    opened = np.array([step.state.memory.open for step in steps])
    flowed = np.flatnonzero(opened[-1])
    count = min(max(int(np.ceil(share * len(flowed))), 2), len(flowed))
    chosen = np.sort(flowed[rng.permutation(len(flowed))[:count]])
    history = np.array([bar.strain(step)[chosen] for step in steps])
    seconds = np.array([step.state.load.step_s for step in steps])
    begins = [int(np.argmax(opened[:, point])) for point in chosen.tolist()]
    paths = [np.diff(history[first:, k], axis=0, prepend=np.zeros((1, 6))) for k, first in enumerate(begins)]
    spans = [seconds[first:] for first in begins]
    numbers = owned.owner[chosen].tolist()
    full = full_paths([owned.blocks[number] for number in numbers], paths, spans)
    lessons, along, whole = [], [], []
    for number, path, span, (stress, _) in zip(numbers, paths, spans, full, strict=True):
        told = lesson(owned.clusters[number], path, span, stress)
        off, size = misses(told, excess)
        lessons.append(told)
        along.append(off[int(np.argmax(np.abs(off)))])
        whole.append(size.max())
    gap = max((one for _, one in full), default=0.0)
    return Recheck(chosen, count / max(len(flowed), 1), np.array(along), np.array(whole), gap, tuple(lessons))
