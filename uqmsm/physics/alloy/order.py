"""How ordered an arrangement is, shell by shell, and what a random one would show in the same block.

Warren-Cowley parameters (Cowley, Phys. Rev. 77, 669, 1950): alpha_s[a, b] = 1 - P(b at distance s | a) / c_b. They are
zero in an infinite random alloy, negative where a and b seek each other.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from uqmsm.physics.alloy.lattice import adjugate, half_edges, shells, sites

__all__ = ["homecomers", "neighbours", "pair_counts", "random_order", "random_scatter", "warren_cowley"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def neighbours(cells: ArrayLike, lattice: str, n_shells: int) -> list[NDArray[np.int32]]:
    """Return which sites surround each site.

    Every lattice vector of a shell counts, also those that lead to the same site, or home, in a small block: so the
    multiplicities of the infinite lattice hold in blocks of any size.

    Parameters
    ----------
    cells, lattice
        As in `sites`.
    n_shells
        How many neighbour shells.

    Returns
    -------
    One (n, z) table of site numbers, in the order of `sites`, for each shell of z neighbours.
    """
    vectors = half_edges(cells)
    inverse, volume = adjugate(vectors)
    spots = np.rint(sites(lattice, cells) @ vectors).astype(np.int64)

    def code(points: Ints) -> Ints:
        inside = (points @ inverse) % volume
        return np.asarray((inside[..., 0] * volume + inside[..., 1]) * volume + inside[..., 2])

    own = code(spots)
    order = np.argsort(own)
    found = []
    for shell in shells(lattice, n_shells):
        met = code(spots[:, None, :] + shell[None, :, :])
        found.append(np.ascontiguousarray(order[np.searchsorted(own, met, sorter=order)].astype(np.int32)))
    return found


def homecomers(cells: ArrayLike, lattice: str, n_shells: int) -> Floats:
    """Return the share of each shell's vectors that lead from a site to itself: (n_shells,), 0 in a large block."""
    inverse, volume = adjugate(half_edges(cells))
    return np.array(
        [((shell @ inverse) % volume == 0).all(axis=1).mean() for shell in shells(lattice, n_shells)], dtype=np.float64
    )


def pair_counts(species: ArrayLike, around: list[NDArray[np.int32]], n_species: int) -> Ints:
    """Count ordered neighbour pairs: (n_shells, k, k), each pair of sites once from either end."""
    numbers = np.asarray(species, dtype=np.int64)
    result = np.empty((len(around), n_species, n_species), dtype=np.int64)
    for s, table in enumerate(around):
        pairs = numbers[:, None] * n_species + numbers[table]
        result[s] = np.bincount(pairs.ravel(), minlength=n_species**2).reshape(n_species, n_species)
    return result


def random_order(numbers: ArrayLike, cells: ArrayLike, lattice: str, n_shells: int = 3) -> Floats:
    """Return the mean Warren-Cowley parameters of random arrangements with these very atoms in this very block.

    Drawn without replacement, a neighbour on another site is b with probability N_b / (N - 1) beside an a. Of the
    vectors of shell s a share h_s leads home, where a meets itself. With c = N_b / N

        E alpha_s[a, b] = 1 - (1 - h_s) N / (N - 1)                                  (a != b)
        E alpha_s[a, a] = 1 - [h_s + (1 - h_s) (N_a - 1) / (N - 1)] N / N_a,

    so -1 / (N - 1) for unlike couples in a block that holds the shell: a finite random alloy looks faintly ordered.

    Parameters
    ----------
    numbers
        (k,) atoms of each species.
    cells, lattice, n_shells
        As in `neighbours`.

    Returns
    -------
    (n_shells, k, k), NaN for absent species.
    """
    atoms = np.asarray(numbers, dtype=np.float64)
    n = atoms.sum()
    home = homecomers(cells, lattice, n_shells)[:, None, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        same = 1.0 - (home + (1.0 - home) * (atoms - 1.0) / (n - 1.0)) * n / atoms
        other = np.where(atoms > 0, 1.0 - (1.0 - home) * n / (n - 1.0), np.nan)
    both = np.broadcast_to(other, (len(home), len(atoms), len(atoms))).copy()
    both = np.where((atoms > 0)[:, None], both, np.nan)
    here = np.arange(len(atoms))
    both[:, here, here] = same[:, 0, :]
    return both


def random_scatter(composition: ArrayLike, n_sites: int, lattice: str, n_shells: int = 3) -> Floats:
    """Return the standard deviations of the Warren-Cowley parameters of random arrangements of many sites.

    The n z / 2 bonds of a shell of z neighbours each carry (xi_a xi_b' + xi_b xi_a'), xi an occupation less its mean;
    at fixed composition what is linear in xi drops out and different bonds do not correlate, to leading order in 1/n:

        var alpha[a, b] = [(1 - c_a)(1 - c_b) + c_a c_b] / (n z c_a c_b)
        var alpha[a, a] = 2 (1 - c_a)^2 / (n z c_a^2).

    Returns
    -------
    (n_shells, k, k).
    """
    c = np.asarray(composition, dtype=np.float64)
    product = np.outer(c, c)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = (np.outer(1.0 - c, 1.0 - c) + product) / product
        here = np.arange(len(c))
        spread[here, here] = 2.0 * (1.0 - c) ** 2 / c**2
    size = np.array([len(shell) for shell in shells(lattice, n_shells)], dtype=np.float64)
    return np.asarray(np.sqrt(spread / (n_sites * size[:, None, None])))


def warren_cowley(
    species: ArrayLike,
    cells: ArrayLike,
    lattice: str,
    n_species: int,
    n_shells: int = 3,
    *,
    against: Literal["lattice", "block"] = "lattice",
) -> Floats:
    """Measure short-range order shell by shell.

    Parameters
    ----------
    species
        (n,) in the order of `sites`.
    cells, lattice
        As in `sites`.
    n_species
        Number of species k; absent ones give NaN.
    n_shells
        How many neighbour shells.
    against
        What counts as random: the infinite ``lattice``, where sum_b c_b alpha[a, b] = 0 holds exactly; or random
        arrangements in this very ``block``, whose mean is then exactly zero (NaN where they have no such pair).

    Returns
    -------
    (n_shells, k, k) parameters, symmetric in the last two axes.
    """
    numbers = np.asarray(species, dtype=np.int64)
    atoms = np.bincount(numbers, minlength=n_species)
    around = neighbours(cells, lattice, n_shells)
    size = np.array([table.size for table in around], dtype=np.float64)[:, None, None]
    share = atoms / len(numbers)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = pair_counts(numbers, around, n_species) / (size * np.outer(share, share))
        if against == "lattice":
            return np.asarray(1.0 - ratio)
        mean = 1.0 - random_order(atoms, cells, lattice, n_shells)
        return np.asarray(1.0 - ratio / np.where(mean > 0.0, mean, np.nan))
