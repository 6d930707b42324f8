"""Linear problems of many blocks on one grid, side by side: one transform for all, one search for each.

It is the method of `uqmsm.physics.rve.equilibrium.Balance.solve`, row by row. Every row has tolerances and steps of its
own, and leaves the bunch when it has what it wants: what a row finds does not depend on its neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from uqmsm.physics.rve.equilibrium import Balance
from uqmsm.physics.rve.plastic.block import Block
from uqmsm.physics.rve.plastic.rows import answer_rows, apply_tangents, begin_rows, search_rows, strain_rows

__all__ = ["Bunch"]

Array = NDArray[np.float64]
Indices = NDArray[np.int64]
Moves = tuple[Array, Array]


class Bunch:
    """Blocks on one grid, each with as many rows of unknowns as it has loads.

    Parameters
    ----------
    cells
        Blocks of one shape and one scheme.
    loads
        Rows of each block.
    free
        ``(6, k)`` directions of the mean strain that are unknown, for each block.
    """

    def __init__(self, cells: Sequence[Block], loads: int, free: Sequence[Array]) -> None:
        self.cells, self.loads = cells, loads
        self.shape = cells[0].grain_ids.shape
        wave = np.repeat(cells[0].waves, 2, axis=-1)
        self.lines, self.width = wave.shape[1] * wave.shape[2], wave.shape[3]
        self.waves = np.ascontiguousarray(wave.reshape(3, self.lines, self.width))
        square = (self.waves * self.waves).sum(axis=0)
        inverse = np.divide(1.0, square, out=np.zeros_like(square), where=square > 0.0)
        self.grid = self.waves, inverse, np.repeat(cells[0].count, 2)
        self.block_of = np.repeat(np.arange(len(cells)), loads)
        balances = [
            Balance(one.operators(None), one.bulk_MPa, one.shear_MPa, open_)
            for one, open_ in zip(cells, free, strict=True)
        ]
        self.media = (
            np.array([(one.shear, _share(one)) for one in balances]),
            np.array([one.free @ one.free.T for one in balances]),
            np.array([one.soft for one in balances]),
        )

    @cached_property
    def rows(self) -> Indices:
        """All rows of the bunch."""
        return np.arange(len(self.block_of))

    def moves(self, rows: int) -> Moves:
        """Return displacements of so many rows, all zero."""
        return np.zeros((rows, 3, self.lines, self.width)), np.zeros((rows, 6))

    def fields(self, moves: Moves, rows: Indices) -> Array:
        """Return the strains ``(len(rows), 6, nx, ny, nz)`` of the displacements of some rows."""
        spectra = np.empty((len(rows), 6, self.lines, self.width))
        strain_rows(moves, self.waves, rows, spectra)
        half = spectra.view(np.complex128).reshape(len(rows), 6, *self.shape[:2], self.width // 2)
        return np.asarray(
            scipy.fft.irfftn(half, s=self.shape, axes=(2, 3, 4), norm="forward", overwrite_x=True), dtype=np.float64
        )

    def answers(self, stress: Array, rows: Indices) -> tuple[Moves, Moves]:
        """Return the forces of the stresses ``(len(rows), 6, nx, ny, nz)`` of some rows, and what these move."""
        spectra = scipy.fft.rfftn(stress, axes=(2, 3, 4), norm="forward")
        lines = spectra.view(np.float64).reshape(len(rows), 6, self.lines, self.width)
        answer, soft = self.moves(len(rows)), self.moves(len(rows))
        answer_rows(lines, self.grid, self.media, rows, self.block_of, answer, soft)
        return answer, soft

    def stressed(self, strain: Array, tangent: Array, rows: Indices) -> Array:
        """Return the stress of tangents ``(blocks, nx, ny, nz, 6, 6)``, in the place of the strains of some rows."""
        flat = strain.reshape(len(rows), 6, -1)
        apply_tangents(flat, tangent.reshape(len(tangent), -1, 6, 6), rows, self.block_of)
        return strain

    def sizes(self, force: Moves, soft: Moves) -> Array:
        """Return the square of the size of each force, in the reference medium."""
        rests = np.empty(len(force[0]))
        begin_rows(force, soft, self.grid, rests)
        return rests

    def solve(
        self, force: Moves, steer: Moves, tangent: Array, *, tolerance: Array, memory: Indices, most: int
    ) -> tuple[Moves, Array, Indices]:
        """Find the displacements that the tangents answer with these forces, one for each row.

        Parameters
        ----------
        force, steer
            Of all rows, and the displacements they make in the medium; destroyed.
        tangent
            ``(blocks, nx, ny, nz, 6, 6)``.
        tolerance
            ``(rows,)`` size of the force left over the one given; a row of infinity is left alone.
        memory, most
            ``(rows,)`` directions kept; iterations after which a row stops.

        Returns
        -------
        found, reached, iterations
            `reached` is what is left over what was given, for each row; the caller judges it.
        """
        every = len(self.block_of)
        found, push = self.moves(every), (steer[0].copy(), steer[1].copy())
        longest = int(memory.max())
        past, past_mean = (every, longest, 3, self.lines, self.width), (every, longest, 6)
        kept = tuple((np.empty(past), np.empty(past_mean)) for _ in range(3))
        squares, taken = np.empty((every, longest)), np.zeros(every, dtype=np.int64)
        start = self.sizes(force, steer)
        rests, iterations = start.copy(), np.zeros(every, dtype=np.int64)
        enough = np.full(every, np.inf)
        asked = np.isfinite(tolerance)
        enough[asked] = tolerance[asked] ** 2 * start[asked]
        while True:
            rows = np.flatnonzero((rests > enough) & (taken >= 0) & (taken < most))
            if rows.size == 0:
                break
            answer, soft = self.answers(self.stressed(self.fields(push, rows), tangent, rows), rows)
            now, new, counts = (force, steer, found), (answer, soft), (memory, taken)
            search_rows(now, push, new, kept, squares, counts, rests, rows, self.grid)
            iterations[rows] += 1
        left = np.sqrt(np.maximum(rests, 0.0) / np.where(start > 0.0, start, 1.0))
        return found, np.where(start > 0.0, left, 0.0), iterations


def _share(medium: Balance) -> float:
    """Return (lambda + mu) / (lambda + 2 mu)."""
    third = medium.shear / 3.0
    return (medium.bulk + third) / (medium.bulk + 4.0 * third)
