"""Atoms in a heat bath, by our own kernel: cells so small that an engine's ghost atoms would outnumber their atoms.

Langevin's equations in the splitting that samples positions best: half a kick, half a drift, the bath, half a drift,
half a kick (B. Leimkuhler and C. Matthews, J. Chem. Phys. 138, 174102, 2013); of a harmonic crystal its positions have
exactly the canonical law whatever the step. The random numbers are an argument. Two crystals alike, given the same
numbers and enough friction, forget how they began and move as one, as long as they keep their sites (B. P. Uberuaga,
M. Anghel and A. F. Voter, J. Chem. Phys. 120, 6363, 2004), so that a small strain is seen without its noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from uqmsm.errors import Unstable
from uqmsm.physics.atomistic.eam import embed, gather, push
from uqmsm.physics.atomistic.neighbours import half_list
from uqmsm.physics.atomistic.relax import Crystal
from uqmsm.physics.atomistic.splines import Potential
from uqmsm.physics.atomistic.swaps import BOLTZMANN_EV_PER_K

__all__ = ["EV_PER_U_A2_PS2", "Bath", "Moved", "move"]

Floats = NDArray[np.float64]
Longs = NDArray[np.int64]
Ints = NDArray[np.int32]

EV_PER_U_A2_PS2 = 1.036426966e-4
"""eV in one u (A/ps)^2."""
_SKIN_A = 1.5
_compiled = njit(cache=True, error_model="numpy", fastmath={"contract"})  # see eam.py for why this is safe


@dataclass(frozen=True)
class Bath:
    """How a crystal is kept warm.

    Attributes
    ----------
    temperature_K
    step_ps, friction_per_ps
        Time step, and how fast velocities are forgotten: fast, so that crystals alike fall into one motion.
    """

    temperature_K: float
    step_ps: float = 0.005
    friction_per_ps: float = 20.0


@dataclass(frozen=True)
class Moved:
    """What a run has shown after every step.

    Attributes
    ----------
    virial
        (steps, 6) derivative of the energy by homogeneous strain (eV), xx yy zz yz xz xy.
    energy
        (steps,) potential energy (eV).
    positions, velocities
        (n, 3) at the end, in A (unwrapped) and A/ps.
    """

    virial: Floats
    energy: Floats
    positions: Floats
    velocities: Floats


def move(
    potential: Potential, crystal: Crystal, masses_u: Floats, bath: Bath, normals: Floats,
    velocities: Floats | None = None,
) -> Moved:  # fmt: skip
    """Move a crystal in a fixed cell.

    Parameters
    ----------
    potential
        From `splines.interpolate`.
    crystal
        Where it begins, near its sites: neighbours are found once.
    masses_u
        Of each species.
    bath
        Temperature, step and friction.
    normals
        (steps, n, 3) independent standard normal numbers: one run is as long as they are.
    velocities
        (n, 3) A/ps; at rest when left out.

    Raises
    ------
    Unstable
        When an atom has left its site.
    """
    at, cell, cutoff = np.array(crystal.positions), crystal.cell, potential.cutoff
    close = half_list(at, cell, cutoff, _SKIN_A)
    speed = np.zeros_like(at) if velocities is None else np.array(velocities)
    virial, energy = np.empty((len(normals), 6)), np.empty(len(normals))
    inverse = 1.0 / (np.asarray(masses_u, dtype=np.float64)[crystal.species] * EV_PER_U_A2_PS2)
    _advance(
        at, speed, close.shifts @ cell, close.first, close.other, close.image,
        crystal.species, potential.pair, potential.couple, potential.density, 1.0 / potential.r_step, cutoff,
        potential.embedding, 1.0 / potential.rho_step, inverse, BOLTZMANN_EV_PER_K * bath.temperature_K, bath.step_ps,
        np.exp(-bath.friction_per_ps * bath.step_ps), normals, virial, energy,
    )  # fmt: skip
    if not np.isfinite(energy[-1]) or not close.serves(at, cell, cutoff):
        raise Unstable(
            f"atoms leave their sites at {bath.temperature_K:g} K: this potential's crystal melts, shears or diffuses"
        )
    return Moved(virial, energy, at, speed)


@_compiled
def _advance(
    at: Floats, speed: Floats, offsets: Floats, first: Longs, neighbour: Ints, image: Ints,
    species: Longs, pair: Floats, couple: Longs, density: Floats, per_step: float, cutoff: float,
    embedding: Floats, per_density: float, inverse: Floats, warmth: float, step: float,
    kept: float, normals: Floats, virial: Floats, energy: Floats,
) -> None:  # fmt: skip
    """Advance positions and velocities; fill virial and energy after every step."""
    n, most = at.shape[0], neighbour.shape[0] + 1
    rho, site, slope, curvature = np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    start, other, geometry = np.empty(n + 1, np.int64), np.empty(most, np.int32), np.empty((most, 6))
    forces, one, given = np.empty((n, 3)), np.empty(6), np.sqrt(1.0 - kept * kept)
    for s in range(-1, normals.shape[0]):
        if s >= 0:
            for i in range(n):
                half, thrown = 0.5 * step * inverse[i], given * np.sqrt(warmth * inverse[i])
                for c in range(3):
                    fast = speed[i, c] + half * forces[i, c]
                    at[i, c] += 0.5 * step * fast
                    fast = kept * fast + thrown * normals[s, i, c]
                    at[i, c] += 0.5 * step * fast
                    speed[i, c] = fast
        gather(
            at, offsets, first, neighbour, image, species, pair, couple, density, per_step, cutoff,
            rho, site, start, other, geometry,
        )  # fmt: skip
        embed(species, embedding, per_density, rho, site, slope, curvature)
        push(start, other, geometry, slope, forces, one)
        if s >= 0:
            for i in range(n):
                half = 0.5 * step * inverse[i]
                for c in range(3):
                    speed[i, c] += half * forces[i, c]
            virial[s] = one
            energy[s] = site.sum()
