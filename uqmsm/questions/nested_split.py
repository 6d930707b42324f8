"""How much of the scatter is ignorance, how much chance?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.questions.rectangles import Estimate, jackknife, ratio, replicates

__all__ = ["NestedSplit", "nested_split"]

Floats = NDArray[np.float64]
_FEWEST_DRAWS = 8


@dataclass(frozen=True)
class NestedSplit:
    """The law of total variance over a nested table, epistemic outside, bias removed.

    Parameters
    ----------
    between
        Variance over draws of the mean over chance; may come out negative.
    within
        Mean over draws of the variance over chance.
    removed
        E[within]/n, which the variance of the inner means has too much.
    between_share
        between/(between + within).
    """

    between: Estimate
    within: Estimate
    removed: float
    between_share: Estimate


def nested_split(values: Floats, level: float = 0.9) -> NestedSplit:
    """Return the epistemic and the aleatoric variance of a nested table, unbiased.

    Parameters
    ----------
    values
        Answers, shape (draws, inner); NaN where the member failed. Draws with fewer than two are left out.
    level
        Nominal coverage of the intervals.

    Raises
    ------
    StudyError
        With fewer than 8 draws of two members or more.
    """
    values = np.asarray(values, dtype=np.float64)
    there = np.isfinite(values)
    used = there.sum(axis=1) >= 2 if values.ndim == 2 else np.zeros(0, bool)
    if used.sum() < _FEWEST_DRAWS:
        raise StudyError(
            f"{used.sum()} draws with two members or more in a table of shape {values.shape}; the split needs"
            f" {_FEWEST_DRAWS}: run Nested(sources, draws={_FEWEST_DRAWS}, inner=4) or more"
        )
    count = there[used].sum(axis=1)
    inner_mean = np.nanmean(values[used], axis=1)
    inner_variance = np.nanvar(values[used], axis=1, ddof=1)
    rows = len(count)
    size = np.concatenate([[rows], np.full(rows, rows - 1)]).astype(np.float64)
    center = inner_mean.mean()
    spread = replicates((inner_mean - center) ** 2) - (replicates(inner_mean) - center) ** 2
    removed, within = replicates(inner_variance / count), replicates(inner_variance)
    between = spread * size / (size - 1.0) - removed
    share = ratio(between, between + within)
    return NestedSplit(jackknife(between, level), jackknife(within, level), float(removed[0]), jackknife(share, level))
