"""Pictures of the answers: how they are distributed, how likely a threshold is crossed, and what experiments say."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from uqmsm.report.axes import Frame, tick_labels, ticks
from uqmsm.report.canvas import Canvas
from uqmsm.report.digits import amount, number, percent, written
from uqmsm.report.facts import Answer

__all__ = ["draw_distribution", "draw_probability"]

Floats = NDArray[np.float64]


def _bins(values: Floats) -> tuple[NDArray[np.intp], Floats]:
    """Return counts and edges after Freedman and Diaconis (1981), between 8 and 40 bins."""
    quarter, three = np.quantile(values, (0.25, 0.75))
    width = 2.0 * (three - quarter) / len(values) ** (1.0 / 3.0)
    spread = float(np.ptp(values))
    wanted = int(np.clip(np.ceil(spread / width) if width > 0.0 else 8, 8, 40))
    counts, edges = np.histogram(values, bins=wanted)
    return counts, edges


def draw_distribution(answer: Answer, thresholds: Sequence[float], *, prefix: str) -> str:
    """Return the histogram of an answer over its members, the distribution function, and the quantiles.

    Parameters
    ----------
    answer
        With at least two different values.
    thresholds
        Design values to mark, if there are any.
    prefix
        Unique on the page.
    """
    values = answer.values[np.isfinite(answer.values)]
    counts, edges = _bins(values)
    low, high = float(edges[0]), float(edges[-1])
    marks = [value for value in thresholds if np.isfinite(value)]
    low, high = min([low, *marks]), max([high, *marks])
    pad = 0.03 * (high - low)
    canvas = Canvas(440.0, 308.0, prefix)
    frame = Frame(44.0, 396.0, 62.0, 240.0, (low - pad, high + pad), (0.0, float(counts.max()) * 1.08))
    canvas.y_axis(frame, tick_labels([v for v in ticks(*frame.y, 4) if v == round(v)]))
    canvas.text(4.0, 16.0, "members", "mid soft")
    for count, left, right in zip(counts, edges[:-1], edges[1:], strict=True):
        x = frame.px(float(left))
        canvas.rect(
            x,
            frame.py(float(count)),
            frame.px(float(right)) - x - 1.0,
            frame.bottom - frame.py(float(count)),
            "k-numerical pale",
        )
    _distribution_function(canvas, frame, values)
    for level, quantile in answer.quantiles.items():
        if level in {0.05, 0.5, 0.95}:
            x = frame.px(quantile.value)
            canvas.line(x, frame.top, x, frame.bottom, "axis dash")
            canvas.text(x, frame.top - 4.0, percent(level), "tiny", "middle")
    for threshold in marks:
        canvas.line(frame.px(threshold), frame.top, frame.px(threshold), frame.bottom, "rule")
        canvas.text(frame.px(threshold), frame.top - 24.0, f"design {written(threshold)}", "tiny strong", "middle")
        canvas.line(frame.px(threshold), frame.top - 18.0, frame.px(threshold), frame.top, "rule")
    units = f" [{answer.units}]" if answer.units else ""
    canvas.x_axis(frame, tick_labels(ticks(*frame.x, 5)), f"{answer.words}{units}")
    canvas.text(4.0, 302.0, f"n = {answer.used} of {answer.of} members", "tiny")
    canvas.text(436.0, 302.0, "line: part of the members below, right scale", "tiny", "end")
    told = ", ".join(f"{percent(p)} below {number(q.value, 4)}" for p, q in answer.quantiles.items())
    both = amount(answer.mean.value, answer.sd.value, answer.units)
    words = f"{answer.used} of {answer.of} members{units}; mean and sd {both}; {told}."
    return canvas.svg(f"Distribution of {answer.words}", words)


def _distribution_function(canvas: Canvas, frame: Frame, values: Floats) -> None:
    ordered = np.sort(values)
    pick = np.unique(np.linspace(0, len(ordered) - 1, min(len(ordered), 160)).astype(int))
    side = Frame(frame.left, frame.right, frame.top, frame.bottom, frame.x, (0.0, 1.0))
    canvas.curve([(side.px(float(ordered[k])), side.py((k + 0.5) / len(ordered))) for k in pick], "s-epistemic curve")
    for value in (0.0, 0.5, 1.0):
        canvas.text(side.right + 6.0, side.py(value) + 4.0, percent(value), "tiny")


def draw_probability(raw: Floats, mean: float, band: tuple[float, float], *, title: str, prefix: str) -> str:
    """Return the probabilities of all epistemic draws in order, with their mean and 90 % band.

    Parameters
    ----------
    raw
        One probability per epistemic draw, inner noise still in it, shape (draws,).
    mean, band
        Mean, and the band with the inner noise removed.
    title
        What the probability is of, in words.
    prefix
        Unique on the page.
    """
    values = np.sort(raw[np.isfinite(raw)])
    n = len(values)
    canvas = Canvas(440.0, 290.0, prefix)
    frame = Frame(44.0, 416.0, 30.0, 222.0, (0.0, 1.0), (0.0, 1.0))
    canvas.rect(
        frame.px(band[0]),
        frame.top,
        frame.px(band[1]) - frame.px(band[0]),
        frame.bottom - frame.top,
        "k-epistemic band",
    )
    canvas.y_axis(frame, [(v, percent(v)) for v in (0.0, 0.25, 0.5, 0.75, 1.0)], "part of the epistemic draws below")
    steps = [(0.0, 0.0)]
    for k, value in enumerate(values):
        steps += [(float(value), k / n), (float(value), (k + 1) / n)]
    steps.append((1.0, 1.0))
    canvas.curve([(frame.px(x), frame.py(y)) for x, y in steps], "s-epistemic curve")
    canvas.line(frame.px(mean), frame.top, frame.px(mean), frame.bottom, "rule")
    canvas.x_axis(frame, [(v, percent(v)) for v in (0.0, 0.25, 0.5, 0.75, 1.0)], title)
    canvas.text(4.0, 284.0, f"n = {n} epistemic draws", "tiny")
    canvas.text(436.0, 284.0, "bar: 90 % band, line: mean", "tiny", "end")
    words = (
        f"Over {n} epistemic draws the mean is {percent(mean)}, the 90 % band {percent(band[0])} to {percent(band[1])}."
    )
    return canvas.svg(f"Probability: {title}", words)
