"""Rates of thin boundaries from the shape of a grain: balls, exact polyhedra, and what adds up to nothing."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from scipy.spatial import Voronoi

from uqmsm.physics.phasefield import neighbour_counts, voronoi_ids
from uqmsm.physics.phasefield.curvature import thin_rates


def ball(shape, radius):
    """Return one inside of a disc or ball about a place that is no voxel's, zero outside."""
    squares = [(np.arange(n) - 0.483 * n) ** 2 for n in shape]
    return (sum(np.meshgrid(*squares, indexing="ij")) < radius**2).astype(np.int32)


def test_a_ball_shrinks_as_its_curvature_says():
    """4 pi R^2 times 2 / R, and 2 pi in a plane, whatever the grid: a section through each of 2 R layers an axis."""
    assert thin_rates(ball((40, 40, 40), 14.0), 2) == pytest.approx([8 * np.pi * 14.0, -8 * np.pi * 14.0], rel=0.03)
    assert thin_rates(ball((40, 40), 14.0), 2) == pytest.approx([2 * np.pi, -2 * np.pi])


def test_in_a_plane_it_is_von_neumanns_law():
    """A rate of pi / 3 (n - 6) of every grain of cells whose junctions the grid tells apart; zero where it is gone."""
    ids = voronoi_ids(np.random.default_rng(2), 12, (160, 160))
    sides = neighbour_counts(ids, 13)[1]
    sides[12] = 6.0
    found = thin_rates(ids, 13) * 3.0 / np.pi
    assert found[12] == 0.0
    assert found.sum() == pytest.approx(0.0, abs=1e-9)
    assert np.mean(np.abs(found - (sides - 6.0)) < 0.01) > 0.8
    assert np.corrcoef(found, sides)[0, 1] > 0.95


def polyhedra(points):
    """Return 2 w - e / 6 of the periodic Voronoi cells of points in a unit cube, by their edges.

    w is the sum of lengths times angles between normals over 4 pi, e the sum of the lengths.
    """
    shifts = np.stack(np.meshgrid(*[[0, -1, 1]] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    every = np.concatenate([points + shift for shift in shifts])
    cells, edges = Voronoi(every), defaultdict(list)
    for (one, other), corners in cells.ridge_dict.items():
        for me, sign in ((one, 1.0), (other, -1.0)):
            if me < len(points):
                normal = sign * (every[other] - every[one])
                for start, end in zip(corners, corners[1:] + corners[:1], strict=True):
                    edges[me, min(start, end), max(start, end)].append(normal / np.linalg.norm(normal))
    found = np.zeros(len(points))
    for (me, start, end), (left, right) in edges.items():
        length = np.linalg.norm(cells.vertices[start] - cells.vertices[end])
        found[me] += length * (2.0 * np.arccos(np.clip(left @ right, -1.0, 1.0)) / (4.0 * np.pi) - 1.0 / 6.0)
    return found


def test_in_space_it_is_macphersons_law_of_polyhedra():
    """Edges and angles of Voronoi cells against sections of their voxels.

    Three axes stand for all directions, so that single grains are off by a sixth of the spread; the slope over 80 of
    them by some 2 %. With the islands at the tips of sharp wedges it would be 1.07. Neighbours alone say less.
    """
    points = np.random.default_rng(3).random((80, 3))
    n = 128
    ids = voronoi_ids(np.random.default_rng(3), 80, (n, n, n))
    exact, found = -2.0 * np.pi * polyhedra(points), thin_rates(ids, 80) / n
    assert found.sum() == pytest.approx(0.0, abs=1e-9)
    assert exact.sum() == pytest.approx(0.0, abs=1e-9)
    assert found @ exact / (exact @ exact) == pytest.approx(1.0, abs=0.05)
    assert np.corrcoef(found, exact)[0, 1] > 0.97
    assert np.corrcoef(neighbour_counts(ids, 80, 2)[1], exact)[0, 1] < 0.93
