"""A scalar that spreads over the mesh: damage, or heat at rest; ``-div(k grad a) + c a = s`` in its weak form.

Threads are not needed: one number a node, and the factors take the time.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import splu

from uqmsm.errors import MemberFailed
from uqmsm.physics.fe.discretise import Discretisation
from uqmsm.physics.fe.kernels import Setting, Table, lay_out

__all__ = ["above", "at_points", "gradient_at_points", "spreading"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Indices = NDArray[np.int32]


@njit(cache=True, nogil=True, error_model="numpy")
def _add_spreading(
    nodes: Floats,
    cells: Ints,
    table: Table,
    setting: Setting,
    points: tuple[Floats, Floats, Floats],
    place: Indices,
    entries: Floats,
    load: Floats,
) -> None:
    """Add ``k grad N . grad N + c N N`` to the entries and ``s N`` to the load."""
    number, dim, count = table[1].shape
    value = table[0]
    spread, pull, source = points
    slope, volume = np.empty((number, dim + 1, count)), np.empty(number)
    for e in range(len(cells)):
        lay_out(nodes, cells[e], table, setting, slope, volume)
        for q in range(number):
            k, c, s = spread[e, q] * volume[q], pull[e, q] * volume[q], source[e, q] * volume[q]
            for n in range(count):
                load[cells[e, n]] += s * value[q, n]
                for m in range(count):
                    total = c * value[q, n] * value[q, m]
                    for x in range(dim):
                        total += k * slope[q, x, n] * slope[q, x, m]
                    entries[place[e, n, m]] += total


def spreading(of: Discretisation, spread: Floats, pull: Floats, source: Floats) -> tuple[sparse.csr_array, Floats]:
    """Return the symmetric matrix (nodes, nodes) and the load (nodes,) of a scalar.

    Parameters
    ----------
    of : Discretisation
    spread, pull, source : ndarray
        k, c and s at the quadrature points: what broadcasts to (elements, points).
    """
    nodes = len(of.mesh.nodes_mm)
    given = [np.broadcast_to(one, of.points).astype(np.float64) for one in (spread, pull, source)]
    entries, load = np.zeros(len(of.pattern.indices)), np.zeros(nodes)
    points = (given[0], given[1], given[2])
    _add_spreading(of.mesh.nodes_mm, of.mesh.elements, of.table, of.setting, points, of.pattern.place, entries, load)
    return sparse.csr_array((entries, of.pattern.indices, of.pattern.indptr), shape=(nodes, nodes)), load


def at_points(of: Discretisation, nodal: Floats) -> Floats:
    """Return a nodal scalar at the quadrature points, (elements, points)."""
    return np.asarray(np.einsum("qn,en->eq", of.table[0], nodal[of.mesh.elements]))


def gradient_at_points(of: Discretisation, nodal: Floats) -> Floats:
    """Return the gradient of a nodal scalar, or of a vector's components, (elements, points, ..., d)."""
    jacobian = np.einsum("qrn,enx->eqrx", of.table[1], of.mesh.nodes_mm[of.mesh.elements])
    local = np.einsum("qrn,en...->eqr...", of.table[1], nodal[of.mesh.elements])
    flat = local.reshape(*local.shape[:3], -1)
    return np.moveaxis(np.linalg.solve(jacobian, flat), 2, -1).reshape(*local.shape[:2], *local.shape[3:], -1)


def above(matrix: sparse.csr_array, load: Floats, floor: Floats, guess: Floats) -> Floats:
    """Minimise ``a.K a / 2 - f.a`` over ``a >= floor`` by the primal-dual active set.

    M. Hintermueller, K. Ito, K. Kunisch, SIAM J. Optim. 13, 865 (2002).

    Parameters
    ----------
    matrix, load
        From `spreading`; positive definite.
    floor, guess
        (nodes,).

    Raises
    ------
    MemberFailed
        When the active set does not settle.
    """
    found = np.maximum(guess, floor)
    push = matrix @ found - load
    scale = float(np.abs(matrix.diagonal()).mean())
    resting = (found <= floor) & (push > 0.0)
    for _ in range(100):
        free = np.flatnonzero(~resting)
        found = floor.copy()
        if free.size:
            inner = matrix[free][:, free].tocsc()
            rest = load[free] - (matrix[free] @ np.where(resting, floor, 0.0))
            found[free] = splu(inner, permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True}).solve(rest)
        push = np.where(resting, matrix @ found - load, 0.0)
        following = push - scale * (found - floor) > 0.0
        if np.array_equal(following, resting):
            return np.maximum(found, floor)
        resting = following
    raise MemberFailed(
        "above: the set of nodes that rest on their floor does not settle in 100 rounds; refine the mesh"
    )
