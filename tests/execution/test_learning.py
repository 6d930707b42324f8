"""Learning: each learnable law once, stored, replaced in its operator's field; calls follow what was learnt."""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
import pytest
from operators import Alloy, Lattice, three_stages

from uqmsm.chain import Chain, Stage
from uqmsm.errors import EnvironmentFault
from uqmsm.execution.backends import InProcess
from uqmsm.execution.calls import calls_of
from uqmsm.execution.dispatch import execute
from uqmsm.execution.journal import RunFolder
from uqmsm.execution.learning import learn
from uqmsm.uncertainty import Epistemic, Normal


def squared(x):
    return (x - 3.0) ** 2


@dataclass(frozen=True)
class Unlearnt:
    """A normal law round the mean of its data."""

    data: tuple[float, ...]

    @property
    def fingerprint(self):
        return sha256(repr(self.data).encode()).hexdigest()

    def learn(self, mapping, seed, stored, tell):
        if stored.exists():
            kept = json.loads(stored.read_text(encoding="utf-8"))
            if kept["fingerprint"] == self.fingerprint:
                tell("read")
                return Normal(kept["mean"], kept["sd"])
        spread = list(mapping(squared, self.data))
        law = Normal(float(np.mean(self.data)), float(np.sqrt(np.mean(spread))))
        stored.write_text(json.dumps({"fingerprint": self.fingerprint, "mean": law.mean, "sd": law.sd}), "utf-8")
        tell("computed")
        return law


def chain(data=(3.1, 3.3)):
    return Chain((Stage("first", Lattice(Epistemic(Unlearnt(data)))), Stage("statics", Alloy())))


def learnt(folder, what):
    said = []
    return learn(what, 5, folder, InProcess(), said.append), said


def test_a_law_is_learnt_once_and_read_when_its_fingerprint_matches(tmp_path):
    with RunFolder.create(tmp_path / "run") as folder:
        done, said = learnt(folder, chain())
        assert done["first"].operator.size == Epistemic(
            Normal(3.2, float(np.sqrt(np.mean([squared(3.1), squared(3.3)]))))
        )
        assert said[-1] == "computed"
        assert [path.name for path in folder.posterior.iterdir()] == ["first.size.nc"]
        again, said = learnt(folder, chain())
        assert said[-1] == "read"
        assert again == done
        other, said = learnt(folder, chain((3.1, 3.4)))
        assert said[-1] == "computed"
        table = np.zeros((1, 3), int)
        assert not np.array_equal(calls_of(done, 5, table)["statics"].keys, calls_of(other, 5, table)["statics"].keys)
        assert execute(done, 5, table, folder, backend=InProcess())["statics"].done.all()


def test_a_law_that_two_stages_hold_is_learnt_once(tmp_path):
    law = Epistemic(Unlearnt((3.1, 3.3)))
    twice = Chain((Stage("a", Lattice(law)), Stage("b", Lattice(law))))
    with RunFolder.create(tmp_path / "run") as folder:
        done, said = learnt(folder, twice)
    assert said.count("computed") == 1
    assert done["a"].operator == done["b"].operator


def test_a_chain_with_nothing_to_learn_is_left_alone(tmp_path):
    with RunFolder.create(tmp_path / "run") as folder:
        same, said = learnt(folder, three_stages())
        assert same == three_stages()
        assert said == []
        assert not folder.posterior.exists()
        folder.posterior.write_text("in the way", encoding="utf-8")
        (folder.path / "posterior").unlink()
        (folder.path / "posterior").symlink_to(folder.path / "nowhere" / "else")
        with pytest.raises(EnvironmentFault, match="resume"):
            learnt(folder, chain())
