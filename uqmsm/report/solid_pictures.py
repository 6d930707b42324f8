"""A field on the skin of a solid in space, seen from one side, as patches that are the darker the more there is."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from uqmsm.report.axes import Frame
from uqmsm.report.canvas import Canvas
from uqmsm.report.field_pictures import cut, scale_bar, span

__all__ = ["VIEW", "draw_solid", "seen", "skin"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
VIEW = (-0.55, -0.7, 0.45)
"""From the solid to who looks at it: its third axis points up."""
_LEVELS = 40
_SHARP = 0.85  # cosine between the normals of two faces, below which their edge is drawn


def skin(cells: Ints, kind: str) -> Ints:
    """Return the corners of the faces of a solid mesh that belong to one cell, outwards, ``(faces, 3 or 4)``."""
    from uqmsm.physics.fe.elements import element
    from uqmsm.physics.fe.mesh import boundary_facets

    return boundary_facets(cells, kind)[:, : element(element(kind).facet).corners]


def seen(nodes_mm: Floats, faces: Ints) -> tuple[Ints, Floats, Floats]:
    """Return the faces that look this way, the farthest first, with the places of all nodes on the sheet.

    Parameters
    ----------
    nodes_mm
        ``(nodes, 3)``.
    faces
        From `skin`.

    Returns
    -------
    faces : ndarray
        ``(seen, 3 or 4)``; painted one over the other they hide what is hidden.
    normals : ndarray
        ``(seen, 3)``.
    places : ndarray
        ``(nodes, 2)`` mm to the right and up.
    """
    towards = np.array(VIEW) / np.linalg.norm(VIEW)
    right = np.cross([0.0, 0.0, 1.0], towards)
    right /= np.linalg.norm(right)
    across = np.cross(towards, right)
    at = nodes_mm[faces]
    normals = np.cross(at[:, 2] - at[:, 0], at[:, -1] - at[:, 1])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    chosen = np.flatnonzero(normals @ towards > 1e-9)
    order = chosen[np.argsort((at[chosen].mean(axis=1)) @ towards, kind="stable")]
    return faces[order], normals[order], np.stack([nodes_mm @ right, nodes_mm @ across], axis=-1)


def draw_solid(nodes_mm: Floats, faces: Ints, values: Floats, title: str, css: str, *, of: str, prefix: str) -> str:
    """Return the picture.

    Parameters
    ----------
    nodes_mm, faces
        See `seen`.
    values
        ``(nodes,)``.
    title, css, of, prefix
        As for `uqmsm.report.field_pictures.draw_field`.
    """
    shown, normals, places = seen(nodes_mm, faces)
    ends = span(values)
    used = np.unique(shown)
    low, high = places[used].min(axis=0), places[used].max(axis=0)
    scale = float((np.array([190.0, 260.0]) / (high - low)).min())
    width, height = scale * (high - low)
    frame = Frame(4.0, 4.0 + width, 30.0, 30.0 + height, (low[0], high[0]), (low[1], high[1]))
    canvas = Canvas(290.0, 30.0 + max(height, 120.0) + 30.0, prefix)
    canvas.text(4.0, 18.0, title, "mid soft")
    sheet = np.stack([frame.left + (places[:, 0] - low[0]) * scale, frame.bottom - (places[:, 1] - low[1]) * scale], -1)
    at, share = cut(sheet[shown], (values[shown] - ends[0]) / (ends[1] - ends[0]))
    pieces = len(at) // len(shown)
    sharp = defaultdict(list)
    for edge, last in _sharp(shown, normals).items():
        sharp[last].append(edge)
    for k, face in enumerate(shown):
        canvas.patches([[(x, y) for x, y in sheet[face].tolist()]], "paperfill", 1.0)
        levels: dict[int, list[list[tuple[float, float]]]] = defaultdict(list)
        mine = slice(k * pieces, (k + 1) * pieces)
        for patch, level in zip(at[mine].tolist(), np.rint(share[mine] * _LEVELS).astype(int).tolist(), strict=True):
            levels[level].append([(x, y) for x, y in patch])
        for level in sorted(levels):
            canvas.patches(levels[level], css, level / _LEVELS)
        for edge in sharp[k]:
            (x, y), (u, v) = sheet[list(edge)].tolist()
            canvas.line(x, y, u, v, "axis thin")
    tall = Frame(frame.left, frame.right, frame.top, frame.top + max(height, 120.0), (0, 1), (0, 1))
    scale_bar(canvas, tall, ends, css)
    size = " x ".join(f"{one:.3g}" for one in np.ptp(nodes_mm, axis=0))
    canvas.text(4.0, canvas.height - 8.0, f"{size} mm", "tiny")
    return canvas.svg(f"{of}: {title}", f"From {ends[0]:.3g} to {ends[1]:.3g} over {size} mm.")


def _sharp(faces: Ints, normals: Floats) -> dict[tuple[int, int], int]:
    """Return the edges, as pairs of nodes, where what is seen ends or bends, with the last face that they belong to."""
    met: dict[tuple[int, int], list[int]] = defaultdict(list)
    for k, face in enumerate(faces):
        for a, b in zip(face.tolist(), np.roll(face, -1).tolist(), strict=True):
            met[min(a, b), max(a, b)].append(k)
    return {
        edge: both[-1]
        for edge, both in met.items()
        if len(both) == 1 or float(normals[both[0]] @ normals[both[1]]) < _SHARP
    }
