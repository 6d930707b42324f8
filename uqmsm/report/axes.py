"""Where data stand on a sheet: frames with data coordinates, and round ticks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Frame", "tick_labels", "ticks"]


def ticks(low: float, high: float, number: int = 5) -> list[float]:
    """Return about `number` round values within [low, high]."""
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return [low] if math.isfinite(low) else []
    rough = (high - low) / max(number, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * m for m in (1.0, 2.0, 2.5, 5.0, 10.0) if power * m >= rough * (1.0 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [k * step for k in range(first, last + 1)]


def tick_labels(values: Sequence[float]) -> list[tuple[float, str]]:
    """Return ticks with as many decimals as tell neighbours apart, and no more."""
    if len(values) < 2:
        return [(value, f"{value:.4g}".replace("-", "−")) for value in values]
    step, largest = abs(values[1] - values[0]), max(abs(value) for value in values)
    if largest >= 1e5 or step < 1e-5:
        return [(value, f"{value:.4g}".replace("-", "−")) for value in values]
    places = next(n for n in range(8) if abs(step * 10.0**n - round(step * 10.0**n)) < 1e-6)
    return [(value, f"{value + 0.0:.{places}f}".replace("-", "−")) for value in values]


@dataclass(frozen=True)
class Frame:
    """A rectangle of the sheet with data coordinates.

    Parameters
    ----------
    left, right, top, bottom
        Edges on the sheet, in pixels.
    x, y
        (least, largest) data value along each edge.
    """

    left: float
    right: float
    top: float
    bottom: float
    x: tuple[float, float] = (0.0, 1.0)
    y: tuple[float, float] = (0.0, 1.0)

    def px(self, value: float) -> float:
        """Return the horizontal place of a data value."""
        return self.left + (value - self.x[0]) / (self.x[1] - self.x[0]) * (self.right - self.left)

    def py(self, value: float) -> float:
        """Return the vertical place of a data value."""
        return self.bottom - (value - self.y[0]) / (self.y[1] - self.y[0]) * (self.bottom - self.top)
