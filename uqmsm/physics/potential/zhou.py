"""The Zhou-Johnson-Wadley potential: how strongly the atoms of a metal alloy attract and repel each other.

The energy of a set of atoms is ``E = sum_i F_i(rho_i) + 1/2 sum_{i != j} phi_ij(r_ij)`` with the electron density
``rho_i = sum_{j != i} f_j(r_ij)``: each atom is embedded in the density of its neighbours and pays a pair energy.

Source: X. W. Zhou, R. A. Johnson and H. N. G. Wadley, Phys. Rev. B 69, 144113 (2004), Eqs. (1)-(11).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from uqmsm import tables
from uqmsm.errors import StudyError

__all__ = [
    "COLUMNS",
    "Zhou",
    "density",
    "embedding",
    "embedding_at",
    "facts",
    "known_elements",
    "pair",
    "published",
    "radial_at",
]

COLUMNS: tuple[str, ...] = (
    *("re", "fe", "rhoe", "rhos", "alpha", "beta", "A", "B", "kappa", "lambda"),
    *("Fn0", "Fn1", "Fn2", "Fn3", "F0", "F1", "F2", "F3", "eta", "Fe"),
    *("rho_n_over_rhoe", "rho_o_over_rhoe"),
)
"""Names of the numbers of one element, in the order of the last axis of every parameter array."""

RE, FE, RHOE, RHOS, ALPHA, BETA, A, B, KAPPA, LAMBDA = range(10)
FN0, F0, F2, F3, ETA, FEMB, RHO_N, RHO_O = 10, 14, 16, 17, 18, 19, 20, 21

_TABLE = "zhou_eam_parameters.csv"
_DEFAULT_VARIANTS = ("lammps", "extension")


@dataclass(frozen=True)
class Zhou:
    """One set of parameters.

    Parameters
    ----------
    elements
        Chemical symbols, in the order of the first axis of `values`.
    values
        Shape ``(n_elements, len(COLUMNS))``; lengths in angstrom, energies in eV, densities in the units of `fe`.

    Raises
    ------
    StudyError
        When the shape of `values` does not fit.
    """

    elements: tuple[str, ...]
    values: NDArray[np.float64]

    def __post_init__(self) -> None:
        """Refuse values of another shape."""
        expected = (len(self.elements), len(COLUMNS))
        if self.values.shape != expected:
            raise StudyError(
                f"Zhou potential of {', '.join(self.elements)}: the parameters have the shape {self.values.shape}, "
                f"but {len(self.elements)} elements with {len(COLUMNS)} numbers each need {expected}; "
                "give one row per element in the order of COLUMNS"
            )

    def parameter(self, element: str, column: str) -> float:
        """Return one number by its names, e.g. ``potential.parameter("W", "eta")``."""
        return float(self.values[self.elements.index(element), COLUMNS.index(column)])


def facts(elements: Sequence[str], variants: Mapping[str, str] | None = None) -> list[dict[str, str]]:
    """Return the rows of the table of published parameters (text, with mass, number and source), one per element.

    Parameters
    ----------
    elements
        Chemical symbols.
    variants
        Which row to take where an element has several, e.g. ``{"Ni": "paper"}``; default: the values of LAMMPS, else
        the later extensions of the table.

    Raises
    ------
    StudyError
        When the table has no such element or variant.
    """
    known = tables.rows(_TABLE)
    chosen = []
    for element in elements:
        wanted = (variants[element],) if variants and element in variants else _DEFAULT_VARIANTS
        found = [row for row in known if row["element"] == element and row["variant"] in wanted]
        if not found:
            offered = ", ".join(f"{row['element']}/{row['variant']}" for row in known)
            raise StudyError(
                f"the potential has no parameters for {element!r} (variant {' or '.join(wanted)} in data/{_TABLE}); "
                f"choose from {offered}"
            )
        chosen.append(found[0])
    return chosen


def known_elements() -> frozenset[str]:
    """Return the chemical symbols of which `published` knows parameters."""
    return frozenset(row["element"] for row in tables.rows(_TABLE) if row["variant"] in _DEFAULT_VARIANTS)


def published(elements: Sequence[str], variants: Mapping[str, str] | None = None) -> Zhou:
    """Return the published parameters of some elements; arguments and errors as in `facts`."""
    values = [[float(row[column]) for column in COLUMNS] for row in facts(elements, variants)]
    return Zhou(tuple(elements), np.array(values))


@njit(cache=True)
def _screened(x: float, decay: float, centre: float) -> tuple[float, float, float]:
    """Return ``exp(-decay (x - 1)) / (1 + (x - centre)^20)`` with its first and second derivative in `x`."""
    u = x - centre
    u2 = u * u
    u4 = u2 * u2
    u16 = u4 * u4 * u4 * u4
    u18 = u16 * u2
    below = 1.0 + u18 * u2
    value = np.exp(-decay * (x - 1.0)) / below
    slope = 20.0 * u18 * u / below  # logarithmic derivative of the denominator
    rate = decay + slope
    return value, -rate * value, (rate * rate - 380.0 * u18 / below + slope * slope) * value


@njit(cache=True)
def radial_at(row: NDArray[np.float64], r: float) -> tuple[float, float, float, float, float, float]:
    """Return density and like-atom pair energy of one element at one distance, each with two derivatives.

    Parameters
    ----------
    row
        The numbers of the element in the order of `COLUMNS`.
    r
        Distance in angstrom.

    Returns
    -------
    f, f', f'', phi, phi', phi''
        Density (units of `fe`) and pair energy (eV) with derivatives per angstrom.
        Zhou, Johnson & Wadley (2004), Eqs. (2) and (3).
    """
    inverse = 1.0 / row[RE]
    x = r * inverse
    g, g1, g2 = _screened(x, row[BETA], row[LAMBDA])
    h, h1, h2 = _screened(x, row[ALPHA], row[KAPPA])
    fe, a, b = row[FE], row[A], row[B]
    square = inverse * inverse
    return (
        fe * g,
        fe * g1 * inverse,
        fe * g2 * square,
        a * h - b * g,
        (a * h1 - b * g1) * inverse,
        (a * h2 - b * g2) * square,
    )


@njit(cache=True)
def embedding_at(row: NDArray[np.float64], rho: float) -> tuple[float, float, float]:
    """Return the embedding energy (eV) of one element at one density, with two derivatives.

    Zhou, Johnson & Wadley (2004), Eqs. (6)-(8): two cubics below ``rho_o``, a logarithm times a power above.
    """
    rhoe = row[RHOE]
    if rho < row[RHO_O] * rhoe:
        low = rho < row[RHO_N] * rhoe
        scale = row[RHO_N] * rhoe if low else rhoe
        first = FN0 if low else F0
        c0, c1, c2, c3 = row[first], row[first + 1], row[first + 2], row[first + 3]
        t = rho / scale - 1.0
        value = c0 + t * (c1 + t * (c2 + t * c3))
        return value, (c1 + t * (2.0 * c2 + 3.0 * t * c3)) / scale, (2.0 * c2 + 6.0 * t * c3) / (scale * scale)
    eta, rhos = row[ETA], row[RHOS]
    log = np.log(rho / rhos)
    power = row[FEMB] * np.exp(eta * log)
    slope = -power * eta * eta * log / rho
    return power * (1.0 - eta * log), slope, (slope * (eta - 1.0) - power * eta * eta / rho) / rho


@njit(cache=True)
def _radial(row: NDArray[np.float64], r: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    for k in range(r.size):
        out[0, k], out[1, k], _, out[2, k], out[3, k], _ = radial_at(row, r[k])


@njit(cache=True)
def _embedding(row: NDArray[np.float64], rho: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    for k in range(rho.size):
        out[0, k], out[1, k], _ = embedding_at(row, rho[k])


def _flat(x: ArrayLike) -> tuple[NDArray[np.float64], tuple[int, ...]]:
    array = np.asarray(x, dtype=np.float64)
    return np.ascontiguousarray(array).reshape(-1), array.shape


def _like(zhou: Zhou, i: int, r: NDArray[np.float64]) -> NDArray[np.float64]:
    out = np.empty((4, r.size))
    _radial(np.ascontiguousarray(zhou.values[i]), r, out)
    return out


def density(zhou: Zhou, j: int, r: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the density that an atom of element `j` spreads at distance `r`, and its derivative.

    Parameters
    ----------
    zhou
        Parameters.
    j
        Index of the element in ``zhou.elements``.
    r
        Distances in angstrom, any shape.

    Returns
    -------
    f, df_dr
        Same shape as `r`; units of `fe`, and per angstrom. Zhou, Johnson & Wadley (2004), Eq. (3).
    """
    flat, shape = _flat(r)
    like = _like(zhou, j, flat)
    return like[0].reshape(shape), like[1].reshape(shape)


def pair(zhou: Zhou, i: int, j: int, r: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the pair energy of elements `i` and `j` at distance `r` (eV), and its derivative (eV per angstrom).

    Unlike atoms follow Johnson's rule ``phi_ab = 1/2 [(f_b / f_a) phi_aa + (f_a / f_b) phi_bb]``,
    Zhou, Johnson & Wadley (2004), Eq. (5). Arguments as in `density`.
    """
    flat, shape = _flat(r)
    f, df, phi, dphi = _like(zhou, i, flat)
    if i != j:
        g, dg, psi, dpsi = _like(zhou, j, flat)
        ratio = g / f
        dratio = dg / f - ratio * df / f
        phi, dphi = (
            0.5 * (ratio * phi + psi / ratio),
            0.5 * (dratio * phi + ratio * dphi + dpsi / ratio - psi * dratio / ratio**2),
        )
    return phi.reshape(shape), dphi.reshape(shape)


def embedding(zhou: Zhou, i: int, rho: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the energy of embedding an atom of element `i` in density `rho` (eV), and its derivative.

    Parameters
    ----------
    zhou, i
        Parameters and index of the element.
    rho
        Densities in the units of `fe`, any shape, not negative.

    Returns
    -------
    F, dF_drho
        Same shape as `rho`. Zhou, Johnson & Wadley (2004), Eqs. (6)-(8).
    """
    flat, shape = _flat(rho)
    out = np.empty((2, flat.size))
    _embedding(np.ascontiguousarray(zhou.values[i]), flat, out)
    return out[0].reshape(shape), out[1].reshape(shape)
