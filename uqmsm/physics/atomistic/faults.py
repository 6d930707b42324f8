"""What it costs to slide one half of a crystal over the other: generalized stacking faults, plane by plane.

The generalized stacking-fault energy (Vitek, Phil. Mag. 18, 773, 1968) is that of a rigid shift of one half of the
crystal, with atoms and cell free along the normal alone. In fcc the shift a/6 <112> on {111} is the intrinsic fault, a
minimum, where atoms relax in all directions; the barrier before it is the unstable fault (Rice, J. Mech. Phys. Solids
40, 239, 1992).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from uqmsm.errors import StudyError, Unstable
from uqmsm.physics.atomistic.layers import MILLIJOULE_PER_M2, Layered
from uqmsm.physics.atomistic.relax import relax
from uqmsm.physics.atomistic.splines import Potential

__all__ = ["SLIPS", "FaultCurve", "fault_curve", "intrinsic_faults", "slip_vector"]

Floats = NDArray[np.float64]

SLIPS: dict[tuple[str, str], tuple[float, float, float]] = {
    ("fcc", "111"): (0.0, np.sqrt(1.5), 0.0),  # a/2 <112>, three partials long
    ("bcc", "110"): (0.5, 0.5 * np.sqrt(2.0), 0.0),  # a/2 <111>
    ("bcc", "112"): (0.0, 0.5 * np.sqrt(3.0), 0.0),  # a/2 <111>, uphill first against twinning
}
"""One period of the slip direction in cubic edges, in the axes of `alloy.PLANES`."""


def slip_vector(lattice: str, plane: str, a_A: float) -> Floats:
    """Return one period (3,) of slip in a plane, in A and in the axes of the block.

    Raises
    ------
    StudyError
        When no slip is known in that plane.
    """
    if (lattice, plane) not in SLIPS:
        known = ", ".join(f"{p} of {kind}" for kind, p in SLIPS)
        raise StudyError(f"no slip is known on {plane} planes of {lattice}; choose one of {known}")
    return a_A * np.array(SLIPS[lattice, plane])


@dataclass(frozen=True)
class FaultCurve:
    """Energy over one period of slip.

    Attributes
    ----------
    fractions
        (m,) of the period, the first 0.
    energies
        (m,) mJ/m^2.
    """

    fractions: Floats
    energies: Floats

    def highest(self, upto: float = 1.0) -> float:
        """Return the highest energy (mJ/m^2) between no slip and the fraction `upto`, by a cubic through the points."""
        curve = CubicSpline(self.fractions, self.energies)
        turns = curve.derivative().roots(extrapolate=False)
        inside = turns[(turns > 0.0) & (turns < upto)]
        return float(max([0.0, *curve(inside)]))


def fault_curve(
    potential: Potential,
    stack: Layered,
    below: int,
    slip: Floats,
    fractions: Floats,
    *,
    force_tolerance_eV_per_A: float = 1e-3,
) -> FaultCurve:
    """Compute the energy of sliding all layers from number `below` on, atoms free along the normal.

    Parameters
    ----------
    potential, stack
        The crystal at rest (`layers.stacked`).
    below
        First layer that slides.
    slip
        (3,) one period in A (`slip_vector`).
    fractions
        (m,) fractions of it, ascending from 0.
    force_tolerance_eV_per_A
        Of each relaxation.

    Raises
    ------
    Unstable
        When a slid crystal does not come to rest.
    """
    energies = np.zeros(len(fractions))
    block = stack.rest.stiffness.affine()[0]
    for k, fraction in enumerate(fractions):
        end = relax(
            potential, stack.sheared(below, fraction * slip), cell_freedom="normal", free_axes=(0, 0, 1),
            force_tolerance_eV_per_A=force_tolerance_eV_per_A, stress_tolerance_GPa=1e-2, strain_stiffness=block,
        )  # fmt: skip
        energies[k] = (end.energy - stack.rest.energy) / stack.area * MILLIJOULE_PER_M2
    return FaultCurve(np.asarray(fractions, dtype=np.float64), energies)


def intrinsic_faults(
    potential: Potential, stack: Layered, layers: NDArray[np.int64], *, force_tolerance_eV_per_A: float = 1e-3
) -> Floats:
    """Return the energy (mJ/m^2) of the intrinsic fault of fcc below each of some {111} layers, all atoms free.

    Negative where the alloy would rather be hexagonal there.

    Raises
    ------
    Unstable
        When a fault slides back or on.
    """
    energies = np.empty(len(layers))
    slip = slip_vector("fcc", "111", stack.lattice_parameter) / 3.0
    block = stack.rest.stiffness.affine()[0]
    for k, below in enumerate(layers):
        try:
            end = relax(
                potential, stack.sheared(int(below), slip), cell_freedom="normal",
                force_tolerance_eV_per_A=force_tolerance_eV_per_A, stress_tolerance_GPa=1e-2, strain_stiffness=block,
            )  # fmt: skip
        except Unstable as fault:
            raise Unstable(f"the intrinsic fault below layer {below} is no minimum: {fault}") from fault
        energies[k] = (end.energy - stack.rest.energy) / stack.area * MILLIJOULE_PER_M2
    return energies
