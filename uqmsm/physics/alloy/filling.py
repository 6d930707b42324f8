"""Random solid solutions: how many atoms of each element, and a random one on each site."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.alloy.lattice import sites

__all__ = ["configuration", "counts"]

Ints = NDArray[np.int64]


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


def configuration(composition: ArrayLike, cells: ArrayLike, lattice: str, rng: np.random.Generator) -> Ints:
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
