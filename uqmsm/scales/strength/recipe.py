"""The theory with its open choices, and the crystal as the theory sees it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.physics import strength
from uqmsm.physics.softening import Softening, alloy_softening, element_softening, lattice_at, moduli_at

__all__ = ["TRAINABLE", "Crystal", "Recipe", "published_crystal"]

Floats = NDArray[np.float64]

# alloys with measured yield stresses whose theory values the published Zhou potentials can compute, by their crystal
TRAINABLE = {"bcc": {"MoNbTaW": ("Mo", "Nb", "Ta", "W"), "MoNbTaVW": ("Mo", "Nb", "Ta", "V", "W")}}


@dataclass(frozen=True)
class Crystal:
    """What the theory needs of a crystal, at 0 K, and how it changes as it warms up.

    Parameters
    ----------
    symbols
        Elements, in the order of `composition`.
    composition, misfit_volumes
        Atomic fractions, and misfit volumes in cubic angstrom, shape (elements,).
    moduli
        C11, C12, C44 in GPa.
    lattice_parameter
        In angstrom.
    softening
        Law of the moduli and the length over temperature.
    """

    symbols: tuple[str, ...]
    composition: Floats
    misfit_volumes: Floats
    moduli: Floats
    lattice_parameter: float
    softening: Softening


@dataclass(frozen=True)
class Recipe:
    """The open choices of the theory, the same for a prediction and for the rows that judge it.

    The fields are those of `EdgeStrength`.
    """

    theory: str
    strain_rate: float
    line_tension: float | None
    modulus_rule: str
    interpolation: str

    @property
    def phase(self) -> str:
        """Return the crystal structure that the theory is for."""
        return strength.THEORIES[self.theory].phase

    def stress(self, crystal: Crystal, temperature_K: float) -> tuple[float, float]:
        """Return the resolved yield stress in MPa and the barrier in eV of a crystal at a temperature.

        Raises
        ------
        Unstable
            When the crystal is elastically unstable there.
        """
        theory = strength.THEORIES[self.theory]
        if self.line_tension is not None:
            theory = replace(theory, line_tension=self.line_tension)
        law = crystal.softening
        warm = moduli_at(crystal.moduli, temperature_K, law.einstein_K, law.slope_per_K)
        length = lattice_at(crystal.lattice_parameter, temperature_K, law.einstein_K, law.expansion_per_K)
        moduli = strength.effective_moduli(warm[0], warm[1], warm[2], self.modulus_rule)
        result = strength.solute_strength(
            moduli.shear_GPa,
            moduli.poisson,
            theory.burgers_per_a * length,
            crystal.composition,
            crystal.misfit_volumes,
            temperature_K=temperature_K,
            strain_rate_per_s=self.strain_rate,
            theory=theory,
            interpolation=self.interpolation,
        )
        return float(result.tau_MPa[0]), float(result.barrier_eV[0])


@lru_cache(maxsize=64)
def published_crystal(alloy: str, phase: str) -> Crystal:
    """Return the crystal of a training alloy with the published potential and the mean softening.

    Raises
    ------
    StudyError
        When the alloy is no training alloy of this phase.
    """
    from uqmsm.physics.potential.average_atom import average_atom
    from uqmsm.physics.potential.zhou import published

    known = TRAINABLE.get(phase, {})
    if alloy not in known:
        raise StudyError(f"alloy {alloy!r} has no computable {phase} theory value; known are {', '.join(known)}")
    elements = known[alloy]
    equimolar = np.full(len(elements), 1 / len(elements))
    crystal = average_atom(published(elements).values[None], equimolar, phase)
    return Crystal(
        elements,
        equimolar,
        crystal.misfit_volumes[0],
        np.array([float(crystal.C11[0]), float(crystal.C12[0]), float(crystal.C44[0])]),
        float(crystal.lattice_parameter[0]),
        alloy_softening(element_softening(elements), equimolar),
    )
