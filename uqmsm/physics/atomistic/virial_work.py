"""Hill's condition for atoms: under a strain the mean (virial) stress does the work that all bonds store.

A block of grains meets it to rounding (`uqmsm.physics.rve`). Here both sides come from the potential itself: energy of
all bonds and virial of the crystal strained to either side by two thousandths, its atoms where the linear answer puts
them. Forces that do not belong to the energy, a stress that does not, or an answer out of balance leave a gap.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import MemberFailed
from uqmsm.physics.atomistic.relax import Crystal, strain_matrix

__all__ = ["LARGEST_GAP", "virial_gap"]

Floats = NDArray[np.float64]

LARGEST_GAP = 5e-3
"""More is a failed member. Third derivatives leave 2e-5, bonds at the cutoff at most 2e-4 (200 draws of the posterior
of MoNbTaW in cells of 54 atoms)."""

_STRAIN = 2e-3 * np.array([1.0, -0.4, 0.2, 0.6, -0.3, 0.5]) / np.sqrt(1.9)
"""A strain of size 2e-3 with a part of all six: under a smaller one bonds that cross the cutoff would weigh more."""


def virial_gap(
    look: Callable[[Crystal], tuple[float, Floats]], rest: Crystal, energy_eV: float, answer: Floats
) -> float:
    """Return the relative difference between the work of the virial stress and the energy that the bonds store.

    Parameters
    ----------
    look
        Energy (eV) and virial dE/dstrain (6,) (eV) of a crystal as it is.
    rest, energy_eV
        The crystal at rest, and its energy.
    answer
        (6, n, 3) displacements (A) with which the atoms answer to each unit strain.

    Raises
    ------
    MemberFailed
        When it is above `LARGEST_GAP`.
    """
    stored, work = -2.0 * energy_eV, 0.0
    bent = strain_matrix(_STRAIN)
    for sign in (1.0, -1.0):
        energy, virial = look(rest.deformed(sign * np.einsum("a,anc->nc", _STRAIN, answer), sign * _STRAIN))
        stored += energy
        # while the strain t E goes on by E dt, the strained cell is strained by E (1 + t E)^-1 dt
        rate = bent @ np.linalg.inv(np.eye(3) + sign * bent)
        rates = [rate[0, 0], rate[1, 1], rate[2, 2], 2 * rate[1, 2], 2 * rate[0, 2], 2 * rate[0, 1]]
        work += 0.5 * sign * float(virial @ np.array(rates))
    gap = abs(stored - work) / abs(stored)
    if not gap <= LARGEST_GAP:
        raise MemberFailed(
            f"under a strain of 2e-3 the virial stress does {work:.6g} eV of work and the bonds store {stored:.6g}: "
            f"{gap:.1e} apart, and at most {LARGEST_GAP:.0e} is accepted; the potential's forces or stress are not "
            "those of its energy, or its atoms were not at rest"
        )
    return gap
