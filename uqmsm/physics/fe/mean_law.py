"""Elements that answer their mean strain with a law of their own, amid a component with one linear law for all.

The stress of such an element is T(mean strain) + C (strain - mean strain): the mean follows the law it was given, what
varies inside the element the component's own stiffness C. That has an energy where T has one, it cannot hourglass where
the law softens, and the tangent is exact.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import NotConverged
from uqmsm.physics.fe.assemble import forces, stiffness_blocks, strains
from uqmsm.physics.fe.elements import shape
from uqmsm.physics.fe.linear import System
from uqmsm.physics.fe.materials.elastic import IN_PLANE, in_plane
from uqmsm.physics.fe.quadrature import gauss

__all__ = ["MeanLaws"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class MeanLaws:
    """A component in plane stress whose elements may be given laws of their mean strain.

    Parameters
    ----------
    equations : System
        The component and its supports.
    stiffness_MPa : ndarray, shape (3, 3)
        Plane-stress law of every other element; xx, yy, xy with engineering shear, as all here.
    """

    equations: System
    stiffness_MPa: Floats

    @cached_property
    def _whole(self) -> Floats:
        return in_plane(self.stiffness_MPa)

    @cached_property
    def _linear(self) -> Floats:
        return stiffness_blocks(self.equations.of, self._whole)

    @cached_property
    def volume_mm3(self) -> Floats:
        """Volumes (elements,)."""
        return np.asarray(self.equations.of.volume_mm3.sum(axis=1))

    @cached_property
    def mean_operator(self) -> Floats:
        """(elements, 3, 2 nodes): mean strains of nodal displacements x0 y0 x1 y1 ..."""
        of = self.equations.of
        _, gradient = shape(of.mesh.kind, gauss("quad", of.level).points)
        x = of.mesh.nodes_mm[of.mesh.elements]
        jacobian = np.einsum("qan,enx->eqax", gradient, x)
        by_x = np.linalg.solve(jacobian, np.broadcast_to(gradient, (len(x), *gradient.shape)))
        mean = np.einsum("eqxn,eq->exn", by_x, of.volume_mm3) / self.volume_mm3[:, None, None]
        found = np.zeros((len(x), 3, 2 * x.shape[1]))
        found[:, 0, 0::2], found[:, 1, 1::2] = mean[:, 0], mean[:, 1]
        found[:, 2, 0::2], found[:, 2, 1::2] = mean[:, 1], mean[:, 0]
        return found

    def mean_strain(self, displacement_mm: Floats) -> Floats:
        """Return the mean strain (elements, 3) of displacements (nodes, 2)."""
        elements = self.equations.of.mesh.elements
        local = displacement_mm[elements].reshape(len(elements), -1)
        return np.asarray(np.einsum("ecn,en->ec", self.mean_operator, local))

    def steepness(self, displacement_mm: Floats) -> Floats:
        """Return how fast strain changes across each element (elements,), per mm, where it changes fastest.

        The largest singular value of the gradient that fits the sampled strains best (weighted by volume): exact for
        strains that grow linearly, and no ratio of small differences where a point lies near the middle.
        """
        of = self.equations.of
        strain = strains(of, displacement_mm)[..., IN_PLANE]
        weight = of.volume_mm3 / self.volume_mm3[:, None]
        apart = strain - np.einsum("eqc,eq->ec", strain, weight)[:, None]
        away = of.positions_mm - np.einsum("eqx,eq->ex", of.positions_mm, weight)[:, None]
        spread = np.einsum("eqx,eqy,eq->exy", away, away, weight)
        gradient = np.linalg.solve(spread, np.einsum("eqx,eqc,eq->exc", away, apart, weight))
        return np.asarray(np.linalg.svd(gradient, compute_uv=False)[:, 0])

    def corrected(
        self,
        displacement_mm: Floats,
        loads_N: Floats,
        elements: Sequence[int],
        stress_MPa: Floats,
        tangent_MPa: Floats,
    ) -> tuple[Floats, float]:
        """Take one Newton step.

        Parameters
        ----------
        displacement_mm : ndarray, shape (nodes, 2)
        loads_N : ndarray, shape (nodes, 2)
        elements : sequence of int
            Those with a law of their own.
        stress_MPa, tangent_MPa : ndarray, shapes (len(elements), 3) and (len(elements), 3, 3)
            What these laws answer to the mean strains of `displacement_mm`.

        Returns
        -------
        displacement_mm : ndarray, shape (nodes, 2)
        left : float
            Force out of balance before the step, relative to the loads.

        Raises
        ------
        NotConverged
            When the tangent is singular.
        """
        rest = loads_N - self.nodal_forces(displacement_mm, elements, stress_MPa)
        free = self.equations.free
        left = float(np.linalg.norm(rest.ravel()[free]) / np.linalg.norm(loads_N))
        return displacement_mm + self._answer(rest, list(elements), tangent_MPa), left

    def _answer(self, loads_N: Floats, own: list[int], tangent_MPa: Floats) -> Floats:
        """Return the displacements (nodes, 2) that answer loads, the own laws' tangents among the linear ones.

        Every own law adds a matrix of rank three to the linear stiffness, which is factorized once and for all (M. A.
        Woodbury, Inverting modified matrices, Princeton, 1950).
        """
        go, _ = self._linear_answer(loads_N)
        if not own:
            return go
        influence = np.stack([self._influence(e) for e in own])
        nodes = self.equations.of.mesh.elements[own]
        B = self.mean_operator[own]
        # strains of the own elements under unit pushes of any of them
        met = np.einsum("ecn,fken->fkec", B, influence[:, :, nodes].reshape(len(own), 3, len(own), -1))
        push = self.volume_mm3[own, None, None] * (tangent_MPa - self.stiffness_MPa)
        size = 3 * len(own)
        inner = np.eye(size) + np.einsum("edc,fkec->edfk", push, met).reshape(size, size)
        felt = np.einsum("edc,ecn,en->ed", push, B, go[nodes].reshape(len(own), -1)).ravel()
        try:
            back = np.linalg.solve(inner, felt).reshape(-1, 3)
        except np.linalg.LinAlgError:
            raise NotConverged(
                "the component with laws of its own has no stiffness left; take a smaller load"
            ) from None
        return np.asarray(go - np.einsum("fknx,fk->nx", influence, back))

    @cached_property
    def _linear_answer(self) -> Callable[[Floats], tuple[Floats, float]]:
        return self.equations.factorized(self._linear)

    @cached_property
    def _influences(self) -> dict[int, Floats]:
        return {}

    def _influence(self, element: int) -> Floats:
        """Return what each mean stress of an element, per volume, moves (3, nodes, 2)."""
        if element not in self._influences:
            of, found = self.equations.of, []
            for row in self.mean_operator[element]:
                push = np.zeros(of.mesh.nodes_mm.shape)
                push[of.mesh.elements[element]] = row.reshape(-1, 2)
                found.append(self._linear_answer(push)[0])
            self._influences[element] = np.stack(found)
        return self._influences[element]

    def nodal_forces(self, displacement_mm: Floats, elements: Sequence[int], stress_MPa: Floats) -> Floats:
        """Return the nodal forces (nodes, 2) in N that balance the stresses at these displacements."""
        of, own = self.equations.of, np.asarray(elements, dtype=np.int64)
        found = forces(of, strains(of, displacement_mm) @ self._whole)
        more = stress_MPa - self.mean_strain(displacement_mm)[own] @ self.stiffness_MPa
        pushed = np.einsum("ecn,ec,e->en", self.mean_operator[own], more, self.volume_mm3[own])
        np.add.at(found, of.mesh.elements[own], pushed.reshape(len(own), of.mesh.elements.shape[1], 2))
        return found

    def energy_mJ(self, displacement_mm: Floats, elements: Sequence[int], density_MPa: Floats) -> float:
        """Return the strain energy in N mm; `density_MPa` (len(elements),) is that of the own laws at mean strain."""
        of, own = self.equations.of, np.asarray(elements, dtype=np.int64)
        strain = strains(of, displacement_mm)
        linear = 0.5 * float(np.einsum("eqi,ij,eqj,eq->", strain, self._whole, strain, of.volume_mm3, optimize=True))
        mean = self.mean_strain(displacement_mm)[own]
        of_mean = 0.5 * np.einsum("ei,ij,ej->e", mean, self.stiffness_MPa, mean)
        return linear + float(((density_MPa - of_mean) * self.volume_mm3[own]).sum())
