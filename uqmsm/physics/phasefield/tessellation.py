"""Grains to start from: periodic Voronoi and Laguerre cells on a voxel grid, with a wanted law of sizes.

A Laguerre (power) cell holds the points x with the smallest |x - s|^2 - w. With one more coordinate
sqrt(max w - w) of the seeds, zero for the points, that is the nearest seed in Euclid's sense, so a k-d tree finds it.
The tree is asked once per block of voxels; a block then compares its voxels with the few seeds that can win there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from uqmsm.errors import StudyError

__all__ = ["Laguerre", "laguerre", "lognormal_volumes", "power_diagram", "voronoi_ids"]

Array = NDArray[np.float64]
GrainIds = NDArray[np.int32]

_BLOCK = 8


@njit(cache=True, nogil=True, error_model="numpy")
def _paint(
    seeds: Array,
    weights: Array,
    shape: tuple[int, int, int],
    corners: NDArray[np.int64],
    starts: NDArray[np.int64],
    members: NDArray[np.int64],
    out: NDArray[np.int32],
) -> None:
    """Give each voxel of each block to the best of the block's seeds; of equals, the lower number."""
    for block in range(corners.shape[0]):
        x0, y0, z0 = corners[block]
        for x in range(x0, min(x0 + _BLOCK, shape[0])):
            for y in range(y0, min(y0 + _BLOCK, shape[1])):
                for z in range(z0, min(z0 + _BLOCK, shape[2])):
                    best, least = -1, np.inf
                    for place in range(starts[block], starts[block + 1]):
                        g = members[place]
                        power = -weights[g]
                        for axis in range(3):
                            here = x if axis == 0 else (y if axis == 1 else z)
                            apart = abs(here + 0.5 - seeds[g, axis])
                            apart = min(apart, shape[axis] - apart)
                            power += apart * apart
                        if power < least or (power == least and g < best):
                            best, least = g, power
                    out[x, y, z] = best


def power_diagram(seeds_voxels: Array, weights_voxels2: Array, shape: tuple[int, ...]) -> GrainIds:
    """Return the periodic power diagram of seeds on a grid.

    Parameters
    ----------
    seeds_voxels
        ``(grains, 2)`` or ``(grains, 3)``, each coordinate in [0, edge); voxel i is centred at i + 1/2.
    weights_voxels2
        ``(grains,)``; all equal gives the Voronoi cells.
    shape
        Voxels along each axis.

    Returns
    -------
    ndarray
        ``shape`` int32. A seed of small weight may own nothing.

    Raises
    ------
    StudyError
        When the seeds do not fit to the grid, or lie outside.
    """
    box = np.array(shape, np.float64)
    if seeds_voxels.ndim != 2 or seeds_voxels.shape[1] != box.size or not len(seeds_voxels):
        raise StudyError(f"power_diagram: seeds {seeds_voxels.shape} on a grid of {shape}; give one row per grain")
    if seeds_voxels.min() < 0.0 or np.any(seeds_voxels >= box):
        raise StudyError(f"power_diagram: a seed lies outside the grid of {shape}; wrap it into [0, edge)")
    full = (*shape, 1) if len(shape) == 2 else shape
    lift = np.sqrt(np.max(weights_voxels2) - weights_voxels2)
    tree = cKDTree(np.column_stack([seeds_voxels, lift]), boxsize=np.append(box, 0.0))
    edges = [np.arange(0, n, _BLOCK) for n in full]
    corners = np.stack(np.meshgrid(*edges, indexing="ij"), axis=-1).reshape(-1, 3)
    ends = np.minimum(corners + _BLOCK, full)
    centres = 0.5 * (corners + ends)[:, : box.size]
    asked = np.column_stack([centres, np.zeros(len(centres))])
    # A voxel lies within `reach` of the centre of its block, so its winner lies within least + 2 reach of the centre.
    reach = 0.5 * np.linalg.norm((ends - corners - 1)[:, : box.size], axis=1)
    least, _ = tree.query(asked)
    found = tree.query_ball_point(asked, (least + 2.0 * reach) * (1.0 + 1e-9) + 1e-9)
    starts = np.concatenate([[0], np.cumsum([len(one) for one in found])]).astype(np.int64)
    members = np.concatenate([np.asarray(one, np.int64) for one in found])
    seeds = np.full((len(seeds_voxels), 3), 0.5)
    seeds[:, : box.size] = seeds_voxels
    out = np.empty(full, np.int32)
    _paint(seeds, np.asarray(weights_voxels2, np.float64), full, corners, starts, members, out)
    return out.reshape(shape)


def _scatter(rng: np.random.Generator, grains: int, shape: tuple[int, ...]) -> Array:
    if grains < 1 or len(shape) not in (2, 3) or min(shape) < 1:
        raise StudyError(f"tessellation: {grains} grains on a grid of {shape}; both need to be at least 1")
    box = np.array(shape, np.float64)
    return np.minimum(rng.random((grains, box.size)) * box, np.nextafter(box, 0.0))


def voronoi_ids(rng: np.random.Generator, grains: int, shape: tuple[int, ...]) -> GrainIds:
    """Draw a periodic Poisson-Voronoi tessellation, ``shape`` int32; `grains` times dimensions uniforms are used.

    Raises
    ------
    StudyError
        When `grains` or an edge is below one.
    """
    return power_diagram(_scatter(rng, grains, shape), np.zeros(grains), shape)


def lognormal_volumes(rng: np.random.Generator, grains: int, radius_log_std: float, dimensions: int) -> Array:
    """Draw shares of volume, summing to one, of grains whose equivalent radius is lognormal.

    Parameters
    ----------
    radius_log_std
        Standard deviation of the logarithm of the radius; about 0.35 to 0.5 in annealed metals.
    dimensions
        2 or 3.
    """
    volumes = np.exp(dimensions * radius_log_std * rng.standard_normal(grains))
    return np.asarray(volumes / volumes.sum())


@dataclass(frozen=True)
class Laguerre:
    """A power diagram fitted to wanted volumes.

    Attributes
    ----------
    grain_ids
        ``shape`` int32.
    seeds_voxels, weights_voxels2
        What `power_diagram` made it of.
    wanted, reached
        ``(grains,)`` shares of volume.
    error
        Root mean square of (reached - wanted) / mean wanted.
    rounds
        Diagrams made.
    """

    grain_ids: GrainIds
    seeds_voxels: Array
    weights_voxels2: Array
    wanted: Array
    reached: Array
    error: float
    rounds: int


def _centroids(ids: GrainIds, seeds: Array, grains: int) -> Array:
    """Return the periodic centre of mass of every cell; the seed itself where a cell is empty."""
    flat = ids.ravel()
    count = np.maximum(np.bincount(flat, minlength=grains), 1)
    out = seeds.copy()
    for axis, n in enumerate(ids.shape):
        along = (np.arange(n) + 0.5).reshape([-1 if a == axis else 1 for a in range(ids.ndim)])
        apart = np.broadcast_to(along, ids.shape).ravel() - seeds[flat, axis]
        apart -= n * np.round(apart / n)
        moved = seeds[:, axis] + np.bincount(flat, weights=apart, minlength=grains) / count
        out[:, axis] = np.minimum(np.mod(moved, n), np.nextafter(float(n), 0.0))
    return out


def laguerre(
    rng: np.random.Generator, volumes: Array, shape: tuple[int, ...], rounds: int = 60, tolerance: float = 0.03
) -> Laguerre:
    """Draw seeds at random and fit weights and seeds until the cells have the wanted volumes.

    In each round of the first half a seed moves to the centre of its cell (S. Lloyd, IEEE Trans. Inf. Theory 28, 1982);
    in all rounds its weight moves by the missing volume over the rate at which a round cell grows with its weight,
    damped where the volume overshoots: a diagonal form of Newton's method of the transport problem behind it
    (D. P. Bourne, P. J. J. Kok, S. M. Roper, W. D. T. Spanjer, Phil. Mag. 100, 2020, 2677-2707).

    Parameters
    ----------
    rng
        Source of chance of the first seeds: `grains` times dimensions uniforms.
    volumes
        ``(grains,)`` positive; scaled to sum to one.
    shape
        Voxels along each axis.
    rounds
        Most diagrams to make.
    tolerance
        Stop when the error is this small, in the second half; what was reached is told by `Laguerre.error`.

    Raises
    ------
    StudyError
        When a volume is not positive.
    """
    if not np.all(volumes > 0.0):
        raise StudyError(f"laguerre: the smallest wanted volume is {np.min(volumes)}; all have to be positive")
    grains, d = len(volumes), len(shape)
    seeds = _scatter(rng, grains, shape)
    wanted = volumes / volumes.sum() * np.prod(shape)
    radius = (wanted / np.pi) ** 0.5 if d == 2 else (3.0 * wanted / (4.0 * np.pi)) ** (1 / 3)
    # a cell of volume V touching others of its size grows by surface / (2 distance) per unit of weight
    stiffness = np.pi / 2.0 if d == 2 else np.pi * radius
    weights = radius**2
    damping, before = np.full(grains, 0.6), np.zeros(grains)
    done = 0
    while True:
        ids = power_diagram(seeds, weights, shape)
        done += 1
        reached = np.bincount(ids.ravel(), minlength=grains)
        error = float(np.sqrt(np.mean((reached - wanted) ** 2)) / wanted.mean())
        if done >= rounds or (error <= tolerance and 2 * done >= rounds):
            share = np.prod(shape)
            return Laguerre(ids, seeds, weights, wanted / share, reached / share, error, done)
        missing = wanted - reached
        damping = np.clip(np.where(missing * before < 0.0, 0.5 * damping, 1.15 * damping), 0.05, 1.0)
        before = missing
        weights = weights + np.clip(damping * missing / stiffness, -0.5 * radius**2, 0.5 * radius**2)
        if 2 * done < rounds:
            seeds = _centroids(ids, seeds, grains)
