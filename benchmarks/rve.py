"""Time of one FFT load case over the time of its own bare transforms; aim: at most 1.6.

Both are run in turn on one thread in the same process: the solve (64^3 voxels, 100 grains, residual 1e-6, uniaxial
strain), then as many real transforms of the same size and precision as it made, with nothing in between. The medians of
the rounds are divided.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np
import scipy.fft

from uqmsm.physics.rve import homogenize_cubic, periodic_cell, polycrystal
from uqmsm.physics.tensors import cubic_stiffness, rotate_stiffness

CANTOR_LIKE_GPa = (196.0, 118.0, 129.0)


def bare_transforms(fields, rounds, workers):
    """Six transforms forth and six back, `rounds` times, component by component as the solver makes them."""
    shape = fields[0].shape
    start = time.perf_counter()
    for _ in range(rounds):
        spectra = [scipy.fft.rfftn(one, norm="forward", workers=workers) for one in fields]
        fields = [scipy.fft.irfftn(one, s=shape, norm="forward", overwrite_x=True, workers=workers) for one in spectra]
    return time.perf_counter() - start


def one_load_case(edge, workers, repeats):
    """Return (iterations, median solve, median bare transforms), seconds, interleaved."""
    grains = polycrystal(np.random.default_rng(1), np.random.default_rng(2), 100, (edge,) * 3)
    table = rotate_stiffness(cubic_stiffness(*CANTOR_LIKE_GPa), grains.orientations)
    cell = periodic_cell(table, grains.grain_ids, workers=workers)
    strain = np.eye(6)[0]
    case = cell.solve(strain, 1e-6, 500)
    fields = [np.random.default_rng(3 + i).random(grains.grain_ids.shape) for i in range(6)]
    solves, bare = [], []
    for _ in range(repeats):
        start = time.perf_counter()
        cell.solve(strain, 1e-6, 500)
        solves.append(time.perf_counter() - start)
        bare.append(bare_transforms(fields, case.iterations + 1, workers))
    return case.iterations, statistics.median(solves), statistics.median(bare)


def full_stiffness(edge, crystal_GPa, repeats):
    """Return the median seconds of the full stiffness on one thread, and its iterations."""
    grains = polycrystal(np.random.default_rng(1), np.random.default_rng(2), 100, (edge,) * 3)
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = homogenize_cubic(*crystal_GPa, grains.orientations, grains.grain_ids)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds), result.iterations


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--edge", type=int, default=64, help="voxels along an edge")
    parser.add_argument("--repeats", type=int, default=9, help="interleaved rounds")
    chosen = parser.parse_args()
    for workers in (1, 2):
        iterations, solve, bare = one_load_case(chosen.edge, workers, chosen.repeats)
        print(
            f"{chosen.edge}^3, {workers} thread(s), {iterations} iterations: solve {solve:.3f} s, "
            f"bare transforms {bare:.3f} s, ratio {solve / bare:.2f} (aim 1.60)"
        )
    for name, crystal in (
        ("anisotropic 196/118/129", CANTOR_LIKE_GPa),
        ("nearly isotropic 500/180/165", (500, 180, 165)),
    ):
        for edge in (16, 32):
            seconds, iterations = full_stiffness(edge, crystal, 5)
            print(f"full stiffness {edge}^3, {name}: {seconds:.3f} s, {iterations} iterations over 6 load cases")


if __name__ == "__main__":
    main()
