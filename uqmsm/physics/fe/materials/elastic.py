"""Linear elastic solids of any symmetry, whole and under plane stress."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError, Unstable
from uqmsm.physics.fe.materials.solid import Response

__all__ = ["IN_PLANE", "Elastic", "in_plane", "plane_stress", "plane_stress_each", "plane_voigt", "stress_of"]

Floats = NDArray[np.float64]
IN_PLANE = np.array([0, 1, 5])
"""Where xx, yy and xy stand among the six components."""
_ROOT = np.array([1.0, 1.0, np.sqrt(2.0)])


def plane_stress(stiffness_GPa: Floats) -> Floats:
    """Reduce a stiffness to plane stress in x-y: invert, drop what carries no stress, invert back.

    Parameters
    ----------
    stiffness_GPa : ndarray, shape (6, 6)
        Order xx, yy, zz, yz, xz, xy, engineering shear.

    Returns
    -------
    ndarray, shape (3, 3)
        GPa, order xx, yy, xy.

    Raises
    ------
    StudyError
        When the shape is wrong or the matrix is not symmetric to 1e-6.
    Unstable
        When it is not positive definite.
    """
    C = np.asarray(stiffness_GPa, dtype=np.float64)
    if C.shape != (6, 6) or not np.all(np.isfinite(C)):
        raise StudyError(f"plane_stress: stiffness_GPa has shape {C.shape}; give a finite 6 x 6 matrix (Voigt)")
    if np.abs(C - C.T).max() > 1e-6 * np.abs(C).max():
        raise StudyError(
            f"plane_stress: stiffness_GPa is not symmetric (gap {np.abs(C - C.T).max():.3g} GPa); "
            "give engineering-shear Voigt entries"
        )
    C = (C + C.T) / 2
    lowest = float(np.linalg.eigvalsh(C)[0])
    if lowest <= 0:
        raise Unstable(
            f"plane_stress: the stiffness has an eigenvalue {lowest:.3g} GPa; an elastic solid needs all > 0; "
            "record the member as unstable"
        )
    return _reduced(C)


def plane_stress_each(stiffness_GPa: Floats) -> Floats:
    """Reduce a stiffness for each of many places, (places, 6, 6), to plane stress, (places, 3, 3).

    Raises
    ------
    StudyError, Unstable
        When one of them is refused.
    """
    C = np.asarray(stiffness_GPa, dtype=np.float64)
    if C.ndim != 3 or C.shape[1:] != (6, 6) or not np.all(np.isfinite(C)):
        raise StudyError(f"plane_stress_each: stiffness_GPa has shape {C.shape}; give finite (places, 6, 6)")
    uneven = np.abs(C - np.swapaxes(C, 1, 2)).max(axis=(1, 2)) > 1e-6 * np.abs(C).max(axis=(1, 2))
    lowest = np.linalg.eigvalsh(C)[:, 0]
    if uneven.any() or not np.all(lowest > 0):
        plane_stress(C[int(np.argmax(uneven | ~(lowest > 0)))])  # says what is wrong with it
    return _reduced((C + np.swapaxes(C, 1, 2)) / 2)


def _reduced(stiffness: Floats) -> Floats:
    compliance = np.linalg.inv(stiffness)[..., IN_PLANE[:, None], IN_PLANE]
    reduced = np.linalg.inv(compliance)
    return np.asarray((reduced + np.swapaxes(reduced, -1, -2)) / 2)


def in_plane(reduced_MPa: Floats) -> Floats:
    """Write plane-stress stiffnesses (..., 3, 3), Voigt, among the six Mandel components, (..., 6, 6)."""
    given = np.asarray(reduced_MPa, dtype=np.float64)
    whole = np.zeros((*given.shape[:-2], 6, 6))
    whole[..., IN_PLANE[:, None], IN_PLANE] = given * (_ROOT[:, None] * _ROOT)
    return whole


def stress_of(strain: Floats, tangent_MPa: Floats) -> Floats:
    """Return stresses (elements, points, 6) of strains, Mandel; the tangent (6, 6), or (elements, 1, 6, 6)."""
    if np.ndim(tangent_MPa) == 2:
        return np.asarray(strain @ tangent_MPa)
    return np.asarray((tangent_MPa @ strain[..., None])[..., 0])


def plane_voigt(stress: Floats) -> Floats:
    """Return the stress (xx, yy, xy), (..., 3), of six Mandel components."""
    return np.asarray(stress[..., IN_PLANE] / _ROOT)


@dataclass(frozen=True)
class Elastic:
    """A linear elastic solid, one for all points or one for each.

    Parameters
    ----------
    stiffness_MPa : ndarray, shape (6, 6) or (points, 6, 6)
        Mandel; `uqmsm.physics.tensors.voigt_to_mandel` makes it of Voigt's.
    """

    stiffness_MPa: Floats
    symmetric: bool = True

    def virgin(self, points: int) -> None:
        """Return nothing: an elastic solid does not remember."""

    def respond(self, strain: Floats, memory: None, step_s: float) -> Response:
        """See `uqmsm.physics.fe.materials.solid.Solid.respond`."""
        tangent = self.stiffness_MPa.reshape(-1, 6, 6)
        stress = np.einsum("pij,pj->pi", np.broadcast_to(tangent, (len(strain), 6, 6)), strain)
        return Response(np.asarray(stress), tangent, None)
