"""Where a plate with a hole begins to flow: the places round its hole, each of a declared volume of grains.

What yields first depends on the volume over which strength is averaged: the least of many small averages falls without
end as the volumes shrink. So the volume is declared, in grains that must flow together before yielding is seen, and
places of that volume line the hole, through the thickness too, whatever the mesh. A place begins to flow at the highest
stress on its face. Behind it, an edge deeper, the stress is lower by 7/3 of that edge over the radius of the hole: far
more than strengths differ where a place holds tens of grains, so that a second row never flows first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from uqmsm.errors import StudyError

__all__ = ["Places", "highest_in_places", "places_round"]

Floats = NDArray[np.float64]

_READINGS = 16
"""Of the stress in a place: between two of them a smooth stress changes by 1e-3."""


@dataclass(frozen=True)
class Places:
    """Places of one volume that line a hole, as many as fit.

    Attributes
    ----------
    around, through
        How many there are, round the hole and through the thickness.
    edge_mm
        Edge of the cube of their volume.
    apart_mm
        From one to the next, round the hole and through the thickness.
    """

    around: int
    through: int
    edge_mm: float
    apart_mm: tuple[float, float]


def places_round(radius_mm: float, thickness_mm: float, volume_mm3: float) -> Places:
    """Return the places round a hole.

    Parameters
    ----------
    radius_mm, thickness_mm
        Of the hole.
    volume_mm3
        Of a place, a cube.

    Raises
    ------
    StudyError
        When fewer than four places fit round the hole: stresses then differ too much within one.
    """
    edge = volume_mm3 ** (1.0 / 3.0)
    around, through = int(2.0 * np.pi * radius_mm / edge), max(int(thickness_mm / edge), 1)
    if around < 4:
        raise StudyError(
            f"places_round: a place of {volume_mm3:g} mm^3 has an edge of {edge:g} mm, and a hole of radius "
            f"{radius_mm:g} mm has no room for four; declare a smaller volume"
        )
    return Places(around, through, edge, (2.0 * np.pi * radius_mm / around, edge))


def highest_in_places(angle_rad: Floats, stress: Floats, around: int) -> Floats:
    """Return the highest magnitude of a stress along the hole within each of so many equal arcs.

    Parameters
    ----------
    angle_rad, stress
        Along the closed edge, angles rising; between them runs a periodic cubic spline.
    around
        Number of arcs; the first is centred on the angle 0.

    Returns
    -------
    ndarray
        ``(around,)``.
    """
    curve = CubicSpline(
        np.append(angle_rad, angle_rad[0] + 2.0 * np.pi), np.append(stress, stress[0]), bc_type="periodic"
    )
    wide = 2.0 * np.pi / around
    at = wide * (np.arange(around)[:, None] - 0.5 + np.linspace(0.0, 1.0, _READINGS + 1))
    return np.asarray(np.abs(curve(np.mod(at - angle_rad[0], 2.0 * np.pi) + angle_rad[0])).max(axis=1))
