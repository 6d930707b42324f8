"""A new phase with its doubt: closed forms, grids, metres and seconds, promises, holds that tell nothing, the page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import uqmsm
from uqmsm.errors import MemberFailed, StudyError
from uqmsm.physics.phasefield.exponential import ExponentialSteps, Tolerance
from uqmsm.physics.phasefield.nucleation import avrami_exponent, nucleation_flow, transform
from uqmsm.physics.phasefield.spectral import Box
from uqmsm.promises import check
from uqmsm.scales.phasefield import Nucleation
from uqmsm.stochastic import evaluate
from uqmsm.streams import Streams
from uqmsm.uncertainty import Epistemic, LogNormal, Normal

# a critical radius of 50 nm at 10 J/cm3, of two lengths l = 25 nm; the unit of time is 1/16 s
HOLD = Nucleation(
    driving_force=Epistemic(LogNormal(9.0, 0.02)), interface_energy=0.5, mobility=2e-14, time=20.0, nuclei=2,
    edge=1.6, appear=2.0, points=64,
)  # fmt: skip
SHARP = replace(HOLD, driving_force=10.0)
DRIVE = 1.0 / (6.0 * np.sqrt(2.0))  # the same, reduced


def step(operator, index=0):
    streams = Streams(2026).call("grown", {source.name: index for source in operator.sources})
    return evaluate(operator, {}, streams)


def front(drive, tilt, rule, length=60.0):
    """Return the speed of a flat front over 3 sqrt(2) drive, at a spacing of l, and its profile at the end."""
    box, speed = Box.of((length,), (int(length),), "no_flux"), 3.0 * np.sqrt(2.0) * drive
    x = box.points()[0]
    run = ExponentialSteps(nucleation_flow(box, drive, tilt), _tanh(x, 12.0)[None], rule)
    run.advance(6.0 / speed)
    before = run.means()[0]
    run.advance(30.0 / speed)
    return float((run.means()[0] - before) * length / 24.0), run.fields[0] - _tanh(x, run.means()[0] * length)


def _tanh(x, place):
    return 0.5 * (1.0 - np.tanh((x - place) / np.sqrt(2.0)))


def test_nucleation_keeps_its_promises():
    report = check(replace(HOLD, points=32, edge=0.8, nuclei=1, appear=1.0, time=6.0), members=2)
    assert report.ok, str(report)


@pytest.mark.parametrize("drive", [DRIVE, 0.5 * DRIVE])
def test_a_flat_front_is_the_closed_form_at_any_drive(drive):
    """Half the square of `error` is lost in time; the benchmark's tilt is slow to second order in the drive."""
    fine = Tolerance(error=1e-3, relative=0.03, first=1e-2, longest=20.0)
    exact, off = front(drive, "cubic", fine)
    assert exact == pytest.approx(1.0, abs=1e-3)
    assert np.abs(off).max() < 2e-3
    usual, _ = front(drive, "cubic", replace(fine, relative=0.1))
    assert usual == pytest.approx(1.0 - 0.5 * 0.1**2, abs=2e-3)
    assert front(drive, "quintic", fine)[0] < 1.0 - 1.2 * drive**2


def test_a_lone_nucleus_grows_as_mobility_and_both_energies_say():
    """dr/dt = M (F - gamma / r): M F t = r - r0 + r* ln((r - r*) / (r0 - r*)), before it meets its images."""
    lone = replace(SHARP, nuclei=1, appear=0.0, time=12.0)
    for changes in ({}, {"interface_energy": 0.8, "edge": 2.56}):
        one = replace(lone, **changes)
        critical = 0.1 * one.interface_energy
        first, last = 2.2 * critical, one.edge * np.sqrt(0.5 / np.pi)
        way = last - first + critical * np.log((last - critical) / (first - critical))
        assert step(one)["half_time"] == pytest.approx(1e-6 * way / (2e-14 * 1e7), rel=0.02)


def test_the_default_grid_is_converged_and_half_of_it_is_not():
    """Half times at the least radius: the spacing costs a thousandth, the thickness 1.5 %, the step half a per cent."""
    coarse = replace(SHARP, edge=1.2, points=48, appear=0.0, time=10.0)
    usual = step(coarse)["half_time"]
    assert step(replace(coarse, points=96, interface_cells=2.0))["half_time"] == pytest.approx(usual, rel=1e-3)
    thin = step(replace(coarse, points=96))["half_time"]
    assert 1.0 < thin / usual < 1.015
    small = step(replace(coarse, error=0.03))["half_time"]
    assert 0.99 < small / usual < 1.0
    rule, times = Tolerance(error=1e-3, relative=0.1, first=1e-2, longest=20.0), []
    for points in (24, 48):  # cells of 2 l and of l
        chance, box = np.random.default_rng(1), Box.of((48.0, 48.0), (points, points), "periodic")
        told = transform(chance, box, DRIVE, 2, 4.4, 160.0, 0.0, 200, rule, "cubic")
        times.append(np.interp(0.5, told.fraction, told.times))
    assert times[0] > 1.03 * times[1]


def test_a_new_phase_in_metres_and_seconds_is_the_reduced_one():
    """Every number comes back from joules and metres; times go with one over the mobility."""
    found = step(SHARP)
    chance = Streams(2026).call("grown", {"nuclei": 0})["nuclei"]
    box = Box.of((64.0, 64.0), (64, 64), "periodic")
    rule = Tolerance(error=1e-3, relative=0.1, first=1e-2, longest=20.0)
    told = transform(chance, box, DRIVE, 2, 4.4, 320.0, 32.0, 200, rule, "cubic")
    assert found["critical_radius"] == pytest.approx(50.0)
    assert found["transformed"] == pytest.approx(np.array(told.fraction), abs=1e-9)
    assert found["particles"].tolist() == told.count
    assert found["avrami_exponent"] == pytest.approx(avrami_exponent(told.times, told.fraction), rel=1e-6)
    assert np.interp(0.5, told.fraction, told.times) == pytest.approx(found["half_time"] * 16.0, rel=1e-6)
    quick = step(replace(SHARP, mobility=4e-14, time=10.0, appear=1.0))
    assert quick["half_time"] == pytest.approx(found["half_time"] / 2.0, rel=1e-6)
    other = step(SHARP, index=1)
    assert not np.allclose(other["transformed"], found["transformed"])


def test_holds_that_tell_nothing_are_failed_members():
    small = replace(SHARP, edge=1.0, points=40, nuclei=2)
    with pytest.raises(MemberFailed, match="hold longer"):
        step(replace(small, appear=1.0, time=1.5))
    with pytest.raises(MemberFailed, match="hold less long"):
        step(replace(small, appear=0.0, time=1e3))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"nuclei": 0}, "nuclei = 0"), ({"points": 8}, "points = 8"), ({"radius": 1.0}, "radius = 1"),
        ({"edge": 0.0}, "edge = 0"), ({"interface_cells": 0.5}, "interface_cells = 0.5"),
        ({"error": 0.5}, "error = 0.5"),
        ({"driving_force": 20.0}, "25 nm is less than 2 lengths of the interface, 50 nm; give 12[89] points"),
        ({"appear": 70.0}, "appear = 70 s, time = 20 s: .* hold longer"),
    ],
)  # fmt: skip
def test_plain_numbers_that_cannot_be_are_refused_before_anything_runs(wrong, words):
    with pytest.raises(StudyError, match=words):
        replace(SHARP, **wrong)
    for law in ("driving_force", "time"):  # what a law may draw is its member's failure, in the same words
        if law in wrong or (law == "time" and "appear" in wrong):
            drawn = wrong.get(law, 20.0)
            with pytest.raises(StudyError, match=words):
                step(replace(SHARP, **wrong | {law: Epistemic(Normal(drawn, 1e-6))}))


def test_the_study_on_the_page_is_sound(tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "phasefield.md").read_text(encoding="utf-8")
    written = next(text for text in page.split("```yaml\n")[1:] if text.startswith("study:") and "nucleation" in text)
    (tmp_path / "study.yaml").write_text(written.split("```")[0], encoding="utf-8")
    study = uqmsm.load(tmp_path)
    hold = study.chain.stages[0].operator
    assert isinstance(hold, Nucleation)
    assert {source.name for source in hold.sources} == {"driving_force", "interface_energy", "mobility", "nuclei"}
    assert {refinement.name for refinement in study.refinements} == {"finer_grid", "thinner_interface"}
