"""Everything a run leaves behind as one tree: outcomes, answers, posterior, members, and where it came from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from uqmsm import results
from uqmsm.answering import Plan, answer_groups
from uqmsm.chain import Chain
from uqmsm.errors import StudyError
from uqmsm.execution.outcomes import Outcomes
from uqmsm.execution.taskfile import Status
from uqmsm.fingerprint import versions
from uqmsm.study import Study

__all__ = ["record"]


def record(
    study: Study,
    chain: Chain,
    plan: Plan,
    outcomes: Outcomes,
    refined: Mapping[str, Outcomes],
    *,
    learnt: Path,
    seconds: float,
) -> tuple[xr.DataTree, dict[str, str]]:
    """Assemble the results tree of a run.

    Parameters
    ----------
    study, chain, plan, outcomes, refined
        What was asked, what was run, and what it gave.
    learnt
        Folder of the posteriors of this run, one file ``<stage>.<field>.nc`` each.
    seconds
        Wall time of this run so far.

    Returns
    -------
    tree
        As `uqmsm.open` gives it back.
    complaints
        Stage.field -> why a learnt law has not converged.
    """
    groups: dict[str, xr.Dataset] = {}
    for stage in chain.names:
        found = outcomes[stage]
        groups[f"outcomes/{stage}"] = results.outcomes(chain, stage, found.values, found.calls.indices)
    groups |= answer_groups(study, chain, plan, outcomes, refined)
    groups["members"] = _fates(plan, outcomes)
    complaints: dict[str, str] = {}
    unverified: list[str] = []
    for file in sorted(learnt.glob("*.nc")):
        stage = file.name.partition(".")[0]
        kept = results.load(file)
        shortfalls = json.loads(kept.attrs["shortfalls"])
        if shortfalls:
            complaints[file.stem] = "; ".join(shortfalls)
        unverified += _unverified(kept["observed_data"].to_dataset())
        for name, group in kept.children.items():
            groups[f"{name}/{stage}"] = group.to_dataset().assign_attrs(
                converged="no" if shortfalls else "yes",
                fingerprint=kept.attrs["fingerprint"],
                length=kept.attrs["length"],
            )
    attributes = _attributes(study, chain, outcomes, seconds)
    attributes |= {"unverified": unverified, "comparisons": _comparisons(chain, outcomes, plan)}
    attributes["references"] = sorted({line for stage in chain.stages for line in _said(stage.operator, "references")})
    return results.tree(groups, attributes), complaints


def _unverified(data: xr.Dataset) -> list[str]:
    """Return the data of a likelihood whose numbers were not verified, in words."""
    return [f"{name}: {one.attrs['note']}" for name, one in data.data_vars.items() if one.attrs["verified"] != "yes"]


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
    status = [Status(int(one)).name.lower() for one in outcomes.member_status()]
    why = outcomes.member_reasons()
    addresses = (str(plan.members[i]) for i in range(count))
    return results.members(addresses, status, [why.get(i, "") for i in range(count)], seconds, [str(h) for h in hosts])


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
        "format": "1",
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
            found.append(
                {**one, "predicted": float(np.nanmean(values)), "predicted_sd": float(np.nanstd(values, ddof=1))}
            )
    return found
