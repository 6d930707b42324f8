"""Periodic blocks of a crystal lattice, of any size and orientation, in whole numbers of half cubic edges."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from uqmsm.errors import StudyError

__all__ = ["BASES", "STRAIGHT", "block", "half_edges", "shells", "sites"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

BASES: dict[str, Floats] = {
    "bcc": np.array([[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]]),
    "fcc": np.array([[0.0, 0.0, 0.0], [0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]]),
}
"""Fractional positions in the conventional cubic cell."""

STRAIGHT = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
"""The orientation of a block of cubes."""


def _known(lattice: str) -> None:
    if lattice not in BASES:
        raise StudyError(f"lattice {lattice!r} is unknown; choose one of {', '.join(sorted(BASES))}")


def _on_lattice(points: Ints, lattice: str) -> NDArray[np.bool_]:
    """Tell which points, in half cubic edges, are sites: three of one parity (bcc), or of even sum (fcc)."""
    odd = points % 2
    return np.asarray((odd == odd[..., :1]).all(axis=-1) if lattice == "bcc" else odd.sum(axis=-1) % 2 == 0)


def half_edges(cells: ArrayLike) -> Ints:
    """Return the vectors of a block (rows) in half cubic edges.

    Parameters
    ----------
    cells
        Three numbers of conventional cells, or (3, 3) vectors in cubic edges as `block` returns them.

    Raises
    ------
    StudyError
        When they are no block.
    """
    given = np.asarray(cells, dtype=np.float64)
    if given.shape == (3,) and (given >= 1).all() and (given == np.rint(given)).all():
        given = np.diag(given)
    doubled = np.rint(2.0 * given).astype(np.int64)
    if given.shape != (3, 3) or np.abs(doubled - 2.0 * given).max() > 1e-9 or np.linalg.det(given) <= 0.0:
        raise StudyError(
            f"cells = {np.asarray(cells).tolist()} must be three positive whole numbers, e.g. (6, 6, 6), or the three "
            "right-handed vectors of an oriented block"
        )
    return doubled


def block(lattice: str, directions: ArrayLike, repeats: Sequence[int]) -> Floats:
    """Return the vectors of a block whose edges run along crystal directions.

    Parameters
    ----------
    lattice
        "bcc" or "fcc".
    directions
        (3, 3) whole numbers: a crystal direction [u v w] for each edge, right-handed; they need not be orthogonal.
    repeats
        How many of the shortest lattice vectors along its direction each edge is long.

    Returns
    -------
    (3, 3) vectors in rows, in cubic edges, components along the cubic axes: the crystal stays where it is and the block
    is cut askew, so that tensors need no rotation.

    Raises
    ------
    StudyError
        When the directions are left-handed, lie in a plane, or are no whole numbers.
    """
    _known(lattice)
    given = np.asarray(directions)
    rows = np.rint(np.asarray(given, dtype=np.float64)).astype(np.int64)
    if rows.shape != (3, 3) or (rows != given).any() or round(float(np.linalg.det(rows))) <= 0:
        raise StudyError(
            f"orientation = {np.asarray(directions).tolist()} must be three right-handed directions of whole numbers, "
            "e.g. [[1, -1, 0], [1, 1, -2], [1, 1, 1]]; exchange two of them or turn one round"
        )
    if len(repeats) != 3 or min(repeats) < 1:
        raise StudyError(f"cells = {tuple(repeats)} must be three positive whole numbers, e.g. (6, 6, 6)")
    shortest = rows // np.gcd.reduce(rows, axis=1)[:, None]
    shortest = np.where(_on_lattice(shortest, lattice)[:, None], shortest, 2 * shortest)
    return np.asarray(0.5 * shortest * np.asarray(repeats)[:, None])


def adjugate(vectors: Ints) -> tuple[Ints, int]:
    """Return ``A, d`` with ``vectors @ A = d 1``: fractional coordinates of p are ``(p @ A) / d``, in whole numbers."""
    u, v, w = vectors
    columns = np.stack([np.cross(v, w), np.cross(w, u), np.cross(u, v)], axis=1)
    return columns, int(u @ columns[:, 0])


def sites(lattice: str, cells: ArrayLike) -> Floats:
    """Return the sites of a periodic block.

    Parameters
    ----------
    lattice
        "bcc" or "fcc".
    cells
        Number of conventional cells along each edge, or the vectors of an oriented `block`.

    Returns
    -------
    (n, 3) fractional positions in the block; in a block of cubes those of one conventional cell together.

    Raises
    ------
    StudyError
        For an unknown lattice or an empty block.
    """
    _known(lattice)
    vectors = half_edges(cells)
    if (vectors == np.diag(np.diag(vectors))).all() and (vectors % 2 == 0).all():
        whole = np.diag(vectors) // 2
        corners = np.stack(np.meshgrid(*(np.arange(c) for c in whole), indexing="ij"), axis=-1).reshape(-1, 1, 3)
        return np.ascontiguousarray(((corners + BASES[lattice]) / whole.astype(np.float64)).reshape(-1, 3))
    if not _on_lattice(vectors, lattice).all():
        raise StudyError(f"cells = {np.asarray(cells).tolist()}: these are no lattice vectors of {lattice}; use block")
    low, high = np.minimum(vectors, 0).sum(axis=0), np.maximum(vectors, 0).sum(axis=0)
    spans = [np.arange(a, b + 1) for a, b in zip(low, high, strict=True)]
    points = np.stack(np.meshgrid(*spans, indexing="ij"), axis=-1).reshape(-1, 3)
    inverse, volume = adjugate(vectors)
    inside = points[_on_lattice(points, lattice)] @ inverse
    inside = inside[((inside >= 0) & (inside < volume)).all(axis=1)]
    return np.ascontiguousarray(inside[np.lexsort(inside.T[::-1])] / volume)


def shells(lattice: str, n_shells: int) -> list[Ints]:
    """Return the lattice vectors of each neighbour shell in half cubic edges."""
    _known(lattice)
    reach = 2 * (n_shells + 1)
    grid = np.arange(-reach, reach + 1)
    points = np.stack(np.meshgrid(grid, grid, grid, indexing="ij"), axis=-1).reshape(-1, 3)
    points = points[_on_lattice(points, lattice)]
    squares = (points**2).sum(axis=1)
    return [points[squares == q] for q in np.unique(squares)[1 : n_shells + 1]]
