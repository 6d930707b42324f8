"""An isotropic elastic solid of which damage has taken a part, all of it or only what opens and shears."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uqmsm.physics.fe.materials.solid import Response

__all__ = ["Damaged"]

Floats = NDArray[np.float64]
_TRACE = np.array([1.0, 1.0, 1.0, 0.0, 0.0, 0.0])


@dataclass(frozen=True)
class Damaged:
    """What is left: ``g(d) psi+ + psi-`` with ``g = (1 - d)^2 + rest``.

    Parameters
    ----------
    bulk_MPa, shear_MPa : float
    damage : ndarray, shape (points,)
    opening : bool
        True: volume that shrinks is not weakened; else all energy is.
    rest : float
        Share of stiffness left at a damage of one.
    """

    bulk_MPa: float
    shear_MPa: float
    damage: Floats
    opening: bool
    rest: float
    symmetric: bool = True

    def virgin(self, points: int) -> Floats:
        """Return densities of driving and stored energy, (points, 2): what the last answer is asked for."""
        return np.zeros((points, 2))

    def respond(self, strain: Floats, memory: Floats, step_s: float) -> Response:
        """See `uqmsm.physics.fe.materials.solid.Solid.respond`; answers do not depend on the memory."""
        kept = (1.0 - self.damage) ** 2 + self.rest
        volume = strain @ _TRACE
        deviator = strain - volume[:, None] * _TRACE / 3
        weak = (volume > 0.0) | (not self.opening)
        bulk = self.bulk_MPa * np.where(weak, kept, 1.0)
        shear = self.shear_MPa * kept
        stress = (bulk * volume)[:, None] * _TRACE + 2 * shear[:, None] * deviator
        dyad = np.outer(_TRACE, _TRACE)
        tangent = (bulk - 2 * shear / 3)[:, None, None] * dyad + 2 * shear[:, None, None] * np.eye(6)
        spent = self.bulk_MPa * volume**2 / 2
        drive = np.where(weak, spent, 0.0) + self.shear_MPa * (deviator * deviator).sum(axis=1)
        stored = kept * drive + np.where(weak, 0.0, spent)
        return Response(stress, tangent, np.stack([drive, stored], axis=1))
