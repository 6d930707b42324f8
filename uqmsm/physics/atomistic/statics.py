"""Everything the larger scales ask of a random alloy at zero temperature, from one crystal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.atomistic.eam import Species, evaluate
from uqmsm.physics.atomistic.elastic import Cubic, elasticity, require_stable
from uqmsm.physics.atomistic.misfit import Misfit, misfit_volumes
from uqmsm.physics.atomistic.neighbours import half_list
from uqmsm.physics.atomistic.nonaffine import deviations, softened
from uqmsm.physics.atomistic.relax import Crystal, Relaxed, relax
from uqmsm.physics.atomistic.splines import Potential, interpolate
from uqmsm.physics.atomistic.virial_work import virial_gap
from uqmsm.physics.embedded_tables import PotentialTables

__all__ = ["Statics", "block_vectors", "statics"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Statics:
    """Zero-temperature properties of one crystal.

    Attributes
    ----------
    lattice_parameter
        Cube root of the volume per conventional cell (A).
    cohesive_energy
        Energy per atom below that of isolated atoms (eV, positive).
    volume_per_atom
        A^3.
    stiffness, born_stiffness
        (6, 6) GPa with and without internal relaxation.
    cubic
        Cubic projection of `stiffness` with the anisotropy that is left.
    nonaffine_fractions
        (6,) ascending: shares of the affine stiffness that non-affine motion takes back (`nonaffine.softened`).
    nonaffine_plateau
        (n,) dimensionless deviation chi of each atom from affine motion, over all directions of strain.
    misfit_volumes, misfit_volumes_se
        (n_elements,) A^3 per atom and standard errors.
    chemical_potentials, chemical_potentials_se
        (n_elements,) eV of the random alloy at rest (`misfit.Misfit.potentials`) and standard errors.
    residual_force, residual_stress
        eV/A and GPa left in the relaxed crystal.
    virial_gap
        Relative difference between the work of the mean stress and the energy stored (`virial_work`).
    iterations, products
        Newton steps and second-derivative products over everything.
    """

    lattice_parameter: float
    cohesive_energy: float
    volume_per_atom: float
    stiffness: Floats
    born_stiffness: Floats
    cubic: Cubic
    nonaffine_fractions: Floats
    nonaffine_plateau: Floats
    misfit_volumes: Floats
    misfit_volumes_se: Floats
    chemical_potentials: Floats
    chemical_potentials_se: Floats
    residual_force: float
    residual_stress: float
    virial_gap: float
    iterations: int
    products: int

    @property
    def C11(self) -> float:
        """Relaxed cubic constant (GPa)."""
        return self.cubic.C11

    @property
    def C12(self) -> float:
        """Relaxed cubic constant (GPa)."""
        return self.cubic.C12

    @property
    def C44(self) -> float:
        """Relaxed cubic constant (GPa)."""
        return self.cubic.C44

    @property
    def anisotropy_residual(self) -> float:
        """Relative norm of what is not cubic in the stiffness."""
        return self.cubic.residual


def block_vectors(cells: ArrayLike) -> Floats:
    """Return the vectors (3, 3) of a block in cubic edges from its numbers of cells along the axes, or as they are."""
    given = np.asarray(cells, dtype=np.float64)
    return np.diag(given) if given.ndim == 1 else given


def statics(
    tables: PotentialTables,
    species: Species,
    composition: ArrayLike,
    sites: Floats,
    *,
    cells: ArrayLike,
    a_guess_A: float,
    rng: np.random.Generator,
    n_families: int = 4,
    force_tolerance_eV_per_A: float = 1e-5,
) -> Statics:
    """Relax one configuration and measure lattice parameter, elastic constants and misfit volumes.

    Parameters
    ----------
    tables
        The potential.
    species
        (n,) numbers of the atoms in ``tables.elements``.
    composition
        (k,) atomic fractions that the configuration stands for.
    sites
        (n, 3) fractional positions of the lattice in the block of `cells` (`alloy.sites`).
    cells
        Conventional cells along each edge, or the vectors (3, 3) of an oriented block in cubic edges
        (`alloy.block`), whose components stay along the cubic axes.
    a_guess_A
        Where to start, within a few per cent.
    rng
        The stream of chance of the swap families.
    n_families
        0 leaves the misfit volumes out (NaN).
    force_tolerance_eV_per_A
        Of the main relaxation.

    Raises
    ------
    StudyError
        When sites and species disagree.
    MemberFailed
        When the virial does not do the work that the bonds store.
    Unstable
        When the crystal does not relax, or is elastically unstable.
    """
    numbers = np.ascontiguousarray(species, dtype=np.int64)
    k = len(tables.elements)
    if sites.shape != (len(numbers), 3) or numbers.min() < 0 or numbers.max() >= k:
        raise StudyError(
            f"{len(numbers)} species between {numbers.min()} and {numbers.max()} do not fit {sites.shape[0]} sites and "
            f"{k} elements; build both from the same cells"
        )
    potential = interpolate(tables)
    vectors = block_vectors(cells)
    cell = a_guess_A * vectors
    rest = relax(potential, Crystal(numbers, sites @ cell, cell), force_tolerance_eV_per_A=force_tolerance_eV_per_A)
    elastic = elasticity(rest)
    cubic = require_stable(elastic.relaxed)
    misfit = Misfit.unknown(k)
    if n_families > 0:
        misfit = misfit_volumes(
            potential, rest, composition, rng, n_families=n_families, strain_stiffness=elastic.strain_block
        )
    return Statics(
        lattice_parameter=float(np.cbrt(rest.crystal.volume / np.linalg.det(vectors))),
        cohesive_energy=-rest.energy / len(numbers),
        volume_per_atom=rest.crystal.volume / len(numbers),
        stiffness=elastic.relaxed,
        born_stiffness=elastic.born,
        cubic=cubic,
        nonaffine_fractions=softened(elastic.born, elastic.relaxed),
        nonaffine_plateau=deviations(rest.crystal, elastic.answer, rest.neighbours).mean_plateau(),
        misfit_volumes=misfit.volumes,
        misfit_volumes_se=misfit.standard_errors,
        chemical_potentials=misfit.potentials,
        chemical_potentials_se=misfit.potential_errors,
        residual_force=rest.residual_force,
        residual_stress=rest.residual_stress,
        virial_gap=virial_gap(_looking(potential, rest), rest.crystal, rest.energy, elastic.answer),
        iterations=rest.iterations + misfit.iterations,
        products=rest.products + elastic.products + misfit.products,
    )


def _looking(potential: Potential, rest: Relaxed) -> Callable[[Crystal], tuple[float, Floats]]:
    """Return what looks at energy and virial of crystals near one at rest."""

    def look(crystal: Crystal) -> tuple[float, Floats]:
        near = rest.neighbours
        if not near.serves(crystal.positions, crystal.cell, potential.cutoff):
            near = half_list(crystal.positions, crystal.cell, potential.cutoff)
        seen = evaluate(potential, crystal.species, crystal.positions, crystal.cell, near)
        return seen.energy, np.asarray(seen.virial)

    return look
