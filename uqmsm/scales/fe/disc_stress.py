"""The stress of a turning disc where its strength is drawn and elsewhere, in closed form or by finite elements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from uqmsm.physics.fe.ring import Ring
    from uqmsm.physics.fe.turning import Turned

__all__ = ["DiscStress", "of_ring", "of_sector"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class DiscStress:
    """Stresses at one radian per second; they grow with its square.

    Attributes
    ----------
    places_MPa : ndarray, shape (places,)
        Von Mises' stress at the places whose strength is drawn.
    elsewhere_MPa : float
        Its largest value where the strength is the mean one.
    bore_MPa : float
        Largest hoop stress at the bore.
    mean_hoop_MPa : float
        Of the section.
    points_MPa : ndarray, shape (points,), or None
        Von Mises' stress at the quadrature points.
    """

    places_MPa: Floats
    elsewhere_MPa: float
    bore_MPa: float
    mean_hoop_MPa: float
    points_MPa: Floats | None = None

    def first_yield_rad_s(self, strength_MPa: Floats, mean_MPa: float) -> tuple[float, float]:
        """Return the speed at which the first place yields, and its strength over the mean."""
        use = np.append(self.places_MPa / strength_MPa, self.elsewhere_MPa / mean_MPa)
        first = int(np.argmax(use))
        return float(1.0 / np.sqrt(use[first])), float(np.append(strength_MPa, mean_MPa)[first]) / mean_MPa

    def at_points(self, speed_rad_s: float, strength_MPa: float | None) -> dict[str, Floats]:
        """Return what the points carry at a speed, and how much of their strength that is, where they have one."""
        if self.points_MPa is None:
            return {}
        carried = speed_rad_s**2 * self.points_MPa
        used = {} if strength_MPa is None else {"point_use": carried / strength_MPa}
        return {"point_mises": carried, **used}


def of_ring(ring: Ring, radius_mm: Floats, poisson: float, density_kg_m3: float) -> DiscStress:
    """Return the stresses of a flat ring at places (...,) of these radii; at its bore where there are none."""
    from uqmsm.physics.fe.ring import burst_speed, ring_stress, von_mises

    bore = ring_stress(ring, np.array([ring.bore_mm]), poisson, density_kg_m3, 1.0)
    places = von_mises(ring_stress(ring, radius_mm.ravel(), poisson, density_kg_m3, 1.0))
    # all places lie at the bore, and farther out the stress is lower
    elsewhere = 0.0 if places.size else float(von_mises(bore)[0])
    return DiscStress(places, elsewhere, float(bore[1, 0]), burst_speed(ring, 1.0, density_kg_m3) ** -2)


def of_sector(turned: Turned, places: Sequence[Floats], beyond_mm: float) -> DiscStress:
    """Return the stresses of a sector.

    Parameters
    ----------
    turned : Turned
    places : sequence of three ndarray
        Angle (rad), height and radius (mm) of the places whose strength is drawn, one shape.
    beyond_mm : float
        Radius from which on the strength is the mean one.
    """
    from uqmsm.physics.fe.materials.von_mises import equivalent_MPa

    angle, height, radius = (one.ravel() for one in places)
    x, y = turned.sector.of.mesh.nodes_mm.T[:2]
    beyond = np.hypot(x, y) >= beyond_mm * (1.0 - 1e-9)
    bore = turned.sector.of.mesh.on("bore")
    return DiscStress(
        turned.mises_at(radius, angle, height),
        float(turned.mises_MPa()[beyond].max()),
        float(turned.hoop_MPa()[bore].max()),
        turned.mean_hoop_MPa,
        equivalent_MPa(turned.stress_MPa.reshape(-1, 6)),
    )
