"""What is missing: whether by chance, and how far it could move the answers, in words and as rows of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from uqmsm.report.digits import joined, number, part, percent, unbroken, written
from uqmsm.report.facts import Answer, group, plain, scalar

__all__ = ["chance_clause", "doubts", "missing_items", "missing_note"]

_LEVELS = (0.05, 0.5, 0.95)
_SHOWN = 3  # sources of a ledger
_ERRORS = 3.0  # as `questions.at_random.ERRORS`
_RESTS = {
    "given": "what the study says it cannot leave",
    "seen": "the missing within the range of those seen: nobody promised it",
}


def missing_items(results: xr.DataTree, given: Sequence[Answer], words: Mapping[str, str]) -> dict[str, Any]:
    """Return what is said about chance, and the worst cases row by row; empty where no answer lacks a member."""
    summary = group(results, "summary")
    lacking = [answer for answer in given if answer.used < answer.of and _row(summary, answer.name) is not None]
    if not lacking:
        return {}
    rows = [row for answer in lacking for row in _summary_rows(answer, _row(summary, answer.name))]
    rows += [row for answer in lacking for row in _share_rows(results, answer, words)]
    sentences = [f"{_counts(answer)}: {doubt}" for answer in lacking if (doubt := doubts(results, answer, words))]
    silence = (
        "No source decides by itself who is missing, and members that share draws with the missing answer like the "
        "others. Nothing here speaks against chance; with few missing that proves little."
    )
    return {"text": [unbroken(text) for text in sentences or [silence]], "rows": rows}


def _row(summary: xr.Dataset | None, name: str) -> xr.Dataset | None:
    """Return the summary of one answer if it has worst cases."""
    if summary is None or "mean_least" not in summary or name not in summary["answer"].values:
        return None
    return summary.sel(answer=name)


def _counts(answer: Answer) -> str:
    return f"{answer.words[:1].upper()}{answer.words[1:]} lacks {answer.of - answer.used} of {answer.of}"


def doubts(results: xr.DataTree, answer: Answer, words: Mapping[str, str]) -> str:
    """Return what speaks against chance as the reason why members are missing, empty if nothing does."""
    from uqmsm.questions.at_random import blamed  # here, because it brings scipy

    said = []
    table = group(results, "ledger")
    guilty = blamed(table, answer.name) if table is not None else []
    if guilty:
        named = [f"{words.get(one.source) or plain(one.source)} ({part(one.share, one.se)} of it)" for one in guilty]
        said.append(f"the draws of {joined(named)} decide who is missing: chance only if they are like the others")
    row = _row(group(results, "summary"), answer.name)
    moved, se = (scalar(row, key) for key in ("neighbours", "neighbours_se")) if row is not None else (np.nan, np.nan)
    if np.isfinite(se) and abs(moved) > _ERRORS * se:
        side = "higher" if moved > 0.0 else "lower"
        size = f"{number(abs(moved), 2)} ± {number(se, 2)} {answer.units}".rstrip()
        said.append(f"members that share draws with the missing answer {side} than the others, by {size}")
    return "; ".join(said)


def missing_note(results: xr.DataTree, answer: Answer) -> str:
    """Return, in one clause, how far the missing members could move the median; empty where none is missing."""
    row = _row(group(results, "summary"), answer.name)
    if row is None or not 0 < answer.used < answer.of:
        return ""
    middle = row.sel(probability=0.5) if 0.5 in row["probability"].values else None
    if middle is None:
        return ""
    where = _between(float(middle["quantile_least"]), float(middle["quantile_most"]), answer.units)
    return f"{answer.of - answer.used} are missing; whatever they are, the median is {where}"


def chance_clause(one: xr.Dataset) -> str:
    """Return how far the missing members could move a probability, empty where none is missing."""
    if "probability_least" not in one:
        return ""
    least, most = float(one["probability_least"]), float(one["probability_most"])
    return f" (whatever the missing members are: {percent(least)} to {percent(most)})" if most > least else ""


def _between(least: float, most: float, units: str) -> str:
    """Return a pair of bounds in words, infinite ones by name."""
    low, high = np.isfinite(least), np.isfinite(most)
    if low and high:
        digits = 3 if most == least else max(3, int(np.ceil(np.log10(abs(most) / (most - least) + 1e-9))) + 2)
        return f"{number(least, min(digits, 6))} to {number(most, min(digits, 6))} {units}".rstrip()
    if low:
        return f"over {number(least)} {units}".rstrip() + ", not bounded above"
    return f"under {number(most)} {units}".rstrip() + ", not bounded below" if high else "not bounded"


def _summary_rows(answer: Answer, row: xr.Dataset | None) -> list[dict[str, str]]:
    """Return mean, sd and quantiles of an answer with what the missing allow."""
    if row is None or not answer.used:
        return []
    who = str(row["missing_assumed"].values)
    low, high = (scalar(row, f"missing_{end}") for end in ("low", "high"))
    ends = (written(low), written(high)) if who == "given" else (number(low), number(high))
    within = f"{_RESTS.get(who, who)} ({' to '.join(ends)} {answer.units}".rstrip() + ")"
    found: list[dict[str, str]] = []

    def say(what: str, one: xr.Dataset, key: str, value: str, rests: str) -> None:
        ends = scalar(one, f"{key}_least"), scalar(one, f"{key}_most")
        bounds = _between(*ends, answer.units)
        rests = (
            within if who == "given" and {low, high} & set(ends) else rests
        )  # a quantile that ends where the study says
        text = f"{number(scalar(one, value), 4)} {answer.units}".rstrip()
        first = "" if found else answer.words
        found.append({"answer": first, "what": what, "seen": text, "worst": unbroken(bounds), "rests": rests})

    for level in (one for one in _LEVELS if one in row["probability"].values):
        name = "median" if level == 0.5 else f"{percent(float(level))} quantile"
        say(name, row.sel(probability=level), "quantile", "quantile_value", "nothing")
    say("mean", row, "mean", "mean", within)
    say("standard deviation", row, "sd", "sd", within)
    return found


def _share_rows(results: xr.DataTree, answer: Answer, words: Mapping[str, str]) -> list[dict[str, str]]:
    """Return the largest first-order shares of sources, and that of ignorance, with what the missing allow."""
    table = group(results, "ledger")
    if table is None or "first_order_least" not in table or answer.name not in table["answer"].values:
        return []
    own = table.sel(answer=answer.name)
    wanted = (own["of"] == "source") | (own["line"] == "epistemic")
    lines = own.isel(
        line=np.flatnonzero(wanted & np.isfinite(own["first_order"]) & np.isfinite(own["first_order_least"]))
    )
    order = np.argsort(-lines["first_order"].values)
    rests = _RESTS.get(str(own["missing_assumed"].values), "nothing")
    found = []
    for k in order[: _SHOWN + 1]:
        line = lines.isel(line=int(k))
        label = str(line["line"].values)
        what = "all ignorance" if label == "epistemic" else (words.get(label) or plain(label))
        value, se, least, most = (scalar(line, f"first_order{end}") for end in ("", "_se", "_least", "_most"))
        worst = f"{percent(max(least, 0.0))} to {percent(min(most, 1.0))}"
        found.append(
            {"answer": "", "what": f"alone, S: {what}", "seen": part(value, se), "worst": worst,
             "rests": rests}
        )  # fmt: skip
    return found
