"""Workers and schedulers in processes of their own, killed while a client works on them: the bytes stay the same."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from distributed import Client as DaskClient
from injecting import Client, Fault
from test_kills import finish

pytestmark = pytest.mark.slow
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
PAUSE = 0.005
SEEDS = [int(os.environ["INJECT_SEED"])] if "INJECT_SEED" in os.environ else range(1, 4)


class Cluster:
    """A scheduler and a nanny with two workers on loopback, each started by its own command."""

    def __init__(self, place: Path) -> None:
        place.mkdir()
        self.file = place / "scheduler.json"
        here = str(Path(__file__).parent)
        self.environment = os.environ | ONE_THREAD | {"PYTHONPATH": here, "INJECTED_PAUSE": str(PAUSE)}
        self.place, self.log = place, (place / "log").open("wb")
        self.scheduler = self._started("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
        self.nannies = [
            self._started("worker", "--nthreads", "1", "--no-dashboard", "--local-directory", str(place))
            for _ in range(2)
        ]
        self.address = self._address()

    def _started(self, *command: str) -> subprocess.Popen:
        whole = [sys.executable, "-m", "dask", *command, "--scheduler-file", str(self.file)]
        return subprocess.Popen(whole, env=self.environment, stdout=self.log, stderr=self.log, cwd=self.place)

    def _address(self) -> str:
        end = time.monotonic() + 60.0
        while not self.file.exists() or self.file.stat().st_size == 0:
            assert time.monotonic() < end, (self.place / "log").read_text()
            time.sleep(0.1)
        with DaskClient(scheduler_file=str(self.file), set_as_default=False, timeout=60) as client:
            client.wait_for_workers(2, timeout=60)
            return client.scheduler.address

    def workers(self) -> list[psutil.Process]:
        """Return the processes that compute: those that the nannies have started."""
        below = [child for nanny in self.nannies for child in psutil.Process(nanny.pid).children(recursive=True)]
        return [one for one in below if "spawn_main" in " ".join(one.cmdline())]

    def close(self) -> None:
        """End what was started, by its process ids."""
        started = [*self.nannies, self.scheduler]
        below = [child for one in started if one.poll() is None for child in psutil.Process(one.pid).children(True)]
        for one in [*started, *below]:
            with_it = one.poll() if isinstance(one, subprocess.Popen) else None if one.is_running() else 0
            if with_it is None:
                one.kill()
        for one in started:
            one.wait()
        self.log.close()


@pytest.fixture
def cluster(tmp_path):
    found = Cluster(tmp_path / "cluster")
    yield found
    found.close()


def under_way(one, run):
    """Wait until a run on the cluster has journalled its first task."""
    end = time.monotonic() + 60.0
    while not (run / "journal.jsonl").exists() or b'"task"' not in (run / "journal.jsonl").read_bytes():
        assert time.monotonic() < end, one.words
        assert one.process.exitcode is None, one.words
        time.sleep(0.005)


def test_workers_clients_and_at_last_the_scheduler_are_killed(tmp_path, whole, cluster):
    """Three workers, the clients between them, then the scheduler: eight kills or more on one cluster."""
    kills = 0
    for seed in SEEDS:
        rng, run = np.random.default_rng([seed, 9]), tmp_path / f"run{seed}"
        place = ["--cluster", cluster.address]
        where = f"seed {seed} (INJECT_SEED={seed})"
        one = Client(["run", whole.study, "--out", run, *place], run)
        under_way(one, run)
        time.sleep(float(rng.uniform(0.0, 0.6)))
        victims = cluster.workers()
        victims[int(rng.integers(len(victims)))].kill()
        kills += 1
        if seed % 2:
            time.sleep(float(rng.uniform(0.0, 0.6)))
            kills += one.struck(0.0, signal.SIGKILL) != 0
            before = whole.reference.holds(run, {}, where)
            one = Client(["resume", run, *place], run)
        else:
            before = {}
        assert one.wait() == 0, f"{where}:\n{one.words}"
        whole.reference.holds(run, before, where)
        whole.reference.equals(run, where, once=False)
    run = tmp_path / "last"
    one = Client(["run", whole.study, "--out", run, "--cluster", cluster.address], run, Fault(pause=PAUSE))
    under_way(one, run)
    cluster.scheduler.kill()
    assert one.wait() in {0, 1}, one.words
    assert "itself failed" not in one.words, one.words
    before = whole.reference.holds(run, {}, "the scheduler was killed")
    finish(run, ["resume", run, "--workers", "0"], "the scheduler was killed")
    whole.reference.holds(run, before, "the scheduler was killed")
    whole.reference.equals(run, "the scheduler was killed", once=False)
    assert kills >= len(SEEDS)
