"""Fields of a component in pictures: mean, scatter by kind, and how likely a limit is exceeded, place by place."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from uqmsm.report.digits import number, percent, unbroken, written
from uqmsm.report.facts import plain
from uqmsm.report.field_pictures import MOST_CELLS, draw_field

__all__ = ["field_items"]

_SHOWN = {
    "mean": ("inkfill", "mean"),
    "aleatoric_sd": ("k-aleatoric", "scatter from chance"),
    "epistemic_sd": ("k-epistemic", "scatter from what is not known"),
    "numerical_sd": ("k-numerical", "scatter from numerics"),
    "exceedance": ("badfill", "probability of more than"),
}
"""Class of the colour, and words."""
_CORNERS = {"tri": 3, "quad": 4}


def field_items(results: xr.DataTree) -> list[dict[str, Any]]:
    """Return, per stage and port with a field, a title, a sentence and its pictures."""
    if "fields" not in results.children:
        return []
    items = []
    for stage, group in results["fields"].children.items():
        table = group.to_dataset()
        ports = list(dict.fromkeys(str(one.attrs["port"]) for one in table.data_vars.values() if "port" in one.attrs))
        for k, port in enumerate(ports):
            parts = {part: table[f"{port}_{part}"] for part in (*_SHOWN, "sd") if f"{port}_{part}" in table}
            pictures = _pictures(table, parts, f"f{stage}{k}")
            items.append(
                {"title": f"{plain(stage)}: {plain(port)}", "text": _text(parts, stage, pictures), "pictures": pictures}
            )
    return items


def _pictures(table: xr.Dataset, parts: dict[str, xr.DataArray], prefix: str) -> list[str]:
    form = str(table.attrs["kind"]).rstrip("0123456789")
    nodes, cells = table["nodes_mm"].values, table["cells"].values
    if nodes.shape[1] != 2 or len(cells) > MOST_CELLS or form not in _CORNERS:
        return []
    shown, of = [], plain(str(parts["mean"].attrs["port"]))
    for part, (css, words) in _SHOWN.items():
        if part not in parts or not np.nanmax(np.abs(parts[part].values), initial=0.0) > 0.0:
            continue
        unit = str(parts["mean"].attrs["units"])
        unit = "" if unit == "1" else unit
        limit = (
            f" {written(float(parts[part].attrs['limit']))} {unit}"
            if part == "exceedance"
            else f" ({unit})" * bool(unit)
        )
        corners = cells[:, : _CORNERS[form]]
        title, name = f"{words}{limit}".strip(), f"{prefix}{part[:2]}"
        shown.append(draw_field(nodes, corners, parts[part].values, title, css, of=of, prefix=name))
    return shown


def _text(parts: dict[str, xr.DataArray], stage: str, pictures: list[str]) -> str:
    """Return where there is most of it, and what its scatter is there."""
    mean = parts["mean"].values
    top = int(np.nanargmax(np.abs(mean)))
    unit = str(parts["mean"].attrs["units"])
    unit = "" if unit == "1" else f" {unit}"
    told = str(parts["mean"].attrs["meaning"])
    told = f"{told[:1].upper()}{told[1:]}. Largest where its mean is {number(float(mean[top]), 3)}{unit}: "
    told += f"standard deviation {number(float(parts['sd'].values[top]), 2)}{unit}"
    shares = []
    for kind, words in (("aleatoric", "chance"), ("epistemic", "what is not known"), ("numerical", "numerics")):
        value = float(parts[f"{kind}_sd"].values[top]) if f"{kind}_sd" in parts else np.nan
        if np.isfinite(value):
            shares.append(f"{number(value, 2)} from {words}")
    told += f" ({', '.join(shares)})" if shares else " (parts take eight rows of members)"
    if "exceedance" in parts:
        chance = parts["exceedance"].values
        told += f". At the likeliest place the limit is exceeded with {percent(float(np.nanmax(chance)))}"
    told += "." if pictures else ". The mesh is one of space, or too fine to be drawn here."
    return unbroken(f"{told} For ParaView: fields/{stage}.vtu in the run folder.")
