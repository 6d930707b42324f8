"""The state that coarsening grains tend to, whatever they began as: its size law, its rate, and samples of it.

Once the beginning is forgotten all lengths grow together: the microstructure at one time is, in law, that of another
time enlarged, and d<R>^2/dt = K M sigma with one number K (W. W. Mullins, J. Appl. Phys. 59, 1986, 1341-1349). So a few
runs in reduced units serve all temperatures, mobilities and energies.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.phasefield.field import GrainField
from uqmsm.physics.phasefield.growth import GrainGrowth, StepControl
from uqmsm.physics.phasefield.measures import radii, volumes
from uqmsm.physics.phasefield.tessellation import laguerre, lognormal_volumes

__all__ = ["THICKNESS", "Coarsening", "coarsen", "compact", "growth_constant", "turned"]

Array = NDArray[np.float64]
GrainIds = NDArray[np.int32]

THICKNESS = 0.7
"""Rates of junction networks are high by this times (width / mean radius)^2, measured against von Neumann's law."""

_SPREAD = 0.35  # of the logarithm of the radius at the start: near that of the state it tends to


@dataclass(frozen=True)
class Coarsening:
    """One run, from the moment when boundaries are thin enough.

    Attributes
    ----------
    times
        Reduced times ``(moments,)``, in 1 / (L m).
    mean_radius_voxels, alive
        Mean radius of the living grains and their number ``(moments,)``.
    width_voxels
        Of the boundaries.
    grain_ids
        The states ``(states, *shape)`` int32, grains numbered from 0 without gaps.
    state_radius_voxels
        Mean radius in each of them ``(states,)``.
    steps
        Steps made in all.
    """

    times: Array
    mean_radius_voxels: Array
    alive: NDArray[np.int64]
    width_voxels: float
    grain_ids: GrainIds
    state_radius_voxels: Array
    steps: int


def compact(grain_ids: NDArray[np.integer]) -> GrainIds:
    """Number the grains from 0 without gaps, in the order of their numbers."""
    _, ids = np.unique(grain_ids, return_inverse=True)
    return np.asarray(ids.reshape(grain_ids.shape), np.int32)


def coarsen(
    rng: np.random.Generator,
    shape: tuple[int, ...],
    width_voxels: float = 5.0,
    start_widths: float = 1.5,
    until_widths: float = 2.5,
    moments: int = 9,
    control: StepControl | None = None,
) -> Coarsening:
    """Coarsen lognormal Laguerre cells until their mean radius is `until_widths` widths.

    Parameters
    ----------
    rng
        Source of chance: sizes and seeds of the first grains.
    shape
        Voxels along each axis.
    width_voxels
        Width of a boundary; five or more.
    start_widths, until_widths
        Mean radius over width at the start and at the end.
    moments
        Times at which radii are kept, equal steps of <R>^2 from two widths on; the first, middle and last give a state.
    control
        The time step.

    Raises
    ------
    StudyError
        When the range is empty: radii below two widths are not kept.
    """
    if not start_widths < 2.0 < until_widths:
        raise StudyError(f"coarsen: from {start_widths} to {until_widths} widths; begin below 2 and end above it")
    d = len(shape)
    ball = np.pi if d == 2 else 4.0 / 3.0 * np.pi
    # <R^d> / <R>^d of a lognormal law
    unequal = float(np.exp(0.5 * (d * d - d) * _SPREAD**2))
    grains = max(2, round(np.prod(shape) / (ball * unequal * (start_widths * width_voxels) ** d)))
    cells = laguerre(rng, lognormal_volumes(rng, grains, _SPREAD, d), shape, rounds=12)
    growth = GrainGrowth(GrainField.from_ids(cells.grain_ids), width_voxels, control=control or StepControl())
    growth.diffuse()
    goals = iter((width_voxels * np.sqrt(np.linspace(4.0, until_widths**2, moments))).tolist())
    rows, states, goal = [], [], next(goals)
    while True:
        size = volumes(growth.grains, grains)
        size = radii(size[size > 1.0], d)
        if size.mean() >= goal:
            if len(rows) in {0, moments // 2, moments - 1}:
                states.append((compact(growth.grains.grain_ids()), size.mean()))
            rows.append((growth.time, size.mean(), len(size)))
            if len(rows) == moments:
                break
            goal = next(goals)
        growth.run(growth.time + 0.01 * (width_voxels**2 * 4.0) / growth.gradient)
    times, mean, alive = (np.array(column) for column in zip(*rows, strict=True))
    ids, reached = zip(*states, strict=True)
    return Coarsening(
        times, mean, alive.astype(np.int64), width_voxels, np.stack(ids), np.array(reached, np.float64), growth.steps
    )


def growth_constant(run: Coarsening, thickness: float = THICKNESS) -> float:
    """Return K of d<R>^2/dt = K M sigma by a straight line through one run, in the limit of thin boundaries.

    With rates high by ``1 + thickness (width / R)^2`` the quantity <R>^2 - thickness width^2 ln(<R>^2 + thickness
    width^2) is straight in time, with the slope K M sigma; in reduced units M sigma = width^2 / 8.
    """
    extra = thickness * run.width_voxels**2
    squared = run.mean_radius_voxels**2
    slope = np.polyfit(run.times, squared - extra * np.log(squared + extra), 1)[0]
    return float(slope / (run.width_voxels**2 / 8.0))


def turned(rng: np.random.Generator, grain_ids: GrainIds) -> GrainIds:
    """Return one of the equally likely views of a periodic state: axes exchanged, mirrored, the origin moved.

    Nine uniforms are consumed in three dimensions, six in two.
    """
    d = grain_ids.ndim
    order = np.argsort(rng.random(d), kind="stable")
    mirror = rng.random(d) < 0.5
    moved = np.transpose(grain_ids, order)
    moved = np.flip(moved, axis=tuple(np.flatnonzero(mirror).tolist()))
    shift = (rng.random(d) * np.array(moved.shape)).astype(np.int64)
    return np.ascontiguousarray(np.roll(moved, tuple(shift.tolist()), axis=tuple(range(d))))
