"""A block of grains with one strain a cluster instead of one a voxel: dozens of unknowns in place of thousands.

The equation is that of the grid, ``strain = mean strain - Green (stress - stiffness of the medium : strain)``, averaged
over clusters of voxels that are taken to be strained alike (Z. Liu, M. A. Bessa, W. K. Liu, Comput. Methods Appl. Mech.
Eng. 306, 319 (2016)). The law of every cluster is that of its grain, untouched. With a cluster a voxel the answer is
that of the grid; with fewer it depends on the medium, which is found with it (see `reduced`).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.rve.plastic.block import Block
from uqmsm.physics.rve.plastic.laws import Law

__all__ = ["Clusters", "Meeting", "clusters", "every_voxel", "meetings", "split_grains"]

Array = NDArray[np.float64]
Ints = NDArray[np.int32]
_HALF_ROOT = float(np.sqrt(0.5))


@dataclass(frozen=True)
class Meeting:
    """How clusters strain each other, by their shape alone: it serves every material of the same grains.

    Attributes
    ----------
    fractions : ndarray, shape (clusters,)
    shear, along : ndarray, shape (6 clusters, 6 clusters)
        The Green operator is ``(shear - s along) / mu0`` with ``s = (lambda0 + mu0) / (lambda0 + 2 mu0)``.
    """

    fractions: Array
    shear: Array = field(repr=False)
    along: Array = field(repr=False)


@dataclass(frozen=True)
class Clusters:
    """A block whose clusters are strained alike.

    Attributes
    ----------
    law : Law
        Of the grains.
    owner : ndarray of int32, shape (clusters, 1, 1)
        The grain of each cluster.
    meeting : Meeting
    bulk_MPa, shear_MPa : float
        Of the elastic block, roughly: the medium before any slip.
    """

    law: Law
    owner: Ints
    meeting: Meeting
    bulk_MPa: float
    shear_MPa: float


def clusters(cell: Block, *, parts: int = 1, met: Meeting | None = None) -> Clusters:
    """Make the clusters of a block.

    Parameters
    ----------
    cell : Block
    parts : int
        Clusters that each grain is cut into.
    met : Meeting
        From `meetings` of the same grains and parts, when it is at hand.

    Raises
    ------
    StudyError
        When parts is less than one.
    """
    labels, owner = split_grains(cell.grain_ids, parts)
    return Clusters(
        cell.law, owner[:, None, None], met or meetings(cell, labels, len(owner)), cell.bulk_MPa, cell.shear_MPa
    )


def split_grains(grain_ids: Ints, parts: int) -> tuple[Ints, Ints]:
    """Cut every grain in as many parts of about equal volume, across its longest direction.

    Parameters
    ----------
    grain_ids : ndarray of int32, shape (nx, ny, nz)
    parts : int

    Returns
    -------
    labels : ndarray of int32, shape (nx, ny, nz)
        The cluster of every voxel; grains without a voxel have none.
    owner : ndarray of int32, shape (clusters,)
        The grain of every cluster.

    Raises
    ------
    StudyError
        When parts is less than one.
    """
    if parts < 1:
        raise StudyError(f"clusters: a grain is cut into {parts} parts; write 1 or more")
    labels = np.zeros(grain_ids.shape, dtype=np.int32)
    owner: list[int] = []
    shape = np.array(grain_ids.shape)
    for grain in np.unique(grain_ids):
        voxels = np.argwhere(grain_ids == grain)
        near = (voxels - voxels[0] + shape // 2) % shape  # a grain may reach across the border of the block
        groups = [np.arange(len(voxels))]
        while len(groups) < min(parts, len(voxels)):
            groups.sort(key=len)
            groups += _halves(near.astype(np.float64), groups.pop())
        for group in groups:
            labels[tuple(voxels[group].T)] = len(owner)
            owner.append(int(grain))
    return labels, np.array(owner, dtype=np.int32)


def _halves(places: Array, group: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Cut a group of voxels in two across its longest direction."""
    inside = places[group] - places[group].mean(axis=0)
    longest = np.linalg.eigh(inside.T @ inside)[1][:, -1]
    order = np.argsort(inside @ longest, kind="stable")
    half = len(group) // 2
    return [group[order[:half]], group[order[half:]]]


def meetings(cell: Block, labels: Ints, count: int) -> Meeting:
    """Average the Green operator of the grid over pairs of clusters.

    Parameters
    ----------
    cell : Block
        Its grid; neither its law nor its grains matter.
    labels : ndarray of int32, shape (nx, ny, nz)
        The cluster of every voxel, from 0.
    count : int
        Number of clusters.
    """
    flat = cell.waves.reshape(3, -1)
    length = np.sqrt((flat * flat).sum(axis=0))
    kept = length > 0.0
    unit = flat[:, kept] / length[kept]
    often = np.broadcast_to(cell.count, cell.waves.shape[1:]).reshape(-1)[kept]
    spectra = np.stack(
        [np.fft.rfftn((labels == one).astype(np.float64), norm="forward").reshape(-1)[kept] for one in range(count)]
    )
    fractions = np.bincount(labels.ravel(), minlength=count) / labels.size
    shift = _strain_of_shift(unit)
    normal = np.einsum("fak,kf->fa", shift, unit)
    pairs = {}
    upper = np.triu_indices(6)
    for name, table in (("shear", shift @ shift.transpose(0, 2, 1)), ("along", normal[:, :, None] * normal[:, None])):
        whole = np.empty((count, 6, count, 6))
        for a, b in zip(*upper, strict=True):
            weight = often * table[:, a, b]
            met = (spectra.real * weight) @ spectra.real.T + (spectra.imag * weight) @ spectra.imag.T
            whole[:, a, :, b] = whole[:, b, :, a] = met / fractions[:, None]
        pairs[name] = whole.reshape(6 * count, 6 * count)
    return Meeting(fractions, **pairs)


def _strain_of_shift(unit: Array) -> Array:
    """Return ``(modes, 6, 3)``: the Mandel strain that a displacement wave along each unit wave vector makes."""
    a, b, c = unit
    table = np.zeros((unit.shape[1], 6, 3))
    table[:, 0, 0], table[:, 1, 1], table[:, 2, 2] = a, b, c
    table[:, 3, 1], table[:, 3, 2] = _HALF_ROOT * c, _HALF_ROOT * b
    table[:, 4, 0], table[:, 4, 2] = _HALF_ROOT * c, _HALF_ROOT * a
    table[:, 5, 0], table[:, 5, 1] = _HALF_ROOT * b, _HALF_ROOT * a
    return table


def every_voxel(cell: Block) -> Clusters:
    """Return the block with a cluster a voxel: the grid itself, to check the few by the many."""
    labels = np.arange(cell.grain_ids.size, dtype=np.int32).reshape(cell.grain_ids.shape)
    met = meetings(cell, labels, labels.size)
    return replace(clusters(cell, met=met), owner=cell.grain_ids.reshape(-1, 1, 1))
