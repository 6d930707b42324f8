"""The member's crystal, and the same with all its doubt at the composition of the measured alloy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import MemberFailed, Unstable
from uqmsm.physics.softening import Softening, alloy_softening, element_softening
from uqmsm.scales.strength.recipe import TRAINABLE, Crystal
from uqmsm.scales.upstream import potential_rows

__all__ = ["at_training_composition", "fractions_of", "member"]

Floats = NDArray[np.float64]


def member(given: Mapping[str, Any]) -> Crystal:
    """Return the member's crystal from the ports of `EdgeStrength`."""
    from ase.data import chemical_symbols

    symbols = tuple(chemical_symbols[int(number)] for number in given["elements"])
    return Crystal(
        symbols,
        given["composition"],
        given["misfit_volumes"],
        given["cold_moduli"],
        float(given["cold_lattice_parameter"]),
        _softening(symbols, given["composition"], given),
    )


def _softening(symbols: tuple[str, ...], fractions: Floats, given: Mapping[str, Any]) -> Softening:
    """Return the law at some fractions: the handbook's there, and what the member's differs by."""
    law = alloy_softening(element_softening(symbols), fractions).deviated(given["softening_deviate"])
    return replace(
        law,
        slope_per_K=law.slope_per_K + given["softening_offset"],
        expansion_per_K=law.expansion_per_K + given["expansion_offset"],
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
    from uqmsm.physics.potential.average_atom import average_atom

    _, rows = potential_rows(given, own.symbols)
    values = given["potential_parameters"][rows]
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
    return Crystal(
        own.symbols,
        nominal,
        both.misfit_volumes[0] * np.sqrt(mine / squares),
        own.moduli * moduli[:, 0] / moduli[:, 1],
        own.lattice_parameter * float(both.lattice_parameter[0] / both.lattice_parameter[1]),
        _softening(own.symbols, nominal, given),
    )
