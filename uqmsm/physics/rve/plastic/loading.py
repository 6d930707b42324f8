"""How a block is loaded: along a direction of stress, or by any history of mean strain and stress, with cut-back.

A load is one step; its mean strain is prescribed along some directions, its mean stress along the others. A step that
does not converge is halved, and the parts that were taken are kept, so that a history can be replayed bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import MemberFailed, StudyError
from uqmsm.physics.rve.plastic.block import Accuracy, Advanced, Block, Condensed, Control, State
from uqmsm.physics.rve.plastic.many import advance_many
from uqmsm.physics.rve.plastic.newton import equilibrate

__all__ = ["History", "Load", "drive", "drive_many", "proportional", "unit_direction"]

Array = NDArray[np.float64]
Answer: TypeAlias = Advanced | Condensed | MemberFailed

_LEAST = 2**-6  # share of a step below which it is given up


@dataclass(frozen=True)
class Load:
    """One step.

    Attributes
    ----------
    strain_increment
        ``(6,)`` Mandel; only its part outside the free directions counts.
    step_s
        Duration in seconds.
    control
        Free directions, and the mean stress along them at the end of the step.
    """

    strain_increment: Array
    step_s: float
    control: Control = field(default_factory=Control)


@dataclass(frozen=True)
class History:
    """What the block answered, at the end of every load; Mandel, MPa.

    Attributes
    ----------
    strain, stress
        ``(loads, 6)`` means.
    slip
        ``(loads,)`` accumulated slip (or plastic strain), averaged over the volume.
    hill_mandel_gap
        ``(loads,)`` largest of the parts of each load.
    newton
        ``(loads,)`` Newton iterations.
    taken
        The steps as they were taken, parts of loads included.
    last
        The end of the last step.
    """

    strain: Array
    stress: Array
    slip: Array
    hill_mandel_gap: Array
    newton: NDArray[np.int64]
    taken: tuple[Load, ...] = field(repr=False)
    last: Advanced | Condensed = field(repr=False)


def unit_direction(direction: Array) -> Array:
    """Return a direction of stress at unit length.

    Raises
    ------
    StudyError
        When it has none.
    """
    given = np.asarray(direction, dtype=np.float64)
    length = float(np.sqrt(np.sum(given * given)))
    if given.shape != (6,) or not length > 0.0:
        raise StudyError(f"the direction of stress {direction} needs six numbers (Mandel) that are not all zero")
    return given / length


def proportional(direction: Array, strains: Array, rate_per_s: float) -> Iterator[Load]:
    """Yield the loads under which the mean stress keeps its direction, while the strain along it grows.

    Parameters
    ----------
    direction
        ``(6,)`` Mandel; ``(1, 0, 0, 0, 0, 0)`` is uniaxial tension along x.
    strains
        Mean strain along the unit direction at the end of every load, from zero.
    rate_per_s
        Of that strain.

    Raises
    ------
    StudyError
        When the direction has no length or the rate is not positive.
    """
    unit = unit_direction(direction)
    if not rate_per_s > 0.0:
        raise StudyError(f"the strain rate is {rate_per_s:g} per second; it must be positive")
    # Householder's reflection of the first axis on the direction: its other columns span what is at right angles
    mirror = np.eye(6)[0] - unit
    square = float(np.sum(mirror * mirror))
    free = (np.eye(6) - (2.0 / square) * np.outer(mirror, mirror) if square > 0.0 else np.eye(6))[:, 1:]
    before = 0.0
    for strain in strains:
        yield Load((strain - before) * unit, abs(strain - before) / rate_per_s, Control(free))
        before = strain


def drive(
    cell: Block,
    loads: Sequence[Load] | Iterator[Load],
    *,
    state: State | None = None,
    accuracy: Accuracy | None = None,
    enough: Callable[[Array, Array], bool] | None = None,
) -> History:
    """Lead a block through its loads.

    Parameters
    ----------
    cell
        The block.
    loads
        One after the other.
    state
        Where to start; never strained when None.
    accuracy
        When a step is accepted.
    enough
        Told the mean strains and stresses so far, ``(loads, 6)`` each; stops when it returns True.

    Raises
    ------
    MemberFailed
        When a step does not converge even in parts of 1/64.
    StudyError
        When there is no load.
    """
    accuracy = accuracy or Accuracy()
    leader = _lead(cell, loads, state, enough)
    asked = next(leader)
    while True:
        now, part = asked
        answer: Answer
        try:
            answer = equilibrate(cell, now, part.strain_increment, part.step_s, control=part.control, accuracy=accuracy)
        except MemberFailed as fault:
            answer = fault
        try:
            asked = leader.send(answer)
        except StopIteration as ended:
            return _history(ended)


def drive_many(
    cells: Sequence[Block],
    loads: Sequence[Iterable[Load]],
    *,
    accuracy: Accuracy | None = None,
    enough: Sequence[Callable[[Array, Array], bool] | None] | None = None,
    workers: int = 1,
) -> list[History | MemberFailed]:
    """Lead many blocks, each through loads of its own and at its own pace, their steps taken together; see `drive`.

    Parameters
    ----------
    cells
        Blocks on one grid; see `advance_many`.
    loads, enough
        For each block, as for `drive`.
    accuracy
        When a step is accepted.
    workers
        Threads.

    Returns
    -------
    list
        What each answered, or why it did not come to its end; nothing in it depends on the company.

    Raises
    ------
    StudyError
        When a block has no load.
    """
    stops = enough or [None] * len(cells)
    leaders = [_lead(cell, own, None, stop) for cell, own, stop in zip(cells, loads, stops, strict=True)]
    found: dict[int, History | MemberFailed] = {}
    asked = {k: next(leader) for k, leader in enumerate(leaders)}
    while asked:
        states, parts = zip(*asked.values(), strict=True)
        answers = advance_many(
            [cells[k] for k in asked],
            states,
            np.array([part.strain_increment for part in parts]),
            np.array([part.step_s for part in parts]),
            controls=[part.control for part in parts],
            accuracy=accuracy,
            tangent_tolerance=None,
            workers=workers,
        )
        for k, answer in zip(list(asked), answers, strict=True):
            del asked[k]
            try:
                asked[k] = leaders[k].send(answer)
            except StopIteration as ended:
                found[k] = _history(ended)
            except MemberFailed as fault:
                found[k] = fault
    return [found[k] for k in range(len(cells))]


def _history(ended: StopIteration) -> History:
    value: History = ended.value
    return value


def _lead(
    cell: Block,
    loads: Iterable[Load],
    state: State | None,
    enough: Callable[[Array, Array], bool] | None,
) -> Generator[tuple[State, Load], Answer, History]:
    """Ask for one step after the other, each from a state; what comes back says how to go on."""
    now, mean_stress = state or cell.virgin(), np.zeros(6)
    if state is not None:
        mean_stress = state.stress.mean(axis=(1, 2, 3))
    rows: list[tuple[Array, Array, float, float, int]] = []
    taken: list[Load] = []
    end: Advanced | Condensed | None = None
    for number, load in enumerate(loads):
        gap, newton = 0.0, 0
        done, share, start = 0.0, 1.0, mean_stress
        while done < 1.0:
            share = min(share, 1.0 - done)
            part = _part(load, done, share, start)
            answer = yield now, part
            if isinstance(answer, MemberFailed):
                share *= 0.5
                if share < _LEAST:
                    raise MemberFailed(f"load {number}, {done:.3f} of it done: {answer}") from answer
                continue
            end, now, mean_stress = answer, answer.state, answer.mean_stress
            taken.append(part)
            gap, newton = max(gap, end.hill_mandel_gap), newton + len(end.residuals) - 1
            done += share
            share *= 2.0
        if end is not None:
            rows.append((end.mean_strain, mean_stress, float(now.memory[..., -1].mean()), gap, newton))
        if enough is not None and enough(np.array([row[0] for row in rows]), np.array([row[1] for row in rows])):
            break
    if end is None:
        raise StudyError("drive: there is no load; give at least one")
    strain, stress, slip, gaps, newtons = (np.array(column) for column in zip(*rows, strict=True))
    return History(strain, stress, slip, gaps, newtons, tuple(taken), end)


def _part(load: Load, done: float, share: float, start: Array) -> Load:
    """Return a part of a load, so much of it done, whose mean stress was `start` before."""
    aim = load.control.stress_MPa
    if done + share < 1.0:
        aim = start + (done + share) * (aim - start)
    return Load(share * load.strain_increment, share * load.step_s, Control(load.control.free, aim))
