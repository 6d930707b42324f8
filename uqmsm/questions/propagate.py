"""How uncertain is the answer?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.stats import t as student_t

from uqmsm.errors import StudyError
from uqmsm.questions.rectangles import Estimate, jackknife

__all__ = ["QUANTILES", "Spread", "spread"]

Floats = NDArray[np.float64]
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class Spread:
    """Mean, standard deviation and quantiles of an answer, with Monte Carlo standard errors.

    Parameters
    ----------
    mean, sd
        In the units of the answer.
    quantiles
        Probability -> estimate; interval and error are NaN where the rows cannot resolve the tail.
    succeeded, members, rows
        "n of N", and the number of independent rows behind the errors.
    """

    mean: Estimate
    sd: Estimate
    quantiles: dict[float, Estimate]
    succeeded: int
    members: int
    rows: int

    def dataset(self, units: str, sources: Sequence[str] = ()) -> xr.Dataset:
        """Return the numbers over the dimension `quantile`, each with `_se`, `_lo`, `_hi`."""
        found: dict[str, tuple[tuple[str, ...], object, dict[str, str]]] = {}
        texts = {
            "value": "",
            "se": "Monte Carlo standard error of the ",
            "lo": "lower limit of the ",
            "hi": "upper limit of the ",
        }
        for attribute, text in texts.items():
            ending = "" if attribute == "value" else f"_{attribute}"
            for name, each in (("mean", self.mean), ("sd", self.sd)):
                long_name = f"{text}{'standard deviation, all kinds of scatter' if name == 'sd' else name}"
                attributes = {"units": units, "long_name": long_name, "sources": ", ".join(sources)}
                found[name + ending] = ((), getattr(each, attribute), attributes)
            numbers = [getattr(each, attribute) for each in self.quantiles.values()]
            attributes = {"units": units, "long_name": f"{text}quantile", "sources": ", ".join(sources)}
            found["quantiles" + ending] = (("quantile",), numbers, attributes)
        counts = {"members": f"{self.succeeded} of {self.members}", "rows": self.rows}
        return xr.Dataset(found, {"quantile": list(self.quantiles)}, counts)


def spread(
    values: Floats, row_of_member: NDArray[np.int64], *, probabilities: Sequence[float] = QUANTILES, level: float = 0.9
) -> Spread:
    """Return how uncertain an answer is, with errors that know which members are independent.

    Every member has the law of the chain, but only rows (of a `Design`; draws, of a `Nested`) are independent: members
    of a row share indices. Mean and sd are jackknifed over rows. The variance is formed from pairs in different rows,
    which makes it unbiased. Quantiles are those of all members; their intervals invert the error of the distribution
    function at the quantile, itself from rows (R. S. Woodruff, J. Am. Stat. Assoc. 47, 635, 1952).

    Parameters
    ----------
    values
        One answer per member, shape (members,); NaN where the member failed.
    row_of_member
        Row or draw of each member, shape (members,).
    probabilities
        Which quantiles.
    level
        Nominal coverage of the intervals.

    Raises
    ------
    StudyError
        When the arrays do not match, a probability lies outside (0, 1), or fewer than 3 rows succeeded.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.shape != np.shape(row_of_member) or values.ndim != 1:
        raise StudyError(f"values {values.shape} and rows {np.shape(row_of_member)} differ; give one row per member")
    if any(not 0.0 < p < 1.0 for p in probabilities):
        raise StudyError(f"quantiles {list(probabilities)}; probabilities lie between 0 and 1, ends excluded")
    there = np.isfinite(values)
    _, row = np.unique(row_of_member[there], return_inverse=True)
    y = values[there]
    count = np.bincount(row)
    if len(count) < 3:
        raise StudyError(f"{len(count)} rows with an answer; a standard error needs 3 independent rows: extend the run")
    center = float(y.mean())  # constants cancel: keeps the squares small
    first = np.bincount(row, y - center) / count
    second = np.bincount(row, (y - center) ** 2) / count
    mean, variance = _over_rows(first, second)
    sd = jackknife(np.sqrt(np.maximum(variance, 0.0)), level)
    quantiles = {float(p): _quantile(y, row, count, p, level) for p in probabilities}
    return Spread(jackknife(center + mean, level), sd, quantiles, int(there.sum()), len(values), len(count))


def _over_rows(first: Floats, second: Floats) -> tuple[Floats, Floats]:
    """Return replicates of the mean and of the unbiased variance E y^2 - E y_r y_s, r and s different rows."""
    rows = len(first)
    n = np.concatenate([[rows], np.full(rows, rows - 1)]).astype(np.float64)
    sums = [np.concatenate([[x.sum()], x.sum() - x]) for x in (first, second, first**2)]
    mean = sums[0] / n
    return mean, sums[1] / n - (sums[0] ** 2 - sums[2]) / (n * (n - 1.0))


def _quantile(y: Floats, row: NDArray[np.intp], count: NDArray[np.intp], p: float, level: float) -> Estimate:
    """Return a quantile with Woodruff's interval; NaN limits where the interval leaves the sample."""
    rows = len(count)
    value = float(np.quantile(y, p))
    below = np.bincount(row, (y <= value).astype(np.float64))
    residual = (below - count * below.sum() / count.sum()) * rows / count.sum()
    error = float(np.sqrt(np.sum(residual**2) / (rows * (rows - 1.0))))
    reach = float(student_t.ppf(0.5 + level / 2.0, rows - 1))
    low, high = p - reach * error, p + reach * error
    if low <= 0.0 or high >= 1.0:
        return Estimate(value, np.nan, np.nan, np.nan, rows - 1.0)
    lo, hi = (float(limit) for limit in np.quantile(y, (low, high)))
    return Estimate(value, (hi - lo) / (2.0 * reach), lo, hi, rows - 1.0)
