"""How big a block must be, and under which boundary condition: in a sentence, as a table and as a picture."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from uqmsm.report.digits import amount, number
from uqmsm.report.facts import group, plain
from uqmsm.report.size_picture import BOUNDARY_WORDS, draw_sizes, grains

__all__ = ["size_items", "size_lines"]

_DOUBTED = 0.01  # probability of a worse fit below which laws are said not to hold


def size_items(results: xr.DataTree) -> list[dict[str, Any]]:
    """Return, per property, its answer in words, the table of conditions and the picture; empty where nobody asked."""
    items = []
    asked = results.children["sizes"].children if "sizes" in results.children else {}
    for k, name in enumerate(asked):
        table = group(results, f"sizes/{name}")
        if table is None:
            continue
        rows = [_row(table.sel(boundary=one)) for one in table["boundary"].values.tolist()]
        items.append(
            {
                "title": plain(name),
                "text": _sentences(table),
                "rows": rows,
                "averaged": [int(one) for one in table["averaged"].values],
                "picture": draw_sizes(table, what=plain(name), prefix=f"s{k}"),
            }
        )
    return items


def _answer(table: xr.Dataset) -> str:
    needed = table["needed"].sel(averaged=1)
    aim = f"{100.0 * float(table.attrs['error']):g} %"
    order = [k for k in np.argsort(needed.values) if np.isfinite(needed.values[k])]
    if not order:
        return f"No block, however large, is within {aim} under any of these conditions"
    told = []
    for k in order:
        one = table.isel(boundary=int(k)).sel(averaged=1)
        name = str(one["boundary"].item())
        where = f"{grains(float(one['needed']))} grains"
        told.append(f"{where} under {BOUNDARY_WORDS.get(name, name)} conditions")
    first, *others = told
    rest = f"; it takes {', '.join(others)}" if others else ""
    return f"One block within {aim} of a very large one, bias and two standard deviations together, has {first}{rest}"


def _sentences(table: xr.Dataset) -> str:
    text = [_answer(table)]
    beyond = float(table["size"].max())
    far = [
        BOUNDARY_WORDS.get(str(one), str(one))
        for one in table["boundary"].values
        if float(table["needed"].sel(boundary=one, averaged=1)) > beyond
    ]
    if far:
        text.append(f"Sizes above {beyond:.0f} grains, the largest computed, are extrapolated ({', '.join(far)})")
    worst = min(float(table["misfit"]), float(table["spread_misfit"].min()))
    if worst < _DOUBTED:
        text.append(
            f"The laws of size do not fit these blocks (p = {number(worst, 2)}): trust the points, not the curves"
        )
    return ". ".join(text) + "."


def _row(one: xr.Dataset) -> dict[str, Any]:
    name = str(one["boundary"].item())
    cells = []
    for averaged in one["averaged"].values.tolist():
        at = one.sel(averaged=averaged)
        need = float(at["needed"])
        lo, hi = float(at["needed_lo"]), float(at["needed_hi"])
        cells.append(f"{grains(need)} ({grains(lo)} to {grains(hi)})" if np.isfinite(need) else "none")
    single = one.sel(averaged=1)
    limits = "–"
    if np.isfinite(float(single["needed"])):
        bias, sd = 100.0 * float(single["needed_bias"]), 100.0 * float(single["needed_sd"])
        limits = f"bias {'+' if bias > 0 else ''}{number(bias, 2)} %, scatter {number(sd, 2)} %"
    power = amount(float(one["exponent"]) / 2.0, float(one["exponent_se"]) / 2.0)
    return {"boundary": BOUNDARY_WORDS.get(name, name), "cells": cells, "limits": limits, "power": power}


def size_lines(results: xr.DataTree) -> list[str]:
    """Return the answers as lines of text for the end of a run."""
    lines = []
    for item in size_items(results):
        lines.append(f"{item['title']}: {item['text']}")
        wide = max(len(row["boundary"]) for row in item["rows"])
        lines += [
            f"  {row['boundary']:<{wide}}  {row['cells'][0]} grains; there {row['limits']}; scatter falls with grains^-"
            f"{row['power']}"
            for row in item["rows"]
        ]
    return lines
