"""Energy and forces of a 4000-atom random alloy: our kernel against LAMMPS `eam/alloy/opt`, one thread, one run.

Both keep a neighbour list with 1 A of skin from before the clock starts. LAMMPS takes steps in which nothing moves (no
integrator is defined); it is timed twice, with energy and virial asked for in every step, as our kernel returns them,
and with forces alone.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "physics"))

from lammps_oracle import Oracle

from uqmsm.physics.alloy import configuration, sites
from uqmsm.physics.atomistic.eam import evaluate
from uqmsm.physics.atomistic.neighbours import half_list
from uqmsm.physics.atomistic.splines import interpolate
from uqmsm.physics.potential import tabulated, zhou

ELEMENTS = ["Mo", "Nb", "Ta", "W"]
CELLS, SKIN_A, ROUNDS, REPEATS = (20, 10, 10), 1.0, 9, 20


def main() -> None:
    tables = tabulated.tabulate(zhou.published(ELEMENTS))
    potential = interpolate(tables)
    rng = np.random.default_rng(1)
    species = configuration(np.full(4, 0.25), CELLS, "bcc", rng)
    cell = np.diag(3.2232 * np.array(CELLS, dtype=float))
    positions = sites("bcc", CELLS) @ cell + rng.normal(scale=0.05, size=(len(species), 3))
    neighbours = half_list(positions, cell, potential.cutoff, SKIN_A)
    ours = evaluate(potential, species, positions, cell, neighbours)
    with tempfile.TemporaryDirectory() as folder:
        setfl = Path(folder) / "alloy.eam"
        tabulated.write_setfl(tables, setfl)
        theirs = Oracle(setfl, ELEMENTS, species, positions, cell, style="eam/alloy/opt", skin_A=SKIN_A)
    print(f"{len(species)} atoms, {len(neighbours.other) / len(species):.1f} listed pairs per atom")
    print(f"energy differs by {abs(ours.energy - theirs.energy()) / len(species):.1e} eV/atom,", end=" ")
    print(f"forces by {np.abs(ours.forces - theirs.forces()).max():.1e} eV/A")
    theirs.run.command("uncompute site")
    for every, words in ((1, "with energy and virial in every step"), (0, "with forces alone")):
        theirs.run.command(f"thermo {every}")
        mine, lammps = race(potential, species, positions, cell, neighbours, theirs)
        ratio = np.median(mine / lammps)
        print(f"LAMMPS {words}: ours {1e3 * np.median(mine):.2f} ms, LAMMPS {1e3 * np.median(lammps):.2f} ms,", end=" ")
        print(f"ratio {ratio:.3f} ({(mine / lammps).min():.3f} to {(mine / lammps).max():.3f} in {ROUNDS} rounds)")


def race(potential, species, positions, cell, neighbours, theirs):
    """Time both in turns; seconds per evaluation of each round."""
    ours = evaluate(potential, species, positions, cell, neighbours)
    mine, lammps = [], []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(REPEATS):
            ours = evaluate(potential, species, positions, cell, neighbours, reuse=ours.bonds)
        middle = time.perf_counter()
        theirs.run.command(f"run {REPEATS} pre no post no")
        mine.append((middle - start) / REPEATS)
        lammps.append((time.perf_counter() - middle) / REPEATS)
    return np.array(mine), np.array(lammps)


if __name__ == "__main__":
    main()
