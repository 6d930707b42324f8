"""What the live page shows is what the report says; looking costs little, and every end is told."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
from test_conduct import STUDY, Watching, written

import uqmsm
from uqmsm import conduct
from uqmsm.conduct import live as live_room
from uqmsm.conduct.answering import planned
from uqmsm.conduct.live_facts import Pace
from uqmsm.conduct.looks import SHARE, Looks
from uqmsm.conduct.running_answer import standing
from uqmsm.errors import EnvironmentFault
from uqmsm.execution.taskfile import Status
from uqmsm.report.facts import answers
from uqmsm.report.ledger_facts import ledgers
from uqmsm.report.words import share
from uqmsm.tables import folder

EXACT = folder("studies") / "exact_chain"


@pytest.fixture
def kept(monkeypatch):
    """Return the list of all watched runs, so that tests can ask them how they stand."""
    found = []

    class Kept(live_room.Live):
        def __init__(self, *args):
            super().__init__(*args)
            found.append(self)

    monkeypatch.setattr(live_room, "Live", Kept)
    return found


def same_as_report(shown, tree, ledger_title):
    """Compare one answer of the page with the report's own facts."""
    told = next(one for one in answers(tree) if one.name == shown["name"])
    assert shown["mean"] == pytest.approx(told.mean.value, rel=1e-12)
    assert shown["mean_se"] == pytest.approx(told.mean.se, rel=1e-12)
    assert shown["sd"] == pytest.approx(told.sd.value, rel=1e-12)
    assert (shown["used"], shown["of"]) == (told.used, told.of)
    ledger = next(one for one in ledgers(tree) if one.title == ledger_title)
    by_kind = {part["kind"]: part for part in shown["parts"]}
    for kind in ("epistemic", "aleatoric", "numerical", "interaction"):
        assert by_kind[kind]["share"] == pytest.approx(ledger.sums[kind].value, abs=1e-12)
        assert by_kind[kind]["sd"] == pytest.approx(told.sd.value * max(ledger.sums[kind].value, 0) ** 0.5, abs=1e-12)
    for line, truth in zip(shown["ledger"]["lines"], ledger.by("source"), strict=True):
        assert (line["name"], line["kind"], line["verdict"]) == (truth.name, truth.kind, truth.verdict)
        assert line["said"] == share(truth)
        for key, number in (("fair", truth.fair.value), ("lo", truth.fair.lo), ("hi", truth.fair.hi)):
            assert line[key] == pytest.approx(number, rel=1e-5) if np.isfinite(number) else line[key] is None
    return by_kind


def test_what_is_shown_at_the_end_is_what_the_report_says(kept, tmp_path):
    """Both standard deviations within 5 of their errors of the closed form: false alarms below 1e-5."""
    finished = uqmsm.run(uqmsm.load(EXACT), tmp_path / "run", workers=0)
    state = json.loads(json.dumps(kept[0].state(), allow_nan=False))
    (shown,) = state["answers"]
    tree = uqmsm.open(finished.folder)
    by_kind, sd_se = same_as_report(shown, tree, "y"), answers(tree)[0].sd.se
    for kind, variance in (("epistemic", 0.70), ("aleatoric", 0.27), ("numerical", 0.03)):
        one = by_kind[kind]
        error = one["sd"] * (0.5 * one["share_se"] / one["share"] + sd_se / shown["sd"])
        assert abs(one["sd"] - variance**0.5) < 5 * error
        assert abs(one["sd"] - (1.0 - variance) ** 0.5) > 5 * error  # negative control: that of the others
    assert (state["phase"], state["closing"], state["left"]) == ("finished", "good", 0.0)
    assert state["next"].startswith("uqmsm report ")
    assert state["members"][0] == state["members"][1] == 2560 + 64 * 64
    calls = {stage["name"]: stage["states"]["done"] for stage in state["stages"]}
    assert calls["fourth"] == 6656
    assert calls["step refined: fourth"] == 8
    assert state["failures"] == []
    assert len(json.dumps(state)) < 12_000


def test_the_history_is_the_mean_of_the_first_rows():
    study = uqmsm.load(EXACT, ("members.rows=50",))
    plan, rng = planned(study), np.random.default_rng(3)
    values, through = rng.normal(size=len(plan.members)), rng.random(len(plan.members)) < 0.9
    outcomes = SimpleNamespace(member_values=lambda *_: values)
    found = standing(study.ask[0], study.chain, plan, outcomes, through)
    there, row = np.where(through, values, np.nan)[plan.rows], plan.design.row_of_member
    for rows, mean, se in found.history[:: len(found.history) // 5]:
        some = row < rows
        assert mean == pytest.approx(np.nanmean(there[some]), rel=1e-12)
        left = [np.nanmean(there[some & (row != one)]) for one in range(rows)]
        assert se == pytest.approx(((rows - 1) * np.var(left)) ** 0.5, rel=1e-9)
    assert found.history[-1][1:] == (found.mean, found.mean_se)
    assert (found.through, found.of) == (int(through[plan.rows].sum()), len(plan.rows))


def test_before_there_are_rows_nothing_is_claimed():
    study = uqmsm.load(EXACT)
    plan = planned(study)
    outcomes = SimpleNamespace(member_values=lambda *_: np.arange(float(len(plan.members))))
    for rows, knows_mean, knows_error, knows_kinds in (
        (0, False, False, False),
        (2, True, False, False),
        (8, True, True, True),
    ):
        through = np.zeros(len(plan.members), dtype=np.bool_)
        through[plan.rows[plan.design.row_of_member < rows]] = True
        found = standing(study.ask[0], study.chain, plan, outcomes, through)
        assert np.isfinite(found.mean) == knows_mean
        assert np.isfinite(found.mean_se) == knows_error
        assert (found.shares is not None) == knows_kinds
        assert np.isfinite(found.sd_of("epistemic")) == knows_kinds


def test_failures_are_counted_by_reason_with_an_address(kept, tmp_path):
    study = written(tmp_path, STUDY)
    finished = conduct.run(study, tmp_path / "run", workers=0)
    state, fates = kept[0].state(), uqmsm.open(finished.folder)["members"].to_dataset()
    failed = fates["status"].values != "done"
    assert failed.any()
    (one,) = state["failures"]
    assert (one["stage"], one["state"], one["members"]) == ("first", "failed", int(failed.sum()))
    assert "a word that is not there" in one["reason"]
    assert one["address"] in fates["address"].values[failed].tolist()
    assert state["failed_members"] == int(failed.sum())
    title = next(one.title for one in ledgers(uqmsm.open(finished.folder)) if not one.title.endswith("failed"))
    same_as_report(state["answers"][0], uqmsm.open(finished.folder), title)


@pytest.mark.parametrize(
    ("fault", "phase", "closing"),
    [(KeyboardInterrupt(), "interrupted", "care"), (EnvironmentFault("the disk is full"), "failed", "bad")],
)
def test_how_a_run_breaks_off_is_told_with_the_next_command(kept, tmp_path, monkeypatch, fault, phase, closing):
    def broken(*_, **__):
        raise fault

    monkeypatch.setattr("uqmsm.execution.dispatch.execute", broken)
    with pytest.raises(type(fault)):
        conduct.run(written(tmp_path, STUDY), tmp_path / "run", workers=0)
    state = kept[0].state()
    assert (state["phase"], state["closing"]) == (phase, closing)
    assert state["next"].startswith("uqmsm resume ")
    assert "disk is full" in state["end"] or phase == "interrupted"


def test_without_workers_one_line_says_that_there_is_no_page(tmp_path):
    watch = Watching()
    assert conduct.run(written(tmp_path, STUDY), tmp_path / "run", workers=0, observer=watch).exit_code == 0
    assert sum("no live page" in line for line in watch.lines) == 1


def test_a_scheduler_that_cannot_serve_it_is_one_line(tmp_path, monkeypatch):
    from uqmsm.execution.backends import InProcess

    def lacking(*_):
        raise ModuleNotFoundError("No module named 'uqmsm'")

    monkeypatch.setattr(InProcess, "dashboard", "http://127.0.0.1:1/status")
    monkeypatch.setattr(InProcess, "on_scheduler", staticmethod(lacking))
    watch = Watching()
    assert conduct.run(written(tmp_path, STUDY), tmp_path / "run", workers=0, observer=watch).exit_code == 0
    assert sum("cannot serve it (ModuleNotFoundError" in line for line in watch.lines) == 1


def test_looking_stays_under_its_share_of_the_time():
    """Looks of any cost, asked for at every moment: together at most 3 % of the time, but for the very last."""
    now, rng, looked = [0.0], np.random.default_rng(5), 0
    looks = Looks(uqmsm.load(EXACT), print, clock=lambda: now[0], effort=lambda: now[0])
    some, through = np.array([True, False]), np.array([True, True])
    while now[0] < 2000.0:
        if looks.due(some):
            looked += 1
            with looks.timed():
                now[0] += float(rng.uniform(0.01, 0.5)) * (1.0 if looked > 1 else 3.0)
        now[0] += 0.01
        if now[0] > 100.0:
            assert looks.spent <= 1.5 * SHARE * now[0]
    assert looked > 100
    assert looks.due(through)


def test_time_left_is_what_the_calls_say_once_every_stage_has_spoken():
    seconds = {"a": np.array([2.0, 2.0, np.nan, np.nan]), "b": np.full(8, np.nan)}
    stages = {
        name: SimpleNamespace(seconds=each, status=np.where(np.isfinite(each), Status.DONE, Status.PENDING))
        for name, each in seconds.items()
    }
    outcomes, pace = SimpleNamespace(stages=stages), Pace(2)
    assert pace.facts(outcomes, now=0.0) == {"each": {"a": 2.0, "b": None}, "left": None}
    seconds["b"][:2], stages["b"].status[:2] = 0.5, Status.DONE
    # 2 calls of 2 s and 6 of 0.5 s on 2 slots; too early for the wall clock to say how much longer they really take
    assert pace.facts(outcomes, now=0.1)["left"] == pytest.approx(3.5)
    # 1 s of work took 10 s on two slots, twenty times what its calls say
    assert pace.facts(outcomes, now=10.0)["left"] == pytest.approx(3.5 * 20)


def test_status_names_the_page_of_a_run_that_is_running(tmp_path):
    from uqmsm.execution.journal import RunFolder

    study = written(tmp_path, STUDY)
    finished = conduct.run(study, tmp_path / "run", workers=0)
    with RunFolder.open(finished.folder) as opened:
        opened.note("live", link="http://127.0.0.1:8787/uqmsm")
        assert uqmsm.status(finished.folder)["dashboard"] == "http://127.0.0.1:8787/uqmsm"
    assert uqmsm.status(finished.folder)["dashboard"] is None
