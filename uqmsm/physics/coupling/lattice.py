"""Bravais lattices in one to three dimensions: primitive vectors, the hops of an interaction, who neighbours whom."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from uqmsm.errors import StudyError

__all__ = ["Lattice", "chain", "cubic", "lattice_points", "row_distance", "triangular"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Lattice:
    """A Bravais lattice with the hops to the neighbours that an atom interacts with.

    Parameters
    ----------
    basis
        (d, d) primitive vectors in rows.
    steps
        (K, d) whole numbers: the hops in units of the primitive vectors, in pairs of opposite ones.
    """

    basis: Floats
    steps: Ints
    normals: Floats = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse hops that do not come in opposite pairs; set the normals of the shells (`layers`)."""
        there = {tuple(step) for step in self.steps.tolist()}
        if any(tuple(-np.array(step)) not in there for step in there):
            raise StudyError("the hops of a lattice must come in opposite pairs; add the missing ones")
        object.__setattr__(self, "normals", _normals(self.basis))

    @property
    def dimension(self) -> int:
        """Return d."""
        return len(self.basis)

    @property
    def hops(self) -> Floats:
        """Return the hops (K, d) as vectors."""
        return np.asarray(self.steps @ self.basis)

    @property
    def cell_volume(self) -> float:
        """Return the volume of one site."""
        return float(abs(np.linalg.det(self.basis)))

    @property
    def reach(self) -> float:
        """Return how many layers the longest hop crosses."""
        return float(self.layers(self.hops).max())

    def layers(self, points: ArrayLike) -> Floats:
        """Return how many layers (...,) points (..., d) lie from the origin.

        In one dimension |x| over the spacing, on the triangular lattice the hexagonal norm, in which the k-th ring of
        neighbours has distance k, otherwise the Euclidean norm over the shortest primitive vector.
        """
        x = np.asarray(points, dtype=np.float64)
        if len(self.normals):
            return np.asarray(np.abs(x @ self.normals.T).max(axis=-1))
        return np.asarray(np.linalg.norm(x, axis=-1) / np.linalg.norm(self.basis, axis=1).min())

    def neighbours(self, sites: Ints, known: Ints) -> Ints:
        """Return which of the `known` sites (s, d) each hop from each of `sites` (n, d) leads to, (n, K); -1: none."""
        low = np.minimum(known.min(axis=0), sites.min(axis=0)) - np.abs(self.steps).max(axis=0)
        high = np.maximum(known.max(axis=0), sites.max(axis=0)) + np.abs(self.steps).max(axis=0)
        table = np.full(high - low + 1, -1, dtype=np.int64)
        table[tuple((known - low).T)] = np.arange(len(known))
        ends = sites[:, None] + self.steps - low
        return np.asarray(table[tuple(np.moveaxis(ends, -1, 0))])


def _normals(basis: Floats) -> Floats:
    """Return the normals of the hexagonal (2-D) or the linear (1-D) norm, none where distance is Euclidean."""
    if len(basis) == 1:
        return np.array([[1.0 / abs(basis[0, 0])]])
    lengths = np.linalg.norm(basis, axis=1)
    if (
        len(basis) == 2
        and np.allclose(lengths, lengths[0])
        and np.isclose(abs(basis[0] @ basis[1]), lengths[0] ** 2 / 2)
    ):
        inverse = np.linalg.inv(basis).T  # dual vectors, in rows
        return np.array([inverse[0], inverse[1], inverse[0] + np.sign(basis[0] @ basis[1]) * inverse[1]])
    return np.empty((0, len(basis)))


def _opposite(half: ArrayLike) -> Ints:
    one = np.asarray(half, dtype=np.int64)
    return np.concatenate([one, -one])


def chain(spacing: float = 1.0, reach: int = 2) -> Lattice:
    """Return the chain of atoms that interact with `reach` neighbours on either side."""
    return Lattice(np.array([[spacing]]), _opposite([[k] for k in range(1, reach + 1)]))


def triangular(spacing: float = 1.0, shells: Literal[1, 2] = 1) -> Lattice:
    """Return the triangular lattice whose atoms interact with the six nearest sites, or with the next six as well."""
    basis = spacing * np.array([[1.0, 0.0], [0.5, np.sqrt(0.75)]])
    return Lattice(basis, _opposite([[1, 0], [0, 1], [-1, 1], [1, 1], [-1, 2], [2, -1]][: 3 * shells]))


def cubic(lattice: Literal["fcc", "bcc"], a: float, cutoff: float) -> Lattice:
    """Return an fcc or bcc crystal of cubic edge `a` whose atoms interact within `cutoff`, both of the same unit."""
    if lattice not in {"fcc", "bcc"}:
        raise StudyError(f"lattice {lattice!r} is unknown; choose fcc or bcc")
    signs = {"fcc": [[0, 1, 1], [1, 0, 1], [1, 1, 0]], "bcc": [[-1, 1, 1], [1, -1, 1], [1, 1, -1]]}[lattice]
    basis = 0.5 * a * np.array(signs, dtype=np.float64)
    steps = _box(3, int(np.ceil(2.5 * cutoff / a)))
    lengths = np.linalg.norm(steps @ basis, axis=1)
    return Lattice(basis, steps[(lengths < cutoff) & (lengths > 0.0)])


def _box(dimension: int, half: int) -> Ints:
    axis = np.arange(-half, half + 1)
    return np.stack(np.meshgrid(*(axis,) * dimension, indexing="ij"), axis=-1).reshape(-1, dimension)


def lattice_points(lattice: Lattice, outer: float, *, every: int = 1, axis_half: float = 0.0) -> Ints:
    """Return the sites (s, d), whole numbers divisible by `every`, within `outer` layers of a row.

    Parameters
    ----------
    lattice
        The lattice.
    outer
        Distance in layers (`Lattice.layers`).
    every
        Keep one site in `every` along each primitive vector.
    axis_half
        Half the length of the row through the origin, along the first primitive vector, that distances are measured
        from, in spacings; 0 for a point.
    """
    dual = np.linalg.inv(lattice.basis)
    spacing = np.linalg.norm(lattice.basis, axis=1).min()
    # |n_k| = |x . dual_k| is at most |x| |dual_k|, and a layer is at most one spacing
    most = int(np.ceil((outer * 1.1548 * spacing + axis_half * spacing) * np.linalg.norm(dual, axis=0).max() / every))
    grid = every * _box(lattice.dimension, most)
    return grid[row_distance(lattice, grid @ lattice.basis, axis_half) <= outer + 1e-9]


def row_distance(lattice: Lattice, points: Floats, axis_half: float) -> Floats:
    """Return the distance (n,) in layers of points (n, d) from the row of `lattice_points`."""
    first = lattice.basis[0]
    along = points @ first / (first @ first)
    return lattice.layers(points - np.clip(along, -axis_half, axis_half)[:, None] * first)
