"""The switching plate: its promises, a hysteresis of atoms, a committee of one mind, refusals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from uqmsm.errors import StudyError
from uqmsm.physics.coupling import switch_log
from uqmsm.physics.coupling.switch import CRITERIA
from uqmsm.physics.coupling.switch_log import changes_of, logged
from uqmsm.physics.potential import published
from uqmsm.promises import check
from uqmsm.scales.fe import SwitchingPlate
from uqmsm.scales.potential import Learnt, Potential
from uqmsm.stochastic import evaluate
from uqmsm.uncertainty import Epistemic

TRIGGERED = SwitchingPlate(
    loads=(1200.0, 2400.0, 1200.0), cells=2, alloys=2, points=1000, acoustic=0.93, enter=0.5, leave=0.3
)


def given():
    values = published(["Mo", "Nb", "Ta", "W"]).values
    return {
        "elements": np.array([42, 41, 73, 74]), "composition": np.full(4, 0.25), "atoms_per_cell": np.array(2),
        "potential_elements": np.array([42, 41, 73, 74]), "potential_parameters": values,
        "committee_parameters": np.repeat(values[None], 2, axis=0), "static_lattice_parameter": np.array(3.2232),
        "static_C11": np.array(348.6), "static_C12": np.array(169.7), "static_C44": np.array(94.1),
    }  # fmt: skip


def test_it_keeps_its_promises():
    report = check(replace(TRIGGERED, loads=(2400.0,)), given=given())
    assert report.ok, str(report)


def test_zones_are_where_the_log_says_and_work_is_stored(monkeypatch):
    """A hair trigger on stability, so that little strain calls for few atoms."""
    logs = []
    monkeypatch.setattr(switch_log, "logged", lambda log, *shape: logs.append(log) or logged(log, *shape))
    found = evaluate(TRIGGERED, given(), {"atoms": np.random.default_rng(3)})
    zone, chance, reason = found["concurrent"], found["switch_chance"], found["switch_reason"]
    assert found["zone_elements"].tolist() == zone.sum(axis=1).tolist()
    assert zone[1].sum() > 0
    assert set(reason[1][zone[1] > 0]) <= set(range(len(CRITERIA)))
    assert chance[1].max() > 0.5
    assert 1200.0 <= found["switching_load"] <= 2400.0
    assert found["bridge_gap"] < 1e-3
    assert found["softening"] < 1.0
    # what results keep is the log, to the word; zones are its sums
    limits = TRIGGERED.thresholds()
    assert [str(one) for one in changes_of(found["switch_log"], limits)] == [str(one) for one in logs[0]]
    assert {one.entered for one in logs[0]} == {True, False}  # there and back
    assert all(one.chance > 0.5 if one.entered else one.chance < 0.3 for one in logs[0])
    assert (np.cumsum(found["switch_log"][..., 0], axis=0) == zone).all()
    # committee members are alike: they cannot disagree
    assert not (reason == CRITERIA.index("disagreement")).any()


def test_a_committee_is_spread_over_the_posterior_and_the_same_for_every_member():
    values = np.stack([published(["Mo", "W"]).values * (1 + 0.001 * k) for k in range(100)])
    law = Learnt(values, np.zeros((100, 5)), np.ones((100, 5)), "test")
    stage = Potential(("Mo", "W"), Epistemic(law), committee=4)
    one, two = (evaluate(stage, {}, {"parameters": np.random.default_rng(k)}) for k in (0, 1))
    assert (one["committee_parameters"] == two["committee_parameters"]).all()
    assert (one["committee_parameters"] == values[[12, 37, 62, 87]]).all()
    assert (one["potential_parameters"] != two["potential_parameters"]).any()
    certain = evaluate(Potential(("Mo", "W"), committee=2), {}, {})
    assert (certain["committee_parameters"] == certain["potential_parameters"]).all()
    assert "committee_parameters" not in evaluate(Potential(("Mo", "W")), {}, {})


def test_plates_that_are_none_are_refused():
    with pytest.raises(StudyError, match="must be narrower"):
        SwitchingPlate(loads=(1.0,), radius=3e-4)
    with pytest.raises(StudyError, match="above zero"):
        SwitchingPlate(loads=(1.0, 0.0))
    with pytest.raises(StudyError, match="even refinement"):
        SwitchingPlate(loads=(1.0,), refinement=5)
    with pytest.raises(StudyError, match="leave <= enter"):
        SwitchingPlate(loads=(1.0,), leave=0.5)
    committee = type("Jury", (), {"committee": 1, "outputs": Potential(("Mo",), committee=1).outputs})()
    assert any("too few" in line for line in TRIGGERED.consistent({"potential": committee}))
