"""Ways in which members go missing: by chance, call by call, by a source, by their own value."""

from __future__ import annotations

import numpy as np
from exact_chains import Floats, normal, uniform
from numpy.typing import NDArray

from uqmsm.members import Design

Lost = NDArray[np.bool_]


def _index(design: Design) -> dict[str, NDArray[np.int64]]:
    return {label: design.members.table[:, k] for k, label in enumerate(design.members.sources)}


def by_member(design: Design, seed: int, rate: float) -> Lost:
    """Every member by itself, at random: a call of the last stage."""
    return uniform(seed, "lost member", *_index(design).values()) < rate


def by_call(design: Design, seed: int, rate: float, stages: int = 2) -> Lost:
    """Every call of an early stage by itself, at random: all members that share it are lost."""
    index = _index(design)
    upto = [index[s.label] for s in design.sources if s.stage in design.stages[:stages]]
    return uniform(seed, "lost call", *upto) < rate


def by_source(design: Design, seed: int, label: str, limit: float) -> Lost:
    """Where a source exceeds a limit."""
    return normal(seed, label, _index(design)[label]) > limit


def by_value(values: Floats, limit: float) -> Lost:
    """Where the answer itself exceeds a limit: missing not at random."""
    return values > limit
