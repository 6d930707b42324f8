"""A supercell under a finite strain: its law for a continuum above it, and how far its atoms have left that law.

Strains are small-strain measures of a component, written as stretches U = 1 + e of the crystal at rest: the energy per
reference volume W(e), the stress T = dW/de that is conjugate to it (the symmetric part of the first Piola stress) and
the tangent dT/de, atoms at rest under every strain. In a film the strain out of the plane follows from no stress there.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import Unstable
from uqmsm.physics.atomistic.condensed import condensed
from uqmsm.physics.atomistic.eam import GPA_A3_PER_EV, evaluate
from uqmsm.physics.atomistic.elastic import Elasticity, elasticity
from uqmsm.physics.atomistic.neighbours import half_list
from uqmsm.physics.atomistic.nonaffine import (
    Contacts,
    Deviations,
    contacts,
    deviations,
    equivalent_strain,
    softened,
    squared_deviation,
)
from uqmsm.physics.atomistic.relax import Crystal, Relaxed, relax, strain_matrix
from uqmsm.physics.atomistic.response import stiffen
from uqmsm.physics.atomistic.splines import Potential

__all__ = ["Signs", "StrainedCell", "Supercell", "least_acoustic", "supercell"]

Floats = NDArray[np.float64]

_IN = np.array([0, 1, 5])
_OUT = np.array([2, 3, 4])
_UNIT = np.array([strain_matrix(one) for one in np.eye(6)])
_FORCE_eV_per_A = 1e-5
_STRESS_GPa = 1e-3
_MOST_ROUNDS = 12
_MOST_AT_ONCE = 150
"""Atoms of a block up to which factorizing their stiffness is cheaper than asking it load by load."""
_MOST_FOLLOWED = 8
_SHORT_A = 0.1
"""Longest way of an atom in one step that still counts as following; beyond, a guarded descent looks for the way."""
_SKIN_A = 0.8
_FAR = 3.0
"""How far an atom may get, in distances to its nearest neighbour: rearrangement is an answer here, not a failure."""


@dataclass(frozen=True)
class Signs:
    """How far a strained cell has left the elastic answer of its crystal at rest.

    Attributes
    ----------
    eta
        Largest share of affine stiffness that non-affine motion takes back, at this strain; above one where the
        stiffness that is left is no longer positive.
    chi_ratio
        Non-affine motion over its elastic plateau: the largest over all atoms, each together with its neighbours, so
        that one atom alone is no event.
    acoustic
        Least eigenvalue of the acoustic tensor over that at rest; negative where a wave grows.
    """

    eta: float
    chi_ratio: float
    acoustic: float


@dataclass(frozen=True)
class StrainedCell:
    """A supercell at rest under a strain.

    Attributes
    ----------
    strain
        (6,) e = U - 1, engineering shears; the parts out of the plane are those that carry no stress.
    energy
        Energy per reference volume above that at rest, GPa.
    stress
        (3,) T of xx, yy, xy in GPa.
    tangent
        (3, 3) dT/de in GPa, the strain out of the plane eliminated.
    rest, elastic
        The crystal, and its stiffness there.
    """

    strain: Floats
    energy: float
    stress: Floats
    tangent: Floats
    rest: Relaxed
    elastic: Elasticity


@dataclass(frozen=True, eq=False)
class Supercell:
    """A periodic block of atoms, at rest and free of stress, from which strains count.

    Attributes
    ----------
    potential
        Of its atoms.
    rest, elastic
        The crystal, and its stiffness there.
    """

    potential: Potential
    rest: Relaxed
    elastic: Elasticity

    @cached_property
    def near(self) -> Contacts:
        """Who counts as a neighbour."""
        return contacts(self.rest.crystal, 1.42 * float(np.cbrt(self.rest.crystal.volume / self.atoms)))

    @cached_property
    def plateau(self) -> Deviations:
        """Non-affine motion while elastic."""
        return deviations(self.rest.crystal, self.elastic.answer, self.rest.neighbours)

    @property
    def atoms(self) -> int:
        """Number of atoms."""
        return len(self.rest.crystal.species)

    @property
    def virgin(self) -> StrainedCell:
        """Return the cell without strain."""
        return StrainedCell(np.zeros(6), 0.0, np.zeros(3), _condensed(self.elastic.relaxed)[0], self.rest, self.elastic)

    def strained(self, strain: Floats, start: StrainedCell | None = None) -> StrainedCell:
        """Bring the cell to rest under three strains in the plane.

        Parameters
        ----------
        strain
            (3,) xx, yy and engineering shear xy.
        start
            Where the atoms come from; what they have done there they keep. The crystal at rest when left out.

        Raises
        ------
        Unstable
            When the atoms find no rest, or the crystal no strain without stress out of the plane.
        """
        now = start or self.virgin
        whole = now.strain.copy()
        whole[_IN] = strain
        stiffness = _tangent(now.strain, now.rest.stress, now.elastic.relaxed, self._share(now.rest.crystal))[1]
        whole[_OUT] -= _solved(stiffness[np.ix_(_OUT, _OUT)], stiffness[np.ix_(_OUT, _IN)] @ (strain - now.strain[_IN]))
        found = self._followed(now, whole) if self.atoms <= _MOST_AT_ONCE else None
        return found or self._guarded(now, whole)

    def _followed(self, now: StrainedCell, whole: Floats) -> StrainedCell | None:
        """Follow the atoms by Newton's method in positions and thickness at once; none where they go no easy way.

        The start is where the last answer to strain foretells them. As long as every step is short and ends in a
        minimum this is the state that a slow pull would reach.
        """
        crystal = self._carried(now.rest.crystal, now.strain, whole, now.elastic.answer)
        neighbours, bonds, stiffness = now.rest.neighbours, None, None
        for count in range(_MOST_FOLLOWED):
            if not neighbours.serves(crystal.positions, crystal.cell, self.potential.cutoff):
                neighbours = half_list(crystal.positions, crystal.cell, self.potential.cutoff, _SKIN_A)
                bonds = stiffness = None
            seen = evaluate(self.potential, crystal.species, crystal.positions, crystal.cell, neighbours, reuse=bonds)
            bonds = seen.bonds
            stiffness = stiffen(self.potential, crystal.species, bonds, stiffness)
            answer = condensed(stiffness, seen.forces)
            if answer is None:
                return None
            to_gpa = GPA_A3_PER_EV / crystal.volume
            stress, force = seen.virial * to_gpa, float(np.abs(seen.forces).max())
            T, tangent = _tangent(whole, stress + answer.gained * to_gpa, answer.relaxed * to_gpa, self._share(crystal))
            if force < _FORCE_eV_per_A and np.abs(T[_OUT]).max() < _STRESS_GPa:
                rest = Relaxed(crystal, seen.energy, force, 0.0, stress, count, 0, neighbours, stiffness)
                elastic = Elasticity(
                    answer.relaxed * to_gpa, answer.born * to_gpa, answer.born, 6, answer.pull, answer.answer
                )
                return self._told(whole, rest, elastic)
            if np.abs(answer.settled).max() > _SHORT_A:
                return None
            before, whole = whole, whole.copy()
            whole[_OUT] -= _solved(tangent[np.ix_(_OUT, _OUT)], T[_OUT])
            crystal = self._carried(crystal, before, whole, answer.answer, answer.settled)
        return None

    def _carried(
        self, crystal: Crystal, before: Floats, after: Floats, answer: Floats, more: Floats | None = None
    ) -> Crystal:
        """Carry atoms from one strain to another, with the answer (6, n, 3) that they give to a small one."""
        cell = self.rest.crystal.cell @ (np.eye(3) + strain_matrix(after))
        map_ = np.linalg.solve(crystal.cell, cell)
        s = 0.5 * (map_ + map_.T) - np.eye(3)
        moved = np.tensordot(_flat(s[None])[0], answer, axes=1)
        return Crystal(crystal.species, crystal.positions @ map_ + (moved if more is None else moved + more), cell)

    def _guarded(self, now: StrainedCell, whole: Floats) -> StrainedCell:
        """Bring the cell to rest by descents that may go far, one for every trial of the strain out of the plane."""
        crystal = now.rest.crystal
        for _ in range(_MOST_ROUNDS):
            rest = self._at(crystal, whole)
            elastic = elasticity(rest)
            stress, stiffness = _tangent(whole, rest.stress, elastic.relaxed, self._share(rest.crystal))
            if np.abs(stress[_OUT]).max() < _STRESS_GPa:
                return self._told(whole, rest, elastic)
            crystal = rest.crystal
            step = _solved(stiffness[np.ix_(_OUT, _OUT)], stress[_OUT])
            whole = whole.copy()
            whole[_OUT] -= step * min(1.0, 0.02 / float(np.abs(step).max()))
        raise Unstable(
            f"a film of {self.atoms} atoms under strains {np.round(whole[_IN], 4).tolist()} finds no strain without "
            f"stress out of the plane ({np.abs(stress[_OUT]).max():.1e} GPa left); it has no stable thickness there"
        )

    def _told(self, whole: Floats, rest: Relaxed, elastic: Elasticity) -> StrainedCell:
        stress, stiffness = _tangent(whole, rest.stress, elastic.relaxed, self._share(rest.crystal))
        energy = (rest.energy - self.rest.energy) / self.rest.crystal.volume * GPA_A3_PER_EV
        return StrainedCell(whole, energy, stress[_IN], _condensed(stiffness)[0], rest, elastic)

    def _share(self, crystal: Crystal) -> float:
        """Return the volume of a strained crystal over that at rest."""
        return crystal.volume / self.rest.crystal.volume

    def _at(self, crystal: Crystal, strain: Floats) -> Relaxed:
        """Carry the atoms of a crystal into the strained cell and let them come to rest."""
        cell = self.rest.crystal.cell @ (np.eye(3) + strain_matrix(strain))
        moved = Crystal(crystal.species, crystal.positions @ np.linalg.solve(crystal.cell, cell), cell)
        return relax(
            self.potential, moved, cell_freedom="fixed", force_tolerance_eV_per_A=_FORCE_eV_per_A, longest_path=_FAR
        )

    def signs(self, at: StrainedCell) -> Signs:
        """Return how far a strained cell has left its elastic answer.

        Raises
        ------
        StudyError
            Without strain: nothing has moved.
        Unstable
            When the affine stiffness itself is not positive definite.
        """
        reach = equivalent_strain(at.strain)
        moved = squared_deviation(self.near, at.rest.crystal) / self.near.count
        elastic = self.plateau.squared(at.strain) / self.plateau.count
        floor = 1e-4 * self.plateau.nearest * reach
        ratio = np.sqrt(self._shells(moved) / (self._shells(elastic) + floor * floor))
        return Signs(
            float(softened(at.elastic.born, at.elastic.relaxed)[-1]),
            float(ratio.max()),
            least_acoustic(at.elastic.relaxed, at.rest.stress) / self._stiffest,
        )

    def _shells(self, values: Floats) -> Floats:
        """Return the sum over each atom and its neighbours."""
        here = np.repeat(np.arange(self.atoms), np.diff(self.near.first))
        total = values.copy()
        np.add.at(total, here, values[self.near.other])
        np.add.at(total, self.near.other, values[here])
        return total

    @cached_property
    def _stiffest(self) -> float:
        return least_acoustic(self.elastic.relaxed, np.zeros(6))


def supercell(potential: Potential, crystal: Crystal) -> Supercell:
    """Bring a block of atoms to rest, free of stress.

    Raises
    ------
    Unstable
        When the potential does not hold this crystal.
    """
    rest = relax(potential, crystal, force_tolerance_eV_per_A=_FORCE_eV_per_A)
    return Supercell(potential, rest, elasticity(rest))


def _flat(s: Floats) -> Floats:
    """Return symmetric strains (n, 3, 3) as (n, 6) with engineering shears."""
    return np.stack([s[:, 0, 0], s[:, 1, 1], s[:, 2, 2], 2 * s[:, 1, 2], 2 * s[:, 0, 2], 2 * s[:, 0, 1]], axis=1)


def _tangent(strain: Floats, stress_GPa: Floats, relaxed_GPa: Floats, share: float) -> tuple[Floats, Floats]:
    """Return T (6,) and dT/de (6, 6) in GPa per reference volume, from Cauchy stress, stiffness and the volume's ratio.

    Atoms x (rows) move to x (1 + h) with h = U^-1 dU, which is not symmetric: as a stretch it is the strain
    s + (h h^T - s^2) / 2 with s the symmetric part of h, and the energy is known to second order in that.
    """
    h = np.linalg.solve(np.eye(3) + strain_matrix(strain), _UNIT)
    s = 0.5 * (h + h.transpose(0, 2, 1))
    flat = _flat(s)
    sigma = _stress_matrix(stress_GPa)
    quadratic = np.einsum("aik,bjk,ij->ab", h, h, sigma) - np.einsum("aik,bkj,ij->ab", s, s, sigma)
    stiffness = flat @ relaxed_GPa @ flat.T + 0.5 * (quadratic + quadratic.T)
    return share * (flat @ stress_GPa), share * stiffness


def least_acoustic(stiffness_GPa: Floats, stress_GPa: Floats) -> float:
    """Return the least eigenvalue in GPa of the acoustic tensor over directions, of a crystal under stress.

    Parameters
    ----------
    stiffness_GPa
        (6, 6) second derivative of the energy by stretches per volume (`elasticity`).
    stress_GPa
        (6,) Cauchy stress.

    Displacements a exp(i k n.x) strain by n a; the energy of that is Q a.a, the stress counted with it (R. Hill, J.
    Mech. Phys. Solids 10, 1, 1962). Directions are those of a grid of 10 degrees over half a sphere.
    """
    sigma = _stress_matrix(stress_GPa)
    s = 0.5 * (np.einsum("dj,ai->daij", _DIRECTIONS, np.eye(3)) + np.einsum("di,aj->daij", _DIRECTIONS, np.eye(3)))
    pairs = (s[..., 0, 0], s[..., 1, 1], s[..., 2, 2], 2 * s[..., 1, 2], 2 * s[..., 0, 2], 2 * s[..., 0, 1])
    flat = np.stack(pairs, axis=-1)
    along = np.einsum("di,ij,dj->d", _DIRECTIONS, sigma, _DIRECTIONS)
    turned = np.einsum("daik,dbkj,ij->dab", s, s, sigma)
    Q = flat @ stiffness_GPa @ flat.transpose(0, 2, 1) + along[:, None, None] * np.eye(3)
    return float(np.linalg.eigvalsh(Q - 0.5 * (turned + turned.transpose(0, 2, 1)))[:, 0].min())


def _directions() -> Floats:
    polar, around = np.meshgrid(np.radians(np.arange(0.0, 91.0, 10.0)), np.radians(np.arange(0.0, 360.0, 10.0)))
    grid = np.stack([np.sin(polar) * np.cos(around), np.sin(polar) * np.sin(around), np.cos(polar)], axis=-1)
    lines = np.array([line for line in itertools.product((-1, 0, 1), repeat=3) if line > (0, 0, 0)])
    return np.concatenate([grid.reshape(-1, 3), lines / np.linalg.norm(lines, axis=1, keepdims=True)])


_DIRECTIONS = _directions()


def _stress_matrix(stress: Floats) -> Floats:
    xx, yy, zz, yz, xz, xy = stress
    return np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])


def _condensed(stiffness: Floats) -> tuple[Floats, Floats]:
    """Return the tangent (3, 3) of the plane without stress out of it, and how the strains there follow (3, 3)."""
    follow = _solved(stiffness[np.ix_(_OUT, _OUT)], stiffness[np.ix_(_OUT, _IN)])
    return stiffness[np.ix_(_IN, _IN)] - stiffness[np.ix_(_IN, _OUT)] @ follow, follow


def _solved(corner: Floats, right: Floats) -> Floats:
    """Solve with the stiffness out of the plane."""
    return np.asarray(np.linalg.solve(corner, right))
