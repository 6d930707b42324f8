"""Effective fcc elements: metals of other crystals as they behave inside fcc alloys, scaled from nickel.

Co, Cr, Fe and Mn are not fcc at rest, and the published numbers of Cr and Fe in this form give alloys that are nearly
unstable. Inside CoCrFeMnNi and its kin they are fcc atoms of a known size: their numbers here are those of Ni, with
lengths scaled to their volume in fcc alloys (C. Varvenne, A. Luque and W. A. Curtin, Acta Mater. 118, 164 (2016)) and
energies to their cohesive energy. It is where a calibration on alloys begins, not where it ends: one shape for all
elements makes local distortions too mild. All elements fitted in one lattice: D. Farkas and A. Caro, J. Mater. Res. 33,
3218 (2018).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uqmsm import tables
from uqmsm.errors import StudyError
from uqmsm.physics.potential.crystal import pure_crystals
from uqmsm.physics.potential.free import PER_ELEMENT
from uqmsm.physics.potential.zhou import F0, FEMB, FN0, RE, A, B, Zhou, published

__all__ = ["Scales", "effective_fcc", "effective_rows", "scales", "spread", "whole_cutoff"]

_TABLE = "effective_fcc.csv"
_WORDS = {"element", "unit", "verified", "source"}
_ENERGIES = (A, B, *range(FN0, F0 + 4), FEMB)
_BEYOND_SIXTH_SHELL = 2.55
"""In nearest distances: the sixth shell of fcc lies at sqrt(6) = 2.45."""


@dataclass(frozen=True)
class Scales:
    """How an effective element differs from Ni, and how well that is known; arrays of shape (n_elements,).

    Attributes
    ----------
    length, energy
        Factors on lengths and energies.
    length_sd, energy_sd
        Standard deviations of their logarithms.
    shape_sd
        Spread of the shape's numbers, over that among all fcc metals.
    """

    length: NDArray[np.float64]
    energy: NDArray[np.float64]
    length_sd: NDArray[np.float64]
    energy_sd: NDArray[np.float64]
    shape_sd: NDArray[np.float64]


def effective_rows(elements: Sequence[str]) -> list[dict[str, str]]:
    """Return the rows of ``data/effective_fcc.csv``, one per element.

    Raises
    ------
    StudyError
        When there is none.
    """
    known = {row["element"]: row for row in tables.rows(_TABLE)}
    absent = [element for element in elements if element not in known]
    if absent:
        raise StudyError(
            f"{', '.join(absent)}: no effective fcc element (data/{_TABLE} has {', '.join(known)}); choose among "
            "these, or add a row with its source"
        )
    return [known[element] for element in elements]


def scales(elements: Sequence[str]) -> Scales:
    """Return factors from Ni to each element; errors as in `effective_rows`.

    The volume of Ni is that of its own published numbers at rest, so that every element, Ni included, has the
    volume of the table.
    """
    rows = effective_rows(elements)
    read = {key: np.array([float(row[key]) for row in rows]) for key in rows[0] if key not in _WORDS}
    volume = float(pure_crystals(published(("Ni",)).values, "fcc").lattice_parameter[0]) ** 3 / 4.0
    return Scales(
        np.cbrt(read["atomic_volume"] / volume),
        read["energy_over_Ni"],
        read["atomic_volume_sd"] / read["atomic_volume"] / 3.0,
        read["energy_sd"],
        read["shape_sd"],
    )


def effective_fcc(elements: Sequence[str]) -> Zhou:
    """Return the numbers of Ni scaled to each element; errors as in `effective_rows`."""
    of = scales(elements)
    values = np.repeat(published(("Ni",)).values, len(of.length), axis=0)
    values[:, RE] *= of.length
    values[:, _ENERGIES] *= of.energy[:, None]
    return Zhou(tuple(elements), values)


def spread(elements: Sequence[str], of_metals: dict[str, float]) -> NDArray[np.float64]:
    """Return standard deviations of the free parameters, shape (n_elements, 10).

    Parameters
    ----------
    elements
        Symbols.
    of_metals
        Spread of each of `PER_ELEMENT` over the published fcc metals.
    """
    known = scales(elements)
    wide = np.array([of_metals[name] for name in PER_ELEMENT])
    found = known.shape_sd[:, None] * wide
    found[:, PER_ELEMENT.index("ln_re")] = known.length_sd
    found[:, PER_ELEMENT.index("ln_Ec")] = known.energy_sd
    return np.asarray(found)


def whole_cutoff(values: NDArray[np.float64]) -> float:
    """Return a cutoff (angstrom) beyond the sixth shell of fcc, clear of any shell; `values` as in `Zhou`."""
    return _BEYOND_SIXTH_SHELL * float(values[:, RE].max())
