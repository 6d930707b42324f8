"""A Gaussian field on any points by its largest modes, with the variance that the others would have had.

Karhunen and Loeve's expansion: the eigenfunctions of the covariance, each with a normal number of its own. On points
with weights (a quadrature) by Nystrom's method; on finite elements in the weak form of R. Ghanem and P. Spanos
(Stochastic Finite Elements, Springer, 1991), M C M f = v M f with the mass matrix M. What is cut off is not forgotten:
`lost` is the variance that every point lacks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve, eigh

from uqmsm.errors import StudyError
from uqmsm.physics.randomfield.correlation import Shape, correlation

__all__ = ["Modes", "modes", "modes_of_mass"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Modes:
    """An expansion.

    Parameters
    ----------
    values
        Eigenvalues, largest first, shape (modes,); in mm^d.
    shapes
        Eigenfunctions at the points, of unit weighted square, shape (points, modes).
    lost
        Variance that is cut off at each point, shape (points,); 0 where all modes are kept.
    share
        Part of the whole variance that is kept.
    """

    values: Floats
    shapes: Floats
    lost: Floats
    share: float

    def of_normals(self, normals: Floats) -> Floats:
        """Return a draw at the points from standard normal numbers, shape (modes,); variance ``1 - lost``."""
        drawn = np.zeros(len(self.shapes))
        for k, number in enumerate(np.asarray(normals)):  # in one fixed order: a product would round by the points
            drawn += number * np.sqrt(self.values[k]) * self.shapes[:, k]
        return drawn


def modes(
    points_mm: Floats, weights: Floats, range_mm: float, shape: Shape = "gaussian", *, share: float = 0.99
) -> Modes:
    """Return the modes on weighted points (Nystrom).

    Parameters
    ----------
    points_mm
        ``(points, d)``.
    weights
        Positive, such as the volumes of elements, shape (points,).
    range_mm, shape
        See `correlation`.
    share
        Part of the variance to keep.

    Raises
    ------
    StudyError
        When a weight is not positive or the share lies outside 0 .. 1.
    """
    points, weights = np.atleast_2d(np.asarray(points_mm, dtype=np.float64)), np.asarray(weights, dtype=np.float64)
    if weights.shape != (len(points),) or not (weights > 0.0).all():
        raise StudyError(f"modes: {weights.shape} weights for {len(points)} points; each needs one, above zero")
    root = np.sqrt(weights)
    covariance = correlation(shape, points[:, None] - points[None], range_mm)
    values, vectors = np.linalg.eigh(root[:, None] * covariance * root[None])
    return _kept(values[::-1], (vectors / root[:, None])[:, ::-1], weights, share)


def modes_of_mass(
    nodes_mm: Floats, mass: Floats, range_mm: float, shape: Shape = "gaussian", *, share: float = 0.99
) -> Modes:
    """Return the modes on finite elements.

    Parameters
    ----------
    nodes_mm
        ``(nodes, d)``.
    mass
        Consistent mass matrix of unit density, ``(nodes, nodes)``, positive definite.
    range_mm, shape, share
        As for `modes`.

    Raises
    ------
    StudyError
        When the matrix does not fit, or the share lies outside 0 .. 1.
    """
    nodes, mass = np.atleast_2d(np.asarray(nodes_mm, dtype=np.float64)), np.asarray(mass, dtype=np.float64)
    if mass.shape != (len(nodes), len(nodes)):
        raise StudyError(f"modes_of_mass: a mass matrix {mass.shape} for {len(nodes)} nodes")
    covariance = correlation(shape, nodes[:, None] - nodes[None], range_mm)
    weighed = mass @ covariance @ mass
    values, vectors = eigh((weighed + weighed.T) / 2.0, mass)
    cho_solve(cho_factor(mass), np.ones(len(nodes)))  # refuses what is not positive definite
    return _kept(values[::-1], vectors[:, ::-1], mass.sum(axis=1), share)


def _kept(values: Floats, shapes: Floats, weights: Floats, share: float) -> Modes:
    """Cut off after the share; the sum of all eigenvalues is that of the weights, for the field has unit variance."""
    if not 0.0 < share <= 1.0:
        raise StudyError(f"modes: a share of {share:g} of the variance; write a number above 0, at most 1")
    values = np.maximum(values, 0.0)
    part = np.cumsum(values) / weights.sum()
    count = min(int(np.searchsorted(part, share * min(part[-1], 1.0) * (1.0 - 1e-12))) + 1, len(values))
    kept = np.sum(values[:count] * shapes[:, :count] ** 2, axis=1)
    return Modes(values[:count], shapes[:, :count], np.maximum(1.0 - kept, 0.0), float(part[count - 1]))
