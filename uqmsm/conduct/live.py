"""A run as it is seen while it goes on: passed on to whoever watches, and kept as the state of its live page."""

from __future__ import annotations

import os
import shlex
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from uqmsm.conduct.live_facts import Pace, seen_in
from uqmsm.conduct.live_words import answer_words
from uqmsm.conduct.looks import Looks
from uqmsm.errors import EnvironmentFault, StudyError

if TYPE_CHECKING:
    from uqmsm.chain import Chain
    from uqmsm.conduct.answering import Plan
    from uqmsm.execution.backends import Backend
    from uqmsm.execution.dashboard import Feed
    from uqmsm.execution.dispatch import Observer, Partial
    from uqmsm.execution.journal import RunFolder
    from uqmsm.execution.outcomes import Outcomes
    from uqmsm.study import Study

__all__ = ["Live", "watching"]

TALK = 6  # last lines shown on the page


class Live:
    """Hears how a run goes, passes it on to another observer, and tells how the whole stands (`state`).

    Parameters
    ----------
    study
        What is run.
    run
        The run folder, as it is written in commands.
    observer
        Hears everything, too.
    """

    def __init__(self, study: Study, run: str, observer: Observer | None = None) -> None:
        self.link = ""
        self.looks = Looks(study, self.answer)
        self._study, self._run, self._watch = study, run, observer
        self._began = self._touched = perf_counter()
        self._lock = threading.Lock()
        self._facts: dict[str, Any] = {"phase": "starting", "next": f"uqmsm status {run}", "closing": "", "end": ""}
        self._stages: dict[str, dict[str, int]] = {name: {} for name in study.chain.names}
        self._talk: deque[tuple[float, str]] = deque(maxlen=TALK)

    def _note(self, **facts: Any) -> None:
        with self._lock:
            self._facts |= facts
            self._touched = perf_counter()

    # --- what is heard

    def started(self, stages: Mapping[str, int], dashboard: str) -> None:
        """Take the numbers of calls, and say where our own page is."""
        refined = next((name.partition(": ")[0] for name in stages if ": " in name), "")
        with self._lock:
            self._stages |= {name: {"waiting": calls} for name, calls in stages.items()}
        if stages:
            self._note(phase=refined or "running")
        if self._watch is not None:
            self._watch.started(stages, self.link or dashboard)

    def advanced(self, stage: str, done: int, failed: int, total: int) -> None:
        """Pass on the counts."""
        if self._watch is not None:
            self._watch.advanced(stage, done, failed, total)

    def states(self, stage: str, counts: Mapping[str, int]) -> None:
        """Take how many calls of a stage are in each state."""
        with self._lock:
            self._stages[stage] = dict(counts)
            self._touched = perf_counter()
        if self._watch is not None:
            self._watch.states(stage, counts)

    def said(self, line: str) -> None:
        """Keep the last lines."""
        with self._lock:
            self._touched = perf_counter()
            self._talk.append((round(self._touched - self._began, 1), line))
        if self._watch is not None:
            self._watch.said(line)

    def answer(self, line: str) -> None:
        """Pass on the answer as it stands, to an observer that wants it."""
        take = getattr(self._watch, "answer", None)
        if take is not None:
            take(line)

    def finished(self) -> None:
        """Pass on that a table of members is through."""
        if self._watch is not None:
            self._watch.finished()

    def phase(self, words: str) -> None:
        """Say what is done now."""
        self._note(phase=words)

    def partial(self, chain: Chain, plan: Plan, slots: int) -> Partial:
        """Return what the dispatcher calls from time to time with the outcomes so far."""
        pace = Pace(slots)

        def seen(outcomes: Outcomes, through: NDArray[np.bool_]) -> None:
            if not self.looks.due(through):
                return
            with self.looks.timed():
                self.looks.look(chain, plan, outcomes, through)
                self._note(**seen_in(plan, outcomes, through), **pace.facts(outcomes))

        return seen

    # --- how it ends

    def ended(self, exit_code: int, complaints: list[str]) -> None:
        """Take how a run that was answered ended."""
        limit = f"{100 * self._study.run.tolerate_failures:g} %"
        words, closing = {
            0: ("every question is answered", "good"),
            3: (f"more members failed than the {limit} that are tolerated", "bad"),
            4: ("not converged to what was asked", "care"),
        }.get(exit_code, ("", "care"))
        after = f"uqmsm report {self._run} --open"
        self._note(phase="finished", closing=closing, end=words, next=after, complaints=complaints)

    def broke(self, fault: BaseException) -> None:
        """Take what a run broke off for."""
        after = f"uqmsm resume {self._run}"
        if isinstance(fault, KeyboardInterrupt):
            words = "what was finished is kept, and the run can go on"
            self._note(phase="interrupted", closing="care", end=words, next=after)
            return
        known = isinstance(fault, (EnvironmentFault, StudyError))
        text = str(fault) if known else f"{type(fault).__name__}: {fault}"
        self._note(phase="failed", closing="bad", end=text, next=after)

    # --- how it stands

    def state(self) -> dict[str, Any]:
        """Return how the run stands, as plain data for JSON; may be called from another thread."""
        with self._lock:
            facts, stages, talk = dict(self._facts), dict(self._stages), list(self._talk)
            elapsed = self._touched - self._began
        each, scale = facts.pop("each", {}), {stage.name: stage.scale for stage in self._study.chain.stages}
        return {
            "format": 1,
            "title": self._study.title,
            "about": self._study.about,
            "run": self._run,
            "elapsed": round(elapsed, 1),
            "tolerated": self._study.run.tolerate_failures,
            "target_se": self._study.members.target_se,
            "stages": [
                {"name": name, "scale": scale.get(name, ""), "states": counts, "each": each.get(name)}
                for name, counts in stages.items()
            ],
            "answers": [answer_words(self._study.chain, one) for one in self.looks.standings],
            "talk": [list(entry) for entry in talk],
            **facts,
        }


@contextmanager
def watching(study: Study, folder: RunFolder, backend: Backend, observer: Observer | None) -> Iterator[Live]:
    """Watch a run from its first to its last moment, with a live page where the backend has a dashboard.

    Parameters
    ----------
    study, folder, backend
        What is run, and where.
    observer
        Hears everything, too.
    """
    near = os.path.relpath(folder.path)
    live = Live(study, shlex.quote(str(folder.path) if near.startswith("..") else near), observer)
    feed = _opened(live, study, folder, backend)
    try:
        yield live
    except BaseException as fault:
        live.broke(fault)
        raise
    finally:
        if feed is not None:
            feed.close()


def _opened(live: Live, study: Study, folder: RunFolder, backend: Backend) -> Feed | None:
    """Return what feeds the page, None where there is none; that is said in a line, and the run goes on."""
    if backend.on_scheduler is None:
        live.said("no live page: there are no workers beside this process (--workers 1 gives one)")
        return None
    if not backend.dashboard:
        return None  # why was said when the backend was opened
    from uqmsm.execution.dashboard import Feed, page
    from uqmsm.report.style import THEME

    try:
        name = f"{folder.path.name}-{os.getpid()}"
        feed = Feed(backend.on_scheduler, backend.dashboard, name, *page(study.title, THEME))
    except Exception as fault:  # noqa: BLE001  # whatever a foreign scheduler raises, the run goes on without
        live.said(f"no live page: the scheduler cannot serve it ({type(fault).__name__}: {fault}); Dask's own is there")
        return None
    live.link = feed.link
    folder.note("live", link=feed.link)
    live.started({}, feed.link)
    feed.follow(live.state)
    return feed
