"""Graded simplex meshes on lattice sites: every atom around a defect, ever fewer sites away from it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import factorial

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.spatial import Delaunay

from uqmsm.errors import StudyError
from uqmsm.physics.coupling.lattice import Lattice, lattice_points, row_distance

__all__ = ["Mesh", "graded", "rate_of_grading", "shape_gradients"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Mesh:
    """Simplices on lattice sites.

    Attributes
    ----------
    lattice
        Whose sites the nodes are.
    sites
        (n, d) whole numbers: the nodes in units of the primitive vectors.
    elements
        (m, d + 1) nodes.
    distance
        (n,) layers from the centre or from the row that the mesh is graded around.
    """

    lattice: Lattice
    sites: Ints
    elements: Ints
    distance: Floats

    @cached_property
    def nodes(self) -> Floats:
        """Return reference positions (n, d)."""
        return np.asarray(self.sites @ self.lattice.basis)

    @property
    def corners(self) -> Floats:
        """Return the reference positions (m, d + 1, d) of the corners of elements."""
        return np.asarray(self.nodes[self.elements])

    @property
    def chart(self) -> Floats:
        """Return the coordinates (n, d) that the mesh was triangulated in, and in which displacements are smooth."""
        return self.nodes

    @property
    def hops(self) -> Floats:
        """Return the vectors (K, d) of the hops in the crystal at rest."""
        return self.lattice.hops

    @property
    def added(self) -> Floats | None:
        """Return what is added to deformation gradients (m, d, d) of interpolated positions: nothing."""
        return None

    @cached_property
    def volumes(self) -> Floats:
        """Return the volumes (m,) of the elements."""
        return _volumes(self.corners)

    @cached_property
    def gradients(self) -> Floats:
        """Return the gradients (m, d + 1, d) of the shape functions."""
        return shape_gradients(self.corners)

    def measured(self) -> tuple[Floats, Floats]:
        """Return gradients (m, d + 1, d) of shape functions and volumes (m,) by which displacements are compared."""
        return self.gradients, self.volumes

    def around(self, who: Ints) -> tuple[Ints, Floats | None]:
        """Return which nodes the atoms at nodes `who` (p,) see, (p, K), -1 where there is none.

        The second answer is what is added to the vectors (p, K, d) to them, if anything.
        """
        return self.lattice.neighbours(self.sites[who], self.sites), None

    def hop_ends(self, who: Ints) -> Ints:
        """Return the nodes (p, K) that the hops of the lattice lead to from nodes `who` (p,); -1: none."""
        return self.lattice.neighbours(self.sites[who], self.sites)

    def unseen(self, who: Ints) -> bool:
        """Say whether some atom of `who` (p,) interacts with a site that is no node."""
        return bool((self.hop_ends(who) < 0).any())

    @cached_property
    def boundary(self) -> Bools:
        """Return which nodes (n,) lie on the outer surface: on a side that only one element has."""
        d = self.lattice.dimension
        if d == 1:
            ends = np.zeros(len(self.sites), dtype=bool)
            ends[[np.argmin(self.sites[:, 0]), np.argmax(self.sites[:, 0])]] = True
            return ends
        sides = np.concatenate([np.delete(self.elements, k, axis=1) for k in range(d + 1)])
        unique, count = np.unique(np.sort(sides, axis=1), axis=0, return_counts=True)
        on = np.zeros(len(self.sites), dtype=bool)
        on[unique[count == 1].ravel()] = True
        return on

    @cached_property
    def deformation(self) -> csr_matrix:
        """Return the matrix (m d d, n d) that takes positions to deformation gradients F_iJ."""
        m, corners, d = self.gradients.shape
        e, a, i, J = np.indices((m, corners, d, d)).reshape(4, -1)
        rows, columns = (e * d + i) * d + J, self.elements[e, a] * d + i
        return csr_matrix((self.gradients[e, a, J], (rows, columns)), shape=(m * d * d, len(self.sites) * d))

    def interpolation(self, points: Floats) -> csr_matrix:
        """Return the matrix (p, n) of linear interpolation at points (p, d); empty rows outside the mesh."""
        n, d = self.chart.shape
        order = np.argsort(self.nodes[:, 0]) if d == 1 else None
        if order is not None:
            x, at = self.nodes[order, 0], points[:, 0]
            right = np.clip(np.searchsorted(x, at), 1, n - 1)
            share = (at - x[right - 1]) / (x[right] - x[right - 1])
            weights, nodes = np.stack([1.0 - share, share], axis=1), order[np.stack([right - 1, right], axis=1)]
            inside = (at >= x[0]) & (at <= x[-1])
        else:
            triangulation, points = Delaunay(_sheared(self.chart)), _sheared(points)
            found = triangulation.find_simplex(points, tol=1e-9)
            inside = found >= 0
            map_, nodes = triangulation.transform[found], triangulation.simplices[found]
            local = np.einsum("pij,pj->pi", map_[:, :d], points - map_[:, d])
            weights = np.concatenate([local, 1.0 - local.sum(axis=1, keepdims=True)], axis=1)
        rows = np.repeat(np.arange(len(points)), d + 1).reshape(-1, d + 1)
        keep = np.broadcast_to(inside[:, None], rows.shape)
        return csr_matrix((weights[keep], (rows[keep], nodes[keep])), shape=(len(points), n))

    def holder(self, points: Floats) -> Ints:
        """Return which element holds each point (p, d) inside a mesh of two or three dimensions."""
        triangulation = Delaunay(_sheared(self.nodes))
        # elements are those simplices, less the slivers of the hull, in the same order
        known = {tuple(row): k for k, row in enumerate(self.elements.tolist())}
        found = triangulation.simplices[triangulation.find_simplex(_sheared(points), tol=1e-9)]
        return np.array([known[tuple(row)] for row in found.tolist()], dtype=np.int64)


def _volumes(corners: Floats) -> Floats:
    return np.asarray(np.abs(np.linalg.det(corners[:, 1:] - corners[:, :1])) / factorial(corners.shape[2]))


def shape_gradients(corners: Floats) -> Floats:
    """Return the gradients (m, d + 1, d) of linear shape functions on simplices with corners (m, d + 1, d)."""
    inverse = np.linalg.inv(corners[:, 1:] - corners[:, :1])  # columns are gradients of corners 1 .. d
    rest = np.swapaxes(inverse, 1, 2)
    return np.concatenate([-rest.sum(axis=1, keepdims=True), rest], axis=1)


def rate_of_grading(dimension: int) -> tuple[float, float]:
    """Return the open interval of exponents alpha, h ~ r^alpha, for which a point defect is meshed optimally."""
    return 1.0, 0.5 * (dimension + 2)


def graded(lattice: Lattice, fine: float, outer: float, *, alpha: float = 1.5, axis_half: float = 0.0) -> Mesh:
    """Mesh the surroundings of a defect.

    All sites within `fine` layers of the centre (or of the row of `lattice_points`) are nodes; beyond, one site in 2^k
    along each primitive vector, with 2^k as near to (r / fine)^alpha as powers of two come, as far as `outer`.

    Parameters
    ----------
    lattice
        The lattice.
    fine, outer
        Radii in layers; ``outer = fine`` makes a mesh of atoms alone.
    alpha
        Grading; see `rate_of_grading`.
    axis_half
        Half the length of the row, in spacings.

    Raises
    ------
    StudyError
        When the radii are out of order.
    """
    if not 1.0 <= fine <= outer:
        raise StudyError(f"a mesh with fine = {fine:g} and outer = {outer:g} layers: give 1 <= fine <= outer")
    kept = [lattice_points(lattice, fine, axis_half=axis_half)]
    inner, every = fine, 1
    while inner < outer - 1e-9:
        reach = min(outer, fine * (every * np.sqrt(2.0)) ** (1.0 / alpha))
        if reach > inner + 1e-9:
            points = lattice_points(lattice, reach, every=every, axis_half=axis_half)
            kept.append(points[row_distance(lattice, points @ lattice.basis, axis_half) > inner + 1e-9])
            inner = reach
        every *= 2
    sites = np.concatenate(kept)
    nodes = sites @ lattice.basis
    return Mesh(lattice, sites, _triangulated(nodes), row_distance(lattice, nodes, axis_half))


def _sheared(points: Floats) -> Floats:
    """Return points under a small affine map of no symmetry, in three dimensions.

    Cubic lattices are full of cospherical points, whose triangulations are many and need not fit together; those of the
    sheared lattice are unique. Barycentric coordinates do not change.
    """
    if points.shape[1] < 3:
        return points
    return np.asarray(
        points + 1e-3 * points @ np.array([[0.31, 0.74, -0.52], [0.13, -0.45, 0.88], [-0.67, 0.21, 0.59]])
    )


def _triangulated(nodes: Floats) -> Ints:
    if nodes.shape[1] == 1:
        order = np.argsort(nodes[:, 0]).astype(np.int64)
        return np.stack([order[:-1], order[1:]], axis=1)
    elements = Delaunay(_sheared(nodes)).simplices.astype(np.int64)
    volumes = _volumes(nodes[elements])
    # straight sides of the hull leave slivers without volume
    edge = np.linalg.norm(nodes[elements[:, 1]] - nodes[elements[:, 0]], axis=1)
    return np.asarray(elements[volumes > 1e-9 * edge ** nodes.shape[1]])
