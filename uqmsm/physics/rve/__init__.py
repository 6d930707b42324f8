"""A periodic block of grains and its effective stiffness: microstructure, FFT homogenization, bounds, Taylor factor."""

from __future__ import annotations

from uqmsm.physics.rve.effective import Homogenized, homogenize, homogenize_cubic, homogenize_many, periodic_cell
from uqmsm.physics.rve.microstructure import Polycrystal, polycrystal, volume_fractions, voronoi
from uqmsm.physics.rve.rotations import random_orientations

__all__ = [
    "Homogenized",
    "Polycrystal",
    "homogenize",
    "homogenize_cubic",
    "homogenize_many",
    "periodic_cell",
    "polycrystal",
    "random_orientations",
    "volume_fractions",
    "voronoi",
]
