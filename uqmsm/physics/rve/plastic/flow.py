"""The equations of one slipping voxel at the end of a step: what is left of them, and how they bend.

Unknowns are the stress (6, Mandel, MPa) and the resistance of every slip system. The resistances are eliminated first,
on the systems that move; what stays is one 6x6 system, whose inverse at the solution is the consistent tangent. It is
not symmetric where slip hardens systems unequally.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from uqmsm.physics.rve.plastic.small import eliminate

__all__ = ["condense", "residual", "resist"]

Array = NDArray[np.float64]

_STILL = 1e-30  # slip of a step below which a system does not move at all
_WEAK = 1e-7  # slip, relative to the largest, below which a system is left out of the Jacobian


@njit(cache=True, nogil=True, error_model="numpy")
def _slope(xi: float, saturation: float, h0: float, power: float) -> tuple[float, float]:
    """Return the hardening rate h0 |y|^c sgn y with y = 1 - xi / saturation, and its derivative by xi."""
    y = 1.0 - xi / saturation
    size = abs(y)
    if size < 1e-12:
        return 0.0, 0.0
    rate = h0 * (size if power == 1.0 else size**power)
    return (rate if y > 0.0 else -rate), -power * rate / (size * saturation)


@njit(cache=True, nogil=True, error_model="numpy")
def residual(
    point: tuple[Array, Array, Array, Array],
    crystal: tuple[Array, Array, Array, Array, Array],
    slips: tuple[Array, Array, Array],
    rests: tuple[Array, Array],
) -> tuple[float, float]:
    """Write resolved stresses, slips and both residuals; return their size in MPa, and the potential.

    The potential is convex in the stress, and its gradient at fixed resistances is the first residual.

    ``point`` is (stress, resistance, elastic strain if nothing slips, resistance before the step); ``crystal`` is
    (compliance, Schmid, interaction, law, saturation).
    """
    sigma, xi, trial, old = point
    compliance, schmid, interaction, law, saturation = crystal
    tau, gamma, hard = slips
    rest, rest_xi = rests
    systems = xi.size
    slip_rate, exponent, h0, power, scale, cut = law[0], law[1], law[2], law[3], law[4], law[6]
    potential = 0.0
    for i in range(6):
        total = 0.0
        for j in range(6):
            total += compliance[i, j] * sigma[j]
        potential += sigma[i] * (0.5 * total - trial[i])
        rest[i] = total - trial[i]
    for s in range(systems):
        rest_xi[s] = xi[s] - old[s]
    for s in range(systems):
        resolved = 0.0
        for i in range(6):
            resolved += schmid[s, i] * sigma[i]
        tau[s] = resolved
        ratio = abs(resolved) / xi[s]
        if not ratio > cut:
            gamma[s], hard[s] = 0.0, 0.0
            continue
        size = slip_rate * ratio**exponent
        gamma[s] = size if resolved > 0.0 else -size
        potential += size * abs(resolved) / (exponent + 1.0)
        for i in range(6):
            rest[i] += gamma[s] * schmid[s, i]
        hard[s] = _slope(xi[s], saturation[s], h0, power)[0]
        for a in range(systems):
            rest_xi[a] -= interaction[a, s] * hard[s] * size
    square = 0.0
    for i in range(6):
        square += rest[i] * rest[i]
    largest = 0.0
    for s in range(systems):
        largest = max(largest, abs(rest_xi[s]))
    return scale * np.sqrt(square) + largest, potential


@njit(cache=True, nogil=True, error_model="numpy")
def condense(
    point: tuple[Array, Array, Array, Array],
    crystal: tuple[Array, Array, Array, Array, Array],
    slips: tuple[Array, Array, Array],
    rests: tuple[Array, Array],
    work: tuple[Array, Array, Array, NDArray[np.int64], Array],
    frozen: bool,
) -> int:
    """Eliminate the resistances of the moving systems: write the 6x6 Jacobian and the force; return how many move.

    Afterwards ``work[1][i]`` holds, for the i-th moving system, how its resistance follows the stress (six numbers)
    and what it changes by itself (the seventh); nothing where they are frozen. Returns -1 when the elimination fails.
    """
    _, xi, _, _ = point
    compliance, schmid, interaction, law, saturation = crystal
    tau, gamma, hard = slips
    rest, rest_xi = rests
    small, follow, jacobian, moving, force = work
    exponent, h0, power = law[1], law[2], law[3]
    largest = 0.0
    for s in range(xi.size):
        largest = max(largest, abs(gamma[s]))
    count = 0
    for s in range(xi.size):
        if abs(gamma[s]) > _WEAK * largest and abs(gamma[s]) > _STILL:
            moving[count] = s
            count += 1
    for i in range(count):
        a = moving[i]
        for c in range(7):
            follow[i, c] = 0.0
        if frozen:
            continue
        follow[i, 6] = -rest_xi[a]
        for j in range(count):
            b = moving[j]
            stiff = exponent * abs(gamma[b])
            bend = _slope(xi[b], saturation[b], h0, power)[1]
            small[i, j] = interaction[a, b] * (hard[b] * stiff / xi[b] - bend * abs(gamma[b]))
            if i == j:
                small[i, j] += 1.0
            # d|slip| by the resolved stress carries the sign of that stress
            push = interaction[a, b] * hard[b] * stiff / tau[b]
            for c in range(6):
                follow[i, c] += push * schmid[b, c]
    if not (frozen or eliminate(small, follow, count, 7)):
        return -1
    for i in range(6):
        force[i, 0] = -rest[i]
        for j in range(6):
            jacobian[i, j] = compliance[i, j]
    for i in range(count):
        s = moving[i]
        by_stress, by_xi = exponent * gamma[s] / tau[s], exponent * gamma[s] / xi[s]
        for k in range(6):
            force[k, 0] += schmid[s, k] * by_xi * follow[i, 6]
            for c in range(6):
                jacobian[k, c] += schmid[s, k] * (by_stress * schmid[s, c] - by_xi * follow[i, c])
    return count


@njit(cache=True, nogil=True, error_model="numpy")
def resist(
    step: Array,
    count: int,
    point: tuple[Array, Array, Array, Array],
    crystal: tuple[Array, Array, Array, Array, Array],
    slips: tuple[Array, Array, Array],
    rest_xi: Array,
    work: tuple[Array, Array, Array, NDArray[np.int64], Array],
    change: Array,
) -> None:
    """Write how all resistances change with the step of the stress."""
    _, xi, _, _ = point
    _, schmid, interaction, law, saturation = crystal
    tau, gamma, hard = slips
    _, follow, _, moving, _ = work
    exponent, h0, power = law[1], law[2], law[3]
    for a in range(xi.size):
        change[a] = -rest_xi[a]
    for i in range(count):
        s = moving[i]
        own, resolved = follow[i, 6], 0.0
        for c in range(6):
            own += follow[i, c] * step[c]
            resolved += schmid[s, c] * step[c]
        stiff = exponent * abs(gamma[s])
        more = stiff * (resolved / tau[s] - own / xi[s])
        bend = _slope(xi[s], saturation[s], h0, power)[1]
        grown = hard[s] * more + bend * abs(gamma[s]) * own
        for a in range(xi.size):
            change[a] += interaction[a, s] * grown
