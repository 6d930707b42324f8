"""Sites of a crack: a disc of a bcc crystal about its front, cut from a periodic block, for every plane and front.

x runs along the growth of the crack, y along the normal of its plane, z along its front.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from uqmsm.errors import StudyError

__all__ = ["SYSTEMS", "Disc", "System", "disc", "near_bonds"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
System = Literal["(010)[001]", "(010)[101]", "(110)[001]", "(110)[1-10]"]

SYSTEMS: dict[System, Floats] = {
    "(010)[001]": np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]),
    "(010)[101]": np.array([[1.0, 0.0, -1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 1.0]]),
    "(110)[001]": np.array([[1.0, -1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]),
    "(110)[1-10]": np.array([[0.0, 0.0, 1.0], [1.0, 1.0, 0.0], [-1.0, 1.0, 0.0]]),
}
"""Axes x, y, z of cracks in bcc in cubic edges, the shortest periods along each: plane and front."""


@dataclass(frozen=True)
class Disc:
    """Sites of a perfect crystal about the line x = y = 0, halfway between two planes, and of the block around them.

    Attributes
    ----------
    lattice_parameter, radius
        A; of the part that is free.
    turn
        (3, 3) crystal to disc axes.
    sites, cell
        (n, 3) and (3, 3) of the periodic block, in A.
    order
        (n,) its sites from the line outwards, so that a larger disc begins with the sites of a smaller one.
    inside
        (n,) which are of the disc, rim included.
    spacing, stride
        Distance of the two planes, and of the rows of bonds that the crack breaks one after the other.
    """

    lattice_parameter: float
    radius: float
    turn: Floats
    sites: Floats
    cell: Floats
    order: Ints
    inside: Bools
    spacing: float
    stride: float

    @property
    def length(self) -> float:
        """Length of the front (A)."""
        return float(self.cell[2, 2])


def disc(system: System, a_A: float, radius_A: float, cutoff_A: float, *, periods: int = 1) -> Disc:
    """List the sites of a bcc disc whose rim is two cutoffs thick, so that no free atom knows of the vacuum.

    Parameters
    ----------
    system
        Plane and front.
    a_A, radius_A, cutoff_A
        Lattice parameter, radius of the free part, and the potential's range.
    periods
        Along the front.

    Raises
    ------
    StudyError
        When the free part is no larger than the range of the potential, or the front has no length.
    """
    if radius_A < 2.0 * cutoff_A or periods < 1:
        raise StudyError(
            f"radius = {radius_A:g} A, periods = {periods}: at least twice the cutoff ({2.0 * cutoff_A:.1f} A) and 1 "
            "are needed"
        )
    axes = SYSTEMS[system]
    lengths = np.linalg.norm(axes, axis=1)
    turn = axes / lengths[:, None]
    half = np.ceil((radius_A + 2.0 * cutoff_A) / (a_A * lengths[:2])).astype(int)
    counts = np.array([2 * half[0], 2 * half[1], periods])
    cell = np.diag(a_A * lengths * counts)
    at = _tiled(turn, lengths, counts) * a_A - np.array([0.5, 0.5, 0.0]) @ cell
    rows, planes = (np.unique(np.round(at[:, k], 5)) for k in (0, 1))
    spacing = float(np.diff(planes).min())
    at = at + np.array([0.0, 0.5 * spacing, 0.0])
    r = np.hypot(at[:, 0], at[:, 1])
    order = np.lexsort((*np.round(at.T, 4), np.round(r, 4)))
    return Disc(
        a_A, radius_A, turn, np.ascontiguousarray(at), cell, order, r < radius_A + 2.0 * cutoff_A, spacing,
        float(np.diff(rows).min()),
    )  # fmt: skip


def _tiled(turn: Floats, lengths: Floats, counts: Ints) -> Floats:
    """Return the sites (n, 3) of a block of periods along turned axes, in lattice parameters."""
    steps = np.arange(-4, 5)
    cubes = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    near = np.concatenate([cubes, cubes + 0.5]) @ turn.T
    one = near[((near > -1e-6) & (near < lengths - 1e-6)).all(axis=1)]
    shifts = np.stack(np.meshgrid(*(np.arange(count) for count in counts), indexing="ij"), axis=-1).reshape(-1, 3)
    return np.asarray((shifts[:, None] * lengths + one).reshape(-1, 3))


def near_bonds(sites: Floats, around: Disc, names: Ints) -> Ints:
    """Return the pairs (b, 2) of nearest neighbours on the same side of y = 0.

    Parameters
    ----------
    sites, names
        (n, 3) in A, and the numbers (n,) that they are told by.
    around
        The disc they belong to.
    """
    length = around.length
    images = np.concatenate([sites + np.array([0.0, 0.0, k * length]) for k in (-1, 0, 1)])
    reach = 0.93 * around.lattice_parameter
    pairs = cKDTree(sites).query_ball_tree(cKDTree(images), reach)
    first = np.repeat(np.arange(len(sites)), [len(p) for p in pairs])
    second = np.concatenate([np.asarray(p, dtype=np.int64) for p in pairs]) % len(sites)
    kept = (first < second) & (np.sign(sites[first, 1]) == np.sign(sites[second, 1]))
    return np.unique(names[np.stack([first[kept], second[kept]], axis=1)], axis=0)
