"""How lattice, cohesive energy and elastic constants answer to the free parameters of a potential: exact derivatives.

Crystals answer to the numbers of the parameter table (`uqmsm.physics.potential.slopes`), and these to the free
parameters through the conditions that tie them (`uqmsm.physics.potential.free`): here is the second step, and both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from uqmsm.physics.potential.crystal import shells
from uqmsm.physics.potential.free import (
    FREE_F3,
    LN_A,
    LN_BETA,
    LN_EC,
    LN_F2,
    LN_FE,
    LN_KAPPA,
    LN_LAMBDA,
    LN_RATIO,
    LN_RE,
    PER_ELEMENT,
    whole,
    zhou_from_free,
)
from uqmsm.physics.potential.slopes import ANSWERS, crystal_slopes, screened
from uqmsm.physics.potential.zhou import (
    ALPHA,
    BETA,
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
)

__all__ = ["ANSWERS", "Sensitivity", "column_slopes", "sensitivity"]

Floats = NDArray[np.float64]


@njit(cache=True)
def _fitted(row: Floats, table: Floats, out: Floats) -> None:
    """Write B, density per `fe`, pair energy of A alone, each with its slopes in (A, alpha, kappa, beta, lambda).

    At the fitted lattice ``x = r / re`` does not depend on any of them, so neither do the lattice sums on `re`.
    """
    g, h = np.empty(4), np.empty(4)
    pull, bond = np.zeros(3), np.zeros(3)  # sums of h' and g': value, slope in decay, slope in centre
    rho, energy = np.zeros(3), np.zeros(3)
    for k in range(table.shape[1]):
        x, count = table[0, k] / table[0, 0], table[1, k]
        screened(x, row[BETA], row[LAMBDA], g)
        screened(x, row[ALPHA], row[KAPPA], h)
        for sums, first, decay, size in ((rho, g, row[BETA], count), (energy, h, row[ALPHA], 0.5 * count)):
            sums[0] += size * first[0]
            sums[1] -= size * (x - 1.0) * first[0]
            sums[2] -= size * (first[1] + decay * first[0])
        for sums, first, decay in ((bond, g, row[BETA]), (pull, h, row[ALPHA])):
            sums[0] += count * x * first[1]
            sums[1] -= count * x * ((x - 1.0) * first[1] + first[0])
            sums[2] -= count * x * (first[2] + decay * first[1])
    a, b = row[A], row[A] * pull[0] / bond[0]
    out[0] = np.array([b, b / a, b * pull[1] / pull[0], b * pull[2] / pull[0],
                       -b * bond[1] / bond[0], -b * bond[2] / bond[0]])  # fmt: skip
    out[1] = np.array([rho[0], 0.0, 0.0, 0.0, rho[1], rho[2]])
    out[2] = np.array([a * energy[0], energy[0], a * energy[1], a * energy[2], 0.0, 0.0])


@njit(cache=True)
def _branches(f0: Floats, f2: Floats, f3: Floats, row: Floats, out: Floats) -> None:
    """Write the slopes of all embedding numbers from those of F0, F2 and F3 in the ten free parameters."""
    low, high = row[RHO_N], row[RHO_O]
    t, u, log = low - 1.0, high - 1.0, np.log(high)
    value = row[F0] + u * u * (row[F2] + u * row[F3])
    slope = high * u * (2.0 * row[F2] + 3.0 * u * row[F3])
    q, eta = slope / value, row[ETA]
    root = np.sqrt(q * q * log * log - 4.0 * log * q)
    for p in range(f0.size):
        c0 = f0[p] + t * t * (f2[p] + t * f3[p])
        c1, c2 = low * t * (2.0 * f2[p] + 3.0 * t * f3[p]), 0.5 * low * low * (2.0 * f2[p] + 6.0 * t * f3[p])
        out[FN0, p], out[FN0 + 1, p], out[FN0 + 2, p], out[FN0 + 3, p] = c0, c1, c2, c0 - c1 + c2
        out[F0, p], out[F2, p], out[F3, p] = f0[p], f2[p], f3[p]
        dv = f0[p] + u * u * (f2[p] + u * f3[p])
        dq = (high * u * (2.0 * f2[p] + 3.0 * u * f3[p]) - q * dv) / value
        out[ETA, p] = 0.5 * dq * (1.0 + (q * log - 2.0) / root)
        out[FEMB, p] = row[FEMB] * (dv / value + (log / (1.0 - eta * log) - log) * out[ETA, p])


@njit(cache=True)
def _column_slopes(row: Floats, table: Floats, cohesive: float, out: Floats) -> None:
    """Write the derivatives of the columns of one element in its ten free parameters to `out`, shape (22, 10)."""
    fitted = np.empty((3, 6))
    _fitted(row, table, fitted)
    steps = np.zeros((5, 10))  # of A, alpha, kappa, beta, lambda
    steps[0, LN_A], steps[1, LN_RATIO], steps[2, LN_KAPPA] = row[A], row[ALPHA], row[KAPPA]
    steps[1, LN_BETA], steps[3, LN_BETA], steps[4, LN_LAMBDA] = row[ALPHA], row[BETA], row[LAMBDA]
    out[:] = 0.0
    out[RE, LN_RE], out[FE, LN_FE] = row[RE], row[FE]
    f0, f2, f3 = np.zeros(10), np.zeros(10), np.zeros(10)
    f0[LN_EC], f2[LN_F2], f3[FREE_F3] = -cohesive, row[F2], 1.0
    for p in range(10):
        b = rho = energy = 0.0
        for k in range(5):
            b += fitted[0, 1 + k] * steps[k, p]
            rho += fitted[1, 1 + k] * steps[k, p]
            energy += fitted[2, 1 + k] * steps[k, p]
        out[A, p], out[ALPHA, p], out[KAPPA, p] = steps[0, p], steps[1, p], steps[2, p]
        out[BETA, p], out[LAMBDA, p], out[B, p] = steps[3, p], steps[4, p], b
        out[RHOE, p] = row[FE] * rho + (row[RHOE] if p == LN_FE else 0.0)
        out[RHOS, p] = out[RHOE, p]
        f0[p] += 0.5 * (b * fitted[1, 0] + row[B] * rho) - energy
    _branches(f0, f2, f3, row, out)


@njit(cache=True)
def _all_column_slopes(free: Floats, values: Floats, table: Floats, out: Floats) -> None:
    for m in range(free.shape[0]):
        for i in range(free.shape[1]):
            _column_slopes(values[m, i], table, np.exp(free[m, i, LN_EC]), out[m, i])


def column_slopes(elements: Sequence[str], vectors: Floats, lattice: str) -> tuple[Floats, Floats]:
    """Return parameter tables and their derivatives in the free parameters of the same element.

    Parameters
    ----------
    elements, vectors, lattice
        As in `zhou_from_free`, `vectors` of shape ``(draws, d)``.

    Returns
    -------
    values, slopes
        Shapes ``(draws, n_elements, n_columns)`` and ``(draws, n_elements, n_columns, 10)``, the last axis as
        `PER_ELEMENT` (the density ratio of the first element included, which is not free). NaN where the row is NaN.

    Raises
    ------
    StudyError
        When the last axis of `vectors` does not fit the elements.
    """
    values = zhou_from_free(elements, vectors, lattice)
    free = whole(elements, vectors)
    out = np.empty((*values.shape, len(PER_ELEMENT)))
    _all_column_slopes(free, values, shells(lattice).table(), out)
    return values, out


@dataclass(frozen=True)
class Sensitivity:
    """Logarithms of equilibrium properties, and their derivatives in the free parameters.

    Parameters
    ----------
    logs
        Of `ANSWERS` (angstrom, eV per atom, GPa), shape ``(draws, 5)``; NaN where they are not positive.
    slopes
        Shape ``(draws, 5, d)``, the last axis as `free_names`.
    """

    logs: Floats
    slopes: Floats


def sensitivity(elements: Sequence[str], vectors: Floats, composition: ArrayLike, lattice: str) -> Sensitivity:
    """Return the logarithms of the properties of one crystal and their derivatives in the free parameters.

    Parameters
    ----------
    elements, vectors, lattice
        As in `zhou_from_free`, `vectors` of shape ``(draws, d)``.
    composition
        Mole fractions, shape ``(n_elements,)``. A one beside zeros is the pure crystal of that element.

    Raises
    ------
    StudyError
        When shapes or fractions do not fit.
    """
    values, own = column_slopes(elements, vectors, lattice)
    answers, slopes = crystal_slopes(values, composition, lattice)
    free = np.einsum("mqic,micp->mqip", slopes, own).reshape(len(values), len(ANSWERS), -1)
    with np.errstate(invalid="ignore"):
        logs = np.where(answers > 0.0, np.log(answers), np.nan)
    return Sensitivity(logs, np.delete(free, LN_FE, axis=-1) / answers[:, :, None])
