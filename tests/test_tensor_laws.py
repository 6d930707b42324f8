"""The law of a stiffness: positive definite draws that have the mean and the covariance asked for, in any axes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from uqmsm.errors import StudyError, Unstable
from uqmsm.physics.rve import homogenize_cubic, polycrystal, random_orientations
from uqmsm.physics.tensors import cubic_stiffness, rotate_stiffness, strain_rotation, voigt_to_mandel
from uqmsm.tensor_laws import LogNormalStiffness, log_components, stiffness_of_log
from uqmsm.uncertainty import Law

CRYSTAL = cubic_stiffness(196.0, 118.0, 129.0)


def law(seed=1, scale=0.05):
    root = scale * np.random.default_rng(seed).normal(size=(21, 21)) / np.sqrt(21)
    return LogNormalStiffness(log_components(CRYSTAL), root @ root.T)


def draws(of, count, seed):
    rng = np.random.default_rng(seed)
    return np.array([of.draw(rng) for _ in range(count)])


def far_from(components, of):
    """Return p-values: of the mean, and the least of the variances along 41 directions, all by chi-square."""
    count = len(components)
    root = np.linalg.cholesky(of.covariance)
    white = np.linalg.solve(root, (components - of.mean).T).T
    mean = stats.chi2.sf(count * np.sum(white.mean(axis=0) ** 2), 21)
    directions = np.linalg.qr(np.random.default_rng(0).normal(size=(21, 21)))[0]
    turned = np.concatenate([white @ directions.T, (white[:, :-1] + white[:, 1:]) / np.sqrt(2)], axis=1)
    sums = np.sum(turned**2, axis=0)
    tails = np.minimum(stats.chi2.sf(sums, count), stats.chi2.cdf(sums, count))
    return mean, 2 * tails.min()


def test_draws_have_the_mean_and_the_covariance():
    # 1 mean and 41 variances at 1e-8 each: a false alarm in fewer than 1e-6 of all streams.
    of = law()
    mean, spread = far_from(log_components(draws(of, 3000, 2)), of)
    assert min(mean, spread) > 1e-8


def test_draws_without_the_correlations_are_seen():
    of = law()
    bare = LogNormalStiffness(of.mean, np.diag(np.diag(of.covariance)))
    assert far_from(log_components(draws(bare, 3000, 2)), of)[1] < 1e-8
    off = LogNormalStiffness(of.mean + 0.2 * np.sqrt(np.diag(of.covariance)), of.covariance)
    assert far_from(log_components(draws(off, 3000, 2)), of)[0] < 1e-8


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.01, 3.0))
def test_every_draw_is_positive_definite(seed, scale):
    one = law(seed, scale).draw(np.random.default_rng(seed))
    assert np.array_equal(one, one.T)
    assert np.linalg.eigvalsh(voigt_to_mandel(one))[0] > 0
    assert stiffness_of_log(log_components(one)) == pytest.approx(one, rel=1e-9)


def test_the_law_does_not_depend_on_the_axes():
    turn = random_orientations(np.random.default_rng(3), 1)[0]
    sample = draws(law(), 60, 4)
    there = LogNormalStiffness.of_blocks(rotate_stiffness(sample, turn))
    here = LogNormalStiffness.of_blocks(sample)
    assert stiffness_of_log(there.mean) == pytest.approx(rotate_stiffness(stiffness_of_log(here.mean), turn), abs=1e-9)
    assert np.trace(there.covariance) == pytest.approx(np.trace(here.covariance), rel=1e-9)
    q = strain_rotation(turn)
    one, two = (rotate_stiffness(sample[0], turn), sample[0])
    assert voigt_to_mandel(one) == pytest.approx(q @ voigt_to_mandel(two) @ q.T, abs=1e-9)


def test_blocks_of_grains_are_drawn_again():
    blocks = []
    for k in range(60):
        made = polycrystal(np.random.default_rng([5, k]), np.random.default_rng([6, k]), 8, (8, 8, 8))
        found = homogenize_cubic(196.0, 118.0, 129.0, made.orientations, made.grain_ids, tolerance=1e-4)
        blocks.append(found.stiffness)
    blocks = np.array(blocks)
    of = LogNormalStiffness.of_blocks(blocks)
    again = of.of_normals(np.random.default_rng(7).normal(size=(4000, 21)))
    ses = blocks.std(axis=0) / np.sqrt(4000) + 1e-12
    # the mean of a lognormal exceeds the exponential of the mean logarithm by half the variance: kept, to second order
    assert np.abs(again.mean(axis=0) - blocks.mean(axis=0)).max() < 6 * ses.max()
    upper = np.triu_indices(6)
    ours, theirs = (np.cov(one[:, *upper].T) for one in (again, blocks))
    assert np.abs(ours - theirs).max() < 0.15 * theirs.max()
    # what cubic crystals cannot do, their blocks do not: the bulk modulus is the crystal's in every draw
    assert np.ptp(again[:, :3, :3].sum(axis=(1, 2))) < 0.02 * np.ptp(again[:, 3:, 3:].trace(axis1=1, axis2=2))


def test_places_do_not_depend_on_each_other_and_larger_volumes_scatter_less():
    of, normals = law(), np.random.default_rng(8).normal(size=(5, 21))
    assert of.of_normals(normals)[2].tobytes() == of.of_normals(normals[2]).tobytes()
    assert of.resized(4.0).covariance == pytest.approx(of.covariance / 4.0)
    assert isinstance(of, Law)
    used, plain = np.random.default_rng(9), np.random.default_rng(9)
    of.draw(used)
    plain.random(21)
    assert used.random() == plain.random()


def test_bad_input():
    of = law()
    with pytest.raises(StudyError, match="21 components"):
        LogNormalStiffness(np.zeros(6), np.eye(6))
    with pytest.raises(StudyError, match="negative eigenvalue"):
        LogNormalStiffness(of.mean, -np.eye(21))
    with pytest.raises(StudyError, match="at least 22"):
        LogNormalStiffness.of_blocks(draws(of, 21, 1))
    with pytest.raises(StudyError, match="must be positive"):
        of.resized(0.0)
    with pytest.raises(Unstable):
        log_components(-CRYSTAL)
