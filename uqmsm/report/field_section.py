"""Fields of a component in pictures: mean, scatter by kind, and how likely a limit is exceeded, place by place."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from uqmsm.errors import EnvironmentFault, how_to_install
from uqmsm.report.digits import number, percent, unbroken, written
from uqmsm.report.facts import plain
from uqmsm.report.field_pictures import MOST_CELLS, draw_field
from uqmsm.report.rendered import can_render, render_fields
from uqmsm.report.solid_pictures import draw_solid, skin

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
MOST_FACES = 2000
"""Of a solid that is drawn; half of them are seen, and each is painted apart."""


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
            pictures, why = _pictures(table, parts, f"f{stage}{k}")
            items.append(
                {"title": f"{plain(stage)}: {plain(port)}", "text": _text(parts, stage, why), "pictures": pictures}
            )
    return items


def _pictures(table: xr.Dataset, parts: dict[str, xr.DataArray], prefix: str) -> tuple[list[str], str]:
    """Return the pictures, drawn here or, where the mesh is too fine for that, rendered; and why there are none."""
    kind = str(table.attrs["kind"])
    form = kind.rstrip("0123456789")
    nodes, cells = table["nodes_mm"].values, table["cells"].values
    faces = cells[:, : _CORNERS[form]] if form in _CORNERS else skin(cells, kind)
    of, shown = plain(str(parts["mean"].attrs["port"])), _titled(parts)
    if len(faces) <= (MOST_CELLS if form in _CORNERS else MOST_FACES):
        draw = draw_field if form in _CORNERS else draw_solid
        drawn = [
            draw(nodes, faces, values, title, css, of=of, prefix=f"{prefix}{part[:2]}")
            for part, (values, title, css) in shown.items()
        ]
        return drawn, ""
    if not can_render():
        return [], f"The mesh is too fine to be drawn; to have it rendered:  {how_to_install('view')}."
    try:
        return render_fields(nodes, faces, list(shown.values()), of=of), ""
    except EnvironmentFault as fault:
        return [], f"The mesh is too fine to be drawn, and this machine does not render it ({fault})."


def _titled(parts: dict[str, xr.DataArray]) -> dict[str, tuple[Any, str, str]]:
    """Return values, title and colour of every part that is more than nothing."""
    found = {}
    unit = str(parts["mean"].attrs["units"])
    unit = "" if unit == "1" else unit
    for part, (css, words) in _SHOWN.items():
        if part not in parts or not np.nanmax(np.abs(parts[part].values), initial=0.0) > 0.0:
            continue
        limit = f" ({unit})" * bool(unit)
        if part == "exceedance":
            limit = f" {written(float(parts[part].attrs['limit']))} {unit}"
        found[part] = (parts[part].values, f"{words}{limit}".strip(), css)
    return found


def _text(parts: dict[str, xr.DataArray], stage: str, why: str) -> str:
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
        likeliest = float(np.nanmax(chance))
        told += (
            f". At the likeliest place the limit is exceeded with {percent(likeliest)}"
            if likeliest > 0.0
            else ". In no member was the limit exceeded anywhere"
        )
    told += f". {why}" if why else "."
    return unbroken(f"{told} For ParaView: fields/{stage}.vtu in the run folder.")
