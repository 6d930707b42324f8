"""A periodic block of grains on a voxel grid: who owns which voxel, and which way each grain points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from uqmsm.errors import StudyError
from uqmsm.physics.rve.rotations import random_orientations

__all__ = ["Polycrystal", "polycrystal", "volume_fractions", "voronoi"]

Array = NDArray[np.float64]
GrainIds = NDArray[np.int32]


@dataclass(frozen=True)
class Polycrystal:
    """Grains of a periodic cell.

    Attributes
    ----------
    grain_ids
        ``(nx, ny, nz)`` int32, the grain of every voxel.
    orientations
        ``(grains, 3, 3)`` rotation matrices, crystal to sample.
    fractions
        ``(grains,)`` volume fractions, summing to one; zero for a grain too small to own a voxel.
    """

    grain_ids: GrainIds
    orientations: Array
    fractions: Array


def voronoi(rng: np.random.Generator, grains: int, shape: tuple[int, int, int]) -> GrainIds:
    """Draw a periodic Poisson-Voronoi tessellation on a grid of cubic voxels.

    ``3 * grains`` uniforms are consumed whatever the grid, so that the same stream gives the same grains on a finer
    grid of the same proportions.

    Parameters
    ----------
    rng
        Source of chance.
    grains
        Number of seeds.
    shape
        Voxels along x, y, z.

    Returns
    -------
    ndarray
        ``shape`` int32, the nearest seed of each voxel centre under periodic images.

    Raises
    ------
    StudyError
        When `grains` or an edge of the grid is smaller than one.
    """
    if grains < 1 or min(shape) < 1:
        raise StudyError(f"voronoi: {grains} grains on a grid of {shape}; both need to be at least 1")
    box = np.asarray(shape, dtype=np.float64) / max(shape)
    # A product with 1 - 2^-53 may round up to the edge itself, which the periodic tree refuses.
    seeds = np.minimum(rng.random((grains, 3)) * box, np.nextafter(box, 0.0))
    tree = cKDTree(seeds, boxsize=box)
    centres = [(np.arange(n) + 0.5) / max(shape) for n in shape]
    points = np.stack(np.meshgrid(*centres, indexing="ij"), axis=-1).reshape(-1, 3)
    _, nearest = tree.query(points)
    return np.ascontiguousarray(nearest.reshape(shape), dtype=np.int32)


def volume_fractions(grain_ids: GrainIds, grains: int) -> Array:
    """Return the share of voxels of each of `grains` grains, ``(grains,)``."""
    counts = np.bincount(grain_ids.ravel(), minlength=grains)
    return np.asarray(counts / grain_ids.size, dtype=np.float64)


def polycrystal(
    shape_rng: np.random.Generator, orientation_rng: np.random.Generator, grains: int, shape: tuple[int, int, int]
) -> Polycrystal:
    """Draw a random periodic polycrystal: Voronoi grains with uniform orientations.

    The two generators may be one and the same; shapes are drawn first.

    Parameters
    ----------
    shape_rng, orientation_rng
        Sources of chance of the grain shapes and of the orientations.
    grains
        Number of grains.
    shape
        Voxels along x, y, z.

    Raises
    ------
    StudyError
        When `grains` or an edge of the grid is smaller than one.
    """
    ids = voronoi(shape_rng, grains, shape)
    return Polycrystal(ids, random_orientations(orientation_rng, grains), volume_fractions(ids, grains))
