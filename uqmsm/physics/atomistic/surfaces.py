"""What it costs to cut a crystal in two: surface energies, cut by cut.

Both halves keep their atoms, so the energy of a cut needs no chemical potential: it is that of two surfaces facing each
other, whose mean is told. In an alloy each cut meets other atoms.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.atomistic.eam import evaluate
from uqmsm.physics.atomistic.layers import MILLIJOULE_PER_M2, Layered
from uqmsm.physics.atomistic.neighbours import half_list
from uqmsm.physics.atomistic.relax import relax
from uqmsm.physics.atomistic.splines import Potential

__all__ = ["Cuts", "surface_energies"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Cuts:
    """Surface energies (m,) in mJ/m^2, each the mean of the two faces of a cut.

    Attributes
    ----------
    relaxed, cleaved
        With and without relaxation of the atoms.
    """

    relaxed: Floats
    cleaved: Floats


def surface_energies(
    potential: Potential, stack: Layered, layers: NDArray[np.int64], *, force_tolerance_eV_per_A: float = 1e-3
) -> Cuts:
    """Cut a crystal below each of some layers and let the atoms relax in the cell of the bulk.

    Parameters
    ----------
    potential, stack
        The crystal at rest (`layers.stacked`), thicker than twice the cutoff: thinner slabs feel both faces.
    layers
        (m,) layers below which to cut.
    force_tolerance_eV_per_A
        Of each relaxation.

    Raises
    ------
    StudyError
        When the block is thinner than twice the cutoff.
    Unstable
        When a slab does not come to rest.
    """
    height = float(stack.rest.crystal.cell[2, 2])
    if height < 2.0 * potential.cutoff:
        raise StudyError(
            f"a slab {height:.1f} A thick feels both its faces (cutoff {potential.cutoff:.1f} A); make it at least "
            f"{2.0 * potential.cutoff:.1f} A high"
        )
    found = np.empty((2, len(layers)))
    for k, below in enumerate(layers):
        slab = stack.parted(int(below), potential.cutoff + 2.0)
        near = half_list(slab.positions, slab.cell, potential.cutoff, 0.8)
        cleaved = evaluate(potential, slab.species, slab.positions, slab.cell, near).energy
        end = relax(
            potential, slab, cell_freedom="fixed", force_tolerance_eV_per_A=force_tolerance_eV_per_A, neighbours=near
        )
        found[:, k] = end.energy - stack.rest.energy, cleaved - stack.rest.energy
    found *= MILLIJOULE_PER_M2 / (2.0 * stack.area)
    return Cuts(found[0], found[1])
