"""By how much a computed number will miss, foretold for one material from others of its kind that were measured.

Misses of the materials are mu + tau xi, all alike before they are seen, and are seen with the errors of measurements.
mu has a normal prior, tau a half-normal one that is integrated out on a grid, exact and without sampling. The material
foretold is one more of the same kind.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from uqmsm.errors import StudyError

__all__ = ["foretold_miss"]

Floats = NDArray[np.float64]

_NODES = 24


def foretold_miss(miss: Floats, sd: Floats, scale: float) -> tuple[float, float]:
    """Return mean and standard deviation of the miss of one more material.

    Parameters
    ----------
    miss
        Measured minus computed, of each material that was measured; may be empty.
    sd
        Standard errors of the measurements.
    scale
        Standard deviation of mu before anything is seen; the scale of tau is half of it.

    Raises
    ------
    StudyError
        When numbers do not fit, or an error or the scale is not positive.
    """
    d, s = np.asarray(miss, dtype=np.float64), np.asarray(sd, dtype=np.float64)
    if d.shape != s.shape or d.ndim != 1 or not (s > 0.0).all() or not scale > 0.0:
        raise StudyError(f"foretold_miss: {d.shape} misses with {s.shape} errors, scale {scale:g}; errors are positive")
    levels, spreads, logs = np.empty(_NODES), np.empty(_NODES), np.empty(_NODES)
    for k in range(_NODES):
        tau = 0.5 * scale * float(ndtri(0.5 + 0.5 * (k + 0.5) / _NODES))
        variance = s * s + tau * tau
        precision = 1.0 / scale**2 + float(np.sum(1.0 / variance))
        levels[k] = float(np.sum(d / variance)) / precision
        spreads[k] = 1.0 / precision + tau * tau
        logs[k] = 0.5 * (levels[k] ** 2 * precision - np.sum(d * d / variance) - np.sum(np.log(variance)))
        logs[k] -= 0.5 * np.log(precision)
    weight = np.exp(logs - logs.max())
    weight /= weight.sum()
    mean = float(np.sum(weight * levels))
    return mean, float(np.sqrt(np.sum(weight * (spreads + (levels - mean) ** 2))))
