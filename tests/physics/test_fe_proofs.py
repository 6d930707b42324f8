"""The solver itself: patch test, rates of convergence, and an independent implementation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import skfem
from plate_oracles import cubic, isotropic, kirsch

from uqmsm.errors import NotConverged, StudyError
from uqmsm.physics.fe.assemble import discretise, edge_loads, solve, strains
from uqmsm.physics.fe.elements import quadrature, shape
from uqmsm.physics.fe.mesh import plate_mesh
from uqmsm.physics.fe.patches import patch_stress
from uqmsm.physics.fe.plate import plane_stress

TURNED = 1e3 * plane_stress(cubic(246.5, 147.3, 124.7, turn_rad=0.4))


def held(mesh):
    ends = [
        int(np.argmin(np.abs(mesh.nodes_mm - [x, 0]).sum(axis=1))) for x in (mesh.nodes_mm.min(), mesh.nodes_mm.max())
    ]
    return (2 * ends[0], 2 * ends[0] + 1, 2 * ends[1] + 1)


def tensor(voigt):
    return np.stack([np.stack([voigt[..., 0], voigt[..., 2]], -1), np.stack([voigt[..., 2], voigt[..., 1]], -1)], -2)


def traction(field):
    return lambda x, n: np.einsum("eqxy,eqy->eqx", tensor(field(x)), n)


@pytest.mark.parametrize("order", [1, 2])
def test_patch_test_any_uniform_stress_is_exact(order):
    mesh = plate_mesh(20.0, 30.0, 4.0, 4, order, thickness_mm=0.7)
    state = np.array([80.0, -30.0, 25.0])
    loads = sum(
        edge_loads(mesh, e, traction(lambda x: np.broadcast_to(state, (*x.shape[:2], 3)))) for e in mesh.edges.values()
    )
    of = discretise(mesh, held(mesh))
    u, residual = solve(of, TURNED, loads)
    assert residual < 1e-11
    np.testing.assert_allclose(strains(of, u) @ TURNED, np.broadcast_to(state, (*of.volume_mm3.shape, 3)), atol=1e-9)
    np.testing.assert_allclose(patch_stress(mesh, u, TURNED), np.broadcast_to(state, (len(u), 3)), atol=1e-9)


def kirsch_error(order, n):
    mesh = plate_mesh(20.0, 20.0, 5.0, n, order)
    D = 1e3 * plane_stress(isotropic(200.0, 0.3))
    field = traction(lambda x: kirsch(x[..., 0], x[..., 1], 5.0))
    loads = sum(edge_loads(mesh, mesh.edges[name], field) for name in ("left", "right", "bottom", "top"))
    of = discretise(mesh, held(mesh))
    u, _ = solve(of, D, loads)
    points = np.einsum("qn,enx->eqx", shape(order, quadrature(order + 1).points)[0], mesh.nodes_mm[mesh.elements])
    exact = kirsch(points[..., 0], points[..., 1], 5.0)
    off = strains(of, u) @ D - exact
    S = np.linalg.inv(D)

    def norm(s):
        return np.sqrt(np.einsum("eqi,ij,eqj,eq->", s, S, s, of.volume_mm3))

    recovered = patch_stress(mesh, u, D) - kirsch(*mesh.nodes_mm.T, 5.0)
    radius = np.hypot(*mesh.nodes_mm.T)
    inner = (radius > 5.5) & (radius < 9)
    return norm(off) / norm(exact), np.abs(recovered[inner]).max()


@pytest.mark.parametrize("order", [1, 2])
def test_energy_norm_converges_at_the_order_of_the_element(order):
    coarse, fine = kirsch_error(order, 8), kirsch_error(order, 16)
    rate = np.log2(coarse[0] / fine[0])
    assert abs(rate - order) < 0.05
    assert fine[0] < {1: 0.05, 2: 0.003}[order]
    assert coarse[1] / fine[1] > 2.0  # the recovered stress converges too


@pytest.mark.parametrize("order", [1, 2])
def test_scikit_fem_finds_the_same_displacements(order):
    mesh = plate_mesh(20.0, 30.0, 4.0, 6, order)
    corners = mesh.elements[:, :4]
    nodes = mesh.nodes_mm.copy()
    if order == 2:  # scikit-fem's serendipity element has straight sides here: give ours the same
        nodes[mesh.elements[:, 4:]] = (nodes[corners] + nodes[np.roll(corners, -1, axis=1)]) / 2
    mesh = replace(mesh, nodes_mm=nodes)
    loads = sum(edge_loads(mesh, mesh.edges[s], lambda _, n: n * np.array([100.0, 0.0])) for s in ("left", "right"))
    fixed = held(mesh)
    ours, _ = solve(discretise(mesh, fixed), TURNED, loads)

    used, label = np.unique(corners, return_inverse=True)
    other = skfem.MeshQuad(nodes[used].T.copy(), label.reshape(corners.shape).T.copy())
    x, w = np.polynomial.legendre.leggauss(order + 1)
    square = np.stack(np.meshgrid((x + 1) / 2, (x + 1) / 2, indexing="ij")).reshape(2, -1)
    element = skfem.ElementVector(skfem.ElementQuad1() if order == 1 else skfem.ElementQuadS2())
    basis = skfem.Basis(other, element, quadrature=(square, np.outer(w / 2, w / 2).ravel()))

    @skfem.BilinearForm
    def work(u, v, _):
        def e(g):
            return np.stack([g.grad[0, 0], g.grad[1, 1], g.grad[0, 1] + g.grad[1, 0]])

        return np.einsum("i...,ij,j...->...", e(v), TURNED, e(u))

    # pair dofs by place and direction
    place, direction = basis.doflocs.T, np.arange(basis.N)
    gap = np.abs(place[:, None] - nodes[None]).sum(axis=-1)
    node = gap.argmin(axis=1)
    assert gap.min(axis=1).max() < 1e-10
    seen: dict[int, int] = {}
    for k in direction:
        seen[node[k]] = seen.get(node[k], -1) + 1
        direction[k] = seen[node[k]]
    f = loads[node, direction]
    hold = [int(np.flatnonzero((node == d // 2) & (direction == d % 2))[0]) for d in fixed]
    theirs = skfem.solve(*skfem.condense(work.assemble(basis), f, D=np.array(hold)))
    np.testing.assert_allclose(theirs, ours[node, direction], atol=1e-9 * np.abs(ours).max())


def test_an_element_turned_inside_out_and_a_singular_material_are_refused():
    mesh = plate_mesh(20.0, 30.0, 4.0, 4, 1)
    with pytest.raises(StudyError, match="inside out"):
        discretise(replace(mesh, elements=mesh.elements[:, ::-1].copy()), ())
    loads = edge_loads(mesh, mesh.edges["right"], lambda _, n: n)
    with pytest.raises(NotConverged, match="check"):
        solve(discretise(mesh, held(mesh)), np.diag([1.0, 1.0, 0.0]) * 0.0, loads)
