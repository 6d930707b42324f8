"""The section on where the uncertainty comes from: per ledger its pictures and three short tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from uqmsm.report.digits import amount, interval, part, percent, unbroken
from uqmsm.report.facts import Answer, Number, plain
from uqmsm.report.ledger_facts import Ledger, Line
from uqmsm.report.ledger_picture import draw_ledger
from uqmsm.report.words import INTERVAL_ROWS, KINDS, enough, share

__all__ = ["ledger_items"]

_SCALES = {
    "log": "The answer has a heavy tail: this ledger shares out the scatter of its logarithm; the raw one follows.",
    "rank": "The answer has heavy tails and both signs: this ledger shares out the scatter of its ranks.",
}


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
        item["source"] += [_row(line, words) for line in ledger.by("merged") if line.verdict != "refused"]
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
            told_by = (line.first_order.value for line in ledger.lines if line.of != "merged")
            seen.setdefault(tuple(told_by), ledger)
    return [*told, *seen.values()]


def _remarks(ledger: Ledger) -> str:
    """Return what the numbers of a ledger mean together, in sentences."""
    between, kappa, mixed = ledger.sums["between"], ledger.kappa, ledger.sums["interaction"]
    said = [f"n = {ledger.members} members."] if ledger.members else []
    said += [_SCALES[ledger.scale]] if _SCALES.get(ledger.scale) else []
    unknown = all(line.verdict == "refused" for line in ledger.lines if line.of != "merged")
    if unknown:
        return unbroken(" ".join([*said, f"Too few rows for any share: {enough(INTERVAL_ROWS)} gives them."]))
    if np.isfinite(between.value):
        share_ = part(between.value, between.se)
        said.append(f"Knowing everything that can be known would remove {share_} of the variance.")
    if np.isfinite(mixed.value) and mixed.value > 0.01:
        share_ = part(mixed.value, mixed.se)
        said.append(
            f"{share_} belongs to different kinds together and to neither alone (an error of lower confidence)."
        )
    if np.isfinite(kappa.value):
        said.append(f"κ = {amount(kappa.value, max(kappa.se, 1e-3))}; it is 1 unless three or more sources interact.")
    return unbroken(" ".join(said))


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
        "verdict": unbroken(verdict),
        "reason": line.reason if said else "",
        **numbers,
    }


def _estimate(found: Number) -> str:
    if found.value < 0.0 and np.isfinite(found.hi):
        return f"under {percent(max(found.hi, 0.01))}"
    return part(found.value, found.se)
