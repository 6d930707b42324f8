"""A new phase with its doubt: the reduced benchmark in metres and seconds, promises, holds that tell nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from uqmsm.errors import MemberFailed, StudyError
from uqmsm.physics.phasefield.exponential import Tolerance
from uqmsm.physics.phasefield.nucleation import avrami_exponent, transform
from uqmsm.physics.phasefield.spectral import Box
from uqmsm.promises import check
from uqmsm.scales.phasefield import Nucleation
from uqmsm.stochastic import evaluate
from uqmsm.streams import Streams
from uqmsm.uncertainty import Epistemic, LogNormal

# reduced, the benchmark 8 of PFHub with few nuclei: l = 50 nm, a critical radius of l, 0.25 s in its unit of time
HOLD = Nucleation(
    driving_force=Epistemic(LogNormal(9.0, 0.02)), interface_energy=0.5, mobility=2e-14, time=60.0, nuclei=5,
    edge=5.0, appear=5.0, points=50, interface_cells=0.5,
)  # fmt: skip


def step(operator, index=0):
    streams = Streams(2026).call("grown", {source.name: index for source in operator.sources})
    return evaluate(operator, {}, streams)


def test_nucleation_keeps_its_promises():
    report = check(replace(HOLD, points=16, edge=1.2, nuclei=2, appear=2.0, time=40.0), members=2)
    assert report.ok, str(report)


def test_a_new_phase_in_metres_and_seconds_is_the_reduced_one():
    """Every number of PFHub's benchmark 8 comes back from joules and metres; times go with one over the mobility."""
    sharp = replace(HOLD, driving_force=10.0)
    found = step(sharp)
    chance = Streams(2026).call("grown", {"nuclei": 0})["nuclei"]
    drive = 1.0 / (3.0 * np.sqrt(2.0))
    box, rule = Box.of((100.0, 100.0), (50, 50), "periodic"), Tolerance(error=1e-3, first=1e-2, longest=20.0)
    told = transform(chance, box, drive, 5, 2.2, 240.0, 20.0, 200, rule)
    assert found["critical_radius"] == pytest.approx(50.0)
    assert found["transformed"] == pytest.approx(np.array(told.fraction), abs=1e-9)
    assert found["particles"].tolist() == told.count
    assert found["avrami_exponent"] == pytest.approx(avrami_exponent(told.times, told.fraction), rel=1e-6)
    assert np.interp(0.5, told.fraction, told.times) == pytest.approx(found["half_time"] / 0.25, rel=1e-6)
    quick = step(replace(sharp, mobility=4e-14, time=30.0, appear=2.5))
    assert quick["half_time"] == pytest.approx(found["half_time"] / 2.0, rel=1e-6)
    other = step(sharp, index=1)
    assert not np.allclose(other["transformed"], found["transformed"])


def test_holds_that_tell_nothing_are_refused():
    with pytest.raises(MemberFailed, match="hold longer"):
        step(replace(HOLD, driving_force=10.0, time=8.0))
    with pytest.raises(MemberFailed, match="hold less long"):
        step(replace(HOLD, driving_force=10.0, appear=0.0, time=3e3))
    with pytest.raises(MemberFailed, match="give 100 points"):
        step(replace(HOLD, driving_force=20.0))
    with pytest.raises(MemberFailed, match="hold longer"):
        step(replace(HOLD, driving_force=10.0, appear=60.0))
    for wrong in ({"nuclei": 0}, {"points": 8}, {"radius": 1.0}, {"edge": 0.0}):
        with pytest.raises(StudyError):
            replace(HOLD, **wrong)
