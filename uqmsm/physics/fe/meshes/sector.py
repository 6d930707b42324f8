"""Draws a sector of a disc in space, bore, web and rim of a turbine's, that repeats round the axis z."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.fe.mesh import Mesh
from uqmsm.physics.fe.meshes.grid import grid_mesh

__all__ = ["SectorShape", "sector_mesh"]

Floats = NDArray[np.float64]
_SIDES = {"bore": "left", "rim": "right", "start": "bottom", "end": "top", "middle": "back", "face": "front"}


@dataclass(frozen=True)
class SectorShape:
    """One sector of a disc, and its cells.

    Attributes
    ----------
    radii_mm : tuple of float
        Where the thickness is given, ascending from the bore; there is one.
    thickness_mm : tuple of float
        Full thickness there; straight in between.
    sectors : int
        In the whole disc; one is the whole disc, cut along a half-plane.
    counts : tuple of int
        Cells from bore to rim (about: every stretch between two radii has one at least), round the sector, and through
        half the thickness.
    grading : float
        Radial length of the last cell over that of the first; stresses climb towards the bore.

    Raises
    ------
    StudyError
        When radii do not ascend from more than zero, a thickness or the grading is not positive, or cells round a
        coarse ring would span too much of it.
    """

    radii_mm: tuple[float, ...]
    thickness_mm: tuple[float, ...]
    sectors: int
    counts: tuple[int, int, int] = (12, 2, 2)
    grading: float = 3.0

    def __post_init__(self) -> None:
        """Refuse a sector that is none."""
        r, h = np.array(self.radii_mm, dtype=np.float64), np.array(self.thickness_mm, dtype=np.float64)
        fit = len(r) == len(h) >= 2 and r[0] > 0 and bool(np.all(np.diff(r) > 0)) and bool(np.all(h > 0))
        if not (fit and self.grading > 0):
            raise StudyError(
                f"sector of a disc: radii {self.radii_mm} with thicknesses {self.thickness_mm}, grading "
                f"{self.grading:g}; radii must ascend from more than zero, thicknesses and grading be positive, one "
                "thickness for each radius"
            )
        if self.sectors < 1 or min(self.counts) < 1 or self.sectors * self.counts[1] < 6:
            raise StudyError(
                f"sector of a disc: {self.sectors} sectors of {self.counts} cells; give at least one of each, and 6 "
                "cells round the disc"
            )


def sector_mesh(shape: SectorShape, kind: str = "hex20") -> Mesh:
    """Mesh the upper half of one sector of a disc, between the planes at angles 0 and 2 pi over the sectors.

    Parameters
    ----------
    shape : SectorShape
    kind : str
        A hexahedron or tetrahedron; sides between second-order nodes are arcs.

    Returns
    -------
    Mesh
        Its boundaries are called bore, rim, start and end (the cut faces), middle (the plane of symmetry, z = 0) and
        face.
    """
    r, h = np.array(shape.radii_mm, dtype=np.float64), np.array(shape.thickness_mm, dtype=np.float64) / 2
    lines = _radial(r, shape.counts[0], shape.grading)
    pitch = 2 * np.pi / shape.sectors

    def bend(x: Floats) -> Floats:
        radius = np.interp(x[:, 0], np.linspace(0.0, 1.0, len(lines)), lines)
        angle = pitch * x[:, 1]
        return np.stack([radius * np.cos(angle), radius * np.sin(angle), x[:, 2] * np.interp(radius, r, h)], axis=-1)

    mesh = grid_mesh((len(lines) - 1, *shape.counts[1:]), kind, bend)
    return replace(mesh, edges={name: mesh.edges[side] for name, side in _SIDES.items()})


def _radial(r: Floats, count: int, grading: float) -> Floats:
    """Return radii of the cells' sides: about geometric from bore to rim, and one at each given radius."""
    ratio = grading ** (1.0 / max(count - 1, 1))
    even = np.linspace(0.0, 1.0, count + 1)
    grown = even if abs(ratio - 1.0) < 1e-9 else np.expm1(np.log(ratio) * count * even) / (ratio**count - 1.0)
    way = r[0] + (r[-1] - r[0]) * grown
    at = np.interp(r, way, even)  # where the given radii lie along the count
    lines = [r[:1]]
    for a, b in pairwise(at.tolist()):
        cells = max(1, round(count * (b - a)))
        lines.append(np.interp(np.linspace(a, b, cells + 1)[1:], even, way))
    found = np.concatenate(lines)
    found[np.cumsum([0] + [len(line) for line in lines[1:]])] = r
    return np.asarray(found)
