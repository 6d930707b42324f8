"""Compute blocks of grains of many sizes under every boundary condition: the sample that the size question is put to.

    python studies/rve_size/blocks.py            what blocks.csv lacks of the blocks below
    python studies/rve_size/blocks.py --again    all of it anew

The crystal is Cantor-like, C11 196, C12 118, C44 129 GPa (Zener ratio 3.3). Block number i of a size is the same block
under every condition: differences between conditions are paired. Interrupt at will: what is done is kept.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np

from uqmsm.physics.rve import homogenize, polycrystal
from uqmsm.physics.rve.apparent import apparent_stiffness
from uqmsm.physics.tensors import cubic_stiffness, isotropic_moduli, rotate_stiffness
from uqmsm.streams import Streams

TABLE = Path(__file__).resolve().parent / "blocks.csv"
CRYSTAL_GPa = (196.0, 118.0, 129.0)
CONDITIONS = ("kubc", "periodic", "subc", "rotated")
SIZES = {8: (10, 160), 27: (15, 96), 64: (20, 64), 125: (25, 36), 216: (30, 24), 512: (40, 12)}
"""Grains: voxels along an edge, 125 a grain, and blocks."""
REFINED = {10: 8, 20: 8, 40: 8}
"""Voxels along an edge: blocks, of 27 grains each."""
SEED, TOLERANCE = 2027, 1e-4
COLUMNS = ("grains", "edge", "block", "condition", "bulk_GPa", "shear_GPa", "c11_GPa", "hill_mandel_gap")


def wanted() -> list[tuple[int, int, int]]:
    """Return grains, voxels along an edge and number of each block, ordered so that all sizes grow together."""
    sampled = [(i / blocks, grains, edge, i) for grains, (edge, blocks) in SIZES.items() for i in range(blocks)]
    refined = [(i / blocks, 27, edge, i) for edge, blocks in REFINED.items() for i in range(blocks)]
    return [job[1:] for job in sorted(sampled + refined)]


def stiffness(grains: int, edge: int, block: int, condition: str) -> tuple[np.ndarray, float]:
    """Return the stiffness of one block under one condition, and its Hill-Mandel gap; C* is good to 1e-7."""
    rng = Streams(SEED).generator(f"rve.grains_{grains}", block)
    made = polycrystal(rng, rng, grains, (edge,) * 3)
    table = rotate_stiffness(cubic_stiffness(*CRYSTAL_GPa), made.orientations)
    if condition == "rotated":
        fast = homogenize(table, made.grain_ids, tolerance=TOLERANCE)
        return fast.stiffness, fast.hill_mandel_gap
    found = apparent_stiffness(table, made.grain_ids, condition, tolerance=TOLERANCE)
    return found.stiffness, found.hill_mandel_gap


def main() -> None:
    """Fill the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--again", action="store_true", help="begin with an empty table")
    if parser.parse_args().again or not TABLE.exists():
        TABLE.write_text(",".join(COLUMNS) + "\n")
    with TABLE.open() as lines:
        done = {tuple(row[name] for name in COLUMNS[:4]) for row in csv.DictReader(lines)}
    with TABLE.open("a") as out:
        for grains, edge, block in wanted():
            for condition in CONDITIONS:
                key = (str(grains), str(edge), str(block), condition)
                if key in done:
                    continue
                done.add(key)
                found, gap = stiffness(grains, edge, block, condition)
                bulk, shear = isotropic_moduli(found)
                out.write(",".join([*key, f"{bulk:.6f}", f"{shear:.6f}", f"{found[0, 0]:.6f}", f"{gap:.1e}"]) + "\n")
                out.flush()


if __name__ == "__main__":
    main()
