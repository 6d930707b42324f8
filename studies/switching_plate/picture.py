"""Draw where and why a run of this study called for atoms, as an SVG picture, and print every change of one member.

``python picture.py RUN FILE`` after ``uqmsm run``. Left to right: the film round its hole under the same load going up,
at the largest load, and under the same load coming down; the colour is the share of members whose element is concurrent
there, the letter the criterion that led most of them. Below: concurrent elements against load, up and down.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

import uqmsm
from uqmsm.physics.coupling.switch import CRITERIA
from uqmsm.physics.coupling.switch_log import changes_of
from uqmsm.report.axes import Frame, tick_labels, ticks
from uqmsm.report.canvas import Canvas

Floats = NDArray[np.float64]


def panel(canvas: Canvas, frame: Frame, corners: Floats, share: Floats, leading: NDArray[np.int64], words: str) -> None:
    """Draw the elements round the hole, shaded by the share of members in which they are concurrent."""
    near = (np.abs(corners[..., 0]).max(axis=1) < frame.x[1]) & (np.abs(corners[..., 1]).max(axis=1) < frame.y[1])
    for element in np.flatnonzero(near):
        at = [(frame.px(x), frame.py(y)) for x, y in corners[element]]
        if share[element] > 0.0:
            canvas.patches([at], "k-aleatoric", float(share[element]))
        canvas.curve([*at, at[0]], "trace grid")
        if share[element] > 0.0:
            x, y = np.mean(at, axis=0)
            canvas.text(float(x), float(y) + 4.0, CRITERIA[leading[element]][0], "tiny", "middle")
    canvas.text((frame.left + frame.right) / 2, frame.top - 8.0, words, "mid", "middle")


def leading_of(reason: NDArray[np.int64], zone: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the criterion (elements,) that led most often among the members in which an element is concurrent."""
    votes = np.stack([((reason == k) & (zone > 0)).sum(axis=0) for k in range(len(CRITERIA))])
    return np.asarray(votes.argmax(axis=0))


def loop(canvas: Canvas, load_GPa: Floats, zone: Floats, probability: Floats) -> None:
    """Draw concurrent elements and the largest probability against load, up and down."""
    peak = int(load_GPa.argmax())
    span = (float(load_GPa.min()) - 0.1, float(load_GPa.max()) + 0.1)
    for left, values, words, top in (
        (60.0, zone, "concurrent elements, mean over members", float(zone.max()) * 1.1),
        (440.0, probability, "largest probability of a criterion, mean over members", 1.0),
    ):
        frame = Frame(left, left + 310.0, 330.0, 490.0, span, (0.0, top))
        canvas.y_axis(frame, tick_labels(ticks(*frame.y, 4)), words)
        canvas.x_axis(frame, tick_labels(ticks(*frame.x, 5)), "nominal stress [GPa]")
        for part, css in ((slice(0, peak + 1), "c0"), (slice(peak, None), "c1 dash")):
            at = zip(load_GPa[part], values[part], strict=True)
            canvas.curve([(frame.px(x), frame.py(y)) for x, y in at], f"curve trace {css}")
        canvas.text(frame.left + 8.0, frame.top + 70.0, "up: full line; down: broken line", "tiny")


def told(plate: xr.Dataset, member: int, load_GPa: Floats) -> None:
    """Print when elements of one member changed, and why."""
    for change in changes_of(plate["switch_log"].values[member]):
        print(f"{load_GPa[change.step]:.2f} GPa, {change}")


def main() -> None:
    """Draw the run named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("file", type=Path)
    chosen = parser.parse_args()
    plate = uqmsm.open(chosen.run)["outcomes/plate"].to_dataset()
    there = np.isfinite(plate["switching_load"].values)
    plate = plate.isel(plate_call=there)
    load_GPa = plate["nominal_stress"].values[0] / 1e3
    zone, reason = plate["concurrent"].values.astype(int), plate["switch_reason"].values.astype(int)
    corners = plate["element_corners"].values[0] * 1e6
    hole = float(np.hypot(corners[..., 0], corners[..., 1]).min())
    peak = int(load_GPa.argmax())
    down = next(k for k in range(peak + 1, len(load_GPa)) if load_GPa[k] in load_GPa[:peak])
    up = int(np.flatnonzero(load_GPa[:peak] == load_GPa[down])[0])
    canvas = Canvas(800.0, 540.0, "switching")
    for k, (step, words) in enumerate(((up, "going up"), (peak, "largest load"), (down, "coming down"))):
        frame = Frame(20.0 + 265.0 * k, 250.0 + 265.0 * k, 40.0, 270.0, (-2 * hole, 2 * hole), (-2 * hole, 2 * hole))
        title = f"{load_GPa[step]:g} GPa, {words}"
        panel(canvas, frame, corners, zone[:, step].mean(axis=0), leading_of(reason[:, step], zone[:, step]), title)
    loop(canvas, load_GPa, zone.sum(axis=2).mean(axis=0), plate["switch_chance"].values.max(axis=2).mean(axis=0))
    words = f"Share of {len(zone)} members in which elements round the hole are concurrent; e eta, c chi, g gradient."
    drawn = canvas.svg("Where a film calls for its atoms", words, standalone=True)
    chosen.file.write_text(drawn + "\n", encoding="utf-8")
    told(plate, int(zone.sum(axis=(1, 2)).argmax()), load_GPa)


if __name__ == "__main__":
    main()
