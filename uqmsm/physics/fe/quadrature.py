"""Where an integral over an element is sampled: Gauss points of cubes and simplices of any dimension.

Cubes take products of Gauss and Legendre's rule. Simplices take the symmetric rules of degrees 1 and 2, beyond them
products of Gauss and Jacobi on the collapsed cube (A. H. Stroud, Approximate Calculation of Multiple Integrals, 1971).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import roots_jacobi

from uqmsm.errors import StudyError

__all__ = ["Rule", "gauss"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Rule:
    """Quadrature points in the reference element, shape (points, d), and their weights."""

    points: Floats
    weights: Floats


@cache
def gauss(form: str, level: int) -> Rule:
    """Return the rule of a level: exact for polynomials of degree 2 level - 1, on simplices level 2 for degree 2 only.

    Parameters
    ----------
    form : str
        ``line``, ``tri``, ``quad``, ``tet`` or ``hex``.
    level : int
        Points per direction of a cube.

    Raises
    ------
    StudyError
        For a level below 1.
    """
    if level < 1:
        raise StudyError(f"gauss: level {level} has no points; choose 1 or more")
    if form in {"tri", "tet"}:
        return _simplex(2 if form == "tri" else 3, level)
    x, w = np.polynomial.legendre.leggauss(level)
    dimension = {"line": 1, "quad": 2, "hex": 3}[form]
    points = np.array(list(itertools.product(x, repeat=dimension)))
    weights = np.prod(list(itertools.product(w, repeat=dimension)), axis=1)
    return Rule(points, weights)


def _simplex(dimension: int, level: int) -> Rule:
    """Return a rule on the unit triangle or tetrahedron."""
    volume = 1 / 2 if dimension == 2 else 1 / 6
    if level == 1:
        return Rule(np.full((1, dimension), 1 / (dimension + 1)), np.array([volume]))
    if level == 2:
        # one point near each corner: b elsewhere, a along its own axis
        b = 1 / 6 if dimension == 2 else (5 - np.sqrt(5)) / 20
        points = np.full((dimension + 1, dimension), b)
        points[np.arange(dimension) + 1, np.arange(dimension)] = 1 - dimension * b
        return Rule(points, np.full(dimension + 1, volume / (dimension + 1)))
    axes = []
    for k in range(dimension):
        x, w = roots_jacobi(level, k, 0)
        axes.append(((x + 1) / 2, w / 2 ** (k + 1)))
    places, weights = [], []
    # the last axis is taken first; what it leaves scales the axes before it
    for chosen in itertools.product(range(level), repeat=dimension):
        left, at, weight = 1.0, np.empty(dimension), 1.0
        for k in reversed(range(dimension)):
            at[k] = left * axes[k][0][chosen[k]]
            weight *= axes[k][1][chosen[k]]
            left -= at[k]
        places.append(at)
        weights.append(weight)
    return Rule(np.array(places), np.array(weights))
