"""What a microstructure is described by: sizes, faces, chords, correlations, junction angles, energy."""

from __future__ import annotations

import numpy as np
import scipy.fft
from numba import njit
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.phasefield.field import GrainField
from uqmsm.physics.phasefield.growth import GAMMA, GrainGrowth
from uqmsm.physics.phasefield.pairs import cross_terms

__all__ = [
    "chord_lengths",
    "energy",
    "junction_angles",
    "neighbour_counts",
    "radii",
    "same_grain_probability",
    "volumes",
]

Array = NDArray[np.float64]
GrainIds = NDArray[np.int32]


@njit(cache=True, nogil=True, error_model="numpy")
def _share_out(ids: NDArray[np.int32], values: Array, counts: NDArray[np.uint8], out: Array) -> None:
    for v in range(counts.size):
        squares = 0.0
        for s in range(np.int64(counts[v])):
            squares += values[s, v] * values[s, v]
        for s in range(np.int64(counts[v])):
            if ids[s, v] < out.size:
                out[ids[s, v]] += values[s, v] * values[s, v] / squares


def volumes(field: GrainField, grains: int) -> Array:
    """Return the volume of grains 0 .. grains - 1 in voxels, ``(grains,)``: sum of eta_i^2 / sum_j eta_j^2.

    Smooth in time, unlike a count of voxels; in two dimensions an area. The sum over all grains is the grid.
    """
    out = np.zeros(grains)
    _share_out(field.ids, field.values, field.counts, out)
    return out


def radii(volume: Array, dimensions: int) -> Array:
    """Return the radius of the disc (2) or ball (3) of the same volume."""
    return np.sqrt(volume / np.pi) if dimensions == 2 else np.cbrt(3.0 * volume / (4.0 * np.pi))


def neighbour_counts(grain_ids: GrainIds, grains: int, smallest_contact: int = 1) -> tuple[NDArray[np.int64], Array]:
    """Count the grains that each grain touches.

    Parameters
    ----------
    grain_ids
        ``shape`` int32, periodic.
    grains
        Number of grains.
    smallest_contact
        Voxel faces that a contact needs to have.

    Returns
    -------
    pairs : ndarray
        ``(contacts, 3)``: two grains, the lower first, and their common voxel faces.
    counts : ndarray
        ``(grains,)`` contacts per grain; zero for a grain that is gone.
    """
    keys = []
    for axis in range(grain_ids.ndim):
        one, other = grain_ids.ravel(), np.roll(grain_ids, -1, axis).ravel()
        at = one != other
        low, high = np.minimum(one[at], other[at]).astype(np.int64), np.maximum(one[at], other[at]).astype(np.int64)
        keys.append(low * grains + high)
    key, faces = np.unique(np.concatenate(keys), return_counts=True)
    key, faces = key[faces >= smallest_contact], faces[faces >= smallest_contact]
    pairs = np.stack([key // grains, key % grains, faces], axis=1)
    return pairs, np.bincount(pairs[:, :2].ravel(), minlength=grains).astype(np.float64)


def chord_lengths(grain_ids: GrainIds, axis: int) -> NDArray[np.int64]:
    """Return the lengths in voxels of all chords along a periodic axis; a line in one grain gives one edge."""
    lines = np.moveaxis(grain_ids, axis, -1).reshape(-1, grain_ids.shape[axis])
    edge = lines.shape[1]
    starts = lines != np.roll(lines, 1, axis=1)
    line, place = np.nonzero(starts)
    if not len(line):
        return np.full(len(lines), edge, np.int64)
    following = np.roll(place, -1)
    last = np.append(line[1:] != line[:-1], True)
    first = place[np.append(True, line[1:] != line[:-1])]
    following[last] = first + edge
    whole = np.full(len(lines) - np.count_nonzero(starts.any(axis=1)), edge)
    return np.concatenate([following - place, whole])


def same_grain_probability(grain_ids: GrainIds, longest: int) -> Array:
    """Return the probability that two voxels a vector apart lie in one grain, by one small FFT per grain.

    Parameters
    ----------
    grain_ids
        ``shape`` int32, periodic.
    longest
        Largest lag along each axis; below half the smallest edge.

    Returns
    -------
    ndarray
        ``(2 longest + 1,) * dimensions``; the middle is one. Exact: counts of pairs of voxels over voxels.

    Raises
    ------
    StudyError
        When `longest` is not below half the smallest edge.
    """
    d, shape = grain_ids.ndim, np.array(grain_ids.shape)
    if not 0 < longest < min(shape) / 2:
        raise StudyError(f"same_grain_probability: longest lag {longest} on a grid of {tuple(shape)}; stay below half")
    flat = grain_ids.ravel()
    order = np.argsort(flat, kind="stable")
    cuts = np.flatnonzero(np.diff(flat[order])) + 1
    total = np.zeros((2 * longest + 1,) * d)
    for members in np.split(order, cuts):
        places = np.stack(np.unravel_index(members, grain_ids.shape), axis=1)
        size = []
        for axis in range(d):
            places[:, axis], extent = _unwrap(places[:, axis], int(shape[axis]))
            # lags beyond the grain or beyond `longest` may fold onto each other; a grain all around keeps its period
            size.append(int(shape[axis]) if extent + longest >= shape[axis] else extent + longest)
        box = np.zeros(size)
        box[tuple(places.T)] = 1.0
        power = scipy.fft.irfftn(np.abs(scipy.fft.rfftn(box)) ** 2, s=size)
        lags = [np.arange(-min(longest, n - 1), min(longest, n - 1) + 1) for n in size]
        total[np.ix_(*[lag + longest for lag in lags])] += power[
            np.ix_(*[lag % n for lag, n in zip(lags, size, strict=True)])
        ]
    return np.asarray(np.rint(total) / grain_ids.size)


def _unwrap(places: NDArray[np.int64], edge: int) -> tuple[NDArray[np.int64], int]:
    """Shift periodic places so that their largest gap lies outside; return them from 0, and their extent."""
    used = np.unique(places)
    gaps = np.diff(np.append(used, used[0] + edge))
    widest = int(np.argmax(gaps))
    start = used[(widest + 1) % len(used)]
    return (places - start) % edge, int(edge - gaps[widest] + 1)


@njit(cache=True, nogil=True, error_model="numpy")
def _energy_rows(
    ids: NDArray[np.int32],
    values: Array,
    counts: NDArray[np.uint8],
    shape: tuple[int, int, int],
    kappa: float,
    gamma: float,
    turns: Array,
    table: Array,
    out: Array,
) -> None:
    nx, ny, nz = shape
    work, names = np.empty((5, 8)), np.empty(8, np.int32)
    for v in range(counts.size):
        i, j, k = v // (ny * nz), (v // nz) % ny, v % nz
        around = (
            v - k + (k + 1) % nz,
            v - k + (k - 1) % nz,
            (i * ny + (j + 1) % ny) * nz + k,
            (i * ny + (j - 1) % ny) * nz + k,
            (((i + 1) % nx) * ny + j) * nz + k,
            (((i - 1) % nx) * ny + j) * nz + k,
        )
        m = np.int64(counts[v])
        for s in range(m):
            names[s] = ids[s, v]
            work[0, s] = values[s, v]
            work[1, s] = 0.0
            for u in around:
                for q in range(np.int64(counts[u])):
                    if ids[q, u] == names[s]:
                        work[1, s] += values[q, u]
        cross_terms(names, work, m, gamma, turns, table)
        total = 0.25
        for s in range(m):
            x = work[0, s]
            # one layer is its own neighbour in front and behind, which adds nothing to the gradient
            total += x * x * (0.25 * x * x - 0.5 + 0.25 * work[3, s]) + 0.5 * kappa * x * (6.0 * x - work[1, s])
        out[v // nz] += total


def energy(growth: GrainGrowth) -> float:
    """Return the free energy over m and the volume of a voxel: what a step may never raise.

    Homogeneous part and one-sided differences for the gradient, whose derivative is the Laplacian of the step. A flat
    boundary has width / 6 per voxel face, so that ``6 energy / width`` is the area of all boundaries in voxel faces.
    """
    field = growth.grains
    shape = field.shape if len(field.shape) == 3 else (1, *field.shape)
    rows = np.zeros(shape[0] * shape[1])
    mis = growth.misorientation
    turns, table = (mis.quaternions, mis.table) if mis else (np.empty((0, 4)), np.empty((0, 2)))
    _energy_rows(field.ids, field.values, field.counts, shape, growth.gradient, GAMMA, turns, table, rows)
    return float(rows.sum())


def junction_angles(field: GrainField, radius_voxels: float, points: int = 720) -> Array:
    """Measure the angles of the grains around triple junctions of a plane microstructure.

    A ring of the given radius is drawn around each junction, order parameters are interpolated onto it bilinearly, and
    an angle is the share of the ring where a grain is the largest. Straight boundaries give the angle itself,
    boundaries of curvature c one that is off by about c times the radius. Junctions closer to another than 2.5 radii
    are left out.

    Parameters
    ----------
    radius_voxels
        Two widths or so: outside the rounded tip, inside the grains.
    points
        Points on the ring.

    Returns
    -------
    ndarray
        ``(junctions, 3)`` degrees, rows summing to 360.

    Raises
    ------
    StudyError
        In three dimensions.
    """
    if len(field.shape) != 2:
        raise StudyError("junction_angles: the microstructure has three dimensions; cut a plane through it first")
    shape = np.array(field.shape)
    centres, grains = _junctions(field.grain_ids())
    turn = 2.0 * np.pi * (np.arange(points) + 0.5) / points
    ring = centres[:, None, :] + radius_voxels * np.stack([np.cos(turn), np.sin(turn)], axis=-1)
    lower = np.floor(ring).astype(np.int64)
    part = ring - lower
    values = np.zeros((*ring.shape[:2], 3))
    for x, y in ((0, 0), (0, 1), (1, 0), (1, 1)):
        share = np.where(x, part[..., 0], 1 - part[..., 0]) * np.where(y, part[..., 1], 1 - part[..., 1])
        voxel = ((lower[..., 0] + x) % shape[0]) * shape[1] + (lower[..., 1] + y) % shape[1]
        for third in range(3):
            same = field.ids[:, voxel] == grains[:, None, third]
            values[..., third] += share * np.sum(field.values[:, voxel] * same, axis=0)
    apart = centres[:, None] - centres[None]
    apart -= shape * np.round(apart / shape)
    alone = np.sum(np.sum(apart**2, axis=-1) < (2.5 * radius_voxels) ** 2, axis=1) == 1
    owner = np.argmax(values, axis=-1)
    angles = np.stack([np.count_nonzero(owner == third, axis=1) for third in range(3)], axis=1) * (360.0 / points)
    return np.asarray(angles[alone])


def _junctions(ids: GrainIds) -> tuple[Array, GrainIds]:
    """Find blocks of two by two voxels with three grains; near ones of the same grains are taken together."""
    blocks = np.stack([np.roll(ids, (-a, -b), (0, 1)) for a in (0, 1) for b in (0, 1)], axis=-1)
    blocks.sort(axis=-1)
    at = np.argwhere(np.count_nonzero(np.diff(blocks, axis=-1), axis=-1) == 2)
    rows = blocks[tuple(at.T)]
    grains = np.array([np.unique(row) for row in rows], np.int32).reshape(-1, 3)
    kept: list[int] = []
    for i, (place, names) in enumerate(zip(at, grains, strict=True)):
        for j in kept:
            apart = place - at[j]
            apart = apart - np.array(ids.shape) * np.round(apart / np.array(ids.shape))
            if np.array_equal(names, grains[j]) and np.sum(apart**2) <= 9.0:
                break
        else:
            kept.append(i)
    return np.asarray(at[kept] + 0.5, np.float64), grains[kept]
