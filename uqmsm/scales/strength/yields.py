"""Measured yield stresses, and what they say of the theory once the grain boundaries are taken out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from uqmsm import tables
from uqmsm.errors import StudyError

__all__ = ["YieldRow", "log_ratios", "measured_yields", "training_rows"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class YieldRow:
    """One measured yield stress.

    Attributes
    ----------
    alloy : str
    temperature_K, yield_MPa : float
    grain_size_um : float
        Infinite where the source gives none: cast ingots are coarse.
    ingot : str
        Alloy and source: rows of one ingot share its offset.
    """

    alloy: str
    temperature_K: float
    yield_MPa: float
    grain_size_um: float
    ingot: str


def measured_yields(phase: str) -> list[YieldRow]:
    """Return the verified measured yield stresses of one crystal structure (``"bcc"`` or ``"fcc"``)."""
    found = []
    for row in tables.rows("reference.csv"):
        quantity = row["quantity"]
        if not (quantity.startswith("yield_stress_0.2%") and row["phase"] == phase):
            continue
        if row["verified"] != "yes" or row["kind"] != "exp":
            continue
        size = [word.removeprefix("grain_size_um=") for word in quantity.split() if word.startswith("grain_size_um=")]
        found.append(
            YieldRow(
                row["material"],
                float(row["temperature_K"]),
                float(row["value"]),
                float(size[0]) if size else float("inf"),
                f"{row['material']}, {row['source'].split()[0]}",
            )
        )
    return found


def training_rows(
    alloy: str, temperature_K: float, window_K: float, *, phase: str = "bcc", alloys: Sequence[str] | None = None
) -> list[YieldRow]:
    """Return the verified yield stresses from which the error may be learnt for one prediction.

    Left out are the rows of `alloy` within `window_K` (inclusive) of `temperature_K`: what is predicted
    is never trained on. Rows of other alloys stay at all temperatures.

    Parameters
    ----------
    alloy, temperature_K
        What is to be predicted.
    window_K : float
        Half width of the excluded window, >= 0.
    phase : str
        Crystal structure the theory is for.
    alloys : sequence of str, optional
        Keep only these (those for which theory values can be computed).

    Raises
    ------
    StudyError
        When nothing is left to learn from, or the window is negative.
    """
    if not window_K >= 0:
        raise StudyError(f"training_rows: window_K is {window_K:g}, but must be >= 0; give the half width in kelvin")
    kept = [
        row
        for row in measured_yields(phase)
        if (alloys is None or row.alloy in alloys)
        and not (row.alloy == alloy and abs(row.temperature_K - temperature_K) <= window_K)
    ]
    if not kept:
        raise StudyError(
            f"training_rows: no verified {phase} yield stress is left beside {alloy} at {temperature_K:g} K "
            f"+- {window_K:g} K; narrow the window or add rows to reference.csv"
        )
    return kept


def log_ratios(
    rows: Sequence[YieldRow], tau_MPa: ArrayLike, taylor_factor: float, hall_petch_MPa_um05: float
) -> Floats:
    """Return log((sigma - ky d^(-1/2)) / (M tau)) of each row, given the theory's tau of each row.

    Compute `tau_MPa` by the recipe of the prediction itself (same potential, softening, modulus rule).

    Raises
    ------
    StudyError
        When a row's grain-boundary part exceeds its stress, or a theory value is not positive.
    """
    tau = np.asarray(tau_MPa, dtype=np.float64)
    if tau.shape != (len(rows),) or not np.all(tau > 0):
        raise StudyError(f"log_ratios: give one positive tau_MPa per row ({len(rows)} rows); got {tau!r}")
    solute = np.array([r.yield_MPa - hall_petch_MPa_um05 / np.sqrt(r.grain_size_um) for r in rows])
    if not np.all(solute > 0):
        worst = rows[int(np.argmin(solute))]
        raise StudyError(
            f"log_ratios: ky = {hall_petch_MPa_um05:g} MPa um^0.5 exceeds the whole yield stress of {worst}; lower ky"
        )
    return np.asarray(np.log(solute / (taylor_factor * tau)))
