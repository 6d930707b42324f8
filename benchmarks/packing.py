"""How busy workers are kept: seconds inside calls over seconds of all workers, for members of unequal cost.

    python benchmarks/packing.py [--members 48] [--workers 2] [--stages statics motion both]

Specimens of 108 to 432 atoms are relaxed, and moved by LAMMPS, each with its own draw of a potential. A stage is
measured with everything above it done, from its first task to its last outcome, dispatch, files and the idle tail
included; `both` runs the two in one go. The fraction stands on a machine that others use, too: what slows a call down
slows the clock as well. Beside it stands what the same calls would give if they were known beforehand and dealt out
longest first: what is left to that is the price of not knowing.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from uqmsm.chain import Chain, Stage
from uqmsm.execution.clusters import open_backend
from uqmsm.execution.dispatch import execute
from uqmsm.execution.journal import RunFolder
from uqmsm.execution.observing import Silent
from uqmsm.physics.potential.effective_fcc import effective_fcc
from uqmsm.scales.alloy import RandomAlloy
from uqmsm.scales.atomistic import MolecularDynamics, Statics
from uqmsm.scales.potential import Learnt, Potential
from uqmsm.uncertainty import Epistemic

THREE = ("Co", "Cr", "Ni")


@dataclass(frozen=True)
class AnySize:
    """A random alloy in a block whose length is left to chance: some calls then cost four times what others do."""

    alloy: RandomAlloy = RandomAlloy(THREE, (1 / 3,) * 3, lattice="fcc", cells=(3, 3, 3))

    @property
    def inputs(self):
        """Those of a random alloy."""
        return self.alloy.inputs

    @property
    def outputs(self):
        """Those of a random alloy."""
        return self.alloy.outputs

    @property
    def sources(self):
        """Those of a random alloy."""
        return self.alloy.sources

    def __call__(self, given, streams):
        """Draw the length, then the atoms."""
        length = int(streams["configuration"].integers(3, 13))
        return replace(self.alloy, cells=(3, 3, length))(given, streams)


class Clock(Silent):
    """Notes when the first task is under way and when the last call has ended."""

    def __init__(self):
        self.first, self.last = None, None

    def states(self, stage, counts):
        """Begin with the first that runs."""
        if self.first is None and counts["running"]:
            self.first = time.perf_counter()

    def advanced(self, stage, done, failed, total):
        """End with the last that ended."""
        self.last = time.perf_counter()


def dealt(seconds, workers):
    """Return the busy fraction when calls are dealt out longest first to whoever is free."""
    until = np.zeros(workers)
    for one in sorted(seconds, reverse=True):
        until[until.argmin()] += one
    return sum(seconds) / (workers * until.max())


def main():
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--members", type=int, default=48)
    words.add_argument("--workers", type=int, default=2)
    words.add_argument("--stages", nargs="+", default=["statics", "motion", "both"])
    asked = words.parse_args()
    spread = 1.0 + 0.01 * np.random.default_rng(1).normal(size=(asked.members, 1, 1))
    draws = np.repeat(effective_fcc(THREE).values[None], asked.members, axis=0)
    draws[:, :, 0] *= spread[:, :, 0]  # the first column is a length
    law = Learnt(draws, np.zeros((asked.members, 5)), np.zeros((asked.members, 5)), "made")
    known = [Stage("potential", Potential(THREE, Epistemic(law))), Stage("alloy", AnySize())]
    rest = Stage("statics", Statics(families=2, points=3000, cutoff=6.6))
    motion = Stage("motion", MolecularDynamics((300.0, 900.0), steps=500, cutoff=6.6))
    above = {"statics": known, "motion": [*known, rest], "both": known}
    last = {"statics": [rest], "motion": [motion], "both": [rest, motion]}
    backend = open_backend(asked.workers)
    for name in asked.stages:
        whole = Chain([*above[name], *last[name]])
        table = np.repeat(np.arange(asked.members)[:, None], len(whole.sources), axis=1)
        clock, part = Clock(), Chain(above[name])
        with tempfile.TemporaryDirectory() as place, RunFolder.create(Path(place) / "run") as folder:
            execute(part, 1, table[:, : len(part.sources)], folder, backend=backend)
            found = execute(whole, 1, table, folder, backend=backend, observer=clock)
        seconds = np.concatenate([found[stage.name].seconds for stage in last[name]])
        seconds = seconds[np.isfinite(seconds)]
        busy = seconds.sum() / (asked.workers * (clock.last - clock.first))
        print(
            f"{name:8s} {len(seconds)} calls of {seconds.min():.2f} to {seconds.max():.2f} s: {asked.workers} workers "
            f"{100 * busy:.1f} % busy; dealt out longest first {100 * dealt(seconds, asked.workers):.1f} %",
            flush=True,
        )
    backend.close()


if __name__ == "__main__":
    main()
