"""Dask on loopback: the same bytes as in one process, workers that die, clients that are killed, schedulers missing."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from operator import mul
from pathlib import Path

import numpy as np
import psutil
import pytest
from distributed import Client
from operators import Deadly, Imported, Lattice, Together, Warm, rectangles, three_stages
from test_dispatch import FAILING, Watching, calls_run, fresh, image, run

from uqmsm.chain import Chain, Stage
from uqmsm.errors import EnvironmentFault, StudyError
from uqmsm.execution.backends import InProcess
from uqmsm.execution.clusters import joined, local, open_backend
from uqmsm.execution.journal import RunFolder, read_journal
from uqmsm.execution.taskfile import Status
from uqmsm.fingerprint import versions


@pytest.fixture(scope="module")
def two():
    backend = open_backend(2)
    yield backend
    backend.close()


def alive(pid):
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


def descendants(pid):
    return [process.pid for process in psutil.Process(pid).children(recursive=True)]


def test_four_workers_two_and_none_give_the_same_bytes(tmp_path, two):
    chain, members = three_stages(**FAILING), rectangles(40)
    together = Chain((*chain.stages, Stage("all", Together())))
    wide = np.hstack([members, members[:, :1], members[:, 1:2]])
    reference = image(fresh(tmp_path / "none", together, wide))
    assert image(fresh(tmp_path / "two", together, wide, backend=two)) == reference
    four = open_backend(4)
    try:
        blocks = dict.fromkeys(together.names, 5)
        assert image(fresh(tmp_path / "four", together, wide, backend=four, blocks=blocks)) == reference
    finally:
        four.close()


def test_workers_load_nothing_heavy_have_one_thread_and_are_not_this_process(tmp_path, two):
    members = np.arange(12)[:, None]
    outcomes = fresh(tmp_path / "run", Chain((Stage("a", Imported()),)), members, backend=two, blocks={"a": 2})
    assert not outcomes["a"].values["loaded"].any()
    assert np.all(outcomes["a"].values["threads"] == 1)
    assert os.getpid() not in outcomes["a"].values["process"]
    # the negative control: the probe does see a module that is there
    assert (
        fresh(tmp_path / "here", Chain((Stage("a", Imported(modules=("numpy",))),)), members)["a"]
        .values["loaded"]
        .all()
    )


def test_the_dashboard_groups_tasks_by_stage(tmp_path, two):
    def prefixes(dask_scheduler):
        return {str(name): group.state_counts["forgotten"] for name, group in dask_scheduler.task_prefixes.items()}

    before = two._client.run_on_scheduler(prefixes)
    fresh(tmp_path / "run", three_stages(), rectangles(3), backend=two, blocks={"statics": 2})
    after = two._client.run_on_scheduler(prefixes)
    grown = {name for name, count in after.items() if count > before.get(name, 0)}
    assert grown == {"lattice", "statics", "fe"}


def test_the_dashboard_is_where_it_is_said_to_be(two):
    assert two.dashboard.startswith("http://127.0.0.1:")
    with urllib.request.urlopen(two.dashboard, timeout=20) as page:  # noqa: S310  # loopback
        assert b"Dask" in page.read()


def test_a_taken_port_and_a_missing_bokeh(monkeypatch):
    said = []
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setattr(local, "DASHBOARD_PORT", taken.getsockname()[1])
        assert local.dashboard_address(said.append) == "127.0.0.1:0"
    assert said == []
    monkeypatch.setattr(local, "find_spec", lambda _: None)
    backend = open_backend(1, say=said.append)
    try:
        assert backend.dashboard == ""
        assert backend.map(mul, [2, 3], [5, 7]) == [10, 21]
    finally:
        backend.close()
    assert len(said) == 1
    assert "bokeh" in said[0]


def test_map_keeps_the_order_and_hands_exceptions_on(two):
    for backend in (two, InProcess()):
        assert backend.map(mul, range(20), range(20)) == [number**2 for number in range(20)]
        assert backend.map(mul, [], []) == []
        with pytest.raises(TypeError):
            backend.map(mul, [None], [None])


INTERRUPTED = """
import os, signal, threading, time
from uqmsm.execution.clusters import open_backend
backend = open_backend(1)
threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    backend.map(time.sleep, [30.0] * 3)
except KeyboardInterrupt:
    print("interrupted")
finally:
    backend.close()
"""


def test_an_interrupted_map_ends_without_a_word_of_dask():
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], check=False, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "interrupted\n", "")


def test_a_call_that_kills_its_worker_is_lost_alone(tmp_path, two):
    members, watch, main = np.stack([np.arange(40)] * 2, axis=1), Watching(), sys.modules["__main__"]
    draws = fresh(tmp_path / "tame", Chain((Stage("a", Deadly(above=np.inf)),)), members[:, :1])["a"].values["alive"]
    above = float(np.sort(draws)[-2])
    chain = Chain((Stage("a", Deadly(above=above)), Stage("b", Lattice())))
    outcomes = fresh(tmp_path / "run", chain, members, backend=two, observer=watch, blocks={"a": 10})
    assert np.array_equal(outcomes["a"].status == Status.LOST, draws > above)
    assert np.array_equal(outcomes["a"].values["alive"][draws <= above], draws[draws <= above])
    assert outcomes["b"].done.all()
    until(lambda: sys.modules["__main__"] is main)  # put back when the last worker has started again
    assert any("tried again alone" in line for line in watch.lines)
    assert [entry["stage"] for entry in read_journal(tmp_path / "run")[0] if entry["kind"] == "lost"] == ["a"]


def test_kernels_are_compiled_by_one_worker(tmp_path, two):
    marks = tmp_path / "marks"
    chain = Chain((Stage("a", Warm(str(marks))),))
    assert fresh(tmp_path / "run", chain, np.arange(6)[:, None], backend=two)["a"].done.all()
    assert marks.read_text(encoding="utf-8") == "compiled\n"


def until(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


@pytest.mark.parametrize("how", [signal.SIGKILL, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_a_client_stopped_half_way_loses_nothing(tmp_path, how):
    chain, members = three_stages(pause=0.0, fail_above=1.2), rectangles(25)
    chain = chain.replaced("statics", type(chain["statics"].operator)(pause=0.02, fail_above=1.2))
    path = tmp_path / "run"
    command = [sys.executable, "-W", "error", str(Path(__file__).parent / "killed_client.py"), str(path), "2"]
    # a session of its own, so that the signal can go to all of its processes, as Ctrl-C does
    with subprocess.Popen(command, start_new_session=True, stderr=subprocess.PIPE, text=True) as client:
        until(lambda: (path / "journal.jsonl").exists() and calls_run(path) >= 120)
        workers = descendants(client.pid)
        assert len(workers) >= 2
        os.kill(client.pid, how) if how == signal.SIGKILL else os.killpg(client.pid, how)
        talk = client.communicate(timeout=60)[1]
        assert client.returncode == (-how if how == signal.SIGKILL else 130)
    if how == signal.SIGINT:
        assert "Traceback" not in talk
    until(lambda: not any(alive(pid) for pid in workers))
    before = calls_run(path)
    assert 120 <= before < 230
    resumed = run(path, chain, members)
    assert image(resumed) == image(fresh(tmp_path / "reference", chain, members))
    # every call is journalled once: what was finished was not run again
    assert calls_run(path) == calls_run(tmp_path / "reference")


@pytest.mark.slow
@pytest.mark.parametrize("wait", [0.6, 1.2, 1.8])
def test_ctrl_c_while_dask_starts_is_taken_when_it_can_be(tmp_path, wait):
    path = tmp_path / "run"
    command = [sys.executable, "-W", "error", str(Path(__file__).parent / "killed_client.py"), str(path), "2"]
    with subprocess.Popen(command, start_new_session=True, stderr=subprocess.PIPE, text=True) as client:
        until((path / "journal.jsonl").exists)
        time.sleep(wait)
        workers = descendants(client.pid)
        os.killpg(client.pid, signal.SIGINT)
        talk = client.communicate(timeout=60)[1]
    assert client.returncode == 130
    assert "Traceback" not in talk
    until(lambda: not any(alive(pid) for pid in workers))


def test_a_scheduler_that_is_not_there_is_told_within_seconds(monkeypatch):
    assert joined.CONNECT_SECONDS <= 5.0
    monkeypatch.setattr(joined, "CONNECT_SECONDS", 0.5)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    start = time.monotonic()
    with pytest.raises(EnvironmentFault, match=r"no scheduler answers.*dask scheduler"):
        open_backend(2, address)
    assert time.monotonic() - start < 10
    with pytest.raises(StudyError, match="tls://host:8786"):
        open_backend(2, "slrm")
    with pytest.raises(StudyError, match="--workers -1"):
        open_backend(-1)


FOREIGN = """
import sys
from distributed import LocalCluster
if __name__ == "__main__":
    with LocalCluster(n_workers=1, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0") as cluster:
        print(cluster.scheduler_address, flush=True)
        sys.stdin.read()
"""


@pytest.mark.slow
def test_a_scheduler_that_goes_away_leaves_a_run_to_be_resumed(tmp_path, caplog):
    chain, members = three_stages(pause=0.02), rectangles(60)
    script = tmp_path / "foreign.py"
    script.write_text(FOREIGN, encoding="utf-8")
    with subprocess.Popen([sys.executable, str(script)], stdin=-1, stdout=-1, stderr=-3, text=True) as foreign:
        backend = open_backend(0, foreign.stdout.readline().strip())
        RunFolder.create(tmp_path / "run").close()
        killer = threading.Thread(target=lambda: (until(lambda: calls_run(tmp_path / "run") > 60), foreign.kill()))
        killer.start()
        with pytest.raises(EnvironmentFault, match=r"scheduler.*then resume"):
            run(tmp_path / "run", chain, members, backend=backend)
        killer.join()
        backend.close()
    assert not caplog.records
    before = calls_run(tmp_path / "run")
    assert 60 < before < 600
    assert image(run(tmp_path / "run", chain, members)) == image(fresh(tmp_path / "reference", chain, members))
    assert calls_run(tmp_path / "run") == 600


def test_workers_with_other_versions_are_refused(two, monkeypatch):
    real = versions()
    monkeypatch.setattr("uqmsm.execution.clusters.tasks.versions", lambda: real | {"numpy": "1.0"})
    with pytest.raises(EnvironmentFault, match=rf"numpy {real['numpy']} for 1\.0.*environment of the client"):
        two.know({"0" * 64: Lattice(), "1" * 64: Lattice()})
    monkeypatch.undo()
    two.know({"2" * 64: Lattice()})  # the negative control: the same versions are welcome


def test_what_the_workers_did_can_be_kept_as_a_page(tmp_path, two):
    with two.recorded(tmp_path / "dask.html"):
        fresh(tmp_path / "run", three_stages(), rectangles(2), backend=two)
    assert b"statics" in (tmp_path / "dask.html").read_bytes()


def test_a_scheduler_that_is_there_is_joined_and_left_running(tmp_path, two):
    chain, members = three_stages(**FAILING), rectangles(5)
    joined = open_backend(0, two._cluster.scheduler_address)
    assert image(fresh(tmp_path / "joined", chain, members, backend=joined)) == image(
        fresh(tmp_path / "here", chain, members)
    )
    joined.close()
    with Client(two._cluster.scheduler_address, set_as_default=False) as other:
        assert len(other.nthreads()) == 2
