"""What makes boundaries unequal inside the kernels: misorientation of two grains, and a law for the velocity."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["LARGEST", "cross_terms", "cubic_cosine", "law_factor"]

Array = NDArray[np.float64]
Ids = NDArray[np.int32]

# the largest misorientation of two cubic crystals, 62.80 degrees (J. K. Mackenzie, Biometrika 45, 1958, 229-240)
LARGEST = 2.0 * float(np.arccos((2.0 + np.sqrt(2.0)) / 4.0))


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False)
def cubic_cosine(turns: Array, one: int, other: int) -> float:
    """Return cos(theta / 2) of the smallest misorientation theta of two cubic crystals.

    With the components of the misorientation quaternion a >= b >= c >= d >= 0, the smallest of its 24 equivalents has
    the largest of a, (a + b) / sqrt 2 and (a + b + c + d) / 2 as its scalar part (H. Grimmer, Acta Cryst. A30, 1974,
    685-688). Needs no sorting: the sum of the two largest is all that matters of the order.

    Parameters
    ----------
    turns
        ``(grains, 4)`` unit quaternions, scalar first.
    one, other
        The two grains.
    """
    a0, a1, a2, a3 = turns[one, 0], turns[one, 1], turns[one, 2], turns[one, 3]
    b0, b1, b2, b3 = turns[other, 0], turns[other, 1], turns[other, 2], turns[other, 3]
    w = abs(a0 * b0 + a1 * b1 + a2 * b2 + a3 * b3)
    x = abs(a0 * b1 - a1 * b0 - a2 * b3 + a3 * b2)
    y = abs(a0 * b2 + a1 * b3 - a2 * b0 - a3 * b1)
    z = abs(a0 * b3 - a1 * b2 + a2 * b1 - a3 * b0)
    first, second = max(w, x), min(w, x)
    third, fourth = max(y, z), min(y, z)
    largest = max(first, third)
    two = largest + max(min(first, third), second, fourth)
    cosine: float = min(1.0, max(largest, np.sqrt(0.5) * two, 0.5 * (w + x + y + z)))
    return cosine


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False)
def _interpolate(table: Array, place: float) -> tuple[float, float]:
    """Interpolate the two columns of a table at `place` in [0, 1]."""
    last = table.shape[0] - 1
    spot = min(max(place, 0.0), 1.0) * last
    i = min(int(spot), last - 1)
    part = spot - i
    return (
        table[i, 0] + part * (table[i + 1, 0] - table[i, 0]),
        table[i, 1] + part * (table[i + 1, 1] - table[i, 1]),
    )


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False)
def cross_terms(names: Ids, work: Array, m: int, gamma: float, turns: Array, table: Array) -> float:
    """Write 2 sum_j gamma_ij eta_j^2 into row 3 of `work`; return the mobility of the voxel relative to L.

    `table` has rows (gamma, relative mobility) over equal steps of the misorientation from 0 to `LARGEST`; the mobility
    of a voxel is the mean over its pairs with weight eta_i^2 eta_j^2 (Moelans, Blanpain, Wollants 2008).
    """
    # One way out of each function, or references to the arrays are counted, atomically, in the innermost loop.
    squares, weights, mobility = 0.0, 0.0, 0.0
    if turns.shape[0] == 0:
        for s in range(m):
            squares += work[0, s] * work[0, s]
        for s in range(m):
            work[3, s] = 2.0 * gamma * (squares - work[0, s] * work[0, s])
    else:
        for s in range(m):
            work[3, s] = 0.0
        for s in range(m):
            for t in range(s):
                angle = 2.0 * np.arccos(cubic_cosine(turns, names[s], names[t]))
                strength, relative = _interpolate(table, angle / LARGEST)
                here, there = work[0, s] * work[0, s], work[0, t] * work[0, t]
                work[3, s] += 2.0 * strength * there
                work[3, t] += 2.0 * strength * here
                weight = here * there + 1e-12  # so that a grain just arriving, still at zero, has a mobility
                weights += weight
                mobility += relative * weight
    return mobility / weights if weights > 0.0 else 1.0


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False)
def law_factor(work: Array, m: int, table: Array, kappa: float, speed: float) -> float:
    """Return the velocity that a law allows over the free velocity at this voxel.

    The free velocity is |d eta / dt| / |grad eta| with the gradient of the equilibrium profile,
    ``4 eta (1 - eta) / width``, root sum of squares over the grains. `table` has the ratio in its first column over
    equal steps of ``v / (v + speed)``. Rates are in row 4 of `work`.
    """
    ratio = 1.0
    if table.shape[0] > 0:
        rates, slopes = 0.0, 0.0
        for s in range(m):
            x = work[0, s]
            rates += work[4, s] * work[4, s]
            slopes += x * x * (1.0 - x) * (1.0 - x)
        free = np.sqrt(0.5 * kappa * rates / (slopes + 1e-12))
        ratio = _interpolate(table, free / (free + speed))[0]
    return ratio
