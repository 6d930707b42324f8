"""The loops of many blocks at once: every row is one linear problem, with numbers of its own that no other row sees.

Spectra are real arrays ``(..., lines, width)`` whose last axis interleaves real and imaginary parts, so that a real
wave vector multiplies both alike. Every inner loop writes one line and reads few, and sums are kept apart along it:
only then can the compiler use vector instructions, and a row has the same bytes whoever its neighbours are.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["answer_rows", "apply_tangents", "begin_rows", "search_rows", "strain_rows", "work_left"]

Array = NDArray[np.float64]
Indices = NDArray[np.int64]
# wave vectors (3, lines, width), 1 / k.k or zero (lines, width), how often a mode counts (width)
Grid = tuple[Array, Array, Array]
# a field (rows, 3, lines, width) and six numbers of the mean (rows, 6)
Moves = tuple[Array, Array]
# (blocks, 2): shear, (lambda + mu) / (lambda + 2 mu); (blocks, 6, 6): projector on the free directions, compliance
Media = tuple[Array, Array, Array]

_HALF_ROOT = float(np.sqrt(0.5))


@njit(cache=True, nogil=True, error_model="numpy")
def _strain_line(u: Array, waves: Array, line: int, strain: Array) -> None:
    """Write one line of the six spectra of the strain of a displacement: the symmetric part of k u."""
    ux, uy, uz = u[0, line], u[1, line], u[2, line]
    a, b, c = waves[0, line], waves[1, line], waves[2, line]
    e0, e1, e2, e3, e4, e5 = (
        strain[0, line], strain[1, line], strain[2, line], strain[3, line], strain[4, line], strain[5, line]
    )  # fmt: skip
    for k in range(ux.size):
        e0[k] = a[k] * ux[k]
    for k in range(ux.size):
        e1[k] = b[k] * uy[k]
    for k in range(ux.size):
        e2[k] = c[k] * uz[k]
    for k in range(ux.size):
        e3[k] = _HALF_ROOT * (b[k] * uz[k] + c[k] * uy[k])
    for k in range(ux.size):
        e4[k] = _HALF_ROOT * (a[k] * uz[k] + c[k] * ux[k])
    for k in range(ux.size):
        e5[k] = _HALF_ROOT * (a[k] * uy[k] + b[k] * ux[k])


@njit(cache=True, nogil=True, error_model="numpy")
def strain_rows(moves: Moves, waves: Array, rows: Indices, strain: Array) -> None:
    """Write the spectra of strain ``(rows, 6, lines, width)`` of the displacements of some rows, their means added."""
    field, mean = moves
    for place in range(rows.size):
        row = rows[place]
        for line in range(waves.shape[1]):
            _strain_line(field[row], waves, line, strain[place])
        for c in range(6):
            strain[place, c, 0, 0], strain[place, c, 0, 1] = mean[row, c], 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def apply_tangents(strain: Array, tangent: Array, rows: Indices, block_of: Indices) -> None:
    """Replace the strains ``(rows, 6, voxels)`` by the stresses of the tangents ``(blocks, voxels, 6, 6)``.

    Rows of one block stand together: a voxel's tangent is fetched once for all of them.
    """
    e = np.empty(6)
    first = 0
    while first < rows.size:
        block = block_of[rows[first]]
        last = first
        while last < rows.size and block_of[rows[last]] == block:
            last += 1
        for v in range(strain.shape[2]):
            stiff = tangent[block, v]
            for place in range(first, last):
                for b in range(6):
                    e[b] = strain[place, b, v]
                for a in range(6):
                    near = stiff[a, 0] * e[0] + stiff[a, 1] * e[1] + stiff[a, 2] * e[2]
                    strain[place, a, v] = near + (stiff[a, 3] * e[3] + stiff[a, 4] * e[4] + stiff[a, 5] * e[5])
        first = last


@njit(cache=True, nogil=True, error_model="numpy")
def _force(stress: Array, waves: Array, force: Array) -> None:
    """Write the three spectra of the force of a stress, ``k . stress``."""
    for line in range(waves.shape[1]):
        a, b, c = waves[0, line], waves[1, line], waves[2, line]
        s3, s4, s5 = stress[3, line], stress[4, line], stress[5, line]
        s0, s1, s2 = stress[0, line], stress[1, line], stress[2, line]
        fx, fy, fz = force[0, line], force[1, line], force[2, line]
        for k in range(fx.size):
            fx[k] = a[k] * s0[k] + _HALF_ROOT * (b[k] * s5[k] + c[k] * s4[k])
        for k in range(fx.size):
            fy[k] = b[k] * s1[k] + _HALF_ROOT * (a[k] * s5[k] + c[k] * s3[k])
        for k in range(fx.size):
            fz[k] = c[k] * s2[k] + _HALF_ROOT * (a[k] * s4[k] + b[k] * s3[k])


@njit(cache=True, nogil=True, error_model="numpy")
def _green(force: Array, grid: Grid, medium: Array, moved: Array) -> None:
    """Write the displacement that balances a force in the isotropic reference medium."""
    waves, inverse, _ = grid
    compliance, share = 1.0 / medium[0], medium[1]
    along = np.empty(force.shape[2])
    for line in range(force.shape[1]):
        a, b, c, inv = waves[0, line], waves[1, line], waves[2, line], inverse[line]
        x, y, z = force[0, line], force[1, line], force[2, line]
        ux, uy, uz = moved[0, line], moved[1, line], moved[2, line]
        for k in range(along.size):
            along[k] = share * inv[k] * (a[k] * x[k] + b[k] * y[k] + c[k] * z[k])
        for k in range(along.size):
            ux[k] = compliance * inv[k] * (x[k] - a[k] * along[k])
        for k in range(along.size):
            uy[k] = compliance * inv[k] * (y[k] - b[k] * along[k])
        for k in range(along.size):
            uz[k] = compliance * inv[k] * (z[k] - c[k] * along[k])


@njit(cache=True, nogil=True, error_model="numpy")
def _times(matrix: Array, given: Array, out: Array) -> None:
    for a in range(6):
        total = 0.0
        for b in range(6):
            total += matrix[a, b] * given[b]
        out[a] = total


@njit(cache=True, nogil=True, error_model="numpy")
def _dot(force: Array, force_mean: Array, moved: Array, moved_mean: Array, count: Array) -> float:
    """Return the work of a force on a displacement, per volume."""
    sums = np.zeros(count.size)
    for c in range(3):
        for line in range(force.shape[1]):
            f, u = force[c, line], moved[c, line]
            for k in range(sums.size):
                sums[k] += f[k] * u[k]
    total = 0.0
    for k in range(sums.size):
        total += count[k] * sums[k]
    for c in range(6):
        total += force_mean[c] * moved_mean[c]
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def _add(out: Array, out_mean: Array, factor: float, other: Array, other_mean: Array) -> None:
    for c in range(3):
        for line in range(out.shape[1]):
            to, by = out[c, line], other[c, line]
            for k in range(to.size):
                to[k] += factor * by[k]
    for c in range(6):
        out_mean[c] += factor * other_mean[c]


@njit(cache=True, nogil=True, error_model="numpy")
def answer_rows(
    stress: Array, grid: Grid, media: Media, rows: Indices, block_of: Indices, answer: Moves, soft: Moves
) -> None:
    """Write the forces of stresses, with the free part of their means, and the displacements these make in the medium.

    Parameters
    ----------
    stress
        ``(len(rows), 6, lines, width)`` spectra.
    grid, media
        See the head of this file.
    rows, block_of
        Which row each belongs to, ``(len(rows),)``, and which block each row of the bunch, ``(rows,)``.
    answer, soft
        Written, ``(len(rows), ...)``.
    """
    mean = np.empty(6)
    for place in range(rows.size):
        block = block_of[rows[place]]
        _force(stress[place], grid[0], answer[0][place])
        for c in range(6):
            mean[c] = stress[place, c, 0, 0]
        _times(media[1][block], mean, answer[1][place])
        _green(answer[0][place], grid, media[0][block], soft[0][place])
        _times(media[2][block], answer[1][place], soft[1][place])


@njit(cache=True, nogil=True, error_model="numpy")
def begin_rows(force: Moves, steer: Moves, grid: Grid, rests: Array) -> None:
    """Write the work of each row's force on the displacement it makes in the medium: the square of its size."""
    for row in range(rests.size):
        rests[row] = _dot(force[0][row], force[1][row], steer[0][row], steer[1][row], grid[2])


@njit(cache=True, nogil=True, error_model="numpy")
def search_rows(
    now: tuple[Moves, Moves, Moves],
    push: Moves,
    new: tuple[Moves, Moves],
    kept: tuple[Moves, Moves, Moves],
    squares: Array,
    counts: tuple[Indices, Indices],
    rests: Array,
    rows: Indices,
    grid: Grid,
) -> None:
    """Take one step of conjugate residuals in some rows, and choose the next direction.

    Parameters
    ----------
    now
        Force left over, the displacement it makes in the medium, and the displacement found, of all rows.
    push
        The direction whose answer is at hand, of all rows; the next one is written in its place.
    new
        What the tangent answers to it, and the displacement that makes, ``(len(rows), ...)``.
    kept
        Directions of the past with the same, ``(rows, memory, ...)``; see `equilibrium.Balance.solve`.
    squares
        ``(rows, memory)`` what was divided by then.
    counts
        ``(rows,)`` how many directions each keeps, and steps taken; minus one where the search has come to its end.
    rests
        ``(rows,)`` written: the square of the force left over.
    rows, grid
        As in `answer_rows`.
    """
    (force, force_m), (steer, steer_m), (found, found_m) = now
    (answers, answers_m), (softs, softs_m) = new
    (old_push, old_push_m), (old_answer, old_answer_m), (old_soft, old_soft_m) = kept
    (memory, taken), count = counts, grid[2]
    for place in range(rows.size):
        r = rows[place]
        p, p_m, a, a_m, s, s_m = push[0][r], push[1][r], answers[place], answers_m[place], softs[place], softs_m[place]
        for back in range(min(memory[r], taken[r]), 0, -1):
            m = (taken[r] - back) % memory[r]
            factor = -_dot(a, a_m, old_soft[r, m], old_soft_m[r, m], count) / squares[r, m]
            _add(p, p_m, factor, old_push[r, m], old_push_m[r, m])
            _add(a, a_m, factor, old_answer[r, m], old_answer_m[r, m])
            _add(s, s_m, factor, old_soft[r, m], old_soft_m[r, m])
        square = _dot(a, a_m, s, s_m, count)
        if not square > 0.0:
            taken[r] = -1
            continue
        step = _dot(force[r], force_m[r], s, s_m, count) / square
        _add(found[r], found_m[r], step, p, p_m)
        _add(force[r], force_m[r], -step, a, a_m)
        _add(steer[r], steer_m[r], -step, s, s_m)
        rests[r] = _dot(force[r], force_m[r], steer[r], steer_m[r], count)
        m = taken[r] % memory[r]
        old_push[r, m], old_answer[r, m], old_soft[r, m] = p, a, s
        old_push_m[r, m], old_answer_m[r, m], old_soft_m[r, m] = p_m, a_m, s_m
        squares[r, m] = square
        taken[r] += 1
        p[:], p_m[:] = steer[r], steer_m[r]


@njit(cache=True, nogil=True, error_model="numpy")
def work_left(found: Array, force: Array, count: Array, work: Array) -> None:
    """Write the work of each force of a block on each displacement of that block, ``(blocks, loads, loads)``.

    Parameters
    ----------
    found, force
        ``(blocks * loads, 3, lines, width)``.
    count
        How often a mode counts.
    work
        Written: displacement first, force second.
    """
    loads, none = work.shape[1], np.zeros(6)
    for block in range(work.shape[0]):
        for i in range(loads):
            for j in range(loads):
                moved, left = found[block * loads + i], force[block * loads + j]
                work[block, i, j] = _dot(left, none, moved, none, count)
