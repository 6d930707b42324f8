"""Random fields in space: correlation with a stated range, exact draws on grids, few modes on any points."""

from __future__ import annotations

from uqmsm.physics.randomfield.circulant import GridField, grid_field
from uqmsm.physics.randomfield.correlation import Averaged, averaged, correlation
from uqmsm.physics.randomfield.karhunen_loeve import Modes, modes, modes_of_mass

__all__ = ["Averaged", "GridField", "Modes", "averaged", "correlation", "grid_field", "modes", "modes_of_mass"]
