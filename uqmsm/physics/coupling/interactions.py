"""What a site's energy is and how it bends: embedded atoms, pairs and springs behind one call.

A site's energy is a function of the vectors to its neighbours, V(r_1 .. r_K). Every coupling in this room needs it, its
slope and its curvature and nothing else: an atom is a site whose vectors come from the positions of atoms, a finite
element is a site whose vectors are F times the hops of the lattice. Curvature is kept as one block per bond and one
dyad per site: V'' = sum_k block_k + bend fan fan^T.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "EmbeddedAtoms",
    "Interaction",
    "SiteResponse",
    "Springs",
    "crystal_site",
    "lennard_jones",
    "morse",
    "radial_response",
    "shortened",
    "toy_eam",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Radial = Callable[[Floats], tuple[Floats, Floats, Floats]]


@dataclass(frozen=True)
class SiteResponse:
    """Energy of P sites with its first and second derivatives in the bond vectors.

    Attributes
    ----------
    energy
        (P,).
    slope
        (P, K, d) dV/dr_k.
    block
        (P, K, d, d) part of d2V/dr_k dr_k of each bond alone.
    fan, bend
        (P, K, d) and (P,): the rest of the curvature is bend_p fan_pk fan_pl^T.
    """

    energy: Floats
    slope: Floats
    block: Floats
    fan: Floats
    bend: Floats


class Interaction(Protocol):
    """A site energy."""

    def __call__(
        self, vectors: Floats, present: Bools, who: Ints | None = None, whom: Ints | None = None
    ) -> SiteResponse:
        """Evaluate P sites with the vectors (P, K, d) to their neighbours.

        Parameters
        ----------
        vectors
            Bond vectors, in the order of the hops of the lattice.
        present
            (P, K) which neighbours exist.
        who, whom
            (P,) and (P, K) kinds of the sites and of their neighbours (what a kind is, the interaction says); left out
            where all are alike.
        """


@dataclass(frozen=True)
class EmbeddedAtoms:
    """V = 1/2 sum phi(r_k) + U(sum rho(r_k)), one kind of atom.

    Parameters
    ----------
    pair, density
        Radial functions: distances -> value, first and second derivative.
    embedding
        Density -> value, first and second derivative; none for pairs alone.
    """

    pair: Radial
    density: Radial | None = None
    embedding: Radial | None = None

    def __call__(
        self, vectors: Floats, present: Bools, who: Ints | None = None, whom: Ints | None = None
    ) -> SiteResponse:
        """Evaluate sites (see `Interaction`); kinds are ignored."""
        safe = np.where(present[..., None], vectors, _FAR)
        r = np.sqrt((safe**2).sum(axis=-1))
        phi = np.array(self.pair(r)) * present
        if self.density is None or self.embedding is None:
            return radial_response(safe, r, phi, np.zeros_like(phi), np.zeros((3, len(r))))
        rho = np.array(self.density(r)) * present
        return radial_response(safe, r, phi, rho, np.array(self.embedding(rho[0].sum(axis=1))))


_FAR = 1.0
"""Components of the vector to a neighbour that does not exist: any distance at which functions are finite."""


def radial_response(vectors: Floats, r: Floats, phi: Floats, rho: Floats, embedding: Floats) -> SiteResponse:
    """Return the response of sites of the embedded-atom form.

    Parameters
    ----------
    vectors, r
        (P, K, d) and (P, K).
    phi, rho
        (3, P, K) values, first and second derivatives of pair energy and density, zero where there is no neighbour.
    embedding
        (3, P) energy of embedding and its derivatives at the density of each site.
    """
    n = vectors / r[..., None]
    t = 0.5 * phi[1] + embedding[1, :, None] * rho[1]
    s = 0.5 * phi[2] + embedding[1, :, None] * rho[2]
    across = t / r
    block = (s - across)[..., None, None] * (n[..., :, None] * n[..., None, :])
    block += across[..., None, None] * np.eye(vectors.shape[-1])
    energy = 0.5 * phi[0].sum(axis=1) + embedding[0]
    return SiteResponse(energy, t[..., None] * n, block, rho[1][..., None] * n, embedding[2])


@dataclass(frozen=True)
class Springs:
    """Springs: V = 1/2 sum_k [tension_k (|r_k| - length_k) + stiffness_k (|r_k| - length_k)^2 / 2].

    Parameters
    ----------
    length
        (K,) of the hops.
    stiffness
        (K,), or (kinds, K) when the kind of a site (`who`) says which row its bonds obey. Both ends of a bond must be
        given the same number.
    tension
        (K,) at `length`.
    """

    length: Floats
    stiffness: Floats
    tension: Floats

    def __call__(
        self, vectors: Floats, present: Bools, who: Ints | None = None, whom: Ints | None = None
    ) -> SiteResponse:
        """Evaluate sites (see `Interaction`)."""
        k = self.stiffness if self.stiffness.ndim == 1 else self.stiffness[who]
        here = present.astype(np.float64)
        safe = np.where(present[..., None], vectors, _FAR)
        r = np.sqrt((safe**2).sum(axis=-1))
        n, stretch = safe / r[..., None], r - self.length
        energy = 0.5 * here * (self.tension * stretch + 0.5 * k * stretch**2)
        slope = 0.5 * here * (self.tension + k * stretch)
        across = slope / r
        block = (0.5 * here * k - across)[..., None, None] * (n[..., :, None] * n[..., None, :])
        block += across[..., None, None] * np.eye(vectors.shape[-1])
        return SiteResponse(
            energy.sum(axis=1), slope[..., None] * n, block, np.zeros_like(vectors), np.zeros(len(vectors))
        )


def morse(steepness: float, depth: float = 1.0, bond: float = 1.0) -> Radial:
    """Return Morse's pair energy, depth [exp(-2 a (r - bond)) - 2 exp(-a (r - bond))]."""

    def pair(r: Floats) -> tuple[Floats, Floats, Floats]:
        e = np.exp(-steepness * (r - bond))
        slope = -2.0 * steepness * depth * (e * e - e)
        return depth * (e * e - 2.0 * e), slope, 2.0 * steepness**2 * depth * (2.0 * e * e - e)

    return pair


def lennard_jones(bond: float = 1.0, depth: float = 1.0) -> Radial:
    """Return depth [(bond / r)^12 - 2 (bond / r)^6]."""

    def pair(r: Floats) -> tuple[Floats, Floats, Floats]:
        x = (bond / r) ** 6
        return depth * (x * x - 2.0 * x), -12.0 * depth * (x * x - x) / r, depth * (156.0 * x * x - 84.0 * x) / r**2

    return pair


def toy_eam(pair_steepness: float = 4.0, density_decay: float = 3.0, strength: float = 10.0) -> EmbeddedAtoms:
    """Return the embedded atom of the published two-dimensional benchmarks.

    phi = exp(-2 a (r - 1)) - 2 exp(-a (r - 1)), rho = exp(-b r), U = c [(t - t0)^2 + (t - t0)^4], t0 = 6 rho(0.9): the
    model of C. Ortner and L. Zhang, SIAM J. Numer. Anal. 50, 2940 (2012), and of the works on blending that follow it.
    """
    start = 6.0 * float(np.exp(-0.9 * density_decay))

    def density(r: Floats) -> tuple[Floats, Floats, Floats]:
        e = np.exp(-density_decay * r)
        return e, -density_decay * e, density_decay**2 * e

    def embedding(t: Floats) -> tuple[Floats, Floats, Floats]:
        x = t - start
        return strength * (x**2 + x**4), strength * (2.0 * x + 4.0 * x**3), strength * (2.0 + 12.0 * x**2)

    return EmbeddedAtoms(morse(pair_steepness), density, embedding)


def shortened(atom: EmbeddedAtoms, start: float, end: float) -> EmbeddedAtoms:
    """Return an embedded atom whose pair energy and density fade from a distance `start` on and vanish at `end`.

    By a quintic: energies have continuous curvature, and neighbours may come and go.
    """

    def fading(function: Radial) -> Radial:
        def faded(r: Floats) -> tuple[Floats, Floats, Floats]:
            x = np.clip((end - r) / (end - start), 0.0, 1.0)
            s = x**3 * (10.0 - 15.0 * x + 6.0 * x**2)
            ds = -30.0 * x**2 * (1.0 - x) ** 2 / (end - start)
            dds = 60.0 * x * (1.0 - x) * (1.0 - 2.0 * x) / (end - start) ** 2
            f, df, ddf = function(r)
            return f * s, df * s + f * ds, ddf * s + 2.0 * df * ds + f * dds

        return faded

    return EmbeddedAtoms(fading(atom.pair), None if atom.density is None else fading(atom.density), atom.embedding)


def crystal_site(interaction: Interaction, hops: ArrayLike, F: ArrayLike) -> SiteResponse:
    """Evaluate the site of perfect crystals whose hops (K, d) are deformed by F (m, d, d)."""
    vectors = np.einsum("mij,kj->mki", np.asarray(F), np.asarray(hops))
    return interaction(vectors, np.ones(vectors.shape[:2], dtype=bool))
