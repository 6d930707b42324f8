"""Quantum regions with a second potential in their place, where exact answers are known: exactness, ghosts, guards."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from uqmsm.errors import StudyError
from uqmsm.physics.atomistic.probed import own_probe
from uqmsm.physics.coupling.alloys import TabulatedAtoms
from uqmsm.physics.coupling.blending import blending
from uqmsm.physics.coupling.energies import atom_sum
from uqmsm.physics.coupling.lattice import cubic
from uqmsm.physics.coupling.matching import cubic_constants, matched, resting_edge
from uqmsm.physics.coupling.mesh import graded
from uqmsm.physics.coupling.quantum import ForceMixing, Model, Subtractive, cluster, mismatch, reselected
from uqmsm.physics.coupling.site_blend import site_blend
from uqmsm.physics.coupling.strained_loads import load_slopes, strained
from uqmsm.physics.potential import published, tabulate
from uqmsm.physics.tensors import cubic_stiffness

QUANTUM = tabulate(published(["W"]), 4000, 4000)
REACH = QUANTUM.cutoff
CHEAP = tabulate(published(["Mo"]), 4000, 4000, cutoff_angstrom=REACH)
CELLS = 12


EDGE = resting_edge(QUANTUM, [1.0], "bcc", 3.15)
WANTED = cubic_constants(QUANTUM, [1.0], "bcc", EDGE)
MATCHED = matched(CHEAP, [1.0], "bcc", EDGE, tuple(WANTED[1:]))
TRUE = Model("Zhou W", own_probe(QUANTUM), REACH)
PLAIN = Model("Zhou Mo, matched to W", own_probe(MATCHED), REACH)
SPECIES = np.zeros(2 * CELLS**3, dtype=np.int64)
CELL = CELLS * EDGE * np.eye(3)
SITES = EDGE * np.concatenate(
    [
        np.stack(np.meshgrid(*(np.arange(CELLS),) * 3, indexing="ij"), axis=-1).reshape(-1, 3) + half
        for half in (0.0, 0.5)
    ]
)
CORE = (
    np.linalg.norm(SITES - SITES[100] - np.round((SITES - SITES[100]) / CELL[0, 0]) * CELL[0, 0], axis=1) < 0.9 * EDGE
)
WARM = SITES + 0.02 * 0.87 * EDGE * np.random.default_rng(4).normal(size=SITES.shape)


def cut(buffer, core=CORE, **settings):
    return cluster(SITES, CELL, core, buffer_A=buffer, models=(PLAIN, TRUE), measuring=True, **settings)


def joined(kind, buffer, **settings):
    return kind(PLAIN, TRUE, SPECIES, CELL, cut(buffer, **settings))


def test_a_cheap_potential_gets_the_edge_and_all_constants_of_the_dear_one():
    before = cubic_constants(CHEAP, [1.0], "bcc", EDGE)
    found = cubic_constants(MATCHED, [1.0], "bcc", EDGE)
    assert found == pytest.approx(WANTED, abs=1e-6 * WANTED[1])
    assert mismatch(cubic_stiffness(*WANTED[1:]), cubic_stiffness(*found[1:])) < 1e-6
    assert mismatch(cubic_stiffness(*WANTED[1:]), cubic_stiffness(*before[1:])) > 0.05  # what rescaling would leave
    # and it is a second potential, not the same one
    assert np.abs(PLAIN.probe(SPECIES, WARM, CELL)[1] - TRUE.probe(SPECIES, WARM, CELL)[1]).max() > 1e-2


def test_core_forces_are_those_of_the_quantum_model_beyond_twice_the_range():
    """55 % of the rms force without a buffer, 0.08 % at one range, rounding at two; 23 % without a quantum model."""
    exact = TRUE.probe(SPECIES, WARM, CELL)[1][CORE]
    size = np.sqrt((exact**2).mean())
    errors = [
        np.abs(joined(Subtractive, b * REACH).forces(WARM)[CORE] - exact).max() / size
        for b in (0.0, 0.5, 1.0, 1.5, 2.0)
    ]
    assert errors[-1] < 1e-12
    assert errors[2] < 1e-3
    assert (np.diff(errors) < 0.0).all()
    without = np.abs(PLAIN.probe(SPECIES, WARM, CELL)[1][CORE] - exact).max() / size
    assert errors[0] > without > errors[2]


def test_short_buffers_and_clusters_that_meet_their_image_are_refused():
    with pytest.raises(StudyError, match=r"shorter than the 6\.1"):
        cluster(SITES, CELL, CORE, buffer_A=5.0, models=(PLAIN, TRUE))
    with pytest.raises(StudyError, match="name the axis as `front`"):
        cut(18.9)
    row = (np.abs(SITES - SITES[100])[:, :2] < 0.1).all(axis=1)
    along = cluster(SITES, CELL, row, buffer_A=REACH, models=(PLAIN, TRUE), front=2)
    assert along.cell[2] == pytest.approx(CELL[2])
    with pytest.raises(StudyError, match="must be larger"):
        reselected(CORE, np.zeros(len(CORE)), enter_A=3.0, leave_A=3.0)
    near = reselected(CORE, np.linspace(0.0, 5.0, len(CORE)), enter_A=1.0, leave_A=2.0)
    assert near[: len(CORE) // 5].all()


def sheared(shear):
    gradient = np.eye(3)
    gradient[0, 1] = shear
    return gradient


def test_the_ghost_force_moves_outwards_and_a_dead_load_takes_it_off():
    """Uncorrected 0.25 and 0.30 eV/A; corrected nothing at the reference, then 0.9 eV/A per unit shear."""
    ghosts = [np.abs(joined(Subtractive, b * REACH).forces(SITES)).max() for b in (1.0, 2.0)]
    assert ghosts[1] > 0.3 * ghosts[0] > 0.03
    bare = joined(Subtractive, REACH)
    corrected = bare.corrected(SITES)
    assert np.abs(corrected.forces(SITES)).max() < 1e-12
    still = np.zeros((6, *SITES.shape))  # a load that does not follow the strain
    left = [
        np.abs(strained(corrected, sheared(shear), still).forces(SITES @ sheared(shear).T)).max()
        for shear in (1e-3, 1e-2, 3e-2)
    ]
    assert left[1] / left[0] == pytest.approx(10.0, rel=0.05)
    assert ghosts[0] > 20.0 * left[1]
    assert 8.0 * left[2] < ghosts[0] < 12.0 * left[2]


def test_a_load_that_follows_the_strain_leaves_the_second_order():
    """42 times less than uncorrected at 3 % shear, and an energy at every strain; a turned crystal rests as it did."""
    bare = joined(Subtractive, REACH)
    corrected, slopes = bare.corrected(SITES), load_slopes(bare, SITES)
    there = {shear: strained(corrected, sheared(shear), slopes) for shear in (1e-2, 3e-2)}
    left = {shear: np.abs(there[shear].forces(SITES @ sheared(shear).T)).max() for shear in there}
    assert left[3e-2] / left[1e-2] == pytest.approx(9.0, rel=0.05)
    uncorrected = replace(there[3e-2], dead=np.zeros(())).forces(SITES @ sheared(3e-2).T)
    assert np.abs(uncorrected).max() > 20.0 * left[3e-2]
    # an energy still: forces are its slope
    moved, at = there[3e-2], WARM @ sheared(3e-2).T
    way = np.random.default_rng(9).normal(size=SITES.shape)
    slope = (moved.energy(at + 1e-4 * way) - moved.energy(at - 1e-4 * way)) / 2e-4
    assert slope == pytest.approx(-float((moved.forces(at) * way).sum()), rel=1e-6)
    quarter = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    assert np.abs(strained(corrected, quarter, slopes).forces(SITES @ quarter.T)).max() < 1e-11
    # a load taken anew leaves nothing at all
    again = replace(there[3e-2], dead=np.zeros(())).corrected(SITES @ sheared(3e-2).T)
    assert np.abs(again.forces(SITES @ sheared(3e-2).T)).max() < 1e-12
    # a load that spares the core spares it at every strain
    spared = load_slopes(bare, SITES, CORE.astype(np.float64))
    assert np.abs(spared[:, CORE]).max() == 0.0
    np.testing.assert_allclose(spared[:, ~CORE], slopes[:, ~CORE], atol=1e-12)
    with pytest.raises(StudyError, match="corrected energy"):
        strained(bare, sheared(0.01), slopes)


def test_the_energy_is_its_three_terms_and_forces_its_slope():
    for energy in (joined(Subtractive, REACH), joined(Subtractive, REACH).corrected(SITES)):
        terms = energy.terms(WARM)
        assert energy.energy(WARM) == pytest.approx(
            terms.cheap_whole + terms.quantum_cluster - terms.cheap_cluster - terms.dead_work, abs=1e-12
        )
        assert "surrogate, no quantum mechanics" in str(terms)
        assert f"{terms.quantum_cluster:.6f} (cluster, Zhou W" in str(terms)
        direction = np.random.default_rng(5).normal(size=SITES.shape)
        h = 1e-4
        slope = (energy.energy(WARM + h * direction) - energy.energy(WARM - h * direction)) / (2 * h)
        assert slope == pytest.approx(-float((energy.forces(WARM) * direction).sum()), rel=1e-6)
    # at no displacement of models that are one, the correction is nothing
    alike = Subtractive(TRUE, TRUE, SPECIES, CELL, cut(REACH))
    assert alike.energy(WARM) == pytest.approx(TRUE.probe(SPECIES, WARM, CELL)[0], abs=1e-9)


def test_mixed_forces_keep_momentum_and_have_neither_energy_nor_stress():
    mixing = joined(ForceMixing, REACH, blend_A=3.0)
    assert np.abs(mixing.mixed(WARM).sum(axis=0)).max() > 1e-6  # the defect
    assert np.abs(mixing.forces(WARM).sum(axis=0)).max() < 1e-10
    assert np.abs(joined(ForceMixing, 2.0 * REACH).forces(SITES)).max() < 1e-10  # no ghost force
    with pytest.raises(StudyError, match="no energy"):
        mixing.energy(WARM)
    with pytest.raises(StudyError, match="no stress and no relaxing cell"):
        mixing.stress(WARM)
    share = mixing.cluster.share
    assert share[CORE].min() == 1.0
    assert 0 < np.count_nonzero((share > 0.0) & (share < 1.0)) < len(mixing.cluster.members)


def test_mixed_forces_drift_and_forces_of_an_energy_do_not():
    masses = np.full(len(SITES), 100.0)
    speed = 0.02 * np.random.default_rng(6).normal(size=SITES.shape)
    where = cut(2.0 * REACH)
    drifts = [
        np.abs(ForceMixing(cheap, TRUE, SPECIES, CELL, where).drift(SITES, speed, masses, step=0.05, steps=5)).max()
        for cheap in (PLAIN, TRUE)
    ]
    assert drifts[0] > 30.0 * drifts[1]  # models that are one conserve to the order of the step


def test_blended_site_energies_are_conservative_and_their_ghost_goes_off():
    lattice = cubic("bcc", EDGE, REACH)
    mesh = graded(lattice, 7.0, 7.0)
    share = 1.0 - blending(mesh, 1.5, 2.0, "quintic")
    blend = site_blend(mesh, share, TabulatedAtoms(QUANTUM), TabulatedAtoms(MATCHED))
    inside = mesh.distance < 5.0
    ghost = np.abs(blend.gradient(mesh.nodes)[inside]).max()
    sharp = site_blend(mesh, (mesh.distance < 2.5).astype(float), TabulatedAtoms(QUANTUM), TabulatedAtoms(MATCHED))
    assert 1e-3 < ghost < 0.7 * np.abs(sharp.gradient(mesh.nodes)[inside]).max()
    corrected = blend.corrected(mesh.nodes)
    assert np.abs(corrected.gradient(mesh.nodes)).max() < 1e-12
    y = mesh.nodes + 0.02 * np.random.default_rng(7).normal(size=mesh.nodes.shape)
    direction = np.random.default_rng(8).normal(size=y.shape)
    slope = (corrected.energy(y + 1e-5 * direction) - corrected.energy(y - 1e-5 * direction)) / 2e-5
    assert slope == pytest.approx(float((corrected.gradient(y) * direction).sum()), rel=1e-6)
    # where the quantum model has the whole weight its forces are all there is
    core = mesh.distance < 0.5
    whole = atom_sum(mesh, np.ones(len(mesh.sites)), TabulatedAtoms(QUANTUM))
    wide = site_blend(mesh, 1.0 - blending(mesh, 4.0, 2.0, "quintic"), TabulatedAtoms(QUANTUM), TabulatedAtoms(MATCHED))
    assert np.abs(wide.gradient(y)[core] - whole.gradient(y)[core]).max() < 1e-12
