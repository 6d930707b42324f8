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
from uqmsm.physics.phasefield.curvature import thin_rates
from uqmsm.physics.phasefield.field import GrainField
from uqmsm.physics.phasefield.growth import GrainGrowth, StepControl
from uqmsm.physics.phasefield.measures import radii, volumes
from uqmsm.physics.phasefield.tessellation import laguerre, lognormal_volumes

__all__ = [
    "THICKNESS",
    "TIMES",
    "Coarsening",
    "coarsen",
    "compact",
    "excesses",
    "faster",
    "growth_constants",
    "memory",
    "turned",
]

Array = NDArray[np.float64]
GrainIds = NDArray[np.int32]

THICKNESS = 0.48
"""Rates of grains in space are high by this times width over mean radius, measured against MacPherson's law."""

TIMES = np.linspace(24.0, 60.0, 13)
"""Reduced times at which runs are watched: from a mean radius of two widths to nearly three, in space."""

GRID = 0.2
"""Thin rates are counted low by this over the mean radius in voxels: the same grains on a grid four times as fine."""

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
    rates
        Of all grains, ``(moments, 4)``: sums of V dV/dt, V y, y dV/dt and y y, where y is what dV/dt would be if
        boundaries were thin (`curvature.thin_rates`).
    """

    times: Array
    mean_radius_voxels: Array
    alive: NDArray[np.int64]
    width_voxels: float
    grain_ids: GrainIds
    rates: Array

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
    mean, alive, states, rates = [], [], [], []
    for place, now in enumerate(growth.visit(times.tolist())):
        size = volumes(now.grains, grains)
        size = radii(size[size > 1.0], d)
        if len(size) < 4:
            raise MemberFailed(f"coarsen: {len(size)} grains are left at reduced time {now.time:.4g}; take more voxels")
        mean.append(size.mean())
        alive.append(len(size))
        if place in {0, len(times) // 2, len(times) - 1}:
            states.append(compact(now.grains.grain_ids()))
        rates.append(_rates(now, grains))
    found = np.array(mean, np.float64), np.array(alive), width_voxels, np.stack(states), np.array(rates)
    return Coarsening(times, *found)


def _rates(growth: GrainGrowth, grains: int) -> tuple[float, float, float, float]:
    """Return the sums of `Coarsening.rates`, from eight steps."""
    begin, before, shape = growth.time, volumes(growth.grains, grains), thin_rates(growth.grains.grain_ids(), grains)
    for _ in range(8):
        growth.advance()
    after = volumes(growth.grains, grains)
    speed, size = (after - before) / (growth.time - begin), 0.5 * (before + after)
    thin = 0.5 * (shape + thin_rates(growth.grains.grain_ids(), grains)) * growth.gradient
    return float(size @ speed), float(size @ thin), float(thin @ speed), float(thin @ thin)


def faster(widths: Array | float, thickness: float = THICKNESS) -> Array:
    """Return by what factor boundaries make rates too high where the mean radius is so many of their widths."""
    return np.asarray(1.0 + thickness / np.asarray(widths, np.float64))


def excesses(runs: Sequence[Coarsening]) -> Array:
    """Return the thickness coefficient of `faster` that all runs together show ``(2,)``, by volumes and by rates.

    With volumes as weights it is that of the volume-weighted mean size, for d(sum V^2)/dt = 2 sum V dV/dt; with thin
    rates as weights the slope of rates against them. That the two differ is an error of taking out either.
    """
    total = np.sum([run.rates for run in runs], axis=0)
    mean = _pooled(runs)[0]
    shape = runs[0].width_voxels / mean
    extra = total[:, ::2] / total[:, 1::2] * (1.0 - GRID / mean)[:, None] - 1.0
    return np.asarray(np.maximum(0.0, shape @ extra / (shape @ shape)))


def _pooled(runs: Sequence[Coarsening]) -> tuple[Array, Array]:
    """Return the mean radius of the grains of all runs, and that of the ball as large as their mean ``(moments,)``."""
    alive = np.sum([run.alive for run in runs], axis=0)
    mean = np.sum([run.alive * run.mean_radius_voxels for run in runs], axis=0) / alive
    one = runs[0].grain_ids[0]
    return mean, radii(len(runs) * one.size / alive, one.ndim)


def growth_constants(runs: Sequence[Coarsening], thickness: float | None = None) -> Array:
    """Return K of d<R>^2/dt = K M sigma of each run ``(runs,)``, in the limit of thin boundaries.

    The mean radius follows from the number of grains and the ratio of mean radius to radius of the mean volume, pooled
    over all runs; time is stretched by what thick boundaries add at the pooled mean radius. In reduced units M sigma =
    width^2 / 8.

    Parameters
    ----------
    runs
        Runs of one shape, watched at the same times.
    thickness
        Coefficient of `faster`; without, half way between the two that these runs show.
    """
    mean, even = _pooled(runs)
    thin = _thin(runs, mean, thickness)
    ratio = np.mean(mean / even)
    return np.array([np.polyfit(thin, (ratio * run.even_radius_voxels) ** 2, 1)[0] for run in runs])


def memory(runs: Sequence[Coarsening], thickness: float | None = None) -> float:
    """Return K by the mean radius over K by the number of grains, both pooled over runs of one shape.

    One where the state is self-similar; elsewhere the beginning is not yet forgotten.
    """
    mean, even = _pooled(runs)
    thin = _thin(runs, mean, thickness)
    slopes = [np.polyfit(thin, radius**2, 1)[0] for radius in (mean, np.mean(mean / even) * even)]
    return float(slopes[0] / slopes[1])


def _thin(runs: Sequence[Coarsening], mean: Array, thickness: float | None) -> Array:
    """Return mobility times energy times time, as thin boundaries would need it, at each moment."""
    width = runs[0].width_voxels
    fast = faster(mean / width, float(excesses(runs).mean()) if thickness is None else thickness)
    stretched = np.diff(runs[0].times) * 0.5 * (fast[1:] + fast[:-1])
    return np.asarray(np.concatenate([[0.0], np.cumsum(stretched)]) * width**2 / 8.0)


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
