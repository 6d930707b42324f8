"""The component with its doubt: a plate with a hole, or a turning disc, to first yield."""

from __future__ import annotations

from uqmsm.scales.fe.disc import RotatingDisc
from uqmsm.scales.fe.plate import ElasticPlate, PlateWithHole

__all__ = ["ElasticPlate", "PlateWithHole", "RotatingDisc"]
