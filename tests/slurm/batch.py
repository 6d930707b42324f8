"""A SLURM of our own: controller, one node and munge on loopback, in one folder, ended by their own process ids."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "sinfo")
CORES = 4
CONF = """
ClusterName=ours
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock
CredType=cred/munge
SlurmctldPort={controller}
SlurmdPort={node}
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0
SlurmdParameters=config_overrides
KillWait=2
ReturnToService=2
NodeName=one NodeHostname={host} NodeAddr=127.0.0.1 CPUs={cores} RealMemory=8000 State=UNKNOWN
PartitionName=debug Nodes=one Default=YES MaxTime=INFINITE State=UP
PartitionName=closed Nodes=one MaxTime=INFINITE State=DOWN
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def asked(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout


def until(condition, seconds=60.0, what="that"):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.1)


def _start(folder: Path, *command: str) -> subprocess.Popen:
    with (folder / f"{Path(command[0]).name}.log").open("wb") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)


def _idle() -> bool:
    ended = subprocess.run(["sinfo", "-h", "-p", "debug", "-o", "%T"], capture_output=True, text=True, check=False)
    return ended.stdout.strip() == "idle"


@contextmanager
def slurm(folder: Path):
    """Run a SLURM; `SLURM_CONF` in the environment leads every program to it."""
    for name in ("state", "spool"):
        (folder / name).mkdir()
    folder.chmod(0o755)  # munge asks that nobody else may write where its socket lies
    key = folder / "munge.key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    conf = folder / "slurm.conf"
    names = {"host": socket.gethostname(), "folder": folder, "cores": CORES}
    conf.write_text(CONF.format(controller=free_port(), node=free_port(), **names), encoding="utf-8")
    os.environ["SLURM_CONF"] = str(conf)
    own = [f"--{name}={folder}/munge.{end}" for name, end in (("socket", "sock"), ("key-file", "key"))]
    own += [f"--{name}={folder}/munged.{end}" for name, end in (("pid-file", "pid"), ("seed-file", "seed"))]
    started = [_start(folder, "munged", "--foreground", "--force", *own, f"--log-file={folder}/munged.log")]
    try:
        until((folder / "munge.sock").exists, 20, "munge")
        started.append(_start(folder, "slurmctld", "-D", "-f", str(conf)))
        started.append(_start(folder, "slurmd", "-D", "-N", "one", "-f", str(conf)))
        until(_idle, 30, f"the node; see the logs in {folder}")
        yield folder
    finally:
        if len(started) == 3:
            subprocess.run(["scancel", "--user", str(os.getuid())], check=False, timeout=30)
            until(lambda: not asked("squeue", "-h"), 30, "the queue to empty")
        for one in reversed(started):
            one.send_signal(signal.SIGTERM)
        for one in reversed(started):
            try:
                one.wait(timeout=15)
            except subprocess.TimeoutExpired:
                one.kill()
                one.wait()
        os.environ.pop("SLURM_CONF")
