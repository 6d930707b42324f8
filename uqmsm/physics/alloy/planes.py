"""Blocks across a crystal plane: the smallest that are so wide and so high."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.alloy.lattice import block

__all__ = ["PLANES", "plane_block"]

Floats = NDArray[np.float64]

PLANES: dict[str, tuple[tuple[int, int, int], ...]] = {
    "100": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "110": ((0, 0, 1), (1, -1, 0), (1, 1, 0)),
    "111": ((1, -1, 0), (1, 1, -2), (1, 1, 1)),
    "112": ((1, -1, 0), (1, 1, -1), (1, 1, 2)),
}
"""Crystal directions of the edges of a block, the normal of the plane last."""


def plane_block(lattice: str, plane: str, side: float, height: float) -> Floats:
    """Return the vectors (cubic edges) of the smallest block across a plane that is so wide and so high.

    Parameters
    ----------
    lattice
        "bcc" or "fcc".
    plane
        One of `PLANES`.
    side, height
        Least width in both directions of the plane, and least height, in cubic edges.

    Raises
    ------
    StudyError
        For another plane or lattice.
    """
    if plane not in PLANES:
        raise StudyError(f"plane {plane!r} is unknown; choose one of {', '.join(PLANES)}")
    unit = np.linalg.norm(block(lattice, PLANES[plane], (1, 1, 1)), axis=1)
    return block(lattice, PLANES[plane], tuple(int(n) for n in np.ceil(np.array([side, side, height]) / unit - 1e-9)))
