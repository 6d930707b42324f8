"""What the platform costs molecular dynamics: CPU seconds of `Dynamics` over those of bare LAMMPS, interleaved.

    python benchmarks/md_platform.py [--rounds 6] [--steps 2000] [--cells 4]

Both run the same crystal, potential tables, thermostat and steps in one process, in turn. Ours records eleven numbers
every tenth step; or nine, without the energies, as `model: md` does in its fixed cell; and, in the last row, visits the
crystal for a Born term every hundredth step beside, which is mathematics of its own and not the platform's cost. CPU
seconds, not wall time: the ratio then stands on a machine that others use. Each ratio is the median over rounds, with
its quartiles. The last lines give LAMMPS on other tables.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from uqmsm.physics.alloy import configuration, sites
from uqmsm.physics.atomistic.splines import interpolate
from uqmsm.physics.atomistic.thermal import BornTerm
from uqmsm.physics.potential import tabulate
from uqmsm.physics.potential.dynamics import Dynamics
from uqmsm.physics.potential.effective_fcc import effective_fcc
from uqmsm.physics.potential.engines import LammpsPotential, load_lammps
from uqmsm.physics.potential.tabulated import setfl

ELEMENTS = ("Co", "Cr", "Fe", "Mn", "Ni")
MASSES = (58.933, 51.996, 55.845, 54.938, 58.693)


def bare(text, species, positions, cell, steps, *, recording=False, style="eam/alloy"):
    """CPU seconds of LAMMPS alone; with the virial of every tenth step averaged into a file by LAMMPS, or without."""
    run = load_lammps()(cmdargs=["-log", "none", "-screen", "none", "-nocite"])
    box = " ".join(f"0 {edge!r}" for edge in np.diag(cell).tolist())
    masses = [f"mass {k + 1} {mass}" for k, mass in enumerate(MASSES)]
    start = ["units metal", "atom_modify map array sort 0 0.0", f"region all block {box}", "create_box 5 all", *masses]
    run.commands_list(start)
    n = len(species)
    run.create_atoms(n, list(range(1, n + 1)), (species + 1).tolist(), positions.ravel().tolist())
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "a.eam").write_text(text)
        line = f"pair_coeff * * {folder}/a.eam {' '.join(ELEMENTS)}"
        run.commands_list([f"pair_style {style}", line])
        kept = ["compute p all pressure NULL virial", "compute k all ke"]
        numbers = "c_thermo_pe c_k " + " ".join(f"c_p[{k}]" for k in range(1, 7))
        kept.append(f"fix 3 all ave/time 10 1 10 {numbers} file {folder}/seen.txt")
        if recording:
            run.commands_list(kept)
        follow = ["neighbor 1.0 bin", "neigh_modify every 5 delay 5 check yes", "timestep 0.002", "thermo 0"]
        follow += ["velocity all create 600.0 11 mom yes dist gaussian loop all", "fix 1 all nve"]
        run.commands_list([*follow, "fix 2 all langevin 300.0 300.0 0.1 12 zero yes"])
        started = time.process_time()
        run.command(f"run {steps} post no")
        spent = time.process_time() - started
        run.close()
    return spent


def ours(potential, species, positions, cell, steps, term=None, *, energies=True):
    """CPU seconds of the same through the platform."""
    with Dynamics(potential, MASSES, species, positions, cell) as moving:
        moving.heat(600.0, 11)
        started = time.process_time()
        moving.in_fixed_cell(300.0, steps, 12, visit=term, visit_every=100, energies=energies)
        return time.process_time() - started


def main():
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in {"rounds": 6, "steps": 2000, "cells": 4}.items():
        words.add_argument(f"--{name}", type=int, default=value)
    asked = words.parse_args()
    values, cells = effective_fcc(ELEMENTS), (asked.cells,) * 3
    species = configuration((0.2,) * 5, cells, "fcc", np.random.default_rng(0))
    cell = np.diag(3.62 * np.array(cells, dtype=float))
    positions = sites("fcc", cells) @ cell
    names = ("bare", "bare, recording", "recorded", "stress recorded", "stress, Born terms")
    spent = {name: [] for name in names}
    tables = tabulate(values, 1000, 1000, 6.6)
    text = setfl(tables)
    potential = LammpsPotential("eam/alloy", ("* * a.eam " + " ".join(ELEMENTS),), texts={"a.eam": text})
    term = BornTerm(interpolate(tables), species)
    term(positions, cell)  # compiled beforehand
    for _ in range(asked.rounds):
        spent["bare"].append(bare(text, species, positions, cell, asked.steps))
        spent["bare, recording"].append(bare(text, species, positions, cell, asked.steps, recording=True))
        spent["recorded"].append(ours(potential, species, positions, cell, asked.steps))
        spent["stress recorded"].append(ours(potential, species, positions, cell, asked.steps, energies=False))
        spent["stress, Born terms"].append(ours(potential, species, positions, cell, asked.steps, term, energies=False))
    per = 1e6 / (asked.steps * len(species))
    for name, seconds in spent.items():
        low, ratio, high = np.quantile(np.array(seconds) / np.array(spent["bare"]), (0.25, 0.5, 0.75))
        same = np.median(np.array(seconds) / np.array(spent["bare, recording"]))
        of = f"{ratio:.3f} ({low:.3f} to {high:.3f}) of bare LAMMPS, {same:.3f} of one that records the same"
        print(f"{name:22s} {np.median(seconds) * per:6.2f} us/atom/step   {of}")
    for points in (500, 2000, 4000):
        text = setfl(tabulate(values, points, points, 6.6))
        seconds = bare(text, species, positions, cell, asked.steps // 4)
        print(f"bare, tables of {points:5d} {4 * seconds * per:6.2f} us/atom/step")


if __name__ == "__main__":
    main()
