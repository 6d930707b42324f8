"""The upper half of a square that is notched halfway up (the single-edge notched plate of phase-field fracture)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.fe.mesh import Mesh
from uqmsm.physics.fe.meshes.grid import grid_mesh

__all__ = ["notched_square_mesh"]

Floats = NDArray[np.float64]
_GROWTH = 1.25  # from element to element, away from the way of the crack


def notched_square_mesh(side_mm: float, notch_mm: float, finest_mm: float, band_mm: float) -> Mesh:
    """Mesh the half with four-node quadrilaterals, fine and even along the way of the crack.

    Parameters
    ----------
    side_mm : float
        Of the square.
    notch_mm : float
        Length of the notch, which comes from the left and ends in a tip without width.
    finest_mm : float
        Elements along the way of the crack.
    band_mm : float
        How far above it, and behind the tip, they stay as fine.

    Returns
    -------
    Mesh
        Boundaries left, right, bottom, top; below, ``notch`` are the faces of the bottom up to the tip and ``ligament``
        those ahead of it.

    Raises
    ------
    StudyError
        When the pieces do not fit into each other.
    """
    if not (0.0 < finest_mm <= band_mm < notch_mm < side_mm and band_mm < side_mm / 2):
        raise StudyError(
            f"notched_square_mesh: side {side_mm:g}, notch {notch_mm:g}, finest {finest_mm:g}, band {band_mm:g} mm; "
            "needed: finest <= band < notch < side, and the band lower than half a side"
        )
    behind = notch_mm - _lines(notch_mm, finest_mm, band_mm)[::-1]
    ahead = np.linspace(notch_mm, side_mm, int(np.ceil((side_mm - notch_mm) / finest_mm)) + 1)
    columns, rows = np.append(behind, ahead[1:]), _lines(side_mm / 2, finest_mm, band_mm)

    def bend(x: Floats) -> Floats:
        each = [np.rint(x[:, k] * (len(line) - 1)).astype(np.int64) for k, line in enumerate((columns, rows))]
        return np.stack([columns[each[0]], rows[each[1]]], axis=-1)

    mesh = grid_mesh((len(columns) - 1, len(rows) - 1), "quad4", bend)
    bottom = mesh.edges["bottom"]
    before = mesh.nodes_mm[bottom, 0].max(axis=1) <= notch_mm * (1 + 1e-9)
    edges = mesh.edges | {"notch": bottom[before], "ligament": bottom[~before]}
    return Mesh(mesh.nodes_mm, mesh.elements, mesh.kind, edges)


def _lines(far_mm: float, finest_mm: float, band_mm: float) -> Floats:
    """Return lines from 0 to the far end: even in the band, then ever farther apart."""
    even = np.linspace(0.0, band_mm, int(np.ceil(band_mm / finest_mm)) + 1)
    steps = [even[1]]
    while sum(steps[1:]) < far_mm - band_mm:
        steps.append(steps[-1] * _GROWTH)
    grown = np.cumsum(steps[1:])
    return np.append(even, band_mm + grown * (far_mm - band_mm) / grown[-1])
