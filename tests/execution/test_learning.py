"""Learning: each learnable law once, stored, replaced in its operator's field; calls follow what was learnt."""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
import pytest
from operators import Alloy, Lattice, three_stages

from uqmsm.chain import Chain, Stage
from uqmsm.errors import EnvironmentFault, StudyError
from uqmsm.execution.backends import InProcess
from uqmsm.execution.calls import calls_of
from uqmsm.execution.dispatch import execute
from uqmsm.execution.journal import RunFolder
from uqmsm.execution.learning import learn, learnt_before
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
        assert said[-2] == "computed"
        assert [path.name for path in folder.posterior.iterdir()] == ["first.size.nc"]
        again, said = learnt(folder, chain())
        assert said[-2] == "read"
        assert again == done
        other, said = learnt(folder, chain((3.1, 3.4)))
        assert said[-2] == "computed"
        table = np.zeros((1, 3), int)
        assert not np.array_equal(calls_of(done, 5, table)["statics"].keys, calls_of(other, 5, table)["statics"].keys)
        assert execute(done, 5, table, folder, backend=InProcess())["statics"].done.all()


@dataclass(frozen=True)
class Shipped(Unlearnt):
    """The same, whose draws come with the package."""

    shipped: bool = True


def test_what_is_read_is_not_said_to_be_learnt(tmp_path):
    for law, words in ((Shipped((3.1, 3.3)), "read"), (Unlearnt((3.1, 3.3)), "learnt")):
        with RunFolder.create(tmp_path / words) as folder:
            _, said = learnt(folder, Chain((Stage("first", Lattice(Epistemic(law))),)))
        doing = {"read": "reading Shipped", "learnt": "learning Unlearnt"}[words]
        assert said[0] == f"first.size: {doing}"
        assert said[-1].startswith(f"first.size: {words} in ")


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


@dataclass(frozen=True)
class Inner:
    """A part with a law of its own."""

    size: float | Epistemic


@dataclass(frozen=True)
class Outer(Lattice):
    """An operator whose law lies one floor down."""

    inner: Inner = Inner(Epistemic(Unlearnt((3.1, 3.3))))


def test_a_law_in_a_field_of_a_field_is_learnt_too(tmp_path):
    with RunFolder.create(tmp_path / "run") as folder:
        done, _ = learnt(folder, Chain((Stage("first", Outer()),)))
        assert [path.name for path in folder.posterior.iterdir()] == ["first.inner.size.nc"]
    assert isinstance(done["first"].operator.inner.size.law, Normal)


def test_what_was_learnt_before_is_read_and_nothing_is_written(tmp_path):
    path = tmp_path / "run"
    with pytest.raises(StudyError, match="is missing"):
        learnt_before(chain(), 5, path / "posterior")
    with RunFolder.create(path) as folder:
        done, _ = learnt(folder, chain())
    stored = path / "posterior" / "first.size.nc"
    before = (stored.read_bytes(), stored.stat().st_mtime_ns, sorted(path.rglob("*")))
    assert learnt_before(chain(), 5, path / "posterior") == done
    with pytest.raises(StudyError, match="other data, settings or code"):
        learnt_before(chain((3.1, 3.4)), 5, path / "posterior")
    assert (stored.read_bytes(), stored.stat().st_mtime_ns, sorted(path.rglob("*"))) == before
