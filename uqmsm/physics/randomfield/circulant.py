"""A Gaussian field on a regular grid, with exactly the covariance that was asked for.

Circulant embedding (C. R. Dietrich, G. N. Newsam, SIAM J. Sci. Comput. 18, 1088, 1997; A. T. A. Wood, G. Chan,
J. Comput. Graph. Stat. 3, 409, 1994): the grid is set into a larger periodic one, on which the covariance is diagonal
in Fourier space. Where its eigenvalues are not negative, a draw costs one transform and its law has no error at all;
otherwise the periodic grid grows until they are. An axis that is periodic by nature (round a disc) needs no embedding.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from uqmsm.errors import StudyError
from uqmsm.physics.randomfield.correlation import Shape, correlation

__all__ = ["GridField", "grid_field"]

Floats = NDArray[np.float64]
_MOST = 2**24
_NEGATIVE = 1e-12  # of the largest eigenvalue: rounding of the transform, no fault of the covariance


@dataclass(frozen=True, eq=False)
class GridField:
    """What draws a field of unit variance.

    Parameters
    ----------
    shape
        Points of the grid along each axis.
    root
        Square roots of the eigenvalues on the periodic grid over its number of points, shape of that grid.
    """

    shape: tuple[int, ...]
    root: Floats

    @property
    def numbers(self) -> tuple[int, ...]:
        """Shape of the standard normal numbers that one draw takes."""
        return (2, *self.root.shape)

    def of_normals(self, normals: Floats) -> Floats:
        """Return a draw.

        Parameters
        ----------
        normals
            Standard normal numbers, independent, shape ``numbers``.

        Returns
        -------
        ndarray
            Shape ``shape``: mean 0, variance 1, correlated as asked for.
        """
        spectrum = fft.fftn(self.root * (normals[0] + 1j * normals[1]))
        return np.ascontiguousarray(spectrum.real[tuple(slice(0, n) for n in self.shape)])


@lru_cache(maxsize=8)
def grid_field(
    points: tuple[int, ...],
    spacing_mm: tuple[float, ...],
    range_mm: float,
    shape: Shape = "gaussian",
    periodic: tuple[bool, ...] | None = None,
) -> GridField:
    """Return the field on a grid; kept, because many draws use one.

    Parameters
    ----------
    points, spacing_mm
        Of the grid, along each axis.
    range_mm
        See `correlation`.
    shape
        ``gaussian`` or ``exponential``.
    periodic
        Which axes close in themselves; none if not given.

    Raises
    ------
    StudyError
        When no periodic grid of at most 16 million points has a covariance without negative eigenvalues.
    """
    closed = periodic or (False,) * len(points)
    size = [n if one else fft.next_fast_len(max(2 * (n - 1), 1)) for n, one in zip(points, closed, strict=True)]
    while True:
        if np.prod(size) > _MOST:
            raise StudyError(
                f"grid_field: a periodic grid of {tuple(size)} points is too large, and smaller ones have negative "
                f"eigenvalues; take a shorter range than {range_mm:g} mm, or shape: exponential"
            )
        values = _eigenvalues(tuple(size), spacing_mm, range_mm, shape)
        if values.min() >= -_NEGATIVE * values.max():
            return GridField(points, np.sqrt(np.maximum(values, 0.0) / values.size))
        if all(closed):
            raise StudyError(
                f"grid_field: a range of {range_mm:g} mm is too long for a ring of "
                f"{points[0] * spacing_mm[0]:g} mm: its covariance has negative eigenvalues; take a shorter range"
            )
        size = [n if one else fft.next_fast_len(2 * n) for n, one in zip(size, closed, strict=True)]


def _eigenvalues(size: tuple[int, ...], spacing_mm: tuple[float, ...], range_mm: float, shape: Shape) -> Floats:
    """Return the eigenvalues of the covariance on the periodic grid, where a lag is the shorter way round."""
    ways = [np.minimum(np.arange(n), n - np.arange(n)) * h for n, h in zip(size, spacing_mm, strict=True)]
    lag = np.stack(np.meshgrid(*ways, indexing="ij"), axis=-1)
    return np.asarray(fft.fftn(correlation(shape, lag, range_mm)).real)
