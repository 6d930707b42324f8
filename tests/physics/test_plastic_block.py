"""Blocks beyond their elastic limit: exact cases, rates of convergence, work between the scales, replay."""

from __future__ import annotations

import itertools
import pickle
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import root

from uqmsm.errors import MemberFailed, StudyError
from uqmsm.physics.rve import homogenize, homogenize_cubic, polycrystal
from uqmsm.physics.rve.arrays import array_balance
from uqmsm.physics.rve.cell import Medium
from uqmsm.physics.rve.equilibrium import Balance, MeanControl
from uqmsm.physics.rve.plastic import (
    Accuracy,
    Control,
    Load,
    Slip,
    advance,
    block,
    crystals,
    drive,
    equilibrate,
    macro_tangent,
    proportional,
    von_mises,
)
from uqmsm.physics.rve.plastic.replay import localise, localise_loads, read_fields, write_fields
from uqmsm.physics.rve.slip import Interaction
from uqmsm.physics.tensors import cubic_stiffness, mandel_to_voigt, voigt_to_mandel

CANTOR_LIKE = (196.0, 118.0, 129.0)
IN625_LIKE = {
    "resistance_MPa": 143.5,
    "saturation_MPa": 470.0,
    "hardening_MPa": 1120.0,
    "exponent": 40.0,
    "reference_rate_per_s": 2e-4,
    "interaction": Interaction(1.0, 1.0, 5.123, 0.574, 1.123, 1.0),
}
X = np.eye(6)[0]
SHEARED = np.array([1.0, -0.3, -0.4, 0.2, 0.1, -0.3])


def grains(edge=6, count=12, **changes):
    made = polycrystal(np.random.default_rng(1), np.random.default_rng(2), count, (edge,) * 3)
    law = crystals(cubic_stiffness(*CANTOR_LIKE), made.orientations, Slip(**(IN625_LIKE | changes)))
    return made, law


def strained(cell, steps=4, step=1e-3):
    """Return the end of a history of mean strains that has yielded."""
    state = cell.virgin()
    for _ in range(steps):
        end = advance(cell, state, step * SHEARED, 1.0)
        state = end.state
    return end


@pytest.mark.parametrize("scheme", ["rotated", "fourier"])
def test_below_the_elastic_limit_it_is_the_linear_solver(scheme):
    made, law = grains(resistance_MPa=1e6, saturation_MPa=1e6, hardening_MPa=0.0)
    cell = block(made.grain_ids, law, scheme=scheme)
    end = advance(cell, cell.virgin(), 1e-3 * SHEARED, 1.0)
    table = mandel_to_voigt(law.stiffness_MPa / 1e3)
    linear = voigt_to_mandel(homogenize(table, made.grain_ids, scheme=scheme, tolerance=1e-8).stiffness) * 1e3
    assert end.mean_stress == pytest.approx(linear @ (1e-3 * SHEARED), rel=1e-7, abs=1e-7)
    assert macro_tangent(cell, end.tangent, tolerance=1e-9) == pytest.approx(linear, rel=1e-7, abs=1e-2)


def order_of_newton(cell, state):
    """Return the slope of log residual after a Newton step against the one before, over steps of many sizes."""
    still = replace(state, rate=np.zeros_like(state.rate))
    pairs = []
    for step in (0.5e-3, 1e-3, 2e-3, 4e-3):
        sharp = Accuracy(residual=1e-12, hill_mandel=1.0, forcing=1e-10, newton=60)
        rests = equilibrate(cell, still, step * SHEARED, 1e3 * step, accuracy=sharp).residuals
        # neither far away nor rounding
        pairs += [(one, two) for one, two in itertools.pairwise(rests) if one < 2e-3 and two > 2e-12]
    before, after = np.log(np.array(pairs)).T
    return np.polyfit(before, after, 1)[0]


def test_newtons_method_is_quadratic_for_crystals():
    made, law = grains()
    cell = block(made.grain_ids, law)
    assert order_of_newton(cell, strained(cell, 6).state) >= 1.8


def test_newtons_method_is_quadratic_for_von_mises_and_not_with_another_tangent():
    made, _ = grains()
    law = von_mises(
        np.full(12, 150.0), np.linspace(40.0, 90.0, 12), np.linspace(150.0, 300.0, 12), hardening_MPa=5000.0
    )
    cell = block(made.grain_ids, law)
    state = strained(cell, 6).state
    assert order_of_newton(cell, state) >= 1.8

    class Stiffer:
        """The same law, which tells Newton's method a tangent one fifth stiffer."""

        def __getattr__(self, name):
            return getattr(law, name)

        def update(self, strain, ids, step_s, memory, answer, planes, failed):
            law.update(strain, ids, step_s, memory, answer, planes, failed)
            answer[1][planes[0] : planes[1]] *= 1.2

    assert order_of_newton(replace(cell, law=Stiffer()), state) < 1.2


def test_the_tangent_of_the_block_is_the_derivative_of_its_stress():
    made, law = grains(4, 6)
    cell = block(made.grain_ids, law)
    state = strained(cell, 3).state
    sharp = Accuracy(residual=1e-12, hill_mandel=1.0)
    middle = equilibrate(cell, state, 1e-3 * SHEARED, 1.0, accuracy=sharp)
    tangent = macro_tangent(cell, middle.tangent, tolerance=1e-10)
    for column in (0, 4):
        shift = 1e-7 * np.eye(6)[column]
        up, down = (
            equilibrate(cell, state, 1e-3 * SHEARED + one, 1.0, accuracy=sharp).mean_stress for one in (shift, -shift)
        )
        assert (up - down) / 2e-7 == pytest.approx(tangent[:, column], abs=2e-5 * tangent.max())
    assert (
        np.abs(
            tangent - voigt_to_mandel(homogenize_cubic(*CANTOR_LIKE, made.orientations, made.grain_ids).stiffness) * 1e3
        ).max()
        > 1e4
    )


def layer_stress(strain, bulk, shear, bound, slope):
    """Return the radial return of one von Mises layer from the virgin state, Mandel, written anew."""
    deviator = strain - np.array([1.0, 1.0, 1.0, 0.0, 0.0, 0.0]) * strain[:3].mean()
    trial = 2.0 * shear * np.sqrt(1.5) * np.linalg.norm(deviator)
    flow = (trial * slope + 3.0 * shear * bound) / (3.0 * shear + slope) if trial > bound else trial
    return 2.0 * shear * (flow / trial) * deviator + bulk * strain[:3].sum() * np.array([1.0, 1, 1, 0, 0, 0])


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_layers_of_von_mises_solids_are_exact(axis):
    bulk, shear = np.array([150e3, 60e3, 90e3]), np.array([80e3, 30e3, 50e3])
    bound, slope = np.array([400.0, 120.0, 200.0]), np.array([2e3, 500.0, 1e3])
    profile, shape = np.array([0, 1, 1, 2, 0, 2, 1]), [2, 3, 2]
    shape[axis] = 7
    along = [1, 1, 1]
    along[axis] = 7
    law = von_mises(bulk / 1e3, shear / 1e3, bound, hardening_MPa=slope)
    cell = block(np.broadcast_to(profile.reshape(along), shape), law)
    mean = np.array([4e-3, -1e-3, -2e-3, 1e-3, 0.5e-3, 2e-3])
    end = advance(cell, cell.virgin(), mean, 1.0)
    share = np.bincount(profile) / 7
    across = {0: [0, 5, 4], 1: [1, 5, 3], 2: [2, 4, 3]}[axis]

    def unbalanced(x):
        """Return what the jumps of strain across the layers leave of traction jumps and of the mean strain."""
        strain = np.tile(mean, (3, 1))
        strain[:, across] += x.reshape(3, 3)
        stress = np.array([layer_stress(*one) for one in zip(strain, bulk, shear, bound, slope, strict=True)])
        pulls = stress[:, across]
        return np.concatenate([(pulls[1:] - pulls[0]).ravel() / 1e5, share @ x.reshape(3, 3)]), share @ stress

    other = root(lambda x: unbalanced(x)[0], np.zeros(9), tol=1e-14)
    assert np.abs(other.fun).max() < 1e-12
    assert end.mean_stress == pytest.approx(unbalanced(other.x)[1], rel=1e-7, abs=1e-6)
    # the strain takes one step whose path is not proportional in each layer, as the oracle does
    assert (end.state.memory[..., -1] > 1e-4).mean() > 0.4


def test_the_linear_problem_is_that_of_the_balance_of_forces():
    made, _ = grains()
    law = von_mises(np.full(12, 150.0), np.linspace(40.0, 90.0, 12), np.linspace(100.0, 200.0, 12), hardening_MPa=900.0)
    cell = block(made.grain_ids, law)
    end = strained(cell, 3)
    free = np.eye(6)[:, 1:]
    stress = end.state.stress
    operators = cell.operators(None)
    compiled = Balance(operators, cell.bulk_MPa, cell.shear_MPa, free)
    move, reached, _ = compiled.solve(compiled.lack(stress), operators.tangent(end.tangent), tolerance=1e-9)
    assert reached <= 1e-9
    mine = operators.strain(move.field, move.mean)
    balance = array_balance((6, 6, 6), Medium(cell.bulk_MPa, cell.shear_MPa))
    driven = np.array([False, True, True, True, True, True])
    other = balance.correct(
        lambda strain: np.einsum("xyzab,bxyz->axyz", end.tangent, strain),
        stress,
        MeanControl(np.zeros(6), np.zeros(6), driven),
        tolerance=1e-9,
    )
    assert mine == pytest.approx(np.asarray(other.strain), abs=1e-7 * np.abs(mine).max())


def test_uniaxial_stress_has_no_stress_beside():
    made, law = grains()
    cell = block(made.grain_ids, law)
    history = drive(cell, proportional(X, np.linspace(0.0, 6e-3, 9)[1:], 1e-3))
    assert np.abs(history.stress[:, 1:]).max() < 1e-6 * history.stress[-1, 0]
    assert history.strain[:, 0] == pytest.approx(np.linspace(0.0, 6e-3, 9)[1:], rel=1e-12)
    assert np.all(np.diff(history.stress[:, 0]) > 0.0)
    assert history.hill_mandel_gap.max() <= 1e-10
    # any other direction of stress is kept as well
    aside = drive(cell, proportional(SHEARED, np.linspace(0.0, 4e-3, 5)[1:], 1e-3))
    unit = SHEARED / np.linalg.norm(SHEARED)
    off = aside.stress - np.outer(aside.stress @ unit, unit)
    assert np.abs(off).max() < 1e-6 * np.abs(aside.stress).max()


def test_a_block_at_rest_is_brought_to_a_stress():
    made, law = grains()
    cell = block(made.grain_ids, law)
    wanted = np.array([60.0, 0.0, -20.0, 0.0, 15.0, 0.0])
    end = equilibrate(cell, cell.virgin(), np.zeros(6), 1.0, control=Control(np.eye(6), wanted))
    assert end.mean_stress == pytest.approx(wanted, abs=1e-6)
    assert end.mean_strain[0] > 1e-4


def test_work_of_every_increment_is_conserved_and_a_gap_is_a_failure():
    made, law = grains()
    cell = block(made.grain_ids, law)
    state, micro, macro = cell.virgin(), 0.0, 0.0
    for _ in range(5):
        end = advance(cell, state, 1e-3 * SHEARED, 1.0)
        change = end.state.strain - state.strain
        micro += float((end.state.stress * change).sum(axis=0).mean())
        macro += float(end.mean_stress @ (1e-3 * SHEARED))
        assert end.hill_mandel_gap <= 1e-10
        state = end.state
    assert micro == pytest.approx(macro, rel=1e-9)
    with pytest.raises(MemberFailed, match="out of balance"):
        equilibrate(cell, state, 1e-3 * SHEARED, 1.0, accuracy=Accuracy(hill_mandel=-1.0, newton=6))
    # a field out of balance is seen: a tenth of the accuracy leaves a gap well above the one accepted
    loose = equilibrate(cell, state, 1e-3 * SHEARED, 1.0, accuracy=Accuracy(residual=1e-3, hill_mandel=1.0))
    assert loose.hill_mandel_gap > 1e-9


def test_a_step_changes_nothing_in_place_and_can_be_sent():
    made, law = grains(5, 8)
    cell = block(made.grain_ids, law)
    state = strained(cell, 2).state
    packed = pickle.dumps((cell, state))
    first = advance(cell, state, 1e-3 * SHEARED, 1.0)
    assert pickle.dumps((cell, state)) == packed
    again = advance(*pickle.loads(packed), 1e-3 * SHEARED, 1.0)  # noqa: S301  # our own bytes
    for name in ("strain", "stress", "memory", "rate"):
        assert getattr(first.state, name).tobytes() == getattr(again.state, name).tobytes()
    assert first.tangent.tobytes() == again.tangent.tobytes()


@pytest.mark.parametrize("workers", [2, 3])
def test_the_number_of_threads_leaves_no_trace(workers):
    made, law = grains(5, 8)
    alone, together = (strained(block(made.grain_ids, law, workers=one), 3) for one in (1, workers))
    assert alone.state.memory.tobytes() == together.state.memory.tobytes()
    assert alone.mean_stress.tobytes() == together.mean_stress.tobytes()


def test_what_does_not_converge_is_cut_and_in_the_end_told():
    made, law = grains(4, 6, exponent=100.0)
    cell = block(made.grain_ids, law)
    tight = Accuracy(newton=5)
    history = drive(cell, [Load(1e-2 * SHEARED, 1.0)], accuracy=tight)
    assert len(history.taken) > 1
    assert sum(one.step_s for one in history.taken) == pytest.approx(1.0)
    assert history.strain[-1] == pytest.approx(1e-2 * SHEARED, rel=1e-12)
    with pytest.raises(MemberFailed, match=r"load 0, 0\.000 of it done.*take smaller steps"):
        drive(cell, [Load(1e-2 * SHEARED, 1.0)], accuracy=Accuracy(newton=1))


def test_fields_of_a_member_come_back_bit_for_bit(tmp_path):
    made, law = grains(5, 8)
    cell = block(made.grain_ids, law)
    stored = drive(cell, proportional(X, np.linspace(0.0, 8e-3, 5)[1:], 1e-3))
    fields = localise_loads(cell, stored.taken, keep=(1, -1))
    last = stored.last.state
    assert fields.strain[-1].tobytes() == last.strain.tobytes()
    assert fields.stress[-1].tobytes() == last.stress.tobytes()
    assert fields.slip[-1].tobytes() == np.ascontiguousarray(last.memory[..., -1]).tobytes()
    write_fields(tmp_path / "point.npz", fields)
    read = read_fields(tmp_path / "point.npz")
    assert read.stress.tobytes() == fields.stress.tobytes()
    # the mean strains of that history, given to another block of the same grains, lead to the same fields
    times = np.cumsum([one.step_s for one in stored.taken])
    again = localise(cell, times, stored.strain, keep=range(len(times)))
    assert again.strain.mean(axis=(2, 3, 4)) == pytest.approx(stored.strain, rel=1e-12, abs=1e-15)
    assert again.mean_stress == pytest.approx(stored.stress, abs=1e-4)
    assert again.stress[-1] == pytest.approx(last.stress, abs=1e-2)
    assert again.hill_mandel_gap.max() <= 1e-10


def test_what_makes_no_sense_is_refused():
    made, law = grains(4, 6)
    with pytest.raises(StudyError, match="has 6 grains"):
        block(made.grain_ids + 3, law)
    with pytest.raises(StudyError, match="three axes"):
        block(made.grain_ids[0], law)
    with pytest.raises(StudyError, match="at least one thread"):
        block(made.grain_ids, law, workers=0)
    cell = block(made.grain_ids, law)
    with pytest.raises(StudyError, match="not all zero"):
        list(proportional(np.zeros(6), np.ones(1), 1.0))
    with pytest.raises(StudyError, match="there is no load"):
        drive(cell, [])
    with pytest.raises(StudyError, match="increase"):
        localise(cell, np.array([1.0, 1.0]), np.zeros((2, 6)))
