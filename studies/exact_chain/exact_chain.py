"""Four stages with closed forms: the ledger of this chain is known before it is run.

The answer is y = sum of weight x standard normal, so each source's share is the square of its weight:
f 9 %, p 61 %, c 17 %, v 3 %, g 8 %, q 2 %. No physics lives here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt

from numpy.random import Generator

from uqmsm.quantity import Port, Ports
from uqmsm.stochastic import Given, Outcome, Source, law_sources
from uqmsm.uncertainty import Aleatoric, Epistemic, Normal, Numerical, settled


@dataclass(frozen=True)
class First:
    """What is not known first: f."""

    f: float | Epistemic = Epistemic(Normal(0.0, sqrt(0.09)))
    outputs: Ports = (Port("after_first"),)
    inputs: Ports = ()

    @property
    def sources(self) -> tuple[Source, ...]:
        """Of the fields."""
        return law_sources(self)

    def __call__(self, given: Given, streams: Mapping[str, Generator]) -> Outcome:
        """Give f."""
        return {"after_first": settled(self.f)}


@dataclass(frozen=True)
class Second:
    """What is not known next: p."""

    p: float | Epistemic = Epistemic(Normal(0.0, sqrt(0.61)))
    inputs: Ports = (Port("after_first"),)
    outputs: Ports = (Port("after_second"),)

    @property
    def sources(self) -> tuple[Source, ...]:
        """Of the fields."""
        return law_sources(self)

    def __call__(self, given: Given, streams: Mapping[str, Generator]) -> Outcome:
        """Add p."""
        return {"after_second": given["after_first"] + settled(self.p)}


@dataclass(frozen=True)
class Third:
    """Chance c and numerical noise v."""

    c: float | Aleatoric = Aleatoric(Normal(0.0, sqrt(0.17)))
    v: float | Numerical = Numerical(Normal(0.0, sqrt(0.03)))
    inputs: Ports = (Port("after_second"),)
    outputs: Ports = (Port("after_third"),)

    @property
    def sources(self) -> tuple[Source, ...]:
        """Of the fields."""
        return law_sources(self)

    def __call__(self, given: Given, streams: Mapping[str, Generator]) -> Outcome:
        """Add c and v."""
        return {"after_third": given["after_second"] + settled(self.c) + settled(self.v)}


@dataclass(frozen=True)
class Fourth:
    """Chance g and q, and an offset that a finer setting halves: a bias, not a variance."""

    g: float | Aleatoric = Aleatoric(Normal(0.0, sqrt(0.08)))
    q: float | Aleatoric = Aleatoric(Normal(0.0, sqrt(0.02)))
    step: float = 0.2
    inputs: Ports = (Port("after_third"),)
    outputs: Ports = (Port("y", meaning="sum of all"),)

    @property
    def sources(self) -> tuple[Source, ...]:
        """Of the fields."""
        return law_sources(self)

    def __call__(self, given: Given, streams: Mapping[str, Generator]) -> Outcome:
        """Add g, q and the bias of the step."""
        return {"y": given["after_third"] + settled(self.g) + settled(self.q) + self.step}
