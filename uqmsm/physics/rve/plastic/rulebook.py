"""What a component is told of a block of grains: yield stress, hardening, yield surface."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from uqmsm.errors import MemberFailed, StudyError
from uqmsm.physics.rve.plastic.block import Accuracy, Block
from uqmsm.physics.rve.plastic.laws import Slip
from uqmsm.physics.rve.plastic.loading import drive, proportional, unit_direction

__all__ = [
    "Hardening",
    "YieldPoint",
    "equivalent_stress",
    "fit_hardening",
    "offset_yield",
    "taylor_hardening",
    "yield_surface",
]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Hardening:
    """``sigma = yield + H p + Q (1 - exp(-b p))``: the J2 rulebook of a block; stresses in MPa.

    Attributes
    ----------
    yield_MPa, linear_MPa, voce_rise_MPa, voce_rate
        First yield stress, H, Q and b.
    misfit_MPa
        Root mean square of what the form cannot follow; zero where it is exact.
    """

    yield_MPa: float
    linear_MPa: float
    voce_rise_MPa: float
    voce_rate: float
    misfit_MPa: float = 0.0

    def stress_MPa(self, plastic_strain: Array) -> Array:
        """Return the flow stress at accumulated plastic strains."""
        p = np.asarray(plastic_strain, dtype=np.float64)
        rise = self.voce_rise_MPa * -np.expm1(-self.voce_rate * p)
        return np.asarray(self.yield_MPa + self.linear_MPa * p + rise)


def equivalent_stress(stress: Array) -> float:
    """Return the von Mises stress of one Mandel stress (6,)."""
    deviator = np.asarray(stress, dtype=np.float64).copy()
    deviator[:3] -= deviator[:3].mean()
    return float(np.sqrt(1.5 * np.sum(deviator * deviator)))


def offset_yield(strain: Array, stress: Array, slope: float, offset: float) -> float:
    """Return the stress at which a curve meets the elastic line shifted by `offset`.

    Parameters
    ----------
    strain, stress
        The curve, ``(points,)`` each, from the first load on; the origin is added.
    slope
        Of the elastic line, in the unit of the stress.
    offset
        Plastic strain, such as 0.002.

    Raises
    ------
    MemberFailed
        When the curve ends before.
    """
    strains, stresses = np.concatenate([[0.0], strain]), np.concatenate([[0.0], stress])
    beyond = strains - stresses / slope - offset
    after = np.flatnonzero(beyond >= 0.0)
    if not after.size:
        raise MemberFailed(
            f"the curve ends at a strain of {strains[-1]:.4g}, {beyond[-1] + offset:.2g} of it plastic, before an "
            f"offset of {offset:g}; load further"
        )
    i = int(after[0])
    share = -beyond[i - 1] / (beyond[i] - beyond[i - 1])
    return float(stresses[i - 1] + share * (stresses[i] - stresses[i - 1]))


def fit_hardening(plastic_strain: Array, stress_MPa: Array) -> Hardening:
    """Fit the J2 rulebook to a flow curve.

    Parameters
    ----------
    plastic_strain, stress_MPa
        ``(points,)``, five or more, of which those with a positive plastic strain count.

    Raises
    ------
    MemberFailed
        When fewer than five points have yielded.
    """
    yielded = np.asarray(plastic_strain) > 0.0
    p, stress = np.asarray(plastic_strain)[yielded], np.asarray(stress_MPa)[yielded]
    if p.size < 5:
        raise MemberFailed(
            f"fit_hardening: {p.size} points of the curve have yielded and five are needed; load further"
        )
    top, span = float(stress.max()), float(p.max())

    def distance(x: Array) -> Array:
        return np.asarray(x[0] + x[1] * p / span + x[2] * -np.expm1(-x[3] * p / span) - stress / top)

    start = np.array([stress.min() / top, 0.05, max(1.0 - stress.min() / top, 1e-3), 5.0])
    found = least_squares(
        distance, start, bounds=([0.0, 0.0, 0.0, 0.1], [2.0, 10.0, 10.0, 1e3]), xtol=1e-12, ftol=1e-12
    )
    a, b, c, d = (float(one) for one in found.x)
    misfit = float(np.sqrt(np.mean(distance(found.x) ** 2))) * top
    return Hardening(a * top, b * top / span, c * top, d / span, misfit)


def taylor_hardening(
    slip: Slip, taylor_factor: float, *, hall_petch_MPa_um05: float = 0.0, grain_size_um: float = np.inf
) -> Hardening:
    """Return the J2 rulebook of Taylor's assumption: ``sigma = M tau + ky d^(-1/2)`` and ``Gamma = M p``.

    All systems are taken to slip alike, so that each hardens by the mean of a row of the interaction matrix; then
    ``xi = xi_inf - (xi_inf - xi_0) exp(-h0 q Gamma / xi_inf)`` for a hardening power of one, without rate dependence.

    Parameters
    ----------
    slip
        The law of slip.
    taylor_factor
        M of the grains.
    hall_petch_MPa_um05, grain_size_um
        Hall and Petch's constant, and the mean grain diameter.

    Raises
    ------
    StudyError
        When the hardening power is not one, or the grain size not positive.
    """
    from uqmsm.physics.rve.slip import interaction_matrix

    if slip.power != 1.0 or not grain_size_um > 0.0:
        raise StudyError(
            f"taylor_hardening: power = {slip.power:g}, grain size {grain_size_um:g} um; the closed form needs a "
            "hardening power of 1 and a positive grain size"
        )
    mean = float(interaction_matrix(slip.families, slip.interaction).mean())
    rise = slip.saturation_MPa - slip.resistance_MPa
    first = taylor_factor * slip.resistance_MPa + hall_petch_MPa_um05 / np.sqrt(grain_size_um)
    rate = taylor_factor * slip.hardening_MPa * mean / slip.saturation_MPa
    return Hardening(float(first), 0.0, taylor_factor * rise, rate)


@dataclass(frozen=True)
class YieldPoint:
    """Where a block yields along one direction of stress.

    Attributes
    ----------
    direction
        ``(6,)`` unit Mandel stress.
    stress_MPa
        ``(6,)`` Mandel, at the offset.
    equivalent_MPa
        Its von Mises stress.
    hill_mandel_gap
        Largest of the increments.
    """

    direction: Array
    stress_MPa: Array
    equivalent_MPa: float
    hill_mandel_gap: float


def yield_surface(
    cell: Block,
    directions: Sequence[Array],
    *,
    offset: float = 0.002,
    rate_per_s: float = 1e-3,
    step: float = 5e-4,
    most: float = 0.05,
    accuracy: Accuracy | None = None,
) -> list[YieldPoint]:
    """Find the yield stress along several directions of stress, each from the virgin block.

    Parameters
    ----------
    cell
        The block.
    directions
        ``(6,)`` Mandel each; their deviators must not vanish, for pressure does not make crystals slip.
    offset
        Equivalent plastic strain that counts as yield: the one that does the same work with the von Mises stress.
    rate_per_s
        Equivalent strain rate.
    step
        Equivalent strain of one load.
    most
        Equivalent strain at which to give up.
    accuracy
        When a step is accepted.

    Raises
    ------
    MemberFailed
        When a direction does not yield, or a step does not converge.
    StudyError
        When a direction has no deviator.
    """
    points = []
    for direction in directions:
        unit = unit_direction(direction)
        # unit stress along the direction has this von Mises stress; strain along it is conjugate to the unit stress
        size = equivalent_stress(unit)
        if size < 1e-6:
            raise StudyError(f"yield_surface: {direction} is a pressure, under which no crystal slips; change it")
        strains = size * np.arange(step, most + step, step)

        def enough(strain: Array, stress: Array, unit: Array = unit, wanted: float = offset * size) -> bool:
            along, across = strain @ unit, stress @ unit
            return bool(along[-1] - across[-1] * along[0] / across[0] > wanted)

        # the first load is small, so that its slope is elastic
        path = proportional(unit, np.concatenate([[0.02 * strains[0]], strains]), size * rate_per_s)
        history = drive(cell, path, accuracy=accuracy, enough=enough)
        strain, stress = history.strain @ unit, history.stress @ unit
        level = offset_yield(strain, stress, float(stress[0] / strain[0]), offset * size)
        points.append(YieldPoint(unit, level * unit, level * size, float(history.hill_mandel_gap.max())))
    return points
