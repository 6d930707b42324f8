"""Draws the mesh of a plate with a round hole: rings round the hole, then straight rows to the far ends.

Rays leave the centre at equal angles; along each ray the rings grow in a geometric series, so that elements
keep their shape, from the circle of the hole to a square (the O-grid); near the hole they stay round, where
stresses are high. What the plate has beyond the square is filled by
rectangles. All is made by indices, no points are merged by closeness. The middle nodes of curved sides lie on
the mapped curve, so those of the hole lie on the circle.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.fe.mesh import Mesh, boundary_facets

__all__ = ["PlateMesh", "distance", "plate_mesh", "ring_count", "row_count"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class PlateMesh(Mesh):
    """The plate: `length_mm` along x (the pull), `width_mm` along y, a hole of `radius_mm` at the origin.

    Its edges are called left, right, bottom, top and hole.
    """

    length_mm: float = 0.0
    width_mm: float = 0.0
    radius_mm: float = 0.0
    refinement: int = 0


@lru_cache(maxsize=16)
def plate_mesh(
    width_mm: float,
    length_mm: float,
    radius_mm: float,
    refinement: int,
    order: int = 2,
    *,
    thickness_mm: float = 1.0,
) -> PlateMesh:
    """Make the mesh of a plate with a central round hole; the same arguments return the same object.

    Parameters
    ----------
    width_mm, length_mm, radius_mm, thickness_mm : float
        Sizes; the pull is along the length.
    refinement : int
        Elements along a quarter of the hole, even, at least 2 (8 is about 0.1 % on K_t). The number of rings follows.
    order : {1, 2}
        Four-node or eight-node elements.

    Returns
    -------
    PlateMesh

    Raises
    ------
    StudyError
        When the hole does not fit or the refinement is odd or too small.
    """
    half = np.array([length_mm, width_mm]) / 2
    if not (0 < radius_mm < 0.95 * half.min() and thickness_mm > 0):
        raise StudyError(
            f"plate_mesh: a hole of radius {radius_mm:g} mm in a plate of {length_mm:g} x {width_mm:g} x "
            f"{thickness_mm:g} mm; the radius must be > 0 and < 0.95 of half the smaller side, the thickness > 0"
        )
    if refinement < 2 or refinement % 2 or order not in {1, 2}:
        raise StudyError(
            f"plate_mesh: refinement {refinement}, order {order}; refinement must be even and >= 2, order 1 or 2"
        )
    square, end = float(half.min()), float(half.max())
    points, cells, curved = _rings(refinement, radius_mm, square)
    if end > square * (1 + 1e-9):
        points, cells = _rows(points, cells, refinement, along=int(np.argmax(half)), square=square, end=end)
    edges = _boundary(points, boundary_facets(cells, "quad4"), half, radius_mm)
    if order == 2:
        sides = np.stack([cells, np.roll(cells, -1, axis=1)], axis=-1)
        points, cells, edges = _with_middles(points, sides, edges, curved)
    sizes = float(length_mm), float(width_mm), float(radius_mm)
    return PlateMesh(points, cells, "quad4" if order == 1 else "quad8", edges, thickness_mm, {}, *sizes, refinement)


def ring_count(refinement: int, radius_mm: float, square_mm: float) -> int:
    """Return the number of rings, as thick as their cells are wide; twice as many for twice a refinement from 8 on."""
    coarse, times = _halved(refinement)
    growth = 1 + np.pi / (2 * coarse)
    return times * max(2, int(np.ceil(np.log(square_mm / radius_mm) / np.log(growth))))


def row_count(refinement: int, square_mm: float, end_mm: float) -> int:
    """Return the number of rows of elements between the square and either far end, likewise."""
    coarse, times = _halved(refinement)
    return times * int(np.ceil((end_mm - square_mm) / (3 * square_mm / coarse)))


def _halved(refinement: int) -> tuple[int, int]:
    """Return the refinement that this one cuts again, and how often: elements of one are whole numbers of the other."""
    coarse = refinement
    while coarse % 4 == 0 and coarse >= 16:
        coarse //= 2
    return coarse, refinement // coarse


def distance(t: Floats, angle_rad: Floats, radius_mm: float, square_mm: float) -> Floats:
    """Return how far from the centre the ring `t` runs, from 0 on the hole to 1 on the square; arguments broadcast."""
    squareness = 1 / np.maximum(np.abs(np.cos(angle_rad)), np.abs(np.sin(angle_rad))) - 1
    return np.asarray(radius_mm * (square_mm / radius_mm) ** t * (1 + squareness * t**2))


def _rings(n: int, radius: float, square: float) -> tuple[Floats, Ints, dict[tuple[int, int], Floats]]:
    """Fill the space between circle and square; also return the middles of the sides that run round.

    Ray 0 points to the corner at -45 degrees; node = ring * 4n + ray.
    """
    layers = ring_count(n, radius, square)
    t = np.arange(layers + 1)[:, None] / layers
    step = float(np.pi / (2 * n))
    angle: Floats = -np.pi / 4 + step * np.arange(4 * n, dtype=np.float64)

    def rings_at(theta: Floats) -> Floats:
        ray = np.stack([np.cos(theta), np.sin(theta)], axis=-1)
        return np.asarray(distance(t, theta, radius, square)[..., None] * ray)

    node = np.arange((layers + 1) * 4 * n).reshape(layers + 1, 4 * n)
    after = np.roll(node, -1, axis=1)
    cells = np.stack([node[:-1], node[1:], after[1:], after[:-1]], axis=-1).reshape(-1, 4)
    pairs = np.sort(np.stack([node, after], axis=-1).reshape(-1, 2), axis=1).tolist()
    middles = rings_at(angle + step / 2).reshape(-1, 2)
    return rings_at(angle).reshape(-1, 2), cells, {(i, j): m for (i, j), m in zip(pairs, middles, strict=True)}


def _rows(points: Floats, cells: Ints, n: int, *, along: int, square: float, end: float) -> tuple[Floats, Ints]:
    """Add the two rectangles between the square and the far ends of the longer axis."""
    outer = np.arange(len(points) - 4 * n, len(points))
    count = row_count(n, square, end)
    all_points, all_cells, total = [points], [cells], len(points)
    for sign, quarter in ((1.0, along), (-1.0, along + 2)):
        column = np.take(outer, np.arange(quarter * n, quarter * n + n + 1), mode="wrap")
        start = points[column]
        for k in range(1, count + 1):
            moved = start.copy()
            moved[:, along] = sign * (square + (end - square) * k / count)
            following = total + np.arange(n + 1)
            all_points.append(moved)
            all_cells.append(np.stack([column[:-1], following[:-1], following[1:], column[1:]], axis=-1))
            column, total = following, total + n + 1
    return np.concatenate(all_points), np.concatenate(all_cells)


def _boundary(points: Floats, rim: Ints, half: Floats, radius: float) -> dict[str, Ints]:
    """Name the sides of the boundary; those of the hole are sorted by angle."""
    far = 1e-9 * half.max()
    found = {}
    for name, axis, sign in (("right", 0, 1), ("left", 0, -1), ("top", 1, 1), ("bottom", 1, -1)):
        on = np.abs(sign * points[rim][..., axis] - half[axis]) < far
        found[name] = rim[on.all(axis=1)]
    hole = rim[(np.abs(np.hypot(*points[rim].transpose(2, 0, 1)) - radius) < far).all(axis=1)]
    start = points[hole[:, 0]]
    found["hole"] = hole[np.argsort(np.arctan2(start[:, 1], start[:, 0]))]
    return found


def _with_middles(
    points: Floats, sides: Ints, edges: dict[str, Ints], curved: dict[tuple[int, int], Floats]
) -> tuple[Floats, Ints, dict[str, Ints]]:
    """Put a node on the middle of every side: on the mapped curve where there is one, else half way."""
    unique, label = np.unique(np.sort(sides.reshape(-1, 2), axis=1), axis=0, return_inverse=True)
    pairs = [(i, j) for i, j in unique.tolist()]
    middle = np.array([curved.get(p, (points[p[0]] + points[p[1]]) / 2) for p in pairs])
    number = {p: len(points) + k for k, p in enumerate(pairs)}
    named = {
        name: np.column_stack([e, [number[min(i, j), max(i, j)] for i, j in e.tolist()]]) for name, e in edges.items()
    }
    cells = np.hstack([sides[..., 0], label.reshape(-1, 4) + len(points)])
    return np.concatenate([points, middle]), cells, named
