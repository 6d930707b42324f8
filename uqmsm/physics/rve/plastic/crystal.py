"""One voxel of a slipping crystal: stress and consistent tangent at the end of an implicit step of time.

Small strains; ``gamma_dot_a = g0 |tau_a / xi_a|^n sgn tau_a`` on every slip system, and its resistance grows as
``xi_dot_a = h0 sum_b h_ab |1 - xi_b / xi_inf|^c sgn(1 - xi_b / xi_inf) |gamma_dot_b|`` (J. W. Hutchinson, Proc. R. Soc.
A 348, 1976, 101; the phenomenological law of F. Roters et al., Comput. Mater. Sci. 158, 2019, 420). Backward Euler: the
stress (6) and the resistances are found together by Newton's method, with the equations of `flow`.

Mandel vectors throughout; stresses in MPa.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from uqmsm.physics.rve.plastic.flow import condense, residual, resist
from uqmsm.physics.rve.plastic.small import eliminate, invert_six

__all__ = ["update_crystals"]

Array = NDArray[np.float64]
Planes = tuple[int, int]
# compliance (g, 6, 6) and Schmid (g, n, 6) of every grain, interaction (n, n), saturation (n,)
Tables = tuple[Array, Array, Array, Array]

_NEAR = 0.05  # strain residual, in resistances, below which they no longer are held
_ROUNDING = 1e3  # in tolerances: a residual that is as small and no longer falls is accepted
_HALVINGS, _ITERATIONS = 14, 200
_GROWTH = 3.0  # largest growth of log slip in one iteration, beyond the slip that could relax all of the stress


@njit(cache=True, nogil=True, error_model="numpy")
def _stride(step: Array, schmid: Array, tau: Array, xi: Array, roof: float, growth: float) -> float:
    """Return the share of the step after which no slip explodes: above the roof it may grow by e^growth at most."""
    share = 1.0
    for s in range(xi.size):
        resolved = 0.0
        for c in range(6):
            resolved += schmid[s, c] * step[c]
        before, after = abs(tau[s]) / xi[s], abs(tau[s] + share * resolved) / xi[s]
        limit = max(roof, before * growth)
        if after > limit and abs(resolved) > 0.0:
            sign = 1.0 if resolved > 0.0 else -1.0
            share = min(share, (limit * xi[s] - sign * tau[s]) / abs(resolved))
    return share


@njit(cache=True, nogil=True, error_model="numpy")
def _calm(sigma: Array, schmid: Array, xi: Array, roof: float) -> None:
    """Shrink the deviator of a first guess until no system slips by more than could relax all of its strain."""
    largest = 0.0
    for s in range(xi.size):
        resolved = 0.0
        for i in range(6):
            resolved += schmid[s, i] * sigma[i]
        largest = max(largest, abs(resolved) / xi[s])
    if largest > roof:
        mean = (sigma[0] + sigma[1] + sigma[2]) / 3.0
        for i in range(6):
            sigma[i] *= roof / largest
        for i in range(3):
            sigma[i] += mean * (1.0 - roof / largest)


@njit(cache=True, nogil=True, error_model="numpy")
def _iterate(
    point: tuple[Array, Array, Array, Array],
    crystal: tuple[Array, Array, Array, Array, Array],
    slips: tuple[Array, Array, Array],
    rests: tuple[Array, Array],
    work: tuple[Array, Array, Array, NDArray[np.int64], Array],
    moves: tuple[Array, Array, Array],
    measures: tuple[float, float],
    roof: float,
    frozen: bool,
) -> tuple[bool, float, float]:
    """Take one Newton step with its line search; return whether it led anywhere, and residual and potential there.

    With frozen resistances the potential falls, which always succeeds; with free ones the residual.
    """
    sigma, xi = point[0], point[1]
    change, near_sigma, near_xi = moves
    before, level = measures
    count = condense(point, crystal, slips, rests, work, frozen)
    if count < 0 or not eliminate(work[2], work[4], 6, 1):
        return False, before, level
    step = work[4][:, 0]
    if frozen:
        change[:] = 0.0
    else:
        resist(step, count, point, crystal, slips, rests[1], work, change)
    share = _stride(step, crystal[1], slips[0], xi, roof, np.exp(_GROWTH / crystal[3][1]))
    near_sigma[:], near_xi[:] = sigma, xi
    for _ in range(_HALVINGS):
        for i in range(6):
            sigma[i] = near_sigma[i] + share * step[i]
        for s in range(xi.size):
            xi[s] = max(near_xi[s] + share * change[s], 0.5 * near_xi[s])
        rest, lower = residual(point, crystal, slips, rests)
        if (lower < level) if frozen else (rest < before):
            return True, rest, lower
        share *= 0.5
    sigma[:], xi[:] = near_sigma, near_xi
    before, level = residual(point, crystal, slips, rests)
    return False, before, level


@njit(cache=True, nogil=True, error_model="numpy")
def _settle(
    point: tuple[Array, Array, Array, Array],
    crystal: tuple[Array, Array, Array, Array, Array],
    slips: tuple[Array, Array, Array],
    rests: tuple[Array, Array],
    work: tuple[Array, Array, Array, NDArray[np.int64], Array],
    moves: tuple[Array, Array, Array],
) -> bool:
    """Find stress and resistances at the end of the step; False when Newton's method does not.

    Far away the resistances are held: the stress then minimises a convex potential. Near the answer all move together.
    Where that fails, the resistances take up their hardening, and the stress is found again.
    """
    sigma, xi, trial, old = point
    law, rest_xi = crystal[3], rests[1]
    size, floor = 0.0, old[0]
    for i in range(6):
        size += trial[i] * trial[i]
    for s in range(xi.size):
        floor = min(floor, old[s])
    roof = (np.sqrt(size) / law[0]) ** (1.0 / law[1])
    _calm(sigma, crystal[1], old, roof)
    frozen = True
    measures = residual(point, crystal, slips, rests)
    for _ in range(_ITERATIONS):
        rest = measures[0]
        if rest <= law[5]:
            return True
        hardened = 0.0
        for s in range(xi.size):
            hardened = max(hardened, abs(rest_xi[s]))
        if frozen and rest - hardened < _NEAR * floor:
            frozen = False
        good, rest, level = _iterate(point, crystal, slips, rests, work, moves, measures, roof, frozen)
        measures = rest, level
        if not good:
            if rest <= _ROUNDING * law[5]:
                return True
            if not np.isfinite(rest):
                return False
            for s in range(xi.size):
                xi[s] = max(xi[s] - rest_xi[s], 0.5 * xi[s])
            frozen = not frozen
            measures = residual(point, crystal, slips, rests)
    return False


@njit(cache=True, nogil=True, error_model="numpy")
def update_crystals(
    strain: Array,
    grain_ids: NDArray[np.int32],
    tables: Tables,
    law: Array,
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
    strain
        ``(6, nx, ny, nz)`` at the end of the step.
    grain_ids
        ``(nx, ny, nz)``.
    tables
        Compliance ``(grains, 6, 6)`` in 1/MPa, Schmid tensors ``(grains, systems, 6)`` in sample axes, interaction
        ``(systems, systems)``, saturation ``(systems,)`` in MPa.
    law
        g0 times the step, n, h0 in MPa, its exponent, a modulus in MPa to weigh strains with, the tolerance in MPa, and
        the ratio of resolved stress and resistance below which nothing slips.
    before, after
        ``(nx, ny, nz, 7 + systems)``: plastic strain, resistances in MPa, accumulated slip. The second holds a first
        guess of the resistances, then the answer.
    stress
        ``(6, nx, ny, nz)`` in MPa: a first guess, then the answer.
    tangent
        ``(nx, ny, nz, 6, 6)``, written.
    planes
        First plane, and the one after the last.
    failed
        ``(nx,)`` how many voxels of each plane found no answer, written.
    """
    compliance, schmid, interaction, saturation = tables
    systems = saturation.size
    sigma, xi, trial, old = np.empty(6), np.empty(systems), np.empty(6), np.empty(systems)
    slips = np.empty(systems), np.empty(systems), np.empty(systems)
    rests = np.empty(6), np.empty(systems)
    moves = np.empty(systems), np.empty(6), np.empty(systems)
    moving = np.empty(systems, dtype=np.int64)
    work = np.empty((systems, systems)), np.empty((systems, 7)), np.empty((6, 6)), moving, np.empty((6, 1))
    point = sigma, xi, trial, old
    for i in range(planes[0], planes[1]):
        failed[i] = 0
        for j in range(strain.shape[2]):
            for k in range(strain.shape[3]):
                grain = grain_ids[i, j, k]
                crystal = compliance[grain], schmid[grain], interaction, law, saturation
                for c in range(6):
                    sigma[c] = stress[c, i, j, k]
                    trial[c] = strain[c, i, j, k] - before[i, j, k, c]
                for s in range(systems):
                    old[s] = before[i, j, k, 6 + s]
                    xi[s] = after[i, j, k, 6 + s]
                good = _settle(point, crystal, slips, rests, work, moves)
                good = good and condense(point, crystal, slips, rests, work, False) >= 0
                if not (good and invert_six(work[2], tangent[i, j, k])):
                    failed[i] += 1
                    continue
                total = 0.0
                for c in range(6):
                    stress[c, i, j, k] = sigma[c]
                    after[i, j, k, c] = before[i, j, k, c]
                for s in range(systems):
                    after[i, j, k, 6 + s] = xi[s]
                    total += abs(slips[1][s])
                    for c in range(6):
                        after[i, j, k, c] += slips[1][s] * schmid[grain, s, c]
                after[i, j, k, 6 + systems] = before[i, j, k, 6 + systems] + total
