"""From the tree to the sections of the page: what each says, its pictures and its tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from uqmsm.report.answer_pictures import draw_comparisons, draw_distribution, draw_probability
from uqmsm.report.facts import Answer, Ledger, Line, Number, group, notes, plain
from uqmsm.report.ledger_picture import draw_ledger
from uqmsm.report.words import (
    KINDS,
    amount,
    change,
    headline,
    interval,
    joined,
    number,
    percent,
    share,
    split_sentence,
    unbroken,
)
from uqmsm.report.words import given as given_

__all__ = [
    "answer_items",
    "comparison_items",
    "distributions",
    "failures",
    "ledger_items",
    "probabilities",
    "shift_rows",
]

_SCALES = {
    "log": "The answer has a heavy tail: this ledger shares out the scatter of its logarithm; the raw one follows.",
    "rank": "The answer has heavy tails and both signs: this ledger shares out the scatter of its ranks.",
}


def answer_items(
    given: Sequence[Answer], found: Sequence[Ledger], words: Mapping[str, str], shifts: Sequence[Mapping[str, str]]
) -> list[dict[str, str]]:
    """Return, per answer, its headline and what is said about it in sentences."""
    items = []
    for answer in given:
        own = next((one for one in found if one.answer == answer.name and not one.title.endswith(" failed")), None)
        what, _, value = headline(answer).partition(": ")
        constant = answer.sd.value == 0.0 or not answer.used
        sentences = ["It does not vary, so there is nothing to share out" if constant else split_sentence(own, words)]
        moved = [
            f"the {row['refinement']} adds a bias of {row['shift']}" for row in shifts if row["name"] == answer.name
        ]
        sentences += [joined(moved)] if moved else []
        error = (
            f"; the mean is known to ± {number(answer.mean.se, 2)} {answer.units}".rstrip()
            if np.isfinite(answer.mean.se)
            else ""
        )
        note = f"Mean ± standard deviation over {answer.used} of {answer.of} members{error}."
        text = ". ".join(sentence[:1].upper() + sentence[1:] for sentence in sentences) + "."
        items.append({"what": what, "value": value, "text": unbroken(text.replace("..", ".")), "note": note})
    return items


def ledger_items(
    found: Sequence[Ledger], given: Sequence[Answer], order: Sequence[str], words: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Return, per ledger, its pictures (wide and narrow) and the rows of its tables."""
    meant = {answer.name: answer.words for answer in given}
    items = []
    for k, ledger in enumerate(_distinct(found)):
        pictures = [draw_ledger(ledger, None, order, prefix=f"l{k}{'nw'[wide]}", narrow=not wide) for wide in (1, 0)]
        title = meant.get(ledger.answer, plain(ledger.answer))
        item: dict[str, Any] = {of: [_row(line, words) for line in ledger.by(of)] for of in ("source", "stage", "kind")}
        named = title if ledger.title == ledger.answer else ledger.title.replace(ledger.answer, title)
        item["title"] = "which members fail" if ledger.title.endswith(" failed") else named
        items.append(item | {"wide": pictures[0], "narrow": pictures[1], "notes": _remarks(ledger)})
    return items


def _distinct(found: Sequence[Ledger]) -> list[Ledger]:
    """Return the ledgers, that of the event "failed" once where all answers fail in the same members, and last."""
    told = [ledger for ledger in found if not ledger.title.endswith(" failed")]
    seen: dict[tuple[float, ...], Ledger] = {}
    for ledger in found:
        if ledger.title.endswith(" failed"):
            seen.setdefault(tuple(line.first_order.value for line in ledger.lines), ledger)
    return [*told, *seen.values()]


def _remarks(ledger: Ledger) -> str:
    """Return what the numbers of a ledger mean together, in sentences."""
    between, kappa, mixed = ledger.sums["between"], ledger.kappa, ledger.sums["interaction"]
    said = [f"n = {ledger.members} members."] if ledger.members else []
    said += [_SCALES[ledger.scale]] if _SCALES.get(ledger.scale) else []
    if np.isfinite(between.value):
        share_ = percent(between.value, between.se)
        said.append(f"Knowing everything that can be known would remove {share_} of the variance.")
    if np.isfinite(mixed.value) and mixed.value > 0.01:
        share_ = percent(mixed.value, mixed.se)
        said.append(
            f"{share_} belongs to different kinds together and to neither alone (an error of lower confidence)."
        )
    if np.isfinite(kappa.value):
        said.append(f"κ = {amount(kappa.value, max(kappa.se, 1e-3))}; it is 1 unless three or more sources interact.")
    return " ".join(said)


def _row(line: Line, words: Mapping[str, str]) -> dict[str, str]:
    """Return a line of a ledger in words; a negative estimate is noise and is shown by its upper limit."""
    name = KINDS.get(line.name, line.name) if line.of == "kind" else plain(line.name)
    meant = words.get(line.name, "")
    numbers = {key: _estimate(getattr(line, key)) for key in ("fair", "first_order", "total")}
    verdict = f"{line.verdict}, {share(line)}" if line.verdict in {"bounded", "merged"} else line.verdict
    said = line.verdict == "refused" or (line.of != "stage" and line.verdict == "estimated")
    return {
        "name": name,
        "words": meant if meant != name else "",
        "kind": line.kind,
        "interval": interval(line.fair),
        "rows": str(line.rows),
        "word": line.verdict,
        "verdict": verdict,
        "reason": line.reason if said else "",
        **numbers,
    }


def _estimate(found: Number) -> str:
    if found.value < 0.0 and np.isfinite(found.hi):
        return f"under {percent(max(found.hi, 0.01))}"
    return percent(found.value, found.se)


def shift_rows(results: xr.DataTree, given: Sequence[Answer]) -> list[dict[str, str]]:
    """Return the biases, one row per answer and refinement."""
    table = group(results, "shifts")
    if table is None or "shift" not in table:
        return []
    rows = []
    for answer in given:
        if answer.name not in table["answer"].values:
            continue
        own = table.sel(answer=answer.name)
        for k, refinement in enumerate(np.atleast_1d(own["refinement"].values)):
            one = {str(key): float(own[key].values[k]) for key in own.data_vars if own[key].dims == ("refinement",)}
            if not np.isfinite(one["shift"]):
                continue
            size, sd = abs(answer.mean.value), answer.sd.value
            inside = not size > sd  # around zero, a part of the mean says nothing
            part = f" ({number(one['shift'] / sd, 2)} sd)" if inside else f" ({change(one['shift'] / size)})"
            order = one.get("order", np.nan)
            rows.append({
                "name": answer.name, "answer": answer.words, "refinement": plain(str(refinement)),
                "shift": _signed(one["shift"], one["shift_se"], answer.units) + part, "pairs": str(int(one["pairs"])),
                "ratio": amount(one["variance_ratio"], one.get("variance_ratio_se", np.nan)),
                "order": number(order, 2) if np.isfinite(order) else "none assumed",
                "corrected": "yes" if one.get("corrected") else "no",
                "left": f"{number(one['in_sd'], 2)} sd" if "in_sd" in one else "–",
                "large": "yes" if one.get("large") else "",
            })  # fmt: skip
    return rows


def _signed(value: float, se: float, units: str) -> str:
    return ("+" if value > 0.0 else "") + amount(value, se, units)


def _thresholds(results: xr.DataTree) -> dict[str, tuple[float, str]]:
    table = group(results, "probability")
    if table is None:
        return {}
    names = [str(name) for name in np.atleast_1d(table["answer"].values)]
    limits, sides = np.atleast_1d(table["threshold"].values), np.atleast_1d(table["direction"].values)
    return {name: (float(limit), str(side)) for name, limit, side in zip(names, limits, sides, strict=True)}


def distributions(results: xr.DataTree, given: Sequence[Answer]) -> list[dict[str, Any]]:
    """Return the picture of every answer that varies, with its quantiles."""
    limits, items = _thresholds(results), []
    for k, answer in enumerate(given):
        values = answer.values[np.isfinite(answer.values)]
        if values.size < 2 or np.ptp(values) == 0.0:
            continue
        quantiles = [(percent(p), amount(q.value, q.se, answer.units)) for p, q in answer.quantiles.items()]
        threshold = limits[answer.name][0] if answer.name in limits else None
        picture = draw_distribution(answer, threshold, prefix=f"d{k}")
        items.append({"title": answer.words, "picture": picture, "quantiles": quantiles})
    return items


def probabilities(results: xr.DataTree, given: Sequence[Answer]) -> list[dict[str, str]]:
    """Return, per probability, a sentence and its picture."""
    table = group(results, "probability")
    if table is None:
        return []
    items = []
    for k, (name, (limit, side)) in enumerate(_thresholds(results).items()):
        one = table.sel(answer=name)
        answer = next((each for each in given if each.name == name), None)
        words, units = (answer.words, answer.units) if answer else (plain(name), "")
        low, high = (float(one["band"].sel(quantile=q)) for q in (0.05, 0.95))
        mean, removed = float(one["probability"]), float(one["removed"])
        raw = np.asarray(one["raw"].values, dtype=np.float64)
        event = f"{words} {side} {given_(limit)} {units}".rstrip()
        total = float(np.nanvar(raw, ddof=1))
        noise = percent(removed / total, small=1) if total > 0.0 else "0 %"
        text = (
            f"{event[:1].upper()}{event[1:]} has the probability {_chance(one)}. What we do not know puts it "
            f"between {percent(low)} and {percent(high)} (90 % band over {np.isfinite(raw).sum()} "
            f"epistemic draws of {int(one['inner'])} members each). The noise of these finite inner samples, "
            f"{noise} of the scatter in the curve, is removed from the band."
        )
        if "resolved" in one and not bool(one["resolved"]):
            text += " The band is not resolved from that noise: more inner members would resolve it."
        picture = draw_probability(raw, mean, (low, high), title=f"probability of {event}", prefix=f"p{k}")
        items.append({"text": unbroken(text), "picture": picture})
    return items


def _chance(one: xr.Dataset) -> str:
    """Return a probability with its error, or its limit where the event was always or never seen."""
    mean, se, low, high = (float(one[f"probability{end}"]) for end in ("", "_se", "_lo", "_hi"))
    if np.isfinite(se):
        return percent(mean, se)
    return f"under {change(high).lstrip('+')} (never seen)" if mean == 0.0 else f"over {percent(low)} (always seen)"


def comparison_items(results: xr.DataTree) -> tuple[list[dict[str, str]], str]:
    """Return the rows "prediction beside experiment", misses included, and their picture (empty if none)."""
    found = [row for row in notes(results, "comparisons") or [] if float(row.get("measured") or 0.0) != 0.0]
    rows = []
    for row in found:
        predicted, sd, measured = (float(row.get(key) or np.nan) for key in ("predicted", "predicted_sd", "measured"))
        units = "" if row.get("unit") in {None, "1"} else str(row["unit"])
        away = (measured - predicted) / sd if sd > 0.0 else np.nan
        said = "–" if not np.isfinite(away) else f"{number(abs(away), 2)} sd {'above' if away > 0 else 'below'}"
        rows.append({
            "what": str(row.get("what") or plain(str(row.get("port", "")))), "predicted": amount(predicted, sd, units),
            "measured": f"{given_(measured)} {units}".rstrip(), "away": said,
            "missed": "missed" if abs(away) > 1.645 else "", "source": str(row.get("source", "")),
            "verified": "" if row.get("verified") in {True, "yes"} else "not verified",
        })  # fmt: skip
    shown = [{**row, "what": said["what"]} for row, said in zip(found, rows, strict=True)]
    return rows, draw_comparisons(shown, prefix="cmp") if shown else ""


def failures(results: xr.DataTree, run: str) -> dict[str, Any]:
    """Return how many members failed, why, and the line that replays one of each sort."""
    table = group(results, "members")
    if table is None or "status" not in table:
        return {"known": False}
    status = np.asarray(table["status"].values).astype(str)
    failed = np.flatnonzero(status != "done")
    reasons = np.asarray(table["reason"].values).astype(str)
    addresses = np.asarray(table["address"].values).astype(str)
    counts = Counter(str(reasons[i]) or str(status[i]) for i in failed)
    first = {why: next(i for i in failed if (reasons[i] or status[i]) == why) for why in counts}
    rows = [
        {"why": why, "n": n, "replay": f"uqmsm replay {run} {addresses[first[why]]}"} for why, n in counts.most_common()
    ]
    return {"known": True, "failed": len(failed), "of": len(status), "rows": rows[:12], "more": max(len(rows) - 12, 0)}
