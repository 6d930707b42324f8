"""A stiffness for every element: averages of the field against exact integrals, and the plate that has it."""

from __future__ import annotations

from math import erf, exp, pi, sqrt

import numpy as np
import pytest

from uqmsm.errors import StudyError, Unstable
from uqmsm.physics.fe.at_nodes import at_nodes
from uqmsm.physics.fe.averages import average_covariance, field_root
from uqmsm.physics.fe.discretise import discretise
from uqmsm.physics.fe.mesh import Mesh, owners
from uqmsm.physics.fe.meshes.grid import grid_mesh
from uqmsm.physics.fe.plate import plate, plate_mesh
from uqmsm.physics.tensors import isotropic_stiffness

SQUARE = 2.0


def grid(count, thickness):
    """Squares side by side."""
    x = SQUARE * np.arange(count + 1)
    nodes = np.stack(np.meshgrid(x, x, indexing="ij"), axis=-1).reshape(-1, 2)
    number = np.arange((count + 1) ** 2).reshape(count + 1, count + 1)
    corners = [number[:-1, :-1], number[1:, :-1], number[1:, 1:], number[:-1, 1:]]
    return Mesh(nodes, np.stack(corners, axis=-1).reshape(-1, 4), "quad4", {}, thickness)


def shared(edge, apart, length):
    """Return the mean of exp(-pi (x - y)^2 / l^2) over two segments of one length, their starts apart."""

    def twice(s):
        return s * length / 2 * erf(sqrt(pi) * s / length) + length**2 / (2 * pi) * exp(-pi * (s / length) ** 2)

    return (twice(apart + edge) - 2 * twice(apart) + twice(apart - edge)) / edge**2


@pytest.mark.parametrize("length", [0.1, 0.6, 2.0, 9.0])
def test_averages_over_squares_are_the_exact_integrals(length):
    covariance = average_covariance(grid(3, 1.3), length**3)
    through = shared(1.3, 0.0, length)
    own = shared(SQUARE, 0.0, length)
    # neighbours share little where the field is short: there the error is judged by what an element has of its own
    for other, apart in ((0, (0, 0)), (1, (0, 1)), (4, (1, 1)), (2, (0, 2))):
        exact = through * shared(SQUARE, SQUARE * apart[0], length) * shared(SQUARE, SQUARE * apart[1], length)
        assert covariance[0, other] == pytest.approx(exact, rel=0.01, abs=0.03 * own**2 * through)
    assert np.linalg.eigvalsh(covariance)[0] > 0
    root = field_root(grid(3, 1.3), length**3)
    assert root @ root.T == pytest.approx(covariance, rel=1e-6, abs=1e-9 * covariance.max())


def test_the_law_of_size_holds_for_the_whole_plate():
    mesh = plate_mesh(100.0, 200.0, 5.0, 8, thickness_mm=2.0)
    covariance = average_covariance(mesh, 0.2**3)
    nodes = mesh.nodes_mm[mesh.elements[:, :4]]
    x, y = nodes[..., 0], nodes[..., 1]
    area = np.abs(np.sum(x * np.roll(y, -1, axis=1) - y * np.roll(x, -1, axis=1), axis=1)) / 2
    share = area / area.sum()
    assert share @ covariance @ share == pytest.approx(0.2**3 / (area.sum() * 2.0), rel=0.05)
    assert covariance.diagonal() * area * 2.0 == pytest.approx(0.2**3, rel=0.17)  # less at the hole: edges of elements
    with pytest.raises(StudyError, match="positive"):
        average_covariance(mesh, 0.0)


def test_equal_elements_are_one_material():
    mesh = plate_mesh(100.0, 200.0, 5.0, 4, thickness_mm=2.0)
    whole = isotropic_stiffness(150.0, 80.0)
    one, many = plate(whole, mesh, 100.0), plate(np.tile(whole, (len(mesh.elements), 1, 1)), mesh, 100.0)
    assert many.elongation_mm == pytest.approx(one.elongation_mm, rel=1e-12)
    assert many.von_mises_concentration == pytest.approx(one.von_mises_concentration, rel=1e-12)
    assert many.hot_spot_volume_mm3 == pytest.approx(one.hot_spot_volume_mm3, rel=1e-9)


def test_a_plate_of_many_materials_balances_and_lies_between_its_softest_and_stiffest():
    mesh = plate_mesh(100.0, 200.0, 5.0, 4, thickness_mm=2.0)
    factors = np.random.default_rng(1).uniform(0.8, 1.2, len(mesh.elements))
    whole = isotropic_stiffness(150.0, 80.0)
    mixed = plate(factors[:, None, None] * whole, mesh, 100.0)
    ends = [plate(factor * whole, mesh, 100.0).elongation_mm for factor in (factors.max(), factors.min())]
    assert ends[0] < mixed.elongation_mm < ends[1]
    for name, value in vars(mixed.balance).items():
        assert value < 1e-9, name
    uniform = plate(whole, mesh, 100.0)
    assert mixed.elongation_mm * factors.mean() > 0.999 * uniform.elongation_mm  # softer than its mean: Voigt's bound


def test_each_edge_of_the_hole_has_the_element_behind_it():
    mesh = plate_mesh(100.0, 200.0, 5.0, 4)
    hole = mesh.edges["hole"]
    behind = mesh.elements[owners(mesh, hole)]
    assert all(set(edge.tolist()) <= set(element.tolist()) for edge, element in zip(hole, behind, strict=True))


def test_wrong_stiffnesses_are_refused():
    mesh = plate_mesh(100.0, 200.0, 5.0, 4)
    many = np.tile(isotropic_stiffness(150.0, 80.0), (len(mesh.elements), 1, 1))
    with pytest.raises(StudyError, match="one for each element"):
        plate(many[1:], mesh, 100.0)
    skewed = many.copy()
    skewed[3, 0, 1] += 1.0
    with pytest.raises(StudyError, match="not symmetric"):
        plate(skewed, mesh, 100.0)
    many[5] *= -1.0
    with pytest.raises(Unstable, match="eigenvalue"):
        plate(many, mesh, 100.0)


@pytest.mark.parametrize(("kind", "level"), [("quad8", 2), ("tri6", 0), ("hex8", 0)])
def test_points_give_linear_fields_to_their_nodes(kind, level):
    """Exactly, on bent elements; a quadratic field is missed."""
    cells = (3, 2) if kind != "hex8" else (2, 2, 2)
    mesh = grid_mesh(cells, kind, lambda x: x + 0.05 * np.sin(3.0 * x[:, ::-1]))
    of = discretise(mesh, "plane_strain" if kind != "hex8" else "solid", level=level)
    places = of.positions_mm.reshape(-1, mesh.dimension)
    steep = np.arange(1.0, mesh.dimension + 1.0)
    np.testing.assert_allclose(at_nodes(of, places @ steep + 2.0), mesh.nodes_mm @ steep + 2.0, atol=1e-12)
    both = at_nodes(of, np.stack([places[:, 0], places[:, 1] ** 2], axis=1))
    np.testing.assert_allclose(both[:, 0], mesh.nodes_mm[:, 0], atol=1e-12)
    assert np.abs(both[:, 1] - mesh.nodes_mm[:, 1] ** 2).max() > 1e-4
