"""Missing atoms of a random alloy: what they cost where, and what it takes a neighbour to fill the gap.

Convention: the formation energy at a site is E(without the atom) - E + mu(its element), at zero stress, with the
chemical potentials of the random alloy at 0 K (`misfit.Misfit.potentials`): the energy of handing the atom to a large
crystal of the same alloy. Its mean over sites of all elements with their fractions does not depend on how the chemical
potentials part the energy per atom.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.atomistic.paths import Pass, pass_between
from uqmsm.physics.atomistic.relax import Crystal, Relaxed, relax
from uqmsm.physics.atomistic.splines import Potential

__all__ = ["Jump", "Vacancy", "jump", "neighbours_of", "vacancy"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Vacancy:
    """A crystal without one atom, at rest.

    Attributes
    ----------
    site
        Number of the missing atom.
    formation_energy
        eV, with the chemical potential that was given.
    relaxation_volume
        A^3: by how much the crystal grew when the atom was taken; negative where it shrank.
    rest
        The crystal.
    """

    site: int
    formation_energy: float
    relaxation_volume: float
    rest: Relaxed


@dataclass(frozen=True)
class Jump:
    """The jump of a neighbour into a vacancy.

    Attributes
    ----------
    forth, back
        Barriers seen from the vacancy given and from where it is afterwards (eV).
    over
        The saddle.
    """

    forth: float
    back: float
    over: Pass


def vacancy(
    potential: Potential,
    rest: Relaxed,
    site: int,
    chemical_potential_eV: float,
    *,
    strain_stiffness: Floats | None = None,
    force_tolerance_eV_per_A: float = 1e-4,
) -> Vacancy:
    """Take one atom out of a crystal at rest and let the others and the cell relax.

    Parameters
    ----------
    potential, rest
        The crystal at rest at zero stress.
    site
        The atom to take.
    chemical_potential_eV
        Of its element.
    strain_stiffness, force_tolerance_eV_per_A
        As in `relax`.

    Raises
    ------
    StudyError
        For a site that does not exist.
    Unstable
        When the crystal does not come to rest without the atom.
    """
    whole = rest.crystal
    n = len(whole.species)
    if not 0 <= site < n:
        raise StudyError(f"site {site} is none of the {n} atoms; count from 0")
    kept = np.delete(np.arange(n), site)
    left = Crystal(whole.species[kept], np.ascontiguousarray(whole.positions[kept]), whole.cell)
    end = relax(
        potential, left, strain_stiffness=strain_stiffness, force_tolerance_eV_per_A=force_tolerance_eV_per_A,
        stress_tolerance_GPa=1e-2,
    )  # fmt: skip
    grown = end.crystal.volume - whole.volume
    return Vacancy(site, end.energy - rest.energy + chemical_potential_eV, grown, end)


def neighbours_of(rest: Relaxed, site: int) -> tuple[NDArray[np.int64], Floats]:
    """Return the nearest neighbours of a site, (8 or 12) numbers and vectors (m, 3) in A to them.

    Those closer than 1.2 times the cube root of the volume per atom: between the first and second shell of bcc and fcc.
    """
    crystal, near = rest.crystal, rest.neighbours
    here = np.repeat(np.arange(len(crystal.species)), np.diff(near.first))
    vectors = crystal.positions[near.other] + (near.shifts @ crystal.cell)[near.image] - crystal.positions[here]
    ours, theirs = here == site, near.other == site
    numbers = np.concatenate([near.other[ours], here[theirs]]).astype(np.int64)
    away = np.concatenate([vectors[ours], -vectors[theirs]])
    limit = 1.18 * np.cbrt(crystal.volume / len(crystal.species))
    close = (away**2).sum(axis=1) < limit**2
    order = np.lexsort((away[close][:, 2], away[close][:, 1], away[close][:, 0], numbers[close]))
    return numbers[close][order], away[close][order]


def jump(
    potential: Potential,
    rest: Relaxed,
    gap: Vacancy,
    neighbour: int,
    vector: Floats,
    *,
    images: int = 5,
    force_tolerance_eV_per_A: float = 1e-5,
) -> Jump:
    """Let a neighbour jump into a vacancy, in the cell of the relaxed vacancy.

    Parameters
    ----------
    potential, rest, gap
        The crystal at rest, and without one atom (`vacancy`).
    neighbour, vector
        Which atom of the whole crystal jumps, and the vector (3,) in A from the vacant site to it (`neighbours_of`).
    images, force_tolerance_eV_per_A
        As in `pass_between`.

    Raises
    ------
    Unstable
        When the crystal does not come to rest after the jump.
    NotConverged
        When no saddle is found.
    """
    before = gap.rest.crystal
    mover = neighbour - int(neighbour > gap.site)
    # the sites of the whole crystal, carried along with the cell of the vacancy
    carried = np.linalg.solve(rest.crystal.cell, before.cell)
    after = before.positions.copy()
    after[mover] -= vector @ carried
    end = relax(
        potential, Crystal(before.species, after, before.cell), cell_freedom="fixed",
        force_tolerance_eV_per_A=force_tolerance_eV_per_A,
    )  # fmt: skip
    start = relax(potential, before, cell_freedom="fixed", force_tolerance_eV_per_A=force_tolerance_eV_per_A)
    over = pass_between(
        potential, before.species, before.cell, start.crystal.positions, end.crystal.positions, images=images,
        force_tolerance_eV_per_A=force_tolerance_eV_per_A,
    )  # fmt: skip
    return Jump(over.energy - start.energy, over.energy - end.energy, over)
