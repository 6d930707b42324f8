"""Arlequin: atoms and elements overlap, share the energy there and are tied by multipliers.

Stationary points of E_atoms(w) + E_elements(1 - w) + C(lambda, u_atoms - u_elements) with

    C(lambda, v) = int lambda v  (L2)   or   int lambda v + l^2 grad lambda : grad v  (H1)

over the overlap, both displacements interpolated on the lattice there. Multipliers live on the sites (``fine``: the
elements are locked to the scale of atoms) or on the nodes of the elements (``coarse``). Not every choice passes a patch
test: weights must be averaged alike in both models, and then the multipliers must be fine or the weights linear; and
blended many-body energies need their ghost force taken off as a dead load. The patch test therefore runs on every
geometry before it is used.

Sources: H. Ben Dhia, C. R. Acad. Sci. IIb 326, 899 (1998); P. T. Bauman et al., Comput. Mech. 42, 511 (2008).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import block_array, csr_matrix, eye_array, kron
from scipy.sparse.linalg import splu

from uqmsm.errors import NotConverged
from uqmsm.physics.coupling.energies import EnergySum

__all__ = [
    "PATCH_TOLERANCE",
    "Arlequin",
    "Mediator",
    "Multiplier",
    "Tied",
    "mass_and_stiffness",
    "patch_error",
    "tie",
    "ties",
]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

Multiplier = Literal["L2", "H1"]
Mediator = Literal["fine", "coarse"]

PATCH_TOLERANCE = 1e-10
"""Largest relative strain error, or displacement in spacings, with which a geometry passes."""


@dataclass(frozen=True)
class Arlequin:
    """Two models and their ties.

    Attributes
    ----------
    atoms, elements
        Weighted energies of positions (n, d) and (m, d).
    atom_start, element_start
        Positions of the homogeneous state, (n, d) and (m, d).
    atom_free, element_free
        (n,) and (m,) what is solved for.
    atom_ties, element_ties
        (l, n) and (l, m): C(lambda, v) = lambda (atom_ties u_atoms + element_ties u_elements) for each component.
    atom_load, element_load
        Dead loads (n, d) and (m, d).
    """

    atoms: EnergySum
    elements: EnergySum
    atom_start: Floats
    element_start: Floats
    atom_free: Bools
    element_free: Bools
    atom_ties: csr_matrix
    element_ties: csr_matrix
    atom_load: Floats
    element_load: Floats

    def without_ghosts(self) -> Arlequin:
        """Return the same ties with dead loads that make the homogeneous state one of rest, without multipliers."""
        return replace(
            self, atom_load=self.atoms.derivatives(self.atom_start)[0],
            element_load=self.elements.derivatives(self.element_start)[0],
        )  # fmt: skip


@dataclass(frozen=True)
class Tied:
    """Positions of both models at rest, multipliers (l, d), and the residual."""

    atoms: Floats
    elements: Floats
    multipliers: Floats
    residual: float
    steps: int


def tie(problem: Arlequin, *, tolerance: float = 1e-9, most_steps: int = 40) -> Tied:
    """Bring both models to rest under their ties, by Newton's method on the saddle-point system.

    Raises
    ------
    NotConverged
        When the residual does not fall below the tolerance, or the ties are singular.
    """
    a, c, d = problem.atom_start.copy(), problem.element_start.copy(), problem.atom_start.shape[1]
    free = np.flatnonzero(np.repeat(problem.atom_free, d)), np.flatnonzero(np.repeat(problem.element_free, d))
    ties = [kron(t, eye_array(d)).tocsr() for t in (problem.atom_ties, problem.element_ties)]
    lam = np.zeros(ties[0].shape[0])
    worst = np.inf
    for step in range(most_steps):
        ga, ha = problem.atoms.derivatives(a)
        gc, hc = problem.elements.derivatives(c)
        gap = ties[0] @ (a - problem.atom_start).ravel() + ties[1] @ (c - problem.element_start).ravel()
        residual = np.concatenate([
            ((ga - problem.atom_load).ravel() + ties[0].T @ lam)[free[0]],
            ((gc - problem.element_load).ravel() + ties[1].T @ lam)[free[1]], gap,
        ])  # fmt: skip
        worst = float(np.abs(residual).max())
        if worst <= tolerance:
            return Tied(a, c, lam.reshape(-1, d), worst, step)
        ta, tc = (t.tocsc()[:, f] for t, f in zip(ties, free, strict=True))
        saddle = block_array([
            [ha[free[0]][:, free[0]], None, ta.T], [None, hc[free[1]][:, free[1]], tc.T], [ta, tc, None],
        ], format="csc")  # fmt: skip
        try:
            move = -splu(saddle).solve(residual)
        except RuntimeError:
            break
        n, m = len(free[0]), len(free[1])
        scale = min(1.0, 0.2 / float(np.abs(move[: n + m]).max()))
        a.reshape(-1)[free[0]] += scale * move[:n]
        c.reshape(-1)[free[1]] += scale * move[n : n + m]
        lam += scale * move[n + m :]
    raise NotConverged(
        f"Arlequin: a residual of {worst:.1e} is left; where ties are singular, choose another "
        "mediator or a wider overlap"
    )


def patch_error(problem: Arlequin, F: Floats) -> float:
    """Return the largest displacement that the ties add to the homogeneous crystal under F (d, d).

    F multiplies the homogeneous state of the problem, and held nodes move with it; F = 1 tests the state itself.
    """
    moved = replace(problem, atom_start=problem.atom_start @ F.T, element_start=problem.element_start @ F.T)
    found = tie(moved, tolerance=1e-11)
    wrong_a = np.abs(found.atoms - moved.atom_start)[problem.atom_free].max()
    wrong_c = np.abs(found.elements - moved.element_start)[problem.element_free].max()
    return float(max(wrong_a, wrong_c))


def mass_and_stiffness(gradients: Floats, volumes: Floats, elements: Ints, nodes: int) -> tuple[csr_matrix, csr_matrix]:
    """Return int N_a N_b and int grad N_a . grad N_b, both (nodes, nodes), on linear simplices.

    Parameters
    ----------
    gradients, volumes, elements
        (m, d + 1, d), (m,) and (m, d + 1).
    nodes
        How many.
    """
    corners = elements.shape[1]
    local = (np.ones((corners, corners)) + np.eye(corners)) / (corners * (corners + 1))
    rows, columns = np.repeat(elements, corners, axis=1).ravel(), np.tile(elements, corners).ravel()
    mass = volumes[:, None, None] * local
    stiff = volumes[:, None, None] * np.einsum("eaJ,ebJ->eab", gradients, gradients)
    shape = (nodes, nodes)
    return csr_matrix((mass.ravel(), (rows, columns)), shape), csr_matrix((stiff.ravel(), (rows, columns)), shape)


def ties(
    mass: csr_matrix,
    stiffness: csr_matrix,
    mediator: csr_matrix,
    elements: csr_matrix,
    multiplier: Multiplier,
    length: float,
) -> tuple[csr_matrix, csr_matrix]:
    """Return the ties (l, n) of atoms and (l, m) of elements.

    Parameters
    ----------
    mass, stiffness
        (n, n) on the lattice triangulation of the overlap.
    mediator, elements
        (n, l) and (n, m): multipliers and nodes of elements interpolated on the n sites.
    multiplier
        Product of the coupling.
    length
        l of the H1 product: about the width of the overlap.
    """
    product = mass if multiplier == "L2" else mass + length**2 * stiffness
    left = (mediator.T @ product).tocsr()
    return left, (-left @ elements).tocsr()
