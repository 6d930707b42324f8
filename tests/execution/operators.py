"""Small operators for the tests of execution: importable, so that worker processes find them."""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from uqmsm.chain import Chain, Stage
from uqmsm.errors import EnvironmentFault, MemberFailed, StudyError, Unstable
from uqmsm.quantity import Port
from uqmsm.stochastic import Kind, Source, law_sources
from uqmsm.uncertainty import Aleatoric, Epistemic


@dataclass(frozen=True)
class Bell:
    """Nearly normal: a sum of twelve uniforms; a law of one's own, which spares workers a second of imports."""

    mean: float
    sd: float

    def draw(self, rng):
        return self.mean + self.sd * (float(rng.random(12).sum()) - 6.0)


@dataclass(frozen=True)
class Lattice:
    """An epistemic draw."""

    size: float | Epistemic = field(default_factory=lambda: Epistemic(Bell(3.2, 0.01)))
    inputs = ()
    outputs = (Port("size", "angstrom"),)

    @property
    def sources(self):
        return law_sources(self)

    def __call__(self, given, streams):
        return {"size": self.size}


@dataclass(frozen=True)
class Alloy:
    """A configuration of its own and a law; fails or is unstable where chance says so."""

    heat: float | Aleatoric = field(default_factory=lambda: Aleatoric(Bell(0.0, 1.0)))
    sites: int = 5
    fail_above: float = np.inf
    unstable_below: float = -np.inf
    pause: float = 0.0
    inputs = (Port("size", "nm"),)
    outputs = (Port("energies", "eV", ("site",)), Port("largest", "1"))

    @property
    def sources(self):
        return (*law_sources(self), Source("configuration", Kind.ALEATORIC))

    def __call__(self, given, streams):
        time.sleep(self.pause)
        if self.heat > self.fail_above:
            raise MemberFailed(f"heat {self.heat:.3f} is too much")
        if self.heat < self.unstable_below:
            raise Unstable("C' is negative")
        energies = given["size"] * streams["configuration"].random(self.sites) + self.heat
        return {"energies": energies, "largest": int(np.argmax(energies))}


@dataclass(frozen=True)
class Plate:
    """The end of the chain; takes from both."""

    surprise_above: float = np.inf
    inputs = (Port("energies", "meV", ("site",)), Port("size", "angstrom"))
    outputs = (Port("load", "1"),)
    sources = ()

    def __call__(self, given, streams):
        if given["size"] > self.surprise_above:
            raise KeyError("an error that nobody foresaw")
        given["energies"][0] += 1.0  # writes into what it was given: must not reach its mates
        return {"load": given["energies"].sum() + np.log(given["size"])}


@dataclass(frozen=True)
class Together:
    """Runs as a batch; one bad member breaks the batch as a whole, after streams were used."""

    noise: float | Aleatoric = field(default_factory=lambda: Aleatoric(Bell(0.0, 1.0)))
    bad_above: float = np.inf
    inputs = (Port("size", "angstrom"),)
    outputs = (Port("total", "1"),)

    @property
    def sources(self):
        return (*law_sources(self), Source("more", Kind.NUMERICAL))

    def __call__(self, given, streams):
        return self.batch([self], [given], [streams])[0]

    @staticmethod
    def batch(operators, givens, streams):
        extra = [stream["more"].random() for stream in streams]
        if any(operator.noise > operator.bad_above for operator in operators):
            raise RuntimeError("the batch broke")
        return [
            {"total": operator.noise + more + float(given["size"])}
            for operator, more, given in zip(operators, extra, givens, strict=True)
        ]


@dataclass(frozen=True)
class Deadly:
    """Kills its worker process for one draw in so many."""

    chance: float | Aleatoric = field(default_factory=lambda: Aleatoric(Bell(0.0, 1.0)))
    above: float = 1.0
    inputs = ()
    outputs = (Port("alive", "1"),)

    @property
    def sources(self):
        return law_sources(self)

    def __call__(self, given, streams):
        if self.chance > self.above:
            os.kill(os.getpid(), signal.SIGKILL)
        return {"alive": self.chance}


@dataclass(frozen=True)
class Heavy:
    """An outcome of many bytes."""

    draw: float | Aleatoric = field(default_factory=lambda: Aleatoric(Bell(0.0, 1.0)))
    numbers: int = 1000
    inputs = ()
    outputs = (Port("field", "1", ("node",)),)

    @property
    def sources(self):
        return law_sources(self)

    def __call__(self, given, streams):
        return {"field": np.full(self.numbers, self.draw)}


@dataclass(frozen=True)
class Ragged:
    """Gives a field whose size is chance: grains that formed, defects that were found."""

    draw: float | Aleatoric = field(default_factory=lambda: Aleatoric(Bell(0.0, 1.0)))
    inputs = ()
    outputs = (Port("field", "1", ("node",)), Port("labels", "1", ("node", "pair")))

    @property
    def sources(self):
        return law_sources(self)

    def __call__(self, given, streams):
        count = 3 + int(4 * abs(self.draw))
        return {"field": np.full(count, self.draw), "labels": np.arange(2 * count).reshape(count, 2)}


@dataclass(frozen=True)
class Counting:
    """Takes a field of any size and tells how large it was."""

    inputs = (Port("field", "percent", ("node",)), Port("labels", "1", ("node", "pair")))
    outputs = (Port("count", "1"), Port("total", "1"), Port("last", "1"))
    sources = ()

    def __call__(self, given, streams):
        return {"count": len(given["field"]), "total": given["field"].sum(), "last": int(given["labels"][-1, -1])}


@dataclass(frozen=True)
class TwoTypes:
    """Breaks the promise that a port keeps its number type."""

    draw: float | Aleatoric = field(default_factory=lambda: Aleatoric(Bell(0.0, 1.0)))
    inputs = ()
    outputs = (Port("x", "1"),)

    @property
    def sources(self):
        return law_sources(self)

    def __call__(self, given, streams):
        return {"x": max(0, self.draw)}


@dataclass(frozen=True)
class Refusing:
    """Raises some class of exception for some draws, alone or in a batch."""

    kind: str
    draw: float | Aleatoric = field(default_factory=lambda: Aleatoric(Bell(0.0, 1.0)))
    inputs = ()
    outputs = (Port("x", "1"),)

    @property
    def sources(self):
        return law_sources(self)

    def __call__(self, given, streams):
        if self.draw > 0.3:
            raise {"study": StudyError, "key": KeyError, "member": MemberFailed}[self.kind]("not this one")
        return {"x": self.draw}


@dataclass(frozen=True)
class RefusingTogether(Refusing):
    """The same as a batch operator."""

    @staticmethod
    def batch(operators, givens, streams):
        return [one(given, stream) for one, given, stream in zip(operators, givens, streams, strict=True)]


@dataclass(frozen=True)
class NoEngine:
    """Needs an engine that is not there."""

    draw: float | Aleatoric = field(default_factory=lambda: Aleatoric(Bell(0.0, 1.0)))
    inputs = ()
    outputs = (Port("x", "1"),)

    @property
    def sources(self):
        return law_sources(self)

    def __call__(self, given, streams):
        raise EnvironmentFault("the engine is not installed; pip install it")


@dataclass(frozen=True)
class Imported:
    """Tells which of some modules its process has loaded, and how many threads it may use."""

    draw: float | Aleatoric = field(default_factory=lambda: Aleatoric(Bell(0.0, 1.0)))
    modules: tuple[str, ...] = ("arviz", "arviz_base", "matplotlib", "pydantic")
    inputs = ()
    outputs = (Port("loaded", "1", ("module",)), Port("threads", "1"), Port("process", "1"))

    @property
    def sources(self):
        return law_sources(self)

    def __call__(self, given, streams):
        loaded = np.array([name in sys.modules for name in self.modules])
        return {"loaded": loaded, "threads": int(os.environ.get("OMP_NUM_THREADS", "0")), "process": os.getpid()}


@dataclass(frozen=True)
class Warm:
    """Writes down every compilation."""

    marks: str
    draw: float | Aleatoric = field(default_factory=lambda: Aleatoric(Bell(0.0, 1.0)))
    inputs = ()
    outputs = (Port("y", "1"),)

    @property
    def sources(self):
        return law_sources(self)

    def warm_up(self):
        with Path(self.marks).open("a", encoding="utf-8") as file:
            file.write("compiled\n")

    def __call__(self, given, streams):
        return {"y": self.draw if Path(self.marks).exists() else np.nan}


def three_stages(**alloy):
    """Return lattice -> statics -> fe, with units that convert on the way."""
    return Chain((Stage("lattice", Lattice()), Stage("statics", Alloy(**alloy)), Stage("fe", Plate())))


def rectangles(rows):
    """Return members as rows of 2 x 2 rectangles over (lattice.size, statics.heat + statics.configuration)."""
    table = [
        (2 * row + first, 2 * row + second, 2 * row + second)
        for row in range(rows)
        for first in (0, 1)
        for second in (0, 1)
    ]
    return np.array(table)
