"""Draws a quarter of a notched bar: round (x is the radius, y the axis) or flat; the notch is a U with a round root."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.fe.mesh import Mesh
from uqmsm.physics.fe.meshes.grid import grid_mesh

__all__ = ["check_notch", "notched_bar_mesh"]

Floats = NDArray[np.float64]


def check_notch(half_width_mm: float, half_length_mm: float, depth_mm: float, root_radius_mm: float) -> None:
    """Refuse a notch that does not fit its bar.

    Parameters
    ----------
    half_width_mm, half_length_mm, depth_mm, root_radius_mm : float
        See `notched_bar_mesh`.

    Raises
    ------
    StudyError
        When it does not fit.
    """
    a, rho = depth_mm, root_radius_mm
    if not (0 < rho <= a < 0.9 * half_width_mm and 2 * (a + rho) < half_length_mm):
        raise StudyError(
            f"depth = {a:g} mm, root_radius = {rho:g} mm do not fit a bar of {half_width_mm:g} x "
            f"{half_length_mm:g} mm; needed: 0 < root_radius <= depth < 0.9 half_width, half_length > 2 (depth + "
            "root_radius)"
        )


def notched_bar_mesh(
    half_width_mm: float,
    half_length_mm: float,
    depth_mm: float,
    root_radius_mm: float,
    refinement: int,
    kind: str = "quad8",
    *,
    thickness_mm: float = 1.0,
) -> Mesh:
    """Mesh a quarter of a bar with a notch all round, or on both sides.

    Parameters
    ----------
    half_width_mm, half_length_mm : float
        Of the bar beyond the notch: x from 0, y from the middle of the notch.
    depth_mm, root_radius_mm : float
        Of the notch; as deep as its radius or deeper.
    refinement : int
        Cells round a quarter of the root, at least 2.
    kind : str
        A triangle or quadrilateral.
    thickness_mm : float
        Of a flat bar.

    Returns
    -------
    Mesh
        Its boundaries are called axis (x = 0), ligament (y = 0), end and surface.

    Raises
    ------
    StudyError
        When the notch does not fit.
    """
    W, L, a, rho = half_width_mm, half_length_mm, depth_mm, root_radius_mm
    check_notch(W, L, a, rho)
    if refinement < 2:
        raise StudyError(f"notched_bar_mesh: refinement {refinement}; a quarter of the root has two cells at least")
    size = np.pi / 2 * rho / refinement
    flank = int(np.ceil((a - rho) / (2 * size))) if a > rho * (1 + 1e-9) else 0
    shank = max(3, int(np.ceil(np.log(1 + (L - rho) / (3 * size)) / np.log(1.25))))
    columns = refinement + flank + shank
    deep = max(3, int(np.ceil(np.log(1 + (W - a) / (3 * size)) / np.log(1.25))))
    lip = a + rho  # where the ray from the lip of the notch meets the axis

    def surface(t: Floats) -> Floats:
        step = t * columns
        turn = np.pi * (1 - np.minimum(step / refinement, 1) / 2)
        on = np.stack([W - a + rho + rho * np.cos(turn), rho * np.sin(turn)], axis=-1)
        if flank:
            on[:, 0] += np.clip((step - refinement) / flank, 0, 1) * (a - rho)
        up = _graded(np.clip((step - refinement - flank) / shank, 0, 1), 1.25**shank)
        on[:, 1] += up * (L - rho)
        return on

    def axis(t: Floats) -> Floats:
        step = t * columns
        first = np.minimum(step / (refinement + flank), 1) * lip
        up = _graded(np.clip((step - refinement - flank) / shank, 0, 1), 1.25**shank)
        return np.stack([np.zeros_like(t), first + up * (L - lip)], axis=-1)

    def bend(x: Floats) -> Floats:
        out = 1 - _graded(1 - x[:, :1], 1.25**deep)
        inner, outer = axis(x[:, 1]), surface(x[:, 1])
        return np.asarray(inner + out * (outer - inner))

    mesh = grid_mesh((deep, columns), kind, bend, thickness_mm=thickness_mm)
    names = {"axis": "left", "surface": "right", "ligament": "bottom", "end": "top"}
    return replace(mesh, edges={name: mesh.edges[side] for name, side in names.items()})


def _graded(t: Floats, ratio: float) -> Floats:
    """Stretch [0, 1] so that the last step is `ratio` times the first."""
    return np.asarray(t if abs(ratio - 1) < 1e-12 else np.expm1(t * np.log(ratio)) / (ratio - 1))
