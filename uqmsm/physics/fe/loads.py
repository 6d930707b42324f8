"""Nodal forces of what pushes: tractions on a boundary, forces in the volume; round an axis, of the whole ring."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from uqmsm.physics.fe.discretise import Discretisation
from uqmsm.physics.fe.elements import element, shape
from uqmsm.physics.fe.quadrature import gauss

__all__ = ["Field", "body_loads", "boundary_points", "traction_loads"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Field = Callable[[Floats, Floats], Floats]
"""(positions_mm, outward unit normals), both (faces, points, d) -> tractions of the same shape."""


def boundary_points(of: Discretisation, facets: Ints, level: int) -> tuple[Floats, Floats, Floats, Floats]:
    """Return shape functions, positions, outward unit normals and areas at the quadrature points of boundary faces.

    Parameters
    ----------
    of : Discretisation
    facets : ndarray of int
        One of `of.mesh.edges`.
    level : int
        Of the quadrature.

    Returns
    -------
    value : ndarray, shape (points, nodes of a face)
    positions_mm, normals : ndarray, shape (faces, points, d)
    area_mm2 : ndarray, shape (faces, points)
        Weights; times the thickness in the plane, of the whole ring round an axis.
    """
    kind = element(element(of.mesh.kind).facet)
    rule = gauss(kind.form, level)
    value, gradient = shape(kind.name, rule.points)
    corners = of.mesh.nodes_mm[facets]
    position = np.einsum("qn,enx->eqx", value, corners)
    tangent = np.einsum("qrn,enx->eqrx", gradient, corners)
    if of.mesh.dimension == 2:
        along = tangent[:, :, 0]
        normal = np.stack([along[..., 1], -along[..., 0]], axis=-1)
        width = 2 * np.pi * position[..., 0] if of.kinematics == "axisymmetric" else of.setting[2]
    else:
        normal, width = np.cross(tangent[:, :, 0], tangent[:, :, 1]), 1.0
    size = np.sqrt((normal * normal).sum(axis=-1))
    return value, position, normal / size[..., None], size * rule.weights * width


def traction_loads(of: Discretisation, facets: Ints, traction_MPa: Field, level: int = 4) -> Floats:
    """Return the nodal forces in N, shape (nodes, d), of a traction on boundary faces.

    Parameters
    ----------
    of : Discretisation
    facets : ndarray of int
        One of `of.mesh.edges`.
    traction_MPa : callable
        See `Field`.
    level : int
        Of the quadrature on the faces.
    """
    value, position, normal, area = boundary_points(of, facets, level)
    force = np.einsum("qn,eqx,eq->enx", value, traction_MPa(position, normal), area)
    loads = np.zeros_like(of.mesh.nodes_mm)
    np.add.at(loads, facets, force)
    return loads


def body_loads(of: Discretisation, density_N_per_mm3: Floats) -> Floats:
    """Return the nodal forces in N, shape (nodes, d), of a force per volume at the quadrature points.

    Parameters
    ----------
    of : Discretisation
    density_N_per_mm3 : ndarray
        What broadcasts to (elements, points, d); ``rho omega^2 r`` along x for a disc that turns.
    """
    density = np.broadcast_to(density_N_per_mm3, of.positions_mm.shape)
    force = np.einsum("qn,eqx,eq->enx", of.table[0], density, of.volume_mm3)
    loads = np.zeros_like(of.mesh.nodes_mm)
    np.add.at(loads, of.mesh.elements, force)
    return loads
