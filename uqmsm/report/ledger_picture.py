"""The variance ledger as a picture: who brings the scatter, rung by rung down the ladder of scales."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import xarray as xr

from uqmsm.errors import StudyError
from uqmsm.report.axes import Frame
from uqmsm.report.canvas import Canvas
from uqmsm.report.digits import part, percent
from uqmsm.report.facts import Answer, answers, plain, stages
from uqmsm.report.ledger_facts import Ledger, Line, ledgers
from uqmsm.report.words import KINDS, headline, share

__all__ = ["draw_ledger", "ledger_figure"]

_SHARES = [(k / 4.0, f"{25 * k} %") for k in range(5)]


@dataclass(frozen=True)
class _Layout:
    """Where things stand: a wide sheet for screens and paper, a narrow one for phones."""

    width: float
    left: float
    right: float
    row: float
    bar: float
    above: bool

    def frame(self, top: float, bottom: float) -> Frame:
        return Frame(self.left, self.right, top, bottom)


_WIDE = _Layout(900.0, 300.0, 760.0, 30.0, 16.0, False)
_NARROW = _Layout(400.0, 16.0, 384.0, 46.0, 15.0, True)


_TITLES = {"log": "the scatter of its logarithm", "rank": "the scatter of its ranks"}


def ledger_figure(
    results: xr.DataTree, answer: str, *, scale: str | None = None, narrow: bool = False, standalone: bool = True
) -> str:
    """Return the ledger of one answer as SVG.

    Parameters
    ----------
    results
        The tree of a run.
    answer
        Name of the answer, or the full title of one of its ledgers, e.g. ``first_yield failed``.
    scale
        ``raw``, ``log`` or ``rank`` where the answer has several; the one the report shows first when left out.
    narrow
        For a phone, 400 pixels wide, instead of 900.
    standalone
        With its own colours (light and dark) and a white sheet, for use outside the page.

    Raises
    ------
    StudyError
        When there is no such ledger.
    """
    found = ledgers(results)
    own = [each for each in found if answer in {each.answer, each.title} and scale in {None, each.scale}]
    match = next(iter([each for each in own if answer != each.answer or not each.title.endswith(" failed")]), None)
    if match is None:
        known = ", ".join(each.title for each in found) or "none: ask for one with `attribute` in the study"
        raise StudyError(f"no ledger of {answer!r}; there are {known}")
    asked = {each.name: each for each in answers(results)}.get(match.answer)
    order = [str(stage["name"]) for stage in stages(results)]
    return draw_ledger(match, asked, order, narrow=narrow, standalone=standalone, prefix=f"ledger{int(narrow)}")


def draw_ledger(
    ledger: Ledger, answer: Answer | None, order: Sequence[str], *, prefix: str, narrow: bool, standalone: bool = False
) -> str:
    """Return the picture of a ledger.

    Parameters
    ----------
    ledger
        The ledger.
    answer
        The answer it splits, for the heading of a picture that stands alone.
    order
        Names of all stages, in chain order.
    prefix
        Unique on the page.
    narrow
        For a phone.
    standalone
        With its own colours, sheet and heading.
    """
    layout = _NARROW if narrow else _WIDE
    lines = ledger.by("source")
    rungs = [*order, *dict.fromkeys(line.stage for line in lines if line.stage not in order)]
    head = (58.0 if answer is not None else 20.0) if standalone else 0.0
    rows = sum(max(1, sum(line.stage == stage for line in lines)) for stage in rungs)
    extra = (20.0 if narrow else 12.0) * len(rungs)
    height = head + 150.0 + rows * layout.row + extra + 46.0
    canvas = Canvas(layout.width, height, prefix)
    if standalone and answer is not None:
        canvas.text(16.0, 30.0, headline(answer), "strong")
        canvas.text(
            16.0, 50.0, f"where {_TITLES.get(ledger.scale, 'its variance')} comes from, source by source", "soft"
        )
    _legend(canvas, layout, head + 14.0)
    _stack(canvas, layout, lines, head + 36.0)
    _kinds(canvas, layout, ledger, head + 92.0)
    _rungs(canvas, layout, lines, ledger.by("stage"), rungs, head + 150.0, height - 40.0)
    return canvas.svg(
        f"Variance ledger of {ledger.title}", _spoken(ledger), css="narrow" if narrow else "wide", standalone=standalone
    )


def _spoken(ledger: Ledger) -> str:
    parts = [f"{plain(line.name)} ({line.kind}, {line.stage}): {share(line)}" for line in ledger.by("source")]
    return f"Fair share of the variance per source, in chain order: {'; '.join(parts)}."


def _legend(canvas: Canvas, layout: _Layout, y: float) -> None:
    x = 16.0 if layout.above else layout.left
    names = [(kind, word if layout.above else f"{word} ({kind})") for kind, word in KINDS.items()]
    for kind, words in names:
        canvas.rect(x, y - 9.0, 11.0, 11.0, f"k-{kind}")
        canvas.text(x + 16.0, y, words, "tiny")
        x += 28.0 + 6.0 * len(words)
    canvas.rect(x, y - 9.0, 11.0, 11.0, "", hatch="epistemic")
    canvas.text(x + 16.0, y, "with others", "tiny")


def _widths(lines: Sequence[Line]) -> list[tuple[Line, float, float]]:
    """Return (line, alone, with others) for a stack of length one; what is negative is noise and has no width."""
    pairs = [(line, max(line.alone.value, 0.0), max(line.with_others.value, 0.0)) for line in lines]
    known = [(line, a, w) for line, a, w in pairs if math.isfinite(a) and math.isfinite(w)]
    whole = sum(a + w for _, a, w in known)
    return [(line, a / whole, w / whole) for line, a, w in known] if whole > 0.0 else []


def _stack(canvas: Canvas, layout: _Layout, lines: Sequence[Line], y: float) -> None:
    """Draw all sources as one bar of 100 %, in chain order."""
    frame, parts = layout.frame(y, y + 34.0), _widths(lines)
    if not layout.above:
        canvas.text(layout.left - 14.0, y + 22.0, "all of the variance", "strong", "end")
    if not parts:
        canvas.rect(frame.left, y, frame.right - frame.left, 34.0, "faintfill band")
        canvas.text(
            (frame.left + frame.right) / 2, y + 21.0, "too few rows for shares of sources", "mid soft", "middle"
        )
    at = 0.0
    for line, alone, others in parts:
        start, middle, end = frame.px(at), frame.px(at + alone), frame.px(at + alone + others)
        canvas.rect(start, y, middle - start - (1.5 if others == 0.0 else 0.0), 34.0, f"k-{line.kind}")
        canvas.rect(middle, y, end - middle - 1.5, 34.0, "", hatch=line.kind)
        if end - start > 38.0 and line.verdict == "estimated" and middle - start > 34.0:
            label = percent(line.fair.value)
            canvas.text((start + middle) / 2, y + 21.5, label, f"on-{line.kind}", "middle")
        at += alone + others


def _kinds(canvas: Canvas, layout: _Layout, ledger: Ledger, y: float) -> None:
    """Draw the closed shares of the kinds and their interaction as one slim bar."""
    frame, at, told = layout.frame(y, y + 12.0), 0.0, []
    if not layout.above:
        canvas.text(layout.left - 14.0, y + 11.0, "by kind", "", "end")
    if all(line.verdict == "refused" for line in ledger.lines if line.of != "merged"):
        canvas.rect(frame.left, y, frame.right - frame.left, 12.0, "faintfill band")
        return
    shown = [(kind, word, ledger.sums[kind]) for kind, word in (*KINDS.items(), ("interaction", "both together"))]
    whole = sum(max(each.value, 0.0) for _, _, each in shown if math.isfinite(each.value))
    for kind, word, each in shown:
        if not math.isfinite(each.value) or each.value <= 0.0:
            continue
        start, end = frame.px(at), frame.px(at + each.value / whole)
        if kind == "interaction":
            canvas.rect(start, y, end - start, 12.0, "faintfill")
        else:
            canvas.rect(start, y, end - start - 1.5, 12.0, f"k-{kind}")
        if each.value > 0.004:
            told.append(f"{word} {part(each.value, each.se)}")
        at += each.value / whole
    for words, line in zip(_wrapped(told, 58 if layout.above else 90), range(2), strict=False):
        canvas.text(layout.left, y + 29.0 + 15.0 * line, words, "tiny")


def _wrapped(parts: Sequence[str], width: int) -> list[str]:
    lines: list[str] = []
    for words in parts:
        if lines and len(lines[-1]) + len(words) + 3 <= width:
            lines[-1] += f" · {words}"
        else:
            lines.append(words)
    return lines


def _rungs(
    canvas: Canvas,
    layout: _Layout,
    lines: Sequence[Line],
    stage_lines: Sequence[Line],
    rungs: Sequence[str],
    top: float,
    bottom: float,
) -> None:
    """Draw one group of rows per stage, hung on a ladder."""
    frame = layout.frame(top, bottom)
    for value, label in _SHARES:
        canvas.line(frame.px(value), top, frame.px(value), bottom, "grid")
        canvas.text(frame.px(value), bottom + 16.0, label, "tiny", "middle")
    canvas.text((frame.left + frame.right) / 2, bottom + 34.0, "share of the variance", "mid soft", "middle")
    adds = {line.name: line for line in stage_lines}
    y, rail = top + 4.0, []
    for stage in rungs:
        own = [line for line in lines if line.stage == stage]
        if layout.above:
            y += 16.0
            canvas.text(layout.left, y, stage, "strong")
            said = _adds(adds.get(stage))
            canvas.text(layout.right, y, said, "tiny", "end")
            y += 4.0
        else:
            rail.append(y + layout.row / 2)
            canvas.text(34.0, y + layout.row / 2 + 4.0, stage, "strong")
            if len(own) > 1:
                canvas.text(34.0, y + layout.row / 2 + 20.0, _adds(adds.get(stage)), "tiny")
        for line in own:
            _row(canvas, layout, frame, line, y)
            y += layout.row
        if not own:
            x = layout.left if layout.above else layout.left - 14.0
            canvas.text(x, y + 18.0, "no source of its own", "tiny", "start" if layout.above else "end")
            y += layout.row
        y += 0.0 if layout.above else 12.0
    if rail:
        canvas.line(18.0, rail[0], 18.0, rail[-1], "axis")
        for place in rail:
            canvas.dot(18.0, place, 4.5, "hollow")


def _adds(line: Line | None) -> str:
    if line is None or not math.isfinite(line.fair.value):
        return ""
    return f"adds {share(line)}"


def _row(canvas: Canvas, layout: _Layout, frame: Frame, line: Line, y: float) -> None:
    """Draw one source: alone, with others, its interval, and what may be said in words."""
    name, middle = plain(line.name), y + layout.row / 2
    if layout.above:
        canvas.text(layout.left, y + 15.0, name)
        canvas.text(layout.right, y + 15.0, share(line), "", "end")
        middle = y + 29.0
    else:
        canvas.text(layout.left - 14.0, middle + 4.0, name, "", "end")
        canvas.text(layout.right + 16.0, middle + 4.0, share(line), "" if line.verdict == "estimated" else "soft")
    fair = line.fair
    if not math.isfinite(fair.value):
        canvas.line(frame.left, middle, frame.right, middle, "axis dash")
        return
    low, high = frame.px(0.0), frame.px(min(max(line.alone.value, 0.0), 1.0))
    half = layout.bar / 2
    pale = "" if line.verdict == "estimated" else " pale"
    canvas.rect(low, middle - half, high - low, layout.bar, f"k-{line.kind}{pale}")
    canvas.rect(high, middle - half, frame.px(min(fair.value, 1.0)) - high, layout.bar, "", hatch=line.kind)
    if math.isfinite(fair.lo) and math.isfinite(fair.hi):
        canvas.whisker(frame.px(max(fair.lo, 0.0)), frame.px(min(max(fair.hi, 0.0), 1.0)), middle)
