"""A study whose machine has a bad day: what timed out or was lost counts as failed, is told, and is tried again."""

from __future__ import annotations

import numpy as np
import pytest

import uqmsm
from uqmsm.conduct.replaying import replay

OPERATORS = '''
from __future__ import annotations
import time
from dataclasses import dataclass, field
from pathlib import Path
from uqmsm.quantity import Port
from uqmsm.stochastic import law_sources
from uqmsm.uncertainty import Aleatoric, Epistemic, Normal

@dataclass(frozen=True)
class Plate:
    """A plate on a machine with moods: slow for some lots, without network for others, until there is calm."""
    modulus: float | Epistemic = field(default_factory=lambda: Epistemic(Normal(0.0, 1.0)))
    lot: float | Aleatoric = field(default_factory=lambda: Aleatoric(Normal(0.0, 1.0)))
    calm: str = "."
    inputs = ()
    outputs = (Port("y", "1", (), "the answer"),)

    @property
    def sources(self):
        return law_sources(self)

    def __call__(self, given, streams):
        if not (Path(self.calm) / "calm").exists():
            if self.lot > 0.5:
                print("waits for ever")
                time.sleep(0.5)
            if self.lot < -0.5:
                print("asks the network")
                raise ConnectionError("no answer")
        return {"y": self.modulus + self.lot}
'''
STUDY = """
study: a machine with moods
seed: 3
chain: [{{name: plate, operator: "moods:Plate", calm: {calm}}}]
ask: [{{answer: y}}]
members: {{rows: 8, target_se: 0.9}}
run: {{tolerate_failures: {tolerated}%, limits: {{time: {time}, retries: 0}}}}
"""


@pytest.fixture
def study(tmp_path):
    def made(tolerated, time="0.2 s"):
        place = tmp_path / "study"
        place.mkdir(exist_ok=True)
        (place / "moods.py").write_text(OPERATORS, encoding="utf-8")
        text = STUDY.format(calm=place, tolerated=tolerated, time=time)
        (place / "study.yaml").write_text(text, encoding="utf-8")
        return uqmsm.load(place / "study.yaml")

    return made


def fates(folder):
    return uqmsm.open(folder)["members"].to_dataset()


def test_timed_out_and_lost_members_count_are_told_by_replay_and_tried_again_by_resume(study, tmp_path):
    first = uqmsm.run(study(1), tmp_path / "run", workers=0)
    states = fates(first.folder)["status"].values
    late, lost = (states == "timed out"), (states == "lost")
    assert late.any()
    assert lost.any()
    assert first.exit_code == 3
    assert first.summary["members"]["timed out"] == late.sum()
    assert np.isnan(uqmsm.open(first.folder)["answers"]["y"].values[late | lost]).all()
    addresses, told = fates(first.folder)["address"].values, []
    replay(first.folder, str(addresses[late][0]), told.append)  # alone it has the time that it takes
    assert told[0] == "plate: in the run it ended as timed out: stopped after 0.2 s, the time limit of its stage"
    assert "  | waits for ever" in told
    assert any("gives y" in line for line in told)
    told.clear()
    with pytest.raises(uqmsm.errors.MemberFailed, match="no answer"):
        replay(first.folder, str(addresses[lost][0]), told.append)
    assert told[0].startswith("plate: in the run it ended as lost: ConnectionError: no answer")
    assert "  | asks the network" in told
    (tmp_path / "study" / "calm").touch()
    again = uqmsm.resume(first.folder, workers=0)
    assert set(fates(again.folder)["status"].values) == {"done"}
    whole = uqmsm.run(study(1), tmp_path / "whole", workers=0)
    for group, name in (("answers", "y"), ("ledger", "fair")):
        resumed, reference = (uqmsm.open(one.folder)[group][name].values for one in (again, whole))
        assert resumed.tobytes() == reference.tobytes()


def test_as_many_as_are_tolerated_do_not_stop_a_study(study, tmp_path):
    assert uqmsm.run(study(60), tmp_path / "run", workers=0).exit_code != 3
