"""How uncertain is the answer?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.questions.at_random import neighbours
from uqmsm.questions.missing import ANY, Bounds, bounds
from uqmsm.questions.missing_table import bounds_dataset
from uqmsm.questions.rectangles import Estimate, jackknife
from uqmsm.questions.row_sums import moments_over_rows, per_row, quantile_over_rows

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
    bounds
        How far the missing members could move mean, sd and quantiles (see `missing`).
    neighbours
        How much higher members answer that share a row with missing ones (see `at_random`).
    """

    mean: Estimate
    sd: Estimate
    quantiles: dict[float, Estimate]
    succeeded: int
    members: int
    rows: int
    bounds: Bounds
    neighbours: Estimate

    def dataset(self, units: str, sources: Sequence[str] = ()) -> xr.Dataset:
        """Return the numbers over the dimension `quantile`, each with `_se`, `_lo`, `_hi`, and their worst cases."""
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
        table = xr.Dataset(found, {"quantile": list(self.quantiles)}, counts)
        return table.merge(bounds_dataset(self.bounds, self.neighbours, units, sources), combine_attrs="override")


def spread(
    values: Floats,
    row_of_member: NDArray[np.int64],
    *,
    probabilities: Sequence[float] = QUANTILES,
    level: float = 0.9,
    within: tuple[float, float] = ANY,
) -> Spread:
    """Return how uncertain an answer is, with errors that know which members are independent.

    Every member has the law of the chain, but only rows (of a `Design`; draws, of a `Nested`) are independent: members
    of a row share indices. Mean and sd are jackknifed over rows. The variance is formed from pairs in different rows,
    which makes it unbiased. Quantiles are those of all members, with intervals of Woodruff. All of them are of the
    members that are there, each with the same weight (see `row_sums`): unbiased where members are missing at random,
    and in any case the numbers "given success". How far the missing could move them stands beside, see `missing`.

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
    within
        Range that the answer cannot leave, for the worst cases; either end may be infinite.

    Raises
    ------
    StudyError
        When the arrays do not match, a probability lies outside (0, 1), fewer than 3 rows succeeded, or an answer lies
        outside `within`.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.shape != np.shape(row_of_member) or values.ndim != 1:
        raise StudyError(f"values {values.shape} and rows {np.shape(row_of_member)} differ; give one row per member")
    if any(not 0.0 < p < 1.0 for p in probabilities):
        raise StudyError(f"quantiles {list(probabilities)}; probabilities lie between 0 and 1, ends excluded")
    there = np.isfinite(values)
    values = np.where(there, values, np.nan)  # an infinite answer is none
    _, row = np.unique(row_of_member[there], return_inverse=True)
    y = values[there]
    count = per_row(row, np.ones(len(y)))
    if len(count) < 3:
        raise StudyError(f"{len(count)} rows with an answer; a standard error needs 3 independent rows: extend the run")
    center = float(y.mean())  # constants cancel: keeps the squares small
    mean, variance = moments_over_rows(count, per_row(row, y - center), per_row(row, (y - center) ** 2))
    found = jackknife(center + mean, level), jackknife(np.sqrt(np.maximum(variance, 0.0)), level)
    quantiles = {float(p): quantile_over_rows(y, row, p, level) for p in probabilities}
    worst = bounds(values, row_of_member, (*found, quantiles), within=within, level=level)
    near = neighbours(values, row_of_member, level)
    return Spread(*found, quantiles, int(there.sum()), len(values), len(count), worst, near)
