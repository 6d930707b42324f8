"""One member run again, alone and aloud: what each stage received, drew and gave, or where it failed."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uqmsm.chain import Chain, Stage
from uqmsm.conduct.lock import as_run, read_lock
from uqmsm.errors import MemberFailed, StudyError
from uqmsm.execution.calls import calls_of
from uqmsm.execution.endings import ending_of
from uqmsm.execution.learning import learnt_before
from uqmsm.members import Address
from uqmsm.stochastic import evaluate_batch
from uqmsm.streams import Streams
from uqmsm.study import Study

__all__ = ["replay"]

Tell = Callable[[str], None]


def replay(folder: str | os.PathLike[str], address: str, tell: Tell) -> dict[str, dict[str, NDArray[Any]]]:
    """Run one member of a run again in this very process, without limits; nothing is written.

    Where a call of the member did not end well in the run, how it ended there and the last lines that it printed are
    told first: a call that timed out takes as long here, until Ctrl-C.

    Parameters
    ----------
    folder
        The run folder.
    address
        As the members table and the report write it: ``stage.source=index,...``; ``composition=2`` among them takes
        the second of the study's further alloys.
    tell
        Takes one line at a time.

    Returns
    -------
    dict
        Stage -> what it gave, in the units of its ports.

    Raises
    ------
    StudyError
        When the address lacks a source of the chain or names one that it has not, or when what the run has learnt is
        missing or belongs to another version.
    MemberFailed
        Where the member fails, by whatever exception, as it did in the run.
    """
    path = Path(folder)
    lock = read_lock(path)
    study = as_run(path, lock)
    named = dict(Address.parse(address))
    chosen = study.chain
    if "composition" in named:
        chosen = _with_alloy(study, named.pop("composition"))
    indices = Address(named)
    wanted, given = {source.label for source in study.chain.sources}, set(indices)
    if wanted != given:
        lacks, foreign = ", ".join(sorted(wanted - given)), ", ".join(sorted(given - wanted))
        faults = [f"lacks {lacks}"] * bool(lacks) + [f"names {foreign}, which the chain has not"] * bool(foreign)
        raise StudyError(
            f"address {address!r} {' and '.join(faults)}; copy one from the members table of {path}: "
            f'uqmsm.open({str(path)!r})["members"] in Python'
        )
    chain = learnt_before(chosen, study.seed, path / "posterior")
    known: dict[str, dict[str, NDArray[Any]]] = {}
    calls = calls_of(chain, study.seed, np.array([[indices[source.label] for source in chain.sources]]))
    for stage in chain.stages:
        _tell_ending(path, stage.name, calls[stage.name].keys[0].tobytes(), tell)
        known[stage.name] = _step(chain, stage, indices, study.seed, known, tell)
    return known


def _with_alloy(study: Study, number: int) -> Chain:
    """Return the chain with a further alloy of the study, counted from 1; 0 is its own."""
    if number > len(study.compositions):
        names = ", ".join(f"{k} {one.name}" for k, one in enumerate(study.compositions, start=1)) or "none"
        raise StudyError(f"composition={number}: the study has as further alloys {names}; choose one of these")
    one = study.compositions[number - 1] if number else None
    return study.chain if one is None else study.chain.replaced(one.stage, one.operator)


def _tell_ending(path: Path, stage: str, key: bytes, tell: Tell) -> None:
    ending = ending_of(path, stage, key)
    if ending is None:
        return
    status, reason, log = ending
    tell(f"{stage}: in the run it ended as {status.word}: {reason}")
    if log:
        tell("  the last lines that it printed there:")
        for line in log.splitlines():
            tell(f"  | {line}")


def _step(
    chain: Chain,
    stage: Stage,
    indices: Mapping[str, int],
    seed: int,
    known: Mapping[str, Mapping[str, NDArray[Any]]],
    tell: Tell,
) -> dict[str, NDArray[Any]]:
    received = {}
    for port, join in chain.joins[stage.name].items():
        value = known[join.stage][join.port]
        received[port] = value if join.factor == 1.0 else np.asarray(value * join.factor)
    own = {source.name: indices[source.label] for source in chain.own_sources[stage.name]}
    drawn = ", ".join(f"{name}={index}" for name, index in own.items()) or "nothing of its own"
    tell(f"{stage.name}: draws {drawn}")
    units = {port.name: port.unit for port in stage.operator.inputs}
    for name, value in received.items():
        tell(f"  takes {name} = {_short(value, units[name])}")
    began = perf_counter()
    (outcome,) = evaluate_batch(stage.operator, [received], [Streams(seed).call(stage.name, own)])
    seconds = perf_counter() - began
    if isinstance(outcome, MemberFailed):
        tell(f"  fails after {seconds:.3g} s: {outcome}")
        raise outcome
    units = {port.name: port.unit for port in stage.operator.outputs}
    for name, value in outcome.items():
        tell(f"  gives {name} = {_short(value, units[name])}")
    tell(f"  in {seconds:.3g} s")
    return outcome


def _short(value: NDArray[Any], unit: str) -> str:
    """Return a number, or the first few of many, with its unit, on one line."""
    tail = "" if unit == "1" else f" {unit}"
    if value.ndim == 0:
        return (f"{value.item():.6g}" if value.dtype.kind == "f" else str(value.item())) + tail
    if value.size <= 6:
        return np.array2string(value, precision=5, separator=", ", max_line_width=1000) + tail
    flat = np.array2string(value.ravel()[:3], precision=5, separator=", ", max_line_width=1000)[:-1]
    return f"{flat}, ...]{tail}, shape {value.shape}"
