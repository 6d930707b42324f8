"""What the report knows: the tree of results read into a few small things with names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from uqmsm.errors import StudyError

__all__ = ["Answer", "Number", "answers", "group", "notes", "plain", "scalar", "source_words", "stages"]

Floats = NDArray[np.float64]
_NESTED = 2**31


@dataclass(frozen=True)
class Number:
    """A number with its standard error and 90 % limits, NaN where they cannot be given."""

    value: float
    se: float = np.nan
    lo: float = np.nan
    hi: float = np.nan


@dataclass(frozen=True)
class Answer:
    """One quantity asked for.

    Parameters
    ----------
    name, words, units
        The port, what it means, and the unit (empty for pure numbers).
    values
        One value per member of the rows, shape (members,), NaN where the member failed. The inner members of a nested
        design are left out: they crowd around few epistemic draws.
    mean, sd
        With Monte Carlo standard errors where the tree has them.
    quantiles
        Probability -> quantile.
    used, of
        "n of N" members.
    """

    name: str
    words: str
    units: str
    values: Floats
    mean: Number
    sd: Number
    quantiles: Mapping[float, Number]
    used: int
    of: int


def group(results: xr.DataTree, path: str) -> xr.Dataset | None:
    """Return a group of the tree as a dataset, or None where the run has none."""
    node: Any = results
    for part in path.strip("/").split("/"):
        if part not in getattr(node, "children", {}):
            return None
        node = node.children[part]
    dataset: xr.Dataset = node.to_dataset()
    return dataset if dataset.variables or dataset.attrs else None


def notes(results: xr.DataTree, key: str) -> Any:
    """Return a root attribute that holds JSON, or None where it is absent."""
    text = results.attrs.get(key)
    if not isinstance(text, str):
        return text
    try:
        return json.loads(text)
    except json.JSONDecodeError as fault:
        raise StudyError(
            f"results: attribute {key!r} is no JSON ({fault}); write it with uqmsm.results.tree"
        ) from fault


def plain(name: str) -> str:
    """Return a name as people write it: the last part of a label, spaces for underscores."""
    return name.rpartition(".")[2].replace("_", " ")


def stages(results: xr.DataTree) -> list[dict[str, Any]]:
    """Return the stages in chain order; names alone (from the outcomes) where the tree says no more."""
    found = notes(results, "stages")
    if found:
        return [dict(each) for each in found]
    node = results.children.get("outcomes")
    return [{"name": str(name)} for name in node.children] if node is not None else []


def source_words(results: xr.DataTree) -> dict[str, str]:
    """Return label -> what the source is, in words; the plain name where nobody wrote more."""
    found: dict[str, str] = {}
    for each in notes(results, "sources") or []:
        name, stage = str(each["name"]), str(each.get("stage", ""))
        label = name if "." in name or not stage else f"{stage}.{name}"
        found[label] = str(each.get("long_name") or "") or plain(name)
    return found


def answers(results: xr.DataTree) -> list[Answer]:
    """Return the answers in the order of the tree.

    Raises
    ------
    StudyError
        When the tree has no answers.
    """
    table, summary = group(results, "answers"), group(results, "summary")
    if table is None or not table.data_vars:
        raise StudyError("the results hold no group /answers; finish the run first: uqmsm resume")
    rows = _in_rows(table)
    return [_answer(str(name), table[name].isel(member=rows), summary) for name in table.data_vars]


def _in_rows(table: xr.Dataset) -> NDArray[np.bool_]:
    """Return which members belong to the rows: an inner member of a nested design has an index of 2**31 or more."""
    found = np.ones(table.sizes["member"], dtype=bool)
    for coordinate in table.coords.values():
        if coordinate.dims == ("member",) and coordinate.dtype.kind in "iu":
            found &= coordinate.values < _NESTED
    return found


def _answer(name: str, variable: xr.DataArray, summary: xr.Dataset | None) -> Answer:
    values = np.asarray(variable.values, dtype=np.float64)
    units = str(variable.attrs.get("units", ""))
    words = str(variable.attrs.get("long_name") or plain(name))
    found = values[np.isfinite(values)]
    head = (name, words, "" if units == "1" else units, values)
    if summary is None or "answer" not in summary.coords or name not in summary["answer"].values:
        mean = float(found.mean()) if found.size else np.nan
        sd = float(found.std(ddof=1)) if found.size > 1 else np.nan
        levels = (0.05, 0.5, 0.95) if found.size else ()
        quantiles = {level: Number(float(np.quantile(found, level))) for level in levels}
        return Answer(*head, Number(mean), Number(sd), quantiles, found.size, values.size)
    row = summary.sel(answer=name)
    mean_, sd_ = (Number(scalar(row, key), scalar(row, f"{key}_se")) for key in ("mean", "sd"))
    return Answer(*head, mean_, sd_, _quantiles(row), int(scalar(row, "n_used")), int(scalar(row, "n_of")))


def _quantiles(row: xr.Dataset) -> dict[float, Number]:
    if "quantile_value" not in row:
        return {}
    values = np.atleast_1d(row["quantile_value"].values)
    errors = np.atleast_1d(row["quantile_se"].values) if "quantile_se" in row else np.full(len(values), np.nan)
    levels = np.atleast_1d(row["probability"].values)
    return {float(p): Number(float(v), float(e)) for p, v, e in zip(levels, values, errors, strict=True)}


def scalar(dataset: xr.Dataset, key: str) -> float:
    """Return a variable of a row as a float, NaN where the row has none."""
    return float(dataset[key].values) if key in dataset.variables else np.nan
