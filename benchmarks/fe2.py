"""Times finite elements whose 1600 quadrature points own blocks of 16^3 voxels (FE squared), in processor seconds.

A beam of 200 hexahedra is bent, first elastically, then until some of its points flow. Printed are the elastic step
beside that of a plain elastic solid, once the stiffness of the blocks is known, and the plastic step over the sum of
its block solves one by one: taken so, and with all blocks side by side. With ``--clusters`` the same steps are taken by
the clusters of the blocks, for the ratio of the two.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace

import numpy as np

from uqmsm.physics.fe.discretise import discretise
from uqmsm.physics.fe.linear import held_dofs, system
from uqmsm.physics.fe.materials.elastic import Elastic
from uqmsm.physics.fe.meshes.grid import grid_mesh
from uqmsm.physics.fe.newton import Accuracy, Load, equilibrate, virgin
from uqmsm.physics.rve.microstructure import polycrystal
from uqmsm.physics.rve.plastic import Slip
from uqmsm.scales.fe.owned import clusters_at_points, full_at_points, own

ELEMENTS, LENGTHS = (10, 5, 4), np.array([20.0, 5.0, 4.0])
ACCURACY = Accuracy(residual=1e-7)


def beam():
    mesh = grid_mesh(ELEMENTS, "hex8", lambda x: x * LENGTHS)
    of = discretise(mesh, "solid", mean_dilatation=True)
    left, right = mesh.on("left"), mesh.on("right")
    held = np.concatenate([held_dofs(of, left, 0, 1, 2), held_dofs(of, right, 1)])
    end = np.zeros_like(mesh.nodes_mm)
    end[right, 1] = 1.0
    return system(of, held, symmetric=False), end


def timed(solid, spent):
    """Return the solid with its block solves timed."""

    def clocked(function):
        def run(*given):
            start = time.process_time()
            try:
                return function(*given)
            finally:
                spent.append(time.process_time() - start)

        return run

    return replace(solid, advance=clocked(solid.advance), tangent=clocked(solid.tangent))


def step(equations, solid, state, load):
    start = time.process_time()
    taken = equilibrate(equations, solid, state, load, accuracy=ACCURACY)
    return taken, time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--library", type=int, default=16, help="different blocks")
    parser.add_argument("--bend", type=float, nargs=2, default=(0.02, 0.06), help="deflections in mm")
    parser.add_argument("--clusters", action="store_true", help="the same with clusters")
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    equations, end = beam()
    points = int(equations.of.volume_mm3.size)
    grains = [polycrystal(rng, rng, 40, (16,) * 3) for _ in range(given.library)]
    slip = Slip(80.0, 240.0, 1000.0, exponent=50.0)
    owner = rng.integers(given.library, size=points)
    tiny = [polycrystal(rng, rng, 2, (3,) * 3)]
    own(tiny, (196.0, 118.0, 129.0), slip, np.zeros(1, dtype=np.int64))  # compiles
    start = time.process_time()
    owned = own(grains, (196.0, 118.0, 129.0), slip, owner)
    made = time.process_time() - start
    print(f"{points} points, {given.library} blocks of 16^3: stiffness, gate and clusters in {made:.2f} s")
    start = time.process_time()
    own(grains, (196.0, 118.0, 129.0), slip, owner)
    print(f"the same once more, kept by content: {time.process_time() - start:.3f} s")
    loads = [Load(displacement_mm=u * end, step_s=u * 20.0) for u in given.bend]
    plain = Elastic(np.stack([one.stiffness_MPa for one in owned.elastic])[owner])
    spent: list[float] = []
    side_by_side = full_at_points(owned, 1e-3, [])
    full = timed(replace(side_by_side, mapped=map), spent)
    for solid in (plain, full):
        step(equations, solid, virgin(equations, solid), loads[0])
    first, elastic = step(equations, full, virgin(equations, full), loads[0])
    bare = step(equations, plain, virgin(equations, plain), loads[0])[1]
    print(f"elastic step: {elastic:.3f} s, a plain elastic solid {bare:.3f} s; {len(spent)} blocks asked")
    second, plastic = step(equations, full, first.state, loads[1])
    flowing = int(second.state.memory.open.sum())
    print(
        f"plastic step: {plastic:.1f} s for {len(spent) // 2} block solves of {sum(spent):.1f} s in all, "
        f"{flowing} points flow; ratio {plastic / sum(spent):.3f}; residuals {second.residuals}"
    )
    begin = step(equations, side_by_side, virgin(equations, side_by_side), loads[0])[0]
    third, quicker = step(equations, side_by_side, begin.state, loads[1])
    apart = np.abs(third.state.stress_MPa - second.state.stress_MPa).max() / np.abs(second.state.stress_MPa).max()
    print(
        f"the same step, blocks side by side: {quicker:.1f} s, {quicker / sum(spent):.3f} of the block solves one by "
        f"one; stresses {apart:.0e} apart"
    )
    if given.clusters:
        few = clusters_at_points(owned, 0.0, 1e-3)
        begin = step(equations, few, virgin(equations, few), loads[0])[0]
        quick = step(equations, few, begin.state, loads[1])[1]
        print(f"the same step by clusters: {quick:.1f} s, {plastic / quick:.0f} times less")


if __name__ == "__main__":
    main()
