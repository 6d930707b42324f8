"""Which atom sits where: crystals of any size and orientation, how they are filled, and how ordered they are."""

from __future__ import annotations

from uqmsm.physics.alloy.arranging import Arrangement, arrange, quasirandom
from uqmsm.physics.alloy.filling import configuration, counts
from uqmsm.physics.alloy.lattice import BASES, block, shells, sites
from uqmsm.physics.alloy.order import homecomers, neighbours, pair_counts, random_order, random_scatter, warren_cowley
from uqmsm.physics.alloy.planes import PLANES, plane_block

__all__ = [
    "BASES",
    "PLANES",
    "Arrangement",
    "arrange",
    "block",
    "configuration",
    "counts",
    "homecomers",
    "neighbours",
    "pair_counts",
    "plane_block",
    "quasirandom",
    "random_order",
    "random_scatter",
    "shells",
    "sites",
    "warren_cowley",
]
