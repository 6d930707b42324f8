"""Two stages with a closed form, y = a + b + lot, all normal: the chain of the run that is kept in format 1."""

from __future__ import annotations

from dataclasses import dataclass
from time import sleep

from uqmsm.quantity import Port
from uqmsm.stochastic import law_sources
from uqmsm.uncertainty import Aleatoric, Epistemic, Normal, settled


@dataclass(frozen=True)
class Known:
    """What is not known: a and b."""

    a: float | Epistemic = Epistemic(Normal(0.0, 2.0))
    b: float | Epistemic = Epistemic(Normal(0.0, 1.0))
    inputs = ()
    outputs = (Port("known"),)
    sources = property(law_sources)

    def __call__(self, given, streams):
        """Give both."""
        return {"known": settled(self.a) + settled(self.b)}


@dataclass(frozen=True)
class Lot:
    """Chance on top, after a pause [s]; what exceeds `fails_above` in size fails."""

    lot: float | Aleatoric = Aleatoric(Normal(0.0, 2.0))
    pause: float = 0.0
    fails_above: float = 99.0
    inputs = (Port("known"),)
    outputs = (Port("y", meaning="sum of all"),)
    sources = property(law_sources)

    def __call__(self, given, streams):
        """Add chance."""
        sleep(self.pause)
        if abs(settled(self.lot)) > self.fails_above:
            raise ValueError("too much")
        return {"y": given["known"] + settled(self.lot)}
