"""What conjugate gradients do between two transforms when the unknown is the displacement of nodes.

Fields in Fourier space are real arrays ``(3, nx, ny, 2 (nz // 2 + 1))`` whose last axis interleaves real and imaginary
parts. The Green operator of an isotropic medium is applied where it is needed and never stored. Modes without a wave
vector (the mean, and on even grids the hourglass modes, which strain no voxel) are left alone.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["take_off", "turn_direction"]

Array = NDArray[np.floating]
Grid = tuple[Array, Array, Array]
Planes = tuple[int, int]


@njit(cache=True, nogil=True, error_model="numpy")
def _inverse_squares(grid: Grid, i: int, j: int, inverse: Array) -> tuple[float, float, float]:
    """Set 1 / k.k of one row of wave vectors k = (a cos_z, b cos_z, c sin_z), and return a, b, c."""
    x, y, z = grid
    a, b, c = x[1, i] * y[0, j], x[0, i] * y[1, j], x[0, i] * y[0, j]
    ab, cc = a * a + b * b, c * c
    none, one = z.dtype.type(0), z.dtype.type(1)
    for k in range(inverse.size):
        square = ab * z[0, k] * z[0, k] + cc * z[1, k] * z[1, k]
        inverse[k] = one / square if square > none else none
    return a, b, c


@njit(cache=True, nogil=True, error_model="numpy")
def turn_direction(r: Array, p: Array, grid: Grid, turn: Array, medium: Array, planes: Planes) -> None:
    """Choose the next direction of search, ``p = G r + turn p``, with the Green operator G of the reference medium.

    `turn` is an array of one number and `medium` of two, ``Medium.constants``, all of the precision of the fields.
    """
    rx, ry, rz = r
    px, py, pz = p
    size = rx.shape[2]
    inverse, along = np.empty(size, r.dtype), np.empty(size, r.dtype)
    cos_z, sin_z = grid[2][0], grid[2][1]
    compliance, share, keep = r.dtype.type(1) / medium[0], medium[1], turn[0]
    for i in range(planes[0], planes[1]):
        for j in range(rx.shape[1]):
            a, b, c = _inverse_squares(grid, i, j, inverse)
            for k in range(size):
                dot = cos_z[k] * (a * rx[i, j, k] + b * ry[i, j, k]) + c * sin_z[k] * rz[i, j, k]
                along[k] = share * inverse[k] * dot
            for k in range(size):
                inverse[k] *= compliance
            for k in range(size):
                px[i, j, k] = inverse[k] * (rx[i, j, k] - a * cos_z[k] * along[k]) + keep * px[i, j, k]
            for k in range(size):
                py[i, j, k] = inverse[k] * (ry[i, j, k] - b * cos_z[k] * along[k]) + keep * py[i, j, k]
            for k in range(size):
                pz[i, j, k] = inverse[k] * (rz[i, j, k] - c * sin_z[k] * along[k]) + keep * pz[i, j, k]


@njit(cache=True, nogil=True, error_model="numpy")
def take_off(
    r: Array, q: Array, grid: Grid, step: Array, medium: Array, planes: Planes, sums: NDArray[np.float64]
) -> None:
    """Update the force out of balance, ``r -= step q``, and write the planes' shares of ``r.G r``."""
    rx, ry, rz = r
    qx, qy, qz = q
    size = rx.shape[2]
    inverse, total = np.empty(size, r.dtype), np.empty(size)
    cos_z, sin_z, count = grid[2][0], grid[2][1], grid[2][2]
    one, share, far = r.dtype.type(1), medium[1], step[0]
    for i in range(planes[0], planes[1]):
        total[:] = 0.0
        for j in range(rx.shape[1]):
            a, b, c = _inverse_squares(grid, i, j, inverse)
            for k in range(size):
                rx[i, j, k] -= far * qx[i, j, k]
            for k in range(size):
                ry[i, j, k] -= far * qy[i, j, k]
            for k in range(size):
                rz[i, j, k] -= far * qz[i, j, k]
            for k in range(size):
                vx, vy, vz = rx[i, j, k], ry[i, j, k], rz[i, j, k]
                dot = cos_z[k] * (a * vx + b * vy) + c * sin_z[k] * vz
                # bounded by the sine of the angle between force and wave vector, and so never below one minus share
                total[k] += inverse[k] * (vx * vx + vy * vy + vz * vz - share * inverse[k] * dot * dot) * one
        weighted = 0.0
        for k in range(size):
            weighted += count[k] * total[k]
        sums[i] = weighted / medium[0]
