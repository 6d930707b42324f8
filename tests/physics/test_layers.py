"""Stacking faults and surfaces: periodicity and symmetry, LAMMPS and ASE as second implementations, convergence."""

from __future__ import annotations

import numpy as np
import pytest
from lammps_oracle import Oracle

from uqmsm.errors import StudyError, Unstable
from uqmsm.physics.alloy import PLANES, configuration, plane_block, sites
from uqmsm.physics.atomistic.faults import FaultCurve, fault_curve, intrinsic_faults, slip_vector
from uqmsm.physics.atomistic.layers import MILLIJOULE_PER_M2, stacked
from uqmsm.physics.atomistic.splines import interpolate
from uqmsm.physics.atomistic.surfaces import surface_energies
from uqmsm.physics.potential import tabulated, zhou
from uqmsm.physics.potential.effective_fcc import effective_fcc, whole_cutoff

GRID = {"points_r": 4000, "points_rho": 4000}


def pure(element, lattice, plane, height, *, side=1.2, start_A=None):
    tables = tabulated.tabulate(zhou.published([element]), cutoff_angstrom=6.6 if lattice == "fcc" else None, **GRID)
    vectors = plane_block(lattice, plane, side, height)
    spots, potential = sites(lattice, vectors), interpolate(tables)
    return tables, potential, stacked(potential, np.zeros(len(spots), dtype=np.int64), spots, vectors, start_A)


def minimized(tables, folder, species, positions, cell, *, box=False):
    """Return the energy of a crystal that LAMMPS relaxes, the cell along z too if `box`."""
    tabulated.write_setfl(tables, folder / "one.eam")
    theirs = Oracle(folder / "one.eam", list(tables.elements), species, positions, cell)
    if box:
        theirs.run.command("fix box all box/relax z 0.0 vmax 1e-4")
    theirs.run.commands_list(["min_style cg", "minimize 0 1e-7 2000 20000"])
    energy = theirs.energy()
    theirs.close()
    return energy


def test_blocks_show_their_layers():
    for lattice, counts in (
        ("bcc", {"100": 2, "110": 2, "111": 3, "112": 6}),
        ("fcc", {"100": 2, "110": 2, "111": 3, "112": 6}),
    ):
        for plane in PLANES:
            vectors = plane_block(lattice, plane, 1.0, 0.1)  # one period high
            levels = np.unique(np.round(sites(lattice, vectors)[:, 2], 9))
            assert len(levels) == counts[plane]
            assert np.allclose(np.diff(levels), 1 / len(levels))
    with pytest.raises(StudyError, match="choose one of 100, 110, 111, 112"):
        plane_block("bcc", "113", 1.0, 1.0)


def test_sliding_by_a_period_is_no_change_and_the_curve_is_symmetric_in_bcc():
    _, potential, stack = pure("W", "bcc", "110", 4.2, start_A=3.165)
    slip = slip_vector("bcc", "110", stack.lattice_parameter)
    # to the printed periods: (0, 1) and (1, 2)
    curve = fault_curve(potential, stack, 3, slip, np.array([0.0, 0.25, 0.4, 0.6, 0.75, 1.0, 1.25]))
    assert curve.energies[[0, 5]] == pytest.approx([0.0, 0.0], abs=1e-3)
    assert curve.energies[6] == pytest.approx(curve.energies[1], rel=1e-5)
    assert curve.energies[1:3] == pytest.approx(curve.energies[4:2:-1], rel=1e-5)
    assert curve.energies[2] > 1000.0
    with pytest.raises(StudyError, match="no slip is known"):
        slip_vector("bcc", "111", 3.0)


def test_the_fcc_curve_ends_where_it_began_and_knows_the_fault_from_the_clash():
    _, potential, stack = pure("Cu", "fcc", "111", 9 / np.sqrt(3), start_A=3.61)
    assert stack.layers == 9
    slip = slip_vector("fcc", "111", stack.lattice_parameter)
    curve = fault_curve(potential, stack, 4, slip, np.linspace(0, 1, 13))
    assert curve.energies[[0, -1]] == pytest.approx([0.0, 0.0], abs=1e-3)
    assert curve.energies[4] < curve.energies[3]  # a minimum at one third: the intrinsic fault
    assert curve.energies[4] < curve.energies[5]
    assert curve.energies[8] > 5 * curve.energies[4]  # atoms above atoms at two thirds
    faults = intrinsic_faults(potential, stack, np.arange(9))
    assert np.ptp(faults) < 1e-3
    assert faults[0] == pytest.approx(curve.energies[4], abs=0.05)
    # finer points move the barrier little
    fine = fault_curve(potential, stack, 4, slip, np.linspace(0, 0.4, 17))
    coarse = fault_curve(potential, stack, 4, slip, np.linspace(0, 0.4, 9))
    assert coarse.highest(1 / 3) == pytest.approx(fine.highest(1 / 3), rel=2e-3)
    assert fine.highest(1 / 3) > faults[0]


@pytest.mark.parametrize(("element", "start_A"), [("Cu", 3.61), ("Ni", 3.52)])
def test_a_crystal_stacked_with_the_fault_and_relaxed_by_lammps(tmp_path, element, start_A):
    # ABCABCABCAB and again: one intrinsic fault at the seam, without tilt and by another code
    tables, potential, stack = pure(element, "fcc", "111", 12 / np.sqrt(3), start_A=start_A)
    ours = intrinsic_faults(potential, stack, np.array([5]))[0]
    a = stack.lattice_parameter
    x, y, z = a / np.sqrt(2), a * np.sqrt(1.5), a / np.sqrt(3)
    positions = [
        [(0.5 * m) * x, (0.5 * m + k / 3) * y, k * z] for k in range(11) for m in (0, 1)
    ]  # A, B, C: a third of y further on every layer
    positions = np.array(positions)
    tiles = np.array([[2 * i * x / 2, 0.0, 0.0] for i in range(2)])
    cell = np.diag([2 * x, y, 11 * z])
    whole = (positions[None] + tiles[:, None]).reshape(-1, 3)
    energy = minimized(tables, tmp_path, np.zeros(44, dtype=np.int64), whole, cell, box=True)
    bulk = stack.rest.energy / len(stack.layer)
    theirs = (energy - 44 * bulk) / (2 * x * y) * MILLIJOULE_PER_M2
    assert theirs == pytest.approx(ours, abs=0.3)


def test_layers_of_an_alloy_differ_and_a_lattice_that_slides_back_is_an_outcome():
    elements = ("Co", "Cr", "Fe", "Mn", "Ni")
    law = effective_fcc(elements)
    tables = tabulated.tabulate(law, cutoff_angstrom=whole_cutoff(law.values), **GRID)
    potential = interpolate(tables)
    vectors = plane_block("fcc", "111", 1.5, 9 / np.sqrt(3))
    species = configuration(np.full(5, 0.2), vectors, "fcc", np.random.default_rng(0))
    stack = stacked(potential, species, sites("fcc", vectors), vectors, 3.6)
    faults = intrinsic_faults(potential, stack, np.arange(9))
    assert 0.5 < faults.std() < 200.0
    stack.rest.crystal.positions[stack.layer == 5] += [0.0, 0.0, 1.1]
    with pytest.raises(Unstable, match="below layer 2 is no minimum"):
        intrinsic_faults(potential, stack, np.array([2]))


def test_the_highest_point_of_a_curve_is_found_between_its_points():
    x = np.linspace(0, 1, 9)
    curve = FaultCurve(x, 100 * np.sin(np.pi * x) ** 2)
    assert curve.highest() == pytest.approx(100.0, abs=0.1)
    shifted = np.linspace(0, 1, 8)
    assert FaultCurve(shifted, 100 * np.sin(np.pi * shifted) ** 2).highest() == pytest.approx(100.0, abs=0.5)
    assert FaultCurve(x, -x).highest() == 0.0


@pytest.mark.parametrize(
    ("element", "lattice", "start_A", "order"),
    [("W", "bcc", 3.165, ("110", "100", "111")), ("Cu", "fcc", 3.61, ("111", "100", "110"))],
)
def test_surfaces_are_ordered_as_their_bonds_and_do_not_feel_their_backs(element, lattice, start_A, order):
    found = []
    for plane in order:
        _, potential, stack = pure(element, lattice, plane, 5.0, start_A=start_A)
        cuts = surface_energies(potential, stack, np.array([0, 2]))
        assert np.ptp(cuts.relaxed) < 1e-2  # all cuts of a pure crystal are one
        assert cuts.relaxed[0] < cuts.cleaved[0]
        found.append(cuts.relaxed[0])
    assert found == sorted(found)
    thick = surface_energies(*pure(element, lattice, order[-1], 8.0, start_A=start_A)[1:], np.array([0])).relaxed[0]
    assert thick == pytest.approx(found[-1], rel=1e-3)


def test_a_slab_built_by_ase_and_relaxed_by_lammps(tmp_path):
    from ase.build import bcc110

    tables, potential, stack = pure("Mo", "bcc", "110", 6.0, start_A=3.15)
    ours = surface_energies(potential, stack, np.array([0])).relaxed[0]
    slab = bcc110("Mo", (2, 2, 8), a=stack.lattice_parameter, vacuum=6.0, orthogonal=True)
    n = len(slab)
    energy = minimized(tables, tmp_path, np.zeros(n, dtype=np.int64), slab.positions, np.array(slab.cell))
    area = np.linalg.norm(np.cross(slab.cell[0], slab.cell[1]))
    theirs = (energy - n * stack.rest.energy / len(stack.layer)) / (2 * area) * MILLIJOULE_PER_M2
    assert theirs == pytest.approx(ours, rel=1e-3)


def test_a_thin_slab_and_a_leaning_block_are_refused():
    _, potential, stack = pure("W", "bcc", "100", 3.0, start_A=3.165)
    with pytest.raises(StudyError, match="feels both its faces"):
        surface_energies(potential, stack, np.array([0]))
    leaning = np.array([[1.0, 0, 0], [0, 1.0, 0], [0.5, 0.5, 2.5]])
    with pytest.raises(StudyError, match="not normal"):
        stacked(potential, np.zeros(5, dtype=np.int64), sites("bcc", leaning), leaning, 3.165)
