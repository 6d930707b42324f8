"""Laws of what varies and of what is not known (the chaospy door).

A field of an operator may hold a number or a law. The wrapper says which *kind* of doubt the law describes:
`Aleatoric` (nature varies it), `Epistemic` (we do not know it) or `Numerical` (our numerics leave it behind).
Draws push a uniform from the source's own stream through the inverse distribution, because chaospy's own sampler
touches NumPy's global state.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from uqmsm.errors import StudyError

__all__ = [
    "Aleatoric",
    "Dirichlet",
    "Epistemic",
    "Law",
    "LearnableLaw",
    "LogNormal",
    "Normal",
    "Numerical",
    "TruncatedNormal",
    "Uncertain",
    "Uniform",
    "settled",
]


@runtime_checkable
class Law(Protocol):
    """Anything that can be drawn from a stream."""

    def draw(self, rng: Generator) -> Any:
        """Return one draw; always the same number of uniforms, whatever the parameters."""
        ...


@runtime_checkable
class LearnableLaw(Protocol):
    """A law that has to be learnt from data before it can be drawn; a study learns it once, then stores it.

    It may offer ``cost() -> float``, the seconds of one core that learning takes, for `uqmsm plan`, and ``shipped``,
    true where its draws come with uqmsm and are read, not computed.
    """

    @property
    def fingerprint(self) -> str:
        """Return the digest of prior, likelihood, data, settings and code."""
        ...

    def learn(self, mapping: Callable[..., Iterable[Any]], seed: int, stored: Path, tell: Callable[[str], None]) -> Law:
        """Return the law learnt.

        Parameters
        ----------
        mapping
            Like the builtin `map`; may run its calls on other processes.
        seed
            Seed of the study; streams are addressed from it.
        stored
            File to keep the draws in; one with the same fingerprint is read instead of computing again
            (`uqmsm.netcdf.write_netcdf` writes it so that a full disk does no harm). What it holds
            joins the results if it is netCDF: each of its groups (`posterior`, `prior`, `observed_data`,
            `posterior_predictive`, `sample_stats`, `diagnostics`, as in ArviZ; any may be absent) is filed under the
            stage. Attributes of the root that are looked at, each optional: `fingerprint`; `shortfalls`, a JSON list of
            what has not converged (a run with one ends as not converged); `length`, the steps of a chain. A variable
            of `observed_data` may say ``verified: no`` and a `note`, which the report repeats. Every variable should
            say `units` and `long_name`.
        tell
            Takes one line of progress for people.
        """
        ...


@lru_cache(maxsize=1024)
def _chaospy(name: str, *arguments: float) -> Any:
    import chaospy

    return getattr(chaospy, name)(*arguments)


def _positive(law: object, **values: float) -> None:
    for name, value in values.items():
        if not value > 0:
            raise StudyError(f"{type(law).__name__}: {name} = {value} must be positive; give a width above zero")


@dataclass(frozen=True)
class Normal:
    """The normal law N(mean, sd^2)."""

    mean: float
    sd: float
    locations: ClassVar[tuple[str, ...]] = ("mean",)
    widths: ClassVar[tuple[str, ...]] = ("sd",)

    def __post_init__(self) -> None:
        """Refuse a width that is not positive."""
        _positive(self, sd=self.sd)

    def draw(self, rng: Generator) -> float:
        """Return one draw by inversion of one uniform."""
        return float(_chaospy("Normal", self.mean, self.sd).inv(rng.random()))

    def log_density(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the logarithm of the density at `x`, any shape."""
        z = (np.asarray(x) - self.mean) / self.sd
        return np.asarray(-0.5 * z * z - math.log(self.sd * math.sqrt(2 * math.pi)))


@dataclass(frozen=True)
class TruncatedNormal:
    """The normal law restricted to [lower, upper]; `mean` and `sd` are those before the cut."""

    mean: float
    sd: float
    lower: float
    upper: float
    locations: ClassVar[tuple[str, ...]] = ("mean", "lower", "upper")
    widths: ClassVar[tuple[str, ...]] = ("sd",)

    def __post_init__(self) -> None:
        """Refuse an empty interval."""
        _positive(self, sd=self.sd, upper_minus_lower=self.upper - self.lower)

    def draw(self, rng: Generator) -> float:
        """Return one draw by inversion of one uniform."""
        return float(_chaospy("TruncNormal", self.lower, self.upper, self.mean, self.sd).inv(rng.random()))


@dataclass(frozen=True)
class LogNormal:
    """exp of a normal law: `median`, and `log_sd` the standard deviation of the logarithm (a pure number)."""

    median: float
    log_sd: float
    locations: ClassVar[tuple[str, ...]] = ()
    widths: ClassVar[tuple[str, ...]] = ("median",)

    def __post_init__(self) -> None:
        """Refuse a median or width that is not positive."""
        _positive(self, median=self.median, log_sd=self.log_sd)

    def draw(self, rng: Generator) -> float:
        """Return one draw by inversion of one uniform."""
        return self.median * math.exp(self.log_sd * float(_chaospy("Normal", 0.0, 1.0).inv(rng.random())))


@dataclass(frozen=True)
class Uniform:
    """The uniform law on [lower, upper]."""

    lower: float
    upper: float
    locations: ClassVar[tuple[str, ...]] = ("lower", "upper")
    widths: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        """Refuse an empty interval."""
        _positive(self, upper_minus_lower=self.upper - self.lower)

    def draw(self, rng: Generator) -> float:
        """Return one draw by inversion of one uniform."""
        return float(_chaospy("Uniform", self.lower, self.upper).inv(rng.random()))


@dataclass(frozen=True)
class Dirichlet:
    """A law on the simplex: heat-to-heat scatter of a composition round its mean.

    Parameters
    ----------
    mean
        Mean fractions, summing to one; at least two positive. An element with zero has none in every draw.
    sd
        Standard deviation of the *largest* component; the others follow from
        ``sd_i^2 = c_i (1 - c_i) / (a + 1)`` with one concentration `a`.
    """

    mean: tuple[float, ...]
    sd: float
    locations: ClassVar[tuple[str, ...]] = ()
    widths: ClassVar[tuple[str, ...]] = ("sd",)

    def __post_init__(self) -> None:
        """Refuse fractions that are no composition, and a scatter that no law on the simplex has."""
        if min(self.mean) < 0 or abs(sum(self.mean) - 1) > 1e-9:
            raise StudyError(
                f"the mean composition {self.mean} sums to {sum(self.mean):.10g}; "
                "write fractions, none negative, that sum to 1"
            )
        if sum(part > 0 for part in self.mean) < 2:
            raise StudyError(
                f"a composition that scatters needs two positive fractions, and mean is {self.mean}; "
                "write a fixed composition for a pure element"
            )
        _positive(self, sd=self.sd)
        largest = max(self.mean)
        widest = math.sqrt(largest * (1 - largest))
        if not self.sd < widest:
            raise StudyError(f"Dirichlet: sd = {self.sd} must be below {widest:.3g}; no law on the simplex is wider")

    @property
    def concentration(self) -> float:
        """Return the sum of the Dirichlet parameters."""
        largest = max(self.mean)
        return largest * (1 - largest) / self.sd**2 - 1

    def draw(self, rng: Generator) -> NDArray[np.float64]:
        """Return one composition, shape (elements,): normalised gammas by inversion, one uniform each."""
        u = rng.random(len(self.mean))
        gammas = [
            _chaospy("Gamma", c * self.concentration).inv(x) if c > 0 else 0.0
            for c, x in zip(self.mean, u, strict=True)
        ]
        parts = np.array([float(g) for g in gammas])
        return np.asarray(parts / parts.sum())


@dataclass(frozen=True)
class Aleatoric:
    """What nature varies from specimen to specimen: it would scatter even if we knew everything."""

    law: Law


@dataclass(frozen=True)
class Epistemic:
    """What we do not know: one value is right, and more knowledge would narrow the law."""

    law: Law


@dataclass(frozen=True)
class Numerical:
    """What our numerics leave behind at random: it would vanish with more computing."""

    law: Law


Uncertain = float | Aleatoric | Epistemic | Numerical


def settled(value: Uncertain | None) -> float:
    """Return the number in a field that has been settled.

    Raises
    ------
    TypeError
        When the field still holds a law: the operator was called without `uqmsm.stochastic.evaluate`.
    """
    if value is None or isinstance(value, (Aleatoric, Epistemic, Numerical)):
        raise TypeError(f"{value!r} is not settled; call operators through uqmsm.stochastic.evaluate")
    return float(value)
