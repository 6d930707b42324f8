"""Small cells of a random alloy: the arrangement whose neighbours are most like those of a random one.

Special quasirandom structures (Zunger et al., Phys. Rev. Lett. 65, 353, 1990) by a search of one's own: every periodic
cell of n sites of the lattice (Hermite normal forms, Hart & Forcade, Phys. Rev. B 77, 224115, 2008) and, where they are
few enough, every arrangement in it; else swaps downhill from random starts. How random a cell is, is told by its
Warren-Cowley parameters, alpha_s(i, j) = 1 - P_s(j | i) / c_j: zero in a random alloy, in shell s. A cell of few sites
cannot be random in every shell, and says so.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.dft.engine import Cell

__all__ = ["Quasirandom", "quasirandom", "supercells", "warren_cowley"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

PRIMITIVE = {"bcc": 0.5 * np.array([[-1.0, 1, 1], [1, -1, 1], [1, 1, -1]]), "fcc": 0.5 * (1.0 - np.eye(3))}
"""Primitive vectors as rows, in units of the cubic lattice parameter."""

EXHAUSTIVE = 5000
"""Arrangements in one cell up to which all are tried."""


@dataclass(frozen=True)
class Quasirandom:
    """An arrangement and how random it is.

    Attributes
    ----------
    symbols
        Chemical symbols of the sites.
    vectors, places
        Cell vectors as rows (3, 3) and sites (n, 3), in units of the cubic lattice parameter.
    elements
        The order of the axes of `alpha`.
    alpha
        Warren-Cowley parameters, shape (shells, elements, elements).
    deviation
        Root mean square of `alpha` in each shell, shape (shells,).
    examined
        Arrangements that were compared, and whether these were all.
    exhaustive
        Whether no arrangement of so many sites does better in the weighted deviation.
    """

    symbols: tuple[str, ...]
    vectors: Floats
    places: Floats
    elements: tuple[str, ...]
    alpha: Floats
    deviation: Floats
    examined: int
    exhaustive: bool

    def cell(self, volume_A3: float, lattice: str = "bcc") -> Cell:
        """Return the cell at a volume per atom, atoms on the sites of the perfect lattice."""
        parameter = (volume_A3 * {"bcc": 2.0, "fcc": 4.0}[lattice]) ** (1.0 / 3.0)
        return Cell(self.symbols, parameter * self.vectors, self.places @ np.linalg.inv(self.vectors))


def supercells(sites: int) -> Iterator[Integers]:
    """Yield every sublattice of index `sites` once, as the (3, 3) Hermite normal form of its vectors (rows)."""
    for a in range(1, sites + 1):
        if sites % a:
            continue
        for c in range(1, sites // a + 1):
            if (sites // a) % c:
                continue
            f = sites // (a * c)
            for b, d, e in product(range(c), range(f), range(f)):
                yield np.array([[a, b, d], [0, c, e], [0, 0, f]])


def warren_cowley(symbols: Integers, neighbours: Integers, kinds: int) -> Floats:
    """Return the Warren-Cowley parameters of arrangements.

    Parameters
    ----------
    symbols
        Which species sits on each site, shape (arrangements, sites).
    neighbours
        How many neighbours in each shell of each site are images of each site, shape (shells, sites, sites).
    kinds
        Number of species.

    Returns
    -------
    (arrangements, shells, kinds, kinds)
    """
    marked = (symbols[..., None] == np.arange(kinds)).astype(np.float64)
    pairs = np.einsum("dni,snm,dmj->dsij", marked, neighbours.astype(np.float64), marked, optimize=True)
    share = marked.mean(axis=1)
    per_site = neighbours.sum(axis=2)[:, 0].astype(np.float64)
    expected = symbols.shape[1] * share[:, None, :, None] * share[:, None, None, :] * per_site[None, :, None, None]
    return np.asarray(1.0 - pairs / expected)


def quasirandom(
    counts: Mapping[str, int], rng: Generator, *, lattice: str = "bcc", shells: int = 3, starts: int = 4
) -> Quasirandom:
    """Find the most random arrangement of so many atoms of each element.

    Parameters
    ----------
    counts
        Atoms of each element in the cell; two elements or more.
    rng
        Used only where arrangements are too many to try all.
    lattice
        ``"bcc"`` or ``"fcc"``.
    shells
        Neighbour shells that count, the nearest most: weights 1 / s^2 of the root mean square deviation of shell s.
    starts
        Random starts in each cell where not all are tried.

    Raises
    ------
    StudyError
        When there are fewer than two elements, or the lattice is not known.
    """
    elements, numbers = tuple(counts), tuple(counts.values())
    if len(elements) < 2 or min(numbers) < 1 or lattice not in PRIMITIVE:
        raise StudyError(f"quasirandom cell of {dict(counts)} on {lattice!r}: give two elements or more, on bcc or fcc")
    sites, weights = sum(numbers), 1.0 / np.arange(1, shells + 1) ** 2
    primitive, reach = PRIMITIVE[lattice], _shells(PRIMITIVE[lattice], shells)
    kinds = np.repeat(np.arange(len(elements)), numbers)
    few = math.factorial(sites - 1) // math.prod(math.factorial(n) for n in numbers) * numbers[0] <= EXHAUSTIVE
    every = _arrangements(kinds) if few else None
    best: tuple[tuple[float, float], Integers, Integers, Floats] | None = None
    examined = 0
    for form in supercells(sites):
        vectors = _reduced(form @ primitive)
        around = _neighbours(form, reach)
        tried = every if every is not None else _descended(kinds, around, weights, rng, starts)
        alpha = warren_cowley(tried, around, len(elements))
        worth = _deviation(alpha) @ weights
        examined += len(tried)
        lowest = int(np.argmin(np.round(worth, 12)))
        rank = (round(float(worth[lowest]), 12), round(float((vectors**2).sum()), 9))
        if best is None or rank < best[0]:
            best = (rank, form, tried[lowest], alpha[lowest])
    assert best is not None
    _, form, chosen, alpha = best
    symbols = tuple(elements[kind] for kind in chosen)
    places = _sites(form).astype(np.float64) @ primitive
    return Quasirandom(
        symbols, _reduced(form @ primitive), places, elements, alpha, _deviation(alpha[None])[0], examined, few
    )


def _deviation(alpha: Floats) -> Floats:
    return np.asarray(np.sqrt((alpha**2).mean(axis=(2, 3))))


def _shells(primitive: Floats, shells: int) -> list[Integers]:
    """Return the lattice vectors of the nearest shells, in primitive coordinates."""
    span = range(-2 - shells, 3 + shells)
    grid = np.array(list(product(span, repeat=3)))
    squares = np.round(((grid @ primitive) ** 2).sum(axis=1), 9)
    return [grid[squares == square] for square in np.unique(squares)[1 : shells + 1]]


def _sites(form: Integers) -> Integers:
    """Return the sites of a cell in primitive coordinates, shape (n, 3)."""
    a, c, f = np.diag(form)
    return np.array(list(product(range(a), range(c), range(f))))


def _numbers(points: Integers, form: Integers) -> Integers:
    """Return the number of the site of the cell that each point is an image of."""
    a, c, f = (int(n) for n in np.diag(form))
    x, y, z = (np.array(points[..., k]) for k in range(3))
    turns = x // a
    x, y, z = x - turns * a, y - turns * form[0, 1], z - turns * form[0, 2]
    turns = y // c
    y, z = y - turns * c, z - turns * form[1, 2]
    return np.asarray((x * c + y) * f + z % f)


def _neighbours(form: Integers, reach: list[Integers]) -> Integers:
    sites = _sites(form)
    n = len(sites)
    found = np.zeros((len(reach), n, n), dtype=np.int64)
    for s, shell in enumerate(reach):
        numbers = _numbers(sites[:, None, :] + shell[None, :, :], form)
        for site in range(n):
            found[s, site] = np.bincount(numbers[site], minlength=n)
    return found


def _arrangements(kinds: Integers) -> Integers:
    """Return all different arrangements that hold the first species on the first site (the rest are translations)."""
    rows = [[int(kinds[0])]]
    left = [np.bincount(kinds)]
    left[0][kinds[0]] -= 1
    for _ in range(len(kinds) - 1):
        grown = [
            ([*row, kind], spare - (np.arange(len(spare)) == kind))
            for row, spare in zip(rows, left, strict=True)
            for kind in np.flatnonzero(spare).tolist()
        ]
        rows, left = [row for row, _ in grown], [spare for _, spare in grown]
    return np.array(rows)


def _descended(kinds: Integers, around: Integers, weights: Floats, rng: Generator, starts: int) -> Integers:
    """Return arrangements from which no swap of two atoms leads downhill."""
    ended = []
    pairs = [(i, j) for i in range(len(kinds)) for j in range(i)]
    for _ in range(starts):
        now = rng.permutation(kinds)
        height = np.inf
        while True:
            tried = np.repeat(now[None], len(pairs) + 1, axis=0)
            for row, (i, j) in enumerate(pairs):
                tried[row, i], tried[row, j] = now[j], now[i]
            worth = np.round(_deviation(warren_cowley(tried, around, int(kinds.max()) + 1)) @ weights, 12)
            lowest = int(np.argmin(worth))
            if not worth[lowest] < height:
                break
            now, height = tried[lowest], float(worth[lowest])
        ended.append(now)
    return np.array(ended)


def _reduced(vectors: Floats) -> Floats:
    """Return the shortest vectors of the same lattice, right-handed."""
    from ase.geometry import minkowski_reduce

    short = np.asarray(minkowski_reduce(vectors)[0], dtype=np.float64)
    return short if np.linalg.det(short) > 0 else -short
