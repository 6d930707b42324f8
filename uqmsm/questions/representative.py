"""How big must my RVE be?

A block of grains is too small in two ways. Blocks of one size scatter: that is chance, *aleatoric* for a declared
volume of this size, and averaging over n blocks helps. And their mean is off that of a very large block: a *numerical*
bias of size and boundary condition, which no number of blocks removes. Both are measured on the same blocks under all
conditions, fitted over the sizes, and turned round: the volume at which bias and scatter together meet an error.

The variance follows ``var = point_variance (A / V)^a`` with the integral range A (T. Kanit, S. Forest, I. Galliet,
V. Mounoury, D. Jeulin, Int. J. Solids Struct. 40, 2003, 3647-3679); a is one when what is far apart is independent.
The bias follows a power of the volume that is not fitted but known: one for periodic blocks of a periodic medium, one
third where the surface disturbs its neighbourhood (M. Schneider, M. Josien, F. Otto, J. Mech. Phys. Solids 158, 2022,
104652).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, exp, log, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import digamma, polygamma
from scipy.stats import chi2, norm

from uqmsm.errors import StudyError

__all__ = ["BIAS_EXPONENTS", "FEWEST_BLOCKS", "Needed", "Representative", "Spread", "representative", "spread_by_size"]

Floats = NDArray[np.float64]

BIAS_EXPONENTS = {"periodic": 1.0, "kubc": 1.0 / 3.0, "subc": 1.0 / 3.0}
"""Power of the inverse volume with which the bias of each boundary condition falls."""
FEWEST_BLOCKS = 8
"""Blocks of each size that a variance needs."""
_LARGEST = 1e12  # volumes beyond this are not searched


@dataclass(frozen=True)
class Spread:
    """How the scatter of blocks falls with their volume: ``variance = exp(intercept) volume^-exponent``.

    Parameters
    ----------
    exponent, exponent_se
        One where distant places are independent.
    intercept
        Logarithm of the variance at a volume of one.
    covariance
        ``(2, 2)`` of intercept and exponent.
    misfit
        Probability of a larger chi-square were the power law true; a small one says that it is not.
    """

    exponent: float
    exponent_se: float
    intercept: float
    covariance: Floats
    misfit: float

    def sd(self, volume: float) -> float:
        """Return the standard deviation of blocks of a volume."""
        return exp(0.5 * (self.intercept - self.exponent * log(volume)))

    def integral_range(self, point_variance: float) -> float:
        """Return the integral range: the volume in which one place is worth one independent observation.

        Parameters
        ----------
        point_variance
            Variance of the property from point to point, in its unit squared.
        """
        if not point_variance > 0.0:
            raise StudyError(f"integral range: the point variance is {point_variance}; it must be positive")
        return exp((self.intercept - log(point_variance)) / self.exponent)


@dataclass(frozen=True)
class Needed:
    """The volume that meets an error.

    Parameters
    ----------
    volume, lo, hi
        In the unit of the sample, with its 90 % interval from the errors of the fits.
    bias, sd
        Signed bias and standard deviation of one block there, relative to the limit.
    blocks
        Blocks averaged.
    """

    volume: float
    lo: float
    hi: float
    bias: float
    sd: float
    blocks: int


@dataclass(frozen=True)
class Representative:
    """What the sample says of size and boundary condition.

    Parameters
    ----------
    limit, limit_se
        The property of a very large block, one for all conditions.
    spreads
        Condition -> how its scatter falls.
    biases, bias_se
        Condition -> relative bias at a volume of one, signed, and its standard error.
    exponents
        Condition -> power with which the bias falls; assumed.
    misfit
        Probability of a larger chi-square were the laws of bias true.
    covariance
        ``(1 + conditions,)`` squared: of the limit and of limit times bias, in order.
    """

    limit: float
    limit_se: float
    spreads: dict[str, Spread]
    biases: dict[str, float]
    bias_se: dict[str, float]
    exponents: dict[str, float]
    misfit: float
    covariance: Floats

    def bias(self, condition: str, volume: float) -> float:
        """Return the relative bias of a condition at a volume, signed."""
        return float(self.biases[condition] * volume ** -self.exponents[condition])

    def blocks(self, condition: str, volume: float, error: float) -> int | None:
        """Return how many blocks of a volume meet a relative error, two standard deviations and the bias included.

        None where the bias alone exceeds it: then no number of blocks does.
        """
        room = error - abs(self.bias(condition, volume))
        if room <= 0.0:
            return None
        return max(1, ceil((2.0 * self.spreads[condition].sd(volume) / (room * self.limit)) ** 2))

    def needed(self, condition: str, error: float, blocks: int = 1) -> Needed:
        """Return the volume at which ``|bias| + 2 sd / sqrt(blocks)`` is `error`, all relative to the limit.

        Parameters
        ----------
        condition
            One of those sampled.
        error
            Relative, such as 0.01.
        blocks
            Blocks over which the answer is averaged.

        Raises
        ------
        StudyError
            When the error is not between 0 and 1, or there are no blocks, or no volume up to 1e12 meets the error.
        """
        if not 0.0 < error < 1.0 or blocks < 1:
            raise StudyError(f"error {error} with {blocks} blocks: give an error between 0 and 1 and at least 1 block")
        spread, power = self.spreads[condition], self.exponents[condition]
        start = np.array([self.biases[condition], spread.intercept, spread.exponent])

        def volume(values: Floats) -> float:
            def excess(logarithm: float) -> float:
                bias = abs(values[0]) * exp(-power * logarithm)
                sd = exp(0.5 * (values[1] - values[2] * logarithm)) / self.limit
                return log((bias + 2.0 * sd / sqrt(blocks)) / error)

            if excess(log(_LARGEST)) > 0.0:
                raise StudyError(f"no volume up to {_LARGEST:g} brings the error of {condition} to {error:g}")
            return float(brentq(excess, log(1e-6), log(_LARGEST)))

        found = volume(start)
        covariance = np.zeros((3, 3))
        covariance[0, 0], covariance[1:, 1:] = self.bias_se[condition] ** 2, spread.covariance
        nudges = np.diag(1e-4 * np.maximum(np.abs(start), 1e-3))
        slope = np.array([(volume(start + one) - found) / one.sum() for one in nudges])
        half = float(norm.ppf(0.95) * np.sqrt(slope @ covariance @ slope))
        at = exp(found)
        sd = spread.sd(at) / self.limit
        return Needed(at, exp(found - half), exp(found + half), self.bias(condition, at), sd, blocks)


def spread_by_size(volumes: Sequence[float], samples: Sequence[Floats]) -> Spread:
    """Fit the fall of the variance over the sizes.

    Logarithms of sample variances are known but for a law that depends on the number of blocks alone (that of a
    chi-square, for properties that are nearly normal), so that weighted least squares knows its own errors.

    Parameters
    ----------
    volumes
        Of the blocks, such as grains, one for each size.
    samples
        The property of the blocks of each size, ``(blocks,)`` each, independent.

    Raises
    ------
    StudyError
        With fewer than two sizes, fewer than 8 blocks of one, or blocks that do not scatter.
    """
    _refuse(volumes, samples)
    free = np.array([len(one) - 1.0 for one in samples])
    variances = np.array([np.var(one, ddof=1) for one in samples])
    if not np.all(variances > 0.0):
        raise StudyError("blocks of one size are all alike: nothing is random here, and size is no question of scatter")
    seen = np.log(variances) - digamma(free / 2.0) + np.log(free / 2.0)
    weights = 1.0 / polygamma(1, free / 2.0)
    design = np.stack([np.ones(len(free)), -np.log(np.asarray(volumes, dtype=np.float64))], axis=1)
    covariance = np.linalg.inv(design.T @ (weights[:, None] * design))
    intercept, exponent = covariance @ design.T @ (weights * seen)
    left = seen - design @ np.array([intercept, exponent])
    misfit = float(chi2.sf(np.sum(weights * left**2), len(free) - 2)) if len(free) > 2 else 1.0
    return Spread(float(exponent), float(np.sqrt(covariance[1, 1])), float(intercept), covariance, misfit)


def representative(
    volumes: Sequence[float],
    samples: Mapping[str, Sequence[Floats]],
    exponents: Mapping[str, float] | None = None,
) -> Representative:
    """Fit scatter and bias of blocks of several sizes under several boundary conditions.

    Parameters
    ----------
    volumes
        Of the blocks, such as grains, one for each size.
    samples
        Condition -> the property of the blocks of each size, ``(blocks,)`` each. The same block has the same place
        under all conditions: what they share cancels in the differences.
    exponents
        Condition -> power of the inverse volume with which its bias falls; `BIAS_EXPONENTS` where not given.

    Raises
    ------
    StudyError
        With too few sizes or blocks, blocks that are not the same under all conditions, conditions whose exponent is
        not known, or a limit that is not positive.
    """
    powers = {name: _exponent(name, exponents) for name in samples}
    spreads = {name: spread_by_size(volumes, of_one) for name, of_one in samples.items()}
    counts = {tuple(len(one) for one in of_one) for of_one in samples.values()}
    if len(counts) != 1:
        raise StudyError(f"blocks of the sizes differ between the conditions: {counts}; use the same blocks for all")
    names = list(samples)
    normal, right = np.zeros((1 + len(names),) * 2), np.zeros(1 + len(names))
    rows = []
    for k, volume in enumerate(volumes):
        table = np.stack([samples[name][k] for name in names])
        design = np.zeros((len(names), 1 + len(names)))
        design[:, 0] = 1.0
        design[range(len(names)), range(1, 1 + len(names))] = [volume ** -powers[name] for name in names]
        weight = np.linalg.inv(np.atleast_2d(np.cov(table)) / table.shape[1])
        normal += design.T @ weight @ design
        right += design.T @ weight @ table.mean(axis=1)
        rows.append((design, weight, table.mean(axis=1)))
    covariance = np.linalg.inv(normal)
    found = covariance @ right
    if not found[0] > 0.0:
        raise StudyError(f"the limit of large blocks is {found[0]:g}; relative errors need a positive property")
    squares = sum(float((mean - d @ found) @ w @ (mean - d @ found)) for d, w, mean in rows)
    free = len(volumes) * len(names) - len(found)
    ses = np.sqrt(np.diag(covariance))
    return Representative(
        float(found[0]),
        float(ses[0]),
        spreads,
        {name: float(value / found[0]) for name, value in zip(names, found[1:], strict=True)},
        {name: float(value / found[0]) for name, value in zip(names, ses[1:], strict=True)},
        powers,
        float(chi2.sf(squares, free)) if free > 0 else 1.0,
        np.asarray(covariance, dtype=np.float64),
    )


def _exponent(name: str, given: Mapping[str, float] | None) -> float:
    power = {**BIAS_EXPONENTS, **(given or {})}.get(name)
    if power is None or not power > 0.0:
        raise StudyError(
            f"the bias of {name!r} falls with an unknown power of the volume; give it: exponents={{'{name}': 1.0}}"
        )
    return power


def _refuse(volumes: Sequence[float], samples: Sequence[Floats]) -> None:
    if len(volumes) != len(samples) or len(set(volumes)) < 2 or min(volumes) <= 0.0:
        raise StudyError(f"{len(samples)} samples for volumes {list(volumes)}: give two different sizes at least")
    fewest = min(len(one) for one in samples)
    if fewest < FEWEST_BLOCKS or not all(np.all(np.isfinite(one)) for one in samples):
        raise StudyError(
            f"{fewest} blocks of one size: give at least {FEWEST_BLOCKS} of each, all with a finite result"
        )
