"""Stop rules: rounds follow from the study and its results alone, survive kills, and leave intervals that hold."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from math import inf

import numpy as np
import pytest
from click.testing import CliRunner
from growing import BAND, LEDGER, ROUNDS, STUDY, begun, equal, written

import uqmsm
from uqmsm.cli import main
from uqmsm.conduct.stopping import Judged, judged, next_size, shortfall
from uqmsm.errors import StudyError
from uqmsm.execution import journal
from uqmsm.members import Size
from uqmsm.questions.allocate import next_round
from uqmsm.questions.propagate import spread
from uqmsm.reading import Faulty
from uqmsm.study import Members, Until, loads
from uqmsm.study.dumping import dump


@pytest.fixture(autouse=True)
def no_page(monkeypatch):
    """Of no interest here, and half of the time of a small run."""
    monkeypatch.setattr("uqmsm.report.write", lambda *_: None)


def rounds_of(run):
    return [one["rows"] for one in journal.read_journal(run)[0] if one["kind"] == "round"]


# --- the rule


def test_rounds_grow_by_half_and_end_where_they_must():
    sizes = [32]
    while (more := next_round(sizes[-1], 512)) is not None:
        sizes.append(more)
    assert sizes == [32, 48, 72, 108, 162, 243, 365, 512]
    members = Members(rows=16, until=(Until("y", 1.0),), at_most=20)
    late, met = Judged("mean", 2.0, 1.0, "1", "rows", 64), Judged("mean", 1.0, 1.0, "1", "rows", None)
    assert next_size(members, Size(16), [late, met]) == Size(20)
    assert next_size(members, Size(16), [met]) is None
    assert next_size(members, Size(20), [late]) is None
    unknown = Judged("share", inf, 0.1, "1", "rows", None, "too few")
    assert shortfall([late, met, unknown], Size(20), "the end")[0].endswith("uqmsm extend RUN --members 64")
    assert "too few" in shortfall([unknown], Size(20), "the end")[0]


def stopped(generator, wanted, at_most=400):
    """Return the rows and the 95 % interval of the mean of a chain known in closed form, under the rule.

    Rows of 8 members that share what a row shares: y = a + b, a of the row's two levels, b fresh per member; mean 0.
    """
    a = generator.normal(0.0, 1.0, (at_most, 2))[:, [0, 1] * 4]
    y = a + generator.normal(0.0, 0.7, (at_most, 8))
    rows = 16
    while True:
        row = np.repeat(np.arange(rows), 8)
        found = spread(y[:rows].ravel(), row, probabilities=(0.5,), level=0.95).mean
        more = next_round(rows, at_most) if found.se > wanted else None
        if more is None:
            return rows, found.lo <= 0.0 <= found.hi, found.se
        rows = more


def test_intervals_hold_under_the_rule():
    """Of 200 intervals of nominal 95 %, at least 90 % cover.

    Over 1500 repeats it is 94.5 to 95.2 % for three targets; at 94.5 % one set of 200 in 200 would fail (ours is
    fixed). The control is a rule that must be fooled: looking after every row, stopping at the first interval without
    zero.
    """
    ended = [stopped(np.random.default_rng((20, k)), 0.1) for k in range(200)]
    assert np.mean([covers for _, covers, _ in ended]) >= 0.90
    assert len({rows for rows, _, _ in ended}) >= 3, "the rule stops at different rounds"
    assert all(se <= 0.1 for rows, _, se in ended if rows < 400)
    fooled = 0
    for k in range(50):
        y = np.random.default_rng((21, k)).normal(0.0, 1.0, 400)
        mean = np.cumsum(y) / np.arange(1, 401)
        fooled += bool((np.abs(mean[15:]) > 1.96 / np.sqrt(np.arange(16, 401))).any())
    assert fooled / 50 > 0.2


# --- a run in rounds


def test_a_run_adds_members_until_its_errors_are_reached_and_says_so(tmp_path):
    finished = begun(tmp_path, ROUNDS)
    assert finished.exit_code == 0
    grown = rounds_of(finished.folder)
    assert grown == [16, 24, 36, 54, 81, 122][: len(grown)]
    last = finished.summary["rounds"][-1]["judged"]
    assert [one["met"] for one in last] == [True, True]
    assert not all(one["met"] for one in finished.summary["rounds"][-2]["judged"])
    tree = uqmsm.open(finished.folder)
    assert float(tree["summary"]["mean_se"][0]) == last[0]["se"]
    assert float(tree["probability"]["probability_se"][0]) == last[1]["se"]
    assert json.loads(tree.attrs["rounds"]) == finished.summary["rounds"]
    direct = begun(tmp_path, STUDY, f"members.rows={grown[-1]}", out="direct").folder
    equal(uqmsm.open(direct), tree)
    state = uqmsm.status(finished.folder)
    assert (state["state"], state["members"]) == ("finished", f"{grown[-1]} rows")
    assert state["judged"] == last


def test_what_is_not_reached_is_exit_4_with_the_rows_it_takes_and_they_reach_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "s", ROUNDS.replace("at_most: 200", "at_most: 20"))
    result = CliRunner().invoke(main, ["run", "s", "--out", "run", "--workers", "0"])
    assert result.exit_code == 4, result.stderr
    assert "at_most is reached" in result.stdout
    following = result.stderr.rstrip().splitlines()[-1].removeprefix("next: uqmsm ").split()
    assert following[:3] == ["extend", "run", "--members"]
    assert 20 < int(following[3]) < 100
    again = CliRunner().invoke(main, [*following, "--workers", "0"])
    assert again.exit_code in {0, 4}, again.stderr
    assert uqmsm.status("run")["members"] == f"{following[3]} rows"
    ended = CliRunner().invoke(main, ["extend", "run", "--at-most", "300", "--workers", "0"])
    assert ended.exit_code == 0, ended.stderr


def test_draws_grow_where_the_error_is_that_of_a_band(tmp_path):
    text = BAND.replace("inner: 50}", "inner: 50, at_most: 12}, until: [{answer: y, of: probability, se: 1%}]")
    text = text.replace("below: -3,", "below: -3, above: 30,")
    finished = begun(tmp_path, text)
    assert finished.exit_code == 4
    assert [(one["rows"], one["draws"]) for one in finished.summary["rounds"]] == [(16, 8), (16, 12)]
    seen, never = finished.summary["rounds"][-1]["judged"]
    assert any(f"extend RUN --band-draws {seen['needs']}" in line for line in finished.summary["not_converged"])
    # an event that no draw shows: its one-sided 90 % limit, 1 - 0.1^(1/12), counts as the half width of an interval
    assert never["se"] == pytest.approx((1 - 0.1 ** (1 / 12)) / 1.6448536, rel=1e-6)


def test_failing_members_end_the_rounds(tmp_path):
    text = ROUNDS.replace('Lot"}', 'Lot", fails_above: 1.0}')
    finished = begun(tmp_path, text)
    assert finished.exit_code == 3
    assert len(finished.summary["rounds"]) == 1
    assert "of the members failed" in finished.summary["not_converged"][0]


def test_a_budget_of_time_ends_the_rounds_before_they_overrun(tmp_path, monkeypatch):
    text = ROUNDS.replace("at_most: 200", "budget: 1 h").replace("se: 0.4", "se: 0.01")
    clock = iter(np.arange(0.0, 1e9, 1000.0))
    monkeypatch.setattr("uqmsm.conduct.rounds.perf_counter", lambda: float(next(clock)))
    finished = begun(tmp_path, text)
    # a round takes 1000 s: 1000 + 500 <= 3600, 2000 + 1000 <= 3600, 3000 + 1500 > 3600
    assert [one["rows"] for one in finished.summary["rounds"]] == [16, 24, 36]
    assert finished.exit_code == 4
    assert "another machine gets elsewhere" in finished.summary["not_converged"][0]


KILLED = """
import sys, uqmsm
uqmsm.run(uqmsm.load(sys.argv[1]), sys.argv[2], workers=0)
"""


def test_killed_at_any_round_it_goes_on_to_the_same_end_bit_for_bit(tmp_path):
    """The kill is -9, of a process of its own in its first round and in its third."""
    slow = ROUNDS.replace('Lot"}', 'Lot", pause: 0.005}')
    study, whole = written(tmp_path, slow), uqmsm.open(begun(tmp_path, slow, out="whole").folder)
    for number, rounds in enumerate((0, 2)):
        run = tmp_path / f"killed{number}"
        client = subprocess.Popen([sys.executable, "-c", KILLED, str(study), str(run)], stderr=subprocess.DEVNULL)
        patience = time.monotonic() + 60
        while not ((run / "journal.jsonl").exists() and len(rounds_of(run)) >= rounds and b'"task"' in tail(run)):
            assert client.poll() is None
            assert time.monotonic() < patience
            time.sleep(0.01)
        os.kill(client.pid, signal.SIGKILL)
        client.wait()
        assert not (run / "results.nc").exists()
        assert uqmsm.status(run)["state"] == "interrupted"
        uqmsm.resume(run, workers=0)
        equal(whole, uqmsm.open(run))


def tail(run):
    return (run / "journal.jsonl").read_bytes()[-4000:]


# --- the words of the study file

RULE = "{answer: y, se: 0.1}"
FAULTS = [
    (f"rows: 8, until: [{RULE}], at_most: 99", "rows = 8 is too few to judge an error by"),
    (f"rows: 16, until: [{RULE}]", "until needs an end"),
    (f"rows: 16, until: [{RULE}], at_most: 8", "at_most = 8 lies outside rows = 16"),
    (f"rows: 16, until: [{RULE}], budget: 3 MPa", "'3 MPa' is not a number in s"),
    (f"rows: 16, until: [{RULE}], budget: -1 h", "is no time"),
    ("rows: 16, at_most: 99", "at_most = 99 ends rounds, and nothing asks for any"),
    ("rows: 16, until: [{answer: z, se: 1}], at_most: 99", "'z' is not among what is asked"),
    ("rows: 16, until: [{answer: y, se: 0}], at_most: 99", "is no standard error"),
    ("rows: 16, until: [{answer: y, se: 2 MPa}], at_most: 99", "'2 MPa' is not"),
    ("rows: 16, until: [{answer: y, se: 1, of: men}], at_most: 99", "Did you mean 'mean'?"),
    ("rows: 16, until: [{answer: y, se: 1, of: quantile}], at_most: 99", "at says which quantile"),
    ("rows: 16, until: [{answer: y, se: 1, at: 0.5}], at_most: 99", "at says which quantile"),
    ("rows: 16, until: [{answer: y, se: 1, of: quantile, at: 5}], at_most: 99", "is no quantile"),
    ("rows: 16, until: [{answer: y, se: 1, line: lot}], at_most: 99", "is a line of the ledger"),
    ("rows: 16, until: [{answer: y, se: 3, of: ledger}], at_most: 99", "below 1"),
    ("rows: 16, until: [{answer: y, se: 3%, of: ledger, line: lto}], at_most: 99", "Did you mean 'lot'?"),
    ("rows: 16, until: {answer: y}, at_most: 99", "one mapping stands where a list"),
    (
        f"rows: 16, band: {{draws: 8, inner: 50}}, until: [{RULE[:-1]}, of: probability}}], at_most: 99",
        "its band says no end of draws",
    ),
    ("rows: 16, band: {draws: 8, inner: 50, at_most: 4}", "at_most = 4 is less than draws = 8"),
    ("rows: 16, band: {draws: 8, inner: 50, at_most: 40}", "nothing asks for any"),
]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return written(tmp_path_factory.mktemp("words"))


@pytest.mark.parametrize(("members", "words"), FAULTS)
def test_wrong_words_are_refused_at_their_place(place, members, words):
    text = LEDGER.replace("rows: 16, target_se: 0.9", members)
    with pytest.raises(Faulty) as caught:
        loads(text, path=place)
    assert words in str(caught.value)
    problem = caught.value.problems[0]
    assert (problem.place.line, bool(problem.next)) == (8, True), problem


def test_words_that_need_what_is_asked(place):
    for ask, rule, words in (
        ("{answer: y}", "of: probability", "has no threshold"),
        ("{answer: y, ledger: false}", "of: ledger", "asked without its ledger"),
    ):
        text = ROUNDS.replace("{answer: y, below: -3, ledger: false}", ask).replace("of: probability", rule)
        with pytest.raises(Faulty, match=words):
            loads(text, path=place)
    with pytest.raises(StudyError):
        Until("y", 1.0, of="quantile")


def test_rules_are_written_out_and_read_back(place):
    rules = "{answer: y, se: 5%, of: ledger, line: known.a}, {answer: y, of: quantile, at: 5%, se: 0.3}"
    text = (
        ROUNDS.replace(", ledger: false", "")
        .replace("{answer: y, se: 0.4}", rules)
        .replace("at_most: 200", "at_most: 200, budget: 2 h")
    )
    study = loads(text, path=place)
    assert study.members.budget == 7200.0
    assert study.members.until[0].se == 0.05
    assert loads(dump(study), path=place) == study


def test_errors_in_other_units_are_differences(tmp_path):
    """2 degF are 1.111 degC; a standard error has no zero of its own."""
    source = (
        "from dataclasses import dataclass\nfrom typing import Annotated\nfrom uqmsm.quantity import Port, Unit\n"
        "from uqmsm.stochastic import law_sources\nfrom uqmsm.uncertainty import Uncertain, settled\n"
        "@dataclass(frozen=True)\nclass Warm:\n    t: Annotated[Uncertain, Unit('K')] = 300.0\n    inputs = ()\n"
        "    outputs = (Port('t_out', 'K'),)\n    sources = property(law_sources)\n"
        "    def __call__(self, given, streams):\n        return {'t_out': settled(self.t)}\n"
    )
    (tmp_path / "warm.py").write_text(source)
    text = (
        'study: t\nseed: 1\nchain: [{operator: "warm:Warm", t: {epistemic: normal, mean: 300, sd: 1}}]\n'
        "ask: [{answer: t_out, unit: degC}]\nmembers: {until: [{answer: t_out, se: 2 degF}], at_most: 64}\n"
    )
    study = loads(text, path=tmp_path / "study.yaml")
    assert study.members.until[0].se == pytest.approx(2 / 1.8, rel=1e-9)


def test_too_few_answers_are_not_met(tmp_path):
    study = uqmsm.load(written(tmp_path, ROUNDS))
    from uqmsm.conduct.answering import planned

    plan = planned(study)

    class Nothing:
        def member_values(self, stage, port):
            return np.full(len(plan.members), np.nan)

    found = judged(study, study.chain, plan, Nothing())
    assert [one.met for one in found] == [False, False]
    assert all("not known" in str(one) for one in found)
