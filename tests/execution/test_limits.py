"""Limits in one process and their settings: what is stopped and why, what is tried again, and no byte that changes."""

from __future__ import annotations

import sys
import threading
import time

import numpy as np
import pytest
from mishaps import Lingering, LingeringTogether, Moody, Talking
from operators import three_stages
from test_dispatch import FAILING, Watching, fresh, image, rectangles, run

from uqmsm.chain import Chain, Stage
from uqmsm.errors import StudyError
from uqmsm.execution.endings import ending_of
from uqmsm.execution.journal import RunFolder, read_journal
from uqmsm.execution.limits import Limits, StageLimit, Stragglers, is_transient
from uqmsm.execution.retries import Retries
from uqmsm.execution.taskfile import Status, TaskRecord, read_task, write_task

MEMBERS = np.arange(20)[:, None]
SHORT = Limits(time=0.6)


def one(operator):
    return Chain((Stage("a", operator),))


def draws(tmp_path):
    """Return what the calls draw: each operator of these tests gives its draw where nothing happens to it."""
    return fresh(tmp_path / "draws", one(Lingering("loop", above=np.inf)), MEMBERS)["a"].values["x"]


def above(values, count):
    return float(np.sort(values)[-count - 1])


@pytest.mark.parametrize(
    ("operator", "how"),
    [(Lingering, "loop"), (Lingering, "wait"), (Lingering, "program"), (LingeringTogether, "loop")],
)
def test_a_call_that_takes_too_long_is_timed_out_alone(tmp_path, how, operator):
    values = draws(tmp_path)
    limit, watch = above(values, 1), Watching()
    start = time.monotonic()
    outcomes = fresh(
        tmp_path / "run", one(operator(how, above=limit)), MEMBERS, limits=SHORT, observer=watch, blocks={"a": 20}
    )
    assert time.monotonic() - start < 60  # it would take 600 s
    found = outcomes["a"]
    assert np.array_equal(found.status == Status.TIMED_OUT, values > limit)
    assert found.values["x"][found.done].tobytes() == values[values <= limit].tobytes()
    assert set(found.reasons.values()) == {"stopped after 0.6 s, the time limit of its stage"}
    late = int(np.argmax(values))
    status, reason, log = ending_of(tmp_path / "run", "a", found.calls.keys[late].tobytes())
    assert (status, reason, log) == (Status.TIMED_OUT, found.reasons[late], f"{how} begins")
    assert watch.counts["a"] == (19, 1, 20)
    assert watch.told[-1][1]["timed out"] == 1
    assert sum("`resume` tries them again" in line for line in watch.lines) == 1
    assert not (tmp_path / "run" / "notes").exists()


def test_what_timed_out_is_tried_again_by_the_next_run_and_what_failed_is_not(tmp_path):
    values = draws(tmp_path)
    limit = above(values, 1)
    chain = one(Lingering("wait", above=limit, seconds=2))
    first = fresh(tmp_path / "run", chain, MEMBERS, limits=SHORT)
    assert first["a"].states(0)["timed out"] == 1
    again = run(tmp_path / "run", chain, MEMBERS, limits=Limits(time=30.0))
    assert again["a"].values["x"].tobytes() == values.tobytes()
    assert not again["a"].reasons
    assert ending_of(tmp_path / "run", "a", again["a"].calls.keys[int(np.argmax(values))].tobytes()) is None
    tasks = [entry for entry in read_journal(tmp_path / "run")[0] if entry["kind"] == "task"]
    assert sum(entry["calls"] for entry in tasks) == 21
    failing = one(Talking())
    fresh(tmp_path / "talk", failing, MEMBERS)
    before = len(read_journal(tmp_path / "talk")[0])
    run(tmp_path / "talk", failing, MEMBERS)
    assert [entry["kind"] for entry in read_journal(tmp_path / "talk")[0][before:]] == ["execute", "executed"]


def test_limits_that_nobody_reaches_change_no_byte(tmp_path):
    chain, members = three_stages(**FAILING), rectangles(10)
    limits = Limits(60.0, (StageLimit("fe", 30.0),), 3, Stragglers(0.1, 50.0, "mean", 20.0))
    reference = image(fresh(tmp_path / "without", chain, members))
    assert image(fresh(tmp_path / "with", chain, members, limits=limits)) == reference


def test_a_thread_that_is_not_the_main_one_is_stopped_too(tmp_path):
    values, found = draws(tmp_path), {}
    chain = one(Lingering("loop", above=above(values, 1)))
    thread = threading.Thread(target=lambda: found.update(it=fresh(tmp_path / "run", chain, MEMBERS, limits=SHORT)))
    thread.start()
    thread.join(60)
    assert found["it"]["a"].states(0)["timed out"] == 1


@pytest.mark.parametrize("in_main", [True, False])
def test_imports_are_not_interrupted_and_their_time_is_not_counted(tmp_path, in_main):
    sys.modules.pop("slow_module", None)
    chain, found = one(Lingering("bring", above=-np.inf)), {}

    def go():
        found["it"] = fresh(tmp_path / "run", chain, MEMBERS, limits=SHORT)["a"]

    thread = threading.Thread(target=go)
    go() if in_main else thread.start()
    if not in_main:
        thread.join(60)
    assert found["it"].done.all()
    assert found["it"].seconds.max() > 1.5


def test_a_stage_has_its_own_limit_and_a_call_of_another_does_not_feel_it(tmp_path):
    values = draws(tmp_path)
    slow = Lingering("wait", above=above(values, 1), seconds=2)
    chain = Chain((Stage("slow", slow), Stage("fast", slow)))
    members = np.stack([np.arange(20)] * 2, axis=1)
    outcomes = fresh(tmp_path / "run", chain, members, limits=Limits(30.0, (StageLimit("fast", 0.6),)))
    assert outcomes["slow"].done.all()
    assert outcomes["fast"].states(0)["timed out"] == 1


@pytest.mark.parametrize("of", ["longest", "mean"])
def test_stragglers_are_stopped_once_enough_have_ended(tmp_path, of):
    values = draws(tmp_path)
    operator = Lingering("loop", above=above(values, 1), pause=0.01)
    late = int(np.argmax(values))
    table = np.roll(MEMBERS, -late - 1, axis=0)  # the straggler comes last
    limits = Limits(stragglers=Stragglers(finished=0.8, factor=3.0, of=of, least=0.8))
    found = fresh(tmp_path / "run", one(operator), table, limits=limits, blocks={"a": 2})["a"]
    assert found.states(0) == dict(zip(found.states(0), (0, 0, 19, 0, 0, 1, 0), strict=True))
    assert "straggler" in found.reasons[19]


def test_the_rule_for_stragglers():
    times = np.array([1.0, 2.0, 3.0])
    rule = Stragglers(finished=0.5, factor=2.0, least=0.5)
    assert rule.allowed(times, 7) == np.inf
    assert rule.allowed(times, 6) == 6.0
    assert Stragglers(0.5, 2.0, "mean", 0.5).allowed(times, 6) == 4.0
    assert Stragglers(0.5, 2.0, "mean", 5.0).allowed(times, 6) == 5.0
    assert rule.allowed(times[:0], 0) == np.inf
    assert Limits(5.0, (StageLimit("b", 7.0),)).of("b") == 7.0
    assert Limits(5.0, (StageLimit("b", 7.0),)).of("a") == 5.0
    assert Limits().of("a") == np.inf


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: Limits(time=0.0), "time"),
        (lambda: Limits(retries=-1), "retries"),
        (lambda: StageLimit("a", -1.0), "time"),
        (lambda: Limits(stages=(StageLimit("a", 1.0), StageLimit("a", 2.0))), "stages"),
        (lambda: Stragglers(finished=0.0), "finished"),
        (lambda: Stragglers(factor=1.0), "factor"),
        (lambda: Stragglers(least=0.0), "least"),
    ],
)
def test_limits_that_make_no_sense_are_refused(make, word):
    with pytest.raises(StudyError, match=word):
        make()


def marks(tmp_path, kind, times, **options):
    folder = tmp_path / "marks"
    folder.mkdir()
    outcomes = fresh(tmp_path / "run", one(Moody(str(folder), kind, times)), MEMBERS, **options)
    tries = {float(mark.name): mark.stat().st_size for mark in folder.iterdir()}
    return outcomes["a"], tries


@pytest.mark.parametrize("kind", ["OSError", "ConnectionError", "MemoryError"])
def test_a_bad_moment_of_the_machine_costs_one_retry(tmp_path, kind):
    values, watch = draws(tmp_path), Watching()
    found, tries = marks(tmp_path, kind, 1, observer=watch, blocks={"a": 20})
    assert 2 <= (values > 0.8).sum() < 10
    assert found.values["x"].tobytes() == values.tobytes()
    assert all(count == 1 + (draw > 0.8) for draw, count in tries.items())
    assert not found.reasons


@pytest.mark.parametrize(("retries", "expected"), [(0, 1), (1, 2), (3, 4)])
def test_retries_end_at_their_limit_and_the_call_is_lost(tmp_path, retries, expected):
    values, watch = draws(tmp_path), Watching()
    found, tries = marks(tmp_path, "OSError", 99, observer=watch, limits=Limits(retries=retries))
    assert np.array_equal(found.status == Status.LOST, values > 0.8)
    assert {count for draw, count in tries.items() if draw > 0.8} == {expected}
    assert all("the network file system did not answer" in why for why in found.reasons.values())
    assert watch.told[-1][1]["lost"] == (values > 0.8).sum()


@pytest.mark.parametrize("kind", ["FileNotFoundError", "ValueError"])
def test_what_the_member_does_is_not_tried_again(tmp_path, kind):
    values = draws(tmp_path)
    found, tries = marks(tmp_path, kind, 1)
    assert np.array_equal(found.status == Status.FAILED, values > 0.8)
    assert set(tries.values()) == {1}


def test_calls_are_tried_again_one_at_a_time_and_so_many_times():
    retries = Retries(2)
    assert [retries.granted("a", 1), retries.granted("a", 2)] == [True, True]
    assert retries.next() == ("a", 1)
    retries.under_way("ticket")
    assert retries.next() is None
    retries.ended("another")
    assert retries.next() is None
    retries.ended("ticket")
    assert retries.next() == ("a", 2)
    assert [retries.granted("a", 1) for _ in range(3)] == [True, False, False]
    assert [retries.innocent("a", 5) for _ in range(5)] == [True] * 3 + [False] * 2


def test_which_exceptions_blame_the_machine():
    assert all(map(is_transient, (OSError(), MemoryError(), TimeoutError(), BrokenPipeError())))
    assert not any(map(is_transient, (None, ValueError(), FileNotFoundError(), PermissionError(), KeyError())))


def test_failed_calls_keep_their_own_last_lines(tmp_path, capfd):
    outcomes = fresh(tmp_path / "run", one(Talking(lines=60)), MEMBERS, blocks={"a": 20})
    found = outcomes["a"]
    failed = np.flatnonzero(found.status == Status.FAILED)
    assert 5 < len(failed) < 15
    for row in failed.tolist():
        tag = found.reasons[row].removeprefix("not ")
        _, _, log = ending_of(tmp_path / "run", "a", found.calls.keys[row].tobytes())
        lines = log.splitlines()
        assert len(lines) <= 40
        assert all(line.endswith(tag) for line in lines if " of " in line)
        assert f"line 59 of {tag}" in lines
        assert f"line 20 of {tag}" not in lines
        assert f"error of {tag}" in lines
        assert f"logged of {tag}" in log
    said = capfd.readouterr()
    assert said.out.count("line 59 of") == 20  # what is kept still comes out
    well = int(np.flatnonzero(found.done)[0])
    assert ending_of(tmp_path / "run", "a", found.calls.keys[well].tobytes()) is None


def test_an_exception_that_nobody_foresaw_leaves_its_traceback(tmp_path):
    found = fresh(tmp_path / "run", one(Talking(surprise=True)), MEMBERS)["a"]
    row = int(np.flatnonzero(found.status == Status.FAILED)[0])
    _, reason, log = ending_of(tmp_path / "run", "a", found.calls.keys[row].tobytes())
    assert reason.startswith("ZeroDivisionError")
    assert "mishaps.py" in log
    assert log.splitlines()[-1].startswith("ZeroDivisionError: not ")


def test_states_keep_their_numbers_and_logs_come_back(tmp_path):
    codes = {status.name: int(status) for status in Status}
    assert codes == {"PENDING": 0, "DONE": 1, "FAILED": 2, "UNSTABLE": 3, "LOST": 4, "TIMED_OUT": 5}
    record = TaskRecord(
        "a",
        np.zeros((1, 32), np.uint8),
        np.array([5], np.uint8),
        np.zeros(1),
        "here",
        {0: "late"},
        logs={0: "naïve\nlines"},
    )
    with RunFolder.create(tmp_path / "run") as folder:
        receipt = write_task(folder.members, record)
        assert read_task(folder.members / receipt.file, receipt.sha256).logs == {0: "naïve\nlines"}
