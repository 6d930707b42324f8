"""sqsgenerator as a second implementation: it counts pairs as we do, and its shuffles find nothing more random."""

from __future__ import annotations

import numpy as np
import pytest

from uqmsm.physics.alloy import configuration, quasirandom, sites, warren_cowley

theirs = pytest.importorskip("sqsgenerator")  # wheels of the extra ``test`` for Linux

FOUR = ("Mo", "Nb", "Ta", "W")
SHELLS = 3
WEIGHTS = 1.0 / np.arange(1, SHELLS + 1) ** 2


def shuffled(symbols, counts, lattice, cells, iterations, seed):
    """Return the best of many shuffles, and its order by shell and couple as sqsgenerator says it."""
    places = sites(lattice, cells)
    asked = {
        "structure": {
            "lattice": np.diag(3.2 * np.array(cells)).tolist(),
            "coords": places.tolist(),
            "species": [symbols[0]] * len(places),
        },
        "composition": dict(zip(symbols, counts, strict=True)),
        "iteration_mode": "random",
        "iterations": iterations,
        "seed": seed,
        "shell_weights": {s + 1: float(w) for s, w in enumerate(WEIGHTS)},
        "thread_config": 1,
        "prec": "double",
    }
    best = theirs.optimize(theirs.parse_config(asked)).best()
    found = best.structure()
    assert np.allclose(np.asarray(found.frac_coords), places), "sites stay in our order"
    species = np.array([symbols.index(atom.symbol) for atom in found.atoms])
    order = np.zeros((SHELLS, len(symbols), len(symbols)))
    numbers = {theirs.Atom.from_symbol(symbol).z: k for k, symbol in enumerate(symbols)}
    for s in range(SHELLS):
        for one in best.sro(s + 1):
            i, j = sorted((numbers[int(str(one.i))], numbers[int(str(one.j))]))
            order[s, i, j] = one.value
    return species, order


def roughness(species, kinds, lattice, cells):
    order = warren_cowley(species, cells, lattice, kinds, SHELLS)
    return float(np.sqrt((order**2).mean(axis=(1, 2))) @ WEIGHTS)


@pytest.mark.parametrize(("lattice", "cells"), [("bcc", (4, 4, 4)), ("fcc", (3, 3, 3))])
def test_couples_are_counted_alike(lattice, cells):
    """Unlike couples: 1 - P(j | i) / c_j in both; of like ones they count each pair once, and mean another number."""
    n = len(sites(lattice, cells))
    counts = [n // 2, n // 4, n // 8, n - n // 2 - n // 4 - n // 8]
    species, order = shuffled(FOUR, counts, lattice, cells, 200, 3)
    ours = warren_cowley(species, cells, lattice, 4, SHELLS)
    above = np.triu_indices(4, 1)
    assert ours[:, *above] == pytest.approx(order[:, *above], abs=1e-9)
    other = configuration(np.array(counts) / n, cells, lattice, np.random.default_rng(1))  # negative control
    assert not np.allclose(warren_cowley(other, cells, lattice, 4, SHELLS)[:, *above], order[:, *above], atol=0.02)


def test_swaps_leave_less_order_than_a_hundred_thousand_shuffles():
    cells, fourth = (4, 4, 4), (0.25,) * 4
    mine = quasirandom(fourth, cells, "bcc", np.random.default_rng(2), starts=1, sweeps=200)
    species, _ = shuffled(FOUR, [32] * 4, "bcc", cells, 100_000, 5)
    chance = configuration(fourth, cells, "bcc", np.random.default_rng(3))
    found, peer, random = (roughness(one, 4, "bcc", cells) for one in (mine.species, species, chance))
    assert found < 0.5 * peer < 0.5 * random
