"""Draw the pictures of docs/component.md and write fields for ParaView: ``python picture.py RUN FOLDER``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.tri import Triangulation
from numpy.typing import NDArray

mpl.use("Agg")
import matplotlib.pyplot as plt

import uqmsm
from uqmsm.conduct.placed import field_of_run
from uqmsm.physics.fe.at_nodes import at_nodes
from uqmsm.physics.fe.bar import Bar, notched_bar
from uqmsm.physics.fe.discretise import Discretisation
from uqmsm.physics.fe.results import write_vtu

Floats = NDArray[np.float64]
LIMIT = 1e-2  # slip whose exceedance is drawn
PARTS = ("mean", "aleatoric_sd", "epistemic_sd", "numerical_sd", "exceedance")


def bar_of(run: Path) -> Bar:
    """Return the bar of a run's study."""
    operator = uqmsm.load(run).chain["bar"].operator
    names = ("half_width", "half_length", "depth", "root_radius", "refinement")
    return notched_bar(*(getattr(operator, name) for name in names))


def nodal(run: Path, port: str, limit: float | None = None) -> dict[str, Floats]:
    """Return the field of a port at the nodes, part by part; a probability stays one."""
    table = field_of_run(run, "bar", port, limit=limit)
    of = bar_of(run).of
    found = {name: at_nodes(of, one.values) for name, one in table.data_vars.items()}
    # a plane through the points of an element may leave what is possible at its nodes
    return {
        name: np.clip(one, 0.0, 1.0 if "exceed" in name else np.inf) if name != "mean" else one
        for name, one in found.items()
    }


def painted(axes: Any, of: Discretisation, values: Floats, title: str, cmap: str) -> None:
    """Paint a nodal field on the quarter and its mirror image."""
    corners = of.mesh.elements[:, :4]
    triangles = np.concatenate([corners[:, [0, 1, 2]], corners[:, [0, 2, 3]]])
    x, y = of.mesh.nodes_mm.T
    for sign in (1.0, -1.0):
        shown = axes.tripcolor(
            Triangulation(sign * x, y, triangles), values, shading="gouraud", rasterized=True, cmap=cmap
        )
    axes.set(title=title, xlabel="r (mm)", xlim=(-x.max(), x.max()), ylim=(0.0, 3.0 * np.median(y) + 1.0))
    axes.set_aspect("equal")
    plt.colorbar(shown, ax=axes, shrink=0.8)


def curves(axes: Any, run: Path) -> None:
    """Draw what every bar carries."""
    table = uqmsm.open(run)["outcomes/bar"].to_dataset()
    stretch, stress = 100.0 * table["bar_stretch"].values, table["bar_stress"].values
    for one, other in zip(stretch, stress, strict=True):
        axes.plot(one, other, color="0.7", lw=0.5)
    axes.plot(stretch.mean(axis=0), np.nanmedian(stress, axis=0), "k-", lw=1.5, label="median")
    axes.set(xlabel="elongation (%)", ylabel="stress on the ligament (MPa)", title=f"{len(stress)} bars")
    axes.legend()


def main(run: Path, place: Path) -> None:
    """Draw and write."""
    of = bar_of(run).of
    slip = nodal(run, "point_slip", LIMIT)
    stress = nodal(run, "point_stress")
    figure, axes = plt.subplots(1, 4, figsize=(15, 4.2), layout="constrained")
    curves(axes[0], run)
    painted(axes[1], of, 100.0 * slip["mean"], "mean slip (%)", cmap="viridis")
    painted(axes[2], of, stress["aleatoric_sd"], "stress along the bar, sd from chance (MPa)", cmap="magma")
    painted(axes[3], of, slip["exceedance"], f"probability of more than {100 * LIMIT:g} % slip", cmap="cividis")
    figure.savefig(place / "component-fe2.png", dpi=110)
    nodes = {f"slip {name}": slip[name] for name in PARTS}
    nodes |= {f"axial stress {name} MPa": stress[name] for name in PARTS if name in stress}
    write_vtu(place / "notched_bar_fe2.vtu", of.mesh, nodes=nodes)
    bars = uqmsm.open(run)["outcomes/bar"].to_dataset()
    for name in (
        "recheck_worst",
        "recheck_share",
        "cluster_excess",
        "cluster_scatter",
        "stated_error",
        "flowing_share",
    ):
        values = bars[name].values
        print(f"{name}: mean {np.nanmean(values):.4f}, {np.nanmin(values):.4f} to {np.nanmax(values):.4f}")
    print(f"hill_mandel_gap: at most {np.nanmax(bars['hill_mandel_gap'].values):.1e}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
