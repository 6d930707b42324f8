"""Taylor and Sachs factors against linear programming, crystals done by hand, and averages over the sphere."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linprog

from uqmsm.errors import StudyError
from uqmsm.physics.rve import random_orientations
from uqmsm.physics.rve.taylor import sachs_factor, schmid_tensors, taylor_factor, yield_vertices

FAMILIES = ("fcc", "bcc_110", "bcc_110_112", "bcc_110_112_123")


def pointing(*direction):
    """Return a rotation that brings this crystal direction to the z axis of the sample."""
    third = np.array(direction) / np.linalg.norm(direction)
    first = np.cross(third, [0.36, -0.48, 0.8])
    first /= np.linalg.norm(first)
    return np.array([[first, np.cross(third, first), third]])


def over_the_sphere(factor, families, order=48):
    """Average over all loading directions of a cubic crystal: Gauss points on one eighth of the sphere."""
    nodes, weights = np.polynomial.legendre.leggauss(order)
    nodes, weights = (nodes + 1) / 2, weights / 2
    cosine, angle = np.meshgrid(nodes, nodes * np.pi / 2, indexing="ij")
    sine = np.sqrt(1 - cosine**2)
    directions = np.stack([sine * np.cos(angle), sine * np.sin(angle), cosine], axis=-1).reshape(-1, 3)
    turns = np.concatenate([pointing(*one) for one in directions])
    return factor(turns, families, fractions=np.outer(weights, weights).ravel()).mean


@pytest.mark.parametrize("families", FAMILIES)
def test_the_vertices_solve_the_linear_program(families):
    systems = schmid_tensors(families)
    turns = random_orientations(np.random.default_rng(1), 12)
    axis = np.array([0.3, -0.5, 0.7])
    found = taylor_factor(turns, families, axis=tuple(axis)).per_grain
    load = axis / np.linalg.norm(axis)
    for turn, factor in zip(turns, found, strict=True):
        along = turn.T @ load
        strain = 1.5 * np.outer(along, along) - 0.5 * np.eye(3)
        both_ways = np.concatenate([systems, -systems]).reshape(-1, 9).T
        least = linprog(np.ones(both_ways.shape[1]), A_eq=both_ways, b_eq=strain.ravel(), method="highs")
        assert least.status == 0
        assert factor == pytest.approx(least.fun, rel=1e-9)


@pytest.mark.parametrize(
    ("families", "systems", "vertices"), [("fcc", 12, 56), ("bcc_110", 12, 56), ("bcc_110_112", 24, 432)]
)
def test_the_yield_polyhedron(families, systems, vertices):
    tensors = schmid_tensors(families)
    assert tensors.shape == (systems, 3, 3)
    assert np.trace(tensors, axis1=1, axis2=2) == pytest.approx(np.zeros(systems), abs=1e-15)
    # Bishop and Hill counted 56 for 12 systems.
    assert len(yield_vertices(families)) == vertices


@pytest.mark.parametrize(
    ("direction", "equal", "schmid", "taylor"),
    [((0, 0, 1), 8, 1 / np.sqrt(6), np.sqrt(6)), ((1, 1, 1), 6, np.sqrt(2) / np.sqrt(27), 1.5 * np.sqrt(6))],
)
def test_fcc_crystals_with_many_equal_systems(direction, equal, schmid, taylor):
    turn = pointing(*direction)
    load = np.outer(turn[0, 2], turn[0, 2])
    resolved = np.abs(np.einsum("ij,sij->s", load, schmid_tensors("fcc")))
    assert np.isclose(resolved, resolved.max(), rtol=1e-12).sum() == equal
    assert resolved.max() == pytest.approx(schmid, rel=1e-12)
    assert sachs_factor(turn, "fcc").mean == pytest.approx(1 / schmid, rel=1e-12)
    assert taylor_factor(turn, "fcc").mean == pytest.approx(taylor, rel=1e-12)


@pytest.mark.parametrize(
    ("factor", "families", "published", "printed_to"),
    [
        (taylor_factor, "fcc", 3.067, 0.001),
        (taylor_factor, "bcc_110", 3.067, 0.001),
        (taylor_factor, "bcc_110_112_123", 2.754, 0.001),
        (sachs_factor, "fcc", 2.24, 0.01),
    ],
)
def test_published_averages_without_texture(factor, families, published, printed_to):
    # With 48 nodes the average over the kinks is good to 3e-4; the averages go back to Bishop and Hill, Kocks, and
    # (48 systems) Rosenberg and Piehler; the one of Sachs was first read off a graph.
    assert over_the_sphere(factor, families) == pytest.approx(published, abs=printed_to)


def test_random_grains_approach_the_average_over_the_sphere():
    grains = 4000
    found = taylor_factor(random_orientations(np.random.default_rng(2), grains), "bcc_110_112")
    error = found.per_grain.std(ddof=1) / np.sqrt(grains)
    assert abs(found.mean - over_the_sphere(taylor_factor, "bcc_110_112")) < 5 * error  # false alarm 6e-7
    assert abs(found.mean - over_the_sphere(taylor_factor, "bcc_110")) > 50 * error


def test_more_systems_need_less_slip_and_sachs_is_never_above_taylor():
    turns = random_orientations(np.random.default_rng(3), 300)
    by_family = [taylor_factor(turns, one).per_grain for one in FAMILIES[1:]]
    assert np.all(by_family[1] <= by_family[0] + 1e-12)
    assert np.all(by_family[2] <= by_family[1] + 1e-12)
    for families, taylor in zip(FAMILIES[1:], by_family, strict=True):
        assert np.all(sachs_factor(turns, families).per_grain <= taylor + 1e-12)


def test_symmetry_weights_and_company():
    turns = random_orientations(np.random.default_rng(4), 300)
    axis = (1.0, 2.0, -0.5)
    found = taylor_factor(turns, "bcc_110_112", axis=axis)
    threefold = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    turned = taylor_factor(turns @ threefold, "bcc_110_112", axis=(-2.0, -4.0, 1.0))
    assert turned.per_grain == pytest.approx(found.per_grain, rel=1e-12)
    alone = [taylor_factor(turns[i : i + 1], "bcc_110_112", axis=axis).mean for i in range(300)]
    assert np.array_equal(alone, found.per_grain)
    share = np.random.default_rng(5).random(300)
    weighted = taylor_factor(turns, "bcc_110_112", axis=axis, fractions=share).mean
    assert weighted == pytest.approx(np.average(found.per_grain, weights=share), rel=1e-14)


def test_bad_input():
    turns = random_orientations(np.random.default_rng(6), 2)
    with pytest.raises(StudyError, match="no direction"):
        taylor_factor(turns, "fcc", axis=(0.0, 0.0, 0.0))
    with pytest.raises(StudyError, match="3 fractions for 2 grains"):
        taylor_factor(turns, "fcc", fractions=np.ones(3))
    with pytest.raises(StudyError, match="unknown"):
        taylor_factor(turns, "hcp")
