"""One step of many blocks at once: what the quadrature points of a component ask for, or the members of an ensemble.

`advance_many` is `advance` and `macro_tangent` for a list of questions: block, state and mean strain increment each.
Blocks on one grid are taken in bunches whose transforms are one call; convergence is judged block by block, so that an
answer has the same bytes alone, in any company and on any number of threads. The tangents of voxels, 36 numbers each,
live only as long as their bunch.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import MemberFailed, StudyError
from uqmsm.physics.rve.plastic.block import Accuracy, Block, Condensed, Control, State
from uqmsm.physics.rve.plastic.bunch import Bunch
from uqmsm.physics.rve.plastic.rows import work_left
from uqmsm.physics.rve.plastic.together import Together

__all__ = ["Condensed", "advance_many"]

Array = NDArray[np.float64]

_VOXELS = 16384  # of a bunch: more would leave the cache, fewer would wait for the interpreter


def advance_many(
    cells: Sequence[Block],
    states: Sequence[State],
    strain_increments: Array,
    step_s: float | Array,
    *,
    controls: Sequence[Control] | None = None,
    starts: Sequence[State | None] | None = None,
    accuracy: Accuracy | None = None,
    tangent_tolerance: float | None = 1e-3,
    workers: int = 1,
) -> tuple[Condensed | MemberFailed, ...]:
    """Strain many blocks, each by a mean increment of its own: a pure function of plain arrays.

    A component asks it once per Newton iteration, all points together, and keeps the states it answers when the step
    is accepted::

        states = [cell.virgin() for cell in cells]
        answers = advance_many(cells, states, increments, step_s, starts=last, workers=2)
        stress = np.array([one.mean_stress for one in answers])  # (points, 6); one that failed is an exception
        tangent = np.array([one.tangent for one in answers])  # (points, 6, 6)
        last = [one.state for one in answers]  # the next iteration of the same step looks from here

    Parameters
    ----------
    cells
        One for each question; the same block may stand many times. Grids and schemes are the same for all; grains and
        laws need not be.
    states
        Where each stands; not changed.
    strain_increments
        ``(questions, 6)`` Mandel, from these states.
    step_s
        Duration in seconds, of all or ``(questions,)`` of each.
    controls
        Which mean stresses are prescribed instead, for each; none if left out.
    starts
        Where to look first: the state that another question from the same state was answered with, at a strain nearby.
        It changes the time, and the answer by no more than `accuracy` admits.
    accuracy
        When a step is accepted.
    tangent_tolerance
        Relative residual of the six linear solves of a tangent, whose error is of the order of its square; None to
        have no tangents.
    workers
        Threads.

    Returns
    -------
    tuple
        The end of each step, or why there is none.

    Raises
    ------
    StudyError
        When there is not one state and increment per block, or the blocks are on different grids.
    """
    count = len(cells)
    increments = np.asarray(strain_increments, dtype=np.float64)
    if len(states) != count or increments.shape != (count, 6):
        raise StudyError(
            f"advance_many: {count} blocks, {len(states)} states and increments of shape {increments.shape}; give one "
            "state and six numbers for each block"
        )
    _require_one_grid(cells)
    held = controls or [Control()] * count
    seconds = np.broadcast_to(np.asarray(step_s, dtype=np.float64), (count,))
    first = starts or [None] * count
    accuracy = accuracy or Accuracy()
    size = max(_VOXELS // cells[0].grain_ids.size, 1) if cells else 1

    def answered(begin: int) -> list[Condensed | MemberFailed]:
        span = slice(begin, begin + size)
        step = Together(cells[span], states[span], held[span], accuracy, seconds[span])
        step.run(increments[span], first[span])
        return _told(step, cells[span], tangent_tolerance)

    bunches = range(0, count, size)
    if workers == 1:
        return tuple(one for begin in bunches for one in answered(begin))
    with ThreadPoolExecutor(workers) as pool:
        return tuple(one for found in pool.map(answered, bunches) for one in found)


def _require_one_grid(cells: Sequence[Block]) -> None:
    for number, cell in enumerate(cells):
        same = cell.waves is cells[0].waves or np.array_equal(cell.waves, cells[0].waves)
        if cell.grain_ids.shape != cells[0].grain_ids.shape or not same:
            raise StudyError(
                f"advance_many: block {number} has {cell.grain_ids.shape} voxels or another scheme than the first "
                f"({cells[0].grain_ids.shape}); ask for blocks of one grid together, the others apart"
            )


def _told(step: Together, cells: Sequence[Block], tangent_tolerance: float | None) -> list[Condensed | MemberFailed]:
    """Return the ends of the steps, with the tangents of those that have come to one."""
    ends = [k for k, fault in enumerate(step.faults) if fault is None]
    tangents = np.full((len(cells), 6, 6), np.nan)
    iterations = step.iterations.copy()
    faults = list(step.faults)
    if tangent_tolerance is not None and ends:
        of_voxels = step.tangent if len(ends) == len(cells) else step.tangent[ends]
        found, reached, more = _condensed([cells[k] for k in ends], of_voxels, tangent_tolerance)
        for place, k in enumerate(ends):
            tangents[k] = found[place]
            iterations[k] += more[place]
            if reached[place] > tangent_tolerance:
                faults[k] = MemberFailed(
                    f"advance_many: {reached[place]:.1e} of the force is left in the tangent of a block; allow a "
                    "larger tangent_tolerance"
                )
    return [fault or step.end(k, tangents[k], int(iterations[k])) for k, fault in enumerate(faults)]


def _condensed(cells: Sequence[Block], tangent: Array, tolerance: float) -> tuple[Array, Array, NDArray[np.int64]]:
    """Return the tangents of blocks ``(blocks, 6, 6)``, the largest residual of each, and iterations.

    The force that a field has left works on the displacement of another: with that work the error of a tangent is of
    the order of the product of two residuals, or of one residual and what the tangent is short of being symmetric.
    """
    count = len(cells)
    bunch = Bunch(cells, 6, [np.zeros((6, 0))] * count)
    bare = np.moveaxis(tangent, (-1, -2), (1, 2)).reshape(6 * count, 6, *bunch.shape)
    force, steer = bunch.answers(bare, bunch.rows)
    for moves in (force, steer):
        moves[0][:] *= -1.0
    wanted, one = np.full(len(bunch.rows), tolerance), np.ones(len(bunch.rows), dtype=np.int64)
    found, reached, iterations = bunch.solve(force, steer, tangent, tolerance=wanted, memory=one, most=1000)
    left = np.empty((count, 6, 6))
    work_left(found[0], force[0], bunch.grid[2], left)
    found[1][:] = np.tile(np.eye(6), (count, 1))
    stress = bunch.stressed(bunch.fields(found, bunch.rows), tangent, bunch.rows)
    means = stress.reshape(count, 6, 6, -1).mean(axis=-1).transpose(0, 2, 1) - left
    return means, reached.reshape(count, 6).max(axis=1), iterations.reshape(count, 6).sum(axis=1)
