"""From quadrature points to nodes: a plane fitted to each element's points, read at its nodes, averaged by volume."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from uqmsm.physics.fe.discretise import Discretisation

__all__ = ["at_nodes"]

Floats = NDArray[np.float64]


def at_nodes(of: Discretisation, values: Floats, along: Callable[[Floats], Floats] | None = None) -> Floats:
    """Return what nodes carry; exact where the field is linear, one-sided at boundaries.

    Parameters
    ----------
    of : Discretisation
    values : ndarray, shape (elements * points, ...) or (elements, points, ...)
    along : callable
        Positions (..., d) in mm -> coordinates (..., d) in which planes are fitted: radius and angle, say, where a
        field changes with them over cells that are bent. The positions themselves when None.

    Returns
    -------
    ndarray, shape (nodes, ...)
        An element with too few points for a plane gives its mean to all its nodes.
    """
    elements, points = of.points
    given = np.asarray(values, dtype=np.float64)
    rest = given.shape[1:] if given.shape[0] == elements * points else given.shape[2:]
    flat = given.reshape(elements, points, -1)
    nodes, places = of.mesh.nodes_mm[of.mesh.elements], of.positions_mm
    if along is not None:
        nodes, places = along(nodes), along(places)
    weights = of.volume_mm3 / of.volume_mm3.sum(axis=1, keepdims=True)
    centre = np.einsum("eq,eqx->ex", weights, places)
    mean = np.einsum("eq,eqv->ev", weights, flat)
    read = np.repeat(mean[:, None], nodes.shape[1], axis=1)
    if points > of.mesh.dimension:
        away = places - centre[:, None]
        slope = np.linalg.pinv(away) @ (flat - mean[:, None])
        read = read + (nodes - centre[:, None]) @ slope
    total = np.zeros((len(of.mesh.nodes_mm), flat.shape[2]))
    volume = np.zeros(len(total))
    each = of.volume_mm3.sum(axis=1)
    np.add.at(total, of.mesh.elements, read * each[:, None, None])
    np.add.at(volume, of.mesh.elements, each[:, None])
    return np.asarray((total / volume[:, None]).reshape(-1, *rest))
