"""How a run ends: its results saved first, then its page, its exit code, and its answers in words and as plain data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import xarray as xr

    from uqmsm.chain import Chain
    from uqmsm.conduct.rounds import Grown
    from uqmsm.conduct.searching import Searched
    from uqmsm.execution.journal import RunFolder
    from uqmsm.execution.outcomes import Outcomes
    from uqmsm.study import Study

__all__ = ["Finished", "finish"]


@dataclass(frozen=True)
class Finished:
    """How a run ended.

    Attributes
    ----------
    folder
        The run folder.
    exit_code
        0 answered, 3 more failed members than tolerated, 4 not converged to what was asked.
    summary
        The answers as plain data, for ``--json``.
    lines
        The answers in words.
    """

    folder: Path
    exit_code: int
    summary: dict[str, Any]
    lines: list[str] = field(default_factory=list)


def finish(
    study: Study,
    chain: Chain,
    grown: Grown,
    refined: Mapping[str, Outcomes],
    alloys: Mapping[str, Outcomes],
    sought: Searched,
    folder: RunFolder,
    seconds: float,
) -> Finished:
    """Answer a study from its outcomes, and write what the run leaves behind.

    Parameters
    ----------
    study, chain
        What was asked; the chain with its laws learnt.
    grown, refined, alloys, sought
        The members with their outcomes, those of every refinement, those of every further alloy, and what was searched
        for.
    folder
        The run folder.
    seconds
        Wall time so far.
    """
    from uqmsm import results
    from uqmsm.conduct.drawing import write_fields
    from uqmsm.conduct.recording import record
    from uqmsm.execution.taskfile import Status
    from uqmsm.fields import write_index
    from uqmsm.report import ledger_text, write
    from uqmsm.report.alloy_section import alloy_lines
    from uqmsm.report.rare_section import rare_lines
    from uqmsm.report.size_section import size_lines
    from uqmsm.report.terminal import failures_text, refined_failures_text

    places = [grown.outcomes[stage].placed(folder.members).items() for stage in chain.names]
    fields = {f"{s}.{port}": one for s, found in zip(chain.names, places, strict=True) for port, one in found}
    tree, late, fault = record(
        study, chain, grown, refined, alloys, sought, learnt=folder.posterior, members=folder.members, seconds=seconds
    )
    results.save(tree, folder.path / "results.nc")  # first of all: what was computed is there whatever comes now
    write_index(folder.path, fields)
    if fault is not None:
        raise fault
    write(tree, folder.path)
    write_fields(tree, folder.path)
    fates = tree["members"].to_dataset()["status"].values
    counts: Counter[str] = Counter(str(fate) for fate in fates)
    lost = [float(np.mean(each.member_status() != Status.DONE)) for each in alloys.values()]
    unsought = sought.failed / max(sought.asked, 1)
    failed = max(1 - counts.get("done", 0) / len(grown.plan.members), *lost, unsought, 0.0)
    code = 3 if failed > study.run.tolerate_failures else 4 if late else 0
    lines = ledger_text(tree)
    lines += alloy_lines(tree)
    lines += size_lines(tree)
    lines += rare_lines(tree)
    if counts.get("done", 0) < len(grown.plan.members):
        lines.append(failures_text(tree, study.run.tolerate_failures))
    lines += refined_failures_text(tree)
    missing = [(name, each) for name, each in zip(alloys, lost, strict=True) if each > 0]
    lines += [f"{100 * each:.2g} % of the members failed with {name}" for name, each in missing]
    lines += [f"{100 * unsought:.2g} % of the members that searches asked for failed"] if unsought > 0 else []
    lines += [f"not converged: {line}" for line in late]
    folder.tidy()
    folder.note("finished", exit_code=code, seconds=round(seconds, 3), **grown.size)
    return Finished(folder.path, code, _plain(tree, counts, late, grown), lines)


def _plain(tree: xr.DataTree, counts: Mapping[str, int], late: Sequence[str], grown: Grown) -> dict[str, Any]:
    """Return answers and shares as plain data."""
    found: dict[str, Any] = {"members": dict(counts), "size": grown.size, "rounds": grown.rounds}
    found |= {"not_converged": list(late), "answers": {}, "ledger": {}}
    found["reliability"] = _searched(tree)
    summary = tree["summary"].to_dataset() if "summary" in tree else None
    for name in [] if summary is None or "answer" not in summary.coords else summary["answer"].values.tolist():
        one = summary.sel(answer=name)  # type: ignore[union-attr]  # looked at above
        keys = ("mean", "mean_se", "sd", "sd_se", "n_used", "n_of")
        found["answers"][name] = {"unit": str(one["unit"].item())} | {key: float(one[key]) for key in keys}
    ledger = tree["ledger"].to_dataset() if "ledger" in tree else None
    for name in [] if ledger is None else ledger["answer"].values.tolist():
        one = ledger.sel(answer=name)  # type: ignore[union-attr]  # looked at above
        found["ledger"][name] = {
            str(line): {
                "fair": _number(one["fair"].sel(line=line)),
                "se": _number(one["fair_se"].sel(line=line)),
                "verdict": str(one["verdict"].sel(line=line).item()),
            }
            for line in one["line"].values
        }
    return found


def _searched(tree: xr.DataTree) -> dict[str, Any]:
    """Return the probabilities that were searched for, by event."""
    if "reliability" not in tree:
        return {}
    table = tree["reliability"].to_dataset()
    keys = ("probability", "probability_se", "probability_lo", "probability_hi", "beta", "beta_sd")
    found: dict[str, Any] = {}
    for name in table["event"].values.tolist():
        one = table.sel(event=name)
        found[str(name)] = {"method": str(one["method"].item())} | {key: _number(one[key]) for key in keys}
        if "band" in one:
            found[str(name)]["band"] = {f"{q:g}": _number(one["band"].sel(quantile=q)) for q in one["quantile"].values}
    return found


def _number(value: Any) -> float | None:
    number = float(np.asarray(value).item())
    return number if np.isfinite(number) else None
