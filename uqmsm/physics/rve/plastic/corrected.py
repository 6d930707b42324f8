"""The few clusters of a block taught by the block itself: a surrogate that states its error and can be rechecked.

Clusters alone are too stiff, the same way for all blocks of one material: by the strain that differs inside a grain.
Once blocks flow, their stress deviator is lowered by the share that full blocks say (`teach`); while they are elastic,
their stiffness is replaced by that of the full block. Between the two lies the mean plastic strain p over a level p0,
``w = p^2 / (p^2 + p0^2)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.rve.plastic.clusters import Clusters
from uqmsm.physics.rve.plastic.reduced import Standing, reduced_step, unstrained

__all__ = ["Corrected", "Lesson", "Taught", "begun", "corrected_step", "deviator", "lesson", "misses", "teach"]

Array = NDArray[np.float64]
_DEVIATOR = np.eye(6)
_DEVIATOR[:3, :3] -= 1.0 / 3.0
_FLOWING = 0.5
"""Weight w from which on a state counts as flowing."""


@dataclass(frozen=True)
class Corrected:
    """Clusters, and what they are corrected by.

    Attributes
    ----------
    clusters : Clusters
    stiffness_MPa : ndarray, shape (6, 6)
        Of the full block.
    own_MPa : ndarray, shape (6, 6)
        Of the clusters.
    level : float
        p0.
    excess : float
        Share of the stress deviator that is taken away from flowing blocks.
    """

    clusters: Clusters
    stiffness_MPa: Array
    own_MPa: Array
    level: float
    excess: float = 0.0


@dataclass(frozen=True)
class Answer:
    """The end of one step of a corrected block; see `uqmsm.physics.rve.plastic.reduced.Reduced`.

    Attributes
    ----------
    state : Standing
    mean_stress : ndarray, shape (6,)
    tangent : ndarray, shape (6, 6)
    hill_mandel_gap : float
    weight : float
        w.
    """

    state: Standing = field(repr=False)
    mean_stress: Array
    tangent: Array
    hill_mandel_gap: float
    weight: float


@dataclass(frozen=True)
class Lesson:
    """One path of mean strain, by the full block and by its clusters without excess.

    Attributes
    ----------
    full_MPa, clusters_MPa : ndarray, shape (loads, 6)
    weight : ndarray, shape (loads,)
    """

    full_MPa: Array
    clusters_MPa: Array
    weight: Array


@dataclass(frozen=True)
class Taught:
    """What lessons teach; all relative to the stress deviator of the full block.

    Attributes
    ----------
    excess : float
    along : float
        Standard deviation of what is left along the deviator, over paths.
    path_along, path_whole : float
        Root mean square over paths of the largest error on each: along the deviator, and in all directions.
    """

    excess: float
    along: float
    path_along: float
    path_whole: float


def begun(clusters: Clusters, stiffness_MPa: Array, level: float) -> Corrected:
    """Return clusters without excess, their elastic stiffness found."""
    # far from slip, and large enough for the medium to be found: smaller increments are balanced before it moves
    own = reduced_step(clusters, unstrained(clusters), np.array([1e-5, 0, 0, 0, 0, 0]), 1e-2).tangent
    return Corrected(clusters, stiffness_MPa, own, level)


def corrected_step(block: Corrected, state: Standing, strain_increment: Array, step_s: float) -> Answer:
    """Strain a corrected block by a mean increment; a pure function.

    Raises
    ------
    MemberFailed
        When the clusters find no balance; take a smaller step.
    """
    end = reduced_step(block.clusters, state, strain_increment, step_s)
    mean = block.clusters.meeting.fractions @ end.state.strain
    plastic = mean - np.linalg.solve(block.own_MPa, end.mean_stress)
    square, level = float(np.sum(plastic * plastic)), block.level**2
    weight = square / (square + level)
    slope = 2.0 * level / (square + level) ** 2 * (plastic - plastic @ np.linalg.solve(block.own_MPa, end.tangent))
    stiffer = block.stiffness_MPa - block.own_MPa
    sheared = _DEVIATOR @ end.mean_stress
    stress = end.mean_stress + (1.0 - weight) * (stiffer @ mean) - block.excess * weight * sheared
    tangent = end.tangent + (1.0 - weight) * stiffer - block.excess * weight * (_DEVIATOR @ end.tangent)
    tangent -= np.outer(stiffer @ mean + block.excess * sheared, slope)
    return Answer(end.state, stress, tangent, end.hill_mandel_gap, weight)


def lesson(block: Corrected, increments: Array, steps_s: Array, full_MPa: Array) -> Lesson:
    """Lead the clusters, without excess, along a path whose full answer is known.

    Parameters
    ----------
    block : Corrected
    increments : ndarray, shape (loads, 6)
    steps_s : ndarray, shape (loads,)
    full_MPa : ndarray, shape (loads, 6)
        Mean stresses of the full block.
    """
    bare, state = replace(block, excess=0.0), unstrained(block.clusters)
    stress, weight = [], []
    for increment, step_s in zip(increments, steps_s, strict=True):
        end = corrected_step(bare, state, increment, float(step_s))
        state = end.state
        stress.append(end.mean_stress)
        weight.append(end.weight)
    return Lesson(full_MPa, np.array(stress), np.array(weight))


def teach(lessons: Sequence[Lesson]) -> Taught:
    """Find the excess by least squares, and what it leaves.

    Raises
    ------
    StudyError
        When fewer than two paths lead beyond yield: nothing can then be said of the error.
    """
    flowing = [one for one in lessons if one.weight[-1] > _FLOWING]
    if len(flowing) < 2:
        raise StudyError(
            f"teach: {len(flowing)} of {len(lessons)} paths lead far enough beyond yield; give two or more that do"
        )
    pairs = [_along(one) for one in flowing]
    above = sum(float(np.sum(weight * error)) for weight, error in pairs)
    excess = above / sum(float(np.sum(weight * weight)) for weight, _ in pairs)
    means = [float(np.mean((error - excess * weight)[weight > _FLOWING])) for weight, error in pairs]
    largest = np.array([[np.abs(off).max() for off in misses(one, excess)] for one in flowing])
    # one parameter was fitted to so many paths
    along = np.sqrt(sum(mean * mean for mean in means) / (len(means) - 1))
    worst = np.sqrt((largest * largest).sum(axis=0) / (len(largest) - 1))
    return Taught(excess, float(along), float(worst[0]), float(worst[1]))


def misses(one: Lesson, excess: float) -> tuple[Array, Array]:
    """Return the errors of a lesson with an excess, (loads,) each: along the stress deviator, and in all directions."""
    sheared = deviator(one.full_MPa)
    size = np.sqrt((sheared * sheared).sum(axis=1))
    found = one.clusters_MPa - excess * one.weight[:, None] * deviator(one.clusters_MPa)
    off = found - one.full_MPa
    return (off * sheared).sum(axis=1) / size**2, np.sqrt((off * off).sum(axis=1)) / size


def deviator(stress: Array) -> Array:
    """Return the deviators of stresses (..., 6), Mandel."""
    return np.asarray(stress @ _DEVIATOR)


def _along(one: Lesson) -> tuple[Array, Array]:
    """Return what an excess of one would take away along the deviator, and what is too much there."""
    sheared = deviator(one.full_MPa)
    square = (sheared * sheared).sum(axis=1)
    taken = one.weight * (deviator(one.clusters_MPa) * sheared).sum(axis=1) / square
    return taken, misses(one, 0.0)[0]
