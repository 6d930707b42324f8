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

from uqmsm.conduct.overview import beside, newest, plan, read_lock, report, status
from uqmsm.errors import StudyError
from uqmsm.fingerprint import digest, versions
from uqmsm.study import Study, dump, load

if TYPE_CHECKING:
    import xarray as xr

    from uqmsm.chain import Chain
    from uqmsm.conduct.answering import Plan
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


def _texts(study: Study) -> dict[str, str]:
    return {"study.yaml": study.text or dump(study), "study.lock.json": json.dumps(_lock(study), indent=2)}


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
    if (place / "journal.jsonl").exists():
        read_lock(place)  # a run that nobody can go on with is told as such
        raise StudyError(f"{place} holds a run already; go on with it: uqmsm resume {place}, or give another --out")
    # the backend first: a scheduler that is not there leaves no run folder behind
    with _backend(study, workers, cluster, observer) as backend, RunFolder.create(place, _texts(study)) as folder:
        return _conduct(study, folder, backend, observer)


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
    lock = read_lock(path)
    _refuse_change(path, lock)
    source = Path(lock["source"]) if lock.get("source") else None
    study = load(path / "study.yaml", beside=source.parent if source is not None else None)
    say = observer.said if observer is not None else (lambda _: None)
    changed = {k: (v, versions().get(k)) for k, v in lock["versions"].items() if versions().get(k) != v}
    for name, (old, new) in changed.items():
        what = "whose code changed" if name == "uqmsm" else "that import it"
        say(f"{name} was {old} and is {new}: results of stages {what} are computed again")
    begun = (path / "journal.jsonl").exists()  # else it was killed between its study and its first line
    with (
        _backend(study, workers, cluster, observer) as backend,
        RunFolder.open(path, say) if begun else RunFolder.create(path) as opened,
    ):
        return _conduct(study, opened, backend, observer)


def _refuse_change(path: Path, lock: Mapping[str, Any]) -> None:
    """Refuse when either the run's own study file, or the file it was made from, says something else now."""
    pairs = [("study.yaml of the run", lock["resolved"], dump(load(path / "study.yaml", beside=beside(lock))))]
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


def _conduct(study: Study, folder: RunFolder, backend: Backend, observer: Observer | None) -> Finished:
    from uqmsm.conduct.answering import planned
    from uqmsm.conduct.running_answer import running_answer
    from uqmsm.execution.dispatch import execute
    from uqmsm.execution.learning import learn

    began = perf_counter()
    members = planned(study)
    tell: Callable[[str], None] = observer.said if observer is not None else (lambda _: None)
    with backend.recorded(folder.path / "dask.html"):
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
        refined = {
            one.name: _refined(study, chain, members, one.name, folder, backend, observer) for one in study.refinements
        }
    return _finish(study, chain, members, outcomes, refined, folder, perf_counter() - began)


class _Labelled:
    """An observer's view of a refinement: every stage under the refinement's name."""

    def __init__(self, observer: Observer, name: str) -> None:
        self._observer, self._name = observer, name

    def started(self, stages: Mapping[str, int], dashboard: str) -> None:
        """Pass on the stages."""
        self._observer.started({f"{self._name}: {stage}": calls for stage, calls in stages.items()}, dashboard)

    def advanced(self, stage: str, done: int, failed: int, total: int) -> None:
        """Pass on the counts."""
        self._observer.advanced(f"{self._name}: {stage}", done, failed, total)

    def states(self, stage: str, counts: Mapping[str, int]) -> None:
        """Pass on the states."""
        self._observer.states(f"{self._name}: {stage}", counts)

    def said(self, line: str) -> None:
        """Pass on a line."""
        self._observer.said(line)

    def finished(self) -> None:
        """Pass on the end."""
        self._observer.finished()


def _refined(
    study: Study,
    chain: Chain,
    members: Plan,
    name: str,
    folder: RunFolder,
    backend: Backend,
    observer: Observer | None,
) -> Outcomes:
    from dataclasses import replace

    from uqmsm.execution.dispatch import execute

    one = next(refinement for refinement in study.refinements if refinement.name == name)
    # the learnt chain's operator with the finer setting: the study's refined operator knows no learnt law
    settings = {key: getattr(one.operator, key) for key in one.set}
    operator: Any = chain[one.stage].operator
    finer = chain.replaced(one.stage, replace(operator, **settings))
    table = members.members.table[members.pairs[: one.pairs]]
    watch = None if observer is None else _Labelled(observer, f"{name} refined")
    return execute(finer, study.seed, table, folder, backend=backend, observer=watch, purpose=name)


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
    from uqmsm.conduct.recording import record
    from uqmsm.report import ledger_text, write
    from uqmsm.report.terminal import failures_text

    tree, late, fault = record(study, chain, members, outcomes, refined, learnt=folder.posterior, seconds=seconds)
    results.save(tree, folder.path / "results.nc")  # first of all: what was computed is there whatever comes now
    if fault is not None:
        raise fault
    write(tree, folder.path)
    fates = tree["members"].to_dataset()["status"].values
    counts: Counter[str] = Counter(str(fate) for fate in fates)
    failed = 1 - counts.get("done", 0) / len(members.members)
    code = 3 if failed > study.run.tolerate_failures else 4 if late else 0
    lines = ledger_text(tree)
    if failed > 0:
        lines.append(failures_text(tree, study.run.tolerate_failures))
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
