"""Draws the upper half of a compact-tension specimen (ASTM E399): x from the line of load, y from the crack's plane."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.fe.mesh import Mesh
from uqmsm.physics.fe.meshes.grid import grid_mesh

__all__ = ["PIN", "compact_tension_mesh", "stress_intensity_factor"]

Floats = NDArray[np.float64]
PIN = 0.275
"""Height of the pin over the plane of the crack, in widths; the pin pulls at the node (0, PIN width)."""


def compact_tension_mesh(
    width_mm: float, crack_mm: float, refinement: int, kind: str = "quad8", *, thickness_mm: float = 1.0
) -> Mesh:
    """Mesh the upper half of the specimen; the hole of the pin is left out, its force acts on one node.

    Parameters
    ----------
    width_mm : float
        W, from the line of load to the back; the specimen reaches 0.25 W before the line of load and is 1.2 W high.
    crack_mm : float
        a, from the line of load.
    refinement : int
        Cells from the tip towards the nearer end; they shrink towards the tip.
    kind : str
        A triangle or quadrilateral.
    thickness_mm : float

    Returns
    -------
    Mesh
        Its boundaries are called ligament and crack (y = 0), front, back and top.

    Raises
    ------
    StudyError
        When the crack is not between 0.2 and 0.9 of the width, or the refinement below 4.
    """
    W, a = width_mm, crack_mm
    if not (0.2 * W <= a <= 0.9 * W and refinement >= 4 and W > 0):
        raise StudyError(
            f"compact_tension_mesh: a crack of {a:g} mm in a width of {W:g} mm, refinement {refinement}; the crack "
            "must be 0.2 to 0.9 of the width, the refinement at least 4"
        )
    n = refinement
    # lines of the grid: front, load, tip, back; plane of the crack, pin, top
    x = _lines([-0.25 * W, 0.0, a, W], [max(2, n // 3), n, n], (0, -1, 1))
    y = _lines([0.0, PIN * W, 0.6 * W], [n, max(2, n // 2)], (1, 0))

    def bend(unit: Floats) -> Floats:
        at = [np.interp(unit[:, k], np.linspace(0, 1, len(line)), line) for k, line in enumerate((x, y))]
        return np.stack(at, axis=-1)

    mesh = grid_mesh((len(x) - 1, len(y) - 1), kind, bend, thickness_mm=thickness_mm)
    bottom = mesh.edges["bottom"]
    ahead = mesh.nodes_mm[bottom][..., 0].mean(axis=1) > a
    edges = {"ligament": bottom[ahead], "crack": bottom[~ahead]}
    edges |= {"front": mesh.edges["left"], "back": mesh.edges["right"], "top": mesh.edges["top"]}
    return replace(mesh, edges=edges)


def stress_intensity_factor(force_N: float, thickness_mm: float, width_mm: float, crack_mm: float) -> float:
    """Return K_I in MPa sqrt(mm): ``P / (B sqrt W) f(a/W)`` of ASTM E399, good to 0.5 % for a/W from 0.2 to 1."""
    s = crack_mm / width_mm
    f = (2 + s) / (1 - s) ** 1.5 * (0.886 + 4.64 * s - 13.32 * s**2 + 14.72 * s**3 - 5.6 * s**4)
    return float(force_N / (thickness_mm * np.sqrt(width_mm)) * f)


def _lines(ends: list[float], counts: list[int], towards: tuple[int, ...]) -> Floats:
    """Divide runs; steps shrink towards the start (1) or the end (-1) of a run, or are even (0)."""
    lines = [np.array([ends[0]])]
    for start, end, count, side in zip(ends, ends[1:], counts, towards, strict=False):
        t = np.linspace(0, 1, count + 1)[1:]
        t = t**2 if side == 1 else 1 - (1 - t) ** 2 if side == -1 else t
        lines.append(start + (end - start) * t)
    return np.concatenate(lines)
