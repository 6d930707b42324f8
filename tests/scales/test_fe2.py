"""A component whose points own blocks of grains: where the block is one solid, it is the component of that solid."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from uqmsm.physics.fe.discretise import discretise
from uqmsm.physics.fe.linear import held_dofs, system
from uqmsm.physics.fe.materials.nested import Nested
from uqmsm.physics.fe.materials.von_mises import von_mises as one_solid
from uqmsm.physics.fe.meshes.grid import grid_mesh
from uqmsm.physics.fe.newton import Accuracy, Load, follow
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
