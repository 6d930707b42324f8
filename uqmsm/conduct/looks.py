"""How often a run is looked at: what a look costs decides when the next one is due."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter, thread_time
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from uqmsm.conduct.running_answer import Standing, standing

if TYPE_CHECKING:
    from uqmsm.chain import Chain
    from uqmsm.conduct.answering import Plan
    from uqmsm.execution.outcomes import Outcomes
    from uqmsm.study import Study

__all__ = ["SHARE", "Looks"]

SHARE = 0.03
"""Part of the time of a run that may go into looking at it."""


class Looks:
    """Looks at the outcomes from time to time; what looks cost decides when the next one is due.

    Parameters
    ----------
    study
        What is asked.
    answer
        Takes the first answer in one line.
    clock, effort
        Seconds on the wall, and seconds that this thread has computed; for tests.

    Attributes
    ----------
    standings
        How the answers stand, replaced as a whole at each look.
    spent
        Seconds of computing that all looks took.
    """

    def __init__(
        self,
        study: Study,
        answer: Callable[[str], None],
        clock: Callable[[], float] = perf_counter,
        effort: Callable[[], float] = thread_time,
    ) -> None:
        self.standings: tuple[Standing, ...] = ()
        self.spent = 0.0
        self._study, self._answer, self._clock, self._effort = study, answer, clock, effort
        self._began, self._due = clock(), 0.0

    def due(self, through: NDArray[np.bool_]) -> bool:
        """Tell whether to look: when the last look was cheap enough or long enough ago, and when all are through."""
        return self._clock() >= self._due or bool(through.all())

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Count what is done in the context as a look; all looks, the next one included, stay under their share."""
        began, before = self._clock(), self._effort()
        yield
        took = self._effort() - before
        self.spent += took
        self._due = max(began + took / SHARE, self._began + (self.spent + took) / SHARE)

    def look(self, chain: Chain, plan: Plan, outcomes: Outcomes, through: NDArray[np.bool_]) -> None:
        """Look now."""
        self.standings = tuple(standing(ask, chain, plan, outcomes, through) for ask in self._study.ask)
        first = next((one.line() for one in self.standings[:1]), "")
        if first:
            self._answer(first)
