"""Cracks as a phase field: where the damage nears one, the solid has parted.

The energy ``int (1 - d)^2 psi+ + psi- + (Gc / c) (w(d) / l + l |grad d|^2)`` is lowered in turns over the displacement
and over the damage, which never falls. AT1 has w = d, c = 8/3 and stays elastic up to its strength; AT2 has w = d^2,
c = 2 and softens from the start (B. Bourdin, G. A. Francfort, J.-J. Marigo, J. Elasticity 91, 5 (2008); K. Pham, H.
Amor, J.-J. Marigo, C. Maurini, Int. J. Damage Mech. 20, 618 (2011)). The length l is a constant of the
material: with E and Gc it sets the strength. What drives the crack: all energy, or a part of it (see
`uqmsm.physics.fe.materials.damaged`), so that a crack closes under pressure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import MemberFailed, StudyError
from uqmsm.physics.fe.diffusion import above, at_points, gradient_at_points, spreading
from uqmsm.physics.fe.discretise import Discretisation
from uqmsm.physics.fe.linear import System
from uqmsm.physics.fe.materials.damaged import Damaged, Driver
from uqmsm.physics.fe.materials.solid import PlaneStress, Solid
from uqmsm.physics.fe.newton import Accuracy, Load, State, Step, equilibrate, virgin

__all__ = ["Brittle", "Crack", "crack", "strength_MPa"]

Floats = NDArray[np.float64]
Model = Literal["AT1", "AT2"]


@dataclass(frozen=True)
class Brittle:
    """An isotropic elastic solid that parts.

    Parameters
    ----------
    bulk_GPa, shear_GPa : float
    toughness_N_per_mm : float or ndarray, shape (elements, 1) or (elements, points)
        Gc; N/mm is kJ/m^2.
    length_mm : float
        l; elements of a fifth of it or less resolve a crack.
    model : str
        ``AT1`` or ``AT2``.
    driven_by : str
        ``all`` energy; that of ``opening``: shear and volume growth; or that of ``tension``: volume growth and
        stretched principal strains.
    rest : float
        Share of stiffness that a broken point keeps, so that equations can be solved.
    """

    bulk_GPa: float
    shear_GPa: float
    toughness_N_per_mm: Floats | float
    length_mm: float
    model: Model = "AT1"
    driven_by: Driver = "opening"
    rest: float = 1e-7

    def __post_init__(self) -> None:
        """Refuse constants with which nothing can be computed."""
        numbers = (self.bulk_GPa, self.shear_GPa, float(np.min(self.toughness_N_per_mm)), self.length_mm)
        if not min(numbers) > 0.0 or self.model not in {"AT1", "AT2"} or not 0.0 < self.rest < 1e-2:
            raise StudyError(
                f"brittle: moduli, toughness and length are {numbers}, model {self.model!r}, rest {self.rest:g}; give "
                "positive numbers, AT1 or AT2, and a rest between 0 and 0.01"
            )

    @property
    def surface(self) -> tuple[float, float, float]:
        """The number c, the slope of w at zero and its curvature."""
        return (8 / 3, 1.0, 0.0) if self.model == "AT1" else (2.0, 0.0, 2.0)

    def solid(self, of: Discretisation, damage: Floats) -> Solid:
        """Return the solid at the points of a mesh whose nodes are damaged."""
        at = np.clip(at_points(of, damage).ravel(), 0.0, 1.0)
        inner = Damaged(1e3 * self.bulk_GPa, 1e3 * self.shear_GPa, at, self.driven_by, self.rest)
        return PlaneStress(inner) if of.kinematics == "plane_stress" else inner


@dataclass(frozen=True)
class Crack:
    """The end of one load.

    Attributes
    ----------
    step : Step
        Displacement, stress, reactions.
    damage : ndarray, shape (nodes,)
    elastic_mJ, surface_mJ : float
        Energy stored, and spent on the crack; N mm = mJ.
    rounds : int
        Turns of displacement and damage.
    """

    step: Step
    damage: Floats = field(repr=False)
    elastic_mJ: float
    surface_mJ: float
    rounds: int


def strength_MPa(young_GPa: float, toughness_N_per_mm: float, length_mm: float, model: Model) -> float:
    """Return the largest uniaxial stress of a bar that is damaged evenly (Pham et al. 2011).

    ``sqrt(3 E Gc / (8 l))`` for AT1 and ``(9/16) sqrt(E Gc / (3 l))`` for AT2.
    """
    ratio = 1e3 * young_GPa * toughness_N_per_mm / length_mm
    return float(np.sqrt(3 * ratio / 8) if model == "AT1" else 9 / 16 * np.sqrt(ratio / 3))


def crack(
    equations: System,
    brittle: Brittle,
    loads: Iterable[Load],
    *,
    damage: Floats | None = None,
    tolerance: float = 1e-4,
    rounds: int = 2000,
) -> list[Crack]:
    """Lead a component through loads and let it crack.

    Parameters
    ----------
    equations : System
        The component and its supports; displacements prescribed, because a crack that runs carries no force.
    brittle : Brittle
    loads : iterable of Load
    damage : ndarray, shape (nodes,)
        Where to start; whole when None.
    tolerance : float
        Largest change of the damage in the last turn.
    rounds : int
        Largest number of turns for a load.

    Raises
    ------
    MemberFailed
        When the turns do not end.
    """
    of = equations.of
    now = np.zeros(len(of.mesh.nodes_mm)) if damage is None else np.asarray(damage, dtype=np.float64).copy()
    state = virgin(equations, brittle.solid(of, now))
    found: list[Crack] = []
    for number, load in enumerate(loads):
        floor = now
        turns, change = 0, np.inf
        while change >= tolerance:
            if turns == rounds:
                raise MemberFailed(
                    f"crack: load {number}: the damage still changes by {change:.1e} after {rounds} turns; "
                    "take smaller loads"
                )
            turns += 1
            step = balanced(equations, brittle, now, state, load)
            state = step.state
            following = damaged(of, brittle, driving(of, state), floor, now)
            change, now = float(np.abs(following - now).max()), following
        found.append(told(of, brittle, step, now, turns))
    return found


def balanced(equations: System, brittle: Brittle, damage: Floats, state: State, load: Load) -> Step:
    """Return the balance under a load at a damage that is held, looked for from a state on.

    Of the state no more than its displacement is asked: the solid is elastic.
    """
    if equations.ties is not None:
        raise StudyError("crack: damage follows nothing from face to face; take the whole body, without ties")
    of = equations.of
    elements, points = of.points
    solid = brittle.solid(of, damage)
    near = replace(state, memory=solid.virgin(elements * points), tangent_MPa=None)
    return equilibrate(equations, solid, near, load, accuracy=Accuracy(1e-8))


def driving(of: Discretisation, state: State) -> Floats:
    """Return the energy density that drives the crack, (elements, points)."""
    memory = state.memory[1] if of.kinematics == "plane_stress" else state.memory
    return np.asarray(memory[:, 0].reshape(of.points))


def damaged(of: Discretisation, brittle: Brittle, drive: Floats, floor: Floats, guess: Floats) -> Floats:
    """Lower the energy over the damage, which does not fall below a floor."""
    c, slope, bend = brittle.surface
    tough = np.asarray(brittle.toughness_N_per_mm) / c
    length = brittle.length_mm
    matrix, load = spreading(
        of,
        np.asarray(2 * tough * length),
        np.asarray(2 * drive + tough * bend / length),
        np.asarray(2 * drive - tough * slope / length),
    )
    return above(matrix, load, floor, guess)


def spent(of: Discretisation, brittle: Brittle, damage: Floats) -> float:
    """Return what a crack has cost, in mJ."""
    c, _, _ = brittle.surface
    at, slope = at_points(of, damage), gradient_at_points(of, damage)
    surface = at if brittle.model == "AT1" else at**2
    length = brittle.length_mm
    density = np.asarray(brittle.toughness_N_per_mm) / c * (surface / length + length * (slope**2).sum(axis=-1))
    return float((density * of.volume_mm3).sum())


def told(of: Discretisation, brittle: Brittle, step: Step, damage: Floats, turns: int) -> Crack:
    """Write down what a load has done, with its energies."""
    memory = step.state.memory[1] if of.kinematics == "plane_stress" else step.state.memory
    stored = memory[:, 1].reshape(of.points)
    return Crack(step, damage, float((stored * of.volume_mm3).sum()), spent(of, brittle, damage), turns)
