"""The section on surrogates: what each learnt from real calls, and how it met those that were held out."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from uqmsm.report.digits import number, percent
from uqmsm.report.facts import plain
from uqmsm.report.learnt_pictures import draw_held_out

__all__ = ["surrogates"]

_SHOWN = 16  # numbers in a picture


def surrogates(results: xr.DataTree) -> list[dict[str, Any]]:
    """Return, per stage for which a surrogate stands, its sentences, a picture and a table."""
    node = results.children.get("surrogate")
    return [
        _stage(str(stage), child.to_dataset(), k)
        for k, (stage, child) in enumerate(node.children.items() if node is not None else ())
    ]


def _stage(stage: str, kept: xr.Dataset, place: int) -> dict[str, Any]:
    varied = kept.isel(number=np.flatnonzero(kept["scatter"].values > 0.0))
    calls, held = kept.sizes["call"], kept.sizes["held_out"]
    failed, least = int(kept.attrs["failed"]), int(kept.attrs["least_inside"])
    loose = [str(name) for name in varied["number"].values if int(varied["inside"].sel(number=name)) < least]
    text = [
        f"A surrogate, learnt from {calls} real calls, stands for this stage; its error is a source of the kind "
        f"numerical. It was rechecked by {held} calls that it has not seen."
        + (f" {failed} further calls failed and taught nothing." if failed else "")
    ]
    text += [f"Warning: the error of {name} is too small for the calls held out." for name in loose]
    return {
        "stage": stage,
        "text": text,
        "picture": _picture(varied, place),
        "rows": [_row(varied.sel(number=name), held) for name in varied["number"].values],
    }


def _row(one: xr.Dataset, held: int) -> dict[str, str]:
    missed, scatter = float(one["missed"]), float(one["scatter"])
    exact = not one["scale"].values.any()
    miss = one["actual"].values - one["predicted"].values
    return {
        "number": plain(str(one["number"].item())),
        "what": f"degree {int(one['degree'])}" + (" and a Gaussian process" if int(one["process"]) else ""),
        "error": "none" if exact else percent(missed / scatter),
        "seen": "none" if exact else percent(float(np.sqrt(np.mean(miss**2))) / scatter),
        "inside": f"{int(one['inside'])} of {held}",
        "scatter": number(scatter, 3),
    }


def _picture(varied: xr.Dataset, place: int) -> str:
    inexact = [name for name in varied["number"].values if varied["scale"].sel(number=name).values.any()]
    rows = []
    for name in inexact[:_SHOWN]:
        one = varied.sel(number=name)
        apart = (one["actual"].values - one["predicted"].values) / one["scale"].values
        rows.append((plain(str(name)), apart.tolist()))
    return draw_held_out(rows, prefix=f"su{place}") if rows else ""
