"""How far could the members that are missing move the answer?

What the members that succeeded say is unbiased where the others are missing at random. A member that failed *because
of* its value (an unstable crystal, a solver that diverged under the highest load) makes that doubtful, and no statistic
of the others can tell. What can be said without any assumption are worst cases (C. F. Manski, Am. Econ. Rev. 80, 319,
1990): a quantile with all missing mass below, or above; a mean with every missing answer at one end of the range that
the answer cannot leave. Where no such range is known a mean has no bound at all; it is then given *if the missing lay
within the range of those seen*, and says so. A missing share m shifts a quantile's level by no more than m: the level p
is bounded where m < p < 1 - m.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.questions.rectangles import Estimate, jackknife
from uqmsm.questions.row_sums import Method, moments_over_rows, per_row, quantile_over_rows

__all__ = ["ANY", "Bounds", "Reach", "Worst", "assumed", "bounds"]

Floats = NDArray[np.float64]
ANY = (-np.inf, np.inf)
"""The range of an answer of which nothing is known."""


@dataclass(frozen=True)
class Worst:
    """The least and the most that a number can be, whatever the missing members are, each with its sampling interval.

    From `least.lo` to `most.hi` reaches what doubt there is of both sorts.
    """

    least: Estimate
    most: Estimate


@dataclass(frozen=True)
class Reach:
    """Between which values the missing members are taken to lie, and who says so.

    Parameters
    ----------
    low, high
        In the units of the answer.
    who
        ``none missing``; ``given``: the range cannot be left; ``seen``: that of the members that succeeded, at one end
        or both, which nobody promised.
    """

    low: float
    high: float
    who: str


@dataclass(frozen=True)
class Bounds:
    """Worst cases of a summary, in the units of the answer.

    Parameters
    ----------
    mean, sd
        With every missing answer inside `reach`.
    quantiles
        Probability -> bounds that hold whatever the missing are (within the range given, if any); infinite where the
        missing share exceeds the tail.
    reach
        Where the missing are taken to lie.
    share
        Part of the members that is missing.
    """

    mean: Worst
    sd: Worst
    quantiles: Mapping[float, Worst]
    reach: Reach
    share: float


def assumed(values: Floats, within: tuple[float, float] = ANY) -> Reach:
    """Return where the missing of these answers are taken to lie.

    Parameters
    ----------
    values
        One answer per member, shape (members,); NaN where it is missing, at least one there.
    within
        Range that the answer cannot leave; either end may be infinite.

    Raises
    ------
    StudyError
        When an answer lies outside the range, or the range is empty.
    """
    there = values[np.isfinite(values)]
    low, high = float(there.min()), float(there.max())
    if not within[0] < within[1]:
        raise StudyError(f"range {within[0]:g} .. {within[1]:g} is empty; give the lower end first")
    if low < within[0] or high > within[1]:
        raise StudyError(
            f"answers from {low:g} to {high:g} leave the range {within[0]:g} .. {within[1]:g} that they cannot leave;"
            " widen it"
        )
    if not np.isnan(values).any():
        return Reach(low, high, "none missing")
    ends = [one if np.isfinite(one) else seen for one, seen in zip(within, (low, high), strict=True)]
    return Reach(ends[0], ends[1], "given" if np.isfinite(within).all() else "seen")


def bounds(
    values: Floats,
    row_of_member: NDArray[np.int64],
    seen: tuple[Estimate, Estimate, Mapping[float, Estimate]],
    *,
    within: tuple[float, float] = ANY,
    level: float = 0.9,
) -> Bounds:
    """Return how far the missing members could move mean, sd and quantiles.

    The least mean has every missing answer at the low end. The least sd has all of them at the mean of the others, the
    largest has a part at either end: the variance over the share that lies high is a parabola. Sampling errors come
    from rows, as in `spread`.

    Parameters
    ----------
    values, row_of_member
        As in `spread`, at least one answer there.
    seen
        Mean, sd and quantiles of the members that are there: the bounds themselves where none is missing.
    within
        Range that the answer cannot leave; either end may be infinite.
    level
        Nominal coverage of the sampling intervals.

    Raises
    ------
    StudyError
        When an answer lies outside `within`.
    """
    reach = assumed(values, within)
    missing = np.isnan(values)
    if not missing.any():
        kept = {p: Worst(each, each) for p, each in seen[2].items()}
        return Bounds(Worst(seen[0], seen[0]), Worst(seen[1], seen[1]), kept, reach, 0.0)
    _, row = np.unique(row_of_member, return_inverse=True)
    filled = _Filled(values, missing, row, level)
    low, high = reach.low, reach.high
    mean = Worst(filled.moments(low, low)[0], filled.moments(high, high)[0])
    m, center = float(missing.mean()), float(values[~missing].mean())
    worst = float(np.clip((low + high - 2.0 * (1.0 - m) * center) / (2.0 * m), low, high))
    part = (worst - low) / (high - low) if high > low else 0.0
    sd = Worst(filled.moments(center, center)[1], filled.moments(low, high, part)[1])
    quantiles = {
        p: Worst(filled.quantile(p, within[0], "lower", within), filled.quantile(p, within[1], "higher", within))
        for p in seen[2]
    }
    return Bounds(mean, sd, quantiles, reach, m)


@dataclass(frozen=True)
class _Filled:
    """A table of answers whose missing ones are filled in on purpose."""

    values: Floats
    missing: NDArray[np.bool_]
    row: NDArray[np.intp]
    level: float

    def moments(self, low: float, high: float, part: float = 0.0) -> tuple[Estimate, Estimate]:
        """Return mean and sd where of every missing answer `part` is `high`, the rest `low`."""
        center = float(self.values[~self.missing].mean())
        y = np.where(self.missing, 0.0, self.values - center)
        low, high = low - center, high - center
        lost, count = per_row(self.row, self.missing), per_row(self.row, np.ones(len(y)))
        first = per_row(self.row, y) + lost * ((1.0 - part) * low + part * high)
        second = per_row(self.row, y**2) + lost * ((1.0 - part) * low**2 + part * high**2)
        mean, variance = moments_over_rows(count, first, second)
        return jackknife(center + mean, self.level), jackknife(np.sqrt(np.maximum(variance, 0.0)), self.level)

    def quantile(self, p: float, fill: float, side: Method, ends: tuple[float, float]) -> Estimate:
        """Return a quantile with all missing answers at `fill`, the order statistic on the safe side."""
        y = np.where(self.missing, fill, self.values)
        return quantile_over_rows(y, self.row, p, self.level, side, ends)
