"""Bring a crystal to rest: atoms and cell move until forces and stress vanish.

Newton's method in positions and homogeneous strain; each step is solved by conjugate gradients on exact
second-derivative products, truncated early while far away (Dembo & Steihaug, Math. Programming 26, 190, 1983) and
guarded by a backtracking search on the energy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import Unstable
from uqmsm.physics.atomistic.eam import GPA_A3_PER_EV, Bonds, Evaluation, Species, evaluate
from uqmsm.physics.atomistic.neighbours import Neighbours, half_list
from uqmsm.physics.atomistic.response import Stiffness, stiffen
from uqmsm.physics.atomistic.splines import Potential

__all__ = ["CellFreedom", "Crystal", "Relaxed", "relax", "strain_matrix"]

Floats = NDArray[np.float64]
CellFreedom = Literal["fixed", "volume", "normal", "full"]

_FREEDOMS: dict[str, Floats] = {
    "fixed": np.zeros((6, 0)),
    "volume": np.array([[1.0], [1.0], [1.0], [0.0], [0.0], [0.0]]),
    "normal": np.eye(6)[:, 2:3],
    "full": np.eye(6),
}
_LONGEST_STEP_A = 0.3
_LARGEST_STRAIN_STEP = 0.04
_LOST_STRAIN = 0.2


@dataclass(frozen=True)
class Crystal:
    """Atoms in a periodic cell: species (n,), positions (n, 3) and cell (3, 3, vectors in rows) in A."""

    species: Species
    positions: Floats
    cell: Floats

    @property
    def volume(self) -> float:
        """Volume of the cell (A^3)."""
        return float(abs(np.linalg.det(self.cell)))

    def deformed(self, displacements: Floats, strains: Floats) -> Crystal:
        """Return the crystal after a homogeneous strain (6,) and displacements (n, 3) on top of it."""
        gradient = np.eye(3) + strain_matrix(strains)
        return Crystal(self.species, self.positions @ gradient + displacements, self.cell @ gradient)


@dataclass(frozen=True)
class Relaxed:
    """A crystal at rest.

    Attributes
    ----------
    crystal
        Where it came to rest.
    energy
        eV.
    residual_force, residual_stress
        Largest force component (eV/A) and largest stress component that was free to relax (GPa).
    stress
        (6,) GPa, tension positive, xx yy zz yz xz xy.
    iterations, products
        Newton steps and second-derivative products spent.
    neighbours, stiffness
        The list and the second derivatives at rest, for whoever goes on from here.
    """

    crystal: Crystal
    energy: float
    residual_force: float
    residual_stress: float
    stress: Floats
    iterations: int
    products: int
    neighbours: Neighbours
    stiffness: Stiffness


def strain_matrix(strains: Floats) -> Floats:
    """Return the symmetric (3, 3) matrix of six strains with engineering shears."""
    xx, yy, zz, yz, xz, xy = strains
    return np.array([[xx, xy / 2, xz / 2], [xy / 2, yy, yz / 2], [xz / 2, yz / 2, zz]])


class _Descent:
    """The state of one relaxation: geometry, list and last evaluation."""

    def __init__(self, potential: Potential, crystal: Crystal, neighbours: Neighbours | None, skin: float) -> None:
        self.potential, self.skin = potential, skin
        self.origin = self.crystal = crystal
        self.neighbours = neighbours or half_list(crystal.positions, crystal.cell, potential.cutoff, skin)
        self.seen = self.look(crystal, None)

    def look(self, crystal: Crystal, reuse: Bonds | None) -> Evaluation:
        """Evaluate, with a new list where the old one no longer serves."""
        if not self.neighbours.serves(crystal.positions, crystal.cell, self.potential.cutoff):
            self.neighbours = half_list(crystal.positions, crystal.cell, self.potential.cutoff, self.skin)
        return evaluate(self.potential, crystal.species, crystal.positions, crystal.cell, self.neighbours, reuse=reuse)

    def advance(self, displacements: Floats, strains: Floats) -> bool:
        """Move along a direction of descent, shorter and shorter until the energy falls as promised."""
        before = self.seen
        slope = _slope(before, displacements, strains)
        length = min(1.0, _LONGEST_STEP_A / max(float(np.abs(displacements).max()), 1e-12))
        length = min(length, _LARGEST_STRAIN_STEP / max(float(np.abs(strains).max()), 1e-12))
        for _ in range(25):
            trial = self.crystal.deformed(length * displacements, length * strains)
            seen = self.look(trial, before.bonds)
            # where energies cannot tell (rounding, or the small jump at the cutoff) the slope judges
            level = seen.energy <= before.energy + 1e-6 * len(displacements)
            flat = level and abs(_slope(seen, displacements, strains)) < 0.5 * abs(slope)
            if flat or seen.energy <= before.energy + 1e-4 * length * slope:
                self.crystal, self.seen = trial, seen
                return True
            length *= 0.4
        return False

    def lost(self, longest: float) -> str | None:
        """Say how the crystal has left the lattice it started from, if it has."""
        gradient = np.linalg.solve(self.origin.cell, self.crystal.cell)
        strain = float(np.abs(gradient / np.cbrt(np.linalg.det(gradient)) - np.eye(3)).max())
        if strain > _LOST_STRAIN:
            return f"its shape changed by {strain:.2f}"
        wander = self.crystal.positions - self.origin.positions @ gradient
        path = float(np.sqrt(np.einsum("ij,ij->i", wander - wander.mean(axis=0), wander).max()))
        nearest = 0.9 * np.cbrt(self.crystal.volume / len(wander))
        if path > longest * nearest:
            return f"an atom moved by {path:.2f} A"
        return None


def relax(
    potential: Potential,
    crystal: Crystal,
    *,
    cell_freedom: CellFreedom = "full",
    force_tolerance_eV_per_A: float = 1e-5,
    stress_tolerance_GPa: float = 1e-3,
    free_axes: tuple[int, int, int] | Floats = (1, 1, 1),
    neighbours: Neighbours | None = None,
    strain_stiffness: Floats | None = None,
    skin_A: float = 0.8,
    most_steps: int = 40,
    longest_path: float = 0.35,
) -> Relaxed:
    """Relax positions and, as far as allowed, the cell to zero force and stress.

    Parameters
    ----------
    potential, crystal
        What to relax, from where.
    cell_freedom
        "fixed", "volume" (isotropic), "normal" (along z) or "full" (all six strains).
    force_tolerance_eV_per_A, stress_tolerance_GPa
        Largest component left.
    free_axes
        1 for each of x, y, z along which atoms may move, 0 where only the cell moves them; (n, 3) of them where some
        atoms are held.
    neighbours
        A list from a like geometry; rebuilt when it does not serve.
    strain_stiffness
        (6, 6) strain block (eV) of a like crystal, used as preconditioner only; computed when absent.
    skin_A, most_steps
        Skin of new lists and bound on Newton steps.
    longest_path
        How far an atom may get, in distances to its nearest neighbour, before the crystal counts as lost.

    Returns
    -------
    Relaxed

    Raises
    ------
    Unstable
        When the crystal runs away from its lattice, rests on a saddle, or does not come to rest in `most_steps`.
    """
    basis = _FREEDOMS[cell_freedom]
    free, along = basis @ np.linalg.pinv(basis), np.array(free_axes, dtype=np.float64)
    state = _Descent(potential, crystal, neighbours, skin_A)
    inverse: Floats | None = None
    stiffness: Stiffness | None = None
    products, curved_down = 0, False
    for step in range(most_steps + 1):
        seen, volume = state.seen, state.crystal.volume
        force = float(np.abs(seen.forces * along).max())
        stress = float(np.abs(free @ seen.virial).max()) / volume * GPA_A3_PER_EV
        stiffness = stiffen(potential, crystal.species, seen.bonds, stiffness)
        arrived = force < force_tolerance_eV_per_A and stress < stress_tolerance_GPa
        if arrived and not curved_down:
            whole = seen.virial / volume * GPA_A3_PER_EV
            return Relaxed(
                state.crystal, seen.energy, force, stress, whole, step, products, state.neighbours, stiffness
            )
        if arrived or step == most_steps:
            break
        if inverse is None:
            inverse = _inverse_on(basis, stiffness.affine()[0] if strain_stiffness is None else strain_stiffness)
        # the residual falls faster than linearly once it is small, and no product is wasted before
        reduction = min(0.2, max(0.3 * force_tolerance_eV_per_A / max(force, 1e-300), force))
        answer = stiffness.solve(seen.forces * along, -(free @ seen.virial), inverse, reduction, free=along)
        products, curved_down = products + answer.products, answer.curved_down
        moved = state.advance(answer.displacements, answer.strains)
        lost = state.lost(longest_path)
        if lost or not moved:
            raise Unstable(
                f"relaxation left the lattice after {step + 1} steps: {lost or 'the energy has no way down'} "
                f"(largest force {force:.2e} eV/A, stress {stress:.2e} GPa); this potential does not hold this crystal"
            )
    reason = "the atoms rest on a saddle" if arrived else "they are not at rest"
    raise Unstable(
        f"relaxation of {len(crystal.species)} atoms ended after {step} steps: {reason} (largest force {force:.2e} "
        f"eV/A against {force_tolerance_eV_per_A:.0e}, stress {stress:.2e} GPa against {stress_tolerance_GPa:.0e}); "
        "this potential may not hold this crystal, or loosen the tolerance"
    )


def _slope(seen: Evaluation, displacements: Floats, strains: Floats) -> float:
    """Return the derivative of the energy along a direction (eV)."""
    return float(seen.virial @ strains - np.sum(seen.forces * displacements))


def _inverse_on(basis: Floats, block: Floats) -> Floats:
    """Invert the strain block within the strains that may move; a stable diagonal where it is not positive."""
    if basis.shape[1] == 0:
        return np.zeros((6, 6))
    reduced = basis.T @ block @ basis
    values, vectors = np.linalg.eigh(reduced)
    values = np.maximum(values, 0.02 * np.abs(values).max())
    inside = (vectors / values) @ vectors.T
    return np.asarray(basis @ inside @ basis.T)
