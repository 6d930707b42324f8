"""What holds two halves of a crystal together while they part as rigid blocks: traction against opening, cut by cut.

Rigid, because of a block that relaxes meanwhile the opening is one layer's and the stretch is all layers': the law of
such a block depends on how many there are (O. Nguyen and M. Ortiz, J. Mech. Phys. Solids 50, 1727, 2002).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.atomistic.eam import GPA_A3_PER_EV, Bonds, evaluate
from uqmsm.physics.atomistic.layers import MILLIJOULE_PER_M2, Layered
from uqmsm.physics.atomistic.neighbours import half_list
from uqmsm.physics.atomistic.splines import Potential

__all__ = ["Separation", "separation"]

Floats = NDArray[np.float64]
_SPACED = 0.15


@dataclass(frozen=True)
class Separation:
    """Cuts that open.

    Attributes
    ----------
    opening
        (k,) A, from zero to beyond the cutoff.
    traction
        (m, k) GPa, mean over the area.
    work
        (m,) J/m^2: what it takes to part the halves altogether, atoms where they were.
    """

    opening: Floats
    traction: Floats
    work: Floats

    @property
    def strength(self) -> Floats:
        """Largest traction (m,) in GPa: the top of the parabola through the highest point and its neighbours."""
        top = np.clip(self.traction.argmax(axis=1), 1, len(self.opening) - 2)
        low, mid, high = (self.traction[np.arange(len(top)), top + k] for k in (-1, 0, 1))
        bend = low - 2.0 * mid + high
        return np.asarray(mid - (high - low) ** 2 / (8.0 * bend))


def separation(potential: Potential, stack: Layered, layers: NDArray[np.int64]) -> Separation:
    """Open a crystal below each of some layers, step by step.

    Parameters
    ----------
    potential, stack
        The crystal at rest, thicker than twice the cutoff.
    layers
        (m,) layers below which to open.

    Raises
    ------
    StudyError
        When the block is thinner than twice the cutoff: then the halves hold each other on both sides.
    """
    height = float(stack.rest.crystal.cell[2, 2])
    if height < 2.0 * potential.cutoff:
        raise StudyError(
            f"a block {height:.1f} A high is held from both sides (cutoff {potential.cutoff:.1f} A); make it at least "
            f"{2.0 * potential.cutoff:.1f} A high"
        )
    opening = np.linspace(0.0, potential.cutoff + 0.5, int(np.ceil((potential.cutoff + 0.5) / _SPACED)) + 1)
    traction, work = np.empty((len(layers), len(opening))), np.empty(len(layers))
    for m, below in enumerate(layers):
        for k, gap in enumerate(opening):
            slab = stack.parted(int(below), float(gap))
            near = half_list(slab.positions, slab.cell, potential.cutoff, 0.0)
            seen = evaluate(potential, slab.species, slab.positions, slab.cell, near)
            z, period = slab.positions[:, 2], float(slab.cell[2, 2])
            under = z[stack.layer == (below - 1) % stack.layers].mean() - (0.0 if below else period)
            traction[m, k] = _across(seen.bonds, z, 0.5 * (under + z[stack.layer == below].mean()), period)
        work[m] = seen.energy - stack.rest.energy
    return Separation(opening, traction * GPA_A3_PER_EV / stack.area, 1e-3 * MILLIJOULE_PER_M2 * work / stack.area)


def _across(bonds: Bonds, z: Floats, plane: float, period: float) -> float:
    """Return the derivative (eV/A) of the energy by the opening of a plane: the pull of all bonds that cross it."""
    first = np.repeat(np.arange(len(z)), np.diff(bonds.start))
    count = bonds.start[-1]
    d, other = bonds.geometry[:count], bonds.other[:count]
    crossed = np.floor((z[first] + d[:, 2] - plane) / period) - np.floor((z[first] - plane) / period)
    stretch = d[:, 3] + bonds.slope[first] * d[:, 4] + bonds.slope[other] * d[:, 5]
    return float(np.sum(crossed * stretch * d[:, 2]))
