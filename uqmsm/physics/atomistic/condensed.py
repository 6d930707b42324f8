"""What the atoms of a small block answer to forces and strains: all loads at once, by one factorization.

Conjugate gradients (`Stiffness.solve`) ask for some twenty products per load; a block of a hundred atoms is factorized
in the time of thirty, and seven loads follow for nothing. The factorization also says whether the atoms rest in a
minimum.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from uqmsm.physics.atomistic.eam import Ints, Longs
from uqmsm.physics.atomistic.response import Stiffness

__all__ = ["Condensed", "condensed"]

Floats = NDArray[np.float64]

_compiled = njit(cache=True, error_model="numpy", fastmath={"contract"})  # see eam.py for why this is safe


@_compiled
def _filled(start: Longs, other: Ints, geometry: Floats, spring: Floats, matrix: Floats, fans: Floats) -> None:
    """Fill the part (3 n, 3 n) that bonds have alone, and the slope (n, 3 n) of every density by positions."""
    matrix[:] = 0.0
    fans[:] = 0.0
    for i in range(start.shape[0] - 1):
        for k in range(start[i], start[i + 1]):
            j = other[k]
            for a in range(3):
                d = geometry[k, a]
                fans[i, 3 * j + a] += geometry[k, 4] * d
                fans[i, 3 * i + a] -= geometry[k, 4] * d
                fans[j, 3 * j + a] += geometry[k, 5] * d
                fans[j, 3 * i + a] -= geometry[k, 5] * d
                for b in range(3):
                    s = spring[k, 1] * d * geometry[k, b]
                    if a == b:
                        s += spring[k, 0]
                    matrix[3 * i + a, 3 * i + b] += s
                    matrix[3 * j + a, 3 * j + b] += s
                    matrix[3 * i + a, 3 * j + b] -= s
                    matrix[3 * j + a, 3 * i + b] -= s


@dataclass(frozen=True)
class Condensed:
    """Second derivatives by strain, and the motion of atoms that goes with it.

    Attributes
    ----------
    born, relaxed
        (6, 6) second derivatives of the energy by strain (eV), atoms in affine motion and atoms at rest.
    pull, answer
        (6, n, 3) forces (eV/A) that affine motion raises per unit of each strain, and the displacements (A) in answer.
    settled
        (n, 3) displacements (A) that answer the forces handed in.
    gained
        (6,) what these add to the virial (eV).
    """

    born: Floats
    relaxed: Floats
    pull: Floats
    answer: Floats
    settled: Floats
    gained: Floats


def matrix_of(stiffness: Stiffness) -> Floats:
    """Return the second derivative (3 n, 3 n) of the energy by positions, eV/A^2."""
    bonds, n = stiffness.bonds, len(stiffness.on_site)
    matrix, fans = np.empty((3 * n, 3 * n)), np.empty((n, 3 * n))
    _filled(bonds.start, bonds.other, bonds.geometry, stiffness.spring, matrix, fans)
    matrix += fans.T @ (bonds.curvature[:, None] * fans)
    return matrix


def condensed(stiffness: Stiffness, forces: Floats) -> Condensed | None:
    """Let the atoms of a block answer forces (n, 3) and strains; none where they are in no minimum.

    The first atom stays where it is, which takes the three translations out.
    """
    block, gradients = stiffness.affine()
    n = len(forces)
    loads = np.concatenate([-gradients, forces[None]]).reshape(7, -1)[:, 3:]
    try:
        factor = cho_factor(matrix_of(stiffness)[3:, 3:], lower=True, overwrite_a=True, check_finite=False)
    except LinAlgError:
        return None
    moved = np.zeros((7, n, 3))
    moved.reshape(7, -1)[:, 3:] = cho_solve(factor, loads.T, check_finite=False).T
    moved -= moved.mean(axis=1, keepdims=True)
    given = np.einsum("anc,bnc->ab", gradients, moved)
    soft = given[:, :6]
    return Condensed(block, block + 0.5 * (soft + soft.T), -gradients, moved[:6], moved[6], given[:, 6])
