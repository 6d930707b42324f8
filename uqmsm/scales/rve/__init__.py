"""A block of grains with its doubt: what stands between the crystal and the component."""

from __future__ import annotations

from uqmsm.scales.rve.crystal_plasticity import CrystalPlasticity
from uqmsm.scales.rve.localized import Localized
from uqmsm.scales.rve.localized_flow import LocalizedFlow
from uqmsm.scales.rve.polycrystal import Polycrystal
from uqmsm.scales.rve.sizes import BlockSizes

__all__ = ["BlockSizes", "CrystalPlasticity", "Localized", "LocalizedFlow", "Polycrystal"]
