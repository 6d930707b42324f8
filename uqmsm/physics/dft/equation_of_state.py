"""Energy against volume: the third-order Birch-Murnaghan law, fitted to many functionals at once.

With x = V^(-2/3) the third-order law is a cubic polynomial, E = c0 + c1 x + c2 x^2 + c3 x^3 (Birch, Phys. Rev. 71, 809,
1947; Alchagirov et al., Phys. Rev. B 63, 224115, 2001): its fit is linear least squares, the same for every functional,
and its minimum the root of a quadratic. Nothing iterates, so nothing depends on a starting guess.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.dft.engine import GPA_A3_PER_EV

__all__ = ["EquationOfState", "birch_murnaghan", "fit_birch_murnaghan"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class EquationOfState:
    """Equilibrium of each functional; every array has the shape of the energies without their last axis.

    Attributes
    ----------
    energy_eV, volume_A3
        At the minimum, per atom; NaN where the curve has none within reach.
    bulk_modulus_GPa, bulk_derivative
        B and its pressure derivative there.
    residual_eV
        Root mean square misfit of the fit, with its degrees of freedom.
    bracketed
        Whether the minimum lies between the smallest and the largest volume.
    """

    energy_eV: Floats
    volume_A3: Floats
    bulk_modulus_GPa: Floats
    bulk_derivative: Floats
    residual_eV: Floats
    bracketed: NDArray[np.bool_]


def birch_murnaghan(volume_A3: ArrayLike, energy_eV: float, at_A3: float, bulk_GPa: float, derivative: float) -> Floats:
    """Return the third-order Birch-Murnaghan energy.

    Parameters
    ----------
    volume_A3
        Volumes per atom.
    energy_eV, at_A3, bulk_GPa, derivative
        Energy, volume, bulk modulus and its pressure derivative at the minimum.
    """
    eta = (at_A3 / np.asarray(volume_A3, dtype=np.float64)) ** (2.0 / 3.0)
    bracket = (eta - 1.0) ** 3 * derivative + (eta - 1.0) ** 2 * (6.0 - 4.0 * eta)
    return np.asarray(energy_eV + 9.0 * at_A3 * bulk_GPa / (16.0 * GPA_A3_PER_EV) * bracket)


def fit_birch_murnaghan(volume_A3: ArrayLike, energy_eV: ArrayLike) -> EquationOfState:
    """Fit energies at given volumes, any number of curves at once.

    Parameters
    ----------
    volume_A3
        Volumes per atom, shape (volumes,), at least four different ones.
    energy_eV
        Energies per atom, shape (..., volumes).

    Raises
    ------
    StudyError
        When there are fewer than four volumes or the shapes do not fit.
    """
    volume, energy = np.asarray(volume_A3, dtype=np.float64), np.asarray(energy_eV, dtype=np.float64)
    if volume.ndim != 1 or len(np.unique(volume)) < 4 or energy.shape[-1:] != volume.shape:
        raise StudyError(
            f"equation of state: {volume.shape} volumes and energies {energy.shape}; give at least four different "
            "volumes, and energies whose last axis is theirs"
        )
    # centred and scaled, the powers of x - 1 are well conditioned over any sensible range of volumes
    middle = float(np.mean(volume))
    x = (middle / volume) ** (2.0 / 3.0)
    powers = (x - 1.0)[:, None] ** np.arange(4)
    fitted = energy @ np.linalg.pinv(powers).T
    misfit = energy - fitted @ powers.T
    residual = np.sqrt((misfit**2).sum(axis=-1) / max(len(volume) - 4, 1))
    _, c1, c2, c3 = np.moveaxis(fitted, -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        # stable root of c1 + 2 c2 y + 3 c3 y^2 = 0 on the branch where the energy curves upwards
        root = np.sqrt(c2**2 - 3.0 * c1 * c3)
        y = -c1 / (c2 + root)
        at = 1.0 + y
        lowest = middle * at**-1.5
        found = at > 0.0
        slope2, slope3 = 2.0 * c2 + 6.0 * c3 * y, 6.0 * c3
        # derivatives by V from those by x at the minimum, where dE/dx = 0 and dx/dV = -(2/3) x / V
        curvature = (4.0 / 9.0) * slope2 * at**2 / lowest
        bulk = curvature * GPA_A3_PER_EV
        derivative = 4.0 + (2.0 / 3.0) * at * slope3 / slope2
        depth = fitted[..., 0] + c1 * y + c2 * y**2 + c3 * y**3
    valid = found & np.isfinite(lowest) & (bulk > 0.0)
    depth, lowest, bulk, derivative = (np.where(valid, values, np.nan) for values in (depth, lowest, bulk, derivative))
    bracketed = valid & (lowest >= volume.min()) & (lowest <= volume.max())
    return EquationOfState(depth, lowest, bulk, derivative, np.asarray(residual), np.asarray(bracketed))
