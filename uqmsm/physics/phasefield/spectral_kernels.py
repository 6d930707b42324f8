"""Compiled loops of the spectral phase fields, each one pass over memory between two transforms."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["correct", "face_rate", "gradient_squared", "polynomial", "predict", "transfer"]

Array = NDArray[np.float64]

_SUMS = {"reassoc", "nsz"}
"""Lets the compiler add up several lanes of a sum at once: a chain of additions would take longer than all the rest."""


@njit(cache=True)
def predict(state: Array, rate: Array, decay: Array, one: Array, out: Array) -> None:
    """Write e^{Lh} u + h phi1 N; arrays ``(coefficients, parts)``, tables ``(coefficients,)``."""
    if state.shape[1] == 2:  # written out, or the compiler does not take several coefficients at once
        for i in range(state.shape[0]):
            out[i, 0] = decay[i] * state[i, 0] + one[i] * rate[i, 0]
            out[i, 1] = decay[i] * state[i, 1] + one[i] * rate[i, 1]
    else:
        for i in range(state.shape[0]):
            out[i, 0] = decay[i] * state[i, 0] + one[i] * rate[i, 0]


@njit(cache=True, fastmath=_SUMS)
def correct(between: Array, rate: Array, middle: Array, two: Array, weights: Array, fields: int) -> Array:
    """Add h phi2 (N(a) - N(u)) to `between`; return the weighted sum of squares of what was added, per field."""
    squares = np.zeros(fields)
    each = between.shape[0] // fields
    for f in range(fields):
        total = 0.0
        if between.shape[1] == 2:
            for i in range(f * each, (f + 1) * each):
                first, second = two[i] * (middle[i, 0] - rate[i, 0]), two[i] * (middle[i, 1] - rate[i, 1])
                between[i, 0] += first
                between[i, 1] += second
                total += weights[i] * (first * first + second * second)
        else:
            for i in range(f * each, (f + 1) * each):
                add = two[i] * (middle[i, 0] - rate[i, 0])
                between[i, 0] += add
                total += weights[i] * add * add
        squares[f] = total
    return squares


@njit(cache=True, fastmath=_SUMS)
def transfer(slope: Array, state: Array, factor: Array, shift: float, weights: Array) -> float:
    """Overwrite the spectrum of f' by N = factor (f' - shift u); return sum weights |u_hat|^2 of the same pass."""
    whole = 0.0
    for block in range(0, slope.shape[0], 256):
        total = 0.0
        if slope.shape[1] == 2:
            for i in range(block, min(block + 256, slope.shape[0])):
                first, second = state[i, 0], state[i, 1]
                slope[i, 0] = factor[i] * (slope[i, 0] - shift * first)
                slope[i, 1] = factor[i] * (slope[i, 1] - shift * second)
                total += weights[i] * (first * first + second * second)
        else:
            for i in range(block, min(block + 256, slope.shape[0])):
                only = state[i, 0]
                slope[i, 0] = factor[i] * (slope[i, 0] - shift * only)
                total += weights[i] * only * only
        whole += total
    return whole


@njit(cache=True, fastmath=_SUMS)
def gradient_squared(state: Array, weights: Array) -> float:
    """Return sum weights |u_hat|^2."""
    whole = 0.0
    for block in range(0, state.shape[0], 256):
        total = 0.0
        for i in range(block, min(block + 256, state.shape[0])):
            for p in range(state.shape[1]):
                total += weights[i] * state[i, p] * state[i, p]
        whole += total
    return whole


@njit(cache=True, fastmath=_SUMS)
def polynomial(field: Array, measure: Array, coefficients: Array, centre: float, slope: Array) -> float:
    """Write f'(u) and return the integral of f(u) = sum a_k (u - centre)^k; all arrays flat, `measure` of 1 or n."""
    whole = 0.0
    last = coefficients.size - 1
    step = 0 if measure.size == 1 else 1
    away, value, derivative = np.empty(256), np.empty(256), np.empty(256)
    for block in range(0, field.size, 256):  # sums of sums: round-off must not look like a rise of the energy
        n = min(256, field.size - block)
        for i in range(n):
            away[i] = field[block + i] - centre
            value[i] = coefficients[last]
            derivative[i] = 0.0
        for k in range(last - 1, -1, -1):  # Horner with the points inside: the compiler takes several at once
            for i in range(n):
                derivative[i] = derivative[i] * away[i] + value[i]
                value[i] = value[i] * away[i] + coefficients[k]
        total = 0.0
        for i in range(n):
            slope[block + i] = derivative[i]
            total += measure[(block + i) * step] * value[i]
        whole += total
    return whole


@njit(cache=True)
def face_rate(potential: Array, mobility: Array, spacing: Array, closed: Array, out: Array) -> None:
    """Write div(M grad mu) by fluxes across faces; the mobility of a face is the mean of its two cells.

    Parameters
    ----------
    potential
        ``(m, x, y, z)``.
    mobility
        ``(m, m, x, y, z)``.
    spacing, closed
        ``(3,)`` cell edges, and 1 where an axis has no flux through its ends.
    out
        ``(m, x, y, z)``, overwritten. What leaves one cell enters the next, so that the sum is zero to round-off.
    """
    m, nx, ny, nz = potential.shape
    out[:] = 0.0
    for axis in range(3):
        n = potential.shape[1 + axis]
        if n == 1:
            continue
        inverse = 0.5 / spacing[axis] ** 2
        for i in range(nx):
            for j in range(ny):
                for k in range(nz):
                    place = i if axis == 0 else (j if axis == 1 else k)
                    if place == n - 1 and closed[axis] == 1:
                        continue
                    following = 0 if place == n - 1 else place + 1
                    a = following if axis == 0 else i
                    b = following if axis == 1 else j
                    c = following if axis == 2 else k
                    for p in range(m):
                        flux = 0.0
                        for q in range(m):
                            face = mobility[p, q, i, j, k] + mobility[p, q, a, b, c]
                            flux += face * (potential[q, a, b, c] - potential[q, i, j, k])
                        out[p, i, j, k] += inverse * flux
                        out[p, a, b, c] -= inverse * flux
