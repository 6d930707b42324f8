"""What the calls of a task receive: small values themselves, large ones by the file in which they lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uqmsm.execution.outcomes import Outcomes
from uqmsm.fields import Reference

__all__ = ["Giving", "bytes_given", "bytes_made", "giving", "heaviest_first"]


@dataclass(frozen=True)
class Giving:
    """The inputs of some calls of one stage; see the fields of the same names of `worker.Task`."""

    given: dict[str, NDArray[Any]]
    sizes: dict[str, NDArray[np.int64]]
    fields: dict[str, list[Reference | NDArray[Any]]]


def giving(outcomes: Outcomes, stage: str, rows: NDArray[np.int64]) -> Giving:
    """Return what some calls of a stage receive from their parents, all of which have ended well."""
    found = Giving({}, {}, {})
    for port, join in outcomes.chain.joins[stage].items():
        giver, at = outcomes[join.stage], outcomes[stage].calls.parents[join.stage][rows]
        if join.port in giver.by_file:
            found.fields[port] = giver.handed(join.port, at, join.factor)
            continue
        found.given[port] = giver.taken(join.port, at, join.factor)
        sizes = giver.sizes_taken(join.port, at)
        if sizes is not None:
            found.sizes[port] = sizes
    return found


def bytes_given(outcomes: Outcomes, stage: str) -> int:
    """Return the bytes that one call of a stage receives, as far as it is known."""
    return sum(outcomes[join.stage].bytes_per_call(join.port) for join in outcomes.chain.joins[stage].values())


def bytes_made(outcomes: Outcomes, stage: str) -> int:
    """Return the bytes that one call of a stage gives, as far as it is known."""
    found = outcomes[stage]
    return sum(found.bytes_per_call(port.name) for port in found.ports)


def heaviest_first(outcomes: Outcomes, stage: str, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return some calls of a stage, those first that receive most numbers: they take longest, as far as is known."""
    calls, load = outcomes[stage].calls, np.zeros(len(rows), dtype=np.int64)
    for join in outcomes.chain.joins[stage].values():
        load += outcomes[join.stage].numbers(join.port, calls.parents[join.stage][rows])
    return rows[np.argsort(-load, kind="stable")]
