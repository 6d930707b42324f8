"""How likely is failure, when it is far too rare to be met by chance: a walk down in levels of one in ten each?

Subset simulation (S.-K. Au, J. L. Beck, Probab. Eng. Mech. 16, 263, 2001): the probability is a product of conditional
ones, each sampled by Markov chains that begin where the level before ended. Chains move by conditional sampling,
z' = sqrt(1 - s^2) z + s xi (I. Papaioannou, W. Betz, K. Zwirglmaier, D. Straub, Probab. Eng. Mech. 41, 89, 2015), s
being tuned to an acceptance of 0.44; sources without a place are rolled anew. Both moves leave the law of the sources
as it is, so that a move need only be refused where it leaves the level.

Its known failure (K. Breitung, Reliab. Eng. Syst. Saf. 182, 180, 2019; arXiv:1705.04453): chains follow what lowers the
margin first, and miss failure that lies elsewhere. Nothing that the chains saw can tell. So the sphere a little beyond
the failure found is *probed* in other directions, and a failure there that is far from all the chains found is a
warning. The probe is blind to caps smaller than about one in its number of points; `blind` says how large these are.
"""

from __future__ import annotations

from collections.abc import Generator
from itertools import pairwise

import numpy as np
from numpy.random import Generator as Random
from numpy.typing import NDArray

from uqmsm.questions.reliability.found import Found, interval, reliability_index
from uqmsm.questions.reliability.probing import APART, directions, farthest
from uqmsm.questions.reliability.space import Points, Search, Tally

__all__ = ["subset"]

Floats = NDArray[np.float64]
TARGET = 0.44
"""Acceptance that the step is tuned to."""
FEWEST_LINES = 5
"""Points of the first level that the failures of the last should descend from."""
NEIGHBOURS = 0.3
"""Correlation of the errors of neighbouring levels, which share seeds. Au and Beck state bounds, none and all of them
correlated; with none, 90 % intervals cover 76 to 90 % in repeats, with this number 82 to 93 %."""


class _Levels:
    """What the walk has learnt so far: the product, its error, and who descends from whom."""

    def __init__(self) -> None:
        self.probability = 1.0
        self.errors: list[float] = []
        self.accepted: list[float] = []
        self.seen = np.inf

    def put(self, share: float, n: int, correlation: float) -> None:
        """Multiply by one level; `correlation` inflates its variance (Au and Beck's gamma)."""
        self.probability *= share
        self.errors.append(float(np.sqrt((1.0 - share) / (share * n) * (1.0 + correlation))))

    @property
    def variation(self) -> float:
        """Coefficient of variation of the product."""
        own = sum(one**2 for one in self.errors)
        return float(np.sqrt(own + 2.0 * NEIGHBOURS * sum(a * b for a, b in pairwise(self.errors))))


def subset(
    rng: Random,
    placed: int,
    rolled: int = 0,
    *,
    samples: int = 500,
    share: float = 0.1,
    most_levels: int = 10,
    probes: int = 64,
) -> Search:
    """Look for failure by subset simulation.

    Parameters
    ----------
    rng
        All the chance of the walk.
    placed, rolled
        Number of sources with and without a place.
    samples
        Points per level.
    share
        Part of the points of a level that begin the next.
    most_levels
        Levels at most; beyond, the probability is only bounded.
    probes
        Points that look for failure elsewhere, at the end.
    """
    tally, levels = Tally(), _Levels()
    points = Points(rng.standard_normal((samples, placed)), np.tile(np.arange(samples)[:, None], (1, rolled)))
    fresh = samples
    margins = yield from tally.ask(points)
    there = np.isfinite(margins)
    points, margins = points[np.flatnonzero(there)], margins[there]
    line, chains, warnings = np.arange(len(margins)), len(margins), _missing(tally)
    if len(margins) < 2 / share:
        return _never(tally, 1.0, (*warnings, f"only {len(margins)} points gave a margin"))
    length = round(1.0 / share)
    for _ in range(most_levels):
        seeds = max(int(share * len(margins)), 2)
        order = np.argsort(margins, kind="stable")
        bound = float(0.5 * (margins[order[seeds - 1]] + margins[order[seeds]]))
        if bound < 0.0 or not bound < levels.seen:
            break
        levels.seen = bound
        levels.put(seeds / len(margins), len(margins), _correlation(margins <= bound, chains))
        begin, lines = points[order[:seeds]], line[order[:seeds]]
        moved = yield from _walk(rng, tally, begin, margins[order[:seeds]], bound, length, fresh, levels)
        points, margins, fresh = moved
        line, chains = np.tile(lines, length), seeds
    failing = margins < 0.0
    if not failing.any():
        bounded = levels.probability * (3.0 / len(margins))
        stuck = "the margin does not fall any further" if margins.min() >= levels.seen else "levels are used up"
        return _never(tally, bounded, (*warnings, f"no failure was seen ({stuck}): the probability is only bounded"))
    levels.put(float(failing.mean()), len(margins), _correlation(failing, chains))
    variation = levels.variation
    warnings += _doubts(levels, len(np.unique(line[failing])), variation)
    elsewhere: tuple[str, ...] = ()
    if placed and levels.probability < 0.5:
        known = points[np.flatnonzero(failing)]
        elsewhere = yield from _elsewhere(rng, tally, known, levels.probability, probes, fresh)
    warnings += elsewhere
    low, high = interval(levels.probability, variation)
    p = levels.probability
    counts = (tally.evaluations, tally.failed)
    return Found(
        "subset", p, p * variation, low, high, *counts, warnings, tally.nearest, tally.nearest_rolled, bool(elsewhere)
    )


def _walk(
    rng: Random, tally: Tally, begin: Points, margins: Floats, bound: float, length: int, fresh: int, levels: _Levels
) -> Generator[Points, Floats, tuple[Points, Floats, int]]:
    """Return the points of all chains, step after step: the seeds first, then where each chain stood."""
    placed, rolled = begin.normal.shape[1], begin.rolled.shape[1]
    spread = np.maximum(begin.normal.std(axis=0), 0.1) if placed else np.ones(0)
    scale, now, at = 0.6, begin, margins
    normals, draws, kept, moves = [begin.normal], [begin.rolled], [margins], []
    for step in range(1, length):
        size = np.minimum(scale * spread, 1.0)
        normal = np.sqrt(1.0 - size**2) * now.normal + size * rng.standard_normal(now.normal.shape)
        again = rng.random(now.rolled.shape) < min(scale, 1.0) / 2.0
        number = fresh + np.arange(len(now))[:, None]
        fresh += len(now)
        wanted = Points(normal, np.where(again, np.broadcast_to(number, again.shape), now.rolled))
        found = yield from tally.ask(wanted)
        taken = found <= bound  # a member that failed is NaN, and stays out
        now = Points(
            np.where(taken[:, None], wanted.normal, now.normal), np.where(taken[:, None], wanted.rolled, now.rolled)
        )
        at = np.where(taken, found, at)
        moves.append(float(taken.mean()))
        scale = float(np.clip(scale * np.exp((moves[-1] - TARGET) / np.sqrt(step)), 0.02, 3.0))
        normals.append(now.normal)
        draws.append(now.rolled)
        kept.append(at)
    levels.accepted.append(float(np.mean(moves)) if placed + rolled else 1.0)
    return Points(np.concatenate(normals), np.concatenate(draws)), np.concatenate(kept), fresh


def _correlation(inside: NDArray[np.bool_], chains: int) -> float:
    """Return Au and Beck's gamma: by how much correlation along the chains inflates the variance of their mean."""
    length = len(inside) // max(chains, 1)
    mean = float(inside.mean())
    if length < 2 or mean in {0.0, 1.0}:
        return 0.0
    table = inside[: length * chains].reshape(length, chains).astype(np.float64) - mean
    lags = [float(np.mean(table[: length - k] * table[k:])) / (mean * (1.0 - mean)) for k in range(1, length)]
    return max(2.0 * float(np.sum((1.0 - np.arange(1, length) / length) * lags)), 0.0)


def _elsewhere(
    rng: Random, tally: Tally, failing: Points, probability: float, probes: int, fresh: int
) -> Generator[Points, Floats, tuple[str, ...]]:
    """Probe a sphere beyond the failure found; return a warning where failure lies far from it."""
    placed = failing.normal.shape[1]
    radius = max(reliability_index(probability), 1.0) + 1.0
    around = rng.standard_normal((probes, placed))
    ways = np.concatenate([directions(placed, 0), around / np.linalg.norm(around, axis=1, keepdims=True)])
    draw = np.tile(fresh + np.arange(len(ways))[:, None], (1, failing.rolled.shape[1]))
    margins = yield from tally.ask(Points(radius * ways, draw))
    hidden = (margins < 0.0) & (farthest(ways, failing.normal) < APART)
    if not hidden.any():
        return ()
    words = (
        f"failure also lies where the chains have not been ({int(hidden.sum())} of {len(ways)} probes at distance "
        f"{radius:.1f}, more than 45 degrees away): the probability is too small; use method: importance or kriging"
    )
    return (words,)


def _missing(tally: Tally) -> tuple[str, ...]:
    if not tally.failed:
        return ()
    part = 100.0 * tally.failed / tally.evaluations
    return (f"{part:.2g} % of the points gave no margin: if they failed because they fail, p is larger by as much",)


def _doubts(levels: _Levels, lines: int, variation: float) -> tuple[str, ...]:
    found: list[str] = []
    if levels.accepted and min(levels.accepted) < 0.1:
        found.append(
            f"only {100 * min(levels.accepted):.0f} % of the moves of a level were taken: the chains hardly moved, and "
            "the error is larger than stated; take more samples"
        )
    if levels.accepted and lines < FEWEST_LINES:
        found.append(f"all failures descend from {lines} first points: their errors are not independent; take more")
    if variation > 1.0:
        found.append(f"the standard error is {variation:.1f} times the probability; take more samples")
    return tuple(found)


def _never(tally: Tally, bound: float, warnings: tuple[str, ...]) -> Found:
    return Found("subset", 0.0, np.nan, 0.0, min(bound, 1.0), tally.evaluations, tally.failed, warnings)
