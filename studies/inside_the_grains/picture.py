"""Draw what a run of this study found inside the grains at the hole, as an SVG picture.

``python picture.py RUN FILE`` after ``uqmsm run``. Left: share of the block whose grains carry less than a multiple of
what the plate states there; the band holds nine in ten of the members. Right: the 99th percentile over the voxels.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import uqmsm
from uqmsm.report.axes import Frame, tick_labels, ticks
from uqmsm.report.canvas import Canvas

Floats = NDArray[np.float64]


def von_mises(stress: Floats) -> Floats:
    """Return the von Mises stress of Voigt components along the last axis."""
    s11, s22, s33, s23, s13, s12 = np.moveaxis(stress, -1, 0)
    apart = (s11 - s22) ** 2 + (s22 - s33) ** 2 + (s33 - s11) ** 2
    return np.asarray(np.sqrt(0.5 * apart + 3.0 * (s23**2 + s13**2 + s12**2)))


def shares(ratio: Floats, fraction: Floats, at: Floats) -> Floats:
    """Return the share of each block, (calls, levels), whose grains carry less than each ratio."""
    below = ratio[:, :, None] <= at
    return np.asarray(np.sum(fraction[:, :, None] * below, axis=1))


def grain_panel(canvas: Canvas, ratio: Floats, fraction: Floats) -> None:
    """Draw the distribution of the grains' stress over the plate's, with its band over the members."""
    at = np.linspace(0.4, 1.8, 141)
    low, middle, high = np.quantile(100.0 * shares(ratio, fraction, at), (0.05, 0.5, 0.95), axis=0)
    frame = Frame(60.0, 390.0, 44.0, 290.0, (0.4, 1.8), (0.0, 100.0))
    canvas.y_axis(frame, tick_labels(ticks(*frame.y, 5)), "share of the block below [%]")
    edge = [*zip(at, high, strict=True), *zip(at[::-1], low[::-1], strict=True)]
    canvas.curve([(frame.px(x), frame.py(y)) for x, y in edge], "k-aleatoric band", closed=True)
    canvas.curve([(frame.px(x), frame.py(y)) for x, y in zip(at, middle, strict=True)], "s-aleatoric curve")
    canvas.line(frame.px(1.0), frame.top, frame.px(1.0), frame.bottom, "rule thin")
    canvas.text(frame.px(1.0) - 6.0, frame.top + 12.0, "what the plate states", "mid", "end")
    canvas.x_axis(frame, tick_labels(ticks(*frame.x, 6)), "stress of a grain over that of the plate (von Mises)")


def voxel_panel(canvas: Canvas, high: Floats) -> None:
    """Draw how the 99th percentile over the voxels is distributed over the members."""
    counts, edges = np.histogram(high, bins=14)
    frame = Frame(490.0, 740.0, 44.0, 290.0, (float(edges[0]), float(edges[-1])), (0.0, float(counts.max()) * 1.08))
    canvas.y_axis(frame, tick_labels([v for v in ticks(*frame.y, 4) if v == round(v)]), "members")
    for count, left, right in zip(counts, edges[:-1], edges[1:], strict=True):
        x, y = frame.px(float(left)), frame.py(float(count))
        canvas.rect(x, y, frame.px(float(right)) - x - 1.0, frame.bottom - y, "k-aleatoric pale")
    canvas.x_axis(frame, tick_labels(ticks(*frame.x, 5)), "99th percentile of voxels over the plate")


def main() -> None:
    """Draw the run named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("file", type=Path)
    chosen = parser.parse_args()
    tree = uqmsm.open(chosen.run)
    inside = tree["outcomes/inside"].to_dataset()
    there = np.isfinite(inside["stress_p99"].values)
    stress, fraction = inside["grain_stress"].values[there], inside["grain_fraction"].values[there]
    whole = von_mises(np.einsum("cg,cgv->cv", fraction, stress))
    canvas = Canvas(760.0, 336.0, "inside")
    grain_panel(canvas, von_mises(stress) / whole[:, None], fraction)
    voxel_panel(canvas, inside["stress_p99"].values[there])
    words = f"Stress inside the grains at the hole of a nickel plate over what the plate states; {there.sum()} blocks."
    chosen.file.write_text(canvas.svg("Stress inside the grains", words, standalone=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
