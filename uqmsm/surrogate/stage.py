"""A stage that answers in place of another: what its calls said before, with the error of saying it again.

The error is a source of its own, of the kind *numerical*: it would vanish with more calls. At one index it is the same
number of deviates whatever the inputs, so that outcomes at one index stay comparable.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.special import ndtr, stdtrit

from uqmsm.errors import MemberFailed, StudyError
from uqmsm.quantity import Ports
from uqmsm.stochastic import Given, Kind, Operator, Outcome, Source, laws_in, settle
from uqmsm.surrogate.coordinates import Coordinates
from uqmsm.surrogate.emulator import Emulator
from uqmsm.uncertainty import LearnableLaw, Numerical

__all__ = ["Draw", "Learnt", "Surrogate", "features", "refuse"]

Floats = NDArray[np.float64]

_STRANGE = 1e-4
"""Relative motion along a direction in which no training call moved; less is rounding."""
_LARGEST = 30.0  # deviates are cut where the tails of Student's law have no more numbers


@dataclass(frozen=True)
class Learnt:
    """The law after learning: the surrogate, and the deviates of its error.

    Parameters
    ----------
    real
        The operator that was called.
    coordinates
        Of its inputs.
    emulators
        One per number that it hands on, in the order of its ports.
    shapes
        Of its ports, in their order.
    whole
        Which ports hand on integers, which never varied.
    mixing
        Lower Cholesky factor of the correlation of the errors, shape (numbers, numbers).
    reach
        How far outside the box of the training calls is answered, in widths of the box.
    fingerprint
        Digest of calls and settings.
    shortfalls
        What the held-out calls object to, in words.
    """

    real: Operator
    coordinates: Coordinates
    emulators: tuple[Emulator, ...]
    shapes: tuple[tuple[int, ...], ...]
    whole: tuple[bool, ...]
    mixing: Floats
    reach: float
    fingerprint: str
    shortfalls: tuple[str, ...] = ()

    def draw(self, rng: Generator) -> Draw:
        """Return one error: a standard normal deviate per number, correlated as the misses of the calls are."""
        return Draw(self, self.mixing @ rng.standard_normal(len(self.emulators)))

    def law(self, inputs: Floats) -> tuple[Floats, Floats, Floats]:
        """Return mean, scale and degrees of freedom of every number at one point, shape (numbers,) each.

        Raises
        ------
        MemberFailed
            When the point lies farther outside the training calls than `reach`, or moves where they never moved.
        """
        at = self.coordinates.at(inputs)
        away, strange = float(self.coordinates.outside(at)), float(self.coordinates.strange(inputs))
        if away > self.reach or strange > _STRANGE:
            what = f"{away:.2g} widths beyond" if away > self.reach else f"{strange:.2g} off where never moved"
            raise MemberFailed(
                f"the inputs lie {what} the {len(self.emulators[0].at)} calls that the surrogate was learnt from; "
                "learn it from more calls, or run the stage itself"
            )
        found = [one.predict(at) for one in self.emulators]
        return (
            np.array([one.mean[0] for one in found]),
            np.array([one.scale[0] for one in found]),
            np.array([one.dof for one in found]),
        )


@dataclass(frozen=True)
class Draw:
    """One error of the surrogate, waiting for inputs."""

    law: Learnt
    deviates: Floats


@dataclass(frozen=True)
class Surrogate:
    """A stage learnt from an ensemble of its own calls.

    Parameters
    ----------
    surrogate
        Error of the surrogate that stands for the stage.
    """

    surrogate: Numerical

    @property
    def real(self) -> Operator:
        """Return the operator that it stands for."""
        law: Any = self.surrogate  # settled, it is a draw that knows its law
        found: Operator = law.law.real
        return found

    @property
    def inputs(self) -> Ports:
        """What the stage itself takes."""
        return self.real.inputs

    @property
    def outputs(self) -> Ports:
        """What the stage itself gives."""
        return self.real.outputs

    @property
    def sources(self) -> tuple[Source, ...]:
        """The laws in the stage's fields, and the surrogate's error, in which its own numerical noise is contained."""
        own = [source for source in self.real.sources if source.name in laws_in(self.real)]
        words = f"error of the surrogate that stands for {type(self.real).__name__}"
        return (*own, Source("surrogate", Kind.NUMERICAL, long_name=words))

    def requirements(self) -> tuple[str, ...]:
        """Return the engines that the stage itself needs, to be learnt from."""
        return _asked(self.real, "requirements")

    def references(self) -> tuple[str, ...]:
        """Return what to cite."""
        own = "polynomial-chaos Kriging: R. Schobi, B. Sudret and J. Wiart, Int. J. Uncertain. Quantif. 5, 171 (2015)"
        return (*_asked(self.real, "references"), own)

    def comparisons(self) -> tuple[Any, ...]:
        """Return the measurements beside which the stage lays its predictions."""
        return _asked(self.real, "comparisons")

    def consistent(self, upstream: Mapping[str, Operator]) -> Iterable[str]:
        """Say where the stage itself disagrees with the stages before it."""
        judge = getattr(self.real, "consistent", None)
        return judge(upstream) if callable(judge) else ()

    def cost(self, upstream: Sequence[object] = ()) -> float:
        """Return seconds per call, roughly, on one core."""
        return 1e-3

    def __call__(self, given: Given, streams: Mapping[str, Generator]) -> Outcome:
        """Answer as the stage would have, the error drawn."""
        draw: Any = self.surrogate
        if not isinstance(draw, Draw):
            raise TypeError(f"{draw!r} is not settled; call operators through uqmsm.stochastic.evaluate")
        law = draw.law
        mean, scale, dof = law.law(features(settle(law.real, streams), law.real, given))
        # quantile of Student's law at the place of a normal deviate; no error where the scale is zero
        apart = np.clip(stdtrit(dof, ndtr(np.clip(draw.deviates, -8.0, 8.0))), -_LARGEST, _LARGEST)
        numbers = mean + scale * apart
        found, start = {}, 0
        for port, shape, whole in zip(law.real.outputs, law.shapes, law.whole, strict=True):
            count = int(np.prod(shape))
            own = numbers[start : start + count].reshape(shape)
            found[port.name] = np.rint(own).astype(np.int64) if whole else own
            start += count
        return found


def features(settled: Operator, real: Operator, given: Given) -> Floats:
    """Return what a call depends on as one row: all inputs, then the numbers that the laws in its fields gave.

    Parameters
    ----------
    settled
        The operator with its laws settled.
    real
        The operator as the study says it.
    given
        Its inputs.
    """
    parts = [np.ravel(np.asarray(given[port.name], dtype=np.float64)) for port in real.inputs]
    for path in laws_in(real):
        value: Any = settled
        for name in path.split("."):
            value = getattr(value, name)
        parts.append(np.ravel(np.asarray(value, dtype=np.float64)))
    return np.concatenate(parts) if parts else np.empty(0)


def refuse(real: Any) -> None:
    """Refuse a stage for which no surrogate can stand.

    Raises
    ------
    StudyError
        When the stage draws chance or ignorance inside its calls, learns a law, or depends on nothing.
    """
    if isinstance(real, Surrogate):
        raise StudyError(f"{type(real.real).__name__} has a surrogate already; remove one")
    laws = laws_in(real)
    drawn = [source.name for source in real.sources if source.name not in laws and source.kind is not Kind.NUMERICAL]
    if drawn:
        raise StudyError(
            f"{type(real).__name__} draws {', '.join(drawn)} inside its calls, and a surrogate's error would pass it "
            "off as numerical; run the stage itself"
        )
    learnt = [path for path, (doubt, _) in laws.items() if isinstance(doubt.law, LearnableLaw)]
    if learnt:
        raise StudyError(
            f"{type(real).__name__} learns {', '.join(learnt)}, whose draws are no numbers; run the stage itself"
        )
    if not real.inputs and not laws:
        raise StudyError(
            f"{type(real).__name__} depends on nothing, so there is nothing to learn; run the stage itself"
        )


def _asked(real: Operator, name: str) -> tuple[Any, ...]:
    method = getattr(real, name, None)
    return tuple(method()) if callable(method) else ()
