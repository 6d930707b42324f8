"""Where tasks run: one interface, and the one that needs no cluster (this very process)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from uqmsm.execution import worker
from uqmsm.execution.watchdog import at_home
from uqmsm.stochastic import Operator

__all__ = ["Backend", "Finished", "InProcess"]


@dataclass(frozen=True)
class Finished:
    """The end of one task: its result, or why its worker was lost."""

    ticket: Hashable
    result: Any = None
    lost: str = ""


class Backend(Protocol):
    """Runs functions somewhere; the questions and the dispatcher see no more of a cluster than this."""

    @property
    def window(self) -> int:
        """How many tasks to keep under way."""
        ...

    @property
    def slots(self) -> int:
        """How many tasks run at the same time."""
        ...

    @property
    def dashboard(self) -> str:
        """Where to watch, or an empty text."""
        ...

    @property
    def on_scheduler(self) -> Callable[..., Any] | None:
        """Call ``function(*args, dask_scheduler=scheduler)`` in the scheduler's process; None where there is none."""
        ...

    def know(self, operators: Mapping[str, Operator]) -> None:
        """Tell every worker, also those that come later, the operators (by fingerprint)."""
        ...

    def warm_up(self, fingerprints: Iterable[str]) -> None:
        """Compile kernels once per machine."""
        ...

    def submit(self, ticket: str, function: Callable[..., Any], argument: Any, *, urgency: int) -> None:
        """Put one task on its way; the one of highest `urgency` runs first."""
        ...

    def finished(self, *, wait: bool) -> list[Finished]:
        """Return the tasks that ended since last asked; `wait` until there is one."""
        ...

    def forget(self) -> None:
        """Give up the tasks that have not ended."""
        ...

    def map(self, function: Callable[..., Any], *iterables: Iterable[Any]) -> list[Any]:
        """Like the builtin `map`, results in order, the calls spread over the workers."""
        ...

    def recorded(self, path: Path) -> AbstractContextManager[None]:
        """Write what the workers did within the context to `path`, where there is something to tell."""
        ...

    def close(self) -> None:
        """End what was started for this backend."""
        ...


class InProcess:
    """Runs tasks one after another in the calling process."""

    window = 1
    slots = 1
    dashboard = ""
    on_scheduler = None

    def __init__(self) -> None:
        self._queue: deque[tuple[str, Callable[..., Any], Any]] = deque()

    def know(self, operators: Mapping[str, Operator]) -> None:
        """Take in the operators."""
        worker.know(operators)

    def warm_up(self, fingerprints: Iterable[str]) -> None:
        """Compile kernels now, so that the first call's seconds are those of a call."""
        for fingerprint in fingerprints:
            worker.warm_up(fingerprint)

    def submit(self, ticket: str, function: Callable[..., Any], argument: Any, *, urgency: int) -> None:
        """Queue one task; with a window of one there is never a second to be more urgent."""
        del urgency
        self._queue.append((ticket, function, argument))

    def finished(self, *, wait: bool) -> list[Finished]:
        """Run the next task, when asked to wait for one."""
        if not wait or not self._queue:
            return []
        ticket, function, argument = self._queue.popleft()
        with at_home():
            return [Finished(ticket, function(argument))]

    def forget(self) -> None:
        """Empty the queue."""
        self._queue.clear()

    def map(self, function: Callable[..., Any], *iterables: Iterable[Any]) -> list[Any]:
        """Run the calls here, in order."""
        return list(map(function, *iterables))

    def recorded(self, path: Path) -> AbstractContextManager[None]:
        """Write nothing: there are no workers."""
        del path
        return nullcontext()

    def close(self) -> None:
        """Nothing was started."""
