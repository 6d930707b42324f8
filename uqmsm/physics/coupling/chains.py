"""Chains of atoms with nearest and next-nearest neighbours: what coupling does wrong, in closed form.

With pair energies phi1, phi2 of neighbours and next neighbours and the stretch F, the ghost force of a blended energy
is phi2'(2F) times (beta_j+1 - beta_j-1) - (beta_j+2 - beta_j-2) / 2: differences of third order of the blending. The
quasi-nonlocal energy, which replaces only the next-neighbour bonds that are centred in the continuum (T. Shimokawa et
al., Phys. Rev. B 69, 214104, 2004), has none; it exists in one dimension only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import eigh
from scipy.sparse import csr_matrix, diags_array

from uqmsm.errors import StudyError
from uqmsm.physics.coupling.interactions import Radial
from uqmsm.physics.coupling.mesh import Mesh

__all__ = ["QuasiNonlocal", "critical_ratio", "decay_ratio", "ghost_pattern", "quadratic", "quasi_nonlocal"]

Floats = NDArray[np.float64]


def quadratic(length: float, stiffness: float, tension: float = 0.0) -> Radial:
    """Return the spring tension (r - length) + stiffness (r - length)^2 / 2."""

    def spring(r: Floats) -> tuple[Floats, Floats, Floats]:
        x = r - length
        return tension * x + 0.5 * stiffness * x * x, tension + stiffness * x, np.full_like(r, stiffness)

    return spring


def ghost_pattern(blend: ArrayLike) -> Floats:
    """Return forces (n - 4,) per unit phi2'(2F) on all but the two outer nodes at either end of a homogeneous chain.

    Parameters
    ----------
    blend
        (n,) share of the continuum at consecutive sites. A sharp interface gives (-1/2, 1/2, 1/2, -1/2).
    """
    beta = np.asarray(blend, dtype=np.float64)
    return np.asarray((beta[3:-1] - beta[1:-3]) - 0.5 * (beta[4:] - beta[:-4]))


def decay_ratio(neighbour_stiffness: float, next_stiffness: float) -> float:
    """Return the ratio by which the strain error of a sharp interface falls from one atom to the next.

    The smaller root of x + 1/x = -2 - k1/k2.

    Raises
    ------
    StudyError
        When k2 is not negative: the error then changes sign from atom to atom, or there is none.
    """
    if not next_stiffness < 0.0 < neighbour_stiffness + 4.0 * next_stiffness:
        raise StudyError(
            f"k1 = {neighbour_stiffness:g}, k2 = {next_stiffness:g}: a decay without sign change needs k2 < 0 and a "
            "stable chain, k1 + 4 k2 > 0"
        )
    half = 0.5 * (-2.0 - neighbour_stiffness / next_stiffness)
    return float(half - np.sqrt(half * half - 1.0))


def critical_ratio(neighbour_part: Floats, next_part: Floats) -> float:
    """Return the least k1 / |k2| at which k1 A1 - |k2| A2 is still positive semidefinite.

    Parameters
    ----------
    neighbour_part, next_part
        (n, n) Hessians of a chain with (k1, k2) = (1, 0) and (0, 1), on free nodes. The chain itself loses stability
        at 4.
    """
    return float(eigh(next_part, neighbour_part, eigvals_only=True)[-1])


@dataclass(frozen=True)
class QuasiNonlocal:
    """The quasi-nonlocal energy of a chain whose nodes are all sites.

    Attributes
    ----------
    first, second
        Pair energies of neighbours and of next neighbours.
    near, far
        (bonds, n): positions to the lengths of neighbour and of atomistic next-neighbour bonds.
    halves
        (b, n): to twice the lengths of the halves of continuum next-neighbour bonds, each of which counts one half.
    """

    first: Radial
    second: Radial
    near: csr_matrix
    far: csr_matrix
    halves: csr_matrix

    def _parts(self) -> tuple[tuple[csr_matrix, Radial, float], ...]:
        return (self.near, self.first, 1.0), (self.far, self.second, 1.0), (self.halves, self.second, 0.5)

    def energy(self, y: Floats) -> float:
        """Return the energy at positions y (n, 1)."""
        return float(sum(w * law(lengths @ y[:, 0])[0].sum() for lengths, law, w in self._parts()))

    def derivatives(self, y: Floats) -> tuple[Floats, csr_matrix]:
        """Return the gradient (n, 1) and the Hessian (n, n)."""
        gradient, hessian = np.zeros(len(y)), csr_matrix((len(y), len(y)))
        for lengths, law, w in self._parts():
            _, slope, bend = law(lengths @ y[:, 0])
            gradient += w * (lengths.T @ slope)
            hessian = hessian + w * (lengths.T @ (diags_array(bend) @ lengths))
        return gradient[:, None], hessian.tocsr()


def quasi_nonlocal(mesh: Mesh, blend: Floats, first: Radial, second: Radial) -> QuasiNonlocal:
    """Build the quasi-nonlocal energy; next-neighbour bonds centred at nodes with `blend` > 0 are the continuum's.

    Raises
    ------
    StudyError
        When the mesh is no chain of consecutive sites.
    """
    order = np.argsort(mesh.sites[:, 0])
    if mesh.lattice.dimension != 1 or (np.diff(mesh.sites[order, 0]) != 1).any():
        raise StudyError("the quasi-nonlocal energy is for chains all of whose sites are nodes; refine the mesh")
    n = len(order)

    def lengths(left: NDArray[np.int64], right: NDArray[np.int64], scale: float) -> csr_matrix:
        rows = np.arange(len(left))
        values = scale * np.repeat([1.0, -1.0], len(left))
        return csr_matrix(
            (values, (np.tile(rows, 2), np.concatenate([order[right], order[left]]))), shape=(len(left), n)
        )

    middle = np.arange(1, n - 1)
    local = blend[order][1:-1] > 0.0
    ends = np.concatenate([middle[local] - 1, middle[local]])
    return QuasiNonlocal(
        first, second, lengths(np.arange(n - 1), np.arange(1, n), 1.0),
        lengths(middle[~local] - 1, middle[~local] + 1, 1.0), lengths(ends, ends + 1, 2.0),
    )  # fmt: skip
