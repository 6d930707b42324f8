"""How a crystal grows softer and larger as it warms up.

A stated law that stands in until the moduli are computed at temperature. Both follow the energy of one
Einstein oscillator, g(T) = t / (exp(t/T) - 1) in kelvin: flat at 0 K, parallel to T when hot, where
g -> T - t/2. Moduli: C(T) = C(0) (1 - s g(T)) (Varshni, Phys. Rev. B 2, 3952 (1970), whose s and t are
the products here). Length: a(T) = a(0) (1 + alpha_hot g(T)), the integral of alpha(T) = alpha_hot dg/dT.
The slopes of an alloy are the averages of its elements' over the composition: a rule, not a measurement,
so their spread is wide and belongs to ignorance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from uqmsm import tables
from uqmsm.errors import StudyError

__all__ = [
    "ElementSoftening",
    "Softening",
    "alloy_softening",
    "element_softening",
    "lattice_at",
    "moduli_at",
    "warmth_K",
]

Floats = NDArray[np.float64]
CONSTANTS = ("C11", "C12", "C44")


@dataclass(frozen=True)
class ElementSoftening:
    """What the tables say of each element, in the order asked for.

    Attributes
    ----------
    elements : tuple of str
    einstein_K : ndarray, shape (species,)
        Characteristic temperature t, three quarters of the Debye temperature.
    slope_per_K, slope_sd_per_K : ndarray, shape (species, 3)
        Relative slopes of (C11, C12, C44) when hot, and their standard deviations.
    expansion_per_K, expansion_sd_per_K : ndarray, shape (species,)
        Linear thermal expansion when hot, and its standard deviation.
    """

    elements: tuple[str, ...]
    einstein_K: Floats
    slope_per_K: Floats
    slope_sd_per_K: Floats
    expansion_per_K: Floats
    expansion_sd_per_K: Floats


@dataclass(frozen=True)
class Softening:
    """The law of one alloy, or of one alloy per member; fields as in `ElementSoftening` without the species axis."""

    einstein_K: Floats
    slope_per_K: Floats
    slope_sd_per_K: Floats
    expansion_per_K: Floats
    expansion_sd_per_K: Floats

    def deviated(self, deviate: ArrayLike) -> Softening:
        """Return the law with slopes and expansion moved by so many of their standard deviations.

        One number moves all of them: softening and expansion are both anharmonicity, and what is wrong with
        handbook slopes and their mixing rule is wrong for all constants alike. `deviate` has the members' shape.
        """
        z = np.asarray(deviate, dtype=np.float64)
        slope = self.slope_per_K + z[..., None] * self.slope_sd_per_K
        return replace(self, slope_per_K=slope, expansion_per_K=self.expansion_per_K + z * self.expansion_sd_per_K)


def warmth_K(temperature_K: ArrayLike, einstein_K: ArrayLike) -> Floats:
    """Return g(T) = t / (exp(t/T) - 1) in kelvin, zero at 0 K.

    Raises
    ------
    StudyError
        When a temperature is negative.
    """
    T, t = np.broadcast_arrays(np.asarray(temperature_K, dtype=np.float64), np.asarray(einstein_K, dtype=np.float64))
    shape, T, t = T.shape, np.ascontiguousarray(T).ravel(), np.ascontiguousarray(t).ravel()
    if np.any(T < 0):
        raise StudyError(f"warmth_K: temperature_K is {T.min():g}, but must be >= 0; give it in kelvin")
    ratio = np.divide(t, T, out=np.full(T.shape, np.inf), where=T > 0)
    # beyond 700 the exponential overflows and g is zero to the last bit
    return np.where(ratio < 700, t / np.expm1(np.minimum(ratio, 700.0)), 0.0).reshape(shape)


def element_softening(elements: Sequence[str]) -> ElementSoftening:
    """Read slopes and expansions of the elements from the tables.

    The expansion at 298 K of the reference table is brought to its hot value by the Einstein heat
    capacity. Rows that are not verified enter with twice the uncertainty printed.

    Raises
    ------
    StudyError
        When an element has no row.
    """
    return _read(tuple(elements))


@lru_cache(maxsize=64)  # members ask for the same elements over and over
def _read(elements: tuple[str, ...]) -> ElementSoftening:
    table = {row["element"]: row for row in tables.rows("moduli_softening.csv")}
    reference = {
        row["material"]: row for row in tables.rows("reference.csv") if row["quantity"] == "linear_thermal_expansion"
    }
    for element in elements:
        if element not in table or element not in reference:
            raise StudyError(
                f"softening: no row for element {element!r}; moduli_softening.csv holds {', '.join(table)}; "
                "add a row with its source"
            )
    rows = [table[e] for e in elements]
    t = np.array([float(r["einstein_temperature_K"]) for r in rows])
    slope = 1e-4 * np.array([[float(r[f"{c}_slope"]) for c in CONSTANTS] for r in rows])
    slope_sd = 1e-4 * np.array([[float(r[f"{c}_slope_sd"]) for c in CONSTANTS] for r in rows])
    expansion = [reference[e] for e in elements]
    measured_at = np.array([float(r["temperature_K"]) for r in expansion])
    hot = 1e-6 * np.array([float(r["value"]) for r in expansion]) / _heat_capacity(t / measured_at)
    widening = np.array([1.0 if r["verified"] == "yes" else 2.0 for r in expansion])
    relative = np.array([float(r["uncertainty"].rstrip("%")) / 100 for r in expansion])
    return ElementSoftening(elements, t, slope, slope_sd, hot, widening * relative * hot)


def alloy_softening(of: ElementSoftening, fractions: ArrayLike) -> Softening:
    """Average the law of the elements over the composition.

    The standard deviations are averaged too, not their squares: what is wrong with the rule is wrong for
    all elements alike.

    Parameters
    ----------
    of : ElementSoftening
        The elements, in the order of the fractions.
    fractions : array_like, shape (..., species)
        Atomic fractions, one composition per member.

    Raises
    ------
    StudyError
        When the number of fractions is not the number of elements.
    """
    c = np.asarray(fractions, dtype=np.float64)
    if c.shape[-1] != len(of.elements):
        raise StudyError(
            f"alloy_softening: {c.shape[-1]} fractions for {len(of.elements)} elements; give one per element"
        )
    return Softening(
        _average(c, of.einstein_K),
        _average(c, of.slope_per_K),
        _average(c, of.slope_sd_per_K),
        _average(c, of.expansion_per_K),
        _average(c, of.expansion_sd_per_K),
    )


def moduli_at(moduli_GPa: ArrayLike, temperature_K: ArrayLike, einstein_K: ArrayLike, slope_per_K: ArrayLike) -> Floats:
    """Return (C11, C12, C44) at temperature from their values at 0 K.

    Parameters
    ----------
    moduli_GPa : array_like, shape (..., 3)
        Constants at 0 K.
    temperature_K, einstein_K : array_like, shape (...)
        Temperature and characteristic temperature of each member.
    slope_per_K : array_like, shape (..., 3)
        Relative slopes: the means of `alloy_softening`, or a draw.

    Returns
    -------
    ndarray, shape (..., 3)
        GPa. It may be unstable for a wild draw of the slopes; `strength.is_stable` tells.
    """
    return np.asarray(moduli_GPa) * (1 - np.asarray(slope_per_K) * warmth_K(temperature_K, einstein_K)[..., None])


def lattice_at(
    lattice_A: ArrayLike, temperature_K: ArrayLike, einstein_K: ArrayLike, expansion_per_K: ArrayLike
) -> Floats:
    """Return the lattice parameter in angstrom at temperature from its value at 0 K."""
    return np.asarray(lattice_A) * (1 + np.asarray(expansion_per_K) * warmth_K(temperature_K, einstein_K))


def _heat_capacity(x: Floats) -> Floats:
    """Return dg/dT at x = t/T: the Einstein heat capacity over its classical value."""
    return np.asarray((x / 2 / np.sinh(x / 2)) ** 2)


def _average(fractions: Floats, values: Floats) -> Floats:
    """Average over species by a loop, so that the order of the sum never depends on the batch."""
    tail = (1,) * (values.ndim - 1)
    total = np.zeros(fractions.shape[:-1] + values.shape[1:])
    for n in range(len(values)):
        total = total + fractions[..., n].reshape(fractions.shape[:-1] + tail) * values[n]
    return total
