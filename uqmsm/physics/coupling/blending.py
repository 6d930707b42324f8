"""Blending functions: 0 where atoms count, 1 where the continuum counts, and how they pass from one to the other."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.linalg import splu

from uqmsm.errors import StudyError
from uqmsm.physics.coupling.mesh import Mesh

__all__ = ["Profile", "blending", "profile"]

Floats = NDArray[np.float64]

Profile = Literal["sharp", "linear", "cubic", "quintic", "least_bending"]


def profile(kind: Profile, s: Floats) -> Floats:
    """Return the blending at fractions s of its width: 0 up to s = 0, 1 from s = 1 on.

    ``linear`` is continuous, ``cubic`` has continuous slopes, ``quintic`` continuous curvature.
    """
    x = np.clip(s, 0.0, 1.0)
    if kind == "linear":
        return np.asarray(x)
    if kind == "cubic":
        return np.asarray(x**2 * (3.0 - 2.0 * x))
    if kind == "quintic":
        return np.asarray(x**3 * (10.0 - 15.0 * x + 6.0 * x**2))
    if kind == "sharp":
        return np.asarray((s > 1e-9).astype(np.float64))
    raise StudyError(f"blending {kind!r} has no formula; choose one of {', '.join(get_args(Profile)[:4])}")


def blending(mesh: Mesh, core: float, width: float, kind: Profile = "least_bending") -> Floats:
    """Return the share (n,) of the continuum at every node.

    Parameters
    ----------
    mesh
        With all sites as nodes up to ``core + width`` and the reach of the interaction.
    core
        Layers of pure atoms.
    width
        Layers over which they fade; ignored by a sharp interface.
    kind
        ``least_bending`` minimises the sum of squares of second differences along the hops, which is what the error of
        blended energies grows with (B. Van Koten and M. Luskin, SIAM J. Numer. Anal. 49, 2182, 2011; M. Luskin and
        C. Ortner, Acta Numerica 22, 397, 2013).
    """
    if kind == "sharp":
        return profile("sharp", mesh.distance - core)
    if not width >= 1.0:
        raise StudyError(f"blending over {width:g} layers: give at least 1, or a sharp interface")
    s = (mesh.distance - core) / width
    return _least_bending(mesh, s) if kind == "least_bending" else profile(kind, s)


def _least_bending(mesh: Mesh, s: Floats) -> Floats:
    """Minimise the second differences along all hops between nodes with s <= 0 (held at 0) and s >= 1 (held at 1)."""
    beta = (s >= 1.0 - 1e-9).astype(np.float64)
    free = (s > 1e-9) & (s < 1.0 - 1e-9)
    if not free.any():
        return beta
    half = len(mesh.lattice.steps) // 2
    # second differences are taken at sites next to a free one too, so that the slope passes over the edges
    here = np.flatnonzero((s > -1.0) & (mesh.distance <= mesh.distance[free].max() + 1.0 + 1e-9))
    ends = mesh.hop_ends(here)
    rows, columns, values = [], [], []
    count = 0
    for k in range(half):
        back = int(np.flatnonzero((mesh.lattice.steps == -mesh.lattice.steps[k]).all(axis=1))[0])
        whole = (ends[:, k] >= 0) & (ends[:, back] >= 0)
        row = count + np.arange(whole.sum())
        for node, value in ((here[whole], -2.0), (ends[whole, k], 1.0), (ends[whole, back], 1.0)):
            rows.append(row)
            columns.append(node)
            values.append(np.full(len(row), value))
        count += len(row)
    second = csr_matrix(
        (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), shape=(count, len(s))
    )
    normal = (second.T @ second).tocsr()
    inner = np.flatnonzero(free)
    beta[inner] = splu(normal[inner][:, inner].tocsc()).solve(-(normal @ beta)[inner])
    return np.clip(beta, 0.0, 1.0)
