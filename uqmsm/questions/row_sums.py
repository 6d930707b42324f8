"""Moments and quantiles from sums over rows: members of a row share indices, rows are independent.

Every member counts the same, whether its row is whole or not: the mean is sum of y over number of members, never a mean
of row means. Where members are missing at random both are unbiased. Where their own values decide, only the first is
the mean over the members that succeed: a row of which little is left would else count as much as a whole one.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student_t

from uqmsm.questions.rectangles import Estimate

__all__ = ["Method", "left_out", "moments_over_rows", "per_row", "quantile_over_rows", "quotient"]

Floats = NDArray[np.float64]
Method = Literal["linear", "lower", "higher"]
"""Which of two neighbours in order a quantile is, or what between them."""


def per_row(row: NDArray[np.intp], weights: NDArray[Any]) -> Floats:
    """Return the sum of the weights of the members of every row: (members,) -> (rows,)."""
    return np.asarray(np.bincount(row, weights), dtype=np.float64)


def moments_over_rows(count: Floats, first: Floats, second: Floats) -> tuple[Floats, Floats]:
    """Return replicates of the mean and of the variance, from pairs in different rows.

    With n_r members in row r, S_r their sum and Q_r the sum of their squares, the variance is sum Q / sum n less the
    mean product over pairs from different rows, ((sum S)^2 - sum S_r^2) / ((sum n)^2 - sum n_r^2). Given the numbers
    n_r, both are unbiased where members are missing at random, for any dependence within a row.

    Parameters
    ----------
    count, first, second
        Members per row, the sum of their answers and of the squares, shape (rows,). Subtract a constant near the mean
        from the answers first.

    Returns
    -------
    mean, variance
        Shape (rows + 1,): with all rows, and without each in turn (see `rectangles`).
    """
    n, S, Q, n2, S2 = (left_out(part) for part in (count, first, second, count**2, first**2))
    mean = quotient(S, n)
    return mean, quotient(Q, n) - quotient(S**2 - S2, n**2 - n2)


def left_out(sums: Floats) -> Floats:
    """Return the total over rows, and the same without each row in turn: (rows,) -> (rows + 1,)."""
    total = sums.sum()
    return np.concatenate([[total], total - sums])


def quotient(over: Floats, under: Floats) -> Floats:
    """Return over/under, NaN where `under` is not positive."""
    return np.divide(over, under, out=np.full_like(under, np.nan), where=under > 0.0)


def quantile_over_rows(
    y: Floats,
    row: NDArray[np.intp],
    p: float,
    level: float,
    method: Method = "linear",
    ends: tuple[float, float] = (np.nan, np.nan),
) -> Estimate:
    """Return a quantile with Woodruff's interval (J. Am. Stat. Assoc. 47, 635, 1952).

    It inverts the error of the distribution function at the quantile, itself from rows.

    Parameters
    ----------
    y, row
        Answers and their rows 0 .. R-1, shape (members,). Answers may be infinite unless the method is ``linear``.
    p, level
        Level of the quantile; nominal coverage of the interval.
    method
        As in `numpy.quantile`.
    ends
        Limits where the interval reaches beyond the sample; with NaN there, neither limit is given.
    """
    at = float(np.quantile(y, p, method=method))
    low, high, reach = _levels(y <= at, row, p, level)
    dof = row.max() - 0.0
    if np.isnan(ends).any() and (low <= 0.0 or high >= 1.0):
        return Estimate(at, np.nan, np.nan, np.nan, dof)
    lo = float(np.quantile(y, low, method=method)) if low > 0.0 else ends[0]
    hi = float(np.quantile(y, high, method=method)) if high < 1.0 else ends[1]
    se = (hi - lo) / (2.0 * reach) if np.isfinite([lo, hi]).all() else np.nan
    return Estimate(at, se, lo, hi, dof)


def _levels(below: NDArray[np.bool_], row: NDArray[np.intp], p: float, level: float) -> tuple[float, float, float]:
    """Return p minus and plus the reach of its error, and Student's t behind it."""
    count = np.bincount(row)
    rows = len(count)
    number = per_row(row, below)
    residual = (number - count * number.sum() / count.sum()) * rows / count.sum()
    error = float(np.sqrt(np.sum(residual**2) / (rows * (rows - 1.0))))
    reach = float(student_t.ppf(0.5 + level / 2.0, rows - 1))
    return p - reach * error, p + reach * error, reach
