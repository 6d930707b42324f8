"""A vacancy of a random alloy whose atoms end in a continuum: no periodic images, no free surface.

The continuum is the alloy at rest from afar (`homogenised`): its lattice parameter, its stiffness. The ghost force is
that of the crystal of average atoms, which the alloy's own atoms are measured against.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.coupling.alloys import (
    TabulatedAtoms,
    average_atom_of,
    interface_forces,
    random_kinds,
)
from uqmsm.physics.coupling.cauchy_born import Continuum, NearlyLinear
from uqmsm.physics.coupling.equilibrium import solve
from uqmsm.physics.coupling.homogenised import homogenised
from uqmsm.physics.coupling.lattice import cubic
from uqmsm.physics.coupling.matching import GPA_A3_PER_EV
from uqmsm.physics.coupling.mesh import Mesh
from uqmsm.physics.coupling.methods import FORCES, Method, Problem, couple, pose
from uqmsm.physics.coupling.power import mean_stress
from uqmsm.physics.coupling.tabulated_crystal import TabulatedCrystal
from uqmsm.physics.embedded_tables import EmbeddedFunctions
from uqmsm.physics.tensors import COMPONENTS

__all__ = ["CoupledVacancy", "coupled_vacancy", "posed_vacancy", "sites_outwards", "under", "voigt_to_moduli"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FORCE_TOLERANCE_eV_per_A = 1e-5
"""Energies are then good to 1e-8 eV."""


@dataclass(frozen=True)
class CoupledVacancy:
    """A vacancy and what it cost.

    Attributes
    ----------
    formation_energy
        eV: E(without the atom) - E + mu(its element), both at rest under the far field.
    relaxation_energy
        eV gained by the neighbours' relaxation; not negative.
    element
        Row of the missing atom's element.
    dipole
        eV, (3, 3): by how much the formation energy falls per unit strain of the far field.
    ghost_force, distortion_force
        eV/A: the interface's artefact on the average crystal (removed by corrected methods), and the root mean square
        force of misfit on the unrelaxed atoms (which stays).
    unknowns
        Degrees of freedom.
    """

    formation_energy: float
    relaxation_energy: float
    element: int
    dipole: Floats
    ghost_force: float
    distortion_force: float
    unknowns: int


def sites_outwards(mesh: Mesh) -> Ints:
    """Return the nodes in an order that does not depend on how far the mesh reaches: shell by shell."""
    return np.lexsort((*mesh.sites.T, np.round(mesh.distance, 6)))


def posed_vacancy(
    tables: EmbeddedFunctions,
    composition: ArrayLike,
    lattice: Literal["bcc", "fcc"],
    lattice_parameter_A: float,
    rng: np.random.Generator,
    *,
    core: int = 2,
    width: int = 1,
    outer: float | None = None,
    method: Method = "bgfc",
    vacant: bool = True,
    stiffness_GPa: Floats | None = None,
    far_field: Floats | None = None,
) -> Problem:
    """State the problem: random atoms inside, the continuum of the alloy at rest outside.

    Parameters
    ----------
    tables, composition
        Potential of n elements and their mole fractions (n,).
    lattice, lattice_parameter_A
        Crystal and its cubic edge in the far field.
    rng
        Stream of the elements, site by site outwards, so that a larger core keeps the atoms of a smaller one.
    core, width, outer, method
        As in `methods.pose`, in layers of one nearest-neighbour distance.
    vacant
        Whether the atom at the origin is missing.
    stiffness_GPa
        (6, 6) of the alloy at rest, in crystal axes, which the far field has. Left out, the far field is the crystal of
        average atoms: too stiff, and of another lattice parameter.
    far_field
        (3, 3) deformation gradient that the boundary is held at; none: at rest.
    """
    average, F = average_atom_of(tables, composition), np.eye(3) if far_field is None else far_field
    closest = min(1.0, float(np.linalg.svd(F, compute_uv=False)[-1]))  # what comes into reach as the crystal shrinks
    grid = cubic(lattice, lattice_parameter_A, 1.03 * tables.cutoff / closest)
    crystal = TabulatedCrystal(average, grid)
    whole = crystal if stiffness_GPa is None else homogenised(crystal, voigt_to_moduli(stiffness_GPa))
    posed = pose(
        grid, TabulatedAtoms(tables), NearlyLinear(whole, F), F, method=method, core=core, width=width,
        outer=outer, profile="quintic", vacancies=np.zeros((1, 3), dtype=np.int64) if vacant else None,
    )  # fmt: skip
    kinds = np.empty(len(posed.mesh.sites), dtype=np.int64)
    kinds[sites_outwards(posed.mesh)] = random_kinds(composition, len(kinds), rng)
    return replace(posed, kinds=kinds, crystal=average, crystal_continuum=NearlyLinear(crystal, F))


def under(problem: Problem, far_field: Floats) -> Problem:
    """Return the same vacancy in the same mesh under another far field (3, 3)."""

    def expanded(there: Continuum | None) -> NearlyLinear:
        assert isinstance(there, NearlyLinear)
        return NearlyLinear(there.continuum, far_field)

    return replace(
        problem, far_field=far_field, continuum=expanded(problem.continuum),
        crystal_continuum=expanded(problem.crystal_continuum),
    )  # fmt: skip


def voigt_to_moduli(stiffness_GPa: Floats) -> Floats:
    """Return C_ijkl (3, 3, 3, 3) in eV/A^3."""
    place = np.empty((3, 3), dtype=np.int64)
    for k, (i, j) in enumerate(COMPONENTS):
        place[i, j] = place[j, i] = k
    return np.asarray(stiffness_GPa[place[:, :, None, None], place] / GPA_A3_PER_EV)


def coupled_vacancy(problem: Problem, chemical_potentials_eV: ArrayLike, method: Method = "bgfc") -> CoupledVacancy:
    """Take the atom at the origin away.

    Parameters
    ----------
    problem
        From `posed_vacancy`.
    chemical_potentials_eV
        (n,) one for each element.
    method
        One that has an energy.

    Raises
    ------
    StudyError
        For a method without energy.
    NotConverged
        When the atoms do not come to rest.
    """
    if method in FORCES:
        raise StudyError(f"{method} has no energy, and a vacancy is asked for one; take bgfc")
    assert problem.kinds is not None
    full = couple(replace(problem, absent=np.zeros_like(problem.absent)), method)
    gap = couple(problem, method)
    crystal = solve(full, tolerance=FORCE_TOLERANCE_eV_per_A)
    before = full.energy(crystal.positions)
    unrelaxed = gap.energy(crystal.positions)
    rest = solve(gap, start=crystal.positions, tolerance=FORCE_TOLERANCE_eV_per_A)
    after = gap.energy(rest.positions)
    element = int(problem.kinds[problem.absent][0])
    volume = float(problem.mesh.volumes.sum())
    dipole = volume * (mean_stress(crystal).boundary - mean_stress(rest).boundary)
    forces = interface_forces(full)
    return CoupledVacancy(
        after - before + float(np.asarray(chemical_potentials_eV)[element]), unrelaxed - after, element, dipole,
        forces.ghost, forces.distortion, problem.unknowns,
    )  # fmt: skip
