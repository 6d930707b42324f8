"""Pictures of what data taught: per parameter, per direction, and data beside predictions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from uqmsm.report.axes import Frame, tick_labels, ticks
from uqmsm.report.canvas import Canvas
from uqmsm.report.digits import number
from uqmsm.report.lettering import width_of
from uqmsm.report.posterior_facts import LEARNT, PRIOR, Direction

__all__ = [
    "draw_contraction",
    "draw_course",
    "draw_directions",
    "draw_held_out",
    "draw_places",
    "draw_predictive",
    "draw_spectrum",
]

Floats = NDArray[np.float64]


def _room(names: Iterable[str]) -> float:
    """Return where a frame starts so that the longest name fits at its left."""
    return min(12.0 + max(60.0, *(width_of(name) for name in names)), 280.0)


def draw_contraction(ratios: Mapping[str, float], overlaps: Mapping[str, float] | None = None, *, prefix: str) -> str:
    """Return posterior sd over prior sd, one row per parameter, best learnt first; overlaps as ticks."""
    rows = sorted(ratios.items(), key=lambda item: item[1])
    step = 17.0
    canvas = Canvas(440.0, step * len(rows) + 58.0, prefix)
    top = max(1.0, *ratios.values())
    left = _room(ratios)
    frame = Frame(left, 424.0, 8.0, 12.0 + step * len(rows), (0.0, top))
    canvas.rect(frame.px(PRIOR), frame.top, frame.right - frame.px(PRIOR), frame.bottom - frame.top, "faintfill band")
    for k, (name, ratio) in enumerate(rows):
        y = frame.top + step * (k + 0.5) + 2.0
        canvas.text(left - 8.0, y + 4.0, name, "tiny", "end")
        canvas.line(frame.px(0.0), y, frame.px(ratio), y, "grid")
        if overlaps and name in overlaps:
            at = frame.px(overlaps[name])
            canvas.line(at, y - 6.0, at, y + 6.0, "rule")
        canvas.dot(
            frame.px(ratio),
            y,
            4.0,
            "k-epistemic" if ratio < LEARNT else "softfill" if ratio > PRIOR else "k-epistemic pale",
        )
    words = "posterior sd / prior sd (grey: still prior)" + ("; bar: overlap with the prior" if overlaps else "")
    canvas.x_axis(frame, tick_labels(ticks(0.0, top, 4)), words)
    told = ", ".join(f"{name} {number(ratio, 2)}" for name, ratio in rows)
    said = f"Posterior sd over prior sd: {told}."
    if overlaps:
        said += f" Overlap with the prior: {', '.join(f'{name} {number(one, 2)}' for name, one in overlaps.items())}."
    return canvas.svg("What the data taught about each parameter", said)


def draw_directions(found: Sequence[Direction], *, prefix: str) -> str:
    """Return posterior sd over prior sd along the identified directions, in order."""
    canvas = Canvas(440.0, 238.0, prefix)
    frame = Frame(44.0, 424.0, 30.0, 196.0, (0.5, len(found) + 0.5), (0.0, max(1.0, *(d.ratio for d in found))))
    canvas.y_axis(frame, tick_labels(ticks(*frame.y, 4)), "posterior sd / prior sd")
    canvas.line(frame.left, frame.py(LEARNT), frame.right, frame.py(LEARNT), "axis dash")
    width = (frame.right - frame.left) / len(found)
    for k, direction in enumerate(found, start=1):
        css = (
            "k-epistemic" if direction.ratio < LEARNT else "softfill" if direction.ratio > PRIOR else "k-epistemic pale"
        )
        height = frame.bottom - frame.py(direction.ratio)
        canvas.rect(frame.px(k) - 0.36 * width, frame.py(direction.ratio), 0.72 * width, max(height, 1.0), css)
    places = [k for k in range(1, len(found) + 1) if k == 1 or k % max(1, round(len(found) / 8)) == 0]
    canvas.x_axis(frame, [(k, str(k)) for k in places], "directions, best identified first")
    learnt = sum(d.ratio < LEARNT for d in found)
    words = f"{learnt} of {len(found)} directions have a posterior sd under half the prior's."
    return canvas.svg("Directions identified by the data", words)


def draw_spectrum(values: Sequence[float], least: float, *, prefix: str) -> str:
    """Return what the data add along each direction, in prior precisions over decades, best identified first.

    Parameters
    ----------
    values
        Eigenvalues of the information, descending.
    least
        What the draws can tell from nothing; smaller values are drawn as pale stubs at the bottom.
    prefix
        Unique on the page.
    """
    low = math.floor(math.log10(min(least, 1.0)))
    high = max(low + 2, math.ceil(math.log10(max(values[0], 1.0)) + 1e-9))
    canvas = Canvas(440.0, 238.0, prefix)
    frame = Frame(60.0, 424.0, 30.0, 196.0, (0.5, len(values) + 0.5), (float(low), float(high)))
    each = -(-(high - low) // 6)
    canvas.y_axis(
        frame, [(float(k), f"1e{k}".replace("-", "−")) for k in range(low, high + 1, each)], "prior precisions"
    )
    canvas.line(frame.left, frame.py(0.0), frame.right, frame.py(0.0), "axis dash")
    reach = 0.36 * (frame.right - frame.left) / len(values)
    for k, value in enumerate(values, start=1):
        there = value > least
        y = frame.py(math.log10(value)) if there else frame.bottom - 3.0
        css = ("k-epistemic" if value > 1.0 else "k-epistemic pale") if there else "softfill"
        canvas.rect(frame.px(k) - reach, y, 2.0 * reach, frame.bottom - y, css)
    places = [k for k in range(1, len(values) + 1) if k == 1 or k % max(1, round(len(values) / 8)) == 0]
    canvas.x_axis(frame, [(k, str(k)) for k in places], "directions, best identified first (grey: nothing to be seen)")
    told = ", ".join(number(value, 2) if value > least else "none" for value in values)
    return canvas.svg("What the data add along each direction", f"Information in prior precisions: {told}.")


def draw_predictive(rows: Sequence[tuple[str, float, float, float, str]], *, prefix: str) -> str:
    """Return (observed - predictive mean) / predictive sd, one row per datum, outliers named as missed."""
    step = 17.0
    canvas = Canvas(440.0, step * len(rows) + 58.0, prefix)
    scores = [(datum - mean) / sd for _, datum, mean, sd, _ in rows]
    reach = max(3.0, *(abs(s) for s in scores)) * 1.05
    left = _room([name for name, *_ in rows])
    frame = Frame(left, 424.0, 8.0, 12.0 + step * len(rows), (-reach, reach))
    band = frame.px(1.645) - frame.px(-1.645)
    canvas.rect(frame.px(-1.645), frame.top, band, frame.bottom - frame.top, "k-epistemic band")
    canvas.line(frame.px(0.0), frame.top, frame.px(0.0), frame.bottom, "axis")
    for k, ((name, *_), score) in enumerate(zip(rows, scores, strict=True)):
        y = frame.top + step * (k + 0.5) + 2.0
        canvas.text(left - 8.0, y + 4.0, name, "tiny", "end")
        canvas.dot(frame.px(score), y, 4.0, "badfill" if abs(score) > 1.645 else "inkfill")
    canvas.x_axis(frame, tick_labels(ticks(-reach, reach, 6)), "(observed − predicted) / predictive sd")
    missed = sum(abs(s) > 1.645 for s in scores)
    expected = f"about {number(0.1 * len(rows), 2)} are expected to"
    words = f"{missed} of {len(rows)} data lie outside the 90 % predictive band; {expected}."
    return canvas.svg("Data beside the posterior predictive", words)


def draw_places(rows: Sequence[tuple[str, float]], *, prefix: str) -> str:
    """Return where each datum lies in its predictive law, between 0 and 1, one row per datum."""
    step = 17.0
    canvas = Canvas(440.0, step * len(rows) + 58.0, prefix)
    left = _room([name for name, _ in rows])
    frame = Frame(left, 424.0, 8.0, 12.0 + step * len(rows), (0.0, 1.0))
    band = frame.px(0.95) - frame.px(0.05)
    canvas.rect(frame.px(0.05), frame.top, band, frame.bottom - frame.top, "k-epistemic band")
    canvas.line(frame.px(0.5), frame.top, frame.px(0.5), frame.bottom, "axis")
    for k, (name, place) in enumerate(rows):
        y = frame.top + step * (k + 0.5) + 2.0
        canvas.text(left - 8.0, y + 4.0, name, "tiny", "end")
        canvas.dot(frame.px(place), y, 4.0, "badfill" if abs(place - 0.5) > 0.45 else "inkfill")
    canvas.x_axis(frame, [(v, f"{100 * v:g} %") for v in (0.0, 0.25, 0.5, 0.75, 1.0)], "place in the law foretold")
    outside = [name for name, place in rows if abs(place - 0.5) > 0.45]
    words = (
        f"{len(outside)} of {len(rows)} data lie outside the 90 % interval{': ' * bool(outside)}{', '.join(outside)}."
    )
    return canvas.svg("Data held out, and where they lie in what was foretold", words)


def draw_held_out(rows: Sequence[tuple[str, Sequence[float]]], *, prefix: str) -> str:
    """Return (real - predicted) / scale of the error of every held-out call, one row per number."""
    step = 21.0
    canvas = Canvas(440.0, step * len(rows) + 58.0, prefix)
    reach = max(3.0, *(abs(one) for _, apart in rows for one in apart)) * 1.05
    left = _room([name for name, _ in rows])
    frame = Frame(left, 424.0, 8.0, 12.0 + step * len(rows), (-reach, reach))
    band = frame.px(1.645) - frame.px(-1.645)
    canvas.rect(frame.px(-1.645), frame.top, band, frame.bottom - frame.top, "k-numerical band")
    canvas.line(frame.px(0.0), frame.top, frame.px(0.0), frame.bottom, "axis")
    for k, (name, apart) in enumerate(rows):
        y = frame.top + step * (k + 0.5) + 2.0
        canvas.text(left - 8.0, y + 4.0, name, "tiny", "end")
        canvas.line(frame.left, y, frame.right, y, "grid")
        for one in apart:
            canvas.dot(frame.px(one), y, 3.0, "badfill" if abs(one) > 3.0 else "inkfill")
    canvas.x_axis(frame, tick_labels(ticks(-reach, reach, 6)), "(real call − surrogate) / scale of its error")
    count = sum(len(apart) for _, apart in rows)
    outside = sum(abs(one) > 1.645 for _, apart in rows for one in apart)
    return canvas.svg("Calls held out beside the surrogate", f"{outside} of {count} lie outside the shaded band.")


def draw_course(
    at: Sequence[float], before: Floats | None, after: Floats, *, across: str, upright: str, prefix: str
) -> str:
    """Return a learnt function as its posterior median and 90 % band, with the band of the prior behind it.

    Parameters
    ----------
    at
        Where it is known, ascending, shape (points,).
    before, after
        Draws of prior (None if there are none) and posterior, shape (draws, points).
    across, upright
        What the axes show, with units.
    prefix
        Unique on the page.
    """
    bands = [np.quantile(draws, (0.05, 0.5, 0.95), axis=0) for draws in (before, after) if draws is not None]
    low, high = min(float(band.min()) for band in bands), max(float(band.max()) for band in bands)
    canvas = Canvas(440.0, 258.0, prefix)
    pad = 0.05 * (high - low)
    frame = Frame(60.0, 416.0, 30.0, 200.0, (float(min(at)), float(max(at))), (low - pad, high + pad))
    canvas.y_axis(frame, tick_labels(ticks(*frame.y, 5)), upright)
    for band in bands:
        css = "k-epistemic band" if band is bands[-1] else "faintfill"
        edge = list(zip(at, band[0], strict=True))
        edge += zip(reversed(at), band[2][::-1], strict=True)
        canvas.curve([(frame.px(float(x)), frame.py(float(y))) for x, y in edge], css, closed=True)
    middle = [(frame.px(float(x)), frame.py(float(y))) for x, y in zip(at, bands[-1][1], strict=True)]
    canvas.curve(middle, "s-epistemic curve")
    canvas.x_axis(frame, tick_labels(ticks(*frame.x, 6)), across)
    canvas.text(4.0, 254.0, "line: posterior median, blue: its 90 % band" + ", grey: prior" * (len(bands) > 1), "tiny")
    told = "; ".join(f"{number(x)}: {number(float(lo))} to {number(float(hi))}" for x, lo, hi in
                     zip(at, bands[-1][0], bands[-1][2], strict=True))  # fmt: skip
    return canvas.svg(f"{upright} over {across}", f"90 % band of the posterior at {told}.")
