"""How much softer and larger a crystal is when warm: twins under opposite strains, moved by one and the same noise.

The stress of a warm crystal under a strain of +e and of -e differs by 2 C e. Their noise is far larger than that, but
twins that share the random numbers of a bath move as one (see `bath`), and in the difference the noise is gone: of a
harmonic crystal all of it. What is left is anharmonic, and averages out over picoseconds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError, Unstable
from uqmsm.physics.atomistic.averages import average
from uqmsm.physics.atomistic.bath import EV_PER_U_A2_PS2, Bath, move
from uqmsm.physics.atomistic.eam import GPA_A3_PER_EV
from uqmsm.physics.atomistic.elastic import elasticity
from uqmsm.physics.atomistic.relax import Crystal, Relaxed, strain_matrix
from uqmsm.physics.atomistic.splines import Potential
from uqmsm.physics.atomistic.swaps import BOLTZMANN_EV_PER_K

__all__ = ["Warmed", "warmed"]

Floats = NDArray[np.float64]
_XX, _YZ = 0, 3
_USUAL_PER_K = 5e-6  # thermal expansion of refractory metals


@dataclass(frozen=True)
class Warmed:
    """What warmth did to a crystal.

    Attributes
    ----------
    cold, warm, warm_error
        (3,) C11, C12, C44 (GPa) at rest and at temperature (isothermal), with standard errors of the runs: the answers
        to strains along x and in the plane yz of this very cell, a cubic crystal's constants.
    length, length_error
        Edge at temperature over that at rest, under no pressure.
    """

    cold: Floats
    warm: Floats
    warm_error: Floats
    length: float
    length_error: float


def warmed(
    potential: Potential,
    rest: Relaxed,
    masses_u: Floats,
    bath: Bath,
    rng: np.random.Generator,
    *,
    steps: int = 300,
    settle: int = 80,
    strain: float = 0.005,
) -> Warmed:
    """Warm a crystal up and strain it.

    Parameters
    ----------
    potential
        From `splines.interpolate`.
    rest
        The crystal at rest under no stress, from `relax`.
    masses_u
        Of each species.
    bath
        Temperature, step and friction.
    rng
        Draws the motion: crystals of as many atoms and one stream move alike.
    steps, settle
        Steps that count in each of the five runs, and before them.
    strain
        Of the twins, either way. Cubic terms of the energy cancel between them.

    Raises
    ------
    StudyError
        When there are too few steps for an error.
    Unstable
        When the crystal does not hold, at rest or warm.
    """
    if steps < 80 or settle < 0 or not 0.0 < strain <= 0.02:
        raise StudyError(
            f"warmed: steps = {steps}, settle = {settle}, strain = {strain:g}; at least 80 steps give an error, and a "
            "strain up to 0.02 a slope"
        )
    stiffness = elasticity(rest).relaxed
    cold = np.array([stiffness[0, 0], (stiffness[0, 1] + stiffness[0, 2]) / 2.0, stiffness[3, 3]])
    crystal, normals = rest.crystal, rng.standard_normal((steps + settle, len(rest.crystal.species), 3))
    normals -= normals.mean(axis=1, keepdims=True)
    started = rng.standard_normal(crystal.positions.shape)
    kT = BOLTZMANN_EV_PER_K * bath.temperature_K
    started *= np.sqrt(kT / (np.asarray(masses_u)[crystal.species] * EV_PER_U_A2_PS2))[:, None]

    def stress(scale: float, axis: int, amount: float) -> Floats:
        """Return the stress (steps, 6) in GPa of the crystal scaled and strained."""
        strains = np.zeros(6)
        strains[axis] = amount
        gradient = scale * (np.eye(3) + strain_matrix(strains))
        one = Crystal(crystal.species, crystal.positions @ gradient, crystal.cell @ gradient)
        virial = move(potential, one, masses_u, bath, normals, started).virial[settle:]
        momentum = len(one.species) * kT * np.array([1.0, 1.0, 1.0, 0.0, 0.0, 0.0])
        return np.asarray((virial - momentum) / one.volume * GPA_A3_PER_EV)

    bulk = (cold[0] + 2.0 * cold[1]) / 3.0
    scale = _without_pressure(lambda at: float(stress(at, _XX, 0.0)[:, :3].mean()), bath.temperature_K, bulk)
    pulled, sheared = ((stress(scale, axis, strain), stress(scale, axis, -strain)) for axis in (_XX, _YZ))
    along = (pulled[0] - pulled[1]) / (2.0 * strain)
    means = [average(series, start=0) for series in (
        along[:, 0], along[:, 1:3].mean(axis=1), (sheared[0] - sheared[1])[:, 3] / (2.0 * strain),
    )]  # fmt: skip
    warm = np.array([one.mean for one in means])
    softer = (warm[0] + 2.0 * warm[1]) / 3.0
    if not (softer > 0.0 and warm[0] > warm[1] and warm[2] > 0.0):
        raise Unstable(f"C11, C12, C44 = {warm.round(1).tolist()} GPa at {bath.temperature_K:g} K are unstable")
    left = average((pulled[0] + pulled[1] + sheared[0] + sheared[1])[:, :3].mean(axis=1) / 4.0, start=0)
    return Warmed(
        cold, warm, np.array([one.error for one in means]),
        scale * (1.0 - left.mean / (3.0 * softer)), scale * left.error / (3.0 * softer),
    )  # fmt: skip


def _without_pressure(tension: Callable[[float], float], temperature_K: float, bulk_GPa: float) -> float:
    """Return the scale of the crystal at which the mean normal stress is small: one step from where metals are."""
    first = 1.0 + _USUAL_PER_K * temperature_K
    slope = 0.85 * 3.0 * bulk_GPa  # softer than cold; what is left is corrected by the twins' own bulk modulus
    return float(np.clip(first - tension(first) / slope, 0.99, 1.04))
