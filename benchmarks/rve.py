"""Cost of the full stiffness of a polycrystal over the bare transforms of its iterations, by size, with its memory.

The yardstick: as many rounds as there were iterations, each of six real transforms forth and six back in double
precision with nothing in between, which is what a solver for the strain needs at least. Aim: at most 1.0. Solve and
yardstick alternate in one process; processor seconds are compared, because they bear other work on the machine, and the
median ratio is printed. Every size runs in a process of its own, whose peak memory is that of the solve.

``--members N`` compares, for small grids, load cases searched in turn with six side by side (`homogenize`) and with
those of N members side by side (`homogenize_many`); all three have the same bytes. With ``--boundary kubc`` (or
``subc``) it compares blocks under that condition one by one with N of them side by side (`apparent_many`).
"""

from __future__ import annotations

import argparse
import math
import resource
import statistics
import subprocess
import sys
import time

import numpy as np
import scipy.fft

from uqmsm.physics.rve import homogenize, homogenize_many, periodic_cell, polycrystal
from uqmsm.physics.rve.apparent import apparent_many, apparent_stiffness
from uqmsm.physics.tensors import cubic_stiffness, rotate_stiffness

CANTOR_LIKE_GPa = (196.0, 118.0, 129.0)


def bare_transforms(edge, rounds, workers):
    """Return processor seconds of `rounds` times six transforms forth and six back, one component after the other."""
    field = np.random.default_rng(3).random((edge,) * 3)
    start = time.process_time()
    for _ in range(6 * rounds):
        spectrum = scipy.fft.rfftn(field, norm="forward", workers=workers)
        field = scipy.fft.irfftn(spectrum, s=field.shape, norm="forward", overwrite_x=True, workers=workers)
    return time.process_time() - start


def one_size(edge, repeats, workers, crystal_GPa=CANTOR_LIKE_GPa):
    grains = polycrystal(np.random.default_rng(1), np.random.default_rng(2), 100, (edge,) * 3)
    table = rotate_stiffness(cubic_stiffness(*crystal_GPa), grains.orientations)
    homogenize(table, grains.grain_ids[:4, :4, :4])  # compiled before it is timed
    homogenize(table, grains.grain_ids[:4, :4, :4], workers=2)
    solves, ratios = [], []
    for _ in range(repeats):
        start = time.process_time()
        found = homogenize(table, grains.grain_ids, workers=workers)
        solves.append(time.process_time() - start)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        if edge <= 64:
            ratios.append(solves[-1] / bare_transforms(edge, found.iterations, workers))
    voxel = statistics.median(solves) / found.iterations / edge**3
    ratio = (
        f"{statistics.median(ratios):.2f} of the bare transforms (aim 1.00)" if ratios else "bare transforms not run"
    )
    print(
        f"{edge}^3, {workers} thread(s): {statistics.median(solves):.2f} processor seconds, {found.iterations} "
        f"iterations over 6 load cases, {ratio}; {voxel * 1e9:.1f} ns a voxel and iteration, "
        f"{voxel * 1e9 / math.log2(edge**3):.2f} ns over log2 N; Hill-Mandel gap {found.hill_mandel_gap:.1e}; "
        f"peak memory {memory:.2f} GB",
        flush=True,
    )


def members(edge, count):
    """Return stiffness of the grains and their map, of each of some members."""
    grains = max(edge**3 // 40, 2)
    made = [
        polycrystal(np.random.default_rng(k), np.random.default_rng(k + 99), grains, (edge,) * 3) for k in range(count)
    ]
    tables = [rotate_stiffness(cubic_stiffness(*CANTOR_LIKE_GPa), one.orientations) for one in made]
    return tables, [one.grain_ids for one in made]


def medians(ways, repeats, count):
    """Return processor milliseconds a member of each way; the ways alternate, the first round compiles."""
    seconds = [[] for _ in ways]
    for repeat in range(repeats + 1):
        for way, taken in zip(ways, seconds, strict=True):
            start = time.process_time()
            way()
            if repeat:
                taken.append((time.process_time() - start) / count)
    return [statistics.median(one) * 1e3 for one in seconds]


def many_under(boundary, edge, count, repeats):
    """Print processor milliseconds of a member under a boundary condition: one by one, and all side by side."""
    tables, ids = members(edge, count)
    ways = (
        lambda: [apparent_stiffness(table, one, boundary) for table, one in zip(tables, ids, strict=True)],
        lambda: apparent_many(tables, ids, boundary),
    )
    alone, many = medians(ways, repeats, count)
    print(
        f"{edge}^3, {boundary}, {count} members: {alone:.2f} ms a member one by one, {many:.2f} side by side: "
        f"{alone / many:.2f} times as fast",
        flush=True,
    )


def many_members(edge, count, repeats):
    """Print processor milliseconds of a member: load cases in turn, six side by side, those of all members."""
    tables, ids = members(edge, count)
    cells = [periodic_cell(table, one) for table, one in zip(tables, ids, strict=True)]
    ways = (
        lambda: [cell.solve(unit, 1e-6, 500) for cell in cells for unit in np.eye(6)],
        lambda: [homogenize(table, one) for table, one in zip(tables, ids, strict=True)],
        lambda: homogenize_many(tables, ids),
    )
    turn, six, many = medians(ways, repeats, count)
    print(
        f"{edge}^3, {count} members: {turn:.2f} ms a member with load cases in turn, {six:.2f} with six side by side, "
        f"{many:.2f} with those of all members: {turn / six:.2f} and {turn / many:.2f} times as fast",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--edges", type=int, nargs="+", default=[32, 64, 128], help="voxels along an edge")
    parser.add_argument("--repeats", type=int, default=5, help="interleaved rounds")
    parser.add_argument("--workers", type=int, default=0, help="threads; one size in this process")
    parser.add_argument("--members", type=int, default=0, help="members side by side; small grids, one thread")
    parser.add_argument("--boundary", choices=["periodic", "kubc", "subc"], default="periodic", help="of the members")
    chosen = parser.parse_args()
    for edge in chosen.edges if chosen.members else []:
        if chosen.boundary == "periodic":
            many_members(edge, chosen.members, chosen.repeats)
        else:
            many_under(chosen.boundary, edge, chosen.members, chosen.repeats)
    if chosen.members:
        return
    if chosen.workers:
        one_size(chosen.edges[0], chosen.repeats, chosen.workers)
        return
    for edge in chosen.edges:
        for workers in (1, 2):
            repeats = chosen.repeats if edge <= 64 else 1
            subprocess.run(  # noqa: S603
                [sys.executable, __file__, "--edges", str(edge), "--workers", str(workers), "--repeats", str(repeats)],
                check=True,
            )


if __name__ == "__main__":
    main()
