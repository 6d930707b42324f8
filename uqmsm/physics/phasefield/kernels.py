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

from uqmsm.physics.phasefield.gather import FEW, SLOTS, gather, gather_few
from uqmsm.physics.phasefield.pairs import cross_terms, law_factor

__all__ = ["Buffers", "Pairs", "advance"]

Array = NDArray[np.float64]
Ids = NDArray[np.int32]
Bytes = NDArray[np.uint8]
Words = NDArray[np.uint64]
Buffers = tuple[Ids, Array, Bytes]
Pairs = tuple[Array, Array, Array]

CAPACITY = 7 * SLOTS  # a voxel and six neighbours, no grain in common
# places in the array of constants of a step
KAPPA, STEP, GAMMA, EPSILON, REACTION, OLD_STEP, LAW_SPEED = 0, 1, 2, 3, 4, 5, 6


@njit(cache=True, nogil=True, error_model="numpy")
def _around(shape: tuple[int, int, int], row: int, out: NDArray[np.int64]) -> None:
    """Write the rows above, below, before and behind; in a plane of one layer the last two are the row itself."""
    nx, ny, _ = shape
    i, j = row // ny, row % ny
    out[0] = i * ny + (j - 1 if j > 0 else ny - 1)
    out[1] = i * ny + (j + 1 if j < ny - 1 else 0)
    out[2] = (i - 1 if i > 0 else nx - 1) * ny + j
    out[3] = (i + 1 if i < nx - 1 else 0) * ny + j


@njit(cache=True, nogil=True, error_model="numpy")
def _rate(x: float, cross: float, total: float, terms: int, constants: Array) -> float:
    """Rate of one order parameter: reaction and diffusion (Moelans, Blanpain, Wollants 2008, equation 12)."""
    rate: float = constants[REACTION] * x * (1.0 - x * x - cross) + constants[KAPPA] * (total - terms * x)
    return rate


@njit(cache=True, nogil=True, error_model="numpy")
def _extend(now: Buffers, v: int, near: NDArray[np.int64], terms: int, names: Ids, work: Array) -> int:
    """List every grain of the voxel and of its neighbours: names, and values and sums in `work`; return how many."""
    ids, values, counts = now
    m = int(counts[v])
    for s in range(m):
        names[s] = ids[v, s]
        work[0, s] = values[v, s]
        work[1, s] = 0.0
    for d in range(terms):
        u = near[d]
        for q in range(np.int64(counts[u])):
            name = ids[u, q]
            s = 0
            while s < m and names[s] != name:
                s += 1
            if s == m:
                names[m] = name
                work[0, m] = 0.0
                work[1, m] = 0.0
                m += 1
            work[1, s] += values[u, q]
    return m


@njit(cache=True, nogil=True, error_model="numpy")
def _select(names: Ids, work: Array, m: int, epsilon: float) -> int:
    """Keep the grains that qualify, at most eight, in their order; `work` rows are value, sum, new value."""
    kept = 0
    for s in range(m):
        if work[0, s] + work[1, s] >= epsilon:
            names[kept] = names[s]
            for row in range(3):
                work[row, kept] = work[row, s]
            kept += 1
    while kept > SLOTS:
        least = 0
        for s in range(1, kept):
            if work[2, s] <= work[2, least]:
                least = s
        kept -= 1
        for s in range(least, kept):
            names[s] = names[s + 1]
            for row in range(3):
                work[row, s] = work[row, s + 1]
    return kept


@njit(cache=True, nogil=True, error_model="numpy")
def _write(then: Buffers, v: int, names: Ids, work: Array, kept: int, ratio: float, sums: Array) -> None:
    """Overwrite the older field of a voxel, first comparing the last change with this one."""
    ids, values, counts = then
    for s in range(kept):
        change = 0.0 if kept == 1 and work[2, 0] == 1.0 else work[2, s] - work[0, s]
        sums[0] += change * change
        if ids[v, s] == names[s] and (kept > 1 or work[2, 0] < 1.0):
            bend = change - ratio * (work[0, s] - values[v, s])
            sums[1] += bend * bend
        ids[v, s] = names[s]
        values[v, s] = work[2, s]
    for s in range(kept, np.int64(counts[v])):
        ids[v, s] = -1
        values[v, s] = 0.0
    counts[v] = kept


@njit(cache=True, nogil=True, error_model="numpy")
def _voxel(
    now: Buffers,
    then: Buffers,
    v: int,
    near: NDArray[np.int64],
    terms: int,
    constants: Array,
    pairs: Pairs,
    names: Ids,
    work: Array,
    sums: Array,
) -> None:
    """Advance one voxel by the general way: grains that arrive, unequal boundaries, velocity laws."""
    m = _extend(now, v, near, terms, names, work)
    relative = cross_terms(names, work, m, constants[GAMMA], pairs[0], pairs[1])
    for s in range(m):
        work[4, s] = relative * _rate(work[0, s], work[3, s], work[1, s], terms, constants)
    factor = law_factor(work, m, pairs[2], constants[KAPPA], constants[LAW_SPEED])
    for s in range(m):
        work[2, s] = work[0, s] + constants[STEP] * (factor * work[4, s])
    kept = _select(names, work, m, constants[EPSILON])
    if kept == 1 and work[2, 0] > 1.0 - constants[EPSILON]:
        work[2, 0] = 1.0
    _write(then, v, names, work, kept, constants[STEP] / constants[OLD_STEP], sums)


@njit(cache=True, nogil=True, error_model="numpy")
def _quick(now: Buffers, then: Buffers, v: int, terms: int, constants: Array, sums: Array, work: Array) -> None:
    """Advance one voxel whose grains stay the same set or a subset, all boundaries equal."""
    ids, values, counts = now
    ids_then, values_then, counts_then = then
    m = np.int64(counts[v])
    squares = 0.0
    for s in range(m):
        squares += values[v, s] * values[v, s]
    gamma, step, epsilon = 2.0 * constants[GAMMA], constants[STEP], constants[EPSILON]
    ratio = constants[STEP] / constants[OLD_STEP]
    kept = 0
    changes, bends = 0.0, 0.0
    for s in range(m):
        x, total = values[v, s], work[1, s]
        if x + total < epsilon:
            continue
        new = x + step * _rate(x, gamma * (squares - x * x), total, terms, constants)
        change = new - x
        changes += change * change
        if ids_then[v, kept] == ids[v, s]:
            bend = change - ratio * (x - values_then[v, kept])
            bends += bend * bend
        ids_then[v, kept] = ids[v, s]
        values_then[v, kept] = new
        kept += 1
    if kept == 1 and values_then[v, 0] > 1.0 - epsilon:
        values_then[v, 0] = 1.0
    else:
        sums[0] += changes
        sums[1] += bends
    for s in range(kept, np.int64(counts_then[v])):
        ids_then[v, s] = -1
        values_then[v, s] = 0.0
    counts_then[v] = kept


@njit(cache=True, nogil=True, error_model="numpy")
def _mark(
    then: Buffers,
    v: int,
    was_bulk: bool,
    floor: float,
    flags: Bytes,
    row: int,
    k: int,
    nz: int,
    rows: NDArray[np.int64],
) -> None:
    """Flag what the next step has to visit because of this voxel."""
    _, values, counts = then
    if was_bulk and counts[v] == 1 and values[v, 0] == 1.0:
        return
    flags[row, k] = 1
    present = 0
    for s in range(np.int64(counts[v])):
        if values[v, s] >= floor:
            present += 1
    if present > 1:
        for d in range(4):
            flags[rows[d], k] = 1
        flags[row, k - 1 if k > 0 else nz - 1] = 1
        flags[row, k + 1 if k < nz - 1 else 0] = 1


@njit(cache=True, nogil=True, error_model="numpy")
def _visit(
    now: Buffers,
    then: Buffers,
    v: int,
    near: NDArray[np.int64],
    terms: int,
    constants: Array,
    pairs: Pairs,
    names: Ids,
    work: Array,
    sums: Array,
) -> None:
    """Advance one voxel the quick way where that gives the same numbers, else the general way."""
    ids, values, counts = now
    if pairs[0].shape[0] > 0 or pairs[2].shape[0] > 0:
        _voxel(now, then, v, near, terms, constants, pairs, names, work, sums)
        return
    most = counts[v]
    for d in range(terms):
        most = max(most, counts[near[d]])
    own = work[1]
    if terms == 4:
        around = (near[0], near[1], near[2], near[3])
        missed = gather_few(ids, values, v, around, own) if most <= FEW else gather(ids, values, v, around, own)
    else:
        about = (near[0], near[1], near[2], near[3], near[4], near[5])
        missed = gather_few(ids, values, v, about, own) if most <= FEW else gather(ids, values, v, about, own)
    # Half, because what is missed is known up to rounding only, and belongs to one grain at least.
    if missed > 0.5 * constants[EPSILON]:
        _voxel(now, then, v, near, terms, constants, pairs, names, work, sums)
    else:
        _quick(now, then, v, terms, constants, sums, work)


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
    names = np.empty(CAPACITY, np.int32)
    work = np.empty((5, CAPACITY))
    near, rows = np.empty(6, np.int64), np.empty(4, np.int64)
    nz = shape[2]
    terms = 4 if shape[0] == 1 else 6
    floor = constants[EPSILON] / terms
    for row in range(slab[0], slab[1]):
        sums = row_sums[row]
        sums[:] = 0.0
        _around(shape, row, rows)
        for word in range(words.shape[1]):
            if words[row, word] == 0:
                continue
            for k in range(8 * word, min(8 * word + 8, nz)):
                if flags[0][row, k] == 0:
                    continue
                v = row * nz + k
                near[0] = row * nz + (k - 1 if k > 0 else nz - 1)
                near[1] = row * nz + (k + 1 if k < nz - 1 else 0)
                for d in range(terms - 2):
                    near[d + 2] = rows[d] * nz + k
                was_bulk = now[2][v] == 1 and now[1][v, 0] == 1.0
                _visit(now, then, v, near, terms, constants, pairs, names, work, sums)
                _mark(then, v, was_bulk, floor, flags[1], row, k, nz, rows)
                sums[2] += now[2][v]
                sums[3] += 1.0
            words[row, word] = 0
