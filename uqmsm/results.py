"""The results of a study as one labelled tree of arrays: groups, dimensions, attributes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from uqmsm.chain import Chain
from uqmsm.errors import StudyError
from uqmsm.quantity import Port
from uqmsm.trust import refuse_foreign_data, refuse_links

__all__ = ["FORMAT", "Table", "answers", "load", "members", "outcomes", "save", "tree", "unstack"]


FORMAT = 1
"""Number of the format of ``results.nc``, its attribute ``format``."""
STEPS: dict[int, Callable[[xr.DataTree], xr.DataTree]] = {}
"""Old format -> what makes the next one of a tree that was read; as `execution.formats` for the other files."""


class Table(Protocol):
    """What this room needs of the outcomes of one stage."""

    @property
    def values(self) -> Mapping[str, NDArray[Any]]:
        """Port -> array (calls, ...)."""
        ...


def _attributes(port: Port, sources: Sequence[str]) -> dict[str, str]:
    return {"units": port.unit, "long_name": port.meaning or port.name, "sources": ", ".join(sources) or "none"}


def _index(
    label: str, values: NDArray[np.int64], dim: str
) -> tuple[tuple[str, ...], NDArray[np.int64], dict[str, str]]:
    words = {"units": "1", "long_name": f"index of source {label}", "sources": label}
    return (dim,), np.asarray(values, dtype=np.int64), words


def outcomes(
    chain: Chain, stage: str, values: Mapping[str, NDArray[Any]], projections: NDArray[np.int64]
) -> xr.Dataset:
    """Label what one stage produced.

    Parameters
    ----------
    chain
        The chain.
    stage
        Name of the stage.
    values
        Port -> array (calls, ...).
    projections
        Shape (calls, ancestor sources), in the order of ``chain.ancestors[stage]``.

    Returns
    -------
    xarray.Dataset
        Dim ``<stage>_call``; one integer coordinate per ancestor source; physical dims named ``<stage>_<dim>``.
    """
    call, labels = f"{stage}_call", chain.ancestors[stage]
    variables = {}
    for port in chain[stage].operator.outputs:
        dims = (call, *(f"{stage}_{dim}" for dim in port.dims))
        variables[port.name] = (dims, values[port.name], _attributes(port, labels))
    coords = {label: _index(label, projections[:, i], call) for i, label in enumerate(labels)}
    return xr.Dataset(variables, coords, {"stage": stage})


def answers(
    chain: Chain, values: Mapping[str, NDArray[np.float64]], table: NDArray[np.int64], units: Mapping[str, str]
) -> xr.Dataset:
    """Label the quantities asked for, one value per member, with the same coordinates.

    Parameters
    ----------
    chain
        The chain.
    values
        Answer -> array (members,), NaN where the member failed.
    table
        Shape (members, sources).
    units
        Answer -> unit.
    """
    variables = {}
    for name, array in values.items():
        stage, port = chain.giver(name)
        words = _attributes(port, chain.ancestors[stage]) | {"units": units[name]}
        variables[name] = (("member",), np.asarray(array, dtype=np.float64), words)
    coords = {s.label: _index(s.label, table[:, i], "member") for i, s in enumerate(chain.sources)}
    return xr.Dataset(variables, coords)


def members(
    addresses: Iterable[str],
    status: Sequence[str],
    reasons: Sequence[str],
    seconds: NDArray[np.float64],
    hosts: Sequence[str],
) -> xr.Dataset:
    """Label the fate of every member: address, status, reason, seconds, host."""
    columns: dict[str, tuple[Any, str, str]] = {
        "address": (np.array(list(addresses), dtype=str), "1", "one index per source; replays the member"),
        "status": (np.array(status, dtype=str), "1", "how the member ended"),
        "reason": (np.array(reasons, dtype=str), "1", "why it failed, empty if it did not"),
        "seconds": (np.asarray(seconds, dtype=np.float64), "s", "time of the calls this member was first to need"),
        "host": (np.array(hosts, dtype=str), "1", "where its last call ran"),
    }
    first = str(columns["address"][0][0]) if len(columns["address"][0]) else ""
    labels = ", ".join(pair.rpartition("=")[0] for pair in first.split(",")) or "none"
    return xr.Dataset(
        {n: (("member",), v, {"units": u, "long_name": w, "sources": labels}) for n, (v, u, w) in columns.items()}
    )


def tree(groups: Mapping[str, xr.Dataset], attributes: Mapping[str, Any]) -> xr.DataTree:
    """Join groups to one tree; the root carries attributes alone, as text, because netCDF knows no None and no dict."""
    text = {key: value if isinstance(value, str) else json.dumps(value) for key, value in attributes.items()}
    root = xr.DataTree.from_dict({name: dataset for name, dataset in groups.items() if dataset is not None})
    root.attrs.update(text)
    return root


def save(results: xr.DataTree, path: Path) -> None:
    """Write the tree as netCDF: to a new file first, then renamed, so that a reader never sees half of it."""
    fresh = path.with_name(path.name + ".part")
    results.to_netcdf(fresh, engine="h5netcdf")
    fresh.replace(path)


def load(run: str | os.PathLike[str]) -> xr.DataTree:
    """Open the results of a run (its folder, or the file) as one `xarray.DataTree`.

    Raises
    ------
    StudyError
        When the folder holds no results yet, or those of a newer version.
    """
    path = Path(run)
    file = path / "results.nc" if path.is_dir() else path
    if not file.is_file():
        raise StudyError(f"{path} holds no results.nc; finish the run first: uqmsm resume {path}")
    if path.is_dir():
        refuse_links(path)
    refuse_foreign_data(file)
    with xr.open_datatree(file, engine="h5netcdf") as opened:
        return _as_of_now(opened.load(), file)


def _as_of_now(tree: xr.DataTree, file: Path) -> xr.DataTree:
    """Return a tree as this version would have written it; a file without a format (a posterior) is of the first."""
    said = str(tree.attrs.get("format", "1"))
    number = int(said) if said.isdecimal() else 0
    if not 1 <= number <= FORMAT:
        raise StudyError(
            f"{file} has format {said}, and this uqmsm reads formats up to {FORMAT}: open it with the version named in "
            "study.lock.json, or make it anew with this one: uqmsm resume RUN"
        )
    for old in range(number, FORMAT):
        tree = STEPS[old](tree)
    return tree


def unstack(results: xr.DataTree, stage: str) -> xr.Dataset:
    """Return the outcomes of a stage as dense arrays over its sources, NaN where the design made no call.

    Raises
    ------
    StudyError
        When the tree has no such stage, or dense arrays would be more than 1000 times larger than what was run.
    """
    if "outcomes" not in results or stage not in results["outcomes"]:
        known = ", ".join(results["outcomes"].children) if "outcomes" in results else "none"
        raise StudyError(f"no outcomes of stage {stage!r}; there are {known}")
    flat = results[f"outcomes/{stage}"].to_dataset()
    call = f"{stage}_call"
    labels = [str(name) for name, coord in flat.coords.items() if coord.dims == (call,)]
    if not labels:
        return flat
    size = int(np.prod([np.unique(flat[label]).size for label in labels]))
    if size > 1000 * flat.sizes[call]:
        raise StudyError(
            f"stage {stage!r} was run at {flat.sizes[call]} of {size} index combinations: its design is not crossed; "
            f"work with results['outcomes/{stage}'] row by row instead"
        )
    if len(labels) == 1:
        return flat.swap_dims({call: labels[0]})
    return flat.set_index({call: tuple(labels)}).unstack(call)
