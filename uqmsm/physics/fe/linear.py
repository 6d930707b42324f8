"""Solves for displacements: factors for small systems, multigrid with the rigid motions for large ones.

What the mesh and the held dofs fix (an ordering that keeps the factors sparse, the place of every entry in it) is found
once and kept. Factors are SuperLU's, or PARDISO's where that extra is asked for; multigrid is smoothed aggregation (P.
Vanek, J. Mandel, M. Brezina, Computing 56, 179 (1996)) as a preconditioner, told the rigid motions that it has to keep.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import splu

from uqmsm.errors import NotConverged, StudyError
from uqmsm.physics.fe.discretise import Discretisation
from uqmsm.physics.fe.ties import Ties

__all__ = ["System", "held_dofs", "rigid_motions", "system"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Method = Literal["direct", "multigrid", "pardiso"]
_AMBIENT = Lock()
_DIRECT_UP_TO = {2: 150_000, 3: 15_000}  # dofs; beyond, factors fill in and multigrid is faster (benchmarks/fe.py)


@dataclass(frozen=True, eq=False)
class System:
    """Which dofs are held, and how the others are found; made by `system`.

    Attributes
    ----------
    of : Discretisation
    held, free : ndarray of int
        Dofs; `free` in the order of the factors.
    method : str
    symmetric : bool
        Whether all stiffness matrices to come are.
    tolerance : float
        Largest relative residual accepted.
    ties : Ties or None
        Dofs that follow others; they are neither held nor free.
    """

    of: Discretisation
    held: Ints
    free: Ints
    method: Method
    symmetric: bool
    tolerance: float
    ties: Ties | None = None

    def followed(self, displacement_mm: Floats) -> Floats:
        """Return displacements (size,) in which dofs that follow others do."""
        return displacement_mm if self.ties is None else self.ties.followed(displacement_mm)

    def gathered(self, forces_N: Floats) -> Floats:
        """Return forces (size,) in which those on dofs that follow act on the dofs that lead."""
        return forces_N if self.ties is None else self.ties.gathered(forces_N)

    @cached_property
    def _taken(self) -> tuple[Ints, sparse.csc_array]:
        """Which entry of the blocks each entry of the free columns is, and a matrix with these; without ties."""
        numbered = _numbered(self.of)[self.free][:, self.free].tocsc()
        numbered.sort_indices()
        return np.asarray(numbered.data - 1, dtype=np.int64), numbered

    @cached_property
    def _struck(self) -> tuple[Ints, Ints]:
        """Entries of the blocks in rows or columns of held dofs, and those on the diagonal among them."""
        numbered = _numbered(self.of).tocoo()
        mask = np.zeros(self.of.size, dtype=bool)
        mask[self.held] = True
        struck = mask[numbered.row] | mask[numbered.col]
        entry = np.asarray(numbered.data[struck] - 1, dtype=np.int64)
        return entry, entry[numbered.row[struck] == numbered.col[struck]]

    def solve(self, blocks_N_per_mm: Floats, loads_N: Floats) -> tuple[Floats, float]:
        """Solve for the displacements, zero where held, and return the relative residual of the free system.

        Parameters
        ----------
        blocks_N_per_mm : ndarray, shape (entries, d, d)
            From `uqmsm.physics.fe.assemble.stiffness_blocks`.
        loads_N : ndarray, shape (nodes, d)
            What acts on held dofs does not count.

        Returns
        -------
        displacement_mm : ndarray, shape (nodes, d)
        residual : float

        Raises
        ------
        NotConverged
            When the factorization breaks down or too much force is left: the material is singular, or the component
            is not held.
        """
        load = self.gathered(np.ascontiguousarray(loads_N).ravel())
        if not load[self.free].any():
            return np.zeros(self.of.mesh.nodes_mm.shape), 0.0
        return self.factorized(blocks_N_per_mm)(loads_N)

    def factorized(self, blocks_N_per_mm: Floats) -> Callable[[Floats], tuple[Floats, float]]:
        """Return what solves for any loads with this stiffness; see `solve` for both."""
        inner = self._cycles(blocks_N_per_mm) if self.method == "multigrid" else self._factors(blocks_N_per_mm)

        def solved(loads_N: Floats) -> tuple[Floats, float]:
            shape = self.of.mesh.nodes_mm.shape
            load = self.gathered(np.broadcast_to(loads_N, shape).ravel())
            size = float(np.sqrt((load[self.free] ** 2).sum()))
            if size == 0.0:
                return np.zeros(shape), 0.0
            full, left = inner(load)
            residual = left / size
            if not residual < self.tolerance:
                raise NotConverged(
                    f"fe.solve: a relative residual of {residual:.1e} is left by {self.method} where "
                    f"{self.tolerance:.0e} is asked; check material, mesh and supports"
                )
            return self.followed(full).reshape(shape), residual

        return solved

    def _columns(self, blocks: Floats) -> sparse.csc_array:
        """Return the stiffness of the free dofs, in their order."""
        if self.ties is None:
            taken, columns = self._taken
            return sparse.csc_array((blocks.ravel()[taken], columns.indices, columns.indptr), shape=columns.shape)
        return sparse.csc_array(self.ties.reduced(_matrix(self.of, blocks))[self.free][:, self.free])

    def _factors(self, blocks: Floats) -> Callable[[Floats], tuple[Floats, float]]:
        """Factorize the free system; what is returned solves it, and once more for what rounding leaves."""
        K = self._columns(blocks)
        if self.method == "pardiso":
            from uqmsm.physics.fe.pardiso import factors

            back = factors(K, symmetric=self.symmetric)
        else:
            back = _superlu(K)

        def solved(whole: Floats) -> tuple[Floats, float]:
            load, full = whole[self.free], np.zeros(self.of.size)
            u = back(load)
            rest = load - K @ u
            if float(np.abs(rest).max()) > 1e-11 * float(np.abs(load).max()):
                u = u + back(rest)
                rest = load - K @ u
            full[self.free] = u
            return full, float(np.sqrt((rest**2).sum()))

        return solved

    def _cycles(self, blocks: Floats) -> Callable[[Floats], tuple[Floats, float]]:
        """Return conjugate gradients (or GMRES, where the tangent is not symmetric) over multigrid cycles."""
        K = self._struck_out(blocks)
        still = self.held if self.ties is None else np.union1d(self.held, self.ties.followers)
        modes = rigid_motions(self.of)
        modes[still] = 0.0
        levels = self._levels(K, modes)

        def solved(whole: Floats) -> tuple[Floats, float]:
            f = whole.copy()
            f[still] = 0.0
            u = levels.solve(f, tol=0.1 * self.tolerance, accel="cg" if self.symmetric else "gmres", maxiter=300)
            u[still] = 0.0
            rest = f - K @ u
            return u, float(np.sqrt((rest**2).sum()))

        return solved

    def _struck_out(self, blocks: Floats) -> sparse.bsr_matrix:
        """Return the stiffness with nothing but a diagonal where dofs are held or follow."""
        d, pattern = self.of.mesh.dimension, self.of.pattern
        if self.ties is not None:
            reduced = self.ties.reduced(_matrix(self.of, blocks))
            keep = np.zeros(self.of.size)
            keep[self.free] = 1.0
            scale = float(np.abs(reduced.diagonal()[self.free]).mean())
            kept, rest = sparse.diags_array(keep), sparse.diags_array(scale * (1.0 - keep))
            return sparse.bsr_matrix(sparse.csr_matrix(kept @ reduced @ kept + rest), blocksize=(d, d))
        entry, diagonal = self._struck
        flat = blocks.ravel().copy()
        scale = float(np.abs(flat[diagonal]).mean()) if diagonal.size else 1.0
        flat[entry] = 0.0
        flat[diagonal] = scale
        return sparse.bsr_matrix((flat.reshape(blocks.shape), pattern.indices, pattern.indptr))

    def _levels(self, K: sparse.bsr_matrix, modes: Floats) -> Any:
        """Set up the levels of the multigrid."""
        from pyamg import smoothed_aggregation_solver

        symmetry = "symmetric" if self.symmetric else "nonsymmetric"
        with _AMBIENT:  # pyamg starts its power iterations from NumPy's global stream; no member may notice
            before = np.random.get_state()  # noqa: NPY002  # pyamg takes no generator
            np.random.seed(0)  # noqa: NPY002  # as above: the same levels for the same matrix
            try:
                return smoothed_aggregation_solver(K, B=modes, symmetry=symmetry, max_coarse=300)
            finally:
                np.random.set_state(before)  # noqa: NPY002  # as above: given back as it was found


def system(
    of: Discretisation,
    held: Ints,
    *,
    method: Method | None = None,
    symmetric: bool = True,
    tolerance: float = 1e-9,
    ties: Ties | None = None,
) -> System:
    """Prepare the solution for given supports.

    Parameters
    ----------
    of : Discretisation
    held : ndarray of int
        Dofs (d * node + axis) whose displacement is prescribed.
    method : str
        ``direct``, ``multigrid`` or ``pardiso`` (an extra, `uqmsm.physics.fe.pardiso`); one of the first two, by size,
        when None.
    symmetric : bool
        Whether the tangents are.
    tolerance : float
        Largest relative residual.
    ties : Ties
        Dofs that follow others (`uqmsm.physics.fe.ties.cyclic`). Where a follower is held, hold its leader instead.

    Raises
    ------
    StudyError
        When a held dof does not exist or follows, none is free, or the method is none.
    """
    hold = np.unique(np.asarray(held, dtype=np.int64))
    if hold.size and not (hold[0] >= 0 and hold[-1] < of.size and hold.size < of.size):
        raise StudyError(
            f"system: held dofs run from {hold[0]} to {hold[-1]}, the mesh has {of.size}, some must be free"
        )
    if method not in {None, "direct", "multigrid", "pardiso"}:
        raise StudyError(f"system: method {method!r}; write direct, multigrid or pardiso, or leave it out")
    if ties is not None and np.intersect1d(hold, ties.followers).size:
        raise StudyError(
            f"system: {np.intersect1d(hold, ties.followers).size} dofs are held and follow others as well; hold those "
            "that lead"
        )
    free = np.setdiff1d(np.arange(of.size), hold if ties is None else np.union1d(hold, ties.followers))
    chosen: Method = method or ("direct" if len(free) <= _DIRECT_UP_TO[of.mesh.dimension] else "multigrid")
    if chosen == "direct":
        numbered = _numbered(of)
        met = numbered if ties is None else sparse.csr_array(abs(ties.whole).T @ (numbered @ abs(ties.whole)))
        free = free[_ordering(met[free][:, free])]
    return System(of, hold, free, chosen, symmetric, tolerance, ties)


def held_dofs(of: Discretisation, nodes: Ints, *axes: int) -> Ints:
    """Return the dofs of some nodes along some axes."""
    d = of.mesh.dimension
    return np.asarray((d * np.asarray(nodes).reshape(-1, 1) + np.array(axes)).ravel(), dtype=np.int64)


def rigid_motions(of: Discretisation) -> Floats:
    """Return displacements that strain nothing, one per column: 3 in the plane, 6 in space, 1 round an axis."""
    x = of.mesh.nodes_mm - of.mesh.nodes_mm.mean(axis=0)
    nodes, d = x.shape
    shifts = np.tile(np.eye(d), (nodes, 1))
    if of.kinematics == "axisymmetric":
        return np.asarray(shifts[:, 1:], dtype=np.float64)
    turns = []
    for a, b in ((0, 1),) if d == 2 else ((1, 2), (2, 0), (0, 1)):
        turn = np.zeros((nodes, d))
        turn[:, a], turn[:, b] = -x[:, b], x[:, a]
        turns.append(turn.ravel() / np.abs(x).max())
    return np.column_stack([shifts, *turns])


def _matrix(of: Discretisation, blocks: Floats) -> sparse.csr_array:
    """Return the stiffness of all dofs."""
    return sparse.bsr_array((blocks, of.pattern.indices, of.pattern.indptr), shape=(of.size, of.size)).tocsr()


def _superlu(K: sparse.csc_array) -> Callable[[Floats], Floats]:
    """Factorize without pivoting, in the order given."""
    try:
        factors = splu(K, permc_spec="NATURAL", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    except RuntimeError as breakdown:
        raise NotConverged(
            f"fe.solve: the stiffness matrix is singular ({breakdown}); check the material and the supports"
        ) from None
    return lambda load: np.asarray(factors.solve(load))


def _numbered(of: Discretisation) -> sparse.csr_array:
    """Return a matrix with the stiffness's pattern whose entries count the entries of the blocks from one."""
    d, pattern = of.mesh.dimension, of.pattern
    count = np.arange(1.0, len(pattern.indices) * d * d + 1).reshape(-1, d, d)
    return sparse.bsr_array((count, pattern.indices, pattern.indptr), shape=(of.size, of.size)).tocsr()


def _ordering(numbered: sparse.csr_array) -> Ints:
    """Return an order of the rows that keeps factors sparse, found on a diagonally dominant matrix of this pattern."""
    columns = numbered.tocsc()
    example = sparse.csc_array((np.full(columns.nnz, -1.0), columns.indices, columns.indptr), shape=columns.shape)
    example = example + sparse.diags_array(np.full(columns.shape[0], 1.0 + np.diff(columns.indptr).max()))
    factors = splu(sparse.csc_array(example), permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})
    return np.asarray(np.argsort(factors.perm_c), dtype=np.int64)
