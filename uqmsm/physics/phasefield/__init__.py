"""Microstructure as an outcome: grain growth with thousands of grains by a sparse phase field."""

from __future__ import annotations

from uqmsm.physics.phasefield.field import GrainField
from uqmsm.physics.phasefield.growth import GrainGrowth, StepControl
from uqmsm.physics.phasefield.measures import (
    chord_lengths,
    energy,
    junction_angles,
    neighbour_counts,
    radii,
    same_grain_probability,
    volumes,
)
from uqmsm.physics.phasefield.tessellation import Laguerre, laguerre, lognormal_volumes, power_diagram, voronoi_ids
from uqmsm.physics.phasefield.units import (
    BoundaryUnits,
    Misorientation,
    VelocityLaw,
    arrhenius_mobility,
    pinned_velocity,
    read_shockley,
    solute_drag_velocity,
)
from uqmsm.physics.phasefield.vti import write_vti

__all__ = [
    "BoundaryUnits",
    "GrainField",
    "GrainGrowth",
    "Laguerre",
    "Misorientation",
    "StepControl",
    "VelocityLaw",
    "arrhenius_mobility",
    "chord_lengths",
    "energy",
    "junction_angles",
    "laguerre",
    "lognormal_volumes",
    "neighbour_counts",
    "pinned_velocity",
    "power_diagram",
    "radii",
    "read_shockley",
    "same_grain_probability",
    "solute_drag_velocity",
    "volumes",
    "voronoi_ids",
    "write_vti",
]
