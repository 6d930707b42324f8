"""Assembly beside felupe and scikit-fem, solution beside bare pyamg and PARDISO, and a component of a million dofs.

All of one table run in turn in one process. Processor seconds are compared, because they bear other work on the
machine; wall seconds stand beside them. Every code assembles the same elastic cube of trilinear hexahedra with
2 x 2 x 2 points. Ours is also given with the sparsity, which is found once per mesh, counted in (`first`). felupe,
scikit-fem and pypardiso are optional: `pip install felupe scikit-fem pypardiso`.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time
import warnings

import numpy as np
from scipy import sparse

from uqmsm.physics.fe.assemble import stiffness_blocks
from uqmsm.physics.fe.discretise import discretise
from uqmsm.physics.fe.linear import held_dofs, rigid_motions, system
from uqmsm.physics.fe.loads import traction_loads
from uqmsm.physics.fe.meshes.grid import grid_mesh
from uqmsm.physics.tensors import isotropic_stiffness, voigt_to_mandel

BULK, SHEAR = 160e3, 80e3
STIFFNESS = voigt_to_mandel(isotropic_stiffness(BULK, SHEAR))


def timed(call):
    wall, processor = time.perf_counter(), time.process_time()
    result = call()
    return time.perf_counter() - wall, time.process_time() - processor, result


def felupe_assembly(n):
    """Return a call that assembles the cube with felupe."""
    import felupe

    mesh = felupe.Cube(n=n + 1)
    field = felupe.FieldContainer([felupe.Field(felupe.RegionHexahedron(mesh), dim=3)])
    young = 9 * BULK * SHEAR / (3 * BULK + SHEAR)
    solid = felupe.SolidBody(felupe.LinearElastic(E=young, nu=young / 2 / SHEAR - 1), field)
    return solid.assemble.matrix


def skfem_assembly(n):
    """Return a call that assembles the cube with scikit-fem."""
    import skfem
    from skfem.models.elasticity import linear_elasticity

    line = np.linspace(0, 1, n + 1)
    mesh = skfem.MeshHex.init_tensor(line, line, line)
    basis = skfem.Basis(mesh, skfem.ElementVector(skfem.ElementHex1()), intorder=2)
    form = linear_elasticity(BULK - 2 * SHEAR / 3, SHEAR)
    return lambda: form.assemble(basis)


def assembly(n, rounds):
    mesh = grid_mesh((n,) * 3, "hex8")
    ours = {workers: discretise(mesh, "solid", workers=workers) for workers in (1, 2)}
    for of in ours.values():
        stiffness_blocks(of, STIFFNESS)  # compiled, sparsity found

    def first():
        return stiffness_blocks(discretise(grid_mesh((n,) * 3, "hex8"), "solid"), STIFFNESS)

    calls = {
        "uqmsm, 1 thread": lambda: stiffness_blocks(ours[1], STIFFNESS),
        "uqmsm, 2 threads": lambda: stiffness_blocks(ours[2], STIFFNESS),
        "uqmsm, first (mesh, sparsity, assembly)": first,
    }
    for name, make in (("felupe", felupe_assembly), ("scikit-fem, intorder=2", skfem_assembly)):
        try:
            calls[name] = make(n)
        except ImportError:
            print(f"{name}: not installed")
    times = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            times[name].append(timed(call)[:2])
    base = statistics.median(cpu for _, cpu in times["uqmsm, 1 thread"])
    print(f"assembly of {3 * (n + 1) ** 3} dofs, hex8, {rounds} rounds")
    for name, pairs in times.items():
        wall, cpu = (statistics.median(column) for column in zip(*pairs, strict=True))
        least = min(pair[0] for pair in pairs)
        print(
            f"  {name}: {wall:.3f} s wall (least {least:.3f}), {cpu:.3f} processor seconds, {cpu / base:.1f} of ours",
            flush=True,
        )


def solution(n, rounds):
    """Time our solution and pyamg alone, on the same matrix and to the same residual."""
    import pyamg

    mesh = grid_mesh((n,) * 3, "hex8")
    of = discretise(mesh, "solid")
    held = held_dofs(of, mesh.on("left"), 0, 1, 2)
    loads = traction_loads(of, mesh.edges["right"], lambda _, normal: 100.0 * normal[..., [1, 0, 2]])
    blocks = stiffness_blocks(of, STIFFNESS)
    equations = system(of, held, method="multigrid", tolerance=1e-7)  # to 1e-8, as it is told to keep a margin of ten
    equations.solve(blocks, loads)
    whole = sparse.bsr_array((blocks, of.pattern.indices, of.pattern.indptr), shape=(of.size, of.size)).tocsr()
    K = sparse.bsr_matrix(sparse.csr_matrix(whole[equations.free][:, equations.free]), blocksize=(3, 3))
    B, f = rigid_motions(of)[equations.free], loads.ravel()[equations.free]

    def bare():
        return pyamg.smoothed_aggregation_solver(K, B=B).solve(f, tol=1e-8, accel="cg", maxiter=300)

    pairs = [(timed(lambda: equations.solve(blocks, loads)), timed(bare)) for _ in range(rounds)]
    ours, theirs = ([pair[k][1] for pair in pairs] for k in (0, 1))
    ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
    residual = np.linalg.norm(f - K @ pairs[-1][1][2]) / np.linalg.norm(f)
    print(
        f"solution of {len(f)} free dofs: {statistics.median(ours):.2f} processor seconds, pyamg alone "
        f"{statistics.median(theirs):.2f}, ratio {ratio:.2f} (asked: 1.20); residuals {pairs[-1][0][2][1]:.1e} and "
        f"{residual:.1e}",
        flush=True,
    )


def factors(rounds):
    """Time SuperLU, multigrid and PARDISO, one thread each, on cubes and on a slender sector of a disc."""
    from importlib.util import find_spec

    from uqmsm.physics.fe.meshes.sector import SectorShape
    from uqmsm.physics.fe.turning import turning_sector

    ways = ["direct", "multigrid", *(["pardiso"] if find_spec("pypardiso") else [])]
    print("first and every other solution to 1e-9, processor seconds (SuperLU orders once per mesh, not counted)")
    bodies = []
    for n in (12, 16, 24):
        mesh = grid_mesh((n,) * 3, "hex8")
        of = discretise(mesh, "solid")
        held = held_dofs(of, mesh.on("left"), 0, 1, 2)
        loads = traction_loads(of, mesh.edges["right"], lambda _, normal: 100.0 * normal[..., [1, 0, 2]])
        bodies.append((f"cube of hex8, {of.size} dofs", of, held, None, loads))
    sector = turning_sector(
        SectorShape((60.0, 80.0, 100.0, 180.0, 200.0), (60.0, 60.0, 12.0, 12.0, 40.0), 40, (60, 6, 6))
    )
    bodies.append((f"sector of hex20, {sector.of.size} dofs", sector.of, sector.equations.held, sector.equations.ties,
                   8e3 * sector.own_N + 40.0 * sector.rim_N))  # fmt: skip
    for name, of, held, ties, loads in bodies:
        blocks = stiffness_blocks(of, STIFFNESS)
        for way in ways:
            if way == "direct" and of.size > 30_000:
                continue
            equations = system(of, held, method=way, ties=ties, tolerance=1e-8 if way == "multigrid" else 1e-9)
            found = []
            for _ in range(rounds):
                _, one, solve = timed(lambda e=equations, b=blocks: e.factorized(b))
                _, first, _ = timed(lambda s=solve, f=loads: s(f))
                found.append((one + first, timed(lambda s=solve, f=loads: s(f))[1]))
            first, other = (statistics.median(column) for column in zip(*found, strict=True))
            print(f"  {name}, {way}: {first:.2f}, then {other:.3f}", flush=True)


def large(n):
    """Build, assemble and solve a component of about 3 n^3 dofs."""
    wall = time.perf_counter()
    mesh = grid_mesh((n,) * 3, "hex8")
    of = discretise(mesh, "solid", workers=2)
    _ = of.pattern, of.shares
    print(f"{of.size} dofs: mesh and sparsity {time.perf_counter() - wall:.1f} s", flush=True)
    first, cpu, blocks = timed(lambda: stiffness_blocks(of, STIFFNESS))
    print(f"  assembly on 2 threads {first:.1f} s wall, {cpu:.1f} processor seconds", flush=True)
    held = held_dofs(of, mesh.on("left"), 0, 1, 2)
    loads = traction_loads(of, mesh.edges["right"], lambda _, normal: 100.0 * normal)
    equations = system(of, held, method="multigrid", tolerance=1e-6)
    first, cpu, (moved, residual) = timed(lambda: equations.solve(blocks, loads))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"  solution {first:.1f} s wall, {cpu:.1f} processor seconds, residual {residual:.1e}; peak memory "
        f"{memory:.1f} GB; largest displacement {np.abs(moved).max():.3e} mm",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=24, help="cells along an edge (24: 46 875 dofs)")
    parser.add_argument("--rounds", type=int, default=7, help="interleaved rounds")
    parser.add_argument("--large", type=int, default=69, help="cells along an edge of the large component; 0: none")
    parser.add_argument("--factors", action="store_true", help="nothing but the comparison of solvers")
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    if chosen.factors:
        factors(3)
        return
    assembly(chosen.cells, chosen.rounds)
    solution(chosen.cells, max(3, chosen.rounds // 2))
    factors(3)
    if chosen.large:
        large(chosen.large)


if __name__ == "__main__":
    main()
