"""Is there failure in directions where nobody has looked: on a sphere a little beyond the nearest that is known?

A failure region that was missed and matters is nearer than the one that was found, or not much farther, so that a
sphere beyond it cuts a cap out of it. The probe is blind to caps smaller than about one in its number of points.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import qmc

__all__ = ["APART", "directions", "farthest"]

Floats = NDArray[np.float64]
APART = 0.7
"""Cosine below which a direction is another one: more than 45 degrees away."""
_MOST_SOBOL = 21_201


def directions(placed: int, count: int) -> Floats:
    """Return unit vectors: both ends of every axis, and points of a Sobol sequence, always the same ones."""
    axes = np.concatenate([np.eye(placed), -np.eye(placed)])
    if placed > _MOST_SOBOL:
        return axes
    uniform = qmc.Sobol(placed, scramble=False).random(1 << max(int(np.ceil(np.log2(count + 1))), 1))[1 : count + 1]
    normal = ndtri(np.clip(uniform, 1e-6, 1.0 - 1e-6))
    length = np.linalg.norm(normal, axis=1, keepdims=True)
    return np.concatenate([axes, (normal / np.maximum(length, 1e-12))[length[:, 0] > 0.0]])


def farthest(ways: Floats, known: Floats) -> Floats:
    """Return the largest cosine of each direction with known failures, or with their mean.

    With many sources every failure is far from every other, but not from their mean.

    Parameters
    ----------
    ways
        Unit vectors, shape (directions, placed).
    known
        Points of failure, shape (points, placed), at least one.
    """
    lengths = np.linalg.norm(known, axis=1, keepdims=True)
    nearest = (ways @ (known / np.maximum(lengths, 1e-12)).T).max(axis=1)
    mean = known.mean(axis=0)
    return np.asarray(np.maximum(nearest, ways @ mean / max(float(np.linalg.norm(mean)), 1e-12)))
