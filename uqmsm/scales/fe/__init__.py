"""The component with its doubt: a plate with a hole, a turning disc, a notched bar of grains at every point."""

from __future__ import annotations

from uqmsm.scales.fe.disc import RotatingDisc
from uqmsm.scales.fe.notched_bar import NotchedBar
from uqmsm.scales.fe.plate import ElasticPlate, PlateWithHole

__all__ = ["ElasticPlate", "NotchedBar", "PlateWithHole", "RotatingDisc"]
