"""The exponent of normal grain growth: one plane of thousands of grains, with checkpoints, and its error by jackknife.

    python benchmarks/grain_growth_law.py --edge 2048 --grains 20000 --out law

Watches the radii of all grains until 1000 are left; interrupted, it goes on from its last checkpoint. Laws are fitted
only where the mean radius is two widths or more (`--from-widths`), the width five voxels and 1000 grains alive. Errors
are those of a jackknife that leaves out the grains of one of sixteen squares at a time, by where grains began.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import scipy.stats

from uqmsm.physics.phasefield import GrainField, GrainGrowth, laguerre, lognormal_volumes, radii, volumes
from uqmsm.physics.phasefield.self_similar import THICKNESS

WIDTH = 5.0
PARTS = 4  # squares along an edge


def begun(edge, grains, seed):
    """Return a plane of lognormal Laguerre cells and the square of each grain."""
    rng = np.random.default_rng(seed)
    cells = laguerre(rng, lognormal_volumes(rng, grains, 0.35, 2), (edge, edge), rounds=6)
    growth = GrainGrowth(GrainField.from_ids(cells.grain_ids), WIDTH)
    growth.diffuse()
    first = np.zeros((grains, 2))
    # any voxel of a grain says well enough where it began
    first[cells.grain_ids.ravel()] = np.stack(np.unravel_index(np.arange(edge * edge), (edge, edge)), axis=1)
    place = (first * PARTS / edge).astype(int)
    return growth, place[:, 0] * PARTS + place[:, 1]


def watched(edge, grains, seed, fewest, out):
    """Coarsen; return times, radii ``(moments, grains)``, squares and processor seconds."""
    out.mkdir(parents=True, exist_ok=True)
    growth, square = begun(edge, grains, seed)
    kept = out / "checkpoint.npz"
    times, sizes, spent = read(kept)
    if times:
        growth.resume((out / "state").read_bytes())
    begin, saved = time.process_time(), time.perf_counter()
    while True:
        size = radii(volumes(growth.grains, grains), 2).astype(np.float32)
        alive = size > radii(1.0, 2)
        if alive.sum() < fewest:
            return np.array(times), np.array(sizes), square, spent + time.process_time() - begin
        times.append(growth.time)
        sizes.append(size * alive)
        mean = size[alive].mean()
        print(
            f"t {growth.time:.1f}: {alive.sum()} alive, mean radius {mean / WIDTH:.2f} widths, {growth.steps} steps, "
            f"{spent + time.process_time() - begin:.0f} s of processor time",
            flush=True,
        )
        growth.run(growth.time + 0.1 * mean**2 / growth.gradient)
        if time.perf_counter() - saved > 120.0:
            spent, begin, saved = spent + time.process_time() - begin, time.process_time(), time.perf_counter()
            (out / "state.new").write_bytes(growth.checkpoint())
            (out / "state.new").replace(out / "state")
            np.savez(kept, times=times, sizes=sizes, spent=spent)


def read(kept):
    """Return times, radii and processor seconds of a checkpoint, if there is one."""
    if not kept.is_file():
        return [], [], 0.0
    with np.load(kept) as store:
        return list(store["times"]), list(store["sizes"]), float(store["spent"])


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


def laws(swept, mean):
    """Return the exponent as it is, the exponent with thickness taken out of time, and K of thin boundaries.

    Rates are high by ``1 + THICKNESS (width / R)^2``: in the time ``integral of that over t`` growth is as of thin
    boundaries.
    """
    exponents = np.linspace(1.0, 4.0, 301)
    fast = 1.0 + THICKNESS * (WIDTH / mean) ** 2
    thin = np.concatenate([[0.0], np.cumsum(np.diff(swept) * 0.5 * (fast[1:] + fast[:-1]))])
    return np.array(
        [fitted(swept, mean, exponents), fitted(thin, mean, exponents), np.polyfit(thin, np.square(mean), 1)[0]]
    )


def judged(times, sizes, square, widths):
    """Print exponents and the growth constant with their 95 % intervals, and the distance of size laws."""
    swept, alive = times * WIDTH**2 / 8.0, sizes > 0.0
    mean = sizes.sum(axis=1) / alive.sum(axis=1)
    used = mean >= widths * WIDTH
    count = PARTS * PARTS
    without = []
    for one in range(count):
        rest = square != one
        part = sizes[:, rest].sum(axis=1) / alive[:, rest].sum(axis=1)
        without.append(laws(swept[used], part[used]))
    whole = laws(swept[used], mean[used])
    error = np.sqrt((count - 1) / count * np.sum((np.array(without) - np.mean(without, axis=0)) ** 2, axis=0))
    wide = float(scipy.stats.t.ppf(0.975, count - 1)) * error
    print(
        f"\nfrom {mean[used][0] / WIDTH:.2f} to {mean[used][-1] / WIDTH:.2f} widths, {alive[used][0].sum()} to "
        f"{alive[used][-1].sum()} grains alive, {used.sum()} moments"
    )
    for name, value, half in zip(
        ("exponent, as it is", "exponent, thickness taken out", "K, thin"), whole, wide, strict=True
    ):
        print(f"{name}: {value:.3f} [{value - half:.3f}, {value + half:.3f}]")
    first = sizes[used][0][alive[used][0]] / mean[used][0]
    for place in (len(mean[used]) // 2, -1):
        later = sizes[used][place][alive[used][place]] / mean[used][place]
        far = scipy.stats.ks_2samp(first, later).statistic
        print(
            f"sizes over their mean at {mean[used][place] / WIDTH:.2f} widths: spread {later.std():.3f} (first "
            f"{first.std():.3f}), distance of laws {far:.3f}"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--edge", type=int, default=2048, help="voxels along an edge")
    parser.add_argument("--grains", type=int, default=20000, help="grains at the start")
    parser.add_argument("--fewest", type=int, default=1000, help="grains to stop at")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--from-widths", type=float, nargs="+", default=[2.0, 3.0], help="mean radius to fit from")
    parser.add_argument("--out", type=Path, default=Path("law"), help="folder of checkpoints and radii")
    parser.add_argument("--judge", action="store_true", help="run no further: judge what the last checkpoint holds")
    chosen = parser.parse_args()
    if chosen.judge:
        times, sizes, spent = (np.array(one) for one in read(chosen.out / "checkpoint.npz"))
        square = begun(chosen.edge, chosen.grains, chosen.seed)[1]
    else:
        times, sizes, square, spent = watched(chosen.edge, chosen.grains, chosen.seed, chosen.fewest, chosen.out)
    np.savez_compressed(chosen.out / "radii.npz", times=times, sizes=sizes, square=square, spent=spent)
    print(f"{spent / 60:.1f} minutes of processor time")
    for widths in chosen.from_widths:
        judged(times, sizes, square, widths)


if __name__ == "__main__":
    main()
