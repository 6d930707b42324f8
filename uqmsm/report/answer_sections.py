"""Sections on the answers themselves: in sentences, as distributions, as probabilities with their bands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from uqmsm.report.answer_pictures import draw_distribution, draw_probability
from uqmsm.report.digits import amount, change, joined, number, percent, unbroken, written
from uqmsm.report.facts import Answer, group, plain
from uqmsm.report.ledger_facts import Ledger
from uqmsm.report.missing_section import chance_clause
from uqmsm.report.words import headline, remedy, split_sentence

__all__ = ["answer_items", "chances", "distributions", "probabilities"]


def answer_items(
    given: Sequence[Answer],
    found: Sequence[Ledger],
    words: Mapping[str, str],
    shifts: Sequence[Mapping[str, str]],
    failed: Mapping[str, Any],
    missing: Mapping[str, str] | None = None,
) -> list[dict[str, str]]:
    """Return, per answer, its headline and what is said about it in sentences; `missing` adds to its note."""
    items = []
    again = (failed.get("rows") or [{"replay": ""}])[0]["replay"]
    for answer in given:
        own = next((one for one in found if one.answer == answer.name and not one.title.endswith(" failed")), None)
        what, _, value = headline(answer).partition(": ")
        sentences = [_split(answer, own, words, failed, asked=own is not None or not found)]
        mine = [row for row in shifts if row["name"] == answer.name]
        moved = [f"{row['refinement']} {row['shift']} ({row['part']})" for row in mine if row["told"]]
        small = [row["refinement"] for row in mine if not row["told"]]
        moved += [f"{joined(small)} less than 0.01 sd{' each' if len(small) > 1 else ''}"] if small else []
        sentences += [f"bias: {'; '.join(moved)}"] if moved else []
        error = (
            f"; the mean is known to ± {number(answer.mean.se, 2)} {answer.units}".rstrip()
            if np.isfinite(answer.mean.se)
            else ""
        )
        command = _command(answer, own, again, asked=own is not None or not found)
        note = "" if not answer.used else f"Mean ± standard deviation over {answer.used} of {answer.of} members{error}."
        lacking = (missing or {}).get(answer.name, "")
        note += f" {lacking}." if lacking else ""
        text = ". ".join(sentence[:1].upper() + sentence[1:] for sentence in sentences) + "."
        items.append(
            {
                "what": what,
                "value": value,
                "text": unbroken(text.replace("..", ".")),
                "note": note,
                **command,
            }
        )
    return items


def _command(answer: Answer, own: Ledger | None, again: str, *, asked: bool) -> dict[str, str]:
    """Return the next command under an answer that lacks something, and what it is for; both empty if it lacks none.

    Where other answers have a ledger there are rows enough: one without was not asked for, and more members give none.
    """
    if not answer.used:
        return {"command": again, "purpose": "To see it happen again"}
    if answer.sd.value == 0.0 or not asked:
        return {"command": "", "purpose": ""}
    return {"command": remedy(own), "purpose": "To learn where it comes from"}


def _split(
    answer: Answer, own: Ledger | None, words: Mapping[str, str], failed: Mapping[str, Any], *, asked: bool
) -> str:
    """Return where the variance comes from, or why there is none: no member at all, or no scatter."""
    if not answer.used:
        rows = failed.get("rows") or []
        why = (
            f", most often ({rows[0]['n']} of {failed['of']} members) because of this: {rows[0]['why']}" if rows else ""
        )
        return f"No member gave it{why}"
    if answer.sd.value == 0.0:
        return "It does not vary, so there is nothing to share out"
    if not asked:
        return "The study does not ask where it comes from (ledger: false)"
    return split_sentence(own, words)


def _events(results: xr.DataTree) -> list[tuple[str, float, str, xr.Dataset]]:
    """Return answer, threshold, side and numbers of every event asked for."""
    table = group(results, "probability")
    if table is None:
        return []
    rows = [table.isel(event=k) for k in range(table.sizes["event"])]
    return [(str(one["answer"].item()), float(one["threshold"]), str(one["direction"].item()), one) for one in rows]


def distributions(results: xr.DataTree, given: Sequence[Answer]) -> list[dict[str, Any]]:
    """Return the picture of every answer that varies, with its quantiles."""
    items: list[dict[str, Any]] = []
    limits: dict[str, list[float]] = {}
    for name, limit, _, _ in _events(results):
        limits.setdefault(name, []).append(limit)
    for k, answer in enumerate(given):
        values = answer.values[np.isfinite(answer.values)]
        if values.size < 2 or np.ptp(values) == 0.0:
            continue
        quantiles = [(percent(p), unbroken(amount(q.value, q.se, answer.units))) for p, q in answer.quantiles.items()]
        picture = draw_distribution(answer, limits.get(answer.name, []), prefix=f"d{k}")
        items.append({"title": answer.words, "picture": picture, "quantiles": quantiles})
    return items


def probabilities(results: xr.DataTree, given: Sequence[Answer]) -> list[dict[str, str]]:
    """Return, per probability, a sentence, and its picture where it has a band (empty if not)."""
    items = []
    for k, (name, limit, side, one) in enumerate(_events(results)):
        answer = next((each for each in given if each.name == name), None)
        words, units = (answer.words, answer.units) if answer else (plain(name), "")
        event = f"{words} {side} {written(limit)} {units}".rstrip()
        text = f"{event[:1].upper()}{event[1:]} has the probability {_chance(one)}{chance_clause(one)}. "
        if "band" in one:
            more, picture = _band(one, event, f"p{k}")
        else:
            more = "How far what we do not know would move it, this run did not ask: members: {band: ...} does."
            picture = ""
        items.append({"text": unbroken(text + more), "picture": picture})
    return items


def chances(results: xr.DataTree, answer: Answer) -> list[str]:
    """Return, per probability asked of an answer, one short line: the probability and its epistemic band."""
    lines = []
    for name, limit, side, one in _events(results):
        if name == answer.name:
            text = f"{side} {written(limit)} {answer.units}".rstrip() + f" with probability {_chance(one)}"
            if "band" in one:
                low, high = (percent(float(one["band"].sel(quantile=q))) for q in (0.05, 0.95))
                text += f"; what we do not know puts it between {low} and {high}"
            lines.append(text)
    return lines


def _band(one: xr.Dataset, event: str, prefix: str) -> tuple[str, str]:
    """Return what the epistemic band of a probability says, and its picture."""
    low, high = (float(one["band"].sel(quantile=q)) for q in (0.05, 0.95))
    raw, removed = np.asarray(one["raw"].values, dtype=np.float64), float(one["removed"])
    total = float(np.nanvar(raw, ddof=1))
    noise = percent(removed / total, small=1) if total > 0.0 else "0 %"
    text = (
        f"What we do not know puts it between {percent(low)} and {percent(high)} (90 % band over "
        f"{np.isfinite(raw).sum()} epistemic draws of {int(one['inner'])} members each). The noise of these finite "
        f"inner samples, {noise} of the scatter in the curve, is removed from the band."
    )
    if "resolved" in one and not bool(one["resolved"]):
        text += " The band is not resolved from that noise: more inner members would resolve it."
    title, mean = f"probability of {event}", float(one["probability"])
    return text, draw_probability(raw, mean, (low, high), title=title, prefix=prefix)


def _chance(one: xr.Dataset) -> str:
    """Return a probability with its error, or its limit where the event was always or never seen."""
    mean, se, low, high = (float(one[f"probability{end}"]) for end in ("", "_se", "_lo", "_hi"))
    if np.isfinite(se):
        return percent(mean, se)
    return f"under {change(high).lstrip('+')} (never seen)" if mean == 0.0 else f"over {percent(low)} (always seen)"
