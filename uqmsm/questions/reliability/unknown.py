"""How does what we do not know move a probability that was looked for, draw by draw?

Every draw of what is not known has a probability of its own, with an error of its own. On the scale of the reliability
index beta = -Phi^-1(p) the errors are taken off by moments, as `frequency` does it for counted members, and the band is
that of a normal index: the probit-normal law of the probability, which is exact where the margin is Gaussian and
additive in what is known and what is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from uqmsm.errors import StudyError
from uqmsm.questions.rectangles import Estimate, jackknife, replicates
from uqmsm.questions.reliability.found import Found

__all__ = ["FEWEST", "Unknown", "over_unknown"]

Floats = NDArray[np.float64]
FEWEST = 8
"""Draws that a band needs."""
LEVELS = (0.05, 0.5, 0.95)


@dataclass(frozen=True)
class Unknown:
    """The probability over all uncertainty, and its band.

    Parameters
    ----------
    mean
        Mean of the draws' probabilities.
    band
        Level -> quantile over what is not known, errors of the draws removed; empty with fewer than 8 draws.
    beta, beta_sd
        Mean and net standard deviation of the reliability index over the draws.
    resolved
        Whether the scatter between draws exceeds their own errors.
    draws, draws_planned
        Draws with a probability, and all.
    bounded
        Draws in which no failure was seen: they enter with their upper limit.
    """

    mean: Estimate
    band: dict[float, Estimate]
    beta: float
    beta_sd: float
    resolved: bool
    draws: int
    draws_planned: int
    bounded: int


def over_unknown(found: Sequence[Found], level: float = 0.9) -> Unknown:
    """Return the probability over all uncertainty and its band, from one search per draw.

    Raises
    ------
    StudyError
        When no search came to a number.
    """
    there = [one for one in found if np.isfinite(one.probability)]
    if not there:
        raise StudyError("no search came to a number: see the warnings, then take more samples or another method")
    seen = np.array([one.probability if one.probability > 0.0 else one.hi for one in there])
    bounded = sum(one.probability == 0.0 for one in there)
    errors = np.array([one.se if np.isfinite(one.se) else 0.0 for one in there])
    if len(there) == 1:
        one = there[0]
        alone = Estimate(one.probability, one.se, one.lo, one.hi, np.inf)
        return Unknown(alone, {}, one.beta, np.nan, resolved=False, draws=1, draws_planned=len(found), bounded=bounded)
    inside = np.clip(seen, 1e-300, 1.0 - 1e-12)
    beta = -ndtri(inside)
    # the error of the index: dp = phi(beta) dbeta
    noise = (errors * np.sqrt(2.0 * np.pi) * np.exp(0.5 * np.minimum(beta, 37.0) ** 2)) ** 2
    center, net = _moments(beta, np.minimum(noise, 1.0))
    probability = replicates(seen)
    mean = jackknife(probability, level)
    mean = Estimate(mean.value, mean.se, max(mean.lo, 0.0), min(mean.hi, 1.0), mean.dof)
    variance = jackknife(net, level)
    few = len(there) < FEWEST
    band = {} if few else {q: _quantile(center, net, q, level) for q in LEVELS}
    spread = float(np.sqrt(max(net[0], 0.0)))
    resolved = bool(variance.lo > 0.0)
    return Unknown(mean, band, float(center[0]), spread, resolved, len(there), len(found), bounded)


def _moments(beta: Floats, noise: Floats) -> tuple[Floats, Floats]:
    """Return replicates of the mean index and of its variance without the errors of the draws."""
    rows = len(beta)
    size = np.concatenate([[rows], np.full(rows, rows - 1)]).astype(np.float64)
    mean = replicates(beta)
    total = (replicates((beta - beta.mean()) ** 2) - (mean - beta.mean()) ** 2) * size / np.maximum(size - 1.0, 1.0)
    return mean, total - replicates(noise)


def _quantile(center: Floats, net: Floats, q: float, level: float) -> Estimate:
    """Return a quantile of the probability; its interval is made on the scale of the index."""
    index = center - ndtri(q) * np.sqrt(np.maximum(net, 0.0))
    each = jackknife(-index, level)
    plain = jackknife(ndtr(-index), level)
    return Estimate(float(ndtr(-index[0])), plain.se, float(ndtr(each.lo)), float(ndtr(each.hi)), each.dof)
