"""The largest load that a perfectly plastic component can carry: moved on until its load no longer rises.

Near collapse loads are of no use, for beyond the limit there is no balance; displacements are. The closed form of the
tube in plane strain is ``(2 / sqrt 3) sy ln(b / a)``; without one the load of the finite elements is an upper bound, up
to the quadrature, that falls with the mesh.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import MemberFailed, StudyError
from uqmsm.physics.fe.bar import notched_bar
from uqmsm.physics.fe.discretise import discretise
from uqmsm.physics.fe.linear import System, held_dofs, system
from uqmsm.physics.fe.materials.solid import Solid
from uqmsm.physics.fe.materials.von_mises import equivalent_MPa, von_mises
from uqmsm.physics.fe.meshes.grid import grid_mesh
from uqmsm.physics.fe.newton import Load, State, Step, equilibrate, virgin

__all__ = ["Body", "Limit", "limit_load", "notched_body", "tube_body"]

Floats = NDArray[np.float64]
_GROWTH = 1.3  # of the displacement from step to step
_MOST = 60


@dataclass(frozen=True, eq=False)
class Body:
    """A component with one way to load it.

    Attributes
    ----------
    equations : System
    push_mm : ndarray, shape (nodes, d)
        Displacement of what is moved, for a unit of the load's own displacement.
    load_MPa : callable
        The load of a step.
    """

    equations: System = field(repr=False)
    push_mm: Floats = field(repr=False)
    load_MPa: Callable[[Step], float] = field(repr=False)


@dataclass(frozen=True)
class Limit:
    """What was found.

    Attributes
    ----------
    limit_MPa : float
        The load that no longer rises.
    first_yield_MPa : float
        The load at which the first point yields.
    displacement_mm, load_MPa : ndarray, shape (steps,)
    """

    limit_MPa: float
    first_yield_MPa: float
    displacement_mm: Floats
    load_MPa: Floats


def limit_load(body: Body, bulk_GPa: float, shear_GPa: float, yield_MPa: float, *, flat: float = 1e-4) -> Limit:
    """Move a body on until its load rises by less than a share while its displacement grows by a third.

    Parameters
    ----------
    body : Body
    bulk_GPa, shear_GPa, yield_MPa : float
        Of the solid, which does not harden.
    flat : float
        That share.

    Raises
    ------
    MemberFailed
        When the load still rises after 60 steps: the body does not collapse this way.
    """
    solid = von_mises(bulk_GPa, shear_GPa, yield_MPa)
    state = virgin(body.equations, solid)
    small = _stepped(body, solid, state, 1e-6)
    first = yield_MPa / float(equivalent_MPa(small.state.stress_MPa).max())
    moved, loads = [1e-6 * first], [first * body.load_MPa(small)]
    for _ in range(_MOST):
        moved.append(moved[-1] * _GROWTH)
        step = _stepped(body, solid, state, moved[-1])
        state = step.state
        loads.append(body.load_MPa(step))
        if loads[-1] - loads[-2] < flat * loads[-1]:
            return Limit(loads[-1], loads[0], np.array(moved), np.array(loads))
    raise MemberFailed(
        f"limit load: after {_MOST} steps the load still rises by {1 - loads[-2] / loads[-1]:.1e} a step"
    )


def _stepped(body: Body, solid: Solid, state: State, displacement: float) -> Step:
    return equilibrate(body.equations, solid, state, Load(displacement_mm=displacement * body.push_mm))


@lru_cache(maxsize=8)
def tube_body(bore_mm: float, outer_mm: float, elements: int) -> Body:
    """Return a thick tube in plane strain along its axis, widened at its bore; its load is the pressure there.

    Parameters
    ----------
    bore_mm, outer_mm : float
        Radii.
    elements : int
        Eight-node quadrilaterals through the wall.

    Raises
    ------
    StudyError
        When there is no wall.
    """
    if not 0.0 < bore_mm < outer_mm or elements < 2:
        raise StudyError(
            f"tube_body: radii {bore_mm:g} and {outer_mm:g} mm, {elements} elements; the outer radius is the larger "
            "one, and two elements are the least"
        )
    height = (outer_mm - bore_mm) / elements
    mesh = grid_mesh((elements, 1), "quad8", lambda x: x * [outer_mm - bore_mm, height] + [bore_mm, 0.0])
    of = discretise(mesh, "axisymmetric", level=2)
    bore = mesh.on("left")
    held = np.concatenate([held_dofs(of, mesh.on(side), 1) for side in ("bottom", "top")] + [held_dofs(of, bore, 0)])
    push = np.zeros_like(mesh.nodes_mm)
    push[bore, 0] = 1.0
    area = 2.0 * np.pi * bore_mm * height
    return Body(system(of, held), push, lambda step: float(step.reaction_N[bore, 0].sum() / area))


@lru_cache(maxsize=8)
def notched_body(
    half_width_mm: float, half_length_mm: float, depth_mm: float, root_radius_mm: float, refinement: int
) -> Body:
    """Return a notched round bar (see `uqmsm.physics.fe.bar`); its load is the force over the area of the ligament."""
    bar = notched_bar(half_width_mm, half_length_mm, depth_mm, root_radius_mm, refinement, symmetric=True)
    push = np.zeros_like(bar.of.mesh.nodes_mm)
    push[bar.of.mesh.on("end"), 1] = 1.0
    return Body(bar.equations, push, bar.net_stress_MPa)
