"""The section on the alloys of a study beside each other: each with its largest source, and every two of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from uqmsm.report.digits import amount, number, part, percent
from uqmsm.report.facts import group, plain, scalar, source_words
from uqmsm.report.parts_picture import draw_parts

__all__ = ["alloy_items", "alloy_lines", "pair_items"]


def alloy_items(results: xr.DataTree) -> list[dict[str, Any]]:
    """Return, per answer, a row for every alloy and a row for every two; empty where a study has one alloy."""
    summary, gaps = group(results, "compositions/summary"), group(results, "compositions/differences")
    if summary is None or gaps is None or "answer" not in gaps.coords:
        return []
    ledger, words = group(results, "compositions/ledger"), source_words(results)
    items = []
    for name in gaps["answer"].values.tolist():
        gap, unit = gaps.sel(answer=name), str(gaps["unit"].sel(answer=name).item())
        units = "" if unit == "1" else unit
        rows = [
            _alloy(results, summary.sel(alloy=alloy, answer=name), gap, ledger, words, units)
            for alloy in gaps["alloy"].values.tolist()
            if name in summary["answer"].values
        ]
        items.append({"title": f"{plain(name)} [{units}]" if units else plain(name), "rows": rows,
                      "pairs": _pairs(gap, units), "name": name})  # fmt: skip
    return items


def _alloy(
    results: xr.DataTree, one: xr.Dataset, gap: xr.Dataset, ledger: xr.Dataset | None, words: dict[str, str], units: str
) -> dict[str, str]:
    alloy, answer = str(one["alloy"].item()), str(one["answer"].item())
    best = gap.sel(alloy=alloy)
    return {
        "alloy": alloy,
        "composition": _composition(results, alloy),
        "mean": amount(scalar(one, "mean"), scalar(one, "mean_se"), units),
        "sd": amount(scalar(one, "sd"), scalar(one, "sd_se"), units),
        "largest": _largest(ledger, alloy, answer, words),
        "highest": part(scalar(best, "highest"), scalar(best, "highest_se")),
        "members": f"{int(scalar(one, 'n_used'))} of {int(scalar(one, 'n_of'))}",
    }


def _composition(results: xr.DataTree, alloy: str) -> str:
    """Return the mean fractions of an alloy in per cent; elements that it has not are left out."""
    table = group(results, "compositions/fractions")
    if table is None:
        return ""
    own = table["fraction"].sel(alloy=alloy)
    found = zip(own["element"].values.tolist(), own.values.tolist(), strict=True)
    return " ".join(f"{element} {number(100.0 * share)}" for element, share in found if share > 0.0)


def _largest(ledger: xr.Dataset | None, alloy: str, answer: str, words: dict[str, str]) -> str:
    """Return the source with the largest fair share of an alloy's variance."""
    if ledger is None or answer not in ledger["answer"].values or alloy not in ledger["alloy"].values:
        return "–"
    own = ledger.sel(alloy=alloy, answer=answer)
    there = own.isel(line=np.flatnonzero((own["of"].values == "source") & np.isfinite(own["fair"].values)))
    if not there.sizes["line"]:
        return "–"
    best = there.isel(line=int(np.argmax(there["fair"].values)))
    label = str(best["line"].item())
    return f"{words.get(label, plain(label))}, {part(scalar(best, 'fair'), scalar(best, 'fair_se'))}"


def _pairs(gap: xr.Dataset, units: str) -> list[dict[str, str]]:
    names = gap["alloy"].values.tolist()
    rows = []
    for i, other in enumerate(names):
        for alloy in names[i + 1 :]:
            one = gap.sel(alloy=alloy, other=other)
            difference, se = scalar(one, "difference"), scalar(one, "difference_se")
            rows.append({
                "pair": f"{alloy} − {other}",
                "difference": ("+" if difference > 0 else "") + amount(difference, se, units),
                "sd": amount(scalar(one, "sd"), scalar(one, "sd_se"), units),
                "above": part(scalar(one, "above"), scalar(one, "above_se")),
                "apart": number(scalar(one, "se_apart"), 2) + (f" {units}" if units else ""),
            })  # fmt: skip
    return rows


def pair_items(results: xr.DataTree) -> list[dict[str, Any]]:
    """Return, per answer, the parts of the potential's total line: pairs of elements, stiffness and the rest."""
    table = group(results, "pairs")
    if table is None:
        return []
    items: list[dict[str, Any]] = []
    for name in table["answer"].values.tolist():
        own = table.sel(answer=name)
        order = np.argsort(-own["share"].values, kind="stable")
        rows = [
            {"part": str(own["part"].values[k]), "share": percent(float(own["share"][k]), float(own["share_se"][k]))}
            for k in order
        ]
        bars = [(str(own["part"].values[k]), float(own["share"][k]), float(own["share_se"][k])) for k in order]
        items.append({"title": plain(name), "rows": rows, "picture": draw_parts(bars, prefix=f"pa{len(items)}")})
    return items


def alloy_lines(results: xr.DataTree) -> list[str]:
    """Return the comparison as lines of text for the end of a run."""
    lines = []
    for item in alloy_items(results):
        lines.append(f"{plain(item['name'])}, alloy by alloy (mean ± its standard error; scatter; highest)")
        wide = max(len(row["alloy"]) for row in item["rows"]) if item["rows"] else 0
        lines += [
            f"  {row['alloy']:<{wide}}  {row['mean']}; sd {row['sd']}; highest {row['highest']}" for row in item["rows"]
        ]
        lines += [f"  {row['pair']}: {row['difference']}; above with {row['above']}" for row in item["pairs"]]
    return lines
