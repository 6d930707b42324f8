"""A round bar with a notch, pulled along its axis: a quarter of its section, its supports and its loads."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from uqmsm.physics.fe.assemble import strains
from uqmsm.physics.fe.discretise import Discretisation, discretise
from uqmsm.physics.fe.linear import System, held_dofs, system
from uqmsm.physics.fe.meshes.notched import notched_bar_mesh
from uqmsm.physics.fe.newton import Load, Step

__all__ = ["Bar", "notched_bar"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Bar:
    """A quarter of the section; x is the radius, y the axis. The tangents of its solid need not be symmetric.

    Attributes
    ----------
    equations : System
    half_length_mm : float
    net_mm2 : float
        Area of the ligament.
    """

    equations: System = field(repr=False)
    half_length_mm: float
    net_mm2: float

    @property
    def of(self) -> Discretisation:
        """Mesh and quadrature."""
        return self.equations.of

    @property
    def points(self) -> int:
        """Number of quadrature points."""
        return int(self.of.volume_mm3.size)

    def loads(self, stretches: Floats, rate_per_s: float) -> list[Load]:
        """Return loads that stretch the bar, elongation over length, at a rate per second of that."""
        end = np.zeros_like(self.of.mesh.nodes_mm)
        end[self.of.mesh.on("end"), 1] = self.half_length_mm
        steps = np.diff(stretches, prepend=0.0) / rate_per_s
        return [
            Load(displacement_mm=stretch * end, step_s=float(step))
            for stretch, step in zip(stretches, steps, strict=True)
        ]

    def stretch(self, step: Step) -> float:
        """Return elongation over length at the end of a step."""
        return float(step.state.displacement_mm[self.of.mesh.on("end")[0], 1] / self.half_length_mm)

    def net_stress_MPa(self, step: Step) -> float:
        """Return the force of the bar over the area of its ligament."""
        return float(step.reaction_N[self.of.mesh.on("end"), 1].sum() / self.net_mm2)

    def strain(self, step: Step) -> Floats:
        """Return the strains (points, 6), Mandel, order rr zz 33 with the hoop as third, at the end of a step."""
        return strains(self.of, step.state.displacement_mm).reshape(-1, 6)


@lru_cache(maxsize=8)
def notched_bar(
    half_width_mm: float,
    half_length_mm: float,
    depth_mm: float,
    root_radius_mm: float,
    refinement: int,
    *,
    symmetric: bool = False,
) -> Bar:
    """Prepare a bar of eight-node quadrilaterals with reduced integration, which do not lock in plastic flow.

    The same arguments return the same object.

    Parameters
    ----------
    half_width_mm, half_length_mm, depth_mm, root_radius_mm, refinement
        See `uqmsm.physics.fe.meshes.notched.notched_bar_mesh`.
    symmetric
        Whether all tangents to come are; those of grains need not be.

    Raises
    ------
    StudyError
        When the notch does not fit.
    """
    mesh = notched_bar_mesh(half_width_mm, half_length_mm, depth_mm, root_radius_mm, refinement, "quad8")
    of = discretise(mesh, "axisymmetric", level=2)
    sides = (("axis", 0), ("ligament", 1), ("end", 1))
    held = np.concatenate([held_dofs(of, mesh.on(name), axis) for name, axis in sides])
    equations = system(of, held, symmetric=symmetric)
    return Bar(equations, half_length_mm, float(np.pi * (half_width_mm - depth_mm) ** 2))
