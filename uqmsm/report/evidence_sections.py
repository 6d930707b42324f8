"""Sections on what might be wrong: bias of the numerics, experiments beside predictions, members that failed."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from uqmsm.report.comparison_picture import draw_comparisons
from uqmsm.report.digits import amount, change, joined, number, written
from uqmsm.report.facts import Answer, group, notes, plain, stages

__all__ = ["comparison_items", "failures", "refined_failures", "shift_rows"]

NOTHING = 1e-6
"""Part of an answer's sd under which a shift is not written out: that of a tolerance is arithmetic."""


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
            part = f"{number(one['shift'] / sd, 2)} sd" if inside else change(one["shift"] / size)
            nothing = abs(one["shift"]) + 2.0 * one["shift_se"] < NOTHING * sd
            order = one.get("order", np.nan)
            rows.append({
                "name": answer.name, "answer": answer.words, "refinement": plain(str(refinement)),
                # worth a sentence at the head of the page, beside its row in the table
                "told": "yes" if abs(one["shift"]) > 0.01 * sd else "",
                "shift": "under 1e−6 sd" if nothing else _signed(one["shift"], one["shift_se"], answer.units),
                "part": "" if nothing else part, "pairs": str(int(one["pairs"])),
                "ratio": amount(one["variance_ratio"], one.get("variance_ratio_se", np.nan)),
                "order": number(order, 2) if np.isfinite(order) else "none assumed",
                "corrected": "yes" if one.get("corrected") else "no",
                "left": "–" if "in_sd" not in one else "under 1e−6" if nothing else number(one["in_sd"], 2),
                "large": "yes" if one.get("large") else "",
            })  # fmt: skip
    return rows


def _signed(value: float, se: float, units: str) -> str:
    return ("+" if value > 0.0 else "") + amount(value, se, units)


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
            "measured": f"{written(measured)} {units}".rstrip(), "away": said,
            "missed": "missed" if abs(away) > 1.645 else "", "source": str(row.get("source", "")),
            "verified": "" if row.get("verified") in {True, "yes"} else "not verified",
        })  # fmt: skip
    named = [{**row, "what": said["what"]} for row, said in zip(found, rows, strict=True)]
    shown = [row for row in named if np.isfinite(float(row.get("predicted") or np.nan))]
    return rows, draw_comparisons(shown, prefix="cmp") if shown else ""


def failures(results: xr.DataTree, folder: Path) -> dict[str, Any]:
    """Return how many members failed, why, and the line that replays one of each sort."""
    table = group(results, "members")
    if table is None or "status" not in table:
        return {"known": False}
    status = np.asarray(table["status"].values).astype(str)
    failed = np.flatnonzero(status != "done")
    reasons = np.asarray(table["reason"].values).astype(str)
    addresses = np.asarray(table["address"].values).astype(str)
    ladder = [str(stage["name"]) for stage in stages(results)]
    counts = Counter(str(reasons[i]) or str(status[i]) for i in failed)
    first = {why: next(i for i in failed if (reasons[i] or status[i]) == why) for why in counts}
    rows = [
        {
            **_place(why, ladder),
            "why": why,
            "n": n,
            "replay": shlex.join(["uqmsm", "replay", str(folder), addresses[first[why]]]),
        }
        for why, n in counts.most_common()
    ]
    per_stage = Counter(_place(why, ladder)["stage"] for why in counts.elements())
    by_stage = [f"{per_stage[stage]} in {plain(stage)}" for stage in ladder if per_stage[stage]]
    return {
        "known": True,
        "by_stage": joined(by_stage),
        "failed": len(failed),
        "of": len(status),
        "rows": rows[:12],
        "more": max(len(rows) - 12, 0),
    }


def refined_failures(results: xr.DataTree) -> list[dict[str, str]]:
    """Return why refined members failed, one row per refinement and reason: each is a pair that is missing."""
    rows = []
    for one in notes(results, "refined") or []:
        for reason in one["reasons"]:
            of = f"{reason['n']} of {one['members']}"
            rows.append({"refinement": plain(str(one["name"])), "n": of, "why": str(reason["why"])})
    return rows


def _place(why: str, ladder: Sequence[str]) -> dict[str, str]:
    """Return the stage that a reason names first, empty if none, and what happened there."""
    stage, _, what = why.partition(": ")
    return {"stage": stage, "what": what} if stage in ladder else {"stage": "", "what": why}
