"""Holds the model of `scale_model.py` against real runs on this machine: 1, 2 and 4 workers, 1e3 to 1e5 members.

Usage: ``python benchmarks/scale_validate.py costs.json [--members 1000 10000 100000]``, a minute or two. The cores are
shared by client, scheduler and workers, in the model as in the run. A machine that does other work at the same time
makes the measured times longer, not the predicted ones.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
from overhead import STAGES, First, Next
from scale_costs import Costs, Spin
from scale_model import Case, Run

from uqmsm.chain import Chain, Stage
from uqmsm.execution.clusters import open_backend
from uqmsm.execution.dispatch import execute
from uqmsm.execution.journal import RunFolder


def real(members, workers, spin):
    """Return seconds of a real run; `spin` seconds of work per call of stage 1."""
    second = Spin(1, spin) if spin else Next(1)
    chain = Chain((Stage("stage0", First()), Stage("stage1", second), *(Stage(f"stage{d}", Next(d)) for d in (2, 3))))
    table = np.repeat(np.arange(members)[:, None], STAGES, axis=1)
    backend = open_backend(workers)
    with tempfile.TemporaryDirectory() as place, RunFolder.create(Path(place) / "run") as folder:
        begin = time.perf_counter()
        execute(chain, 1, table, folder, backend=backend)
        seconds = time.perf_counter() - begin
    backend.close()
    return seconds


def validate(costs, sizes):
    """Print predicted beside measured seconds."""
    print("work in stage 1   members  workers   measured [s]   predicted [s]   predicted/measured")
    ratios = []
    for spin in (0.0, 2e-3):
        for members in sizes:
            if spin and members > 3000:
                continue
            for workers in (1, 2, 4):
                seconds = real(members, workers, spin)
                case = Case(members, workers, (0.0, spin, 0.0, 0.0), cores=psutil.cpu_count())
                said = Run(case, costs).go().seconds
                ratios.append(said / seconds)
                print(
                    f"{1e3 * spin:10.0f} ms  {members:12d}  {workers:7d}  {seconds:13.2f}  {said:14.2f}"
                    f"  {ratios[-1]:19.2f}"
                )
    spread = float(np.exp(np.mean(np.abs(np.log(ratios)))))
    print(f"predicted/measured: median {np.median(ratios):.2f}, a typical miss is a factor of {spread:.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("costs", type=Path, help="what `scale_model.py measure` printed")
    parser.add_argument("--members", type=int, nargs="+", default=[1000, 10_000, 100_000])
    arguments = parser.parse_args()
    validate(Costs(**json.loads(arguments.costs.read_text(encoding="utf-8"))), arguments.members)


if __name__ == "__main__":
    main()
