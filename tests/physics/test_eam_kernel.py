"""Energies, forces and virials of the in-house kernel against LAMMPS, ASE, finite differences and exact laws."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lammps_oracle import Oracle

from uqmsm.errors import StudyError
from uqmsm.physics.alloy import configuration, sites
from uqmsm.physics.atomistic.eam import evaluate
from uqmsm.physics.atomistic.neighbours import half_list
from uqmsm.physics.atomistic.relax import strain_matrix
from uqmsm.physics.atomistic.splines import interpolate
from uqmsm.physics.potential import tabulated, zhou

ELEMENTS = ["Mo", "Nb", "Ta", "W"]
TABLES = tabulated.tabulate(zhou.published(ELEMENTS))
POTENTIAL = interpolate(TABLES)


def random_alloy(cells, seed, *, spread_A=0.1, tilt=0.0, lattice="bcc", a_A=3.22):
    rng = np.random.default_rng(seed)
    species = configuration(np.full(4, 0.25), cells, lattice, rng)
    cell = np.diag(a_A * np.array(cells, dtype=float)) @ (np.eye(3) + tilt * np.tril(rng.uniform(-1, 1, (3, 3)), -1))
    positions = sites(lattice, cells) @ cell + rng.normal(scale=spread_A, size=(len(species), 3))
    return species, positions, cell


def evaluated(species, positions, cell, potential=POTENTIAL, skin_A=0.3):
    return evaluate(potential, species, positions, cell, half_list(positions, cell, potential.cutoff, skin_A))


@pytest.mark.parametrize("style", ["eam/alloy", "eam/alloy/opt"])
@pytest.mark.parametrize(
    ("cells", "tilt", "spread_A"),
    [((5, 5, 5), 0.0, 0.05), ((4, 5, 6), 0.1, 0.15), ((2, 2, 3), 0.05, 0.1)],
    ids=["cubic", "tilted", "smaller than the cutoff"],
)
def test_same_table_same_answer_as_lammps(tmp_path, style, cells, tilt, spread_A):
    tabulated.write_setfl(TABLES, tmp_path / "alloy.eam")
    species, positions, cell = random_alloy(cells, 11, spread_A=spread_A, tilt=tilt)
    ours = evaluated(species, positions, cell)
    theirs = Oracle(tmp_path / "alloy.eam", ELEMENTS, species, positions, cell, style=style)
    n = len(species)
    assert abs(ours.energy - theirs.energy()) / n < 1e-10
    assert np.abs(ours.site_energies - theirs.site_energies()).max() < 1e-10
    assert np.abs(ours.forces - theirs.forces()).max() < 1e-8
    assert np.abs(ours.virial - theirs.virial()).max() / n < 1e-8
    # negative control: atoms elsewhere by a thousandth of an angstrom would have been seen
    moved = positions + np.random.default_rng(0).normal(scale=1e-3, size=positions.shape)
    assert np.abs(evaluated(species, moved, cell).forces - theirs.forces()).max() > 1e-4
    theirs.close()


def test_straight_line_beyond_the_table_as_in_lammps(tmp_path):
    ends = int(31.0 / TABLES.rho_step)  # below the densities of most atoms
    short = replace(TABLES, embedding=TABLES.embedding[:, :ends])
    tabulated.write_setfl(short, tmp_path / "short.eam")
    species, positions, cell = random_alloy((3, 3, 3), 3)
    ours = evaluated(species, positions, cell, interpolate(short))
    assert (ours.bonds.curvature == 0.0).any()
    theirs = Oracle(tmp_path / "short.eam", ELEMENTS, species, positions, cell)
    assert abs(ours.energy - theirs.energy()) / len(species) < 1e-10
    assert np.abs(ours.forces - theirs.forces()).max() < 1e-8
    theirs.close()


def ase_answer(folder, species, positions, cell):
    from ase import Atoms
    from ase.calculators.eam import EAM

    tabulated.write_setfl(TABLES, folder / "ase.eam.alloy")
    atoms = Atoms([ELEMENTS[s] for s in species], positions=positions, cell=cell, pbc=True)
    atoms.calc = EAM(potential=str(folder / "ase.eam.alloy"), form="alloy")
    energy, forces = atoms.get_potential_energy(), atoms.get_forces()
    own = np.array([float(row["rhoe"]) for row in zhou.facts(ELEMENTS)])[species]
    joins = np.stack([0.85 * own, 1.15 * own], axis=1)
    steps = np.abs(atoms.calc.total_density[:, None] - joins).min() / TABLES.rho_step
    return energy, forces, steps


def test_same_table_same_answer_as_ase(tmp_path):
    # ASE lays a twice differentiable spline through the table, LAMMPS and we a once differentiable one. Where the
    # tabulated function is smooth they agree; no atom of this crystal is near a join of the embedding branches.
    species, positions, cell = random_alloy((3, 3, 3), 2)
    ours = evaluated(species, positions, cell)
    energy, forces, steps = ase_answer(tmp_path, species, positions, cell)
    assert steps > 8
    assert abs(ours.energy - energy) / len(species) < 1e-10
    assert np.abs(ours.forces - forces).max() < 1e-8


def test_joins_are_where_interpolants_part(tmp_path):
    # Negative control of the sentence above: an atom within a few grid points of a join (jump of the second
    # derivative of the embedding energy) is seen differently, by far more than rounding and by little in forces.
    species, positions, cell = random_alloy((3, 3, 3), 6)
    ours = evaluated(species, positions, cell)
    energy, forces, steps = ase_answer(tmp_path, species, positions, cell)
    assert steps < 3
    assert abs(ours.energy - energy) / len(species) < 1e-9
    assert 1e-8 < np.abs(ours.forces - forces).max() < 1e-5


def test_forces_and_virial_are_derivatives_of_the_energy():
    species, positions, cell = random_alloy((3, 3, 3), 7)
    here = evaluated(species, positions, cell)
    rng = np.random.default_rng(1)
    for _ in range(3):
        u, e, h = rng.normal(size=positions.shape), rng.normal(size=6), 1e-5

        def energy(t, u=u, e=e):
            gradient = np.eye(3) + t * strain_matrix(e)
            return evaluated(species, positions @ gradient + t * u, cell @ gradient).energy

        slope = (8 * (energy(h) - energy(-h)) - (energy(2 * h) - energy(-2 * h))) / (12 * h)
        work = -np.sum(here.forces * u) + here.virial @ e
        assert abs(slope - work) < 1e-7 * np.abs(here.forces).max() * np.abs(u).sum()


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 10**6), shift=st.tuples(*[st.floats(-20, 20)] * 3))
def test_nothing_depends_on_origin_order_or_image(seed, shift):
    species, positions, cell = random_alloy((2, 3, 2), seed % 97, tilt=0.1)
    here = evaluated(species, positions, cell)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(species))
    elsewhere = positions + np.array(shift) + rng.integers(-2, 3, positions.shape) @ cell
    there = evaluated(species[order], np.ascontiguousarray(elsewhere[order]), cell)
    assert there.energy == pytest.approx(here.energy, abs=1e-9)
    assert np.abs(there.forces - here.forces[order]).max() < 1e-9
    assert np.abs(there.virial - here.virial).max() < 1e-8
    assert np.abs(here.forces.sum(axis=0)).max() < 1e-10


@pytest.mark.parametrize("cells", [(1, 1, 1), (2, 1, 2), (2, 2, 2)])
def test_small_cell_equals_its_repetition(cells):
    rng = np.random.default_rng(2)
    n, cell = len(sites("bcc", cells)), np.diag(3.2 * np.array(cells))
    species = rng.integers(0, 4, n)
    positions = sites("bcc", cells) @ cell + rng.normal(scale=0.1, size=(n, 3))
    small = evaluated(species, positions, cell)
    shifts = np.stack(np.meshgrid(*[np.arange(5)] * 3, indexing="ij"), -1).reshape(-1, 1, 3) @ cell
    large = evaluated(np.tile(species, 125), (shifts + positions).reshape(-1, 3), 5 * cell)
    assert large.energy / 125 == pytest.approx(small.energy, abs=1e-11 * n * 125)
    assert np.abs(large.forces - np.tile(small.forces, (125, 1))).max() < 1e-11
    assert np.abs(large.virial / 125 - small.virial).max() < 1e-9


def test_list_says_when_it_no_longer_serves():
    # Whenever the list claims to serve, it must give the energy of a fresh one; and it must refuse at some point.
    species, positions, cell = random_alloy((3, 3, 3), 9)
    kept = half_list(positions, cell, POTENTIAL.cutoff, 0.5)
    rng, refusals = np.random.default_rng(4), 0
    for scale in np.linspace(0.0, 0.1, 25):
        gradient = np.eye(3) + strain_matrix(rng.uniform(-scale, scale, 6))
        moved, box = positions @ gradient + rng.uniform(-scale, scale, positions.shape), cell @ gradient
        if not kept.serves(moved, box, POTENTIAL.cutoff):
            refusals += 1
            continue
        again = evaluate(POTENTIAL, species, moved, box, kept)
        assert again.energy == pytest.approx(evaluated(species, moved, box).energy, abs=1e-10)
    assert 0 < refusals < 24
    assert not kept.serves(positions * 0.9, cell * 0.9, POTENTIAL.cutoff)


def test_every_pair_once_against_brute_force():
    _, positions, cell = random_alloy((2, 2, 2), 1, tilt=0.2)
    kept, reach = half_list(positions, cell, 5.0, 0.0), 5.0
    first = np.repeat(np.arange(len(positions)), np.diff(kept.first))
    found = np.linalg.norm(positions[kept.other] + (kept.shifts @ cell)[kept.image] - positions[first], axis=1)
    images = np.stack(np.meshgrid(*[np.arange(-4, 5)] * 3, indexing="ij"), -1).reshape(-1, 3) @ cell
    d = np.linalg.norm(positions[None, :, None] + images - positions[:, None, None], axis=-1)
    true = np.sort(d[(d > 0) & (d < reach)])
    assert len(found) * 2 == len(true)
    assert np.abs(np.sort(np.repeat(found, 2)) - true).max() < 1e-12


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"density": TABLES.density[:2]}, "expected"),
        ({"cutoff": 7.5}, "before the cutoff"),
        ({"pair": np.full_like(TABLES.pair, np.nan)}, "not finite"),
    ],
)
def test_bad_tables_are_refused_in_words(change, words):
    with pytest.raises(StudyError, match=words):
        interpolate(replace(TABLES, **change))
