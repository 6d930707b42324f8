"""By how much thick boundaries speed up a network: the same grains on a grid twice as fine, width over radius halved.

    python benchmarks/boundary_thickness.py --edge 512 --seeds 1 2 3
    python benchmarks/boundary_thickness.py --dimensions 3 --edge 96 --seeds 1 2 --keep pairs   # eight minutes a seed

A plane (or block) coarsens to a mean radius of two widths. From its grains two runs begin, one on the same grid and
one on twice as many voxels an edge, for the same physical time. Both know the same geometry, so that chance cancels in
the ratio of their rates. The size is the mean weighted by areas (volumes), sum A^2 / sum A: small grains, whose number
has to find a new balance on the finer grid, hardly count in it; in the mean radius they do, and its ratio is 1.74 in
the first half of the time and 0.98 in the second. Errors are those of a jackknife over squares (cubes) of all runs.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import scipy.stats
from grain_growth_law import GRADIENT, PLANES, WIDTH

from uqmsm.physics.phasefield import GrainField, GrainGrowth, laguerre, lognormal_volumes, radii, volumes
from uqmsm.physics.phasefield.self_similar import compact

MOMENTS = 6


def network(dimensions, edge, widths, seed):
    """Return the grains of a run that has just reached a mean radius of so many widths, numbered without gaps."""
    rng = np.random.default_rng(seed)
    ball, unequal = (np.pi, 1.13) if dimensions == 2 else (4.19, 1.44)
    grains = round(edge**dimensions / (ball * unequal * (0.79 * widths * WIDTH) ** dimensions))
    cells = laguerre(rng, lognormal_volumes(rng, grains, 0.35, dimensions), (edge,) * dimensions, rounds=6)
    growth = GrainGrowth(GrainField.from_ids(cells.grain_ids), WIDTH)
    growth.diffuse()
    while True:
        size = radii(volumes(growth.grains, grains), dimensions)
        if size[size > radii(1.0, dimensions)].mean() >= widths * WIDTH:
            return compact(growth.grains.grain_ids())
        growth.run(growth.time + 1.0)


def coarsened(ids, fine, until):
    """Return the radii ``(moments, grains)`` in voxels of the coarse grid."""
    grains, d = int(ids.max()) + 1, ids.ndim
    growth = GrainGrowth(GrainField.from_ids(np.kron(ids, np.ones((fine,) * d, np.int32))), WIDTH)
    growth.diffuse()
    found = []
    for now in growth.visit((np.linspace(0.1, 1.0, MOMENTS) * until * fine**2).tolist()):
        size = radii(volumes(now.grains, grains), d)
        found.append(size * (size > radii(1.0, d)) / fine)
    return np.array(found)


def pair_of(chosen, seed):
    """Return the radii of both runs of a seed and the square (cube) in which each grain began; read where kept."""
    kept = chosen.keep / f"seed{seed}.npz" if chosen.keep else None
    if kept and kept.is_file():
        with np.load(kept) as file:
            return [file["coarse"], file["fine"]], file["part"]
    d, cuts = chosen.dimensions, 4 if chosen.dimensions == 2 else 3
    ids = network(d, chosen.edge, chosen.widths, seed)
    begun = np.zeros((ids.max() + 1, d), np.int64)
    begun[ids.ravel()] = np.stack(np.unravel_index(np.arange(ids.size), ids.shape), axis=1)
    part = np.ravel_multi_index(tuple((begun * cuts // chosen.edge).T), (cuts,) * d)
    until = 0.35 * (chosen.widths * WIDTH) ** 2 / ((0.4 if d == 2 else 0.9) * GRADIENT)
    pair = [coarsened(ids, fine, until) for fine in (1, 2)]
    if kept:
        kept.parent.mkdir(parents=True, exist_ok=True)
        np.savez(kept, coarse=pair[0], fine=pair[1], part=part)
    return pair, part


def ratio(pairs, kept, dimensions):
    """Return the rate of the weighted mean size on the coarse grid over that on the fine one, by the grains `kept`."""
    rates = []
    for fine in (0, 1):
        size = [np.sum(pair[fine][:, keep] ** dimensions, axis=1) for pair, keep in zip(pairs, kept, strict=True)]
        square = [
            np.sum(pair[fine][:, keep] ** (2 * dimensions), axis=1) for pair, keep in zip(pairs, kept, strict=True)
        ]
        mean = (sum(square) / sum(size)) ** (2.0 / dimensions)
        rates.append(np.polyfit(np.linspace(0.1, 1.0, MOMENTS), mean, 1)[0])
    return rates[0] / rates[1]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dimensions", type=int, choices=(2, 3), default=2)
    parser.add_argument("--edge", type=int, default=1024, help="voxels along an edge of the coarse grid")
    parser.add_argument("--widths", type=float, default=2.0, help="mean radius to begin at")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2], help="one pair of runs each")
    parser.add_argument("--keep", type=Path, help="folder to keep pairs in, and to read those that are there from")
    chosen = parser.parse_args()
    d, cuts = chosen.dimensions, 4 if chosen.dimensions == 2 else 3
    pairs, parts = [], []
    for seed in chosen.seeds:
        pair, part = pair_of(chosen, seed)
        pairs.append(pair)
        parts.append(part)
        print(f"seed {seed}: {len(part)} grains, {[int((one[-1] > 0).sum()) for one in pair]} left", flush=True)
    whole = ratio(pairs, [np.full(len(part), True) for part in parts], d)
    without = []
    for run in range(len(parts)):
        without += [ratio(pairs, [(p != out) | (n != run) for n, p in enumerate(parts)], d) for out in range(cuts**d)]
    n = len(without)
    error = np.sqrt((n - 1) / n * np.sum((np.array(without) - np.mean(without)) ** 2))
    wide = float(scipy.stats.t.ppf(0.975, n - 1)) * error
    radius = np.mean([one[one > 0.0].mean() for pair in pairs for one in pair[0]]) / WIDTH
    print(
        f"{d} dimensions, mean radius {radius:.2f} widths and twice that: ratio of rates {whole:.3f} "
        f"[{whole - wide:.3f}, {whole + wide:.3f}]"
    )
    if d == 2:
        factor, power = PLANES[0]
        near, far = (1.0 + factor / one**power for one in (radius, 2.0 * radius))
        print(f"foretold by the excess over von Neumann's law, weights A (grain_growth_law.py): {near / far:.3f}")


if __name__ == "__main__":
    main()
