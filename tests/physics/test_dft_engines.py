"""Any engine by its name: packages, a program that talks through files, and what is said when a thing is missing."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from uqmsm.errors import MemberFailed, NotConverged, StudyError
from uqmsm.physics.dft.engine import GPA_A3_PER_EV, Cell, Engine, answer, plane_waves
from uqmsm.physics.dft.equation_of_state import fit_birch_murnaghan

RECORDED = Path(__file__).parents[1] / "data" / "espresso_al.pwo"
"""What pw.x 6.7 printed for one atom of aluminium, banner and timings left out."""

RYDBERG_EV = 13.605693

ALUMINIUM = Cell(("Al",), 2.0 * np.array([[0.0, 1, 1], [1, 0, 1], [1, 1, 0]]), np.zeros((1, 3)))


def at_volume(cell, volume):
    return Cell(cell.symbols, cell.vectors * (volume / cell.volume) ** (1.0 / 3.0), cell.scaled)


@pytest.mark.parametrize("engine", [Engine("emt"), Engine("lj", {"sigma": 2.5, "epsilon": 0.4, "rc": 7.5})])
def test_engines_that_ase_brings_along_answer_by_their_name(engine):
    """Pressure from the stress of each volume is the slope of the curve that energies give."""
    copper = replace(ALUMINIUM, symbols=("Cu",))
    volumes = np.linspace(10.4, 12.4, 9)
    found = [answer(at_volume(copper, v), engine, forces=True, stress=True) for v in volumes]
    state = fit_birch_murnaghan(volumes, [one.energy_eV for one in found])
    pressure = np.array([-one.stress_GPa[:3].mean() for one in found])
    slope = np.gradient([one.energy_eV for one in found], volumes, edge_order=2) * -GPA_A3_PER_EV
    np.testing.assert_allclose(pressure[1:-1], slope[1:-1], atol=0.02 * float(state.bulk_modulus_GPa))
    assert np.abs(found[0].forces).max() < 1e-8


def espresso(folder, program, **changed):
    """Return Quantum ESPRESSO whose program is a few lines of Python, with a pseudopotential of the right name."""
    (folder / "pw.py").write_text("import os, pathlib, sys\n" + program)
    (folder / "Al.upf").write_text("a pseudopotential")
    options = {
        "profile": {"command": f"{sys.executable} {folder / 'pw.py'}", "pseudo_dir": str(folder)},
        "pseudopotentials": {"Al": "Al.upf"},
        "input_data": {"system": {"ecutwfc": 20}, "control": {"tprnfor": True, "tstress": True}},
        "kpts": [2, 2, 2],
    }
    return Engine("espresso", options | changed)


def test_a_program_that_talks_through_files_answers(tmp_path, monkeypatch):
    """Quantum ESPRESSO: what we ask stands in its input, what it prints is understood, and no file is left behind."""
    monkeypatch.chdir(tmp_path)
    engine = espresso(
        tmp_path,
        "said = pathlib.Path(sys.argv[sys.argv.index('-in') + 1]).read_text()\n"
        "assert 'ecutwfc' in said and 'Al.upf' in said, said\n"
        f"pathlib.Path({str(tmp_path / 'called')!r}).write_text(os.getcwd())\n"
        f"print(pathlib.Path({str(RECORDED)!r}).read_text())\n",
    )
    assert json.loads(json.dumps(engine.options)) == engine.options  # plain data: a study can keep it
    found = answer(ALUMINIUM, engine, forces=True, stress=True)
    assert found.energy_eV == pytest.approx(-4.23611090 * RYDBERG_EV, rel=1e-6)
    assert found.forces.shape == (1, 3)
    printed = next(line for line in RECORDED.read_text().splitlines() if "P=" in line).split("P=")[1]
    assert -found.stress_GPa[:3].mean() == pytest.approx(0.1 * float(printed), abs=0.1)  # kbar
    assert not Path((tmp_path / "called").read_text()).exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["Al.upf", "called", "pw.py"]


def test_a_program_that_gives_up_did_not_converge(tmp_path):
    gives_up = "print('     convergence NOT achieved after   1 iterations: stopping')\nsys.exit(2)\n"
    with pytest.raises(NotConverged, match=r"espresso on Al at 16\.000.*number of iterations"):
        answer(ALUMINIUM, espresso(tmp_path, gives_up))
    with pytest.raises(MemberFailed, match="run this cell alone"):
        answer(ALUMINIUM, espresso(tmp_path, "sys.exit(3)\n"))


def test_what_a_program_lacks_is_named_before_it_is_called(tmp_path):
    whole = espresso(tmp_path, "raise SystemExit('must not be called')\n")
    profile = dict(whole.options["profile"])
    lacking = {
        r"program 'no_such_pw.x' is not there; install Quantum ESPRESSO": {
            "profile": profile | {"command": "no_such_pw.x"}
        },
        r"no pseudopotential for Al; write `pseudopotentials`": {"pseudopotentials": {"Cu": "Cu.upf"}},
        r"pseudopotential .*other\.upf of Al is not there": {"pseudopotentials": {"Al": "other.upf"}},
        r"refuses its options.*profile": {"profile": {"nonsense": 1, **profile}},
    }
    for words, changed in lacking.items():
        with pytest.raises(StudyError, match=words):
            answer(ALUMINIUM, Engine("espresso", whole.options | changed))
    bare = {name: value for name, value in whole.options.items() if name != "profile"}
    with pytest.raises(StudyError, match="give `profile` and `pseudopotentials`"):
        answer(ALUMINIUM, Engine("espresso", bare))


def tungsten(**changed):
    """Return a cell of GPAW that takes a second, and the engine."""
    made = plane_waves(
        "PBE", cutoff_eV=250.0, kpoints=(2, 2, 2), smearing="fermi-dirac", width_eV=0.2, grid=(12, 12, 12)
    )
    half = 1.59 * np.array([[-1.0, 1, 1], [1, -1, 1], [1, 1, -1]])
    return Cell(("W",), half, np.zeros((1, 3))), Engine("gpaw", dict(made.options) | changed)


@pytest.mark.dft
def test_gpaw_that_does_not_converge_says_so():
    cell, engine = tungsten(maxiter=3)
    with pytest.raises(NotConverged, match=r"gpaw on W at .*number of iterations"):
        answer(cell, engine)
    assert np.isfinite(answer(*tungsten()).energy_eV)  # with enough of them it does


@pytest.mark.dft
def test_gpaw_without_data_sets_says_how_to_get_them():
    cell, engine = tungsten(setups="no_such_set")
    with pytest.raises(StudyError, match="gpaw-data"):
        answer(cell, engine)
    with pytest.raises(StudyError, match="gpaw-data"):
        answer(replace(cell, symbols=("Am",)), tungsten()[1])  # no data set of americium is published
