"""A rectangle is a 2x2 table of answers: what it says about two groups of sources, and how well many tables know it.

A rectangle of a split "u | the rest" holds y00 (all a), y10 (u from b), y01 (the rest from b) and y11 (all b). Then

    C_u = (y00-y10)(y01-y11)/2    C_rest = (y00-y01)(y10-y11)/2    I = (y00-y10-y01+y11)^2/4    V = C_u + C_rest + I

are unbiased, for any law, for the closed variance of u, that of the rest, their interaction and the whole variance.
Rows are independent, so errors come from leaving out one row at a time. Every quantity therefore carries a last axis of
*replicates*: entry 0 uses all rows, entry j leaves out row j. Arithmetic on replicates is arithmetic on estimates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student_t

__all__ = ["Estimate", "Moments", "jackknife", "jackknife_correlation", "moments", "ratio", "replicates"]

Floats = NDArray[np.float64]


class Moments(NamedTuple):
    """The four moments of a split, all of one shape: per rectangle, per row, or per replicate."""

    C_u: Floats
    C_rest: Floats
    I: Floats  # noqa: E741 - the name of the field, as in the formulas
    V: Floats


def moments(corners: Floats) -> Moments:
    """Return C_u, C_rest, I and V of rectangles.

    Parameters
    ----------
    corners
        Answers y00, y10, y01, y11 on the last axis, shape (..., 4); NaN where a member failed.

    Returns
    -------
    Moments
        Shape (...); NaN where a corner is missing. V = C_u + C_rest + I is an identity.
    """
    y00, y10, y01, y11 = np.moveaxis(corners, -1, 0)
    C_u = (y00 - y10) * (y01 - y11) / 2.0
    C_rest = (y00 - y01) * (y10 - y11) / 2.0
    interaction = (y00 - y10 - y01 + y11) ** 2 / 4.0
    return Moments(C_u, C_rest, interaction, ((y00 - y11) ** 2 + (y10 - y01) ** 2) / 4.0)


def replicates(per_row: Floats) -> Floats:
    """Return the mean over rows, and the same without each row in turn.

    Parameters
    ----------
    per_row
        One number per row, shape (..., rows); NaN in rows that have none.

    Returns
    -------
    NDArray
        Shape (..., rows + 1); NaN where no row is left. Leaving out a row without a number changes nothing.
    """
    there = np.isfinite(per_row)
    filled = np.where(there, per_row, 0.0)
    total, count = filled.sum(axis=-1, keepdims=True), there.sum(axis=-1, keepdims=True)
    sums = np.concatenate([total, total - filled], axis=-1)
    counts = np.concatenate([count, count - there], axis=-1)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def ratio(over: Floats, under: Floats) -> Floats:
    """Return the quotient of replicates, NaN where the divisor vanishes: where one row carried all the scatter."""
    return np.divide(over, under, out=np.full_like(under, np.nan), where=under != 0.0)


@dataclass(frozen=True)
class Estimate:
    """A number, its standard error and its interval (NaN where none can be given).

    Parameters
    ----------
    value, se, lo, hi
        In the units of the quantity; `se` is the jackknife standard error on the plain scale.
    dof
        Degrees of freedom of Student's t behind the interval.
    """

    value: float
    se: float
    lo: float
    hi: float
    dof: float

    @property
    def half_width(self) -> float:
        """Half the width of the interval."""
        return (self.hi - self.lo) / 2.0


def _spread(left_out: Floats) -> tuple[float, float]:
    """Return the jackknife standard error and the degrees of freedom corrected for kurtosis.

    The variance of a jackknife variance over R rows is (kurt - (R-3)/(R-1))/R relative to its square; matching it with
    2/nu of a chi-square gives nu. Few rows that carry most of the scatter thus mean few degrees of freedom.
    """
    rows = len(left_out)
    deviation = left_out - left_out.mean()
    second = float(np.mean(deviation**2))
    if second <= np.finfo(np.float64).tiny:
        return 0.0, rows - 1.0
    kurtosis = float(np.mean(deviation**4)) / second**2
    dof = 2.0 * rows / (kurtosis - (rows - 3.0) / (rows - 1.0))
    return float(np.sqrt((rows - 1.0) * second)), float(np.clip(dof, 2.0, rows - 1.0))


def jackknife(theta: Floats, level: float = 0.9) -> Estimate:
    """Return an estimate with a delete-one-row error on the plain scale.

    Parameters
    ----------
    theta
        Replicates, shape (rows + 1,).
    level
        Nominal coverage of the interval.
    """
    value, left_out = float(theta[0]), theta[1:]
    if len(left_out) < 3 or not np.isfinite(theta).all():
        return Estimate(value, np.nan, np.nan, np.nan, np.nan)
    se, dof = _spread(left_out)
    reach = float(student_t.ppf(0.5 + level / 2.0, dof)) * se
    return Estimate(value, se, value - reach, value + reach, dof)


def jackknife_correlation(theta: Floats, level: float = 0.9) -> Estimate:
    """Return an estimate of a correlation-like ratio in [-1, 1], its interval made on Fisher's z scale.

    A closed share S and 1 - T of a rectangle are correlations: their error shrinks towards the ends, and z = atanh(r)
    has nearly constant error. The interval never leaves [-1, 1].

    Parameters
    ----------
    theta
        Replicates of the ratio, shape (rows + 1,).
    level
        Nominal coverage of the interval.
    """
    value, left_out = float(theta[0]), theta[1:]
    if len(left_out) < 3 or not np.isfinite(theta).all():
        return Estimate(value, np.nan, np.nan, np.nan, np.nan)
    edge = 1.0 - 1e-12
    z = np.arctanh(np.clip(theta, -edge, edge))
    se, dof = _spread(z[1:])
    reach = float(student_t.ppf(0.5 + level / 2.0, dof)) * se
    plain, _ = _spread(left_out)
    return Estimate(value, plain, float(np.tanh(z[0] - reach)), float(np.tanh(z[0] + reach)), dof)
