"""A quantum region with electrons in it: GPAW on thirteen atoms of aluminium in effective-medium theory."""

from __future__ import annotations

import numpy as np
import pytest

from uqmsm.physics.coupling.quantum import Model, Subtractive, cluster
from uqmsm.physics.potential.engines import AseCalculator, AseProbe

EDGE, CELLS = 4.0, 4
BASIS = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
STEPS = np.stack(np.meshgrid(*(np.arange(CELLS),) * 3, indexing="ij"), axis=-1).reshape(-1, 1, 3)
SITES = EDGE * (STEPS + BASIS).reshape(-1, 3)
CELL = EDGE * CELLS * np.eye(3)
SPECIES = np.zeros(len(SITES), dtype=np.int64)
CORE = np.arange(len(SITES)) == 0
EMT = Model("effective medium theory", AseProbe(AseCalculator("emt"), ["Al"]), 6.0)


def joined(quantum, buffer):
    where = cluster(SITES, CELL, CORE, buffer_A=buffer, models=(EMT, quantum), vacuum_A=3.0, measuring=True)
    return Subtractive(EMT, quantum, SPECIES, CELL, where)


def test_any_calculator_of_ase_is_a_quantum_model_by_its_name():
    """Effective-medium theory in both places: the correction is nothing, and the energy that of the whole."""
    alike = joined(Model("EMT again", AseProbe(AseCalculator("emt"), ["Al"], stress=False), 6.0), 3.0)
    moved = SITES + 0.05 * np.random.default_rng(0).normal(size=SITES.shape)
    assert np.abs(alike.correction(moved)).max() < 1e-10
    assert alike.energy(moved) == pytest.approx(EMT.probe(SPECIES, moved, CELL)[0], abs=1e-9)
    assert len(alike.cluster.members) == 13


def remembered(probe):
    """Return a probe that answers alike for positions it has seen: a density is found once."""
    seen = {}

    def asked(species, positions, cell):
        key = np.round(positions, 9).tobytes()
        if key not in seen:
            seen[key] = probe(species, positions, cell)
        return seen[key]

    return asked


@pytest.mark.dft
def test_electrons_hold_an_atom_of_aluminium_where_it_sits():
    """Forces are the slope of the energy, by the trapezoidal rule from two self-consistent densities."""
    options = {
        "mode": "lcao", "basis": "sz(dzp)", "h": 0.3, "xc": "PBE", "txt": None,
        "occupations": {"name": "fermi-dirac", "width": 0.2}, "convergence": {"density": 1e-5},
    }  # fmt: skip
    probe = remembered(AseProbe(AseCalculator("gpaw", options), ["Al"], stress=False))
    gpaw = Model("GPAW, PBE", probe, 5.0, surrogate=False)
    energy = joined(gpaw, 3.0)
    still, pushed = SITES, SITES + 0.15 * CORE[:, None] * np.array([1.0, 0.0, 0.0])
    before, after = energy.forces(still)[0], energy.forces(pushed)[0]
    assert np.abs(before).max() < 0.05
    assert after[0] < -0.1  # back to its site
    rise = energy.energy(pushed) - energy.energy(still)
    assert rise == pytest.approx(-0.15 * 0.5 * (before + after)[0], rel=0.15)
    assert "GPAW, PBE" in str(energy.terms(still))
    assert "surrogate" not in str(energy.terms(still))
