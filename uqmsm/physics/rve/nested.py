"""Load cases of blocks under one boundary condition, searched side by side: each has the bytes that it has alone.

A row is one load case of one block. Rows share transforms and loops and nothing else: each has sums of its own, always
taken in one order, and steps of its own, and leaves when it has converged. On small grids calls cost more than the work
in them, and this is where the time goes; large ones would leave the cache and are cut into few rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numba import njit
from numpy.typing import NDArray

from uqmsm.errors import MemberFailed
from uqmsm.physics.rve.cell import Cell
from uqmsm.physics.rve.elements import element_stiffness, push_elements
from uqmsm.physics.rve.spaces import Boundary, Space
from uqmsm.physics.tensors import COMPONENTS

__all__ = ["TOGETHER", "Blocks", "Solved", "affine", "uniform_forces"]

Array = NDArray[np.float64]
Indices = NDArray[np.int64]
Shape = tuple[int, int, int]

TOGETHER = 24_000
"""Voxels, times rows, that are searched side by side: about what stays in the cache."""


@dataclass(frozen=True)
class Solved:
    """Six load cases of one block: displacements ``(6, 3, nx + 1, ...)``, iterations in all, the largest residual."""

    displacements: Array
    iterations: int
    residual: float


class Blocks:
    """Blocks of voxels on one grid under one boundary condition.

    Parameters
    ----------
    cells
        On one grid.
    boundary
        The same for all.
    """

    def __init__(self, cells: Sequence[Cell], boundary: Boundary) -> None:
        ids = cells[0].grain_ids
        self.shape: Shape = (ids.shape[0], ids.shape[1], ids.shape[2])
        self.space = Space(boundary, self.shape)
        before = np.cumsum([0, *(len(cell.stiffness) for cell in cells)])[:-1]
        self._ids = np.stack([cell.grain_ids + np.int32(start) for cell, start in zip(cells, before, strict=True)])
        # block by block: a product of matrices over all of them would depend on the company
        self._table = np.concatenate([element_stiffness(cell.stiffness) for cell in cells])
        self._eigenvalues = np.stack([self.space.eigenvalues(cell.medium) for cell in cells])
        self.affine = affine(self.shape)
        owners = np.repeat(np.arange(len(cells)), 6)
        pushed = self.forces(np.concatenate([self.affine] * len(cells)), owners)
        self._affine_forces = pushed.reshape(len(cells), *self.affine.shape)

    def forces(self, u: Array, owners: Indices) -> Array:
        """Return the forces of all nodes under displacements ``(rows, 3, nx + 1, ...)`` of blocks `owners`."""
        force = np.empty_like(u)
        _push_rows(np.ascontiguousarray(u), self._ids, self._table, owners, force)
        return force

    def solve(self, tolerance: float, max_iterations: int, workers: int) -> list[Solved | MemberFailed]:
        """Solve six unit loads of every block; the same bytes however many threads take them."""
        count = len(self._ids)
        owners, loads = np.repeat(np.arange(count), 6), np.tile(np.arange(6), count)
        size = max(1, min(TOGETHER // self._ids[0].size, -(-owners.size // workers)))
        parts = [slice(first, first + size) for first in range(0, owners.size, size)]
        with ThreadPoolExecutor(min(workers, len(parts))) as pool:
            ended = list(pool.map(lambda s: self._displaced(owners[s], loads[s], tolerance, max_iterations), parts))
        rows = [row for part in ended for row in part]
        found: list[Solved | MemberFailed] = []
        for first in range(0, len(rows), 6):
            six = rows[first : first + 6]
            good = [row for row in six if not isinstance(row, MemberFailed)]
            if len(good) < 6:
                found.append(next(row for row in six if isinstance(row, MemberFailed)))
                continue
            moved = np.stack([one for one, _, _ in good])
            found.append(Solved(moved, sum(n for _, n, _ in good), max(left for *_, left in good)))
        return found

    def _displaced(
        self, owners: Indices, loads: Indices, tolerance: float, max_iterations: int
    ) -> list[tuple[Array, int, float] | MemberFailed]:
        """Return displacement of all nodes, iterations and relative residual of each row."""
        traction = self.space.boundary == "subc"
        load = uniform_forces(self.shape)[loads] if traction else -self._affine_forces[owners, loads]
        free, iterations, residuals = self._search(load, owners, tolerance, max_iterations)
        moved = self.space.expand(free)
        pushed = self.forces(moved, owners)
        found: list[tuple[Array, int, float] | MemberFailed] = []
        for k, (owner, unit) in enumerate(zip(owners, loads, strict=True)):
            if not residuals[k] <= tolerance:
                found.append(_lost(residuals[k], iterations[k], tolerance))
                continue
            if traction:  # with the uniform strains the forces do no work on them beyond that of the load
                basis = np.stack([moved[k], *self.affine])
                acting = np.stack([pushed[k], *self._affine_forces[owner]])
                u = _without_rigid_motion(_least(basis, acting, load[k]))
            else:
                u = self.affine[unit] + _least(moved[k : k + 1], pushed[k : k + 1], load[k])
            found.append((u, int(iterations[k]), float(residuals[k])))
        return found

    def _search(
        self, load: Array, owners: Indices, tolerance: float, max_iterations: int
    ) -> tuple[Array, Indices, Array]:
        """Find the fluctuations by preconditioned conjugate gradients; also iterations and residuals."""
        space, count, taken = self.space, len(owners), 0
        free, iterations, residuals = np.zeros((count, *space.unknowns)), np.zeros(count, np.int64), np.zeros(count)
        rows, divisor = np.arange(count), self._eigenvalues[owners]
        r = np.array(space.fold(load), order="C")
        x, p = np.zeros_like(r), space.precondition(r, divisor)
        first = rest = _dots(r, p)
        while True:
            going = (rest > tolerance**2 * first) & (taken < max_iterations)  # what is no number goes, and is told
            if not going.all():
                out = rows[~going]
                free[out], iterations[out] = x[~going], taken
                begun = first[~going]
                residuals[out] = np.sqrt(np.divide(rest[~going], begun, out=np.zeros(out.size), where=begun != 0.0))
                rows, divisor, first, rest = rows[going], divisor[going], first[going], rest[going]
                x, r, p = x[going], r[going], p[going]
            if not rows.size:
                return free, iterations, residuals
            q = np.ascontiguousarray(space.fold(self.forces(space.expand(p), owners[rows])))
            step = (rest / _dots(p, q))[:, None, None, None, None]
            x += step * p
            r -= step * q
            z = space.precondition(r, divisor)
            before, rest = rest, _dots(r, z)
            p = z + (rest / before)[:, None, None, None, None] * p
            taken += 1


@njit(cache=True, nogil=True, error_model="numpy")
def _push_rows(u: Array, ids: NDArray[np.int32], table: Array, owners: Indices, force: Array) -> None:
    for row in range(owners.size):
        push_elements(u[row], ids[owners[row]], table, force[row])


@njit(cache=True, nogil=True, error_model="numpy")
def _dots(one: Array, other: Array) -> Array:
    """Return the products of two fields, row by row, always added in the same order."""
    rows, _, nx, ny, nz = one.shape
    found, totals = np.empty(rows), np.empty(nz)
    for row in range(rows):
        totals[:] = 0.0
        for c in range(3):
            for i in range(nx):
                for j in range(ny):
                    near, far = one[row, c, i, j], other[row, c, i, j]
                    for k in range(nz):
                        totals[k] += near[k] * far[k]
        found[row] = totals.sum()
    return found


@lru_cache(maxsize=16)
def affine(shape: Shape) -> Array:
    """Return ``(6, 3, nx + 1, ...)``: displacement of all nodes under unit Mandel strains, the middle at rest."""
    place = np.stack(np.meshgrid(*[np.arange(n + 1) - n / 2.0 for n in shape], indexing="ij"))
    moved = np.zeros((6, *place.shape))
    for i, (a, b) in enumerate(COMPONENTS):
        weight = 1.0 if a == b else np.sqrt(0.5)
        moved[i, a] = weight * place[b]
        moved[i, b] = weight * place[a]
    moved.flags.writeable = False
    return moved


@lru_cache(maxsize=16)
def uniform_forces(shape: Shape) -> Array:
    """Return ``(6, 3, nx + 1, ...)``: nodal forces of uniform unit stresses, as of a solid of unit stiffness."""
    moved, table = affine(shape), element_stiffness(np.eye(6)[None])
    force = np.empty_like(moved)
    for u, pushed in zip(moved, force, strict=True):
        push_elements(u, np.zeros(shape, np.int32), table, pushed)
    force.flags.writeable = False
    return force


def _least(basis: Array, forces: Array, load: Array) -> Array:
    """Return the combination of least energy of some displacements; so far contrast wears orthogonality away."""
    matrix = np.tensordot(basis, forces, ((1, 2, 3, 4), (1, 2, 3, 4)))
    share = np.linalg.lstsq(matrix, np.tensordot(basis, load, 4), rcond=1e-13)[0]
    return np.asarray(np.tensordot(share, basis, 1))


def _lost(residual: float, iterations: int, tolerance: float) -> MemberFailed:
    return MemberFailed(
        f"apparent_stiffness: the residual is {residual:.2e} after {iterations} iterations and {tolerance:.1e} was "
        "asked for; allow more iterations, or look at the contrast"
    )


def _without_rigid_motion(u: Array) -> Array:
    """Take off the mean displacement and the mean rotation."""
    place = np.stack(np.meshgrid(*[np.arange(n) - (n - 1) / 2.0 for n in u.shape[1:]], indexing="ij"))
    ends = np.empty((3, 3))
    for axis in range(3):
        low, high = (np.take(u, at, axis=axis + 1) for at in (0, -1))
        for other in (2, 1):  # the trapezoidal rule, exact for the surface integral of hexahedra
            low, high = (0.5 * (np.delete(one, 0, other) + np.delete(one, -1, other)) for one in (low, high))
        ends[:, axis] = (high - low).mean(axis=(1, 2)) / (u.shape[axis + 1] - 1)
    spin = (ends - ends.T) / 2.0
    still = u - np.tensordot(spin, place, 1)
    return np.asarray(still - still.mean(axis=(1, 2, 3), keepdims=True))
