"""Pictures of the draws of a posterior: in pairs, along the chains, and as ranks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from uqmsm.report.axes import Frame, tick_labels, ticks
from uqmsm.report.canvas import Canvas
from uqmsm.report.digits import number, percent
from uqmsm.report.lettering import folded, span, width_of

__all__ = ["draw_pairs", "draw_ranks", "draw_trace"]

Floats = NDArray[np.float64]


def _box(draws: Floats) -> tuple[float, float]:
    low, high = np.quantile(draws, (0.002, 0.998))
    pad = 0.08 * float(high - low) or 1.0
    return float(low) - pad, float(high) + pad


def draw_pairs(posterior: Mapping[str, Floats], names: Sequence[str], *, prefix: str, most: int = 300) -> str:
    """Return the pairs of a few parameters: histograms on the diagonal, at most `most` draws below it."""
    left = 12.0 + max(width_of(line) for name in names[1:] for line in folded(name, 96.0))
    k, cell = len(names), (436.0 - left) / len(names)
    beneath = {name: folded(name, cell - 6.0) for name in names}
    tall = k * cell + 22.0 + 13.0 * max(len(lines) for lines in beneath.values())
    canvas = Canvas(440.0, tall + 34.0, prefix)
    flat = {name: posterior[name].ravel() for name in names}
    boxes = {name: _box(flat[name]) for name in names}
    length = len(flat[names[0]])
    pick = np.unique(np.linspace(0, length - 1, min(length, most)).astype(int))
    for row, down in enumerate(names):
        for column, across in enumerate(names[: row + 1]):
            x, y = left + column * cell, 6.0 + row * cell
            frame = Frame(x + 3.0, x + cell - 3.0, y + 3.0, y + cell - 3.0, boxes[across], boxes[down])
            canvas.line(frame.left, frame.bottom, frame.right, frame.bottom, "grid")
            if row == column:
                _histogram(canvas, frame, flat[down])
                continue
            canvas.line(frame.left, frame.top, frame.left, frame.bottom, "grid")
            for i in pick:
                x_, y_ = float(flat[across][i]), float(flat[down][i])
                if frame.x[0] <= x_ <= frame.x[1] and frame.y[0] <= y_ <= frame.y[1]:
                    canvas.dot(frame.px(x_), frame.py(y_), 1.4, "k-epistemic pale")
        if row:
            lines = folded(down, 96.0)
            for i, line in enumerate(lines):
                y = 10.0 + (row + 0.5) * cell + 13.0 * (i - 0.5 * (len(lines) - 1))
                canvas.text(left - 6.0, y, line, "tiny", "end")
    for column, across in enumerate(names):
        low, high = span(*(float(v) for v in np.quantile(flat[across], (0.05, 0.95))))
        one = f"{low} … {high}"
        lines = [*beneath[across], *([one] if width_of(one) <= cell else [f"{low} …", high])]
        for i, line in enumerate(lines):
            canvas.text(left + (column + 0.5) * cell, k * cell + 24.0 + 13.0 * i, line, "tiny", "middle")
    told = f"{len(pick)} of {length} posterior draws for {', '.join(names)}"
    words = f"Scatter of {told}; below each name its 5 to 95 % range."
    return canvas.svg(f"Pairs of the {k} best identified parameters", words)


def _histogram(canvas: Canvas, frame: Frame, draws: Floats) -> None:
    counts, edges = np.histogram(draws, bins=22, range=frame.x)
    tall = Frame(frame.left, frame.right, frame.top, frame.bottom, frame.x, (0.0, float(counts.max()) * 1.1))
    for count, low, high in zip(counts, edges[:-1], edges[1:], strict=True):
        x = tall.px(float(low))
        canvas.rect(
            x,
            tall.py(float(count)),
            tall.px(float(high)) - x - 0.5,
            tall.bottom - tall.py(float(count)),
            "k-epistemic pale",
        )


def _some(chains: int, most: int = 8) -> list[int]:
    """Return the chains to draw: all, or a few spread evenly."""
    return sorted({int(k) for k in np.linspace(0, chains - 1, min(chains, most)).round()})


def draw_trace(name: str, draws: Floats, *, prefix: str, most: int = 160) -> str:
    """Return the path of one parameter in every chain, thinned to `most` points each."""
    chains, length = draws.shape
    shown = _some(chains)
    canvas = Canvas(440.0, 218.0, prefix)
    frame = Frame(60.0, 424.0, 30.0, 176.0, (0.0, float(max(length - 1, 1))), _box(draws))
    canvas.y_axis(frame, tick_labels(ticks(*frame.y, 4)), name)
    pick = np.unique(np.linspace(0, length - 1, min(length, most)).astype(int))
    for chain in shown:
        path = [(frame.px(float(i)), frame.py(float(np.clip(draws[chain, i], *frame.y)))) for i in pick]
        canvas.curve(path, f"trace c{chain % 4}")
    canvas.x_axis(frame, tick_labels(ticks(*frame.x, 5)), f"kept draw, {len(shown)} of {chains} chains")
    return canvas.svg(
        f"Trace of {name}", f"{chains} chains of {length} kept draws; they should look alike and drift nowhere."
    )


def draw_ranks(name: str, draws: Floats, *, prefix: str, bins: int = 16) -> str:
    """Return histograms of the ranks of each chain among all draws: flat where chains agree (Vehtari et al. 2021)."""
    chains, length = draws.shape
    ranks = draws.ravel().argsort(kind="stable").argsort(kind="stable").reshape(draws.shape)
    counts = np.array([np.histogram(r, bins=bins, range=(0, draws.size))[0] for r in ranks]) / (length / bins)
    canvas = Canvas(440.0, 218.0, prefix)
    top = max(1.5, float(counts.max()) * 1.05)
    frame = Frame(60.0, 416.0, 30.0, 176.0, (0.0, 1.0), (0.0, top))
    canvas.y_axis(frame, tick_labels(ticks(0.0, top, 4)), f"{name}: draws per bin / expected")
    for chain in _some(chains):
        steps = [(frame.px(e / bins), frame.py(float(counts[chain, b]))) for b in range(bins) for e in (b, b + 1)]
        canvas.curve(steps, f"trace c{chain % 4}")
    canvas.line(frame.left, frame.py(1.0), frame.right, frame.py(1.0), "rule")
    canvas.x_axis(frame, [(v, percent(v)) for v in (0.0, 0.5, 1.0)], "rank among the draws of all chains")
    low, high = number(float(counts.min()), 2), number(float(counts.max()), 2)
    return canvas.svg(
        f"Ranks of {name} by chain",
        f"Between {low} and {high} of the expected number in every bin; 1 is perfect mixing.",
    )
