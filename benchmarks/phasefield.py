"""Cost of a step per active (voxel, grain) pair over a plain one-field Allen-Cahn step per voxel; aims: 25, goal 10.

Both run in turn on one thread on the same grid in the same process; medians of processor time are divided. A pair is
active when its voxel was visited in the step: bulk is skipped and not counted. Then: the same for 200 and 20 000
grains of one size (aim: a ratio of 1.3), and with --large the two large cases of the design, allocated and advanced by
a few steps (aim: 4 GB). The exponent of normal grain growth: `grain_growth_law.py`.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time

import numpy as np
from numba import njit

from uqmsm.physics.phasefield import GrainField, GrainGrowth, voronoi_ids

WIDTH = 5.0


@njit
def plain_plane(field, out, kappa, step):
    """One Euler step of one order parameter on a periodic plane."""
    nx, ny = field.shape
    for i in range(nx):
        up, down = i - 1 if i > 0 else nx - 1, i + 1 if i < nx - 1 else 0
        for j in range(1, ny - 1):
            x = field[i, j]
            around = field[up, j] + field[down, j] + field[i, j - 1] + field[i, j + 1]
            out[i, j] = x + step * (x - x * x * x + kappa * (around - 4.0 * x))
        for j in (0, ny - 1):
            left, right = j - 1 if j > 0 else ny - 1, j + 1 if j < ny - 1 else 0
            x = field[i, j]
            around = field[up, j] + field[down, j] + field[i, left] + field[i, right]
            out[i, j] = x + step * (x - x * x * x + kappa * (around - 4.0 * x))


@njit
def plain_space(field, out, kappa, step):
    """One Euler step of one order parameter in a periodic box."""
    nx, ny, nz = field.shape
    for i in range(nx):
        up, down = i - 1 if i > 0 else nx - 1, i + 1 if i < nx - 1 else 0
        for j in range(ny):
            front, back = j - 1 if j > 0 else ny - 1, j + 1 if j < ny - 1 else 0
            for k in range(1, nz - 1):
                x = field[i, j, k]
                around = field[up, j, k] + field[down, j, k] + field[i, front, k] + field[i, back, k]
                around += field[i, j, k - 1] + field[i, j, k + 1]
                out[i, j, k] = x + step * (x - x * x * x + kappa * (around - 6.0 * x))
            for k in (0, nz - 1):
                left, right = k - 1 if k > 0 else nz - 1, k + 1 if k < nz - 1 else 0
                x = field[i, j, k]
                around = field[up, j, k] + field[down, j, k] + field[i, front, k] + field[i, back, k]
                around += field[i, j, left] + field[i, j, right]
                out[i, j, k] = x + step * (x - x * x * x + kappa * (around - 6.0 * x))


def start(shape, grains, settle):
    growth = GrainGrowth(GrainField.from_ids(voronoi_ids(np.random.default_rng(1), grains, shape)), WIDTH)
    growth.diffuse()
    for _ in range(settle):
        growth.advance()
    return growth


def interleaved(growths, repeats):
    """Return, for each growth, the medians (seconds per pair, seconds per voxel of the plain step) and the pairs."""
    fields = [np.random.default_rng(2).random(growth.grains.shape) for growth in growths]
    outs = [field.copy() for field in fields]
    ours, plains = [[] for _ in growths], [[] for _ in growths]
    for _ in range(repeats):
        for growth, field, out, our, bare in zip(growths, fields, outs, ours, plains, strict=True):
            before, begin = growth.pairs, time.thread_time()
            growth.advance()
            our.append((time.thread_time() - begin) / (growth.pairs - before))
            step = plain_plane if field.ndim == 2 else plain_space
            begin = time.thread_time()
            for _ in range(4):
                step(field, out, 0.3, 0.1)
            bare.append((time.thread_time() - begin) / (4 * field.size))
    return [(statistics.median(a), statistics.median(b)) for a, b in zip(ours, plains, strict=True)]


def report(name, growth, numbers):
    pair, voxel = numbers
    listed = growth.grains.pairs / growth.grains.counts.size
    visited = growth._row_sums[:, 3].sum() / growth.grains.counts.size  # noqa: SLF001
    print(
        f"{name}: {pair * 1e9:.1f} ns per pair, plain {voxel * 1e9:.2f} ns per voxel, ratio {pair / voxel:.1f} "
        f"(aim 25, goal 10); {visited:.0%} of the voxels visited, {listed:.2f} grains listed per voxel"
    )


def large(name, shape, grains, steps):
    begin = time.perf_counter()
    growth = start(shape, grains, 0)
    ready = time.perf_counter()
    for _ in range(steps):
        growth.advance()
    each = (time.perf_counter() - ready) / steps
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(
        f"{name}: {grains} grains, {growth.nbytes / 1e9:.2f} GB, peak of the process {peak / 1e9:.2f} GB (aim 4); "
        f"ready in {ready - begin:.0f} s, {each:.2f} s per step, {growth.grains.pairs / growth.grains.counts.size:.2f} "
        f"grains listed per voxel, largest step {growth.largest_step:.3f}",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=15, help="interleaved rounds")
    parser.add_argument("--large", action="store_true", help="allocate the two large cases")
    parser.add_argument("--steps", type=int, default=3, help="steps of the large cases")
    chosen = parser.parse_args()
    if chosen.large:  # first, so that the peak of the process is theirs
        large("2048^2", (2048, 2048), 20000, chosen.steps)
        large("256^3", (256, 256, 256), 5000, chosen.steps)
    for name, shape, grains in (
        ("512^2, radius 9", (512, 512), 1000),
        ("512^2, radius 24", (512, 512), 150),
        ("64^3, radius 10", (64, 64, 64), 62),
        ("96^3, radius 20", (96, 96, 96), 26),
    ):
        growth = start(shape, grains, 40)
        report(name, growth, interleaved([growth], chosen.repeats)[0])
    few, many = start((205, 205), 200, 20), start((2048, 2048), 20000, 20)
    numbers = interleaved([few, many], chosen.repeats)
    report("200 grains on 205^2", few, numbers[0])
    report("20 000 grains on 2048^2", many, numbers[1])
    print(f"20 000 over 200 grains, per pair: {numbers[1][0] / numbers[0][0]:.2f} (aim 1.30)")


if __name__ == "__main__":
    main()
