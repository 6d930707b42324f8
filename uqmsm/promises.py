"""Does an operator keep its promises? `check(operator)` tries each of them and says which it breaks."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import MemberFailed
from uqmsm.fingerprint import digest
from uqmsm.quantity import conversion
from uqmsm.stochastic import Given, Operator, evaluate, evaluate_batch, laws_in
from uqmsm.streams import Streams
from uqmsm.uncertainty import Aleatoric, Epistemic, Numerical

__all__ = ["Report", "check"]

_STAGE = "checked"


@dataclass(frozen=True)
class Report:
    """What `check` found.

    Attributes
    ----------
    kept
        Promises that hold, in words.
    broken
        Promises that do not, each with what to change.
    rerolled
        Names of numerical or aleatoric outputs that jump when an input moves by one part in 10^9 while the streams
        stay: their source should declare ``given``.
    """

    kept: tuple[str, ...]
    broken: tuple[str, ...]
    rerolled: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Tell whether every promise holds."""
        return not self.broken

    def __str__(self) -> str:
        """Return one line per promise."""
        return "\n".join(
            [f"kept    {line}" for line in self.kept]
            + [f"broken  {line}" for line in self.broken]
            + [f"jumps   {name}: declare given=... on its source" for name in self.rerolled]
        )


def _bytes(outcome: Mapping[str, NDArray[Any]] | MemberFailed) -> bytes:
    if isinstance(outcome, MemberFailed):
        return str(outcome).encode()
    return b"".join(name.encode() + value.tobytes() for name, value in outcome.items())


def check(operator: Operator, given: Given | None = None, *, seed: int = 1, members: int = 5) -> Report:
    """Try the promises of the operator protocol.

    Parameters
    ----------
    operator
        The operator, laws in its fields and all.
    given
        One example of its inputs, in the units of its ports; needed when it has any.
    seed
        Seed of the streams used.
    members
        How many members the batch comparison takes.

    Returns
    -------
    Report
        `report.ok` is True when every promise holds.

    Raises
    ------
    ValueError
        When `given` lacks an input.
    """
    example = {port.name: np.asarray((given or {}).get(port.name)) for port in operator.inputs}
    absent = [name for name, value in example.items() if value.dtype == object]
    if absent:
        raise ValueError(f"check needs an example of {absent}: check(operator, given={{'{absent[0]}': ...}})")
    trials = [
        _frozen(operator),
        _pickles(operator),
        _units(operator),
        *_bytes_promises(operator, example, seed, members),
        _draw_count(operator, example, seed),
    ]
    kept = tuple(words for good, words in trials if good)
    broken = tuple(words for good, words in trials if not good)
    return Report(kept, broken, _rerolled(operator, example, seed))


def _calls(operator: Operator, seed: int, members: int) -> list[Any]:
    return [Streams(seed).call(_STAGE, {s.name: i for s in operator.sources}) for i in range(members)]


def _frozen(operator: Operator) -> tuple[bool, str]:
    if getattr(getattr(type(operator), "__dataclass_params__", None), "frozen", False):
        return True, "a frozen dataclass: what the study says cannot change during a run"
    return False, "not a frozen dataclass; write @dataclass(frozen=True) above the class"


def _pickles(operator: Operator) -> tuple[bool, str]:
    try:
        same = digest(pickle.loads(pickle.dumps(operator))) == digest(operator)  # noqa: S301  # our own bytes
    except Exception as fault:  # noqa: BLE001  # pickle raises whatever the fields raise
        return False, f"does not travel to a worker ({fault}); define the class at module level, with plain fields"
    return same, "travels to a worker and back unchanged" if same else "changes when pickled; keep its fields plain"


def _units(operator: Operator) -> tuple[bool, str]:
    for port in (*operator.inputs, *operator.outputs):
        conversion(port.unit, port.unit)
    declared = {source.name for source in operator.sources}
    lost = sorted(set(laws_in(operator)) - declared)
    if lost:
        return False, f"fields {lost} hold laws but `sources` does not name them; start it with law_sources(self)"
    buried = [field.name for field in fields(operator) if _buried(getattr(operator, field.name))]  # type: ignore[arg-type]  # checked by _frozen
    if buried:
        return False, f"fields {buried} hold laws in a list or dict, where they are never drawn; use a dataclass"
    return True, "every port has a unit that is known, every law in a field is a source"


def _buried(value: Any, *, within: bool = False) -> bool:
    """Tell whether a law lies in a list, tuple or dict, at any depth."""
    if isinstance(value, (Aleatoric, Epistemic, Numerical)):
        return within
    if is_dataclass(value) and not isinstance(value, type):
        return any(_buried(getattr(value, field.name), within=within) for field in fields(value))
    items = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
    return any(_buried(item, within=True) for item in items)


def _bytes_promises(operator: Operator, given: Given, seed: int, members: int) -> list[tuple[bool, str]]:
    before = _global_state()
    try:
        alone = [_bytes(evaluate(operator, given, stream)) for stream in _calls(operator, seed, members)]
    except MemberFailed as failure:
        return [(False, f"the example fails: {failure}")]
    again = [_bytes(evaluate(operator, given, stream)) for stream in _calls(operator, seed, members)]
    batch = [_bytes(o) for o in evaluate_batch(operator, [given] * members, _calls(operator, seed, members))]
    order = list(np.arange(members)[::-1])
    permuted = _permuted(operator, given, seed, members, order)
    after = _global_state()
    return [
        (alone == again, "same streams, same bytes" if alone == again else _NOT_REPEATABLE),
        (alone == batch, "alone or in a batch, same bytes" if alone == batch else _BATCH),
        (batch == permuted, "any order in the batch, same bytes" if batch == permuted else _BATCH),
        (before == after, "leaves NumPy's global state alone" if before == after else _GLOBAL),
    ]


def _global_state() -> tuple[bytes, tuple[object, ...]]:
    """Return all of NumPy's global state: most draws move the place in the key and leave the key."""
    _, key, *rest = np.random.get_state()  # noqa: NPY002  # watched, not used
    return np.asarray(key).tobytes(), tuple(rest)


_NOT_REPEATABLE = "same streams gave other bytes; draw only from `streams`, never from the clock or global state"
_BATCH = "a member's bytes depend on its batch mates; judge convergence per member, no BLAS over the member axis"
_GLOBAL = "touches NumPy's global random state; draw only from `streams`"


def _permuted(operator: Operator, given: Given, seed: int, members: int, order: Sequence[int]) -> list[bytes]:
    streams = _calls(operator, seed, members)
    outcomes = evaluate_batch(operator, [given] * members, [streams[i] for i in order])
    back = {member: _bytes(outcome) for member, outcome in zip(order, outcomes, strict=True)}
    return [back[i] for i in range(members)]


def _moved(given: Given, relative: float) -> dict[str, NDArray[Any]]:
    return {name: value * (1 + relative) if value.dtype.kind == "f" else value for name, value in given.items()}


def _draw_count(operator: Operator, given: Given, seed: int) -> tuple[bool, str]:
    """Move all inputs together; where the example does not bear that (a cell that fits no lattice), one at a time."""
    at_rest, together = (_drawn(operator, example, seed) for example in (given, _moved(given, 1e-3)))
    tried, still = [together], []
    if together is None:
        each = {
            name: _drawn(operator, {**given, **_moved({name: value}, 1e-3)}, seed)
            for name, value in given.items()
            if value.dtype.kind == "f"
        }
        tried, still = [one for one in each.values() if one is not None], [k for k, v in each.items() if v is None]
    if not tried:
        return True, f"draw count not tried: the example fails when any of {', '.join(still)} moves by a thousandth"
    words = "draws the same number of times whatever comes from upstream"
    if any(one != at_rest for one in tried):
        return False, f"does not: {words}; draw first, then transform"
    return True, words + (f" ({', '.join(still)} cannot be moved alone)" if still else "")


def _drawn(operator: Operator, given: Given, seed: int) -> list[str] | None:
    """Return where one call leaves its streams; None where it fails."""
    (stream,) = _calls(operator, seed, 1)
    (outcome,) = evaluate_batch(operator, [given], [stream])
    if isinstance(outcome, MemberFailed):
        return None
    return [digest(str(stream[name].bit_generator.state)) for name in stream]


def _rerolled(operator: Operator, given: Given, seed: int) -> tuple[str, ...]:
    if not any(value.dtype.kind == "f" for value in given.values()):
        return ()
    (first,), (second,) = (_calls(operator, seed, 1) for _ in range(2))
    (base,) = evaluate_batch(operator, [given], [first])
    (near,) = evaluate_batch(operator, [_moved(given, 1e-9)], [second])
    if isinstance(base, MemberFailed) or isinstance(near, MemberFailed):
        return ()
    floats = [port.name for port in operator.outputs if base[port.name].dtype.kind == "f"]
    return tuple(name for name in floats if not np.allclose(base[name], near[name], rtol=1e-4, atol=1e-12))
