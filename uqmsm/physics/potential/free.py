"""The independent numbers behind a Zhou potential: what may vary without tearing the curves apart.

The 22 numbers of an element are not independent. Free are the ten of `PER_ELEMENT`; all others follow:

- ``B`` from zero pressure at the lattice parameter, ``F0`` from the cohesive energy, ``F1 = 0`` and ``rhoe`` the
  density there. ``F1 = 0`` fixes an exact invariance: ``F -> F + k rho`` with ``phi -> phi - 2 k f`` changes nothing.
- The lower embedding branch from ``F(0) = 0`` and from value, slope and curvature at ``rho_n = 0.85 rhoe``.
- The upper branch ``(Fe, eta)`` from value and slope at ``rho_o = 1.15 rhoe``, with ``rhos = rhoe``.
- Scaling all densities of all elements changes nothing either, so only ratios to the first element's ``fe`` are free;
  a pure element can never tell its own: only alloy data can.

An element is a crystal of the reference lattice here, also one that prefers another ("effective" fcc elements).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from numba import njit
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.potential.crystal import pure_crystals, shells
from uqmsm.physics.potential.zhou import (
    ALPHA,
    BETA,
    COLUMNS,
    ETA,
    F0,
    F2,
    F3,
    FE,
    FEMB,
    FN0,
    KAPPA,
    LAMBDA,
    RE,
    RHO_N,
    RHO_O,
    RHOE,
    RHOS,
    A,
    B,
    Zhou,
    embedding_at,
    published,
    radial_at,
)

__all__ = ["PER_ELEMENT", "free_from", "free_names", "zhou_from_free"]

PER_ELEMENT: tuple[str, ...] = (
    *("ln_re", "ln_Ec", "ln_A", "ln_beta", "ln_alpha_over_beta", "ln_F2", "F3", "ln_kappa", "ln_lambda"),
    "ln_fe_ratio",
)
"""Free parameters of one element: logarithms of what is positive (angstrom, eV, eV, 1, 1, eV), F3 in eV."""

LN_RE, LN_EC, LN_A, LN_BETA, LN_RATIO, LN_F2, FREE_F3, LN_KAPPA, LN_LAMBDA, LN_FE = range(len(PER_ELEMENT))
_JOINS = (0.85, 1.15)


def free_names(elements: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the free parameters, e.g. ``"Nb.ln_re"``: ten per element, nine for the first."""
    names = [f"{element}.{name}" for element in elements for name in PER_ELEMENT]
    names.remove(f"{elements[0]}.{PER_ELEMENT[LN_FE]}")
    return tuple(names)


@njit(cache=True)
def _upper_branch(value: float, slope: float, rho_over_rhos: float) -> tuple[float, float]:
    """Return Fe and eta so that value and ``d/dln(rho)`` are met; NaN when no such branch exists.

    With L = ln(rho/rhos) and q = slope/value the form gives ``L eta^2 - q L eta + q = 0``; the positive root is wanted.
    """
    log = np.log(rho_over_rhos)
    q = slope / value
    root = q * q * log * log - 4.0 * log * q
    if not (value < 0.0 and root >= 0.0):
        return np.nan, np.nan
    eta = (q * log + np.sqrt(root)) / (2.0 * log)
    strength = value * np.exp(-eta * log) / (1.0 - eta * log)
    return (strength, eta) if eta >= 0.0 and strength < 0.0 else (np.nan, np.nan)


@njit(cache=True)
def _embed(row: NDArray[np.float64], f0: float, f2: float, f3: float, rhoe: float) -> bool:
    """Write all embedding numbers of one element from its middle branch; tell whether an upper branch exists."""
    row[RHOE], row[RHOS], row[RHO_N], row[RHO_O] = rhoe, rhoe, _JOINS[0], _JOINS[1]
    row[F0], row[F0 + 1], row[F2], row[F3] = f0, 0.0, f2, f3
    t = _JOINS[0] - 1.0
    c0 = f0 + t * t * (f2 + t * f3)
    c1 = _JOINS[0] * t * (2.0 * f2 + 3.0 * t * f3)
    c2 = 0.5 * _JOINS[0] * _JOINS[0] * (2.0 * f2 + 6.0 * t * f3)
    row[FN0], row[FN0 + 1], row[FN0 + 2], row[FN0 + 3] = c0, c1, c2, c0 - c1 + c2
    t = _JOINS[1] - 1.0
    value = f0 + t * t * (f2 + t * f3)
    row[FEMB], row[ETA] = _upper_branch(value, _JOINS[1] * t * (2.0 * f2 + 3.0 * t * f3), _JOINS[1])
    return bool(np.isfinite(row[ETA]))


@njit(cache=True)
def _fill(free: NDArray[np.float64], table: NDArray[np.float64], row: NDArray[np.float64]) -> None:
    """Write one row of the parameter table from ten free numbers (the last one: ln of fe itself)."""
    re = np.exp(free[LN_RE])
    row[RE] = re
    row[BETA] = np.exp(free[LN_BETA])
    row[ALPHA] = row[BETA] * np.exp(free[LN_RATIO])
    row[KAPPA], row[LAMBDA] = np.exp(free[LN_KAPPA]), np.exp(free[LN_LAMBDA])
    row[A], row[B], row[FE] = np.exp(free[LN_A]), 0.0, 1.0
    rho = bond_pull = pair_pull = energy = 0.0
    a = re / table[0, 0]
    for k in range(table.shape[1]):
        s, count = table[0, k], table[1, k]
        g, g1, _, h, h1, _ = radial_at(row, s * a)
        rho += count * g
        energy += 0.5 * count * h
        bond_pull += count * s * g1
        pair_pull += count * s * h1
    row[B] = pair_pull / bond_pull if bond_pull != 0.0 else np.nan  # densities that underflow bind nothing
    f0 = -np.exp(free[LN_EC]) - energy + 0.5 * row[B] * rho
    row[FE] = np.exp(free[LN_FE])
    good = _embed(row, f0, np.exp(free[LN_F2]), free[FREE_F3], row[FE] * rho)
    for k in range(row.size):
        if not good:
            row[k] = np.nan


@njit(cache=True)
def _fill_all(free: NDArray[np.float64], table: NDArray[np.float64], values: NDArray[np.float64]) -> None:
    for m in range(free.shape[0]):
        for i in range(free.shape[1]):
            _fill(free[m, i], table, values[m, i])


def whole(elements: Sequence[str], vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return free vectors as an array (draws, n_elements, 10), the first element's density ratio put in as zero.

    Raises
    ------
    StudyError
        When the last axis of `vectors` does not fit the elements.
    """
    names = free_names(elements)
    if vectors.shape[-1] != len(names):
        raise StudyError(
            f"free parameters of {'-'.join(elements)}: {vectors.shape[-1]} numbers given, {len(names)} needed; "
            "they are listed by free_names"
        )
    whole = np.insert(vectors, len(PER_ELEMENT) - 1, 0.0, axis=-1)
    return np.ascontiguousarray(whole.reshape(-1, len(elements), len(PER_ELEMENT)))


@cache
def _ln_reference_density(element: str) -> float:
    """Return the logarithm of the published ``fe`` of the first element, which sets the unit of all densities."""
    return float(np.log(published((element,)).values[0, FE]))


def zhou_from_free(elements: Sequence[str], vectors: NDArray[np.float64], lattice: str) -> NDArray[np.float64]:
    """Return full parameter tables from free vectors.

    Parameters
    ----------
    elements
        Chemical symbols.
    vectors
        Shape ``(..., d)`` with ``d = len(free_names(elements))``.
    lattice
        Reference lattice ``"bcc"`` or ``"fcc"``, in which `re` and the cohesive energy are met exactly.

    Returns
    -------
    NDArray
        Shape ``(..., n_elements, n_columns)``. The row of an element is NaN when its middle embedding branch falls so
        steeply at 1.15 rhoe that no upper branch of the form exists.

    Raises
    ------
    StudyError
        When the last axis of `vectors` does not fit the elements.
    """
    vectors = np.asarray(vectors, dtype=np.float64)
    free = whole(elements, vectors)
    free[..., LN_FE] += _ln_reference_density(elements[0])
    values = np.empty((*free.shape[:2], len(COLUMNS)))
    _fill_all(free, shells(lattice).table(), values)
    return values.reshape(*vectors.shape[:-1], len(elements), len(COLUMNS))


def free_from(zhou: Zhou, lattice: str) -> NDArray[np.float64]:
    """Return the free vector nearest to a potential: same lattice, energy, curvature and decay of every element.

    Exact for elements whose lattice is the fitted one (all of the 2004 set); where it is not (V), the powers of 20 in
    the form move a little and the elastic constants with them.

    Parameters
    ----------
    zhou
        Parameters.
    lattice
        Reference lattice ``"bcc"`` or ``"fcc"``.

    Returns
    -------
    NDArray
        Shape ``(d,)``, ordered as `free_names`.

    Raises
    ------
    StudyError
        When an element has no equilibrium in this lattice or a curvature F2 that is not positive (Cr).
    """
    crystals = pure_crystals(zhou.values, lattice)
    table = shells(lattice)
    free = np.empty((len(zhou.elements), len(PER_ELEMENT)))
    for i, (element, row) in enumerate(zip(zhou.elements, zhou.values, strict=True)):
        a = float(crystals.lattice_parameter[i])
        re = a * float(table.distance[0])
        rho = sum(n * radial_at(row, s * a)[0] for s, n in zip(table.distance, table.count, strict=True))
        curvature = 0.5 * rho**2 * embedding_at(row, rho)[2]
        if not curvature > 0.0:
            raise StudyError(
                f"free parameters of {element} in {lattice}: the curvature F2 of its embedding energy is {curvature:g} "
                "eV, but the logarithm of a positive number is sampled; this element cannot be calibrated in this form"
            )
        stretch = re / row[RE]
        decay = row[[ALPHA, BETA]] * stretch
        shift = row[[ALPHA, BETA]] - decay
        free[i] = [
            *np.log([re, crystals.cohesive_energy[i]]),
            np.log(row[A]) + shift[0],
            *np.log([decay[1], decay[0] / decay[1], curvature]),
            row[F3] * (rho / row[RHOE]) ** 3,
            *np.log(row[[KAPPA, LAMBDA]] / stretch),
            np.log(row[FE]) + shift[1],
        ]
    free[:, LN_FE] -= free[0, LN_FE]
    return np.delete(free.reshape(-1), len(PER_ELEMENT) - 1)
