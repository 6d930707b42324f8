"""Voxels forward by loops over their grains: where grains arrive or leave, and where boundaries are unequal.

None of these functions counts references to the arrays it is given (``_nrt=False``): counting is atomic, and would cost
more than the arithmetic.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from uqmsm.physics.phasefield.octet import LANES, SLOTS, matches
from uqmsm.physics.phasefield.pairs import cross_terms, law_factor

__all__ = [
    "CAPACITY",
    "EPSILON",
    "GAMMA",
    "KAPPA",
    "LAW_SPEED",
    "OLD_STEP",
    "REACTION",
    "STEP",
    "Buffers",
    "Pairs",
    "Scalars",
    "Scratch",
    "several",
]

Array = NDArray[np.float64]
Ids = NDArray[np.int32]
Bytes = NDArray[np.uint8]
Scalars = tuple[float, float, float, float, float, float]
Six = tuple[int, int, int, int, int, int]
Buffers = tuple[Ids, Array, Bytes]
Pairs = tuple[Array, Array, Array]
Scratch = tuple[Ids, Array, Array, Ids]

CAPACITY = 7 * SLOTS  # a voxel and six neighbours, no grain in common
# places in the array of constants of a step
KAPPA, STEP, GAMMA, EPSILON, REACTION, OLD_STEP, LAW_SPEED = 0, 1, 2, 3, 4, 5, 6


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False, forceinline=True)
def _own(now: Buffers, v: int, near: Six, terms: int, lane: int, summed: bool, scratch: Scratch) -> int:
    """List the grains of the voxel: names, and in `work` values and sums over the neighbours; return how many."""
    ids, values, counts = now
    names, work, sums, mine = scratch
    m = np.int64(counts[v])
    for s in range(SLOTS):
        mine[s] = ids[s, v]
    for s in range(m):
        names[s] = mine[s]
        work[0, s] = values[s, v]
        work[1, s] = sums[s, lane] if summed else 0.0
    for d in range(0 if summed else terms):
        u = near[d]
        for q in range(np.int64(counts[u])):
            for s in range(m):
                if names[s] == ids[q, u]:
                    work[1, s] += values[q, u]
    return int(m)


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False, forceinline=True)
def _others(now: Buffers, near: Six, terms: int, m: int, epsilon: float, scratch: Scratch) -> int:
    """List the grains of the neighbours behind the `m` own ones, if one of them qualifies; return how many are listed.

    Mostly none does: several are missed by a little each.
    """
    ids, values, counts = now
    names, work, _, mine = scratch
    found = m
    for d in range(terms):
        u = near[d]
        for q in range(np.int64(counts[u])):
            name = ids[q, u]
            if matches(mine, name) == 0:
                s = m
                while s < found and names[s] != name:
                    s += 1
                if s == found:
                    names[s], work[0, s], work[1, s] = name, 0.0, 0.0
                    found += 1
                work[1, s] += values[q, u]
    most = 0.0
    for s in range(m, found):
        most = max(most, work[1, s])
    return found if most >= epsilon else m


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False, forceinline=True)
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


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False, forceinline=True)
def _write(then: Buffers, v: int, names: Ids, work: Array, kept: int, ratio: float) -> tuple[float, float]:
    """Overwrite the older field of a voxel; return how much changed, and how much more than in the last step."""
    ids, values, counts = then
    bulk = kept == 1 and work[2, 0] == 1.0
    changes, bends = 0.0, 0.0
    for s in range(kept):
        change = work[2, s] - work[0, s]
        changes += change * change
        if ids[s, v] == names[s]:
            bend = change - ratio * (work[0, s] - values[s, v])
            bends += bend * bend
        ids[s, v] = names[s]
        values[s, v] = work[2, s]
    for s in range(kept, np.int64(counts[v])):
        ids[s, v] = -1
        values[s, v] = 0.0
    counts[v] = kept
    return (0.0, 0.0) if bulk else (changes, bends)


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False)
def _rates(names: Ids, work: Array, m: int, terms: int, constants: Array, pairs: Pairs) -> None:
    """Write the new values: reaction and diffusion, unequal boundaries, velocity law."""
    turns, table, law = pairs
    relative = cross_terms(names, work, m, constants[GAMMA], turns, table)
    for s in range(m):
        x = work[0, s]
        local = constants[REACTION] * x * (1.0 - x * x - work[3, s])
        work[4, s] = relative * (local + constants[KAPPA] * (work[1, s] - terms * x))
    factor = law_factor(work, m, law, constants[KAPPA], constants[LAW_SPEED])
    for s in range(m):
        work[2, s] = work[0, s] + constants[STEP] * (factor * work[4, s])


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False, forceinline=True)
def _plain_rates(work: Array, m: int, terms: int, scalars: Scalars) -> None:
    """Write the new values where all boundaries are equal, as `_rates` would."""
    kappa, step, gamma, _, reaction, _ = scalars
    squares = 0.0
    for s in range(m):
        squares += work[0, s] * work[0, s]
    for s in range(m):
        x = work[0, s]
        local = reaction * x * (1.0 - x * x - gamma * (squares - x * x))
        work[2, s] = x + step * (local + kappa * (work[1, s] - terms * x))


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False, forceinline=True)
def _quick(
    now: Buffers, then: Buffers, v: int, lane: int, sums: Array, terms: int, scalars: Scalars
) -> tuple[int, float, float]:
    """Advance one voxel where no grain arrives and all boundaries are equal; return as `_write`, after the count.

    The same expressions in the same order as in `_rates`, `_select` and `_write`, on the slots as they lie.
    """
    ids, values, counts = now
    ids_then, values_then, counts_then = then
    m = np.int64(counts[v])
    kappa, step, gamma, epsilon, reaction, ratio = scalars
    squares = 0.0
    for s in range(m):
        squares += values[s, v] * values[s, v]
    kept, changes, bends = 0, 0.0, 0.0
    new = 0.0
    for s in range(m):
        x, total = values[s, v], sums[s, lane]
        if x + total < epsilon:
            continue
        local = reaction * x * (1.0 - x * x - gamma * (squares - x * x))
        new = x + step * (local + kappa * (total - terms * x))
        change = new - x
        changes += change * change
        if ids_then[kept, v] == ids[s, v]:
            bend = change - ratio * (x - values_then[kept, v])
            bends += bend * bend
        ids_then[kept, v] = ids[s, v]
        values_then[kept, v] = new
        kept += 1
    for s in range(kept, np.int64(counts_then[v])):
        ids_then[s, v] = -1
        values_then[s, v] = 0.0
    counts_then[v] = kept
    if kept == 1 and new > 1.0 - epsilon:
        values_then[0, v] = 1.0
        changes, bends = 0.0, 0.0
    return kept, changes, bends


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False, forceinline=True)
def _by_hand(
    now: Buffers,
    then: Buffers,
    v: int,
    near: Six,
    opened: bool,
    summed: bool,
    terms: int,
    plain: bool,
    lane: int,
    scalars: Scalars,
    constants: Array,
    pairs: Pairs,
    scratch: Scratch,
) -> tuple[int, float, float]:
    """Advance one voxel by loops over its grains; return how many stay, and as `_write`."""
    names, work, sums, _ = scratch
    kept, change, bend = 0, 0.0, 0.0
    if plain and summed and not opened:
        kept, change, bend = _quick(now, then, v, lane, sums, terms, scalars)
    else:
        found = _own(now, v, near, terms, lane, summed, scratch)
        if opened:
            found = _others(now, near, terms, found, constants[EPSILON], scratch)
        if plain:
            _plain_rates(work, found, terms, scalars)
        else:
            _rates(names, work, found, terms, constants, pairs)
        kept = _select(names, work, found, constants[EPSILON])
        change, bend = _write(then, v, names, work, kept, scalars[5])
    return kept, change, bend


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False, forceinline=True)
def _crowded(values: Array, v: int, count: int, floor: float) -> bool:
    """Tell whether two grains are present enough to enter a neighbour."""
    present = 0
    for s in range(count):
        if values[s, v] >= floor:
            present += 1
    return present > 1


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False)
def several(
    now: Buffers,
    then: Buffers,
    row: int,
    rows: NDArray[np.int64],
    first: int,
    bits: int,
    opened: int,
    summed: bool,
    shape: tuple[int, int, int],
    plain: bool,
    scalars: Scalars,
    constants: Array,
    pairs: Pairs,
    scratch: Scratch,
) -> tuple[int, float, float]:
    """Advance some of eight voxels of a row by loops over their grains.

    Parameters
    ----------
    now, then
        The field as it is, and as it was, which is overwritten.
    row, rows
        The row, and its neighbours.
    first
        Place of the first of the eight along the row.
    bits, opened
        Which of them to do; in which of these grains of neighbours may enter.
    summed
        Whether the sums of `scratch` are known.
    shape
        ``(nx, ny, nz)``.
    plain
        Whether all boundaries are equal.
    scalars, constants, pairs
        As in `kernels.advance`.
    scratch
        Names, work, the sums over the neighbours by slot and voxel, and room for eight names.

    Returns
    -------
    bits
        Of the voxels that change (8) and where two grains are present (16).
    change, bend
        Squared change, and squared difference from the last change.
    """
    nz, told, changes, bends = shape[2], 0, 0.0, 0.0
    terms = 4 if shape[0] == 1 else 6
    for lane in range(LANES):
        if (bits >> lane) & 1 == 0:
            continue
        k = first + lane
        v = row * nz + k
        before, after = row * nz + (k - 1 if k > 0 else nz - 1), row * nz + (k + 1 if k < nz - 1 else 0)
        near = before, after, rows[0] * nz + k, rows[1] * nz + k, rows[2] * nz + k, rows[3] * nz + k
        may = (opened >> lane) & 1 == 1
        kept, change, bend = _by_hand(
            now, then, v, near, may, summed, terms, plain, lane, scalars, constants, pairs, scratch
        )
        changes += change
        bends += bend
        if kept > 1 or now[2][v] > 1 or now[1][0, v] != 1.0 or then[1][0, v] != 1.0:
            told |= 1 << (8 + lane)
            if kept > 1 and _crowded(then[1], v, kept, scalars[3] / terms):
                told |= 1 << (16 + lane)
    return told, changes, bends
