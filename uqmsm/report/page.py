"""The page itself: all sections rendered into one file that needs nothing else."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import xarray as xr

from uqmsm.report import alloy_section, answer_sections, evidence_sections, facts
from uqmsm.report.chain_picture import draw_chain
from uqmsm.report.checks import checks, overall, verdict
from uqmsm.report.digits import seconds, unbroken
from uqmsm.report.field_section import field_items
from uqmsm.report.ledger_facts import ledgers
from uqmsm.report.ledger_section import ledger_items
from uqmsm.report.legend import LEDGER
from uqmsm.report.missing_section import missing_items, missing_note
from uqmsm.report.posterior_section import posteriors
from uqmsm.report.rare_section import envelope_items, rare_items
from uqmsm.report.size_section import size_items
from uqmsm.report.style import FIGURE_STYLE, THEME
from uqmsm.report.surrogate_section import surrogates

__all__ = ["write"]


def write(results: xr.DataTree, folder: str | os.PathLike[str]) -> Path:
    """Write ``report.html``: one page, no network, the same bytes for the same results.

    Parameters
    ----------
    results
        The tree of a run. Every group but answers may be absent; the page says so.
    folder
        The run folder; it must exist.

    Returns
    -------
    Path
        Of the page. A reader never sees half of it: it is written beside and then renamed.

    Raises
    ------
    StudyError
        When the tree has no answers, or an attribute that should be JSON is not.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    place = Path(folder)
    environment = Environment(
        loader=PackageLoader("uqmsm.report", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    text = environment.get_template("page.html.j2").render(_context(results, place.resolve()))
    path = place / "report.html"
    fresh = path.with_name("report.html.part")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)
    return path


def _context(results: xr.DataTree, folder: Path) -> dict[str, Any]:
    given, found, words = facts.answers(results), ledgers(results), facts.source_words(results)
    ladder = facts.stages(results)
    shifts = evidence_sections.shift_rows(results, given)
    lights = checks(results)
    failed = evidence_sections.failures(results, folder)
    lacking = {answer.name: missing_note(results, answer) for answer in given}
    compared, comparison_picture = evidence_sections.comparison_items(results)
    return {
        "style": THEME + FIGURE_STYLE,
        "run": folder.name,
        "title": results.attrs.get("title") or "Report",
        "about": results.attrs.get("about", ""),
        "answers": answer_sections.answer_items(given, found, words, shifts, failed, lacking),
        "checks": [replace(one, found=unbroken(one.found), asked=unbroken(one.asked)) for one in lights],
        "overall": "bad" if overall(lights) == "bad" else "good",
        "together": verdict(lights),
        "ledgers": ledger_items(found, given, [str(stage["name"]) for stage in ladder], words),
        "legend": LEDGER,
        "pairs": alloy_section.pair_items(results),
        "alloys": alloy_section.alloy_items(results),
        "sizes": size_items(results),
        "fields": field_items(results),
        "shifts": shifts,
        "unrefined": evidence_sections.refined_failures(results),
        "distributions": answer_sections.distributions(results, given),
        "probabilities": answer_sections.probabilities(results, given) + rare_items(results, given),
        "envelopes": envelope_items(results, given),
        "comparisons": compared,
        "comparison_picture": comparison_picture,
        "posteriors": posteriors(results),
        "surrogates": surrogates(results),
        **_chain(results, ladder),
        "failures": failed,
        "missing": missing_items(results, given, words),
        **_provenance(results),
    }


def _chain(results: xr.DataTree, ladder: list[dict[str, Any]]) -> dict[str, Any]:
    sources = [dict(each) for each in facts.notes(results, "sources") or []]
    for each in sources:
        each["stage"] = each.get("stage") or str(each["name"]).partition(".")[0]
    pictures = [draw_chain(ladder, sources, prefix=f"c{k}", narrow=bool(k)) for k in (0, 1)] if ladder else ["", ""]
    inputs = [{key: str(each.get(key) or "") for key in ("name", "stage", "kind", "long_name")} for each in sources]
    total = sum(float(stage.get("seconds") or 0.0) for stage in ladder)
    return {
        "chain_wide": pictures[0],
        "chain_narrow": pictures[1],
        "chain_text": results.attrs.get("chain", ""),
        "chain_total": seconds(total) if total > 0.0 else "",
        "inputs": inputs,
    }


def _provenance(results: xr.DataTree) -> dict[str, Any]:
    versions = facts.notes(results, "versions") or {}
    spent = results.attrs.get("seconds")
    return {
        "unverified": [str(row) for row in facts.notes(results, "unverified") or []],
        "versions": sorted((str(name), str(version)) for name, version in versions.items()),
        "references": [str(line) for line in facts.notes(results, "references") or []],
        "seed": str(results.attrs.get("seed", "")),
        "command": str(results.attrs.get("command", "")),
        "spent": seconds(float(spent)) if spent is not None else "",
        "study": str(results.attrs.get("study", "")),
    }
