"""Between which distribution functions does the truth lie, whatever of the draws of what is not known is true?

A p-box (S. Ferson, V. Kreinovich, L. Ginzburg, D. Myers, K. Sentz, Sandia report SAND2002-4015, 2003): for every level,
the least and the largest quantile over all draws. The sample of a draw is finite, so that its quantile scatters: the
*raw* envelope is too wide by that, and grows with the number of draws. Beside it stands the envelope of quantiles that
were drawn towards their mean until their variance is the net one, as `frequency` does it for probabilities.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.questions.together import listed

__all__ = ["LEVELS", "envelope"]

Floats = NDArray[np.float64]
LEVELS = tuple(round(0.05 * k, 2) for k in range(1, 20))
"""Levels of the distribution function; fifty members tell none further out."""


def envelope(
    values: Floats, unit: str = "1", sources: Sequence[str] = (), levels: Sequence[float] = LEVELS
) -> xr.Dataset:
    """Return the p-box of an answer from a nested table.

    Parameters
    ----------
    values
        Shape (draws, inner), NaN where the member failed; a draw of which less than half succeeded is left out.
    unit, sources
        Of the answer.
    levels
        Levels of the distribution function.

    Returns
    -------
    Dataset
        Over `level`: `least` and `most` quantile over the draws with the inner noise removed, `raw_least` and
        `raw_most` with it, and the quantile of `all` members together.

    Raises
    ------
    StudyError
        With fewer than two draws, or fewer than twenty members a draw.
    """
    values = np.asarray(values, dtype=np.float64)
    there = np.isfinite(values).sum(axis=1) if values.ndim == 2 else np.zeros(0, np.int64)
    used = 2 * there >= (values.shape[1] if values.ndim == 2 else 1)
    if values.ndim != 2 or values.shape[1] < 20 or used.sum() < 2:
        raise StudyError(
            f"a table of shape {values.shape} gives no p-box: it takes two draws of twenty members or more; write "
            "members: {band: {draws: 24, inner: 50}}"
        )
    kept = values[used]
    raw = np.nanquantile(kept, levels, axis=1)
    net = raw.mean(axis=1, keepdims=True) + _shrink(kept, raw, levels) * (raw - raw.mean(axis=1, keepdims=True))
    net = np.maximum.accumulate(net, axis=0)  # quantiles rise with their level
    about = {"units": unit, "sources": listed(sources)}
    columns = {
        "least": (net.min(axis=1), "least quantile over the draws of what is not known, inner noise removed"),
        "most": (net.max(axis=1), "largest quantile over the draws of what is not known, inner noise removed"),
        "raw_least": (raw.min(axis=1), "least quantile over the draws, inner noise included"),
        "raw_most": (raw.max(axis=1), "largest quantile over the draws, inner noise included"),
        "all": (np.nanquantile(kept, levels), "quantile of all members together"),
    }
    found = {name: (("level",), column, about | {"long_name": words}) for name, (column, words) in columns.items()}
    counts = {"draws": f"{int(used.sum())} of {len(values)}", "members": f"{int(there[used].sum())} of {values.size}"}
    return xr.Dataset(found, {"level": list(levels)}, counts)


def _shrink(kept: Floats, raw: Floats, levels: Sequence[float]) -> Floats:
    """Return, per level, the factor that leaves the net variance of the quantiles, shape (levels, 1).

    The inner variance of a draw's quantile is that of leaving out one tenth of its members at a time (a grouped
    jackknife, which holds for quantiles where leaving out single members does not).
    """
    groups = 10
    number = np.arange(kept.shape[1]) % groups
    left = np.stack([np.nanquantile(kept[:, number != g], levels, axis=1) for g in range(groups)])
    noise = (groups - 1) / groups * np.sum((left - left.mean(axis=0)) ** 2, axis=0)
    total = raw.var(axis=1, ddof=1)
    net = np.maximum(total - noise.mean(axis=1), 0.0)
    return np.asarray(np.sqrt(np.divide(net, total, out=np.zeros_like(net), where=total > 0.0))[:, None])
