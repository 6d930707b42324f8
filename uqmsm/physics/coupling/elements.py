"""The energy of elements with its derivatives, summed straight into one sparse matrix whose pattern is laid once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from uqmsm.physics.coupling.cauchy_born import Continuum, Density, NearlyLinear
from uqmsm.physics.coupling.mesh import Mesh

__all__ = ["ElementSum", "element_sum"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_compiled = njit(cache=True, error_model="numpy", fastmath={"contract"})  # sums keep their order


@_compiled
def _added(
    which: Ints, nodes: Ints, shapes: Floats, weights: Floats, stress: Floats, tangent: Floats,
    place: Ints, stride: Ints, axes: tuple[int, ...], corners: tuple[int, ...], gradient: Floats, data: Floats,
) -> None:  # fmt: skip
    """Add w B^T P to `gradient` (n, d) and w B^T A B to `data`; `axes` and `corners` are any tuples as long as those.

    The length of a tuple is known to the compiler, which unrolls the loops over it.
    """
    d, c = len(axes), len(corners)
    turned = np.empty((d, d, d))
    for p in range(which.shape[0]):
        e = which[p]
        w = weights[e]
        for b in range(c):
            for i in range(d):
                pushed = 0.0
                for J in range(d):
                    pushed += stress[p, i, J] * shapes[e, b, J]
                    for j in range(d):
                        sum_ = 0.0
                        for L in range(d):
                            sum_ += tangent[p, i, J, j, L] * shapes[e, b, L]
                        turned[i, j, J] = w * sum_
                gradient[nodes[e, b], i] += w * pushed
            for a in range(c):
                start, step = place[e, a * c + b], stride[nodes[e, a]]
                for i in range(d):
                    for j in range(d):
                        sum_ = 0.0
                        for J in range(d):
                            sum_ += shapes[e, a, J] * turned[i, j, J]
                        data[start + i * step + j] += sum_


@dataclass(frozen=True)
class Pattern:
    """Where the entries of elements stand in a sparse matrix (n d, n d) of degrees of freedom.

    Attributes
    ----------
    place
        (m, (d + 1)^2): the entry of the first pair of axes of every pair of corners.
    stride
        (n,): entries in one row of each node.
    indices, indptr
        As in `scipy.sparse.csr_matrix`, sorted.
    """

    place: Ints
    stride: Ints
    indices: NDArray[np.int32]
    indptr: NDArray[np.int32]


def _pattern(nodes: Ints, n: int, d: int) -> Pattern:
    m, corners = nodes.shape
    rows, columns = np.repeat(nodes, corners, axis=1), np.tile(nodes, (1, corners))
    keys, block = np.unique(rows * n + columns, return_inverse=True)
    row, column = keys // n, keys % n
    count = np.bincount(row, minlength=n)
    first = np.concatenate([[0], np.cumsum(count)])
    start = d * d * first[row] + d * (np.arange(len(keys)) - first[row])
    stride = d * count
    indptr = np.concatenate([[0], np.cumsum(np.repeat(stride, d))])
    indices = np.empty(indptr[-1], dtype=np.int32)
    for i in range(d):
        for j in range(d):
            indices[start + i * stride[row] + j] = d * column + j
    return Pattern(
        np.ascontiguousarray(start[block.reshape(m, corners**2)]), stride, indices, indptr.astype(np.int32)
    )  # fmt: skip


@dataclass(frozen=True)
class ElementSum:
    """Weighted energies of elements.

    Attributes
    ----------
    continuum
        Energy density.
    mesh
        Whose nodes they join.
    kept
        (m,) which elements of the mesh.
    weights
        (m,) volumes times weights.
    added
        (m, d, d) what is added to the deformation gradients of interpolated positions, or none.
    """

    continuum: Continuum
    mesh: Mesh
    kept: Ints
    weights: Floats
    added: Floats | None = None

    @cached_property
    def deformation(self) -> csr_matrix:
        """Return the matrix (m d d, n d) from positions to deformation gradients, without what is added to them."""
        d = self.mesh.nodes.shape[1]
        return self.mesh.deformation[(self.kept[:, None] * d * d + np.arange(d * d)).ravel()]

    @cached_property
    def _nodes(self) -> Ints:
        return np.ascontiguousarray(self.mesh.elements[self.kept])

    @cached_property
    def _shapes(self) -> Floats:
        return np.ascontiguousarray(self.mesh.gradients[self.kept])

    @cached_property
    def _pattern(self) -> Pattern:
        return _pattern(self._nodes, *self.mesh.nodes.shape)

    def gradients(self, y: Floats) -> Floats:
        """Return deformation gradients (m, d, d)."""
        d = y.shape[1]
        found = np.asarray((self.deformation @ y.ravel()).reshape(-1, d, d))
        return found if self.added is None else found + self.added

    def energy(self, y: Floats) -> float:
        """Return the energy at positions y (n, d)."""
        return float(self.weights @ self.continuum(self.gradients(y)).energy)

    def gradient(self, y: Floats) -> Floats:
        """Return the gradient (n, d)."""
        stress = self.weights[:, None, None] * self.continuum(self.gradients(y)).stress
        return np.asarray((self.deformation.T @ stress.ravel()).reshape(y.shape))

    def derivatives(self, y: Floats) -> tuple[Floats, csr_matrix]:
        """Return the gradient (n, d) and the Hessian (n d, n d) at positions y (n, d)."""
        F = self.gradients(y)
        if self.added is not None or not isinstance(self.continuum, NearlyLinear):
            return self._summed(np.arange(len(F)), self.continuum(F), np.zeros(y.shape), None)
        gradient, stiffness = self._expanded
        v = y - self.mesh.nodes @ self.continuum.F0.T
        started = gradient + (stiffness @ v.ravel()).reshape(y.shape)
        far = np.flatnonzero(self.continuum.far(F))
        return self._summed(far, self.continuum.beyond(F[far]), started, stiffness.data)

    @cached_property
    def _expanded(self) -> tuple[Floats, csr_matrix]:
        """Return gradient and Hessian of all elements at the place around which their continuum is expanded."""
        assert isinstance(self.continuum, NearlyLinear)
        F = np.broadcast_to(self.continuum.F0, (len(self.kept), *self.continuum.F0.shape))
        every = np.arange(len(self.kept))
        return self._summed(every, self.continuum.near(F), np.zeros(self.mesh.nodes.shape), None)

    def _summed(self, which: Ints, at: Density, gradient: Floats, data: Floats | None) -> tuple[Floats, csr_matrix]:
        """Add some elements to a gradient, which is overwritten, and to a copy of the entries of a Hessian."""
        pattern, d = self._pattern, gradient.shape[1]
        entries = np.zeros(len(pattern.indices)) if data is None else data.copy()
        _added(
            which, self._nodes, self._shapes, self.weights, at.stress, np.ascontiguousarray(at.tangent),
            pattern.place, pattern.stride, (0,) * d, (0,) * self._nodes.shape[1], gradient, entries,
        )  # fmt: skip
        return gradient, csr_matrix((entries, pattern.indices, pattern.indptr), shape=(gradient.size,) * 2)


def element_sum(mesh: Mesh, weights: Floats, continuum: Continuum, far_field: Floats | None = None) -> ElementSum:
    """Collect the energies of all elements whose weight (m,) is not zero.

    What a mesh adds to deformation gradients is that of a crystal at rest; `far_field` (d, d) takes it with it.
    """
    kept = np.flatnonzero(weights)
    added = mesh.added
    if added is not None:
        added = added[kept] if far_field is None else far_field @ added[kept]
    return ElementSum(continuum, mesh, kept, (weights * mesh.volumes)[kept], added)
