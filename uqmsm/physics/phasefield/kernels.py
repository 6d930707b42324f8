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


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _copy(ids: Ids, values: Array, v: int, m: int, own: Array, names: Ids, work: Array) -> int:
    """List the grains of the voxel alone, with the sums over its neighbours."""
    for s in range(m):
        names[s] = ids[v, s]
        work[0, s] = values[v, s]
        work[1, s] = own[s]
    return m


@njit(cache=True, nogil=True, error_model="numpy")
def _extend(
    ids: Ids, values: Array, counts: Bytes, v: int, near: NDArray[np.int64], terms: int, names: Ids, work: Array
) -> int:
    """List every grain of the voxel and of its neighbours: names, and values and sums in `work`; return how many."""
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
    if kept == 1 and work[2, 0] > 1.0 - epsilon:
        work[2, 0] = 1.0
    return kept


@njit(cache=True, nogil=True, error_model="numpy")
def _write(
    ids: Ids, values: Array, counts: Bytes, v: int, names: Ids, work: Array, kept: int, ratio: float
) -> tuple[float, float]:
    """Overwrite the older field of a voxel; return how much changed, and how much more than in the last step."""
    bulk = kept == 1 and work[2, 0] == 1.0
    changes, bends = 0.0, 0.0
    for s in range(kept):
        change = work[2, s] - work[0, s]
        changes += change * change
        if ids[v, s] == names[s]:
            bend = change - ratio * (work[0, s] - values[v, s])
            bends += bend * bend
        ids[v, s] = names[s]
        values[v, s] = work[2, s]
    for s in range(kept, np.int64(counts[v])):
        ids[v, s] = -1
        values[v, s] = 0.0
    counts[v] = kept
    return (0.0, 0.0) if bulk else (changes, bends)


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _rates(
    names: Ids, work: Array, m: int, terms: int, constants: Array, turns: Array, table: Array, law: Array
) -> None:
    """Write the new values: reaction and diffusion, unequal boundaries, velocity law."""
    relative = cross_terms(names, work, m, constants[GAMMA], turns, table)
    for s in range(m):
        x = work[0, s]
        local = constants[REACTION] * x * (1.0 - x * x - work[3, s])
        work[4, s] = relative * (local + constants[KAPPA] * (work[1, s] - terms * x))
    factor = law_factor(work, m, law, constants[KAPPA], constants[LAW_SPEED])
    for s in range(m):
        work[2, s] = work[0, s] + constants[STEP] * (factor * work[4, s])


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _quick(
    ids: Ids,
    values: Array,
    m: int,
    ids_then: Ids,
    values_then: Array,
    m_then: int,
    v: int,
    sums: Array,
    terms: int,
    scalars: tuple[float, float, float, float, float, float],
) -> tuple[int, float, float]:
    """Advance one voxel where no grain arrives and all boundaries are equal; return as `_write`, after the count.

    The same expressions in the same order as in `_rates`, `_select` and `_write`, on the slots as they lie.
    """
    kappa, step, gamma, epsilon, reaction, ratio = scalars
    squares = 0.0
    for s in range(m):
        squares += values[v, s] * values[v, s]
    kept, changes, bends = 0, 0.0, 0.0
    new = 0.0
    for s in range(m):
        x, total = values[v, s], sums[s]
        if x + total < epsilon:
            continue
        local = reaction * x * (1.0 - x * x - gamma * (squares - x * x))
        new = x + step * (local + kappa * (total - terms * x))
        change = new - x
        changes += change * change
        if ids_then[v, kept] == ids[v, s]:
            bend = change - ratio * (x - values_then[v, kept])
            bends += bend * bend
        ids_then[v, kept] = ids[v, s]
        values_then[v, kept] = new
        kept += 1
    for s in range(kept, m_then):
        ids_then[v, s] = -1
        values_then[v, s] = 0.0
    if kept == 1 and new > 1.0 - epsilon:
        values_then[v, 0] = 1.0
        return kept, 0.0, 0.0
    return kept, changes, bends


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _gather(
    ids: Ids,
    values: Array,
    counts: Bytes,
    v: int,
    a: int,
    b: int,
    c: int,
    d: int,
    e: int,
    f: int,
    flat: bool,
    own: Array,
) -> float:
    """Sum the neighbours by grain into `own`; return what the voxel does not list."""
    # One way out, or the compiler counts references to the arrays, atomically, for every voxel.
    few = max(counts[v], counts[a], counts[b], counts[c], counts[d], counts[e], counts[f]) <= FEW
    missed: float = 0.0
    if flat and few:
        missed = gather_few(ids, values, v, (a, b, c, d), own)
    elif flat:
        missed = gather(ids, values, v, (a, b, c, d), own)
    elif few:
        missed = gather_few(ids, values, v, (a, b, c, d, e, f), own)
    else:
        missed = gather(ids, values, v, (a, b, c, d, e, f), own)
    return missed


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _crowded(values: Array, v: int, count: int, floor: float) -> bool:
    """Tell whether two grains are present enough to enter a neighbour."""
    present = 0
    for s in range(count):
        if values[v, s] >= floor:
            present += 1
    return present > 1


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _mark(marks: Bytes, row: int, rows: NDArray[np.int64], before: int, k: int, after: int) -> None:
    """Flag the neighbours of a voxel; in a plane two of the rows are its own."""
    marks[row, before] = 1
    marks[row, after] = 1
    for other in range(4):
        marks[rows[other], k] = 1


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
    # Tuples are taken apart once: inside the loop that would count references, atomically, for every voxel.
    ids, values, counts = now
    ids_then, values_then, counts_then = then
    due, marks = flags
    turns, table, law = pairs
    names, work, own = np.empty(CAPACITY, np.int32), np.empty((5, CAPACITY)), np.empty(SLOTS)
    near, rows = np.empty(6, np.int64), np.empty(4, np.int64)
    nz, flat = shape[2], shape[0] == 1
    terms = 4 if flat else 6
    plain = turns.shape[0] == 0 and law.shape[0] == 0
    epsilon, ratio = constants[EPSILON], constants[STEP] / constants[OLD_STEP]
    scalars = (constants[KAPPA], constants[STEP], 2.0 * constants[GAMMA], epsilon, constants[REACTION], ratio)
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
                # What is missed is known up to rounding; it belongs to one grain or to several.
                closed = _gather(ids, values, counts, v, a, b, c, d, e, f, flat, own) < epsilon * (1.0 - 1e-9)
                if plain and closed:
                    kept, change, bend = _quick(
                        ids, values, m, ids_then, values_then, np.int64(counts_then[v]), v, own, terms, scalars
                    )
                    counts_then[v] = kept
                else:
                    found = _copy(ids, values, v, m, own, names, work)
                    if not closed:
                        near[0], near[1], near[2], near[3], near[4], near[5] = a, b, c, d, e, f
                        found = _extend(ids, values, counts, v, near, terms, names, work)
                    _rates(names, work, found, terms, constants, turns, table, law)
                    kept = _select(names, work, found, epsilon)
                    change, bend = _write(ids_then, values_then, counts_then, v, names, work, kept, ratio)
                changes += change
                bends += bend
                listed, visited = listed + m, visited + 1
                if kept > 1 or m > 1 or values[v, 0] != 1.0 or values_then[v, 0] != 1.0:
                    marks[row, k] = 1
                    if kept > 1 and _crowded(values_then, v, kept, epsilon / terms):
                        _mark(marks, row, rows, before, k, after)
            words[row, word] = 0
        row_sums[row, 0], row_sums[row, 1], row_sums[row, 2], row_sums[row, 3] = changes, bends, listed, visited
