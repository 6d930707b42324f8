"""Compiled loops of the dendrite: heat everywhere, the anisotropic interface only in the tiles that hold it."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["TILE", "dendrite_sums", "march", "mark_tiles", "outermost"]

Array = NDArray[np.float64]
Bytes = NDArray[np.uint8]

TILE = 24


@njit(cache=True)
def _flux(along: float, across: float, strength: float) -> tuple[float, float]:
    """Return the flux W^2 d_along - W W_theta d_across through a face and a^2; the sign of the last term by symmetry.

    With s = cos 4 theta and its derivative, both even under the exchange of the axes up to the sign of sin 4 theta, the
    same lines serve faces normal to x and to y.
    """
    square = along * along + across * across
    if square < 1e-30:
        return 0.0, 1.0
    inverse = 1.0 / (square * square)
    a = 1.0 + strength * (4.0 * (along**4 + across**4) * inverse - 3.0)
    turn = -16.0 * strength * along * across * (along * along - across * across) * inverse
    return a * a * along - a * turn * across, a * a


@njit(cache=True)
def _interface(
    psi: Array, phi: Array, heat: Array, change: Array, low: int, left: int, high: int, right: int, numbers: Array
) -> None:
    """Write h dpsi/dt of one tile; arrays carry one ghost layer.

    With phi = tanh(psi / sqrt 2) and F homogeneous of first degree, F(grad phi) = (1 - phi^2) / sqrt 2 F(grad psi) and
    div F(grad phi) = (1 - phi^2) / sqrt 2 [div F(grad psi) - sqrt 2 phi a^2 |grad psi|^2].
    """
    spacing, step, coupling, strength = numbers[0], numbers[1], numbers[2], numbers[3]
    once, quarter, half, root = 1.0 / spacing, 0.25 / spacing, 0.5 / spacing, np.sqrt(2.0)
    below = np.empty(right - left)
    for i in range(low - 1, high):
        before = 0.0
        for j in range(left - 1, right):
            if j >= left:
                x = (psi[i + 1, j] - psi[i, j]) * once
                y = (psi[i + 1, j + 1] + psi[i, j + 1] - psi[i + 1, j - 1] - psi[i, j - 1]) * quarter
                up, _ = _flux(x, y, strength)
            else:
                up = 0.0
            if i >= low:
                y = (psi[i, j + 1] - psi[i, j]) * once
                x = (psi[i + 1, j + 1] + psi[i + 1, j] - psi[i - 1, j + 1] - psi[i - 1, j]) * quarter
                over, _ = _flux(y, x, strength)
                if j >= left:
                    gx = (psi[i + 1, j] - psi[i - 1, j]) * half
                    gy = (psi[i, j + 1] - psi[i, j - 1]) * half
                    _, slow = _flux(gx, gy, strength)
                    p = phi[i, j]
                    force = root * (p * (1.0 - slow * (gx * gx + gy * gy)) - coupling * heat[i, j] * (1.0 - p * p))
                    force += (up - below[j - left] + over - before) * once
                    change[i, j] = step * force / slow
                before = over
            if j >= left:
                below[j - left] = up


@njit(cache=True)
def _walls(field: Array) -> None:
    """Fill the ghost layer: no flux."""
    last = field.shape[0] - 1
    for k in range(field.shape[0]):
        field[0, k] = field[1, k]
        field[last, k] = field[last - 1, k]
    for k in range(field.shape[0]):
        field[k, 0] = field[k, 1]
        field[k, last] = field[k, last - 1]


@njit(cache=True)
def march(
    psi: Array,
    phi: Array,
    heat: Array,
    other: Array,
    change: Array,
    tiles: Bytes,
    edge: int,
    steps: int,
    numbers: Array,
) -> None:
    """Take an even number of steps of Euler; `heat` holds the result, `other` is its second buffer.

    Parameters
    ----------
    psi, phi, heat, other, change
        ``(n + 2, n + 2)`` with ghosts; those of `phi` are not used.
    tiles
        ``(m, m)`` one where the interface is.
    edge
        Heat is stepped in the first `edge` rows and columns; outside it keeps its value.
    steps
        Number of steps, even.
    numbers
        spacing, step, lambda, epsilon, D and the largest |psi|.
    """
    n = phi.shape[0] - 2
    share, most, root = numbers[4] * numbers[1] / numbers[0] ** 2, numbers[5], np.sqrt(0.5)
    for count in range(steps):
        old, new = (heat, other) if count % 2 == 0 else (other, heat)
        _walls(psi)
        _walls(old)
        for a in range(tiles.shape[0]):
            for b in range(tiles.shape[1]):
                if tiles[a, b]:
                    high, right = min(n, (a + 1) * TILE) + 1, min(n, (b + 1) * TILE) + 1
                    _interface(psi, phi, old, change, a * TILE + 1, b * TILE + 1, high, right, numbers)
        for i in range(1, edge + 1):
            for j in range(1, edge + 1):
                around = old[i + 1, j] + old[i - 1, j] + old[i, j + 1] + old[i, j - 1]
                new[i, j] = old[i, j] + share * (around - 4.0 * old[i, j])
        for a in range(tiles.shape[0]):
            for b in range(tiles.shape[1]):
                if tiles[a, b]:
                    for i in range(a * TILE + 1, min(n, (a + 1) * TILE) + 1):
                        for j in range(b * TILE + 1, min(n, (b + 1) * TILE) + 1):
                            psi[i, j] = min(most, max(-most, psi[i, j] + change[i, j]))
                            solid = np.tanh(root * psi[i, j])
                            new[i, j] += 0.5 * (solid - phi[i, j])
                            phi[i, j] = solid


@njit(cache=True)
def mark_tiles(phi: Array, level: float, tiles: Bytes) -> None:
    """Set the tiles that have a point with 1 - phi^2 above `level` in them or within eight points of them."""
    tiles[:] = 0
    n = phi.shape[0] - 2
    reach = 8
    for i in range(1, n + 1):
        for j in range(1, n + 1):
            if 1.0 - phi[i, j] * phi[i, j] > level:
                for a in range(max(0, i - 1 - reach) // TILE, min(n - 1, i - 1 + reach) // TILE + 1):
                    for b in range(max(0, j - 1 - reach) // TILE, min(n - 1, j - 1 + reach) // TILE + 1):
                        tiles[a, b] = 1


@njit(cache=True)
def outermost(heat: Array, value: float, level: float) -> int:
    """Return the largest row or column at which heat differs from `value` by more than `level`."""
    n = heat.shape[0] - 2
    far = 0
    for i in range(1, n + 1):
        for j in range(1, n + 1):
            if abs(heat[i, j] - value) > level:
                far = max(far, i, j)
    return far


@njit(cache=True)
def dendrite_sums(psi: Array, phi: Array, heat: Array, numbers: Array) -> tuple[float, float, float]:
    """Return the integrals of (phi + 1) / 2, of the energy density and of heat."""
    spacing, coupling, strength = numbers[0], numbers[2], numbers[3]
    n = phi.shape[0] - 2
    solid = 0.0
    energy = 0.0
    total = 0.0
    for i in range(1, n + 1):
        for j in range(1, n + 1):
            p = phi[i, j]
            p2 = p * p
            share = 0.5 * np.sqrt(0.5) * (1.0 - p2) / spacing  # of the gradient of psi in that of phi
            gx = share * (psi[i + 1, j] - psi[i - 1, j])
            gy = share * (psi[i, j + 1] - psi[i, j - 1])
            _, squared = _flux(gx, gy, strength)
            chemical = -0.5 * p2 + 0.25 * p2 * p2 + coupling * heat[i, j] * p * (1.0 - 2.0 / 3.0 * p2 + 0.2 * p2 * p2)
            solid += 0.5 * (p + 1.0)
            energy += 0.5 * squared * (gx * gx + gy * gy) + chemical
            total += heat[i, j]
    cell = spacing * spacing
    return solid * cell, energy * cell, total * cell
