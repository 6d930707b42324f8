"""Many members at once: one crystal lattice, one neighbour list, as many potentials or displacements as there are.

Each member has the very bytes it would have alone: members are swept one after the other by the same compiled code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.atomistic.eam import Ints, Longs, Species, embed, gather, push
from uqmsm.physics.atomistic.neighbours import Neighbours
from uqmsm.physics.atomistic.splines import Potential

__all__ = ["Ensemble", "Stack", "evaluate_members", "stack"]

Floats = NDArray[np.float64]

_compiled = njit(cache=True, error_model="numpy", fastmath={"contract"})  # see eam.py for why this is safe


@dataclass(frozen=True)
class Ensemble:
    """What evaluations of m members return.

    Attributes
    ----------
    energies
        (m,) eV.
    site_energies
        (m, n) eV.
    forces
        (m, n, 3) eV/A.
    virials
        (m, 6) eV, as in `Evaluation`.
    """

    energies: Floats
    site_energies: Floats
    forces: Floats
    virials: Floats


@dataclass(frozen=True)
class Stack:
    """Potentials of the same elements, grids and cutoff: the arrays of `Potential` with a leading axis."""

    cutoff: float
    couple: Longs
    pair: Floats
    density: Floats
    embedding: Floats
    r_steps: Floats
    rho_steps: Floats


def stack(potentials: Sequence[Potential]) -> Stack:
    """Put potentials behind each other, once for many geometries.

    Raises
    ------
    StudyError
        When they differ in elements, cutoff or the length of their grids.
    """
    if len({(p.elements, p.cutoff, p.density.shape, p.embedding.shape) for p in potentials}) != 1:
        raise StudyError("potentials of one call differ in elements, cutoff or grids, or are none; tabulate alike")
    return Stack(
        potentials[0].cutoff,
        potentials[0].couple,
        np.stack([p.pair for p in potentials]),
        np.stack([p.density for p in potentials]),
        np.stack([p.embedding for p in potentials]),
        np.array([p.r_step for p in potentials]),
        np.array([p.rho_step for p in potentials]),
    )


@_compiled
def _all_members(
    positions: Floats, cells: Floats, species: Species, first: Longs, neighbour: Ints, image: Ints, shifts: Floats,
    pair: Floats, couple: Longs, density: Floats, embedding: Floats, r_steps: Floats, rho_steps: Floats, cutoff: float,
    sites: Floats, forces: Floats, virials: Floats,
) -> None:  # fmt: skip
    """Evaluate every member with the memory of the first."""
    n, most = positions.shape[1], neighbour.shape[0] + 1
    start, other, geometry = np.empty(n + 1, np.int64), np.empty(most, np.int32), np.empty((most, 6))
    rho, slope, curvature, offsets = np.empty(n), np.empty(n), np.empty(n), np.empty_like(shifts)
    for m in range(sites.shape[0]):
        # what is the same for all stands there once
        at, box, who, law = m % len(positions), m % len(cells), m % len(species), m % len(pair)
        for t in range(shifts.shape[0]):
            for c in range(3):
                offsets[t, c] = 0.0
                for d in range(3):
                    offsets[t, c] += shifts[t, d] * cells[box, d, c]
        gather(
            positions[at], offsets, first, neighbour, image, species[who], pair[law], couple, density[law],
            1.0 / r_steps[law], cutoff, rho, sites[m], start, other, geometry,
        )  # fmt: skip
        embed(species[who], embedding[law], 1.0 / rho_steps[law], rho, sites[m], slope, curvature)
        push(start, other, geometry, slope, forces[m], virials[m])


def evaluate_members(
    potentials: Stack, species: Species, positions: Floats, cells: Floats, neighbours: Neighbours
) -> Ensemble:
    """Evaluate m members that share one neighbour list.

    Parameters
    ----------
    potentials
        One for all or one per member (`stack`).
    species
        (n,) for all or (m, n).
    positions
        (n, 3) for all or (m, n, 3) in A.
    cells
        (3, 3) for all or (m, 3, 3) in A.
    neighbours
        A list that serves every member (`Neighbours.serves`); the caller answers for it.

    Raises
    ------
    StudyError
        When the numbers of members differ.
    """
    n = species.shape[-1]
    at, box, who = positions.reshape(-1, n, 3), cells.reshape(-1, 3, 3), species.reshape(-1, n)
    counts = {len(at), len(box), len(who), len(potentials.pair)}
    if len(counts - {1}) > 1:
        raise StudyError(f"members of one call are counted as {sorted(counts)}; give one for all, or one for each")
    m = max(counts)
    site_energies, forces, virials = np.empty((m, n)), np.empty((m, n, 3)), np.empty((m, 6))
    _all_members(
        np.ascontiguousarray(at), np.ascontiguousarray(box), np.ascontiguousarray(who),
        neighbours.first, neighbours.other, neighbours.image, neighbours.shifts.astype(np.float64),
        potentials.pair, potentials.couple, potentials.density, potentials.embedding,
        potentials.r_steps, potentials.rho_steps, potentials.cutoff, site_energies, forces, virials,
    )  # fmt: skip
    # row by row, so that the order of the sum is that of a member alone
    return Ensemble(np.array([row.sum() for row in site_energies]), site_energies, forces, virials)
