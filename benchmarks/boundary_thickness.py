"""By how much thick boundaries speed up a network: the same grains on a grid twice as fine, width over radius halved.

    python benchmarks/boundary_thickness.py --edge 1024 --seeds 1 2

A plane (or block) coarsens to a mean radius of two widths. From its grains two runs begin, one on the same grid and
one on twice as many voxels an edge, for the same physical time. Both know the same geometry, so that chance cancels
in the ratio of d<R>^2/dt; with rates high by ``1 + c (width / R)^2`` it is ``(1 + c x) / (1 + c x / 4)``. Errors are
those of a jackknife over squares (cubes) of all runs, by where grains lie at the beginning.
"""

from __future__ import annotations

import argparse

import numpy as np
import scipy.optimize
import scipy.stats

from uqmsm.physics.phasefield import GrainField, GrainGrowth, laguerre, lognormal_volumes, radii, volumes
from uqmsm.physics.phasefield.self_similar import compact

WIDTH = 5.0
GRADIENT = WIDTH**2 / 8.0
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


def coefficient(pairs, kept):
    """Return c and the mean of (width / R)^2 on the coarse grid, over the grains `kept` of each run."""
    mean = np.array(
        [
            sum(pair[fine][:, keep].sum(axis=1) for pair, keep in zip(pairs, kept, strict=True))
            / sum((pair[fine][:, keep] > 0.0).sum(axis=1) for pair, keep in zip(pairs, kept, strict=True))
            for fine in (0, 1)
        ]
    )
    thick = float(np.mean((WIDTH / mean[0]) ** 2))
    rates = [np.polyfit(np.linspace(0.1, 1.0, MOMENTS), one**2, 1)[0] for one in mean]
    ratio = rates[0] / rates[1]
    found = scipy.optimize.brentq(lambda c: (1.0 + c * thick) / (1.0 + c * thick / 4.0) - ratio, -1.5, 30.0)
    return found, thick, ratio


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dimensions", type=int, choices=(2, 3), default=2)
    parser.add_argument("--edge", type=int, default=1024, help="voxels along an edge of the coarse grid")
    parser.add_argument("--widths", type=float, default=2.0, help="mean radius to begin at")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2], help="one pair of runs each")
    chosen = parser.parse_args()
    d, cuts = chosen.dimensions, 4 if chosen.dimensions == 2 else 3
    pairs, parts = [], []
    for seed in chosen.seeds:
        ids = network(d, chosen.edge, chosen.widths, seed)
        begun = np.zeros((ids.max() + 1, d), np.int64)
        begun[ids.ravel()] = np.stack(np.unravel_index(np.arange(ids.size), ids.shape), axis=1)
        parts.append(np.ravel_multi_index(tuple((begun * cuts // chosen.edge).T), (cuts,) * d))
        until = 0.35 * (chosen.widths * WIDTH) ** 2 / ((0.4 if d == 2 else 0.9) * GRADIENT)
        pairs.append([coarsened(ids, fine, until) for fine in (1, 2)])
        print(f"seed {seed}: {len(begun)} grains, {[int((one[-1] > 0).sum()) for one in pairs[-1]]} left", flush=True)
    whole = coefficient(pairs, [np.full(len(part), True) for part in parts])
    without = []
    for run in range(len(parts)):
        without += [
            coefficient(pairs, [(p != out) | (n != run) for n, p in enumerate(parts)])[0] for out in range(cuts**d)
        ]
    n = len(without)
    error = np.sqrt((n - 1) / n * np.sum((np.array(without) - np.mean(without)) ** 2))
    wide = float(scipy.stats.t.ppf(0.975, n - 1)) * error
    print(
        f"{d} dimensions, mean (width / R)^2 {whole[1]:.3f} and a quarter of it: ratio of rates {whole[2]:.4f}, "
        f"coefficient {whole[0]:.2f} [{whole[0] - wide:.2f}, {whole[0] + wide:.2f}]"
    )


if __name__ == "__main__":
    main()
