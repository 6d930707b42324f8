"""Which way grown crystals point: at random, round a fibre, or round one component; sharp or spread."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError

__all__ = ["AXES", "component_texture", "fibre_texture", "random_texture"]

Array = NDArray[np.float64]

AXES = {"100": (1.0, 0.0, 0.0), "110": (1.0, 1.0, 0.0), "111": (1.0, 1.0, 1.0)}
"""Crystal directions of a fibre, by name."""


def _normals(rng: np.random.Generator, grains: int, each: int) -> Array:
    if grains < 1:
        raise StudyError(f"texture: {grains} grains; give at least 1")
    return rng.standard_normal((grains, each))


def random_texture(rng: np.random.Generator, grains: int) -> Array:
    """Draw rotations uniformly, ``(grains, 3, 3)``, crystal to sample; four normal numbers each make a quaternion.

    Raises
    ------
    StudyError
        When `grains` is below one.
    """
    from scipy.spatial.transform import Rotation

    return np.asarray(Rotation.from_quat(_normals(rng, grains, 4)).as_matrix())


def component_texture(rng: np.random.Generator, grains: int, spread_rad: float) -> Array:
    """Draw rotations round the cube component (crystal axes along the sample's), ``(grains, 3, 3)``.

    Parameters
    ----------
    spread_rad
        Standard deviation of each component of the rotation vector; 0 gives the component itself. Small spreads are
        meant: the law wraps round.

    Raises
    ------
    StudyError
        When `grains` is below one or the spread negative.
    """
    from scipy.spatial.transform import Rotation

    _check(spread_rad)
    return np.asarray(Rotation.from_rotvec(spread_rad * _normals(rng, grains, 3)).as_matrix())


def fibre_texture(
    rng: np.random.Generator,
    grains: int,
    crystal: tuple[float, float, float],
    sample: tuple[float, float, float],
    spread_rad: float,
) -> Array:
    """Draw rotations that lay a crystal direction along a sample direction, any angle about it, ``(grains, 3, 3)``.

    Parameters
    ----------
    crystal, sample
        Directions, of any length above zero.
    spread_rad
        Standard deviation of each component of a further small rotation; 0 gives a sharp fibre.

    Raises
    ------
    StudyError
        When `grains` is below one or the spread negative.
    """
    from scipy.spatial.transform import Rotation

    _check(spread_rad)
    numbers = _normals(rng, grains, 5)
    turn = np.arctan2(numbers[:, 0], numbers[:, 1])  # uniform
    along = np.asarray(sample, np.float64) / np.linalg.norm(sample)
    lay, _ = Rotation.align_vectors(along[None], np.asarray(crystal, np.float64)[None] / np.linalg.norm(crystal))
    spread = Rotation.from_rotvec(spread_rad * numbers[:, 2:])
    return np.asarray((spread * Rotation.from_rotvec(turn[:, None] * along) * lay).as_matrix())


def _check(spread_rad: float) -> None:
    if not spread_rad >= 0.0:
        raise StudyError(f"texture: a spread of {spread_rad}; it must not be negative")
