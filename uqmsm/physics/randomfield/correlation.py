"""How alike two places are: correlations whose integral is a volume that can be counted, grain by grain.

Every correlation here has the integral range l^d in d dimensions: the average over a body much larger than l has the
variance l^d / V (C. Lantuejoul, J. Microsc. 161, 387, 1991), which is the law of size of blocks of grains. So l^3 is
the volume of a grain, times what unequal grains add, and nothing is left to be fitted.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import erf, expm1, pi, sqrt
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError

__all__ = ["Averaged", "Shape", "averaged", "correlation"]

Floats = NDArray[np.float64]
Shape = Literal["gaussian", "exponential"]


def correlation(shape: Shape, lag_mm: Floats, range_mm: float | Floats) -> Floats:
    """Return the correlation at a lag.

    Parameters
    ----------
    shape
        ``gaussian``: exp(-pi |h|^2/l^2), smooth. ``exponential``: the product of exp(-2 |h_i|/l_i), rough.
    lag_mm
        ``(..., d)``.
    range_mm
        l, one for all axes or ``(d,)``.

    Returns
    -------
    ndarray
        ``(...)``.

    Raises
    ------
    StudyError
        When a range is not positive or the shape is not known.
    """
    scaled = np.abs(np.asarray(lag_mm, dtype=np.float64)) / _positive(range_mm)
    if shape == "gaussian":
        return np.asarray(np.exp(-np.pi * np.sum(scaled**2, axis=-1)))
    if shape == "exponential":
        return np.asarray(np.exp(-2.0 * np.sum(scaled, axis=-1)))
    raise StudyError(f"correlation: there is no shape {shape!r}; write gaussian or exponential")


@dataclass(frozen=True)
class Averaged:
    """The law of local averages of a field.

    Parameters
    ----------
    variance
        Variance of an average over that of the field at a point.
    range_mm
        Range of the averages: they are correlated as the field is, over a longer distance.
    """

    variance: float
    range_mm: float


def averaged(range_mm: float, edge_mm: float, dims: int = 3) -> Averaged:
    """Return the law of the averages of a Gaussian field over cubes.

    The variance is exact: per axis, with a = sqrt(pi) edge/l, it is (erf(a) - (1 - exp(-a^2))/(a sqrt(pi))) l/edge. For
    the correlation a cube counts as the Gaussian blob of its own second moment, edge^2/12 per axis, for which it is
    Gaussian again: l'^2 = l^2 + pi edge^2/3.

    Parameters
    ----------
    range_mm, edge_mm
        l, and the edge of the cube.
    dims
        Number of dimensions.

    Raises
    ------
    StudyError
        When a length is not positive.
    """
    if not (range_mm > 0.0 and edge_mm >= 0.0):
        raise StudyError(f"averaged: range {range_mm:g} mm and edge {edge_mm:g} mm; lengths are positive")
    wide = float(np.sqrt(range_mm**2 + np.pi * edge_mm**2 / 3.0))
    if edge_mm == 0.0:
        return Averaged(1.0, wide)
    a = sqrt(pi) * edge_mm / range_mm
    along = (erf(a) + expm1(-a * a) / (a * sqrt(pi))) * range_mm / edge_mm
    return Averaged(along**dims, wide)


def _positive(range_mm: float | Floats) -> Floats:
    found = np.asarray(range_mm, dtype=np.float64)
    if not (found > 0.0).all():
        raise StudyError(f"a correlation range of {range_mm} mm; ranges are positive")
    return found
