"""Canonical swaps: an alloy annealed at a temperature, its atoms changing places and vibrating in their own potential.

Metropolis Monte Carlo (J. Chem. Phys. 21, 1087, 1953). One sweep tries as many swaps of two unlike atoms as there are
sites and, where the crystal vibrates, as many displacements of single atoms and one change of volume at zero pressure.
A swap or displacement costs the few hundred bonds it touches: densities and embedding energies are kept, and put back
when a trial is refused.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.random import Generator
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.atomistic.eam import hermite
from uqmsm.physics.atomistic.neighbours import half_list
from uqmsm.physics.atomistic.splines import Potential

__all__ = ["BOLTZMANN_EV_PER_K", "Annealing", "anneal"]

Floats = NDArray[np.float64]
Longs = NDArray[np.int64]
Ints = NDArray[np.int32]

BOLTZMANN_EV_PER_K = 8.617333262e-5
"""Exact by the SI of 2019, to the digits shown."""

_WANDER_A = 0.7  # no atom of a crystal is found further from its site; a trial beyond is refused
_TIGHTEST, _WIDEST = 0.97, 1.06  # lengths, relative to the start
_STEP_A = 0.12  # of the displacements at 1000 K; it follows the square root of the temperature

# what the kernels share: functions of the potential, the list, the state, and the log of what a trial has touched
Functions = tuple[Floats, Longs, Floats, Floats, float, float, float]
Net = tuple[Floats, Longs, Ints]
State = tuple[Longs, Floats, Floats, Floats]
Log = tuple[Longs, Floats, Floats, Longs, Longs]

_compiled = njit(cache=True, error_model="numpy", fastmath={"contract"})


@dataclass(frozen=True)
class Annealing:
    """An annealed alloy.

    Attributes
    ----------
    species, positions, scale
        The last arrangement, where its atoms are (A), and its lengths relative to the start.
    energies
        (sweeps,) potential energy after each sweep (eV).
    swapped, moved
        Shares of the swaps and displacements that were accepted.
    """

    species: Longs
    positions: Floats
    scale: float
    energies: Floats
    swapped: float
    moved: float


@_compiled
def _at(table: Floats, q: float) -> float:
    m = min(int(q), table.shape[0] - 2)
    value, _, _ = hermite(table[m, 0], table[m, 1], table[m + 1, 0], table[m + 1, 1], q - m)
    return float(value)


@_compiled
def _embedded(table: Floats, q: float) -> float:
    m = min(int(q), table.shape[0] - 2)
    v, s, _ = hermite(table[m, 0], table[m, 1], table[m + 1, 0], table[m + 1, 1], min(q - m, 1.0))
    return float(v + s * max(q - m - 1.0, 0.0))


@_compiled
def _change(
    i: int, new: int, to: tuple[float, float, float], with_: Functions, net: Net, state: State, log: Log, top: int
) -> tuple[float, int]:
    """Make atom i of species `new` and put it at `to`; return the change of energy and the new top of the log."""
    pair, couple, density, embedding, per_r, per_rho, squared = with_
    offsets, first, neighbour = net
    species, positions, rho, embed = state
    touched, old_rho, old_embed, seen, stamp = log
    x, y, z = to
    old = species[i]
    moved = x != positions[i, 0] or y != positions[i, 1] or z != positions[i, 2]
    start, energy = top, 0.0
    stamp[0] += 1
    touched[top], old_rho[top], old_embed[top], seen[i] = i, rho[i], embed[i], stamp[0]
    top += 1
    for k in range(first[i], first[i + 1]):
        j = neighbour[k]
        px, py, pz = positions[j, 0] + offsets[k, 0], positions[j, 1] + offsets[k, 1], positions[j, 2] + offsets[k, 2]
        before = (px - positions[i, 0]) ** 2 + (py - positions[i, 1]) ** 2 + (pz - positions[i, 2]) ** 2
        after = (px - x) ** 2 + (py - y) ** 2 + (pz - z) ** 2 if moved and j != i else before
        # an image of the atom itself changes with it, and its bond is met twice
        other, then, share = species[j], species[j] if j != i else new, 1.0 if j != i else 0.5
        gain, own = 0.0, 0.0
        if before < squared:
            q = np.sqrt(before) * per_r
            gain -= _at(density[old], q)
            if moved or j == i:  # else a neighbour gives what it gave
                own -= _at(density[other], q)
            energy -= share * _at(pair[couple[old, other]], q) / np.sqrt(before)
        if after < squared:
            q = np.sqrt(after) * per_r
            gain += _at(density[new], q)
            if moved or j == i:
                own += _at(density[then], q)
            energy += share * _at(pair[couple[new, then]], q) / np.sqrt(after)
        rho[i] += own
        if j != i and (before < squared or after < squared):
            if seen[j] != stamp[0]:
                touched[top], old_rho[top], old_embed[top], seen[j] = j, rho[j], embed[j], stamp[0]
                top += 1
            rho[j] += gain
    species[i], positions[i, 0], positions[i, 1], positions[i, 2] = new, x, y, z
    for t in range(start, top):
        j = touched[t]
        embed[j] = _embedded(embedding[species[j]], rho[j] * per_rho)
        energy += embed[j] - old_embed[t]
    return energy, top


@_compiled
def _undo(state: State, log: Log, top: int) -> None:
    """Put densities and embedding energies back, the latest first."""
    for t in range(top - 1, -1, -1):
        state[2][log[0][t]], state[3][log[0][t]] = log[1][t], log[2][t]


@_compiled
def _afresh(with_: Functions, net: Net, state: State) -> float:
    """Sum densities and embedding energies anew and return the energy."""
    pair, couple, density, embedding, per_r, per_rho, squared = with_
    offsets, first, neighbour = net
    species, positions, rho, embed = state
    energy = 0.0
    for i in range(len(species)):
        gathered, bonds = 0.0, 0.0
        for k in range(first[i], first[i + 1]):
            j = neighbour[k]
            rr = 0.0
            for c in range(3):
                rr += (positions[j, c] + offsets[k, c] - positions[i, c]) ** 2
            if rr < squared:
                r = np.sqrt(rr)
                gathered += _at(density[species[j]], r * per_r)
                bonds += 0.5 * _at(pair[couple[species[i], species[j]]], r * per_r) / r
        rho[i] = gathered
        embed[i] = _embedded(embedding[species[i]], gathered * per_rho)
        energy += bonds + embed[i]
    return energy


@_compiled
def _swap(kT: float, with_: Functions, net: Net, state: State, log: Log, rng: Generator, told: Floats) -> None:
    """Try to exchange two atoms; the count of random numbers is the same whatever happens."""
    species, positions, _, _ = state
    n = len(species)
    i, j, chance = int(rng.random() * n), int(rng.random() * n), rng.random()
    one, two = species[i], species[j]
    if one == two:
        return
    here, there = (
        (positions[i, 0], positions[i, 1], positions[i, 2]),
        (positions[j, 0], positions[j, 1], positions[j, 2]),
    )
    rise, top = _change(i, two, here, with_, net, state, log, 0)
    more, top = _change(j, one, there, with_, net, state, log, top)
    told[0] += 1.0
    if chance < np.exp(-(rise + more) / kT):
        told[1] += 1.0
    else:
        species[i], species[j] = one, two
        _undo(state, log, top)


@_compiled
def _move(
    kT: float, step: float, scale: float, home: Floats, with_: Functions, net: Net, state: State, log: Log,
    rng: Generator, told: Floats,
) -> None:  # fmt: skip
    """Try to displace one atom."""
    species, positions, _, _ = state
    a = int(rng.random() * len(species))
    x = positions[a, 0] + step * (2.0 * rng.random() - 1.0)
    y = positions[a, 1] + step * (2.0 * rng.random() - 1.0)
    z = positions[a, 2] + step * (2.0 * rng.random() - 1.0)
    chance = rng.random()
    told[2] += 1.0
    if (x - scale * home[a, 0]) ** 2 + (y - scale * home[a, 1]) ** 2 + (z - scale * home[a, 2]) ** 2 > _WANDER_A**2:
        return
    was = (positions[a, 0], positions[a, 1], positions[a, 2])
    rise, top = _change(a, species[a], (x, y, z), with_, net, state, log, 0)
    if chance < np.exp(-rise / kT):
        told[3] += 1.0
    else:
        positions[a, 0], positions[a, 1], positions[a, 2] = was
        _undo(state, log, top)


@_compiled
def _breathe(
    kT: float, factor: float, chance: float, energy: float, with_: Functions, net: Net, state: State
) -> tuple[float, float]:
    """Try to change all lengths by a factor; return energy and the factor made."""
    offsets, positions = net[0], state[1]
    positions *= factor
    offsets *= factor
    tried = _afresh(with_, net, state)
    # n + 1 powers of the volume, for steps that are even in its logarithm
    if chance < np.exp(-(tried - energy) / kT + 3.0 * (len(positions) + 1) * np.log(factor)):
        return tried, factor
    positions /= factor
    offsets /= factor
    return _afresh(with_, net, state), 1.0


@_compiled
def _sweeps(
    thermal: Floats, vibrating: bool, home: Floats, with_: Functions, net: Net, state: State, log: Log, rng: Generator,
    energies: Floats, told: Floats,
) -> None:  # fmt: skip
    """Anneal in place, one sweep at each thermal energy (eV); `told`: swaps tried and made, moves likewise, scale."""
    n, scale = len(state[0]), 1.0
    _afresh(with_, net, state)
    for sweep in range(len(thermal)):
        kT = thermal[sweep]
        step = _STEP_A * np.sqrt(kT / (1000.0 * BOLTZMANN_EV_PER_K))
        for _ in range(n):
            _swap(kT, with_, net, state, log, rng, told)
            if vibrating:
                _move(kT, step, scale, home, with_, net, state, log, rng, told)
        # summed anew once a sweep, so that rounding does not pile up
        energy = _afresh(with_, net, state)
        factor, chance = np.exp(0.02 * step * (2.0 * rng.random() - 1.0)), rng.random()
        if vibrating and _TIGHTEST < scale * factor < _WIDEST:
            energy, made = _breathe(kT, factor, chance, energy, with_, net, state)
            scale *= made
        energies[sweep] = energy
    told[4] = scale


def anneal(
    potential: Potential,
    species: Longs,
    positions: Floats,
    cell: Floats,
    temperature_K: float,
    rng: Generator,
    *,
    sweeps: int = 200,
    vibrating: bool = True,
    cooled_from: float = 1.0,
) -> Annealing:
    """Anneal a crystal at a temperature.

    Parameters
    ----------
    potential
        From `splines.interpolate`.
    species, positions, cell
        (n,), (n, 3) and (3, 3) in A: a perfect lattice to start from, periodic.
    temperature_K
        Of the annealing.
    rng
        The stream of chance.
    sweeps
        Trials of each kind per site.
    vibrating
        Whether atoms and volume move between swaps, so that what relaxation and vibration say of order counts; on
        the rigid lattice otherwise, several times faster.
    cooled_from
        The first half of the sweeps cools from so many times the temperature.

    Raises
    ------
    StudyError
        For a temperature that is not positive.
    """
    if not (temperature_K > 0.0 and sweeps >= 1):
        raise StudyError(f"annealing at {temperature_K:g} K over {sweeps} sweeps: both must be positive")
    reach = (potential.cutoff + 2.0 * _WANDER_A) / _TIGHTEST if vibrating else potential.cutoff
    net = _both_ways(positions, cell, reach)
    longest = int(np.diff(net[1]).max())
    kT = BOLTZMANN_EV_PER_K * temperature_K
    thermal = np.full(sweeps, kT)
    thermal[: sweeps // 2] *= np.geomspace(cooled_from, 1.0, sweeps // 2)
    n, room = len(species), 2 * (longest + 1)
    state = (np.array(species, dtype=np.int64), positions.copy(), np.empty(n), np.empty(n))
    log = (np.empty(room, np.int64), np.empty(room), np.empty(room), np.zeros(n, np.int64), np.zeros(1, np.int64))
    functions = (
        potential.pair, potential.couple, potential.density, potential.embedding,
        1.0 / potential.r_step, 1.0 / potential.rho_step, potential.cutoff**2,
    )  # fmt: skip
    energies, told = np.empty(sweeps), np.zeros(5)
    _sweeps(thermal, vibrating, positions.copy(), functions, net, state, log, rng, energies, told)
    swapped, moved = told[1] / max(told[0], 1.0), told[3] / max(told[2], 1.0)
    return Annealing(state[0], state[1], float(told[4]), energies, float(swapped), float(moved))


def _both_ways(positions: Floats, cell: Floats, reach: float) -> Net:
    """Return every pair from either end: offset of the second atom (A), where an atom's pairs begin, who they are."""
    half = half_list(positions, cell, reach, 0.0)
    here = np.repeat(np.arange(len(positions)), np.diff(half.first))
    offset = (half.shifts @ cell)[half.image]
    first, second = np.concatenate([here, half.other]), np.concatenate([half.other, here])
    order = np.lexsort((second, first))
    start = np.zeros(len(positions) + 1, dtype=np.int64)
    np.cumsum(np.bincount(first, minlength=len(positions)), out=start[1:])
    return np.ascontiguousarray(np.concatenate([offset, -offset])[order]), start, second[order].astype(np.int32)
