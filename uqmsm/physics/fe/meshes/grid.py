"""Draws meshes of any element over a grid that is bent into shape; all by indices, nothing is merged by closeness."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.fe.elements import element
from uqmsm.physics.fe.mesh import Mesh, boundary_facets

__all__ = ["SIDES", "grid_mesh"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
SIDES = (("left", "right"), ("bottom", "top"), ("back", "front"))
"""Names of the sides at the start and end of every axis."""

# simplices of one cell, by its corners in {0, 1}^d; all share the diagonal, so that neighbours fit
_TRIANGLES = (((0, 0), (1, 0), (1, 1)), ((0, 0), (1, 1), (0, 1)))


def grid_mesh(
    counts: tuple[int, ...],
    kind: str,
    bend: Callable[[Floats], Floats] | None = None,
    *,
    thickness_mm: float = 1.0,
) -> Mesh:
    """Mesh the unit square or cube and bend it.

    Parameters
    ----------
    counts : tuple of int
        Cells along each axis; a cell is one quadrilateral or hexahedron, two triangles or six tetrahedra.
    kind : str
        Name of the element.
    bend : callable
        Positions (points, d) in the unit cube -> positions in mm; must keep the orientation.
    thickness_mm : float
        Of a plane mesh.

    Returns
    -------
    Mesh
        Its boundaries are called left, right (first axis), bottom, top (second), back and front (third).

    Raises
    ------
    StudyError
        When counts and element do not fit.
    """
    of = element(kind)
    if len(counts) != of.dimension or of.dimension < 2 or min(counts) < 1:
        raise StudyError(f"grid_mesh: {counts} cells of {kind}; give {max(2, of.dimension)} counts of at least 1")
    step = of.order
    lattice = tuple(step * n + 1 for n in counts)
    origins = step * np.array(list(itertools.product(*(range(n) for n in counts))))
    numbered = [
        np.ravel_multi_index(tuple((origins[:, None, :] + piece).transpose(2, 0, 1)), lattice)
        for piece in _pieces(kind)
    ]
    elements = np.stack(numbered, axis=1).reshape(-1, len(of.nodes))
    used, label = np.unique(elements, return_inverse=True)
    place = np.stack(np.unravel_index(used, lattice), axis=-1)
    unit = place / (np.array(lattice) - 1)
    cells = label.reshape(elements.shape).astype(np.int64)
    rim = boundary_facets(cells, kind)
    edges = {}
    for axis, names in enumerate(SIDES[: of.dimension]):
        for name, end in zip(names, (0, lattice[axis] - 1), strict=True):
            edges[name] = rim[(place[rim][..., axis] == end).all(axis=1)]
    nodes = np.ascontiguousarray(unit if bend is None else bend(unit), dtype=np.float64)
    return Mesh(nodes, cells, kind, edges, thickness_mm)


def _pieces(kind: str) -> list[Ints]:
    """Return the nodes of the elements of one cell, as places in its lattice of 2^d or 3^d points."""
    of = element(kind)
    nodes = np.array(of.nodes)
    if of.form in {"quad", "hex"}:
        return [np.rint((nodes + 1) * of.order / 2).astype(np.int64)]
    corners = _TRIANGLES if of.form == "tri" else _tetrahedra()
    found = []
    for chosen in corners:
        corner = np.array(chosen)
        found.append(np.rint(of.order * (corner[0] + nodes @ (corner[1:] - corner[0]))).astype(np.int64))
    return found


def _tetrahedra() -> tuple[tuple[tuple[int, ...], ...], ...]:
    """Cut a cube along its diagonal: one tetrahedron for each order in which the axes may be walked (Kuhn)."""
    found = []
    for order in itertools.permutations(range(3)):
        path = [np.zeros(3, dtype=np.int64)]
        for axis in order:
            path.append(path[-1] + np.eye(3, dtype=np.int64)[axis])
        if np.linalg.det(np.array(path[1:]) - path[0]) < 0:
            path[1], path[2] = path[2], path[1]
        found.append(tuple(tuple(int(x) for x in p) for p in path))
    return tuple(found)
