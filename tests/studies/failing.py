"""A margin known in closed form: strength and load of a rod, with what is not known of both, and a rolled flaw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from scipy.special import ndtri

from uqmsm.errors import MemberFailed
from uqmsm.quantity import Port, Unit
from uqmsm.stochastic import Kind, Source, law_sources
from uqmsm.uncertainty import Aleatoric, Epistemic, Uncertain, settled


@dataclass(frozen=True)
class Quick:
    """A normal law that takes one uniform number and little time."""

    mean: float
    sd: float
    locations = ("mean",)
    widths = ("sd",)

    def draw(self, rng):
        """Invert."""
        return self.mean + self.sd * float(ndtri(rng.random()))


LAWS = {"quick": Quick}


@dataclass(frozen=True)
class Rod:
    """Gives margin = bias + strength - load + flaw, all normal; a flaw needs three numbers, so it has no place.

    Parameters
    ----------
    bias
        What is not known.
    strength, load
        Chance.
    flawed
        Standard deviation of the flaw; no flaw at 0.
    fragile
        Members with a load above this fail to compute.
    """

    bias: Annotated[Uncertain, Unit("MPa")] = Epistemic(Quick(0.0, 3.0))
    strength: Annotated[Uncertain, Unit("MPa")] = Aleatoric(Quick(120.0, 6.0))
    load: Annotated[Uncertain, Unit("MPa")] = Aleatoric(Quick(95.0, 8.0))
    flawed: float = 0.0
    fragile: float = 1e9

    inputs = ()
    outputs = (Port("margin", "MPa"), Port("stress", "MPa"))

    @property
    def sources(self):
        """Of the fields, and the flaw."""
        return (*law_sources(self), *((Source("flaw", Kind.ALEATORIC),) if self.flawed else ()))

    def __call__(self, given, streams):
        """Add up."""
        del given
        if settled(self.load) > self.fragile:
            raise MemberFailed("too much for the machine")
        flaw = self.flawed * float(streams["flaw"].standard_normal(3).sum()) / 3**0.5 if self.flawed else 0.0
        margin = settled(self.bias) + settled(self.strength) - settled(self.load) + flaw
        return {"margin": margin, "stress": settled(self.load)}
