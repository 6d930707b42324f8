"""Breaks the notched square of Miehe et al. (2010) by a crack as a phase field, and prints where its load peaks.

1 mm square, plane strain, notched from the left to its middle, its top moved up; E = 210 GPa, nu = 0.3, Gc = 2.7 N/mm,
AT2. Published curves peak near 0.7 kN per mm of thickness at a displacement of 5.5 to 6 micrometres for l = 0.015 mm.
The crack is led by what it costs (`uqmsm.physics.fe.growth`), so that the path is whole where it snaps back; with
``--led-by displacement`` it jumps there, as in the literature.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from uqmsm.physics.fe.fracture import Brittle
from uqmsm.physics.fe.growth import grow
from uqmsm.physics.fe.newton import Load
from uqmsm.physics.fe.parting import notched_square, part

YOUNG, POISSON, TOUGH = 210.0, 0.3, 2.7  # GPa, 1, N/mm
BULK, SHEAR = YOUNG / 3 / (1 - 2 * POISSON), YOUNG / 2 / (1 + POISSON)


def path(specimen, brittle, shares):
    """Displacement in um and load in N/mm of the whole square, energy by energy (shares of Gc times the length)."""
    energies = np.array(shares) * TOUGH * brittle.length_mm / 2  # of the half
    found = grow(specimen.equations, brittle, Load(displacement_mm=specimen.push_mm), energies, tolerance=1e-3)
    pulled = [one.crack.step.reaction_N.ravel()[specimen.pulled].sum() for one in found]
    return np.array([2e3 * one.factor for one in found]), np.array(pulled), sum(one.crack.rounds for one in found)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lengths", type=float, nargs="+", default=[0.015, 0.0075], help="l in mm")
    parser.add_argument("--fine", type=int, nargs="+", default=[2, 4], help="elements along l")
    parser.add_argument("--splits", nargs="+", default=["tension", "opening"])
    parser.add_argument("--led-by", choices=("cost", "displacement"), default="cost")
    chosen = parser.parse_args()
    print("| l (mm) | elements along l | psi+ | dofs | peak (N/mm) | at (um) | falls to (um) | turns | processor s |")
    print("|---|---|---|---|---|---|---|---|---|")
    for length in chosen.lengths:
        for fine in chosen.fine:
            specimen = notched_square(1.0, 0.5, length / fine, 2.5 * length)
            for split in chosen.splits:
                start = time.process_time()
                brittle = Brittle(BULK, SHEAR, TOUGH, length, "AT2", split)
                if chosen.led_by == "cost":
                    shares = [0.3, 1, 2, 2.5, 2.75, 3, 3.25, 3.5, 4, 4.5, 5, 6]
                    moved, load, turns = path(specimen, brittle, shares)
                else:
                    steps = np.append(np.linspace(1e-3, 4e-3, 4), np.arange(4.1e-3, 8e-3, 1e-4)) / 2
                    found = part(specimen, brittle, steps)
                    moved, load, turns = 2e3 * found.displacement_mm, found.load_N, found.last.rounds
                top = int(np.argmax(load))
                print(
                    f"| {length:g} | {fine} | {split} | {specimen.equations.of.size} | {load[top]:.1f} | "
                    f"{moved[top]:.2f} | {moved[top:].min():.2f} | {turns} | {time.process_time() - start:.0f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
