"""One step of the sparse model: against a dense second implementation, and against what cannot depend on anything."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phasefield_reference import ball, dense_energy, dense_step

from uqmsm.errors import StudyError
from uqmsm.physics.phasefield import GrainField, GrainGrowth, StepControl, energy, voronoi_ids

WIDTH = 5.0


def grown(shape, grains, seed=1, steps=30, **settings):
    growth = GrainGrowth(
        GrainField.from_ids(voronoi_ids(np.random.default_rng(seed), grains, shape)), WIDTH, **settings
    )
    growth.diffuse()
    for _ in range(steps):
        growth.advance()
    return growth


@pytest.mark.parametrize(
    ("shape", "grains"),
    # rows of whole eights, of eights and a rest, and of a rest alone
    [
        ((40, 37), 12),
        ((24, 33), 30),
        ((20, 32), 20),
        ((18, 17, 19), 14),
        ((12, 14, 13), 40),
        ((11, 9, 16), 30),
        ((9, 9, 7), 9),
    ],
)
def test_the_sparse_step_equals_the_dense_one(shape, grains):
    growth = grown(shape, grains, steps=5)
    dense = growth.grains.dense(grains)
    for _ in range(25):
        step = growth.advance()
        dense = dense_step(dense, step, WIDTH, growth.epsilon)
    assert growth.grains.dense(grains) == pytest.approx(dense, abs=1e-12)
    assert np.array_equal(growth.grains.dense(grains) > 0, dense > 0)
    assert energy(growth) == pytest.approx(dense_energy(dense, WIDTH), rel=1e-12)


def test_crowded_voxels_keep_the_eight_largest():
    """The grids above contain voxels where more than eight grains qualify, or that rule was not tested."""
    growth = grown((12, 14, 13), 40, steps=5)
    assert growth.grains.counts.max() == 8
    dense = growth.grains.dense(40)
    total = sum(np.roll(dense, s, a) for a in (1, 2, 3) for s in (-1, 1))
    assert np.count_nonzero(dense + total >= growth.epsilon, axis=0).max() > 8


def test_another_model_would_be_noticed():
    growth = grown((40, 37), 12, steps=5)
    dense = growth.grains.dense(12)
    step = growth.advance()
    wrong = dense_step(dense, step, WIDTH, growth.epsilon, gamma=1.5 + 1e-9)
    assert np.abs(growth.grains.dense(12) - wrong).max() > 1e-12


@pytest.mark.parametrize("shape", [(40, 37), (16, 17, 18)])
def test_numbers_of_grains_do_not_matter_to_the_last_bit(shape):
    ids = voronoi_ids(np.random.default_rng(4), 25, shape)
    names = np.random.default_rng(5).permutation(10**6)[:25]
    runs = [GrainGrowth(GrainField.from_ids(one), WIDTH) for one in (ids, names[ids])]
    for run in runs:
        run.diffuse()
        for _ in range(40):
            run.advance()
    assert np.array_equal(runs[0].grains.values, runs[1].grains.values)
    used = runs[0].grains.ids >= 0
    assert np.array_equal(names[runs[0].grains.ids[used]], runs[1].grains.ids[used])
    assert runs[0].time == runs[1].time


@pytest.mark.parametrize(("shape", "shift"), [((40, 37), (11, 22)), ((16, 17, 18), (5, 9, 13))])
def test_the_origin_does_not_matter_to_the_last_bit(shape, shift):
    ids = voronoi_ids(np.random.default_rng(6), 25, shape)
    axes = tuple(range(len(shape)))
    runs = [GrainGrowth(GrainField.from_ids(one), WIDTH) for one in (ids, np.roll(ids, shift, axes))]
    for run in runs:
        run.diffuse()
        for _ in range(40):
            run.advance(0.01)  # steps of one size: the sum that chooses a step runs in another order
    assert np.array_equal(
        np.roll(runs[0].grains.dense(25), (0, *shift), (0, *(a + 1 for a in axes))), runs[1].grains.dense(25)
    )


@pytest.mark.parametrize("shape", [(64, 50), (40, 64)])
def test_threads_do_not_matter_to_the_last_bit(shape):
    one, two = (grown(shape, 40, threads=threads) for threads in (1, 2))
    assert one.checkpoint() == two.checkpoint()


def test_the_insides_of_grains_are_not_visited():
    growth = GrainGrowth(GrainField.from_dense(ball((200, 200), 60, WIDTH)), WIDTH)
    growth.advance()
    growth.advance()
    growth.advance()
    visited = growth._row_sums[:, 3].sum()
    # a band of the circumference times eight or so widths of a tanh tail, and nothing else
    assert visited < 2 * np.pi * 60 * 6 * WIDTH
    assert growth.grains.values[0, 0] == 1.0


def test_skipping_changes_nothing():
    growth = grown((60, 60), 10, steps=20)
    every = GrainGrowth(growth.grains.copy(), WIDTH)
    for _ in range(20):
        growth.advance(0.01)
        every._flags[0][:, :60] = 1
        every.advance(0.01)
    assert np.array_equal(growth.grains.dense(10), every.grains.dense(10))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 60), st.booleans())
def test_order_parameters_stay_between_zero_and_one_and_energy_falls(seed, grains, solid):
    shape = (10, 11, 12) if solid else (31, 30)
    control = StepControl(first=1.0)  # the largest steps there are, from the start
    growth = GrainGrowth(
        GrainField.from_ids(voronoi_ids(np.random.default_rng(seed), grains, shape)), WIDTH, control=control
    )
    before = energy(growth)
    for _ in range(40):
        growth.advance()
        after = energy(growth)
        assert after <= before * (1 + 1e-12)
        before = after
    assert growth.grains.values.min() >= 0.0
    assert growth.grains.values.max() <= 1.0


def test_a_larger_step_is_refused():
    growth = grown((20, 20), 4, steps=1)
    with pytest.raises(StudyError, match="stability"):
        growth.advance(1.01 * growth.largest_step)


def test_a_checkpoint_goes_on_bit_for_bit():
    growth = grown((40, 37), 12)
    blob = growth.checkpoint()
    other = grown((40, 37), 5, seed=9, steps=3)
    other.resume(blob)
    for one in (growth, other):
        one.run(growth.time + 1.0 if one is growth else growth.time)
    assert other.checkpoint() == growth.checkpoint()
    with pytest.raises(StudyError, match="checkpoint"):
        grown((30, 30), 5, steps=0).resume(blob)


def test_stopping_on_the_way_changes_the_path_by_less_than_the_error():
    straight, stopped = (grown((60, 60), 14, steps=0) for _ in range(2))
    straight.run(3.0)
    times = [one.time for one in stopped.visit([0.7, 1.9, 3.0])]
    assert times == pytest.approx([0.7, 1.9, 3.0])
    falls = [energy(one) for one in (straight, stopped)]
    start = energy(grown((60, 60), 14, steps=0))
    assert abs(falls[0] - falls[1]) < straight.rate_error * (start - falls[0])


def test_the_error_estimate_bounds_the_error_of_time_stepping():
    """Against steps ten times smaller: the energy released, whose rate is what the estimate speaks of."""
    start = grown((60, 60), 10, steps=40)
    fallen, bound = [], 0.0
    for divisor in (1, 10):
        run = GrainGrowth(start.grains.copy(), WIDTH, control=StepControl(first=1.0 / divisor, growth=1.0))
        before = energy(run)
        while run.time < 3.0:
            run.advance(run.largest_step / divisor)
        fallen.append((before - energy(run)) / run.time)
        bound = bound or run.rate_error
    error = abs(fallen[0] / fallen[1] - 1)
    assert 1e-6 < error < bound < 0.1


def test_dense_fields_come_back():
    values = ball((30, 31, 32), 8, WIDTH)
    assert np.array_equal(GrainField.from_dense(values).dense(2), values)
    crowd = np.full((9, 4, 4), 0.1)
    with pytest.raises(StudyError, match="between 9 and 9"):
        GrainField.from_dense(crowd)
    for bad in (np.zeros((2, 8), int), np.zeros((8,), int), np.full((4, 4), -1)):
        with pytest.raises(StudyError, match="GrainField"):
            GrainField.from_ids(bad)


def test_bad_settings_are_refused():
    grains = GrainField.from_ids(np.zeros((8, 8), int))
    for width, epsilon in itertools.product((2.0, WIDTH), (0.0, 0.2)):
        with pytest.raises(StudyError, match="GrainGrowth"):
            GrainGrowth(grains, width, epsilon=epsilon)
