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
from xarray.backends import BackendArray
from xarray.core import indexing

from uqmsm.chain import Chain
from uqmsm.errors import StudyError
from uqmsm.fields import INDEX, Placed, read_index, read_row, sync_folder
from uqmsm.netcdf import write_netcdf
from uqmsm.quantity import Port
from uqmsm.trust import damaged, refuse_foreign_data, refuse_links, seal

__all__ = ["FORMAT", "Table", "answers", "field", "load", "members", "outcomes", "save", "tree", "unstack"]


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
    chain: Chain,
    stage: str,
    values: Mapping[str, NDArray[Any]],
    projections: NDArray[np.int64],
    digests: Mapping[str, NDArray[np.uint8]] | None = None,
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
    digests
        Port -> SHA-256 of each outcome, shape (calls, 32), for ports whose outcomes stay in files (`uqmsm.fields`).

    Returns
    -------
    xarray.Dataset
        Dim ``<stage>_call``; one integer coordinate per ancestor source; physical dims named ``<stage>_<dim>``. A port
        that stays in files has its checksums as ``<port>_digest``; `load` adds the port itself, read when asked for.
    """
    call, labels = f"{stage}_call", chain.ancestors[stage]
    variables: dict[str, tuple[tuple[str, ...], NDArray[Any], dict[str, str]]] = {}
    by_file = digests or {}
    for port in chain[stage].operator.outputs:
        dims = (call, *(f"{stage}_{dim}" for dim in port.dims))
        words = _attributes(port, labels)
        if port.name in by_file:
            field = {"field_dims": ", ".join(dims[1:]), "field_units": port.unit, "field_long_name": words["long_name"]}
            words |= {"units": "1", "long_name": f"SHA-256 of {port.name}, which stays in files", **field}
            variables[f"{port.name}_digest"] = ((call, f"{stage}_{port.name}_byte"), by_file[port.name], words)
        else:
            variables[port.name] = (dims, values[port.name], words)
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
    """Label the fate of every member.

    Parameters
    ----------
    addresses
        ``stage.source=index,...`` of each member, which replays it.
    status, reasons, hosts
        How each ended, why it failed (empty if it did not), and where its last call ran.
    seconds
        Time of the calls that each was first to need, shape (member,).
    """
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
    """Write the tree as netCDF with a seal: to a new file first, then renamed, so that a reader never sees half of it.

    Raises
    ------
    EnvironmentFault
        When it cannot be written; what was there before is untouched.
    """
    write_netcdf(results, path, finish=seal)
    sync_folder(path.parent)


def load(run: str | os.PathLike[str]) -> xr.DataTree:
    """Open the results of a run (its folder, or the file) as one `xarray.DataTree`.

    Raises
    ------
    StudyError
        When the folder holds no results yet, or those of a newer version.
    """
    path = Path(run)
    file = path / "results.nc" if path.is_dir() else path
    if not path.exists():
        raise StudyError(f"there is no run folder {path}; make it with: uqmsm run STUDY --out {path}")
    if not file.is_file():
        raise StudyError(f"{path} holds no results.nc; finish the run first: uqmsm resume {path}")
    if path.is_dir():
        refuse_links(path)
    if damaged(file):
        raise StudyError(f"{file} does not match its checksum; make it anew: uqmsm resume RUN")
    refuse_foreign_data(file)
    with xr.open_datatree(file, engine="h5netcdf") as opened:
        tree = _as_of_now(opened.load(), file)
    return _with_fields(tree, path) if path.is_dir() else tree


def field(run: str | os.PathLike[str], name: str) -> xr.DataArray:
    """Return the fields that a port gave, read from their files when asked for, call by call.

    Parameters
    ----------
    run
        The run folder.
    name
        ``stage.port``.

    Returns
    -------
    xarray.DataArray
        Dims ``<stage>_call`` and those of the port; ``.isel`` reads no more than it must, ``.load()`` reads all.

    Raises
    ------
    StudyError
        When the stage gives no such port.
    """
    stage, _, port = name.partition(".")
    tree = load(run)
    known = [f"{one}.{other}" for one, node in tree["outcomes"].children.items() for other in node.data_vars]
    if name not in known:
        raise StudyError(f"{run} has no outcomes {name!r}; it has {', '.join(sorted(known))}")
    return xr.DataArray(tree[f"outcomes/{stage}"].to_dataset()[port])


class _Field(BackendArray):
    """The outcomes of a port that stays in files, as an array that reads them when it is indexed."""

    def __init__(
        self, members: Path, placed: Placed, digests: NDArray[np.uint8], sizes: NDArray[np.int64] | None
    ) -> None:
        self._members, self._placed, self._digests, self._sizes = members, placed, digests, sizes
        self.shape = (len(placed.row), *placed.shape)
        whole = np.dtype(placed.dtype).kind == "f" or (sizes is None and bool((placed.row >= 0).all()))
        self.dtype = np.dtype(placed.dtype) if whole else np.dtype(np.float64)  # no integer says "missing"

    def __getitem__(self, key: Any) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.BASIC, self._read)

    def _read(self, key: tuple[Any, ...]) -> NDArray[Any]:
        calls = np.arange(self.shape[0])[key[0]]
        if np.ndim(calls) == 0:
            return np.asarray(self._call(int(calls))[key[1:]])
        rows = [self._call(int(call))[key[1:]] for call in calls]
        return np.stack(rows) if rows else np.empty((0, *self.shape[1:]), self.dtype)[(slice(None), *key[1:])]

    def _call(self, call: int) -> NDArray[Any]:
        """Return the field of one call, padded to the largest; NaN where there is none."""
        found = np.full(self.shape[1:], np.nan if self.dtype.kind == "f" else 0, dtype=self.dtype)
        row = int(self._placed.row[call])
        if row >= 0:
            file = self._placed.files[self._placed.file[call]]
            values = read_row(self._members, file, row, self._digests[call].tobytes())
            size = values.shape if self._sizes is None else self._sizes[call].tolist()
            inside = tuple(map(slice, size))
            found[inside] = values[inside]
        return found


def _with_fields(tree: xr.DataTree, run: Path) -> xr.DataTree:
    """Return the tree with the ports that stay in files beside their checksums."""
    for name, (placed, digests) in read_index(run).items():
        stage, _, port = name.partition(".")
        found = tree[f"outcomes/{stage}"].to_dataset()
        known = found[f"{port}_digest"]
        if not np.array_equal(known.values, digests):
            raise StudyError(f"{run / INDEX} and results.nc are of different runs; make both anew: uqmsm resume {run}")
        words = {key: known.attrs[f"field_{key}"] for key in ("units", "long_name")} | {
            "sources": known.attrs["sources"]
        }
        dims = (str(known.dims[0]), *filter(None, known.attrs["field_dims"].split(", ")))
        sizes = found[f"{port}_size"].values if f"{port}_size" in found else None
        lazy = indexing.LazilyIndexedArray(_Field(run / "members", placed, digests, sizes))
        tree[f"outcomes/{stage}"] = xr.DataTree(found.assign({port: xr.Variable(dims, lazy, words)}))
    return tree


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

    Ports whose outcomes stay in files are left out: take those call by call from the tree.

    Raises
    ------
    StudyError
        When the tree has no such stage, or dense arrays would be more than 1000 times larger than what was run.
    """
    if "outcomes" not in results or stage not in results["outcomes"]:
        known = ", ".join(results["outcomes"].children) if "outcomes" in results else "none"
        raise StudyError(f"no outcomes of stage {stage!r}; there are {known}")
    flat = results[f"outcomes/{stage}"].to_dataset()
    flat = flat.drop_vars([name for name in flat.data_vars if f"{name}_digest" in flat])
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
