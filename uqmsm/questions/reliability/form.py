"""How likely is failure, if its border were a plane (first order), and what does its curvature change (second order)?

First order: Phi(-beta), beta the distance of the design point (A. M. Hasofer, N. C. Lind, J. Eng. Mech. Div. 100, 111,
1974). Second order: the curvatures of the border there (M. Hohenbichler, R. Rackwitz, J. Eng. Mech. 114, 2195, 1988).
Neither has a sampling error; what is stated as error is what the second order changes. Where that is more than a fifth,
where there are several design points, or where the search did not converge, the answer is a warning, not a number to
sign: use importance sampling or subset simulation.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import null_space
from scipy.special import log_ndtr

from uqmsm.questions.reliability.design_point import DesignPoint, design_points
from uqmsm.questions.reliability.found import Found, first_order
from uqmsm.questions.reliability.space import Points, Search, Tally, Unevaluated, points_at

__all__ = ["form"]

Floats = NDArray[np.float64]
CHANGE = 0.2
"""Relative change by the second order beyond which the first is not to be believed."""
_STEP = 0.1


def form(placed: int, rolled: int = 0) -> Search:
    """Look for the design point and return first order with what the second changes.

    Parameters
    ----------
    placed, rolled
        Number of sources with and without a place; the latter stand still at their first draw, which is a warning.
    """
    tally = Tally()
    try:
        points = yield from design_points(tally, placed, rolled)
        ratios: list[float] = []
        for one in points if points[0].converged else ():
            ratio = yield from _second_order(tally, one, rolled)
            ratios.append(ratio)
    except Unevaluated:
        words = ("a member that the slope needs gave no margin; use method: subset, which goes on without it",)
        return Found("form", np.nan, np.nan, 0.0, 1.0, tally.evaluations, tally.failed, words)
    first = [first_order(one.beta) for one in points]
    second = [p * ratio for p, ratio in zip(first, ratios, strict=False)]
    # several points: the sum of their probabilities, an upper bound where their regions overlap
    p, error = min(sum(first), 1.0), abs(sum(second) - sum(first)) if ratios else np.nan
    low, high = (min(sum(first), sum(second)), min(max(sum(first), sum(second)), 1.0)) if ratios else (0.0, 1.0)
    warnings = _doubts(points, first, ratios, rolled)
    at = points[0].at if points[0].converged else tally.nearest
    counts = (tally.evaluations, tally.failed)
    return Found("form", p, error, low, high, *counts, warnings, at, np.zeros(rolled, np.int64))


def _second_order(tally: Tally, point: DesignPoint, rolled: int) -> Generator[Points, Floats, float]:
    """Return the factor by which the curvatures of the border change the probability.

    The product over the curvatures k of (1 + psi k)^(-1/2), psi = phi(beta)/Phi(-beta); a curvature so negative that
    the parabola opens beyond the origin has none, and is infinite here.
    """
    beta, steep = point.beta, float(np.linalg.norm(point.slope))
    tangent = null_space(point.towards[None]).T
    m = len(tangent)
    if not m:
        return 1.0
    pairs = [(i, j) for i in range(m) for j in range(i + 1, m)]
    ways = np.concatenate([tangent, *[(tangent[i] + tangent[j])[None] for i, j in pairs]])
    around = np.concatenate([point.at[None], point.at + _STEP * ways, point.at - _STEP * ways])
    found = yield from tally.ask(points_at(around, kinds=rolled))
    if np.isnan(found).any():
        raise Unevaluated
    bend = (found[1 : 1 + len(ways)] - 2.0 * found[0] + found[1 + len(ways) :]) / _STEP**2
    hessian = np.diag(bend[:m])
    for (i, j), both in zip(pairs, bend[m:], strict=True):
        hessian[i, j] = hessian[j, i] = (both - bend[i] - bend[j]) / 2.0
    curvature = np.linalg.eigvalsh(hessian) / steep  # positive: the border bends away from the origin
    psi = float(np.exp(-0.5 * beta**2 - 0.5 * np.log(2.0 * np.pi) - log_ndtr(-beta)))
    inside = 1.0 + psi * curvature
    return float(np.prod(inside**-0.5)) if (inside > 0.0).all() else np.inf


def _doubts(
    points: Sequence[DesignPoint], first: Sequence[float], ratios: Sequence[float], rolled: int
) -> tuple[str, ...]:
    found = []
    if not points[0].converged:
        found.append("the search for the design point did not converge: no number of this method is to be believed")
    if len(points) > 1:
        betas = ", ".join(f"{one.beta:.2f}" for one in points)
        found.append(
            f"{len(points)} design points (beta = {betas}): what is stated is the sum of their probabilities; the "
            f"nearest alone says {first[0]:.2g}; use method: importance"
        )
    worst = max((abs(ratio - 1.0) for ratio in ratios), default=0.0)
    if worst > CHANGE:
        found.append(
            f"the border is curved: the second order changes the probability by {100 * worst:.0f} %; use method: "
            "importance"
            if np.isfinite(worst)
            else "the border bends round the origin: neither order holds; use method: subset"
        )
    if points[0].origin < 0.0:
        found.append("the median of all sources fails already: a plane is a poor border there; use method: frequency")
    if rolled:
        found.append(f"{rolled} sources without a place stand still at one draw; use method: subset or importance")
    return tuple(found)
