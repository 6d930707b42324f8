"""The tip of a crack: a disc of atoms about it, whose rim the field of a stress intensity holds and follows.

x runs along the growth of the crack, y along the normal of its plane, z along its front, with which the disc is
periodic; around it is vacuum. Atoms start where the anisotropic solution of Stroh puts them and relax, all but the rim.
The rim's field has a centre of its own, and the atoms choose it: where their crack lies e ahead of the rim's, they lie
off the rim's field u by e times du/d(centre), and the centre is moved until that share is nothing. This is a flexible
boundary (J. E. Sinclair, Philos. Mag. 31, 647, 1975; M. Buze and J. R. Kermode, Phys. Rev. E 103, 033002, 2021).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from uqmsm.errors import Unstable
from uqmsm.physics.atomistic.crack_sites import Disc, near_bonds
from uqmsm.physics.atomistic.eam import GPA_A3_PER_EV, Species, evaluate
from uqmsm.physics.atomistic.neighbours import Neighbours, half_list
from uqmsm.physics.atomistic.relax import Crystal, relax
from uqmsm.physics.atomistic.splines import Potential
from uqmsm.physics.stroh import Stroh, stroh
from uqmsm.physics.tensors import rotate_stiffness

__all__ = ["Specimen", "Tip", "specimen"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

FORCE_TOLERANCE_eV_per_A = 4e-3
_FOLLOWED_A = 0.1  # of a radius of 24 A, that is 0.4 % of K
_PUSHES_A = (0.0, 0.02, 0.05)
_STRIDE = 2.0  # an annulus inside of a held rim shows about half of how far the centres are apart


@dataclass(frozen=True)
class Tip:
    """Atoms at rest about the tip of a crack.

    Attributes
    ----------
    intensity
        K_I (GPa sqrt(A)) of the rim's field.
    centre
        x (A) of that field's tip.
    displacement
        (n, 3) of the atoms from those of the uncracked crystal (A).
    place
        x (A) where the faces are half a spacing further apart than the planes of the crystal were.
    slip
        Largest relative displacement (A) of nearest neighbours away from the tip (`Specimen.slip`).
    neighbours
        Their list, for whoever goes on from here.
    """

    intensity: float
    centre: float
    displacement: Floats
    place: float
    slip: float
    neighbours: Neighbours | None = None


@dataclass(frozen=True)
class Specimen:
    """A disc of a given potential and species, ready to be loaded.

    Attributes
    ----------
    around, potential
        Geometry and potential.
    species, sites, resting
        (n,), (n, 3) and (n, 3) of the atoms of the disc, in A: the perfect lattice's sites, and where the uncracked
        crystal rests.
    field
        Elastic solution in the disc's axes.
    surface_energy
        GPa A, of the crack's own plane: the block cut in two along it, at rest, the mean of both faces.
    """

    around: Disc
    potential: Potential
    species: Species
    sites: Floats
    resting: Floats
    field: Stroh
    surface_energy: float

    @cached_property
    def cell(self) -> Floats:
        """Cell (3, 3) with vacuum around the disc (A)."""
        wide = 2.0 * float(np.hypot(*self.sites.T[:2]).max()) + self.potential.cutoff
        return np.diag([wide + 4.0, wide + 16.0, self.around.length])  # faces part by some 10 A

    @cached_property
    def free(self) -> Bools:
        """Atoms (n,) that move."""
        return np.asarray(np.hypot(*self.sites.T[:2]) < self.around.radius)

    @cached_property
    def bonds(self) -> Ints:
        """Pairs (b, 2) of nearest neighbours on the same side of the plane, both free."""
        who = np.flatnonzero(self.free)
        return near_bonds(self.sites[who], self.around, who)

    @cached_property
    def rows(self) -> tuple[tuple[Floats, Ints, Ints], ...]:
        """Of the planes above and below the crack: places x of their rows, which atoms, and of which row each is."""
        found = []
        for sign in (1.0, -1.0):
            who = np.flatnonzero(np.abs(self.sites[:, 1] - 0.5 * sign * self.around.spacing) < 0.1)
            places, row = np.unique(np.round(self.sites[who, 0], 3), return_inverse=True)
            found.append((places, who, row))
        return tuple(found)

    def elastic(self, intensity: float, centre: float) -> Floats:
        """Return the displacements (n, 3) of the rim's field at every atom."""
        return self.field.crack([0.0, intensity, 0.0], self.sites[:, 0] - centre, self.sites[:, 1])

    def opening(self, displacement: Floats) -> tuple[Floats, Floats]:
        """Return places x and how much further than in the crystal the planes of the crack are apart there (A)."""
        (x, above), (z, below) = (
            (places, np.bincount(row, weights=displacement[who, 1]) / np.bincount(row))
            for places, who, row in self.rows
        )
        reach = 0.95 * self.around.radius
        grid = np.arange(-reach, reach, 0.02)
        return grid, np.interp(grid, x, above) - np.interp(grid, z, below)

    def begin(self, intensity: float) -> Tip:
        """Return the tip at rest that begins as the elastic one at x = 0."""
        return self.at_rest(Tip(intensity, 0.0, self.elastic(intensity, 0.0), 0.0, 0.0), intensity)

    def at_rest(self, tip: Tip, intensity: float, *, follows: int = 3) -> Tip:
        """Bring a tip to rest under another intensity, the rim following it `follows` times at most.

        Raises
        ------
        Unstable
            When the atoms do not come to rest.
        """
        at = replace(tip, intensity=intensity)
        u = tip.displacement + self.elastic(intensity, tip.centre) - self.elastic(tip.intensity, tip.centre)
        for turn in range(follows + 1):
            u, near = self._relaxed(u, at.neighbours)
            at = replace(at, neighbours=near)
            ahead = self.ahead(u, intensity, at.centre)
            if abs(ahead) < _FOLLOWED_A or turn == follows:
                break
            moved = at.centre + _STRIDE * ahead
            u = u + self.elastic(intensity, moved) - self.elastic(intensity, at.centre)
            at = replace(at, centre=moved)
        grid, wide = self.opening(u)
        open_ = np.flatnonzero(wide > 0.5 * self.around.spacing)
        place = float(grid[open_[-1]]) if len(open_) else -np.inf
        return replace(at, displacement=u, place=place, slip=self.slip(u, place))

    def slip(self, displacement: Floats, place: float) -> float:
        """Return the largest relative displacement (A) of nearest neighbours, at least 2 a from the tip."""
        one, other = self.bonds.T
        x, y = 0.5 * (self.sites[one] + self.sites[other]).T[:2]
        far = np.hypot(x - place, y) > 2.0 * self.around.lattice_parameter
        return float(np.linalg.norm(displacement[one] - displacement[other], axis=1)[far].max(initial=0.0))

    def ahead(self, displacement: Floats, intensity: float, centre: float) -> float:
        """Return how far (A) the atoms' crack lies ahead of the rim's, as an annulus inside of the rim shows it."""
        r = np.hypot(*self.sites.T[:2]) / self.around.radius
        ring, step = (r > 0.4) & (r < 0.8), 0.05
        moved = self.elastic(intensity, centre + step) - self.elastic(intensity, centre - step)
        slope = moved[ring] / (2.0 * step)
        off = (displacement - self.elastic(intensity, centre))[ring]
        return float((off * slope).sum() / (slope**2).sum())

    def _relaxed(self, displacement: Floats, neighbours: Neighbours | None) -> tuple[Floats, Neighbours]:
        """Bring atoms to rest; those that come to rest on a saddle are pushed off it by a fixed pattern."""
        free = np.repeat(np.where(self.free, 1.0, 0.0)[:, None], 3, axis=1)
        pattern = free * np.cos(np.arange(free.size) ** 2.0).reshape(free.shape)
        for push_A in _PUSHES_A:
            start = Crystal(self.species, self.resting + displacement + push_A * pattern, self.cell)
            try:
                found = relax(
                    self.potential, start, cell_freedom="fixed", free_axes=free, longest_path=10.0, most_steps=200,
                    force_tolerance_eV_per_A=FORCE_TOLERANCE_eV_per_A, neighbours=neighbours, skin_A=1.2,
                )  # fmt: skip
            except Unstable:
                if push_A == _PUSHES_A[-1]:
                    raise
            else:
                break
        return found.crystal.positions - self.resting, found.neighbours


def specimen(potential: Potential, species: ArrayLike, around: Disc, stiffness_GPa: Floats) -> Specimen:
    """Fill a disc with atoms.

    Parameters
    ----------
    potential
        What binds them.
    species
        (n,) of the block's sites, in their `order`.
    around
        From `disc`, at the lattice parameter of the crystal at rest.
    stiffness_GPa
        (6, 6) Voigt along the cubic axes, of the same potential.

    Raises
    ------
    Unstable
        When the uncracked block does not come to rest.
    """
    numbers = np.empty(len(around.sites), dtype=np.int64)
    numbers[around.order] = np.asarray(species, dtype=np.int64)
    whole = Crystal(numbers, around.sites, around.cell)
    if len(np.unique(numbers)) > 1:  # the sites of an alloy are no crystal at rest
        whole = _rested(potential, whole)
    resting = whole.positions
    gap = np.diag([0.0, potential.cutoff + 2.0, 0.0])
    halves = _rested(potential, Crystal(numbers, resting + (around.sites[:, 1:2] > 0.0) @ gap[1:2], around.cell + gap))
    cost = _energy(potential, halves) - _energy(potential, whole)
    surface = 0.5 * cost / (around.cell[0, 0] * around.cell[2, 2]) * GPA_A3_PER_EV
    kept = around.inside
    return Specimen(
        around, potential, np.ascontiguousarray(numbers[kept]), np.ascontiguousarray(around.sites[kept]),
        np.ascontiguousarray(resting[kept]), stroh(rotate_stiffness(stiffness_GPa, around.turn)), surface,
    )  # fmt: skip


def _rested(potential: Potential, block: Crystal) -> Crystal:
    return relax(
        potential, block, cell_freedom="fixed", force_tolerance_eV_per_A=FORCE_TOLERANCE_eV_per_A, longest_path=1.0
    ).crystal


def _energy(potential: Potential, block: Crystal) -> float:
    near = half_list(block.positions, block.cell, potential.cutoff, 0.1)
    return evaluate(potential, block.species, block.positions, block.cell, near).energy
