"""Numbers as people write them: cut at their error, with a true minus sign, in per cent or in seconds."""

from __future__ import annotations

import math
from collections.abc import Sequence

from uqmsm.report.facts import Number

__all__ = ["amount", "change", "interval", "joined", "number", "part", "percent", "seconds", "unbroken", "written"]


def number(value: float, digits: int = 3) -> str:
    """Return a number with so many significant digits, with a true minus sign and no needless exponent."""
    if not math.isfinite(value):
        return "–"
    if value == 0.0:
        return "0"
    size = math.floor(math.log10(abs(value)))
    if -5 <= size < 6:
        text = f"{value:.{max(digits - 1 - size, 0)}f}"
    else:
        mantissa, _, power = f"{value:.{digits - 1}e}".partition("e")
        text = f"{mantissa}e{int(power)}"
    return text.replace("-", "−")


def written(value: float) -> str:
    """Return a number that somebody wrote, without zeros that they did not write."""
    return f"{value:.6g}".replace("-", "−") if math.isfinite(value) else "–"


def amount(value: float, spread: float, units: str = "") -> str:
    """Return ``value ± spread units``, both cut at the second digit of the spread.

    Examples
    --------
    >>> amount(115.3, 34.6, "MPa")
    '115 ± 35 MPa'
    """
    tail = f" {units}" if units else ""
    rounding = 1e-12 * abs(value)  # a spread as small as this is that of the arithmetic
    if not (math.isfinite(spread) and spread > rounding and math.isfinite(value)):
        return number(value) + tail
    size = math.floor(math.log10(spread))
    if math.floor(math.log10(max(abs(value), spread))) >= 6 or size < -5:
        kept = math.floor(math.log10(max(abs(value), spread))) - size + 2
        return f"{number(value, min(kept, 6))} ± {number(spread, 2)}{tail}"
    places = max(1 - size, 0)
    return f"{value:.{places}f} ± {spread:.{places}f}{tail}".replace("-", "−")


def percent(value: float, se: float = math.nan, *, small: float = 0.0095) -> str:
    """Return a fraction in per cent, with its standard error; one decimal where the error is below one point.

    An error under 0.05 points is not printed: the fraction is then as good as exact.
    """
    if not math.isfinite(value):
        return "–"
    if se < 5e-4 and abs(value - round(value, 2)) < 5e-4:
        se = math.nan
    fine = math.isfinite(se) and se < small
    places = 1 if fine else 0
    text = f"{100.0 * value:.{places}f}"
    if text.lstrip("-").strip("0.") == "":
        text = text.lstrip("-")
    error = f" ± {100.0 * se:.{places}f}" if math.isfinite(se) else ""
    return f"{text}{error} %".replace("-", "−")


def part(value: float, se: float = math.nan) -> str:
    """Return a share of a whole in words: within 0 and 100 %, "under 1 %" or "over 99 %" where its 90 % interval is."""
    if math.isfinite(se) and value + 1.645 * se < 0.01:
        return "under 1 %"
    if se > 5e-5 and 0.99 < value - 1.645 * se < value < 1.0 - 5e-5:
        return "over 99 %"
    return percent(min(max(value, 0.0), 1.0) if math.isfinite(value) else value, se)


def change(fraction: float) -> str:
    """Return a relative change in per cent, with its sign and two digits."""
    return f"{'+' if fraction > 0.0 else ''}{number(100.0 * fraction, 2)} %"


def interval(found: Number) -> str:
    """Return the limits of a share in per cent, cut at 0 and 100 %: what lies beyond is noise of the estimate."""
    if not (math.isfinite(found.lo) and math.isfinite(found.hi)):
        return "–"
    ends = [min(max(limit, 0.0), 1.0) for limit in (found.lo, found.hi)]
    if ends[1] < 0.01:
        return "under 1 %"
    if 0.99 < ends[0] < ends[1]:
        return "over 99 %"
    places = 1 if ends[1] - ends[0] < 0.015 else 0
    low, high = (f"{100.0 * end:.{places}f}" for end in ends)
    return f"{low} – {high} %"


def seconds(time: float) -> str:
    """Return a duration as people say it."""
    if not math.isfinite(time):
        return "–"
    if time < 1.0:
        return f"{1000.0 * time:.0f} ms" if time >= 0.001 else f"{1e6 * time:.0f} µs"
    if time < 100.0:
        return f"{number(time, 2)} s"
    if time < 5400.0:
        return f"{time / 60.0:.0f} min"
    return f"{time / 3600.0:.1f} h"


def joined(parts: Sequence[str]) -> str:
    """Return ``a, b and c``."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}" if parts else ""


def unbroken(text: str) -> str:
    """Return a sentence whose numbers stay on one line with their errors and per cent signs."""
    return text.replace(" %", "\u00a0%").replace(" ± ", "\u00a0±\u00a0")
