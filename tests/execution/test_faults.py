"""Workers that hang, die, or take too much memory: their calls are told and tried again, all others keep every byte."""

from __future__ import annotations

import os
import signal
import threading
import time
from functools import partial

import dask
import numpy as np
import pytest
from distributed import LocalCluster
from mishaps import Greedy, Lingering, LingeringTogether, Talking
from operators import three_stages
from test_dispatch import FAILING, Watching, calls_run, fresh, image, rectangles
from test_limits import MEMBERS, above, draws, one

from uqmsm.execution import dispatch
from uqmsm.execution.clusters import local, open_backend
from uqmsm.execution.endings import ending_of
from uqmsm.execution.limits import Limits, StageLimit, Stragglers
from uqmsm.execution.notes import read_notes
from uqmsm.execution.taskfile import Status

MEGABYTES = 450  # a worker with its imports takes a third of it


@pytest.fixture(scope="module")
def two():
    backend = open_backend(2)
    yield backend
    backend.close()


@pytest.fixture(scope="module")
def small():
    # Dask's own would give up a worker that is not back by then: here each that dies must come back all the same
    dask.config.set({"distributed.deploy.lost-worker-timeout": "50 ms"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local, "LocalCluster", partial(LocalCluster, memory_limit=f"{MEGABYTES}MB"))
        backend = open_backend(1)
    yield backend
    backend.close()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(dispatch, "GRACE_SECONDS", 0.6)


def pids(backend):
    return set(backend.map(_pid, range(20)))


def _pid(_):
    time.sleep(0.01)
    return os.getpid()


def ending(path, found, row):
    return ending_of(path, "a", found.calls.keys[row].tobytes())


def test_native_code_that_never_returns_is_timed_out_and_spares_its_mates(tmp_path, two):
    values = draws(tmp_path)
    chain = one(Lingering("native", above=above(values, 1)))
    found = fresh(tmp_path / "run", chain, MEMBERS, backend=two, limits=Limits(time=3.0), blocks={"a": 10})["a"]
    late = int(np.argmax(values))
    assert np.flatnonzero(found.status == Status.TIMED_OUT).tolist() == [late]
    assert found.done.sum() == 19
    assert np.delete(found.values["x"], late).tobytes() == np.delete(values, late).tobytes()
    status, reason, log = ending(tmp_path / "run", found, late)
    assert (status, reason) == (Status.TIMED_OUT, "stopped after 3 s, the time limit of its stage")
    assert log.splitlines()[0] == "native begins"
    assert "in native" in log
    assert "in run_task" not in log


def test_a_call_that_waits_for_a_program_ends_with_it_and_its_worker_goes_on(tmp_path, two):
    values, before = draws(tmp_path), pids(two)
    chain = one(Lingering("program", above=above(values, 1)))
    found = fresh(tmp_path / "run", chain, MEMBERS, backend=two, limits=Limits(time=2.0))["a"]
    assert np.flatnonzero(found.status == Status.TIMED_OUT).tolist() == [int(np.argmax(values))]
    assert before <= pids(two)  # one may just have been started again


def test_stragglers_in_workers_are_stopped(tmp_path, two):
    values = draws(tmp_path)
    table = np.roll(MEMBERS, -int(np.argmax(values)), axis=0)  # the straggler begins first
    limits = Limits(stragglers=Stragglers(0.8, 3.0, "longest", 1.0))
    chain = one(Lingering("loop", above=above(values, 1), pause=0.02))
    found = fresh(tmp_path / "run", chain, table, backend=two, limits=limits, blocks={"a": 1})["a"]
    assert np.flatnonzero(found.status == Status.TIMED_OUT).tolist() == [0]
    assert "straggler" in found.reasons[0]


def test_none_one_and_two_workers_with_limits_and_without_give_the_same_bytes(tmp_path, two, small):
    chain, members = three_stages(**FAILING), rectangles(8)
    limits = Limits(60.0, (StageLimit("fe", 30.0),), 2, Stragglers(0.1, 50.0, "mean", 20.0))
    reference = image(fresh(tmp_path / "none", chain, members))
    for name, backend in (("one", small), ("two", two)):
        assert image(fresh(tmp_path / name, chain, members, backend=backend, limits=limits)) == reference
    late = one(Lingering("loop", above=above(draws(tmp_path), 1)))
    timed = [
        image(fresh(tmp_path / f"late-{at}", late, MEMBERS, limits=Limits(time=1.5), **place))
        for at, place in enumerate(({}, {"backend": small}, {"backend": two, "blocks": {"a": 3}}))
    ]
    assert timed[0] == timed[1] == timed[2]
    assert b"\x05" in timed[0]["a"][0]


def test_failed_calls_keep_what_native_code_printed_too(tmp_path, two):
    found = fresh(tmp_path / "run", one(Talking(warned=True)), MEMBERS, backend=two, blocks={"a": 5})["a"]
    for row in np.flatnonzero(found.status == Status.FAILED).tolist():
        tag = found.reasons[row].removeprefix("not ")
        lines = ending(tmp_path / "run", found, row)[2].splitlines()
        told = {f"{word} of {tag}" for word in ("line 0", "error", "logged", "native")}
        assert told <= set(lines)
        assert any(f"UserWarning: warned of {tag}" in line for line in lines)
        assert not any(f" of {other}" in line for line in lines for other in found.reasons.values() if tag not in other)


def test_a_worker_killed_from_outside_costs_nothing(tmp_path, two):
    chain, members = three_stages(**FAILING, pause=0.02), rectangles(20)
    reference = image(fresh(tmp_path / "reference", three_stages(**FAILING), members))
    victim, path = max(pids(two)), tmp_path / "run"

    def kill():
        while not (path / "journal.jsonl").exists() or calls_run(path) < 60:
            time.sleep(0.01)
        os.kill(victim, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    outcomes = fresh(path, chain, members, backend=two)
    killer.join()
    assert image(outcomes) == reference
    assert victim not in pids(two)


@pytest.mark.parametrize(
    ("retries", "words"), [(0, "lost: "), pytest.param(1, "lost after 1 more try alone", marks=pytest.mark.slow)]
)
def test_a_call_that_takes_too_much_memory_is_lost_alone_with_what_it_printed(tmp_path, small, retries, words):
    values, watch = draws(tmp_path), Watching()
    chain, limits = one(Greedy(above=above(values, 1))), Limits(retries=retries)
    options = {"backend": small, "observer": watch, "limits": limits, "blocks": {"a": 10}}
    found = fresh(tmp_path / "run", chain, MEMBERS, **options)["a"]
    most = int(np.argmax(values))
    assert np.flatnonzero(found.status == Status.LOST).tolist() == [most]
    assert np.delete(found.values["x"], most).tobytes() == np.delete(values, most).tobytes()
    status, reason, log = ending(tmp_path / "run", found, most)
    assert status == Status.LOST
    assert reason.startswith(words)
    assert log == "takes much"
    assert watch.told[-1][1]["lost"] == 1


@pytest.mark.slow
@pytest.mark.parametrize("how", ["die", "native", "stubborn"])
def test_a_batch_that_takes_its_worker_along_spares_those_that_are_well(tmp_path, two, how):
    values = draws(tmp_path)
    chain, late = one(LingeringTogether(how, above=above(values, 1))), int(np.argmax(values))
    found = fresh(tmp_path / "run", chain, MEMBERS, backend=two, limits=Limits(time=3.0), blocks={"a": 10})["a"]
    expected = Status.LOST if how == "die" else Status.TIMED_OUT
    assert np.flatnonzero(found.status == expected).tolist() == [late]
    assert np.delete(found.values["x"], late).tobytes() == np.delete(values, late).tobytes()


def test_notes_that_are_damaged_are_passed_over(tmp_path):
    whole = '{"row": 3, "kind": "limit", "seconds": 1.0, "log": "x"}'
    lines = [
        whole,
        '{"row": 1',
        '{"row": "a", "kind": "limit"}',
        '{"row": 1, "kind": "?", "seconds": 1, "log": ""}',
        "[]",
    ]
    (tmp_path / "a.note").write_text("\n".join([*lines, "\0\0"]), encoding="utf-8")
    assert [note.row for note in read_notes(tmp_path / "a.note")] == [3]
    assert read_notes(tmp_path / "none.note") == []
