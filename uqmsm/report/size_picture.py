"""How far blocks of grains are off, by size and boundary condition, as a picture: their mean, and the error of one."""

from __future__ import annotations

from math import ceil, floor, log10

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from uqmsm.report.axes import Frame, tick_labels, ticks
from uqmsm.report.canvas import Canvas

__all__ = ["BOUNDARY_WORDS", "draw_sizes", "grains"]

Floats = NDArray[np.float64]

BOUNDARY_WORDS = {"kubc": "uniform strain", "periodic": "periodic", "subc": "uniform traction"}
_COLOURS = {"kubc": "c1", "periodic": "c0", "subc": "c3"}


def draw_sizes(table: xr.Dataset, *, what: str, prefix: str, standalone: bool = False) -> str:
    """Return the picture of one property.

    Parameters
    ----------
    table
        From `uqmsm.questions.representative_table`.
    what
        The property, in words.
    prefix
        Unique on the page.
    standalone
        Whether it carries its own colours.
    """
    sheet = Canvas(820.0, 390.0, prefix)
    smallest, largest = float(table["size"].min()), float(table["size"].max())
    needs = [float(one) for one in table["needed"].sel(averaged=1).values.ravel() if np.isfinite(one)]
    sheet.text(62, 26, "How big must the block be?", "strong")
    _means(sheet, table, (log10(0.6 * smallest), log10(2.0 * largest)))
    _errors(sheet, table, (log10(0.6 * smallest), ceil(log10(max([2.0 * largest, *needs])))))
    best = _easiest(table)
    words = f"{what}, by size of the block and boundary condition."
    if best:
        need = float(table["needed"].sel(averaged=1, boundary=best))
        words += f" One {BOUNDARY_WORDS.get(best, best)} block of {grains(need)} grains is within {_percent(table)}."
    return sheet.svg("How big must a representative volume be", words, standalone=standalone)


def grains(number: float) -> str:
    """Return a number of grains, rounded to what is known of it, thousands apart."""
    digits = max(floor(log10(number)) - 2, 0) if number > 0 else 0
    return f"{round(number, -digits):,.0f}".replace(",", " ")


def _easiest(table: xr.Dataset) -> str:
    one = table["needed"].sel(averaged=1)
    return str(one["boundary"].values[int(np.nanargmin(one.values))]) if np.isfinite(one.values).any() else ""


def _percent(table: xr.Dataset) -> str:
    return f"{100.0 * float(table.attrs['error']):g} %"


def _powers(frame: Frame) -> list[tuple[float, str]]:
    return [(float(k), grains(10.0**k)) for k in range(ceil(frame.x[0]), floor(frame.x[1]) + 1)]


def _bias(one: xr.Dataset, log_sizes: Floats) -> Floats:
    """Return the relative bias of a condition at sizes, by the laws fitted."""
    terms, powers = one["bias_term"].values, one["bias_power"].values
    there = np.isfinite(terms)
    return np.asarray(10.0 ** -np.outer(log_sizes, powers[there]) @ terms[there])


def _sd(one: xr.Dataset, log_sizes: Floats, limit: float) -> Floats:
    fall = float(one["intercept"]) - float(one["exponent"]) * log_sizes * np.log(10.0)
    return np.asarray(np.exp(0.5 * fall) / limit)


def _means(sheet: Canvas, table: xr.Dataset, reach: tuple[float, float]) -> None:
    """Draw the mean of the blocks of each size, per cent off a very large one, with bars of 90 %."""
    limit, sizes = float(table["limit"]), np.log10(table["size"].values)
    off = 100.0 * (table["mean"].values / limit - 1.0)
    half = 164.5 * table["mean_se"].values / limit
    low, high = min(0.0, float((off - half).min())), max(0.0, float((off + half).max()))
    pad = 0.1 * (high - low)
    frame = Frame(62, 385, 74, 322, reach, (low - pad, high + pad))
    sheet.y_axis(frame, tick_labels(ticks(*frame.y)), "Mean of the blocks, % off a very large one")
    sheet.x_axis(frame, _powers(frame), "Grains in a block")
    sheet.line(frame.left, frame.py(0.0), frame.right, frame.py(0.0), "axis dash")
    grid = np.linspace(float(sizes.min()), reach[1], 60)
    for k, name in enumerate(table["boundary"].values.tolist()):
        one = table.sel(boundary=name)
        curve = np.clip(100.0 * _bias(one, grid), *frame.y)
        sheet.curve([(frame.px(x), frame.py(y)) for x, y in zip(grid, curve, strict=True)], f"curve trace {_css(name)}")
        for x, y, bar in zip(sizes, off[k], half[k], strict=True):
            sheet.line(frame.px(x), frame.py(y - bar), frame.px(x), frame.py(y + bar), f"whisker {_css(name)}")
            sheet.dot(frame.px(x), frame.py(y), 3.2, "hollow")
        at = len(grid) // 3
        side = 20 if curve[at] < curve.mean() - 1e-9 or name == "subc" else -12
        sheet.text(frame.px(grid[at]), frame.py(curve[at]) + side, BOUNDARY_WORDS.get(name, name), "mid")


def _errors(sheet: Canvas, table: xr.Dataset, reach: tuple[float, float]) -> None:
    """Draw the error of one block over its size, bias and two standard deviations, and the size that meets the aim."""
    limit, sizes, aim = float(table["limit"]), np.log10(table["size"].values), float(table.attrs["error"])
    seen = np.abs(table["mean"].values / limit - 1.0) + 2.0 * table["sd"].values / limit
    bottom = min(-1.0, floor(log10(100.0 * aim)))
    frame = Frame(470, 782, 74, 322, reach, (bottom, max(log10(100.0 * float(seen.max())) + 0.15, bottom + 1.0)))
    labels = [(float(k), f"{10.0**k:g} %") for k in range(int(bottom), floor(frame.y[1]) + 1)]
    sheet.y_axis(frame, labels, "Error of one block: bias + 2 sd; dashed, bias alone")
    sheet.x_axis(frame, _powers(frame), "Grains in a block")
    goal = frame.py(log10(100.0 * aim))
    sheet.line(frame.left, goal, frame.right, goal, "rule thin")
    grid = np.linspace(float(sizes.min()), reach[1], 80)
    for k, name in enumerate(table["boundary"].values.tolist()):
        one = table.sel(boundary=name)
        bias = np.abs(_bias(one, grid))
        for values, css in ((bias + 2.0 * _sd(one, grid, limit), "curve"), (bias, "dash")):
            logs = np.log10(np.maximum(100.0 * values, 1e-9))
            shown = [
                (frame.px(x), frame.py(y)) for x, y in zip(grid, logs, strict=True) if frame.y[0] <= y <= frame.y[1]
            ]
            sheet.curve(shown, f"trace {_css(name)} {css}")
        for x, error in zip(sizes, seen[k], strict=True):
            if log10(100.0 * error) >= frame.y[0]:
                sheet.dot(frame.px(x), frame.py(log10(100.0 * error)), 3.2, "hollow")
    best = _easiest(table)
    if best:
        need = float(table["needed"].sel(averaged=1, boundary=best))
        x = frame.px(max(log10(need), frame.x[0]))
        sheet.line(x, goal, x, frame.bottom, "axis dash")
        sheet.text(x + 6, goal - 7, f"{grains(need)} grains, {BOUNDARY_WORDS.get(best, best)}", "mid")


def _css(boundary: str) -> str:
    return _COLOURS.get(boundary, "c2")
