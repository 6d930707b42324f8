"""How a stiffness is written as a 6x6 matrix, and how it turns with the crystal.

The one place for conventions. Components run 11, 22, 33, 23, 13, 12 everywhere.

*Voigt* is what enters and leaves every function: stress ``(s11, s22, s33, s23, s13, s12)``, strain with engineering
shear ``(e11, e22, e33, 2 e23, 2 e13, 2 e12)``, stiffness ``C[I, J] = C_ijkl`` in GPa.
*Mandel* is used inside: shear components of stress and strain alike carry sqrt(2), so that the double contraction is
the plain dot product and rotations are orthogonal 6x6 matrices (Mehrabadi and Cowin, Q. J. Mech. Appl. Math. 43, 1990).

A rotation matrix ``R`` takes crystal components to sample components: ``v_sample = R @ v_crystal``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import Unstable

__all__ = [
    "COMPONENTS",
    "cubic_stiffness",
    "isotropic_moduli",
    "isotropic_stiffness",
    "mandel_to_voigt",
    "require_stable",
    "rotate_stiffness",
    "strain_rotation",
    "voigt_to_mandel",
]

Array = NDArray[np.float64]

COMPONENTS: tuple[tuple[int, int], ...] = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
"""Index pairs of the six components, in order."""

_FIRST = np.array([pair[0] for pair in COMPONENTS])
_SECOND = np.array([pair[1] for pair in COMPONENTS])
_WEIGHT = np.sqrt(np.array([1.0, 1.0, 1.0, 2.0, 2.0, 2.0]))
_WEIGHT_PAIR = np.array([[1.0, np.sqrt(2.0)], [np.sqrt(2.0), 2.0]]).repeat(3, axis=0).repeat(3, axis=1)


def voigt_to_mandel(stiffness: Array) -> Array:
    """Turn Voigt stiffnesses ``(..., 6, 6)`` into Mandel form, same unit."""
    scaled: Array = np.asarray(stiffness, dtype=np.float64) * _WEIGHT_PAIR
    return scaled


def mandel_to_voigt(stiffness: Array) -> Array:
    """Turn Mandel stiffnesses ``(..., 6, 6)`` into Voigt form, same unit."""
    scaled: Array = np.asarray(stiffness, dtype=np.float64) / _WEIGHT_PAIR
    return scaled


def strain_rotation(rotation: Array) -> Array:
    """Return the orthogonal 6x6 matrices that turn Mandel vectors.

    Parameters
    ----------
    rotation
        Rotation matrices ``(..., 3, 3)``, crystal to sample.

    Returns
    -------
    ndarray
        ``(..., 6, 6)``, with ``e_sample = Q @ e_crystal`` for symmetric tensors in Mandel form.
    """
    i, j, k, m = _FIRST[:, None], _SECOND[:, None], _FIRST[None, :], _SECOND[None, :]
    turned = rotation[..., i, k] * rotation[..., j, m] + rotation[..., i, m] * rotation[..., j, k]
    # A symmetric pair (k, m) stands for itself and its mirror; the diagonal ones would be counted twice.
    return np.asarray(turned * (0.5 * _WEIGHT[:, None] * _WEIGHT[None, :]))


def rotate_stiffness(stiffness: Array, rotation: Array) -> Array:
    """Turn Voigt stiffnesses from crystal to sample axes.

    Parameters
    ----------
    stiffness
        ``(..., 6, 6)`` in crystal axes, any unit.
    rotation
        ``(..., 3, 3)``, crystal to sample; leading axes broadcast against those of `stiffness`.

    Returns
    -------
    ndarray
        ``(..., 6, 6)`` Voigt stiffnesses in sample axes, symmetric to the last bit when the input is.
    """
    turn = strain_rotation(rotation)
    turned = turn @ voigt_to_mandel(stiffness) @ np.swapaxes(turn, -1, -2)
    return mandel_to_voigt(0.5 * (turned + np.swapaxes(turned, -1, -2)))


def cubic_stiffness(c11_GPa: float, c12_GPa: float, c44_GPa: float) -> Array:
    """Return the Voigt stiffness (6, 6) in GPa of a cubic crystal in its own axes."""
    stiffness = np.diag(np.array([0.0, 0.0, 0.0, c44_GPa, c44_GPa, c44_GPa], dtype=np.float64))
    stiffness[:3, :3] = c12_GPa
    stiffness[[0, 1, 2], [0, 1, 2]] = c11_GPa
    return stiffness


def isotropic_stiffness(bulk_GPa: float, shear_GPa: float) -> Array:
    """Return the Voigt stiffness (6, 6) in GPa of an isotropic solid with these bulk and shear moduli."""
    return cubic_stiffness(bulk_GPa + 4.0 * shear_GPa / 3.0, bulk_GPa - 2.0 * shear_GPa / 3.0, shear_GPa)


def isotropic_moduli(stiffness: Array) -> tuple[Array, Array]:
    """Project Voigt stiffnesses on the isotropic ones.

    The projection is the average over all rotations, which is also the nearest isotropic tensor in the Euclidean
    norm: ``9 K = C_iijj`` and ``9 K + 30 G = 3 C_ijij`` (Moakher and Norris, J. Elasticity 85, 2006).

    Parameters
    ----------
    stiffness
        ``(..., 6, 6)`` Voigt, GPa.

    Returns
    -------
    bulk, shear
        Two arrays of shape ``(...)``, GPa.
    """
    full = np.asarray(stiffness, dtype=np.float64)
    bulk = full[..., :3, :3].sum(axis=(-2, -1)) / 9.0
    trace = np.trace(voigt_to_mandel(full), axis1=-2, axis2=-1)
    return bulk, (trace - 3.0 * bulk) / 10.0


def require_stable(stiffness: Array, place: str) -> None:
    """Refuse stiffnesses that do not resist every strain.

    Parameters
    ----------
    stiffness
        ``(..., 6, 6)`` Voigt, GPa.
    place
        Where the stiffness comes from, for the message.

    Raises
    ------
    Unstable
        When an entry is not finite, or an eigenvalue of the Mandel form is not positive (Born stability).
    """
    mandel = voigt_to_mandel(stiffness)
    if not np.all(np.isfinite(mandel)):
        raise Unstable(f"{place}: the stiffness has entries that are not finite; look at the scale below")
    lowest = float(np.linalg.eigvalsh(mandel)[..., 0].min())
    if lowest <= 0.0:
        raise Unstable(
            f"{place}: the smallest eigenvalue of the stiffness is {lowest:.6g} GPa and a stable crystal needs it "
            "positive (Born); the draw is recorded as unstable"
        )
