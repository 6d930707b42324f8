"""Lists, shares of the virial, members and parameter slopes of the kernel: second codes, exact laws, differences."""

from __future__ import annotations

import numpy as np
import pytest
from lammps_oracle import Oracle
from matscipy.neighbours import neighbour_list

from uqmsm.errors import StudyError
from uqmsm.physics.alloy import configuration, sites
from uqmsm.physics.atomistic.eam import evaluate, site_virials
from uqmsm.physics.atomistic.members import evaluate_members, stack
from uqmsm.physics.atomistic.neighbours import half_list
from uqmsm.physics.atomistic.splines import interpolate
from uqmsm.physics.atomistic.tangents import answers_to
from uqmsm.physics.potential import free_from, tabulated, zhou, zhou_from_free
from uqmsm.physics.potential.sensitivity import column_slopes
from uqmsm.physics.potential.tangents import tangents

ELEMENTS = ["Mo", "Nb", "Ta", "W"]
PARAMETERS = zhou.published(ELEMENTS)
GRID = {"points_r": 2000, "points_rho": 2000, "cutoff_angstrom": 7.0, "rho_max": 100.0}
TABLES = tabulated.tabulate(PARAMETERS, **GRID)
POTENTIAL = interpolate(TABLES)


def shaken(cells=(3, 3, 3), seed=0, spread_A=0.1):
    rng = np.random.default_rng(seed)
    species = configuration(np.full(4, 0.25), cells, "bcc", rng)
    cell = np.diag(3.22 * np.array(cells, dtype=float))
    return species, sites("bcc", cells) @ cell + rng.normal(scale=spread_A, size=(len(species), 3)), cell


@pytest.mark.parametrize("seed", range(12))
def test_lists_hold_the_pairs_of_matscipy_once(seed):
    rng = np.random.default_rng(seed)
    cells = rng.integers(1, 5, 3)
    cell = np.diag(3.2 * cells) + rng.uniform(-0.8, 0.8, (3, 3))
    positions = sites("bcc", cells) @ cell + rng.normal(scale=0.1, size=(2 * cells.prod(), 3))
    if seed % 3 == 0:
        positions += rng.integers(-2, 3, positions.shape) @ cell  # atoms outside the cell
    if seed % 4 == 0:
        cell[2] *= 3.0  # emptiness
    found = half_list(positions, cell, 6.3, 0.0)
    here = np.repeat(np.arange(len(positions)), np.diff(found.first))
    ours = list(zip(here, found.other.tolist(), map(tuple, found.shifts[found.image]), strict=True))
    first, second, shift = neighbour_list("ijS", positions=positions, cell=cell, pbc=np.ones(3, bool), cutoff=6.3)
    theirs = zip(first, second, map(tuple, shift), strict=True)
    wanted = {(i, j, s) for i, j, s in theirs if i < j or (i == j and s > (0, 0, 0))}
    assert len(ours) == len(set(ours))
    assert set(ours) == wanted


def test_no_list_of_nothing():
    with pytest.raises(StudyError, match="no neighbours"):
        half_list(np.full((2, 3), np.nan), np.eye(3), 1.0)
    with pytest.raises(StudyError, match="no neighbours"):
        half_list(np.zeros((2, 3)), np.zeros((3, 3)), 1.0)


def test_shares_of_the_virial_are_those_of_lammps(tmp_path):
    species, positions, cell = shaken()
    near = half_list(positions, cell, POTENTIAL.cutoff, 0.3)
    seen = evaluate(POTENTIAL, species, positions, cell, near)
    ours = site_virials(seen.bonds)
    assert ours.sum(axis=0) == pytest.approx(seen.virial, abs=1e-11)
    tabulated.write_setfl(TABLES, tmp_path / "alloy.eam")
    theirs = Oracle(tmp_path / "alloy.eam", ELEMENTS, species, positions, cell)
    theirs.run.commands_list(["compute share all stress/atom NULL virial", "run 0 post no"])
    share = theirs._ordered(theirs.run.numpy.extract_compute("share", 1, 2))
    xx, yy, zz, xy, xz, yz = share.T / 1.6021765e6
    assert ours == pytest.approx(np.stack([xx, yy, zz, yz, xz, xy], axis=1), abs=1e-8)
    theirs.close()


def test_members_have_the_bytes_they_have_alone():
    species, positions, cell = shaken()
    rng = np.random.default_rng(2)
    draws = [zhou.Zhou(PARAMETERS.elements, PARAMETERS.values * (1 + 1e-3 * rng.normal(size=(4, 22)))) for _ in "abcde"]
    potentials = [interpolate(tabulated.tabulate(draw, **GRID)) for draw in draws]
    moved = positions + rng.normal(scale=0.05, size=(5, *positions.shape))
    boxes = cell * (1 + 1e-3 * rng.normal(size=(5, 1, 1)))
    kinds = rng.integers(0, 4, (5, len(species)))
    near = half_list(positions, cell, POTENTIAL.cutoff, 1.5)
    for all_at_once in (
        (stack(potentials), species, positions, cell),
        (stack(potentials[:1]), species, moved, cell),
        (stack(potentials), kinds, moved, boxes),
    ):
        found = evaluate_members(*all_at_once, near)
        law, who, where, box = all_at_once
        for m in range(5):
            alone = evaluate(
                potentials[m % len(law.pair)], who[m] if who.ndim > 1 else who, where[m] if where.ndim > 2 else where,
                box[m] if box.ndim > 2 else box, near,
            )  # fmt: skip
            assert alone.energy == found.energies[m]
            assert np.array_equal(alone.site_energies, found.site_energies[m])
            assert np.array_equal(alone.forces, found.forces[m])
            assert np.array_equal(alone.virial, found.virials[m])
    with pytest.raises(StudyError, match="one for all, or one for each"):
        evaluate_members(stack(potentials), species, moved[:3], cell, near)
    with pytest.raises(StudyError, match="tabulate alike"):
        stack([POTENTIAL, interpolate(tabulated.tabulate(PARAMETERS, points_r=1000))])


def test_parameter_slopes_are_differences():
    species, positions, cell = shaken(seed=3)
    near = half_list(positions, cell, POTENTIAL.cutoff, 0.3)
    seen = evaluate(POTENTIAL, species, positions, cell, near)
    of = tangents(PARAMETERS, TABLES)
    # joins move only with the joins' own numbers, which are not free
    columns = [c for c, name in enumerate(zhou.COLUMNS) if not name.startswith("rho_")]
    directions = []
    for element in range(4):
        for column in columns:
            directions.append(np.zeros((4, 22)))
            directions[-1][element, column] = 1.0
    found = answers_to(POTENTIAL, [of.along(one) for one in directions], species, seen.bonds)
    for p, one in enumerate(directions):
        h = 1e-5 * max(np.abs(PARAMETERS.values[one > 0][0]), 0.1)

        def at(step, one=one):
            tables = tabulated.tabulate(zhou.Zhou(PARAMETERS.elements, PARAMETERS.values + step * one), **GRID)
            return evaluate(interpolate(tables), species, positions, cell, near)

        up, down = at(h), at(-h)
        for name, slope in (("energy", found.energy[p]), ("forces", found.forces[p]), ("virial", found.virial[p])):
            change = (getattr(up, name) - getattr(down, name)) / (2 * h)
            assert np.abs(change - slope).max() < 1e-5 * np.abs(change).max() + 1e-7, (p, name)


def test_slopes_in_free_parameters_follow_by_the_chain_rule():
    pair = ("Ta", "W")
    x = free_from(zhou.published(pair), "bcc")
    values, own = column_slopes(pair, x[None], "bcc")
    tables = tabulated.tabulate(zhou.Zhou(pair, values[0]), **GRID)
    species, positions, cell = shaken(seed=4)
    species = species % 2
    near = half_list(positions, cell, 7.0, 0.3)
    potential = interpolate(tables)
    seen = evaluate(potential, species, positions, cell, near)
    of = tangents(zhou.Zhou(pair, values[0]), tables)
    directions = []
    for element in range(2):
        for k in range(10):
            directions.append(np.zeros((2, 22)))
            directions[-1][element] = own[0, element, :, k]
    del directions[9]  # the density of the first element is the unit of all
    found = answers_to(potential, [of.along(one) for one in directions], species, seen.bonds)
    for p in range(len(x)):
        step = 1e-5 * np.eye(len(x))[p]
        up, down = (
            evaluate(
                interpolate(tabulated.tabulate(zhou.Zhou(pair, zhou_from_free(pair, x + s * step, "bcc")), **GRID)),
                species, positions, cell, near,
            ).energy
            for s in (1, -1)
        )  # fmt: skip
        assert found.energy[p] == pytest.approx((up - down) / 2e-5, rel=2e-6, abs=2e-6)
    with pytest.raises(StudyError, match="direction of 2 elements"):
        of.along(np.zeros((4, 22)))
