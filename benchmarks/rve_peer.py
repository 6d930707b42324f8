"""Time of the full stiffness of a polycrystal beside muSpectre (LGPL, called and never imported here); aim: half of it.

muSpectre's wheel has one transform engine, without threads, and its Fourier projection of small strains takes odd
grids only. So both get the same odd grid, the same grains and the same relative residual, and each computes six load
cases on two cores: muSpectre as two processes of three cases, we as two threads. Rounds alternate. Processor seconds
are compared beside wall seconds, because other work on the machine disturbs the latter. The peer lives in an
environment of its own:

    python -m venv peer && peer/bin/pip install muSpectre==0.27.0
    python benchmarks/rve_peer.py --peer-python peer/bin/python
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

PEER = """
import json, sys, time
import numpy as np
import muSpectre as msp
import muGrid

made = np.load(sys.argv[1])
tolerance, which = float(sys.argv[2]), [int(one) for one in sys.argv[3].split(",")]
ids, voigt = made["ids"], made["voigt"]
cell = msp.Cell(list(ids.shape), [1.0] * 3, msp.Formulation.small_strain)
grains = [
    msp.material.MaterialLinearElasticGeneric1_3d.make(cell, str(g), np.asfortranarray(one))
    for g, one in enumerate(voigt)
]
for pixel, grain in enumerate(ids.ravel(order="F")):
    grains[grain].add_pixel(pixel)
cell.initialise()
pairs = [(0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)]
columns, iterations = [], 0
wall, cpu = time.perf_counter(), time.process_time()
for case in which:
    i, j = pairs[case]
    mean = np.zeros((3, 3))
    mean[i, j] = mean[j, i] = 1.0 if i == j else 0.5
    solver = msp.solvers.KrylovSolverCG(cell, tolerance, 500)
    # the residual of Newton's method is that of the linear problem: one step, then equilibrium is read off
    done = msp.solvers.newton_cg(cell, mean, solver, 1.0, 1.0)
    stress = np.asarray(done.stress).reshape(3, 3, -1, order="F").mean(axis=2)
    columns.append([stress[pair] for pair in pairs])
    iterations += solver.get_counter() if hasattr(solver, "get_counter") else done.nb_fev
print(json.dumps({"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "columns": columns,
                  "iterations": iterations}))
"""


def of_peer(python, specimen, tolerance):
    """Run three load cases in each of two processes; return wall and processor seconds, stiffness and iterations."""
    command = [python, "-c", PEER, str(specimen), str(tolerance)]
    halves = [subprocess.Popen([*command, cases], stdout=subprocess.PIPE, text=True) for cases in ("0,1,2", "3,4,5")]  # noqa: S603
    found = [json.loads(one.communicate()[0].splitlines()[-1]) for one in halves]
    return (
        max(one["wall"] for one in found),
        sum(one["cpu"] for one in found),
        np.concatenate([one["columns"] for one in found]),
        sum(one["iterations"] for one in found),
    )


def ours(voigt, ids, scheme, tolerance):
    """Return wall and processor seconds, stiffness and iterations on two threads."""
    from uqmsm.physics.rve import homogenize

    wall, cpu = time.perf_counter(), time.process_time()
    found = homogenize(voigt, ids, scheme=scheme, workers=2, tolerance=tolerance)
    return time.perf_counter() - wall, time.process_time() - cpu, found.stiffness, found.iterations


def main():
    from uqmsm.physics.rve import polycrystal
    from uqmsm.physics.tensors import cubic_stiffness, rotate_stiffness

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer-python", default=sys.executable, help="an interpreter that has muSpectre")
    parser.add_argument("--edge", type=int, default=63, help="voxels along an edge, odd")
    parser.add_argument("--tolerance", type=float, default=1e-6)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    made = polycrystal(np.random.default_rng(1), np.random.default_rng(2), 100, (chosen.edge,) * 3)
    voigt = rotate_stiffness(cubic_stiffness(196.0, 118.0, 129.0), made.orientations)
    runs = {"muSpectre": [], "fourier": [], "rotated": []}
    with tempfile.TemporaryDirectory() as folder:
        specimen = Path(folder) / "specimen.npz"
        np.savez(specimen, ids=made.grain_ids, voigt=voigt)
        for scheme in ("fourier", "rotated"):
            ours(voigt, made.grain_ids, scheme, chosen.tolerance)  # compiled before it is timed
        for _ in range(chosen.rounds):
            runs["muSpectre"].append(of_peer(chosen.peer_python, specimen, chosen.tolerance))
            for scheme in ("fourier", "rotated"):
                runs[scheme].append(ours(voigt, made.grain_ids, scheme, chosen.tolerance))
    reference = runs["muSpectre"][0][2]
    for name, rounds in runs.items():
        wall, cpu = (statistics.median(one[i] for one in rounds) for i in (0, 1))
        base = [statistics.median(one[i] for one in runs["muSpectre"]) for i in (0, 1)]
        apart = np.abs(rounds[0][2] - reference).max() / reference.max()
        print(
            f"{chosen.edge}^3 {name:9}: wall {wall:6.2f} s, processor {cpu:6.2f} s, {rounds[0][3]} iterations; "
            f"{base[0] / wall:.2f} and {base[1] / cpu:.2f} times as fast as muSpectre; stiffness apart {apart:.1e}"
        )


if __name__ == "__main__":
    main()
