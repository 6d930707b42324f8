"""Where atoms do not follow the strain of their crystal: the share of stiffness this costs, and who deviates how far.

Under a small strain e an atom moves affinely and by u_i = sum_a e_a u_i,a on top, the answer to the forces Xi_a that
affine motion raises (Lutsko, J. Appl. Phys. 65, 2991, 1989; Lemaitre & Maloney, J. Stat. Phys. 123, 415, 2006). What
the Cauchy-Born rule gets wrong follows from Xi and u exactly, atom by atom, as quadratic forms of the strain: no
finite strain is applied. `squared_deviation` measures the same on any two crystals (Falk & Langer, Phys. Rev. E 57,
7192, 1998), so that departure from the elastic answer can be seen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import eigh

from uqmsm.errors import StudyError, Unstable
from uqmsm.physics.atomistic.elastic import Elasticity
from uqmsm.physics.atomistic.neighbours import Ints, Longs, Neighbours, half_list
from uqmsm.physics.atomistic.relax import Crystal, Relaxed

__all__ = [
    "Contacts",
    "Deviations",
    "NonAffinity",
    "contacts",
    "deviations",
    "equivalent_strain",
    "nonaffinity",
    "softened",
    "squared_deviation",
]

Floats = NDArray[np.float64]

_compiled = njit(cache=True, error_model="numpy", fastmath={"contract"})  # see eam.py for why this is safe


@dataclass(frozen=True)
class Contacts:
    """Who counts as a neighbour when affine motion is fitted around an atom: pairs of a reference crystal, each once.

    Attributes
    ----------
    first, other, image, shifts
        As in `Neighbours`, closer than the radius only.
    vectors
        (pairs, 3) from the first to the second atom in the reference (A).
    count
        (n,) neighbours of each atom.
    nearest
        Mean distance to the nearest neighbour (A).
    """

    first: Longs
    other: Ints
    image: Ints
    shifts: Longs
    vectors: Floats
    count: Longs
    nearest: float


def _vectors(crystal: Crystal, first: Longs, other: Ints, image: Ints, shifts: Longs) -> tuple[Longs, Floats]:
    """Return the first atom of every pair, and the vectors from it to the second."""
    here = np.repeat(np.arange(len(first) - 1), np.diff(first))
    return here, crystal.positions[other] + (shifts @ crystal.cell)[image] - crystal.positions[here]


def contacts(reference: Crystal, radius_A: float, neighbours: Neighbours | None = None) -> Contacts:
    """Collect the neighbours within a radius of a reference crystal.

    Parameters
    ----------
    reference
        The relaxed crystal before strain; not the ideal lattice, or static distortion would count as motion.
    radius_A
        Radius.
    neighbours
        A list with at least this reach; built when absent.

    Raises
    ------
    StudyError
        When an atom has fewer than three neighbours: no strain can be fitted.
    """
    if neighbours is None or not neighbours.serves(reference.positions, reference.cell, radius_A):
        neighbours = half_list(reference.positions, reference.cell, radius_A, 0.0)
    here, vectors = _vectors(reference, neighbours.first, neighbours.other, neighbours.image, neighbours.shifts)
    lengths = np.sqrt((vectors**2).sum(axis=1))
    near = lengths < radius_A
    n = len(reference.species)
    first = np.zeros(n + 1, dtype=np.int64)
    np.cumsum(np.bincount(here[near], minlength=n), out=first[1:])
    other = neighbours.other[near]
    count = np.bincount(here[near], minlength=n) + np.bincount(other, minlength=n)
    if count.min() < 3:
        raise StudyError(f"an atom has {count.min()} neighbours within {radius_A:.2f} A; take a larger radius")
    nearest = np.full(n, np.inf)
    np.minimum.at(nearest, here[near], lengths[near])
    np.minimum.at(nearest, other, lengths[near])
    return Contacts(
        first, other, neighbours.image[near], neighbours.shifts, vectors[near], count, float(nearest.mean())
    )


@_compiled
def _residuals(first: Longs, other: Ints, old: Floats, new: Floats, shape: Floats, forms: Floats) -> None:
    """Fill sum_j r_a . r_b per atom, with r_a what is left of `new[a]` (vectors of pairs) after the best linear map."""
    n, k = shape.shape[0], new.shape[0]
    moments = np.zeros((n, k, 3, 3))
    shape[:] = 0.0
    forms[:] = 0.0
    for i in range(n):
        for p in range(first[i], first[i + 1]):
            for atom in (i, np.int64(other[p])):  # a pair seen from its other end changes both signs
                for c in range(3):
                    for d in range(3):
                        shape[atom, c, d] += old[p, c] * old[p, d]
                for a in range(k):
                    for c in range(3):
                        for d in range(3):
                            moments[atom, a, c, d] += new[a, p, c] * old[p, d]
    inverse = np.empty((n, 3, 3))
    for i in range(n):
        inverse[i] = np.linalg.inv(shape[i])
    left = np.empty((k, 3))
    for i in range(n):
        for p in range(first[i], first[i + 1]):
            for atom in (i, np.int64(other[p])):
                for a in range(k):
                    for c in range(3):
                        left[a, c] = new[a, p, c]
                        for d in range(3):
                            along = 0.0
                            for e in range(3):
                                along += inverse[atom, d, e] * old[p, e]
                            left[a, c] -= moments[atom, a, c, d] * along
                for a in range(k):
                    for b in range(a + 1):
                        forms[atom, a, b] += left[a, 0] * left[b, 0] + left[a, 1] * left[b, 1] + left[a, 2] * left[b, 2]
    for a in range(k):
        for b in range(a):
            forms[:, b, a] = forms[:, a, b]


def squared_deviation(near: Contacts, current: Crystal) -> Floats:
    """Return D2min (n,) in A^2: what is left of the motion of each atom's neighbours after the best linear map.

    Parameters
    ----------
    near
        Contacts of the reference.
    current
        The same atoms after deformation, cell vectors deformed with them (not reduced, atoms not folded back).
    """
    _, vectors = _vectors(current, near.first, near.other, near.image, near.shifts)
    n = len(near.count)
    forms = np.empty((n, 1, 1))
    _residuals(near.first, near.other, near.vectors, vectors[None], np.empty((n, 3, 3)), forms)
    return forms[:, 0, 0]


def equivalent_strain(strains: ArrayLike) -> float:
    """Return sqrt(2/3 e:e) of six strains (engineering shears): von Mises' measure where volume is kept.

    Raises
    ------
    StudyError
        When all strains vanish.
    """
    e = np.asarray(strains, dtype=np.float64)
    value = float(np.sqrt((e[:3] @ e[:3] + 0.5 * e[3:] @ e[3:]) * 2.0 / 3.0))
    if not value > 0.0:
        raise StudyError("non-affine motion is measured under a strain; give one that is not zero")
    return value


@dataclass(frozen=True)
class Deviations:
    """D2min of every atom as a quadratic form of small strains.

    Attributes
    ----------
    forms
        (n, 6, 6) A^2.
    count, nearest
        Neighbours of each atom and mean nearest distance (A).
    """

    forms: Floats
    count: Longs
    nearest: float

    def squared(self, strains: ArrayLike) -> Floats:
        """Return D2min (n,) in A^2 under six small strains."""
        e = np.asarray(strains, dtype=np.float64)
        return np.asarray(np.maximum(np.einsum("iab,a,b->i", self.forms, e, e), 0.0))

    def plateau(self, strains: ArrayLike) -> Floats:
        """Return chi (n,) = sqrt(D2min / neighbours) / (nearest distance x equivalent strain), while elastic.

        It depends on the direction of the strain and not on its size: what exceeds it at a finite strain has left the
        elastic answer.
        """
        return np.asarray(np.sqrt(self.squared(strains) / self.count) / (self.nearest * equivalent_strain(strains)))

    def mean_plateau(self) -> Floats:
        """Return chi (n,) as a root mean square over all strains that keep the volume, whatever their direction."""
        squares = np.mean([self.plateau(one) ** 2 for one in _ISOCHORIC], axis=0)
        return np.asarray(np.sqrt(squares))


# five orthogonal strains of one equivalent strain: the mean of a quadratic form over their sphere is that over them
_ISOCHORIC = np.zeros((5, 6))
_ISOCHORIC[0, :3] = np.array([2.0, -1.0, -1.0]) / np.sqrt(3.0)
_ISOCHORIC[1, :3] = 0.0, 1.0, -1.0
_ISOCHORIC[2:, 3:] = 2.0 * np.eye(3)


def deviations(
    reference: Crystal, answer: Floats, neighbours: Neighbours | None = None, radius_A: float | None = None
) -> Deviations:
    """Return D2min of every atom from displacements (6, n, 3) in answer to unit strains.

    `neighbours` and `radius_A` as in `contacts`. When absent the radius is 1.42 times the cube root of the volume per
    atom, which holds the first two shells of bcc and the first of fcc.
    """
    if radius_A is None:
        radius_A = 1.42 * float(np.cbrt(reference.volume / len(reference.species)))
    near = contacts(reference, radius_A, neighbours)
    here = np.repeat(np.arange(len(near.count)), np.diff(near.first))
    relative = np.ascontiguousarray(answer[:, near.other] - answer[:, here])
    forms = np.empty((len(near.count), 6, 6))
    _residuals(near.first, near.other, near.vectors, relative, np.empty((len(near.count), 3, 3)), forms)
    return Deviations(forms, near.count, near.nearest)


def softened(born: Floats, relaxed: Floats) -> Floats:
    """Return the shares (6,), ascending, of affine stiffness that the atoms' answer takes back in its eigenstrains.

    Eigenvalues of C_born - C relative to C_born, which do not depend on how strains are written or axes lie; the
    largest is eta.

    Raises
    ------
    Unstable
        When the affine stiffness is not positive definite: no share of it has a meaning.
    """
    try:
        return np.asarray(eigh(born - relaxed, born, eigvals_only=True))
    except np.linalg.LinAlgError:
        least = np.linalg.eigvalsh(born)[0]
        raise Unstable(
            f"the affine stiffness has an eigenvalue of {least:.2f} GPa: the crystal is unstable before its atoms "
            "answer; this potential does not hold this crystal"
        ) from None


@dataclass(frozen=True)
class NonAffinity:
    """How a crystal at rest departs from affine motion, to first order in the strain.

    Attributes
    ----------
    fractions
        (6,) of `softened`; between 0 and 1 in a stable crystal.
    gaps
        (n, 6, 6) eV: quadratic forms of the strain, each atom's part of the softening. They sum to V (C_born - C), and
        half their value at a strain is the energy by which Cauchy-Born errs there.
    deviations
        D2min of every atom.
    pull, answer
        (6, n, 3) forces of affine motion (eV/A) and displacements in answer (A) per unit strain.
    """

    fractions: Floats
    gaps: Floats
    deviations: Deviations
    pull: Floats
    answer: Floats

    @property
    def fraction(self) -> float:
        """The largest of `fractions`: eta."""
        return float(self.fractions[-1])

    def energy_gap(self, strains: ArrayLike) -> Floats:
        """Return each atom's share (n,) in eV of the energy by which affine motion errs under six small strains."""
        e = np.asarray(strains, dtype=np.float64)
        return np.asarray(0.5 * np.einsum("iab,a,b->i", self.gaps, e, e))


def nonaffinity(rest: Relaxed, elastic: Elasticity, *, radius_A: float | None = None) -> NonAffinity:
    """Measure the non-affine answer of a crystal at rest.

    Parameters
    ----------
    rest, elastic
        The crystal and its stiffness (`elasticity`).
    radius_A
        Of the neighbourhoods of D2min (`deviations`).

    Raises
    ------
    Unstable
        When the affine stiffness is not positive definite.
    """
    work = np.einsum("anc,bnc->nab", elastic.pull, elastic.answer)
    return NonAffinity(
        softened(elastic.born, elastic.relaxed),
        0.5 * (work + work.transpose(0, 2, 1)),
        deviations(rest.crystal, elastic.answer, rest.neighbours, radius_A),
        elastic.pull,
        elastic.answer,
    )
