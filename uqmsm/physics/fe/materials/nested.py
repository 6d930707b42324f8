"""A solid whose every point owns a block of grains (FE squared); the blocks and how they are strained are arguments.

What is asked of a block (`uqmsm.physics.rve.plastic` can): ``begin(cell)`` gives a state; ``advance(cell, state, strain
increment, step_s)`` the end of a step with ``state``, ``mean_stress`` (6,) and ``tangent`` of its voxels;
``tangent(cell, tangent)`` the (6, 6) of the block. All Mandel, MPa. Points that ask the same of the same block in the
same state are answered once: that is exact, for increments are compared by their bytes, never by closeness.

A gate may say of a block that was never asked that a strain leaves it elastic: the point then costs a product with the
stiffness. Once open it stays open; its first question is the whole strain, for an elastic block remembers nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.fe.materials.solid import Response

__all__ = ["Gate", "Nested"]

Floats = NDArray[np.float64]
Question = tuple[int, Any, Floats, float]


class Gate(Protocol):
    """Tells which blocks stay elastic."""

    @property
    def stiffness_MPa(self) -> Floats:
        """``(blocks, 6, 6)`` Mandel, of the elastic blocks."""
        ...

    def holds(self, cell: int, strain: Floats, step_s: float) -> NDArray[np.bool_]:
        """Tell for a block that has never flowed whether strains ``(n, 6)`` at the end of a step leave it elastic."""
        ...


@dataclass(frozen=True)
class _Memory:
    """What points remember.

    Attributes
    ----------
    strain : ndarray, shape (points, 6)
        Where the state of the block stands: zero while the gate has held, else the end of the last step.
    states : tuple
        Of their blocks.
    open : ndarray of bool, shape (points,)
        Whether the block has been asked.
    """

    strain: Floats
    states: tuple[Any, ...]
    open: NDArray[np.bool_]


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
    gate : Gate
        Blocks are asked from the start when None.
    """

    cells: Sequence[Any]
    owner: NDArray[np.int64]
    begin: Callable[[Any], Any]
    advance: Callable[[Any, Any, Floats, float], Any]
    tangent: Callable[[Any, Any], Floats]
    mapped: Callable[[Callable[[Question], Any], Iterable[Question]], Iterable[Any]] = map
    symmetric: bool = False
    gate: Gate | None = None

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
        states = tuple(first[k] for k in np.broadcast_to(self.owner, (points,)))
        return _Memory(np.zeros((points, 6)), states, np.full(points, self.gate is None))

    def respond(self, strain: Floats, memory: _Memory, step_s: float) -> Response:
        """See `uqmsm.physics.fe.materials.solid.Solid.respond`: every distinct question is asked once."""
        owner = np.broadcast_to(self.owner, (len(strain),))
        asked = memory.open | ~self._held(owner, strain, memory.open, step_s)
        points = np.flatnonzero(asked)
        increment = strain[points] - memory.strain[points]
        place: dict[tuple[int, int, bytes], int] = {}
        questions: list[Question] = []
        answer_of = np.empty(len(points), dtype=np.int64)
        for k, point in enumerate(points.tolist()):
            cell, state = int(owner[point]), memory.states[point]
            key = (cell, id(state), increment[k].tobytes())  # states are never changed, so that one is its identity
            if key not in place:
                place[key] = len(questions)
                questions.append((cell, state, increment[k], step_s))
            answer_of[k] = place[key]
        stress, tangent = self._elastic(owner, strain)
        states, reached = list(memory.states), memory.strain.copy()
        reached[points] = strain[points]
        answers = list(self.mapped(self._answer, questions))
        for k, point in enumerate(points.tolist()):
            stress[point], tangent[point], states[point] = answers[answer_of[k]]
        return Response(stress, tangent, _Memory(reached, tuple(states), asked))

    def _held(
        self, owner: NDArray[np.int64], strain: Floats, opened: NDArray[np.bool_], step_s: float
    ) -> NDArray[np.bool_]:
        """Ask the gate of every block about its points that are still closed."""
        held = np.zeros(len(strain), dtype=np.bool_)
        if self.gate is None or opened.all():
            return held
        for cell in np.unique(owner[~opened]).tolist():
            points = np.flatnonzero((owner == cell) & ~opened)
            held[points] = self.gate.holds(cell, strain[points], step_s)
        return held

    def _elastic(self, owner: NDArray[np.int64], strain: Floats) -> tuple[Floats, Floats]:
        """Answer all points as if they were elastic; those that are asked are written over."""
        if self.gate is None:
            return np.empty((len(strain), 6)), np.empty((len(strain), 6, 6))
        tangent = self.gate.stiffness_MPa[owner]
        return np.einsum("pij,pj->pi", tangent, strain), tangent

    def _answer(self, question: Question) -> tuple[Floats, Floats, Any]:
        """Strain one block."""
        number, state, increment, step_s = question
        cell = self.cells[number]
        end = self.advance(cell, state, increment, step_s)
        return end.mean_stress, self.tangent(cell, end.tangent), end.state
