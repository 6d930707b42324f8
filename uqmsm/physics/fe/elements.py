"""Four- and eight-node quadrilaterals: shape functions, their gradients, and quadrature on square and edge.

Nodes go round the corners counter-clockwise from (-1, -1), then the middles of the sides in the same
order (the serendipity family, Zienkiewicz and Taylor, The Finite Element Method, vol. 1, ch. 8). An edge
is (start, end) or (start, end, middle).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError

__all__ = ["CORNERS", "Rule", "edge_rule", "edge_shape", "quadrature", "shape"]

Floats = NDArray[np.float64]
CORNERS = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])


@dataclass(frozen=True)
class Rule:
    """Quadrature points in [-1, 1]^d, shape (points, d) or (points,), and their weights."""

    points: Floats
    weights: Floats


@cache
def quadrature(per_side: int) -> Rule:
    """Return the Gauss rule with `per_side` points in each direction of the square."""
    x, w = np.polynomial.legendre.leggauss(per_side)
    points = np.stack(np.meshgrid(x, x, indexing="ij"), axis=-1).reshape(-1, 2)
    return Rule(points, np.outer(w, w).ravel())


@cache
def edge_rule(points: int) -> Rule:
    """Return the Gauss rule on an edge."""
    x, w = np.polynomial.legendre.leggauss(points)
    return Rule(x, w)


def shape(order: int, points: Floats) -> tuple[Floats, Floats]:
    """Return shape functions and their gradients in the reference square.

    Parameters
    ----------
    order : {1, 2}
        1: four nodes; 2: eight nodes.
    points : ndarray, shape (points, 2)

    Returns
    -------
    values : ndarray, shape (points, nodes)
    gradients : ndarray, shape (points, 2, nodes)

    Raises
    ------
    StudyError
        For any other order.
    """
    x, y = points[:, :1], points[:, 1:]
    a, b = CORNERS[:, 0], CORNERS[:, 1]
    p, q = 1 + a * x, 1 + b * y
    if order == 1:
        return p * q / 4, np.stack([a * q / 4, p * b / 4], axis=1)
    if order != 2:
        raise StudyError(f"elements: order {order} is not available; choose 1 (four nodes) or 2 (eight nodes)")
    s = a * x + b * y - 1
    corner = p * q * s / 4
    corner_x, corner_y = a * q * (s + p) / 4, p * b * (s + q) / 4
    xx, yy, zero = 1 - x * x, 1 - y * y, np.zeros_like(x)
    middle = np.hstack([xx * (1 - y), yy * (1 + x), xx * (1 + y), yy * (1 - x)]) / 2
    middle_x = np.hstack([-2 * x * (1 - y), yy, -2 * x * (1 + y), -yy]) / 2
    middle_y = np.hstack([-xx, -2 * y * (1 + x), xx, -2 * y * (1 - x)]) / 2 + zero
    values = np.hstack([corner, middle])
    return values, np.stack([np.hstack([corner_x, middle_x]), np.hstack([corner_y, middle_y])], axis=1)


def edge_shape(order: int, points: Floats) -> tuple[Floats, Floats]:
    """Return shape functions and derivatives along an edge, each of shape (points, order + 1).

    Raises
    ------
    StudyError
        For any order but 1 and 2.
    """
    x = np.asarray(points, dtype=np.float64)[:, None]
    if order == 1:
        return np.hstack([1 - x, 1 + x]) / 2, np.hstack([-np.ones_like(x), np.ones_like(x)]) / 2
    if order == 2:
        return np.hstack([x * (x - 1) / 2, x * (x + 1) / 2, 1 - x * x]), np.hstack([x - 0.5, x + 0.5, -2 * x])
    raise StudyError(f"elements: order {order} is not available; choose 1 or 2")
