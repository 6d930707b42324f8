"""Reads meshes of other programs, those of gmsh above all, with the names of their groups (the meshio door)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.fe.elements import ELEMENTS, element
from uqmsm.physics.fe.mesh import Mesh, boundary_facets

__all__ = ["MESHIO_NAMES", "read_mesh"]

Ints = NDArray[np.int64]
MESHIO_NAMES = {
    "line2": "line",
    "line3": "line3",
    "tri3": "triangle",
    "tri6": "triangle6",
    "quad4": "quad",
    "quad8": "quad8",
    "quad9": "quad9",
    "tet4": "tetra",
    "tet10": "tetra10",
    "hex8": "hexahedron",
    "hex20": "hexahedron20",
    "hex27": "hexahedron27",
}
"""Our names of elements to meshio's."""


def read_mesh(path: Path | str, *, scale_mm: float = 1.0, thickness_mm: float = 1.0) -> Mesh:
    """Read a mesh of one kind of element.

    Parameters
    ----------
    path : Path
        Any format that meshio reads; of gmsh's ``.msh`` the physical groups become boundaries and regions.
    scale_mm : float
        One unit of the file in mm.
    thickness_mm : float
        Of a plane mesh.

    Raises
    ------
    StudyError
        When the file cannot be read, or holds no or several kinds of elements of the highest dimension.
    """
    import meshio

    try:
        found = meshio.read(path)
    except (OSError, meshio.ReadError) as fault:
        raise StudyError(f"read_mesh: {path} cannot be read ({fault}); give a file of a format meshio knows") from None
    kinds = {theirs: ours for ours, theirs in MESHIO_NAMES.items()}
    present = {kinds[block.type] for block in found.cells if block.type in kinds}
    top = max((ELEMENTS[kind].dimension for kind in present), default=0)
    solids = sorted(kind for kind in present if ELEMENTS[kind].dimension == top)
    if top < 2 or len(solids) != 1:
        raise StudyError(
            f"read_mesh: {path} holds {', '.join(sorted(present)) or 'no elements that we know'}; a component needs "
            "one kind of triangle, quadrilateral, tetrahedron or hexahedron: mesh it again with that alone"
        )
    kind = solids[0]
    groups = found.cell_data.get("gmsh:physical", [np.zeros(len(block.data), dtype=np.int64) for block in found.cells])
    cells = np.concatenate([b.data for b in found.cells if b.type == MESHIO_NAMES[kind]]).astype(np.int64)
    tags = np.concatenate([g for b, g in zip(found.cells, groups, strict=True) if b.type == MESHIO_NAMES[kind]])
    used, label = np.unique(cells, return_inverse=True)
    elements = label.reshape(cells.shape).astype(np.int64)
    number = np.full(len(found.points), -1, dtype=np.int64)
    number[used] = np.arange(len(used))
    nodes = np.ascontiguousarray(found.points[used, :top] * scale_mm, dtype=np.float64)
    names = {(int(tag), int(dimension)): name for name, (tag, dimension) in found.field_data.items()}
    regions = {names.get((int(t), top), str(int(t))): np.flatnonzero(tags == t) for t in np.unique(tags)}
    faces = [
        (number[block.data.astype(np.int64)], group)
        for block, group in zip(found.cells, groups, strict=True)
        if block.type == MESHIO_NAMES[element(kind).facet]
    ]
    return Mesh(nodes, elements, kind, _edges(elements, kind, faces, names), thickness_mm, regions)


def _edges(
    elements: Ints, kind: str, faces: list[tuple[Ints, Ints]], names: dict[tuple[int, int], str]
) -> dict[str, Ints]:
    """Turn the faces of the groups outwards: each is looked up among those of the elements."""
    rim = boundary_facets(elements, kind)
    corners = element(element(kind).facet).corners
    place = {tuple(sorted(face[:corners])): k for k, face in enumerate(rim.tolist())}
    dimension = element(kind).dimension - 1
    found: dict[str, list[int]] = {}
    for block, tags in faces:
        for face, tag in zip(block.tolist(), tags.tolist(), strict=True):
            at = place.get(tuple(sorted(face[:corners])))
            if at is not None:  # faces inside the component bound nothing
                found.setdefault(names.get((int(tag), dimension), str(int(tag))), []).append(at)
    return {name: rim[places] for name, places in found.items()}
