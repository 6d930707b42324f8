"""The crack tip as a stage: its promises, answers that belong to their atoms, refusals, failures that are told."""

from __future__ import annotations

import numpy as np
import pytest

from uqmsm.errors import MemberFailed, StudyError
from uqmsm.physics.potential import published
from uqmsm.physics.potential.average_atom import average_atom
from uqmsm.promises import check
from uqmsm.scales.alloy.random import RandomAlloy
from uqmsm.scales.coupling import CrackTip

SMALL = CrackTip(radius=15.0, periods=1, rows=1, step=0.1, fine=0.1, points=1000)


def given(softer=1.0):
    values = published(["Mo", "Ta"]).values
    crystal = average_atom(values, [0.5, 0.5], "bcc")
    return {
        "elements": np.array([42, 73]), "composition": np.array([0.5, 0.5]), "atoms_per_cell": np.array(2),
        "potential_elements": np.array([42, 73]), "potential_parameters": values,
        "static_lattice_parameter": np.array(float(crystal.lattice_parameter)),
        **{f"static_{name}": np.array(softer * float(getattr(crystal, name))) for name in ("C11", "C12", "C44")},
    }  # fmt: skip


@pytest.mark.slow
def test_the_operator_keeps_its_promises():
    report = check(SMALL, given(), members=2)
    assert report.ok, report.broken


def test_an_answer_belongs_to_its_atoms():
    one, other = (SMALL(given(), {"atoms": np.random.default_rng(seed)}) for seed in (1, 2))
    assert one["crack_griffith_K"] == pytest.approx(1.3, abs=0.2)
    assert one["crack_surface_energy"] != other["crack_surface_energy"] == pytest.approx(2700.0, rel=0.1)
    assert (one["crack_retreat_K"], one["crack_start_K"]) != (other["crack_retreat_K"], other["crack_start_K"])
    for found in (one, other):
        assert found["crack_retreat_K"] < found["crack_start_K"] <= found["crack_critical_K"]
        assert found["crack_emits"] in {0, 1}
        assert found["crack_front"] == pytest.approx(np.sqrt(2) * float(given()["static_lattice_parameter"]))


def test_a_crack_that_does_not_stay_is_a_failed_member_and_says_why():
    with pytest.raises(MemberFailed, match="does not stay in the disc"):
        SMALL(given(softer=0.2), {"atoms": np.random.default_rng(1)})


def test_what_makes_no_crack_is_refused():
    with pytest.raises(StudyError, match="radius: 36 angstrom"):
        CrackTip(radius=20.0, rows=6)
    with pytest.raises(StudyError, match="at least 15 A"):
        CrackTip(radius=10.0)
    with pytest.raises(StudyError, match="fine <= step"):
        CrackTip(step=0.01, fine=0.02)
    assert list(CrackTip().consistent({"alloy": RandomAlloy(("Mo", "Ta"), (0.5, 0.5), lattice="fcc")})) == [
        "cracks are those of bcc crystals; leave this stage out of a study of fcc"
    ]
    assert not list(CrackTip().consistent({"alloy": RandomAlloy(("Mo", "Ta"), (0.5, 0.5))}))
