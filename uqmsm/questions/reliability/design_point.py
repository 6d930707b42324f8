"""Where is failure most likely: which point of its border is nearest to the origin, and is it the only one?

The search is iHLRF (Y. Zhang, A. Der Kiureghian, in Reliability and Optimization of Structural Systems, Elsevier, 1995,
297): the step of Hasofer, Lind, Rackwitz and Fiessler, shortened until the merit |u|^2/2 + c |g| falls. Slopes are
central differences; all trial lengths of a step are computed together. Further points are looked for with a bulge: the
margin is raised round the point found, and the search begins again (A. Der Kiureghian, T. Dakessian, Struct. Saf. 20,
37, 1998); and from every failure that a sphere beyond the first point meets in another direction (`probing`).
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uqmsm.questions.reliability.probing import APART, directions, farthest
from uqmsm.questions.reliability.space import Points, Tally, Unevaluated, points_at

__all__ = ["DesignPoint", "design_point", "design_points"]

Floats = NDArray[np.float64]
STEP = 0.02
"""Half the distance of the central differences, in standard deviations."""
_ELSEWHERE = 10  # steps that a search for a further point may take
_PROBES = 32  # directions, besides the axes, in which failure is looked for beyond the first point
_TRIALS = 0.5 ** np.arange(4)


@dataclass(frozen=True)
class DesignPoint:
    """The end of a search.

    Parameters
    ----------
    at
        Standard normal numbers, shape (placed,).
    slope
        Gradient of the margin there.
    margin, origin
        The margin there, and at the median of all sources.
    converged
        Whether the margin vanishes there and its slope points to the origin.
    """

    at: Floats
    slope: Floats
    margin: float
    origin: float
    converged: bool

    @property
    def beta(self) -> float:
        """Distance from the origin; negative where the median of all sources fails."""
        distance = float(np.linalg.norm(self.at))
        return -distance if self.origin < 0.0 else distance

    @property
    def towards(self) -> Floats:
        """Unit vector to failure."""
        return -self.slope / max(float(np.linalg.norm(self.slope)), 1e-300)


@dataclass(frozen=True)
class _Bulge:
    """What is added to the margin round points that are known, so that a search goes elsewhere."""

    known: tuple[DesignPoint, ...] = ()

    def __call__(self, normal: Floats) -> Floats:
        added = np.zeros(len(normal))
        for one in self.known:
            beta = max(float(np.linalg.norm(one.at)), 0.5)
            reach, rim = 1.1 * beta, 0.75 * beta
            scale = float(np.linalg.norm(one.slope)) * beta / (reach**2 - rim**2) ** 2
            square = np.sum((normal - one.at) ** 2, axis=1)
            added += scale * np.maximum(reach**2 - square, 0.0) ** 2
        return added


def design_points(
    tally: Tally, placed: int, rolled: int, most: int = 5, most_steps: int = 30
) -> Generator[Points, Floats, tuple[DesignPoint, ...]]:
    """Return the design points, the nearest first; the first alone where the search did not converge.

    Further ones are sought with the known ones bulged away, and in directions where probes beyond the nearest fail.

    Parameters
    ----------
    tally
        Counts the members that the search asks for.
    placed, rolled
        Number of sources with a place (standard normal coordinates), and of those that are rolled anew.
    most
        Design points at most.
    most_steps
        Steps of each search at most.

    Raises
    ------
    Unevaluated
        When the member in the middle, or one of a slope, failed.
    """
    first = yield from design_point(tally, np.zeros(placed), rolled, most_steps=most_steps)
    for begin in np.concatenate([np.eye(placed), -np.eye(placed)]):  # a margin that is flat or kinked at the origin
        if first.converged:
            break
        first = yield from design_point(tally, begin, rolled, most_steps=most_steps)
    known = [first]
    if first.converged:
        bulged = yield from design_point(tally, -first.at, rolled, _Bulge((first,)), _ELSEWHERE)
        yield from _further(tally, known, bulged.at if bulged.converged else None, rolled, most_steps)
        ways = (known[0].beta + 1.0) * directions(placed, _PROBES)
        margins = yield from tally.ask(points_at(ways, kinds=rolled))
        while len(known) < most:
            cosines = farthest(ways / np.linalg.norm(ways, axis=1, keepdims=True), np.array([one.at for one in known]))
            hidden = np.where((cosines < APART) & (margins < 0.0), margins, 0.0)
            if not hidden.any():
                break
            start = int(np.argmin(hidden))
            margins[start] = 0.0
            yield from _further(tally, known, ways[start], rolled, most_steps)
    return tuple(sorted(known, key=lambda one: one.beta))


def _further(
    tally: Tally, known: list[DesignPoint], begin: Floats | None, rolled: int, most_steps: int
) -> Generator[Points, Floats, None]:
    """Search from a place without any bulge, and keep what is found if it is another point and matters."""
    if begin is None:
        return
    other = yield from design_point(tally, begin, rolled, most_steps=most_steps)
    apart = min(float(np.linalg.norm(other.at - one.at)) for one in known)
    if other.converged and apart > 0.5 and other.beta < min(one.beta for one in known) + 2.0:
        known.append(other)


def design_point(
    tally: Tally, begin: Floats, rolled: int, bulge: _Bulge | None = None, most_steps: int = 30
) -> Generator[Points, Floats, DesignPoint]:
    """Return the design point that a search from `begin` finds.

    Parameters
    ----------
    tally
        Counts.
    begin
        Where the search begins, shape (placed,).
    rolled
        Number of sources without a place, which stand still at their first draw.
    bulge
        What is added to the margin.
    most_steps
        Steps at most.
    """
    bulge = bulge or _Bulge()
    u = begin.astype(np.float64)
    origin = (yield from _margins(tally, np.zeros((1, len(u))), rolled, bulge))[0]
    size, penalty = max(abs(float(origin)), 1e-300), 0.0
    margin, slope = yield from _slope(tally, u, rolled, bulge)
    for _ in range(most_steps):
        steep = float(np.linalg.norm(slope))
        if steep == 0.0:
            return DesignPoint(u, slope, margin, float(origin), converged=False)
        away = float(np.linalg.norm(u - (u @ slope) / steep**2 * slope))
        if abs(margin) < 1e-4 * size and away < 1e-2 * max(float(np.linalg.norm(u)), 1.0):
            return DesignPoint(u, slope, margin, float(origin), converged=True)
        way = (u @ slope - margin) / steep**2 * slope - u
        penalty = max(penalty, 2.0 * float(np.linalg.norm(u)) / steep, 1.0 / steep)
        trial = u + _TRIALS[:, None] * way
        found = yield from _margins(tally, trial, rolled, bulge, may_fail=True)
        merit = 0.5 * np.sum(trial**2, axis=1) + penalty * np.abs(found)
        before = 0.5 * float(u @ u) + penalty * abs(margin)
        falling = float(u @ way + penalty * np.sign(margin) * (slope @ way))
        enough = np.flatnonzero(merit <= before + 1e-4 * _TRIALS * min(falling, 0.0))
        best = int(enough[0]) if len(enough) else int(np.nanargmin(np.where(np.isnan(merit), np.inf, merit)))
        u = trial[best]
        margin, slope = yield from _slope(tally, u, rolled, bulge)
    return DesignPoint(u, slope, margin, float(origin), converged=False)


def _slope(tally: Tally, u: Floats, rolled: int, bulge: _Bulge) -> Generator[Points, Floats, tuple[float, Floats]]:
    steps = STEP * np.eye(len(u))
    found = yield from _margins(tally, np.concatenate([u[None], u + steps, u - steps]), rolled, bulge)
    ahead, behind = found[1 : 1 + len(u)], found[1 + len(u) :]
    return float(found[0]), np.asarray((ahead - behind) / (2.0 * STEP))


def _margins(
    tally: Tally, normal: Floats, rolled: int, bulge: _Bulge, *, may_fail: bool = False
) -> Generator[Points, Floats, Floats]:
    found = yield from tally.ask(points_at(normal, kinds=rolled))
    if np.isnan(found).any() and not may_fail:
        raise Unevaluated
    return np.asarray(found + bulge(normal))
