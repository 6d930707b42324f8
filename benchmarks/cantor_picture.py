"""Draw what `cantor_curves.py` computed: bands by kind over temperature, experiment beside them.

Needs matplotlib, which nothing else here does. Hollow marks are reference rows that nobody has checked against the
paper (`verified` = no).
"""

from __future__ import annotations

import matplotlib as mpl
import numpy as np

from uqmsm import tables

mpl.use("Agg")
import matplotlib.pyplot as plt

EPISTEMIC, CHANCE, INK = "#4c78a8", "#f58518", "#333333"


def kinds(table, draw):
    """Return mean, sd between draws (epistemic, with discrepancy and form) and sd within (chance and numerics).

    Two specimens of one draw differ by chance and numerics in the mean over the cheap re-draws; what those re-draws and
    the draws of the potential add is epistemic. One specimen per draw leaves the second unknown (zero).
    """
    specimens = table.mean(axis=1)
    within = np.array(
        [specimens[draw == one].var(axis=0, ddof=1) for one in np.unique(draw) if (draw == one).sum() > 1]
    )
    chance = within.mean(axis=0) if len(within) else np.zeros(table.shape[2:])
    total = table.reshape(-1, *table.shape[2:]).var(axis=0, ddof=1)
    return specimens.mean(axis=0), np.sqrt(np.maximum(total - chance, 0.0)), np.sqrt(chance)


def band(axis, T, table, draw, *, positive=False, colours=(EPISTEMIC, CHANCE, INK)):
    """Draw two standard deviations of each kind; of the logarithm where a quantity is positive and scatters widely."""
    mean, epistemic, chance = kinds(np.log(table) if positive else table, draw)
    scale = np.exp if positive else np.asarray
    for sd, colour, alpha in ((np.hypot(epistemic, chance), colours[0], 0.25), (chance, colours[1], 0.6)):
        axis.fill_between(T, scale(mean - 2 * sd), scale(mean + 2 * sd), color=colour, alpha=alpha, lw=0)
    return axis.plot(T, scale(mean), color=colours[2], lw=1)[0]


def measured(material, quantity, kind="exp"):
    """Return temperatures, values, verified flags of the reference rows."""
    rows = [r for r in tables.rows("reference.csv") if r["material"] == material and r["quantity"].startswith(quantity)]
    rows = [r for r in rows if r["kind"] == kind]
    return [(float(r["temperature_K"]), float(r["value"]), r["verified"] == "yes") for r in rows]


def marks(axis, points):
    """Draw measurements, hollow where unverified."""
    for T, value, verified in points:
        axis.plot(T, value, "o", ms=5, mec=INK, mfc=INK if verified else "white", zorder=5)


def draw(found, path):
    """Draw six panels."""
    T = found["temperature"]
    figure, axes = plt.subplots(2, 3, figsize=(10.5, 6.2), layout="constrained")
    cantor = {key.partition("/")[2]: found[key] for key in found.files if key.startswith("CoCrFeMnNi/")}
    rows = cantor["draw"]
    band(axes[0, 0], T, cantor["curve_lattice_parameter"], rows)
    marks(axes[0, 0], measured("CoCrFeMnNi", "lattice_parameter"))
    axes[0, 0].set_ylabel("lattice parameter (Å)")
    for k, name in enumerate(("C11", "C12", "C44")):
        band(axes[0, 1], T, cantor["curve_moduli"][..., k], rows)
        marks(axes[0, 1], measured("CoCrFeMnNi", name))
        axes[0, 1].annotate(name, (T[0] - 40, cantor["curve_moduli"][..., 0, k].mean() + (2, -7, 2)[k]), fontsize=8)
    axes[0, 1].set_ylabel("elastic constants (GPa)")
    for key, law, name in (
        ("curve_youngs_modulus", 214 - 35 / np.expm1(416 / T), "E"),
        ("curve_shear_modulus", 85 - 16 / np.expm1(448 / T), "G"),
    ):
        band(axes[0, 2], T, cantor[key], rows)
        axes[0, 2].plot(T, law, "--", color=INK, lw=1)
        axes[0, 2].annotate(name, (T[0], law[0] + 6), fontsize=8)
    axes[0, 2].set_ylabel("E, G of a polycrystal (GPa)")
    band(axes[1, 0], T, 1e6 * cantor["curve_expansion"], rows)
    axes[1, 0].plot(T, 23.7 * (1 - np.exp(-T / 299)), "--", color=INK, lw=1)
    axes[1, 0].set_ylabel("linear expansion ($10^{-6}$/K)")
    cool = T <= 900
    band(axes[1, 1], T[cool], cantor["curve_yield_stress"][..., cool], rows, positive=True)
    marks(axes[1, 1], measured("CoCrFeMnNi", "hall_petch_sigma0"))
    axes[1, 1].set_ylabel("strength without boundaries (MPa)")
    for alloy, colour in (("CoCrFeNi", "#54a24b"), ("CoCrNi", "#b279a2")):
        table, rows = found[f"{alloy}/curve_yield_stress"][..., cool], found[f"{alloy}/draw"]
        band(axes[1, 2], T[cool], table, rows, positive=True, colours=(colour,) * 3).set_label(alloy)
        what = "yield_stress_HallPetch" if alloy == "CoCrFeNi" else "hall_petch_sigma0"
        for at, value, verified in measured(alloy, what):
            axes[1, 2].plot(at, value, "o", ms=5, mec=colour, mfc=colour if verified else "white", zorder=5)
    axes[1, 2].legend(frameon=False, fontsize=8)
    axes[1, 2].set_ylabel("transfer: strength (MPa)")
    for axis in axes.flat:
        axis.set_xlabel("temperature (K)")
        axis.spines[["top", "right"]].set_visible(False)
    mpl.rcParams["svg.hashsalt"] = "uqmsm"
    figure.savefig(path, metadata={"Date": None})
    tell(found, T)


def tell(found, T):
    """Print the curves beside experiment at room temperature, in standard deviations."""
    at = int(np.argmin(np.abs(T - 293)))
    for alloy in ("CoCrFeMnNi", "CoCrFeNi", "CoCrNi"):
        rows = found[f"{alloy}/draw"]
        for key, k, name, scale in (
            ("curve_lattice_parameter", None, "lattice_parameter", 1), ("curve_moduli", 0, "C11", 1),
            ("curve_moduli", 1, "C12", 1), ("curve_moduli", 2, "C44", 1), ("curve_youngs_modulus", None, "young", 1),
            ("curve_shear_modulus", None, "shear", 1), ("curve_expansion", None, "linear_thermal", 1e6),
            ("curve_yield_stress", None, "hall_petch_sigma0", 1),
        ):  # fmt: skip
            table = found[f"{alloy}/{key}"] if k is None else found[f"{alloy}/{key}"][..., k]
            mean, epistemic, chance = (scale * one[at] for one in kinds(table, rows))
            lines = [f"{value:g}" for where, value, _ in measured(alloy, name) if abs(where - 295) < 10]
            sd = np.hypot(epistemic, chance)
            print(f"{alloy:11s} {name:18s} {mean:8.4g} ± {epistemic:.2g} epistemic ± {chance:.2g} chance and numerics;"
                  f" measured {', '.join(lines) or '-'}"
                  + (f" ({(float(lines[0]) - mean) / sd:+.1f} sd)" if lines else ""))  # fmt: skip
