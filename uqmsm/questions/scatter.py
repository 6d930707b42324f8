"""On which scale is scatter to be shared out: the answer, its logarithm or its ranks; they answer different questions.

Heavy tails make interactions by themselves: the exponential of a purely additive sum with sd(log y) = 1 has 27 % of
them. A ledger of log y or of ranks is then shown first, named as such, and the raw one second.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kurtosis, rankdata

from uqmsm.errors import StudyError

__all__ = ["HEAVY_KURTOSIS", "HEAVY_LOG_SD", "Scale", "rescale", "scales"]

Scale = Literal["raw", "log", "rank"]
HEAVY_LOG_SD = 0.5
"""A positive answer whose logarithm scatters by more is heavy-tailed."""
_W = float(np.exp(HEAVY_LOG_SD**2))
HEAVY_KURTOSIS = _W**4 + 2.0 * _W**3 + 3.0 * _W**2 - 3.0
"""Kurtosis of a lognormal with that sd of the logarithm (8.9): the same line for answers that change sign."""


def scales(values: NDArray[np.float64]) -> tuple[Scale, ...]:
    """Return the scales on which to show the ledger, the first one first.

    Parameters
    ----------
    values
        Answers, shape (members,); NaN where a member failed.
    """
    there = values[np.isfinite(values)]
    if len(there) < 2:
        return ("raw",)
    if there.min() > 0.0:
        return ("log", "raw") if np.std(np.log(there)) > HEAVY_LOG_SD else ("raw",)
    varies = there.min() < 0.0 < there.max()
    heavy = np.ptp(there) > 0.0 and kurtosis(there, fisher=False) > HEAVY_KURTOSIS
    return ("rank", "raw") if varies and heavy else ("raw",)


def rescale(values: NDArray[np.float64], scale: Scale) -> NDArray[np.float64]:
    """Return the answers on another scale, failed members still NaN.

    Ranks are (rank - 1/2)/n, in (0, 1), ties shared.

    Raises
    ------
    StudyError
        When a logarithm is asked of an answer that is not positive, or the scale is unknown.
    """
    values = np.asarray(values, dtype=np.float64)
    there = np.isfinite(values)
    if scale == "raw":
        return values
    if scale == "log":
        if (values[there] <= 0.0).any():
            raise StudyError(f"log ledger of an answer that reaches {values[there].min():g}; ask for ranks")
        return np.log(values)
    if scale == "rank":
        ranks = np.full_like(values, np.nan)
        ranks[there] = (rankdata(values[there]) - 0.5) / max(there.sum(), 1)
        return ranks
    raise StudyError(f"scale {scale!r}; say 'raw', 'log' or 'rank'")
