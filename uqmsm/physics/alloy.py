"""Which atom sits where: random solid solutions on a crystal lattice, and how ordered they are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from uqmsm.errors import StudyError

__all__ = ["BASES", "configuration", "counts", "sites", "warren_cowley"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

BASES: dict[str, Floats] = {
    "bcc": np.array([[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]]),
    "fcc": np.array([[0.0, 0.0, 0.0], [0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]]),
}
"""Fractional positions in the conventional cubic cell."""


def sites(lattice: str, cells: Sequence[int]) -> Floats:
    """Return the sites of a block of conventional cubic cells.

    Parameters
    ----------
    lattice
        "bcc" or "fcc".
    cells
        Number of conventional cells along each edge.

    Returns
    -------
    (n, 3) fractional positions in the block, those of one conventional cell together.

    Raises
    ------
    StudyError
        For an unknown lattice or an empty block.
    """
    if lattice not in BASES:
        raise StudyError(f"lattice {lattice!r} is unknown; choose one of {', '.join(sorted(BASES))}")
    if len(cells) != 3 or min(cells) < 1:
        raise StudyError(f"cells = {tuple(cells)} must be three positive whole numbers, e.g. (6, 6, 6)")
    corners = np.stack(np.meshgrid(*(np.arange(c) for c in cells), indexing="ij"), axis=-1).reshape(-1, 1, 3)
    return np.ascontiguousarray(((corners + BASES[lattice]) / np.asarray(cells, dtype=np.float64)).reshape(-1, 3))


def counts(composition: ArrayLike, n_sites: int) -> Ints:
    """Share out sites among species as evenly as whole atoms allow (largest remainders; ties to the earlier species).

    Parameters
    ----------
    composition
        (k,) atomic fractions, not negative, summing to one within 1e-9.
    n_sites
        Number of sites.

    Returns
    -------
    (k,) numbers of atoms, each within one of the fraction times n_sites, summing to n_sites.

    Raises
    ------
    StudyError
        When the fractions are no composition.
    """
    fractions = np.asarray(composition, dtype=np.float64)
    if fractions.ndim != 1 or not np.isfinite(fractions).all() or (fractions < 0).any():
        raise StudyError(
            f"composition {fractions.tolist()} must list atomic fractions that are finite and not negative"
        )
    if abs(fractions.sum() - 1.0) > 1e-9:
        raise StudyError(f"composition {fractions.tolist()} sums to {fractions.sum():.12g}; atomic fractions sum to 1")
    quota = fractions * n_sites
    whole = np.floor(quota + 1e-9).astype(np.int64)
    # rounded, so that quotas that are equal on paper tie and the order of species decides
    order = np.argsort(-np.round(quota - whole, 9), kind="stable")
    whole[order[: n_sites - int(whole.sum())]] += 1
    return whole


def configuration(composition: ArrayLike, cells: Sequence[int], lattice: str, rng: np.random.Generator) -> Ints:
    """Draw a random solid solution with an exact composition.

    Every site receives one uniform number; the sites are ranked by it and the ranks cut into species. Two compositions
    drawn from the same stream therefore share their ranks: they differ at as few sites as thresholds move
    (common random numbers).

    Parameters
    ----------
    composition
        (k,) atomic fractions.
    cells, lattice
        As in `sites`.
    rng
        The stream of chance of this configuration; one uniform per site is drawn from it.

    Returns
    -------
    (n,) species numbers 0 .. k - 1 in the order of `sites`.
    """
    n_sites = len(sites(lattice, cells))
    ranks = np.argsort(rng.random(n_sites), kind="stable")
    numbers = counts(composition, n_sites)
    species = np.empty(n_sites, dtype=np.int64)
    species[ranks] = np.repeat(np.arange(len(numbers)), numbers)
    return species


def _shells(lattice: str, n_shells: int) -> list[Ints]:
    """Return the lattice vectors of each neighbour shell in half cubic edges."""
    reach = 2 * (n_shells + 1)
    grid = np.arange(-reach, reach + 1)
    points = np.stack(np.meshgrid(grid, grid, grid, indexing="ij"), axis=-1).reshape(-1, 3)
    odd = points % 2
    allowed = (odd == odd[:, :1]).all(axis=1) if lattice == "bcc" else odd.sum(axis=1) % 2 == 0
    points = points[allowed]
    squares = (points**2).sum(axis=1)
    return [points[squares == q] for q in np.unique(squares)[1 : n_shells + 1]]


def warren_cowley(species: ArrayLike, cells: Sequence[int], lattice: str, n_species: int, n_shells: int = 3) -> Floats:
    """Measure short-range order shell by shell (Cowley, Phys. Rev. 77, 669, 1950).

    alpha_s[a, b] = 1 - P(b at distance s | a) / c_b: 0 in a random alloy, negative where a and b seek each other.
    Every lattice vector of a shell counts, also those that lead to the same site, or home, in a small block; so the
    multiplicities of the infinite lattice hold in blocks of any size and sum_b c_b alpha_s[a, b] = 0.

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

    Returns
    -------
    (n_shells, k, k) parameters, symmetric in the last two axes.
    """
    numbers = np.asarray(species, dtype=np.int64)
    spots = np.rint(sites(lattice, cells) * 2 * np.asarray(cells)).astype(np.int64)
    edges = 2 * np.asarray(cells, dtype=np.int64)
    where = np.full(tuple(edges), -1, dtype=np.int64)
    where[tuple(spots.T)] = np.arange(len(spots))
    fractions = np.bincount(numbers, minlength=n_species) / len(numbers)
    result = np.empty((n_shells, n_species, n_species))
    with np.errstate(divide="ignore", invalid="ignore"):
        for s, shell in enumerate(_shells(lattice, n_shells)):
            joint = np.zeros((n_species, n_species))
            for step in shell:
                met = numbers[where[tuple(((spots + step) % edges).T)]]
                np.add.at(joint, (numbers, met), 1.0)
            joint /= len(numbers) * len(shell)
            result[s] = 1.0 - joint / np.outer(fractions, fractions)
    return result
