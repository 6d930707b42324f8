"""A random alloy seen as a crystal of one average atom: its lattice, stiffness and misfit volumes in microseconds.

Every atom gets the composition means ``F = sum c_a F_a`` and ``rho = sum c_a f_a`` and every pair
``V = sum_ab c_a c_b phi_ab``. What is left out are the local distortions and the fluctuations of the density; how much
that matters is learnt from relaxed cells.

Sources: R. W. Smith and G. S. Was, Phys. Rev. B 40, 10322 (1989); C. Varvenne, A. Luque, W. G. Noehring and
W. A. Curtin, Phys. Rev. B 93, 104201 (2016).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.potential.crystal import Crystals, mean_embedding, mixed_at, settle, shells
from uqmsm.physics.potential.zhou import embedding_at, radial_at

__all__ = ["Alloys", "average_atom"]


@dataclass(frozen=True)
class Alloys(Crystals):
    """Equilibrium properties of average-atom alloys; the fields of `Crystals` have the shape ``(...,)``.

    Parameters
    ----------
    misfit_volumes
        Shape ``(..., n_elements)`` in cubic angstrom: ``dV/dc_n - sum_m c_m dV/dc_m``, the change of the volume per
        atom towards the pure element n. Their composition mean is zero.
    """

    misfit_volumes: NDArray[np.float64]


@njit(cache=True)
def _misfits(
    rows: NDArray[np.float64],
    c: NDArray[np.float64],
    table: NDArray[np.float64],
    atoms: int,
    settled: NDArray[np.float64],
    misfits: NDArray[np.float64],
) -> None:
    """Differentiate the equilibrium condition dE/da (a, c) = 0 with respect to every mole fraction."""
    n = c.size
    a, curvature, rho, rho1 = settled[0], settled[5], settled[6], settled[7]
    own = np.zeros((2, n))  # density of species n summed over the shells, and its derivative in a
    force = np.zeros(n)  # d/da of the derivative of the pair energy in c_n
    for k in range(table.shape[1]):
        s, count = table[0, k], table[1, k]
        f, f1, _, p, p1, _ = mixed_at(rows, c, s * a)
        g, g1 = p / f, p1 / f - p * f1 / (f * f)
        for i in range(n):
            d, d1, _, q, q1, _ = radial_at(rows[i], s * a)
            h, h1 = q / d, q1 / d - q * d1 / (d * d)
            own[0, i] += count * d
            own[1, i] += count * s * d1
            force[i] += 0.5 * count * s * (d1 * g + d * g1 + f1 * h + f * h1)
    _, F1, F2 = mean_embedding(rows, c, rho)
    mean = 0.0
    for i in range(n):
        force[i] += embedding_at(rows[i], rho)[1] * rho1 + F2 * rho1 * own[0, i] + F1 * own[1, i]
        misfits[i] = -3.0 * a * a / atoms * force[i] / curvature
        mean += c[i] * misfits[i]
    for i in range(n):
        misfits[i] -= mean


@njit(cache=True)
def _alloys(
    values: NDArray[np.float64],
    compositions: NDArray[np.float64],
    table: NDArray[np.float64],
    atoms: int,
    out: NDArray[np.float64],
    misfits: NDArray[np.float64],
    status: NDArray[np.int8],
    wanted: bool,
) -> None:
    for m in range(values.shape[0]):
        status[m] = settle(values[m], compositions[m], table, atoms, out[m])
        for i in range(misfits.shape[1]):
            misfits[m, i] = np.nan
        if wanted and np.isfinite(out[m, 0]):
            _misfits(values[m], compositions[m], table, atoms, out[m], misfits[m])


def average_atom(
    values: NDArray[np.float64], compositions: ArrayLike, lattice: str, *, with_misfits: bool = True
) -> Alloys:
    """Return the equilibrium average-atom crystal for every draw of the parameters and every composition.

    Parameters
    ----------
    values
        Shape ``(..., n_elements, n_columns)``.
    compositions
        Mole fractions, shape ``(..., n_elements)``; leading axes broadcast against those of `values`.
    lattice
        ``"bcc"`` or ``"fcc"``.
    with_misfits
        Whether to compute the misfit volumes (a third of the time); NaN if not.

    Returns
    -------
    Alloys
        Fields of the broadcast leading shape.

    Raises
    ------
    StudyError
        When the fractions are negative, do not sum to one (to 1e-9), or do not fit the elements; or for another
        lattice.
    """
    fractions = np.asarray(compositions, dtype=np.float64)
    n, columns = values.shape[-2:]
    if fractions.shape[-1] != n or fractions.min() < 0.0 or np.abs(fractions.sum(axis=-1) - 1.0).max() > 1e-9:
        raise StudyError(
            f"composition {fractions}: {n} mole fractions that are not negative and sum to 1 are needed; "
            "give one per element"
        )
    of = shells(lattice)
    shape = np.broadcast_shapes(values.shape[:-2], fractions.shape[:-1])
    # copies: a broadcast view is read-only, which numba would compile a second time
    flat = np.array(np.broadcast_to(values, (*shape, n, columns)), dtype=np.float64, order="C").reshape(-1, n, columns)
    c = np.array(np.broadcast_to(fractions, (*shape, n)), order="C").reshape(-1, n)
    out, misfits, status = np.empty((len(flat), 8)), np.empty((len(flat), n)), np.empty(len(flat), dtype=np.int8)
    _alloys(flat, c, of.table(), of.atoms, out, misfits, status, with_misfits)
    a, energy, c11, c12, c44 = (out[:, k].reshape(shape) for k in range(5))
    return Alloys(a, -energy, c11, c12, c44, status.reshape(shape), misfits.reshape(*shape, n))
