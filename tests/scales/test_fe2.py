"""A component whose points own blocks of grains: where the block is one solid, it is the component of that solid."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.optimize import brentq

from uqmsm.physics.fe.discretise import discretise
from uqmsm.physics.fe.linear import held_dofs, system
from uqmsm.physics.fe.materials.elastic import Elastic
from uqmsm.physics.fe.materials.nested import Nested
from uqmsm.physics.fe.materials.von_mises import von_mises as one_solid
from uqmsm.physics.fe.meshes.grid import SIDES, grid_mesh
from uqmsm.physics.fe.newton import Accuracy, Load, follow
from uqmsm.physics.rve.laminate import laminate_GPa
from uqmsm.physics.rve.plastic import advance_many, block, von_mises
from uqmsm.physics.rve.plastic.block import Accuracy as Inside
from uqmsm.physics.rve.plastic.newton import advance, macro_tangent
from uqmsm.physics.tensors import isotropic_stiffness, voigt_to_mandel

BULK, SHEAR, YIELD, HARD = 160.0, 80.0, 250.0, 2000.0


def owned(cells, owner, mapped=map, counted=None):
    inside = Inside(residual=1e-12)

    def strained(cell, state, increment, step_s):
        if counted is not None:
            counted.append(increment)
        return advance(cell, state, increment, step_s, accuracy=inside)

    def condensed(cell, tangent):
        return macro_tangent(cell, tangent, tolerance=1e-12)

    return Nested(cells, np.array(owner), lambda cell: cell.virgin(), strained, condensed, mapped, symmetric=True)


def bent(counts=(2, 2)):
    """Shear a short cantilever at its end until it flows."""
    mesh = grid_mesh(counts, "quad4", lambda x: x * [4.0, 2.0])
    of = discretise(mesh, "plane_strain", mean_dilatation=True)
    held = np.concatenate([held_dofs(of, mesh.on("left"), 0, 1), held_dofs(of, mesh.on("right"), 1)])
    end = np.zeros_like(mesh.nodes_mm)
    end[mesh.on("right"), 1] = 1.0
    return system(of, held), [Load(displacement_mm=u * end) for u in (0.006, 0.03)]


def test_blocks_of_one_solid_are_that_solid():
    """Displacement, stress and reactions to rounding, in as many Newton steps: the tangent is consistent."""
    equations, loads = bent()
    cell = block(np.zeros((3, 3, 3), dtype=np.int32), von_mises(BULK, SHEAR, YIELD, hardening_MPa=HARD))
    accuracy = Accuracy(residual=1e-11)
    nested = follow(equations, owned([cell], [0]), loads, accuracy=accuracy)
    plain = follow(equations, one_solid(BULK, SHEAR, YIELD, hardening_MPa=HARD), loads, accuracy=accuracy)
    assert plain[-1].state.memory[:, 6].max() > 1e-3  # it has flowed
    for ours, theirs in zip(nested, plain, strict=True):
        size = np.abs(theirs.state.displacement_mm).max()
        np.testing.assert_allclose(ours.state.displacement_mm, theirs.state.displacement_mm, atol=1e-10 * size)
        np.testing.assert_allclose(ours.state.stress_MPa, theirs.state.stress_MPa, atol=1e-7)
        np.testing.assert_allclose(ours.reaction_N, theirs.reaction_N, atol=1e-7)
        assert len(ours.residuals) == len(theirs.residuals)


def test_blocks_of_two_solids_work_as_hard_as_the_component():
    """Hill and Mandel at every point: the work of the supports is the sum of the mean work in the blocks."""
    equations, loads = bent()
    ids = np.zeros((3, 3, 3), dtype=np.int32)
    ids[1] = 1
    two = von_mises(np.array([160.0, 120.0]), np.array([80.0, 50.0]), np.array([250.0, 400.0]), hardening_MPa=HARD)
    cell = block(ids, two)
    steps = follow(equations, owned([cell], [0]), loads)
    volume = equations.of.volume_mm3.ravel()
    first, second = steps[0].state, steps[-1].state
    move = second.displacement_mm - first.displacement_mm
    outer = float((steps[-1].reaction_N * move).sum())
    assert steps[-1].share == 1.0
    inner = 0.0
    for k, (a, b) in enumerate(zip(first.memory.states, second.memory.states, strict=True)):
        inner += volume[k] * float((b.stress * (b.strain - a.strain)).sum(axis=0).mean())
    np.testing.assert_allclose(inner, outer, rtol=1e-7)
    assert len(steps[-1].residuals) < 8


def layered(yields, axis):
    """Stack two layers along an axis, one voxel and two."""
    ids = np.array([0, 1, 1], dtype=np.int32).reshape([3 if k == axis else 1 for k in range(3)])
    law = von_mises(np.array([160.0, 120.0]), np.array([80.0, 30.0]), np.array(yields), hardening_MPa=HARD)
    return block(ids, law)


def test_layers_in_every_point_are_the_solid_of_the_books():
    """G. E. Backus, J. Geophys. Res. 67, 4427 (1962): the component of that solid; that of mean moduli is another."""
    equations, loads = bent()
    ours = follow(equations, owned([layered((1e6, 1e6), 0)], [0]), loads[:1], accuracy=Accuracy(residual=1e-11))
    layers = np.array([isotropic_stiffness(k, g) for k, g in ((160.0, 80.0), (120.0, 30.0))])
    stack = 1e3 * voigt_to_mandel(laminate_GPa(layers, np.array([1.0, 2.0]) / 3.0, 0))
    mixed = 1e3 * voigt_to_mandel((layers[0] + 2.0 * layers[1]) / 3.0)
    theirs, wrong = (follow(equations, Elastic(one), loads[:1]) for one in (stack, mixed))
    size = np.abs(theirs[-1].reaction_N).max()
    np.testing.assert_allclose(ours[-1].reaction_N, theirs[-1].reaction_N, atol=1e-8 * size)
    np.testing.assert_allclose(ours[-1].state.stress_MPa, theirs[-1].state.stress_MPa, rtol=1e-6, atol=1e-6)
    assert np.abs(wrong[-1].reaction_N - theirs[-1].reaction_N).max() > 0.01 * size


def test_layers_that_flow_in_every_point_share_one_stress_across_them():
    """Stretched along its layers between walls: one unknown, the strain across the first layer, is all there is."""
    mesh = grid_mesh((2, 1, 1), "hex8")
    of = discretise(mesh, "solid")
    sides = [held_dofs(of, mesh.on(name), axis) for axis in range(3) for name in SIDES[axis]]
    equations = system(of, np.unique(np.concatenate(sides)))
    right = np.zeros_like(mesh.nodes_mm)
    right[mesh.on("right"), 0] = 1.0
    stretch = 0.02
    found = follow(equations, owned([layered((100.0, 300.0), 2)], [0]), [Load(displacement_mm=stretch * right)])[-1]
    solids = [one_solid(160.0, 80.0, 100.0, hardening_MPa=HARD), one_solid(120.0, 30.0, 300.0, hardening_MPa=HARD)]

    def stresses(across):
        strains = np.zeros((2, 1, 6))
        strains[:, 0, 0], strains[:, 0, 2] = stretch, (across, -across / 2.0)
        answers = [solid.respond(strain, solid.virgin(1), 1.0) for solid, strain in zip(solids, strains, strict=True)]
        assert all(float(answer.memory[0, 6]) > 1e-3 for answer in answers)  # both flow
        return np.array([answer.stress[0] for answer in answers])

    across = brentq(lambda a: np.subtract(*stresses(a)[:, 2]), -stretch, stretch, xtol=1e-15)
    closed = stresses(across).T @ [1.0 / 3.0, 2.0 / 3.0]
    np.testing.assert_allclose(found.state.stress_MPa[0].mean(axis=0)[:3], closed[:3], rtol=1e-7)


def test_all_points_may_be_asked_in_one_call():
    """`advance_many` in the place of one block after the other: the same component, in as many Newton steps."""
    equations, loads = bent()
    ids = np.zeros((3, 3, 3), dtype=np.int32)
    ids[1] = 1
    two = von_mises(np.array([160.0, 120.0]), np.array([80.0, 50.0]), np.array([250.0, 400.0]), hardening_MPa=HARD)
    cell = block(ids, two)
    calls = []

    def together(_, questions):
        numbers, states, increments, seconds = zip(*questions, strict=True)
        calls.append(len(numbers))
        inside = Inside(residual=1e-12)
        found = advance_many(
            [cell] * len(numbers), states, np.array(increments), seconds[0], accuracy=inside, tangent_tolerance=1e-6
        )
        return [(one.mean_stress, one.tangent, one.state) for one in found]

    accuracy = Accuracy(residual=1e-11)
    one_call = follow(equations, owned([cell], [0], mapped=together), loads, accuracy=accuracy)
    one_by_one = follow(equations, owned([cell], [0]), loads, accuracy=accuracy)
    assert max(calls) > 4
    for ours, theirs in zip(one_call, one_by_one, strict=True):
        np.testing.assert_allclose(ours.state.stress_MPa, theirs.state.stress_MPa, atol=1e-6)
        np.testing.assert_allclose(ours.reaction_N, theirs.reaction_N, atol=1e-6)
        assert len(ours.residuals) == len(theirs.residuals)


def test_equal_questions_are_asked_once():
    """Sixteen points strained alike in two blocks ask two questions, and are answered as each alone would be."""
    cell = block(np.zeros((3, 3, 3), dtype=np.int32), von_mises(BULK, SHEAR, YIELD, hardening_MPa=HARD))
    counted: list[np.ndarray] = []
    solid = owned([cell, cell], np.arange(16) % 2, counted=counted)
    strain = np.tile(np.array([2e-3, 0.0, 0.0, 0.0, 0.0, 1e-3]), (16, 1))
    answer = solid.respond(strain, solid.virgin(16), 1.0)
    assert len(counted) == 2
    alone = one_solid(BULK, SHEAR, YIELD, hardening_MPa=HARD)
    np.testing.assert_allclose(answer.stress, alone.respond(strain, alone.virgin(16), 1.0).stress, rtol=1e-9, atol=1e-8)


class Below:
    """Holds every strain whose largest entry is less than a limit."""

    def __init__(self, stiffness, limit):
        self.stiffness_MPa, self.limit, self.asked = stiffness[None], limit, 0

    def holds(self, cell, strain, step_s):
        self.asked += len(strain)
        return np.abs(strain).max(axis=1) < self.limit


def test_a_gate_spares_elastic_blocks_and_nothing_else():
    """A gate below yield changes no answer; points that it holds ask no block, and once open stay open."""
    equations, loads = bent()
    cell = block(np.zeros((3, 3, 3), dtype=np.int32), von_mises(BULK, SHEAR, YIELD, hardening_MPa=HARD))
    counted: list[np.ndarray] = []
    stiffness = voigt_to_mandel(isotropic_stiffness(1e3 * BULK, 1e3 * SHEAR))
    # the strain deviator at yield is sqrt(2/3) * 250 / (2 * 80000) = 1.3e-3
    gated = replace(owned([cell], [0], counted=counted), gate=Below(stiffness, 8e-4))
    accuracy = Accuracy(residual=1e-11)
    ours = follow(equations, gated, loads, accuracy=accuracy)
    spared = len(counted)
    counted.clear()
    theirs = follow(equations, owned([cell], [0], counted=counted), loads, accuracy=accuracy)
    assert spared < len(counted)
    opened = [step.state.memory.open for step in ours]
    assert 0 < opened[-1].sum() < len(opened[-1])
    assert np.all(opened[-1] >= opened[0])
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.state.stress_MPa, b.state.stress_MPa, atol=1e-6)
