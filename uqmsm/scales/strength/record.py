"""What a run keeps of the theory's error: draws of posterior and prior beside the data, for people to look at."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.random import Generator
from numpy.typing import NDArray

from uqmsm.netcdf import write_netcdf
from uqmsm.scales.strength.evidence import FormPrior, half_normal
from uqmsm.scales.strength.yields import YieldRow
from uqmsm.trust import refuse_foreign_data

__all__ = ["SHAPE", "keep"]

Floats = NDArray[np.float64]

# temperatures of which draws are kept, the shape (chains, draws) of these, and the draws of the prior
SHOWN_K = (300.0, 600.0, 900.0, 1200.0, 1500.0, 1800.0)
SHAPE = (4, 250)
PRIOR_DRAWS = 500


def keep(
    stored: Path, fingerprint: str, drawn: Floats, grid_K: Floats, rows: Sequence[YieldRow], rng: Generator
) -> None:
    """Write the record, unless the file holds that of the same fingerprint.

    Parameters
    ----------
    stored, fingerprint
        The file, and the digest of what was learnt.
    drawn
        Posterior draws of log(measured / theory), shape (*SHAPE, temperatures), on `grid_K`.
    rows
        The data.
    rng
        Draws the prior.
    """
    if stored.is_file() and _fingerprint_of(stored) == fingerprint:
        return
    places = np.searchsorted(grid_K, SHOWN_K)
    words = {"units": "1", "long_name": "log(measured / theory) with the published potential"}
    at = {"temperature": ("temperature", list(SHOWN_K), {"units": "K", "long_name": "temperature of the test"})}
    dims = ("chain", "draw", "temperature")
    groups = {
        "posterior": xr.Dataset({"log_ratio": (dims, drawn[..., places], words)}, at),
        "prior": xr.Dataset({"log_ratio": (dims, _prior(rng)[None], words)}, at),
        "observed_data": xr.Dataset(_observed(rows)),
    }
    tree = xr.DataTree.from_dict(groups)
    tree.attrs |= {"fingerprint": fingerprint, "length": SHAPE[1], "shortfalls": json.dumps([])}
    _save(tree, stored)


def _prior(rng: Generator) -> Floats:
    """Return draws of the prior at `SHOWN_K`, hyper-parameters included, shape (draws, temperatures)."""
    law = FormPrior()
    T = np.array(SHOWN_K)
    z = rng.standard_normal((PRIOR_DRAWS, 3 + T.size))
    wiggle = rng.choice(half_normal(law.wiggle_scale, law.grid), (PRIOR_DRAWS, 1))
    alloy = rng.choice(half_normal(law.alloy_scale, law.grid), (PRIOR_DRAWS, 1))
    kernel = np.exp(-0.5 * ((T[:, None] - T) / law.length_K) ** 2)
    smooth = z[:, 3:] @ np.linalg.cholesky(kernel + 1e-9 * np.eye(T.size)).T
    line = law.level_sd * z[:, :1] + law.trend_sd * z[:, 1:2] * (T - law.trend_centre_K) / law.trend_span_K
    return np.asarray(line + wiggle * smooth + alloy * z[:, 2:3])


def _observed(rows: Sequence[YieldRow]) -> dict[str, Any]:
    law = FormPrior()
    spread = float(np.hypot(law.ingot_sd, law.row_sd))
    found = {}
    for place, row in enumerate(rows):
        size = f", grains of {row.grain_size_um:g} um" if np.isfinite(row.grain_size_um) else ""
        words: dict[str, Any] = {"units": "MPa", "long_name": f"yield stress of {row.alloy} at {row.temperature_K:g} K"}
        words |= {"log_sd": spread, "note": f"exp, cast{size}: {row.ingot}", "verified": "yes", "place": place}
        found[f"{row.alloy} {row.temperature_K:g} K #{place}"] = ((), row.yield_MPa, words)
    return found


def _save(tree: xr.DataTree, path: Path) -> None:
    """Write the file, under another name first, so that a reader never sees half of it."""
    write_netcdf(tree, path)


def _fingerprint_of(path: Path) -> str:
    try:
        refuse_foreign_data(path)
        with xr.open_datatree(path, engine="h5netcdf") as tree:
            return str(tree.attrs.get("fingerprint", ""))
    except (OSError, ValueError):
        return ""  # half a file, or none of ours: written anew
