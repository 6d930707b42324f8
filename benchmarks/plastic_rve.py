"""Time of a virtual tension test by crystal plasticity; aim: 32^3 voxels, 100 grains, 2 % in 3 minutes on 2 cores.

Uniaxial stress, 2 % in 40 steps, the constants of a nickel alloy (IN625: n = 40), every step to a residual of 1e-8 and
a Hill-Mandel gap below 1e-10. Seconds of processor time over both threads are printed beside those of the clock: half
of the former is the time on two free cores, were the work shared out evenly; on a busy machine the clock says little.

``--blocks N`` takes one step of N blocks of a few grains, with the tangent of each block, as the points of a component
ask for it: one after the other (`advance`, `macro_tangent`) and together (`advance_many`).
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np

from uqmsm.physics.rve import polycrystal
from uqmsm.physics.rve.plastic import (
    Slip,
    advance,
    advance_many,
    block,
    crystals,
    drive,
    macro_tangent,
    proportional,
)
from uqmsm.physics.rve.slip import Interaction
from uqmsm.physics.tensors import cubic_stiffness

CANTOR_LIKE_GPa = (196.0, 118.0, 129.0)


def tension_test(edge, grains, families, exponent, workers, steps):
    """Return the history of one test, seconds of the clock and of processors."""
    made = polycrystal(np.random.default_rng(1), np.random.default_rng(2), grains, (edge,) * 3)
    reactions = Interaction(1.0, 1.0, 5.123, 0.574, 1.123, 1.0) if families == "fcc" else Interaction()
    slip = Slip(143.5, 470.0, 1120.0, 1.0, exponent, 2e-4, families, reactions)
    law = crystals(cubic_stiffness(*CANTOR_LIKE_GPa), made.orientations, slip)
    loads = list(proportional(np.eye(6)[0], np.linspace(0.0, 0.02, steps + 1)[1:], 1e-3))
    drive(block(made.grain_ids[:2, :2, :2], law, workers=workers), loads[:1])  # compiled before the clock starts
    clock, processor = time.perf_counter(), time.process_time()
    history = drive(block(made.grain_ids, law, workers=workers), loads)
    return history, time.perf_counter() - clock, time.process_time() - processor


def one_by_one(cells, states, increments, tolerance):
    """Advance blocks one after the other; return the ends and processor seconds of steps and of tangents."""
    start = time.process_time()
    ends = [advance(cell, state, one, 1.0) for cell, state, one in zip(cells, states, increments, strict=True)]
    middle = time.process_time()
    if tolerance is not None:
        for cell, end in zip(cells, ends, strict=True):
            macro_tangent(cell, end.tangent, tolerance=tolerance)
    return ends, middle - start, time.process_time() - middle


def together(cells, states, increments, tolerance, starts=None):
    """Advance blocks together; return the answers and processor seconds."""
    start = time.process_time()
    answers = advance_many(cells, states, increments, 1.0, tangent_tolerance=tolerance, starts=starts)
    return answers, time.process_time() - start


def many_blocks(edge, count, grains, repeats):
    """Print processor milliseconds of a step of a block that flows, and of its tangent, alone and in company."""
    cells = []
    for k in range(count):
        made = polycrystal(np.random.default_rng(k), np.random.default_rng(k + 99), grains, (edge,) * 3)
        slip = Slip(143.5, 470.0, 1120.0, 1.0, 40.0, 2e-4, "fcc", Interaction(1.0, 1.0, 5.123, 0.574, 1.123, 1.0))
        cells.append(block(made.grain_ids, crystals(cubic_stiffness(*CANTOR_LIKE_GPa), made.orientations, slip)))
    increments = 1e-3 * np.array([1.0, -0.4, -0.5, 0.1, 0.0, 0.2]) * (1.0 + 0.1 * np.arange(count) / count)[:, None]
    states = [cell.virgin() for cell in cells]
    for _ in range(5):
        states = [one.state for one in advance_many(cells, states, increments, 1.0, tangent_tolerance=None)]
    one_by_one(cells[:1], states[:1], increments[:1], 1e-6)  # compiled before it is timed
    rows = []
    for _ in range(repeats):
        _, steps, tangents = one_by_one(cells, states, increments, 1e-6)
        answers, both = together(cells, states, increments, 1e-6)
        _, bare = together(cells, states, increments, None)
        _, usual = together(cells, states, increments, 1e-3)
        near = together(cells, states, 1.001 * increments, 1e-3, [one.state for one in answers])[1]
        rows.append(np.array([steps, tangents, bare, both - bare, usual, near]) / count * 1e3)
    steps, tangents, bare, more, usual, near = (statistics.median(column) for column in zip(*rows, strict=True))
    print(
        f"{count} blocks of {edge}^3: {steps:.1f} ms a step and {tangents:.1f} a tangent (1e-6) one by one; {bare:.1f} "
        f"and {more:.1f} together: {steps / bare:.2f} and {tangents / more:.2f} times as fast; step and tangent of "
        f"1e-3 in {usual:.1f} ms, from a start nearby in {near:.1f}: {(steps + tangents) / usual:.2f} and "
        f"{(steps + tangents) / near:.2f} times as fast as one by one",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--edge", type=int, default=32, help="voxels along an edge")
    parser.add_argument("--grains", type=int, default=100)
    parser.add_argument("--exponent", type=float, default=40.0, help="n of the rate law")
    parser.add_argument("--steps", type=int, default=40, help="steps to 2 %% strain")
    parser.add_argument("--workers", type=int, default=2, help="threads")
    parser.add_argument("--families", nargs="+", default=["fcc", "bcc_110_112"])
    parser.add_argument("--blocks", type=int, default=0, help="blocks together instead")
    parser.add_argument("--edges", type=int, nargs="+", default=[4, 8, 16], help="of these blocks")
    chosen = parser.parse_args()
    if chosen.blocks:
        for edge in chosen.edges:
            many_blocks(edge, chosen.blocks, max(edge**3 // 100, 2), 3)
        return
    for families in chosen.families:
        history, clock, processor = tension_test(
            chosen.edge, chosen.grains, families, chosen.exponent, chosen.workers, chosen.steps
        )
        print(
            f"{chosen.edge}^3, {chosen.grains} grains, {families}, {len(history.taken)} steps to 2 %: "
            f"{processor:.1f} s of processors, {processor / 2:.1f} s on 2 free cores (aim 180), {clock:.1f} s by the "
            f"clock; {history.newton.sum()} Newton iterations, {history.stress[-1, 0]:.1f} MPa, "
            f"Hill-Mandel gap at most {history.hill_mandel_gap.max():.1e}"
        )


if __name__ == "__main__":
    main()
