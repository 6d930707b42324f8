"""Parts of a share as bars with their errors: which pairs of elements carry what the potential adds."""

from __future__ import annotations

from collections.abc import Sequence

from uqmsm.report.axes import Frame
from uqmsm.report.canvas import Canvas
from uqmsm.report.digits import percent
from uqmsm.report.lettering import width_of

__all__ = ["draw_parts"]


def draw_parts(rows: Sequence[tuple[str, float, float]], *, prefix: str) -> str:
    """Return one bar per part from zero, the largest first, with a whisker of 90 %.

    Parameters
    ----------
    rows
        Name, part (a fraction, slightly negative by noise) and its standard error.
    prefix
        Unique on the page.
    """
    step = 22.0
    reach = [(part - 1.645 * se, part + 1.645 * se) for _, part, se in rows]
    low, high = min(0.0, *(a for a, _ in reach)), max(0.1, *(b for _, b in reach))
    canvas = Canvas(440.0, step * len(rows) + 58.0, prefix)
    left = min(20.0 + max(60.0, *(width_of(name) for name, _, _ in rows)), 280.0)
    frame = Frame(left, 416.0, 8.0, 12.0 + step * len(rows), (low, high))
    canvas.line(frame.px(0.0), frame.top, frame.px(0.0), frame.bottom, "axis")
    for k, ((name, part, _), (a, b)) in enumerate(zip(rows, reach, strict=True)):
        y = frame.top + step * (k + 0.5)
        canvas.text(left - 8.0, y + 4.0, name, "tiny", "end")
        start, end = sorted((frame.px(0.0), frame.px(part)))
        canvas.rect(start, y - 6.0, max(end - start, 1.0), 12.0, "k-epistemic")
        canvas.whisker(frame.px(a), frame.px(b), y)
    each = next(width for width in (0.05, 0.1, 0.2, 0.25, 0.5, 1.0, 2.0) if (high - low) / width <= 6)
    places = [each * n for n in range(int(low / each), int(high / each) + 1)]
    canvas.x_axis(frame, [(v, percent(v)) for v in places], "part of the potential's share")
    told = "; ".join(f"{name} {percent(part, se)}" for name, part, se in rows)
    return canvas.svg("Parts of the potential's share", f"{told}.")
