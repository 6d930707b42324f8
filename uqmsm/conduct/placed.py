"""Fields of a finished run: what a stage gave at every place, member by member, with its doubt."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

from uqmsm import results
from uqmsm.conduct.answering import planned
from uqmsm.errors import StudyError
from uqmsm.questions.field import field
from uqmsm.study import load

__all__ = ["field_of_run"]


def field_of_run(run: str | Path, stage: str, port: str, *, limit: float | None = None) -> xr.Dataset:
    """Return a field of a run over its members; see `uqmsm.questions.field.field`.

    Parameters
    ----------
    run : str or Path
        A finished run.
    stage, port : str
        What was handed on, with one dimension beside the calls.
    limit : float
        In the unit of the port.

    Raises
    ------
    StudyError
        When the run has no such field, or its members are not those of its study.
    """
    tree = results.load(run)
    name = f"outcomes/{stage}"
    if f"/{name}" not in tree.groups or port not in tree[name].data_vars:
        raise StudyError(f"{run}: stage {stage} has no {port}; a stage hands on fields where its settings say so")
    table, answers = tree[name].to_dataset(), tree["answers"].to_dataset()
    given = table[port]
    if given.ndim != 2:
        raise StudyError(f"{run}: {stage}.{port} has dimensions {given.dims}; a field has one beside the calls")
    plan = planned(load(Path(run)))
    labels = [label for label in plan.design.labels if label in table.coords]
    calls = {key: k for k, key in enumerate(zip(*(table[label].values.tolist() for label in labels), strict=True))}
    members = list(zip(*(answers[label].values.tolist() for label in labels), strict=True))
    if len(members) != len(plan.members):
        raise StudyError(f"{run}: {len(members)} members, and its study asks for {len(plan.members)}; finish the run")
    values = np.array(
        [given.values[calls[key]] if key in calls else np.full(given.shape[1], np.nan) for key in members]
    )
    return field(plan.design, values[plan.rows], units=str(given.attrs.get("units", "1")), limit=limit)
