"""The far field of an alloy: the crystal of its average atom, given the rest and the stiffness of the alloy at rest.

An alloy's atoms move by themselves under strain, and what they are from afar is softer than their average atom and
rests at another lattice parameter. What both differ by is small, and is taken to second order in the strain of Green,
E = (F^T F - 1) / 2, so that turning costs nothing: W(F) = W_crystal(F) - P0 : E + E : (C - C_crystal) : E / 2. Where
the crystal is strained far its own law goes on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from uqmsm.physics.coupling.cauchy_born import Continuum, Density

__all__ = ["Homogenised", "homogenised"]

Floats = NDArray[np.float64]


@njit(cache=True, error_model="numpy", fastmath={"contract"})
def _added(F: Floats, rest: Floats, more: Floats, energy: Floats, stress: Floats, tangent: Floats) -> None:
    """Add rest : E + E : more : E / 2 with its derivatives in F (m, 3, 3) to a density."""
    E, S, half = np.empty((3, 3)), np.empty((3, 3)), np.empty((3, 3, 3, 3))
    for p in range(F.shape[0]):
        f = F[p]
        for J in range(3):
            for L in range(3):
                E[J, L] = 0.5 * (f[0, J] * f[0, L] + f[1, J] * f[1, L] + f[2, J] * f[2, L] - (J == L))
        w = 0.0
        for J in range(3):
            for L in range(3):
                s = 0.0
                for M in range(3):
                    for N in range(3):
                        s += more[J, L, M, N] * E[M, N]
                S[J, L] = rest[J, L] + s
                w += (rest[J, L] + 0.5 * s) * E[J, L]
        energy[p] += w
        for i in range(3):
            for J in range(3):
                stress[p, i, J] += f[i, 0] * S[0, J] + f[i, 1] * S[1, J] + f[i, 2] * S[2, J]
                for N in range(3):
                    for L in range(3):
                        half[i, J, N, L] = (
                            f[i, 0] * more[0, J, N, L] + f[i, 1] * more[1, J, N, L] + f[i, 2] * more[2, J, N, L]
                        )
        for i in range(3):
            for J in range(3):
                for k in range(3):
                    for L in range(3):
                        s = half[i, J, 0, L] * f[k, 0] + half[i, J, 1, L] * f[k, 1] + half[i, J, 2, L] * f[k, 2]
                        if i == k:
                            s += S[J, L]
                        tangent[p, i, J, k, L] += s


@dataclass(frozen=True)
class Homogenised:
    """A crystal whose rest and moduli are those of an alloy.

    Attributes
    ----------
    crystal
        Continuum in three dimensions, which writes arrays anew.
    rest, more
        (3, 3) stress and (3, 3, 3, 3) moduli that are added, per reference volume.
    """

    crystal: Continuum
    rest: Floats
    more: Floats

    def __call__(self, F: Floats) -> Density:
        """Evaluate deformation gradients (m, 3, 3)."""
        at = self.crystal(F)
        _added(np.ascontiguousarray(F), self.rest, self.more, at.energy, at.stress, at.tangent)
        return at


def homogenised(crystal: Continuum, moduli: Floats) -> Homogenised:
    """Return the continuum that rests at F = 1 with given moduli.

    Parameters
    ----------
    crystal
        Whose law holds where it is strained far.
    moduli
        (3, 3, 3, 3) of the alloy at rest, in the crystal's unit of energy per volume.
    """
    at = crystal(np.eye(3)[None])
    stress = at.stress[0]
    own = at.tangent[0] - np.einsum("ik,JL->iJkL", np.eye(3), stress)
    return Homogenised(crystal, -stress, np.ascontiguousarray(moduli - own))
