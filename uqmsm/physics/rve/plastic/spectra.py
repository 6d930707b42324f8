"""The loops of the nonlinear solver over Fourier modes and over voxels.

A displacement is three spectra, whose factor i is left out: strain is the symmetric part of ``k u``, a force is
``k . stress``, and both are taken with the real wave vectors of `uqmsm.physics.rve.fourier`. Sums are kept per plane,
so that they do not depend on how planes are shared among threads. Mandel components; stresses in MPa.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from uqmsm.physics.rve.fourier import Waves

__all__ = ["apply_tangent", "forces", "green", "strains", "wave_vectors"]

Array = NDArray[np.float64]
Spectra = NDArray[np.complex128]
Planes = tuple[int, int]

_HALF_ROOT = float(np.sqrt(0.5))


def wave_vectors(grid: Waves) -> tuple[Array, Array]:
    """Return wave vectors ``(3, nx, ny, nz // 2 + 1)`` and how often a mode counts in a sum, ``(nz // 2 + 1,)``."""
    x, y, z, count = grid.x, grid.y, grid.z[:2, ::2], grid.z[2, ::2]
    across, along = grid.gates[:, ::2][grid.row_gates]
    vectors = [
        x[1][:, None, None] * y[0][None, :, None] * z[0] * across * grid.kept[0][:, :, None],
        x[0][:, None, None] * y[1][None, :, None] * z[0] * across * grid.kept[1][:, :, None],
        x[0][:, None, None] * y[0][None, :, None] * z[1] * along,
    ]
    return np.stack(vectors), np.ascontiguousarray(count)


@njit(cache=True, nogil=True, error_model="numpy")
def strains(moved: Spectra, waves: Array, strain: Spectra, planes: Planes) -> None:
    """Write the six spectra of strain of a displacement."""
    for i in range(planes[0], planes[1]):
        for j in range(waves.shape[2]):
            for k in range(waves.shape[3]):
                a, b, c = waves[0, i, j, k], waves[1, i, j, k], waves[2, i, j, k]
                x, y, z = moved[0, i, j, k], moved[1, i, j, k], moved[2, i, j, k]
                strain[0, i, j, k] = a * x
                strain[1, i, j, k] = b * y
                strain[2, i, j, k] = c * z
                strain[3, i, j, k] = _HALF_ROOT * (b * z + c * y)
                strain[4, i, j, k] = _HALF_ROOT * (a * z + c * x)
                strain[5, i, j, k] = _HALF_ROOT * (a * y + b * x)


@njit(cache=True, nogil=True, error_model="numpy")
def forces(stress: Spectra, waves: Array, force: Spectra, planes: Planes) -> None:
    """Write the three spectra of force of a stress."""
    for i in range(planes[0], planes[1]):
        for j in range(waves.shape[2]):
            for k in range(waves.shape[3]):
                a, b, c = waves[0, i, j, k], waves[1, i, j, k], waves[2, i, j, k]
                s3, s4, s5 = stress[3, i, j, k], stress[4, i, j, k], stress[5, i, j, k]
                force[0, i, j, k] = a * stress[0, i, j, k] + _HALF_ROOT * (b * s5 + c * s4)
                force[1, i, j, k] = b * stress[1, i, j, k] + _HALF_ROOT * (a * s5 + c * s3)
                force[2, i, j, k] = c * stress[2, i, j, k] + _HALF_ROOT * (a * s4 + b * s3)


@njit(cache=True, nogil=True, error_model="numpy")
def green(force: Spectra, waves: Array, medium: tuple[float, float], moved: Spectra, planes: Planes) -> None:
    """Write the displacement that balances a force in the isotropic reference medium.

    ``medium`` is the shear modulus and (lambda + mu) / (lambda + 2 mu).
    """
    for i in range(planes[0], planes[1]):
        for j in range(waves.shape[2]):
            for k in range(waves.shape[3]):
                a, b, c = waves[0, i, j, k], waves[1, i, j, k], waves[2, i, j, k]
                square = a * a + b * b + c * c
                inverse = 1.0 / square if square > 0.0 else 0.0
                x, y, z = force[0, i, j, k], force[1, i, j, k], force[2, i, j, k]
                along = medium[1] * inverse * (a * x + b * y + c * z)
                inverse /= medium[0]
                moved[0, i, j, k] = inverse * (x - a * along)
                moved[1, i, j, k] = inverse * (y - b * along)
                moved[2, i, j, k] = inverse * (z - c * along)


@njit(cache=True, nogil=True, error_model="numpy")
def apply_tangent(strain: Array, tangent: Array, planes: Planes) -> None:
    """Replace the strain ``(6, nx, ny, nz)`` by ``tangent : strain``."""
    e = np.empty(6)
    for i in range(planes[0], planes[1]):
        for j in range(strain.shape[2]):
            for k in range(strain.shape[3]):
                for b in range(6):
                    e[b] = strain[b, i, j, k]
                for a in range(6):
                    total = 0.0
                    for b in range(6):
                        total += tangent[i, j, k, a, b] * e[b]
                    strain[a, i, j, k] = total
