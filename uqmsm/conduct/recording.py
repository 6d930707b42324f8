"""Everything a run leaves behind as one tree: outcomes, answers, posterior, members, and where it came from."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from uqmsm import results
from uqmsm.chain import Chain
from uqmsm.conduct.answering import Plan, answered
from uqmsm.conduct.comparing import compared
from uqmsm.conduct.drawing import drawn_fields
from uqmsm.conduct.pairing import paired
from uqmsm.conduct.rounds import Grown
from uqmsm.conduct.searching import Searched
from uqmsm.conduct.sizing import sized
from uqmsm.errors import StudyError
from uqmsm.execution.outcomes import Outcomes
from uqmsm.execution.taskfile import Status
from uqmsm.fingerprint import versions
from uqmsm.questions.floor import floored
from uqmsm.study import Study

__all__ = ["record"]

_WORDS = ("fingerprint", "length", "effective_draws", "outside", "evaluations")
"""Attributes of a file of draws that every group from it carries on."""


def record(
    study: Study,
    chain: Chain,
    grown: Grown,
    refined: Mapping[str, Outcomes],
    alloys: Mapping[str, Outcomes],
    sought: Searched,
    *,
    learnt: Path,
    members: Path,
    seconds: float,
) -> tuple[xr.DataTree, list[str], Exception | None]:
    """Assemble the results tree of a run.

    Parameters
    ----------
    study, chain, grown, refined, alloys, sought
        What was asked, what was run, and what it gave: with the chain's own alloy, refined, with further alloys, and in
        searches for failure.
    learnt
        Folder of the posteriors of this run, one file ``<stage>.<field>.nc`` each.
    members
        Folder of the outcomes, in which large fields lie.
    seconds
        Wall time of this run so far.

    Returns
    -------
    tree
        As `uqmsm.open` gives it back.
    complaints
        What keeps the run from being converged, in words: of laws learnt, of stop rules, and of answers.
    fault
        What broke in answering, if anything did: the tree then holds all outcomes and no answers, and is to be saved
        before the fault is raised.
    """
    groups: dict[str, xr.Dataset] = {}
    plan, outcomes = grown.plan, grown.outcomes
    for stage in chain.names:
        found = outcomes[stage]
        labelled = results.outcomes(chain, stage, found.values, found.calls.indices, found.digests)
        groups[f"outcomes/{stage}"] = labelled
        groups[f"outcomes/{stage}"] = _with_sizes(groups[f"outcomes/{stage}"], chain, stage, found.sizes)
    groups["members"] = _fates(plan, outcomes)
    attributes = _attributes(study, chain, outcomes, seconds)
    learnt_groups, unverified, complaints = _learnt(chain, learnt)
    groups |= learnt_groups
    complaints += grown.late + sought.complaints
    groups |= {"reliability": sought.table} if sought.table is not None else {}
    attributes["rounds"] = grown.rounds
    attributes["refined"] = [_refined_fate(name, found) for name, found in refined.items()]
    fault: Exception | None = None
    try:
        answers, short = answered(study, chain, plan, outcomes, refined)
        groups |= answers
        complaints += short
        if "summary" in groups:
            groups["summary"] = floored(groups["summary"], groups.get("ledger"), _effective(learnt_groups))
        beside, missing = compared(study, chain, plan, outcomes, alloys)
        groups |= beside
        complaints += missing
        groups |= paired(study, chain, plan, outcomes)
        fields, untold = drawn_fields(chain, plan, outcomes, members)
        groups |= fields
        complaints += untold
        sizes, unmet = sized(study, chain, plan, outcomes)
        groups |= sizes
        complaints += unmet
        attributes["comparisons"] = _comparisons(chain, outcomes, plan)
    except Exception as broken:  # noqa: BLE001  # hours of outcomes are saved before this is raised
        fault = broken
    attributes["complaints"] = complaints
    attributes["unverified"] = unverified
    attributes["references"] = sorted({line for stage in chain.stages for line in _said(stage.operator, "references")})
    return results.tree(groups, attributes), complaints, fault


def _with_sizes(found: xr.Dataset, chain: Chain, stage: str, sizes: Mapping[str, Any]) -> xr.Dataset:
    """Add ``<port>_size`` for ports whose sizes differ between calls, one column per dimension of the port."""
    for port in (port for port in chain[stage].operator.outputs if port.name in sizes):
        words = {"units": "1", "long_name": f"sizes of {port.name} along {', '.join(port.dims)}"}
        words["sources"] = ", ".join(chain.ancestors[stage])
        found[f"{port.name}_size"] = ((f"{stage}_call", f"{stage}_{port.name}_axis"), sizes[port.name], words)
    return found


def _learnt(chain: Chain, folder: Path) -> tuple[dict[str, xr.Dataset], list[str], list[str]]:
    """Return groups, unverified data and complaints of the laws that were learnt (see `uncertainty.LearnableLaw`).

    A group is ``<group>/<stage>``, and ``<group>/<stage>.<field>`` where a stage has learnt several.
    """
    files = [file for file in sorted(folder.glob("*.nc")) if file.name.partition(".")[0] in chain.names]
    stages = [file.name.partition(".")[0] for file in files]
    groups: dict[str, xr.Dataset] = {}
    unverified: list[str] = []
    complaints: list[str] = []
    for file, stage in zip(files, stages, strict=True):
        try:
            kept = results.load(file)
        except (OSError, ValueError) as fault:
            complaints.append(f"{file.stem}: {file} cannot be read as netCDF, so nobody sees its posterior ({fault})")
            continue
        shortfalls = json.loads(kept.attrs.get("shortfalls", "[]"))
        complaints += [f"{file.stem}: {'; '.join(shortfalls)}"] if shortfalls else []
        words = {key: kept.attrs[key] for key in _WORDS if key in kept.attrs}
        name = file.stem if stages.count(stage) > 1 else stage
        for group, node in kept.children.items():
            found = node.to_dataset()
            for variable in found.variables.values():
                variable.attrs["sources"] = file.stem
            found.attrs["source"] = file.stem
            groups[f"{group}/{name}"] = found.assign_attrs(converged="no" if shortfalls else "yes", **words)
            unverified += _unverified(found) if group == "observed_data" else []
    return groups, unverified, complaints


def _effective(groups: Mapping[str, xr.Dataset]) -> dict[str, float]:
    """Return source -> effective draws behind it, over all answers to what its law is given."""
    found: dict[str, float] = {}
    for name, group in groups.items():
        source = str(group.attrs["source"])
        if name.startswith("given_") and "ess" in group:
            found[source] = float(1.0 / np.mean(1.0 / group["ess"].values))
        elif "effective_draws" in group.attrs:
            found.setdefault(source, float(group.attrs["effective_draws"]))
    return found


def _unverified(data: xr.Dataset) -> list[str]:
    """Return the data of a likelihood whose numbers were not verified, in words."""
    return [
        f"{name}: {one.attrs.get('note', '')}"
        for name, one in data.data_vars.items()
        if one.attrs.get("verified") == "no"
    ]


def _said(operator: Any, name: str) -> tuple[Any, ...]:
    method = getattr(operator, name, None)
    return tuple(method()) if callable(method) else ()


def _fates(plan: Plan, outcomes: Outcomes) -> xr.Dataset:
    """Return what became of every member; seconds count the calls that this member was the first to need."""
    count = len(plan.members)
    seconds = np.zeros(count)
    hosts = np.full(count, "", dtype=object)
    for name in outcomes:
        found = outcomes[name]
        np.add.at(seconds, found.calls.first_member, np.nan_to_num(found.seconds))
        hosts[found.calls.first_member] = found.hosts
    status = [Status(int(one)).word for one in outcomes.member_status()]
    why = outcomes.member_reasons()
    addresses = (str(plan.members[i]) for i in range(count))
    return results.members(addresses, status, [why.get(i, "") for i in range(count)], seconds, [str(h) for h in hosts])


def _refined_fate(name: str, outcomes: Outcomes) -> dict[str, Any]:
    """Return how many members a refinement computed, how many of them failed, and why."""
    counts = Counter(outcomes.member_reasons().values())
    lost = int((outcomes.member_status() != Status.DONE).sum())
    reasons = [{"why": why, "n": n} for why, n in counts.most_common()]
    return {"name": name, "members": len(outcomes.members), "failed": lost, "reasons": reasons}


def _attributes(study: Study, chain: Chain, outcomes: Outcomes, seconds: float) -> dict[str, Any]:
    stages = []
    for stage in chain.stages:
        found = outcomes[stage.name]
        failed = int(((found.status != Status.DONE) & (found.status != Status.PENDING)).sum())
        spent = float(np.nansum(found.seconds))
        stages.append(
            {"name": stage.name, "scale": stage.scale, "calls": len(found.calls), "failed": failed, "seconds": spent}
        )
    sources = [
        {"name": s.name, "stage": s.stage, "kind": str(s.kind), "given": list(s.given), "long_name": s.long_name}
        for s in chain.sources
    ]
    return {
        "title": study.title,
        "about": study.about,
        "study": study.text,
        "seed": str(study.seed),
        "chain": chain.draw(),
        "stages": json.dumps(stages),
        "sources": json.dumps(sources),
        "versions": json.dumps(versions()),
        "seconds": f"{seconds:.1f}",
        "target_se": str(study.members.target_se),
        "tolerated_failures": str(study.run.tolerate_failures),
        "command": f"uqmsm run {study.path}",
        "format": str(results.FORMAT),
    }


def _comparisons(chain: Chain, outcomes: Outcomes, plan: Plan) -> list[dict[str, Any]]:
    """Return predictions beside measurements that were kept out of every likelihood, misses included."""
    found = []
    for stage in chain.stages:
        for one in _said(stage.operator, "comparisons"):
            try:
                giver, port = chain.giver(one["port"])
            except StudyError:
                continue  # this chain does not compute the quantity
            values = outcomes.member_values(giver, port.name)[plan.rows]
            if np.isfinite(values).sum() < 2:
                continue  # no prediction to lay beside the measurement
            found.append(
                {**one, "predicted": float(np.nanmean(values)), "predicted_sd": float(np.nanstd(values, ddof=1))}
            )
    return found
