"""The law of a surrogate, learnt from real calls: at addresses that no member has, some of them kept for the recheck.

Training calls run the whole chain up to the stage, with the sources' own streams at indices from 2^31 on: inputs have
the law that members have, and no member is among them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import EnvironmentFault, NotConverged, StudyError
from uqmsm.fingerprint import canonical, code_of, digest
from uqmsm.stochastic import Operator, evaluate, failure, settle
from uqmsm.streams import Streams
from uqmsm.surrogate.coordinates import Coordinates
from uqmsm.surrogate.emulator import Emulator, emulate
from uqmsm.surrogate.record import Calls, Recheck, kept_calls, record
from uqmsm.surrogate.stage import Learnt, Surrogate, features, refuse
from uqmsm.uncertainty import Numerical

__all__ = ["FromCalls", "Step", "Training", "surrogate_of"]

Floats = NDArray[np.float64]
Map = Callable[..., Iterable[Any]]

FIRST = 2**31
"""Index of the first training call, in every source's stream."""
_MOST_NUMBERS = 64
_FALSE_ALARM = 0.01
_MET = 1e-6  # of the scatter: an error of zero is believed if held-out calls miss by less


@dataclass(frozen=True)
class Training:
    """How a stage is learnt from its own calls.

    Parameters
    ----------
    calls
        Real calls that it is learnt from, at least 16.
    held_out
        Further real calls by which it is rechecked, at least 8.
    degree
        Highest degree of polynomials that is tried.
    process
        Whether a Gaussian process for what polynomials leave is tried.
    reach
        How far outside the box of the training calls it answers, in widths of the box; beyond, a member fails.
    """

    calls: int = 64
    held_out: int = 20
    degree: int = 3
    process: bool = True
    reach: float = 0.5

    def __post_init__(self) -> None:
        """Refuse what nothing can be learnt from."""
        if self.calls < 16 or self.held_out < 8:
            raise StudyError(
                f"calls = {self.calls}, held_out = {self.held_out}: at least 16 calls to learn from and 8 to recheck "
                "with are needed; write 64 and 20"
            )
        if not 0 <= self.degree <= 5 or not self.reach >= 0:
            raise StudyError(
                f"degree = {self.degree}, reach = {self.reach:g}: write a degree of 0 to 5 and a reach that is not "
                "negative"
            )


@dataclass(frozen=True)
class Step:
    """One stage on the way to the calls.

    Parameters
    ----------
    name, operator
        As in the chain, its laws learnt.
    takes
        (input port, stage, its port, factor) for every input.
    """

    name: str
    operator: Operator
    takes: tuple[tuple[str, str, str, float], ...] = ()


@dataclass(frozen=True)
class FromCalls:
    """The surrogate before it is learnt.

    Parameters
    ----------
    real
        The operator that it is to stand for.
    training
        How.
    steps
        The stages before it and itself, in order; told when it is learnt (`among`).
    """

    real: Operator
    training: Training
    steps: tuple[Step, ...] = ()

    def among(self, steps: Sequence[Step]) -> FromCalls:
        """Return the same, told which stages lead to the calls; the last of them is the stage itself."""
        return replace(self, steps=tuple(steps))

    @property
    def fingerprint(self) -> str:
        """Return the digest of stage, settings and of all that leads to its calls."""
        before = [[canonical(step), code_of(step.operator)] for step in self.steps[:-1]]
        takes = self.steps[-1].takes if self.steps else ()
        return digest(self.real, code_of(self.real), self.training, takes, before, code_of(self))

    def cost(self) -> float:
        """Return the seconds of one core that the stage's own calls take, as far as it says so."""
        own = getattr(self.real, "cost", None)
        return float(own(())) * (self.training.calls + self.training.held_out) if callable(own) else 0.0

    def learn(self, mapping: Map, seed: int, stored: Path, tell: Callable[[str], None]) -> Learnt:
        """Return the law learnt; see `uqmsm.uncertainty.LearnableLaw`.

        Raises
        ------
        NotConverged
            When too few of the calls succeed.
        StudyError
            When the stage hands on what no surrogate can: numbers that jump, too many, or of changing shape.
        """
        if not self.steps:
            raise StudyError(f"the surrogate of {type(self.real).__name__} does not know its chain; learn it in a run")
        mark = digest(self.fingerprint, seed)
        calls, chosen = kept_calls(stored, mark)
        fresh = calls is None
        found = calls if calls is not None else self._called(mapping, seed, tell)
        coordinates = Coordinates.of(found.inputs)
        at = coordinates.at(found.inputs)
        tasks = [(at, found.values[:, k], self.training, chosen[k] if chosen else None) for k in range(found.numbers)]
        emulators = tuple(mapping(_emulated, tasks)) if fresh else tuple(map(_emulated, tasks))
        check = Recheck.of(emulators, coordinates.at(found.held_inputs), found.held_values, _FALSE_ALARM, _MET)
        short = (*check.shortfalls(found.names), *found.shortfalls())
        law = Learnt(
            self.real, coordinates, emulators, found.shapes, found.whole, _mixing(emulators), self.training.reach,
            digest(mark, found.inputs, found.values), short,
        )  # fmt: skip
        if fresh:
            tell(f"surrogate of {type(self.real).__name__}: {check.words(found.names, emulators)}")
            record(stored, mark, found, emulators, check, short)
        return law

    def _called(self, mapping: Map, seed: int, tell: Callable[[str], None]) -> Calls:
        """Run the calls and collect what went in and what came out; failed ones are counted."""
        count = self.training.calls + self.training.held_out
        told = f"{self.training.calls} real calls, {self.training.held_out} more to recheck"
        tell(f"surrogate of {type(self.real).__name__}: {told}")
        answers = list(mapping(_ran, [(self.steps, seed, FIRST + k) for k in range(count)]))
        there = [answer for answer in answers if not isinstance(answer, str)]
        failed = [answer for answer in answers if isinstance(answer, str)]
        train = [one for one in answers[: self.training.calls] if not isinstance(one, str)]
        held = [one for one in answers[self.training.calls :] if not isinstance(one, str)]
        if len(train) < max(16, self.training.calls // 2) or len(held) < max(4, self.training.held_out // 2):
            raise NotConverged(
                f"{len(there)} of {count} calls of {type(self.real).__name__} succeed, too few to learn from "
                f"({failed[0] if failed else 'none'}); run the stage itself"
            )
        return _collected(self.real, train, held, len(failed))


def surrogate_of(real: Any, training: Training) -> Surrogate:
    """Return the operator that stands for `real`, to be learnt.

    Raises
    ------
    StudyError
        When no surrogate can stand for it.
    """
    refuse(real)
    law: Any = FromCalls(real, training)  # learnt before it is drawn from
    return Surrogate(Numerical(law))


def _ran(task: tuple[tuple[Step, ...], int, int]) -> tuple[Floats, dict[str, NDArray[Any]]] | str:
    """Run the chain up to the stage at one index; return its features and outcome, or why it failed."""
    steps, seed, index = task
    outcomes: dict[str, dict[str, NDArray[Any]]] = {}
    row = np.empty(0)
    for step in steps:
        given = {
            port: outcomes[stage][theirs] if factor == 1.0 else outcomes[stage][theirs] * factor
            for port, stage, theirs, factor in step.takes
        }
        indices = {source.name: index for source in step.operator.sources}
        try:
            if step is steps[-1]:
                settled = settle(step.operator, Streams(seed).call(step.name, indices))
                row = features(settled, step.operator, given)
            outcomes[step.name] = evaluate(step.operator, given, Streams(seed).call(step.name, indices))
        except EnvironmentFault:
            raise
        except Exception as fault:  # noqa: BLE001  # a failed call, of whatever class, is an outcome
            return f"{step.name}: {failure(fault)}"
    return row, outcomes[steps[-1].name]


def _collected(real: Operator, train: Sequence[Any], held: Sequence[Any], failed: int) -> Calls:
    """Return the calls as tables, after refusing what no surrogate can hand on."""
    first = train[0]
    shapes = tuple(first[1][port.name].shape for port in real.outputs)
    for row, outcome in (*train, *held):
        if row.shape != first[0].shape or tuple(outcome[port.name].shape for port in real.outputs) != shapes:
            raise StudyError(
                f"{type(real).__name__} takes or gives arrays whose sizes differ from call to call; run it itself"
            )
    names = [
        port.name if not shape else f"{port.name}[{', '.join(map(str, at))}]"
        for port, shape in zip(real.outputs, shapes, strict=True)
        for at in np.ndindex(*shape)
    ]
    whole = tuple(first[1][port.name].dtype.kind != "f" for port in real.outputs)
    for port, flag in zip(real.outputs, whole, strict=True):
        if flag and any(not np.array_equal(outcome[port.name], first[1][port.name]) for _, outcome in (*train, *held)):
            raise StudyError(
                f"{type(real).__name__} hands on {port.name}, an integer that differs from call to call, and between "
                "integers there is nothing to learn; run the stage itself"
            )
    if len(names) > _MOST_NUMBERS:
        raise StudyError(
            f"{type(real).__name__} hands on {len(names)} numbers, and a surrogate learns {_MOST_NUMBERS} at most; put "
            "the stage that makes few of many before it"
        )

    def table(rows: Sequence[Any]) -> Floats:
        return np.array([
            np.concatenate([np.ravel(outcome[port.name]).astype(np.float64) for port in real.outputs])
            for _, outcome in rows
        ])  # fmt: skip

    inputs, held_inputs = np.array([row for row, _ in train]), np.array([row for row, _ in held])
    return Calls(inputs, table(train), held_inputs, table(held), tuple(names), shapes, whole, failed)


def _emulated(task: tuple[Floats, Floats, Training, Any]) -> Emulator:
    from uqmsm.surrogate.emulator import fitted

    at, values, training, chosen = task
    if chosen is not None:
        return fitted(at, values, *chosen)
    return emulate(at, values, most_degree=training.degree, process=training.process)


def _mixing(emulators: Sequence[Emulator]) -> Floats:
    """Return the factor of the correlation between the errors of the numbers, from the misses of the same calls.

    Shrunk towards none by as much as so few calls leave open: n / (n + numbers).
    """
    misses = np.array([one.left_out for one in emulators])
    size = np.sqrt(np.mean(misses**2, axis=1))
    apart = misses / np.where(size > 0, size, 1.0)[:, None]
    count = misses.shape[1]
    found = apart @ apart.T / count * count / (count + len(emulators))
    np.fill_diagonal(found, 1.0)
    return np.asarray(np.linalg.cholesky(found))
