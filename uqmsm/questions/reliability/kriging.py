"""How likely is failure, if the border of failure is learnt from few members that are chosen where it is in doubt?

Active learning with a Gaussian process (B. Echard, N. Gayton, M. Lemaire, Struct. Saf. 33, 145, 2011): of a large
population of points the process is asked for, members are computed where they would most change the answer: where
weight times the chance of standing on the wrong side, Phi(-|mean|/sd), is largest; until that chance, summed, is a
hundredth of what fails, twice in a row. The population is half of the law of the sources and half of twice its width,
weighted back, so that it reaches rare failure. The error holds two parts: that of the finite population, and that of
the process, which is drawn again at the points in doubt, all of them together.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator as Random
from numpy.typing import NDArray
from scipy.special import logsumexp, ndtr
from scipy.stats import qmc

from uqmsm.questions.reliability.found import Found, interval
from uqmsm.questions.reliability.probing import directions
from uqmsm.questions.reliability.process import Process
from uqmsm.questions.reliability.space import Search, Tally, points_at

__all__ = ["MOST_PLACED", "kriging"]

Floats = NDArray[np.float64]
MOST_PLACED = 10
"""Sources beyond which a process wants more members than sampling does."""
ENOUGH = 0.01
"""Chance of standing on the wrong side, over the probability, at which learning ends."""
_WIDE = 2.0
_POPULATION = 20_000
_IN_A_ROW = 2  # a branch that nothing has hinted at may show in one more batch
_PROBES = 16
_FAR, _MOST_DOUBTED, _DRAWS = 4.0, 600, 100


def kriging(rng: Random, placed: int, *, samples: int = 200, batch: int = 8, first: int = 0) -> Search:
    """Learn the border of failure.

    Parameters
    ----------
    rng
        All the chance of population and first members.
    placed
        Number of sources, all with a place.
    samples
        Members at most.
    batch
        Members chosen together, so that they can be computed side by side.
    first
        Members of the first design; twice the sources and ten, if not given.
    """
    tally = Tally()
    population, weight = _population(rng, placed)
    begin = min(first or 2 * placed + 10, samples)
    uniform = qmc.LatinHypercube(placed, rng=rng).random(begin)
    normal = (2.0 * uniform - 1.0) * 4.0
    normal[0] = 0.0
    margins = yield from tally.ask(points_at(normal))
    process: Process | None = None
    times, probed = 0, False
    while True:
        there = np.isfinite(margins)
        if there.sum() < 3:
            words = ("fewer than three of the first members gave a margin",)
            return Found("kriging", np.nan, np.nan, 0.0, 1.0, tally.evaluations, tally.failed, words)
        process = Process.learnt(normal[there], margins[there], process)
        mean, sd = process.at(population)
        doubt = np.abs(mean) / np.maximum(sd, 1e-12 * max(float(np.ptp(margins[there])), 1e-300))
        left = samples - tally.evaluations
        wrong = weight * ndtr(-doubt)
        enough = float(wrong.sum()) < ENOUGH * float(weight[mean < 0.0].sum())
        times = times + 1 if enough else 0
        if left <= 0 or (times >= _IN_A_ROW and probed):
            break
        # before the end a look where the process has none: a wrong side found there makes learning go on
        look = times >= _IN_A_ROW
        beyond = _beyond(population, mean, placed)[:left] if look else None
        probed = probed or look
        wanted = _chosen(population, wrong, normal, min(batch, left)) if beyond is None else beyond
        found = yield from tally.ask(points_at(wanted))
        normal, margins = np.concatenate([normal, wanted]), np.concatenate([margins, found])
    unsure = _unsure(rng, population, doubt, weight, process)
    return _answer(tally, mean, doubt, weight, unsure, process, stopped=not enough)


def _population(rng: Random, placed: int) -> tuple[Floats, Floats]:
    """Return points, and weights whose mean over all of failure is its probability."""
    half = _POPULATION // 2
    points = rng.standard_normal((_POPULATION, placed))
    points[half:] *= _WIDE
    square = np.sum(points**2, axis=1)
    both = np.stack([-0.5 * square, -0.5 * square / _WIDE**2 - placed * np.log(_WIDE)])
    return points, np.asarray(np.exp(-0.5 * square - logsumexp(both, axis=0) + np.log(2.0)))


def _beyond(population: Floats, mean: Floats, placed: int) -> Floats:
    """Return points on a sphere beyond the nearest failure that is foretold, in all directions."""
    failing = np.linalg.norm(population[mean < 0.0], axis=1)
    radius = (float(failing.min()) if len(failing) else 3.0) + 1.0
    return radius * directions(placed, _PROBES)


def _chosen(population: Floats, wrong: Floats, known: Floats, batch: int) -> Floats:
    """Return the points of most doubt, each apart from those before it and from what is known."""
    order = np.argsort(-wrong, kind="stable")[:2000]
    taken: list[Floats] = []
    for at in order:
        one = population[at]
        others = np.concatenate([known, np.array(taken)]) if taken else known
        if float(np.min(np.linalg.norm(others - one, axis=1))) > 0.15:
            taken.append(one)
        if len(taken) == batch:
            break
    return np.array(taken) if taken else population[order[:1]]


def _unsure(rng: Random, population: Floats, doubt: Floats, weight: Floats, process: Process) -> float:
    """Return the standard deviation of the probability over draws of the process at the points in doubt."""
    doubted = np.flatnonzero(doubt < _FAR)
    if not len(doubted):
        return 0.0
    some = doubted if len(doubted) <= _MOST_DOUBTED else rng.choice(doubted, _MOST_DOUBTED, replace=False)
    failing = process.drawn(population[some], rng.standard_normal((len(some), _DRAWS))) < 0.0
    shares = (weight[some] @ failing) * (len(doubted) / len(some)) / len(weight)
    return float(np.std(shares, ddof=1))


def _answer(
    tally: Tally, mean: Floats, doubt: Floats, weight: Floats, unsure: float, process: Process, *, stopped: bool
) -> Found:
    wrong = ndtr(-doubt)
    chance = np.where(mean < 0.0, 1.0 - wrong, wrong)  # of failing
    p = float(np.mean(weight * chance))
    finite = float(np.var(weight * (mean < 0.0), ddof=1)) / len(weight)
    se = float(np.sqrt(finite + unsure**2))
    words: list[str] = []
    if stopped:
        words.append(f"{tally.evaluations} members were not enough: part of the border is in doubt; take more samples")
    if process.left_out > 2.0:
        words.append(
            f"members left out lie {process.left_out:.1f} standard deviations off what the others foretell: the margin "
            "is too rough for this method; use method: subset"
        )
    if tally.failed:
        words.append(f"{tally.failed} of {tally.evaluations} members gave no margin and were passed over")
    counts = (tally.evaluations, tally.failed)
    if not (mean < 0.0).any():
        return Found("kriging", 0.0, np.nan, 0.0, 3.0 / len(weight), *counts, (*words, "no failure is foretold"))
    low, high = interval(p, se / p)
    return Found("kriging", p, se, low, high, *counts, tuple(words), tally.nearest, tally.nearest_rolled)
