"""What the platform itself costs: a chain of four stages that do nothing, thousands of members.

Usage: ``python benchmarks/overhead.py [--members 10000] [--workers 0 2]``. Prints milliseconds per member and stage
(target: below 1) and the peak memory of the client at two sizes, each in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from uqmsm.chain import Chain, Stage
from uqmsm.execution.clusters import open_backend
from uqmsm.execution.dispatch import execute
from uqmsm.execution.journal import RunFolder
from uqmsm.quantity import Port
from uqmsm.stochastic import Kind, Source

STAGES = 4


@dataclass(frozen=True)
class First:
    """Draws one number."""

    inputs = ()
    outputs = (Port("x0", "1"),)
    sources = (Source("chance", Kind.ALEATORIC),)

    def __call__(self, given, streams):
        """Return one uniform."""
        return {"x0": streams["chance"].random()}


@dataclass(frozen=True)
class Next:
    """Adds one uniform to what it is given."""

    depth: int

    @property
    def inputs(self):
        """One number."""
        return (Port(f"x{self.depth - 1}", "1"),)

    @property
    def outputs(self):
        """One number."""
        return (Port(f"x{self.depth}", "1"),)

    sources = (Source("chance", Kind.ALEATORIC),)

    def __call__(self, given, streams):
        """Return the sum."""
        return {f"x{self.depth}": given[f"x{self.depth - 1}"] + streams["chance"].random()}


def chain():
    stages = [Stage("stage0", First()), *(Stage(f"stage{depth}", Next(depth)) for depth in range(1, STAGES))]
    return Chain(tuple(stages))


def measure(members, workers):
    """Run once here; return seconds of the start, of the run and of a resume, and the growth of this process [MB]."""
    table = np.repeat(np.arange(members)[:, None], STAGES, axis=1)
    begin = time.perf_counter()
    backend = open_backend(workers)
    opened = time.perf_counter()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with tempfile.TemporaryDirectory() as place:
        with RunFolder.create(Path(place) / "run") as folder:
            execute(chain(), 1, table, folder, backend=backend)
        done = time.perf_counter()
        with RunFolder.open(Path(place) / "run") as folder:
            execute(chain(), 1, table, folder, backend=backend)
        resumed = time.perf_counter()
        files = len(list((Path(place) / "run" / "members").iterdir()))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    backend.close()
    return {
        "open": opened - begin,
        "run": done - opened,
        "resume": resumed - done,
        "files": files,
        "peak": peak / 1024,
        "growth": (peak - before) / 1024,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--members", type=int, default=10_000)
    parser.add_argument("--workers", type=int, nargs="*", default=[0, 2])
    parser.add_argument("--alone", type=int, nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.alone:
        print(json.dumps(measure(*arguments.alone)))
        return
    print("workers  members  ms/(member stage)  resume [s]  start [s]  files  client peak [MB]  growth in run [MB]")
    for workers in arguments.workers:
        for members in (arguments.members // 10, arguments.members):
            command = [sys.executable, __file__, "--alone", str(members), str(workers)]
            found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)  # noqa: S603
            each = 1e3 * found["run"] / (members * STAGES)
            print(
                f"{workers:7d}  {members:7d}  {each:17.3f}  {found['resume']:10.2f}  {found['open']:9.2f}"
                f"  {found['files']:5d}  {found['peak']:16.0f}  {found['growth']:18.1f}"
            )


if __name__ == "__main__":
    main()
