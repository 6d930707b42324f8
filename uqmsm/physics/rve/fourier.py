"""How derivatives are taken on the voxel grid: wave vectors of the rotated and of the plain Fourier scheme.

A wave vector is stored by factors along the axes, ``k_x = sin_x cos_y cos_z`` and so on. In the *rotated* scheme
(F. Willot, C. R. Mecanique 343, 2015, 232-245; the same as hexahedra with one integration point) they are
``2 sin(q/2)`` and ``cos(q/2)`` of the angle q per voxel, up to a common phase that cancels in the Green operator; it
depends on k only through ``k k^T`` and so needs no care at the Nyquist frequencies of even grids. In the *fourier*
scheme (Moulinec and Suquet, CMAME 157, 1998, 69-94) they are q and 1. There a mode at a Nyquist frequency along one
axis that still varies along another is its own alias with another wave vector; such modes are left out, and the pure
ones, whose alias is themselves, stay.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError

__all__ = ["Scheme", "Waves", "waves"]

Array = NDArray[np.float64]
Scheme = Literal["rotated", "fourier"]

_ALL, _NO_NYQUIST, _ONLY_STILL, _NONE = range(4)


@dataclass(frozen=True)
class Waves:
    """Factors of the wave vectors of a grid; last axis doubled for interleaved real and imaginary parts.

    Attributes
    ----------
    x, y
        ``(2, nx)`` and ``(2, ny)``: the cosine-like and the sine-like factor.
    z
        ``(3, 2 (nz // 2 + 1))``: the two factors, and how often a mode counts in a sum over the full spectrum.
    gates
        ``(4, 2 (nz // 2 + 1))``: ones for kept modes, zeros for those left out.
    row_gates
        ``(nx, ny)`` which row of `gates` holds.
    """

    x: Array
    y: Array
    z: Array
    gates: Array
    row_gates: NDArray[np.int64]

    @property
    def arguments(self) -> tuple[Array, Array, Array, Array, NDArray[np.int64]]:
        """The five arrays in the order in which the kernels take them."""
        return self.x, self.y, self.z, self.gates, self.row_gates


def waves(shape: tuple[int, int, int], scheme: Scheme) -> Waves:
    """Tabulate the wave vectors of a grid of cubic voxels.

    Parameters
    ----------
    shape
        Voxels along x, y, z.
    scheme
        ``"rotated"`` or ``"fourier"``.

    Raises
    ------
    StudyError
        When the scheme is not one of the two.
    """
    if scheme not in {"rotated", "fourier"}:
        raise StudyError(f"homogenize: the scheme is {scheme!r}; choose 'rotated' or 'fourier'")
    half = shape[2] // 2 + 1
    indices: list[Array] = [np.fft.ifftshift(np.arange(n) - n // 2).astype(np.float64) for n in shape[:2]]
    indices.append(np.arange(half, dtype=np.float64))
    factors = [_factors(m, n, scheme) for m, n in zip(indices, shape, strict=True)]
    count = np.full(half, 2.0)
    count[0] = 1.0
    edges = [(n % 2 == 0) & (2 * np.abs(m) == n) for m, n in zip(indices, shape, strict=True)]
    if shape[2] % 2 == 0:
        count[-1] = 1.0
    gates, row_gates = _gates(indices, edges, scheme)
    z = np.repeat(np.vstack([factors[2], count]), 2, axis=1)
    return Waves(factors[0], factors[1], z, np.repeat(gates, 2, axis=1), row_gates)


def _factors(index: Array, edge: int, scheme: Scheme) -> Array:
    angle = 2.0 * np.pi * index / edge
    if scheme == "fourier":
        return np.stack([np.ones_like(angle), angle])
    cosine = np.cos(0.5 * angle)
    cosine[2 * np.abs(index) == edge] = 0.0  # cos(pi/2) is 6e-17 in floating point, and 1/|k|^2 would notice
    return np.stack([cosine, 2.0 * np.sin(0.5 * angle)])


def _gates(indices: list[Array], edges: list[NDArray[np.bool_]], scheme: Scheme) -> tuple[Array, NDArray[np.int64]]:
    still = [(m == 0) | at_edge for m, at_edge in zip(indices, edges, strict=True)]
    gates = np.ones((4, indices[2].size))
    gates[_NO_NYQUIST] = ~edges[2]
    gates[_ONLY_STILL] = still[2]
    gates[_NONE] = 0.0
    rows = np.full((indices[0].size, indices[1].size), _ALL, dtype=np.int64)
    if scheme == "fourier":
        both_still = still[0][:, None] & still[1][None, :]
        at_edge = edges[0][:, None] | edges[1][None, :]
        rows[~both_still] = _NO_NYQUIST
        rows[at_edge & both_still] = _ONLY_STILL
        rows[at_edge & ~both_still] = _NONE
    return gates, rows
