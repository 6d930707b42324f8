"""One specimen of an alloy: its composition, and which element sits on which site, by chance or by order."""

from __future__ import annotations

from uqmsm.scales.alloy.annealed import AnnealedAlloy
from uqmsm.scales.alloy.ordered import OrderedAlloy, Wanted
from uqmsm.scales.alloy.quasirandom import QuasirandomAlloy
from uqmsm.scales.alloy.random import RandomAlloy

__all__ = ["AnnealedAlloy", "OrderedAlloy", "QuasirandomAlloy", "RandomAlloy", "Wanted"]
