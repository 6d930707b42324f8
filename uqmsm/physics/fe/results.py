"""Writes fields on a mesh for ParaView: a ``.vtu`` a state, a ``.pvd`` that lines them up in time (the meshio door)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.fe.mesh import Mesh
from uqmsm.physics.fe.meshes.files import MESHIO_NAMES

__all__ = ["write_pvd", "write_vtu"]

Numbers = NDArray[np.generic]


def write_vtu(
    path: Path, mesh: Mesh, *, nodes: Mapping[str, Numbers] | None = None, cells: Mapping[str, Numbers] | None = None
) -> None:
    """Write a mesh with fields.

    Parameters
    ----------
    path : Path
        Ends in ``.vtu``.
    mesh : Mesh
    nodes : mapping of str to ndarray, shape (nodes,) or (nodes, parts)
        Say mean, standard deviation of each kind, probability of yield; the unit belongs in the name.
    cells : mapping of str to ndarray
        (elements,) or (elements, parts); what quadrature points carry is averaged, or taken to the nodes, beforehand
        (`uqmsm.physics.fe.at_nodes`).

    Raises
    ------
    StudyError
        When a field does not fit the mesh.
    """
    import meshio

    points, inside = {}, {}
    for name, field in (nodes or {}).items():
        if len(field) != len(mesh.nodes_mm):
            raise StudyError(f"write_vtu: {name} has {len(field)} rows, the mesh {len(mesh.nodes_mm)} nodes")
        points[name] = _in_space(field)
    for name, field in (cells or {}).items():
        if len(field) != len(mesh.elements):
            raise StudyError(f"write_vtu: {name} has {len(field)} rows, the mesh {len(mesh.elements)} elements")
        inside[name] = [field]
    flat = np.zeros((len(mesh.nodes_mm), 3))
    flat[:, : mesh.dimension] = mesh.nodes_mm
    meshio.Mesh(flat, [(MESHIO_NAMES[mesh.kind], mesh.elements)], point_data=points, cell_data=inside).write(path)


def write_pvd(path: Path, states: Sequence[tuple[float, Path]]) -> None:
    """Write a list of (time or load, ``.vtu``) for ParaView; the files are named relative to `path`."""
    rows = []
    for time, file in states:
        name = Path(file).relative_to(path.parent) if Path(file).is_absolute() else Path(file)
        rows.append(f'<DataSet timestep="{time!r}" part="0" file={quoteattr(name.as_posix())}/>')
    body = "\n".join(rows)
    head = '<?xml version="1.0"?>\n<VTKFile type="Collection" version="0.1">\n<Collection>\n'
    path.write_text(f"{head}{body}\n</Collection>\n</VTKFile>\n")


def _in_space(field: Numbers) -> Numbers:
    """Give vectors of the plane a third component, which ParaView asks for."""
    if field.ndim == 2 and field.shape[1] == 2:
        return np.column_stack([field, np.zeros(len(field), dtype=field.dtype)])
    return field
