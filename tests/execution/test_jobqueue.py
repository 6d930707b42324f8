"""Places to run as words and as blocks, what jobs are told, and a PBS stand-in; a real SLURM is in tests/slurm."""

from __future__ import annotations

import builtins
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from operators import rectangles, three_stages
from test_dispatch import FAILING, calls_run, fresh, image, run

import uqmsm
from uqmsm.cli import main
from uqmsm.errors import EnvironmentFault, StudyError
from uqmsm.execution.backends import InProcess
from uqmsm.execution.clusters import jobqueue, keeping, open_backend
from uqmsm.execution.journal import RunFolder
from uqmsm.execution.places import ClusterSettings, place_of
from uqmsm.reading import Faulty
from uqmsm.study import dump, loads
from uqmsm.study.parts import RunSettings

CHAIN = Path(uqmsm.__file__).parent.with_name("studies") / "exact_chain"
SOUND = (CHAIN / "study.yaml").read_text(encoding="utf-8")


def study(block):
    return loads(f"{SOUND}run:\n  cluster: {block}\n", path=CHAIN / "study.yaml")


def test_words_and_a_block_say_the_same():
    words = place_of("slurm:debug,jobs=1..8,walltime=02:00:00,cores=4,memory=8 GB,encrypted=false")
    block = "{at: slurm:debug, jobs: 1..8, walltime: 02:00:00, cores: 4, memory: 8 GB, encrypted: false}"
    assert study(block).run.cluster == words
    assert (words.system, words.queue, words.job_range, words.workers_per_job) == ("slurm", "debug", (1, 8), 4)
    assert (words.bytes_per_job, words.walltime_seconds) == (8 * 10**9, 7200)
    assert words.lifetime_seconds == (6480, 360), "the last worker hands over before the batch system ends it"
    assert sum(words.lifetime_seconds) < words.walltime_seconds
    assert study("slurm:debug,jobs=4").run.cluster == "slurm:debug,jobs=4"
    assert place_of("pbs").queue is None
    assert place_of("tls://[::1]:8786").address == "tls://[::1]:8786"
    assert place_of("slurm,walltime=1-00:00:00").walltime_seconds == 86400
    assert place_of("slurm,memory=2GiB").bytes_per_job == 2 * 2**30


@pytest.mark.parametrize(
    "block",
    [
        "local",
        "tls://host:8786",
        "slurm:debug,jobs=0..4",
        "{at: slurm, prologue: ['export A=\"b c\"'], directives: [--constraint=ib, -n 1], scratch: $TMPDIR}",
        "{at: pbs:workq, jobs: 3, lifetime: 00:10:00, stagger: 00:01:00, account: me, python: ~/env/bin/python}",
        "{at: tls://host:8786, tls: {ca: study.yaml, cert: study.yaml, key: study.yaml}}",
    ],
)
def test_a_study_that_is_written_out_runs_in_the_same_place(block):
    one = study(block)
    assert loads(dump(one), path=CHAIN / "study.yaml").run == one.run


@pytest.mark.parametrize(
    ("block", "place", "words"),
    [
        ("slrm", "12", r"'slrm' is no place to run.*slurm:debug"),
        ("slurm:debug,job=4", "12", r"no 'job'.*Did you mean jobs"),
        ("slurm:debug,jobs=8..2", "12", r"ends before it begins.*Write 2..8"),
        ("slurm:debug,jobs=0", "12", "starts none"),
        ("tcp://host:99999", "12", "no port 99999"),
        ("local,jobs=3", "12", r"jobs does not belong to at = 'local'"),
        ("slurm:debug,ca=a.pem", "12", r"cert, key missing.*ca=FILE,cert=FILE,key=FILE"),
        ("slurm,prologue=x", "12", r"whole lines.*run: cluster:"),
        ("slurm:debug,jobs=4,jobs=5", "12", "says jobs twice"),
        ("3", "12", "3 where a place to run is wanted"),
        ("{jobs: 4}", "12", "needs the key 'at'"),
        ("{at: slurm, job: 4}", "24", r"unknown key 'job'.*Did you mean 'jobs'"),
        ("{at: slurm, walltime: soon}", "34", r"'soon' is no time.*hours:minutes:seconds"),
        ("{at: slurm, memory: lots}", "32", r"'lots' is no amount.*8 GB"),
        ("{at: slurm, cores: 2, processes: 3}", "45", r"more than the 2 cores"),
        ("{at: slurm, lifetime: 00:40:00}", "34", r"pass the walltime of 1800 s"),
        ("{at: slurm, account: me;rm}", "33", "is no plain word"),
        ("{at: slurm, python: $(reboot)}", "32", "is no plain path"),
        ("{at: slurm, scratch: 'a b'}", "33", "is no plain path"),
        ('{at: slurm, directives: ["-n 1\\nreboot"]}', "", "is not one line of text"),
        ("{at: tcp://host:1, jobs: 2}", "", "does not belong to"),
    ],
)
def test_a_place_that_is_none_is_told_at_its_place(block, place, words):
    with pytest.raises(Faulty) as caught:
        study(block)
    (problem,) = caught.value.problems
    if place:
        assert str(problem.place.column) == place
    told = f"{problem.what} {problem.why} {problem.next}"
    assert re.search(words, told), told


def test_settings_in_python_are_checked_as_well():
    with pytest.raises(StudyError, match="no place"):
        RunSettings(cluster=ClusterSettings(at="nowhere"))
    with pytest.raises(StudyError, match="no place"):
        open_backend(1, "nowhere")


def test_a_missing_package_and_a_missing_batch_system_are_told_with_the_next_step(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EnvironmentFault, match=r"no sbatch on.*login node"):
        open_backend(0, "slurm:debug")
    real = builtins.__import__

    def without(name, *rest, **also):
        if name.startswith("dask_jobqueue"):
            raise ModuleNotFoundError(f"No module named {name!r}", name="dask_jobqueue")
        return real(name, *rest, **also)

    monkeypatch.setattr(builtins, "__import__", without)
    out = str(tmp_path / "run")
    ended = CliRunner().invoke(main, ["run", str(CHAIN), "--cluster", "pbs:workq", "--out", out])
    assert ended.exit_code == 2
    assert "dask_jobqueue" in ended.stderr
    assert "pip install -e '.[slurm]'" in ended.stderr
    assert not (tmp_path / "run").exists()


def test_what_was_sent_to_a_cluster_is_resumed_there(monkeypatch, tmp_path):
    monkeypatch.setattr("uqmsm.conduct.running.conducted", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    monkeypatch.setattr("uqmsm.execution.clusters.open_backend", lambda *_: InProcess())
    out, words = str(tmp_path / "run"), "slurm:debug,jobs=2"
    ended = CliRunner().invoke(main, ["run", str(CHAIN), "--cluster", words, "--out", out])
    assert ended.exit_code == 130, ended.output
    assert ended.stderr.splitlines()[-1] == f"next: uqmsm resume {out} --cluster {words}"


def test_a_job_asks_for_what_was_said_and_its_workers_have_one_thread(tmp_path):
    place = place_of(ClusterSettings(at="slurm:debug", cores=4, processes=2, memory="8 GB", walltime="02:00:00"))
    said = jobqueue._options(place, tmp_path, None, None)
    job = jobqueue._named(jobqueue._classes("slurm")[0])
    own = {key: value for key, value in said.items() if key not in {"scheduler_options", "silence_logs"}}
    script = job("tcp://127.0.0.1:1", name="x-0", **own).job_script()
    for words in ("-p debug", "--cpus-per-task=4", "--mem=8G", "-t 02:00:00", "export NUMBA_NUM_THREADS=1"):
        assert words in script
    for words in ("--nthreads 1 ", "--nworkers 2", "--lifetime 6480s", "--lifetime-stagger 360s", "--nanny"):
        assert words in script
    assert "--dashboard-address 127.0.0.1:0" in script


def test_every_place_of_the_guide_is_one(monkeypatch, tmp_path):
    """What a user copies from docs/clusters.md passes the check."""
    guide = (CHAIN.parent.with_name("docs") / "clusters.md").read_text(encoding="utf-8")
    for name in ("ca.pem", "me.pem", "me.key"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```yaml\n(.*?)```", guide, re.DOTALL)
    for block in blocks:
        assert loads(f"{SOUND}{block}", path=CHAIN / "study.yaml").run.cluster != "local"
    words = re.findall(r"--cluster (\S+)", guide)
    for one in words:
        place_of(one.strip("`"))
    assert (len(blocks), len(words)) == (2, 3)
    said = {key for block in blocks for key in re.findall(r"^    (\w+):", block, re.MULTILINE)}
    assert said >= {"at", "jobs", "cores", "memory", "walltime", "prologue", "directives", "interface"}


@pytest.fixture
def pbs(tmp_path, monkeypatch):
    """Put a stand-in for PBS on the path."""
    programs, jobs = tmp_path / "bin", tmp_path / "jobs"
    programs.mkdir()
    jobs.mkdir()
    source = Path(__file__).with_name("pbs_stand_in.py").read_text(encoding="utf-8")
    for name in ("qsub", "qstat", "qdel"):
        (programs / name).write_text(f"#!{sys.executable}\n{source}", encoding="utf-8")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("PBS_STAND_IN", str(jobs))
    monkeypatch.setattr(keeping, "POLL_SECONDS", (0.3, 0.5))
    return jobs


@pytest.mark.slow
def test_jobs_of_pbs_are_submitted_replaced_and_ended(tmp_path, pbs):
    chain, members = three_stages(pause=0.02, **FAILING), rectangles(40)
    RunFolder.create(tmp_path / "run").close()
    backend = open_backend(0, f"pbs:workq,jobs=2,cores=1,memory=1 GB,interface=lo,shared={tmp_path}")
    try:
        script = (pbs / "1.sh").read_text(encoding="utf-8")
        assert "#PBS -q workq" in script
        assert "#PBS -l select=1:ncpus=1:mem=1000mb" in script
        assert "#PBS -l walltime=00:30:00" in script

        def end_one():
            while calls_run(tmp_path / "run") < 80:
                time.sleep(0.02)
            subprocess.run(["qdel", "1.stand-in"], check=True)

        killer = threading.Thread(target=end_one)
        killer.start()
        outcomes = run(tmp_path / "run", chain, members, backend=backend, blocks=dict.fromkeys(chain.names, 4))
        killer.join()
        end = time.monotonic() + 30
        while len(list(pbs.glob("*.job"))) < 3:
            assert time.monotonic() < end, "no other job came in its place"
            time.sleep(0.1)
    finally:
        backend.close()
    assert image(outcomes) == image(fresh(tmp_path / "reference", chain, members))
    end = time.monotonic() + 30
    while len(subprocess.run(["qstat"], capture_output=True, text=True, check=True).stdout.splitlines()) > 2:
        assert time.monotonic() < end, "jobs were left behind"
        time.sleep(0.1)
