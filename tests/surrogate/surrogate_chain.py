"""A chain with a costly stage that is no polynomial, for tests of surrogates that stand for it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from uqmsm.quantity import Port
from uqmsm.stochastic import Kind, Source, law_sources
from uqmsm.uncertainty import Aleatoric, Epistemic, Normal


@dataclass(frozen=True)
class Inputs:
    """Two numbers that are not known."""

    a: float | Epistemic = Epistemic(Normal(0.0, 1.0))
    b: float | Aleatoric = Aleatoric(Normal(0.0, 1.0))

    inputs = ()
    outputs = (Port("pair", "GPa", ("two",)),)

    @property
    def sources(self):
        return law_sources(self)

    def __call__(self, given, streams):
        return {"pair": np.array([self.a, self.b])}


@dataclass(frozen=True)
class Costly:
    """Bends its inputs; `noise` is rolled anew in every call, `fails` makes calls fail."""

    c: float | Epistemic = Epistemic(Normal(0.0, 1.0))
    bend: float = 1.0
    noise: float = 0.0
    fails: bool = False

    inputs = (Port("pair", "MPa", ("two",)),)
    outputs = (Port("y", meaning="answer"), Port("z"), Port("flag"))

    @property
    def sources(self):
        own = (Source("roll", Kind.NUMERICAL),) if self.noise else ()
        return (*law_sources(self), *own)

    def cost(self, upstream=()):
        return 0.5

    def __call__(self, given, streams):
        a, b = given["pair"] / 1000.0
        if self.fails and a > -0.5:
            raise ZeroDivisionError("no answer here")
        y = np.sin(self.bend * a) + 0.5 * b + 0.3 * self.c
        y += self.noise * streams["roll"].standard_normal() if self.noise else 0.0
        return {"y": y, "z": a * b + 2.0, "flag": 3}


@dataclass(frozen=True)
class Chancy(Costly):
    """Draws chance inside its calls."""

    @property
    def sources(self):
        return (*law_sources(self), Source("grains", Kind.ALEATORIC))


@dataclass(frozen=True)
class Jumping(Costly):
    """Hands on an integer that jumps."""

    def __call__(self, given, streams):
        return {**super().__call__(given, streams), "flag": int(given["pair"][0] > 0)}
