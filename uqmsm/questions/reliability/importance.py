"""How likely is failure, sampled where it happens: round the design points, with weights that make it unbiased?

Points come from normal laws round the design points (E. Schueller, R. Stix, Struct. Saf. 4, 293, 1987) and, for a
tenth, from the law of the sources itself, which bounds every weight (a defensive mixture, T. Hesterberg, Technometrics
37, 185, 1995) and tells where a design point was overlooked. The share of each law is fixed (strata), so that the error
is the scatter within strata. Sources without a place are drawn anew at every point: for them this is plain sampling.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator as Random
from numpy.typing import NDArray
from scipy.special import logsumexp
from scipy.stats import t as student_t

from uqmsm.questions.reliability.design_point import design_points
from uqmsm.questions.reliability.found import Found
from uqmsm.questions.reliability.space import Points, Search, Tally, Unevaluated

__all__ = ["importance"]

Floats = NDArray[np.float64]
DEFENSIVE = 0.1
"""Part of the points that come from the law of the sources itself."""


def importance(rng: Random, placed: int, rolled: int = 0, *, samples: int = 500) -> Search:
    """Look for the design points, then sample round them.

    Parameters
    ----------
    rng
        All the chance of the sample.
    placed, rolled
        Number of sources with and without a place.
    samples
        Points of the sample; those of the search come on top.
    """
    tally = Tally()
    warnings: tuple[str, ...] = ()
    try:
        points = yield from design_points(tally, placed, rolled)
        centers = np.array([one.at for one in points])
        if not points[0].converged:
            warnings = ("the search for the design point did not converge: the error is large, or failure is missed",)
    except Unevaluated:
        centers, warnings = np.zeros((1, placed)), ("no design point: a member of the search gave no margin",)
    shares = np.append(np.full(len(centers), (1.0 - DEFENSIVE) / len(centers)), DEFENSIVE)
    centers = np.concatenate([centers, np.zeros((1, placed))])
    counts = np.maximum(np.round(shares * samples).astype(int), 2)
    law = np.repeat(np.arange(len(centers)), counts)
    shares = counts / counts.sum()  # the mixture is the one that was drawn
    normal = centers[law] + rng.standard_normal((len(law), placed))
    draws = np.tile(1 + np.arange(len(law))[:, None], (1, rolled))
    margins = yield from tally.ask(Points(normal, draws))
    there = np.isfinite(margins)
    weight = np.where(margins < 0.0, _weights(normal, centers, shares), 0.0)
    p, se, dof = _strata(weight[there], law[there], shares)
    reach = float(student_t.ppf(0.95, dof)) * se if np.isfinite(se) else np.nan
    low, high = max(p - reach, 0.0), min(p + reach, 1.0)
    if p == 0.0:
        low, high = 0.0, min(3.0 / max(int(there.sum()) * DEFENSIVE, 1.0), 1.0)
        warnings += ("no failure was seen in the sample; use method: subset",)
    warnings += _doubts(weight[there], law[there] == len(centers) - 1, margins[there])
    if not there.all():
        part = 100.0 * (1.0 - float(there.mean()))
        warnings += (f"{part:.2g} % of the points gave no margin: they are left out as if they failed by chance",)
    counted = (tally.evaluations, tally.failed)
    return Found("importance", p, se, low, high, *counted, warnings, tally.nearest, tally.nearest_rolled)


def _weights(normal: Floats, centers: Floats, shares: Floats) -> Floats:
    """Return the density of the sources over that of the mixture, shape (points,)."""
    squares = np.sum((normal[:, None, :] - centers[None]) ** 2, axis=2)
    mixture = logsumexp(np.log(shares) - 0.5 * squares, axis=1)
    return np.asarray(np.exp(-0.5 * np.sum(normal**2, axis=1) - mixture))


def _strata(weight: Floats, law: NDArray[np.intp], shares: Floats) -> tuple[float, float, float]:
    """Return mean, standard error and degrees of freedom of a stratified sample."""
    p, variance, fourth = 0.0, 0.0, 0.0
    for k, share in enumerate(shares):
        mine = weight[law == k]
        if len(mine) < 2:
            return float(weight.mean()) if len(weight) else np.nan, np.nan, np.nan
        p += share * float(mine.mean())
        own = share**2 * float(mine.var(ddof=1)) / len(mine)
        variance += own
        fourth += own**2 / (len(mine) - 1)
    return p, float(np.sqrt(variance)), variance**2 / fourth if fourth > 0.0 else float(len(weight) - 1)


def _doubts(weight: Floats, defensive: NDArray[np.bool_], margins: Floats) -> tuple[str, ...]:
    found = []
    total = float(weight.sum())
    if total > 0.0 and float(weight.max()) > 0.2 * total:
        found.append(f"one point carries {100 * weight.max() / total:.0f} % of the probability; take more samples")
    if total > 0.0 and defensive.any() and float(weight[defensive].sum()) > 0.5 * total and (margins < 0).mean() < 0.5:
        found.append("most of the probability lies away from the design points: one was overlooked; use method: subset")
    return tuple(found)
