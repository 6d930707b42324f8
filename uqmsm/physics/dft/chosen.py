"""Which cells and which functionals a study of some elements uses: one choice for all its stages."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.dft.engine import Cell
from uqmsm.physics.dft.reference import materials, reference, shipped

__all__ = ["ELASTIC", "cells_of", "functionals_of", "quantities_of", "strained_of"]

ELASTIC = ("C11", "C12", "C44")
"""What strained cells add to a crystal."""

_FEWEST_VOLUMES = 4  # of an equation of state


def cells_of(elements: Sequence[str]) -> dict[str, Cell]:
    """Return the computed alloy cells that hold these elements and no others, by name, with a whole equation of state.

    Raises
    ------
    StudyError
        When an element was not computed.
    """
    known = materials()
    pure = [name for name, cell in known.items() if len(set(cell.symbols)) == 1]
    missing = [element for element in elements if element not in pure]
    if missing:
        raise StudyError(
            f"no first-principles calculations of {', '.join(missing)}; there are {', '.join(sorted(pure))} (bcc): "
            "leave these elements out, or compute them (studies/dft_reference)"
        )
    return {
        name: cell
        for name, cell in sorted(known.items())
        if len(set(cell.symbols)) > 1 and set(cell.symbols) <= set(elements) and _volumes(name) >= _FEWEST_VOLUMES
    }


def quantities_of(elements: Sequence[str]) -> tuple[str, ...]:
    """Return what is known of every one of these elements: C11, C12 and C44 need strained cells of each."""
    strained = ELASTIC if all(_strained(element) for element in elements) else ()
    return ("lattice_parameter", "bulk_modulus", *strained)


def strained_of(elements: Sequence[str]) -> dict[str, Cell]:
    """Return those of `cells_of` whose elastic constants are known, with a numerical error."""
    return {name: cell for name, cell in cells_of(elements).items() if _strained(name)}


@cache
def _strained(material: str) -> bool:
    said = reference([material], ELASTIC, functionals=[0])
    return len(said.quantities) == len(ELASTIC) and bool(np.isfinite(said.numerical_sd).all())


@cache
def _volumes(material: str) -> int:
    rows = [row for row in shipped().rows if row.calculation.material == material]
    return len({round(row.calculation.cell.volume, 6) for row in rows if row.calculation.role == "volume"})


def functionals_of(elements: Sequence[str], count: int) -> NDArray[np.int64]:
    """Return the numbers of the first functionals of the ensemble for which everything of these elements is known.

    Parameters
    ----------
    elements
        Chemical symbols.
    count
        How many.

    Raises
    ------
    StudyError
        When there are not so many.
    """
    return _functionals(tuple(sorted(elements)), count)


@cache
def _functionals(elements: tuple[str, ...], count: int) -> NDArray[np.int64]:
    said = reference([*elements, *cells_of(elements)], ("lattice_parameter", "bulk_modulus", "formation_energy"))
    whole = np.flatnonzero(said.whole)
    if len(whole) < count:
        raise StudyError(
            f"{count} functionals are wanted; the shipped calculations of {', '.join(elements)} serve {len(whole)}: "
            f"write functionals: {len(whole)} or fewer"
        )
    chosen = whole[:count].astype(np.int64)
    chosen.flags.writeable = False
    return chosen
