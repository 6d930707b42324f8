"""The J-integral of a crack along x in the plane: the energy released as it grows, over a ring round its tip.

``J = int (W delta_xi - sigma_ij du_j/dx) dq/dx_i dA`` with q one inside the ring and zero outside of it, the same for
every ring (J. R. Rice, J. Appl. Mech. 35, 379 (1968); F. Z. Li, C. F. Shih, A. Needleman, Eng. Fract. Mech. 21, 405
(1985)), for a crack that grows towards positive x.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.fe.diffusion import gradient_at_points
from uqmsm.physics.fe.discretise import Discretisation

__all__ = ["j_integral_N_per_mm"]

Floats = NDArray[np.float64]


def j_integral_N_per_mm(
    of: Discretisation,
    displacement_mm: Floats,
    stress_MPa: Floats,
    energy_MPa: Floats,
    tip_mm: tuple[float, float],
    ring_mm: tuple[float, float],
    *,
    half: bool = False,
) -> float:
    """Return J in N/mm for a crack whose tip looks along x and whose faces are free.

    Parameters
    ----------
    of : Discretisation
        Plane stress or plane strain.
    displacement_mm : ndarray, shape (nodes, 2)
    stress_MPa : ndarray, shape (elements, points, 6)
        Mandel.
    energy_MPa : ndarray, shape (elements, points)
        Work of the stress per volume; half of stress times strain where all is elastic.
    tip_mm : tuple
    ring_mm : tuple
        Radii between which q falls from one to zero.
    half : bool
        True: the mesh is the half above the crack, the other its mirror image.

    Raises
    ------
    StudyError
        When the ring has no width, or the component is not plane.
    """
    inner, outer = ring_mm
    if not 0 <= inner < outer or of.kinematics not in {"plane_stress", "plane_strain"}:
        raise StudyError(
            f"j_integral: a ring from {inner:g} to {outer:g} mm under {of.kinematics}; give 0 <= inner < outer"
        )
    radius = np.hypot(*(of.mesh.nodes_mm - np.array(tip_mm)).T)
    q = np.clip((outer - radius) / (outer - inner), 0.0, 1.0)
    slope = gradient_at_points(of, q)
    bent = gradient_at_points(of, displacement_mm)  # (elements, points, component, axis)
    root = np.sqrt(2.0)
    xx, yy, xy = stress_MPa[..., 0], stress_MPa[..., 1], stress_MPa[..., 5] / root
    along = xx * bent[..., 0, 0] + xy * bent[..., 1, 0] - energy_MPa
    across = xy * bent[..., 0, 0] + yy * bent[..., 1, 0]
    density = along * slope[..., 0] + across * slope[..., 1]
    whole = float((density * of.volume_mm3).sum()) / of.mesh.thickness_mm
    return (2.0 if half else 1.0) * whole
