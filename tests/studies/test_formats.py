"""A folder of an older format opens, resumes, reports and grows; one of a newer format is refused with words."""

from __future__ import annotations

import json
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from growing import begun, equal, rows_of

import uqmsm
from uqmsm import conduct, results
from uqmsm.conduct.changes import differences
from uqmsm.errors import StudyError
from uqmsm.execution import journal
from uqmsm.execution.formats import JOURNAL, LOCK, TASK, Format
from uqmsm.execution.taskfile import write_task

KEPT = Path(__file__).parents[1] / "data" / "run_format_1.zip"


@pytest.fixture
def old(tmp_path):
    """Unpack a run as the code of format 1 left it, its study beside it."""
    with zipfile.ZipFile(KEPT) as packed:
        packed.extractall(tmp_path)
    lock = tmp_path / "run" / "study.lock.json"
    lock.write_text(lock.read_text().replace('"SOURCE"', json.dumps(str(tmp_path / "study.yaml"))))
    return tmp_path / "run"


def near(one, other):
    for name in ("mean", "sd", "quantile_value"):
        np.testing.assert_allclose(other["summary"][name], one["summary"][name], rtol=1e-12)
    np.testing.assert_allclose(other["answers"]["y"], one["answers"]["y"], rtol=1e-12)


def test_a_run_of_format_1_is_looked_at_without_being_touched(old):
    before = {path: path.read_bytes() for path in old.rglob("*") if path.is_file()}
    state = uqmsm.status(old)
    assert (state["state"], state["members"]) == ("finished", "16 rows and 8 x 50 members of a band")
    assert uqmsm.open(old)["answers"].sizes["member"] == 528
    conduct.report(old)
    assert {path: path.read_bytes() for path in before} == before


def test_a_run_of_format_1_resumes_and_grows_and_its_lock_is_kept(old):
    was, lock = uqmsm.open(old), (old / "study.lock.json").read_text()
    uqmsm.resume(old, workers=0)
    near(was, uqmsm.open(old))
    assert json.loads((old / "study.lock.json").read_text())["format"] == LOCK.newest
    assert (old / "study.lock.format-1.json").read_text() == lock
    resumed = uqmsm.open(old)
    uqmsm.extend(old, rows=20, workers=0)
    equal(resumed, uqmsm.open(old), first=True)
    assert rows_of(old) == 20


def test_a_run_of_format_1_whose_study_changed_is_refused_with_the_difference(old):
    study = old.parent / "study.yaml"
    study.write_text(study.read_text().replace("seed: 11", "seed: 12"))
    with pytest.raises(StudyError, match=r"seed: 11 -> 12\nundo that"):
        uqmsm.resume(old, workers=0)
    study.write_text(study.read_text().replace("seed: 12", "seed: 11"))
    (old / "study.yaml").write_text((old / "study.yaml").read_text().replace("below: -3", "below: -4"))
    with pytest.raises(StudyError, match=r"ask\.y\.below: -3\.0 -> -4\.0\nundo that, and the run goes on: uqmsm res"):
        uqmsm.extend(old, rows=20, workers=0)


def newer(run, name):
    """Write a file of a run in a format from the future."""
    if name == "study.lock.json":
        lock = json.loads((run / name).read_text())
        (run / name).write_text(json.dumps(lock | {"format": 99}))
    elif name == "journal.jsonl":
        with (run / name).open("a") as file:
            file.write('{"kind": "run", "format": 99}\n')
    elif name == "results.nc":
        tree = results.load(run)
        tree.attrs["format"] = "99"
        results.save(tree, run / name)


@pytest.mark.parametrize("name", ["study.lock.json", "journal.jsonl", "results.nc"])
def test_a_newer_format_is_refused_with_words(old, name):
    newer(old, name)
    commands = {"results.nc": [uqmsm.open, conduct.report]}.get(
        name, [uqmsm.status, uqmsm.resume, partial(uqmsm.extend, rows=20)]
    )
    for command in commands:
        with pytest.raises(StudyError, match=r"format 99.*version named in study\.lock\.json"):
            command(old)


def test_a_task_file_of_a_newer_format_is_refused_and_not_run_again(old, monkeypatch):
    entry = tasks(old)[0]
    record = journal.read_task(old / "members" / entry["file"], entry["sha256"])
    with monkeypatch.context() as future:
        future.setattr("uqmsm.execution.taskfile.TASK", tomorrow(TASK, dict))
        receipt = write_task(old / "members", record)
    with pytest.raises(
        StudyError, match=rf"a file of outcomes of format {TASK.newest + 1} was written by a newer uqmsm"
    ):
        journal.read_task(old / "members" / receipt.file, receipt.sha256)
    with pytest.raises(StudyError, match="newer uqmsm"):
        uqmsm.resume(old, workers=0)


def tasks(run):
    return [entry for entry in journal.read_journal(run)[0] if entry["kind"] == "task"]


def tomorrow(kind, step):
    """Return a kind of file whose next format this step makes."""
    return Format(kind.what, kind.newest + 1, {**kind.steps, kind.newest: step})


def test_steps_lead_from_every_older_format_and_touch_no_file(old, monkeypatch):
    """Formats of tomorrow: each kind of file is read through its steps, in order."""
    before = {path: path.read_bytes() for path in old.rglob("*") if path.is_file()}
    monkeypatch.setattr("uqmsm.execution.journal.JOURNAL", tomorrow(JOURNAL, lambda one: one | {"passed": True}))
    monkeypatch.setattr("uqmsm.conduct.lock.LOCK", tomorrow(LOCK, lambda one: one | {"passed": True}))
    moved = tomorrow(TASK, lambda found: found | {"about": found["about"] | {"host": "moved"}})
    monkeypatch.setattr("uqmsm.execution.taskfile.TASK", moved)
    assert all(entry["passed"] for entry in tasks(old))
    assert conduct.lock.read_lock(old)["passed"]
    entry = tasks(old)[0]
    assert journal.read_task(old / "members" / entry["file"], entry["sha256"]).host == "moved"
    renamed = {1: lambda tree: tree["answers"], 2: lambda tree: tree["y"]}
    monkeypatch.setattr(results, "FORMAT", 3)
    monkeypatch.setattr(results, "STEPS", renamed)
    assert results.load(old).dims == ("member",)
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize("number", [0, -1, "2", None, True, 1.5])
def test_what_is_no_format_is_refused(number):
    with pytest.raises(StudyError, match="which no version wrote"):
        JOURNAL.read({}, number, "journal.jsonl")


def test_a_registry_with_a_gap_is_refused():
    with pytest.raises(StudyError, match="do not lead from 1 to 3"):
        Format("a thing", 3, {1: dict})


# --- what changed


def test_differences_are_settings_and_neither_comments_units_nor_order(tmp_path):
    run = begun(tmp_path)
    assert run.exit_code == 0
    file = tmp_path / "study.yaml"
    text = file.read_text()
    same = text.replace("seed: 3", "seed: 3  # of all") + "# more\nrun: {cluster: local}\n"
    same = same.replace("members: {rows: 16, target_se: 0.9}\n", "").replace(
        "ask:", "members: {target_se: 0.9, rows: 16}\nask:"
    )
    assert differences(text, same, file) == []
    changed = text.replace("seed: 3", "seed: 4").replace('Lot"}', 'Lot", pause: 1.5}').replace("below: -3", "above: 3")
    assert [str(one) for one in differences(text, changed, file)] == [
        "seed: 3 -> 4",
        "chain.lot.pause: 0.0 -> 1.5",
        "ask.y.below: -3.0 -> not set",
        "ask.y.above: not set -> 3.0",
    ]
    broken = text.replace("seed: 3", "seeds: 3")
    assert [str(one) for one in differences(text, broken, file)] == ["seed: 3 -> not set", "seeds: not set -> 3"]


def test_where_a_run_works_may_change(tmp_path):
    run = begun(tmp_path).folder
    study = tmp_path / "study.yaml"
    study.write_text(study.read_text() + "run: {workers: 3}\n")

    class Told(list):
        def __getattr__(self, name):
            return self.append if name == "said" else lambda *_: None

    told = Told()
    assert uqmsm.resume(run, workers=0, observer=told).exit_code == 0
    assert any("run.workers: not set -> 3" in line for line in told)
