"""The core of an edge dislocation: a cylinder of atoms about it, whose rim the elastic solution holds.

x runs along the Burgers vector, y along the normal of the glide plane, z along the line, with which the cylinder is
periodic; around it is vacuum. Atoms start where anisotropic elasticity puts them and relax, all but the rim. How far
the slip has spread is read from the two planes that bound the glide plane (R. E. Peierls, Proc. Phys. Soc. 52, 34,
1940); the energy within a radius R grows as K ln R outside of the core, K by elasticity alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from uqmsm.errors import StudyError
from uqmsm.physics.atomistic.eam import GPA_A3_PER_EV, Species, evaluate
from uqmsm.physics.atomistic.neighbours import half_list
from uqmsm.physics.atomistic.relax import Crystal, relax
from uqmsm.physics.atomistic.splines import Potential
from uqmsm.physics.stroh import Stroh, stroh
from uqmsm.physics.tensors import rotate_stiffness

__all__ = ["EDGES", "Core", "Cylinder", "cylinder", "edge_core"]

Floats = NDArray[np.float64]
Lattice = Literal["bcc", "fcc"]

EDGES: dict[Lattice, tuple[Floats, float]] = {
    "fcc": (np.array([[1.0, -1.0, 0.0], [1.0, 1.0, 1.0], [-1.0, -1.0, 2.0]]), np.sqrt(0.5)),
    "bcc": (np.array([[1.0, 1.0, 1.0], [1.0, -1.0, 0.0], [1.0, 1.0, -2.0]]), np.sqrt(0.75)),
}
"""Axes x, y, z in cubic edges, and the Burgers vector's length in lattice parameters: a/2 <110> {111}, a/2 <111> {110}.
"""

_BASIS = {
    "fcc": np.array([[0.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.5, 0.0, 0.5], [0.0, 0.5, 0.5]]),
    "bcc": np.array([[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]]),
}


@dataclass(frozen=True)
class Cylinder:
    """Sites of a perfect crystal around a line along z.

    Attributes
    ----------
    lattice, lattice_parameter
        Which, and its size (A).
    positions, cell
        (n, 3) and (3, 3) in A; the line is at x = y = 0, halfway between two glide planes.
    held
        (n,) atoms of the rim.
    burgers
        (3,) in A.
    spacing
        Of the glide planes (A).
    """

    lattice: Lattice
    lattice_parameter: float
    positions: Floats
    cell: Floats
    held: NDArray[np.bool_]
    burgers: Floats
    spacing: float

    @property
    def length(self) -> float:
        """Length of the line (A)."""
        return float(self.cell[2, 2])

    @property
    def radii(self) -> Floats:
        """Distance (n,) of each site from the line (A)."""
        return np.hypot(self.positions[:, 0], self.positions[:, 1])


@dataclass(frozen=True)
class Core:
    """An edge dislocation at rest.

    Attributes
    ----------
    crystal
        Where its atoms are.
    along, slip
        (m,) positions x of the sites of the two planes, and how far the upper has slipped over the lower there (A),
        from the Burgers vector's length (x < 0) to nothing.
    half_width
        Half of the way (A) on which slip grows from a quarter to three quarters of the Burgers vector.
    splitting
        Distance (A) of two equal partial dislocations, each an arctangent, that fit the slip best; 0 for one.
    radii, energies
        (k,) radii (A) and the energy within each per length of line (eV/A).
    core_energy
        Per length (eV/A) within one Burgers vector, by the logarithmic law.
    slope
        Prefactor (eV/A) of ln R that the energies show.
    elastic_slope
        That of anisotropic elasticity, b . L b / (4 pi).
    """

    crystal: Crystal
    along: Floats
    slip: Floats
    half_width: float
    splitting: float
    radii: Floats
    energies: Floats
    core_energy: float
    slope: float
    elastic_slope: float


def cylinder(lattice: Lattice, a_A: float, radius_A: float, cutoff_A: float, *, periods: int = 1) -> Cylinder:
    """List the sites of a cylinder whose rim is two cutoffs thick, so that no free atom knows of the vacuum.

    Parameters
    ----------
    lattice, a_A
        Crystal and its lattice parameter.
    radius_A, cutoff_A
        Of the free part, and of the potential.
    periods
        Of the lattice along the line.

    Raises
    ------
    StudyError
        When the free part is too small to hold a core and its far field.
    """
    if radius_A < 4.0 * a_A or periods < 1:
        raise StudyError(
            f"radius = {radius_A:g} A, periods = {periods}: at least 4 lattice parameters and 1 are needed"
        )
    axes, burgers = EDGES[lattice]
    turn = axes / np.linalg.norm(axes, axis=1)[:, None]
    spacing = a_A / float(np.linalg.norm(axes[1]))
    length = periods * a_A * float(np.linalg.norm(axes[2])) * (0.5 if lattice == "fcc" else 1.0)
    outer = radius_A + 2.0 * cutoff_A
    reach = int(np.ceil(np.hypot(outer, length) / a_A)) + 1
    steps = np.arange(-reach, reach + 1)
    cells = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 1, 3)
    at = a_A * (cells + _BASIS[lattice]).reshape(-1, 3) @ turn.T + np.array([0.25 * burgers * a_A, 0.5 * spacing, 1e-6])
    radii = np.hypot(at[:, 0], at[:, 1])
    at = at[(radii < outer) & (at[:, 2] >= 0.0) & (at[:, 2] < length - 1e-5)]
    at = at[np.lexsort(np.round(at, 4).T)]
    wide = 2.0 * outer + 2.0 * cutoff_A
    held = np.hypot(at[:, 0], at[:, 1]) >= radius_A
    return Cylinder(
        lattice, a_A, np.ascontiguousarray(at), np.diag([wide, wide, length]), held,
        np.array([burgers * a_A, 0.0, 0.0]), spacing,
    )  # fmt: skip


def edge_core(
    potential: Potential,
    species: Species,
    around: Cylinder,
    stiffness_GPa: Floats,
    *,
    force_tolerance_eV_per_A: float = 1e-3,
) -> Core:
    """Relax an edge dislocation and measure its core.

    Parameters
    ----------
    potential, species
        What; (n,) species of the cylinder's sites.
    around
        From `cylinder`, at the lattice parameter of the crystal at rest.
    stiffness_GPa
        (6, 6) Voigt, along the cubic axes.
    force_tolerance_eV_per_A
        Largest force component left on a free atom.

    Raises
    ------
    Unstable
        When the atoms do not come to rest.
    """
    axes, _ = EDGES[around.lattice]
    field = stroh(rotate_stiffness(stiffness_GPa, axes / np.linalg.norm(axes, axis=1)[:, None]))
    sites = around.positions
    perfect = Crystal(species, sites, around.cell)
    hurt = Crystal(species, sites + field.dislocation(around.burgers, sites[:, 0], sites[:, 1]), around.cell)
    if len(np.unique(species)) > 1:  # the sites of an alloy are no crystal at rest
        perfect = _rested(potential, perfect, around.held, force_tolerance_eV_per_A)
    hurt = _rested(potential, hurt, around.held, force_tolerance_eV_per_A)
    cost = _site_energies(potential, hurt) - _site_energies(potential, perfect)
    return _measured(around, field, perfect, hurt, cost)


def _rested(potential: Potential, crystal: Crystal, held: NDArray[np.bool_], tolerance: float) -> Crystal:
    free = np.repeat(np.where(held, 0.0, 1.0)[:, None], 3, axis=1)
    return relax(
        potential, crystal, cell_freedom="fixed", free_axes=free, force_tolerance_eV_per_A=tolerance, longest_path=3.0,
        most_steps=120,
    ).crystal  # fmt: skip


def _site_energies(potential: Potential, crystal: Crystal) -> Floats:
    near = half_list(crystal.positions, crystal.cell, potential.cutoff, 0.1)
    return evaluate(potential, crystal.species, crystal.positions, crystal.cell, near).site_energies


def _measured(around: Cylinder, field: Stroh, perfect: Crystal, hurt: Crystal, cost: Floats) -> Core:
    b = float(around.burgers[0])
    moved = hurt.positions - perfect.positions
    x, y = around.positions[:, 0], around.positions[:, 1]
    inside = ~around.held
    layers = [inside & (np.abs(y - sign * 0.5 * around.spacing) < 0.1) for sign in (1.0, -1.0)]
    upper, lower = (_by_place(x[layer], moved[layer, 0]) for layer in layers)
    along = np.linspace(max(upper[0][0], lower[0][0]), min(upper[0][-1], lower[0][-1]), 400)
    slip = np.interp(along, *upper) - np.interp(along, *lower)
    radii = np.linspace(2.0 * b, float(around.radii[inside].max()), 60)
    order = np.argsort(around.radii)
    summed = np.cumsum(cost[order])
    energies = summed[np.searchsorted(around.radii[order], radii) - 1] / around.length
    half_width, splitting = _spread(along, slip, b)
    # outside of the core, and not where the held rim hems the atoms in
    far = (radii > max(half_width + 2.0 * b, 0.35 * radii[-1])) & (radii < 0.85 * radii[-1])
    slope = float(np.polyfit(np.log(radii[far] / b), energies[far], 1)[0])
    elastic = field.line_energy(around.burgers) / GPA_A3_PER_EV
    return Core(
        hurt, along, slip, half_width, splitting, radii, energies,
        float(np.mean(energies[far] - elastic * np.log(radii[far] / b))), slope, elastic,
    )  # fmt: skip


def _by_place(x: Floats, u: Floats) -> tuple[Floats, Floats]:
    """Return places in rising order and the mean displacement of the atoms at each (rows along the line)."""
    place, row = np.unique(np.round(x, 3), return_inverse=True)
    return place, np.bincount(row, weights=u) / np.bincount(row)


def _spread(along: Floats, slip: Floats, b: float) -> tuple[float, float]:
    """Return half of the way between a quarter and three quarters of the slip, and the distance of two partials."""
    falling = np.minimum.accumulate(slip)
    ends = np.interp([-0.75 * b, -0.25 * b], -falling, along)
    half = 0.5 * float(ends[1] - ends[0])
    middle = float(ends.mean())

    def miss(guess: Floats) -> Floats:
        centre, apart, width = guess
        steps = np.arctan((along - centre - apart / 2) / width) + np.arctan((along - centre + apart / 2) / width)
        return np.asarray(slip / b - 0.5 + steps / (2.0 * np.pi))

    fits = [
        least_squares(miss, (middle, apart, width), bounds=([-np.inf, 0.0, 0.05 * b], [np.inf, np.inf, np.inf]))
        for apart, width in ((0.1 * b, max(half, 0.3 * b)), (max(2.0 * half, 0.2 * b), 0.5 * b))
    ]
    return half, float(min(fits, key=lambda fit: fit.cost).x[1])
