"""A given arrangement of species on the sites of a perfect lattice: its energy and lattice parameter in microseconds.

First-principles cells of a few atoms are such arrangements before their atoms are let go. With the sites held, a
potential's energy is a sum over neighbour shells, species by species, and costs a hundredth of a relaxation: cheap
enough to stand in a likelihood that is evaluated a million times.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.potential.crystal import CORNERS, FINE, MEANINGLESS, NOWHERE, REACH, shells
from uqmsm.physics.potential.zhou import RE, embedding_at, radial_at

__all__ = ["Arrangement", "Undistorted", "arrangement", "undistorted"]


@dataclass(frozen=True)
class Arrangement:
    """Which species sit where, as seen by every site.

    Parameters
    ----------
    lattice
        ``"bcc"`` or ``"fcc"``.
    species
        Position in the list of elements of the atom on each site, shape (sites,).
    counts
        Neighbours of each species in each shell round each site, shape (sites, shells, n_elements).
    """

    lattice: str
    species: NDArray[np.int64]
    counts: NDArray[np.float64]

    @property
    def composition(self) -> NDArray[np.float64]:
        """Return the mole fractions, shape (n_elements,)."""
        return np.bincount(self.species, minlength=self.counts.shape[2]) / len(self.species)


def arrangement(lattice: str, vectors: ArrayLike, places: ArrayLike, species: ArrayLike, elements: int) -> Arrangement:
    """Return the neighbours of every site of a periodic cell.

    Parameters
    ----------
    lattice
        ``"bcc"`` or ``"fcc"``.
    vectors
        Cell vectors as rows, in units of the cubic lattice parameter, shape (3, 3); each a vector of the lattice.
    places
        Positions in the same unit, shape (sites, 3); each a site of the lattice.
    species
        Position in the list of elements, shape (sites,).
    elements
        Length of that list.

    Raises
    ------
    StudyError
        When cell vectors or places are no lattice sites, or the number of places does not fill the cell.
    """
    of = shells(lattice)
    cell, at, kinds = np.asarray(vectors, dtype=float), np.asarray(places, dtype=float), np.asarray(species, dtype=int)
    sites = of.atoms * abs(np.linalg.det(cell))
    if not _on_lattice(lattice, np.concatenate([cell, at - at[0]])) or abs(sites - len(at)) > 1e-6:
        raise StudyError(
            f"{len(at)} places in a cell of {sites:.3g} {lattice} sites: give cell vectors and places on the sites of "
            "one undistorted lattice, in units of its cubic lattice parameter, one place a site"
        )
    inverse = np.linalg.inv(cell)
    known = {_key(row @ inverse, len(at)): i for i, row in enumerate(at)}
    counts = np.zeros((len(at), len(of.distance), elements))
    for vector, shell in _neighbours(lattice):
        for site, row in enumerate(at):
            counts[site, shell, kinds[known[_key((row + vector) @ inverse, len(at))]]] += 1.0
    return Arrangement(lattice, kinds.astype(np.int64), counts)


def _key(fraction: NDArray[np.float64], sites: int) -> tuple[int, ...]:
    """Return the place in the cell as whole numbers: fractions of a cell of n sites are multiples of 1 / 2n or so."""
    steps = 4 * 6 * sites
    return tuple(int(x) % steps for x in np.rint(fraction * steps))


def _on_lattice(lattice: str, vectors: NDArray[np.float64]) -> bool:
    halves = 2.0 * vectors
    whole = np.rint(halves).astype(int)
    corners = np.array(CORNERS[lattice])
    known = {tuple(corner % 2) for corner in corners}
    return bool(np.abs(halves - whole).max() < 1e-6) and all(tuple(row % 2) in known for row in whole)


def _neighbours(lattice: str) -> list[tuple[NDArray[np.float64], int]]:
    """Return every neighbour vector within `REACH` (units of the lattice parameter) with the number of its shell."""
    of = shells(lattice)
    corners = np.array(CORNERS[lattice])
    size = int(np.ceil(REACH)) + 1
    grid = 2 * np.stack(np.meshgrid(*3 * [np.arange(-size, size + 1)], indexing="ij"), axis=-1).reshape(-1, 1, 3)
    vectors = (grid + corners).reshape(-1, 3) / 2.0
    distance = np.sqrt((vectors**2).sum(axis=1))
    found = []
    for vector, r in zip(vectors, distance, strict=True):
        shell = int(np.argmin(np.abs(of.distance - r)))
        if abs(of.distance[shell] - r) < 1e-9:
            found.append((vector, shell))
    return found


@dataclass(frozen=True)
class Undistorted:
    """Equilibrium of an arrangement with its atoms held on the sites, for many draws.

    Parameters
    ----------
    lattice_parameter
        In angstrom, shape (draws,).
    energy
        In eV per atom, shape (draws,).
    status
        Index into `crystal.STATUS`; where it is not 0 the numbers are NaN.
    """

    lattice_parameter: NDArray[np.float64]
    energy: NDArray[np.float64]
    status: NDArray[np.int8]


@njit(cache=True)
def _energy_at(
    rows: NDArray[np.float64],
    distance: NDArray[np.float64],
    species: NDArray[np.int64],
    counts: NDArray[np.float64],
    present: NDArray[np.bool_],
    radial: NDArray[np.float64],
    a: float,
) -> tuple[float, float, float]:
    """Return E, dE/da and d2E/da2 in eV per atom; `radial` is room for (n_elements, shells, 6)."""
    for b in range(rows.shape[0]):
        if not present[b]:
            continue
        for k in range(distance.size):
            d, d1, d2, p, p1, p2 = radial_at(rows[b], distance[k] * a)
            q = p / d  # with Johnson's rule phi_ab = (f_b q_a + f_a q_b) / 2, q = phi_aa / f_a
            q1 = (p1 - q * d1) / d
            radial[b, k, 0], radial[b, k, 1], radial[b, k, 2] = d, d1, d2
            radial[b, k, 3], radial[b, k, 4] = q, q1
            radial[b, k, 5] = (p2 - 2.0 * q1 * d1 - q * d2) / d
    e = e1 = e2 = 0.0
    for i in range(species.size):
        own = species[i]
        rho = rho1 = rho2 = 0.0
        for k in range(distance.size):
            s = distance[k]
            g, g1, g2 = radial[own, k, 0], radial[own, k, 1], radial[own, k, 2]
            h, h1, h2 = radial[own, k, 3], radial[own, k, 4], radial[own, k, 5]
            for b in range(rows.shape[0]):
                n = counts[i, k, b]
                if n == 0.0:
                    continue
                f, f1, f2 = radial[b, k, 0], radial[b, k, 1], radial[b, k, 2]
                q, q1, q2 = radial[b, k, 3], radial[b, k, 4], radial[b, k, 5]
                rho += n * f
                rho1 += n * s * f1
                rho2 += n * s * s * f2
                e += 0.25 * n * (f * h + g * q)
                e1 += 0.25 * n * s * (f1 * h + f * h1 + g1 * q + g * q1)
                e2 += 0.25 * n * s * s * (f2 * h + 2.0 * f1 * h1 + f * h2 + g2 * q + 2.0 * g1 * q1 + g * q2)
        F, F1, F2 = embedding_at(rows[own], rho)
        e += F
        e1 += F1 * rho1
        e2 += F1 * rho2 + F2 * rho1 * rho1
    atoms = species.size
    return e / atoms, e1 / atoms, e2 / atoms


@njit(cache=True)
def _settle_arrangement(
    values: NDArray[np.float64],
    distance: NDArray[np.float64],
    species: NDArray[np.int64],
    counts: NDArray[np.float64],
    out: NDArray[np.float64],
    status: NDArray[np.int8],
) -> None:
    radial = np.empty((values.shape[1], distance.size, 6))
    present = np.zeros(values.shape[1], dtype=np.bool_)
    for i in range(species.size):
        present[species[i]] = True
    for m in range(values.shape[0]):
        out[m, 0], out[m, 1] = np.nan, np.nan
        nearest = 0.0
        for i in range(species.size):
            nearest += values[m, species[i], RE] / species.size
        start = nearest / distance[0]
        status[m] = MEANINGLESS
        if not (np.isfinite(start) and start > 0.0):
            continue
        a, low, high = start, 0.75 * start, 1.25 * start
        status[m] = NOWHERE
        for _ in range(100):
            e, e1, e2 = _energy_at(values[m], distance, species, counts, present, radial, a)
            if not np.isfinite(e1):
                status[m] = MEANINGLESS
                break
            if e1 < 0.0:
                low = a
            else:
                high = a
            step = -e1 / e2 if e2 > 0.0 else np.inf
            if not low <= a + step <= high:
                step = 0.5 * (low + high) - a
            if abs(step) <= 1e-6 * a:  # Newton's next step would be its square
                inside = 0.7501 * start < a < 1.2499 * start
                if inside and e2 > 0.0:
                    out[m, 0], out[m, 1], status[m] = a + step, e + 0.5 * e1 * step, FINE
                break
            a += step


def undistorted(values: NDArray[np.float64], of: Arrangement) -> Undistorted:
    """Return lattice parameter and energy of an arrangement at rest on perfect sites, for every draw of the parameters.

    Parameters
    ----------
    values
        Shape ``(draws, n_elements, n_columns)``.
    of
        The arrangement.
    """
    flat = np.array(values, dtype=np.float64, order="C")
    out, status = np.empty((len(flat), 2)), np.empty(len(flat), dtype=np.int8)
    _settle_arrangement(flat, shells(of.lattice).distance, of.species, of.counts, out, status)
    return Undistorted(out[:, 0], out[:, 1], status)
