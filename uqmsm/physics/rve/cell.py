"""The elastic field of a periodic cell under a mean strain, by conjugate gradients preconditioned in Fourier space.

The unknown is the periodic displacement. The system ``div C : (E + grad u) = 0`` is preconditioned with the Green
operator of an isotropic medium, which is the Lippmann-Schwinger equation solved by conjugate gradients (J. Zeman,
J. Vondrejc, J. Novak, I. Marek, J. Comput. Phys. 229, 2010, 8065-8071) written for the displacement, so that
compatibility holds by construction.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from uqmsm.physics.rve.fourier import Scheme, Waves
from uqmsm.physics.rve.loads import LoadCase, Medium
from uqmsm.physics.rve.modal import solve_modal
from uqmsm.physics.rve.nodal import solve_nodal

__all__ = ["Cell", "LoadCase", "Medium"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Cell:
    """A periodic cell ready to be strained.

    Attributes
    ----------
    grain_ids
        ``(nx, ny, nz)`` int32, C-contiguous.
    stiffness
        ``(grains, 6, 6)`` Mandel, GPa.
    waves
        Wave vectors of the grid.
    medium
        Reference medium; it sets the number of iterations, never the answer.
    scheme
        How strains are taken: ``"rotated"`` in the centres of hexahedra, ``"fourier"`` by trigonometric polynomials.
    workers
        Threads, for transforms and loops alike. The answer does not depend on it.
    """

    grain_ids: NDArray[np.int32]
    stiffness: Array
    waves: Waves
    medium: Medium
    scheme: Scheme = "rotated"
    workers: int = 1

    def solve(self, mean_strain: Array, tolerance: float, max_iterations: int) -> LoadCase:
        """Find the field under one mean strain.

        Parameters
        ----------
        mean_strain
            ``(6,)`` Mandel, any amplitude: the problem is linear.
        tolerance
            Largest `LoadCase.residual` accepted.
        max_iterations
            When to give up.

        Raises
        ------
        MemberFailed
            When the residual is still above `tolerance` after `max_iterations`.
        """
        solver = solve_nodal if self.scheme == "rotated" else solve_modal
        return solver(self, mean_strain, tolerance, max_iterations)

    @cached_property
    def mean_stiffness(self) -> Array:
        """``(6, 6)`` Mandel average of the stiffness over the cell, GPa."""
        fractions = np.bincount(self.grain_ids.ravel(), minlength=len(self.stiffness)) / self.grain_ids.size
        return np.asarray(np.einsum("g,gij->ij", fractions, self.stiffness))
