"""How energy, forces and virial of a crystal answer to the parameters of its potential: exact first derivatives.

The energy is linear in pair and density functions inside, and in the embedding functions outside; so a derivative of
the potential's tables (`Tangents.along` of the potential room) is swept over the same bonds as the potential itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from uqmsm.physics.atomistic.eam import Bonds, Ints, Longs, Species, hermite, push
from uqmsm.physics.atomistic.splines import Potential, interpolate
from uqmsm.physics.embedded_tables import PotentialTables

__all__ = ["Answer", "answers_to"]

Floats = NDArray[np.float64]

_compiled = njit(cache=True, error_model="numpy", fastmath={"contract"})  # see eam.py for why this is safe


@dataclass(frozen=True)
class Answer:
    """Derivatives in p parameters at fixed positions and cell.

    Attributes
    ----------
    energy
        (p,) eV per unit of the parameter; at rest, the derivative of the relaxed energy too (Hellmann & Feynman).
    forces
        (p, n, 3) eV/A per unit.
    virial
        (p, 6) eV per unit.
    """

    energy: Floats
    forces: Floats
    virial: Floats


@_compiled
def _densities(
    species: Species, density: Floats, per_step: float, start: Longs, other: Ints, geometry: Floats, rho: Floats
) -> None:
    """Sum the density at every atom from the bonds."""
    last = density.shape[1] - 2
    rho[:] = 0.0
    for i in range(rho.shape[0]):
        for k in range(start[i], start[i + 1]):
            j = other[k]
            q = np.sqrt(geometry[k, 0] ** 2 + geometry[k, 1] ** 2 + geometry[k, 2] ** 2) * per_step
            m = min(int(q), last)
            mine, yours = density[species[i]], density[species[j]]
            rho[i] += hermite(yours[m, 0], yours[m, 1], yours[m + 1, 0], yours[m + 1, 1], q - m)[0]
            rho[j] += hermite(mine[m, 0], mine[m, 1], mine[m + 1, 0], mine[m + 1, 1], q - m)[0]


@_compiled
def _swept(
    species: Species, pair: Floats, couple: Longs, density: Floats, per_step: float,
    start: Longs, other: Ints, geometry: Floats, change: Floats, moved: Floats,
) -> float:  # fmt: skip
    """Fill the change of every density and the changes of phi'/r and of both density slopes; return that of pairs."""
    last = density.shape[1] - 2
    change[:] = 0.0
    energy = 0.0
    for i in range(change.shape[0]):
        mine, couples = density[species[i]], couple[species[i]]
        for k in range(start[i], start[i + 1]):
            j = other[k]
            table, yours = pair[couples[species[j]]], density[species[j]]
            r = np.sqrt(geometry[k, 0] ** 2 + geometry[k, 1] ** 2 + geometry[k, 2] ** 2)
            q = r * per_step
            m = min(int(q), last)
            v, s, _ = hermite(table[m, 0], table[m, 1], table[m + 1, 0], table[m + 1, 1], q - m)
            from_other, fo, _ = hermite(yours[m, 0], yours[m, 1], yours[m + 1, 0], yours[m + 1, 1], q - m)
            from_first, ff, _ = hermite(mine[m, 0], mine[m, 1], mine[m + 1, 0], mine[m + 1, 1], q - m)
            change[i] += from_other
            change[j] += from_first
            energy += v / r
            moved[k, 0], moved[k, 1], moved[k, 2] = geometry[k, 0], geometry[k, 1], geometry[k, 2]
            moved[k, 3] = (s * per_step - v / r) / (r * r)
            moved[k, 4], moved[k, 5] = fo * per_step / r, ff * per_step / r
    return energy


@_compiled
def _embedded(
    species: Species, embedding: Floats, per_step: float, rho: Floats, change: Floats, slope: Floats, curvature: Floats,
    bend: Floats,
) -> float:  # fmt: skip
    """Fill the change of every embedding slope and return that of the embedding energy."""
    last = embedding.shape[1] - 2
    energy = 0.0
    for i in range(rho.shape[0]):
        q = rho[i] * per_step
        m = min(int(q), last)
        beyond = max(q - m - 1.0, 0.0)
        table = embedding[species[i]]
        v, s, _ = hermite(table[m, 0], table[m, 1], table[m + 1, 0], table[m + 1, 1], min(q - m, 1.0))
        energy += v + s * beyond + slope[i] * change[i]
        bend[i] = s * per_step + curvature[i] * change[i]
    return energy


@_compiled
def _weighted(start: Longs, other: Ints, geometry: Floats, slope: Floats, bend: Floats, moved: Floats) -> None:
    """Gather in `moved[:, 3]` the whole change of every bond's tension; its density slopes are then spent."""
    for i in range(slope.shape[0]):
        for k in range(start[i], start[i + 1]):
            j = other[k]
            moved[k, 3] += slope[i] * moved[k, 4] + slope[j] * moved[k, 5]
            moved[k, 3] += bend[i] * geometry[k, 4] + bend[j] * geometry[k, 5]
            moved[k, 4], moved[k, 5] = 0.0, 0.0


def answers_to(potential: Potential, derivatives: Sequence[PotentialTables], species: Species, bonds: Bonds) -> Answer:
    """Differentiate energy, forces and virial in parameters of the potential.

    Parameters
    ----------
    potential
        The potential.
    derivatives
        One per parameter: derivative of the potential's tables in it, on the same grids.
    species
        (n,) positions in ``potential.elements``.
    bonds
        Of an evaluation with this potential.
    """
    n, p = len(species), len(derivatives)
    found = Answer(np.empty(p), np.empty((p, n, 3)), np.empty((p, 6)))
    rho, change, bend, moved = np.empty(n), np.empty(n), np.empty(n), np.empty_like(bonds.geometry)
    per_step, per_density = 1.0 / potential.r_step, 1.0 / potential.rho_step
    at = (bonds.start, bonds.other, bonds.geometry)
    _densities(species, potential.density, per_step, *at, rho)
    for one, tables in enumerate(derivatives):
        slope = interpolate(tables)
        pairs = _swept(species, slope.pair, slope.couple, slope.density, per_step, *at, change, moved)
        embedded = _embedded(species, slope.embedding, per_density, rho, change, bonds.slope, bonds.curvature, bend)
        _weighted(*at, bonds.slope, bend, moved)
        found.energy[one] = pairs + embedded
        push(bonds.start, bonds.other, moved, bonds.slope, found.forces[one], found.virial[one])
    return found
