"""Voxels as fully integrated trilinear hexahedra: their stiffness, the forces on their nodes, their mean strain.

Arrays of nodes are ``(3, nx + 1, ny + 1, nz + 1)``; the edge of a voxel is one. The mean of the gradient over a voxel
is that in its centre, so that voxel averages are exact from the nodes alone.
"""

from __future__ import annotations

import itertools
from functools import cache

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["element_stiffness", "push_elements", "voxel_strain"]

Array = NDArray[np.float64]

CORNERS = np.array(list(itertools.product((0, 1), repeat=3)))
"""``(8, 3)``: offsets of the nodes of a voxel, the last axis fastest."""

_ROOT_HALF = float(np.sqrt(0.5))


def _gauss_strains() -> Array:
    """Return ``(8, 6, 24)``: Mandel strain at the Gauss points, of the displacement (axis fastest) of the nodes."""
    points = 0.5 + (CORNERS - 0.5) / np.sqrt(3.0)
    value = np.where(CORNERS == 1, points[:, None, :], 1.0 - points[:, None, :])  # (point, node, axis)
    slope = np.where(CORNERS == 1, 1.0, -1.0)
    gradient = np.empty((8, 8, 3))
    for axis in range(3):
        others = [a for a in range(3) if a != axis]
        gradient[:, :, axis] = slope[:, axis] * value[:, :, others[0]] * value[:, :, others[1]]
    strain = np.zeros((8, 6, 8, 3))
    for i in range(3):
        strain[:, i, :, i] = gradient[:, :, i]
    for row, (a, b) in ((3, (1, 2)), (4, (0, 2)), (5, (0, 1))):
        strain[:, row, :, a], strain[:, row, :, b] = _ROOT_HALF * gradient[:, :, b], _ROOT_HALF * gradient[:, :, a]
    return strain.reshape(8, 6, 24)


def element_stiffness(stiffness: Array) -> Array:
    """Return ``(grains, 24, 24)`` stiffness of one voxel of every grain, by 2 x 2 x 2 Gauss points, which is exact.

    Parameters
    ----------
    stiffness
        ``(grains, 6, 6)`` Mandel, GPa.
    """
    entries = stiffness.reshape(-1, 36) @ _of_entries()
    return np.ascontiguousarray(entries.reshape(-1, 24, 24))


@cache
def _of_entries() -> Array:
    """Return ``(36, 576)``: the element matrix of every unit entry of the stiffness."""
    at = _gauss_strains()
    return np.ascontiguousarray(np.einsum("qia,qjb->ijab", at, at).reshape(36, 576) / 8.0)


@njit(cache=True, nogil=True, error_model="numpy")
def push_elements(u: Array, grain_ids: NDArray[np.int32], table: Array, force: Array) -> None:
    """Write the forces on all nodes: the sum over the voxels of element stiffness times nodal displacement.

    Parameters
    ----------
    u
        ``(3, nx + 1, ny + 1, nz + 1)`` displacement.
    grain_ids
        ``(nx, ny, nz)``.
    table
        ``(grains, 24, 24)`` from `element_stiffness`.
    force
        As `u`, written.
    """
    nx, ny, nz = grain_ids.shape
    force[:] = 0.0
    own, total = np.empty(24), np.empty(24)
    for i in range(nx):
        for j in range(ny):
            for k in range(nz):
                for n in range(8):
                    for c in range(3):
                        own[3 * n + c] = u[c, i + (n >> 2), j + ((n >> 1) & 1), k + (n & 1)]
                total[:] = 0.0
                rows = table[grain_ids[i, j, k]]
                for a in range(0, 24, 3):  # three rows at once: the sums are then fetched and put back a third as often
                    x, y, z, ux, uy, uz = rows[a], rows[a + 1], rows[a + 2], own[a], own[a + 1], own[a + 2]
                    for b in range(24):
                        total[b] = total[b] + x[b] * ux + y[b] * uy + z[b] * uz
                for n in range(8):
                    for c in range(3):
                        force[c, i + (n >> 2), j + ((n >> 1) & 1), k + (n & 1)] += total[3 * n + c]


def voxel_strain(u: Array) -> Array:
    """Return the mean strain of every voxel, ``(6, nx, ny, nz)`` Mandel, from nodes ``(3, nx + 1, ...)``."""

    def along(field: Array, axis: int, *, slope: bool) -> Array:
        low, high = (np.take(field, np.arange(s, field.shape[axis] - 1 + s), axis=axis) for s in (0, 1))
        return high - low if slope else 0.5 * (high + low)

    gradient = []
    for axis in range(3):
        field = u
        for other in (1, 2, 3):
            field = along(field, other, slope=other == axis + 1)
        gradient.append(field)
    dx, dy, dz = gradient
    shears = [_ROOT_HALF * (dy[2] + dz[1]), _ROOT_HALF * (dx[2] + dz[0]), _ROOT_HALF * (dx[1] + dy[0])]
    return np.stack([dx[0], dy[1], dz[2], *shears])
