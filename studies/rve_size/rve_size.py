"""How big must my RVE be for 1 %, and which boundary condition? Ask the blocks of blocks.csv, and draw the answer.

    python studies/rve_size/rve_size.py               the answer in words
    python studies/rve_size/rve_size.py --picture X   and as a picture, such as docs/rve-size.svg

The sample takes minutes to compute and is kept beside this file: blocks.py makes it again.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np
import xarray as xr
from blocks import TABLE as BLOCKS
from blocks import CRYSTAL_GPa
from numpy.typing import NDArray

from uqmsm.physics.rve import random_orientations
from uqmsm.physics.tensors import cubic_stiffness, rotate_stiffness
from uqmsm.questions.representative import Representative, representative
from uqmsm.questions.representative_table import representative_table
from uqmsm.report.size_picture import BOUNDARY_WORDS as WORDS
from uqmsm.report.size_picture import draw_sizes

Floats = NDArray[np.float64]
ERROR = 0.01


def sample(quantity: str, condition: str) -> dict[tuple[int, int], Floats]:
    """Return (grains, voxels along an edge) -> the quantity of all blocks under a condition, in order of blocks."""
    found: dict[tuple[int, int], dict[int, float]] = {}
    with BLOCKS.open() as lines:
        for row in csv.DictReader(lines):
            if row["condition"] == condition:
                found.setdefault((int(row["grains"]), int(row["edge"])), {})[int(row["block"])] = float(row[quantity])
    return {key: np.array([blocks[k] for k in sorted(blocks)]) for key, blocks in found.items()}


def of_one_resolution(quantity: str, condition: str) -> dict[int, Floats]:
    """Return grains -> blocks, of the blocks with 125 voxels a grain."""
    return {
        grains: one for (grains, edge), one in sorted(sample(quantity, condition).items()) if edge**3 == 125 * grains
    }


def point_variance() -> float:
    """Return the variance of C11 from grain to grain, GPa^2, by a fixed set of 100 000 orientations."""
    turned = rotate_stiffness(
        cubic_stiffness(*CRYSTAL_GPa), random_orientations(np.random.default_rng(100_000), 100_000)
    )
    return float(np.var(turned[:, 0, 0]))


def answered(quantity: str) -> tuple[list[int], dict[str, list[Floats]], Representative]:
    """Return the sizes, the sample and what it says."""
    by_condition = {name: of_one_resolution(quantity, name) for name in WORDS}
    sizes = list(by_condition["periodic"])
    samples = {name: [of_one[grains] for grains in sizes] for name, of_one in by_condition.items()}
    return sizes, samples, representative(sizes, samples)


def say(quantity: str) -> None:
    """Print the answer for one quantity."""
    sizes, samples, found = answered(quantity)
    print(
        f"{quantity}: blocks of {sizes} grains, {[len(one) for one in samples['periodic']]} of each, the same under all"
    )
    print(f"  very large block {found.limit:.3f} ± {found.limit_se:.3f}; laws of bias fit with p = {found.misfit:.3f}")
    for name, words in WORDS.items():
        spread = found.spreads[name]
        print(
            f"  {words:17}: sd of 100 grains {100 * spread.sd(100) / found.limit:.2f} %, falls with grains^-"
            f"{spread.exponent / 2:.3f} ± {spread.exponent_se / 2:.3f} (p = {spread.misfit:.2f}); bias of 100 grains "
            f"{100 * found.bias(name, 100):+.2f} %"
        )
        for blocks in (1, 10, 100):
            need = found.needed(name, ERROR, blocks)
            print(
                f"    {blocks:3} block(s): {need.volume:9.0f} grains each ({need.lo:.0f} to {need.hi:.0f}); there bias "
                f"{100 * need.bias:+.2f} %, sd {100 * need.sd:.2f} %"
            )
        print(f"    of 100 grains: {found.blocks(name, 100, ERROR)} blocks (None: the bias alone is more)")
    if quantity == "c11_GPa":
        length = found.spreads["periodic"].integral_range(point_variance())
        print(f"  integral range under periodic conditions: {length:.2f} grains")


def say_resolution() -> None:
    """Print what the voxels cost: the same 27 grains on finer grids."""
    for name in ("periodic", "rotated", "kubc", "subc"):
        by_edge = {edge: one for (grains, edge), one in sorted(sample("shear_GPa", name).items()) if grains == 27}
        coarse, finest = by_edge.get(10), by_edge[max(by_edge)]
        middle = by_edge[20]
        if coarse is None:
            continue
        n = min(len(coarse), len(middle), len(finest))
        steps = [(coarse[:n] - middle[:n]).mean(), (middle[:n] - finest[:n]).mean()]
        print(
            f"  {name:9}: shear modulus of 27 grains {coarse[:n].mean():.2f}, {middle[:n].mean():.2f}, "
            f"{finest[:n].mean():.2f} GPa on 10, 20, 40 voxels along an edge; steps {steps[0]:+.2f}, {steps[1]:+.2f}"
        )


def table(quantity: str) -> xr.Dataset:
    """Return what the sample says of one quantity, as a run of study.yaml does."""
    sizes, samples, _ = answered(quantity)
    return representative_table(sizes, samples, ERROR)


def draw(path: Path) -> None:
    """Draw mean and error over the size."""
    what = "Shear modulus of blocks of grains, Zener ratio 3.3"
    path.write_text(draw_sizes(table("shear_GPa"), what=what, prefix="rve-size", standalone=True) + "\n")


def main() -> None:
    """Answer, and draw if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--picture", type=Path, help="file to draw to")
    chosen = parser.parse_args()
    for quantity in ("shear_GPa", "c11_GPa"):
        say(quantity)
    print("voxels, a bias of the grid:")
    say_resolution()
    if chosen.picture:
        draw(chosen.picture)


if __name__ == "__main__":
    main()
