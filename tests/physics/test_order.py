"""Order as a law: blocks of any shape, what random means in a small block, wanted order, quasirandom cells."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from scipy import stats

from uqmsm.errors import StudyError
from uqmsm.physics.alloy import (
    arrange,
    block,
    configuration,
    neighbours,
    pair_counts,
    quasirandom,
    random_order,
    random_scatter,
    sites,
    warren_cowley,
)
from uqmsm.physics.dft.quasirandom import quasirandom as searched

SLIP = [[1, -1, 0], [1, 1, -2], [1, 1, 1]]


@pytest.mark.parametrize(
    ("lattice", "directions", "repeats", "atoms"),
    [
        ("fcc", SLIP, (2, 1, 1), 12),
        ("fcc", SLIP, (4, 2, 1), 48),
        ("bcc", [[1, 1, 1], [1, -1, 0], [1, 1, -2]], (4, 1, 2), 48),
        ("fcc", [[1, 1, 0], [1, 0, 1], [0, 1, 1]], (3, 3, 3), 0),  # left-handed
        ("fcc", [[1, 1, 0], [0, 1, 1], [1, 0, 1]], (2, 3, 4), 24),  # primitive vectors
    ],
)
def test_blocks_of_any_orientation_hold_the_lattice(lattice, directions, repeats, atoms):
    if atoms == 0:
        with pytest.raises(StudyError, match="right-handed"):
            block(lattice, directions, repeats)
        return
    vectors = block(lattice, directions, repeats)
    spots = sites(lattice, vectors)
    assert len(spots) == atoms
    assert np.cross(vectors, np.array(directions, dtype=float)) == pytest.approx(0.0)  # edges along their directions
    # each site has the neighbours of the infinite lattice, found here by brute force over images
    grid = np.stack(np.meshgrid(*[np.arange(-4, 5)] * 3, indexing="ij"), axis=-1).reshape(-1, 3) @ vectors
    far = (spots @ vectors)[:, None, None, :] + grid[None, None] - (spots @ vectors)[None, :, None, :]
    squared = np.rint((far**2).sum(axis=-1) * 4).astype(int)
    for table, q in zip(neighbours(vectors, lattice, 3), {"fcc": (2, 4, 6), "bcc": (3, 4, 8)}[lattice], strict=True):
        met = (squared == q).sum(axis=2)  # how often j lies so far from i
        counted = np.array([np.bincount(row, minlength=atoms) for row in table])
        assert np.array_equal(met, counted)


def test_order_does_not_know_how_the_block_is_cut():
    """L1_2 by its own rule, corners against faces, in blocks along <110>, <112> and <111>."""
    vectors = block("fcc", SLIP, (2, 2, 2))
    half = np.rint(sites("fcc", vectors) @ vectors * 2).astype(int)
    corner = (half % 2 == 0).all(axis=1)
    assert corner.mean() == 0.25
    order = warren_cowley(np.where(corner, 0, 1), vectors, "fcc", 2, 2)
    assert order[:, 0, 1] == pytest.approx([-1.0 / 3.0, 1.0])
    assert order[:, 1, 1] == pytest.approx([1.0 / 9.0, -1.0 / 3.0])


@pytest.mark.parametrize(("lattice", "cells"), [("fcc", (2, 1, 1)), ("bcc", (2, 1, 1)), ("fcc", (1, 1, 1))])
def test_random_arrangements_have_exactly_the_order_of_the_finite_size_law(lattice, cells):
    """All arrangements of a small block, some of whose shells lead home: the mean is exact, not sampled."""
    n = len(sites(lattice, cells))
    kinds = np.repeat([0, 1, 2], [n - n // 2 - n // 4, n // 2, n // 4])
    every = set(permutations(kinds.tolist())) if n <= 8 else set()
    mean = np.mean([warren_cowley(np.array(one), cells, lattice, 3, 4) for one in every], axis=0)
    told = random_order(np.bincount(kinds, minlength=3), cells, lattice, 4)
    assert np.allclose(mean, told, atol=1e-12, equal_nan=True)
    against = np.mean([warren_cowley(np.array(one), cells, lattice, 3, 4, against="block") for one in every], axis=0)
    defined = np.isfinite(against)
    assert np.abs(against[defined]).max(initial=0.0) < 1e-12
    assert np.nanmax(np.abs(told)) > 0.05  # negative control: measured against the infinite lattice, random is not zero


def test_the_law_is_minus_one_over_n_minus_one_in_large_blocks():
    told = random_order([64, 64], (4, 4, 4), "bcc")
    assert told[:, 0, 1] == pytest.approx(-1.0 / 127.0)
    assert told[:, 0, 0] == pytest.approx(1.0 / 127.0)


def test_the_scatter_of_random_order_falls_with_bonds():
    # 400 blocks: (n - 1) s^2 / sigma^2 is chi-square to first order; false alarm 1e-4 over 12 numbers, two-sided
    cells, shares = (5, 5, 5), np.array([0.5, 0.3, 0.2])
    found = np.array(
        [
            warren_cowley(configuration(shares, cells, "fcc", np.random.default_rng((3, k))), cells, "fcc", 3, 2)
            for k in range(400)
        ]
    )
    ratio = found.var(axis=0, ddof=1) / random_scatter(shares, 500, "fcc", 2) ** 2
    low, high = stats.chi2.ppf([5e-6, 1 - 5e-6], 399) / 399
    assert ((ratio > 0.97 * low) & (ratio < 1.03 * high)).all()
    assert (found.var(axis=0) / random_scatter(shares, 250, "fcc", 2) ** 2 < low).all()  # control: half the bonds


def test_wanted_order_is_met_and_the_rest_stays_random():
    cells, third = (4, 4, 4), (1 / 3, 1 / 3, 1 / 3)
    wanted = np.full((1, 3, 3), np.nan)
    wanted[0, 0, 0] = 0.3
    free = []
    for k in range(16):
        rest = arrange(third, cells, "fcc", wanted, np.random.default_rng((5, k)), spread=0.005)
        order = warren_cowley(rest.species, cells, "fcc", 3, 2)
        assert rest.worst < 0.025
        assert order[0, 0, 0] == pytest.approx(0.3, abs=0.025)
        free.append(order[:, 1, 2])
        assert sorted(np.bincount(rest.species)) == [85, 85, 86]
    # what is free: the first shell has to make up for the couple (0, 0), evenly on 1 and 2; the second has no wish
    mean, error = np.mean(free, axis=0), np.std(free, axis=0, ddof=1) / np.sqrt(16)
    even = warren_even(0.3)
    assert abs(mean[0] - even) < 4.5 * error[0] + 0.01
    assert abs(mean[0]) > 4.5 * error[0]


def warren_even(alpha):
    """alpha_12 when species 0 shuns itself by alpha and 1 and 2 share the loss alike, at c = 1/3 each.

    alpha_01 = alpha_02 = -alpha/2 by closure; then alpha_11 + alpha_12 = alpha/2, and nothing tells 1 from 2.
    """
    return alpha / 4


def test_order_from_the_law_is_reproducible_and_starts_random():
    wanted = np.zeros((1, 2, 2))
    one, two = (arrange((0.5, 0.5), (3, 3, 3), "bcc", wanted, np.random.default_rng(4)) for _ in range(2))
    assert np.array_equal(one.species, two.species)


@pytest.mark.parametrize(
    ("alpha", "words"),
    [(-3.5, "allow"), (1.5, "allow")],
)
def test_an_impossible_order_is_refused(alpha, words):
    wanted = np.full((1, 2, 2), np.nan)
    wanted[0, 0, 1] = wanted[0, 1, 0] = alpha
    with pytest.raises(StudyError, match=words):
        arrange((0.5, 0.5), (2, 2, 2), "bcc", wanted, np.random.default_rng(0))
    wanted[0] = [[0.5, 0.5], [0.5, 0.5]]
    with pytest.raises(StudyError, match="leave one couple free"):
        arrange((0.5, 0.5), (2, 2, 2), "bcc", wanted, np.random.default_rng(0))


def test_swaps_find_what_trying_everything_finds():
    """The search over every arrangement is another code (cells of electrons); in its best cell swaps do as well."""
    best = searched({"A": 4, "B": 4}, np.random.default_rng(0), lattice="fcc", shells=2)
    assert best.exhaustive
    found = quasirandom((0.5, 0.5), best.vectors, "fcc", np.random.default_rng(1), n_shells=2, starts=3, sweeps=200)
    swapped = warren_cowley(found.species, best.vectors, "fcc", 2, 2)
    weights = 1.0 / np.arange(1, 3) ** 2
    assert (swapped**2).mean(axis=(1, 2)) @ weights <= (best.alpha**2).mean(axis=(1, 2)) @ weights + 1e-12


def test_quasirandom_is_far_more_random_than_chance():
    cells, fifth = (4, 4, 4), (0.2,) * 5
    found = quasirandom(fifth, cells, "fcc", np.random.default_rng(2), starts=1, sweeps=200)
    order = warren_cowley(found.species, cells, "fcc", 5, 3)
    assert (np.sqrt((order**2).mean(axis=(1, 2))) < 0.25 * random_scatter(fifth, 256, "fcc").mean(axis=(1, 2))).all()
    assert pair_counts(found.species, neighbours(cells, "fcc", 1), 5).sum() == 256 * 12
