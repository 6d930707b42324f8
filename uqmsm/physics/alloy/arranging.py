"""Arrangements with a wanted short-range order, or as random as a block allows, found by swapping atoms.

Two atoms change places with Metropolis's probability (J. Chem. Phys. 21, 1087, 1953) on

    U = 1/2 sum over shells and couples of ((alpha - wanted) / spread)^2.

At temperature one the swaps draw from all arrangements reweighted by a Gaussian in their order: order as a law. Cooled
to nothing they find the arrangement nearest to what is wanted; wanted zero that is a special quasirandom structure
(Zunger et al., Phys. Rev. Lett. 65, 353, 1990). Pairs are counted in whole numbers, so no rounding piles up.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.alloy.filling import configuration
from uqmsm.physics.alloy.order import neighbours, pair_counts

__all__ = ["Arrangement", "arrange", "quasirandom"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Tables = NDArray[np.int32]

_compiled = njit(cache=True, error_model="numpy")


@dataclass(frozen=True)
class Arrangement:
    """An arrangement and how far its order is from what was wanted.

    Attributes
    ----------
    species
        (n,) in the order of `sites`.
    misfit
        Root mean square of alpha - wanted over the shells and couples that were asked for.
    worst
        The largest of them.
    accepted
        Share of the swaps that were made.
    """

    species: Ints
    misfit: float
    worst: float
    accepted: float


@_compiled
def _retype(site: int, new: int, species: Ints, table: Tables, first: Ints, pairs: Ints) -> None:
    """Change one atom and the counts of its pairs; a neighbour that is the atom itself changes with it."""
    old = species[site]
    for s in range(len(first) - 1):
        for c in range(first[s], first[s + 1]):
            met = table[site, c]
            if met == site:
                pairs[s, old, old] -= 1
                pairs[s, new, new] += 1
            else:
                other = species[met]
                pairs[s, old, other] -= 1
                pairs[s, other, old] -= 1
                pairs[s, new, other] += 1
                pairs[s, other, new] += 1
    species[site] = new


@_compiled
def _height(pairs: Ints, expected: Floats, wanted: Floats, weight: Floats) -> float:
    total = 0.0
    for s in range(pairs.shape[0]):
        for a in range(pairs.shape[1]):
            for b in range(a, pairs.shape[1]):
                if weight[s, a, b] > 0.0:
                    off = 1.0 - pairs[s, a, b] / expected[s, a, b] - wanted[s, a, b]
                    total += 0.5 * weight[s, a, b] * off * off
    return total


@_compiled
def _swap_all(
    species: Ints, table: Tables, first: Ints, pairs: Ints, expected: Floats, wanted: Floats, weight: Floats,
    coldness: Floats, rng: Generator, best: Ints,
) -> tuple[int, float]:  # fmt: skip
    """Try n swaps at each coldness; keep the lowest arrangement met in `best`."""
    n = len(species)
    height = _height(pairs, expected, wanted, weight)
    lowest, taken = height, 0
    best[:] = species
    for beta in coldness:
        for _ in range(n):
            i, j, chance = int(rng.random() * n), int(rng.random() * n), rng.random()
            one, two = species[i], species[j]
            if one == two:
                continue
            _retype(i, two, species, table, first, pairs)
            _retype(j, one, species, table, first, pairs)
            tried = _height(pairs, expected, wanted, weight)
            if tried <= height or chance < np.exp(beta * (height - tried)):
                height = tried
                taken += 1
                if height < lowest:
                    lowest = height
                    best[:] = species
            else:
                _retype(j, two, species, table, first, pairs)
                _retype(i, one, species, table, first, pairs)
    return taken, lowest


def _settled(
    species: Ints,
    around: list[Tables],
    wanted: Floats,
    spread: Floats,
    coldness: Floats,
    rng: Generator,
    *,
    coldest: bool,
) -> Arrangement:
    k = wanted.shape[1]
    share = np.bincount(species, minlength=k) / len(species)
    size = np.array([table.size for table in around], dtype=np.float64)
    expected = size[:, None, None] * np.outer(share, share)
    asked = np.isfinite(wanted) & np.isfinite(spread) & (expected > 0.0)
    weight = np.where(asked, 1.0 / np.where(asked, spread, 1.0) ** 2, 0.0)
    target = np.where(asked, wanted, 0.0)
    first = np.concatenate([[0], np.cumsum([table.shape[1] for table in around])]).astype(np.int64)
    species, best = species.copy(), species.copy()
    pairs = pair_counts(species, around, k)
    taken, _ = _swap_all(
        species, np.hstack(around), first, pairs, expected, target, weight, coldness, rng, best
    )  # fmt: skip
    chosen = best if coldest else species
    with np.errstate(divide="ignore", invalid="ignore"):
        off = (1.0 - pair_counts(chosen, around, k) / expected - target)[asked & np.triu(np.ones((k, k), dtype=bool))]
    worst, misfit = (float(np.abs(off).max()), float(np.sqrt((off**2).mean()))) if len(off) else (0.0, 0.0)
    return Arrangement(chosen, misfit, worst, taken / max(len(coldness) * len(species), 1))


def arrange(
    composition: ArrayLike,
    cells: ArrayLike,
    lattice: str,
    wanted: ArrayLike,
    rng: Generator,
    *,
    spread: float = 0.01,
    sweeps: int = 200,
) -> Arrangement:
    """Draw an arrangement from those of a wanted short-range order.

    The start is the random `configuration` of the same stream; the swaps cool it to temperature one over half the
    sweeps (a sweep is one trial per site) and draw there for the other half.

    Parameters
    ----------
    composition, cells, lattice
        As in `configuration`.
    wanted
        (n_shells, k, k) Warren-Cowley parameters, symmetric; NaN leaves a couple free.
    rng
        The stream of chance of this configuration.
    spread
        Standard deviation of the order about what is wanted.
    sweeps
        At least 2.

    Raises
    ------
    StudyError
        When what is wanted is not symmetric, or lies beyond what pairs allow (alpha > 1, or sum_b c_b alpha[a, b] != 0
        where all couples of a are given).
    """
    fractions = np.asarray(composition, dtype=np.float64)
    target = np.asarray(wanted, dtype=np.float64)
    _require_possible(target, fractions)
    species = configuration(fractions, cells, lattice, rng)
    around = neighbours(cells, lattice, len(target))
    cooling = np.geomspace(min(1e-4 / spread, 0.1), 1.0, max(sweeps // 2, 1))
    coldness = np.concatenate([cooling, np.ones(max(sweeps - len(cooling), 1))])
    return _settled(species, around, target, np.full(target.shape, spread), coldness, rng, coldest=False)


def _require_possible(target: Floats, fractions: Floats) -> None:
    k = len(fractions)
    if target.ndim != 3 or target.shape[1:] != (k, k):
        raise StudyError(f"wanted order of shape {target.shape}: give (shells, {k}, {k}) numbers for {k} elements")
    if not np.array_equal(target, target.transpose(0, 2, 1), equal_nan=True):
        raise StudyError("the wanted order must be symmetric: alpha[a, b] = alpha[b, a]")
    present = fractions > 0
    # of the neighbours of a, no more than all are b; and b has so many a's as a has b's
    floor = 1.0 - 1.0 / np.maximum.outer(fractions, fractions)
    with np.errstate(invalid="ignore"):
        beyond = ((target > 1.0 + 1e-12) | (target < floor - 1e-12)) & np.outer(present, present)
    if beyond.any():
        s, a, b = (int(one) for one in np.argwhere(beyond)[0])
        raise StudyError(
            f"wanted order alpha = {target[s, a, b]:g} of couple ({a}, {b}) in shell {s + 1}: pairs of these fractions "
            f"allow {floor[a, b]:.3g} to 1"
        )
    closed = np.nansum(np.where(present, target * fractions, 0.0), axis=2)
    full = np.isfinite(target[:, :, present]).all(axis=2) & present
    if (full & (np.abs(closed) > 1e-6)).any():
        s, a = (int(one) for one in np.argwhere(full & (np.abs(closed) > 1e-6))[0])
        raise StudyError(
            f"wanted order of species {a} in shell {s + 1}: sum over b of c_b alpha[a, b] = {closed[s, a]:.3g}, and it "
            "is 0 in any arrangement; leave one couple free"
        )


def quasirandom(
    composition: ArrayLike,
    cells: ArrayLike,
    lattice: str,
    rng: Generator,
    *,
    n_shells: int = 3,
    starts: int = 4,
    sweeps: int = 400,
) -> Arrangement:
    """Find an arrangement whose neighbours are most like those of an infinite random alloy.

    Parameters
    ----------
    composition, cells, lattice
        As in `configuration`.
    rng
        The stream of chance of the starts and swaps.
    n_shells
        Neighbour shells that count, the nearest most: shell s with weight 1 / s^2.
    starts, sweeps
        Random starts, of which the best is kept, and trials per site from each.
    """
    fractions = np.asarray(composition, dtype=np.float64)
    k = len(fractions)
    around = neighbours(cells, lattice, n_shells)
    weight = np.broadcast_to(np.arange(1.0, n_shells + 1)[:, None, None], (n_shells, k, k))
    found: list[tuple[float, Arrangement]] = []
    for _ in range(starts):
        species = configuration(fractions, cells, lattice, rng)
        # from the height of random arrangements down to that of a single pair
        least = 1.0 / max(table.size for table in around)
        coldness = np.geomspace(10.0, 100.0 / least**1.5, sweeps)
        rest = _settled(species, around, np.zeros((n_shells, k, k)), weight, coldness, rng, coldest=True)
        found.append((_roughness(rest.species, around, k), rest))
    return min(found, key=lambda one: one[0])[1]


def _roughness(species: Ints, around: list[Tables], k: int) -> float:
    share = np.bincount(species, minlength=k) / len(species)
    total = 0.0
    for s, (pairs, table) in enumerate(zip(pair_counts(species, around, k), around, strict=True)):
        with np.errstate(divide="ignore", invalid="ignore"):
            alpha = 1.0 - pairs / (table.size * np.outer(share, share))
        total += float(np.nansum(alpha**2)) / (s + 1) ** 2
    return total
