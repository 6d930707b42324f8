"""Energy and forces of a 4000-atom random alloy: our kernel against LAMMPS `eam/alloy/opt`, one thread, one run.

    python benchmarks/eam_kernel.py [--style eam/alloy]

The style of the goal copies its tables (here 10 000 points of four elements, 9 MB) at every evaluation; the plain style
does not, and is the faster rival here.

Three races. In the first two both keep a neighbour list with 1 A of skin from before the clock starts and nothing
moves; LAMMPS is timed with energy and virial asked for in every step, as our kernel returns them, and with forces
alone. In the third the atoms go back and forth between a shaken crystal and its relaxed one, as in a relaxation, in
steps of a twentieth of an angstrom, after each of which both decide for themselves whether a new list is due. A
relaxation from lattice sites builds none or one; the race on purpose one in ten evaluations.
"""

from __future__ import annotations

import argparse
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
AMPLITUDE_A, STEPS = 0.55, 10  # how far the first atom goes, and in how many steps


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--style", default="eam/alloy/opt")
    style = words.parse_args().style
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
        theirs = Oracle(setfl, ELEMENTS, species, positions, cell, style=style, skin_A=SKIN_A)
    print(f"{style}: {len(species)} atoms, {len(neighbours.other) / len(species):.1f} listed pairs per atom")
    print(f"energy differs by {abs(ours.energy - theirs.energy()) / len(species):.1e} eV/atom,", end=" ")
    print(f"forces by {np.abs(ours.forces - theirs.forces()).max():.1e} eV/A")
    theirs.run.command("uncompute site")
    for every, words in ((1, "with energy and virial in every step"), (0, "with forces alone")):
        theirs.run.command(f"thermo {every}")
        told(f"LAMMPS {words}", *race(potential, species, positions, cell, neighbours, theirs))
    theirs.run.command("thermo 1")
    theirs.run.command("neigh_modify every 1 delay 0 check yes")
    moves = rng.normal(size=positions.shape)
    moves *= AMPLITUDE_A / STEPS / np.sqrt((moves**2).sum(axis=1)).max()
    mine, lammps, builds = moving_race(potential, species, positions, cell, neighbours, theirs, moves)
    told(f"LAMMPS with lists rebuilt, each {builds} times in {ROUNDS * REPEATS} evaluations", mine, lammps)


def told(words, mine, lammps) -> None:
    ratios = mine / lammps
    print(f"{words}: ours {1e3 * np.median(mine):.2f} ms, LAMMPS {1e3 * np.median(lammps):.2f} ms,", end=" ")
    print(f"ratio {np.median(ratios):.3f} ({ratios.min():.3f} to {ratios.max():.3f} in {ROUNDS} rounds)")


def race(potential, species, positions, cell, neighbours, theirs):
    """Time both in turns; seconds of processor time per evaluation of each round."""
    ours = evaluate(potential, species, positions, cell, neighbours)
    mine, lammps = [], []
    for _ in range(ROUNDS):
        start = time.process_time()
        for _ in range(REPEATS):
            ours = evaluate(potential, species, positions, cell, neighbours, reuse=ours.bonds)
        middle = time.process_time()
        theirs.run.command(f"run {REPEATS} pre no post no")
        mine.append((middle - start) / REPEATS)
        lammps.append((time.process_time() - middle) / REPEATS)
    return np.array(mine), np.array(lammps)


def moving_race(potential, species, positions, cell, neighbours, theirs, moves):
    """As `race`, with atoms that move by `moves` (n, 3) per evaluation, forth and back in turn; counts lists too."""
    ours = evaluate(potential, species, positions, cell, neighbours)
    mine, lammps, built = [], [], 0
    here = positions.copy()
    log = Path(tempfile.mkdtemp()) / "log"
    theirs.run.command(f"log {log}")
    for _ in range(ROUNDS):
        forth = [sign * moves for sign in (1, -1) for _ in range(STEPS)]
        start = time.process_time()
        for step in forth:
            here += step
            if not neighbours.serves(here, cell, potential.cutoff):
                neighbours, built = half_list(here, cell, potential.cutoff, SKIN_A), built + 1
            ours = evaluate(potential, species, here, cell, neighbours, reuse=ours.bonds)
        middle = time.process_time()
        for step in forth:
            tags = theirs.run.numpy.extract_atom("id")[: len(here)]
            theirs.run.numpy.extract_atom("x")[: len(here)] += step[tags - 1]
            theirs.run.command("run 1 pre no post yes")
        mine.append((middle - start) / len(forth))
        lammps.append((time.process_time() - middle) / len(forth))
    theirs.run.command("log none")
    counted = [int(line.split("=")[1]) for line in log.read_text().splitlines() if "list builds" in line]  # since start
    assert abs(counted[-1] - counted[0] - built) <= 1 + built // 10, (built, counted[-1] - counted[0])
    return np.array(mine), np.array(lammps), built


if __name__ == "__main__":
    main()
