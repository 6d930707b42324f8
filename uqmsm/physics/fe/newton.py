"""Balance of forces where the solid is not linear: Newton's method, and loads that are cut when it fails.

A load states what acts at its end: forces, displacements of held dofs, strain that is free of stress (heat). The first
guess moves what is held with the last tangent; from there on Newton's method with the consistent tangent, each step
halved while it does not lower the force out of balance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import MemberFailed, NotConverged, StudyError
from uqmsm.physics.fe.assemble import forces, stiffness_blocks, strains
from uqmsm.physics.fe.linear import System
from uqmsm.physics.fe.materials.solid import Response, Solid

__all__ = ["Accuracy", "Load", "State", "Step", "equilibrate", "follow", "virgin"]

Floats = NDArray[np.float64]
_LEAST = 2**-6  # share of a load below which it is given up


@dataclass(frozen=True)
class Accuracy:
    """When a step is accepted.

    Attributes
    ----------
    residual : float
        Largest force out of balance, relative to all nodal forces, reactions included.
    newton : int
        Largest number of Newton steps.
    halvings : int
        How often a Newton step is halved at most.
    """

    residual: float = 1e-9
    newton: int = 25
    halvings: int = 4


@dataclass(frozen=True)
class Load:
    """What acts at the end of a step.

    Attributes
    ----------
    forces_N : ndarray, shape (nodes, d), or zero
    displacement_mm : ndarray, shape (nodes, d), or zero
        Only the held dofs count.
    free_strain : ndarray, shape (elements, points, 6) or what broadcasts to it
        Mandel; ``alpha (T - T0)`` on the first three, say.
    step_s : float
        Duration in seconds.
    """

    forces_N: Floats | float = 0.0
    displacement_mm: Floats | float = 0.0
    free_strain: Floats | float = 0.0
    step_s: float = 1.0


@dataclass(frozen=True)
class State:
    """Where a component stands.

    Attributes
    ----------
    displacement_mm : ndarray, shape (nodes, d)
    stress_MPa : ndarray, shape (elements, points, 6)
        Mandel.
    tangent_MPa : ndarray, shape (elements, points, 6, 6), or None
        Of the last step: where the next one starts to look.
    memory : object
        Of the solid.
    load : Load
        That has led here.
    """

    displacement_mm: Floats
    stress_MPa: Floats = field(repr=False)
    tangent_MPa: Floats | None = field(repr=False)
    memory: Any = field(repr=False)
    load: Load = field(repr=False)


@dataclass(frozen=True)
class Step:
    """The end of one step.

    Attributes
    ----------
    state : State
    reaction_N : ndarray, shape (nodes, d)
        Forces of the supports; zero where nothing is held.
    residuals : tuple of float
        Relative force out of balance before each Newton step, and the last one.
    share : float
        How much of its load the step is; below 1 where a load was cut.
    """

    state: State
    reaction_N: Floats = field(repr=False)
    residuals: tuple[float, ...]
    share: float = 1.0


def virgin(equations: System, solid: Solid) -> State:
    """Return the state of a component that was never loaded."""
    elements, points = equations.of.points
    moved, stress = np.zeros_like(equations.of.mesh.nodes_mm), np.zeros((elements, points, 6))
    return State(moved, stress, None, solid.virgin(elements * points), Load())


def equilibrate(equations: System, solid: Solid, state: State, load: Load, *, accuracy: Accuracy | None = None) -> Step:
    """Take one step; a pure function.

    Parameters
    ----------
    equations : System
        The component and its supports.
    solid : Solid
        Its material; under plane stress a `PlaneStress`.
    state : State
        Where it stands; not changed.
    load : Load
        At the end of the step.
    accuracy : Accuracy

    Raises
    ------
    MemberFailed
        When forces do not come into balance, or a point finds no answer; a smaller step may help.
    StudyError
        When the solid's tangents are not symmetric and the equations were prepared for such.
    """
    if equations.symmetric and not solid.symmetric:
        raise StudyError("equilibrate: the tangents are not symmetric; prepare the system with symmetric=False")
    accuracy = accuracy or Accuracy()
    balance = _Balance(equations, solid, state, load)
    moved, least = balance.predict()
    answer, rest, relative = balance.judge(moved, least)
    seen = [relative]
    for _ in range(accuracy.newton):
        if seen[-1] <= accuracy.residual:
            return balance.end(moved, answer, tuple(seen))
        go = _solved(equations, balance.shaped(answer.tangent), rest)
        share = 1.0
        for _ in range(accuracy.halvings + 1):
            trial = moved + share * go
            answer, rest, relative = balance.judge(trial, least)
            if relative < seen[-1]:
                break
            share *= 0.5
        moved = trial
        seen.append(relative)
    raise MemberFailed(
        f"equilibrate: {seen[-1]:.1e} of the force is out of balance after {accuracy.newton} Newton steps; take "
        "smaller steps, or load by displacement where a limit load is near"
    )


@dataclass(frozen=True)
class _Balance:
    """One step under way."""

    equations: System
    solid: Solid
    before: State
    load: Load

    def shaped(self, tangent: Floats) -> Floats:
        """Sort tangents by element and point."""
        points = self.equations.of.points
        return tangent[:, None] if len(tangent) == 1 else tangent.reshape(*points, 6, 6)

    def answer(self, moved: Floats) -> Response:
        """Ask the solid."""
        strain = strains(self.equations.of, moved) - self.load.free_strain
        return self.solid.respond(np.ascontiguousarray(strain.reshape(-1, 6)), self.before.memory, self.load.step_s)

    def judge(self, moved: Floats, least: float) -> tuple[Response, Floats, float]:
        """Return the answer of the solid, the force out of balance, and its size relative to all forces or `least`."""
        of = self.equations.of
        answer = self.answer(moved)
        inner = forces(of, answer.stress.reshape(*of.points, 6))
        rest = self.load.forces_N - inner
        left = self.equations.gathered(rest.ravel())[self.equations.free]
        size = max(_size(inner), _size(np.broadcast_to(self.load.forces_N, inner.shape)), least)
        return answer, rest, _size(left) / size if size > 0.0 else 0.0

    def predict(self) -> tuple[Floats, float]:
        """Move what is held, and all else with the last tangent; also return the forces if nothing else moved."""
        of, before = self.equations.of, self.before
        tangent = before.tangent_MPa
        stress = before.stress_MPa
        if tangent is None or np.any(self.load.free_strain != before.load.free_strain):
            answer = self.answer(before.displacement_mm)
            tangent, stress = self.shaped(answer.tangent), answer.stress.reshape(stress.shape)
        given = np.zeros(of.size)
        aim = np.broadcast_to(self.load.displacement_mm, of.mesh.nodes_mm.shape)
        given[self.equations.held] = (aim - before.displacement_mm).ravel()[self.equations.held]
        jump = self.equations.followed(given).reshape(aim.shape)
        carried = stress + np.einsum("eqij,eqj->eqi", np.broadcast_to(tangent, (*of.points, 6, 6)), strains(of, jump))
        pushed = forces(of, carried)
        go = _solved(self.equations, tangent, self.load.forces_N - pushed)
        # where all stress is relaxed (heat, unloading) the forces at the end are no measure
        return before.displacement_mm + jump + go, _size(pushed)

    def end(self, moved: Floats, answer: Response, residuals: tuple[float, ...]) -> Step:
        """Write the step down."""
        of = self.equations.of
        stress = answer.stress.reshape(*of.points, 6)
        reaction = np.zeros(of.size)
        held = self.equations.held
        reaction[held] = self.equations.gathered((forces(of, stress) - self.load.forces_N).ravel())[held]
        state = State(moved, stress, self.shaped(answer.tangent), answer.memory, self.load)
        return Step(state, reaction.reshape(moved.shape), residuals)


def _solved(equations: System, tangent: Floats, rest: Floats) -> Floats:
    """Solve for a Newton step; a singular tangent fails the step, not the study."""
    try:
        return equations.solve(stiffness_blocks(equations.of, tangent), rest)[0]
    except NotConverged as fault:
        raise MemberFailed(f"equilibrate: {fault}") from fault


def _size(force: Floats) -> float:
    return float(np.sqrt((force * force).sum()))


def follow(
    equations: System,
    solid: Solid,
    loads: Iterable[Load],
    *,
    state: State | None = None,
    accuracy: Accuracy | None = None,
    enough: Callable[[Step], bool] | None = None,
) -> list[Step]:
    """Lead a component through its loads, one after the other; one that fails is cut in halves of halves.

    Parameters
    ----------
    equations, solid, accuracy
        As for `equilibrate`.
    loads : iterable of Load
    state : State
        Where to start; never loaded when None.
    enough : callable
        Told every step; stops when it returns True.

    Returns
    -------
    list of Step
        Every step that was taken, parts of loads included.

    Raises
    ------
    MemberFailed
        When a step does not converge even in parts of 1/64, with the place in the history.
    """
    now = state or virgin(equations, solid)
    taken: list[Step] = []
    for number, load in enumerate(loads):
        start, done, share = now.load, 0.0, 1.0
        while done < 1.0:
            share = min(share, 1.0 - done)
            part = load if done + share == 1.0 else _between(start, load, done + share)
            try:
                step = equilibrate(equations, solid, now, replace(part, step_s=share * load.step_s), accuracy=accuracy)
            except MemberFailed as fault:
                share *= 0.5
                now = replace(now, tangent_MPa=None)  # the last tangent may point the wrong way: unloading
                if share < _LEAST:
                    raise MemberFailed(f"load {number}, {done:.3f} of it done: {fault}") from fault
                continue
            taken.append(replace(step, share=share))
            now, done, share = step.state, done + share, 2.0 * share
            if enough is not None and enough(taken[-1]):
                return taken
    return taken


def _between(start: Load, end: Load, share: float) -> Load:
    """Return a part of the way from one load to the next."""

    def mixed(a: Floats | float, b: Floats | float) -> Floats | float:
        return a + share * (b - a)

    return Load(
        mixed(start.forces_N, end.forces_N),
        mixed(start.displacement_mm, end.displacement_mm),
        mixed(start.free_strain, end.free_strain),
    )
