"""Smooth stresses at the nodes, fitted over patches of four elements where the raw ones are most accurate.

Superconvergent patch recovery (Zienkiewicz and Zhu, Int. J. Numer. Meth. Eng. 33, 1331 (1992)): round
every inner corner a complete polynomial of the order of the element is fitted to the stresses at the
Barlow points (one per four-node, 2 x 2 per eight-node element) and read off at the nodes. The fit depends on the
mesh alone, so it is kept as one small matrix per patch.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from uqmsm.physics.fe.assemble import strains
from uqmsm.physics.fe.discretise import Discretisation, discretise
from uqmsm.physics.fe.materials.elastic import in_plane, plane_voigt, stress_of
from uqmsm.physics.fe.mesh import Mesh

__all__ = ["patch_stress"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class _Patches:
    """The mesh at its Barlow points; elements and nodes of each patch; the fit; weights of the readings."""

    of: Discretisation
    elements: Ints
    nodes: Ints
    fit: Floats
    weight: Floats


def patch_stress(mesh: Mesh, displacement_mm: Floats, stiffness_MPa: Floats) -> Floats:
    """Return recovered stresses (xx, yy, xy) at the nodes in MPa, shape (nodes, 3).

    Parameters
    ----------
    mesh : Mesh
        Every element must touch an inner corner where four elements meet.
    displacement_mm : ndarray, shape (nodes, 2)
    stiffness_MPa : ndarray, shape (3, 3) or (elements, 1, 3, 3)
        Plane stress; homogeneous or nearly so, for the stress that is read off is smooth.
    """
    of = _patches(mesh)
    stress = plane_voigt(stress_of(strains(of.of, displacement_mm), in_plane(stiffness_MPa)))
    sampled = stress[of.elements].reshape(len(of.elements), -1, 3)
    read = (of.fit @ sampled) * of.weight[..., None]
    flat, nodes = of.nodes.ravel(), len(mesh.nodes_mm)
    total = np.bincount(flat, weights=of.weight.ravel(), minlength=nodes)
    summed = [np.bincount(flat, weights=read[..., s].ravel(), minlength=nodes) for s in range(3)]
    return np.stack(summed, axis=-1) / total[:, None]


@lru_cache(maxsize=16)
def _patches(mesh: Mesh) -> _Patches:
    """Find the patches of a mesh and fit each once."""
    of = discretise(mesh, "plane_stress", level=mesh.order)
    corners = mesh.elements[:, :4]
    centres = np.flatnonzero(np.bincount(corners.ravel(), minlength=len(mesh.nodes_mm)) == 4)
    number = np.full(len(mesh.nodes_mm), -1)
    number[centres] = np.arange(len(centres))
    owner = number[corners]
    touched = np.argwhere(owner >= 0)
    by_patch = touched[np.argsort(owner[owner >= 0], kind="stable"), 0].reshape(-1, 4)
    origin = mesh.nodes_mm[centres][:, None]
    at = of.positions_mm[by_patch].reshape(len(centres), -1, 2) - origin
    nodes = mesh.elements[by_patch].reshape(len(centres), -1)
    to = mesh.nodes_mm[nodes] - origin
    size = np.abs(at).max(axis=(1, 2), keepdims=True)
    fit = _monomials(to / size, mesh.order) @ np.linalg.pinv(_monomials(at / size, mesh.order))
    return _Patches(of, by_patch, nodes, fit, _weights(mesh, centres, nodes))


def _monomials(x: Floats, order: int) -> Floats:
    """Return the complete polynomial of degree 1 or 2 at the points, monomials last."""
    a, b = x[..., 0], x[..., 1]
    terms = [np.ones_like(a), a, b]
    if order == 2:
        terms += [a * a, a * b, b * b]
    return np.stack(terms, axis=-1)


def _weights(mesh: Mesh, centres: Ints, nodes: Ints) -> Floats:
    """Let a node listen to its own patch, a side's middle to those of the side's ends, others to any they are in."""
    distance = np.full(nodes.shape, 2)
    if mesh.order == 2:
        a = mesh.elements[:, :4]
        ends = np.full((len(mesh.nodes_mm), 2), -1)
        ends[mesh.elements[:, 4:]] = np.stack([a, np.roll(a, -1, axis=1)], axis=-1)
        distance[(ends[nodes] == centres[:, None, None]).any(axis=-1)] = 1
    distance[nodes == centres[:, None]] = 0
    nearest = np.full(len(mesh.nodes_mm), 3)
    np.minimum.at(nearest, nodes, distance)
    return np.asarray(distance == nearest[nodes], dtype=np.float64)
