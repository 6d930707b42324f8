"""Many blocks strained at once: each has the answer it would have alone, to the last bit; one that fails is alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from uqmsm.errors import MemberFailed, StudyError
from uqmsm.physics.rve import polycrystal
from uqmsm.physics.rve.plastic import (
    Accuracy,
    Condensed,
    Control,
    Slip,
    advance,
    advance_many,
    block,
    crystals,
    drive,
    drive_many,
    equilibrate,
    macro_tangent,
    many,
    proportional,
    von_mises,
)
from uqmsm.physics.rve.slip import Interaction
from uqmsm.physics.tensors import cubic_stiffness

SHEARED = 1e-3 * np.array([1.0, -0.3, -0.4, 0.2, 0.1, -0.3])
INTERACTION = Interaction(1.0, 1.0, 5.123, 0.574, 1.123, 1.0)


def cells(edge=4, count=4):
    """Return blocks of different grains, strengths and even laws; the last is von Mises."""
    found = []
    for k in range(count - 1):
        made = polycrystal(np.random.default_rng(k), np.random.default_rng(9 + k), 6, (edge,) * 3)
        slip = Slip(100.0 + 20.0 * k, 470.0, 1120.0, exponent=40.0, interaction=INTERACTION)
        found.append(block(made.grain_ids, crystals(cubic_stiffness(196.0, 118.0, 129.0), made.orientations, slip)))
    phases = von_mises(np.full(6, 150.0), np.linspace(40.0, 90.0, 6), np.linspace(150.0, 300.0, 6), hardening_MPa=5e3)
    return [*found, block(made.grain_ids, phases)]


def flowing(blocks, steps=3):
    """Return states of blocks that have yielded, each at a pace of its own, and the next increments."""
    increments = SHEARED * (1.0 + 0.3 * np.arange(len(blocks)))[:, None]
    states = [one.virgin() for one in blocks]
    for _ in range(steps):
        answers = advance_many(blocks, states, increments, 1.0, tangent_tolerance=None)
        states = [one.state for one in answers]
    return states, increments


@pytest.mark.parametrize("edge", [4, 5])
def test_each_answer_is_that_of_its_block_alone(edge):
    blocks = cells(edge)
    states, increments = flowing(blocks)
    answers = advance_many(blocks, states, increments, 1.0, tangent_tolerance=1e-8)
    for cell, state, increment, answer in zip(blocks, states, increments, answers, strict=True):
        alone = advance(cell, state, increment, 1.0)
        assert answer.state.memory[..., -1].mean() > 1e-4  # it flows
        np.testing.assert_allclose(answer.mean_stress, alone.mean_stress, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(answer.state.strain, alone.state.strain, atol=1e-12)
        np.testing.assert_allclose(answer.state.memory, alone.state.memory, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(answer.state.rate, alone.state.rate, atol=1e-12)
        tangent = macro_tangent(cell, alone.tangent, tolerance=1e-10)
        np.testing.assert_allclose(answer.tangent, tangent, atol=1e-8 * tangent.max())
        assert len(answer.residuals) == len(alone.residuals)
        assert answer.hill_mandel_gap <= 1e-10


def test_stress_is_prescribed_as_for_one_block():
    """Uniaxial tension of all, each to a strain of its own, and one brought to a stress along all directions."""
    blocks = cells()
    loads = [next(proportional(np.eye(6)[0], np.array([strain]), 1e-3)) for strain in (1e-3, 2e-3, 3e-3)]
    controls = [load.control for load in loads]
    controls.append(Control(np.eye(6), np.array([90.0, 40.0, 0.0, 0.0, 0.0, 30.0])))
    increments = np.array([*(load.strain_increment for load in loads), np.zeros(6)])
    states = [cell.virgin() for cell in blocks]
    answers = advance_many(blocks, states, increments, 1.0, controls=controls, tangent_tolerance=None)
    for cell, state, increment, control, answer in zip(blocks, states, increments, controls, answers, strict=True):
        alone = equilibrate(cell, state, increment, 1.0, control=control)
        np.testing.assert_allclose(answer.mean_stress, alone.mean_stress, atol=1e-7)
        np.testing.assert_allclose(answer.mean_strain, alone.mean_strain, atol=1e-12)
        assert np.isnan(answer.tangent).all()
    np.testing.assert_allclose(answers[0].mean_stress[1:], 0.0, atol=1e-5)
    np.testing.assert_allclose(answers[3].mean_stress, controls[3].stress_MPa, atol=1e-5)


def bytes_of(answer):
    state = answer.state
    fields = (state.strain, state.stress, state.memory, state.rate, answer.mean_stress, answer.tangent)
    return b"".join(np.ascontiguousarray(one).tobytes() for one in fields)


@pytest.mark.parametrize(("edge", "voxels", "workers"), [(4, 64, 2), (5, 250, 1), (5, 10_000, 2)])
def test_company_bunches_and_threads_leave_no_trace(monkeypatch, edge, voxels, workers):
    blocks = cells(edge)
    states, increments = flowing(blocks, 2)
    together = advance_many(blocks, states, increments, 1.0)
    order = [2, 0, 3, 1]
    monkeypatch.setattr(many, "_VOXELS", voxels)
    mixed = advance_many(
        [blocks[k] for k in order], [states[k] for k in order], increments[order], 1.0, workers=workers
    )
    for place, k in enumerate(order):
        alone = advance_many([blocks[k]], [states[k]], increments[[k]], 1.0)[0]
        assert bytes_of(together[k]) == bytes_of(alone) == bytes_of(mixed[place])


def test_one_that_fails_is_alone():
    blocks = cells()
    states, increments = flowing(blocks, 1)
    good = advance_many(blocks, states, increments, 1.0)
    far = increments.copy()
    far[1] *= 1e6
    answers = advance_many(blocks, states, far, 1.0)
    assert isinstance(answers[1], MemberFailed)
    assert "smaller steps" in str(answers[1])
    for k in (0, 2, 3):
        assert isinstance(answers[k], Condensed)
        assert bytes_of(answers[k]) == bytes_of(good[k])
    gone = advance_many(blocks, states, increments, 1.0, accuracy=Accuracy(hill_mandel=0.0, newton=6))
    assert all(isinstance(one, MemberFailed) for one in gone)


def test_the_error_of_a_tangent_is_the_square_of_the_residual():
    """And not its first power, as it is for the mean stress of the same fields without the work that is left."""
    blocks = cells(6)[:1]
    states, increments = flowing(blocks, 6)
    end = advance(blocks[0], states[0], increments[0], 1.0)
    exact = macro_tangent(blocks[0], end.tangent, tolerance=1e-11)
    rough = advance_many(blocks, states, increments, 1.0, tangent_tolerance=1e-2)[0].tangent
    bare = macro_tangent(blocks[0], end.tangent, tolerance=1e-2)
    assert np.abs(rough - exact).max() < 3e-4 * exact.max()
    assert np.abs(rough - exact).max() < 0.5 * np.abs(bare - exact).max()
    assert np.abs(end.tangent - end.tangent.swapaxes(-1, -2)).max() > 0.0  # the voxels' own is not symmetric


def test_a_start_nearby_saves_newton_steps_and_changes_nothing_else():
    blocks = cells()
    states, increments = flowing(blocks)
    first = advance_many(blocks, states, increments, 1.0)
    near = increments * 1.001
    led = advance_many(blocks, states, near, 1.0, starts=[one.state for one in first])
    fresh = advance_many(blocks, states, near, 1.0)
    assert sum(len(one.residuals) for one in led) < sum(len(one.residuals) for one in fresh)
    for one, other in zip(led, fresh, strict=True):
        np.testing.assert_allclose(one.mean_strain, other.mean_strain, atol=1e-15)
        np.testing.assert_allclose(one.mean_stress, other.mean_stress, atol=1e-5)
        np.testing.assert_allclose(one.state.memory, other.state.memory, rtol=1e-6, atol=1e-9)
    assert bytes_of(advance_many(blocks, states, near, 1.0)[0]) == bytes_of(fresh[0])  # states were not changed


def test_histories_led_together_are_those_led_alone():
    """Each with loads, ends and cut-backs of its own; one ends in a failure that tells its place."""
    blocks = cells()
    strains = [np.linspace(0.0, 6e-3, 4)[1:], np.linspace(0.0, 2e-2, 3)[1:], np.array([1e-3, 8e-3]), np.array([2e-3])]
    tight = Accuracy(newton=5)
    loads = [list(proportional(np.eye(6)[0], one, 1e-3)) for one in strains]

    def strong(_, stress):
        return stress[-1, 0] > 100.0

    stops = [None, None, None, strong]
    together = drive_many(blocks, loads, accuracy=tight, enough=stops)
    assert any(len(one.taken) > len(own) for one, own in zip(together, strains, strict=True))  # cut back
    for cell, own, stop, found in zip(blocks, loads, stops, together, strict=True):
        alone = drive(cell, own, accuracy=tight, enough=stop)
        assert [one.step_s for one in found.taken] == [one.step_s for one in alone.taken]
        np.testing.assert_allclose(found.stress, alone.stress, rtol=1e-8, atol=1e-6)
        np.testing.assert_allclose(found.strain, alone.strain, atol=1e-12)
        np.testing.assert_allclose(found.slip, alone.slip, rtol=1e-8, atol=1e-12)
        assert found.hill_mandel_gap.max() <= 1e-10
        (by_itself,) = drive_many([cell], [own], accuracy=tight, enough=[stop])
        assert found.stress.tobytes() == by_itself.stress.tobytes()
    lost = drive_many(blocks[:2], loads[:2], accuracy=Accuracy(newton=1))
    assert all(isinstance(one, MemberFailed) and "of it done" in str(one) for one in lost)
    with pytest.raises(StudyError, match="there is no load"):
        drive_many(blocks[:1], [[]])


def test_what_makes_no_sense_is_refused():
    blocks = cells()
    states = [one.virgin() for one in blocks]
    with pytest.raises(StudyError, match="one state and six numbers"):
        advance_many(blocks, states[:2], np.zeros((4, 6)), 1.0)
    other = replace(blocks[1], waves=2.0 * blocks[1].waves)
    with pytest.raises(StudyError, match="block 1 has"):
        advance_many([blocks[0], other], states[:2], np.zeros((2, 6)), 1.0)
    assert advance_many([], [], np.zeros((0, 6)), 1.0) == ()
