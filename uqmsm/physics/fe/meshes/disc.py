"""Draws half of a disc in its section, bore, web and rim of a turbine's, by radii and thicknesses; x is the radius."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.fe.mesh import Mesh
from uqmsm.physics.fe.meshes.grid import grid_mesh

__all__ = ["disc_mesh"]

Floats = NDArray[np.float64]


def disc_mesh(
    radii_mm: tuple[float, ...], thickness_mm: tuple[float, ...], axial: int = 3, kind: str = "quad8"
) -> Mesh:
    """Mesh the upper half of a disc's section; round an axis.

    Parameters
    ----------
    radii_mm : tuple of float
        Where the thickness is given, ascending from the bore.
    thickness_mm : tuple of float
        Full thickness there; straight in between.
    axial : int
        Cells through half the thickness; those along the radius are about as long as high.
    kind : str
        A triangle or quadrilateral.

    Returns
    -------
    Mesh
        Its boundaries are called bore, rim, middle (the plane of symmetry) and face.

    Raises
    ------
    StudyError
        When radii do not ascend from above zero, or a thickness is not positive.
    """
    r, h = np.array(radii_mm, dtype=np.float64), np.array(thickness_mm, dtype=np.float64) / 2
    if len(r) != len(h) or len(r) < 2 or r[0] < 0 or np.any(np.diff(r) <= 0) or np.any(h <= 0) or axial < 1:
        raise StudyError(
            f"disc_mesh: radii {radii_mm} with thicknesses {thickness_mm}, {axial} cells; radii must ascend from zero "
            "or more, thicknesses be positive, one for each radius, with at least one cell"
        )
    cells = [
        max(1, int(np.ceil((b - a) * axial * 2 / (p + q)))) for a, b, p, q in zip(r, r[1:], h, h[1:], strict=False)
    ]
    ends = np.concatenate([[0], np.cumsum(cells)]) / sum(cells)

    def bend(x: Floats) -> Floats:
        radius = np.interp(x[:, 0], ends, r)
        return np.stack([radius, x[:, 1] * np.interp(radius, r, h)], axis=-1)

    mesh = grid_mesh((sum(cells), axial), kind, bend)
    names = {"bore": "left", "rim": "right", "middle": "bottom", "face": "top"}
    return replace(mesh, edges={name: mesh.edges[side] for name, side in names.items()})
