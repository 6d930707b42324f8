"""Predictions beside measurements as a picture, misses in another colour and named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from uqmsm.report.axes import Frame, tick_labels, ticks
from uqmsm.report.canvas import Canvas
from uqmsm.report.digits import number
from uqmsm.report.lettering import width_of

__all__ = ["draw_comparisons"]


def draw_comparisons(rows: Sequence[Mapping[str, Any]], *, prefix: str) -> str:
    """Return predictions divided by measurements, with bars of 90 %, and a line where both agree.

    Parameters
    ----------
    rows
        Each with what, predicted, predicted_sd, measured, unit; measured is not zero.
    prefix
        Unique on the page.
    """
    ratios = [
        (float(r["predicted"]) / float(r["measured"]), float(r.get("predicted_sd") or 0.0) / abs(float(r["measured"])))
        for r in rows
    ]
    reach = [(m - 1.645 * s, m + 1.645 * s) for m, s in ratios]
    low, high = min(0.9, *(a for a, _ in reach), 1.0), max(1.1, *(b for _, b in reach))
    pad = 0.06 * (high - low)
    canvas = Canvas(440.0, 34.0 * len(rows) + 64.0, prefix)
    frame = Frame(16.0, 424.0, 8.0, 34.0 * len(rows) + 14.0, (low - pad, high + pad))
    told = []
    for k, (row, (ratio, _), (a, b)) in enumerate(zip(rows, ratios, reach, strict=True)):
        y, missed = frame.top + 34.0 * k + 22.0, not a <= 1.0 <= b
        label = str(row["what"]) + (" (missed)" if missed else "")
        # the line of agreement stops where it would run through the words
        start = y - 6.0 if frame.left + width_of(label) + 4.0 > frame.px(1.0) else y - 22.0
        canvas.line(frame.px(1.0), start, frame.px(1.0), y + 12.0, "rule")
        canvas.text(frame.left, y - 10.0, label, "tiny")
        canvas.whisker(frame.px(a), frame.px(b), y)
        canvas.dot(frame.px(ratio), y, 4.5, "badfill" if missed else "k-epistemic")
        told.append(f"{row['what']}: ratio {number(ratio)}{', missed' if missed else ''}")
    canvas.x_axis(frame, tick_labels(ticks(*frame.x, 5)), "predicted / measured, bars of 90 %")
    return canvas.svg("Prediction beside experiment", "; ".join(told) + ".")
