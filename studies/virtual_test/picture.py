"""Draw the flow curves of a run of this study, the virtual test beside Taylor's assumption, as an SVG picture.

``python picture.py RUN FILE`` after ``uqmsm run``. Bands hold nine in ten of the members, lines are their medians; the
panel at the right shows the pairs: by how much Taylor's yield stress is above that of the same grains tested.
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


def band(canvas: Canvas, frame: Frame, strain: Floats, curves: Floats, kind: str) -> None:
    """Draw the central nine tenths of some curves and their median."""
    low, middle, high = np.quantile(curves, (0.05, 0.5, 0.95), axis=0)
    edge = [*zip(strain, high, strict=True), *zip(strain[::-1], low[::-1], strict=True)]
    canvas.curve([(frame.px(x), frame.py(y)) for x, y in edge], f"k-{kind} band", closed=True)
    canvas.curve([(frame.px(x), frame.py(y)) for x, y in zip(strain, middle, strict=True)], f"s-{kind} curve")


def flow_panel(canvas: Canvas, strain: Floats, tested: Floats, taylor: Floats) -> None:
    """Draw both families of flow curves, stresses in MPa against plastic strain in per cent."""
    top = float(np.quantile(taylor, 0.95)) * 1.04
    frame = Frame(60.0, 430.0, 44.0, 290.0, (0.0, float(strain[-1])), (0.0, top))
    canvas.y_axis(frame, tick_labels(ticks(*frame.y, 5)), "flow stress [MPa]")
    band(canvas, frame, strain, taylor, "aleatoric")
    band(canvas, frame, strain, tested, "epistemic")
    canvas.x_axis(frame, tick_labels(ticks(*frame.x, 6)), "plastic strain [%]")
    names = (("epistemic", "virtual test of the grains"), ("aleatoric", "the same grains, all strained alike (Taylor)"))
    for row, (kind, words) in enumerate(names):
        y = frame.bottom - 34.0 + 18.0 * row
        canvas.line(frame.left + 56.0, y - 4.0, frame.left + 78.0, y - 4.0, f"s-{kind} curve")
        canvas.text(frame.left + 84.0, y, words, "mid")


def pair_panel(canvas: Canvas, excess: Floats) -> None:
    """Draw how the difference of the pairs is distributed, in per cent."""
    percent = 100.0 * excess
    counts, edges = np.histogram(percent, bins=12)
    frame = Frame(500.0, 740.0, 44.0, 290.0, (float(edges[0]), float(edges[-1])), (0.0, float(counts.max()) * 1.08))
    canvas.y_axis(frame, tick_labels([v for v in ticks(*frame.y, 4) if v == round(v)]), "pairs")
    for count, left, right in zip(counts, edges[:-1], edges[1:], strict=True):
        x, y = frame.px(float(left)), frame.py(float(count))
        canvas.rect(x, y, frame.px(float(right)) - x - 1.0, frame.bottom - y, "k-numerical pale")
    canvas.x_axis(frame, tick_labels(ticks(*frame.x, 5)), "Taylor above the test at 0.2 % offset [%]")


def main() -> None:
    """Read a run and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("file", type=Path)
    chosen = parser.parse_args()
    tests = uqmsm.open(chosen.run)["outcomes/test"].to_dataset()
    strain = 100.0 * tests["flow_plastic_strain"].to_numpy()[0]
    tested, taylor = (tests[name].to_numpy() for name in ("flow_stress", "flow_stress_taylor"))
    excess = tests["taylor_excess"].to_numpy()
    canvas = Canvas(760.0, 340.0, "virtual-test")
    flow_panel(canvas, strain, tested, taylor)
    pair_panel(canvas, excess)
    middle = np.median(excess)
    words = (
        f"{len(excess)} virtual tests of MoNbTaW at 1073 K: bands of nine in ten flow curves with their medians, from "
        "the test and from Taylor's assumption for the same grains. At the offset Taylor's yield stress is above that "
        f"of the test by {100 * middle:.0f} % in the median of the pairs."
    )
    chosen.file.write_text(canvas.svg("Flow curves of virtual tests", words, standalone=True) + "\n")


if __name__ == "__main__":
    main()
