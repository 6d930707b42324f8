"""Energy, forces and stress of a crystal of atoms in an embedded-atom potential.

E = sum_i F_i(rho_i) + 1/2 sum_{i != j} phi_ij(r_ij),  rho_i = sum_{j != i} f_j(r_ij)  (Daw & Baskes, Phys. Rev. B 29,
6443, 1984). One sweep over pairs gathers densities and keeps every distance and derivative; a second one needs only
the embedding slopes to push the forces out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from uqmsm.physics.atomistic.neighbours import Neighbours
from uqmsm.physics.atomistic.splines import Potential

__all__ = ["GPA_A3_PER_EV", "Bonds", "Evaluation", "embed", "evaluate", "gather", "push", "site_virials"]

Floats = NDArray[np.float64]
Species = NDArray[np.int64]
Longs = NDArray[np.int64]
Ints = NDArray[np.int32]

GPA_A3_PER_EV = 160.2176634
"""One eV/A^3 in GPa (exact by the SI of 2019)."""


@dataclass(frozen=True)
class Bonds:
    """Pairs within the cutoff with what one sweep has learnt about them.

    Attributes
    ----------
    start, other
        Where the bonds of each atom begin, (n + 1,), and the second atom of each bond.
    geometry
        (bonds, 6): vector d from the first to the second atom (A), then phi'/r, f_other'/r and f_first'/r, the density
        slopes felt by the first and by the second atom.
    slope, curvature
        (n,) first and second derivative of the embedding energy at each atom's density.
    """

    start: NDArray[np.int64]
    other: NDArray[np.int32]
    geometry: Floats
    slope: Floats
    curvature: Floats


@dataclass(frozen=True)
class Evaluation:
    """What one evaluation of the potential returns.

    Attributes
    ----------
    energy
        eV.
    site_energies
        (n,) eV; each pair energy is shared evenly.
    forces
        (n, 3) eV/A.
    virial
        (6,) derivative of the energy by homogeneous strain (eV) in the order xx yy zz yz xz xy: volume times stress,
        tension positive.
    bonds
        Stored for second derivatives.
    """

    energy: float
    site_energies: Floats
    forces: Floats
    virial: Floats
    bonds: Bonds


# `contract` lets the compiler fuse a multiplication with an addition. It never reorders a sum, and each crystal is
# evaluated by itself, so that a result depends on nothing but its own atoms.
_compiled = njit(cache=True, error_model="numpy", fastmath={"contract"})


@_compiled
def hermite(v0: float, s0: float, v1: float, s1: float, p: float) -> tuple[float, float, float]:
    """Value, slope and curvature (per interval) of the cubic with end values v and end slopes s at fraction p."""
    rise = v1 - v0
    c3 = s0 + s1 - 2.0 * rise
    c2 = rise - s0 - c3
    return ((c3 * p + c2) * p + s0) * p + v0, (3.0 * c3 * p + 2.0 * c2) * p + s0, 6.0 * c3 * p + 2.0 * c2


@_compiled
def _near(
    i: int, positions: Floats, offsets: Floats, first: Longs, neighbour: Ints, image: Ints,
    squared: float, bonds: int, other: Ints, geometry: Floats,
) -> int:  # fmt: skip
    """Write the bonds of atom i shorter than sqrt(squared) from row `bonds` on and return the next free row."""
    x, y, z = positions[i, 0], positions[i, 1], positions[i, 2]
    # every candidate is written, only those in range advance the cursor: no branch to mispredict
    for k in range(first[i], first[i + 1]):
        j, t = neighbour[k], image[k]
        dx = positions[j, 0] + offsets[t, 0] - x
        dy = positions[j, 1] + offsets[t, 1] - y
        dz = positions[j, 2] + offsets[t, 2] - z
        rr = dx * dx + dy * dy + dz * dz
        geometry[bonds, 0], geometry[bonds, 1], geometry[bonds, 2], geometry[bonds, 3] = dx, dy, dz, rr
        other[bonds] = j
        bonds += int(rr < squared)
    return bonds


@_compiled
def gather(
    positions: Floats, offsets: Floats, first: Longs, neighbour: Ints, image: Ints, species: Species,
    pair: Floats, couple: Longs, density: Floats, per_step: float, cutoff: float,
    rho: Floats, site: Floats, start: Longs, other: Ints, geometry: Floats,
) -> None:  # fmt: skip
    """Fill `rho`, the pair part of `site` and all bonds within the cutoff."""
    last = density.shape[1] - 2
    rho[:] = 0.0
    site[:] = 0.0
    start[0] = 0
    for i in range(positions.shape[0]):
        bonds = _near(i, positions, offsets, first, neighbour, image, cutoff * cutoff, start[i], other, geometry)
        mine, couples = density[species[i]], couple[species[i]]
        gathered, energy = 0.0, 0.0
        for k in range(start[i], bonds):
            j = other[k]
            table, yours = pair[couples[species[j]]], density[species[j]]
            r = np.sqrt(geometry[k, 3])
            q = r * per_step
            m = min(int(q), last)
            p = q - m
            v, s, _ = hermite(table[m, 0], table[m, 1], table[m + 1, 0], table[m + 1, 1], p)
            from_other, fo, _ = hermite(yours[m, 0], yours[m, 1], yours[m + 1, 0], yours[m + 1, 1], p)
            from_first, ff, _ = hermite(mine[m, 0], mine[m, 1], mine[m + 1, 0], mine[m + 1, 1], p)
            inverse = 1.0 / r
            phi = v * inverse
            gathered += from_other
            rho[j] += from_first
            energy += 0.5 * phi
            site[j] += 0.5 * phi
            geometry[k, 3] = (s * per_step - phi) * inverse * inverse
            geometry[k, 4] = fo * per_step * inverse
            geometry[k, 5] = ff * per_step * inverse
        rho[i] += gathered
        site[i] += energy
        start[i + 1] = bonds


@_compiled
def embed(
    species: Species, embedding: Floats, per_step: float, rho: Floats, site: Floats, slope: Floats, curvature: Floats
) -> None:
    """Add the embedding energy to `site` and keep its derivatives; a straight line beyond the table."""
    last = embedding.shape[1] - 2
    for i in range(rho.shape[0]):
        q = rho[i] * per_step
        m = min(int(q), last)
        beyond = max(q - m - 1.0, 0.0)
        table = embedding[species[i]]
        v, s, c = hermite(table[m, 0], table[m, 1], table[m + 1, 0], table[m + 1, 1], min(q - m, 1.0))
        site[i] += v + s * beyond
        slope[i] = s * per_step
        curvature[i] = c * per_step * per_step if beyond == 0.0 else 0.0


@_compiled
def push(start: Longs, other: Ints, geometry: Floats, slope: Floats, forces: Floats, virial: Floats) -> None:
    """Sum the bond forces on atoms and into the virial."""
    forces[:] = 0.0
    xx, yy, zz, yz, xz, xy = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(slope.shape[0]):
        fx, fy, fz = 0.0, 0.0, 0.0
        for k in range(start[i], start[i + 1]):
            j = other[k]
            stretch = geometry[k, 3] + slope[i] * geometry[k, 4] + slope[j] * geometry[k, 5]
            dx, dy, dz = geometry[k, 0], geometry[k, 1], geometry[k, 2]
            hx, hy, hz = stretch * dx, stretch * dy, stretch * dz
            fx += hx
            fy += hy
            fz += hz
            forces[j, 0] -= hx
            forces[j, 1] -= hy
            forces[j, 2] -= hz
            xx += hx * dx
            yy += hy * dy
            zz += hz * dz
            yz += hy * dz
            xz += hx * dz
            xy += hx * dy
        forces[i, 0] += fx
        forces[i, 1] += fy
        forces[i, 2] += fz
    virial[0], virial[1], virial[2], virial[3], virial[4], virial[5] = xx, yy, zz, yz, xz, xy


def evaluate(
    potential: Potential,
    species: Species,
    positions: Floats,
    cell: Floats,
    neighbours: Neighbours,
    *,
    reuse: Bonds | None = None,
) -> Evaluation:
    """Evaluate a periodic crystal.

    Parameters
    ----------
    potential
        From `splines.interpolate`.
    species
        (n,) positions in ``potential.elements``.
    positions, cell
        (n, 3) and (3, 3) in A, cell vectors in rows.
    neighbours
        A list that still serves these positions (`Neighbours.serves`); the caller answers for it.
    reuse
        Bonds of an earlier evaluation whose memory may be overwritten; new memory is taken where it does not fit.

    Returns
    -------
    Evaluation
    """
    n, most = len(species), len(neighbours.other) + 1  # one spare row for the cursor of `gather`
    bonds = reuse
    if bonds is None or len(bonds.other) < most or len(bonds.slope) != n:
        bonds = Bonds(
            np.empty(n + 1, np.int64), np.empty(most, np.int32), np.empty((most, 6)), np.empty(n), np.empty(n)
        )
    rho, site, forces, virial = np.empty(n), np.empty(n), np.empty((n, 3)), np.empty(6)
    gather(
        positions, neighbours.shifts @ cell, neighbours.first, neighbours.other, neighbours.image, species,
        potential.pair, potential.couple, potential.density, 1.0 / potential.r_step, potential.cutoff,
        rho, site, bonds.start, bonds.other, bonds.geometry,
    )  # fmt: skip
    embed(species, potential.embedding, 1.0 / potential.rho_step, rho, site, bonds.slope, bonds.curvature)
    push(bonds.start, bonds.other, bonds.geometry, bonds.slope, forces, virial)
    return Evaluation(float(site.sum()), site, forces, virial, bonds)


@_compiled
def _share(start: Longs, other: Ints, geometry: Floats, slope: Floats, out: Floats) -> None:
    """Give half of the virial of every bond to each of its atoms."""
    out[:] = 0.0
    for i in range(slope.shape[0]):
        for k in range(start[i], start[i + 1]):
            j = other[k]
            half = 0.5 * (geometry[k, 3] + slope[i] * geometry[k, 4] + slope[j] * geometry[k, 5])
            dx, dy, dz = geometry[k, 0], geometry[k, 1], geometry[k, 2]
            parts = (half * dx * dx, half * dy * dy, half * dz * dz, half * dy * dz, half * dx * dz, half * dx * dy)
            for a in range(6):
                out[i, a] += parts[a]
                out[j, a] += parts[a]


def site_virials(bonds: Bonds) -> Floats:
    """Return each atom's share (n, 6) of the virial (eV, order as in `Evaluation`): half of each of its bonds.

    The share that LAMMPS gives as ``compute stress/atom`` (in bar A^3), summing to the whole virial.
    """
    out = np.empty((len(bonds.slope), 6))
    _share(bonds.start, bonds.other, bonds.geometry, bonds.slope, out)
    return out
