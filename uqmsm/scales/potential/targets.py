"""What the potential has to meet: measured and first-principles numbers, brought to 0 K with their uncertainty.

Every number becomes a normal law of its logarithm. Measured values at room temperature are brought to 0 K by the
stated softening law (`uqmsm.physics.softening`); first-principles values of a lattice at rest are brought to 0 K *with*
zero-point motion, whose energy is that of half an Einstein quantum, so that a potential calibrated on both describes
one thing: the crystal at 0 K as it is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from uqmsm import tables
from uqmsm.errors import StudyError
from uqmsm.physics.softening import Softening, alloy_softening, element_softening, warmth_K

__all__ = ["QUANTITIES", "Target", "rows_used", "target_of", "targets", "targets_where_known"]

QUANTITIES = ("lattice_parameter", "cohesive_energy", "C11", "C12", "C44")
"""The classes of data, each with its own model inadequacy."""

_IN_TABLE = ("lattice_parameter_a", "cohesive_energy", "C11", "C12", "C44")
_UNITS = ("angstrom", "eV", "GPa", "GPa", "GPa")
_KINDS = ("exp", "dft")


@dataclass(frozen=True)
class Target:
    """One datum.

    Parameters
    ----------
    material
        Element, or the alloy's formula.
    quantity
        One of `QUANTITIES`.
    measured, unit
        As in the table of reference data.
    temperature_K
        Where it was measured; 0 for a first-principles value of the lattice at rest.
    kind
        ``exp`` or ``dft``; numbers computed with a potential are never data.
    verified
        Whether the number was read in its source. If not, it enters with twice its uncertainty, at least 5 % for
        elastic constants, and is marked wherever it is shown.
    source
        Where it stands.
    to_zero
        Factor that brings it to 0 K, zero-point motion included.
    sd_printed, sd_correction
        Standard deviations of its logarithm: of the number itself (widened if not verified) and of `to_zero`.
    """

    material: str
    quantity: str
    measured: float
    unit: str
    temperature_K: float
    kind: str
    verified: bool
    source: str
    to_zero: float
    sd_printed: float
    sd_correction: float

    @property
    def label(self) -> str:
        """Return ``material.quantity``."""
        return f"{self.material}.{self.quantity}"

    @property
    def value(self) -> float:
        """Return the datum at 0 K, in `unit`."""
        return self.measured * self.to_zero

    @property
    def log_sd(self) -> float:
        """Return the standard deviation of the logarithm, the correction's included."""
        return math.hypot(self.sd_printed, self.sd_correction)


def targets(elements: Sequence[str], composition: Sequence[float], lattice: str) -> tuple[Target, ...]:
    """Return the data of the elements in their lattice and, for an equimolar alloy, those of the alloy.

    Parameters
    ----------
    elements, composition
        Symbols and atomic fractions.
    lattice
        ``"bcc"`` or ``"fcc"``.

    Raises
    ------
    StudyError
        When an element has no lattice parameter in this lattice (hcp Co in an fcc alloy).
    """
    found = targets_where_known(elements, composition, lattice)
    known = {target.material for target in found if target.quantity == "lattice_parameter"}
    strange = [element for element in elements if element not in known]
    if strange:
        raise StudyError(
            f"data/reference.csv holds no measured or first-principles lattice parameter of {', '.join(strange)} in "
            f"{lattice}, so its size would be a guess; add a row with its source, or use the published potential"
        )
    return found


def targets_where_known(
    elements: Sequence[str],
    composition: Sequence[float],
    lattice: str,
    materials: Mapping[str, Sequence[float]] | None = None,
) -> tuple[Target, ...]:
    """Return the same, however little is known of an element, or those of other alloys (name -> fractions)."""
    softening = element_softening(elements)
    chosen = _materials(elements, composition) if materials is None else materials
    laws = {name: alloy_softening(softening, np.asarray(fractions)) for name, fractions in chosen.items()}
    return tuple(target for name, law in laws.items() for target in _of(name, lattice, law))


def rows_used(elements: Sequence[str], composition: Sequence[float], lattice: str) -> list[dict[str, str]]:
    """Return the rows of ``data/reference.csv`` behind `targets`, as text."""
    return [row for name in _materials(elements, composition) for _, _, row in _rows(name, lattice)]


def _materials(elements: Sequence[str], composition: Sequence[float]) -> dict[str, Sequence[float]]:
    """Return name -> fractions of every material with data: the elements and, if equimolar, the alloy."""
    count = len(elements)
    found: dict[str, Sequence[float]] = {e: [float(i == k) for k in range(count)] for i, e in enumerate(elements)}
    if count > 1 and np.ptp(composition) < 1e-9:
        found["".join(sorted(elements))] = composition
    return found


def _rows(name: str, lattice: str) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Yield quantity, unit and row of what is known of one material."""
    rows = [row for row in tables.rows("reference.csv") if row["kind"] in _KINDS and _formula(row["material"]) == name]
    for quantity, word, unit in zip(QUANTITIES, _IN_TABLE, _UNITS, strict=True):
        fits = [r for r in rows if r["quantity"] == word and r["phase"] == lattice]
        fits.sort(key=lambda row: row["verified"] != "yes")  # a number read in its source before one from memory
        if fits:
            yield quantity, unit, fits[0]


def _of(name: str, lattice: str, law: Softening) -> Iterator[Target]:
    for quantity, unit, row in _rows(name, lattice):
        yield target_of(row, quantity, unit, law)


def _formula(material: str) -> str:
    """Return symbols in alphabetical order, so that NbMoTaW is MoNbTaW."""
    parts = [part for part in _symbols(material) if part]
    return "".join(sorted(parts))


def _symbols(material: str) -> list[str]:
    word, parts = "", []
    for letter in material:
        if letter.isupper() and word:
            parts.append(word)
            word = ""
        word += letter
    return [*parts, word]


def target_of(row: dict[str, str], quantity: str, unit: str, law: Softening) -> Target:
    """Return the datum of one row of ``data/reference.csv`` at 0 K; `law` is that of its material."""
    value, verified = float(row["value"]), row["verified"] == "yes"
    printed = _relative(row["uncertainty"], value, f"{row['material']} {row['quantity']}")
    widened = printed if verified else 2.0 * printed
    if not verified and quantity.startswith("C"):
        widened = max(widened, 0.05)
    temperature = float(row["temperature_K"])
    factor, doubt = _to_zero(quantity, row["kind"], temperature, law)
    return Target(
        _formula(row["material"]), quantity, value, unit, temperature, row["kind"], verified, row["source"],
        factor, widened, doubt,
    )  # fmt: skip


def _relative(text: str, value: float, place: str) -> float:
    """Return the relative uncertainty of a row: ``2-4%`` means its upper end, a plain number is in the row's unit."""
    word = text.strip().rpartition("-")[2]
    try:
        return float(word.rstrip("%")) / 100.0 if word.endswith("%") else float(word) / value
    except ValueError:
        raise StudyError(
            f"data/reference.csv, {place}: the uncertainty {text!r} is no number and no percentage; state one, because "
            "a datum without an uncertainty cannot enter a likelihood"
        ) from None


def _to_zero(quantity: str, kind: str, temperature_K: float, law: Softening) -> tuple[float, float]:
    """Return the factor to 0 K and the standard deviation of its logarithm."""
    if quantity == "cohesive_energy":
        return 1.0, 0.0  # tabulated at 0 K
    # softening and expansion are proportional to the energy of an oscillator: warmth above 0 K, half a quantum below
    energy = -0.5 * float(law.einstein_K) if kind == "dft" else float(warmth_K(temperature_K, law.einstein_K))
    if quantity == "lattice_parameter":
        return 1.0 / (1.0 + float(law.expansion_per_K) * energy), abs(float(law.expansion_sd_per_K) * energy)
    i = QUANTITIES.index(quantity) - 2
    return 1.0 / (1.0 - float(law.slope_per_K[i]) * energy), abs(float(law.slope_sd_per_K[i]) * energy)
