"""Turns elements and material into one sparse system, and solves it.

What depends on the mesh alone (shape gradients at the quadrature points, the sparsity pattern, the place of every
element entry in it, an ordering that keeps the factors sparse) is computed once per mesh and kept; a
member then costs one batched product, one scatter and one factorization.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import splu

from uqmsm.errors import NotConverged, StudyError
from uqmsm.physics.fe.elements import edge_rule, edge_shape, quadrature, shape
from uqmsm.physics.fe.mesh import Mesh

__all__ = [
    "Discretisation",
    "discretise",
    "edge_loads",
    "element_stiffness",
    "solve",
    "stiffness_matrix",
    "strain_matrices",
    "strains",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Indices = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Discretisation:
    """All that the mesh and the held dofs fix once for every member.

    Attributes
    ----------
    strain : ndarray, shape (elements, points, 3, 2 * nodes)
        Strain (xx, yy, 2xy) from the element's dofs.
    volume_mm3 : ndarray, shape (elements, points)
        Quadrature weights.
    dofs : ndarray of int, shape (elements, 2 * nodes)
    place : ndarray of int, shape (elements, 2 * nodes, 2 * nodes)
        Where each entry goes in `indices`; the last place collects what is held.
    indptr, indices : ndarray of int
        Compressed columns of the free system, in the order `free`.
    free : ndarray of int
        Free dofs, ordered so that the factors stay sparse.
    size : int
        Number of all dofs.
    """

    strain: Floats
    volume_mm3: Floats
    dofs: Ints
    place: Ints
    indptr: Indices
    indices: Indices
    free: Ints
    size: int


@lru_cache(maxsize=16)
def discretise(mesh: Mesh, held: tuple[int, ...]) -> Discretisation:
    """Prepare a mesh whose dofs `held` (2 * node + axis) are fixed at zero; kept per mesh object.

    Raises
    ------
    StudyError
        When an element is turned inside out.
    """
    strain, volume = strain_matrices(mesh, quadrature(mesh.order + 1).points, quadrature(mesh.order + 1).weights)
    if not np.all(volume > 0):
        raise StudyError(
            f"discretise: {int((volume <= 0).any(axis=1).sum())} elements are turned inside out; mend the mesh"
        )
    dofs = (2 * mesh.elements[..., None] + np.arange(2)).reshape(len(mesh.elements), -1)
    size = 2 * len(mesh.nodes_mm)
    free = np.setdiff1d(np.arange(size), np.asarray(held, dtype=np.int64))
    place, indptr, indices = _pattern(dofs, free, size)
    # an ordering is found once, on a diagonally dominant matrix of the same pattern
    example = sparse.csc_matrix((np.full(len(indices), -1.0), indices, indptr))
    example = example + sparse.diags_array(np.full(len(free), 1.0 + np.diff(indptr).max()))
    factors = splu(sparse.csc_matrix(example), permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})
    free = free[np.argsort(factors.perm_c)]
    place, indptr, indices = _pattern(dofs, free, size)
    return Discretisation(strain, volume, dofs, place, indptr, indices, free, size)


def strain_matrices(mesh: Mesh, points: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Return strain-displacement matrices and volumes at reference points of every element.

    Returns
    -------
    strain : ndarray, shape (elements, points, 3, 2 * nodes)
        Rows xx, yy, 2xy.
    volume_mm3 : ndarray, shape (elements, points)
        Weight times Jacobian times thickness.
    """
    gradient = shape(mesh.order, points)[1]
    jacobian = np.einsum("qrn,enx->eqrx", gradient, mesh.nodes_mm[mesh.elements])
    slope = np.linalg.solve(jacobian, np.broadcast_to(gradient, (len(mesh.elements), *gradient.shape)))
    strain = np.zeros((*slope.shape[:2], 3, 2 * slope.shape[-1]))
    strain[:, :, 0, 0::2] = strain[:, :, 2, 1::2] = slope[:, :, 0]
    strain[:, :, 1, 1::2] = strain[:, :, 2, 0::2] = slope[:, :, 1]
    return strain, np.linalg.det(jacobian) * weights * mesh.thickness_mm


def element_stiffness(of: Discretisation, stiffness_MPa: Floats) -> Floats:
    """Return the element matrices in N/mm, shape (elements, 2 * nodes, 2 * nodes).

    Parameters
    ----------
    of : Discretisation
    stiffness_MPa : ndarray, shape (3, 3), (elements, 1, 3, 3) or (elements, points, 3, 3)
        Plane-stress stiffness, engineering shear.
    """
    elements, points, _, local = of.strain.shape
    flux = stiffness_MPa @ of.strain * of.volume_mm3[..., None, None]
    tall = (elements, points * 3, local)
    return np.asarray(of.strain.reshape(tall).transpose(0, 2, 1) @ flux.reshape(tall))


def stiffness_matrix(of: Discretisation, stiffness_MPa: Floats) -> sparse.csc_matrix:
    """Assemble the free part of the stiffness in N/mm, in the order `of.free`."""
    entries = np.bincount(
        of.place.ravel(), weights=element_stiffness(of, stiffness_MPa).ravel(), minlength=len(of.indices) + 1
    )
    return sparse.csc_matrix((entries[:-1], of.indices, of.indptr))


def edge_loads(mesh: Mesh, edges: Ints, traction_MPa: Callable[[Floats, Floats], Floats], points: int = 4) -> Floats:
    """Return the nodal forces in N, shape (nodes, 2), of a traction on boundary edges.

    Parameters
    ----------
    mesh : Mesh
    edges : ndarray of int
        One of `mesh.edges`.
    traction_MPa : callable
        (positions_mm, outward unit normals), both (edges, points, 2) -> traction of the same shape.
    points : int
        Gauss points per edge.
    """
    rule = edge_rule(points)
    value, slope = edge_shape(mesh.order, rule.points)
    corners = mesh.nodes_mm[edges]
    tangent = np.einsum("qn,enx->eqx", slope, corners)
    length = np.hypot(tangent[..., 0], tangent[..., 1])
    normal = np.stack([tangent[..., 1], -tangent[..., 0]], axis=-1) / length[..., None]
    traction = traction_MPa(np.einsum("qn,enx->eqx", value, corners), normal)
    force = np.einsum("qn,eqx,eq,q->enx", value, traction, length, rule.weights) * mesh.thickness_mm
    loads = np.zeros_like(mesh.nodes_mm)
    np.add.at(loads, edges, force)
    return loads


def solve(of: Discretisation, stiffness_MPa: Floats, loads_N: Floats) -> tuple[Floats, float]:
    """Solve for the displacements in mm, shape (nodes, 2), and return the relative residual of the free system.

    Raises
    ------
    NotConverged
        When the factorization breaks down or leaves a residual above 1e-9: the material is singular.
    """
    K = stiffness_matrix(of, stiffness_MPa)
    f = loads_N.ravel()[of.free]
    try:
        factors = splu(K, permc_spec="NATURAL", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    except RuntimeError as breakdown:
        raise NotConverged(f"fe.solve: the stiffness matrix is singular ({breakdown}); check the material") from None
    u = factors.solve(f)
    residual = float(np.linalg.norm(K @ u - f) / np.linalg.norm(f))
    if not residual < 1e-9:
        raise NotConverged(f"fe.solve: relative residual {residual:.1e} exceeds 1e-9; check material and mesh")
    full = np.zeros(of.size)
    full[of.free] = u
    return full.reshape(-1, 2), residual


def strains(of: Discretisation, displacement_mm: Floats) -> Floats:
    """Return strains (xx, yy, 2xy) at the quadrature points, shape (elements, points, 3)."""
    return np.asarray(np.einsum("eqsd,ed->eqs", of.strain, displacement_mm.ravel()[of.dofs]))


def _pattern(dofs: Ints, free: Ints, size: int) -> tuple[Ints, Indices, Indices]:
    """Return the place of every element entry in compressed columns, and the columns."""
    number = np.full(size, -1, dtype=np.int64)
    number[free] = np.arange(len(free))
    local = number[dofs]
    row, column = np.broadcast_arrays(local[:, :, None], local[:, None, :])
    inside = (row >= 0) & (column >= 0)
    key, back = np.unique(column[inside] * len(free) + row[inside], return_inverse=True)
    place = np.full(row.shape, len(key), dtype=np.int64)
    place[inside] = back
    columns, rows = np.divmod(key, len(free))
    indptr = np.searchsorted(columns, np.arange(len(free) + 1)).astype(np.int32)
    return place, indptr, np.asarray(rows, dtype=np.int32)
