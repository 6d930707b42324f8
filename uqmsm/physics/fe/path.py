"""Past the peak: a component led along its path of balance, its load one more unknown, rising or falling.

An arc states how far displacements move, not how much load is added, so that the path goes on where the load falls
(softening) and where the displacement of the load falls with it (snap-back). The equation of the arc and the balance of
forces are solved together by Newton's method with their exact derivatives, the large matrix that of the stiffness alone
(E. Riks, Int. J. Solids Struct. 15, 529 (1979); M. A. Crisfield, Comput. Struct. 13, 55 (1981), whose arc this is).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import MemberFailed, NotConverged, StudyError
from uqmsm.physics.fe.assemble import forces, stiffness_blocks, strains
from uqmsm.physics.fe.linear import System
from uqmsm.physics.fe.materials.solid import Response, Solid
from uqmsm.physics.fe.newton import Accuracy, Load, State, Step, virgin

__all__ = ["Arcs", "Reached", "trace"]

Floats = NDArray[np.float64]
_LEAST = 2**-12  # share of the first arc below which the path is given up
_WANTED = 4  # Newton steps of an arc; the next one is longer after fewer, shorter after more


@dataclass(frozen=True)
class Arcs:
    """How far to go, and measured how.

    Attributes
    ----------
    first_mm : float
        Length of the first arc.
    largest_mm : float
        That no later one exceeds.
    most : int
        Number of arcs.
    measure : ndarray or sparse array, shape (rows, dofs), or None
        The length of an arc is the root of the sum of the squares of these sums of its displacements: of all of them
        when None, of one opening when the one row takes the difference of two. An opening that only ever grows keeps
        the path where the softening is.
    """

    first_mm: float
    largest_mm: float = np.inf
    most: int = 200
    measure: Any = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Refuse arcs that lead nowhere."""
        if not 0.0 < self.first_mm <= self.largest_mm or self.most < 1:
            raise StudyError(
                f"arcs: first {self.first_mm:g} mm, largest {self.largest_mm:g} mm, {self.most} of them; the first is "
                "positive and no longer than the largest"
            )

    def measured(self, displacement_mm: Floats) -> Floats:
        """Return what counts of displacements (nodes, d)."""
        flat = displacement_mm.ravel()
        return flat if self.measure is None else np.asarray(self.measure @ flat)


@dataclass(frozen=True)
class Reached:
    """A point of the path.

    Attributes
    ----------
    factor : float
        Of the load.
    step : Step
        Its residuals include that of the arc.
    arc_mm : float
        Length of the arc that led here.
    """

    factor: float
    step: Step = field(repr=False)
    arc_mm: float


def trace(
    equations: System,
    solid: Solid,
    push: Load,
    arcs: Arcs,
    *,
    state: State | None = None,
    accuracy: Accuracy | None = None,
    enough: Callable[[Reached], bool] | None = None,
) -> list[Reached]:
    """Follow the balance of ``state.load + factor * push`` from factor zero on, first where the factor rises.

    Parameters
    ----------
    equations : System
    solid : Solid
    push : Load
        What the factor multiplies: forces, displacements of held dofs, or both; every arc takes its duration. Strain
        that is free of stress belongs in the state before.
    arcs : Arcs
    state : State
        Where to start; never loaded when None.
    accuracy : Accuracy
        Of every arc; its residual is that of the forces and, relative to its length, of the arc.
    enough : callable
        Told every point; stops when it returns True.

    Returns
    -------
    list of Reached

    Raises
    ------
    MemberFailed
        When an arc does not converge however short it is.
    StudyError
        When nothing pushes, or the solid's tangents are not symmetric and the equations were prepared for such.
    """
    if equations.symmetric and not solid.symmetric:
        raise StudyError("trace: the tangents are not symmetric; prepare the system with symmetric=False")
    if not (np.any(push.forces_N) or np.any(push.displacement_mm)) or np.any(push.free_strain):
        raise StudyError("trace: give forces or displacements to multiply; heat belongs in the state before")
    accuracy = accuracy or Accuracy()
    now = state or virgin(equations, solid)
    path = _Path(equations, solid, push, now.load, arcs)
    factor, length, before = 0.0, arcs.first_mm, None
    found: list[Reached] = []
    while len(found) < arcs.most:
        try:
            one, before = path.arc(now, factor, length, before, accuracy)
        except (MemberFailed, NotConverged) as fault:
            length *= 0.5
            if length < _LEAST * arcs.first_mm:
                raise MemberFailed(f"trace: after {len(found)} arcs, at a factor of {factor:.6g}: {fault}") from fault
            continue
        found.append(one)
        now, factor = one.step.state, one.factor
        if enough is not None and enough(one):
            break
        taken = len(one.step.residuals) - 1
        length = min(length * float(np.clip(np.sqrt(_WANTED / max(taken, 1)), 0.5, 1.5)), arcs.largest_mm)
    return found


@dataclass(frozen=True)
class _Path:
    """A component and what pushes it."""

    equations: System
    solid: Solid
    push: Load
    dead: Load
    arcs: Arcs

    def load(self, factor: float) -> Load:
        """Return what acts at a factor."""
        moved = self.dead.displacement_mm + factor * self.push.displacement_mm
        pushed = self.dead.forces_N + factor * self.push.forces_N
        return Load(pushed, moved, self.dead.free_strain, self.push.step_s)

    def arc(
        self, start: State, factor: float, length: float, before: Floats | None, accuracy: Accuracy
    ) -> tuple[Reached, Floats]:
        """Take one arc; also return its displacements, which say where the next one is to go."""
        answer = self.answer(start.displacement_mm, start)
        along, _ = self.directions(answer, factor)
        size = float(np.linalg.norm(self.arcs.measured(along)))
        if not size > 0.0:
            raise MemberFailed("trace: what measures the arc does not move; measure other displacements")
        back = before is not None and float(self.arcs.measured(before) @ self.arcs.measured(along)) < 0.0
        more = -length / size if back else length / size
        moved, raised = start.displacement_mm + more * along, factor + more
        seen: list[float] = []
        for _ in range(accuracy.newton + 1):
            answer = self.answer(moved, start)
            miss = self.arcs.measured(moved - start.displacement_mm)
            gap = (float(miss @ miss) / length**2 - 1.0) / 2.0
            seen.append(max(self.imbalance(answer, raised), abs(gap)))
            if seen[-1] <= accuracy.residual:
                return self.reached(moved, raised, answer, tuple(seen), length), moved - start.displacement_mm
            if not np.isfinite(seen[-1]) or seen[-1] > 1e3:
                break
            along, go = self.directions(answer, raised)
            slope = float(miss @ self.arcs.measured(along)) / length**2
            if slope == 0.0:
                break
            more = -(gap + float(miss @ self.arcs.measured(go)) / length**2) / slope
            moved, raised = moved + go + more * along, raised + more
        raise MemberFailed(
            f"{seen[-1]:.1e} of the force or the arc is out of balance after {len(seen) - 1} Newton steps over an arc "
            f"of {length:.2e} mm; begin with a shorter arc, or measure the opening that grows"
        )

    def answer(self, moved: Floats, start: State) -> Response:
        """Ask the solid."""
        strain = strains(self.equations.of, moved) - self.dead.free_strain
        return self.solid.respond(np.ascontiguousarray(strain.reshape(-1, 6)), start.memory, self.push.step_s)

    def imbalance(self, answer: Response, factor: float) -> float:
        """Return the force out of balance relative to all forces."""
        inner = forces(self.equations.of, answer.stress.reshape(*self.equations.of.points, 6))
        given = np.broadcast_to(self.load(factor).forces_N, inner.shape)
        size = max(float(np.linalg.norm(inner)), float(np.linalg.norm(given)))
        left = self.equations.gathered((given - inner).ravel())[self.equations.free]
        return float(np.linalg.norm(left)) / size if size > 0.0 else 0.0

    def directions(self, answer: Response, factor: float) -> tuple[Floats, Floats]:
        """Return displacements per factor, and those that bring the forces at this factor into balance."""
        of, equations = self.equations.of, self.equations
        points = of.points
        tangent = answer.tangent[:, None] if len(answer.tangent) == 1 else answer.tangent.reshape(*points, 6, 6)
        solved = equations.factorized(stiffness_blocks(of, tangent))
        inner = forces(of, answer.stress.reshape(*points, 6))
        led = np.zeros(of.size)
        led[equations.held] = np.broadcast_to(self.push.displacement_mm, inner.shape).ravel()[equations.held]
        jump = equations.followed(led).reshape(inner.shape)
        stretch = np.einsum("eqij,eqj->eqi", np.broadcast_to(tangent, (*points, 6, 6)), strains(of, jump))
        along = jump + solved(self.push.forces_N - forces(of, stretch))[0]
        return along, solved(self.load(factor).forces_N - inner)[0]

    def reached(
        self, moved: Floats, factor: float, answer: Response, residuals: tuple[float, ...], length: float
    ) -> Reached:
        """Write a point down."""
        of, held = self.equations.of, self.equations.held
        load = self.load(factor)
        stress = answer.stress.reshape(*of.points, 6)
        reaction = np.zeros(of.size)
        reaction[held] = self.equations.gathered((forces(of, stress) - load.forces_N).ravel())[held]
        tangent = answer.tangent[:, None] if len(answer.tangent) == 1 else answer.tangent.reshape(*of.points, 6, 6)
        state = State(moved, stress, tangent, answer.memory, load)
        return Reached(factor, Step(state, reaction.reshape(moved.shape), residuals), length)
