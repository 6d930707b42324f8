"""A von Mises solid: isotropic hardening (linear and Voce), kinematic hardening (Prager), in a radial return.

``|dev(sigma) - X|_eq <= s0 + H p + Q (1 - exp(-b p))`` with the back stress ``X = (2/3) K plastic strain`` and the
accumulated plastic strain p, independent of rate. The return is along the deviator of the elastic trial stress less the
back stress, so that one scalar equation is left, convex and falling; its derivative is the consistent tangent (J. C.
Simo and R. L. Taylor, Comput. Methods Appl. Mech. Eng. 48, 101 (1985)).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from uqmsm.errors import MemberFailed, StudyError, Unstable
from uqmsm.physics.fe.materials.solid import Response

__all__ = ["VonMises", "equivalent_MPa", "von_mises"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class VonMises:
    """Isotropic solids that flow; made by `von_mises`.

    Attributes
    ----------
    constants : ndarray, shape (points or 1, 7)
        Bulk and shear modulus, yield stress, linear hardening, Voce's rise (MPa) and rate, kinematic hardening (MPa).
    """

    constants: Floats
    symmetric: bool = True

    def virgin(self, points: int) -> Floats:
        """Return plastic strain (6) and accumulated plastic strain of points that never yielded, (points, 7)."""
        return np.zeros((points, 7))

    def respond(self, strain: Floats, memory: Floats, step_s: float) -> Response:
        """See `uqmsm.physics.fe.materials.solid.Solid.respond`; the duration of the step does not matter."""
        points = len(strain)
        stress, tangent, after = np.empty((points, 6)), np.empty((points, 6, 6)), np.empty((points, 7))
        constants = np.broadcast_to(self.constants, (points, 7))
        lost = return_radially(strain, constants, memory, stress, tangent, after)
        if lost:
            raise MemberFailed(f"von Mises: {lost} of {points} points found no answer; take a smaller step")
        return Response(stress, tangent, after)


def von_mises(
    bulk_GPa: Floats | float,
    shear_GPa: Floats | float,
    yield_MPa: Floats | float,
    *,
    hardening_MPa: Floats | float = 0.0,
    voce_rise_MPa: Floats | float = 0.0,
    voce_rate: Floats | float = 0.0,
    kinematic_MPa: Floats | float = 0.0,
) -> VonMises:
    """Make a von Mises solid, one for all points or one for each.

    Parameters
    ----------
    bulk_GPa, shear_GPa
        Moduli.
    yield_MPa
        First yield stress in tension; infinite where the solid stays elastic.
    hardening_MPa
        Linear isotropic hardening per plastic strain.
    voce_rise_MPa, voce_rate
        ``Q (1 - exp(-b p))`` on top.
    kinematic_MPa
        Rise of the uniaxial flow stress per plastic strain that comes from the back stress.

    Raises
    ------
    StudyError
        When a yield stress is not positive or a hardening constant negative.
    Unstable
        When a modulus is not positive.
    """
    given = (bulk_GPa, shear_GPa, yield_MPa, hardening_MPa, voce_rise_MPa, voce_rate, kinematic_MPa)
    columns = np.broadcast_arrays(*(np.atleast_1d(np.asarray(one, dtype=np.float64)) for one in given))
    constants = np.stack([column.ravel() for column in columns], axis=1)
    if not (np.all(constants[:, 2] > 0.0) and np.all(constants[:, 3:] >= 0.0)):
        raise StudyError("von_mises: yield stresses must be positive and hardening not negative; correct them")
    if not np.all(constants[:, :2] > 0.0):
        raise Unstable(f"von_mises: the smallest modulus is {constants[:, :2].min():g} GPa; a solid needs all positive")
    constants[:, :2] *= 1e3
    return VonMises(constants)


def equivalent_MPa(stress_MPa: Floats) -> Floats:
    """Return the von Mises stress of Mandel stresses (..., 6)."""
    deviator = np.array(stress_MPa, dtype=np.float64)
    deviator[..., :3] -= deviator[..., :3].mean(axis=-1, keepdims=True)
    return np.asarray(np.sqrt(1.5 * (deviator * deviator).sum(axis=-1)))


@njit(cache=True, nogil=True, error_model="numpy")
def _bound(p: float, law: Floats) -> tuple[float, float]:
    """Return the radius of the yield surface at the accumulated plastic strain p, and its slope."""
    fade = np.exp(-law[5] * p)
    return law[2] + law[3] * p + law[4] * (1.0 - fade), law[3] + law[4] * law[5] * fade


@njit(cache=True, nogil=True, error_model="numpy")
def _increment(trial: float, p: float, law: Floats) -> tuple[float, float, bool]:
    """Return the plastic strain of the step, the slope of the radius after it, and whether it was found."""
    fall = 3.0 * law[1] + law[6]
    more = 0.0
    for _ in range(100):
        bound, slope = _bound(p + more, law)
        rest = trial - fall * more - bound
        # from below, Newton's method climbs to the root of a convex falling function and never passes it
        if rest <= 1e-14 * trial:
            return more, slope, True
        more += rest / (fall + slope)
    return more, 0.0, False


@njit(cache=True, nogil=True, error_model="numpy")
def _isotropic(bulk: float, shear: float, along: float, direction: Floats, tangent: Floats) -> None:
    """Write the stiffness of these moduli, less `along` on the dyad of a unit deviator."""
    for a in range(6):
        for b in range(6):
            tangent[a, b] = -along * direction[a] * direction[b]
            if a < 3 and b < 3:
                tangent[a, b] += bulk - 2.0 * shear / 3.0
        tangent[a, a] += 2.0 * shear


@njit(cache=True, nogil=True, error_model="numpy")
def return_radially(
    strain: Floats, constants: Floats, before: Floats, stress: Floats, tangent: Floats, after: Floats
) -> int:
    """Write stress, tangent and memory of all points, and return how many found no answer."""
    lost = 0
    elastic, over = np.empty(6), np.empty(6)
    for k in range(len(strain)):
        law = constants[k]
        bulk, shear = law[0], law[1]
        volume = strain[k, 0] + strain[k, 1] + strain[k, 2]
        square = 0.0
        for c in range(6):
            elastic[c] = strain[k, c] - before[k, c] - (volume / 3.0 if c < 3 else 0.0)
            over[c] = 2.0 * shear * elastic[c] - 2.0 / 3.0 * law[6] * before[k, c]
            square += over[c] * over[c]
        trial = np.sqrt(1.5 * square)
        more, slope, good = 0.0, 0.0, np.isfinite(trial)
        if good and trial > _bound(before[k, 6], law)[0]:
            more, slope, good = _increment(trial, before[k, 6], law)
        if not good:
            lost += 1
            continue
        for c in range(6):
            over[c] *= np.sqrt(1.5) / trial if trial > 0.0 else 0.0
        kept, turned = 1.0, 0.0
        if more > 0.0:
            kept = 1.0 - 3.0 * shear * more / trial
            turned = 2.0 * shear * (3.0 * shear / (3.0 * shear + law[6] + slope) - 1.0 + kept)
        _isotropic(bulk, shear * kept, turned, over, tangent[k])
        for c in range(6):
            flow = np.sqrt(1.5) * more * over[c]
            stress[k, c] = 2.0 * shear * (elastic[c] - flow) + (bulk * volume if c < 3 else 0.0)
            after[k, c] = before[k, c] + flow
        after[k, 6] = before[k, 6] + more
    return lost
