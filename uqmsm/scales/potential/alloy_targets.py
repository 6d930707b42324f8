"""What is known of alloys of elements that have no fcc data of their own: the alloy and its equimolar kin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from uqmsm import tables
from uqmsm.errors import StudyError
from uqmsm.physics.softening import alloy_softening, element_softening, warmth_K
from uqmsm.scales.potential.targets import Target, target_of, targets_where_known

Floats = NDArray[np.float64]

__all__ = ["kin_of", "targets_of_kin", "young_and_slopes"]

_BETWEEN_LABORATORIES = 0.05
"""Relative sd of a Young's modulus without a stated one: for CoCrFeNi two laboratories print 189 and 210 GPa."""

_SOFTENED_AT = np.array([195.9, 117.7, 129.3])
"""C11, C12, C44 of CoCrFeMnNi (GPa), at which the softening of a Young's modulus is that of the three."""


def kin_of(elements: Sequence[str], composition: Sequence[float]) -> dict[str, NDArray[np.float64]]:
    """Return name -> fractions (in the order of `elements`) of every other equimolar fcc alloy in the tables.

    Parameters
    ----------
    elements, composition
        The alloy, which is not among its kin.
    """
    own = _name(elements) if np.ptp(composition) < 1e-9 else ""
    found: dict[str, NDArray[np.float64]] = {}
    for row in tables.rows("reference.csv"):
        parts = _parts(row["material"])
        if row["phase"] != "fcc" or row["kind"] != "exp" or len(parts) < 2 or not set(parts) <= set(elements):
            continue
        if _name(parts) != own:
            found[_name(parts)] = np.array([float(element in parts) / len(parts) for element in elements])
    return found


def targets_of_kin(elements: Sequence[str], composition: Sequence[float]) -> tuple[Target, ...]:
    """Return the data: of elements in fcc and of the alloy where there are any, then those of the kin.

    Raises
    ------
    StudyError
        When neither the alloy nor its kin has a lattice parameter: the elements' sizes would be guesses.
    """
    direct = targets_where_known(elements, composition, "fcc")
    kin = kin_of(elements, composition)
    found = list(direct)
    softening = element_softening(elements)
    for name, fractions in kin.items():
        known = targets_where_known(elements, composition, "fcc", {name: list(fractions)})
        found += known
        if not any(datum.quantity == "C44" for datum in known):
            law = alloy_softening(softening, fractions)
            shares = young_and_slopes(_SOFTENED_AT)[1]
            slope = float(shares @ law.slope_per_K)
            doubt = abs(float(shares @ law.slope_sd_per_K))  # one deviate moves all slopes
            rows = [row for row in tables.rows("reference.csv") if _name(_parts(row["material"])) == name]
            young = [r for r in rows if r["quantity"] == "young_modulus" and r["kind"] == "exp" and r["phase"] == "fcc"]
            for row in young[:1]:
                stated = row if row["uncertainty"] else row | {"uncertainty": f"{100 * _BETWEEN_LABORATORIES}%"}
                energy = float(warmth_K(float(row["temperature_K"]), law.einstein_K))
                # read as an elastic constant, whose rules for unverified rows it shares
                datum = replace(target_of(stated, "C44", "GPa", law), quantity="young_modulus")
                found.append(replace(datum, to_zero=1 / (1 - slope * energy), sd_correction=doubt * energy))
    alloys = {datum.material for datum in found if datum.quantity == "lattice_parameter"} - set(elements)
    if not alloys and len(elements) > 1:
        raise StudyError(
            f"data/reference.csv holds no lattice parameter of an fcc alloy of {', '.join(elements)}, so their sizes "
            "would be guesses; add a row with its source"
        )
    return tuple(found)


def young_and_slopes(constants_GPa: Floats) -> tuple[Floats, Floats]:
    """Return Young's modulus of a random polycrystal and its logarithmic derivatives.

    Parameters
    ----------
    constants_GPa
        C11, C12, C44, shape (..., 3).

    Returns
    -------
    modulus_GPa, slopes
        Shape (...), and (..., 3): d ln E / d ln C, which sum to 1. R. Hill, Proc. Phys. Soc. A 65, 349 (1952).
    """
    value = _young(constants_GPa)
    step = 1e-5
    slopes = [
        np.log(_young(constants_GPa * (1 + step * unit)) / _young(constants_GPa * (1 - step * unit))) / (2 * step)
        for unit in np.eye(3)
    ]
    return value, np.stack(slopes, axis=-1)


def _young(constants_GPa: Floats) -> Floats:
    c11, c12, c44 = np.moveaxis(np.asarray(constants_GPa, dtype=np.float64), -1, 0)
    bulk, shear = (c11 + 2 * c12) / 3, c11 - c12
    hill = 0.5 * ((shear + 3 * c44) / 5 + 5 * shear * c44 / (4 * c44 + 3 * shear))
    return np.asarray(9 * bulk * hill / (3 * bulk + hill))


def _name(symbols: Sequence[str]) -> str:
    return "".join(sorted(symbols))


def _parts(material: str) -> list[str]:
    """Return the symbols of an equimolar formula; none where it carries numbers."""
    word, parts = "", []
    for letter in material:
        if not letter.isalpha():
            return []
        if letter.isupper() and word:
            parts.append(word)
            word = ""
        word += letter
    return [*parts, word]
