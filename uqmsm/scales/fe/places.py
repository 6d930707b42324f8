"""How strong the places at a hole are: the Taylor factor of their grains, a field of declared averages."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uqmsm.physics.fe.initiation import Places, places_round
from uqmsm.physics.randomfield import GridField, averaged, grid_field
from uqmsm.physics.rve.grain_share import VORONOI

__all__ = ["StrengthField", "strength_field"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class StrengthField:
    """What draws averages over places of a field that has unit variance for one grain.

    Attributes
    ----------
    places
        At the hole.
    sd
        Standard deviation of an average.
    field
        Of unit variance over the places; it closes round the hole.
    """

    places: Places
    sd: float
    field: GridField

    def of_normals(self, normals: Floats) -> Floats:
        """Return the averages, ``(around, through)``, from normals of shape ``field.numbers``."""
        return self.sd * self.field.of_normals(normals)


def strength_field(radius_mm: float, thickness_mm: float, grains: int, diameter_um: float) -> StrengthField:
    """Return the field over the places of so many grains each.

    Parameters
    ----------
    radius_mm, thickness_mm
        Of the hole.
    grains
        Of a place; a grain has the volume of its cube, and unequal grains count for fewer.
    diameter_um
        Of a grain.

    Raises
    ------
    StudyError
        When fewer than four places fit round the hole.
    """
    grain = (1e-3 * diameter_um) ** 3
    places = places_round(radius_mm, thickness_mm, grains * grain)
    law = averaged((VORONOI * grain) ** (1.0 / 3.0), places.edge_mm)
    field = grid_field((places.around, places.through), places.apart_mm, law.range_mm, "gaussian", (True, False))
    return StrengthField(places, float(np.sqrt(law.variance)), field)
