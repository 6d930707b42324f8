"""The crystal as the theory sees it: the member's own, the same at another composition, and the published one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import MemberFailed, StudyError, Unstable
from uqmsm.physics import strength
from uqmsm.physics.softening import Softening, alloy_softening, element_softening, lattice_at, moduli_at

__all__ = ["TRAINABLE", "Crystal", "Recipe", "at_training_composition", "fractions_of", "member", "published_crystal"]

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


def member(given: Mapping[str, Any]) -> Crystal:
    """Return the member's crystal from the ports of `EdgeStrength`."""
    from ase.data import chemical_symbols

    symbols = tuple(chemical_symbols[int(number)] for number in given["elements"])
    law = alloy_softening(element_softening(symbols), given["composition"]).deviated(given["softening_deviate"])
    return Crystal(
        symbols,
        given["composition"],
        given["misfit_volumes"],
        given["cold_moduli"],
        float(given["cold_lattice_parameter"]),
        law,
    )


def fractions_of(alloy: str, symbols: tuple[str, ...], phase: str) -> Floats:
    """Return the nominal (equimolar) fractions of a training alloy in another order of elements.

    Raises
    ------
    MemberFailed
        When an element of the alloy is not among `symbols`.
    """
    wanted = TRAINABLE[phase][alloy]
    absent = [symbol for symbol in wanted if symbol not in symbols]
    if absent:
        raise MemberFailed(
            f"the theory's error is learnt from {alloy}, and the member has no {', '.join(absent)}; name a training "
            "alloy of the same elements, or state strength_form as a number"
        )
    return np.array([1 / len(wanted) if symbol in wanted else 0.0 for symbol in symbols])


def at_training_composition(own: Crystal, given: Mapping[str, Any], alloy: str, phase: str) -> Crystal:
    """Return the member's crystal as it would be at the nominal composition of a training alloy.

    The member's own doubt stays: its potential, the inadequacy of it, what relaxation did to the average atom, and its
    softening. Only the composition moves, by the average-atom ratio of the member's potential: each modulus and the
    lattice parameter by its own ratio, the misfit volumes by that of their root mean square (the theory takes nothing
    else of them).

    Raises
    ------
    MemberFailed
        When the potential lacks an element, or the member has no misfit to scale by.
    Unstable
        When this draw of the potential has no average-atom crystal.
    """
    from ase.data import atomic_numbers

    from uqmsm.physics.potential.average_atom import average_atom

    order = {int(number): row for row, number in enumerate(given["potential_elements"])}
    absent = [symbol for symbol in own.symbols if atomic_numbers[symbol] not in order]
    if absent:
        raise MemberFailed(f"the potential has no parameters for {', '.join(absent)}; add them to its elements")
    values = given["potential_parameters"][[order[atomic_numbers[symbol]] for symbol in own.symbols]]
    nominal = fractions_of(alloy, own.symbols, phase)
    both = average_atom(values[None], np.stack([nominal, own.composition]), phase)
    moduli = np.stack([both.C11, both.C12, both.C44])
    if not (np.isfinite(moduli).all() and np.isfinite(both.misfit_volumes).all()):
        raise Unstable("this draw of the potential has no average-atom crystal to tell what the composition does")
    squares = float(own.composition @ both.misfit_volumes[1] ** 2)
    mine = float(own.composition @ own.misfit_volumes**2)
    if not (squares > 0 and mine > 0):
        raise MemberFailed(
            "this heat has no misfit between its atoms, so no solute strength to compare; give two elements or more"
        )
    nominal_law = alloy_softening(element_softening(own.symbols), nominal).deviated(given["softening_deviate"])
    return Crystal(
        own.symbols,
        nominal,
        both.misfit_volumes[0] * np.sqrt(mine / squares),
        own.moduli * moduli[:, 0] / moduli[:, 1],
        own.lattice_parameter * float(both.lattice_parameter[0] / both.lattice_parameter[1]),
        nominal_law,
    )


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
