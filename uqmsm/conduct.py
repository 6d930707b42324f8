"""A study from its file to its report: plan it, run it, go on with it, look at it."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from difflib import unified_diff
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from uqmsm.errors import StudyError
from uqmsm.fingerprint import digest, versions
from uqmsm.study import Study, dump, load

if TYPE_CHECKING:
    import xarray as xr

    from uqmsm.answering import Plan
    from uqmsm.chain import Chain
    from uqmsm.execution.backends import Backend
    from uqmsm.execution.dispatch import Observer
    from uqmsm.execution.journal import RunFolder
    from uqmsm.execution.outcomes import Outcomes

__all__ = ["Finished", "newest", "plan", "report", "resume", "run", "status"]


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


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:40] or "study"


def _lock(study: Study) -> dict[str, Any]:
    source = study.path.resolve() if study.path is not None else None
    return {
        "format": 1,
        "seed": study.seed,
        "resolved": dump(study),
        "fingerprint": digest(dump(study)),
        "versions": versions(),
        "source": None if source is None else str(source),
        "source_text": source.read_text(encoding="utf-8") if source is not None and source.is_file() else None,
    }


def run(
    study: Study,
    out: str | os.PathLike[str] | None = None,
    *,
    workers: int | None = None,
    cluster: str | None = None,
    observer: Observer | None = None,
) -> Finished:
    """Run a study in a new run folder and answer its questions.

    Parameters
    ----------
    study
        A checked study.
    out
        The run folder; ``runs/<title>-<fingerprint>`` when left out.
    workers
        Worker processes; 0 runs in this very process. The study's own setting when left out.
    cluster
        ``local`` or the address of a scheduler.
    observer
        Is told how it goes.

    Raises
    ------
    StudyError
        When the folder holds a run already.
    EnvironmentFault
        When the machine fails; what was finished is kept.
    """
    from uqmsm.execution.journal import RunFolder

    place = Path(out) if out is not None else Path("runs") / f"{_slug(study.title)}-{digest(dump(study))[:8]}"
    with RunFolder.create(place) as folder:
        (folder.path / "study.yaml").write_text(study.text or dump(study), encoding="utf-8")
        (folder.path / "study.lock.json").write_text(json.dumps(_lock(study), indent=2), encoding="utf-8")
        return _conduct(study, folder, workers, cluster, observer)


def resume(
    folder: str | os.PathLike[str],
    *,
    workers: int | None = None,
    cluster: str | None = None,
    observer: Observer | None = None,
) -> Finished:
    """Go on with a run where it stopped.

    Raises
    ------
    StudyError
        When there is no run, or its study file has changed since: the difference is shown.
    """
    from uqmsm.execution.journal import RunFolder

    path = Path(folder)
    lock = _read_lock(path)
    _refuse_change(path, lock)
    source = Path(lock["source"]) if lock.get("source") else None
    study = load(path / "study.yaml", beside=source.parent if source is not None else None)
    say = observer.said if observer is not None else (lambda _: None)
    changed = {k: (v, versions().get(k)) for k, v in lock["versions"].items() if versions().get(k) != v}
    for name, (old, new) in changed.items():
        say(f"{name} was {old} and is {new}: results of stages that use it are computed again")
    with RunFolder.open(path, say) as opened:
        return _conduct(study, opened, workers, cluster, observer)


def _read_lock(path: Path) -> dict[str, Any]:
    file = path / "study.lock.json"
    if not file.is_file():
        raise StudyError(f"{path} is no run folder (it has no study.lock.json); start one with: uqmsm run STUDY")
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def _refuse_change(path: Path, lock: Mapping[str, Any]) -> None:
    """Refuse when either the run's own study file, or the file it was made from, says something else now."""
    pairs = [("study.yaml of the run", lock["resolved"], dump(load(path / "study.yaml", beside=_beside(lock))))]
    source = lock.get("source")
    if source and lock.get("source_text") is not None and Path(source).is_file():
        pairs.append((source, lock["source_text"], Path(source).read_text(encoding="utf-8")))
    for name, old, new in pairs:
        if old != new:
            shown = "\n".join(unified_diff(old.splitlines(), new.splitlines(), "as run", "now", lineterm="", n=1))
            raise StudyError(
                f"{name} has changed since this run began, so its members would not belong together:\n{shown}\n"
                "undo the change to go on, or start a new run: uqmsm run STUDY"
            )


def _beside(lock: Mapping[str, Any]) -> Path | None:
    return Path(lock["source"]).parent if lock.get("source") else None


@contextmanager
def _backend(study: Study, workers: int | None, cluster: str | None, observer: Observer | None) -> Iterator[Backend]:
    from uqmsm.execution.clusters import open_backend

    wanted = workers if workers is not None else study.run.workers
    place = cluster or study.run.cluster
    say = observer.said if observer is not None else None
    backend = open_backend(
        wanted if wanted is not None else (os.cpu_count() or 1), "" if place == "local" else place, say
    )
    try:
        yield backend
    finally:
        backend.close()


def _conduct(
    study: Study, folder: RunFolder, workers: int | None, cluster: str | None, observer: Observer | None
) -> Finished:
    from uqmsm.answering import planned
    from uqmsm.execution.dispatch import execute
    from uqmsm.execution.learning import learn
    from uqmsm.running_answer import running_answer

    began = perf_counter()
    members = planned(study)
    tell: Callable[[str], None] = observer.said if observer is not None else (lambda _: None)
    with _backend(study, workers, cluster, observer) as backend:
        chain = learn(study.chain, study.seed, folder, backend, tell)
        outcomes = execute(
            chain,
            study.seed,
            members.members.table,
            folder,
            backend=backend,
            observer=observer,
            partial=running_answer(study, chain, members, observer),
        )
        refined = {one.name: _refined(study, chain, members, one.name, folder, backend) for one in study.refinements}
    return _finish(study, chain, members, outcomes, refined, folder, perf_counter() - began)


def _refined(study: Study, chain: Chain, members: Plan, name: str, folder: RunFolder, backend: Backend) -> Outcomes:
    from dataclasses import replace

    from uqmsm.execution.dispatch import execute

    one = next(refinement for refinement in study.refinements if refinement.name == name)
    # the learnt chain's operator with the finer setting: the study's refined operator knows no learnt law
    settings = {key: getattr(one.operator, key) for key in one.set}
    operator: Any = chain[one.stage].operator
    finer = chain.replaced(one.stage, replace(operator, **settings))
    table = members.members.table[members.pairs[: one.pairs]]
    return execute(finer, study.seed, table, folder, backend=backend)


def _finish(
    study: Study,
    chain: Chain,
    members: Plan,
    outcomes: Outcomes,
    refined: Mapping[str, Outcomes],
    folder: RunFolder,
    seconds: float,
) -> Finished:
    from uqmsm import results
    from uqmsm.answering import misses
    from uqmsm.recording import record
    from uqmsm.report import ledger_text, write

    tree, learnt = record(study, chain, members, outcomes, refined, learnt=folder.posterior, seconds=seconds)
    results.save(tree, folder.path / "results.nc")
    write(tree, folder.path)
    fates = tree["members"].to_dataset()["status"].values
    counts: Counter[str] = Counter(str(fate) for fate in fates)
    failed = 1 - counts.get("done", 0) / len(members.members)
    late = [f"{name}: {why}" for name, why in learnt.items()]
    if "ledger" in tree:
        late += misses(tree["ledger"].to_dataset(), study.members.target_se)
    code = 3 if failed > study.run.tolerate_failures else 4 if late else 0
    lines = ledger_text(tree)
    if failed > 0:
        lines.append(
            f"{dict(counts)} of {len(members.members)} members; tolerated are {study.run.tolerate_failures:.1%}"
        )
    lines += [f"not converged: {line}" for line in late]
    folder.note("finished", exit_code=code, seconds=round(seconds, 3))
    return Finished(folder.path, code, _plain(tree, counts, late), lines)


def _plain(tree: xr.DataTree, counts: Mapping[str, int], late: list[str]) -> dict[str, Any]:
    """Return answers and shares as plain data."""
    found: dict[str, Any] = {"members": dict(counts), "not_converged": late, "answers": {}, "ledger": {}}
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


def _number(value: Any) -> float | None:
    number = float(np.asarray(value).item())
    return number if np.isfinite(number) else None


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
    from uqmsm.execution.journal import in_use, read_journal

    path = Path(folder)
    lock = _read_lock(path)
    study = load(path / "study.yaml", beside=_beside(lock))
    entries, trouble = read_journal(path)
    wanted = plan(study)["calls"]
    done: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    for entry in entries:
        if entry.get("kind") == "task":
            done[entry["stage"]] += int(entry["done"])
            failed[entry["stage"]] += int(entry["calls"]) - int(entry["done"])
    ends = [entry for entry in entries if entry.get("kind") == "finished"]
    state = "running" if in_use(path) else "finished" if ends else "interrupted"
    return {
        "run": str(path),
        "study": study.title,
        "state": state,
        "by": in_use(path),
        "stages": {n: {"done": done[n], "failed": failed[n], "calls": wanted[n]} for n in study.chain.names},
        "exit_code": ends[-1].get("exit_code") if ends else None,
        "trouble": trouble,
    }


def report(folder: str | os.PathLike[str]) -> Path:
    """Write ``report.html`` anew from the results of a run and return its path."""
    from uqmsm import results
    from uqmsm.report import write

    return write(results.load(folder), Path(folder))
