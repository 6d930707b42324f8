"""Draw the pictures of docs/electrons.md from the shipped table: `python studies/dft_reference/pictures.py`."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl

mpl.use("svg")
mpl.rcParams |= {"svg.hashsalt": "uqmsm", "svg.fonttype": "none", "font.size": 8, "axes.spines.top": False}
mpl.rcParams |= {"axes.spines.right": False, "lines.linewidth": 1.2}
import matplotlib.pyplot as plt  # noqa: E402  (the backend comes first)
import numpy as np  # noqa: E402

from uqmsm import tables  # noqa: E402
from uqmsm.physics.dft.campaign import CENTRAL_VOLUME_A3, element_settings  # noqa: E402
from uqmsm.physics.dft.crystal import energies  # noqa: E402
from uqmsm.physics.dft.equation_of_state import fit_birch_murnaghan  # noqa: E402
from uqmsm.physics.dft.reference import NAMED, reference, shipped  # noqa: E402

DOCS = Path(__file__).resolve().parents[2] / "docs"
ELEMENTS = ("V", "Nb", "Ta", "Mo", "W")
COLOURS = {"BEEF-vdW": "#1b4f72", "PBE": "#b9770e", "PBEsol": "#7d3c98"}
BAND = "#aed6f1"


def curves(functionals: int = 60) -> None:
    """Energy against volume: whole curves, each moved to its lowest energy, of functionals whose minimum is inside."""
    figure, axes = plt.subplots(1, len(ELEMENTS), figsize=(9.0, 2.3), sharey=True, layout="constrained")
    for axis, element in zip(axes, ELEMENTS, strict=True):
        rows = [r for r in shipped().rows if r.calculation.material == element and r.calculation.role == "volume"]
        rows = [r for r in rows if r.calculation.settings == element_settings(element)]
        rows.sort(key=lambda row: row.calculation.cell.volume)
        volume = np.array([row.calculation.cell.volume for row in rows])
        drawn = reference([element], ("lattice_parameter",))
        inside = np.flatnonzero(drawn.inside)[:functionals]
        said = energies(rows, shipped().shifts[inside])
        said = said - fit_birch_murnaghan(volume, said).energy_eV[:, None]
        relative = volume / CENTRAL_VOLUME_A3[element]
        axis.plot(relative, said[len(NAMED) :].T, color=BAND, linewidth=0.4)
        for name, curve in zip(NAMED, said, strict=False):
            axis.plot(relative, curve, "o-", markersize=2, color=COLOURS[name], label=name)
        axis.set_title(element)
        axis.set_xlabel("V / V(PBE)")
        axis.set_ylim(-0.02, 0.5)
    axes[0].set_ylabel("energy above the\nlowest, eV per atom")
    axes[-1].legend(frameon=False)
    save(figure, "dft-curves.svg")


def moduli() -> None:
    """Elastic constants: spread over functionals, named functionals with numerical errors, and what is known."""
    figure, axes = plt.subplots(1, 3, figsize=(9.0, 3.1), layout="constrained")
    for axis, name in zip(axes, ("C11", "C12", "C44"), strict=True):
        said = reference(ELEMENTS, (name,))
        low, high = np.nanquantile(said.ensemble, (0.16, 0.84), axis=0)
        places = np.arange(len(ELEMENTS), dtype=float)
        axis.bar(places, high - low, bottom=low, width=0.7, color=BAND, label="functionals, middle 68 %")
        for shift, (functional, values) in zip((-0.2, 0.0, 0.2), zip(NAMED, said.named, strict=True), strict=True):
            style = {"fmt": "o", "markersize": 3, "capsize": 2, "color": COLOURS[functional], "linewidth": 0.8}
            axis.errorbar(places + shift, values, said.numerical_sd, label=functional, **style)
        axis.plot(places, [measured(e, name) for e in ELEMENTS], "kx", markersize=5, label="measured, 298 K")
        axis.plot(places, [published(e, name) for e in ELEMENTS], "k_", markersize=9, label="PBE, published")
        axis.set_xticks(places, ELEMENTS)
        axis.set_title(f"{name}, GPa")
        axis.set_ylim(0.0, None)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    save(figure, "dft-elastic.svg")


def measured(element: str, name: str) -> float:
    """Return what was measured, GPa."""
    rows = tables.rows("reference.csv")
    (row,) = (r for r in rows if (r["material"], r["quantity"], r["kind"]) == (element, name, "exp"))
    return float(row["value"])


def published(element: str, name: str) -> float:
    """Return a published number in PBE, GPa."""
    (row,) = (row for row in tables.rows("dft/published_elastic.csv") if row["element"] == element)
    return float(row[name])


def save(figure: plt.Figure, name: str) -> None:
    """Write a picture without the date, so that the same numbers give the same file."""
    figure.savefig(DOCS / name, metadata={"Date": None})
    plt.close(figure)


if __name__ == "__main__":
    curves()
    moduli()
