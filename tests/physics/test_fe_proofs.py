"""The solver itself: patch tests of every element, rates of convergence, independent implementations, threads."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import skfem
from fe_oracles import elastic, held_against_rigid_motion, mandel, pull, solve, tensor
from plate_oracles import cubic, isotropic, kirsch

from uqmsm.errors import NotConverged, StudyError
from uqmsm.physics.fe.assemble import forces, stiffness_blocks, stiffness_matrix, strains
from uqmsm.physics.fe.discretise import discretise
from uqmsm.physics.fe.elements import ELEMENTS, shape
from uqmsm.physics.fe.linear import held_dofs, rigid_motions, system
from uqmsm.physics.fe.loads import body_loads, traction_loads
from uqmsm.physics.fe.materials.elastic import in_plane, plane_stress, plane_voigt
from uqmsm.physics.fe.meshes.grid import grid_mesh
from uqmsm.physics.fe.meshes.plate import plate_mesh
from uqmsm.physics.fe.patches import patch_stress
from uqmsm.physics.tensors import voigt_to_mandel

TURNED = 1e3 * plane_stress(cubic(246.5, 147.3, 124.7, turn_rad=0.4))
FLAT = [name for name, kind in ELEMENTS.items() if kind.form in {"tri", "quad"}]
SPACE = [name for name, kind in ELEMENTS.items() if kind.form in {"tet", "hex"}]


def warped(name):
    """Draw a small mesh of distorted elements; straight ones where a curved side would leave the linear fields."""
    dimension = ELEMENTS[name].dimension
    mesh = grid_mesh((3, 2, 2)[:dimension], name, lambda x: x * np.array([3.0, 2.0, 2.0])[:dimension])
    flow = np.random.default_rng(5).uniform(-0.18, 0.18, (8, dimension))
    corners = ELEMENTS[name].corners
    nodes = mesh.nodes_mm.copy()
    inner = np.setdiff1d(np.unique(mesh.elements[:, :corners]), np.unique(np.concatenate(list(mesh.edges.values()))))
    nodes[inner] += flow[: len(inner)]
    if ELEMENTS[name].order == 2:  # middles follow their corners
        first = {"tri6": "tri3", "quad8": "quad4", "quad9": "quad4", "tet10": "tet4", "hex20": "hex8", "hex27": "hex8"}
        value, _ = shape(first[name], np.array(ELEMENTS[name].nodes))
        nodes[mesh.elements] = np.einsum("kn,enx->ekx", value, nodes[mesh.elements[:, :corners]])
    assert len(inner) > 0
    return replace(mesh, nodes_mm=nodes)


def anything(seed=3):
    A = np.random.default_rng(seed).normal(size=(6, 6))
    return 30e3 * A @ A.T + 50e3 * np.eye(6)


CASES = [
    (name, k, m) for name in FLAT for k, m in (("plane_stress", False), ("plane_strain", False), ("plane_strain", True))
]
CASES += [(name, "solid", m) for name in SPACE for m in (False, True)]


@pytest.mark.parametrize(("name", "kinematics", "mean"), CASES)
def test_patch_test_any_uniform_stress_is_exact(name, kinematics, mean):
    """Distorted elements, tractions on the boundary, the most anisotropic solid there is."""
    mesh = warped(name)
    D = in_plane(TURNED) if kinematics == "plane_stress" else anything()
    if mesh.dimension == 2:  # no shear out of the plane: it would leave the plane
        D[np.ix_([3, 4], [0, 1, 2, 5])] = D[np.ix_([0, 1, 2, 5], [3, 4])] = 0.0
    strain = np.array([1e-3, -2e-3, 0.0, 0.0, 0.0, 1.5e-3])
    if kinematics == "solid":
        strain[2:5] = 0.7e-3, -1.1e-3, 0.4e-3
    state = D @ strain
    of, u, residual = solve(
        mesh,
        kinematics,
        D,
        lambda of: pull(of, lambda x: np.broadcast_to(state, (*x.shape[:2], 6))),
        held_against_rigid_motion(mesh),
        mean_dilatation=mean,
    )
    assert residual < 1e-11
    np.testing.assert_allclose(strains(of, u), np.broadcast_to(strain, (*of.points, 6)), atol=1e-13)


@pytest.mark.parametrize("name", FLAT)
@pytest.mark.parametrize("mean", [False, True])
def test_patch_test_round_an_axis(name, mean):
    """A tube under u_r = a r, u_z = b z: uniform strain, also where elements average the volume change."""
    mesh = replace(warped(name), nodes_mm=warped(name).nodes_mm + np.array([1.0, 0.0]))
    D = elastic(200e3, 0.3)
    strain = np.array([1e-3, -0.5e-3, 1e-3, 0.0, 0.0, 0.0])
    of = discretise(mesh, "axisymmetric", mean_dilatation=mean)
    exact = mesh.nodes_mm * strain[:2]
    np.testing.assert_allclose(strains(of, exact), np.broadcast_to(strain, (*of.points, 6)), atol=1e-15)
    rest = forces(of, np.broadcast_to(D @ strain, (*of.points, 6))) - pull(
        of, lambda x: np.broadcast_to(D @ strain, (*x.shape[:2], 6))
    )
    # the hoop stress s of a uniform state loads nodes that no traction does: div s = (s_rr - s_tt) / r = 0 here
    assert np.abs(rest).max() < 1e-10 * np.abs(D @ strain).max()


def test_a_false_gradient_fails_the_patch_test():
    """Negative control: one shape function whose slope is a hundredth too large."""
    mesh = warped("quad8")
    state = np.array([80.0, -30.0, 0.0, 0.0, 0.0, 25.0])
    of = discretise(mesh, "plane_stress")
    value, gradient, weight = of.table
    wrong = replace(of, table=(value, gradient * np.where(np.arange(8) == 5, 1.01, 1.0), weight))
    loads = pull(of, lambda x: np.broadcast_to(state, (*x.shape[:2], 6)))
    D = in_plane(TURNED)
    u, _ = system(wrong, held_against_rigid_motion(mesh)).solve(stiffness_blocks(wrong, D), loads)
    assert np.abs(strains(wrong, u) @ D - state).max() > 0.1


def kirsch_error(order, n):
    mesh = plate_mesh(20.0, 20.0, 5.0, n, order)
    D = 1e3 * plane_stress(isotropic(200.0, 0.3))

    def exact(x):
        full = np.zeros((*x.shape[:-1], 6))
        full[..., [0, 1, 5]] = kirsch(x[..., 0], x[..., 1], 5.0) * np.array([1.0, 1.0, np.sqrt(2.0)])
        return full

    of = discretise(mesh, "plane_stress")
    outer = replace(mesh, edges={name: mesh.edges[name] for name in ("left", "right", "bottom", "top")})
    loads = pull(replace(of, mesh=outer), exact)
    held = held_dofs(of, np.array([mesh.nearest(-10.0, 0.0)]), 0, 1)
    held = np.concatenate([held, held_dofs(of, np.array([mesh.nearest(10.0, 0.0)]), 1)])
    u, _ = system(of, held).solve(stiffness_blocks(of, in_plane(D)), loads)
    off, truth = (
        plane_voigt(s) for s in (strains(of, u) @ in_plane(D) - exact(of.positions_mm), exact(of.positions_mm))
    )
    S = np.linalg.inv(D)

    def norm(s):
        return np.sqrt(np.einsum("eqi,ij,eqj,eq->", s, S, s, of.volume_mm3))

    recovered = patch_stress(mesh, u, D) - kirsch(*mesh.nodes_mm.T, 5.0)
    radius = np.hypot(*mesh.nodes_mm.T)
    inner = (radius > 5.5) & (radius < 9)
    return norm(off) / norm(truth), np.abs(recovered[inner]).max()


@pytest.mark.parametrize("order", [1, 2])
def test_energy_norm_converges_at_the_order_of_the_element(order):
    coarse, fine = kirsch_error(order, 8), kirsch_error(order, 16)
    rate = np.log2(coarse[0] / fine[0])
    assert abs(rate - order) < 0.05
    assert fine[0] < {1: 0.05, 2: 0.003}[order]
    assert coarse[1] / fine[1] > 2.0  # the recovered stress converges too


def manufactured_error(name, n, D):
    """Error in displacement (L2) and energy of a smooth field on a bent mesh, held on its whole boundary."""
    d = ELEMENTS[name].dimension
    k = np.array([1.1, 0.7, 0.9])[:d]
    amplitude = np.array([1.0, -0.6, 0.8])[:d] * 1e-3

    def bend(x):
        return x + 0.03 * np.sin(np.pi * x[:, [1, 0, 2][:d]]) * np.sin(np.pi * x)

    def phase(x):
        return np.sin(x @ k)[..., None] * amplitude

    def strain(x):
        g = np.zeros((*x.shape[:-1], 3, 3))
        g[..., :d, :d] = np.cos(x @ k)[..., None, None] * amplitude[:, None] * k
        return mandel((g + np.swapaxes(g, -1, -2)) / 2)

    mesh = grid_mesh((n,) * d, name, bend)
    of = discretise(mesh, "solid" if d == 3 else "plane_strain")
    # div sigma of the field: C : sym(a k) . k times -sin
    second = np.zeros((3, 3))
    second[:d, :d] = np.outer(amplitude, k)
    push = tensor(D @ mandel((second + second.T) / 2))[:d, :d] @ k
    body = np.sin(of.positions_mm @ k)[..., None] * push
    rim = np.unique(np.concatenate(list(mesh.edges.values())))
    held = held_dofs(of, rim, *range(d))
    given_ = np.zeros_like(mesh.nodes_mm)
    given_[rim] = phase(mesh.nodes_mm)[rim]
    blocks = stiffness_blocks(of, D)
    loads = body_loads(of, body) - forces(of, strains(of, given_) @ D)
    u = given_ + system(of, held).solve(blocks, loads)[0]
    fine = discretise(mesh, of.kinematics, level=ELEMENTS[name].order + 2)
    miss = np.einsum("qn,enx->eqx", fine.table[0], u[mesh.elements]) - phase(fine.positions_mm)
    gap = strains(fine, u) - strain(fine.positions_mm)
    energy = np.einsum("eqi,ij,eqj,eq->", gap, D, gap, fine.volume_mm3)
    return np.sqrt((miss**2 * fine.volume_mm3[..., None]).sum()), np.sqrt(energy)


@pytest.mark.parametrize("name", FLAT + SPACE)
def test_manufactured_field_converges_at_the_rates_of_theory(name):
    order = ELEMENTS[name].order
    sizes = (6, 12) if ELEMENTS[name].dimension == 2 else {1: (4, 8), 2: (4, 6)}[order]
    coarse, fine = (np.array(manufactured_error(name, n, elastic(200e3, 0.3))) for n in sizes)
    rate = np.log(coarse / fine) / np.log(sizes[1] / sizes[0])
    np.testing.assert_allclose(rate, [order + 1, order], atol=0.15)


@pytest.mark.parametrize("order", [1, 2])
def test_scikit_fem_finds_the_same_displacements(order):
    mesh = plate_mesh(20.0, 30.0, 4.0, 6, order)
    corners = mesh.elements[:, :4]
    nodes = mesh.nodes_mm.copy()
    if order == 2:  # scikit-fem's serendipity element has straight sides here: give ours the same
        nodes[mesh.elements[:, 4:]] = (nodes[corners] + nodes[np.roll(corners, -1, axis=1)]) / 2
    mesh = replace(mesh, nodes_mm=nodes)
    of = discretise(mesh, "plane_stress")
    sides = ("left", "right")
    loads = sum(traction_loads(of, mesh.edges[s], lambda _, n: n * np.array([100.0, 0.0])) for s in sides)
    fixed = held_against_rigid_motion(mesh)
    ours, _ = system(of, fixed).solve(stiffness_blocks(of, in_plane(TURNED)), loads)

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


def test_threads_and_members_change_no_bit():
    mesh = warped("hex20")
    rng = np.random.default_rng(8)
    D = np.stack([anything(seed) for seed in (1, 2, 3)])[:, None, None]
    stress = rng.normal(size=(3, len(mesh.elements), 27, 6))
    one, two, three = (discretise(mesh, "solid", workers=w) for w in (1, 2, 3))
    blocks, pushed = stiffness_blocks(one, D), forces(one, stress)
    for other in (two, three):
        assert stiffness_blocks(other, D).tobytes() == blocks.tobytes()
        assert forces(other, stress).tobytes() == pushed.tobytes()
    for k in range(3):
        assert stiffness_blocks(one, D[k]).tobytes() == blocks[k].tobytes()
        assert forces(two, stress[k]).tobytes() == pushed[k].tobytes()
    assert len(three.shares[1][0]) < len(mesh.elements)  # a share is not everything


def test_tangent_is_the_derivative_of_the_forces():
    mesh = warped("quad9")
    of = discretise(mesh, "plane_strain", mean_dilatation=True)
    D = elastic(70e3, 0.33)
    u = np.random.default_rng(4).normal(size=mesh.nodes_mm.shape)
    K = stiffness_matrix(of, D)
    pushed = forces(of, strains(of, u) @ D)
    np.testing.assert_allclose(K @ u.ravel(), pushed.ravel(), atol=1e-12 * np.abs(pushed).max())
    np.testing.assert_allclose(K @ rigid_motions(of), 0.0, atol=1e-9 * abs(K).max())
    assert np.linalg.matrix_rank(K.toarray(), tol=1e-9 * abs(K).max()) == of.size - 3


def test_multigrid_and_factors_agree_and_leave_the_global_stream_alone():
    mesh = grid_mesh((6, 5, 4), "hex8", lambda x: x * np.array([6.0, 2.0, 1.0]))
    of = discretise(mesh, "solid")
    loads = traction_loads(of, mesh.edges["right"], lambda x, n: np.stack([0 * x[..., 0], x[..., 2], n[..., 0]], -1))
    held = held_dofs(of, mesh.on("left"), 0, 1, 2)
    blocks = stiffness_blocks(of, voigt_to_mandel(cubic(246.5, 147.3, 124.7)) * 1e3)
    np.random.seed(7)  # noqa: NPY002
    expected = np.random.rand()  # noqa: NPY002
    np.random.seed(7)  # noqa: NPY002
    found = {m: system(of, held, method=m, tolerance=1e-10).solve(blocks, loads) for m in ("direct", "multigrid")}
    assert np.random.rand() == expected  # noqa: NPY002
    scale = np.abs(found["direct"][0]).max()
    np.testing.assert_allclose(found["multigrid"][0], found["direct"][0], atol=1e-8 * scale)
    again = system(of, held, method="multigrid", tolerance=1e-10).solve(blocks, loads)[0]
    assert again.tobytes() == found["multigrid"][0].tobytes()


def test_an_element_turned_inside_out_and_a_singular_material_are_refused():
    mesh = plate_mesh(20.0, 30.0, 4.0, 4, 1)
    with pytest.raises(StudyError, match="inside out"):
        discretise(replace(mesh, elements=mesh.elements[:, ::-1].copy()), "plane_stress")
    of = discretise(mesh, "plane_stress")
    loads = traction_loads(of, mesh.edges["right"], lambda _, n: n)
    with pytest.raises(NotConverged, match="check"):
        system(of, held_against_rigid_motion(mesh)).solve(stiffness_blocks(of, np.zeros((6, 6))), loads)
    with pytest.raises(StudyError, match="do not fit"):
        stiffness_blocks(of, np.zeros((3, 6, 6)))
    with pytest.raises(StudyError, match="held dofs"):
        system(of, np.array([of.size]))
