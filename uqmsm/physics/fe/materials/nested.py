"""A solid whose every point owns a block of grains (FE squared); the blocks and how they are strained are arguments.

What is asked of a block (`uqmsm.physics.rve.plastic` can): ``begin(cell)`` gives a state; ``advance(cell, state, strain
increment, step_s)`` the end of a step with ``state``, ``mean_stress`` (6,) and ``tangent`` of its voxels;
``tangent(cell, tangent)`` the (6, 6) of the block. All Mandel, MPa. Points that ask the same of the same block in the
same state are answered once: that is exact, for increments are compared by their bytes, never by closeness.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.fe.materials.solid import Response

__all__ = ["Nested"]

Floats = NDArray[np.float64]
Question = tuple[int, Any, Floats, float]


@dataclass(frozen=True)
class _Memory:
    """What points remember: the strain (points, 6) at the end of the last step, and the states of their blocks."""

    strain: Floats
    states: tuple[Any, ...]


@dataclass(frozen=True)
class Nested:
    """Blocks of grains at the points of a component.

    Parameters
    ----------
    cells : sequence
        The blocks.
    owner : ndarray of int, shape (points,)
        Which block each point owns; zero for all when it has one entry.
    begin, advance, tangent : callable
        See the head of this file.
    mapped : callable
        Applies a function to many questions, here or elsewhere; the built-in `map` by default.
    symmetric : bool
        Whether the tangents of the blocks are.
    """

    cells: Sequence[Any]
    owner: NDArray[np.int64]
    begin: Callable[[Any], Any]
    advance: Callable[[Any, Any, Floats, float], Any]
    tangent: Callable[[Any, Any], Floats]
    mapped: Callable[[Callable[[Question], Any], Iterable[Question]], Iterable[Any]] = map
    symmetric: bool = False

    def virgin(self, points: int) -> _Memory:
        """Return the states of blocks that were never strained.

        Raises
        ------
        StudyError
            When there are not as many owners as points.
        """
        if len(self.owner) not in {1, points} or self.owner.max() >= len(self.cells):
            raise StudyError(
                f"nested: {len(self.owner)} owners up to number {self.owner.max()} for {points} points and "
                f"{len(self.cells)} blocks; give one for each point, or one for all"
            )
        first = [self.begin(cell) for cell in self.cells]
        return _Memory(np.zeros((points, 6)), tuple(first[k] for k in np.broadcast_to(self.owner, (points,))))

    def respond(self, strain: Floats, memory: _Memory, step_s: float) -> Response:
        """See `uqmsm.physics.fe.materials.solid.Solid.respond`: every distinct question is asked once."""
        increment = strain - memory.strain
        owner = np.broadcast_to(self.owner, (len(strain),))
        asked: dict[tuple[int, int, bytes], int] = {}
        questions: list[Question] = []
        answer_of = np.empty(len(strain), dtype=np.int64)
        for point, (cell, state) in enumerate(zip(owner.tolist(), memory.states, strict=True)):
            key = (cell, id(state), increment[point].tobytes())  # states are never changed, so that one is its identity
            if key not in asked:
                asked[key] = len(questions)
                questions.append((cell, state, increment[point], step_s))
            answer_of[point] = asked[key]
        answers = list(self.mapped(self._answer, questions))
        stress = np.array([answer[0] for answer in answers])[answer_of]
        tangent = np.array([answer[1] for answer in answers])[answer_of]
        return Response(stress, tangent, _Memory(strain.copy(), tuple(answers[k][2] for k in answer_of)))

    def _answer(self, question: Question) -> tuple[Floats, Floats, Any]:
        """Strain one block."""
        number, state, increment, step_s = question
        cell = self.cells[number]
        end = self.advance(cell, state, increment, step_s)
        return end.mean_stress, self.tangent(cell, end.tangent), end.state
