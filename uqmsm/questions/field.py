"""What does every place of a component carry, and what part of its scatter is chance and what ignorance?"""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.members import Design
from uqmsm.questions.attribute import Ledger
from uqmsm.stochastic import Kind

__all__ = ["field"]

Floats = NDArray[np.float64]


def field(
    design: Design, values: Floats, *, units: str = "1", limit: float | None = None, level: float = 0.9
) -> xr.Dataset:
    """Return mean, standard deviation, its parts and the probability of exceeding a limit, place by place.

    Parameters
    ----------
    design : Design
        Rows of rectangles.
    values : ndarray, shape (members, places)
        NaN where a member failed.
    units : str
        Of the values.
    limit : float
        In these units.
    level : float
        Nominal coverage of the ledger's intervals.

    Returns
    -------
    Dataset
        Over ``place``: ``mean`` and ``mean_se``, ``sd``, ``aleatoric_sd``, ``epistemic_sd``, ``numerical_sd`` (the root
        of the closed share of the kind times the variance; a share below zero counts as none, and all are NaN below
        eight complete rows), ``exceedance`` and ``exceedance_se``. Errors are over rows, which are independent.

    Raises
    ------
    StudyError
        When values and design do not fit.
    """
    given = np.asarray(values, dtype=np.float64)
    if given.ndim != 2 or len(given) != design.rows * design.members_per_row:
        raise StudyError(
            f"field: values of shape {given.shape} for {design.rows * design.members_per_row} members; give "
            "(members, places)"
        )
    found = {"mean": np.nanmean(given, axis=0), "mean_se": _over_rows(design, given), "sd": np.nanstd(given, axis=0)}
    parts = np.array([_shares(design, column, level) for column in given.T]).T
    for kind, share in zip(Kind, parts, strict=True):
        found[f"{kind}_sd"] = found["sd"] * np.sqrt(np.maximum(share, 0.0))
    texts = dict.fromkeys(found, units)
    if limit is not None:
        above = np.where(np.isnan(given), np.nan, given > limit)
        found |= {"exceedance": np.nanmean(above, axis=0), "exceedance_se": _over_rows(design, above)}
        texts |= {"exceedance": "1", "exceedance_se": "1"}
    sources = ", ".join(design.labels)
    table = {
        name: ("place", one, {"units": texts[name], "long_name": name.replace("_", " "), "sources": sources})
        for name, one in found.items()
    }
    attributes = {} if limit is None else {"limit": float(limit), "limit_units": units}
    return xr.Dataset(table, attrs=attributes)


def _shares(design: Design, column: Floats, level: float) -> list[float]:
    """Return the closed share of every kind; nothing varies where nothing differs."""
    if np.ptp(column[np.isfinite(column)]) == 0.0:
        return [0.0] * len(Kind)
    fractions = Ledger(design, column, level=level).fractions()
    return [float(fractions[f"{kind}_fraction"]) for kind in Kind]


def _over_rows(design: Design, values: Floats) -> Floats:
    """Return the standard error of the mean over rows."""
    rows = np.nanmean(values.reshape(design.rows, design.members_per_row, -1), axis=1)
    return (
        np.asarray(rows.std(axis=0, ddof=1) / np.sqrt(len(rows))) if len(rows) > 1 else np.full(rows.shape[1], np.nan)
    )
