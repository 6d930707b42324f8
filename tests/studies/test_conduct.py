"""A run survives what happens to it: kills between files, broken answers, learnt laws of any shape, replays."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import uqmsm
from uqmsm import conduct
from uqmsm.conduct import recording
from uqmsm.conduct.overview import plan
from uqmsm.conduct.replaying import replay
from uqmsm.conduct.standing import status
from uqmsm.errors import MemberFailed, StudyError

OPERATORS = '''
from __future__ import annotations
import json
from dataclasses import dataclass, field
from hashlib import sha256
import numpy as np
import xarray as xr
from uqmsm.quantity import Port
from uqmsm.stochastic import law_sources
from uqmsm.uncertainty import Aleatoric, Epistemic, Normal

@dataclass(frozen=True)
class Learnable:
    """A normal law to be learnt."""
    centre: float
    full: bool = True

    @property
    def fingerprint(self):
        return sha256(repr(self).encode()).hexdigest()

    def cost(self):
        return 7.0

    def learn(self, mapping, seed, stored, tell):
        if not stored.exists():
            (centre,) = mapping(float, [self.centre])
            draws = xr.Dataset({"x": (("chain", "draw"), np.full((1, 3), centre), {"units": "1", "long_name": "x"})})
            tree = xr.DataTree.from_dict({"posterior": draws})
            if self.full:
                tree.attrs["shortfalls"] = json.dumps(["too short"])
            tree.to_netcdf(stored, engine="h5netcdf")
        return Normal(self.centre, 1.0)

LAWS = {"learnable": Learnable}

@dataclass(frozen=True)
class First:
    """A stage with two laws to learn.

    Parameters
    ----------
    a, b
        What is not known.
    """
    a: float | Epistemic = field(default_factory=lambda: Epistemic(Learnable(1.0, False)))
    b: float | Epistemic = field(default_factory=lambda: Epistemic(Learnable(2.0, False)))
    lot: float | Aleatoric = field(default_factory=lambda: Aleatoric(Normal(0.0, 1.0)))
    step: float = 0.4
    inputs = ()
    outputs = (Port("y", "1", (), "the answer"), Port("grains", "1", ("grain",), "sizes of what formed"))

    @property
    def sources(self):
        return law_sources(self)

    def cost(self, above):
        return 0.5

    def __call__(self, given, streams):
        if self.lot > 1.5:
            raise KeyError("a word that is not there")
        return {"y": self.a + self.b + self.lot + self.step, "grains": np.ones(2 + int(abs(self.lot) > 0.5))}
'''
STUDY = """
study: a run and its mishaps
seed: 3
chain: [{name: first, operator: "mishaps:First"}]
ask: [{answer: y}]
members: {rows: 32, target_se: 0.9}
run: {tolerate_failures: 50%}
"""
REFINED = STUDY + "refinements: [{name: step, stage: first, set: {step: 0.2}, pairs: 8}]\n"


@pytest.fixture
def study(tmp_path):
    return written(tmp_path, STUDY)


def written(place: Path, text: str):
    (place / "mishaps.py").write_text(OPERATORS)
    (place / "study.yaml").write_text(text)
    return uqmsm.load(place / "study.yaml")


class Watching:
    def __init__(self):
        self.stages, self.lines, self.counts = [], [], {}

    def started(self, stages, dashboard):
        self.stages += list(stages)

    def advanced(self, stage, done, failed, total):
        self.counts[stage] = (done, failed, total)

    def states(self, stage, counts):
        assert sum(counts.values()) > 0

    def said(self, line):
        self.lines.append(line)

    def answer(self, line):
        pass

    def finished(self):
        pass


def test_two_learnt_laws_of_a_stage_have_a_group_each_and_sizes_are_kept(study, tmp_path):
    finished = uqmsm.run(study, tmp_path / "run", workers=0)
    tree = uqmsm.open(finished.folder)
    assert set(tree["posterior"].children) == {"first.a", "first.b"}
    for name in ("first.a", "first.b"):
        drawn = tree[f"posterior/{name}"].to_dataset()
        assert drawn["x"].attrs == {"units": "1", "long_name": "x", "sources": name}
        assert drawn.attrs["converged"] == "yes"
    assert float(tree["posterior/first.b"]["x"][0, 0]) == 2.0
    outcomes = tree["outcomes/first"].to_dataset()
    sizes = outcomes["grains_size"].values[:, 0]
    done = outcomes["y"].notnull().values
    assert set(sizes[done].tolist()) == {2, 3}
    assert (outcomes["grains"].notnull().sum("first_grain").values == sizes).all()
    assert {"units", "long_name", "sources"} <= set(outcomes["grains_size"].attrs)


def test_a_law_that_has_not_converged_is_a_complaint_and_exit_4(tmp_path):
    text = STUDY.replace("mishaps:First", "mishaps:Short")
    (tmp_path / "mishaps.py").write_text(OPERATORS)
    short = '''
@dataclass(frozen=True)
class Short(First):
    """One law to learn that ends too early."""
    a: float | Epistemic = field(default_factory=lambda: Epistemic(Learnable(1.0)))
    b: float = 0.0
'''
    (tmp_path / "mishaps.py").write_text(OPERATORS + short)
    (tmp_path / "study.yaml").write_text(text)
    finished = uqmsm.run(uqmsm.load(tmp_path / "study.yaml"), tmp_path / "run", workers=0)
    assert finished.exit_code == 4
    assert "first.a: too short" in finished.summary["not_converged"]
    assert list(uqmsm.open(finished.folder)["posterior"].children) == ["first"], "one law: named by its stage"


def test_killed_before_its_first_line_a_run_can_be_begun_or_resumed(study, tmp_path, monkeypatch):
    """`run` and `resume` never send a person in a circle."""
    for number, go_on in enumerate((conduct.resume, lambda path, workers: conduct.run(study, path, workers=workers))):
        place = tmp_path / f"run{number}"
        with monkeypatch.context() as killed:
            killed.setattr(
                "uqmsm.execution.journal.RunFolder._open_journal", lambda _: (_ for _ in ()).throw(OSError())
            )
            with pytest.raises(OSError):  # noqa: PT011  # stands for a kill
                uqmsm.run(study, place, workers=0)
        assert not (place / "journal.jsonl").exists()
        assert json.loads((place / "study.lock.json").read_text())["seed"] == 3
        assert status(place)["state"] == "interrupted"
        assert go_on(place, workers=0).exit_code == 0
        assert status(place)["state"] == "finished"


def test_looking_at_a_run_runs_nothing_of_it(study, tmp_path):
    """The module of its operators would leave a mark when it is imported, as it does when the study is loaded."""
    place = conduct.run(study, tmp_path / "run", workers=0).folder
    mark = tmp_path / "mark"
    (tmp_path / "mishaps.py").write_text(OPERATORS + f"\nopen({str(mark)!r}, 'w').close()\n")
    program = "import sys, uqmsm; print(uqmsm.status(sys.argv[1])['state']); uqmsm.open(sys.argv[1])"
    told = subprocess.run([sys.executable, "-c", program, str(place)], capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["finished"]
    assert not mark.exists()
    subprocess.run([sys.executable, "-c", "import sys, uqmsm; uqmsm.load(sys.argv[1])", str(tmp_path)], check=True)
    assert mark.exists(), "negative control"


@pytest.mark.parametrize("content", [None, "", '{"seed": 3, "resol'], ids=["missing", "empty", "torn"])
def test_a_torn_lock_is_told_in_words_by_every_command(study, tmp_path, content):
    place = uqmsm.run(study, tmp_path / "run", workers=0).folder
    lock = place / "study.lock.json"
    lock.unlink() if content is None else lock.write_text(content)
    for command in (conduct.resume, status, lambda path: conduct.run(study, path, workers=0)):
        with pytest.raises(StudyError, match=r"was damaged.*--out"):
            command(place)


def test_whatever_breaks_in_answering_outcomes_are_saved_and_the_run_can_be_answered_again(
    study, tmp_path, monkeypatch
):
    place = tmp_path / "run"
    with monkeypatch.context() as broken:
        broken.setattr(recording, "answered", lambda *_: (_ for _ in ()).throw(IndexError("a bug")))
        with pytest.raises(IndexError, match="a bug"):
            uqmsm.run(study, place, workers=0)
    assert uqmsm.open(place)["outcomes/first"]["y"].notnull().any()
    assert "answers" not in uqmsm.open(place)
    with pytest.raises(StudyError, match="uqmsm resume"):
        conduct.report(place)
    assert conduct.resume(place, workers=0).exit_code == 0
    assert "answers" in uqmsm.open(place)


def test_whatever_breaks_in_the_report_it_can_be_written_again(study, tmp_path, monkeypatch):
    place = tmp_path / "run"
    with monkeypatch.context() as broken:
        broken.setattr("uqmsm.report.write", lambda *_: (_ for _ in ()).throw(IndexError("a bug")))
        with pytest.raises(IndexError):
            uqmsm.run(study, place, workers=0)
    assert conduct.report(place).is_file()


def contents(place):
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in place.rglob("*") if path.is_file()}


def test_replay_tells_a_failure_of_any_class_and_writes_nothing(study, tmp_path):
    place = uqmsm.run(study.path, tmp_path / "run", workers=0).folder  # a study may be named by its file
    fates = uqmsm.open(place)["members"].to_dataset()
    bad = [i for i, state in enumerate(fates["status"].values) if state == "failed"]
    assert bad
    (place / "members" / "stray.npz").write_bytes(b"not adopted")
    before, lines = contents(place), []
    with pytest.raises(MemberFailed, match="KeyError"):
        replay(place, str(fates["address"].values[bad[0]]), lines.append)
    assert any("fails after" in line and "a word that is not there" in line for line in lines)
    good = next(i for i, state in enumerate(fates["status"].values) if state == "done")
    again = replay(place, str(fates["address"].values[good]), lines.append)
    assert float(again["first"]["y"]) == float(uqmsm.open(place)["answers"]["y"][good])
    assert contents(place) == before
    (place / "posterior" / "first.b.nc").unlink()
    with pytest.raises(StudyError, match=r"first\.b\.nc is missing.*resume"):
        replay(place, str(fates["address"].values[good]), lines.append)


def test_what_is_not_there_is_said_to_be_absent(tmp_path):
    with pytest.raises(StudyError, match=r"there is no file .*nothing\.yaml"):
        uqmsm.run(tmp_path / "nothing.yaml")
    with pytest.raises(StudyError, match=r"there is no run folder .*uqmsm run"):
        uqmsm.open(tmp_path / "nothing")


def test_refinements_and_learning_are_watched_and_planned(tmp_path):
    study = written(tmp_path, REFINED)
    planned = plan(study)
    assert planned["refined_calls"] == {"step": {"first": 8}}
    assert planned["seconds_to_learn"] == {"first.a": 7.0, "first.b": 7.0}
    stages = 0.5 * planned["calls"]["first"]
    assert planned["core_seconds_of"] == {"stages": stages, "refinements": 4.0, "learning": 14.0}
    assert planned["memory_without"] == ["first.grains"]
    watch = Watching()
    uqmsm.run(study, tmp_path / "run", workers=0, observer=watch)
    assert watch.stages == ["first", "step refined: first"]
    assert sum(watch.counts["step refined: first"][:2]) == 8
    assert any(line.startswith("first.a: learnt in ") for line in watch.lines)


def test_why_a_refined_member_failed_is_told_on_the_page_at_the_end_and_by_status(tmp_path):
    finer = '''
@dataclass(frozen=True)
class Finer(First):
    """Fails where it is computed finer."""
    def __call__(self, given, streams):
        if self.step < 0.3:
            raise ValueError("too few grains are left")
        return super().__call__(given, streams)
'''
    (tmp_path / "mishaps.py").write_text(OPERATORS.replace("self.lot > 1.5", "self.lot > 99") + finer)
    (tmp_path / "study.yaml").write_text(REFINED.replace("mishaps:First", "mishaps:Finer"))
    finished = uqmsm.run(uqmsm.load(tmp_path / "study.yaml"), tmp_path / "run", workers=0)
    (line,) = [one for one in finished.lines if "refined by step" in one]
    assert line.startswith("8 of 8 members failed when refined by step: first: ")
    assert "too few grains are left" in line
    assert line.endswith("(8x)")
    page = (finished.folder / "report.html").read_text()
    assert "<td>step</td>" in page
    assert "8 of 8" in page
    assert "too few grains are left" in page
    state = status(finished.folder)
    assert state["refinements"] == {"step": {"first": {"done": 0, "failed": 8, "calls": 8}}}
    (told,) = state["failures"]
    assert (told["of"], told["stage"], told["calls"]) == ("step", "first", 8)
    assert "too few grains are left" in told["why"]
    (tmp_path / "study.yaml").write_text(REFINED)
    well = uqmsm.run(uqmsm.load(tmp_path / "study.yaml"), tmp_path / "fine", workers=0)
    assert not any("refined by" in one for one in well.lines), "negative control"


LONG = '''
from uqmsm.bookmarks import bookmark

@dataclass(frozen=True)
class Long(First):
    """Ten steps, kept one by one; interrupted once after the fourth."""
    a: float = 1.0
    b: float = 1.0
    def __call__(self, given, streams):
        from pathlib import Path
        place, done = bookmark(), 0
        if (kept := place.read()) is not None:
            done = int(kept[0])
        log = Path(__file__).with_name("steps")
        for step in range(done + 1, 11):
            with log.open("a") as file:
                file.write(f"{self.lot} {step}\\\\n")
            place.keep(str(step).encode(), step / 10)
            if step == 4 and not log.with_name("stopped").exists():
                log.with_name("stopped").touch()
                raise KeyboardInterrupt
        return {"y": self.lot, "grains": np.ones(2)}
'''


def test_a_long_call_that_was_interrupted_is_gone_on_with_not_begun_anew(tmp_path):
    (tmp_path / "mishaps.py").write_text(OPERATORS + LONG.replace("\\\\n", "\\n"))
    (tmp_path / "study.yaml").write_text(STUDY.replace("mishaps:First", "mishaps:Long"))
    place = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        uqmsm.run(uqmsm.load(tmp_path / "study.yaml"), place, workers=0)
    (told,) = status(place)["unfinished"]
    assert (told["stage"], told["reached"]) == ("first", "40 %")
    assert conduct.resume(place, workers=0).exit_code == 0
    steps = [line.split() for line in (tmp_path / "steps").read_text().splitlines()]
    first = [int(step) for lot, step in steps if lot == steps[0][0]]
    assert first == list(range(1, 11)), "no step twice"
    assert status(place)["unfinished"] is None
    assert not (place / "unfinished").exists()
