"""What the platform itself costs: a chain of four stages that do nothing, 100 000 members, beside Dask and EasyVVUQ.

Usage: ``python benchmarks/overhead.py [--members 100000] [--workers 0 2] [--peer-members 2000] [--easyvvuq PYTHON]``.
Prints milliseconds per member and stage (target: below 0.5) and the client's memory as the run goes on (target: below
1 GB and flat), each case in a process of its own, all cases in one run; then the same chain, the same numbers bit for
bit, as tasks of bare Dask and as a campaign of EasyVVUQ. ``--profile`` tells where time and memory of the client go;
``--study`` sends as many members through the front door, with ledger, results and report.

EasyVVUQ pins NumPy 1, so it wants an interpreter of its own (see `overhead_peers.py`); without one it is left out, and
that is said. Its campaign knows no stages: a quarter of its cost per member stands in the column, in its favour.
"""

from __future__ import annotations

import argparse
import cProfile
import io
import json
import os
import pstats
import resource
import subprocess
import sys
import tempfile
import time
import tracemalloc
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np

from uqmsm.chain import Chain, Stage
from uqmsm.execution.clusters import open_backend
from uqmsm.execution.dispatch import execute
from uqmsm.execution.journal import RunFolder
from uqmsm.quantity import Port
from uqmsm.stochastic import Kind, Source

STAGES = 4
PEERS = Path(__file__).with_name("overhead_peers.py")


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
    """Return the four stages, joined."""
    stages = [Stage("stage0", First()), *(Stage(f"stage{depth}", Next(depth)) for depth in range(1, STAGES))]
    return Chain(tuple(stages))


def resident():
    """Return the memory of this process now [MB]."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


class Watch:
    """Reads the client's memory when the calls are laid out, and after each quarter of them."""

    def __init__(self):
        self.memory, self.done, self.total = [], {}, 1

    def started(self, stages, dashboard):
        """Read the memory with all calls laid out."""
        self.total = sum(stages.values())
        self.memory.append(resident())

    def advanced(self, stage, done, failed, total):
        """Read the memory when another quarter is done."""
        self.done[stage] = done
        if 4 * sum(self.done.values()) >= len(self.memory) * self.total:
            self.memory.append(resident())

    def states(self, stage, states):
        """Read nothing."""

    def said(self, line):
        """Pass it on."""
        print(line, file=sys.stderr)

    def finished(self):
        """Nothing more to read."""


def once(members, workers, profile):
    """Run once here, then once more with all files there; return seconds, megabytes and the checksum of the sums."""
    table = np.repeat(np.arange(members)[:, None], STAGES, axis=1)
    backend = open_backend(workers)
    watch, before = Watch(), resident()
    with tempfile.TemporaryDirectory() as place:
        begin = time.perf_counter()
        with RunFolder.create(Path(place) / "run") as folder, profile:
            found = execute(chain(), 1, table, folder, backend=backend, observer=watch)
        done = time.perf_counter()
        with RunFolder.open(Path(place) / "run") as folder:
            execute(chain(), 1, table, folder, backend=backend)
        resumed = time.perf_counter()
        files = sum(len(names) for _, _, names in os.walk(Path(place) / "run" / "members"))
    backend.close()
    sums = np.asarray(found.member_values(f"stage{STAGES - 1}", f"x{STAGES - 1}"), dtype="<f8")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "run": done - begin,
        "resume": resumed - done,
        "files": files,
        "memory": [before, *watch.memory[:5]],
        "peak": peak,
        "sums": sha256(sums.tobytes()).hexdigest(),
    }


@contextmanager
def timed():
    """Print where the client's time went, by function."""
    with cProfile.Profile() as profile:
        yield
    text = io.StringIO()
    pstats.Stats(profile, stream=text).strip_dirs().sort_stats("tottime").print_stats(14)
    print(text.getvalue(), file=sys.stderr)


@contextmanager
def weighed():
    """Print what the client holds at the end, by line; tracing makes the run several times slower."""
    tracemalloc.start()
    yield
    held, peak = tracemalloc.get_traced_memory()
    print(f"held {held / 2**20:.1f} MB, at most {peak / 2**20:.1f} MB", file=sys.stderr)
    for line in tracemalloc.take_snapshot().statistics("lineno")[:10]:
        print(line, file=sys.stderr)
    tracemalloc.stop()


PROFILES = {"none": nullcontext, "time": timed, "memory": weighed}


def study(members, workers):
    """Send about so many members of `studies/exact_chain` through the front door; return seconds and megabytes."""
    import uqmsm
    from uqmsm.conduct.answering import planned
    from uqmsm.tables import folder

    asked = uqmsm.load(folder("studies") / "exact_chain", ["members.rows=16"])
    each = planned(asked).design.members_per_row
    asked = uqmsm.load(folder("studies") / "exact_chain", [f"members.rows={members // each}"])
    with tempfile.TemporaryDirectory() as place:
        begin = time.perf_counter()
        uqmsm.run(asked, Path(place) / "run", workers=workers)
        seconds = time.perf_counter() - begin
        size = (Path(place) / "run" / "results.nc").stat().st_size / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"run": seconds, "peak": peak, "members": len(planned(asked).members), "size": size}


def alone(python, *words):
    """Run a script in a process of its own and return what its last line says."""
    command = [python, *map(str, words)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603  # our own scripts
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    if "--alone" in words:
        print(done.stderr, end="", file=sys.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def ours(arguments):
    """Print our own table; return per number of workers the cost per member at the largest size."""
    print(f"uqmsm, {STAGES} stages                                   memory of the client [MB]")
    print("workers  members  ms/(member stage)  resume [s]  files  before  laid out  1/4    1/2    3/4    end   peak")
    each = {}
    for workers in arguments.workers:
        for members in (arguments.members // 10, arguments.members):
            found = alone(sys.executable, __file__, "--alone", members, workers, arguments.profile)
            each[workers] = 1e3 * found["run"] / members
            before, laid, *quarters = found["memory"]
            print(
                f"{workers:7d}  {members:7d}  {each[workers] / STAGES:17.3f}  {found['resume']:10.2f}  "
                f"{found['files']:5d}  {before:6.0f}  {laid:8.0f}  "
                + "  ".join(f"{one:5.0f}" for one in quarters)
                + f"  {found['peak']:5.0f}"
            )
    return each


def beside(arguments, each):
    """Print the peers' table: the same numbers bit for bit, at a size that they bear, and the ratio to ours."""
    size = arguments.peer_members
    sums = alone(sys.executable, __file__, "--alone", size, 0, "none")["sums"]
    cases = [("bare Dask, a task per stage", sys.executable, "tasks", 2)]
    cases += [("bare Dask, a task per member", sys.executable, "members", 2)]
    if arguments.easyvvuq:
        cases += [(f"EasyVVUQ, {w or 'no'} workers", arguments.easyvvuq, "easyvvuq", w) for w in (0, 2)]
    print(f"\nbeside it, {size} members; the ratio is to uqmsm with as many workers and {arguments.members} members")
    print("what                          ms/member  ms/(member stage)  ratio  growth in run [MB]  same numbers")
    for name, python, peer, workers in cases:
        found = alone(python, PEERS, peer, size, workers)
        cost = 1e3 * found["run"] / size
        ratio = f"{cost / each[workers]:5.1f}" if workers in each else "    -"
        same = "yes" if found["sums"] == sums else "NO"
        print(f"{name:28s}  {cost:9.3f}  {cost / STAGES:17.3f}  {ratio}  {found['growth']:18.1f}  {same}")
    if not arguments.easyvvuq:
        print(
            "EasyVVUQ is left out; for it: python -m venv peers && peers/bin/pip install easyvvuq six, then\n"
            "  python benchmarks/overhead.py --easyvvuq peers/bin/python"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", type=int, default=100_000)
    parser.add_argument("--workers", type=int, nargs="*", default=[0, 2])
    parser.add_argument("--peer-members", type=int, default=2000)
    parser.add_argument("--easyvvuq", metavar="PYTHON", help="an interpreter that has EasyVVUQ")
    parser.add_argument("--profile", choices=list(PROFILES), default="none", help="tell where it goes, on stderr")
    parser.add_argument("--study", action="store_true", help="also through the front door, with ledger and report")
    parser.add_argument("--alone", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--door", nargs=2, type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.alone:
        members, workers, profile = arguments.alone
        print(json.dumps(once(int(members), int(workers), PROFILES[profile]())))
        return
    if arguments.door:
        print(json.dumps(study(*arguments.door)))
        return
    each = ours(arguments)
    beside(arguments, each)
    if arguments.study:
        found = alone(sys.executable, __file__, "--door", arguments.members, max(arguments.workers))
        print(
            f"\nthe front door (studies/exact_chain): {found['members']} members in {found['run']:.1f} s, "
            f"peak of the client {found['peak']:.0f} MB, results.nc {found['size']:.0f} MB"
        )


if __name__ == "__main__":
    main()
