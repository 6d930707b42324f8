"""Voxels that a boundary cuts: each gets the stiffness of two layers with the boundary's own normal.

A coarse grid sees a staircase where grains meet. A *composite voxel* has the exact stiffness of a laminate of what lies
in it, so that stress across the boundary and strain along it are continuous inside the voxel (M. Kabel, D. Merkert,
M. Schneider, Comput. Methods Appl. Mech. Eng. 294, 2015, 168). The solvers need not know: a composite voxel is one more
entry of the table of stiffnesses.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.tensors import COMPONENTS, mandel_to_voigt, voigt_to_mandel

__all__ = ["composite_voxels", "layered"]

Array = NDArray[np.float64]
GrainIds = NDArray[np.int32]

_ROOT_HALF = float(np.sqrt(0.5))


def layered(first: Array, second: Array, share: Array, normal: Array) -> Array:
    """Return the exact stiffness of two layers for any normal, many at once.

    With the strain ``E + (1 - f) n*a`` in the first and ``E - f n*a`` in the second layer, n*a the symmetric product,
    continuous tractions give the vector a (G. W. Milton, The Theory of Composites, 2002, chapter 9).

    Parameters
    ----------
    first, second
        ``(..., 6, 6)`` Mandel.
    share
        ``(...,)`` f, the share of the first.
    normal
        ``(..., 3)`` unit normals.
    """
    dyad = np.zeros((*normal.shape[:-1], 6, 3))
    for row, (i, j) in enumerate(COMPONENTS):
        if i == j:
            dyad[..., row, i] = normal[..., i]
        else:
            dyad[..., row, i], dyad[..., row, j] = _ROOT_HALF * normal[..., j], _ROOT_HALF * normal[..., i]
    f = np.asarray(share)[..., None, None]
    across = np.swapaxes(dyad, -1, -2)
    jump = first - second
    acoustic = across @ ((1.0 - f) * first + f * second) @ dyad
    relief = np.linalg.solve(acoustic, across @ jump)
    return np.asarray(f * first + (1.0 - f) * second - f * (1.0 - f) * (jump @ dyad @ relief))


def composite_voxels(stiffness_GPa: Array, fine_ids: GrainIds, factor: int) -> tuple[Array, GrainIds]:
    """Coarsen a map of grains; voxels with more than one grain become laminates.

    The normal points from the middle of the largest share to that of the rest. Where more than two grains meet, the
    rest is one layer with the mean of its Voigt and Reuss averages, and so is the whole voxel where there is no normal.

    Parameters
    ----------
    stiffness_GPa
        ``(grains, 6, 6)`` Voigt.
    fine_ids
        ``(factor nx, factor ny, factor nz)`` the grains on a finer grid.
    factor
        Fine voxels along the edge of a coarse one.

    Returns
    -------
    stiffness_GPa, grain_ids
        For `homogenize`: the table with one more entry per composite voxel, and ``(nx, ny, nz)``.

    Raises
    ------
    StudyError
        When the factor does not divide the edges of the grid.
    """
    if factor < 1 or any(edge % factor for edge in fine_ids.shape):
        raise StudyError(
            f"composite_voxels: a grid of {fine_ids.shape} has no coarse voxels of {factor}; choose a divisor"
        )
    coarse = tuple(edge // factor for edge in fine_ids.shape)
    parts = fine_ids.reshape(coarse[0], factor, coarse[1], factor, coarse[2], factor)
    inside = parts.transpose(0, 2, 4, 1, 3, 5).reshape(-1, factor**3)
    ids = inside[:, 0].astype(np.int32)
    mixed = np.flatnonzero((inside != inside[:, :1]).any(axis=1))
    if mixed.size == 0:
        return np.asarray(stiffness_GPa), ids.reshape(coarse)
    places = np.array(list(itertools.product(range(factor), repeat=3)), dtype=np.float64)
    stiff = voigt_to_mandel(stiffness_GPa)
    soft = np.asarray(np.linalg.inv(stiff), dtype=np.float64)
    pairs = [_two_layers(inside[voxel], places, stiff, soft) for voxel in mixed]
    first, second, share, normal = (np.array(column) for column in zip(*pairs, strict=True))
    made = layered(first, second, share, normal)
    ids[mixed] = len(stiff) + np.arange(mixed.size)
    return np.concatenate([stiffness_GPa, mandel_to_voigt(made)]), ids.reshape(coarse)


def _two_layers(ids: GrainIds, places: Array, stiff: Array, soft: Array) -> tuple[Array, Array, float, Array]:
    """Return the stiffness of the largest share and of the rest, the share, and the normal between them."""
    grains, counts = np.unique(ids, return_counts=True)
    largest = grains[np.argmax(counts)]
    own = ids == largest
    others, weights = grains[grains != largest], counts[grains != largest] / (~own).sum()
    away = places[~own].mean(axis=0) - places[own].mean(axis=0)
    length = float(np.sqrt(np.sum(away * away)))
    share = float(own.mean())
    if length > 1e-9:
        return stiff[largest], _hill(stiff[others], soft[others], weights), share, away / length
    whole = _hill(stiff[grains], soft[grains], counts / counts.sum())
    return whole, whole, share, np.array([1.0, 0.0, 0.0])


def _hill(stiff: Array, soft: Array, weights: Array) -> Array:
    """Return the mean of the Voigt and the Reuss average."""
    if len(weights) == 1:
        return np.asarray(stiff[0])
    upper = np.einsum("g,gij->ij", weights, stiff)
    lower = np.linalg.inv(np.einsum("g,gij->ij", weights, soft))
    return np.asarray((upper + lower) / 2.0)
