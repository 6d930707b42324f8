"""Random solid solutions: exact counts, common random numbers, and order parameters with known values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uqmsm.errors import StudyError
from uqmsm.physics.alloy import configuration, counts, sites, warren_cowley

weights = st.lists(st.floats(0.0, 1.0), min_size=1, max_size=6).filter(lambda w: sum(w) > 1e-3)


@settings(deadline=None)
@given(weights, st.integers(1, 2000))
def test_counts_are_exact_and_within_one_atom(shares, n_sites):
    fractions = np.array(shares) / sum(shares)
    numbers = counts(fractions, n_sites)
    assert numbers.sum() == n_sites
    assert (numbers >= 0).all()
    assert np.abs(numbers - fractions * n_sites).max() < 1.0 + 1e-6


@pytest.mark.parametrize(("lattice", "per_cell", "shell"), [("bcc", 2, np.sqrt(3) / 2), ("fcc", 4, np.sqrt(0.5))])
def test_sites_form_the_lattice(lattice, per_cell, shell):
    cells = (2, 3, 4)
    spots = sites(lattice, cells)
    assert spots.shape == (per_cell * 24, 3)
    assert ((spots >= 0) & (spots < 1)).all()
    gap = spots[:, None] - spots
    gap = (gap - np.rint(gap)) * cells
    distance = np.linalg.norm(gap, axis=-1) + 9.0 * np.eye(len(spots))
    assert distance.min() == pytest.approx(shell)


@settings(deadline=None)
@given(st.integers(0, 10**6), st.floats(0.0, 0.2))
def test_near_compositions_of_one_stream_share_their_ranks(seed, shift):
    one, two = np.array([0.25, 0.25, 0.25, 0.25]), np.array([0.25 + shift, 0.25, 0.25, 0.25 - shift])
    first, second = (configuration(c, (4, 4, 4), "bcc", np.random.default_rng(seed)) for c in (one, two))
    assert np.array_equal(np.bincount(second, minlength=4), counts(two, 128))
    # each of the three thresholds moves by shift * 128 ranks, and nothing else changes
    moved = abs(np.cumsum(counts(one, 128)) - np.cumsum(counts(two, 128))).sum()
    assert (first != second).sum() == moved
    assert np.array_equal(first, configuration(one, (4, 4, 4), "bcc", np.random.default_rng(seed)))


def test_another_stream_is_another_configuration():
    drawn = [configuration([0.5, 0.5], (4, 4, 4), "bcc", np.random.default_rng(s)) for s in (0, 1)]
    assert (drawn[0] != drawn[1]).mean() > 0.3


@pytest.mark.parametrize("cells", [(1, 1, 1), (2, 1, 3), (4, 4, 4)])
def test_order_of_b2_and_l12_in_blocks_of_any_size(cells):
    half = np.tile([0, 1], np.prod(cells))
    order = warren_cowley(half, cells, "bcc", 2, 3)
    # B2: neighbours unlike in the first shell, like in the second and third
    assert order[:, 0, 1] == pytest.approx([-1.0, 1.0, 1.0])
    assert order[:, 0, 0] == pytest.approx([1.0, -1.0, -1.0])
    quarter = np.tile([0, 1, 1, 1], np.prod(cells))
    order = warren_cowley(quarter, cells, "fcc", 2, 2)
    # L1_2: the minority has only majority atoms in the first shell and only itself in the second
    assert order[:, 0, 1] == pytest.approx([-1.0 / 3.0, 1.0])
    assert order[:, 0, 0] == pytest.approx([1.0, -3.0])
    assert order[:, 1, 1] == pytest.approx([1.0 / 9.0, -1.0 / 3.0])


@settings(deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["bcc", "fcc"]))
def test_order_parameters_are_symmetric_and_sum_to_zero(seed, lattice):
    cells = (2, 3, 2)
    species = configuration([0.5, 0.3, 0.2], cells, lattice, np.random.default_rng(seed))
    order = warren_cowley(species, cells, lattice, 3, 4)
    share = np.bincount(species, minlength=3) / len(species)
    assert np.abs(order - order.transpose(0, 2, 1)).max() < 1e-12
    assert np.abs(order @ share).max() < 1e-12


def test_random_alloys_have_no_order_on_average():
    # 200 blocks of 128 atoms; the band is 4.5 standard errors of the sample mean, false alarm below 1e-4 over 3 shells.
    cells, half = (4, 4, 4), [0.5, 0.5]

    def judged(draw):
        found = np.array(
            [warren_cowley(draw(np.random.default_rng((7, k))), cells, "bcc", 2)[:, 0, 1] for k in range(200)]
        )
        expected = 1.0 - (64 / 127) / 0.5  # drawn without replacement: P(b | a) = 64/127
        return np.abs(found.mean(axis=0) - expected) / (found.std(axis=0, ddof=1) / np.sqrt(200))

    assert (judged(lambda rng: configuration(half, cells, "bcc", rng)) < 4.5).all()
    # negative control: sublattices that prefer a species by 60 to 40 are seen in every shell
    biased = np.tile([0.6, 0.4], 64)
    assert (judged(lambda rng: (rng.random(128) > biased).astype(int)) > 4.5).all()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: sites("hcp", (1, 1, 1)), "bcc, fcc"),
        (lambda: sites("bcc", (0, 1, 1)), "positive whole"),
        (lambda: counts([0.5, 0.6], 10), "sum to 1"),
        (lambda: counts([-0.1, 1.1], 10), "not negative"),
    ],
)
def test_bad_input_is_refused_in_words(call, words):
    with pytest.raises(StudyError, match=words):
        call()
