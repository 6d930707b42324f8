"""Pictures of rare failure: its probability draw by draw on a scale of powers of ten, and the p-box of an answer."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from uqmsm.report.axes import Frame, tick_labels, ticks
from uqmsm.report.canvas import Canvas

__all__ = ["draw_envelope", "draw_rare"]

Floats = NDArray[np.float64]
_SUPER = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def draw_rare(
    draws: Mapping[str, Floats],
    mean: float,
    band: tuple[float, float],
    *,
    title: str,
    prefix: str,
    standalone: bool = False,
) -> str:
    """Return the probabilities of all draws in order, each with its 90 % interval, their mean and their band.

    Parameters
    ----------
    draws
        ``probability``, ``lo`` and ``hi``, shape (draws,) each; a probability of 0 was never seen.
    mean, band
        Over what is not known; NaN where there is no band.
    title
        What the probability is of, in words.
    prefix
        Unique on the page.
    standalone
        Whether it carries its own colours.
    """
    p = np.asarray(draws["probability"], dtype=np.float64)
    order = np.argsort(np.where(p > 0.0, p, draws["hi"]), kind="stable")
    limits = [float(v) for key in ("probability", "lo", "hi") for v in draws[key] if v > 0.0 and math.isfinite(v)]
    ends = [*limits, *[b for b in band if math.isfinite(b) and b > 0.0], mean]
    low, high = math.floor(math.log10(min(ends))), min(math.ceil(math.log10(max(ends))), 0)
    low = max(low, high - 12)
    canvas = Canvas(440.0, 290.0, prefix)
    frame = Frame(44.0, 416.0, 30.0, 222.0, (float(low), float(max(high, low + 1))), (-0.5, len(p) - 0.5))
    if all(math.isfinite(b) and b > 0.0 for b in band):
        left, right = (frame.px(max(math.log10(b), frame.x[0])) for b in band)
        canvas.rect(left, frame.top, max(right - left, 1.0), frame.bottom - frame.top, "k-epistemic band")
    for row, k in enumerate(order):
        ends_of = [float(draws[key][k]) for key in ("lo", "hi")]
        from_to = [max(math.log10(max(v, 1e-300)), frame.x[0]) for v in ends_of if math.isfinite(v)]
        if len(from_to) == 2:
            canvas.line(frame.px(from_to[0]), frame.py(row), frame.px(from_to[1]), frame.py(row), "whisker")
        if p[k] > 0.0:
            canvas.dot(frame.px(max(math.log10(p[k]), frame.x[0])), frame.py(row), 3.0, "k-epistemic")
    if mean > 0.0:
        canvas.line(frame.px(math.log10(mean)), frame.top, frame.px(math.log10(mean)), frame.bottom, "rule")
    step = max(1, math.ceil((frame.x[1] - frame.x[0]) / 8))
    powers = range(math.ceil(frame.x[0]), math.floor(frame.x[1]) + 1, step)
    canvas.x_axis(frame, [(float(k), "1" if k == 0 else f"10{str(k).translate(_SUPER)}") for k in powers], title)
    canvas.text(frame.left, frame.top - 10.0, "draws of what is not known, in order", "mid soft")
    canvas.text(4.0, 284.0, f"n = {len(p)} draws", "tiny")
    canvas.text(436.0, 284.0, "dots: 90 % interval of the search; bar: 90 % band; line: mean", "tiny", "end")
    words = f"Over {len(p)} draws the mean is {mean:.2g}, the 90 % band {band[0]:.2g} to {band[1]:.2g}."
    return canvas.svg(title, words, standalone=standalone)


def draw_envelope(box: xr.Dataset, words: str, units: str, *, prefix: str, standalone: bool = False) -> str:
    """Return the p-box of an answer.

    Parameters
    ----------
    box
        Over `level`: ``least``, ``most``, ``raw_least``, ``raw_most`` and ``all``.
    words, units
        Of the answer.
    prefix
        Unique on the page.
    standalone
        Whether it carries its own colours.
    """
    levels = box["level"].values
    low, high = float(box["raw_least"].min()), float(box["raw_most"].max())
    pad = 0.03 * (high - low) or 1.0
    canvas = Canvas(440.0, 290.0, prefix)
    frame = Frame(44.0, 416.0, 30.0, 222.0, (low - pad, high + pad), (0.0, 1.0))
    canvas.y_axis(frame, [(v, f"{100 * v:.0f} %") for v in (0.0, 0.25, 0.5, 0.75, 1.0)], "part of the members below")

    def path(name: str) -> list[tuple[float, float]]:
        pairs = zip(box[name].values, levels, strict=True)
        return [(frame.px(float(value)), frame.py(float(level))) for value, level in pairs]

    canvas.curve([*path("least"), *reversed(path("most"))], "k-epistemic band", closed=True)
    for name in ("raw_least", "raw_most"):
        canvas.curve(path(name), "s-epistemic thin dash")
    for name in ("least", "most"):
        canvas.curve(path(name), "s-epistemic curve")
    canvas.curve(path("all"), "rule trace")
    unit = f" [{units}]" if units else ""
    canvas.x_axis(frame, tick_labels(ticks(*frame.x, 5)), f"{words}{unit}")
    canvas.text(436.0, 284.0, "blue: outer distribution functions; thin black: all members", "tiny", "end")
    middle = box.sel(level=0.5)
    told = f"The median lies between {float(middle['least']):.4g} and {float(middle['most']):.4g}{unit}."
    return canvas.svg(f"P-box of {words}", told, standalone=standalone)
