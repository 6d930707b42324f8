"""Shear moduli of a cubic crystal from the energies of volume-conserving strains.

Two strains keep the volume exactly, so that pressure does no work and the energy is even in their size d by symmetry:

- orthorhombic, F = diag(1 + d, 1 - d, 1 / (1 - d^2)): E = E0 + V (C11 - C12) d^2 + O(d^4);
- monoclinic, F_xy = F_yx = d, F_zz = 1 / (1 - d^2): E = E0 + 2 V C44 d^2 + O(d^4)

(Mehl, Phys. Rev. B 47, 2493, 1993). With the bulk modulus they give C11 = B + 4/3 C' and C12 = B - 2/3 C', where
C' = (C11 - C12) / 2: both energies are E0 + 2 V (C' or C44) d^2.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.dft.engine import GPA_A3_PER_EV

__all__ = ["PLANES", "STRAINS", "cubic_constants", "gradient", "shear_modulus"]

Floats = NDArray[np.float64]

STRAINS = ("orthorhombic", "monoclinic")
"""Strains whose stiffness is C' and C44."""

PLANES = {"": (0, 1, 2), " yz": (1, 2, 0), " zx": (2, 0, 1)}
"""Endings of a strain's name, and which axes play the parts of x, y and z."""


def gradient(strain: str, size: float) -> Floats:
    """Return the deformation gradient, shape (3, 3), of one of `STRAINS`; its determinant is 1.

    Parameters
    ----------
    strain
        One of `STRAINS`, in the plane xy; ``" yz"`` or ``" zx"`` after it turn it into these.
    size
        Its d.

    Raises
    ------
    StudyError
        When the strain is not known or so large that the crystal turns inside out.
    """
    name, space, plane = strain.partition(" ")
    if name not in STRAINS or space + plane not in PLANES or not abs(size) < 0.5:
        raise StudyError(
            f"strain {strain!r} of size {size}: use one of {', '.join(STRAINS)}, alone or followed by yz or zx, with "
            "|size| < 0.5"
        )
    deformed = np.eye(3)
    deformed[2, 2] = 1.0 / (1.0 - size**2)
    if name == "orthorhombic":
        deformed[0, 0], deformed[1, 1] = 1.0 + size, 1.0 - size
    else:
        deformed[0, 1] = deformed[1, 0] = size
    turned = np.empty((3, 3))
    order = PLANES[space + plane]
    turned[np.ix_(order, order)] = deformed
    return turned


def shear_modulus(size: ArrayLike, risen_eV: ArrayLike, volume_A3: float) -> tuple[Floats, Floats]:
    """Return the modulus (GPa) of one strain and the coefficient of its fourth power.

    Parameters
    ----------
    size
        Sizes d of the strain, shape (sizes,), none of them zero.
    risen_eV
        Energy above the unstrained crystal per atom, shape (..., sizes).
    volume_A3
        Volume per atom.

    Returns
    -------
    modulus, quartic
        GPa, shape (...,): E - E0 = 2 V (modulus d^2 + quartic d^4). With one size the quartic is zero; with two the
        fit is exact; with more it is least squares of (E - E0) / d^2, which weighs small strains as they deserve.
    """
    d2 = np.asarray(size, dtype=np.float64) ** 2
    risen = np.asarray(risen_eV, dtype=np.float64)
    if risen.shape[-1:] != d2.shape or not (d2 > 0.0).all():
        raise StudyError(
            f"shear modulus: sizes {d2.shape} (none may be zero) and energies {risen.shape} do not fit: the last axis "
            "of the energies is that of the sizes"
        )
    secant = risen / d2 * (GPA_A3_PER_EV / (2.0 * volume_A3))
    if len(np.unique(d2)) == 1:
        return np.asarray(secant.mean(axis=-1)), np.zeros(secant.shape[:-1])
    powers = np.stack([np.ones_like(d2), d2], axis=1)
    fitted = secant @ np.linalg.pinv(powers).T
    return np.asarray(fitted[..., 0]), np.asarray(fitted[..., 1])


def cubic_constants(bulk_GPa: ArrayLike, tetragonal_GPa: ArrayLike) -> tuple[Floats, Floats]:
    """Return C11 and C12 (GPa) from the bulk modulus and C' = (C11 - C12) / 2."""
    bulk, shear = np.asarray(bulk_GPa, dtype=np.float64), np.asarray(tetragonal_GPa, dtype=np.float64)
    return np.asarray(bulk + 4.0 / 3.0 * shear), np.asarray(bulk - 2.0 / 3.0 * shear)
