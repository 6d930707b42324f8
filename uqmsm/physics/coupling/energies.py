"""The energy of atoms with gradient and Hessian, as products of sparse matrices.

E(y) = sum_p w_p e(B y): B takes positions to the vectors of bonds and does not change, so that the gradient is B^T w e'
and the Hessian B^T w e'' B in one, two or three dimensions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import bsr_matrix, csr_matrix, diags_array

from uqmsm.physics.coupling.interactions import Interaction
from uqmsm.physics.coupling.mesh import Mesh

__all__ = ["AtomSum", "EnergySum", "atom_sum", "block_diagonal", "bond_matrix"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class EnergySum(Protocol):
    """A part of the energy of a coupled problem."""

    def energy(self, y: Floats) -> float:
        """Return the energy at positions y (n, d)."""

    def derivatives(self, y: Floats) -> tuple[Floats, csr_matrix]:
        """Return the gradient (n, d) and the Hessian (n d, n d) at positions y (n, d)."""


def block_diagonal(values: Floats) -> bsr_matrix:
    """Return the block-diagonal matrix of blocks (p, b, b)."""
    p, b = values.shape[:2]
    return bsr_matrix((values, np.arange(p), np.arange(p + 1)), shape=(p * b, p * b))


@dataclass(frozen=True)
class AtomSum:
    """Weighted site energies of atoms.

    Attributes
    ----------
    interaction
        Site energy.
    weights
        (P,) of the sites.
    present
        (P, K) which neighbours exist.
    bonds
        (P K d, n d): positions to bond vectors.
    who, whom
        Kinds handed on to the interaction, or none.
    shifts
        (P, K, d) added to bond vectors, or none: to images along a periodic line.
    """

    interaction: Interaction
    weights: Floats
    present: Bools
    bonds: csr_matrix
    who: Ints | None = None
    whom: Ints | None = None
    shifts: Floats | None = None

    def vectors(self, y: Floats) -> Floats:
        """Return the bond vectors (P, K, d) at positions y (n, d)."""
        found = np.asarray((self.bonds @ y.ravel()).reshape(*self.present.shape, -1))
        return found if self.shifts is None else found + self.shifts

    def energies(self, y: Floats) -> Floats:
        """Return the site energies (P,), unweighted."""
        return self.interaction(self.vectors(y), self.present, self.who, self.whom).energy

    def energy(self, y: Floats) -> float:
        """Return the energy at positions y (n, d)."""
        return float(self.weights @ self.energies(y))

    def gradient(self, y: Floats) -> Floats:
        """Return the gradient (n, d)."""
        site = self.interaction(self.vectors(y), self.present, self.who, self.whom)
        return np.asarray((self.bonds.T @ (self.weights[:, None, None] * site.slope).ravel()).reshape(y.shape))

    def derivatives(self, y: Floats) -> tuple[Floats, csr_matrix]:
        """Return the gradient (n, d) and the Hessian (n d, n d) at positions y (n, d)."""
        site = self.interaction(self.vectors(y), self.present, self.who, self.whom)
        w, turned = self.weights, self.bonds.T.tocsr()
        gradient = (turned @ (w[:, None, None] * site.slope).ravel()).reshape(y.shape)
        d = y.shape[1]
        hessian = turned @ (
            block_diagonal((w[:, None, None, None] * site.block).reshape(-1, d, d)).tocsr() @ self.bonds
        )
        if site.bend.any():
            p = len(w)
            per = site.fan[0].size
            fans = csr_matrix((site.fan.ravel(), np.arange(p * per), per * np.arange(p + 1))) @ self.bonds
            hessian = hessian + fans.T @ (diags_array(w * site.bend) @ fans)
        return gradient, hessian.tocsr()


def atom_sum(
    mesh: Mesh, weights: Floats, interaction: Interaction, *, absent: Bools | None = None, kinds: Ints | None = None
) -> AtomSum:
    """Collect the site energies of all nodes whose weight is not zero.

    Parameters
    ----------
    mesh
        Whose nodes are sites; where a site that interacts has a hop to no node, the neighbour does not exist.
    weights
        (n,) of the nodes.
    interaction
        Site energy.
    absent
        (n,) nodes that are vacancies.
    kinds
        (n,) handed to the interaction.
    """
    there = np.ones(len(mesh.sites), dtype=bool) if absent is None else ~absent
    who = np.flatnonzero((weights != 0.0) & there)
    ends, shifts = mesh.around(who)
    present = (ends >= 0) & there[ends]
    return AtomSum(
        interaction, weights[who], present, bond_matrix(who, ends, present, mesh.nodes.shape),
        None if kinds is None else kinds[who], None if kinds is None else kinds[ends],
        shifts,
    )  # fmt: skip


def bond_matrix(who: Ints, ends: Ints, present: Bools, shape: tuple[int, ...]) -> csr_matrix:
    """Return the matrix (P K d, n d) from positions to the vectors of the bonds who -> ends that are present."""
    n, d = shape
    bond = np.flatnonzero(present.ravel())
    start, end = np.repeat(who, ends.shape[1])[bond], ends.ravel()[bond]
    rows = (bond[:, None] * d + np.arange(d)).ravel()
    columns = np.concatenate([(end[:, None] * d + np.arange(d)).ravel(), (start[:, None] * d + np.arange(d)).ravel()])
    values = np.repeat([1.0, -1.0], len(rows))
    return csr_matrix((values, (np.tile(rows, 2), columns)), shape=(ends.size * d, n * d))
