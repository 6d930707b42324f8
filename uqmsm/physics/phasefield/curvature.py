"""How fast a grain of thin, equal boundaries grows, from its shape alone: von Neumann's law, and MacPherson's in space.

In a plane dA/dt = (pi / 3) M sigma (n - 6) of a grain with n neighbours (J. von Neumann, Metal Interfaces, ASM, 1952,
108; W. W. Mullins, J. Appl. Phys. 27, 1956, 900). In space dV/dt = -2 pi M sigma (2 w - e / 6), w the mean width of the
grain and e the length of its triple lines (R. D. MacPherson, D. J. Srolovitz, Nature 446, 2007, 1053). Crofton's
formulas make of both lengths a sum over plane sections, w of Euler characteristics chi and e of triple points n: with a
section through every layer of voxels along the three axes the rate is (2 pi / 9) M sigma sum (n - 6 chi).
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["thin_rates"]

Array = NDArray[np.float64]
GrainIds = NDArray[np.int32]
Counts = NDArray[np.int64]


def thin_rates(grain_ids: GrainIds, grains: int) -> Array:
    """Return the rate of area or volume over mobility times energy that thin boundaries would have ``(grains,)``.

    Voxels to the power of the dimensions less two; the sum over all grains is zero. Unbiased where boundaries point
    every way: sections lie along the axes alone. Zero for a grain that is gone.

    Parameters
    ----------
    grain_ids
        Periodic, ``(nx, ny)`` or ``(nx, ny, nz)`` int32.
    grains
        Grains are numbered from 0 to one less.

    Notes
    -----
    A section may cut a junction at a sharp angle, and the tip of a sharp wedge on a grid is a row of islands, however
    fine the grid. An island on the boundary of two others has two triple points, which no section of flat faces has:
    such ones are not counted.
    """
    quarters = np.zeros(grains, np.int64)
    if grain_ids.ndim == 2:
        _section(np.ascontiguousarray(grain_ids), False, quarters)
        return np.asarray(np.pi / 12.0 * quarters)
    for axis in range(3):
        for section in np.moveaxis(grain_ids, axis, 0):
            _section(np.ascontiguousarray(section), True, quarters)
    return np.asarray(np.pi / 18.0 * quarters)


@njit(cache=True, nogil=True, error_model="numpy")
def _section(ids: GrainIds, drop: bool, out: Counts) -> None:
    """Add four times ``n - 6 chi`` of every grain in a periodic section, islands left out if `drop`."""
    pieces = _pieces(ids)
    island = np.zeros(ids.size, np.bool_)
    turns, points = np.zeros(ids.size, np.int64), np.zeros(ids.size, np.int64)
    _corners(ids, pieces, island, turns, points)
    if drop:
        for piece in range(ids.size):
            island[piece] = turns[piece] == 4 and 0 < points[piece] < 12  # a disc with two triple points
        turns[:], points[:] = 0, 0
        _corners(ids, pieces, island, turns, points)
    labels = ids.ravel()
    for piece in range(ids.size):
        if pieces[piece] == piece and not island[piece]:
            out[labels[piece]] += points[piece] - 6 * turns[piece]


@njit(cache=True, nogil=True, error_model="numpy")
def _pieces(ids: GrainIds) -> Counts:
    """Return for every voxel of a periodic section the first voxel of its piece; pieces hang together by edges."""
    nx, ny = ids.shape
    first = np.arange(ids.size)
    for i in range(nx):
        for j in range(ny):
            for there in (((i + 1) % nx, j), (i, (j + 1) % ny)):
                if ids[there] == ids[i, j]:
                    one, other = _root(first, i * ny + j), _root(first, there[0] * ny + there[1])
                    first[max(one, other)] = min(one, other)
    for place in range(ids.size):
        first[place] = first[first[place]]  # in order, so that those before point at their first voxel already
    return first


@njit(cache=True, nogil=True, error_model="numpy")
def _root(first: Counts, place: int) -> int:
    while first[place] != place:
        first[place] = first[first[place]]
        place = first[place]
    return place


@njit(cache=True, nogil=True, error_model="numpy")
def _corners(ids: GrainIds, pieces: Counts, island: NDArray[np.bool_], turns: Counts, points: Counts) -> None:
    """Add up by pieces the quarters by which outlines turn, and four times the triple points, over blocks of 2 x 2."""
    nx, ny = ids.shape
    four, piece = np.empty(4, np.int64), np.empty(4, np.int64)
    for i in range(nx):
        for j in range(ny):
            k, m = (i + 1) % nx, (j + 1) % ny
            four[0], four[1], four[2], four[3] = ids[i, j], ids[i, m], ids[k, m], ids[k, j]  # all around
            crossed = four[0] == four[2] and four[1] == four[3]
            if crossed:
                continue  # one grain, or two that part each other alike
            piece[0], piece[1] = pieces[i * ny + j], pieces[i * ny + m]
            piece[2], piece[3] = pieces[k * ny + m], pieces[k * ny + j]
            met = 0
            for c in range(4):
                before, after = four[(c + 3) % 4] == four[c], four[(c + 1) % 4] == four[c]
                if not before and not after:
                    turns[piece[c]] += 1
                elif before and after:
                    turns[piece[c]] -= 1
                if not before and not island[piece[c]]:
                    met += 1
            if met >= 3:
                _meet(four, piece, island, met, points)


@njit(cache=True, nogil=True, error_model="numpy")
def _meet(four: Counts, piece: Counts, island: NDArray[np.bool_], met: int, points: Counts) -> None:
    """Add the triple points of a block in which three or four pieces meet that are no islands.

    Three grains are a triple point. A grain that meets itself across the corner between two others is parted there: two
    triple points, both of the others. Four grains are two as well, of which each has three halves on an average.
    """
    across, turned = four[0] == four[2], four[1] == four[3]
    for c in range(4):
        if four[(c + 3) % 4] == four[c] or island[piece[c]]:
            continue
        if met == 4 and (across or turned):
            points[piece[c]] += 4 if across == (c % 2 == 0) else 8
        elif met == 4:
            points[piece[c]] += 6
        elif not (across or turned) or not _alike(four, piece, island):
            points[piece[c]] += 4


@njit(cache=True, nogil=True, error_model="numpy")
def _alike(four: Counts, piece: Counts, island: NDArray[np.bool_]) -> bool:
    """Tell whether a grain meets itself across the corner, islands left out."""
    one = four[0] == four[2] and not island[piece[0]] and not island[piece[2]]
    return one or (four[1] == four[3] and not island[piece[1]] and not island[piece[3]])
