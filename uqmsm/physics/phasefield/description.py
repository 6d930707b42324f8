"""A microstructure in numbers: sizes, faces, chords and the probability to be still in the same grain."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.phasefield.measures import chord_lengths, neighbour_counts, radii

__all__ = ["LAGS", "Description", "describe", "sampled"]

Array = NDArray[np.float64]
GrainIds = NDArray[np.int32]

LAGS = np.linspace(0.0, 1.5, 13)
"""Distances of `Description.same_grain`, in mean diameters."""

_SMALLEST_CONTACT = 2  # voxel faces; one is a corner seen from the side


@dataclass(frozen=True)
class Description:
    """Statistics of a periodic block of grains.

    Attributes
    ----------
    diameters
        Of the disc or ball as large as each grain, ``(grains,)``, in the unit of the edge.
    faces
        Neighbours of each grain, ``(grains,)``.
    mean_chord
        Mean length of chords along the axes.
    same_grain
        Probability that two points so far apart along an axis lie in one grain, ``(13,)`` at `LAGS` mean diameters.
    """

    diameters: Array
    faces: Array
    mean_chord: float
    same_grain: Array

    @property
    def mean_diameter(self) -> float:
        """Mean over the grains, each counted once."""
        return float(self.diameters.mean())

    def enlarged(self, factor: float) -> Description:
        """Return that of the same block with an edge so many times as long."""
        return replace(self, diameters=self.diameters * factor, mean_chord=self.mean_chord * factor)


def describe(grain_ids: GrainIds, edge: float = 1.0) -> Description:
    """Measure a periodic block.

    Parameters
    ----------
    grain_ids
        ``shape`` int32, all edges equal, grains numbered from 0 without gaps.
    edge
        Edge of the block.

    Raises
    ------
    StudyError
        When the edges differ or a number is left out.
    """
    if len(set(grain_ids.shape)) != 1:
        raise StudyError(f"describe: a block of {grain_ids.shape} voxels; its edges have to be equal")
    grains = int(grain_ids.max()) + 1
    counts = np.bincount(grain_ids.ravel(), minlength=grains)
    if counts.min() == 0:
        raise StudyError("describe: a grain without a voxel; number the grains anew (`self_similar.compact`)")
    voxel = edge / grain_ids.shape[0]
    diameters = 2.0 * radii(counts.astype(np.float64), grain_ids.ndim) * voxel
    _, faces = neighbour_counts(grain_ids, grains, _SMALLEST_CONTACT)
    chords = np.concatenate([chord_lengths(grain_ids, axis) for axis in range(grain_ids.ndim)])
    wanted = LAGS * diameters.mean() / voxel
    same = _same_grain(grain_ids, int(np.ceil(wanted[-1])))
    return Description(diameters, faces, float(chords.mean() * voxel), np.interp(wanted, np.arange(len(same)), same))


def _same_grain(grain_ids: GrainIds, longest: int) -> Array:
    """Return the probability at lags of 0, 1, ... voxels, up to the longest asked for, at most half the edge."""
    lags = range(min(longest, grain_ids.shape[0] // 2) + 1)
    return np.array(
        [
            np.mean([np.mean(grain_ids == np.roll(grain_ids, lag, axis)) for axis in range(grain_ids.ndim)])
            for lag in lags
        ]
    )


def sampled(grain_ids: GrainIds, voxels: int) -> GrainIds:
    """Return the grains at the centres of a grid of other voxels over the same block, ``(voxels,) * dimensions``.

    Numbers of grains stay; a grain too small for the new grid may own nothing.

    Raises
    ------
    StudyError
        When `voxels` is below one.
    """
    if voxels < 1:
        raise StudyError(f"sampled: {voxels} voxels along an edge; give at least 1")
    # the centre of a new voxel may fall on a face of the old grid: take the voxel above it
    places = [((np.arange(voxels) + 0.5) * n / voxels).astype(np.int64) for n in grain_ids.shape]
    return np.ascontiguousarray(grain_ids[np.ix_(*places)])
