"""One voxel of a von Mises solid: the radial return, its hardening, and its consistent tangent.

``q <= s0 + H p + Q (1 - exp(-b p))`` with the accumulated plastic strain p: linear and Voce hardening, independent of
rate. The return is along the deviator of the elastic stress, so that one scalar equation is left, convex and falling
(J. C. Simo and R. L. Taylor, Comput. Methods Appl. Mech. Eng. 48, 1985, 101). Mandel vectors; stresses in MPa.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["update_von_mises"]

Array = NDArray[np.float64]
Planes = tuple[int, int]


@njit(cache=True, nogil=True, error_model="numpy")
def _flow(p: float, phase: Array) -> tuple[float, float]:
    """Return the yield stress at the plastic strain p, and its slope."""
    fade = np.exp(-phase[5] * p)
    return phase[2] + phase[3] * p + phase[4] * (1.0 - fade), phase[3] + phase[4] * phase[5] * fade


@njit(cache=True, nogil=True, error_model="numpy")
def _increment(trial: float, p: float, phase: Array) -> tuple[float, float, bool]:
    """Return the plastic strain of the step, the hardening slope after it, and whether it was found."""
    three_shear = 3.0 * phase[1]
    more = 0.0
    for _ in range(100):
        bound, slope = _flow(p + more, phase)
        rest = trial - three_shear * more - bound
        # from below, Newton's method climbs to the root of a convex falling function and never passes it
        if rest <= 1e-13 * trial:
            return more, slope, True
        if not three_shear + slope > 0.0:
            return more, slope, False
        more += rest / (three_shear + slope)
    return more, 0.0, False


@njit(cache=True, nogil=True, error_model="numpy")
def _fill(tangent: Array, bulk: float, shear: float, deviator: Array, along: float) -> None:
    """Write the isotropic stiffness of these moduli, less `along` on the direction of the unit deviator."""
    third = bulk - 2.0 * shear / 3.0
    for a in range(6):
        for b in range(6):
            tangent[a, b] = -along * deviator[a] * deviator[b]
            if a < 3 and b < 3:
                tangent[a, b] += third
        tangent[a, a] += 2.0 * shear


@njit(cache=True, nogil=True, error_model="numpy")
def update_von_mises(
    strain: Array,
    grain_ids: NDArray[np.int32],
    phases: Array,
    before: Array,
    after: Array,
    stress: Array,
    tangent: Array,
    planes: Planes,
    failed: NDArray[np.int64],
) -> None:
    """Update the voxels of some planes.

    Parameters
    ----------
    phases
        ``(grains, 6)``: bulk and shear modulus, yield stress, linear hardening, Voce's rise (all in MPa) and rate.
    before, after
        ``(nx, ny, nz, 7)``: plastic strain, accumulated plastic strain.
    strain, grain_ids, stress, tangent, planes, failed
        As in `uqmsm.physics.rve.plastic.crystal.update_crystals`; the stress is only written.
    """
    deviator = np.empty(6)
    for i in range(planes[0], planes[1]):
        failed[i] = 0
        for j in range(strain.shape[2]):
            for k in range(strain.shape[3]):
                phase = phases[grain_ids[i, j, k]]
                bulk, shear = phase[0], phase[1]
                trace = 0.0
                for c in range(6):
                    deviator[c] = strain[c, i, j, k] - before[i, j, k, c]
                    if c < 3:
                        trace += deviator[c]
                square = 0.0
                for c in range(6):
                    if c < 3:
                        deviator[c] -= trace / 3.0
                    square += deviator[c] * deviator[c]
                norm = np.sqrt(square)
                trial = np.sqrt(6.0) * shear * norm
                more, slope, good = 0.0, 0.0, True
                if trial > _flow(before[i, j, k, 6], phase)[0]:
                    more, slope, good = _increment(trial, before[i, j, k, 6], phase)
                if not (good and np.isfinite(trial)):
                    failed[i] += 1
                    continue
                kept, turned = 1.0, 0.0
                for c in range(6):
                    deviator[c] /= norm if norm > 0.0 else 1.0
                if more > 0.0:
                    kept = 1.0 - 3.0 * shear * more / trial
                    turned = 2.0 * shear * (3.0 * shear / (3.0 * shear + slope) - 1.0 + kept)
                _fill(tangent[i, j, k], bulk, shear * kept, deviator, turned)
                for c in range(6):
                    stress[c, i, j, k] = 2.0 * shear * kept * norm * deviator[c] + (bulk * trace if c < 3 else 0.0)
                    after[i, j, k, c] = before[i, j, k, c] + np.sqrt(1.5) * more * deviator[c]
                after[i, j, k, 6] = before[i, j, k, 6] + more
