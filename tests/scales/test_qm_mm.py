"""A quantum region as a stage, with second potentials in the engine's place: exact answers, words, refusals."""

from __future__ import annotations

import numpy as np
import pytest

from uqmsm.errors import StudyError
from uqmsm.physics.atomistic.probed import own_probe
from uqmsm.physics.coupling.matching import resting_edge
from uqmsm.physics.coupling.quantum import ForceMixing, Model, Subtractive, cluster
from uqmsm.physics.coupling.quantum_vacancy import Region, mixed_rest, quantum_vacancy, removal_energy, rested
from uqmsm.physics.potential import published, tabulate
from uqmsm.physics.potential.engines import AseCalculator, AseProbe, Rival
from uqmsm.physics.potential.finnis_sinclair import finnis_sinclair_1984
from uqmsm.promises import check
from uqmsm.scales.alloy.random import RandomAlloy
from uqmsm.scales.coupling import QuantumRegion
from uqmsm.scales.coupling.qm_mm import _block

PAIR = ("Mo", "Ta")
FINNIS = Rival("finnis_sinclair_1984")
GPAW = Rival("PBE", calculator="gpaw", options={"mode": "lcao"})
CRYSTAL = (3.2, 350.0, 170.0, 95.0)
SHARES = np.array([0.5, 0.5])


def given():
    return {
        "elements": np.array([42, 73]), "composition": SHARES, "atoms_per_cell": np.array(2),
        "potential_elements": np.array([42, 73]), "potential_parameters": published(PAIR).values,
    }  # fmt: skip


def whole(model, tables, cells, seed):
    """Return the removal energy of the same atom in one model throughout."""
    edge = resting_edge(tables, SHARES, "bcc", 3.2)
    species, sites, cell = _block("bcc", edge, cells, SHARES, np.random.default_rng(seed))
    return removal_energy(model, species, sites, cell)


def test_the_region_has_the_engines_energy_and_the_potential_alone_has_not():
    """Finnis and Sinclair's form in the engine's place: a vacancy of it throughout, and its neighbours only."""
    tables = finnis_sinclair_1984(PAIR)
    engine = Model("Finnis-Sinclair", own_probe(tables), tables.cutoff)
    errors, without = [], []
    for seed in (1, 2):
        true = whole(engine, tables, 6, seed)
        found = QuantumRegion(FINNIS, points=1000)(given(), {"atoms": np.random.default_rng(seed)})
        errors.append(abs(found["qm_mm_removal_energy"] - true))
        without.append(abs(found["qm_mm_removal_energy"] - found["qm_mm_correction"] - true))
        terms = [found[f"qm_mm_{name}"] for name in ("cheap_whole", "quantum_cluster", "cheap_cluster", "dead_work")]
        lone = found["qm_mm_removal_energy"] - (terms[0] + terms[1] - terms[2] - terms[3])
        assert abs(lone) < 1e-5  # an atom alone costs embedded atoms nothing
        assert found["qm_mm_surrogate"] == 1
        assert found["qm_mm_matched_away"] > 0.02
        assert 0.0 < found["qm_mm_relaxation_energy"] < 1.0
    print("errors", errors, "of the potential alone", without)
    assert max(errors) < 0.1
    assert min(without) > 3.0 * max(errors)


def test_models_that_are_one_change_nothing():
    found = QuantumRegion(points=1000)(given(), {"atoms": np.random.default_rng(4)})
    assert found["qm_mm_correction"] == pytest.approx(0.0, abs=1e-4)
    assert found["qm_mm_dead_load"] < 1e-3
    assert found["qm_mm_matched_away"] < 1e-6


def test_mixed_forces_vanish_at_rest_and_the_engine_is_asked_as_often_as_told():
    tables, edge = finnis_sinclair_1984(PAIR), 3.2
    cheap = Model("Zhou", own_probe(tabulate(published(PAIR), 1000, 1000)), 6.3)
    engine = Model("Finnis-Sinclair", own_probe(tables), tables.cutoff)
    species, sites, cell = _block("bcc", edge, 6, SHARES, np.random.default_rng(5))
    here = rested(cheap, species, sites, cell, np.ones(len(species), dtype=bool))
    where = cluster(here, cell, np.arange(len(species)) < 9, buffer_A=6.3, models=(cheap, engine))
    joined = Subtractive(cheap, engine, species, cell, where).corrected(here, where.share)
    mixing = ForceMixing(cheap, engine, species, cell, where)
    apart = np.abs(joined.forces(here) - mixing.mixed(here)).max(axis=1)
    assert apart[9:].max() < 1e-10  # what the shared dead load is for
    assert 1e-6 < apart[:9].max() < 0.05  # the buffer is one range long: exact at two
    assert np.abs(mixing.forces(here)).max() > 0.05
    assert np.abs(mixing.forces(mixed_rest(joined, here))).max() < 2e-3
    fewer = joined.without(0)
    assert len(fewer.species) == len(species) - 1 == len(fewer.dead)
    assert fewer.forces(here[1:])[-1] == pytest.approx(joined.forces(here)[-1], abs=1e-10)  # numbers moved along
    with pytest.raises(StudyError, match="none of the cluster"):
        joined.without(len(species) - 1)
    single = quantum_vacancy(cheap, engine, species, sites, cell, Region(0.1, 6.3, relaxed="cheap"))
    assert single.calls == 5


def test_every_output_says_what_the_engine_was():
    for stage, words in (
        (QuantumRegion(), "engine: published potential (surrogate, no quantum mechanics)"),
        (QuantumRegion(FINNIS), "engine: finnis_sinclair_1984 (surrogate, no quantum mechanics)"),
        (QuantumRegion(Rival("EMT", calculator="emt"), CRYSTAL), "engine: EMT (surrogate, no quantum mechanics)"),
        (QuantumRegion(GPAW, CRYSTAL), "engine: PBE (gpaw)"),
    ):
        assert all(port.meaning.endswith(words) for port in stage.outputs)
    assert not QuantumRegion(GPAW, CRYSTAL).surrogate
    assert QuantumRegion(GPAW, CRYSTAL).requirements() == ("gpaw",)
    assert not list(QuantumRegion().consistent({"alloy": RandomAlloy(PAIR, (0.5, 0.5))}))


def test_a_larger_crystal_keeps_the_atoms_of_a_smaller_one():
    (few, near, _), (many, far, _) = (
        _block("bcc", 3.2, cells, SHARES, np.random.default_rng(8)) for cells in (4, 6)
    )  # fmt: skip
    inside = np.linalg.norm(near, axis=1) < 6.3
    assert inside[:59].all()
    assert near[:59] == pytest.approx(far[:59], abs=1e-9)
    assert few[:59].tolist() == many[:59].tolist()


def test_what_is_no_region_is_refused():
    with pytest.raises(StudyError, match="quantum_crystal"):
        QuantumRegion(GPAW)
    with pytest.raises(StudyError, match="2 cells"):
        QuantumRegion(cells=1)
    with pytest.raises(StudyError, match="shorter than"):
        QuantumRegion(buffer=3.0, points=1000)(given(), {"atoms": np.random.default_rng(1)})


def test_buffers_and_crystals_that_cannot_do_are_refused_before_anything_is_run():
    """What would fail every member is said when the chain is checked; what may do is not."""
    alloy = {"alloy": RandomAlloy(PAIR, (0.5, 0.5))}
    assert [line.split(":")[0] for line in QuantumRegion(buffer=3.0).consistent(alloy)] == [
        "buffer = 3 A is shorter than the potential's range of 6.40 A"
    ]
    (small,) = QuantumRegion(cells=4).consistent(alloy)
    assert "write  cells: 5" in small
    assert not list(QuantumRegion(cells=5).consistent(alloy))
    with pytest.raises(StudyError, match="make the cell larger"):
        QuantumRegion(cells=4, points=1000)(given(), {"atoms": np.random.default_rng(1)})
    for fits in (QuantumRegion(buffer=6.4), QuantumRegion(cells=8, core=4.7), QuantumRegion(cutoff=5.5, buffer=5.5)):
        assert not list(fits.consistent(alloy))


@pytest.mark.slow
def test_the_operator_keeps_its_promises():
    report = check(QuantumRegion(points=1000), given(), members=2)
    assert report.ok, report.broken


ALUMINIUM = {
    "elements": np.array([13]), "composition": np.ones(1), "atoms_per_cell": np.array(4),
    "potential_elements": np.array([13]), "potential_parameters": published(["Al"]).values,
}  # fmt: skip


def test_any_calculator_of_ase_is_an_engine_by_its_name():
    """Effective-medium theory of aluminium (4.237 eV throughout) reaches 7 A; a shorter buffer is for whoever knows."""
    rival, crystal = Rival("EMT", calculator="emt"), (3.9943, 53.3, 32.9, 36.2)  # by differences of its energies
    removed = []
    for buffer in (5.5, 7.0):
        stage = QuantumRegion(
            rival, crystal, core=0.0, buffer=buffer, cells=5, relaxed="cheap", cutoff=5.5, points=1000
        )
        found = stage(ALUMINIUM, {"atoms": np.random.default_rng(0)})
        removed.append(found["qm_mm_removal_energy"])
        assert found["qm_mm_quantum_calls"] == 5
        assert found["qm_mm_surrogate"] == 1
    assert found["qm_mm_cluster_atoms"] == 87
    species, sites, cell = _block("fcc", 3.9943, 3, np.ones(1), np.random.default_rng(0))
    engine = Model("EMT", AseProbe(AseCalculator("emt"), ["Al"], stress=False), 7.0)
    true = removal_energy(engine, species, sites, cell)
    assert removed[1] == pytest.approx(true, abs=0.05)
    assert abs(removed[0] - true) > 0.3


@pytest.mark.dft
def test_electrons_hold_the_neighbours_of_a_vacancy_of_aluminium():
    """GPAW by its ASE name, four energies of some 40 atoms and one of one; the crystal is that of PBE, rounded."""
    options = {
        "mode": "lcao", "basis": "sz(dzp)", "h": 0.3, "xc": "PBE", "txt": None,
        "occupations": {"name": "fermi-dirac", "width": 0.2}, "convergence": {"density": 1e-4},
    }  # fmt: skip
    stage = QuantumRegion(
        Rival("PBE", calculator="gpaw", options=options), (4.04, 110.0, 60.0, 32.0), core=0.0, cells=3,
        relaxed="cheap", cutoff=5.5, points=1000,
    )  # fmt: skip
    found = stage(ALUMINIUM, {"atoms": np.random.default_rng(0)})
    assert found["qm_mm_surrogate"] == 0
    assert found["qm_mm_quantum_calls"] == 5
    assert 2.0 < found["qm_mm_removal_energy"] < 7.0
    assert abs(found["qm_mm_correction"]) > 1e-3
