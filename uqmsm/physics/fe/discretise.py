"""All that a mesh and the kind of analysis fix once for every member: quadrature, sparsity, shares for threads."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.fe.elements import element, shape
from uqmsm.physics.fe.kernels import Setting, Table, measure
from uqmsm.physics.fe.mesh import Mesh
from uqmsm.physics.fe.pattern import Pattern, Share, pattern, shares
from uqmsm.physics.fe.quadrature import gauss

__all__ = ["Discretisation", "Kinematics", "discretise"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Kinematics = Literal["plane_stress", "plane_strain", "axisymmetric", "solid"]
KINEMATICS = ("plane_stress", "plane_strain", "axisymmetric", "solid")


@dataclass(frozen=True, eq=False)
class Discretisation:
    """A mesh, sampled; made by `discretise`.

    Attributes
    ----------
    mesh : Mesh
    kinematics : str
    level : int
        Of the quadrature, see `uqmsm.physics.fe.quadrature.gauss`.
    mean_dilatation : bool
        Whether the volume change is averaged over the element (B-bar).
    workers : int
        Threads.
    volume_mm3 : ndarray, shape (elements, points)
        Quadrature weights; round an axis those of the whole ring.
    """

    mesh: Mesh
    kinematics: Kinematics
    level: int
    mean_dilatation: bool
    workers: int
    table: Table = field(repr=False)
    setting: Setting = field(repr=False)
    volume_mm3: Floats = field(repr=False)

    @property
    def size(self) -> int:
        """Number of all dofs; that of node i along axis x is ``d i + x``."""
        return int(self.mesh.nodes_mm.size)

    @property
    def points(self) -> tuple[int, int]:
        """Elements, and quadrature points in each."""
        return (int(self.volume_mm3.shape[0]), int(self.volume_mm3.shape[1]))

    @cached_property
    def pattern(self) -> Pattern:
        """Sparsity of the stiffness."""
        return pattern(self.mesh.elements, len(self.mesh.nodes_mm))

    @cached_property
    def shares(self) -> tuple[Share, ...]:
        """Which thread writes the rows of which node."""
        return shares(self.mesh.elements, len(self.mesh.nodes_mm), self.workers)

    @cached_property
    def positions_mm(self) -> Floats:
        """Quadrature points, (elements, points, d)."""
        return np.asarray(np.einsum("qn,enx->eqx", self.table[0], self.mesh.nodes_mm[self.mesh.elements]))


@lru_cache(maxsize=16)
def discretise(
    mesh: Mesh,
    kinematics: Kinematics,
    *,
    level: int = 0,
    mean_dilatation: bool = False,
    workers: int = 1,
) -> Discretisation:
    """Prepare a mesh; the same arguments return the same object.

    Parameters
    ----------
    mesh : Mesh
        Kept by identity.
    kinematics : str
        ``plane_stress``, ``plane_strain``, ``axisymmetric`` (x is the radius, y the axis) or ``solid``.
    level : int
        Of the quadrature; 0 takes that which is exact on undistorted elements. One less is the reduced integration of
        second-order quadrilaterals and hexahedra, which do not lock then.
    mean_dilatation : bool
        Average the volume change over each element, so that first-order quadrilaterals and hexahedra do not lock where
        the solid hardly changes its volume, as in plastic flow.
    workers : int
        Threads; the answer is the same to the last bit.

    Raises
    ------
    StudyError
        When kinematics and mesh do not fit, an element is turned inside out, or one lies across the axis.
    """
    of = element(mesh.kind)
    flat = kinematics != "solid"
    if kinematics not in KINEMATICS or of.dimension != mesh.dimension or mesh.dimension != (2 if flat else 3):
        raise StudyError(
            f"discretise: {kinematics!r} on {mesh.kind} with nodes of {mesh.dimension} coordinates; plane_stress, "
            "plane_strain and axisymmetric need two, solid needs three"
        )
    if workers < 1 or level < 0:
        raise StudyError(f"discretise: workers = {workers}, level = {level}; at least 1 and 0 are needed")
    level = level or (of.order if of.form in {"tri", "tet"} else of.order + 1)
    rule = gauss(of.form, level)
    value, gradient = shape(mesh.kind, rule.points)
    table = (value, np.ascontiguousarray(gradient), rule.weights)
    axial = kinematics == "axisymmetric"
    setting = (int(axial), int(mean_dilatation), 1.0 if axial or not flat else mesh.thickness_mm)
    if axial and mesh.nodes_mm[:, 0].min() < -1e-9 * np.abs(mesh.nodes_mm).max():
        raise StudyError("discretise: nodes with a negative radius; x is the radius and must not be negative")
    volume = np.empty((len(mesh.elements), len(rule.weights)))
    measure(mesh.nodes_mm, mesh.elements, table, setting, volume)
    if not np.all(volume > 0):
        raise StudyError(
            f"discretise: {int((~(volume > 0)).any(axis=1).sum())} elements are turned inside out; mend the mesh"
        )
    return Discretisation(mesh, kinematics, level, mean_dilatation, workers, table, setting, volume)
