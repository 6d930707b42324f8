"""Tables of several answers as one, every variable with its unit, its meaning and its true sources.

Answers have units of their own. A variable that mixes them says ``see coordinate unit``, and the coordinate `unit`
holds the unit of every answer; where all answers share one unit, the variable has it.
"""

from __future__ import annotations

from collections.abc import Sequence

import xarray as xr

__all__ = ["MIXED_UNITS", "listed", "together"]

MIXED_UNITS = "see coordinate unit"
"""The unit of a variable over answers of different units."""
_WORDS = {
    "answer": "quantity asked for",
    "unit": "unit of the answer",
    "quantile": "level of the quantile",
    "probability": "level of the quantile",
    "refinement": "what was refined",
    "alloy": "alloy of the study, its own first",
    "other": "alloy that it is compared with",
    "event": "the answer and its threshold",
    "threshold": "threshold of the event",
    "direction": "side of the threshold",
    "level": "level of the distribution function",
    "method": "how the probability was found",
    "source": "source of chance with a place",
    "draw": "draw of what is not known",
    "inner": "members of chance for every epistemic draw",
}


def listed(sources: Sequence[str]) -> str:
    """Return source labels as the attribute `sources` holds them; ``none`` where nothing is uncertain."""
    return ", ".join(sources) or "none"


def together(parts: Sequence[xr.Dataset], dim: str, sources: Sequence[str]) -> xr.Dataset | None:
    """Return the tables of several answers along `dim`, or None where there is none.

    Parameters
    ----------
    parts
        One table per answer or event, its length 1 along `dim`.
    dim
        ``answer`` or ``event``.
    sources
        Labels of all sources that any of the answers depends on.
    """
    if not parts:
        return None
    table = xr.concat(
        parts, dim, join="outer", data_vars="all", coords="minimal", compat="override", combine_attrs="drop_conflicts"
    )
    for name in table.coords:
        table[name].attrs = _words(str(name), table) | {"sources": listed(sources)}
    for variable in table.data_vars.values():
        variable.attrs = {"units": MIXED_UNITS, "sources": listed(sources)} | variable.attrs
    return table


def _words(name: str, table: xr.Dataset) -> dict[str, str]:
    """Return unit and meaning of a coordinate; a threshold has the unit of its answer."""
    units = {str(unit) for unit in table["unit"].values.tolist()} if name == "threshold" else {"1"}
    return {"units": units.pop() if len(units) == 1 else MIXED_UNITS, "long_name": _WORDS[name]}
