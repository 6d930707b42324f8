"""A run seen from outside: what it would do, how far it is, which one was last, and its page again."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from uqmsm.errors import StudyError
from uqmsm.study import Study, load

if TYPE_CHECKING:
    from uqmsm.chain import Chain

__all__ = ["beside", "newest", "plan", "read_lock", "report", "status"]


def plan(study: Study) -> dict[str, Any]:
    """Return what a run would do, without doing it: chain, sources, members, calls after sharing, memory."""
    from uqmsm.answering import planned
    from uqmsm.execution.calls import calls_of

    members = planned(study)
    calls = calls_of(study.chain, study.seed, members.members.table)
    refined = sum(min(one.pairs, members.design.rows) for one in study.refinements)
    seconds = _seconds(study.chain)
    return {
        "study": study.title,
        "chain": study.chain.draw(),
        "sources": [
            {"source": s.label, "kind": str(s.kind), "given": list(s.given), "what": s.long_name}
            for s in study.chain.sources
        ],
        "members": len(members.members),
        "rows": members.design.rows,
        "members_per_row": members.design.members_per_row,
        "band": None
        if members.nested is None
        else f"{members.nested.draws} epistemic draws of {members.nested.inner} inner members",
        "refined_members": refined,
        "calls": {name: len(found) for name, found in calls.items()},
        "seconds_per_call": seconds,
        "core_seconds": round(sum(len(calls[name]) * each for name, each in seconds.items() if each is not None), 1),
        "memory_MB": round(sum(found.keys.nbytes + found.indices.nbytes for found in calls.values()) / 1e6, 1),
    }


def _seconds(chain: Chain) -> dict[str, float | None]:
    """Return what each operator says that a call costs; learning a posterior comes on top."""
    operators = [stage.operator for stage in chain.stages]
    found: dict[str, float | None] = {}
    for position, stage in enumerate(chain.stages):
        cost = getattr(stage.operator, "cost", None)
        found[stage.name] = round(float(cost(operators[:position])), 6) if callable(cost) else None
    return found


def newest(folder: str | os.PathLike[str] = "runs") -> Path:
    """Return the run folder that was touched last.

    Raises
    ------
    StudyError
        When there is none.
    """
    runs = sorted(Path(folder).glob("*/journal.jsonl"), key=lambda file: file.stat().st_mtime)
    if not runs:
        raise StudyError(f"there is no run in {folder}; start one with: uqmsm run STUDY, or name the run folder")
    return runs[-1].parent


def status(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Return how a run stands, from its files alone: works from another terminal, during and after the run."""
    from uqmsm.execution.journal import in_use, progress, read_journal

    path = Path(folder)
    lock = read_lock(path)
    study = load(path / "study.yaml", beside=beside(lock))
    entries, trouble = read_journal(path)
    wanted, reached = plan(study)["calls"], progress(path)
    ends = [entry for entry in entries if entry.get("kind") == "finished"]
    state = "running" if in_use(path) else "finished" if ends else "interrupted"
    return {
        "run": str(path),
        "study": study.title,
        "state": state,
        "by": in_use(path),
        "stages": {
            name: dict(zip(("done", "failed", "calls"), reached.get(name, (0, 0, wanted[name])), strict=True))
            for name in study.chain.names
        },
        "exit_code": ends[-1].get("exit_code") if ends else None,
        "trouble": trouble,
    }


def read_lock(path: Path) -> dict[str, Any]:
    """Return what a run folder knows of its study.

    Raises
    ------
    StudyError
        When it is no run folder.
    """
    file = path / "study.lock.json"
    if not file.is_file():
        raise StudyError(f"{path} is no run folder (it has no study.lock.json); start one with: uqmsm run STUDY")
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def beside(lock: Mapping[str, Any]) -> Path | None:
    """Return the folder of the user's own modules and data files."""
    return Path(lock["source"]).parent if lock.get("source") else None


def report(folder: str | os.PathLike[str]) -> Path:
    """Write ``report.html`` anew from the results of a run and return its path."""
    from uqmsm import results
    from uqmsm.report import write

    return write(results.load(folder), Path(folder))
