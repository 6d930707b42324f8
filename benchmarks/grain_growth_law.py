"""The exponent of normal grain growth, R^n ~ t: thousands of grains in several independent runs, and its error.

    python benchmarks/grain_growth_law.py --seeds 1 2 3 4 --out law            # runs, goes on from checkpoints, judges
    python benchmarks/grain_growth_law.py --judge benchmarks/grain_growth_2d.csv      # judges what was measured
    python benchmarks/grain_growth_law.py --edge 512 --grains 1250 --seeds 1 2 3 4 5 6 --fewest 100 --from-widths 1.9
    python benchmarks/grain_growth_law.py --dimensions 3 --edge 256 --grains 6600 --seeds 1 --out law3

Every run is watched at the same reduced times. Laws are fitted where the mean radius is two widths or more
(`--from-widths`), the width five voxels and 1000 grains alive in each run (`--fewest`), over all runs together. The
exponent is the one that makes R^n straightest in time, with the start of both free, so that no origin is assumed.
Boundaries are not thin: by how much rates are high against von Neumann's law, dA/dt = pi/3 M sigma (n - 6), in space
against MacPherson's, is measured in the same runs, and time is stretched by it. That depends on the weights of the
grains, so it is done twice: with areas, for d(sum A^2)/dt = 2 sum A dA/dt is the rate of a mean size without any
assumption, and with n - 6, the slope itself. The difference is a systematic error. Statistical ones are those of a
jackknife over squares of all runs, by where grains began, sixteen a run, everything fitted anew each time, the excess
included.
"""

from __future__ import annotations

import argparse
import csv
import time
from pathlib import Path

import numpy as np
import scipy.stats

from uqmsm.physics.phasefield import (
    GrainField,
    GrainGrowth,
    laguerre,
    lognormal_volumes,
    neighbour_counts,
    radii,
    volumes,
)
from uqmsm.physics.phasefield.curvature import thin_rates

WIDTH = 5.0
GRADIENT = WIDTH**2 / 8.0  # mobility times boundary energy in reduced units
PARTS = {2: 4, 3: 3}  # squares or cubes along an edge
PLANES = ((1.063, 1.413), (0.689, 1.182))
"""Excess e (width / R)^p of rates in planes, by weights A and by n - 6: `boundary_thickness.py` is held against it."""
COLUMNS = "run", "time", "part", "alive", "radius", "slope_xy", "slope_xx", "area_rate", "area_sides", "seconds"


def times(dimensions):
    """Return the reduced times to watch at: even in the mean radius, as it grows about."""
    low, high, count, rate = (8.2, 22.0, 44, 1.30) if dimensions == 2 else (8.0, 15.0, 24, 3.0)
    begin = 7.93 if dimensions == 2 else 7.5
    return (np.linspace(low, high, count) ** 2 - begin**2) / rate


def begun(dimensions, edge, grains, seed, threads):
    """Return a grid of lognormal Laguerre cells and the part of each grain."""
    rng = np.random.default_rng(seed)
    shape = (edge,) * dimensions
    cells = laguerre(rng, lognormal_volumes(rng, grains, 0.35, dimensions), shape, rounds=6)
    growth = GrainGrowth(GrainField.from_ids(cells.grain_ids), WIDTH, threads=threads)
    growth.diffuse()
    first = np.zeros((grains, dimensions))
    # any voxel of a grain says well enough where it began
    first[cells.grain_ids.ravel()] = np.stack(np.unravel_index(np.arange(edge**dimensions), shape), axis=1)
    place = (first * PARTS[dimensions] / edge).astype(int)
    return growth, np.ravel_multi_index(tuple(place.T), (PARTS[dimensions],) * dimensions)


def sides_of(growth, grains):
    """Return n - 6 of every grain; in space what stands there, the rate of thin boundaries over pi/3 M sigma."""
    ids = growth.grains.grain_ids()
    if ids.ndim == 3:
        return thin_rates(ids, grains) / (np.pi / 3.0)
    sides = neighbour_counts(ids, grains)[1]
    return np.where(sides > 0.0, sides - 6.0, 0.0)


def rates(growth, grains):
    """Return per grain (n - 6) dA/dt and (n - 6)^2, A dA/dt and A (n - 6), from eight steps.

    The first two are of grains that keep their neighbours for so long, the others of all.
    """
    begin, before = growth.time, volumes(growth.grains, grains)
    first = sides_of(growth, grains)
    for _ in range(8):
        growth.advance()
    after, last = volumes(growth.grains, grains), sides_of(growth, grains)
    speed = (after - before) / (growth.time - begin)
    both = 0.5 * (first + last)
    sides = np.where((first == last) | (len(growth.grains.shape) == 3), both, 0.0)
    middle = 0.5 * (before + after)
    return sides * speed, sides**2, middle * speed, middle * both


def watched(chosen, seed, until):
    """Run one seed on, at most to the processor time `until`; return whether it has come to its end."""
    d, out = chosen.dimensions, chosen.out / f"seed{seed}"
    out.mkdir(parents=True, exist_ok=True)
    moments, kept = times(d), out / "rows.npy"
    rows = list(np.load(kept)) if kept.is_file() else []
    parts = PARTS[d] ** d
    if len(rows) == len(moments) * parts:
        return True
    growth, part = begun(d, chosen.edge, chosen.grains, seed, chosen.threads)
    if rows:
        growth.resume((out / "state").read_bytes())
    spent, begin = (rows[-1][-1] if rows else 0.0), time.process_time()
    for moment in range(len(rows) // parts, len(moments)):
        growth.run(moments[moment])
        size = radii(volumes(growth.grains, chosen.grains), d)
        size *= size > radii(1.0, d)
        now = growth.time
        told = rates(growth, chosen.grains)
        seconds = spent + time.process_time() - begin
        sums = [np.bincount(part, weights, parts) for weights in (size > 0.0, size, *told)]
        rows += [np.array([seed, now, p, *(one[p] for one in sums), seconds]) for p in range(parts)]
        alive = np.count_nonzero(size)
        mean = size.sum() / alive
        print(
            f"run {seed}, t {now:.1f}: {alive} alive, mean radius {mean / WIDTH:.2f} widths, spread "
            f"{size[size > 0].std() / mean:.3f}, {growth.steps} steps, {seconds:.0f} s of processor time",
            flush=True,
        )
        np.save(out / f"sizes{moment}.npy", size.astype(np.float32))
        late = time.process_time() > until
        if late or moment % 8 == 7 or moment == len(moments) - 1:
            (out / "state.new").write_bytes(growth.checkpoint())
            (out / "state.new").replace(out / "state")
            np.save(kept, rows)
        if late:
            return moment == len(moments) - 1
    return True


def fitted(swept, mean, exponents):
    """Return the exponent n for which mean^n is straightest in time."""
    straight = [np.corrcoef(swept, mean**n)[0, 1] for n in exponents]
    best = int(np.argmax(straight))
    if 0 < best < len(exponents) - 1:  # a parabola through the three best: the grid does not matter
        return float(exponents[best] - 0.5 * np.diff(exponents[:2])[0] * parabola(straight[best - 1 : best + 2]))
    return float(exponents[best])


def parabola(three):
    """Return twice the distance, in steps, of the top of a parabola from the middle of three points."""
    low, middle, high = three
    return (high - low) / (high - 2.0 * middle + low)


def excesses(table):
    """Return by how much rates are high, ``e (width / R)^p``: (e, p) by weights A and by weights n - 6.

    `table` holds sums over grains, ``(moments, 7)``: time, and what `COLUMNS` names from alive to area_sides.
    """
    found = []
    for column in (5, 3):
        excess = table[:, column] / table[:, column + 1] / (np.pi / 3.0 * GRADIENT) - 1.0
        power, start = np.polyfit(np.log(WIDTH * table[:, 1] / table[:, 2]), np.log(excess), 1)
        found.append((np.exp(start), power))
    return np.array(found)


def thin_time(swept, mean, e, p):
    """Return the time from the first moment on as thin boundaries would need it, where rates are high by e, p."""
    fast = 1.0 + e * (WIDTH / mean) ** p
    return np.concatenate([[0.0], np.cumsum(np.diff(swept) * 0.5 * (fast[1:] + fast[:-1]))])


def laws(table):
    """Return the exponent as it is; exponent and K of thin boundaries by weights A and by n - 6; e and p of the two.

    Rates are high by ``1 + e (width / R)^p``: in the time ``integral of that over t`` growth is as of thin boundaries.
    Last the power q of R^-q by which the rate of the area-weighted mean size falls that these very grains would have
    with thin boundaries: zero where grains are self-similar.
    """
    exponents = np.linspace(1.0, 4.0, 301)
    mean, swept = table[:, 2] / table[:, 1], table[:, 0] * GRADIENT
    told, both = [fitted(swept, mean, exponents)], excesses(table)
    for e, p in both:
        thin = thin_time(swept, mean, e, p)
        told += [fitted(thin, mean, exponents), np.polyfit(thin, np.square(mean), 1)[0]]
    drift = -np.polyfit(np.log(mean), np.log(table[:, 6]), 1)[0] if table[:, 6].all() else 0.0
    return np.array([*told, *both.ravel(), drift])


NAMES = (
    "exponent, as it is",
    *(f"{what}, boundaries thin, by {by}" for by in ("areas", "n - 6") for what in ("exponent", "K")),
    *(f"rates high by e (width / R)^p, by {by}: {what}" for by in ("areas", "n - 6") for what in "ep"),
    "these grains with thin boundaries: rate of the area-weighted mean size falls as R^-q: q",
)


def used_of(rows, dimensions, widths, fewest):
    """Return the sums of the moments that count ``(runs, moments, parts, columns)``."""
    runs, moments = np.unique(rows[:, 0]), np.unique(rows[:, 1])
    every = rows[np.lexsort((rows[:, 2], rows[:, 1], rows[:, 0]))]
    every = every.reshape(len(runs), len(moments), PARTS[dimensions] ** dimensions, -1)
    alive, radius = every[..., 3].sum(axis=2), every[..., 4].sum(axis=2)
    mean = radius.sum(axis=0) / alive.sum(axis=0)
    return every[:, (mean >= widths * WIDTH) & (alive.min(axis=0) >= fewest)]


def estimated(every):
    """Return what `NAMES` names of all runs, half the width of its 95 % interval, and that of each run."""

    def sums(weights):
        return np.column_stack([every[0, :, 0, 1], np.einsum("rmpc,rp->mc", every[..., 3:9], weights)])

    ones = np.ones(every.shape[::2])
    whole, without = laws(sums(ones)), []
    for out in range(ones.size):
        weights = ones.copy()
        weights.flat[out] = 0.0
        without.append(laws(sums(weights)))
    n = len(without)
    error = np.sqrt((n - 1) / n * np.sum((np.array(without) - np.mean(without, axis=0)) ** 2, axis=0))
    wide = float(scipy.stats.t.ppf(0.975, n - 1)) * error
    one = [laws(sums(ones * (np.arange(len(ones)) == run)[:, None])) for run in range(len(ones))]
    return whole, wide, np.array(one)


def judged(rows, dimensions, widths, fewest):
    """Print exponents, growth constants and the excess of rates with their 95 % intervals."""
    every = used_of(rows, dimensions, widths, fewest)
    count, radius = every[..., 3].sum(axis=2), every[..., 4].sum(axis=2)
    mean = radius.sum(axis=0) / count.sum(axis=0) / WIDTH
    late = np.isclose(rows[:, 1], np.unique(rows[:, 1])[-1])
    print(
        f"\n{len(every)} runs, from {mean[0]:.2f} to {mean[-1]:.2f} widths, "
        f"{count[:, 0].sum():.0f} to {count[:, -1].sum():.0f} grains alive, {len(mean)} moments, "
        f"{rows[late, 9].max() / 60:.1f} minutes of processor time the longest run"
    )
    whole, wide, one = estimated(every)
    for name, value, half, each in zip(NAMES, whole, wide, one.T, strict=True):
        scatter = f"; runs {', '.join(f'{x:.3f}' for x in each)}" if len(every) > 1 else ""
        print(f"{name}: {value:.3f} [{value - half:.3f}, {value + half:.3f}]{scatter}")


def laws_of_size(chosen):
    """Print how far the laws of size over their mean lie apart, all runs together."""
    first = None
    for moment, _ in enumerate(times(chosen.dimensions)):
        size = np.concatenate([np.load(chosen.out / f"seed{seed}/sizes{moment}.npy") for seed in chosen.seeds])
        size = size[size > 0.0]
        if size.mean() < 2.0 * WIDTH:
            continue
        first = size / size.mean() if first is None else first
        if moment % 8 == 7:
            far = scipy.stats.ks_2samp(first, size / size.mean()).statistic
            print(f"{size.mean() / WIDTH:.2f} widths: spread {size.std() / size.mean():.3f}, distance {far:.3f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dimensions", type=int, choices=(2, 3), default=2)
    parser.add_argument("--edge", type=int, default=2048, help="voxels along an edge")
    parser.add_argument("--grains", type=int, default=20000, help="grains at the start")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4], help="one run each")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--from-widths", type=float, nargs="+", default=[2.0], help="mean radius to fit from")
    parser.add_argument("--fewest", type=int, default=1000, help="grains alive in each run where laws are fitted")
    parser.add_argument("--minutes", type=float, default=np.inf, help="processor time after which to stop for now")
    parser.add_argument("--out", type=Path, default=Path("law"), help="folder of checkpoints, sizes and the table")
    parser.add_argument("--judge", type=Path, help="run nothing: judge this table")
    chosen = parser.parse_args()
    if chosen.judge:
        rows = np.loadtxt(chosen.judge, delimiter=",", skiprows=1)
    else:
        until = time.process_time() + 60.0 * chosen.minutes
        ended = [watched(chosen, seed, until) for seed in chosen.seeds if time.process_time() < until]
        if len(ended) < len(chosen.seeds) or not all(ended):
            return
        rows = np.concatenate([np.load(chosen.out / f"seed{seed}/rows.npy") for seed in chosen.seeds])
        with (chosen.out / f"grain_growth_{chosen.dimensions}d.csv").open("w", newline="") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(COLUMNS)
            table.writerows([[f"{x:.6g}" for x in row] for row in rows])
        laws_of_size(chosen)
    for widths in chosen.from_widths:
        judged(rows, chosen.dimensions, widths, chosen.fewest)


if __name__ == "__main__":
    main()
