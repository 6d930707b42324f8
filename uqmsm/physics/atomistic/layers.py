"""Crystals seen as stacks of planes: blocks with a plane across z, their layers, and what happens between two of them.

A fault shifts all layers above it and tilts the cell by as much, so that a periodic block holds one fault and no
surface. A cut lifts all layers above it by a gap of vacuum: two surfaces of the same atoms.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.atomistic.eam import Species
from uqmsm.physics.atomistic.relax import Crystal, Relaxed, relax
from uqmsm.physics.atomistic.splines import Potential

__all__ = ["MILLIJOULE_PER_M2", "Layered", "stacked"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MILLIJOULE_PER_M2 = 16021.76634
"""One eV/A^2 in mJ/m^2."""


@dataclass(frozen=True)
class Layered:
    """A relaxed crystal whose layers lie across z.

    Attributes
    ----------
    rest
        At rest; cell lower triangular, so that the first two vectors lie in the plane.
    layer
        (n,) number of the layer of each atom, from the bottom.
    lattice_parameter
        Mean, A.
    """

    rest: Relaxed
    layer: Ints
    lattice_parameter: float

    @property
    def layers(self) -> int:
        """Number of layers."""
        return int(self.layer.max()) + 1

    @property
    def area(self) -> float:
        """Area of the plane (A^2)."""
        return float(np.linalg.norm(np.cross(self.rest.crystal.cell[0], self.rest.crystal.cell[1])))

    def sheared(self, below: int, shift: Floats) -> Crystal:
        """Return the crystal with all layers from number `below` on shifted by `shift` (3,) in A, and the cell too."""
        crystal = self.rest.crystal
        positions, cell = crystal.positions.copy(), crystal.cell.copy()
        positions[self.layer >= below] += shift
        cell[2] += shift
        return Crystal(crystal.species, positions, cell)

    def parted(self, below: int, vacuum_A: float) -> Crystal:
        """Return the crystal cut below layer `below`, both sides `vacuum_A` further apart."""
        return self.sheared(below, np.array([0.0, 0.0, vacuum_A]))


def stacked(
    potential: Potential,
    species: Species,
    sites: Floats,
    vectors: Floats,
    a_guess_A: float,
    *,
    force_tolerance_eV_per_A: float = 1e-4,
) -> Layered:
    """Relax a block whose third edge is normal to a plane, and tell its layers.

    Parameters
    ----------
    potential, species
        What.
    sites, vectors
        Fractional positions (n, 3) and vectors (3, 3) in cubic edges of a block (`alloy.sites`, `alloy.plane_block`).
    a_guess_A
        Where to start.
    force_tolerance_eV_per_A
        Largest force component left.

    Raises
    ------
    StudyError
        When the third edge is not normal to the others.
    """
    edges, _ = _upright(vectors)
    if np.abs(edges[2, :2]).max() > 1e-9 * edges[2, 2]:
        raise StudyError(f"the third edge of {vectors.tolist()} is not normal to the plane of the others")
    cell = a_guess_A * edges
    crystal = Crystal(species, sites @ cell, cell)
    crystal = relax(potential, crystal, force_tolerance_eV_per_A=force_tolerance_eV_per_A).crystal
    _, layer = np.unique(np.round(sites[:, 2], 9), return_inverse=True)
    cell, turn = _upright(crystal.cell)  # relaxation has tilted it a little
    turned = Crystal(species, np.ascontiguousarray(crystal.positions @ turn), cell)
    rest = relax(potential, turned, cell_freedom="fixed", force_tolerance_eV_per_A=force_tolerance_eV_per_A)
    return Layered(rest, layer.astype(np.int64), float(np.cbrt(turned.volume / abs(np.linalg.det(vectors)))))


def _upright(vectors: Floats) -> tuple[Floats, Floats]:
    """Turn vectors (rows) until they are lower triangular with a positive diagonal; return them and the turn."""
    turn, upper = np.linalg.qr(vectors.T)
    signs = np.sign(np.diag(upper))
    return np.ascontiguousarray(np.tril((upper * signs[:, None]).T)), turn * signs
