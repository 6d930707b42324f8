"""The law over exchange-correlation functionals: BEEF-vdW and the functionals near it, one draw for all structures.

BEEF-vdW (Wellendorff et al., Phys. Rev. B 85, 235149, 2012) expands the exchange enhancement in 30 Legendre
polynomials of the reduced gradient and mixes LDA with PBE correlation (nonlocal correlation: vdW-DF2). Its ensemble
perturbs these 31 numbers by a normal law whose covariance comes from the fit. The energy of a cell is linear in them,
so a self-consistent calculation and the energies of the parts (30 exchange, LDA and PBE correlation, on the same
density) give the energy in every functional of the ensemble. One draw is one functional: it holds for every structure
and volume at once, and errors of different structures are never independent.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from uqmsm.errors import StudyError

__all__ = ["PARTS", "coefficients", "covariance", "ensemble_energies"]

Floats = NDArray[np.float64]

PARTS = (*(f"exchange_{order}" for order in range(30)), "correlation_LDA", "correlation_PBE")
"""Names of the 32 parts, in the order in which GPAW gives their energies."""


def covariance() -> Floats:
    """Return the covariance of the 31 free coefficients, shape (31, 31): 30 of exchange, the share of LDA correlation.

    Published with the functional; read from ASE (`ase.dft.pars_beefvdw`).
    """
    from ase.dft.pars_beefvdw import uiOmega

    matrix: Any = np.asarray(uiOmega, dtype=np.float64)
    return np.asarray(0.5 * (matrix + matrix.T), dtype=np.float64)


def coefficients(functionals: int, rng: Generator) -> Floats:
    """Draw functionals of the BEEF-vdW ensemble.

    Parameters
    ----------
    functionals
        How many.
    rng
        Gives 31 normal numbers a functional.

    Returns
    -------
    (functionals, 32)
        Shifts of the weights of `PARTS`; the two of correlation are opposite. The symmetric root of the covariance
        is used: unlike singular vectors it has no signs that could differ between machines.
    """
    values, vectors = np.linalg.eigh(covariance())
    root = (vectors * np.sqrt(np.clip(values, 0.0, None))) @ vectors.T
    free = rng.standard_normal((functionals, 31)) @ root
    return np.concatenate([free, -free[:, 30:]], axis=1)


def ensemble_energies(energy_eV: ArrayLike, parts: ArrayLike, shifts: Floats) -> Floats:
    """Return the energies of structures in each functional.

    Parameters
    ----------
    energy_eV
        In the functional of the calculation, shape (structures,).
    parts
        Energies of the parts, eV, shape (structures, 32).
    shifts
        From `coefficients`, shape (functionals, 32).

    Returns
    -------
    (functionals, structures)
        eV. Row k is one functional, the same for all structures.

    Raises
    ------
    StudyError
        When shapes do not fit.
    """
    energy, shares = np.asarray(energy_eV, dtype=np.float64), np.asarray(parts, dtype=np.float64)
    if shares.shape != (*energy.shape, len(PARTS)) or shifts.shape[1:] != (len(PARTS),):
        raise StudyError(
            f"energies {energy.shape}, parts {shares.shape} and shifts {shifts.shape} do not fit: expected (n,), "
            f"(n, {len(PARTS)}) and (functionals, {len(PARTS)})"
        )
    # subtract the first structure's parts before the product: thousands of eV cancel exactly instead of nearly
    relative = (shares - shares[:1]) @ shifts.T + shares[0] @ shifts.T
    return np.asarray(energy[None, :] + relative.T)
