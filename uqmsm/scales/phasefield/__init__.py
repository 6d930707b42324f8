"""Microstructure with its doubt: from processing to grains, to new phases and to alloys that unmix."""

from __future__ import annotations

from uqmsm.scales.phasefield.assessed import AssessedInteractions
from uqmsm.scales.phasefield.grain_growth import GrainGrowth
from uqmsm.scales.phasefield.interactions import PairInteractions
from uqmsm.scales.phasefield.nucleation import Nucleation
from uqmsm.scales.phasefield.self_similar import GrowthDraw, LearntGrowth, SelfSimilar
from uqmsm.scales.phasefield.size_law import SizeLaw
from uqmsm.scales.phasefield.spinodal import Spinodal

__all__ = [
    "LAWS",
    "AssessedInteractions",
    "GrainGrowth",
    "GrowthDraw",
    "LearntGrowth",
    "Nucleation",
    "PairInteractions",
    "SelfSimilar",
    "SizeLaw",
    "Spinodal",
]

LAWS = {"self_similar": SelfSimilar}
"""Laws that a study may write in this scale's fields, beside the general ones."""
