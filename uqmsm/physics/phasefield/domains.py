"""Domains that are not boxes: any set of square cells with closed walls, and the surface of a sphere.

Both offer what a box does, an orthonormal basis in which the Laplacian is diagonal, so that the same steps serve them:
for cells the eigenvectors of the finite-volume Laplacian, for the sphere spherical harmonics on Gauss points (E. W.
Hobson, The theory of spherical and ellipsoidal harmonics, 1931; recurrences as in S. A. Holmes, W. E. Featherstone,
J. Geodesy 76, 2002, 279-299).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.fft
import scipy.linalg
from numpy.typing import NDArray

from uqmsm.errors import StudyError

__all__ = ["Cells", "Sphere", "tee"]

Array = NDArray[np.float64]
Bools = NDArray[np.bool_]
Spectrum = NDArray[Any]

_LARGEST = 6000


@dataclass(frozen=True, eq=False)
class Cells:
    """Square cells of a mask, no flux through its edge; the eigenvectors are found once, n^3 operations.

    Attributes
    ----------
    mask
        ``(nx, ny)`` cells inside.
    spacing
        Edge of a cell.

    Raises
    ------
    StudyError
        For a mask of no or more than 6000 cells (the eigenvectors take n^2 numbers).
    """

    mask: Bools
    spacing: float

    def __post_init__(self) -> None:
        """Check the size."""
        if not 0 < self.mask.sum() <= _LARGEST:
            raise StudyError(f"Cells: {self.mask.sum()} cells; between 1 and {_LARGEST}, or a coarser spacing")

    @property
    def shape(self) -> tuple[int, ...]:
        """One axis: the cells in the order of ``mask.nonzero()``."""
        return (int(self.mask.sum()),)

    def points(self) -> tuple[Array, Array]:
        """Return x and y ``(n,)`` of the centres, the origin in the corner of the mask."""
        i, j = np.nonzero(self.mask)
        return np.asarray((i + 0.5) * self.spacing, np.float64), np.asarray((j + 0.5) * self.spacing, np.float64)

    def laplacian(self) -> Array:
        """Return the finite-volume Laplacian ``(n, n)``, symmetric, rows summing to zero."""
        number = np.full(self.mask.shape, -1)
        number[self.mask] = np.arange(self.shape[0])
        matrix = np.zeros((self.shape[0],) * 2)
        pairs = [(number[:-1], number[1:]), (number[:, :-1], number[:, 1:])]
        for low, high in pairs:
            both = (low >= 0) & (high >= 0)
            a, b = low[both], high[both]
            matrix[a, b] = matrix[b, a] = 1.0
        matrix[np.diag_indices_from(matrix)] = -matrix.sum(axis=1)
        return matrix / self.spacing**2

    @cached_property
    def _modes(self) -> tuple[Array, Array]:
        values, vectors = scipy.linalg.eigh(-self.laplacian(), driver="evd")
        values[0] = 0.0  # the constant; not -1e-16, so that mass is kept exactly
        vectors[:, 0] = 1.0 / np.sqrt(self.shape[0])
        return np.maximum(values, 0.0), vectors

    @property
    def squared(self) -> Array:
        """Eigenvalues of minus the Laplacian, rising."""
        return self._modes[0]

    @cached_property
    def parseval(self) -> Array:
        """The area of a cell, for every coefficient."""
        return np.full(self.shape, self.spacing**2)

    @cached_property
    def measure(self) -> Array:
        """The area of a cell."""
        return np.array(self.spacing**2)

    def forward(self, fields: Array) -> Array:
        """Return the coefficients ``(m, n)`` of fields ``(m, n)``."""
        return np.ascontiguousarray(fields @ self._modes[1])

    def backward(self, spectra: Array) -> Array:
        """Return the fields of coefficients."""
        return np.ascontiguousarray(spectra @ self._modes[1].T)


def tee(spacing: float, height: float = 120.0, width: float = 100.0, arm: float = 20.0) -> tuple[Bools, float]:
    """Return the mask ``(nx, ny)`` of a T with its bar on top, and the spacing.

    Raises
    ------
    StudyError
        When the arms are not whole numbers of cells.
    """
    lengths = (height, width, arm, (width - arm) / 2)
    if any(abs(length / spacing - round(length / spacing)) > 1e-9 for length in lengths):
        raise StudyError(f"tee: spacing {spacing} does not divide {lengths}; choose a divisor")
    tall, wide, thick, side = (round(length / spacing) for length in lengths)
    mask = np.zeros((wide, tall), bool)
    mask[:, tall - thick :] = True
    mask[side : side + thick] = True
    return mask, spacing


@dataclass(frozen=True)
class Sphere:
    """The surface of a sphere: Gauss points from pole to pole, equal steps around, harmonics up to one degree.

    Attributes
    ----------
    radius
        Radius.
    degree
        Largest degree of the harmonics; about pi radius / degree is resolved. Products of fields up to third order are
        free of aliasing in so far as the points are twice the harmonics.
    """

    radius: float
    degree: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Latitudes and longitudes."""
        rings = 3 * self.degree // 2 + 1
        return rings, 2 * rings

    @cached_property
    def _gauss(self) -> tuple[Array, Array]:
        nodes, weights = np.polynomial.legendre.leggauss(self.shape[0])
        return nodes[::-1].copy(), weights[::-1].copy()

    def points(self) -> tuple[Array, Array]:
        """Return theta ``(rings, 1)`` in (0, pi) and phi ``(1, longitudes)`` in (-pi, pi)."""
        around = self.shape[1]
        phi = (np.arange(around) + 0.5) * 2.0 * np.pi / around - np.pi
        return np.arccos(self._gauss[0])[:, None], phi[None, :]

    @cached_property
    def _legendre(self) -> Array:
        """Normalised functions ``(m, ring, l)``, zero for l < m, each times the root of its Gauss weight."""
        x, weights = self._gauss
        top, rings = self.degree, self.shape[0]
        sine = np.sqrt(1.0 - x**2)
        table = np.zeros((top + 1, rings, top + 1))
        diagonal = np.full(rings, np.sqrt(0.5))
        for m in range(top + 1):
            if m:
                diagonal = diagonal * sine * np.sqrt((2 * m + 1) / (2 * m))
            before, now = np.zeros(rings), diagonal
            table[m, :, m] = now
            for degree in range(m + 1, top + 1):
                a = np.sqrt((4.0 * degree**2 - 1.0) / (degree**2 - m**2))
                b = np.sqrt(((degree - 1.0) ** 2 - m**2) / (4.0 * (degree - 1.0) ** 2 - 1.0)) if degree > 1 else 0.0
                before, now = now, a * (x * now - b * before)
                table[m, :, degree] = now
        return table * np.sqrt(weights)[None, :, None]

    @cached_property
    def squared(self) -> Array:
        """Return l (l + 1) / r^2, ``(m, l)``."""
        line = np.arange(self.degree + 1.0)
        return np.ascontiguousarray(np.broadcast_to(line * (line + 1.0) / self.radius**2, (line.size,) * 2))

    @cached_property
    def parseval(self) -> Array:
        """Twice for m > 0 (the other half is the conjugate), nothing for l < m."""
        line = np.arange(self.degree + 1)
        counts = np.where(line[:, None] > 0, 2.0, 1.0) * (line[None, :] >= line[:, None])
        return np.ascontiguousarray(counts * self.radius**2 * 2.0 * np.pi / self.shape[1])

    @cached_property
    def measure(self) -> Array:
        """Areas of the points, ``(rings, 1)``."""
        return self._gauss[1][:, None] * self.radius**2 * 2.0 * np.pi / self.shape[1]

    def forward(self, fields: Array) -> Spectrum:
        """Return coefficients ``(f, m, l)``: the projection of fields ``(f, rings, longitudes)``."""
        around = scipy.fft.rfft(fields, axis=2, norm="ortho")[:, :, : self.degree + 1]
        around = around * np.sqrt(self._gauss[1])[None, :, None]
        pairs = np.stack([around.real, around.imag], axis=-1).transpose(2, 0, 3, 1)  # (m, f, 2, ring)
        out = np.matmul(pairs.reshape(self.degree + 1, -1, self.shape[0]), self._legendre)
        out = out.reshape(self.degree + 1, fields.shape[0], 2, -1)
        return np.ascontiguousarray((out[:, :, 0] + 1j * out[:, :, 1]).transpose(1, 0, 2))

    def backward(self, spectra: Spectrum) -> Array:
        """Return fields ``(f, rings, longitudes)`` of coefficients."""
        pairs = np.stack([spectra.real, spectra.imag], axis=-1).transpose(1, 0, 3, 2)  # (m, f, 2, l)
        rings = np.matmul(pairs.reshape(self.degree + 1, -1, self.degree + 1), self._legendre.transpose(0, 2, 1))
        rings = rings.reshape(self.degree + 1, spectra.shape[0], 2, -1)
        around = (rings[:, :, 0] + 1j * rings[:, :, 1]).transpose(1, 2, 0) / np.sqrt(self._gauss[1])[None, :, None]
        return np.ascontiguousarray(scipy.fft.irfft(around, n=self.shape[1], axis=2, norm="ortho"))
