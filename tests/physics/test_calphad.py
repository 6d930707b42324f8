"""Interactions out of thermodynamic databases: against the energies of pycalphad's own model, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from uqmsm.errors import StudyError
from uqmsm.physics.phasefield.calphad import assessed
from uqmsm.physics.phasefield.units import GAS_CONSTANT
from uqmsm.scales.phasefield import AssessedInteractions, Spinodal

pytest.importorskip("pycalphad")

ELEMENTS = ("Mo", "Nb", "Ta")
# invented numbers: nothing of this file is an assessment
HEAD = """
ELEMENT /-   ELECTRON_GAS  0 0 0!
ELEMENT VA   VACUUM  0 0 0!
ELEMENT MO   BCC_A2 95.95 4589 28.56!
ELEMENT NB   BCC_A2 92.906 5220 36.27!
ELEMENT TA   BCC_A2 180.95 5681.9 41.47!
TYPE_DEFINITION % SEQ * !
FUNCTION SLOPE 298.15 -2.5*T; 6000 N !
FUNCTION NESTED 298.15 1200+2*SLOPE; 6000 N !
PHASE BCC_A2 % 2 1 3 !
CONSTITUENT BCC_A2 : MO,NB,TA : VA : !
PARAMETER G(BCC_A2,MO:VA;0) 298.15 -1000-20*T; 6000 N !
PARAMETER G(BCC_A2,NB:VA;0) 298.15 -2000-25*T; 6000 N !
PARAMETER G(BCC_A2,TA:VA;0) 298.15 -1500-22*T; 6000 N !
PARAMETER L(BCC_A2,MO,NB:VA;0) 298.15 -12000+3.5*T; 6000 N !
PARAMETER L(BCC_A2,MO,TA:VA;0) 298.15 9000; 2000 Y 11000-1.0*T; 6000 N !
"""
LAST = "PARAMETER G(BCC_A2,NB,TA:VA;0) 298.15 4000+NESTED; 6000 N !\n"
HIGHER = (
    "PARAMETER L(BCC_A2,MO,NB:VA;1) 298.15 1500; 6000 N !\nPARAMETER L(BCC_A2,MO,NB,TA:VA;0) 298.15 -800; 6000 N !\n"
)
PAIR_SITES = """
PHASE TWO % 2 2 1 !
CONSTITUENT TWO : MO,NB : VA : !
PARAMETER L(TWO,MO,NB:VA;0) 298.15 8000; 6000 N !
PHASE ORDERED % 2 1 1 !
CONSTITUENT ORDERED : MO,NB : MO,TA : !
"""


def written(folder, *parts):
    path = folder / "alloy.tdb"
    path.write_text("".join(parts) + "\n")
    return path


@pytest.mark.parametrize("temperature", [600.0, 1500.0, 2500.0])
def test_the_table_gives_the_excess_energy_of_pycalphads_own_model(tmp_path, temperature):
    from pycalphad import Database, Model
    from pycalphad import variables as v

    path = written(tmp_path, HEAD, LAST)
    found = assessed(path, "BCC_A2", ELEMENTS, temperature)
    table = found.interactions_J_per_mol
    assert not found.beyond_J_per_mol
    assert not found.absent
    model = Model(Database(str(path)), ["MO", "NB", "TA", "VA"], "BCC_A2")
    rng = np.random.default_rng(0)
    for c in rng.dirichlet([1.0, 1.0, 1.0], 5):
        at = {v.T: temperature, v.SiteFraction("BCC_A2", 1, "VA"): 1.0}
        at |= {v.SiteFraction("BCC_A2", 0, name.upper()): x for name, x in zip(ELEMENTS, c, strict=True)}
        excess = model.models["xsmix"].subs({str(key): value for key, value in at.items()})
        for key, value in model._symbols.items():
            excess = excess.subs({key: value})
        for key, value in at.items():
            excess = excess.subs({key: value})
        mine = sum(c[i] * c[j] * table[i, j] for i in range(3) for j in range(i + 1, 3))
        assert float(excess.n(real=True)) == pytest.approx(mine, rel=1e-10)


def test_numbers_functions_ranges_and_sites_are_read_as_written(tmp_path):
    path = written(tmp_path, HEAD, LAST, PAIR_SITES)
    at_1500, at_2500 = (assessed(path, "BCC_A2", ELEMENTS, t).interactions_J_per_mol for t in (1500.0, 2500.0))
    assert at_1500[0, 1] == pytest.approx(-12000 + 3.5 * 1500)
    assert (at_1500[0, 2], at_2500[0, 2]) == pytest.approx((9000.0, 11000.0 - 2500.0))
    assert at_1500[1, 2] == pytest.approx(4000 + 1200 - 5.0 * 1500)
    assert np.array_equal(at_1500, at_1500.T)
    turned = assessed(path, "BCC_A2", ("Ta", "Nb", "Mo"), 1500.0).interactions_J_per_mol
    assert np.array_equal(turned, at_1500[::-1, ::-1])
    assert assessed(path, "TWO", ("Mo", "Nb"), 1000.0).interactions_J_per_mol[0, 1] == pytest.approx(4000.0)


def test_what_a_regular_solution_has_no_place_for_is_told_and_refused(tmp_path):
    path = written(tmp_path, HEAD, LAST, HIGHER)
    found = assessed(path, "BCC_A2", ELEMENTS, 1000.0)
    assert found.beyond_J_per_mol == pytest.approx({"L(Mo,Nb;1)": 1500.0, "L(Mo,Nb,Ta;0)": -800.0})
    one = AssessedInteractions(ELEMENTS, path, "BCC_A2", 1000.0, error=0.0)
    streams = {"assessment": np.random.default_rng(1)}
    with pytest.raises(StudyError, match=r"L\(Mo,Nb;1\) = 1.5 kJ/mol.*left_out: 1.5"):
        one({}, streams)
    told = AssessedInteractions(ELEMENTS, path, "BCC_A2", 1000.0, error=0.0, left_out=1.5)({}, streams)
    assert np.allclose(1e3 * told["interactions"], found.interactions_J_per_mol)
    with pytest.raises(StudyError, match="says nothing of Nb-Ta"):
        AssessedInteractions(ELEMENTS, written(tmp_path, HEAD), "BCC_A2", 1000.0)({}, streams)


@pytest.mark.parametrize(
    ("phase", "elements", "temperature", "words"),
    [
        ("FCC_A1", ELEMENTS, 1000.0, "no phase 'FCC_A1'; it has BCC_A2"),
        ("ORDERED", ("Mo", "Nb"), 1000.0, "2 sublattices of atoms"),
        ("BCC_A2", ("Mo", "W"), 1000.0, "has no W"),
        ("BCC_A2", ELEMENTS, 7000.0, "not assessed at 7000 K"),
        ("BCC_A2", ELEMENTS, 200.0, "not assessed at 200 K"),
    ],
)
def test_what_is_not_there_is_refused_not_zero(tmp_path, phase, elements, temperature, words):
    path = written(tmp_path, HEAD, LAST, PAIR_SITES)
    with pytest.raises(StudyError, match=words):
        assessed(path, phase, elements, temperature)


def test_a_file_of_another_kind_is_refused(tmp_path):
    with pytest.raises(StudyError, match="pycalphad cannot read it"):
        assessed(written(tmp_path, "this is no database"), "BCC_A2", ELEMENTS, 1000.0)
    with pytest.raises(StudyError, match="there is no file"):
        AssessedInteractions(ELEMENTS, tmp_path / "absent.tdb", "BCC_A2", 1000.0)


def test_the_error_of_an_assessment_reaches_the_spinodal(tmp_path):
    """T_s = 2 c (1 - c) L / R for two components, whatever is drawn; sd of 200 draws within 20 %: false alarm 1e-4."""
    path = written(tmp_path, HEAD, LAST)
    one = AssessedInteractions(("Mo", "Ta"), path, "BCC_A2", 1500.0, error=2.0)
    drawn = [one({}, {"assessment": np.random.default_rng(seed)})["interactions"] for seed in range(200)]
    values = np.array([table[0, 1] for table in drawn])
    assert abs(values.mean() - 9.0) < 4.0 * 2.0 / np.sqrt(200)
    assert abs(values.std() / 2.0 - 1.0) < 0.2
    alloy = Spinodal((0.3, 0.7), 1500.0, 0.001, 10.0, 1e-20, 1e-11, edge=16.0, points=16)
    told = alloy({"interactions": drawn[0]}, {"fluctuations": np.random.default_rng(0)})
    assert told["spinodal_temperature"] == pytest.approx(2 * 0.3 * 0.7 * 1e3 * values[0] / GAS_CONSTANT)
