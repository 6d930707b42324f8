"""Strains of displacements, forces of stresses, the sparse stiffness of tangents, for one member or many at once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from uqmsm.errors import StudyError
from uqmsm.physics.fe.discretise import Discretisation
from uqmsm.physics.fe.kernels import add_forces, add_stiffness, fill_strains

__all__ = ["forces", "stiffness_blocks", "stiffness_matrix", "strains"]

Floats = NDArray[np.float64]


def strains(of: Discretisation, displacement_mm: Floats) -> Floats:
    """Return the strain at the quadrature points.

    Parameters
    ----------
    of : Discretisation
    displacement_mm : ndarray, shape (..., nodes, d)
        Leading axes are members.

    Returns
    -------
    ndarray, shape (..., elements, points, 6)
        Mandel; 33 is zero in the plane and u/r round an axis.
    """
    moved = np.ascontiguousarray(displacement_mm, dtype=np.float64)
    found = np.empty((*moved.shape[:-2], *of.points, 6))
    for each in np.ndindex(moved.shape[:-2]):
        fill_strains(of.mesh.nodes_mm, of.mesh.elements, of.table, of.setting, moved[each], found[each])
    return found


def forces(of: Discretisation, stress_MPa: Floats) -> Floats:
    """Return the nodal forces in N, shape (..., nodes, d), that balance stresses (..., elements, points, 6), Mandel."""
    stress = np.ascontiguousarray(stress_MPa, dtype=np.float64)
    found = np.zeros((*stress.shape[:-3], *of.mesh.nodes_mm.shape))

    def one(task: tuple[tuple[int, ...], int]) -> None:
        each, share = task
        add_forces(*_mesh(of), stress[each], of.shares[share], found[each])

    _spread(of, stress.shape[:-3], one)
    return found


def stiffness_blocks(of: Discretisation, tangent_MPa: Floats, out: Floats | None = None) -> Floats:
    """Assemble the stiffness of all nodes, held or not, as blocks of d x d in the order of `of.pattern`.

    Parameters
    ----------
    of : Discretisation
    tangent_MPa : ndarray
        Mandel; what broadcasts to (..., elements, points, 6, 6): (6, 6), (elements, 1, 6, 6), (members, 1, 1, 6, 6).
        Under plane stress what is left once the stress out of the plane is zero (`plane_stress`).
    out : ndarray, optional
        Written instead of a new array.

    Returns
    -------
    ndarray, shape (..., entries, d, d)
        N/mm.

    Raises
    ------
    StudyError
        When the tangents do not fit the quadrature points.
    """
    given = np.asarray(tangent_MPa, dtype=np.float64)
    try:
        tangent = np.broadcast_to(given, (*given.shape[:-4], *of.points, 6, 6))
    except ValueError:
        raise StudyError(
            f"stiffness: tangents of shape {given.shape} do not fit {of.points[0]} elements of {of.points[1]} points; "
            "give (..., elements or 1, points or 1, 6, 6)"
        ) from None
    members, d = tangent.shape[:-4], of.mesh.dimension
    found = np.empty((*members, len(of.pattern.indices), d, d)) if out is None else out
    found[...] = 0.0

    def one(task: tuple[tuple[int, ...], int]) -> None:
        each, share = task
        add_stiffness(*_mesh(of), tangent[each], of.shares[share], of.pattern.place, found[each])

    _spread(of, members, one)
    return found


def stiffness_matrix(of: Discretisation, tangent_MPa: Floats) -> sparse.bsr_array:
    """Return the stiffness of one member as a matrix of d x d blocks; see `stiffness_blocks`."""
    blocks = stiffness_blocks(of, tangent_MPa)
    return sparse.bsr_array((blocks, of.pattern.indices, of.pattern.indptr), shape=(of.size, of.size))


def _mesh(of: Discretisation) -> tuple[Floats, NDArray[np.int64], object, object]:
    return of.mesh.nodes_mm, of.mesh.elements, of.table, of.setting


def _spread(of: Discretisation, members: tuple[int, ...], one: Callable[[tuple[tuple[int, ...], int]], None]) -> None:
    """Do one task for every member and share of the nodes; they write apart from each other."""
    tasks = [(each, share) for each in np.ndindex(members) for share in range(len(of.shares))]
    if of.workers == 1:
        for task in tasks:
            one(task)
        return
    with ThreadPoolExecutor(of.workers) as pool:
        list(pool.map(one, tasks))
