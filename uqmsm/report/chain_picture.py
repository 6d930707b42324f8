"""The chain as a picture: one rung per scale, what it hands on, how often it was called and what that cost."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from uqmsm.report.canvas import Canvas
from uqmsm.report.digits import joined, seconds
from uqmsm.report.facts import plain
from uqmsm.report.words import KINDS

__all__ = ["draw_chain"]


def _calls(stage: Mapping[str, Any]) -> str:
    calls, failed = stage.get("calls"), int(stage.get("failed") or 0)
    said = f"{int(calls):,} calls".replace(",", " ") if calls is not None else ""
    return f"{said}, {failed} failed" if failed else said


def draw_chain(
    stages: Sequence[Mapping[str, Any]], sources: Sequence[Mapping[str, Any]], *, prefix: str, narrow: bool
) -> str:
    """Return the ladder of stages as SVG.

    Parameters
    ----------
    stages
        In chain order: name, scale, calls, failed, seconds (all calls together).
    sources
        Name, stage and kind of every source.
    prefix
        Unique on the page.
    narrow
        For a phone.
    """
    width, rung = (400.0, 96.0) if narrow else (900.0, 64.0)
    canvas = Canvas(width, rung * len(stages) + 26.0, prefix)
    costs = [float(stage.get("seconds") or 0.0) for stage in stages]
    whole, top = sum(costs), 20.0
    left, right = (34.0, 384.0) if narrow else (540.0, 720.0)
    canvas.line(14.0, top + 2.0, 14.0, top + rung * (len(stages) - 1) + 2.0, "axis")
    for k, (stage, cost) in enumerate(zip(stages, costs, strict=True)):
        y = top + k * rung
        name, scale = str(stage["name"]), str(stage.get("scale") or "")
        canvas.dot(14.0, y + 2.0, 5.5, "hollow")
        canvas.text(34.0, y + 6.0, name + (f"  ·  {scale}" if scale and scale != name else ""), "strong")
        _dots(canvas, [each for each in sources if str(each.get("stage")) == name], y + 26.0)
        place = y + 42.0 if narrow else y
        canvas.rect(left, place - 2.0, right - left, 8.0, "faintfill band")
        canvas.rect(left, place - 2.0, (right - left) * (cost / whole if whole > 0.0 else 0.0), 8.0, "softfill")
        calls = int(stage.get("calls") or 0)
        each = f" · {seconds(cost / calls)} each" if calls and cost > 0.0 else ""
        said = (seconds(cost) if math.isfinite(cost) else "–") + each
        if narrow:
            canvas.text(left, place + 22.0, f"{_calls(stage)} · {said}", "tiny")
        else:
            canvas.text(left - 16.0, y + 6.0, _calls(stage), "mid soft", "end")
            canvas.text(right + 14.0, y + 6.0, said, "mid soft")
    told = joined([f"{stage['name']}: {_calls(stage)}, {seconds(c)}" for stage, c in zip(stages, costs, strict=True)])
    return canvas.svg(
        "The chain of scales", f"In order, with calls and computing time: {told}.", css="narrow" if narrow else "wide"
    )


def _dots(canvas: Canvas, sources: Sequence[Mapping[str, Any]], y: float) -> None:
    """Write the sources of a stage, each behind a dot in the colour of its kind."""
    if not sources:
        canvas.text(34.0, y, "no source of its own", "tiny")
    x = 34.0
    for each in sources:
        words, kind = plain(str(each["name"])), str(each.get("kind", ""))
        canvas.dot(x + 4.0, y - 4.0, 4.0, f"k-{kind}" if kind in KINDS else "softfill")
        canvas.text(x + 13.0, y, words, "tiny")
        x += 26.0 + 6.1 * len(words)
