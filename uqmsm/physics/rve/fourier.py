"""How derivatives are taken on the voxel grid: wave vectors of the rotated and of the plain Fourier scheme.

A wave vector is stored by factors along the axes, ``k_x = sin_x cos_y cos_z`` and so on. In the *rotated* scheme
(F. Willot, C. R. Mecanique 343, 2015, 232-245; the same as hexahedra with one integration point) they are
``2 sin(q/2)`` and ``cos(q/2)`` of the angle q per voxel, up to a common phase that cancels in the Green operator; it
depends on k only through ``k k^T`` and so needs no care at the Nyquist frequencies of even grids. In the *fourier*
scheme (Moulinec and Suquet, CMAME 157, 1998, 69-94) they are q and 1. There a mode at a Nyquist frequency along one
axis that still varies along another is its own alias with another wave vector; the component along that axis is then
zero, as it is in the derivative of the trigonometric interpolant, so that every mode keeps a wave vector and Hill's
exact case stays exact on even grids. Pure ones, whose alias is themselves, keep all components. The rotated scheme has
no such remedy: on even grids its hourglass modes strain no voxel, and they are left out.
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

_ALL, _NO_NYQUIST, _ONLY_STILL = range(3)


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
        ``(3, 2 (nz // 2 + 1))``: ones where a component of the wave vector is kept, zeros where it is not.
    row_gates
        ``(2, nx, ny)`` which row of `gates` holds for the components along x and y, and for that along z.
    kept
        ``(2, nx, ny)``: one where a row keeps its component along x, along y; zero where it does not.
    """

    x: Array
    y: Array
    z: Array
    gates: Array
    row_gates: NDArray[np.int64]
    kept: Array

    @property
    def arguments(self) -> tuple[Array, Array, Array, Array, NDArray[np.int64], Array]:
        """The six arrays in the order in which the kernels take them."""
        return self.x, self.y, self.z, self.gates, self.row_gates, self.kept


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
    gates, row_gates, kept = _gates(indices, edges, scheme)
    z = np.repeat(np.vstack([factors[2], count]), 2, axis=1)
    return Waves(factors[0], factors[1], z, np.repeat(gates, 2, axis=1), row_gates, kept)


def _factors(index: Array, edge: int, scheme: Scheme) -> Array:
    angle = 2.0 * np.pi * index / edge
    if scheme == "fourier":
        return np.stack([np.ones_like(angle), angle])
    cosine = np.cos(0.5 * angle)
    cosine[2 * np.abs(index) == edge] = 0.0  # cos(pi/2) is 6e-17 in floating point, and 1/|k|^2 would notice
    return np.stack([cosine, 2.0 * np.sin(0.5 * angle)])


def _gates(
    indices: list[Array], edges: list[NDArray[np.bool_]], scheme: Scheme
) -> tuple[Array, NDArray[np.int64], Array]:
    still = [(m == 0) | at_edge for m, at_edge in zip(indices, edges, strict=True)]
    gates = np.ones((3, indices[2].size))
    gates[_NO_NYQUIST] = ~edges[2]
    gates[_ONLY_STILL] = still[2]
    rows = np.full((2, indices[0].size, indices[1].size), _ALL, dtype=np.int64)
    kept = np.ones(rows.shape)
    if scheme == "fourier":
        both_still = still[0][:, None] & still[1][None, :]
        rows[0, both_still & (edges[0][:, None] | edges[1][None, :])] = _ONLY_STILL
        rows[1, ~both_still] = _NO_NYQUIST
        kept[0, edges[0][:, None] & ~still[1][None, :]] = 0.0
        kept[1, ~still[0][:, None] & edges[1][None, :]] = 0.0
    return gates, rows, kept
