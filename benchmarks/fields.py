"""Fields of 8 MB per member: what the client holds, and how fast they go from one stage to the next by file.

Usage: ``python benchmarks/fields.py [--members 100] [--cells 100] [--workers 2]``. Every member makes a box of
``cells^3`` numbers of 8 bytes, and the next stage reads it. ``--members 1000`` needs 8 GB of disk. Prints the memory of
the client as the run goes on, the bytes that came to lie in files per second, and what it takes to look at one field.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from overhead import Watch, resident

from uqmsm.chain import Chain, Stage
from uqmsm.execution.clusters import open_backend
from uqmsm.execution.dispatch import execute
from uqmsm.execution.journal import RunFolder
from uqmsm.fields import read_row
from uqmsm.quantity import Port
from uqmsm.stochastic import Kind, Source


@dataclass(frozen=True)
class Box:
    """Gives a box of numbers."""

    cells: int
    inputs = ()
    outputs = (Port("box", "1", ("x", "y", "z")),)
    sources = (Source("chance", Kind.ALEATORIC),)

    def __call__(self, given, streams):
        """Draw a box."""
        return {"box": streams["chance"].random((self.cells,) * 3)}


@dataclass(frozen=True)
class Sum:
    """Reads the box."""

    inputs = (Port("box", "1", ("x", "y", "z")),)
    outputs = (Port("sum", "1"),)
    sources = ()

    def __call__(self, given, streams):
        """Add all numbers."""
        return {"sum": float(given["box"].sum())}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", type=int, default=100)
    parser.add_argument("--cells", type=int, default=100)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    chain = Chain((Stage("rve", Box(arguments.cells)), Stage("fe", Sum())))
    table, watch = np.arange(arguments.members)[:, None], Watch()
    backend, before = open_backend(arguments.workers), resident()
    with tempfile.TemporaryDirectory() as place:
        members = Path(place) / "run" / "members"
        begin = time.perf_counter()
        with RunFolder.create(Path(place) / "run") as folder:
            found = execute(chain, 1, table, folder, backend=backend, observer=watch)
        seconds = time.perf_counter() - begin
        size = sum(file.stat().st_size for file in members.rglob("*.npy")) / 1e6
        begin = time.perf_counter()
        with RunFolder.open(Path(place) / "run") as folder:
            execute(chain, 1, table, folder, backend=backend)
        resumed = time.perf_counter() - begin
        last = found["rve"].handed("box", np.array([arguments.members - 1]), 1.0)[0]
        begin = time.perf_counter()
        read_row(members, last.file, last.row, last.digest)
        look = time.perf_counter() - begin
    backend.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        "members  MB each  workers  run [s]  MB/s by file  verified again [s]  one field [ms]   client [MB]: ", end=""
    )
    print("before  laid out  1/4  1/2  3/4  end  peak")
    row = f"{arguments.members:7d}  {size / arguments.members:7.2f}  {arguments.workers:7d}  {seconds:7.1f}"
    row += f"  {size / seconds:12.0f}  {resumed:18.1f}  {1e3 * look:14.1f}   {'':12s}  {before:6.0f}"
    print(row + "".join(f"  {one:5.0f}" for one in (*watch.memory[:5], peak)))


if __name__ == "__main__":
    main()
