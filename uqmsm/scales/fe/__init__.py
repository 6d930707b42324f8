"""The component with its doubt: plates with a hole, a turning disc, a notched bar; atoms or grains inside."""

from __future__ import annotations

from uqmsm.scales.fe.disc import RotatingDisc
from uqmsm.scales.fe.notched_bar import NotchedBar
from uqmsm.scales.fe.plate import ElasticPlate, PlateWithHole
from uqmsm.scales.fe.switching import SwitchingPlate

__all__ = ["ElasticPlate", "NotchedBar", "PlateWithHole", "RotatingDisc", "SwitchingPlate"]
