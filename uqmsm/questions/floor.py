"""How well can any number of members know the answer?

Members draw from the stored draws of a posterior, and a chain of n effective draws knows its own mean to sd / sqrt(n):
that error no further member lowers. It is added to the Monte Carlo error of means and standard deviations.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr
from numpy.typing import NDArray

__all__ = ["floored"]

Floats = NDArray[np.float64]


def floored(summary: xr.Dataset, ledger: xr.Dataset | None, effective: Mapping[str, float]) -> xr.Dataset:
    """Return the summary with the error of the posteriors' chains in it.

    Parameters
    ----------
    summary
        `mean`, `sd` and their `_se` over the dimension `answer`.
    ledger
        Shares of the sources, from which the part of the scatter that a posterior's draws make is known; None where
        there is none: all of it then.
    effective
        Label of a learnt source -> effective number of independent draws behind it.

    Returns
    -------
    Dataset
        With `mean_floor` and `sd_floor`, and `mean_se`, `sd_se` the root of the sum of squares.
    """
    known = {label: n for label, n in effective.items() if n > 0.0}
    if not known or "mean_se" not in summary:
        return summary
    table = summary.copy()
    sd = np.asarray(table["sd"].values, dtype=np.float64)
    parts = {label: _part(ledger, table, label) for label in known}
    shares = np.array([parts[label] for label in known])
    draws = np.array(list(known.values()))[:, None]
    # of a mean; and of a variance, whose part sd_p^2 has the relative error sqrt(2 / n)
    floors = {
        "mean": sd * np.sqrt((shares / draws).sum(axis=0)),
        "sd": 0.5 * sd * np.sqrt((2.0 * shares**2 / draws).sum(axis=0)),
    }
    for name, floor in floors.items():
        about = dict(table[name].attrs) | {
            "long_name": f"part of the standard error of the {name} that more members do not lower: the chains' length"
        }
        old = np.asarray(table[f"{name}_se"].values, dtype=np.float64)
        new = np.hypot(old, floor)
        wider = np.divide(new, old, out=np.ones_like(old), where=old > 0.0)
        for end in (f"{name}_lo", f"{name}_hi"):
            middle = table[name].values
            table[end] = table[end].copy(data=middle + (table[end].values - middle) * wider)
        table[f"{name}_se"] = table[f"{name}_se"].copy(data=new)
        table[f"{name}_floor"] = (table[name].dims, floor, about)
    return table


def _part(ledger: xr.Dataset | None, summary: xr.Dataset, label: str) -> Floats:
    """Return the part of each answer's variance that a source makes by itself, its upper limit; 1 where not known."""
    found = np.ones(summary.sizes["answer"])
    if ledger is None:
        return found
    for i, answer in enumerate(summary["answer"].values):
        rows = (ledger["answer"] == answer) & (ledger["scale"] == "raw")
        lines = (ledger["line"] == label) & (ledger["of"] == "source")
        if rows.any() and lines.any():
            upper = float(ledger["alone_hi"].values[np.flatnonzero(rows)[0], np.flatnonzero(lines)[0]])
            found[i] = min(max(upper, 0.0), 1.0) if np.isfinite(upper) else 1.0
    return found
