"""Operators that give fields of many numbers, for the tests of what leaves calls by file."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from uqmsm.chain import Chain, Stage
from uqmsm.errors import MemberFailed
from uqmsm.quantity import Port
from uqmsm.stochastic import Kind, Source


@dataclass(frozen=True)
class Grains:
    """A field in pascal, whole numbers, and one scalar; `ragged` fields differ in length, some are small."""

    cells: int = 4000
    ragged: bool = False
    fail_above: float = 2.0
    inputs = ()
    outputs = (
        Port("stress", "Pa", ("cell",), "stress of every cell"),
        Port("ids", "1", ("cell",)),
        Port("mean", "Pa"),
    )
    sources = (Source("chance", Kind.ALEATORIC),)

    def __call__(self, given, streams):
        """Draw a field."""
        rng = streams["chance"]
        if rng.random() > self.fail_above:
            raise MemberFailed("no grains")
        cells = int(rng.integers(10, self.cells)) if self.ragged else self.cells
        stress = 1e6 * rng.random(cells)
        return {"stress": stress, "ids": np.arange(cells), "mean": stress.mean()}


@dataclass(frozen=True)
class Strength:
    """Takes the field in megapascal, spoils what it was given, and gives one number."""

    inputs = (Port("stress", "MPa", ("cell",)), Port("ids", "1", ("cell",)), Port("mean", "MPa"))
    outputs = (Port("strength", "MPa"),)
    sources = (Source("chance", Kind.ALEATORIC),)

    def __call__(self, given, streams):
        """Return a number to which every cell contributes."""
        weight = 1.0 + given["ids"] / max(len(given["ids"]), 1)
        found = float((given["stress"] * weight).sum() + given["mean"] + streams["chance"].random())
        given["stress"][:] = 0.0  # an array of one's own: mates of the task and later tasks must not see this
        return {"strength": found}


def two_stages(**options):
    """Return the chain of both."""
    return Chain((Stage("rve", Grains(**options)), Stage("fe", Strength())))


def shared(parents, each):
    """Return a table in which each field serves several calls: shape (parents * each, 2)."""
    return np.stack([np.repeat(np.arange(parents), each), np.arange(parents * each)], axis=1)
