"""Blocks of grains beyond the elastic limit: slip on crystal planes or von Mises, step by step, on the FFT grid."""

from __future__ import annotations

from uqmsm.physics.rve.plastic.block import (
    Accuracy,
    Advanced,
    Block,
    Condensed,
    Control,
    State,
    block,
)
from uqmsm.physics.rve.plastic.laws import Law, Slip, crystals, von_mises
from uqmsm.physics.rve.plastic.loading import History, Load, drive, drive_many, proportional
from uqmsm.physics.rve.plastic.many import advance_many
from uqmsm.physics.rve.plastic.newton import advance, equilibrate, macro_tangent

__all__ = [
    "Accuracy",
    "Advanced",
    "Block",
    "Condensed",
    "Control",
    "History",
    "Law",
    "Load",
    "Slip",
    "State",
    "advance",
    "advance_many",
    "block",
    "crystals",
    "drive",
    "drive_many",
    "equilibrate",
    "macro_tangent",
    "proportional",
    "von_mises",
]
