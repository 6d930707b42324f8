"""Who is close to whom in a periodic crystal: each pair once, kept while the crystal relaxes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matscipy.neighbours import neighbour_list
from numpy.typing import NDArray

__all__ = ["Neighbours", "half_list"]

Floats = NDArray[np.float64]


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

    first: NDArray[np.int64]
    other: NDArray[np.int32]
    image: NDArray[np.int32]
    shifts: NDArray[np.int64]
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
        wander = positions - self.positions @ deformation
        wander -= wander.mean(axis=0)
        longest = np.sqrt(np.einsum("ij,ij->i", wander, wander).max())
        return bool(self.reach * least - 2.0 * longest >= cutoff)


def half_list(positions: Floats, cell: Floats, cutoff: float, skin: float = 0.6) -> Neighbours:
    """List every pair closer than cutoff + skin once, whatever the size of the cell.

    Parameters
    ----------
    positions, cell
        (n, 3) and (3, 3) in A, cell vectors in rows; periodic in all directions. Atoms may lie outside the cell.
    cutoff, skin
        A. The list stays valid (`Neighbours.serves`) while atoms move by less than about half the skin.

    Notes
    -----
    A pair of two images of one atom counts once; of S and -S the one whose first nonzero entry is positive is kept.
    """
    reach = cutoff + skin
    here, other, shift = neighbour_list("ijS", positions=positions, cell=cell, pbc=np.ones(3, dtype=bool), cutoff=reach)
    x, y, z = shift[:, 0], shift[:, 1], shift[:, 2]
    forward = (x > 0) | ((x == 0) & ((y > 0) | ((y == 0) & (z > 0))))
    keep = (here < other) | ((here == other) & forward)
    here, other, shift = here[keep], other[keep].astype(np.int32), shift[keep].astype(np.int64)
    low = shift.min(axis=0, initial=0)
    span = shift.max(axis=0, initial=0) - low + 1
    code = np.ravel_multi_index(tuple((shift - low).T), tuple(span))
    used, image = np.unique(code, return_inverse=True)
    shifts = np.stack(np.unravel_index(used, tuple(span)), axis=1).astype(np.int64) + low
    order = np.lexsort((other, here))
    first = np.zeros(len(positions) + 1, dtype=np.int64)
    np.cumsum(np.bincount(here, minlength=len(positions)), out=first[1:])
    return Neighbours(
        first=first,
        other=np.ascontiguousarray(other[order]),
        image=np.ascontiguousarray(image[order].astype(np.int32)),
        shifts=shifts,
        reach=reach,
        positions=positions.copy(),
        cell=cell.copy(),
    )
