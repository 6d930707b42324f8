"""Fields of a run as a group of its results: every place's mean and doubt, carried to the nodes of the stage's mesh."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from uqmsm.chain import Chain
from uqmsm.conduct.answering import Plan
from uqmsm.errors import EnvironmentFault, StudyError
from uqmsm.execution.outcomes import Outcomes
from uqmsm.fields import read_row
from uqmsm.physics.fe.mesh import Mesh
from uqmsm.physics.fe.results import write_pvd, write_vtu
from uqmsm.questions.field import field

__all__ = ["drawn_fields", "write_fields"]

GROUP = "fields"
MOST = 20_000
"""Places of a field whose scatter is split by kind; a ledger for each takes milliseconds."""
_PARTS = ("mean", "sd", "aleatoric_sd", "epistemic_sd", "numerical_sd", "exceedance")
_WORDS = {
    "mean": "mean of {}",
    "sd": "standard deviation of {}",
    "aleatoric_sd": "standard deviation of {} from chance",
    "epistemic_sd": "standard deviation of {} from what is not known",
    "numerical_sd": "standard deviation of {} from numerics",
    "exceedance": "probability that {} exceeds {} {}",
}


def drawn_fields(
    chain: Chain, plan: Plan, outcomes: Outcomes, members: Path
) -> tuple[dict[str, xr.Dataset], list[str]]:
    """Return a group ``fields/<stage>`` for every stage that says where its fields lie (its method ``drawn``).

    Parameters
    ----------
    chain, plan, outcomes
        Of the run.
    members
        Folder of the files in which large fields lie.

    Returns
    -------
    groups
        Variables are ``nodes_mm``, ``cells`` and ``<port>_<part>`` over the nodes, the parts as in
        `uqmsm.questions.field`. A stage of which fewer than two members succeeded has none.
    complaints
        Which fields could not be told, and why.
    """
    groups: dict[str, xr.Dataset] = {}
    complaints = []
    for stage in chain.stages:
        told = getattr(stage.operator, "drawn", None)
        drawn = told() if callable(told) else None
        try:
            found = _of_stage(chain, plan, outcomes, members, stage.name, drawn) if drawn is not None else None
        except (StudyError, EnvironmentFault) as fault:
            complaints.append(f"fields of {stage.name}: {fault}")
            continue
        groups |= {f"{GROUP}/{stage.name}": found} if found is not None else {}
    return groups, complaints


def _values(outcomes: Outcomes, members: Path, stage: str, port: str) -> NDArray[np.float64]:
    """Return a field of every member, (members, places), wherever it lies; NaN where one failed."""
    found = outcomes[stage]
    if port not in found.by_file:
        return np.asarray(outcomes.member_values(stage, port), dtype=np.float64)
    placed, digests = found.placed(members)[port]
    places = int(np.prod(placed.shape))
    if places > MOST:
        raise StudyError(
            f"{port} has {places} places, more than {MOST}; take a coarser mesh, or read it call by call: "
            f"uqmsm.field(run, '{stage}.{port}')"
        )
    values = np.full((len(placed.file), *placed.shape), np.nan)
    for call in np.flatnonzero(placed.row >= 0).tolist():
        file, row = placed.files[placed.file[call]], int(placed.row[call])
        values[call] = read_row(members, file, row, digests[call].tobytes())
    return np.asarray(values[found.calls.of_member])


def _of_stage(chain: Chain, plan: Plan, outcomes: Outcomes, members: Path, stage: str, drawn: Any) -> xr.Dataset | None:
    sources = ", ".join(chain.ancestors[stage])
    ports = {port.name: port for port in chain[stage].operator.outputs}
    node, cell = f"{stage}_node", f"{stage}_cell"
    words = {"units": "mm", "long_name": "places of the nodes", "sources": ""}
    variables: dict[str, Any] = {
        "nodes_mm": ((node, f"{stage}_axis"), np.asarray(drawn.mesh.nodes_mm), words),
        "cells": (
            (cell, f"{stage}_cell_node"),
            np.asarray(drawn.mesh.elements),
            {"units": "1", "long_name": "nodes of the elements", "sources": ""},
        ),
    }
    for name, limit in drawn.limits.items():
        values = _values(outcomes, members, stage, name)[plan.rows]
        if np.isfinite(values).all(axis=1).sum() < 2:
            return None
        # member by member to the nodes, and then the statistics: a node's probability is no plane through others'
        table = field(plan.design, drawn.nodal(values.T).T, units=ports[name].unit, limit=limit)
        unit, meaning = ports[name].unit, ports[name].meaning or name
        for part in (part for part in _PARTS if part in table):
            told = _WORDS[part].format(meaning, limit, "" if unit == "1" else unit).strip()
            about: dict[str, Any] = {"units": table[part].attrs["units"], "long_name": told, "sources": sources}
            about |= {"port": name, "part": part, "meaning": meaning} | (
                {"limit": float(limit)} if limit is not None else {}
            )
            variables[f"{name}_{part}"] = (node, table[part].values, about)
    return xr.Dataset(variables, attrs={"stage": stage, "kind": drawn.mesh.kind})


def write_fields(tree: xr.DataTree, folder: Path) -> list[Path]:
    """Write ``fields/<stage>.vtu`` for every stage with fields, and ``fields/all.pvd`` that opens them together.

    Parameters
    ----------
    tree : DataTree
        Of a run.
    folder : Path
        The run folder.

    Returns
    -------
    list of Path
        The files, none where no stage has fields.
    """
    if GROUP not in tree.children:
        return []
    place = folder / GROUP
    place.mkdir(exist_ok=True)
    files = []
    for stage, group in tree[GROUP].children.items():
        table = group.to_dataset()
        mesh = Mesh(table["nodes_mm"].values, table["cells"].values, str(table.attrs["kind"]), {})
        units = {"1": ""}
        carried = {
            f"{name} {units.get(str(one.attrs['units']), one.attrs['units'])}".strip(): one.values
            for name, one in table.data_vars.items()
            if "part" in one.attrs
        }
        write_vtu(place / f"{stage}.vtu", mesh, nodes=carried)
        files.append(place / f"{stage}.vtu")
    write_pvd(place / "all.pvd", [(0.0, file.relative_to(place)) for file in files])
    return [*files, place / "all.pvd"]
