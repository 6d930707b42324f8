"""Vacancies: second codes for formation and barriers, the saddle's curvatures, and the convention of the energies."""

from __future__ import annotations

import numpy as np
import pytest
from lammps_oracle import Oracle

from uqmsm.errors import NotConverged, StudyError
from uqmsm.physics.alloy import configuration, sites
from uqmsm.physics.atomistic.eam import evaluate
from uqmsm.physics.atomistic.misfit import misfit_volumes
from uqmsm.physics.atomistic.neighbours import half_list
from uqmsm.physics.atomistic.paths import _descended, _way, lowest_curvatures, pass_between
from uqmsm.physics.atomistic.relax import Crystal, relax
from uqmsm.physics.atomistic.response import stiffen
from uqmsm.physics.atomistic.splines import interpolate
from uqmsm.physics.atomistic.spread import misfit_spread
from uqmsm.physics.atomistic.vacancies import jump, neighbours_of, vacancy
from uqmsm.physics.potential import tabulated, zhou

GRID = {"points_r": 4000, "points_rho": 4000}
ELEMENTS = ["Mo", "Nb", "Ta", "W"]
EQUAL = np.full(4, 0.25)


def perfect(element, lattice, cells, start_A):
    tables = tabulated.tabulate(zhou.published([element]), cutoff_angstrom=6.6 if lattice == "fcc" else None, **GRID)
    spots, cell = sites(lattice, cells), start_A * np.diag(np.array(cells, dtype=float))
    potential = interpolate(tables)
    species = np.zeros(len(spots), dtype=np.int64)
    return tables, potential, relax(potential, Crystal(species, spots @ cell, cell), stress_tolerance_GPa=1e-5)


@pytest.fixture(scope="module")
def alloy():
    potential = interpolate(tabulated.tabulate(zhou.published(ELEMENTS), **GRID))
    species = configuration(EQUAL, (3, 3, 3), "bcc", np.random.default_rng(2))
    cell = 3.22 * 3 * np.eye(3)
    return potential, relax(potential, Crystal(species, sites("bcc", (3, 3, 3)) @ cell, cell))


@pytest.mark.parametrize(
    ("element", "lattice", "start_A", "measured_eV"),
    # measured: positron annihilation, good to about 0.3 eV; what the potential's authors fitted
    [("W", "bcc", 3.165, 3.6), ("Mo", "bcc", 3.15, 3.0), ("Ni", "fcc", 3.52, 1.79), ("Cu", "fcc", 3.615, 1.28)],
)
def test_formation_energy_is_that_of_lammps_and_near_the_measured_one(tmp_path, element, lattice, start_A, measured_eV):
    tables, potential, rest = perfect(element, lattice, (4, 4, 4), start_A)
    n = len(rest.crystal.species)
    found = vacancy(potential, rest, 5, rest.energy / n)
    kept = np.delete(np.arange(n), 5)
    tabulated.write_setfl(tables, tmp_path / "one.eam")
    theirs = Oracle(
        tmp_path / "one.eam", [element], rest.crystal.species[kept], rest.crystal.positions[kept], rest.crystal.cell
    )
    theirs.run.commands_list(["fix box all box/relax iso 0.0 vmax 1e-3", "minimize 0 1e-8 2000 20000"])
    assert found.formation_energy == pytest.approx(theirs.energy() - (n - 1) / n * rest.energy, abs=2e-4)
    theirs.close()
    assert found.formation_energy == pytest.approx(measured_eV, abs=0.3)
    assert -0.5 < found.relaxation_volume * n / rest.crystal.volume < 0.0  # neighbours lean into the gap
    assert np.abs(found.rest.stress).max() < 0.01


@pytest.mark.parametrize(
    ("element", "lattice", "start_A"), [("Cu", "fcc", 3.615), ("W", "bcc", 3.165), ("Ta", "bcc", 3.3)]
)
def test_in_a_pure_metal_the_barrier_is_the_same_both_ways_and_the_saddle_has_one_descent(element, lattice, start_A):
    # tantalum has a shallow basin half way: there are two saddles, and the midpoint is none
    _, potential, rest = perfect(element, lattice, (3, 3, 3), start_A)
    gap = vacancy(potential, rest, 4, rest.energy / len(rest.crystal.species))
    near, vectors = neighbours_of(rest, 4)
    assert len(near) == {"bcc": 8, "fcc": 12}[lattice]
    found = jump(potential, rest, gap, int(near[2]), vectors[2], force_tolerance_eV_per_A=1e-7)
    assert found.forth == pytest.approx(found.back, abs=1e-7)
    assert found.over.residual_force < 1e-7
    assert found.over.saddles == (2 if element == "Ta" else found.over.saddles)
    # all curvatures, from the matrix written out column by column
    crystal, m = gap.rest.crystal, len(gap.rest.crystal.species)
    around = half_list(found.over.positions, crystal.cell, potential.cutoff, 0.3)
    seen = evaluate(potential, crystal.species, found.over.positions, crystal.cell, around)
    stiffness = stiffen(potential, crystal.species, seen.bonds)
    matrix = np.array([stiffness.times(one.reshape(m, 3), np.zeros(6))[0].ravel() for one in np.eye(3 * m)])
    values = np.linalg.eigvalsh(0.5 * (matrix + matrix.T))
    assert (values < -1e-6).sum() == 1
    assert (np.abs(values) < 1e-6).sum() == 3  # rigid shifts
    assert found.over.curvatures == pytest.approx([values[0], values[4]], rel=1e-4)


def ase_barrier(potential, crystal, ends, images, *, first_fmax=0.01):
    """Return the highest energy (eV) of a climbing band of ASE between two states, and its ends'."""
    from ase import Atoms
    from ase.calculators.calculator import Calculator, all_changes
    from ase.mep import NEB
    from ase.optimize import FIRE

    class Kernel(Calculator):
        implemented_properties = ("energy", "forces")

        def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
            super().calculate(atoms, properties, system_changes)
            around = half_list(atoms.positions, crystal.cell, potential.cutoff, 0.1)
            seen = evaluate(potential, crystal.species, atoms.positions, crystal.cell, around)
            self.results = {"energy": seen.energy, "forces": seen.forces}

    first, last = (Atoms("W" * len(at), at, cell=crystal.cell, pbc=True) for at in ends)
    states = [first, *(first.copy() for _ in range(images)), last]
    for state in states:
        state.calc = Kernel()
    band = NEB(states, climb=first_fmax <= 0.01, method="improvedtangent", k=1.0)
    band.interpolate()
    FIRE(band, logfile=None).run(fmax=first_fmax, steps=400)
    if not band.climb:  # settled before it climbs: elsewhere it would slide into one valley
        band.climb = True
        FIRE(band, logfile=None).run(fmax=0.005, steps=1500)
    energies = np.array([state.get_potential_energy() for state in states])
    return energies.max(), energies[0], energies[-1]


def both_ends(potential, crystal, site, mover, vector):
    """Return positions at rest before and after an atom has jumped into the vacancy."""
    found = []
    for moved in (False, True):
        positions = crystal.positions.copy()
        if moved:
            positions[mover - int(mover > site)] -= vector
        end = relax(potential, Crystal(crystal.species, positions, crystal.cell), cell_freedom="fixed")
        found.append(end.crystal.positions)
    return found


def test_the_band_of_ase_finds_the_same_barrier(alloy):
    potential, rest = alloy
    site, which = 10, 0
    gap = vacancy(potential, rest, site, 0.0)
    near, vectors = neighbours_of(rest, site)
    found = jump(potential, rest, gap, int(near[which]), vectors[which])
    ends = both_ends(potential, gap.rest.crystal, site, int(near[which]), vectors[which])
    top, first, last = ase_barrier(potential, gap.rest.crystal, ends, 5)
    assert top - first == pytest.approx(found.forth, abs=2e-3)
    assert top - last == pytest.approx(found.back, abs=2e-3)
    assert found.forth != pytest.approx(found.back, abs=0.02)  # negative control: it matters which way


@pytest.mark.slow
def test_bands_of_ase_confirm_both_saddles_where_a_basin_lies_between(alloy):
    """From end to end ASE's band slides into one valley; from each end to the basin it finds both saddles."""
    potential, rest = alloy
    gap = vacancy(potential, rest, 35, 0.0)
    near, vectors = neighbours_of(rest, 35)
    crystal = gap.rest.crystal
    ends = both_ends(potential, crystal, 35, int(near[5]), vectors[5])
    way = _way(potential, crystal.species, crystal.cell, *ends, (5, 1e-5, 400), 4)
    around = half_list(way[0].positions, crystal.cell, potential.cutoff, 0.3)
    seen = evaluate(potential, crystal.species, way[0].positions, crystal.cell, around)
    _, modes = lowest_curvatures(stiffen(potential, crystal.species, seen.bonds), len(crystal.species))
    nudge = 0.05 * modes[0] / np.abs(modes[0]).max()
    feet = [_descended(potential, crystal.species, crystal.cell, way[0].positions + sign * nudge) for sign in (-1, 1)]
    basin = max(feet, key=lambda foot: min(np.abs(foot - end).max() for end in ends))
    tops = [
        ase_barrier(potential, crystal, pair, 9, first_fmax=0.1)[0] for pair in ((ends[0], basin), (basin, ends[1]))
    ]
    assert sorted(tops) == pytest.approx(sorted(one.energy for one in way), abs=1e-4)
    assert max(tops) - gap.rest.energy == pytest.approx(1.1399, abs=1e-3)


def test_where_a_basin_lies_on_the_way_the_highest_saddle_counts(alloy):
    # of a hundred jumps in this crystal the one with a basin on the way, behind a ridge that parts: a single saddle,
    # whichever a band comes upon, would tell a barrier 0.08 eV too low
    potential, rest = alloy
    gap = vacancy(potential, rest, 35, 0.0)
    near, vectors = neighbours_of(rest, 35)
    found = [jump(potential, rest, gap, int(near[5]), vectors[5], images=images) for images in (5, 9)]
    assert found[0].forth == pytest.approx(found[1].forth, abs=1e-6)
    assert found[0].forth == pytest.approx(1.1399, abs=2e-3)
    for one in found:
        assert one.over.saddles == 2
        assert one.over.residual_force < 1e-5
        assert one.over.curvatures[0] < 0.0 < one.over.curvatures[1]


def test_the_mean_over_all_sites_does_not_depend_on_how_chemical_potentials_part_the_energy(alloy):
    potential, rest = alloy
    n = len(rest.crystal.species)
    found = misfit_volumes(potential, rest, EQUAL, np.random.default_rng(0), n_families=3)
    assert EQUAL @ found.potentials == pytest.approx(rest.energy / n, abs=1e-12)
    counts = np.bincount(rest.crystal.species, minlength=4) / n
    other = found.potentials + np.array([0.3, -0.2, 0.1, -0.2])
    other -= counts @ other - counts @ found.potentials
    assert not np.allclose(other, found.potentials)
    means = []
    for potentials in (found.potentials, other):
        energies = [vacancy(potential, rest, i, potentials[rest.crystal.species[i]]).formation_energy for i in range(n)]
        means.append(np.mean(energies))
    assert means[0] == pytest.approx(means[1], abs=1e-9)
    assert 2.0 < means[0] < 4.0
    assert np.std(energies) > 0.05


def test_chemical_potentials_are_what_single_exchanges_cost(alloy):
    """Against exchanges of one atom at each of many sites; 5 standard errors of both, false alarms below 1e-5."""
    potential, rest = alloy
    swapped = misfit_volumes(potential, rest, EQUAL, np.random.default_rng(3), n_families=8)
    costs = {}
    for old, new in ((0, 3), (3, 0)):
        costs[old] = []
        for site in np.flatnonzero(rest.crystal.species == old):
            species = rest.crystal.species.copy()
            species[site] = new
            end = relax(potential, Crystal(species, rest.crystal.positions, rest.crystal.cell))
            costs[old].append(end.energy - rest.energy)
    mean = 0.5 * (np.mean(costs[0]) - np.mean(costs[3]))  # forth and back: the finite step cancels
    error = 0.5 * np.hypot(*(np.std(one) / len(one) ** 0.5 for one in costs.values()))
    gap = swapped.potentials[3] - swapped.potentials[0]
    assert abs(gap - mean) < 5 * np.hypot(error, np.hypot(*swapped.potential_errors[[0, 3]]))
    assert gap < -1.0  # tungsten binds far more strongly than molybdenum


def test_local_misfits_scatter_around_the_misfit_volumes(alloy):
    """Means over 18 sites against swaps of an eighth of all; 5 standard errors, false alarms below 1e-5 each."""
    potential, rest = alloy
    swapped = misfit_volumes(potential, rest, EQUAL, np.random.default_rng(1), n_families=4)
    local = misfit_spread(potential, rest, EQUAL, np.arange(0, 54, 3))
    assert np.abs(local.local @ EQUAL).max() < 1e-9
    assert (local.spread > 0.01).all()
    assert (local.spread < 0.3 * np.abs(swapped.volumes).max()).all()
    error = np.hypot(local.spread / np.sqrt(18), swapped.standard_errors)
    assert (np.abs(local.mean - swapped.volumes) < 5 * error + 0.02).all()  # 54 atoms: a single one is a large step
    assert np.isnan(misfit_spread(potential, rest, EQUAL, np.array([0])).spread).all()
    with pytest.raises(StudyError, match="one fraction per element"):
        misfit_spread(potential, rest, [1.0], np.array([0]))


def test_what_cannot_be_found_is_said(alloy):
    potential, rest = alloy
    with pytest.raises(StudyError, match="none of the 54 atoms"):
        vacancy(potential, rest, 54, 0.0)
    gap = vacancy(potential, rest, 0, 0.0).rest.crystal
    near, vectors = neighbours_of(rest, 0)
    after = gap.positions.copy()
    after[int(near[0]) - 1] -= vectors[0]
    with pytest.raises(NotConverged, match="did not settle in 1 steps"):
        pass_between(potential, gap.species, gap.cell, gap.positions, after, most_steps=1)
