"""A disc that turns: its stresses in closed form, and the speed at which it first yields or bursts.

A flat ring of constant thickness in plane stress (S. Timoshenko, J. N. Goodier, Theory of Elasticity, McGraw-Hill, 3rd
ed. 1970, section 32), between bore a and rim b, with a load on the rim that stands for blades. All stresses grow with
the square of the speed. The burst speed is that at which the mean hoop stress of the section reaches the strength
(E. L. Robinson, Trans. ASME 66, 373, 1944): the ring flows everywhere before it parts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError

__all__ = ["Ring", "burst_speed", "density", "ring_stress", "von_mises", "yield_speed"]

Floats = NDArray[np.float64]
_DALTON_KG = 1.66053906660e-27  # CODATA 2018


@dataclass(frozen=True)
class Ring:
    """A flat ring.

    Parameters
    ----------
    bore_mm, rim_mm
        Radii.
    rim_mass_kg_m2
        Mass of the blades per length of the rim and per thickness in metres, at the rim's radius: kg/m^2.
    """

    bore_mm: float
    rim_mm: float
    rim_mass_kg_m2: float = 0.0

    def __post_init__(self) -> None:
        """Refuse a ring that is none."""
        if not 0.0 < self.bore_mm < self.rim_mm:
            raise StudyError(f"bore = {self.bore_mm:g} mm and rim = {self.rim_mm:g} mm; the rim is the larger")
        if self.rim_mass_kg_m2 < 0.0:
            raise StudyError(f"rim_mass = {self.rim_mass_kg_m2:g} kg/m^2 is negative; write 0 for no blades")


def density(mass_dalton: float, lattice_parameter_A: float, atoms_per_cell: int) -> float:
    """Return the density in kg/m^3 of a cubic crystal from the mean mass of its atoms."""
    return atoms_per_cell * mass_dalton * _DALTON_KG / (lattice_parameter_A * 1e-10) ** 3


def ring_stress(ring: Ring, radius_mm: Floats, poisson: float, density_kg_m3: float, speed_rad_s: float) -> Floats:
    """Return radial and hoop stress in MPa, shape (2, ...).

    Parameters
    ----------
    ring
        The ring.
    radius_mm
        Where, between bore and rim; any shape.
    poisson, density_kg_m3, speed_rad_s
        Poisson ratio, density, angular velocity.
    """
    r, a, b = np.asarray(radius_mm, dtype=np.float64) * 1e-3, ring.bore_mm * 1e-3, ring.rim_mm * 1e-3
    inertia = density_kg_m3 * speed_rad_s**2
    radial = (3.0 + poisson) / 8.0 * inertia * (a**2 + b**2 - a**2 * b**2 / r**2 - r**2)
    hoop = (3.0 + poisson) / 8.0 * inertia * (a**2 + b**2 + a**2 * b**2 / r**2)
    hoop -= (1.0 + 3.0 * poisson) / 8.0 * inertia * r**2
    # the blades pull at the rim with mass x radius x speed^2 per area: a Lame ring under tension outside
    pull = ring.rim_mass_kg_m2 * b * speed_rad_s**2
    lame = pull * b**2 / (b**2 - a**2)
    return np.asarray(np.stack([radial + lame * (1.0 - a**2 / r**2), hoop + lame * (1.0 + a**2 / r**2)]) * 1e-6)


def von_mises(stress_MPa: Floats) -> Floats:
    """Return the von Mises stress of principal stresses in plane stress, shape (2, ...) -> (...)."""
    one, two = stress_MPa
    return np.asarray(np.sqrt(one**2 - one * two + two**2))


def yield_speed(
    ring: Ring, radius_mm: Floats, strength_MPa: Floats, poisson: float, density_kg_m3: float
) -> tuple[float, int]:
    """Return the angular velocity in rad/s at which the first of many places yields, and which it is.

    Parameters
    ----------
    ring
        The ring.
    radius_mm, strength_MPa
        Radius and yield stress of the places, shape (places,).
    poisson, density_kg_m3
        Of the material.
    """
    use = von_mises(ring_stress(ring, radius_mm, poisson, density_kg_m3, 1.0)) / strength_MPa
    first = int(np.argmax(use))
    return float(1.0 / np.sqrt(use[first])), first


def burst_speed(ring: Ring, strength_MPa: float, density_kg_m3: float) -> float:
    """Return the angular velocity in rad/s at which the mean hoop stress of the section reaches a strength."""
    a, b = ring.bore_mm * 1e-3, ring.rim_mm * 1e-3
    own = density_kg_m3 * (b**3 - a**3) / (3.0 * (b - a))
    blades = ring.rim_mass_kg_m2 * b**2 / (b - a)
    return float(np.sqrt(strength_MPa * 1e6 / (own + blades)))
