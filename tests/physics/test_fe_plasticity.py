"""Solids that flow: one point in closed form and by other means, components up to collapse, Newton's order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from fe_oracles import elastic
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

from uqmsm.errors import MemberFailed, StudyError, Unstable
from uqmsm.physics.fe.discretise import discretise
from uqmsm.physics.fe.linear import held_dofs, system
from uqmsm.physics.fe.loads import traction_loads
from uqmsm.physics.fe.materials.elastic import Elastic
from uqmsm.physics.fe.materials.solid import PlaneStress, Response
from uqmsm.physics.fe.materials.von_mises import equivalent_MPa, von_mises
from uqmsm.physics.fe.meshes.grid import grid_mesh
from uqmsm.physics.fe.newton import Accuracy, Load, equilibrate, follow, virgin

K, G, SY = 160.0, 80.0, 250.0  # GPa, GPa, MPa
E = 9 * K * G / (3 * K + G) * 1e3
HARD = {"hardening_MPa": 1500.0, "voce_rise_MPa": 120.0, "voce_rate": 60.0, "kinematic_MPa": 4000.0}


def strained(solid, path):
    """Lead points (P, 6) through strains; the last answer."""
    memory = solid.virgin(path[0].shape[0])
    for strain in path:
        answer = solid.respond(strain, memory, 1.0)
        memory = answer.memory
    return answer


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_tangents_are_derivatives(seed, flat):
    rng = np.random.default_rng(seed)
    solid = von_mises(K, G, SY, **HARD)
    solid = PlaneStress(solid, tolerance=1e-13) if flat else solid
    first, second = rng.normal(size=(2, 5, 6)) * 3e-3
    before = strained(solid, [first])
    answer = solid.respond(second, before.memory, 1.0)
    tangent = np.broadcast_to(answer.tangent, (5, 6, 6))
    np.testing.assert_allclose(tangent, np.swapaxes(tangent, 1, 2), atol=1e-7 * tangent.max())
    step = 1e-7
    for k in (0, 1, 5) if flat else range(6):
        move = step * np.eye(6)[k]
        up, down = (solid.respond(second + s * move, before.memory, 1.0).stress for s in (1, -1))
        np.testing.assert_allclose((up - down) / (2 * step), tangent[:, :, k], atol=2e-4 * tangent.max())


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_point_lies_on_its_yield_surface_or_inside_and_dissipates(seed):
    rng = np.random.default_rng(seed)
    solid = von_mises(K, G, SY, **HARD)
    memory = solid.virgin(8)
    for strain in rng.normal(size=(4, 8, 6)) * 2e-3:
        answer = solid.respond(strain, memory, 1.0)
        p, before = answer.memory[:, 6], memory[:, 6]
        radius = SY + 1500 * p + 120 * (1 - np.exp(-60 * p))
        back = 2 / 3 * 4000 * answer.memory[:, :6]
        height = equivalent_MPa(answer.stress - back)
        assert np.all(height <= radius * (1 + 1e-10))
        flowed = p > before
        np.testing.assert_allclose(height[flowed], radius[flowed], rtol=1e-10)
        flow = answer.memory[:, :6] - memory[:, :6]
        assert np.all(np.einsum("pi,pi->p", answer.stress - back, flow) >= 0.0)
        np.testing.assert_allclose(flow[:, :3].sum(axis=1), 0.0, atol=1e-16)
        memory = answer.memory


def simo_taylor(strain, before, law):
    """Plane-stress return in one scalar (Simo and Taylor, IJNME 22, 649 (1986)), linear isotropic hardening."""
    bulk, shear, bound, hardening = law
    young, poisson = 9 * bulk * shear / (3 * bulk + shear), (3 * bulk - 2 * shear) / (6 * bulk + 2 * shear)
    plane = strain[[0, 1, 5]] * [1, 1, np.sqrt(2)] - before[:3]  # engineering shear
    D = young / (1 - poisson**2) * np.array([[1, poisson, 0], [poisson, 1, 0], [0, 0, (1 - poisson) / 2]])
    P = np.array([[2, -1, 0], [-1, 2, 0], [0, 0, 6]]) / 3
    trial = D @ plane

    def stress(x):
        return np.linalg.solve(np.linalg.inv(D) + x * P, np.linalg.inv(D) @ trial)

    def gap(x):
        s = stress(x)
        size = np.sqrt(s @ P @ s)
        return np.sqrt(1.5) * size - bound - hardening * (before[3] + x * np.sqrt(2 / 3) * size)

    if gap(0.0) <= 0:
        return trial
    return stress(brentq(gap, 0.0, 1.0, xtol=1e-18, rtol=1e-14))


def test_plane_stress_is_that_of_another_algorithm():
    rng = np.random.default_rng(2)
    solid = PlaneStress(von_mises(K, G, SY, hardening_MPa=2000.0))
    strain = rng.normal(size=(40, 6)) * 3e-3
    answer = strained(solid, [strain])
    assert np.all(answer.stress[:, 2:5] == 0.0)
    for e, s in zip(strain, answer.stress, strict=True):
        other = simo_taylor(e, np.zeros(4), (K * 1e3, G * 1e3, SY, 2000.0))
        np.testing.assert_allclose(s[[0, 1, 5]] / [1, 1, np.sqrt(2)], other, rtol=1e-8, atol=1e-6)
    assert (answer.memory[1][:, 6] > 0).sum() > 20


def bar(solid, loads, kind="hex8"):
    """One element in uniaxial stress along x, led by the displacement of its end."""
    mesh = grid_mesh((1,) * 3, kind)
    of = discretise(mesh, "solid")
    held = [held_dofs(of, mesh.on(s), a) for s, a in (("left", 0), ("bottom", 1), ("back", 2), ("right", 0))]
    equations = system(of, np.concatenate(held))
    path = [Load(displacement_mm=strain * np.array([1.0, 0.0, 0.0])) for strain in loads]
    # the left end is held at zero: only the right one moves
    right = np.zeros((len(mesh.nodes_mm), 1))
    right[mesh.on("right")] = 1.0
    steps = follow(equations, solid, [Load(displacement_mm=load.displacement_mm * right) for load in path])
    whole = [s for s in steps if s.share == 1.0]
    return np.array([s.state.stress_MPa[..., 0].mean() for s in whole]), steps


def test_uniaxial_hardening_and_bauschinger():
    """The slope E H / (E + H); reversed yield at sigma - 2 s0 (kinematic) and at -sigma (isotropic)."""
    H, top = 5000.0, 0.01
    for kind in ("hardening_MPa", "kinematic_MPa"):
        solid = von_mises(K, G, SY, **{kind: H})
        up = bar(solid, [top])[0][-1]
        closed = SY + E * H / (E + H) * (top - SY / E)
        np.testing.assert_allclose(up, closed, rtol=1e-8)
        reversed_ = up - 2 * SY if kind == "kinematic_MPa" else -up
        back = top - (up - reversed_) / E  # strain at which it yields again
        np.testing.assert_allclose(bar(solid, [top, back])[0][-1], reversed_, rtol=1e-7)
        beyond = bar(solid, [top, back - 1e-3])[0][-1]
        np.testing.assert_allclose(beyond, reversed_ - E * H / (E + H) * 1e-3, rtol=1e-7)


@dataclass(frozen=True)
class Soft:
    """A solid whose tangents are wrong by a tenth: the negative control of Newton's order."""

    solid: object
    symmetric: bool = True

    def virgin(self, points):
        return self.solid.virgin(points)

    def respond(self, strain, memory, step_s):
        answer = self.solid.respond(strain, memory, step_s)
        return Response(answer.stress, 1.1 * answer.tangent, answer.memory)


A, B = 50.0, 100.0


def cylinder(kind="quad8", n=8, kinematics="plane_strain", turn=np.pi / 6, **settings):
    """Draw a sector of a thick tube between walls that slide, or its cut round the axis."""

    def bend(x):
        if kinematics == "axisymmetric":
            return x * [B - A, 10.0] + [A, 0.0]
        r, t = A + (B - A) * x[:, 0], turn * x[:, 1]
        return np.stack([r * np.cos(t), r * np.sin(t)], axis=-1)

    mesh = grid_mesh((n, 1 if kinematics == "axisymmetric" else 3), kind, bend)
    return discretise(mesh, kinematics, **settings)


def axial(of):
    """Hold a tube round its axis against strain along it."""
    return np.concatenate([held_dofs(of, of.mesh.on(side), 1) for side in ("bottom", "top")])


@pytest.mark.parametrize(("kind", "within"), [("quad8", 2e-4), ("quad4", 5e-3), ("tri6", 1e-3), ("quad9", 2e-4)])
def test_elastic_tube_is_lames(kind, within):
    of = cylinder(kind, 12, "axisymmetric")
    p, nu = 10.0, (3 * K - 2 * G) / (6 * K + 2 * G)
    loads = traction_loads(of, of.mesh.edges["left"], lambda _, n: -p * n)
    step = equilibrate(
        system(of, axial(of)),
        Elastic(elastic(E, nu)),
        virgin(system(of, axial(of)), Elastic(elastic(E, nu))),
        Load(loads),
    )
    r = of.positions_mm[..., 0]
    factor = p * A**2 / (B**2 - A**2)
    np.testing.assert_allclose(step.state.stress_MPa[..., 2], factor * (1 + B**2 / r**2), rtol=20 * within)
    inner = step.state.displacement_mm[of.mesh.on("left"), 0]
    closed = (1 + nu) / E * factor * ((1 - 2 * nu) * A + B**2 / A)
    np.testing.assert_allclose(inner, closed, rtol=within)


def pressure(of, step):
    """Tell what pushes the inner wall of a tube, from its reactions."""
    inner = of.mesh.on("left")
    return step.reaction_N[inner, 0].sum() / (2 * np.pi * A * 10.0)


def burst(solid, widths=(0.02, 0.05, 0.1, 0.2, 0.5, 1.0), **settings):
    """Widen a tube until nothing more is carried; the pressures at the end of every step."""
    of = cylinder(kinematics="axisymmetric", **settings)
    equations = system(of, np.concatenate([axial(of), held_dofs(of, of.mesh.on("left"), 0)]))
    wide = np.array([1.0, 0.0])
    steps = follow(equations, solid, [Load(displacement_mm=u * wide) for u in widths])
    return np.array([pressure(of, step) for step in steps]), steps, of


@pytest.mark.parametrize(
    ("settings", "within"),
    [
        ({"kind": "quad8", "n": 12, "level": 2}, 2e-4),
        ({"kind": "quad4", "n": 24, "mean_dilatation": True}, 2e-3),
        ({"kind": "tri6", "n": 12}, 2e-3),
    ],
)
def test_tube_collapses_at_the_pressure_of_the_theory(settings, within):
    """(2 / sqrt 3) s0 ln(b/a): plane strain, perfectly plastic (R. Hill, The Mathematical Theory of Plasticity)."""
    found, steps, _ = burst(von_mises(K, G, SY), **settings)
    limit = 2 / np.sqrt(3) * SY * np.log(B / A)
    np.testing.assert_allclose(found[-1], limit, rtol=within)
    assert found[0] < 0.7 * limit
    assert max(s.residuals[-1] for s in steps) < 1e-9


def test_first_order_elements_lock_without_mean_dilatation():
    found, _, _ = burst(von_mises(K, G, SY), kind="quad4", n=6, mean_dilatation=False)
    limit = 2 / np.sqrt(3) * SY * np.log(B / A)
    free, _, _ = burst(von_mises(K, G, SY), kind="quad4", n=6, mean_dilatation=True)
    assert found[-1] > 1.01 * limit
    assert abs(free[-1] / limit - 1) < 0.5 * abs(found[-1] / limit - 1)


def test_elastic_plastic_front_of_an_incompressible_tube():
    """Pressure with the front at c: (2 / sqrt 3) s0 (ln c/a + (1 - c^2/b^2) / 2), nearly incompressible."""
    found, steps, of = burst(von_mises(100 * G, G, SY), (0.06, 0.09, 0.12, 0.15), kind="quad8", n=40, level=2)
    r = of.positions_mm[..., 0]
    for p, step in zip(found, steps, strict=True):
        yielded = step.state.memory[:, 6].reshape(r.shape) > 0
        c = (r[yielded].max() + r[~yielded].min()) / 2
        closed = 2 / np.sqrt(3) * SY * (np.log(c / A) + (1 - c**2 / B**2) / 2)
        assert A < c < B
        np.testing.assert_allclose(p, closed, rtol=4e-3)


@pytest.mark.parametrize("flat", [False, True])
def test_newton_is_quadratic_and_a_false_tangent_is_not(flat):
    def slope(wrap):
        of = cylinder(n=6, kinematics="plane_stress" if flat else "plane_strain", level=2)
        sides = [held_dofs(of, of.mesh.on("bottom"), 1), held_dofs(of, of.mesh.on("left"), 0, 1)]
        equations = system(of, np.concatenate(sides))
        solid = von_mises(K, G, SY, hardening_MPa=2000.0, kinematic_MPa=3000.0)
        solid = wrap(PlaneStress(solid) if flat else solid)
        out = of.mesh.nodes_mm / np.hypot(*of.mesh.nodes_mm.T)[:, None]
        push = Load(displacement_mm=0.3 * out)
        step = equilibrate(
            equations, solid, virgin(equations, solid), push, accuracy=Accuracy(residual=1e-11, newton=60)
        )
        r = np.array(step.residuals)
        fall = np.log(r[r < 1e-3])  # where no more points begin to flow; rounding can only flatten the end
        return (np.diff(fall)[1:] / np.diff(fall)[:-1]).max()

    assert slope(lambda solid: solid) > 1.8
    assert slope(Soft) < 1.2


def test_heat_strains_without_stress_and_stresses_what_is_held():
    alpha, warm = 1.5e-5, 100.0
    mesh = grid_mesh((2, 2, 2), "hex8")
    of = discretise(mesh, "solid")
    solid = Elastic(elastic(E, 0.3))
    heat = Load(free_strain=alpha * warm * np.array([1.0, 1.0, 1.0, 0.0, 0.0, 0.0]))
    free = system(
        of, np.concatenate([held_dofs(of, mesh.on(s), a) for s, a in (("left", 0), ("bottom", 1), ("back", 2))])
    )
    loose = equilibrate(free, solid, virgin(free, solid), heat)
    assert np.abs(loose.state.stress_MPa).max() < 1e-9
    np.testing.assert_allclose(loose.state.displacement_mm, alpha * warm * mesh.nodes_mm, atol=1e-15)
    both = np.concatenate([free.held, held_dofs(of, mesh.on("right"), 0)])
    fixed = system(of, both)
    tight = equilibrate(fixed, solid, virgin(fixed, solid), heat)
    np.testing.assert_allclose(tight.state.stress_MPa[..., 0], -E * alpha * warm, rtol=1e-9)
    np.testing.assert_allclose(tight.reaction_N[mesh.on("right"), 0].sum(), -E * alpha * warm, rtol=1e-9)


def test_a_load_beyond_the_limit_is_cut_and_then_refused_with_its_place():
    of = cylinder(n=6, kinematics="axisymmetric", level=2)
    equations, solid = system(of, axial(of)), von_mises(K, G, SY)
    limit = 2 / np.sqrt(3) * SY * np.log(B / A)
    push = traction_loads(of, of.mesh.edges["left"], lambda _, n: -limit * n)
    steps = follow(equations, solid, [Load(0.9 * push), Load(0.98 * push)])
    assert steps[-1].residuals[-1] < 1e-9
    with pytest.raises(MemberFailed, match=r"load 1, 0\.\d+ of it done"):
        follow(equations, solid, [Load(0.9 * push), Load(1.1 * push)])


def test_unloading_is_elastic_and_history_counts():
    stress, _ = bar(von_mises(K, G, SY), [0.005, 0.004, 0.005, 0.005 - 2 * SY / E])
    np.testing.assert_allclose(stress, [SY, SY - E * 0.001, SY, -SY], rtol=1e-7)


def test_refusals():
    with pytest.raises(StudyError, match="positive"):
        von_mises(K, G, -1.0)
    with pytest.raises(Unstable, match="modulus"):
        von_mises(K, 0.0, SY)
    of = cylinder(n=2)
    equations = system(of, np.array([0, 1, 5]))
    solid = Elastic(elastic(E, 0.3), symmetric=False)
    with pytest.raises(StudyError, match="symmetric=False"):
        equilibrate(equations, solid, virgin(equations, solid), Load())
