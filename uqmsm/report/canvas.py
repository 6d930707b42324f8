"""A sheet for drawing SVG by hand: shapes with a style class, axes with round ticks, words for those who cannot see."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from uqmsm.report.axes import Frame
from uqmsm.report.lettering import width_of
from uqmsm.report.style import FIGURE_STYLE, THEME

__all__ = ["Canvas"]


def _fixed(number: float) -> str:
    """Return a coordinate with at most two decimals: the same bytes on every machine."""
    text = f"{number:.2f}".rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text


class Canvas:
    """A growing list of shapes; `prefix` keeps names of hatches apart where pictures share a page.

    Parameters
    ----------
    width, height
        In pixels at scale one.
    prefix
        Unique on the page.
    """

    def __init__(self, width: float, height: float, prefix: str) -> None:
        self.width, self.height, self.prefix = width, height, prefix
        self._shapes: list[str] = []
        self._hatches: dict[str, str] = {}

    def rect(self, x: float, y: float, width: float, height: float, css: str, *, hatch: str = "") -> None:
        """Draw a rectangle; `hatch` names a kind to fill it with stripes of that kind."""
        if not width > 0.0 or not height > 0.0:
            return
        fill = f' style="fill:url(#{self._hatch(hatch)})"' if hatch else ""
        place = f'x="{_fixed(x)}" y="{_fixed(y)}" width="{_fixed(width)}" height="{_fixed(height)}"'
        self._shapes.append(f'<rect {place} class="{css}"{fill}/>')

    def _hatch(self, kind: str) -> str:
        name = f"{self.prefix}-{kind}"
        size = 'width="5" height="5"'
        self._hatches[name] = (
            f'<pattern id="{name}" {size} patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
            f'<rect {size} class="k-{kind} band"/><rect width="2.2" height="5" class="k-{kind}"/></pattern>'
        )
        return name

    def line(self, x1: float, y1: float, x2: float, y2: float, css: str = "grid") -> None:
        """Draw a straight line."""
        ends = f'x1="{_fixed(x1)}" y1="{_fixed(y1)}" x2="{_fixed(x2)}" y2="{_fixed(y2)}"'
        self._shapes.append(f'<line {ends} class="{css}"/>')

    def curve(self, points: Iterable[tuple[float, float]], css: str, *, closed: bool = False) -> None:
        """Draw a line through points, or fill what it encloses."""
        text = " ".join(f"{_fixed(x)},{_fixed(y)}" for x, y in points)
        self._shapes.append(f'<{"polygon" if closed else "polyline"} points="{text}" class="{css}"/>')

    def patches(self, polygons: Iterable[Iterable[tuple[float, float]]], css: str, opacity: float) -> None:
        """Fill polygons that may touch, all as opaque; their edges are not smoothed, so that no seam is seen."""
        outlines = (" L".join(f"{_fixed(x)} {_fixed(y)}" for x, y in one) for one in polygons)
        path = "".join(f"M{outline}Z" for outline in outlines)
        look = f'fill-opacity="{_fixed(opacity)}" shape-rendering="crispEdges"'
        self._shapes.append(f'<path d="{path}" class="{css}" {look}/>')

    def dot(self, x: float, y: float, radius: float, css: str) -> None:
        """Draw a disc."""
        self._shapes.append(f'<circle cx="{_fixed(x)}" cy="{_fixed(y)}" r="{_fixed(radius)}" class="{css}"/>')

    def text(self, x: float, y: float, words: str, css: str = "", anchor: str = "start") -> None:
        """Write words; `anchor` is start, middle or end."""
        where = f'x="{_fixed(x)}" y="{_fixed(y)}" text-anchor="{anchor}"'
        self._shapes.append(f'<text {where} class="{css}">{escape(words)}</text>')

    def whisker(self, low: float, high: float, y: float, cap: float = 4.0) -> None:
        """Draw an interval from `low` to `high` on the sheet."""
        self.line(low, y, high, y, "whisker")
        for x in (low, high):
            self.line(x, y - cap, x, y + cap, "whisker")

    def x_axis(self, frame: Frame, labels: Sequence[tuple[float, str]], title: str = "") -> None:
        """Draw the lower axis with labelled ticks and a title."""
        self.line(frame.left, frame.bottom, frame.right, frame.bottom, "axis")
        for value, label in labels:
            self.line(frame.px(value), frame.bottom, frame.px(value), frame.bottom + 4, "axis")
            self.text(frame.px(value), frame.bottom + 17, label, "tiny", "middle")
        if title:
            half = width_of(title, 12.0) / 2 + 8.0  # a long title under a narrow frame stays on the sheet
            middle = max(min((frame.left + frame.right) / 2, self.width - half), min(half, self.width / 2))
            self.text(middle, frame.bottom + 35, title, "mid soft", "middle")

    def y_axis(self, frame: Frame, labels: Sequence[tuple[float, str]], title: str = "") -> None:
        """Draw light lines across the frame, labelled at the left, and a title above."""
        for value, label in labels:
            self.line(frame.left, frame.py(value), frame.right, frame.py(value), "grid")
            self.text(frame.left - 7, frame.py(value) + 4, label, "tiny", "end")
        if title:
            self.text(frame.left, frame.top - 10, title, "mid soft")

    def svg(self, title: str, description: str, *, css: str = "", standalone: bool = False) -> str:
        """Return the picture as text.

        Parameters
        ----------
        title, description
            What it is and what it shows, for those who cannot see it.
        css
            More style classes for the whole picture.
        standalone
            Whether to carry its own colours, for use outside the page.
        """
        name = f"{self.prefix}-title"
        size = f'viewBox="0 0 {_fixed(self.width)} {_fixed(self.height)}"'
        own = f"<style>{THEME}{FIGURE_STYLE}</style>" if standalone else ""
        fixed = f' width="{_fixed(self.width)}" height="{_fixed(self.height)}"' if standalone else ""
        sheet = '<rect width="100%" height="100%" class="paperfill"/>' if standalone else ""
        defs = f"<defs>{''.join(self._hatches.values())}</defs>" if self._hatches else ""
        head = f'xmlns="http://www.w3.org/2000/svg" {size}{fixed} class="{f"fig {css}".strip()}" role="img"'
        words = f'<title id="{name}">{escape(title)}</title><desc id="{name}-d">{escape(description)}</desc>'
        labels = f'aria-labelledby="{name} {name}-d"'
        return f"<svg {head} {labels}>{words}{own}{defs}{sheet}{''.join(self._shapes)}</svg>"
