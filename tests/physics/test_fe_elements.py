"""Shape functions, quadrature, and the mesh of the plate."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uqmsm.errors import StudyError
from uqmsm.physics.fe.assemble import strain_matrices
from uqmsm.physics.fe.elements import CORNERS, edge_rule, edge_shape, quadrature, shape
from uqmsm.physics.fe.mesh import plate_mesh

NODES = {1: CORNERS, 2: np.vstack([CORNERS, (CORNERS + np.roll(CORNERS, -1, axis=0)) / 2])}


@pytest.mark.parametrize("order", [1, 2])
def test_shape_functions_are_one_at_their_node_and_zero_at_others(order):
    np.testing.assert_allclose(shape(order, NODES[order])[0], np.eye(4 * order), atol=1e-15)
    ends = np.array([-1.0, 1.0, 0.0])[: order + 1]
    np.testing.assert_allclose(edge_shape(order, ends)[0], np.eye(order + 1), atol=1e-15)


@pytest.mark.parametrize("order", [1, 2])
def test_they_reproduce_their_polynomials_and_gradients(order):
    points = np.random.default_rng(1).uniform(-1, 1, (20, 2))
    terms = [(0, 0), (1, 0), (0, 1), (1, 1)] + ([(2, 0), (0, 2), (2, 1), (1, 2)] if order == 2 else [])
    value, gradient = shape(order, points)
    x, y = points.T
    nx, ny = NODES[order].T
    for a, b in terms:
        np.testing.assert_allclose(value @ (nx**a * ny**b), x**a * y**b, atol=1e-14)
        slope = np.stack([a * x ** max(a - 1, 0) * y**b, b * x**a * y ** max(b - 1, 0)], axis=-1)
        np.testing.assert_allclose(gradient @ (nx**a * ny**b), slope, atol=1e-14)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_quadrature_is_exact_to_its_degree_and_not_beyond(n):
    rule = quadrature(n)
    for a in range(2 * n):
        exact = (1 + (-1) ** a) / (a + 1)
        np.testing.assert_allclose(rule.weights @ rule.points[:, 0] ** a, 2 * exact, atol=1e-14)
        np.testing.assert_allclose(edge_rule(n).weights @ edge_rule(n).points ** a, exact, atol=1e-14)
    assert abs(rule.weights @ rule.points[:, 1] ** (2 * n) - 4 / (2 * n + 1)) > 1e-3


@settings(max_examples=20, deadline=None)
@given(
    st.floats(0.03, 0.85), st.floats(0.4, 4.0), st.sampled_from([2, 4, 6]), st.sampled_from([1, 2]), st.floats(0.5, 3.0)
)
def test_any_plate_is_meshed_without_folds_or_gaps(ratio, aspect, n, order, thickness):
    width, length = 10.0, 10.0 * aspect
    radius = ratio * min(width, length) / 2
    mesh = plate_mesh(width, length, radius, n, order, thickness_mm=thickness)
    rule = quadrature(order + 1)
    _, volume = strain_matrices(mesh, rule.points, rule.weights)
    assert volume.min() > 0
    sides = 4 * n * order  # the hole as it is meshed: a polygon, or parabolas whose area is that of Simpson
    polygon = 0.5 * sides * np.sin(2 * np.pi / sides) * radius**2
    coarse = 0.5 * (4 * n) * np.sin(2 * np.pi / (4 * n)) * radius**2
    hole = polygon if order == 1 else coarse + 4 / 3 * (polygon - coarse)
    np.testing.assert_allclose(volume.sum(), (width * length - hole) * thickness, rtol=1e-12)
    assert len(np.unique(mesh.elements)) == len(mesh.nodes_mm)
    np.testing.assert_allclose(np.hypot(*mesh.nodes_mm[mesh.edges["hole"]].T), radius, rtol=1e-12)
    rim = np.concatenate([e[:, :2] for e in mesh.edges.values()])
    assert np.array_equal(np.sort(rim[:, 0]), np.sort(rim[:, 1]))  # closed curves
    step = mesh.nodes_mm[rim[:, 1]] - mesh.nodes_mm[rim[:, 0]]
    start = mesh.nodes_mm[rim[:, 0]]
    enclosed = 0.5 * (start[:, 0] * step[:, 1] - start[:, 1] * step[:, 0]).sum()
    np.testing.assert_allclose(enclosed, width * length - coarse, rtol=1e-12)  # material on the left hand


def test_same_arguments_same_object():
    assert plate_mesh(20.0, 40.0, 3.0, 6) is plate_mesh(20.0, 40.0, 3.0, 6)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((10.0, 20.0, 4.9, 8), "radius"),
        ((10.0, 20.0, -1.0, 8), "radius"),
        ((10.0, 20.0, 2.0, 7), "even"),
        ((10.0, 20.0, 2.0, 0), ">= 2"),
        ((10.0, 20.0, 2.0, 8, 3), "order"),
    ],
)
def test_bad_plates_are_refused(arguments, words):
    with pytest.raises(StudyError, match=words):
        plate_mesh(*arguments)
