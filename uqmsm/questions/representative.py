"""How big must my RVE be?

A block of grains is too small in two ways. Blocks of one size scatter: that is chance, *aleatoric* for a declared
volume of this size, and averaging over n blocks helps. And their mean is off that of a very large block: a *numerical*
bias of size and boundary condition, which no number of blocks removes. Both are measured on the same blocks under all
conditions, fitted over the sizes, and turned round: the volume at which bias and scatter together meet an error.

The variance follows ``var = point_variance (A / V)^a`` with the integral range A (T. Kanit, S. Forest, I. Galliet,
V. Mounoury, D. Jeulin, Int. J. Solids Struct. 40, 2003, 3647-3679); a is one when what is far apart is independent.
The bias falls with powers of the volume that are not fitted but known: one for periodic blocks of a periodic medium;
one third where the surface disturbs its neighbourhood (M. Schneider, M. Josien, F. Otto, J. Mech. Phys. Solids 158,
2022, 104652), with two thirds for its edges and one for its corners.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, exp, log, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, polygamma
from scipy.stats import chi2, norm

from uqmsm.errors import StudyError

__all__ = ["BIAS_EXPONENTS", "FEWEST_BLOCKS", "Needed", "Representative", "Spread", "representative", "spread_by_size"]

Floats = NDArray[np.float64]

BIAS_EXPONENTS = {"periodic": (1.0,), "kubc": (1.0 / 3.0, 2.0 / 3.0, 1.0), "subc": (1.0 / 3.0, 2.0 / 3.0, 1.0)}
"""Powers of the inverse volume with which the bias of each boundary condition falls: faces, edges, corners."""
FEWEST_BLOCKS = 8
"""Blocks of each size that a variance needs."""
_VOLUMES = np.linspace(log(1e-2), log(1e12), 3201)  # where a needed volume is looked for, logarithms


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
    biases
        Condition -> terms of the relative bias at a volume of one, signed.
    exponents
        Condition -> powers with which these terms fall; assumed.
    misfit
        Probability of a larger chi-square were the laws of bias true.
    covariance
        Of the limit and of limit times each term of the biases, in order, squared.
    """

    limit: float
    limit_se: float
    spreads: dict[str, Spread]
    biases: dict[str, Floats]
    exponents: dict[str, tuple[float, ...]]
    misfit: float
    covariance: Floats

    def bias(self, condition: str, volume: float) -> float:
        """Return the relative bias of a condition at a volume, signed."""
        return float(self.biases[condition] @ volume ** -np.array(self.exponents[condition]))

    def bias_se(self, condition: str, volume: float) -> float:
        """Return the standard error of `bias`."""
        return float(np.sqrt(self._bias_variance(condition, volume)))

    def _terms(self, condition: str) -> slice:
        names = list(self.exponents)
        start = 1 + sum(len(self.exponents[name]) for name in names[: names.index(condition)])
        return slice(start, start + len(self.exponents[condition]))

    def _bias_variance(self, condition: str, volume: float) -> float:
        # the limit is so much better known than the biases that its own error is left out of the ratio
        powers, terms = volume ** -np.array(self.exponents[condition]), self._terms(condition)
        return float(powers @ self.covariance[terms, terms] @ powers) / self.limit**2

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
            When the error is not between 0 and 1, or there are no blocks, or the error is met nowhere, or everywhere,
            from 0.01 to 1e12.
        """
        if not 0.0 < error < 1.0 or blocks < 1:
            raise StudyError(f"error {error} with {blocks} blocks: give an error between 0 and 1 and at least 1 block")
        spread, terms = self.spreads[condition], self._terms(condition)
        start = np.array([spread.intercept, spread.exponent, *self.biases[condition]])
        falls = np.exp(-np.outer(_VOLUMES, self.exponents[condition]))

        def last(values: Floats) -> float:
            """Return the logarithm of the volume from which on the error is met."""
            sd = np.exp(0.5 * (values[0] - values[1] * _VOLUMES)) / self.limit
            excess = np.log((np.abs(falls @ values[2:]) + 2.0 * sd / sqrt(blocks)) / error)
            over = np.flatnonzero(excess > 0.0)
            if not over.size or over[-1] == len(excess) - 1:
                raise StudyError(f"no volume from 0.01 to 1e12 brings the error of {condition} to {error:g}")
            k = over[-1]
            return float(_VOLUMES[k] + (_VOLUMES[k + 1] - _VOLUMES[k]) * excess[k] / (excess[k] - excess[k + 1]))

        found = last(start)
        covariance = np.zeros((len(start),) * 2)
        covariance[:2, :2], covariance[2:, 2:] = spread.covariance, self.covariance[terms, terms] / self.limit**2
        nudges = np.diag(1e-3 * np.sqrt(np.diag(covariance)))
        slope = np.array([(last(start + one) - last(start - one)) / (2.0 * one.sum()) for one in nudges])
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
    exponents: Mapping[str, tuple[float, ...]] | None = None,
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
        Condition -> powers of the inverse volume with which its bias falls; `BIAS_EXPONENTS` where not given.

    Raises
    ------
    StudyError
        With too few sizes or blocks, blocks that are not the same under all conditions, conditions whose exponent is
        not known, or a limit that is not positive.
    """
    powers = {name: _exponents(name, exponents) for name in samples}
    spreads = {name: spread_by_size(volumes, of_one) for name, of_one in samples.items()}
    counts = {tuple(len(one) for one in of_one) for of_one in samples.values()}
    if len(counts) != 1:
        raise StudyError(f"blocks of the sizes differ between the conditions: {counts}; use the same blocks for all")
    found, covariance, misfit = _least_squares(volumes, list(samples.values()), list(powers.values()))
    if not found[0] > 0.0:
        raise StudyError(f"the limit of large blocks is {found[0]:g}; relative errors need a positive property")
    ends = np.cumsum([1] + [len(one) for one in powers.values()])
    terms = [found[start:end] / found[0] for start, end in pairwise(ends)]
    limit_se = float(np.sqrt(covariance[0, 0]))
    biases = dict(zip(samples, terms, strict=True))
    return Representative(float(found[0]), limit_se, spreads, biases, powers, misfit, covariance)


def _least_squares(
    volumes: Sequence[float], samples: Sequence[Sequence[Floats]], powers: Sequence[tuple[float, ...]]
) -> tuple[Floats, Floats, float]:
    """Fit one limit and the terms of bias to the means, weighted by what the blocks share."""
    columns = 1 + sum(len(one) for one in powers)
    if len(volumes) * len(samples) < columns:
        raise StudyError(f"{len(volumes)} sizes for {columns} constants; give more sizes")
    normal, right, rows = np.zeros((columns, columns)), np.zeros(columns), []
    for k, volume in enumerate(volumes):
        table = np.stack([of_one[k] for of_one in samples])
        design = np.zeros((len(samples), columns))
        design[:, 0] = 1.0
        start = 1
        for row, one in enumerate(powers):
            design[row, start : start + len(one)] = volume ** -np.array(one)
            start += len(one)
        weight, mean = np.linalg.inv(np.atleast_2d(np.cov(table)) / table.shape[1]), table.mean(axis=1)
        normal += design.T @ weight @ design
        right += design.T @ weight @ mean
        rows.append((design, weight, mean))
    covariance = np.asarray(np.linalg.inv(normal), dtype=np.float64)
    found = covariance @ right
    squares = sum(float((mean - d @ found) @ w @ (mean - d @ found)) for d, w, mean in rows)
    free = len(volumes) * len(samples) - columns
    return found, covariance, float(chi2.sf(squares, free)) if free > 0 else 1.0


def _exponents(name: str, given: Mapping[str, tuple[float, ...]] | None) -> tuple[float, ...]:
    powers = {**BIAS_EXPONENTS, **(given or {})}.get(name, ())
    if not powers or min(powers) <= 0.0:
        raise StudyError(
            f"the bias of {name!r} falls with unknown powers of the volume; give them: exponents={{'{name}': (1.0,)}}"
        )
    return powers


def _refuse(volumes: Sequence[float], samples: Sequence[Floats]) -> None:
    if len(volumes) != len(samples) or len(set(volumes)) < 2 or min(volumes) <= 0.0:
        raise StudyError(f"{len(samples)} samples for volumes {list(volumes)}: give two different sizes at least")
    fewest = min(len(one) for one in samples)
    if fewest < FEWEST_BLOCKS or not all(np.all(np.isfinite(one)) for one in samples):
        raise StudyError(
            f"{fewest} blocks of one size: give at least {FEWEST_BLOCKS} of each, all with a finite result"
        )
