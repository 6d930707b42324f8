"""Averages of a random field over the elements of a plate, where its correlation is shorter than most of them.

The field is stationary, of unit variance, correlated as ``exp(-pi r^2 / l^2)``, so that its integral range is ``l^3``:
the average over a body much larger than that has the variance ``l^3 / V``, which is the law of size of a block of
grains, and over one much smaller that of a grain. What elements share is integrated over pieces of them no larger than
`l / 2` where twelve along a side allow it. A piece counts as a blob of its own second moments: integrals of these are
Gaussians again, and a covariance made of them is positive whatever the pieces. Through the thickness it is exact.
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil, erf, exp, pi, sqrt

import numpy as np
from numba import njit
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.fe.elements import shape
from uqmsm.physics.fe.mesh import Mesh
from uqmsm.physics.fe.meshes.overlaps import plate_overlaps
from uqmsm.physics.fe.meshes.plate import PlateMesh

__all__ = ["average_covariance", "field_factor", "field_root"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_PIECES = 12
_REACH = 3.0  # correlation lengths beyond which nothing is shared: exp(-9 pi)


@lru_cache(maxsize=16)
def field_root(mesh: Mesh, range_mm3: float) -> Floats:
    """Return a triangular root ``(elements, elements)`` of `average_covariance`: root @ normals is a field; kept."""
    covariance = average_covariance(mesh, range_mm3)
    # pieces of coarse elements overlap a little, never so much as to spoil this; rounding may
    return np.asarray(np.linalg.cholesky(covariance + 1e-12 * covariance.diagonal().max() * np.eye(len(covariance))))


@lru_cache(maxsize=16)
def field_factor(mesh: PlateMesh, reference: PlateMesh, range_mm3: float) -> Floats:
    """Return ``(elements, elements of the reference)``: factor @ normals is the field of `reference`, on `mesh`; kept.

    Every mesh of a plate averages one and the same field, drawn on one that is as fine as any of them, so that two of
    them differ by their elements alone.
    """
    root = field_root(reference, range_mm3)
    return root if mesh is reference else np.asarray(plate_overlaps(mesh, reference) @ root)


def average_covariance(mesh: Mesh, range_mm3: float) -> Floats:
    """Return the covariance ``(elements, elements)`` of the averages of the field.

    Parameters
    ----------
    mesh
        Of the plate.
    range_mm3
        Integral range of the field: a grain's volume, times what unequal grains add.

    Raises
    ------
    StudyError
        When the range is not positive.
    """
    if not range_mm3 > 0.0:
        raise StudyError(f"average_covariance: the integral range is {range_mm3:g} mm^3; it must be positive")
    length = range_mm3 ** (1.0 / 3.0)
    first, centres, areas, moments = _pieces(mesh, length)
    middle, radius = _circles(mesh)
    along = _shared(first, centres, areas, moments, middle, radius, length)
    return np.asarray((along + np.tril(along, -1).T) * _through(mesh.thickness_mm / length))


def _through(ratio: float) -> float:
    """Return the variance of the average over a thickness, in correlation lengths."""
    a = sqrt(pi) * ratio
    return (erf(a) - (1.0 - exp(-a * a)) / (a * sqrt(pi))) / ratio


def _pieces(mesh: Mesh, length_mm: float) -> tuple[Ints, Floats, Floats, Floats]:
    """Return where each element's pieces begin, and centre, share of the element and second moments of every piece."""
    corners = mesh.nodes_mm[mesh.elements[:, :4]]
    sides = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(axis=1)
    cuts = [min(ceil(2.0 * side / length_mm), _PIECES) for side in sides]
    centres, areas, moments = [], [], []
    for element, cut in zip(mesh.elements, cuts, strict=True):
        at = (2.0 * np.arange(cut) + 1.0) / cut - 1.0
        value, slope = shape(mesh.kind, np.stack(np.meshgrid(at, at, indexing="ij"), axis=-1).reshape(-1, 2))
        edges = (2.0 / cut) * (slope @ mesh.nodes_mm[element])
        area = np.abs(np.linalg.det(edges))
        centres.append(value @ mesh.nodes_mm[element])
        areas.append(area / area.sum())
        # blobs of pieces longer than the correlation are drawn out, or the gaps between them would add variance
        wide = np.clip(0.5 + 0.5 * np.sqrt(area) / length_mm, 1.0, 1.5)
        moments.append(wide[:, None, None] * np.einsum("qrx,qry->qxy", edges, edges) / 12.0)
    first = np.concatenate([[0], np.cumsum(np.array(cuts) ** 2)])
    return first, np.concatenate(centres), np.concatenate(areas), np.concatenate(moments)


def _circles(mesh: Mesh) -> tuple[Floats, Floats]:
    nodes = mesh.nodes_mm[mesh.elements]
    middle = nodes.mean(axis=1)
    return middle, np.linalg.norm(nodes - middle[:, None], axis=2).max(axis=1)


@njit(cache=True, error_model="numpy")
def _shared(
    first: Ints, centres: Floats, areas: Floats, moments: Floats, middle: Floats, radius: Floats, length: float
) -> Floats:
    """Return the lower triangle of the covariance in the plane."""
    count, own = len(middle), length * length / (2.0 * np.pi)
    found = np.zeros((count, count))
    for e in range(count):
        for f in range(e + 1):
            apart = np.hypot(middle[e, 0] - middle[f, 0], middle[e, 1] - middle[f, 1])
            if apart - radius[e] - radius[f] > _REACH * length:
                continue
            total = 0.0
            for i in range(first[e], first[e + 1]):
                for j in range(first[f], first[f + 1]):
                    x, y = centres[i, 0] - centres[j, 0], centres[i, 1] - centres[j, 1]
                    a = moments[i, 0, 0] + moments[j, 0, 0] + own
                    b = moments[i, 0, 1] + moments[j, 0, 1]
                    c = moments[i, 1, 1] + moments[j, 1, 1] + own
                    det = a * c - b * b
                    power = 0.5 * (c * x * x - 2.0 * b * x * y + a * y * y) / det
                    if power < 40.0:
                        total += areas[i] * areas[j] * np.exp(-power) / np.sqrt(det)
            found[e, f] = total * own
    return found
