"""A field on a mesh of the plane, as patches that are the darker the more there is; a bar tells how much."""

from __future__ import annotations

import itertools
from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from uqmsm.report.axes import Frame, tick_labels, ticks
from uqmsm.report.canvas import Canvas

__all__ = ["MOST_CELLS", "cut", "draw_field", "scale_bar", "span"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
MOST_CELLS = 4000
"""Of a mesh that is drawn; a larger one is left to ParaView."""
_LEVELS = 40
_PATCHES = 600  # about as many as are drawn: small meshes are cut finer, so that the field looks as smooth as it is


def draw_field(nodes_mm: Floats, corners: Ints, values: Floats, title: str, css: str, *, of: str, prefix: str) -> str:
    """Return the picture.

    Parameters
    ----------
    nodes_mm
        ``(nodes, 2)``.
    corners
        ``(cells, 3 or 4)``: the nodes at the corners of each cell, in order round it.
    values
        ``(nodes,)``; from zero on (or from their least where that is below) they are shown as shares of their largest.
    title
        What is shown, with its unit.
    css
        Class that gives the colour.
    of
        What the field is of, for those who cannot see it.
    prefix
        Unique on the page.
    """
    low, high = span(values)
    width, height = np.ptp(nodes_mm, axis=0)
    scale = min(190.0 / width, 260.0 / height)
    left, top = 4.0, 30.0
    canvas = Canvas(290.0, top + scale * height + 30.0, prefix)
    canvas.text(left, 18.0, title, "mid soft")
    frame = Frame(left, left + scale * width, top, top + scale * height, *_ends(nodes_mm))
    at, share = cut(nodes_mm[corners], (values[corners] - low) / (high - low))
    shown = np.stack(
        [frame.left + (at[..., 0] - frame.x[0]) * scale, frame.bottom - (at[..., 1] - frame.y[0]) * scale], -1
    )
    levels: dict[int, list[list[tuple[float, float]]]] = defaultdict(list)
    for patch, level in zip(shown.tolist(), np.rint(share * _LEVELS).astype(int).tolist(), strict=True):
        levels[level].append([(x, y) for x, y in patch])
    for level in sorted(levels):
        canvas.patches(levels[level], css, level / _LEVELS)
    for a, b in _rim(corners).tolist():
        (x, y), (u, v) = nodes_mm[a] - [frame.x[0], frame.y[0]], nodes_mm[b] - [frame.x[0], frame.y[0]]
        begin, end = ((frame.left + a * scale, frame.bottom - b * scale) for a, b in ((x, y), (u, v)))
        canvas.line(*begin, *end, "axis thin")
    scale_bar(canvas, frame, (low, high), css)
    canvas.text(left, canvas.height - 8.0, f"{width:g} x {height:g} mm", "tiny")
    return canvas.svg(f"{of}: {title}", f"From {low:.3g} to {high:.3g} over {width:g} x {height:g} mm.")


def span(values: Floats) -> tuple[float, float]:
    """Return what the lightest and the darkest shade mean."""
    low, high = min(0.0, float(np.nanmin(values))), float(np.nanmax(values))
    return low, high if high > low else low + 1.0


def _ends(nodes_mm: Floats) -> tuple[tuple[float, float], tuple[float, float]]:
    low, high = nodes_mm.min(axis=0), nodes_mm.max(axis=0)
    return (float(low[0]), float(high[0])), (float(low[1]), float(high[1]))


def _rim(corners: Ints) -> Ints:
    """Return the edges (edges, 2) that belong to one cell only."""
    edges = np.stack([corners, np.roll(corners, -1, axis=1)], axis=-1).reshape(-1, 2)
    _, first, times = np.unique(np.sort(edges, axis=1), axis=0, return_index=True, return_counts=True)
    return np.asarray(edges[first[times == 1]])


def cut(places: Floats, shares: Floats) -> tuple[Floats, Floats]:
    """Cut every cell into equal pieces; return their corners (pieces, 4, 2) and the mean share of each.

    Those of a cell follow each other.
    """
    if places.shape[1] == 3:  # a triangle is a quadrilateral with two corners in one
        places, shares = places[:, [0, 1, 2, 2]], shares[:, [0, 1, 2, 2]]
    n = int(np.clip(np.sqrt(_PATCHES / len(places)), 1, 6))
    line = np.linspace(0.0, 1.0, n + 1)
    u, v = (one.ravel() for one in np.meshgrid(line, line, indexing="ij"))
    weight = np.stack([(1 - u) * (1 - v), u * (1 - v), u * v, (1 - u) * v], axis=-1)
    lattice = np.arange((n + 1) ** 2).reshape(n + 1, n + 1)
    around = np.stack([lattice[:-1, :-1], lattice[1:, :-1], lattice[1:, 1:], lattice[:-1, 1:]], axis=-1).reshape(-1, 4)
    at, share = np.einsum("pc,ecx->epx", weight, places)[:, around], (shares @ weight.T)[:, around].mean(axis=-1)
    return at.reshape(-1, 4, 2), np.clip(np.nan_to_num(share.ravel()), 0.0, 1.0)


def scale_bar(canvas: Canvas, frame: Frame, ends: tuple[float, float], css: str) -> None:
    """Draw how much each shade means."""
    bar = Frame(frame.right + 16.0, frame.right + 30.0, frame.top, min(frame.bottom, frame.top + 180.0), (0, 1), ends)
    steps = np.linspace(*ends, 21)
    for k, (a, b) in enumerate(itertools.pairwise(steps.tolist())):
        corners = [(bar.left, bar.py(a)), (bar.right, bar.py(a)), (bar.right, bar.py(b)), (bar.left, bar.py(b))]
        canvas.patches([corners], css, (k + 0.5) / 20)
    for value, label in tick_labels(ticks(*ends)):
        canvas.line(bar.right, bar.py(value), bar.right + 4.0, bar.py(value), "axis")
        canvas.text(bar.right + 7.0, bar.py(value) + 4.0, label, "tiny")
