"""The three inner loops of the Fourier scheme; everything else of its time is spent inside the transforms.

Fields in Fourier space are real arrays whose last axis interleaves real and imaginary parts, so that a real wave
vector multiplies both alike. Every loop over that axis writes one row and reads few: only then can the compiler prove
in time that the rows do not overlap, and use vector instructions. Sums are kept per plane of voxels, so that they do
not depend on how the planes are shared among threads. All tensors are in Mandel form.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["advance", "apply_stiffness", "subtract_divergence"]

Array = NDArray[np.float64]
Fields = tuple[Array, ...]
Planes = tuple[int, int]
Grid = tuple[Array, Array, Array, Array, NDArray[np.int64], Array]

_HALF_ROOT = float(np.sqrt(0.5))


@njit(cache=True, nogil=True, error_model="numpy")
def _wave_row(grid: Grid, i: int, j: int, cos_z: Array, sin_z: Array) -> tuple[float, float, float]:
    """Set one row of wave vectors, k = (a cos_z, b cos_z, c sin_z), and return a, b, c."""
    x, y, z, gates, row_gates, kept = grid
    across, along = row_gates[0, i, j], row_gates[1, i, j]
    for k in range(cos_z.size):
        cos_z[k] = gates[across, k] * z[0, k]
    for k in range(cos_z.size):
        sin_z[k] = gates[along, k] * z[1, k]
    return kept[0, i, j] * x[1, i] * y[0, j], kept[1, i, j] * x[0, i] * y[1, j], x[0, i] * y[0, j]


@njit(cache=True, nogil=True, error_model="numpy")
def _strain_row(
    u: Fields, strain: Fields, i: int, j: int, factors: tuple[float, float, float], cos_z: Array, sin_z: Array
) -> None:
    """Write the strain of one row of a displacement: the symmetric part of k u."""
    ux, uy, uz = u
    e0, e1, e2, e3, e4, e5 = strain
    a, b, c = factors
    for k in range(cos_z.size):
        e0[i, j, k] = a * cos_z[k] * ux[i, j, k]
    for k in range(cos_z.size):
        e1[i, j, k] = b * cos_z[k] * uy[i, j, k]
    for k in range(cos_z.size):
        e2[i, j, k] = c * sin_z[k] * uz[i, j, k]
    for k in range(cos_z.size):
        e3[i, j, k] = _HALF_ROOT * (b * cos_z[k] * uz[i, j, k] + c * sin_z[k] * uy[i, j, k])
    for k in range(cos_z.size):
        e4[i, j, k] = _HALF_ROOT * (a * cos_z[k] * uz[i, j, k] + c * sin_z[k] * ux[i, j, k])
    for k in range(cos_z.size):
        e5[i, j, k] = _HALF_ROOT * cos_z[k] * (a * uy[i, j, k] + b * ux[i, j, k])


@njit(cache=True, nogil=True, error_model="numpy")
def advance(
    r: Fields, p: Fields, u: Fields, strain: Fields, grid: Grid, step: float, turn: float, medium: Array, planes: Planes
) -> None:
    """Take the step along `p`, choose the next direction, and write the strain of that direction.

    ``u += step p``, then ``p = G r + turn p`` with the Green operator G of the isotropic reference medium. A negative
    `turn` stops after the first part and writes the strain of ``u`` instead.
    """
    (px, py, pz), (rx, ry, rz), (ux, uy, uz) = p, r, u
    cos_z, sin_z = np.empty(px.shape[2]), np.empty(px.shape[2])
    inverse, along = np.empty(px.shape[2]), np.empty(px.shape[2])
    compliance, share = 1.0 / medium[0], medium[1]
    for i in range(planes[0], planes[1]):
        for j in range(px.shape[1]):
            a, b, c = _wave_row(grid, i, j, cos_z, sin_z)
            for k in range(cos_z.size):
                ux[i, j, k] += step * px[i, j, k]
            for k in range(cos_z.size):
                uy[i, j, k] += step * py[i, j, k]
            for k in range(cos_z.size):
                uz[i, j, k] += step * pz[i, j, k]
            if turn < 0.0:
                _strain_row(u, strain, i, j, (a, b, c), cos_z, sin_z)
                continue
            ab, cc = a * a + b * b, c * c
            for k in range(cos_z.size):
                square = ab * cos_z[k] * cos_z[k] + cc * sin_z[k] * sin_z[k]
                inverse[k] = 1.0 / (square if square > 0.0 else 1.0)
            for k in range(cos_z.size):
                dot = cos_z[k] * (a * rx[i, j, k] + b * ry[i, j, k]) + c * sin_z[k] * rz[i, j, k]
                along[k] = share * inverse[k] * dot
            for k in range(cos_z.size):
                inverse[k] *= compliance
            for k in range(cos_z.size):
                px[i, j, k] = inverse[k] * (rx[i, j, k] - a * cos_z[k] * along[k]) + turn * px[i, j, k]
            for k in range(cos_z.size):
                py[i, j, k] = inverse[k] * (ry[i, j, k] - b * cos_z[k] * along[k]) + turn * py[i, j, k]
            for k in range(cos_z.size):
                pz[i, j, k] = inverse[k] * (rz[i, j, k] - c * sin_z[k] * along[k]) + turn * pz[i, j, k]
            _strain_row(p, strain, i, j, (a, b, c), cos_z, sin_z)


@njit(cache=True, nogil=True, error_model="numpy")
def subtract_divergence(
    stress: Fields, r: Fields, grid: Grid, step: float, medium: Array, planes: Planes, sums: Array
) -> None:
    """Update the out-of-balance force, ``r -= step k.stress``, and write the planes' shares of ``r.G r``."""
    s0, s1, s2, s3, s4, s5 = stress
    rx, ry, rz = r
    size = rx.shape[2]
    cos_z, sin_z, total = np.empty(size), np.empty(size), np.empty(size)
    compliance, share = 1.0 / medium[0], medium[1]
    for i in range(planes[0], planes[1]):
        total[:] = 0.0
        for j in range(rx.shape[1]):
            a, b, c = _wave_row(grid, i, j, cos_z, sin_z)
            sa, sb, sc = step * a, step * b, step * c
            ha, hb, hc = _HALF_ROOT * sa, _HALF_ROOT * sb, _HALF_ROOT * sc
            for k in range(size):
                rx[i, j, k] -= cos_z[k] * (sa * s0[i, j, k] + hb * s5[i, j, k]) + hc * sin_z[k] * s4[i, j, k]
            for k in range(size):
                ry[i, j, k] -= cos_z[k] * (ha * s5[i, j, k] + sb * s1[i, j, k]) + hc * sin_z[k] * s3[i, j, k]
            for k in range(size):
                rz[i, j, k] -= cos_z[k] * (ha * s4[i, j, k] + hb * s3[i, j, k]) + sc * sin_z[k] * s2[i, j, k]
            ab, cc = a * a + b * b, c * c
            for k in range(size):
                square = ab * cos_z[k] * cos_z[k] + cc * sin_z[k] * sin_z[k]
                inverse = 1.0 / (square if square > 0.0 else 1.0)
                vx, vy, vz = rx[i, j, k], ry[i, j, k], rz[i, j, k]
                dot = cos_z[k] * (a * vx + b * vy) + c * sin_z[k] * vz
                total[k] += inverse * (vx * vx + vy * vy + vz * vz - share * inverse * dot * dot)
        weighted = 0.0
        for k in range(size):
            weighted += grid[2][2, k] * total[k]
        sums[i] = compliance * weighted


@njit(cache=True, nogil=True, error_model="numpy")
def apply_stiffness(
    field: Fields, grain_ids: NDArray[np.int32], stiffness: Array, mean: Array, planes: Planes, sums: Array
) -> None:
    """Replace the strain ``field + mean`` by its stress, and write each plane's sum of stress:strain."""
    f0, f1, f2, f3, f4, f5 = field
    m0, m1, m2, m3, m4, m5 = mean[0], mean[1], mean[2], mean[3], mean[4], mean[5]
    for i in range(planes[0], planes[1]):
        work = 0.0
        for j in range(f0.shape[1]):
            for k in range(f0.shape[2]):
                c = stiffness[grain_ids[i, j, k]]
                e0, e1, e2 = f0[i, j, k] + m0, f1[i, j, k] + m1, f2[i, j, k] + m2
                e3, e4, e5 = f3[i, j, k] + m3, f4[i, j, k] + m4, f5[i, j, k] + m5
                s0 = c[0, 0] * e0 + c[0, 1] * e1 + c[0, 2] * e2 + c[0, 3] * e3 + c[0, 4] * e4 + c[0, 5] * e5
                s1 = c[1, 0] * e0 + c[1, 1] * e1 + c[1, 2] * e2 + c[1, 3] * e3 + c[1, 4] * e4 + c[1, 5] * e5
                s2 = c[2, 0] * e0 + c[2, 1] * e1 + c[2, 2] * e2 + c[2, 3] * e3 + c[2, 4] * e4 + c[2, 5] * e5
                s3 = c[3, 0] * e0 + c[3, 1] * e1 + c[3, 2] * e2 + c[3, 3] * e3 + c[3, 4] * e4 + c[3, 5] * e5
                s4 = c[4, 0] * e0 + c[4, 1] * e1 + c[4, 2] * e2 + c[4, 3] * e3 + c[4, 4] * e4 + c[4, 5] * e5
                s5 = c[5, 0] * e0 + c[5, 1] * e1 + c[5, 2] * e2 + c[5, 3] * e3 + c[5, 4] * e4 + c[5, 5] * e5
                f0[i, j, k], f1[i, j, k], f2[i, j, k] = s0, s1, s2
                f3[i, j, k], f4[i, j, k], f5[i, j, k] = s3, s4, s5
                work += s0 * e0 + s1 * e1 + s2 * e2 + s3 * e3 + s4 * e4 + s5 * e5
        sums[i] = work
