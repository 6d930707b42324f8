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

from uqmsm.physics.phasefield.octet import LANES, SLOTS, busiest, octet_2, octet_3, octet_4, octet_6, octet_8
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
    Scalars,
    Scratch,
    several,
)

__all__ = ["advance"]

Array = NDArray[np.float64]
Bytes = NDArray[np.uint8]
Rows = NDArray[np.int64]
Words = NDArray[np.uint64]

_EACH = np.uint64(0x0101010101010101)  # one in every byte
_OWN = np.uint64(0x8040201008040201)  # bit i in byte i
_CARRY = np.uint64(0x7F7F7F7F7F7F7F7F)


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False)
def _around(shape: tuple[int, int, int], row: int, out: Rows) -> None:
    """Write the rows above, below, before and behind; in a plane of one layer the last two are the row itself."""
    nx, ny, _ = shape
    i, j = row // ny, row % ny
    out[0] = i * ny + (j - 1 if j > 0 else ny - 1)
    out[1] = i * ny + (j + 1 if j < ny - 1 else 0)
    out[2] = (i - 1 if i > 0 else nx - 1) * ny + j
    out[3] = (i + 1 if i < nx - 1 else 0) * ny + j


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False, forceinline=True)
def _by_slots(
    now: Buffers,
    then: Buffers,
    v: int,
    near: tuple[int, ...],
    due: np.uint64,
    sums: Array,
    tally: Array,
    numbers: tuple[float, float, float, float, float, float, float, float, float],
    plain: bool,
) -> int:
    """Advance eight voxels by the code for as many slots as they and their neighbours have in use."""
    most = busiest(now[2], then[2], v, near)
    if most <= 2:
        return int(octet_2(now, then, v, near, due, sums, tally, numbers, plain))
    if most == 3:
        return int(octet_3(now, then, v, near, due, sums, tally, numbers, plain))
    if most == 4:
        return int(octet_4(now, then, v, near, due, sums, tally, numbers, plain))
    if most <= 6:
        return int(octet_6(now, then, v, near, due, sums, tally, numbers, plain))
    return int(octet_8(now, then, v, near, due, sums, tally, numbers, plain))


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False, forceinline=True)
def _eight(
    now: Buffers,
    then: Buffers,
    v: int,
    ends: tuple[int, int],
    rows: Rows,
    due: np.uint64,
    shape: tuple[int, int, int],
    sums: Array,
    tally: Array,
    numbers: tuple[float, float, float, float, float, float, float, float, float],
    plain: bool,
) -> int:
    """Advance eight voxels where that is simple, by the code for as many slots as are in use; tell as `octet_8`."""
    nz, k = shape[2], v % shape[2]
    c, d = rows[0] * nz + k, rows[1] * nz + k
    if shape[0] == 1:
        return int(_by_slots(now, then, v, (ends[0], ends[1], c, d), due, sums, tally, numbers, plain))
    about = ends[0], ends[1], c, d, rows[2] * nz + k, rows[3] * nz + k
    return int(_by_slots(now, then, v, about, due, sums, tally, numbers, plain))


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False, forceinline=True)
def _spread(bits: int) -> np.uint64:
    """Return eight bits as eight bytes, each 0 or 1."""
    byte = np.uint64(bits & 255)
    return ((((byte * _EACH) & _OWN) + _CARRY) >> np.uint64(7)) & _EACH


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False, forceinline=True)
def _mark(marks: Bytes, marked: Words, row: int, rows: Rows, first: int, nz: int, told: int, shared: bool) -> None:
    """Flag what changed, and the neighbours of where two grains are present; in a plane two of the rows are its own.

    Where rows are `shared` with other threads flags are set byte by byte: whole words would undo those of others.
    """
    word = first // LANES
    if not shared and first % LANES == 0 and first + LANES <= nz:
        crowd = _spread(told >> 16)
        marked[row, word] |= _spread(told >> 8) | crowd << np.uint64(8) | crowd >> np.uint64(8)
        for other in range(4):
            marked[rows[other], word] |= crowd
        if (told >> 16) & 1:
            marks[row, first - 1 if first > 0 else nz - 1] = 1
        if (told >> 23) & 1:
            marks[row, first + LANES if first + LANES < nz else 0] = 1
    else:
        for lane in range(LANES):
            k = first + lane
            if (told >> (8 + lane)) & 1:
                marks[row, k] = 1
            if (told >> (16 + lane)) & 1:
                marks[row, k - 1 if k > 0 else nz - 1] = 1
                marks[row, k + 1 if k < nz - 1 else 0] = 1
                for other in range(4):
                    marks[rows[other], k] = 1


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False)
def _emptied(tally: Array, row: int) -> float:
    """Return the sum of one row of sums by voxel, and set it to zero."""
    total = 0.0
    for s in range(LANES):
        total += tally[row, s]
        tally[row, s] = 0.0
    return total


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False)
def _due_by_hand(due: Bytes, counts: NDArray[np.uint8], row: int, nz: int) -> int:
    """Tell what `octet_8` would of a row of fewer than eight voxels, all of them left to be done."""
    told = 0
    for k in range(nz):
        if due[row, k]:
            told |= (1 | 1 << 24) << k
            told += (1 << 40) + (int(counts[row * nz + k]) << 32)
    return told


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False)
def _rows(
    now: Buffers,
    then: Buffers,
    flags: tuple[Bytes, Bytes],
    words: tuple[Words, Words],
    shape: tuple[int, int, int],
    slab: tuple[int, int],
    constants: Array,
    pairs: Pairs,
    row_sums: Array,
    scratch: Scratch,
    tally: Array,
    rows: Rows,
) -> None:
    """Do what `advance` does, without counting references to arrays: it would be atomic, and for every voxel."""
    (due, marks), (waiting, marked) = flags, words
    nz, terms = shape[2], 4.0 if shape[0] == 1 else 6.0
    plain = pairs[0].shape[0] == 0 and pairs[2].shape[0] == 0
    shared, summed = slab[1] - slab[0] < due.shape[0], nz >= LANES
    epsilon, ratio = constants[EPSILON], constants[STEP] / constants[OLD_STEP]
    scalars: Scalars = (constants[KAPPA], constants[STEP], 2.0 * constants[GAMMA], epsilon, constants[REACTION], ratio)
    # What is missed is known up to rounding; it belongs to one grain or to several.
    numbers = (*scalars, epsilon * (1.0 - 1e-9), epsilon / terms, terms)
    for row in range(slab[0], slab[1]):
        _around(shape, row, rows)
        changes, bends, listed, visited = 0.0, 0.0, 0, 0
        for word in range(waiting.shape[1]):
            if waiting[row, word] == 0:
                continue
            # what is left at the end of a row is done with the last eight, of which the others are not due
            over = max(0, LANES * (word + 1) - nz)
            first = max(0, LANES * word - over)
            if nz >= LANES:
                v, flagged = row * nz + first, waiting[row, word] << np.uint64(8 * over)
                ends = v - 1 if first > 0 else v + nz - 1, v + LANES if first + LANES < nz else row * nz
                told = _eight(now, then, v, ends, rows, flagged, shape, scratch[2], tally, numbers, plain)
            else:
                told = _due_by_hand(due, now[2], row, nz)
            listed, visited = listed + ((told >> 32) & 255), visited + (told >> 40)
            if told & 255:
                bits, opened = told & 255, told >> 24
                more, change, bend = several(
                    now, then, row, rows, first, bits, opened, summed, shape, plain, scalars, constants, pairs, scratch
                )
                told |= more
                changes += change
                bends += bend
            _mark(marks, marked, row, rows, first, nz, told, shared)
            waiting[row, word] = 0
        row_sums[row, 0], row_sums[row, 1] = changes + _emptied(tally, 0), bends + _emptied(tally, 1)
        row_sums[row, 2], row_sums[row, 3] = listed, visited


@njit(cache=True, nogil=True, error_model="numpy")
def advance(
    now: Buffers,
    then: Buffers,
    flags: tuple[Bytes, Bytes],
    words: tuple[Words, Words],
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
        values are ``(8, voxels)`` int32 and float64, counts ``(voxels,)`` uint8.
    flags
        Two ``(rows, padded)`` uint8: which voxels to visit, and, all zero before, which to visit in the next step.
        The first is zero afterwards.
    words
        The same `flags` seen as ``(rows, padded / 8)`` uint64.
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
    scratch = np.empty(CAPACITY, np.int32), np.empty((5, CAPACITY)), np.empty((SLOTS, LANES)), np.empty(SLOTS, np.int32)
    tally, rows = np.zeros((2, LANES)), np.empty(4, np.int64)
    _rows(now, then, flags, words, shape, slab, constants, pairs, row_sums, scratch, tally, rows)
