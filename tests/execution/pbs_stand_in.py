"""A stand-in for PBS, called as qsub, qstat or qdel: jobs are processes of this machine, kept as files of a folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

folder = Path(os.environ["PBS_STAND_IN"])
name, words = Path(sys.argv[0]).name, sys.argv[1:]


def running(job):
    try:
        state = Path(f"/proc/{job.read_text()}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


if name == "qsub":
    number = len(list(folder.glob("*.job"))) + 1
    script = folder / f"{number}.sh"
    script.write_text(Path(words[0]).read_text(encoding="utf-8"), encoding="utf-8")
    with (folder / f"{number}.log").open("wb") as log:
        process = subprocess.Popen(["bash", script], start_new_session=True, stdout=log, stderr=log, stdin=-3)
    (folder / f"{number}.job").write_text(str(process.pid))
    sys.stdout.write(f"{number}.stand-in\n")
elif name == "qstat":
    sys.stdout.write("Job id            Name             User              Time Use S Queue\n")
    sys.stdout.write("----------------  ---------------- ----------------  -------- - -----\n")
    for job in folder.glob("*.job"):
        if running(job):
            sys.stdout.write(f"{job.stem}.stand-in  dask-worker      somebody          00:00:00 R workq\n")
elif name == "qdel":
    job = folder / f"{words[0].partition('.')[0]}.job"
    if not running(job):
        sys.exit(f"qdel: Unknown Job Id {words[0]}")
    os.killpg(int(job.read_text()), signal.SIGTERM)
