"""The search of `nodal` for many load cases of many blocks on one grid: one transform for all, the same bytes for each.

A row is one load case of one block. Rows share transforms and loops and nothing else: each has its own tolerance, takes
double precision when it needs it, and leaves when it has converged. On small grids the calls cost more than the work in
them, and this is where the time goes; on large ones it would leave the cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.fft
from numba import njit
from numpy.typing import NDArray

from uqmsm.errors import MemberFailed
from uqmsm.physics.rve.cell import Cell
from uqmsm.physics.rve.hexahedra import push, scaled_table
from uqmsm.physics.rve.loads import LoadCase
from uqmsm.physics.rve.nodal import case_of, fallen_enough, lost, stretch_of
from uqmsm.physics.rve.spectrum import take_off, turn_direction

__all__ = ["solve_together"]

Array = NDArray[np.float64]
Single = NDArray[np.float32]
Indices = NDArray[np.int64]


@njit(cache=True, nogil=True, error_model="numpy")
def _turn_rows(
    r: Single, p: Single, grid: tuple[Single, Single, Single], turns: Single, medium: Single, rows: Indices
) -> None:
    for row in rows:
        turn_direction(r[row], p[row], grid, turns[row], medium[row], (0, r.shape[2]))


@njit(cache=True, nogil=True, error_model="numpy")
def _push_rows(
    moved: Single, ids: NDArray[np.int32], table: Single, rows: Indices, answer: Single, sums: NDArray[np.float64]
) -> None:
    for place in range(rows.size):
        row = rows[place]
        push(moved[place], ids[row], table, (0, ids.shape[1]), answer[place], sums[row], False)


@njit(cache=True, nogil=True, error_model="numpy")
def _take_off_rows(
    r: Single,
    q: Single,
    grid: tuple[Single, Single, Single],
    steps: Single,
    medium: Single,
    rows: Indices,
    shares: NDArray[np.float64],
) -> None:
    for place in range(rows.size):
        row = rows[place]
        take_off(r[row], q[place], grid, steps[place], medium[row], (0, r.shape[2]), shares[row])


@dataclass(frozen=True)
class _Row:
    """One load case: its cell, its mean strain, and its tables with that mean strain in double and single precision."""

    cell: Cell
    mean: Array
    exact: NDArray[np.floating]
    first: Single


class _Rows:
    """The arrays of all rows, and the steps that they take together."""

    def __init__(self, cells: Sequence[Cell], strains: Array) -> None:
        self.rows = [
            _Row(cell, mean, exact, exact.astype(np.float32))
            for cell in cells
            for mean in strains
            for exact in (scaled_table(cell.stiffness, mean, np.float64),)
        ]
        shape, count = cells[0].grain_ids.shape, len(self.rows)
        before = np.cumsum([0, *(len(cell.stiffness) for cell in cells)])[:-1]
        joined = [cell.grain_ids + np.int32(start) for cell, start in zip(cells, before, strict=True)]
        self.ids = np.repeat(np.stack(joined), len(strains), axis=0)
        self.table = np.concatenate([scaled_table(cell.stiffness, np.zeros(6), np.float32) for cell in cells])
        self.medium = np.array([row.cell.medium.constants for row in self.rows]).astype(np.float32)
        self.grid = tuple(one.astype(np.float32) for one in cells[0].waves.arguments[:3])
        self.sums, self.shares = np.empty((count, shape[0], 13)), np.empty((count, shape[0]))
        self.displacement, self.force = np.zeros((count, 3, *shape)), np.empty((count, 3, *shape))
        self.group = np.zeros((count, 3, *shape), np.float32)
        self.rest_spectrum = np.zeros((count, 3, *shape[:2], 2 * (shape[2] // 2 + 1)), np.float32)
        self.direction = np.zeros_like(self.rest_spectrum)

    def begun(self) -> Array:
        """Take the forces under the mean strains before any displacement."""
        answer = np.empty_like(self.group)
        for k, row in enumerate(self.rows):
            push(self.group[k], row.cell.grain_ids, row.first, self._planes, answer[k], self.sums[k], False)
        every = np.arange(len(self.rows))
        return self._taken_off(answer, np.ones(every.size), every)

    @property
    def _planes(self) -> tuple[int, int]:
        return (0, self.ids.shape[1])

    def advanced(self, rows: Indices, rests: Array, turns: Array) -> Array:
        """Take one step of some rows in single precision; return what is left, force.Green.force in GPa."""
        r, p, medium = self.rest_spectrum, self.direction, self.medium
        _turn_rows(r, p, self.grid, turns.astype(np.float32)[:, None], medium, rows)
        chosen = p if rows.size == len(p) else p[rows]
        moved = scipy.fft.irfftn(chosen.view(np.complex64), s=self.group.shape[2:], axes=(2, 3, 4), norm="forward")
        answer = np.empty_like(moved)
        _push_rows(moved, self.ids, self.table, rows, answer, self.sums)
        voxels = self.ids[0].size
        steps = np.array([rests[k] / (float(self.sums[k, :, 0].sum()) / voxels) for k in rows])
        self.group[rows] += steps.astype(np.float32)[:, None, None, None, None] * moved
        return self._taken_off(answer, steps, rows)

    def _taken_off(self, force: Single, steps: Array, rows: Indices) -> Array:
        spectrum = scipy.fft.rfftn(force, axes=(2, 3, 4), norm="forward").view(np.float32)
        far = steps.astype(np.float32)[:, None]
        _take_off_rows(self.rest_spectrum, spectrum, self.grid, far, self.medium, rows, self.shares)
        return np.array([self.shares[k].sum() for k in rows])

    def push_exactly(self, k: int) -> None:
        """Take the forces of one row from its displacement, in double precision."""
        row = self.rows[k]
        push(self.displacement[k], row.cell.grain_ids, row.exact, self._planes, self.force[k], self.sums[k], True)

    def renewed(self, rows: Indices) -> Array:
        """Take the force out of balance of some rows anew, in double precision."""
        for k in rows:
            self.displacement[k] += self.group[k]
            self.group[k] = 0.0
            self.push_exactly(k)
            self.rest_spectrum[k] = 0.0
        return self._taken_off(self.force[rows].astype(np.float32), np.ones(rows.size), rows)

    def ended(self, k: int, iterations: int, residual: float) -> LoadCase:
        """Return the load case of a row that has converged."""
        row = self.rows[k]
        self.displacement[k] *= stretch_of(row.cell, row.mean, self.sums[k])
        self.push_exactly(k)
        return case_of(row.cell, row.mean, self.sums[k], (self.displacement[k], self.force[k]), iterations, residual)


def solve_together(
    cells: Sequence[Cell], strains: Array, tolerance: float, max_iterations: int
) -> list[list[LoadCase] | MemberFailed]:
    """Find the fields of several cells under the same mean strains.

    Parameters
    ----------
    cells
        On one grid, of the rotated scheme.
    strains
        ``(loads, 6)`` Mandel.
    tolerance, max_iterations
        See `Cell.solve`.

    Returns
    -------
    list
        The load cases of each cell, or why there are none.
    """
    work = _Rows(cells, strains)
    count = len(work.rows)
    scale = np.array([row.cell.medium.energy(row.mean) for row in work.rows])
    rests = work.begun()
    trusted, turns = rests.copy(), np.zeros(count)
    iterations, since = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
    faults: list[MemberFailed | None] = [None] * count
    while True:
        going = [k for k in range(count) if faults[k] is None and not rests[k] <= tolerance**2 * scale[k]]
        for k in going:
            if iterations[k] == max_iterations or not np.isfinite(rests[k]):
                faults[k] = lost(float(np.sqrt(rests[k] / scale[k])), int(iterations[k]), tolerance)
        rows = np.array([k for k in going if faults[k] is None], dtype=np.int64)
        if rows.size == 0:
            break
        before = rests[rows]
        rests[rows] = work.advanced(rows, rests, turns)
        iterations[rows] += 1
        fallen = [fallen_enough(tolerance, int(iterations[k] - since[k])) for k in rows]
        limits = np.maximum(np.square(fallen) * trusted[rows], tolerance**2 * scale[rows])
        again = rows[rests[rows] <= limits]
        if again.size:
            rests[again] = trusted[again] = work.renewed(again)
            since[again] = iterations[again]
        turns[rows] = rests[rows] / before
    loads = len(strains)
    found: list[list[LoadCase] | MemberFailed] = []
    for first in range(0, count, loads):
        span = range(first, first + loads)
        fault = next((faults[k] for k in span if faults[k] is not None), None)
        found.append(fault or [work.ended(k, int(iterations[k]), float(np.sqrt(rests[k] / scale[k]))) for k in span])
    return found
