"""How big a block must be: independent calls of a stage with blocks of several sizes, put to the question."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from uqmsm.chain import Chain
from uqmsm.conduct.answering import Plan, Values
from uqmsm.errors import StudyError
from uqmsm.members import Members
from uqmsm.questions.representative_table import representative_table
from uqmsm.study import Study
from uqmsm.study.parts import SizeAsk
from uqmsm.study.sizes import sized_by

__all__ = ["independent", "sized"]


def sized(study: Study, chain: Chain, plan: Plan, outcomes: Values) -> tuple[dict[str, xr.Dataset], list[str]]:
    """Answer what a study asks of sizes.

    Returns
    -------
    groups
        ``sizes/<answer>``, see `representative_table`.
    complaints
        What could not be answered, or misses the error under every condition, in words.
    """
    groups: dict[str, xr.Dataset] = {}
    complaints: list[str] = []
    for one in study.sizes:
        try:
            table = _answered(one, chain, plan, outcomes)
        except StudyError as fault:
            complaints.append(f"size for {one.answer}: {fault}; uqmsm extend RUN --members ... adds blocks")
            continue
        groups[f"sizes/{one.answer}"] = table
        if not np.isfinite(table["needed"].values).any():
            complaints.append(f"size for {one.answer}: no block meets an error of {one.error:g}; ask for a larger one")
    return groups, complaints


def independent(members: Members, ancestors: tuple[str, ...]) -> NDArray[np.int64]:
    """Return members no two of which share an index of any of these sources, the first ones first."""
    columns = [k for k, label in enumerate(members.sources) if label in ancestors]
    seen: set[tuple[int, int]] = set()
    kept: list[int] = []
    for number, row in enumerate(members.table[:, columns].tolist()):
        parts = set(enumerate(row))
        if not parts & seen:
            seen |= parts
            kept.append(number)
    return np.array(kept, dtype=np.int64)


def _answered(one: SizeAsk, chain: Chain, plan: Plan, outcomes: Values) -> xr.Dataset:
    stage, port = chain.giver(one.answer)
    told = sized_by(chain[stage].operator, port.name)
    if told is None:
        raise StudyError(f"the stage {stage} has no blocks of several sizes")
    of_block, boundaries = np.array(told[0]), told[1]
    values = outcomes.member_values(stage, port.name)[independent(plan.members, chain.ancestors[stage])]
    values = values[np.isfinite(values).all(axis=(1, 2))]
    sizes = np.unique(of_block)
    samples = {name: [values[:, of_block == size, k].ravel() for size in sizes] for k, name in enumerate(boundaries)}
    return representative_table(sizes.tolist(), samples, one.error, chain.ancestors[stage])
