"""The component with its doubt: plate, disc, tube, notched bar and specimen; atoms or grains inside."""

from __future__ import annotations

from uqmsm.scales.fe.cycled_bar import CycledBar
from uqmsm.scales.fe.disc import RotatingDisc
from uqmsm.scales.fe.fracture_load import FractureLoad
from uqmsm.scales.fe.limit_load import LimitLoad
from uqmsm.scales.fe.notched_bar import NotchedBar
from uqmsm.scales.fe.plate import ElasticPlate, PlateWithHole
from uqmsm.scales.fe.switching import SwitchingPlate

__all__ = [
    "CycledBar",
    "ElasticPlate",
    "FractureLoad",
    "LimitLoad",
    "NotchedBar",
    "PlateWithHole",
    "RotatingDisc",
    "SwitchingPlate",
]
