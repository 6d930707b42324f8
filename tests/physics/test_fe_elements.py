"""Shape functions and quadrature of every element, and the meshes that are drawn."""

from __future__ import annotations

import itertools
from math import factorial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uqmsm.errors import StudyError
from uqmsm.physics.fe.discretise import discretise
from uqmsm.physics.fe.elements import ELEMENTS, element, shape
from uqmsm.physics.fe.loads import boundary_points
from uqmsm.physics.fe.mesh import boundary_facets
from uqmsm.physics.fe.meshes.grid import grid_mesh
from uqmsm.physics.fe.meshes.plate import plate_mesh
from uqmsm.physics.fe.quadrature import gauss

SOLID = [name for name, kind in ELEMENTS.items() if kind.form != "line"]


@pytest.mark.parametrize("name", ELEMENTS)
def test_shape_functions_are_one_at_their_node_and_reproduce_their_polynomials(name):
    kind = element(name)
    np.testing.assert_allclose(shape(name, np.array(kind.nodes))[0], np.eye(len(kind.nodes)), atol=1e-14)
    points = np.random.default_rng(1).uniform(-1, 1, (20, kind.dimension))
    value, gradient = shape(name, points)
    nodes = np.array(kind.nodes)
    for power in kind.powers:
        np.testing.assert_allclose(value @ np.prod(nodes**power, axis=1), np.prod(points**power, axis=1), atol=1e-13)
        for axis in range(kind.dimension):
            lower = np.array(power)
            lower[axis] = max(lower[axis] - 1, 0)
            exact = power[axis] * np.prod(points**lower, axis=1)
            np.testing.assert_allclose(gradient[:, axis] @ np.prod(nodes**power, axis=1), exact, atol=1e-13)


def test_spans_are_those_of_the_books():
    """Complete polynomials up to the order in each, and no more than as many monomials as nodes."""
    for kind in ELEMENTS.values():
        complete = {p for p in itertools.product(range(3), repeat=kind.dimension) if sum(p) <= kind.order}
        assert complete <= set(kind.powers)
        assert len(kind.powers) == len(kind.nodes)
    assert (2, 2, 0) not in ELEMENTS["hex20"].powers
    assert (2, 1, 1) in ELEMENTS["hex20"].powers


@pytest.mark.parametrize("form", ["line", "tri", "quad", "tet", "hex"])
@pytest.mark.parametrize("level", [1, 2, 3, 4])
def test_quadrature_is_exact_to_its_degree_and_not_beyond(form, level):
    rule = gauss(form, level)
    d = rule.points.shape[1]
    simplex = form in {"tri", "tet"}
    degree = 2 if simplex and level == 2 else 2 * level - 1

    def exact(power):
        if simplex:  # int x^a y^b ... = a! b! ... / (a + b + ... + d)!
            return np.prod([factorial(a) for a in power]) / factorial(sum(power) + d)
        return np.prod([(1 + (-1) ** a) / (a + 1) for a in power])

    powers = [p for p in itertools.product(range(degree + 1), repeat=d) if sum(p) <= degree or not simplex]
    for power in powers:
        np.testing.assert_allclose(rule.weights @ np.prod(rule.points**power, axis=1), exact(power), atol=1e-14)
    beyond = [(degree + 1,) + (0,) * (d - 1), (0,) * (d - 1) + (degree + 1,)]
    assert max(abs(rule.weights @ np.prod(rule.points**p, axis=1) - exact(p)) for p in beyond) > 1e-6


@pytest.mark.parametrize("name", SOLID)
def test_faces_close_and_look_outwards(name):
    """The vector areas of an element's faces cancel; the flux of the position is its volume times d."""
    mesh = grid_mesh((1,) * element(name).dimension, name)
    rim = boundary_facets(mesh.elements, name)
    of = discretise(mesh, "solid" if mesh.dimension == 3 else "plane_strain")
    _, position, normal, area = boundary_points(of, rim, 2)
    np.testing.assert_allclose(np.einsum("eqx,eq->x", normal, area), 0.0, atol=1e-14)
    np.testing.assert_allclose(np.einsum("eqx,eqx,eq->", position, normal, area), mesh.dimension, rtol=1e-13)
    for k, side in enumerate(("left", "right", "bottom", "top", "back", "front")[: 2 * mesh.dimension]):
        _, _, out, size = boundary_points(of, mesh.edges[side], 2)
        np.testing.assert_allclose(out[..., k // 2], 1.0 if k % 2 else -1.0, atol=1e-14)
        np.testing.assert_allclose(size.sum(), 1.0, rtol=1e-13)


@pytest.mark.parametrize("name", SOLID)
def test_grids_have_no_folds_or_gaps(name):
    dimension = element(name).dimension
    counts = (3, 2, 2)[:dimension]
    mesh = grid_mesh(counts, name, lambda x: x * np.array([2.0, 3.0, 5.0])[:dimension])
    of = discretise(mesh, "solid" if dimension == 3 else "plane_strain")
    np.testing.assert_allclose(of.volume_mm3.sum(), np.prod([2.0, 3.0, 5.0][:dimension]), rtol=1e-13)
    assert len(np.unique(mesh.elements)) == len(mesh.nodes_mm)
    named = np.concatenate(list(mesh.edges.values()))
    assert len(named) == len(boundary_facets(mesh.elements, name))


@settings(max_examples=15, deadline=None)
@given(
    st.floats(0.03, 0.85), st.floats(0.4, 4.0), st.sampled_from([2, 4, 6]), st.sampled_from([1, 2]), st.floats(0.5, 3.0)
)
def test_any_plate_is_meshed_without_folds_or_gaps(ratio, aspect, n, order, thickness):
    width, length = 10.0, 10.0 * aspect
    radius = ratio * min(width, length) / 2
    mesh = plate_mesh(width, length, radius, n, order, thickness_mm=thickness)
    volume = discretise(mesh, "plane_stress").volume_mm3
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


def test_other_refusals():
    with pytest.raises(StudyError, match="no element"):
        element("quad5")
    with pytest.raises(StudyError, match="level"):
        gauss("quad", 0)
    with pytest.raises(StudyError, match="counts"):
        grid_mesh((2, 2), "hex8")
    flat = grid_mesh((2, 2), "quad4")
    with pytest.raises(StudyError, match="three"):
        discretise(flat, "solid")
    with pytest.raises(StudyError, match="workers"):
        discretise(flat, "plane_strain", workers=0)
    with pytest.raises(StudyError, match="negative radius"):
        discretise(grid_mesh((2, 2), "quad4", lambda x: x - 0.5), "axisymmetric")
    with pytest.raises(StudyError, match="no boundary"):
        flat.on("lid")
