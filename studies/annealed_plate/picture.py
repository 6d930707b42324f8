"""Draw what the furnace made of the grains, and what the plate makes of them: ``python picture.py RUN FILE.png``.

Above: cuts through the blocks of a member with small grains, of the median and of one with large grains, on one scale.
Below: the grain diameters of all members round what they began as, with the shares of the three kinds of doubt; first
yield of the plate over the grain diameter, coloured by the ingot's and the theory's part.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray

mpl.use("Agg")
import matplotlib.pyplot as plt

import uqmsm

Floats = NDArray[np.float64]
KINDS = ("epistemic", "aleatoric", "numerical", "interaction")


def cuts(run: Path, axes: list[Any]) -> None:
    """Draw a cut through the block of the 5th, 50th and 95th percentile of the diameter, on one scale."""
    grown = uqmsm.open(run)["outcomes/anneal"].to_dataset()
    ids, diameter = uqmsm.field(run, "anneal.grain_ids"), grown["grain_diameter"].values
    rows = [int(np.argmin(np.abs(diameter - q))) for q in np.quantile(diameter, (0.05, 0.5, 0.95))]
    widest = max(float(grown["block_edge"][row]) for row in rows)
    for axis, row in zip(axes, rows, strict=True):
        cut = np.asarray(ids[row])[:, :, 0].astype(int)
        edge = float(grown["block_edge"][row])
        axis.imshow(told_apart(cut), cmap="cividis", vmin=0.0, extent=(0, edge, 0, edge), interpolation="nearest")
        axis.set(xlim=(0, widest), ylim=(0, widest), title=f"{diameter[row]:.0f} µm", xlabel="µm")
        axis.spines[["top", "right"]].set_visible(False)


def told_apart(cut: NDArray[np.int64], fine: int = 8) -> Floats:
    """Return shades of the grains of a cut, `fine` times as fine, with dark lines between them."""
    shades = (np.random.default_rng(3).permutation(cut.max() + 1) + 0.4 * cut.max()) / cut.max()
    ids = np.kron(cut, np.ones((fine, fine), dtype=np.int64))
    shown = shades[ids]
    shown[(ids != np.roll(ids, 1, 0)) | (ids != np.roll(ids, 1, 1))] = 0.0
    return np.asarray(shown, dtype=np.float64)


def sizes(run: Path, axis: Any) -> None:
    """Draw the law of the mean diameter."""
    tree = uqmsm.open(run)
    diameter = tree["answers"].to_dataset()["grain_diameter"].values
    parts = tree["ledger"].to_dataset().sel(answer="grain_diameter")
    words = [f"{kind} {100 * float(parts[f'{kind}_fraction']):.0f} %" for kind in KINDS]
    axis.hist(diameter, bins=40, color="0.6")
    axis.axvline(80.0, color="C3", lw=1.5)
    axis.annotate("before the anneal", (80.0, 1.0), (3, -10), xycoords=("data", "axes fraction"),
                  textcoords="offset points", color="C3", fontsize=8)  # fmt: skip
    axis.text(0.97, 0.66, "\n".join(["of the variance:", *words]), transform=axis.transAxes, ha="right", fontsize=8)
    axis.set(xlabel="mean grain diameter (µm)", ylabel="members")


def yields(run: Path, axis: Any) -> None:
    """Draw first yield of the plate over the diameter of its grains."""
    tree = uqmsm.open(run)
    answers = tree["answers"].to_dataset()
    axis.plot(answers["grain_diameter"], answers["yield_load"], ".", ms=2, color="C0", alpha=0.4)
    at = np.linspace(*np.quantile(answers["grain_diameter"], (0.005, 0.995)), 50)
    middle = float(np.median(answers["yield_load"]))
    typical = float(np.median(answers["grain_diameter"]))
    axis.plot(at, middle + 240.0 * (at**-0.5 - typical**-0.5), "k-", label="Hall-Petch alone, 240 MPa µm$^{1/2}$")
    axis.set(xlabel="mean grain diameter (µm)", ylabel="first yield, nominal (MPa)")
    axis.legend(fontsize=8, loc="upper right")


def main(run: Path, file: Path) -> None:
    """Write the picture."""
    plt.rcParams["svg.fonttype"] = "none"
    figure = plt.figure(figsize=(9.5, 6.2), layout="constrained")
    above, below = figure.subfigures(2, 1)
    cuts(run, list(above.subplots(1, 3)))
    left, right = below.subplots(1, 2)
    sizes(run, left)
    yields(run, right)
    figure.savefig(file, dpi=110)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
