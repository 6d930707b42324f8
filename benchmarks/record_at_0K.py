"""Seconds of processor time for everything the larger scales ask of a 2000-atom random alloy at 0 K, on one core.

Lattice parameter, relaxed and affine elastic constants by the Lutsko identity, non-affine share and chi of every atom,
and misfit volumes with standard errors from four families of swaps: 33 relaxations of the crystal.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import time

import numpy as np

from uqmsm.physics.alloy import configuration, sites
from uqmsm.physics.atomistic.elastic import elasticity
from uqmsm.physics.atomistic.misfit import misfit_volumes
from uqmsm.physics.atomistic.nonaffine import nonaffinity
from uqmsm.physics.atomistic.relax import Crystal, relax
from uqmsm.physics.atomistic.splines import interpolate
from uqmsm.physics.atomistic.statics import statics
from uqmsm.physics.potential import tabulated, zhou

ELEMENTS = ["Mo", "Nb", "Ta", "W"]
EQUAL = np.full(4, 0.25)
CELLS = (10, 10, 10)


def main() -> None:
    record(seed=0)  # compiles
    seconds = []
    for seed in range(1, 6):
        start = time.process_time()
        found = record(seed)
        seconds.append(time.process_time() - start)
    print(
        f"2000 atoms: {np.median(seconds):.2f} s ({min(seconds):.2f} to {max(seconds):.2f} in {len(seconds)} crystals)"
    )
    print(
        f"a = {found.lattice_parameter:.4f} A, C11, C12, C44 = {found.C11:.1f}, {found.C12:.1f}, {found.C44:.1f} GPa,"
    )
    print(
        f"eta = {found.nonaffine_fractions[-1]:.4f}, chi = {found.nonaffine_plateau.mean():.4f}, misfit volumes",
        end=" ",
    )
    print(", ".join(f"{v:.3f} +- {e:.3f}" for v, e in zip(found.misfit_volumes, found.misfit_volumes_se, strict=True)))
    parts()


def record(seed):
    rng = np.random.default_rng(seed)
    tables = tabulated.tabulate(zhou.published(ELEMENTS))
    species = configuration(EQUAL, CELLS, "bcc", rng)
    return statics(tables, species, EQUAL, sites("bcc", CELLS), cells=CELLS, a_guess_A=3.22, rng=rng, n_families=4)


def parts():
    """Print where the time goes."""
    rng, clock = np.random.default_rng(1), [time.process_time()]
    potential = interpolate(tabulated.tabulate(zhou.published(ELEMENTS)))
    clock.append(time.process_time())
    cell = 3.22 * np.diag(np.array(CELLS, dtype=float))
    species = configuration(EQUAL, CELLS, "bcc", rng)
    rest = relax(potential, Crystal(species, sites("bcc", CELLS) @ cell, cell))
    clock.append(time.process_time())
    elastic = elasticity(rest)
    clock.append(time.process_time())
    nonaffinity(rest, elastic)
    clock.append(time.process_time())
    misfit = misfit_volumes(potential, rest, EQUAL, rng, strain_stiffness=elastic.strain_block)
    clock.append(time.process_time())
    spent = np.diff(clock)
    print(f"tables {spent[0]:.2f} s, relaxation {spent[1]:.2f} s ({rest.iterations} steps, {rest.products} products),")
    print(f"stiffness {spent[2]:.2f} s ({elastic.products} products), non-affine fields {spent[3]:.2f} s,", end=" ")
    print(f"misfit volumes {spent[4]:.2f} s ({misfit.iterations} steps, {misfit.products} products)")


if __name__ == "__main__":
    main()
