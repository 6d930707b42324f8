"""Hill's condition for atoms: under a strain the mean (virial) stress does the work that all bonds store.

A block of grains meets it to rounding (`uqmsm.physics.rve`). Here both sides come from the potential itself: energy of
all bonds and virial of the crystal strained to either side by two thousandths or by six, its atoms where the linear
answer puts them. Forces that do not belong to the energy, a stress that does not, or an answer out of balance leave a
gap that is the same share at every strain. Bonds that cross a cutoff where the functions jump do not, and are told by
that.
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

_SIZES = (2e-3, 6e-3)
"""Under smaller ones bonds that cross the cutoff would weigh more, under larger ones third derivatives."""

_STRAIN = np.array([1.0, -0.4, 0.2, 0.6, -0.3, 0.5]) / np.sqrt(1.9)
"""A strain of size one with a part of all six."""


def virial_gap(
    look: Callable[[Crystal], tuple[float, Floats]], rest: Crystal, energy_eV: float, answer: Floats
) -> float:
    """Return the relative difference between the work of the virial stress and the energy that the bonds store.

    Under the smaller strain. Where it is too large there, also under the larger one and from the one to the other, and
    the least counts: a jump at the cutoff leaves at most two of them, a wrong stress all three.

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
    near = _stored_and_worked(look, rest, energy_eV, answer, _SIZES[0])
    gap, (stored, work) = _apart(near), near
    if not gap <= LARGEST_GAP:
        far = _stored_and_worked(look, rest, energy_eV, answer, _SIZES[1])
        stored, work = min((near, far, far - near), key=_apart)
        gap = _apart(np.array([stored, work]))
    if not gap <= LARGEST_GAP:
        raise MemberFailed(
            f"under a strain of {_SIZES[0]:g} to {_SIZES[1]:g} the virial stress does {work:.6g} eV of work and the "
            f"bonds store {stored:.6g}: {gap:.1e} apart, and at most {LARGEST_GAP:.0e} is accepted; the potential's "
            "forces or stress are not those of its energy, or its atoms were not at rest"
        )
    return gap


def _apart(stored_and_worked: Floats) -> float:
    return float(abs(stored_and_worked[0] - stored_and_worked[1]) / abs(stored_and_worked[0]))


def _stored_and_worked(
    look: Callable[[Crystal], tuple[float, Floats]], rest: Crystal, energy_eV: float, answer: Floats, size: float
) -> Floats:
    """Return (2,): second differences, under a strain of some size, of the energy and of the virial's work (eV)."""
    stored, work, strain = -2.0 * energy_eV, 0.0, size * _STRAIN
    bent = strain_matrix(strain)
    for sign in (1.0, -1.0):
        energy, virial = look(rest.deformed(sign * np.einsum("a,anc->nc", strain, answer), sign * strain))
        stored += energy
        # while the strain t E goes on by E dt, the strained cell is strained by E (1 + t E)^-1 dt
        rate = bent @ np.linalg.inv(np.eye(3) + sign * bent)
        rates = [rate[0, 0], rate[1, 1], rate[2, 2], 2 * rate[1, 2], 2 * rate[0, 2], 2 * rate[0, 1]]
        work += 0.5 * sign * float(virial @ np.array(rates))
    return np.array([stored, work])
