"""How much room words take on a sheet, and how they are folded to fit into less."""

from __future__ import annotations

import math
import re

__all__ = ["folded", "span", "width_of"]

_NARROW, _WIDE = frozenset(" .,:;'|!ijlftI()[]-·"), frozenset("mwMW%@±…")


def width_of(words: str, size: float = 11.0) -> float:
    """Return the width of words on a sheet in pixels, on the safe side for the usual sans-serif faces.

    Parameters
    ----------
    words
        One line.
    size
        Of the letters, in pixels.
    """
    return size * sum(0.42 if c in _NARROW else 0.98 if c in _WIDE else 0.66 for c in words)


def folded(name: str, width: float, size: float = 11.0) -> list[str]:
    """Return a name in lines no wider than `width`, broken after spaces, dots and underscores where it has any.

    Examples
    --------
    >>> folded("Nb.ln_alpha_over_beta", 90.0)
    ['Nb.ln_', 'alpha_over_', 'beta']
    """
    lines: list[str] = []
    for piece in re.findall(r"[^ ._]*[ ._]*", name):
        if not piece:
            continue
        if lines and width_of((lines[-1] + piece).rstrip(), size) <= width:
            lines[-1] += piece
        else:
            lines.append(piece)
    return [line.strip() for line in lines]


def span(low: float, high: float) -> tuple[str, str]:
    """Return two limits with as many decimals as tell them apart, two digits of what lies between."""
    if not (math.isfinite(low) and math.isfinite(high)) or low == high:
        return f"{low:.4g}".replace("-", "−"), f"{high:.4g}".replace("-", "−")
    places = max(1 - math.floor(math.log10(abs(high - low))), 0)
    if places > 8 or max(abs(low), abs(high)) >= 1e7:
        return f"{low:.4g}".replace("-", "−"), f"{high:.4g}".replace("-", "−")
    return tuple(f"{value + 0.0:.{places}f}".replace("-", "−") for value in (low, high))  # type: ignore[return-value]  # two
