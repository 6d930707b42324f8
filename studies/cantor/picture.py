"""Curves over temperature beside experiment: ``python picture.py RUN transfer.nc docs/cantor.svg``; prints the table.

A band is two standard deviations wide to both sides. Of a run of the study its variance is that between independent
members, and the part of chance and numerics is seen in pairs of members that share everything epistemic and nothing
else. Hollow marks and broken lines are numbers that nobody has checked against their papers.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

import uqmsm
from uqmsm import tables
from uqmsm.report.axes import Frame, tick_labels, ticks
from uqmsm.report.canvas import Canvas

CANTOR, KIN = "CoCrFeMnNi", ("CoCrFeNi", "CoCrNi")
MEASURED_LAWS = {  # G. Laplanche et al., J. Alloys Compd. 623, 348 (2015), from 200 to 1270 K
    "curve_youngs_modulus": lambda T: 214 - 35 / np.expm1(416 / T),
    "curve_shear_modulus": lambda T: 85 - 16 / np.expm1(448 / T),
    "curve_expansion": lambda T: 23.7e-6 * (1 - np.exp(-T / 299)),
}


@dataclass(frozen=True)
class Band:
    """Mean and standard deviations along temperature: of all, and of chance and numerics alone (NaN if not known)."""

    mean: np.ndarray
    sd: np.ndarray
    chance: np.ndarray

    @property
    def epistemic(self) -> np.ndarray:
        """Return what is left when chance and numerics are taken off."""
        return np.sqrt(np.maximum(self.sd**2 - np.nan_to_num(self.chance) ** 2, 0.0))


def of_run(results: xr.DataTree, stage: str, name: str, of: Callable = np.asarray) -> Band:
    """Return the band of a port of a run by rows of rectangles: indices 2 r and 2 r + 1 make row r."""
    table = results[f"outcomes/{stage}"].to_dataset()
    x = of(np.asarray(table[name].values, dtype=np.float64))
    kinds = {f"{one['stage']}.{one['name']}": one["kind"] for one in json.loads(results.attrs["sources"])}
    known = [label for label in kinds if label in table.coords]
    index = np.stack([table[label].values for label in known], axis=1)
    whole = np.isfinite(x.reshape(len(x), -1)).all(axis=1)
    x, index = x[whole], index[whole]
    row = index[:, 0] // 2
    sums = np.array([x[row == one].sum(axis=0) for one in np.unique(row)])
    sizes = np.array([(row == one).sum() for one in np.unique(row)])
    across = (sums.sum(axis=0) ** 2 - (sums**2).sum(axis=0)) / (sizes.sum() ** 2 - (sizes**2).sum())
    variance = (x**2).mean(axis=0) - across
    epistemic = np.array([kinds[label] == "epistemic" for label in known])
    same = index[:, None] == index[None]
    first, second = np.nonzero(np.triu(same[..., epistemic].all(axis=2) & ~same[..., ~epistemic].any(axis=2)))
    chance = 0.5 * ((x[first] - x[second]) ** 2).mean(axis=0) if len(first) else np.full(x.shape[1:], np.nan)
    return Band(x.mean(axis=0), np.sqrt(np.maximum(variance, 0.0)), np.sqrt(chance))


def of_kin(transfer: xr.DataTree, alloy: str, name: str, of: Callable = np.asarray) -> Band:
    """Return the band of an alloy that was foretold: one specimen for each draw, so its chance is not seen."""
    x = of(transfer[alloy][name].values.astype(np.float64))
    flat = x.reshape(-1, *x.shape[2:])
    return Band(flat.mean(axis=0), flat.std(axis=0, ddof=1), np.full(x.shape[2:], np.nan))


def measured(material: str, quantity: str) -> list[tuple[float, float, bool]]:
    """Return temperatures, values, verified flags of the experimental rows of the reference table."""
    rows = [r for r in tables.rows("reference.csv") if r["material"] == material and r["kind"] == "exp"]
    rows = [r for r in rows if r["quantity"].startswith(quantity) and r["temperature_K"].replace(".", "").isdigit()]
    return [(float(r["temperature_K"]), float(r["value"]), r["verified"] == "yes") for r in rows]


class Panel:
    """One frame with its bands, marks and lines."""

    def __init__(self, canvas: Canvas, place: tuple[int, int], title: str, y: tuple[float, float]) -> None:
        left, top = 52.0 + 322.0 * place[1], 62.0 + 292.0 * place[0]
        self.canvas, self.frame = canvas, Frame(left, left + 256.0, top, top + 196.0, (60.0, 1020.0), y)
        canvas.y_axis(self.frame, tick_labels(ticks(*y, 5)), title)
        canvas.x_axis(self.frame, tick_labels(ticks(60.0, 1020.0, 4)), "temperature (K)")

    def _points(self, T: np.ndarray, y: np.ndarray) -> list[tuple[float, float]]:
        y = np.clip(y, *self.frame.y)
        return [(self.frame.px(float(a)), self.frame.py(float(b))) for a, b in zip(T, y, strict=True)]

    def band(self, T: np.ndarray, found: Band, *, back: Callable = np.asarray, colour: str = "epistemic") -> None:
        """Draw all, then chance and numerics, then the mean."""
        for sd, css in ((found.sd, f"k-{colour} band"), (found.chance, "k-aleatoric pale")):
            if np.isfinite(sd).all():
                low, high = (self._points(T, back(found.mean + sign * 2 * sd)) for sign in (-1, 1))
                self.canvas.curve([*low, *reversed(high)], css, closed=True)
        self.canvas.curve(self._points(T, back(found.mean)), f"s-{colour} curve")

    def law(self, T: np.ndarray, y: np.ndarray) -> None:
        """Draw a measured law, broken where it was never fitted."""
        self.canvas.curve(self._points(T, y), "whisker dash")

    def marks(self, points: list[tuple[float, float, bool]], css: str = "inkfill") -> None:
        """Draw measurements, hollow where they are not verified."""
        for T, y, verified in points:
            self.canvas.dot(self.frame.px(T), self.frame.py(y), 3.4, css if verified else "hollow")


def drawn(results: xr.DataTree, transfer: xr.DataTree) -> str:
    """Return the picture."""
    T = results["outcomes/curves"]["curve_temperature"].values[0]
    cool = T <= 900.0
    canvas = Canvas(980.0, 640.0, "cantor")
    canvas.text(
        4.0, 18.0, "CoCrFeMnNi: two standard deviations of all (blue), of chance and numerics alone (orange)", "strong"
    )
    canvas.text(4.0, 35.0, "Marks and broken lines: experiment, hollow where not checked against the paper", "soft")
    one = Panel(canvas, (0, 0), "lattice parameter (Å)", (3.565, 3.665))
    one.band(T, of_run(results, "curves", "curve_lattice_parameter"))
    one.marks(measured(CANTOR, "lattice_parameter"))
    one = Panel(canvas, (0, 1), "C11, C44, C12 (GPa)", (60.0, 240.0))
    for k, name in enumerate(("C11", "C12", "C44")):
        one.band(T, of_run(results, "curves", "curve_adiabatic_moduli", lambda x, k=k: x[..., k]))
        one.marks(measured(CANTOR, name))
    one = Panel(canvas, (0, 2), "E and G of a polycrystal (GPa)", (30.0, 250.0))
    for name in ("curve_youngs_modulus", "curve_shear_modulus"):
        one.band(T, of_run(results, "curves", name))
        one.law(T[T >= 200.0], MEASURED_LAWS[name](T[T >= 200.0]))
    one = Panel(canvas, (1, 0), "linear expansion (10⁻⁶/K)", (0.0, 30.0))
    one.band(T, of_run(results, "curves", "curve_expansion", lambda x: 1e6 * x))
    one.law(T[T >= 200.0], 1e6 * MEASURED_LAWS["curve_expansion"](T[T >= 200.0]))
    one = Panel(canvas, (1, 1), "strength without boundaries (MPa)", (0.0, 600.0))
    stress = of_run(results, "strength", "curve_yield_stress", lambda x: np.log(x[..., cool]))
    one.band(T[cool], stress, back=np.exp)
    one.marks(measured(CANTOR, "hall_petch_sigma0"))
    one = Panel(canvas, (1, 2), "foretold: CoCrFeNi (blue), CoCrNi (grey)", (0.0, 600.0))
    for alloy, colour in zip(KIN, ("epistemic", "numerical"), strict=True):
        band = of_kin(transfer, alloy, "curve_yield_stress", lambda x: np.log(x[..., cool]))
        one.band(T[cool], band, back=np.exp, colour=colour)
    one.marks(measured("CoCrFeNi", "yield_stress_HallPetch"), "k-epistemic")
    one.marks(measured("CoCrNi", "hall_petch_sigma0"))
    words = "Lattice parameter, elastic constants, moduli, expansion and strength over temperature, beside experiment."
    return canvas.svg("CoCrFeMnNi from 77 to 1000 K", words, standalone=True)


LINES = (
    ("lattice parameter (Å)", "curves", "curve_lattice_parameter", None, "lattice_parameter", 1.0),
    ("C11 (GPa)", "curves", "curve_adiabatic_moduli", 0, "C11", 1.0),
    ("C12 (GPa)", "curves", "curve_adiabatic_moduli", 1, "C12", 1.0),
    ("C44 (GPa)", "curves", "curve_adiabatic_moduli", 2, "C44", 1.0),
    ("E (GPa)", "curves", "curve_youngs_modulus", None, "young", 1.0),
    ("G (GPa)", "curves", "curve_shear_modulus", None, "shear", 1.0),
    ("expansion (10⁻⁶/K)", "curves", "curve_expansion", None, "linear_thermal", 1e6),
    ("strength (MPa)", "strength", "curve_yield_stress", None, "hall_petch_sigma0", 1.0),
)


def table(results: xr.DataTree, transfer: xr.DataTree, at_K: float = 293.0) -> str:
    """Return the numbers at one temperature beside experiment, as a table."""
    T = results["outcomes/curves"]["curve_temperature"].values[0]
    at = int(np.argmin(np.abs(T - at_K)))
    rows = [
        f"| at {T[at]:g} K | predicted, ± epistemic ± chance and numerics | measured | off by (sd) |",
        "|---|---|---|---|",
    ]
    for alloy in (CANTOR, *KIN):
        for words, stage, name, k, quantity, scale in LINES:

            def pick(x: np.ndarray, k: int | None = k, scale: float = scale) -> np.ndarray:
                return scale * (x if k is None else x[..., k])[..., at]

            found = of_run(results, stage, name, pick) if alloy == CANTOR else of_kin(transfer, alloy, name, pick)
            near = [value for where, value, _ in measured(alloy, quantity) if abs(where - T[at]) < 10]
            if not near:
                continue
            off = ", ".join(f"{(value - found.mean) / found.sd:+.1f}" for value in near)
            chance = "" if np.isnan(found.chance) else f" ± {found.chance:.2g}"
            said = ", ".join(f"{value:g}" for value in near)
            rows.append(f"| {alloy}: {words} | {found.mean:.4g} ± {found.epistemic:.2g}{chance} | {said} | {off} |")
    return "\n".join(rows)


if __name__ == "__main__":
    run, kin = uqmsm.open(sys.argv[1]), uqmsm.open(sys.argv[2])
    Path(sys.argv[3]).write_text(drawn(run, kin) + "\n", encoding="utf-8")
    print(table(run, kin))
