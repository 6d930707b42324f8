"""A real SLURM on loopback: the bytes of a local run, jobs that are cancelled, worn out, refused, and left behind."""

from __future__ import annotations

import json
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from batch import asked, until
from distributed import Client
from operators import rectangles, three_stages
from test_dispatch import FAILING, calls_run, fresh, image, run

import uqmsm
from uqmsm.errors import EnvironmentFault
from uqmsm.execution.clusters import jobqueue, keeping, open_backend
from uqmsm.execution.journal import RunFolder, read_journal

pytestmark = [pytest.mark.slurm, pytest.mark.usefixtures("controller")]


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Ask this SLURM more often than one asks a site's."""
    monkeypatch.setattr(keeping, "POLL_SECONDS", (0.5, 1.0))


def job_ids():
    return set(asked("squeue", "-h", "-t", "PD,R", "-o", "%A").split())


def opened(folder, spec, **also):
    settings = {"interface": "lo", "shared": str(folder), "memory": "1 GB", **also}
    return open_backend(0, spec + "".join(f",{key}={value}" for key, value in settings.items() if value))


def stored(path):
    """Return what the task files of a run say of every call, by the call's key."""
    with RunFolder.open(path) as folder:
        return {
            (record.stage, record.keys[row].tobytes()): (
                int(record.status[row]),
                record.reasons.get(row),
                {port: values[row].tobytes() for port, values in record.values.items()}
                if record.status[row] == 1
                else 0,
            )
            for record in folder.tasks()
            for row in range(len(record.keys))
        }


def test_two_jobs_give_the_bytes_of_one_and_of_two_local_workers(tmp_path):
    chain, members = three_stages(**FAILING), rectangles(30)
    images, files = [], []
    for name, workers, spec in (("one", 1, ""), ("two", 2, ""), ("slurm", 0, "slurm:debug,jobs=2")):
        backend = opened(tmp_path, spec) if spec else open_backend(workers)
        try:
            images.append(image(fresh(tmp_path / name, chain, members, backend=backend)))
            hosts = {entry["host"] for entry in read_journal(tmp_path / name)[0] if entry["kind"] == "task"}
        finally:
            backend.close()
        files.append(stored(tmp_path / name))
    assert images[0] == images[1] == images[2]
    assert files[0] == files[1] == files[2]
    assert len(files[2]) > 200
    assert hosts
    until(lambda: not job_ids(), what="the jobs to go with their run")


STUDY = """
study: a chain known in closed form
seed: 1
chain:
  - {name: first, operator: "exact_chain:First"}
  - {name: second, operator: "exact_chain:Second"}
  - {name: third, operator: "exact_chain:Third"}
  - {name: fourth, operator: "exact_chain:Fourth"}
ask:
  - {answer: y}
members: {rows: 16, target_se: 0.9}
"""


def test_a_study_goes_to_slurm_by_one_line(tmp_path):
    """The command line twice on one study: as it is, and with a line more; every number of the answer is the same."""
    shutil.copy(Path(uqmsm.__file__).parent.with_name("studies") / "exact_chain" / "exact_chain.py", tmp_path)
    line = f"run: {{cluster: 'slurm:debug,jobs=2,interface=lo,memory=1 GB,shared={tmp_path}'}}\n"
    found = []
    for name, text in (("here", STUDY), ("there", STUDY + line)):
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
        command = [
            str(Path(sys.executable).with_name("uqmsm")),
            "run",
            str(tmp_path / f"{name}.yaml"),
            "--workers",
            "1",
        ]
        command += ["--out", str(tmp_path / name), "--json"]
        ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
        assert ended.returncode == 0, ended.stderr
        found.append(json.loads(ended.stdout))
    assert found[0] == found[1]
    assert found[0]["answers"]
    here, there = (uqmsm.open(tmp_path / name) for name in ("here", "there"))
    for group in here["outcomes"]:
        for name, values in here["outcomes"][group].data_vars.items():
            if name not in {"seconds", "host"}:
                assert values.values.tobytes() == there["outcomes"][group][name].values.tobytes(), name


def test_a_cancelled_job_costs_nothing_but_time_and_is_replaced(tmp_path):
    chain, members = three_stages(pause=0.03, fail_above=1.2), rectangles(40)
    backend, seen = opened(tmp_path, "slurm:debug,jobs=2"), set()

    def cancel():
        until(lambda: calls_run(tmp_path / "run") > 100)
        seen.update(job_ids())
        subprocess.run(["scancel", min(seen, key=int)], check=True)
        until(lambda: job_ids() - seen, what="another job in its place")
        seen.update(job_ids())

    RunFolder.create(tmp_path / "run").close()
    canceller = Thread(target=cancel)
    canceller.start()
    try:
        outcomes = run(tmp_path / "run", chain, members, backend=backend, blocks=dict.fromkeys(chain.names, 4))
    finally:
        canceller.join()
        backend.close()
    assert len(seen) == 3
    reference = fresh(tmp_path / "reference", chain, members)
    assert image(outcomes) == image(reference)
    assert calls_run(tmp_path / "run") == calls_run(tmp_path / "reference"), "every call is journalled once"


def test_workers_that_end_by_their_lifetime_lose_nothing(tmp_path):
    chain, members = three_stages(pause=0.1, fail_above=1.2), rectangles(40)
    RunFolder.create(tmp_path / "run").close()
    backend = opened(tmp_path, "slurm:debug,jobs=2", lifetime="00:00:06", stagger="00:00:02")
    seen, over = set(), []
    watcher = Thread(target=lambda: until(lambda: seen.update(job_ids()) or over, 240))
    watcher.start()
    try:
        outcomes = run(tmp_path / "run", chain, members, backend=backend, blocks=dict.fromkeys(chain.names, 4))
    finally:
        over.append(True)
        watcher.join()
        backend.close()
    assert len(seen) >= 3, "workers did end, and others came"
    reference = fresh(tmp_path / "reference", chain, members)
    assert image(outcomes) == image(reference)
    assert calls_run(tmp_path / "run") == calls_run(tmp_path / "reference")
    assert not [entry for entry in read_journal(tmp_path / "run")[0] if entry["kind"] == "lost"]


def test_a_range_of_jobs_follows_the_work(tmp_path, monkeypatch):
    monkeypatch.setattr(jobqueue, "IDLE_CHECKS", 1)
    RunFolder.create(tmp_path / "run").close()
    backend, most = opened(tmp_path, "slurm:debug,jobs=0..2"), []
    assert backend.slots == 2
    try:
        watcher = Thread(target=lambda: until(lambda: most.append(len(job_ids())) or max(most) == 2))
        watcher.start()
        chain = three_stages(pause=0.05)
        outcomes = run(tmp_path / "run", chain, rectangles(30), backend=backend)
        watcher.join()
        until(lambda: not job_ids(), 30, "idle jobs to be given back")
        again = run(tmp_path / "run", chain, rectangles(31), backend=backend)  # and one comes again
    finally:
        backend.close()
    assert np.all(outcomes["fe"].done)
    assert image(again) == image(fresh(tmp_path / "reference", three_stages(), rectangles(31)))


def test_several_workers_share_a_job_with_one_thread_each(tmp_path):
    backend = opened(tmp_path, "slurm:debug,cores=2", memory="2 GB")
    try:
        until(lambda: len(backend._client.nthreads()) == 2)
        assert set(backend._client.nthreads().values()) == {1}
        before = job_ids()
        assert len(before) == 1
        assert asked("squeue", "-h", "-j", *before, "-o", "%C").strip() == "2"
        threads = backend._client.run(lambda: __import__("os").environ["NUMBA_NUM_THREADS"])
        assert set(threads.values()) == {"1"}
        subprocess.run(["scancel", *before], check=True)
        until(lambda: job_ids() - before and len(backend._client.nthreads()) == 2, what="the whole job to be replaced")
    finally:
        backend.close()


@pytest.mark.parametrize(
    ("spec", "also", "words"),
    [
        ("slurm:nowhere", {}, "invalid partition"),
        ("slurm:debug", {"python": "/no/such/python"}, "ended before its worker came.*No such file"),
    ],
)
def test_a_job_that_cannot_begin_is_told_with_its_reason(tmp_path, spec, also, words):
    start = time.monotonic()
    with pytest.raises(EnvironmentFault, match=f"no worker came.*{words}"):
        opened(tmp_path, spec, **also)
    assert time.monotonic() - start < 30


def test_beyond_loopback_all_is_encrypted_with_keys_that_end_with_the_run(tmp_path):
    backend = opened(tmp_path, "slurm:debug", interface="")
    try:
        address = backend._cluster.scheduler.address
        assert address.startswith("tls://")
        assert not address.startswith("tls://127."), "the negative control: it does listen beyond loopback"
        assert all(worker.startswith("tls://") for worker in backend._client.nthreads())
        assert backend.dashboard.startswith("http://127.0.0.1:")
        (folder,) = tmp_path.glob("jobs-*")
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        keys = sorted(folder.glob("*.pem"))
        assert [path.name for path in keys] == ["cert.pem", "key.pem"]
        assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in keys)
        with pytest.raises((OSError, TypeError)):
            Client(address.replace("tls://", "tcp://"), timeout=3, set_as_default=False)
        outcomes = fresh(tmp_path / "run", three_stages(), rectangles(5), backend=backend)
    finally:
        backend.close()
    assert image(outcomes) == image(fresh(tmp_path / "reference", three_stages(), rectangles(5)))
    assert not list(tmp_path.glob("jobs-*/*.pem"))


def test_jobs_end_when_their_client_is_killed(tmp_path):
    command = [sys.executable, str(Path(__file__).with_name("left_client.py")), str(tmp_path / "run")]
    command.append(f"slurm:debug,jobs=2,interface=lo,memory=1 GB,shared={tmp_path}")
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as client:
        until(lambda: (tmp_path / "run" / "journal.jsonl").exists() and calls_run(tmp_path / "run") >= 60)
        assert job_ids()
        client.send_signal(signal.SIGKILL)
        client.wait(timeout=20)
    until(lambda: not job_ids(), 40, "the jobs to notice")
    before = calls_run(tmp_path / "run")
    chain = three_stages(pause=0.02, fail_above=1.2)
    outcomes = run(tmp_path / "run", chain, rectangles(25))
    assert before >= 60
    assert image(outcomes) == image(fresh(tmp_path / "reference", chain, rectangles(25)))
