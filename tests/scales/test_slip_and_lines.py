"""Slip, edge dislocations and diffusion as operators: promises, elasticity, twinning, and a crystal that stays put."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from ase.data import atomic_numbers

sys.path.insert(0, str(Path(__file__).parent))
from ladder_specimens import ALLOY, step, upto

from uqmsm.errors import MemberFailed, StudyError
from uqmsm.physics.potential.engines import Rival
from uqmsm.physics.potential.zhou import published
from uqmsm.promises import check
from uqmsm.scales.alloy import RandomAlloy
from uqmsm.scales.atomistic import Diffusion, EdgeDislocation, SlipCurve, Statics, Surface, Vacancy
from uqmsm.stochastic import Kind

COARSE = {"points": 2000}
LINE = EdgeDislocation(radius=18.0, **COARSE)
SLIP = SlipCurve(side=1.0, height=4.0, curves=1, steps=8, **COARSE)
LIQUID = Diffusion((600.0, 4500.0), steps=1200, frames=40)


def element(symbol="W", cells=(3, 3, 3), lattice="bcc"):
    given = step(RandomAlloy((symbol,), (1.0,), lattice=lattice, cells=cells), {}, "alloy")
    given |= {
        "potential_elements": np.array([atomic_numbers[symbol]]),
        "potential_parameters": published((symbol,)).values,
    }
    return given | step(Statics(families=2, **COARSE), given, "statics")


def of(operator, known):
    return {port.name: known[port.name] for port in operator.inputs}


def test_slip_in_bcc_has_one_hill_and_twinning_is_the_easy_way():
    given = element()
    curves = {plane: step(SlipCurve(plane, 1.0, 4.2, 1, 8, **COARSE), given, "slip") for plane in ("110", "112")}
    for one in curves.values():
        energies = one["slip_energies"][0]
        assert energies[[0, -1]] == pytest.approx([0.0, 0.0], abs=0.5)
        assert one["slip_barrier"] >= energies.max()
        assert one["slip_barrier"] > 1000.0
    even, skew = (curves[plane]["slip_energies"][0] for plane in ("110", "112"))
    assert even[1:4] == pytest.approx(even[7:4:-1], rel=1e-4)  # mirror planes of {110}
    assert abs(skew[2:4] - skew[6:4:-1]).max() > 30.0  # there is none across {112}
    assert curves["112"]["slip_barrier"] > curves["110"]["slip_barrier"]


def test_a_line_in_an_alloy_scatters_about_elasticity():
    given = upto("service")
    found = [step(LINE, given, "line", index) for index in range(3)]
    widths = np.array([one["dislocation_half_width"] for one in found])
    assert np.ptp(widths) > 1e-3  # other places, other cores
    b = given["static_lattice_parameter"] * np.sqrt(0.75)
    assert (widths > 0.3 * b).all()
    assert (widths < 4.0 * b).all()
    for one in found:
        assert one["dislocation_slip"][0] == pytest.approx(b, abs=0.25 * b)
        assert one["dislocation_elastic_energy"] == pytest.approx(found[0]["dislocation_elastic_energy"])
        assert one["dislocation_length"] == pytest.approx(np.sqrt(6) * given["static_lattice_parameter"])


def test_operators_keep_their_promises():
    given = upto("service")
    for operator in (LINE, SLIP):
        report = check(operator, of(operator, given), members=3)
        assert report.ok, str(report)
        assert operator.cost() > 0
        assert operator.sources[-1].kind == Kind.ALEATORIC


def test_a_melt_diffuses_and_a_crystal_does_not():
    pytest.importorskip("lammps")
    found = step(LIQUID, element("Cu", (3, 3, 3), "fcc"), "diffusion")
    still, moving = found["diffusion_coefficient"]
    assert found["diffusion_found"].tolist() == [0.0, 1.0]
    assert abs(still) < 5 * found["diffusion_error"][0] + 2e-3  # A^2/ps: a vibration that has not averaged out
    assert moving > 10 * found["diffusion_error"][1]
    assert found["diffusion_exponent"][1] == pytest.approx(1.0, abs=0.35)
    assert (np.diff(found["squared_displacement"][1]) > 0).all()
    again = step(LIQUID, element("Cu", (3, 3, 3), "fcc"), "diffusion")
    assert np.array_equal(found["squared_displacement"], again["squared_displacement"])
    short = step(Diffusion((600.0,), vacancies=2, steps=200, frames=20), element("Cu", (3, 3, 3), "fcc"), "diffusion")
    assert np.isfinite(short["diffusion_coefficient"]).all()


def test_defects_are_told_in_the_form_that_a_member_has_drawn():
    given, rivals = element("W", (4, 4, 4)), (Rival("finnis_sinclair_1984"),)
    stages = {
        name: (kind(**settings), kind(**settings, rivals=rivals))
        for name, kind, settings in (
            ("vacancy_formation_energy", Vacancy, {"environments": 1, **COARSE}),
            ("surface_energy", Surface, {"side": 2.0, "height": 4.0, "cuts": 1, **COARSE}),
            ("slip_barrier", SlipCurve, {"side": 1.0, "height": 4.0, "curves": 1, "steps": 6, **COARSE}),
        )
    }
    mu = -8.90  # cohesive energy that Finnis and Sinclair fitted
    for name, (plain, several) in stages.items():
        assert several.inputs[-1].name == "potential_form"
        learnt = step(plain, given, "one")[name]
        assert step(several, given | {"potential_form": 0}, "one")[name] == learnt
        known = given | {"potential_form": 1, "chemical_potentials": np.array([mu])}
        other = step(several, known, "one")[name]
        assert other != pytest.approx(learnt, rel=1e-3)
        if name == "vacancy_formation_energy":
            assert other == pytest.approx(3.63, abs=0.1)  # published of that potential
        with pytest.raises(MemberFailed, match="none of our kernel"):
            step(several, known | {"potential_form": 2}, "one")
    words = Vacancy(rivals=(Rival("choi_2018"),)).consistent({"alloy": ALLOY})
    assert any("its own engine" in one for one in words)


def test_refusals_say_what_to_write():
    for wrong in (
        lambda: EdgeDislocation(radius=5.0),
        lambda: EdgeDislocation(points=100),
        lambda: SlipCurve(steps=2),
        lambda: Diffusion((300.0, 200.0)),
        lambda: Diffusion(frames=5),
    ):
        with pytest.raises(StudyError, match=r"needed|must"):
            wrong()
    with pytest.raises(MemberFailed, match="no slip is known on 111 planes of bcc"):
        step(SlipCurve("111"), element())
    assert any('write  plane: "110" or "112"' in words for words in SlipCurve("111").consistent({"alloy": ALLOY}))
    assert Diffusion().requirements() == ("lammps",)
