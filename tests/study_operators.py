"""Small operators with every sort of field, for tests of the study file; their arithmetic is exact."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from uqmsm.errors import StudyError
from uqmsm.quantity import Port, Unit
from uqmsm.stochastic import Kind, Source, law_sources
from uqmsm.uncertainty import Aleatoric, Epistemic, Numerical, Uncertain


class Lattice(StrEnum):
    BCC = "bcc"
    FCC = "fcc"


@dataclass(frozen=True)
class Triangle:
    """A triangular law that only this module knows."""

    lower: float
    upper: float
    locations = ("lower", "upper")
    widths = ()

    def draw(self, rng):
        return self.lower + (self.upper - self.lower) * 0.5 * (rng.random() + rng.random())


LAWS = {"triangle": Triangle}


@dataclass(frozen=True)
class Solver:
    """Settings of a solver."""

    tolerance: float = 1e-6
    width: Annotated[float, Unit("angstrom")] = 1.0


@dataclass(frozen=True)
class Heat:
    """Gives a temperature and a stiffness."""

    temperature: Annotated[Uncertain, Unit("K")]
    stiffness: Annotated[float, Unit("GPa")] = 200.0
    lattice: Lattice = Lattice.BCC
    rule: Literal["isotropic", "cubic"] = "cubic"
    fractions: Annotated[tuple[float, ...] | Aleatoric, Unit("1")] = (0.5, 0.5)
    copy: int = 3
    solver: Solver = field(default_factory=Solver)
    table: Path | None = None
    drift: Annotated[Epistemic | Numerical | None, Unit("K")] = None
    label: str = "No"

    inputs = ()
    outputs = (Port("T", "K"), Port("E", "GPa"), Port("spectrum", "GPa", ("mode",)))

    def __post_init__(self):  # noqa: D105
        if self.copy < 1:
            raise StudyError(f"copy = {self.copy} makes no copy; write 1 or more")

    @property
    def sources(self):
        return (*law_sources(self), Source("grains", Kind.ALEATORIC))

    def __call__(self, given, streams):
        del given
        modes = self.stiffness * streams["grains"].random(self.copy)
        return {"T": self.temperature, "E": self.stiffness, "spectrum": modes}


@dataclass(frozen=True)
class Load:
    """Turns stiffness into a load."""

    strain: float = 1e-3
    refinement: int = 1
    noisy: bool = False

    outputs = (Port("load", "MPa"), Port("E", "GPa"))
    inputs = (Port("E", "MPa"), Port("T", "K"))

    @property
    def sources(self):
        return (Source("noise", Kind.NUMERICAL),) if self.noisy else ()

    def __call__(self, given, streams):
        del streams
        return {"load": given["E"] * self.strain, "E": given["E"] / 1000.0}


@dataclass(frozen=True)
class Wrong(Load):
    """Takes what nobody gives, and a stiffness that is a length."""

    inputs = (Port("E", "angstrom"), Port("vacancies"))


@dataclass(frozen=True)
class NeedsEngine(Load):
    """Needs engines that are not there."""

    def requirements(self):
        return ("no_such_engine", "another_engine: conda install another-engine")


@dataclass(frozen=True)
class Silent:
    """Keeps no promise."""

    value: float = 1.0


class Loose:
    """No dataclass."""
