"""The pictures of docs/phasefield.md: grains that coarsen, an alloy that unmixes, sizes, growth; a block for ParaView.

    python benchmarks/phasefield_pictures.py --out docs

Needs matplotlib. A plane of 400 x 400 voxels is coarsened; the exponent is that of the table beside this file, the
curve and the sizes in space are those of the shipped library. `--only NAME` draws one: maps, films, exponent, curves.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import matplotlib as mpl
import numpy as np

mpl.use("Agg")
import matplotlib.pyplot as plt
from grain_growth_law import GRADIENT, WIDTH, estimated, thin_time, used_of
from PIL import Image

from uqmsm.physics.phasefield import GrainField, GrainGrowth, laguerre, lognormal_volumes, radii, volumes, write_vti
from uqmsm.physics.phasefield.cahn_hilliard import PhaseFlow, double_well
from uqmsm.physics.phasefield.description import describe
from uqmsm.physics.phasefield.exponential import ExponentialSteps, Tolerance
from uqmsm.physics.phasefield.self_similar import faster
from uqmsm.physics.phasefield.spectral import Box
from uqmsm.scales.phasefield import SelfSimilar
from uqmsm.scales.phasefield.library import learnt

TIMES = (0.0, 40.0, 120.0, 300.0)


def maps(out, edge=400, grains=900, width=5.0):
    """Draw the plane at four times; darker where order parameters overlap: the boundaries as they are computed."""
    rng = np.random.default_rng(11)
    cells = laguerre(rng, lognormal_volumes(rng, grains, 0.35, 2), (edge, edge), rounds=20)
    growth = GrainGrowth(GrainField.from_ids(cells.grain_ids), width)
    growth.diffuse()
    hue = np.random.default_rng(12).permutation(grains) / grains
    figure, axes = plt.subplots(1, 4, figsize=(12, 3.25), layout="constrained")
    for axis, now in zip(axes, growth.visit(TIMES), strict=True):
        field = now.grains
        sharp = np.sum(field.values**2, axis=0).reshape(field.shape)
        size = volumes(field, grains)
        size = radii(size[size > 1.0], 2)
        colour = mpl.colormaps["twilight"](hue[field.grain_ids()])[..., :3] * np.clip(sharp, 0.3, 1.0)[..., None]
        axis.imshow(np.swapaxes(colour, 0, 1), origin="lower", interpolation="nearest")
        axis.set_title(f"{len(size)} grains, mean radius {size.mean() / width:.1f} widths", fontsize=9)
        axis.set_xticks([])
        axis.set_yticks([])
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=100)
    plt.close(figure)
    # 64 colours: a fifth of the bytes
    Image.open(drawn).convert("RGB").quantize(64, dither=0).save(out / "grains-coarsening.png", optimize=True)


def films(out, edge=240, grains=420, width=5.0):
    """Draw a plane of grains that coarsens, and a composition that unmixes and coarsens, as moving pictures."""
    rng = np.random.default_rng(21)
    cells = laguerre(rng, lognormal_volumes(rng, grains, 0.35, 2), (edge, edge), rounds=20)
    growth = GrainGrowth(GrainField.from_ids(cells.grain_ids), width)
    growth.diffuse()
    hue = np.random.default_rng(12).permutation(grains) / grains
    frames = []
    for now in growth.visit((np.linspace(0.0, 1.0, 48) ** 2 * 420.0).tolist()):
        sharp = np.sum(now.grains.values**2, axis=0).reshape(now.grains.shape)
        colour = mpl.colormaps["twilight"](hue[now.grains.grain_ids()])[..., :3]
        frames.append(colour * np.clip(sharp, 0.3, 1.0)[..., None])
    moving(out / "grains-coarsening.webp", frames)
    well, box = double_well(5.0, 0.3, 0.7), Box.of((160.0, 160.0), (160, 160), "periodic")
    start = 0.5 + 0.01 * np.random.default_rng(22).standard_normal((1, *box.shape))
    run = ExponentialSteps(PhaseFlow(box, well, 2.0, 5.0, True, well.steepest(0.28, 0.72)), start, Tolerance())
    frames = []
    for now in np.geomspace(2.0, 2000.0, 48):
        run.advance(now)
        frames.append(
            mpl.colormaps["cividis"]((run.fields[0] - 0.3) / 0.4)[..., :3].repeat(2, 0).repeat(2, 1)[:240, :240]
        )
    moving(out / "spinodal.webp", frames)


def moving(path, frames):
    """Write frames ``(x, y, 3)`` in [0, 1] as a moving picture."""
    pictures = [Image.fromarray((255.0 * np.swapaxes(one, 0, 1)[::-1]).astype(np.uint8)) for one in frames]
    pictures += [pictures[-1]] * 10  # a pause before it begins again
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=100, loop=0, quality=55, method=6)


def exponent(out):
    """Draw <R>^2 of the planes over time, as it is and in the time of thin boundaries, with exponents R^n ~ t."""
    table = Path(__file__).with_name("grain_growth_2d.csv")
    every = used_of(np.loadtxt(table, delimiter=",", skiprows=1), 2, 2.0, 1000)
    whole, wide, _ = estimated(every)
    sums = every.sum(axis=2)
    runs, mean = sums[..., 4] / sums[..., 3] / WIDTH, sums[..., 4].sum(axis=0) / sums[..., 3].sum(axis=0) / WIDTH
    swept = every[0, :, 0, 1] * GRADIENT
    figure, axes = plt.subplots(1, 2, figsize=(9.5, 3.6), layout="constrained", sharey=True)
    drawn = (swept, "as it is"), (thin_time(swept, mean * WIDTH, *whole[5:7]), "thin boundaries: excess by areas")
    for place, (axis, (time, title)) in enumerate(zip(axes, drawn, strict=True)):
        now = (time - time[0]) / WIDTH**2
        axis.plot(now, (runs**2).T, ".", ms=3, color="0.6", label=[f"{len(runs)} runs"] + [None] * (len(runs) - 1))
        line = np.polyfit(now, mean**2, 1)
        axis.plot(now, np.polyval(line, now), color="C0", label="straight line")
        axis.set_title(f"{title}: n = {whole[place]:.2f} ± {wide[place]:.2f} (95 %)", fontsize=9)
        axis.set_xlabel("mobility x energy x time / width²")
        axis.legend(fontsize=8, frameon=False)
    axes[0].set_ylabel("<R>² / width²")
    figure.savefig(out / "grain-growth-exponent.svg", metadata={"Date": None})
    plt.close(figure)
    print(f"exponent {whole[0]:.3f} +- {wide[0]:.3f}, thin by areas {whole[1]:.3f} +- {wide[1]:.3f}")


def curves(out):
    """Draw <R>^2 against what boundaries have swept, and the sizes and faces of the last states in space."""
    data = SelfSimilar().library()["diagnostics"].to_dataset()
    law = learnt(SelfSimilar().library())
    width = SelfSimilar().width
    swept, radius = data["swept"].values / width**2, data["mean_radius"].values / width
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.6), layout="constrained")
    left.plot((swept - swept[:, :1]).T, (radius**2).T, color="0.75", lw=0.8)
    now = swept.mean(axis=0) - swept[:, 0].mean()
    alive = data["alive"].values
    pooled = (alive * radius).sum(axis=0) / alive.sum(axis=0)
    left.plot(now, pooled**2, "o", color="C0", label=f"all grains of {len(radius)} runs")
    start = pooled[0] ** 2
    drawn = [law.draw(np.random.default_rng(i)).constant for i in range(400)]
    low, high = np.quantile(drawn, [0.05, 0.95])
    fast = faster(pooled, np.mean(data.attrs["excess"]))  # what these boundaries, which are not thin, add
    thin = np.concatenate([[0.0], np.cumsum(np.diff(now) * 0.5 * (fast[1:] + fast[:-1]))])
    left.fill_between(now, start + low * thin, start + high * thin, color="C0", alpha=0.2, lw=0)
    left.plot(now, start + law.constant * thin, color="C0", label=f"K = {law.constant:.2f}, 90 % band")
    left.set_xlabel("mobility x energy x time / width²")
    left.set_ylabel("<R>² / width²")
    left.legend(fontsize=8, frameon=False)
    found = [describe(law.state(number)) for number in range(len(law.packed))]
    sizes = np.concatenate([one.diameters / one.mean_diameter for one in found])
    right.hist(sizes, np.linspace(0, 2.6, 27), density=True, color="C0", alpha=0.6)
    x = np.linspace(0.01, 2.6, 300)
    spread = 0.35
    right.plot(
        x,
        np.exp(-0.5 * ((np.log(x) + spread**2 / 2) / spread) ** 2) / (x * spread * np.sqrt(2 * np.pi)),
        color="C1",
        label="lognormal at the start",
    )
    faces = np.mean([one.faces.mean() for one in found])
    right.set_title(f"{len(sizes)} grains of {len(found)} states, {faces:.1f} faces a grain", fontsize=9)
    right.set_xlabel("diameter / mean diameter")
    right.set_ylabel("density")
    right.legend(fontsize=8, frameon=False)
    figure.savefig(out / "grain-growth-curve.svg", metadata={"Date": None})
    plt.close(figure)
    write_vti(Path("grains.vti"), {"grain": law.state(len(law.packed) - 1)}, 1e-6)
    print(f"K {law.constant:.3f}, relative error {law.relative_error:.3f}; grains.vti written")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(), help="folder of the pictures")
    every = {one.__name__: one for one in (maps, films, exponent, curves)}
    parser.add_argument("--only", nargs="+", choices=every, default=list(every), help="draw these alone")
    chosen = parser.parse_args()
    for name in chosen.only:
        every[name](chosen.out)


if __name__ == "__main__":
    main()
