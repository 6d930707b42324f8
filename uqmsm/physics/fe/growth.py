"""A crack led by its own growth: what is spent on the crack is given, the load that does it is found.

Where a crack runs, the load falls, and often the displacement of what is loaded falls with it: led by either, it jumps.
Energy spent on the crack only ever rises, so that it leads along the whole path of balance (N. Singh, C. V. Verhoosel,
R. de Borst, E. H. van Brummelen, Finite Elem. Anal. Des. 113, 14 (2016)). Without stress at the start the displacements
of a damaged elastic solid are proportional to the load, whatever drives the crack; so each turn solves once for a unit
load, and its square is found with the damage.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import MemberFailed, StudyError
from uqmsm.physics.fe.discretise import Discretisation
from uqmsm.physics.fe.fracture import Brittle, Crack, balanced, damaged, driving, spent, told
from uqmsm.physics.fe.linear import System
from uqmsm.physics.fe.newton import Load, Step, virgin

__all__ = ["Grown", "grow"]

Floats = NDArray[np.float64]
_TRIALS = 60  # for the square of the load in a turn


@dataclass(frozen=True)
class Grown:
    """A point of the path.

    Attributes
    ----------
    factor : float
        Of the load.
    crack : Crack
    """

    factor: float
    crack: Crack = field(repr=False)


def grow(
    equations: System,
    brittle: Brittle,
    push: Load,
    spent_mJ: Iterable[float],
    *,
    damage: Floats | None = None,
    guess: Floats | None = None,
    tolerance: float = 1e-4,
    rounds: int = 500,
) -> list[Grown]:
    """Lead a component through energies that its crack has cost, and find the factor of the load for each.

    Parameters
    ----------
    equations : System
        The component and its supports.
    brittle : Brittle
    push : Load
        What the factor multiplies: forces, displacements of held dofs, or both, and no strain free of stress.
    spent_mJ : iterable of float
        Rising from zero: what the crack costs more than at the start.
    damage : ndarray, shape (nodes,)
        Where to start; whole when None. The least costly damage that is nowhere less is taken.
    guess : ndarray, shape (nodes,)
        Where to look for the first damage: of several places that could break, the nearest is found.
    tolerance : float
        Largest change of the damage, and relative one of the factor, in the last turn.
    rounds : int
        Largest number of turns for an energy.

    Returns
    -------
    list of Grown

    Raises
    ------
    MemberFailed
        When turns do not end, or no load brings the crack that far.
    StudyError
        When nothing pushes, or energies do not rise.
    """
    if np.any(push.free_strain) or not (np.any(push.forces_N) or np.any(push.displacement_mm)):
        raise StudyError("grow: give forces or displacements to multiply, and no strain that is free of stress")
    of = equations.of
    floor = np.zeros(len(of.mesh.nodes_mm))
    if damage is not None:
        begun = np.asarray(damage, dtype=np.float64)
        floor = damaged(of, brittle, np.zeros(of.points), begun, begun)
    start = last = spent(of, brittle, floor)
    now = floor if guess is None else np.maximum(floor, guess)
    state = virgin(equations, brittle.solid(of, now))
    square, found = 0.0, []
    for number, more in enumerate(spent_mJ):
        target = start + more
        if not target > last:
            raise StudyError(
                f"grow: energy {number}, {more:g} mJ, is no more than the {last - start:g} mJ before; let them rise"
            )
        turns, change = 0, np.inf
        while change >= tolerance:
            if turns == rounds:
                raise MemberFailed(
                    f"grow: energy {number}: the damage still changes by {change:.1e} after {rounds} turns; let the "
                    "energy rise in smaller steps"
                )
            turns += 1
            step = balanced(equations, brittle, now, state, push)
            state = step.state
            following, larger = _led(of, brittle, driving(of, state), floor, now, square, target)
            change = max(float(np.abs(following - now).max()), abs(larger - square) / larger)
            now, square = following, larger
        factor = float(np.sqrt(square))
        crack = told(of, brittle, step, now, turns)
        found.append(Grown(factor, replace(crack, step=_scaled(step, factor), elastic_mJ=square * crack.elastic_mJ)))
        floor, last = now, target
    return found


def _led(
    of: Discretisation, brittle: Brittle, drive: Floats, floor: Floats, now: Floats, square: float, target: float
) -> tuple[Floats, float]:
    """Return the damage that costs the target, and the square of the load that drives it: a rising function's root."""
    low, high, at = 0.0, np.inf, square
    if not at > 0.0:
        # the square at which the first point would pass the slope of the surface energy, or a guess of that size
        tough = float(np.min(brittle.toughness_N_per_mm)) / (brittle.surface[0] * brittle.length_mm)
        at = tough / float(drive.max())
    cost = spent(of, brittle, floor)
    for _ in range(_TRIALS):
        trial = damaged(of, brittle, at * drive, floor, now)
        before, cost = cost, spent(of, brittle, trial)
        if abs(cost - target) <= 1e-6 * target:
            return trial, at
        low, high = (at, high) if cost < target else (low, at)
        more = damaged(of, brittle, 1.001 * at * drive, floor, trial)
        slope = (spent(of, brittle, more) - cost) / (0.001 * at)
        step = at + (target - cost) / slope if slope > 0.0 else np.inf
        at = step if low < step < high and step < 4.0 * at else (4.0 * at if high == np.inf else 0.5 * (low + high))
    raise MemberFailed(
        f"grow: no load lets the crack cost {target:.4g} mJ; the nearest costs {cost:.4g} ({before:.4g} before)"
    )


def _scaled(step: Step, factor: float) -> Step:
    """Return the step at a factor of its load."""
    state = step.state
    load = replace(
        state.load, forces_N=factor * state.load.forces_N, displacement_mm=factor * state.load.displacement_mm
    )
    there = replace(
        state, displacement_mm=factor * state.displacement_mm, stress_MPa=factor * state.stress_MPa, load=load
    )
    return replace(step, state=there, reaction_N=factor * step.reaction_N)
