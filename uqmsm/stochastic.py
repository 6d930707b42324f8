"""The stochastic operator: one scale model as *given + streams of chance -> outcome*.

In the language of probability an operator is a Markov kernel. Its fields are what the study file says; a field that
holds a law is *settled* before the call, from the stream of the source of the same name; randomness with structure
(where each atom sits, which grains form) is drawn inside the call from the stream of a source that the operator
declares. `check` (in `uqmsm.promises`) tells whether an operator keeps these promises.
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from uqmsm.docstrings import parameters_of
from uqmsm.errors import EnvironmentFault, MemberFailed, UqmsmError
from uqmsm.quantity import Port, Ports
from uqmsm.uncertainty import Aleatoric, Epistemic, Numerical

__all__ = [
    "BatchOperator",
    "Given",
    "Kind",
    "Operator",
    "Outcome",
    "Source",
    "changed",
    "evaluate",
    "evaluate_batch",
    "failure",
    "law_sources",
    "laws_in",
    "settle",
]

Given = Mapping[str, NDArray[Any]]
Outcome = Mapping[str, Any]


class Kind(StrEnum):
    """Why a quantity scatters."""

    ALEATORIC = "aleatoric"
    EPISTEMIC = "epistemic"
    NUMERICAL = "numerical"


@dataclass(frozen=True)
class Source:
    """One source of uncertainty, with an index axis of its own.

    Parameters
    ----------
    name
        Unique within its stage; `label` is ``stage.name``.
    kind
        Aleatoric, epistemic or numerical.
    given
        Labels of the sources across which outcomes at one index are not comparable; ``("all",)`` for noise that is
        rolled anew whenever anything upstream changes.
    stage
        Filled in by the chain.
    long_name
        One line for people, the declared physical volume included where scatter depends on it.
    """

    name: str
    kind: Kind
    given: tuple[str, ...] = ()
    stage: str = ""
    long_name: str = ""

    @property
    def label(self) -> str:
        """Return ``stage.name``, the address of the source's streams."""
        return f"{self.stage}.{self.name}"


@runtime_checkable
class Operator(Protocol):
    """The protocol: satisfied by a frozen dataclass; there is no base class to inherit."""

    @property
    def inputs(self) -> Ports:
        """What it takes from stages before it."""
        ...

    @property
    def outputs(self) -> Ports:
        """What it gives to stages after it."""
        ...

    @property
    def sources(self) -> tuple[Source, ...]:
        """Its own sources of uncertainty, the laws in its fields included (see `law_sources`)."""
        ...

    def __call__(self, given: Given, streams: Mapping[str, Generator]) -> Outcome:
        """Run once. `given` holds the inputs in the units of the ports; `streams` one generator per source."""
        ...


@runtime_checkable
class BatchOperator(Operator, Protocol):
    """An operator that can run many members at once, each with the very bytes it would have alone."""

    @staticmethod
    def batch(
        operators: Sequence[Any], givens: Sequence[Given], streams: Sequence[Mapping[str, Generator]]
    ) -> list[Outcome | MemberFailed]:
        """Run all members; `operators` are settled copies of one operator."""
        ...


Doubt = Aleatoric | Epistemic | Numerical
_KINDS: dict[type, Kind] = {Aleatoric: Kind.ALEATORIC, Epistemic: Kind.EPISTEMIC, Numerical: Kind.NUMERICAL}


def laws_in(operator: Any) -> dict[str, tuple[Doubt, str]]:
    """Return every law in an operator's fields, those of dataclasses in its fields included.

    Returns
    -------
    dict
        Path of the field (``modulus``, or ``cell.modulus`` for a field of a field) -> the law in its wrapper, and what
        the class says of the field: its ``meaning``, or the first sentence of its description.
    """
    found: dict[str, tuple[Doubt, str]] = {}
    texts = parameters_of(type(operator))
    for field in fields(operator):
        value = getattr(operator, field.name)
        if type(value) in _KINDS:
            text = str(field.metadata.get("meaning") or texts.get(field.name, "").partition(". ")[0].rstrip("."))
            found[field.name] = (value, text)
        elif is_dataclass(value) and not isinstance(value, type) and not hasattr(value, "draw"):
            found |= {f"{field.name}.{path}": law for path, law in laws_in(value).items()}
    return found


def law_sources(operator: Any) -> tuple[Source, ...]:
    """Return one source for every law in an operator's fields, named by the path of the field (see `laws_in`)."""
    return tuple(
        Source(path, _KINDS[type(doubt)], tuple(getattr(doubt.law, "given", ())), long_name=text)
        for path, (doubt, text) in laws_in(operator).items()
    )


AnyOperator = TypeVar("AnyOperator")


def changed(operator: AnyOperator, values: Mapping[str, Any]) -> AnyOperator:
    """Return the operator with other values at some paths of its fields (``modulus``, ``cell.modulus``)."""
    own: dict[str, Any] = {}
    below: dict[str, dict[str, Any]] = {}
    for path, value in values.items():
        name, _, rest = path.partition(".")
        if rest:
            below.setdefault(name, {})[rest] = value
        else:
            own[name] = value
    own |= {name: changed(getattr(operator, name), deeper) for name, deeper in below.items()}
    return replace(operator, **own) if own else operator  # type: ignore[type-var]  # operators are dataclasses by contract


def settle(operator: AnyOperator, streams: Mapping[str, Generator]) -> AnyOperator:
    """Return the operator with every law in its fields replaced by a draw from the source's stream."""
    return changed(operator, {path: doubt.law.draw(streams[path]) for path, (doubt, _) in laws_in(operator).items()})


def _conform(ports: Ports, outcome: Outcome) -> dict[str, NDArray[Any]]:
    """Return the outcome as arrays in the order of the ports, or say which promise was broken."""
    missing = [port.name for port in ports if port.name not in outcome]
    extra = sorted(set(outcome) - {port.name for port in ports})
    if missing or extra:
        raise MemberFailed(f"outcome and ports differ: missing {missing}, not declared {extra}; mend the operator")
    return {port.name: _array(port, outcome[port.name]) for port in ports}


def _array(port: Port, value: Any) -> NDArray[Any]:
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise MemberFailed(f"{port.name} has dtype {array.dtype}; outcomes are numbers")
    if array.ndim != len(port.dims):
        raise MemberFailed(f"{port.name} has {array.ndim} dimensions where its port declares {port.dims}")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise MemberFailed(f"{port.name} is not finite")
    return array.astype(np.float64) if array.dtype.kind == "f" else array.astype(np.int64)


def evaluate(operator: Operator, given: Given, streams: Mapping[str, Generator]) -> dict[str, NDArray[Any]]:
    """Settle the laws, run the operator once and hold it to its ports.

    Raises
    ------
    MemberFailed
        When the operator says so, or breaks the promise of its ports.
    """
    return _conform(operator.outputs, settle(operator, streams)(given, streams))


def evaluate_batch(
    operator: Operator, givens: Sequence[Given], streams: Sequence[Mapping[str, Generator]]
) -> list[dict[str, NDArray[Any]] | MemberFailed]:
    """Run many members; a member that fails, by whatever exception, is an entry of the list.

    Raises
    ------
    EnvironmentFault
        When the machine failed, not the member.
    Exception
        What a batch of *several* raised as a whole: nobody knows whose fault it is. Run each alone, with streams from
        the beginning.
    """
    if isinstance(operator, BatchOperator):
        try:
            settled = [settle(operator, stream) for stream in streams]
            raw = operator.batch(settled, givens, streams)
        except EnvironmentFault:
            raise
        except Exception as fault:
            if len(givens) > 1:
                raise
            return [failure(fault)]
        return [_or_failure(operator.outputs, outcome) for outcome in raw]
    results: list[dict[str, NDArray[Any]] | MemberFailed] = []
    for given, stream in zip(givens, streams, strict=True):
        try:
            results.append(evaluate(operator, given, stream))
        except EnvironmentFault:
            raise
        except Exception as fault:  # noqa: BLE001  # a member's failure, of whatever class, is an outcome
            results.append(failure(fault))
    return results


def failure(fault: Exception) -> MemberFailed:
    """Return an exception that a call raised as the failure of its member: its words, class and place in one line."""
    if isinstance(fault, MemberFailed):
        return fault
    if isinstance(fault, UqmsmError):
        return MemberFailed(str(fault))
    frames = traceback.extract_tb(fault.__traceback__)
    place = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    failed = MemberFailed(f"{type(fault).__name__}: {' '.join(str(fault).split())}{place}")
    failed.__cause__ = fault
    return failed


def _or_failure(ports: Ports, outcome: Outcome | MemberFailed) -> dict[str, NDArray[Any]] | MemberFailed:
    if isinstance(outcome, MemberFailed):
        return outcome
    try:
        return _conform(ports, outcome)
    except MemberFailed as broken:
        return broken
