"""From the displacement of nodes to nodal forces in one sweep: hexahedra with one integration point, any precision.

Node (i, j, k) is the lower corner of voxel (i, j, k), the grid is periodic, the edge of a voxel is one. Neither strain
nor stress is ever stored. The factors 1/4 of the gradient and sqrt(1/2) of the Mandel shear are taken into the table of
stiffnesses (`scaled_table`), so that single precision stays single. Forces on a plane of nodes are the sum of what the
voxels below and above push, always in this order, and sums are kept per plane: the answer does not depend on how the
planes are shared among threads.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["FACTORS", "push", "scaled_table"]

Array = NDArray[np.floating]
Planes = tuple[int, int]

FACTORS = 0.25 * np.sqrt(np.array([1.0, 1.0, 1.0, 0.5, 0.5, 0.5]))
"""What a raw strain, the plain sum of differences of nodes, has to be multiplied by to become Mandel strain."""


def scaled_table(stiffness: NDArray[np.float64], mean_strain: NDArray[np.float64], kind: type) -> Array:
    """Return ``(grains, 7, 6)``: six rows of stiffness between raw strains and raw stresses, and what the mean adds."""
    rows = FACTORS[:, None] * stiffness * FACTORS
    shift = FACTORS * np.einsum("gij,j->gi", stiffness, mean_strain)
    return np.ascontiguousarray(np.concatenate([rows, shift[:, None, :]], axis=1).astype(kind))


@njit(cache=True, nogil=True, error_model="numpy")
def push(
    u: Array,
    grain_ids: NDArray[np.int32],
    table: Array,
    planes: Planes,
    force: Array,
    sums: NDArray[np.float64],
    measure: bool,
) -> None:
    """Write the forces with which the voxels push the nodes of the planes.

    Parameters
    ----------
    u
        ``(3, nx, ny, nz)`` displacement.
    grain_ids
        ``(nx, ny, nz)``.
    table
        From `scaled_table`.
    planes
        First plane, and the one after the last.
    force
        ``(3, nx, ny, nz)``, written: the transpose of the strain, applied to the stress.
    sums
        ``(nx, 13)``, written: the sum over each plane of raw stress times raw strain; with `measure` also the sums of
        the six raw strains and of the six raw stresses.
    """
    nx, ny, nz = grain_ids.shape
    above, below = np.zeros((3, ny, nz), u.dtype), np.zeros((3, ny, nz), u.dtype)
    own = np.empty((3, ny, nz), u.dtype)
    rows, strain, stress = np.empty((9, nz + 1), u.dtype), np.empty((6, nz), u.dtype), np.empty((6, nz + 1), u.dtype)
    totals = np.empty((13, nz))
    for sweep in range(planes[0] - 1, planes[1]):
        i = sweep % nx
        own[:] = 0
        above[:] = 0
        totals[:] = 0.0
        for j in range(ny):
            _gather(u, i, j, rows)
            _strain(rows, strain)
            _respond(strain, grain_ids[i, j], table, stress)
            _total(strain, stress, totals, measure)
            _scatter(stress, j, own, above)
        if sweep >= planes[0]:
            for c in range(13):
                sums[i, c] = totals[c].sum()
            for c in range(3):
                for j in range(ny):
                    for k in range(nz):
                        force[c, i, j, k] = below[c, j, k] + own[c, j, k]
        below, above = above, below


@njit(cache=True, nogil=True, error_model="numpy")
def _gather(u: Array, i: int, j: int, rows: Array) -> None:
    """Sum, difference along x and difference along y of the four nodes around each edge along z; the first again."""
    _, nx, ny, nz = u.shape
    ahead, aside = (i + 1) % nx, (j + 1) % ny
    for c in range(3):
        near, beside, far, across = u[c, i, j], u[c, i, aside], u[c, ahead, j], u[c, ahead, aside]
        total, along_x, along_y = rows[c], rows[3 + c], rows[6 + c]
        for k in range(nz):
            total[k] = (near[k] + beside[k]) + (far[k] + across[k])
        for k in range(nz):
            along_x[k] = (far[k] + across[k]) - (near[k] + beside[k])
        for k in range(nz):
            along_y[k] = (beside[k] + across[k]) - (near[k] + far[k])
    for c in range(9):
        rows[c, nz] = rows[c, 0]


@njit(cache=True, nogil=True, error_model="numpy")
def _strain(rows: Array, strain: Array) -> None:
    """Raw strain of one row of voxels from its rows of sums and differences."""
    sx, sy, sz, xx, xy, xz, yx, yy, yz = rows
    e0, e1, e2, e3, e4, e5 = strain
    for k in range(e0.size):
        e0[k] = xx[k] + xx[k + 1]
    for k in range(e0.size):
        e1[k] = yy[k] + yy[k + 1]
    for k in range(e0.size):
        e2[k] = sz[k + 1] - sz[k]
    for k in range(e0.size):
        e3[k] = (yz[k] + yz[k + 1]) + (sy[k + 1] - sy[k])
    for k in range(e0.size):
        e4[k] = (xz[k] + xz[k + 1]) + (sx[k + 1] - sx[k])
    for k in range(e0.size):
        e5[k] = (xy[k] + xy[k + 1]) + (yx[k] + yx[k + 1])


@njit(cache=True, nogil=True, error_model="numpy")
def _respond(strain: Array, ids: NDArray[np.int32], table: Array, stress: Array) -> None:
    """Raw stress of one row of voxels; that of voxel k stands at k + 1, that of the last also at 0."""
    x0, x1, x2, x3, x4, x5 = strain
    for k in range(ids.size):
        c = table[ids[k]]
        e0, e1, e2, e3, e4, e5 = x0[k], x1[k], x2[k], x3[k], x4[k], x5[k]
        for r in range(6):
            stress[r, k + 1] = c[6, r] + (
                c[r, 0] * e0 + c[r, 1] * e1 + c[r, 2] * e2 + c[r, 3] * e3 + c[r, 4] * e4 + c[r, 5] * e5
            )
    for c in range(6):
        stress[c, 0] = stress[c, ids.size]


@njit(cache=True, nogil=True, error_model="numpy")
def _total(strain: Array, stress: Array, totals: NDArray[np.float64], measure: bool) -> None:
    """Add one row to the sums of the plane, kept apart for each k so that they can be added side by side."""
    e0, e1, e2, e3, e4, e5 = strain
    s0, s1, s2, s3, s4, s5 = stress
    work = totals[0]
    for k in range(e0.size):
        near = s0[k + 1] * e0[k] + s1[k + 1] * e1[k] + s2[k + 1] * e2[k]
        work[k] += near + (s3[k + 1] * e3[k] + s4[k + 1] * e4[k] + s5[k + 1] * e5[k])
    if measure:
        for c in range(6):
            for k in range(e0.size):
                totals[1 + c, k] += strain[c, k]
            for k in range(e0.size):
                totals[7 + c, k] += stress[c, k + 1]


@njit(cache=True, nogil=True, error_model="numpy")
def _scatter(stress: Array, j: int, own: Array, above: Array) -> None:
    """Add what one row of voxels pushes to the two rows of nodes on either side, in this plane and the next."""
    _, ny, nz = own.shape
    aside = (j + 1) % ny
    for c in range(3):
        on_x = stress[0 if c == 0 else (5 if c == 1 else 4)]
        on_y = stress[5 if c == 0 else (1 if c == 1 else 3)]
        on_z = stress[4 if c == 0 else (3 if c == 1 else 2)]
        near, beside, far, across = own[c, j], own[c, aside], above[c, j], above[c, aside]
        for k in range(nz):
            near[k] += (on_z[k] - on_z[k + 1]) - (on_x[k] + on_x[k + 1]) - (on_y[k] + on_y[k + 1])
        for k in range(nz):
            beside[k] += (on_z[k] - on_z[k + 1]) - (on_x[k] + on_x[k + 1]) + (on_y[k] + on_y[k + 1])
        for k in range(nz):
            far[k] += (on_z[k] - on_z[k + 1]) + (on_x[k] + on_x[k + 1]) - (on_y[k] + on_y[k + 1])
        for k in range(nz):
            across[k] += (on_z[k] - on_z[k + 1]) + (on_x[k] + on_x[k + 1]) + (on_y[k] + on_y[k + 1])
