"""Who is close to whom in a periodic crystal: each pair once, kept while the crystal relaxes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from uqmsm.errors import StudyError

__all__ = ["Neighbours", "half_list"]

Floats = NDArray[np.float64]
Longs = NDArray[np.int64]
Ints = NDArray[np.int32]


@dataclass(frozen=True)
class Neighbours:
    """Every pair of atoms (periodic images included) within `reach` of each other, once.

    Attributes
    ----------
    first
        (n + 1,) where the pairs of each atom begin.
    other
        (pairs,) the second atom.
    image
        (pairs,) row of `shifts` that carries the second atom to the image meant.
    shifts
        (images, 3) whole cell vectors.
    reach
        Cutoff plus skin at the time of building (A).
    positions, cell
        The geometry (A) for which the list was built.
    """

    first: Longs
    other: Ints
    image: Ints
    shifts: Longs
    reach: float
    positions: Floats
    cell: Floats

    def serves(self, positions: Floats, cell: Floats, cutoff: float) -> bool:
        """Tell whether the list still holds every pair closer than `cutoff` (A).

        A pair that was left out was further apart than `reach`. A homogeneous deformation F shrinks it by at most the
        least singular value of F, the remaining displacements by at most twice the longest of them.
        """
        deformation = np.linalg.solve(self.cell, cell)
        least = np.linalg.svd(deformation, compute_uv=False)[-1]
        longest = np.sqrt(_widest(self.positions, positions, deformation))
        return bool(self.reach * least - 2.0 * longest >= cutoff)


_compiled = njit(cache=True, error_model="numpy", fastmath={"contract"})  # see eam.py for why this is safe


@_compiled
def _widest(built: Floats, now: Floats, deformation: Floats) -> float:
    """Return the largest square of a displacement beyond a homogeneous deformation and a common drift."""
    drift = np.zeros(3)
    for i in range(built.shape[0]):
        for c in range(3):
            moved = now[i, c]
            for d in range(3):
                moved -= built[i, d] * deformation[d, c]
            drift[c] += moved
    drift /= built.shape[0]
    widest = 0.0
    for i in range(built.shape[0]):
        square = 0.0
        for c in range(3):
            moved = now[i, c] - drift[c]
            for d in range(3):
                moved -= built[i, d] * deformation[d, c]
            square += moved * moved
        widest = max(widest, square)
    return widest


@_compiled
def _sorted_into_bins(
    fractions: Floats, cell: Floats, bins: Longs, home: Longs, begin: Longs, who: Longs, where: Floats
) -> None:
    """Fill the bin of every atom, where each bin begins, and atoms and positions (inside the cell) in bin order."""
    n = fractions.shape[0]
    begin[:] = 0
    for i in range(n):
        code = 0
        for c in range(3):
            code = code * bins[c] + min(int(fractions[i, c] * bins[c]), bins[c] - 1)
        home[i] = code
        begin[code + 1] += 1
    for b in range(begin.shape[0] - 1):
        begin[b + 1] += begin[b]
    for i in range(n):
        k = begin[home[i]]
        begin[home[i]] += 1
        who[k] = i
        for c in range(3):
            where[k, c] = fractions[i, 0] * cell[0, c] + fractions[i, 1] * cell[1, c] + fractions[i, 2] * cell[2, c]
    for b in range(begin.shape[0] - 1, 0, -1):
        begin[b] = begin[b - 1]
    begin[0] = 0


@_compiled
def _collected(
    cell: Floats, bins: Longs, around: Longs, home: Longs, begin: Longs, who: Longs, where: Floats, wraps: Longs,
    low: Longs, span: Longs, squared: float, place: Longs, first: Longs, other: Ints, image: Ints,
) -> int:  # fmt: skip
    """Write the pairs of every atom with later atoms and with its own later images; -1 where the room is too small."""
    for k in range(place.shape[0]):
        place[who[k]] = k
    found, room = 0, other.shape[0]
    first[0] = 0
    for i in range(place.shape[0]):
        x, y, z = where[place[i], 0], where[place[i], 1], where[place[i], 2]
        bx, by, bz = home[i] // (bins[1] * bins[2]), home[i] // bins[2] % bins[1], home[i] % bins[2]
        for px in range(bx - around[0], bx + around[0] + 1):
            tx = px // bins[0]
            for py in range(by - around[1], by + around[1] + 1):
                ty = py // bins[1]
                for pz in range(bz - around[2], bz + around[2] + 1):
                    tz = pz // bins[2]
                    b = ((px - tx * bins[0]) * bins[1] + py - ty * bins[1]) * bins[2] + pz - tz * bins[2]
                    if found + begin[b + 1] - begin[b] > room:
                        return -1
                    ox = tx * cell[0, 0] + ty * cell[1, 0] + tz * cell[2, 0] - x
                    oy = tx * cell[0, 1] + ty * cell[1, 1] + tz * cell[2, 1] - y
                    oz = tx * cell[0, 2] + ty * cell[1, 2] + tz * cell[2, 2] - z
                    forward = tx > 0 or (tx == 0 and (ty > 0 or (ty == 0 and tz > 0)))
                    for k in range(begin[b], begin[b + 1]):
                        j = who[k]
                        dx, dy, dz = where[k, 0] + ox, where[k, 1] + oy, where[k, 2] + oz
                        sx = tx - wraps[j, 0] + wraps[i, 0] - low[0]
                        sy = ty - wraps[j, 1] + wraps[i, 1] - low[1]
                        sz = tz - wraps[j, 2] + wraps[i, 2] - low[2]
                        other[found] = j
                        image[found] = (sx * span[1] + sy) * span[2] + sz
                        near = dx * dx + dy * dy + dz * dz < squared
                        found += int(near and (j > i or (j == i and forward)))
        first[i + 1] = found
    return found


def half_list(positions: Floats, cell: Floats, cutoff: float, skin: float = 0.6) -> Neighbours:
    """List every pair closer than cutoff + skin once, whatever the size of the cell.

    Parameters
    ----------
    positions, cell
        (n, 3) and (3, 3) in A, cell vectors in rows; periodic in all directions. Atoms may lie outside the cell.
    cutoff, skin
        A. The list stays valid (`Neighbours.serves`) while atoms move by less than about half the skin.

    Raises
    ------
    StudyError
        When positions or cell are not finite or the cell has no volume.

    Notes
    -----
    Atoms are sorted into bins half as wide as the reach, and each looks into the bins around its own. A pair of two
    images of one atom counts once; of S and -S the one whose first nonzero entry is positive is kept.
    """
    reach, n = cutoff + skin, len(positions)
    volume = abs(float(np.linalg.det(cell)))
    if not (np.isfinite(positions).all() and volume > 0.0):
        raise StudyError(f"a cell of volume {volume:.3g} A^3 or a position that is not finite has no neighbours")
    fractions = np.linalg.solve(cell.T, positions.T).T
    wraps = np.floor(fractions).astype(np.int64)
    fractions = np.ascontiguousarray(fractions - wraps)
    height = volume / np.linalg.norm([np.cross(cell[(c + 1) % 3], cell[(c + 2) % 3]) for c in range(3)], axis=1)
    # not many more bins than atoms, however empty the cell
    bins = np.clip(2.0 * height / reach, 1, 2 + 2 * np.cbrt(n)).astype(np.int64)
    around = np.ceil(reach * bins / height * (1.0 - 1e-12)).astype(np.int64)
    begin, home, who = np.empty(bins.prod() + 1, np.int64), np.empty(n, np.int64), np.empty(n, np.int64)
    where = np.empty((n, 3))
    _sorted_into_bins(fractions, cell, bins, home, begin, who, where)
    images = -(-around // bins) + wraps.max(axis=0, initial=0) - wraps.min(axis=0, initial=0)
    span = 2 * images + 1
    first, place = np.empty(n + 1, np.int64), np.empty(n, np.int64)
    room = int(n * (2.4 * reach**3 * n / volume + 16)) + 256
    while True:
        other, image = np.empty(room, np.int32), np.empty(room, np.int32)
        found = _collected(
            cell, bins, around, home, begin, who, where, wraps, -images, span, reach * reach, place, first, other, image
        )
        if found >= 0:
            break
        room *= 2
    shifts = np.stack(np.unravel_index(np.arange(span.prod()), tuple(span)), axis=1).astype(np.int64) - images
    return Neighbours(first, other[:found], image[:found], shifts, reach, positions.copy(), cell.copy())
