"""The state that coarsening grains tend to, whatever they began as: its size law, its rate, and samples of it.

Once the beginning is forgotten all lengths grow together: the microstructure at one time is, in law, that of another
time enlarged, and d<R>^2/dt = K M sigma with one number K (W. W. Mullins, J. Appl. Phys. 59, 1986, 1341-1349). So a few
runs in reduced units serve all temperatures, mobilities and energies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import MemberFailed
from uqmsm.physics.phasefield.field import GrainField
from uqmsm.physics.phasefield.growth import GrainGrowth, StepControl
from uqmsm.physics.phasefield.measures import radii, volumes
from uqmsm.physics.phasefield.tessellation import laguerre, lognormal_volumes

__all__ = ["THICKNESS", "TIMES", "Coarsening", "coarsen", "compact", "growth_constants", "memory", "turned"]

Array = NDArray[np.float64]
GrainIds = NDArray[np.int32]

THICKNESS = 0.7
"""Rates of junction networks are high by this times (width / mean radius)^2, measured against von Neumann's law."""

TIMES = np.linspace(24.0, 42.0, 10)
"""Reduced times at which runs are watched: from a mean radius of two widths to one of two and a half, in space."""

_SPREAD = 0.35  # of the logarithm of the radius at the start: near that of the state it tends to


@dataclass(frozen=True)
class Coarsening:
    """One run, watched at given times.

    Attributes
    ----------
    times
        Reduced times ``(moments,)``, in 1 / (L m).
    mean_radius_voxels, alive
        Mean radius of the living grains and their number ``(moments,)``.
    width_voxels
        Of the boundaries.
    grain_ids
        States at the first, the middle and the last of the times ``(3, *shape)`` int32, grains numbered without gaps.
    steps
        Steps made in all.
    """

    times: Array
    mean_radius_voxels: Array
    alive: NDArray[np.int64]
    width_voxels: float
    grain_ids: GrainIds
    steps: int

    @property
    def even_radius_voxels(self) -> Array:
        """Radius of the disc or ball as large as the mean grain ``(moments,)``: its noise is that of a count alone."""
        one = self.grain_ids[0]
        return radii(one.size / self.alive, one.ndim)


def compact(grain_ids: NDArray[np.integer]) -> GrainIds:
    """Return the same grains numbered from 0 without gaps, in the order of their numbers."""
    _, ids = np.unique(grain_ids, return_inverse=True)
    return np.asarray(ids.reshape(grain_ids.shape), np.int32)


def coarsen(
    rng: np.random.Generator,
    shape: tuple[int, ...],
    width_voxels: float = 5.0,
    start_widths: float = 1.5,
    times: Array = TIMES,
    control: StepControl | None = None,
) -> Coarsening:
    """Coarsen lognormal Laguerre cells and watch them.

    Parameters
    ----------
    rng
        Source of chance: sizes and seeds of the first grains.
    shape
        Voxels along each axis.
    width_voxels
        Width of a boundary; five or more.
    start_widths
        Mean radius over width at the start.
    times
        Reduced times to watch at, fixed beforehand: to stop at a radius would favour runs that are there by chance.
    control
        The time step.

    Raises
    ------
    MemberFailed
        When fewer than four grains are left.
    """
    d = len(shape)
    ball = np.pi if d == 2 else 4.0 / 3.0 * np.pi
    # <R^d> / <R>^d of a lognormal law
    unequal = float(np.exp(0.5 * (d * d - d) * _SPREAD**2))
    grains = max(4, round(np.prod(shape) / (ball * unequal * (start_widths * width_voxels) ** d)))
    cells = laguerre(rng, lognormal_volumes(rng, grains, _SPREAD, d), shape, rounds=12)
    growth = GrainGrowth(GrainField.from_ids(cells.grain_ids), width_voxels, control=control or StepControl())
    growth.diffuse()
    mean, alive, states = [], [], []
    for place, now in enumerate(growth.visit(times.tolist())):
        size = volumes(now.grains, grains)
        size = radii(size[size > 1.0], d)
        if len(size) < 4:
            raise MemberFailed(f"coarsen: {len(size)} grains are left at reduced time {now.time:.4g}; take more voxels")
        mean.append(size.mean())
        alive.append(len(size))
        if place in {0, len(times) // 2, len(times) - 1}:
            states.append(compact(now.grains.grain_ids()))
    return Coarsening(times, np.array(mean, np.float64), np.array(alive), width_voxels, np.stack(states), growth.steps)


def growth_constants(runs: Sequence[Coarsening], thickness: float = THICKNESS) -> Array:
    """Return K of d<R>^2/dt = K M sigma of each run ``(runs,)``, in the limit of thin boundaries.

    The mean radius follows from the number of grains and the ratio of mean radius to radius of the mean volume, pooled
    over all runs. With rates high by ``1 + thickness (width / R)^2`` the quantity R^2 - e ln(R^2 + e) is straight in
    time, e = thickness width^2, with the slope K M sigma; in reduced units M sigma = width^2 / 8.
    """
    ratio = np.mean([np.mean(run.mean_radius_voxels / run.even_radius_voxels) for run in runs])
    found = []
    for run in runs:
        extra = thickness * run.width_voxels**2
        squared = (ratio * run.even_radius_voxels) ** 2
        slope = np.polyfit(run.times, squared - extra * np.log(squared + extra), 1)[0]
        found.append(slope / (run.width_voxels**2 / 8.0))
    return np.array(found)


def memory(runs: Sequence[Coarsening], thickness: float = THICKNESS) -> float:
    """Return K by the mean radius over K by the number of grains, both pooled over runs of one shape.

    One where the state is self-similar; elsewhere the beginning is not yet forgotten.
    """
    alive = np.sum([run.alive for run in runs], axis=0)
    mean = np.sum([run.alive * run.mean_radius_voxels for run in runs], axis=0) / alive
    one = runs[0].grain_ids[0]
    even = radii(len(runs) * one.size / alive, one.ndim)
    extra = thickness * runs[0].width_voxels ** 2
    slopes = [
        np.polyfit(runs[0].times, radius**2 - extra * np.log(radius**2 + extra), 1)[0]
        for radius in (mean, np.mean(mean / even) * even)
    ]
    return float(slopes[0] / slopes[1])


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
