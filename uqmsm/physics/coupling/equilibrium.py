"""Rest states of coupled problems by Newton's method with exact second derivatives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, diags_array
from scipy.sparse.linalg import cg, splu

from uqmsm.errors import NotConverged
from uqmsm.physics.coupling.methods import Coupled

__all__ = ["Rest", "solve"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Rest:
    """Positions at rest.

    Attributes
    ----------
    coupled
        The problem and its method.
    positions
        (n, d).
    residual
        Largest force component on a free node.
    steps
        Newton steps taken.
    """

    coupled: Coupled
    positions: Floats
    residual: float
    steps: int

    @property
    def displacement(self) -> Floats:
        """Return positions minus those they started from (n, d), by `Problem.start`, zero at vacancies."""
        problem = self.coupled.problem
        return np.where(problem.absent[:, None], 0.0, self.positions - problem.start)


def solve(coupled: Coupled, *, start: Floats | None = None, tolerance: float = 1e-9, most_steps: int = 40) -> Rest:
    """Bring a coupled problem to rest.

    Steps are halved until the residual falls (forces have no energy that could fall instead, and energies have the same
    roots); the last ones are full steps, which converge quadratically.

    Parameters
    ----------
    coupled
        From `couple`.
    start
        Positions (n, d); default: those of the problem.
    tolerance
        Largest force component, in the unit of the interaction.
    most_steps
        Steps after which to give up.

    Raises
    ------
    NotConverged
        When the residual does not fall below the tolerance.
    """
    y = coupled.problem.start.copy() if start is None else start.copy()
    d = y.shape[1]
    free = np.flatnonzero(np.repeat(coupled.problem.free, d))
    iteratively = coupled.conservative and coupled.problem.mesh.lattice.dimension == 3
    most = 0.2 * float(np.linalg.norm(coupled.problem.mesh.lattice.basis, axis=1).min())  # of one step
    gradient, jacobian = coupled.derivatives(y)
    norm = float(np.linalg.norm(gradient.ravel()[free]))
    for step in range(most_steps):
        worst = float(np.abs(gradient.ravel()[free]).max(initial=0.0))
        if worst <= tolerance:
            return Rest(coupled, y, worst, step)
        move = np.zeros(y.size)
        move[free] = -_solved(jacobian[free][:, free], gradient.ravel()[free], iteratively)
        move *= min(1.0, most / float(np.abs(move).max()))
        share = 1.0
        while True:
            trial = y + share * move.reshape(y.shape)
            gradient, jacobian = coupled.derivatives(trial)
            new = float(np.linalg.norm(gradient.ravel()[free]))
            if new < norm * (1.0 - 1e-4 * share) or share < 1e-3:
                break
            share *= 0.5
        y, norm = trial, new
    raise NotConverged(
        f"{coupled.method}: forces of {worst:.1e} are left after {most_steps} steps (asked: {tolerance:.0e}); take a "
        "smaller load or a larger core"
    )


def _solved(matrix: csr_matrix, right: Floats, iteratively: bool) -> Floats:
    """Solve a linear system; in three dimensions a factorization fills up, and conjugate gradients need some 50 steps.

    Where they meet negative curvature, or do not arrive, the same system is factorized after all.
    """
    if iteratively:
        found, failed = cg(matrix, right, rtol=1e-6, maxiter=500, M=diags_array(1.0 / matrix.diagonal()))
        if not failed and found @ right > 0.0:
            return np.asarray(found)
    return np.asarray(splu(matrix.tocsc(), permc_spec="MMD_AT_PLUS_A").solve(right))
