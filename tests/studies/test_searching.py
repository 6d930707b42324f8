"""A study that searches for rare failure: the closed form is found, each member has an address, none is run twice."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy.special import ndtr

import uqmsm
from uqmsm import conduct
from uqmsm.conduct.overview import plan
from uqmsm.conduct.replaying import replay
from uqmsm.errors import StudyError
from uqmsm.execution.journal import read_journal
from uqmsm.reading import Faulty
from uqmsm.study import dump, load, loads

HERE = Path(__file__).parent
SD, CHANCE = 3.0, 10.0  # of the bias; of strength minus load
STUDY = """\
study: a rod
seed: 3
chain:
  - {{name: rod, operator: "failing:Rod"{settings}}}
ask:
  - {{answer: margin, below: 0 MPa, method: {method}}}
members: {{rows: 16, target_se: 0.5, search: {{draws: {draws}, samples: {samples}}}}}
run: {{workers: 0{run}}}
"""


def written(folder, method="subset", settings="", draws=8, samples=150, run=""):
    folder.mkdir(exist_ok=True)
    shutil.copy(HERE / "failing.py", folder)
    text = STUDY.format(method=method, settings=settings, draws=draws, samples=samples, run=run)
    (folder / "study.yaml").write_text(text)
    return folder


def event(run):
    return uqmsm.open(run)["reliability"].to_dataset().isel(event=0)


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """Return how a run by subset simulation ended, and its folder."""
    folder = tmp_path_factory.mktemp("ran")
    return conduct.run(load(written(folder / "s")), folder / "run"), folder / "run"


def judge(ended, run, method):
    """P = Phi(-25/sqrt(100 + 9)) at five stated errors (1e-6); the likeliest failure is 36 % strength, 64 % load."""
    assert ended.exit_code == 0, ended.summary["not_converged"]
    one = event(run)
    truth = float(ndtr(-25.0 / np.hypot(SD, CHANCE)))
    assert abs(float(one["probability"]) - truth) < 5.0 * float(one["probability_se"])
    assert float(one["beta_sd"]) == pytest.approx(SD / CHANCE, rel=0.8)
    shares = one["importance"].values / one["importance"].values.sum()
    assert shares == pytest.approx([0.36, 0.64], abs=0.25)
    assert list(one["source"].values) == ["rod.strength", "rod.load"]
    line = next(line for line in ended.lines if line.startswith("probability of margin below 0 MPa"))
    assert "90 % band" in line
    assert "Margin below 0 MPa has the probability" in (run / "report.html").read_text().replace("\u00a0", " ")
    assert ended.summary["reliability"]["margin below 0 MPa"]["method"] == method


def test_subset_simulation_finds_the_closed_form(ran):
    judge(*ran, "subset")


@pytest.mark.parametrize("method", ["importance", pytest.param("form", marks=pytest.mark.slow),
                                    pytest.param("kriging", marks=pytest.mark.slow)])  # fmt: skip
def test_every_method_finds_the_closed_form(tmp_path, method):
    judge(conduct.run(load(written(tmp_path / "s", method)), tmp_path / "run"), tmp_path / "run", method)


def test_members_of_a_search_are_addressed_cached_and_replayed(ran):
    """The likeliest failure is replayed from its address alone; resuming runs nothing and gives the same."""
    _, run = ran
    first = event(run)
    known = replay(run, str(first["address"].item()), lambda _: None)
    assert float(known["rod"]["margin"]) < 0.0
    entries = len([e for e in read_journal(run)[0] if e.get("kind") == "task"])
    conduct.resume(run)
    assert len([e for e in read_journal(run)[0] if e.get("kind") == "task"]) == entries
    assert event(run)["draw_probability"].values.tolist() == first["draw_probability"].values.tolist()


@pytest.mark.slow
def test_a_search_that_was_killed_goes_on_as_if_it_had_not_been(ran, tmp_path):
    """With workers, broken off after some rounds: resumed, it gives the very numbers of the run in one piece."""
    _, whole = ran
    study = load(written(tmp_path / "s"))

    class Killed(Exception):
        pass

    class Killer:
        """An observer that ends the run in its tenth table."""

        tables = 0

        def __getattr__(self, name):
            return lambda *_, **__: None

        def started(self, stages, _):
            self.tables += bool(stages)
            if self.tables > 10:
                raise Killed

    with pytest.raises(Killed):
        conduct.run(study, tmp_path / "run", workers=2, observer=Killer())
    conduct.resume(tmp_path / "run", workers=1)
    assert (
        event(tmp_path / "run")["draw_probability"].values.tolist() == event(whole)["draw_probability"].values.tolist()
    )


def test_what_has_no_place_is_rolled_and_failed_members_are_told(tmp_path):
    """A flaw of 10 MPa beside strength and load: P = Phi(-25/sqrt(209)). Loads above 107 MPa do not compute."""
    folder = written(tmp_path / "s", settings=", flawed: 10, fragile: 107", run=", tolerate_failures: 5%")
    ended = conduct.run(load(folder), tmp_path / "run")
    one = event(tmp_path / "run")
    assert int(one["draw_failed"].sum()) > 0
    assert any("gave no margin" in line for line in ended.lines)
    assert any("searches asked for failed" in line for line in ended.lines)
    assert ended.exit_code in {3, 4}
    sound = conduct.run(load(written(tmp_path / "t", settings=", flawed: 10")), tmp_path / "sound")
    one = event(tmp_path / "sound")
    truth = float(ndtr(-25.0 / np.sqrt(SD**2 + CHANCE**2 + 100.0)))
    assert abs(float(one["probability"]) - truth) < 5.0 * float(one["probability_se"])
    assert sound.exit_code == 0, sound.summary["not_converged"]


@pytest.mark.parametrize(("change", "what", "advice"), [
    (("below: 0 MPa, method: subset", "method: subset"), "has no threshold", "Add below"),
    (('"failing:Rod"', '"failing:Rod", flawed: 2'), "", ""),
    (('"failing:Rod"', '"failing:Rod", strength: 120, load: 95'), "varies by chance", "aleatoric"),
    (("method: subset", "method: frequency"), "no answer has a method", "method: subset"),
    (("samples: 150", "samples: 10"), "too few", "Write 50"),
    (("method: subset", "method: guess"), "guess", ""),
])  # fmt: skip
def test_a_search_that_cannot_be_made_is_refused_where_it_stands(tmp_path, change, what, advice):
    folder = written(tmp_path / "s")
    text = (folder / "study.yaml").read_text().replace(*change)
    if not what:
        assert loads(text, path=folder / "study.yaml")
        text = text.replace("subset", "kriging")
        what, advice = "rod.flaw have none", "method: importance"
    with pytest.raises(Faulty) as told:
        loads(text, path=folder / "study.yaml")
    words = str(told.value)
    assert what in words
    assert advice in words
    assert "study.yaml:" in words


def test_a_study_with_a_search_is_written_out_and_planned(tmp_path):
    study = load(written(tmp_path / "s"))
    assert loads(dump(study), path=study.path) == study
    (line,) = plan(study)["searches"]
    assert line == "margin below 0 by subset: 8 draws of 150 members a level, moving rod.strength, rod.load"
    with pytest.raises(StudyError, match="searched by subset"):
        loads(dump(study).replace("target_se: 0.5", "until: [{answer: margin, of: probability, se: 1%}], at_most: 32"),
              path=study.path)  # fmt: skip


def test_the_results_say_units_and_meaning(ran):
    table = uqmsm.open(ran[1])["reliability"].to_dataset()
    for name, variable in {**table.data_vars, **table.coords}.items():
        assert {"units", "long_name", "sources"} <= set(variable.attrs), name
    assert json.loads(uqmsm.open(ran[1]).attrs["complaints"]) == []
