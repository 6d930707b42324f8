"""How far off is the answer because the numerics stop somewhere?

A signed shift, beside the 100 %, never a share of it. Mesh, step, cutoff and cell size are the same for every member:
they bias the answer and scatter it not at all. The shift is the mean difference of the same members computed twice,
coarse and fine; pairing on the same addresses removes the scatter of the members themselves. A pair of which one failed
is left out: unbiased where that happened at random. How far such pairs could move the shift if their differences lay
within those of the others stands beside it; beyond that nothing is known of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.stats import t as student_t

from uqmsm.errors import StudyError

__all__ = ["FEWEST_PAIRS", "LARGE_SHIFT", "Shift", "shift", "shifts"]

FEWEST_PAIRS = 8
LARGE_SHIFT = 0.5
"""In standard deviations of the answer: a 90 % normal interval around an answer off by so much covers 86 %."""
_EXCESS = 0.25
"""Part of an extrapolation that stays in doubt: the safety factor 1.25 of Roache's grid convergence index, less one."""


@dataclass(frozen=True)
class Shift:
    """The signed shift of one refinement, in the units of the answer.

    Parameters
    ----------
    refinement
        What was refined.
    value, se, lo, hi
        Mean of fine - coarse, its standard error and interval.
    variance_ratio, variance_ratio_se
        Variance over the members of fine / coarse, standard error by leaving out one pair at a time.
    pairs
        Addresses at which both succeeded.
    planned
        Addresses at which both were planned.
    least, most
        The shift if all missing differences were the least, or the largest, of those seen.
    order
        Order of convergence assumed, None if nothing was assumed.
    corrected
        Whether the answers were corrected for the bias.
    remaining
        Estimate of exact - fine: value/(ratio^order - 1); without an order the shift itself, an upper bound where
        refining halves the error or better.
    unresolved
        Standard uncertainty u_b that the bias leaves, to be added to the variance as u_b^2.
    in_sd
        |remaining| (if uncorrected) or u_b (if corrected) in standard deviations of the answer.
    """

    refinement: str
    value: float
    se: float
    lo: float
    hi: float
    variance_ratio: float
    variance_ratio_se: float
    pairs: int
    planned: int
    least: float
    most: float
    order: float | None
    corrected: bool
    remaining: float
    unresolved: float
    in_sd: float

    @property
    def large(self) -> bool:
        """Whether the shift is worth a warning."""
        return self.in_sd > LARGE_SHIFT


def shift(
    coarse: NDArray[np.float64],
    fine: NDArray[np.float64],
    refinement: str,
    *,
    order: float | None = None,
    ratio: float | None = None,
    corrected: bool = False,
    level: float = 0.9,
) -> Shift:
    """Return the shift between paired answers.

    Parameters
    ----------
    coarse, fine
        Answers at the same addresses, shape (pairs,), which must be independent of each other (one per row of a
        `Design`, say all a); NaN where a member failed.
    refinement
        What was refined, e.g. ``"mesh"``.
    order, ratio
        Order of convergence and the factor, over 1, by which the step was refined, for Richardson's extrapolation:
        an order needs its factor.
    corrected
        Whether the answers are corrected by the extrapolation; then a quarter of it stays in doubt (Roache 1994).
    level
        Nominal coverage of the interval.

    Raises
    ------
    StudyError
        With fewer than 8 complete pairs, arrays that do not pair, or a correction without an order.
    """
    coarse, fine = np.asarray(coarse, dtype=np.float64), np.asarray(fine, dtype=np.float64)
    if coarse.shape != fine.shape or coarse.ndim != 1:
        raise StudyError(f"{refinement}: shapes {coarse.shape}, {fine.shape} do not pair; run the same addresses twice")
    _refuse(refinement, order, ratio, corrected)
    there = np.isfinite(coarse) & np.isfinite(fine)
    n = int(there.sum())
    if n < FEWEST_PAIRS:
        raise StudyError(f"{refinement}: {n} complete pairs; a shift needs {FEWEST_PAIRS}: refine more members")
    coarse, fine = coarse[there], fine[there]
    difference = fine - coarse
    value, se = float(difference.mean()), float(difference.std(ddof=1) / np.sqrt(n))
    reach = float(student_t.ppf(0.5 + level / 2.0, n - 1)) * se
    factor = 1.0 if order is None or ratio is None else 1.0 / (ratio**order - 1.0)
    remaining, doubt = value * factor, (_EXCESS if corrected else 1.0)
    unresolved = float(np.hypot(doubt * remaining, se * factor))
    sd = float(fine.std(ddof=1))
    size = unresolved if corrected else abs(remaining)
    in_sd = size / sd if sd > 0.0 else (np.inf if size > 0.0 else 0.0)
    variance, lost = _variance_ratio(coarse, fine), 1.0 - n / len(there)
    return Shift(
        refinement,
        value,
        se,
        value - reach,
        value + reach,
        *variance,
        n,
        len(there),
        value + lost * (float(difference.min()) - value),
        value + lost * (float(difference.max()) - value),
        order,
        corrected,
        remaining,
        unresolved,
        in_sd,
    )


def _refuse(refinement: str, order: float | None, ratio: float | None, corrected: bool) -> None:
    if order is not None and not (order > 0.0 and ratio is not None and ratio > 1.0):
        raise StudyError(f"{refinement}: order {order} and ratio {ratio}; both are given and must exceed 0 and 1")
    if corrected and order is None:
        raise StudyError(f"{refinement}: a correction needs the order of convergence; state it or leave it uncorrected")


def _variance_ratio(coarse: NDArray[np.float64], fine: NDArray[np.float64]) -> tuple[float, float]:
    """Return Var fine / Var coarse and its jackknife standard error; NaN where the coarse answer does not vary."""
    n = len(coarse)
    if np.ptp(coarse) == 0.0:
        return np.nan, np.nan

    def left_out(y: NDArray[np.float64]) -> NDArray[np.float64]:
        deviation = y - y.mean()  # sum of squares without one: SS - n/(n-1) d^2
        return np.asarray((np.sum(deviation**2) - n / (n - 1.0) * deviation**2) / (n - 2.0))

    each = left_out(fine) / left_out(coarse)
    se = np.sqrt((n - 1.0) / n * np.sum((each - each.mean()) ** 2))
    return float(fine.var(ddof=1) / coarse.var(ddof=1)), float(se)


_COLUMNS = {
    "value": ("shift", "fine - coarse, mean over paired addresses"),
    "se": ("shift_se", "standard error of the shift"),
    "lo": ("shift_lo", "lower limit of the shift"),
    "hi": ("shift_hi", "upper limit of the shift"),
    "variance_ratio": ("variance_ratio", "variance fine / coarse"),
    "variance_ratio_se": ("variance_ratio_se", "standard error of the variance ratio"),
    "pairs": ("pairs", "addresses at which both succeeded"),
    "planned": ("pairs_planned", "addresses at which both were planned"),
    "least": ("shift_least", "shift if the missing differences were the least of those seen"),
    "most": ("shift_most", "shift if the missing differences were the largest of those seen"),
    "order": ("order", "order of convergence assumed, NaN if none"),
    "corrected": ("corrected", "whether answers were corrected"),
    "remaining": ("remaining", "estimate of exact - fine"),
    "unresolved": ("unresolved", "standard uncertainty that the bias leaves"),
    "in_sd": ("in_sd", "what is left, in standard deviations of the answer"),
    "large": ("large", f"more than {LARGE_SHIFT} standard deviations"),
}
_PURE = {"variance_ratio", "variance_ratio_se", "pairs", "planned", "order", "corrected", "in_sd", "large"}


def shifts(found: Iterable[Shift], units: str, variance: float, sources: Sequence[str] = ()) -> xr.Dataset:
    """Return the shifts of one answer over the dimension `refinement`, and V + sum u_b^2.

    Parameters
    ----------
    found
        Shifts of one answer.
    units
        Units of the answer.
    variance
        Variance of the answer, V of the ledger.
    sources
        Labels of the sources that the answer depends on, for the attribute of that name.
    """
    found = list(found)
    dataset = xr.Dataset(coords={"refinement": [each.refinement for each in found]})
    for key, (name, text) in _COLUMNS.items():
        numbers = [getattr(each, key) for each in found]
        numbers = [np.nan if number is None else float(number) for number in numbers]
        attributes = {"units": "1" if key in _PURE else units, "long_name": text, "sources": ", ".join(sources)}
        dataset[name] = ("refinement", numbers, attributes)
    whole = variance + sum(each.unresolved**2 for each in found)
    text = "variance with all unresolved biases"
    squared = "1" if units == "1" else f"({units})^2"
    dataset["variance_with_bias"] = ((), whole, {"units": squared, "long_name": text, "sources": ", ".join(sources)})
    return dataset
