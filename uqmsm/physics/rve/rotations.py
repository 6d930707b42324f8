"""Which way the crystals point: uniformly random rotations."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError

__all__ = ["matrices_from_quaternions", "random_orientations"]

Array = NDArray[np.float64]


def random_orientations(rng: np.random.Generator, grains: int) -> Array:
    """Draw rotations uniformly from SO(3).

    Always ``3 * grains`` uniforms are consumed, and the first orientations stay the same when more are asked for.

    Parameters
    ----------
    rng
        Source of chance.
    grains
        Number of orientations.

    Returns
    -------
    ndarray
        ``(grains, 3, 3)`` proper rotation matrices, crystal to sample.

    Raises
    ------
    StudyError
        When `grains` is smaller than one.

    References
    ----------
    K. Shoemake, Uniform random rotations, in Graphics Gems III (1992), 124-132.
    """
    if grains < 1:
        raise StudyError(f"random_orientations: grains is {grains}; it must be at least 1")
    u = rng.random((grains, 3))
    inner, outer = np.sqrt(1.0 - u[:, 0]), np.sqrt(u[:, 0])
    first, second = 2.0 * np.pi * u[:, 1], 2.0 * np.pi * u[:, 2]
    quaternions = np.stack(
        [outer * np.cos(second), inner * np.sin(first), inner * np.cos(first), outer * np.sin(second)], axis=1
    )
    return matrices_from_quaternions(quaternions)


def matrices_from_quaternions(quaternions: Array) -> Array:
    """Turn unit quaternions ``(..., 4)``, scalar part first, into rotation matrices ``(..., 3, 3)``."""
    w, x, y, z = np.moveaxis(np.asarray(quaternions, dtype=np.float64), -1, 0)
    rows = [
        [1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - w * z), 2.0 * (x * z + w * y)],
        [2.0 * (x * y + w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - w * x)],
        [2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)
