"""Probabilities that were searched for, in sentences and as pictures, and the p-boxes of the answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from uqmsm.report.digits import joined, number, percent, unbroken, written
from uqmsm.report.facts import Answer, group, plain, scalar
from uqmsm.report.rare_pictures import draw_envelope, draw_rare

__all__ = ["envelope_items", "rare_items", "rare_lines", "small"]

_METHODS = {
    "form": "the likeliest failure with a plane through it (FORM)",
    "importance": "importance sampling round the likeliest failure",
    "subset": "subset simulation",
    "kriging": "a border of failure learnt from chosen members (kriging)",
}


def small(value: float) -> str:
    """Return a probability as people write it: per cent from one in a thousand on, a power of ten below."""
    if not math.isfinite(value):
        return "not known"
    if value >= 1e-3 or value == 0.0:
        return f"{number(100.0 * value, 2)} %"
    mantissa, _, power = f"{value:.1e}".partition("e")
    return f"{mantissa}·10^{int(power)}".replace("^-", "^−")


def rare_items(results: xr.DataTree, given: Sequence[Answer]) -> list[dict[str, str]]:
    """Return, per probability that was searched for, a sentence and its picture."""
    items = []
    for k, one in enumerate(_events(results)):
        event = _words(one, given)
        text = f"{event[:1].upper()}{event[1:]} has the probability {_chance(one)}, found by {_how(one)}. {_band(one)}"
        text += _cause(one)
        items.append({"text": unbroken(text), "picture": _picture(one, event, f"s{k}")})
    return items


def rare_lines(results: xr.DataTree) -> list[str]:
    """Return the probabilities that were searched for as lines of text."""
    lines = []
    for one in _events(results):
        unit = str(one["unit"].item())
        event = f"{plain(str(one['answer'].item()))} {one['direction'].item()} {written(float(one['threshold']))}"
        event += "" if unit == "1" else f" {unit}"
        draws = f"{int(scalar(one, 'draws_used'))} of {one.sizes['draw']} draws"
        counts = f"{one['method'].item()}, {int(one['draw_evaluations'].sum())} members"
        failed = int(one["draw_failed"].sum())
        counts += f", {failed} without an answer" if failed else ""
        band = f", 90 % band {small(_at(one, 0.05))} to {small(_at(one, 0.95))} over {draws}" if "band" in one else ""
        lines.append(f"probability of {event}: {_chance(one)}{band} ({counts})")
    return lines


def envelope_items(results: xr.DataTree, given: Sequence[Answer]) -> list[dict[str, str]]:
    """Return, per answer of a nested design, the picture of its p-box and a sentence."""
    table = group(results, "envelope")
    items = []
    for k, answer in enumerate(given):
        if table is None or answer.name not in table["answer"].values:
            continue
        one = table.sel(answer=answer.name)
        if not np.isfinite(one["least"].values).all():
            continue
        middle = one.sel(level=0.5)
        low, high = float(middle["least"]), float(middle["most"])
        text = (
            f"Whichever draw of what is not known is true, the median lies between {number(low, 4)} and "
            f"{number(high, 4)} {answer.units}".rstrip()
            + ". Inside the box lie the distribution functions of all draws "
            "(filled: noise of finite samples removed; dashed: with it)."
        )
        items.append(
            {"text": unbroken(text), "picture": draw_envelope(one, answer.words, answer.units, prefix=f"e{k}")}
        )
    return items


def _events(results: xr.DataTree) -> list[xr.Dataset]:
    table = group(results, "reliability")
    return [] if table is None else [_own(table.isel(event=k)) for k in range(table.sizes["event"])]


def _own(one: xr.Dataset) -> xr.Dataset:
    """Return one event without draws that only other events of the table have."""
    return one.isel(draw=np.flatnonzero(np.isfinite(one["draw_evaluations"].values)))


def _words(one: xr.Dataset, given: Sequence[Answer]) -> str:
    name = str(one["answer"].item())
    answer = next((each for each in given if each.name == name), None)
    words, units = (answer.words, answer.units) if answer else (plain(name), "")
    return f"{words} {one['direction'].item()} {written(float(one['threshold']))} {units}".rstrip()


def _chance(one: xr.Dataset) -> str:
    p, se = float(one["probability"]), float(one["probability_se"])
    if p == 0.0:
        return f"under {small(float(one['probability_hi']))} (never seen)"
    return f"{small(p)} (standard error {100.0 * se / p:.0f} % of it)" if math.isfinite(se) else small(p)


def _at(one: xr.Dataset, q: float) -> float:
    return float(one["band"].sel(quantile=q))


def _how(one: xr.Dataset) -> str:
    members, draws = int(one["draw_evaluations"].sum()), one.sizes["draw"]
    failed = int(one["draw_failed"].sum())
    lacking = f", {failed} of them without an answer" if failed else ""
    over = f" for {draws} draws of what is not known" if draws > 1 else ""
    return f"{_METHODS[str(one['method'].item())]} with {members} members{over}{lacking}"


def _band(one: xr.Dataset) -> str:
    if "band" not in one or not np.isfinite(one["band"].values).any():
        return "It has no band: that takes eight draws of what is not known, or there is nothing of that kind. "
    text = (
        f"What we do not know puts it between {small(_at(one, 0.05))} and {small(_at(one, 0.95))} (90 % band; the "
        "errors of the single searches are removed)"
    )
    bounded = int(scalar(one, "bounded"))
    text += f"; in {bounded} draws no failure was seen, and their limit was taken" if bounded else ""
    same = "" if int(one["resolved"]) else "The draws differ by no more than the errors of the searches. "
    return f"{text}. {same}"


def _cause(one: xr.Dataset) -> str:
    """Return which sources carry the likeliest failure."""
    shares = one["importance"].values
    names = [plain(str(name)) for name in one["source"].values]
    order = [k for k in np.argsort(-np.nan_to_num(shares)) if np.isfinite(shares[k]) and shares[k] > 0.05][:3]
    if not order:
        return ""
    told = joined([f"{names[k]} ({percent(float(shares[k]))})" for k in order])
    return f"The likeliest failure is a matter of {told}."


def _picture(one: xr.Dataset, title: str, prefix: str) -> str:
    values = one["draw_probability"].values
    if not (values > 0.0).any():
        return ""
    columns: dict[str, Any] = {key: one[f"draw_{key}"].values for key in ("probability", "lo", "hi")}
    band = (_at(one, 0.05), _at(one, 0.95)) if "band" in one else (math.nan, math.nan)
    return draw_rare(columns, float(one["probability"]), band, title=f"probability of {title}", prefix=prefix)
