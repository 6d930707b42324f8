"""A run from its first moment to its last: begun in a new folder, or gone on with where it stopped."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from uqmsm.conduct.changes import code_behind, code_changes, refuse_changed
from uqmsm.conduct.finishing import Finished, finish
from uqmsm.conduct.lock import Lock, as_run, first_lock, read_lock, recorded, settled
from uqmsm.conduct.searching import searched
from uqmsm.errors import StudyError
from uqmsm.fingerprint import digest
from uqmsm.study import Study, dump, load
from uqmsm.trust import never_world_writable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from uqmsm.chain import Chain
    from uqmsm.conduct.answering import Plan
    from uqmsm.execution.backends import Backend
    from uqmsm.execution.dispatch import Observer
    from uqmsm.execution.journal import RunFolder
    from uqmsm.execution.outcomes import Outcomes
    from uqmsm.study.parts import Composition

__all__ = ["conducted", "opened", "place_of", "resume", "run", "teller"]


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:40] or "study"


def run(
    study: Study | str | os.PathLike[str],
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
        A checked study, or where one is written: its folder or file.
    out
        The run folder; ``runs/<title>-<fingerprint>`` when left out.
    workers
        Worker processes; 0 runs in this very process. The study's own setting when left out.
    cluster
        ``local`` or the address of a scheduler.
    observer
        Is told how it goes.

    Returns
    -------
    Finished
        Its folder, exit code, answers as plain data and in words; ``uqmsm.open(finished.folder)`` has the ensemble.

    Raises
    ------
    StudyError
        When the study is wrong, or the folder holds a run already.
    EnvironmentFault
        When the machine fails; what was finished is kept.
    """
    from uqmsm.execution.journal import RunFolder

    study = study if isinstance(study, Study) else load(os.fspath(study))
    place = Path(out) if out is not None else Path("runs") / f"{_slug(study.title)}-{digest(dump(study))[:8]}"
    if (place / "journal.jsonl").exists():
        read_lock(place)  # a run that nobody can go on with is told as such
        raise StudyError(f"{place} holds a run already; go on with it: uqmsm resume {place}, or give another --out")
    lock = first_lock(study, code_behind(study.chain))
    # the backend first: a scheduler that is not there leaves no run folder behind
    with place_of(study, workers, cluster, observer) as backend, RunFolder.create(place, recorded(lock)) as folder:
        return conducted(study, folder, lock, backend, observer)


def resume(
    folder: str | os.PathLike[str],
    *,
    workers: int | None = None,
    cluster: str | None = None,
    observer: Observer | None = None,
) -> Finished:
    """Go on with a run where it stopped.

    What was finished is used as it is, unless the code, a table or an engine behind it has changed since: that is said,
    and those stages are computed again.

    Parameters
    ----------
    folder
        The run folder.
    workers, cluster, observer
        As for `run`; the study's own settings when left out, whatever the run was begun with.

    Raises
    ------
    StudyError
        When there is no run, or its study file has changed since: every setting that did is shown.
    """
    path, say = Path(folder), teller(observer)
    lock = read_lock(path)
    refuse_changed(path, lock, say)
    study = as_run(path, lock)
    code = code_behind(study.chain)
    for words, stages in code_changes(lock, code, study.chain).items():
        which = ", ".join(stages)
        say(f"{words}: what {which} gave before is not used; put back as it was, it is used again")
    with place_of(study, workers, cluster, observer) as backend, opened(path, say) as there:
        return conducted(study, there, settled(there, lock, study, code), backend, observer)


def teller(observer: Observer | None) -> Callable[[str], None]:
    """Return what takes a line for people."""
    return observer.said if observer is not None else (lambda _: None)


def opened(path: Path, say: Callable[[str], None]) -> RunFolder:
    """Return the run folder, also when its run was killed between its study and its first line."""
    from uqmsm.execution.journal import RunFolder

    return RunFolder.open(path, say) if (path / "journal.jsonl").exists() else RunFolder.create(path)


@contextmanager
def place_of(study: Study, workers: int | None, cluster: str | None, observer: Observer | None) -> Iterator[Backend]:
    """Open where a study runs: as it says itself, or as its caller does."""
    from uqmsm.execution.clusters import open_backend

    wanted = workers if workers is not None else study.run.workers
    place = cluster or study.run.cluster
    say = observer.said if observer is not None else None
    with never_world_writable():
        backend = open_backend(wanted if wanted is not None else (os.cpu_count() or 1), place, say)
        try:
            yield backend
        finally:
            backend.close()


def conducted(study: Study, folder: RunFolder, lock: Lock, backend: Backend, observer: Observer | None) -> Finished:
    """Run what a folder lacks of its study, and answer it.

    Parameters
    ----------
    study, folder, lock
        The run.
    backend, observer
        Where it runs, and who is told.
    """
    from uqmsm.conduct.live import watching
    from uqmsm.conduct.rounds import grow
    from uqmsm.execution.dispatch import execute
    from uqmsm.execution.learning import learn

    began = perf_counter()
    with watching(study, folder, backend, observer) as live:
        with backend.recorded(folder.path / "dask.html"):
            live.phase("learning from data")
            chain = learn(study.chain, study.seed, folder, backend, live.said)

            def go(plan: Plan) -> Outcomes:
                partial = live.partial(chain, plan, backend.slots)
                table = plan.members.table
                watched: dict[str, Any] = {"observer": live, "partial": partial, "limits": study.run.limits}
                return execute(chain, study.seed, table, folder, backend=backend, **watched)

            grown = grow(study, chain, folder, lock, go, live.said)
            refined = {
                one.name: _refined(study, chain, grown.plan, one.name, folder, backend, live)
                for one in study.refinements
            }
            alloys = {
                one.name: _alloy(study, chain, grown.plan, one, folder, backend, live) for one in study.compositions
            }
            with folder.remembering():
                sought = searched(study, chain, _searcher(study, chain, folder, backend, live), live.said)
        live.phase("answering")
        finished = finish(study, chain, grown, refined, alloys, sought, folder, perf_counter() - began)
        live.ended(finished.exit_code, finished.summary["not_converged"])
    return finished


class _Labelled:
    """An observer's view of a refinement or a further alloy: every stage under its name."""

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


def _searcher(
    study: Study, chain: Chain, folder: RunFolder, backend: Backend, observer: Observer
) -> Callable[[NDArray[np.int64]], Outcomes]:
    """Return what runs the members that a round of searches asks for."""
    from uqmsm.execution.dispatch import execute

    there: dict[str, Any] = {"backend": backend, "limits": study.run.limits, "purpose": "search"}

    def go(table: NDArray[np.int64]) -> Outcomes:
        return execute(chain, study.seed, table, folder, observer=_Labelled(observer, "search"), **there)

    return go


def _alloy(
    study: Study,
    chain: Chain,
    members: Plan,
    one: Composition,
    folder: RunFolder,
    backend: Backend,
    observer: Observer | None,
) -> Outcomes:
    """Run all members with another composition: the same addresses, and every stage upstream of it as it was."""
    from uqmsm.execution.dispatch import execute

    operator: Any = chain[one.stage].operator
    other = chain.replaced(one.stage, replace(operator, composition=one.composition))
    watch = None if observer is None else _Labelled(observer, one.name)
    there: dict[str, Any] = {"backend": backend, "observer": watch, "limits": study.run.limits}
    return execute(other, study.seed, members.members.table, folder, purpose=f"composition {one.name}", **there)


def _refined(
    study: Study,
    chain: Chain,
    members: Plan,
    name: str,
    folder: RunFolder,
    backend: Backend,
    observer: Observer | None,
) -> Outcomes:
    from uqmsm.execution.dispatch import execute

    one = next(refinement for refinement in study.refinements if refinement.name == name)
    # the learnt chain's operator with the finer setting: the study's refined operator knows no learnt law
    settings = {key: getattr(one.operator, key) for key in one.set}
    operator: Any = chain[one.stage].operator
    finer = chain.replaced(one.stage, replace(operator, **settings))
    table = members.members.table[members.pairs[: one.pairs]]
    watch = None if observer is None else _Labelled(observer, f"{name} refined")
    limits = study.run.limits
    return execute(finer, study.seed, table, folder, backend=backend, observer=watch, purpose=name, limits=limits)
