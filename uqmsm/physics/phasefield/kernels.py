"""One explicit step of all order parameters on a sparse list, skipping the insides of grains.

The field is kept twice, as it is and as it was; a step reads the first and overwrites the second. A voxel is *bulk*
when it lists one grain at exactly 1, and then both copies agree. Only flagged voxels are visited: those that changed in
this step, and the neighbours of those where a second grain is present. Flags are bytes, read eight at a time.

Which grains a voxel lists is a rule of the field alone: a grain stays, or enters, where its values at the voxel and at
the nearest neighbours add up to `EPSILON` or more; when more than eight qualify, the smallest leave; a voxel with one
grain left above ``1 - EPSILON`` becomes bulk. No rule looks at the size of a grain number, at the position or at the
time step, so a run does not depend on how grains are numbered or where the origin is, to the last bit. Slots keep the
order in which their grains arrived.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from uqmsm.physics.phasefield.gather import FEW, SLOTS
from uqmsm.physics.phasefield.stride import CLOSED, CROWDED, OPEN, stride, stride_few
from uqmsm.physics.phasefield.voxel import (
    CAPACITY,
    EPSILON,
    GAMMA,
    KAPPA,
    OLD_STEP,
    REACTION,
    STEP,
    Buffers,
    Pairs,
    Scratch,
    Six,
    by_hand,
    clear,
    crowded,
)

__all__ = ["Buffers", "Pairs", "advance"]

Array = NDArray[np.float64]
Ids = NDArray[np.int32]
Bytes = NDArray[np.uint8]
Words = NDArray[np.uint64]


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False)
def _around(shape: tuple[int, int, int], row: int, out: NDArray[np.int64]) -> None:
    """Write the rows above, below, before and behind; in a plane of one layer the last two are the row itself."""
    nx, ny, _ = shape
    i, j = row // ny, row % ny
    out[0] = i * ny + (j - 1 if j > 0 else ny - 1)
    out[1] = i * ny + (j + 1 if j < ny - 1 else 0)
    out[2] = (i - 1 if i > 0 else nx - 1) * ny + j
    out[3] = (i + 1 if i < nx - 1 else 0) * ny + j


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False, inline="always")
def _stride(
    ids: Ids,
    values: Array,
    counts: Bytes,
    ids_then: Ids,
    values_then: Array,
    v: int,
    near: Six,
    flat: bool,
    own: Array,
    tally: Array,
    numbers: tuple[float, float, float, float, float, float, float, float, float],
    plain: bool,
) -> int:
    """Advance a voxel in one go where that is simple, and tell; see `stride`."""
    a, b, c, d, e, f = near
    # One way out, or the compiler counts references to the arrays, atomically, for every voxel.
    few = max(counts[v], counts[a], counts[b], counts[c], counts[d], counts[e], counts[f]) <= FEW
    told: int = 0
    if flat and few:
        told = stride_few(ids, values, ids_then, values_then, v, (a, b, c, d), own, tally, numbers, plain)
    elif flat:
        told = stride(ids, values, ids_then, values_then, v, (a, b, c, d), own, tally, numbers, plain)
    elif few:
        told = stride_few(ids, values, ids_then, values_then, v, (a, b, c, d, e, f), own, tally, numbers, plain)
    else:
        told = stride(ids, values, ids_then, values_then, v, (a, b, c, d, e, f), own, tally, numbers, plain)
    return told


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False, inline="always")
def _mark(marks: Bytes, row: int, rows: NDArray[np.int64], before: int, k: int, after: int) -> None:
    """Flag the neighbours of a voxel; in a plane two of the rows are its own."""
    marks[row, before] = 1
    marks[row, after] = 1
    for other in range(4):
        marks[rows[other], k] = 1


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False)
def _emptied(tally: Array, row: int) -> float:
    """Return the sum of one row of sums by slot, and set it to zero."""
    total = 0.0
    for s in range(SLOTS):
        total += tally[row, s]
        tally[row, s] = 0.0
    return total


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False)
def _rows(
    now: Buffers,
    then: Buffers,
    flags: tuple[Bytes, Bytes],
    words: Words,
    shape: tuple[int, int, int],
    slab: tuple[int, int],
    constants: Array,
    pairs: Pairs,
    row_sums: Array,
    scratch: Scratch,
    tally: Array,
    rows: NDArray[np.int64],
) -> None:
    """Do what `advance` does, without counting references to arrays: it would be atomic, and for every voxel."""
    ids, values, counts = now
    ids_then, values_then, counts_then = then
    due, marks = flags
    nz, flat = shape[2], shape[0] == 1
    terms = 4 if flat else 6
    plain = pairs[0].shape[0] == 0 and pairs[2].shape[0] == 0
    epsilon, ratio = constants[EPSILON], constants[STEP] / constants[OLD_STEP]
    scalars = (constants[KAPPA], constants[STEP], 2.0 * constants[GAMMA], epsilon, constants[REACTION], ratio)
    # What is missed is known up to rounding; it belongs to one grain or to several.
    numbers = (*scalars, epsilon * (1.0 - 1e-9), epsilon / terms, float(terms))
    for row in range(slab[0], slab[1]):
        _around(shape, row, rows)
        row0, row1, row2, row3 = rows[0] * nz, rows[1] * nz, rows[2] * nz, rows[3] * nz
        changes, bends, listed, visited = 0.0, 0.0, 0, 0
        for word in range(words.shape[1]):
            if words[row, word] == 0:
                continue
            for k in range(8 * word, min(8 * word + 8, nz)):
                if due[row, k] == 0:
                    continue
                v = row * nz + k
                before, after = k - 1 if k > 0 else nz - 1, k + 1 if k < nz - 1 else 0
                a, b = row * nz + before, row * nz + after
                c, d, e, f = row0 + k, row1 + k, row2 + k, row3 + k
                m = int(counts[v])
                near = a, b, c, d, e, f
                told = _stride(
                    ids, values, counts, ids_then, values_then, v, near, flat, scratch[2], tally, numbers, plain
                )
                listed, visited = listed + m, visited + 1
                if told < CLOSED:
                    clear(ids_then, values_then, v, m, np.int64(counts_then[v]))  # beyond the few
                    counts_then[v] = m
                    marks[row, k] = 1
                    if told == CROWDED:
                        _mark(marks, row, rows, before, k, after)
                    continue
                kept, change, bend = by_hand(
                    now, then, v, near, told == OPEN, terms, plain, scalars, constants, pairs, scratch
                )
                changes += change
                bends += bend
                if kept > 1 or m > 1 or values[v, 0] != 1.0 or values_then[v, 0] != 1.0:
                    marks[row, k] = 1
                    if kept > 1 and crowded(values_then, v, kept, epsilon / terms):
                        _mark(marks, row, rows, before, k, after)
            words[row, word] = 0
        row_sums[row, 0], row_sums[row, 1] = changes + _emptied(tally, 0), bends + _emptied(tally, 1)
        row_sums[row, 2], row_sums[row, 3] = listed, visited


@njit(cache=True, nogil=True, error_model="numpy")
def advance(
    now: Buffers,
    then: Buffers,
    flags: tuple[Bytes, Bytes],
    words: Words,
    shape: tuple[int, int, int],
    slab: tuple[int, int],
    constants: Array,
    pairs: Pairs,
    row_sums: Array,
) -> None:
    """Advance the flagged voxels of a range of rows by one step of the explicit Euler method.

    Parameters
    ----------
    now, then
        ``(ids, values, counts)`` of the field as it is, and as it was one step before, which is overwritten; ids and
        values are ``(voxels, 8)`` int32 and float64, counts ``(voxels,)`` uint8.
    flags
        Two ``(rows, padded)`` uint8: which voxels to visit, and, all zero before, which to visit in the next step.
        The first is zero afterwards.
    words
        The first of `flags` seen as ``(rows, padded / 8)`` uint64.
    shape
        ``(nx, ny, nz)``, with nx one in two dimensions; a row holds the nz voxels of one (x, y).
    slab
        First and one past the last row to do. Slabs may be done at the same time.
    constants
        Gradient coefficient in voxels squared, step, gamma, epsilon, factor of the reaction (zero: diffusion alone),
        the step before this one, and the reference speed of the velocity law.
    pairs
        Quaternions of the grains, table of boundaries and table of the velocity law; empty where unused.
    row_sums
        ``(rows, 4)``, overwritten: squared change, squared difference from the last change, (voxel, grain) pairs
        computed, voxels visited.
    """
    scratch = np.empty(CAPACITY, np.int32), np.empty((5, CAPACITY)), np.empty(SLOTS)
    tally, rows = np.zeros((2, SLOTS)), np.empty(4, np.int64)
    _rows(now, then, flags, words, shape, slab, constants, pairs, row_sums, scratch, tally, rows)
